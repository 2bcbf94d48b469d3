"""Jacobians and Hessians of functions, by one sweep for all elements of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.batching import FEW, Recording, in_parts, refuse_size
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.pytree import mapped
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import Transformed, grad
from tinygrad_dnn.autodiff.variables import Argnums, Run, selected
from tinygrad_dnn.graph import Node, mode
from tinygrad_dnn.graph.mode import MODE


def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    **others: None,
) -> Transformed:
    """The function that returns ∂f/∂x, (*f's shape, *x's shape), by one sweep for all of f.

    Args:
        f: returns a Tensor, or a structure of Tensors: then the result is that structure, each with
            the structure of x.
        argnums: as for `grad`.
        has_aux: f returns (what is differentiated, anything else), and the function (Jacobian,
            anything else).
        chunk_size: how many elements of f are swept from at once; as many as fit into 32 MB of
            the largest intermediate gradient, if not given. With 1 they go one after the other.

    Example: `jacobian(lambda x: W @ x)(x)` is `W`.
    """
    refuse_others("jacobian", others)
    numbers, single = selected(argnums)
    refuse_size(chunk_size)

    def run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        done = Run(f, args, kwargs, numbers, has_aux=has_aux)
        rows = [done.grouped(_jacobians(done, y, chunk_size), single) for y in done.results]
        aux = done.side()
        done.close()
        return (done.returned(rows), aux) if has_aux else done.returned(rows)

    return Transformed(jacobian, f, run, argnums=argnums, has_aux=has_aux, chunk_size=chunk_size)


def _jacobians(done: Run, y: Tensor, chunk_size: int | None) -> list[Any]:
    """∂y/∂x for each variable x of a run."""
    n, outside = y.size, done.outside([y])
    if n == 0:
        found = [np.zeros((0, *v.shape), v.dtype) for v in done.variables]
    elif n < FEW or chunk_size == 1 or MODE.get().watch is not None:
        found = _row_by_row(done, y, outside)
    else:
        found = _all_rows(done, y, outside, chunk_size)
    found = [
        np.reshape(g, (*y.shape, *v.shape)) for g, v in zip(found, done.variables, strict=True)
    ]
    return [g if isinstance(g, Tensor) or not outside else Tensor(g) for g in found]


def _row_by_row(done: Run, y: Tensor, outside: bool) -> list[Any]:
    """A sweep for each element of y."""
    rows = []
    for i in range(y.size):
        seed = np.zeros_like(y._array, shape=y.size)
        seed[i] = 1
        rows.append(done.pull([y], [seed.reshape(y.shape)], outside))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _all_rows(done: Run, y: Tensor, outside: bool, chunk_size: int | None) -> list[Any]:
    """One sweep with a leading axis for the elements of y."""
    n = y.size
    v = Tensor(np.zeros_like(y._array))
    seen = Recording([v])
    with mode(watch=seen), np.errstate(all="ignore"):
        pulled = done.pull([y], [v], create_graph=True)

    def seeds(i: int, j: int) -> dict[Node, Any]:
        # Rows i to j of the identity; not every kind of array has `np.eye(..., like=)`.
        below, up_to = (np.tri(j - i, n, k, dtype=y.dtype, like=y._array) for k in (i - 1, i))
        return {v.node: np.reshape(up_to - below, (j - i, *y.shape))}

    return in_parts(seen, pulled, seeds, n, chunk_size, outside)


def hessian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    **others: None,
) -> Transformed:
    """The function that returns ∂²f/∂x² of a scalar f, (*x's shape, *x's shape).

    For a dict, list or tuple x it is the structure of x twice over: `hessian(f)(p)["W"]["b"]` is
    ∂²f/∂W∂b, (*W's shape, *b's shape). So it is for several arguments.

    Args:
        argnums, has_aux, chunk_size: as for `jacobian`.

    Example: `hessian(lambda x: (x**3).sum())(x)` is `np.diag(6 * x)`.
    """
    refuse_others("hessian", others)
    selected(argnums)
    refuse_size(chunk_size)

    def run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        gradient = grad(f, argnums, has_aux=has_aux)

        @wraps(f, updated=())
        def slopes(*given: Any, **named: Any) -> Any:
            found = gradient(*given, **named)
            if has_aux:
                return mapped(_as_tensor, found[0]), found[1]
            return mapped(_as_tensor, found)

        return jacobian(slopes, argnums, has_aux=has_aux, chunk_size=chunk_size)(*args, **kwargs)

    return Transformed(hessian, f, run, argnums=argnums, has_aux=has_aux, chunk_size=chunk_size)


def _as_tensor(x: Any) -> Any:
    return x if x is None or isinstance(x, Tensor) else Tensor(x)
