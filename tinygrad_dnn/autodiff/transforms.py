"""Functions of functions: gradients, Jacobians and Hessians of any order.

A function here takes arrays, or dicts, lists and tuples of arrays, and returns a Tensor computed
from them. Results are plain arrays, unless they depend on a Tensor that requires a gradient (an
argument, or one the function closed over): then they are Tensors, and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.backward_args import seed_of
from tinygrad_dnn.autodiff.coerce import as_data
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.pytree import flatten, paths, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, pull, variable
from tinygrad_dnn.graph import MODE, Node, describe, mode, tick, trace, traced

Argnums = int | Sequence[int]


def gradients(
    y: Tensor,
    xs: Tensor | Sequence[Tensor],
    *,
    gradient: Any = None,
    create_graph: bool = False,
    **others: None,
) -> Any:
    """Gradients of a recorded y with respect to any recorded tensors, intermediate ones included.

    Nothing is added to `.grad`, and nothing is freed.

    Args:
        y: what is differentiated; of one element, unless `gradient` (its cotangent) is given.
        xs: one Tensor, or a sequence of them.
        create_graph: record the backward pass; the gradients are then Tensors.

    Returns:
        An array (or Tensor) per x, of its shape; for a single Tensor just that one.

    Raises:
        TypeError: what is given is no Tensor.
        ValueError: y does not depend on one of the xs, or needs a `gradient`.
    """
    refuse_others("gradients", others)
    nodes = [_recorded(x).node for x in ([xs] if isinstance(xs, Tensor) else _several(xs))]
    _recorded(y)
    found = pull(
        [y.node], [seed_of(y, gradient, create_graph)], wanted=nodes, create_graph=create_graph
    )
    for node in nodes:
        if node not in found:
            raise ValueError(
                f"gradients: {describe(y.node)} does not depend on {describe(node)}, or only "
                "through something without a derivative"
            )
    results = [found[node] for node in nodes]
    return results[0] if isinstance(xs, Tensor) else results


def _recorded(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x
    raise TypeError(
        f"gradients: expected recorded Tensors, gradients(y, [x1, x2]), got {type(x).__name__}; "
        "of a function that is grad(f)(x)"
    )


def _several(xs: Any) -> Sequence[Any]:
    return [xs] if isinstance(xs, (str, np.ndarray)) or not isinstance(xs, Iterable) else [*xs]


def _function(f: Any, who: str) -> None:
    if not callable(f):
        raise TypeError(
            f"{who}: expected a function, got {type(f).__name__}; of a recorded Tensor y that is "
            "y.backward() or gradients(y, x)"
        )


class _Run:
    """One call of a function on fresh variables: what came out, and the variables themselves."""

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int], kwargs: Any
    ) -> None:
        for i in argnums:
            if not -len(args) <= i < len(args):
                raise ValueError(f"argnums: there is no argument {i} among the {len(args)} given")
        leaves, self.layouts = zip(*(flatten(args[i]) for i in argnums), strict=True)
        self.counts = [len(group) for group in leaves]
        self.recording = MODE.get().recording
        began = min(tick(), MODE.get().since)
        with mode(recording=True, since=began):
            self.variables = [
                _variable(x, args[i], k)
                for i, group in zip(argnums, leaves, strict=True)
                for k, x in enumerate(group)
            ]
            self.nodes = [v.node for v in self.variables]  # f may write into a variable
            args = list(args)
            at = iter(self.variables)
            for i, layout, n in zip(argnums, self.layouts, self.counts, strict=True):
                args[i] = rebuild(layout, [next(at) for _ in range(n)])
            self.value = f(*args, **kwargs)

    def result(self) -> Tensor:
        """The value, which must be a Tensor."""
        if isinstance(self.value, Tensor):
            return self.value
        several = isinstance(self.value, (tuple, list, dict))
        raise TypeError(
            "expected the function to return a Tensor computed from the arguments it is "
            f"differentiated by, got {type(self.value).__name__}: "
            + (
                "return the one that is differentiated; the others may be put into a list outside"
                if several
                else "either it does not use them, or it leaves the graph (.item(), .data)"
            )
        )

    def outside(self, y: Tensor) -> bool:
        """Whether y depends on Tensors requiring gradients that this run did not make."""
        if traced():
            return True
        if not self.recording:
            return False  # inside no_grad() nothing outside is waiting for a gradient
        fresh = {node for node in self.nodes if node.op is None}
        return any(leaf.requires_grad and leaf not in fresh for leaf in trace([y.node]).leaves)

    def pull(self, y: Tensor, seed: Any, create_graph: bool, free: bool = False) -> list[Any]:
        """The gradient for each variable, zeros where y does not depend on it."""
        nodes = self.nodes
        if not y.requires_grad:
            found: dict[Node, Any] = {}
        else:
            found = pull([y.node], [seed], wanted=nodes, free=free, create_graph=create_graph)
        return [
            found[node] if node in found else np.zeros_like(v._array)
            for node, v in zip(nodes, self.variables, strict=True)
        ]

    def close(self) -> None:
        """Whatever lies around this run sees its variables as constants from now on."""
        for node in self.nodes:
            if node.op is None:
                node.requires_grad = False

    def grouped(self, flat: Sequence[Any], single: bool) -> Any:
        """Gradients in the structure of the arguments."""
        at = iter(flat)
        groups = [
            rebuild(layout, [next(at) for _ in range(n)])
            for layout, n in zip(self.layouts, self.counts, strict=True)
        ]
        return groups[0] if single else tuple(groups)


def _variable(x: Any, argument: Any, k: int) -> Tensor:
    """The variable for x, which is array k of an argument."""
    try:
        return variable(x)
    except (TypeError, ValueError) as error:
        at = paths(argument)[k]
        if not at:
            raise
        raise type(error)(
            f"{at} of what is differentiated: {error}; what is no parameter goes into an argument "
            "of its own"
        ) from None


def _scalar(y: Tensor, who: str) -> Tensor:
    if y.size != 1:
        raise ValueError(
            f"{who}: expected the function to return one number, got shape {y.shape}; "
            "reduce it (sum, mean), or use vjp or jacobian"
        )
    return y


def _numbers(argnums: Argnums) -> tuple[Sequence[int], bool]:
    if isinstance(argnums, int):
        return [argnums], True
    numbers = list(argnums) if isinstance(argnums, Iterable) else [argnums]
    if not all(isinstance(i, int) for i in numbers):
        raise TypeError(
            f"argnums: expected the position of an argument (0 is the first), or several, got "
            f"{argnums!r}"
        )
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"argnums: expected different positions, at least one, got {argnums}")
    return numbers, False


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, **others: None
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns f(...) and its gradient with respect to the chosen arguments.

    Args:
        f: returns a Tensor of one element.
        argnums: the position of an argument, or several; each an array or a dict, list or tuple.

    Raises:
        ValueError: f returns more than one number; an argument holds integers.
    """
    refuse_others("value_and_grad", others)
    _function(f, "value_and_grad")
    numbers, single = _numbers(argnums)

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        done = _Run(f, args, numbers, kwargs)
        y = _scalar(done.result(), "grad")
        outside = done.outside(y)
        flat = done.pull(y, np.ones_like(y._array), create_graph=outside, free=not outside)
        done.close()
        return (y if outside else y._array), done.grouped(flat, single)

    return run


def grad(f: Callable[..., Any], argnums: Argnums = 0, **others: None) -> Callable[..., Any]:
    """The function that returns the gradient of f; `grad(grad(f))` differentiates twice."""
    refuse_others("grad", others)
    _function(f, "grad")
    both = value_and_grad(f, argnums)

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return run


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """f(*primals) and the function that pulls a cotangent v back: v ↦ (v · ∂f/∂x for each x)."""
    _function(f, "vjp")
    if not primals:
        raise TypeError("vjp: expected the point too: y, pullback = vjp(f, x)")
    done = _Run(f, primals, range(len(primals)), {})
    y = done.result()
    outside = done.outside(y)

    def pullback(v: Any) -> tuple[Any, ...]:
        if np.shape(v) != y.shape:
            raise ValueError(f"vjp: expected a cotangent of shape {y.shape}, got {np.shape(v)}")
        recorded = outside or isinstance(v, Tensor)
        seed = v if recorded else as_data(v)
        if seed.dtype != y.dtype:
            seed = seed.astype(y.dtype)
        groups: tuple[Any, ...] = done.grouped(done.pull(y, seed, recorded), single=False)
        return groups

    return (y if outside else y._array), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*primals) and its derivative along the tangents, ∂f/∂x · t.

    The pullback v ↦ v · ∂f/∂x is linear in v, so its own gradient along t is the answer: two
    reverse sweeps, no second set of rules.
    """
    if not isinstance(primals, Sequence) or not isinstance(tangents, Sequence):
        raise TypeError("jvp: expected a sequence of primals and one of tangents: jvp(f, [x], [t])")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals, but {len(tangents)} tangents")
    done = _Run(f, primals, range(len(primals)), {})
    y = done.result()
    outside = done.outside(y)
    flat_tangents = [t for group in tangents for t in flatten(group)[0]]
    _match(done.variables, flat_tangents, "jvp: tangent")
    v = Tensor(np.zeros_like(y._array), requires_grad=True)
    pulled = done.pull(y, v, create_graph=True)
    derivative: Any = np.zeros_like(y._array)
    roots = [(g, t) for g, t in zip(pulled, flat_tangents, strict=True) if isinstance(g, Tensor)]
    if roots:
        inner = sum((g * t).sum() for g, t in roots)
        if inner.requires_grad:
            found = pull(
                [inner.node], [np.ones_like(inner._array)], wanted=[v.node], create_graph=outside
            )
            derivative = found.get(v.node, derivative)
    done.close()
    return (y if outside else y._array), derivative


def _match(variables: Sequence[Any], given: Sequence[Any], who: str) -> None:
    if len(variables) != len(given):
        raise ValueError(f"{who}: expected {len(variables)} arrays, got {len(given)}")
    for v, t in zip(variables, given, strict=True):
        if np.shape(t) != v.shape:
            raise ValueError(f"{who}: expected shape {v.shape}, got {np.shape(t)}")


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """Hessian of a scalar f times a vector, ∂²f/∂x² · t, without forming the Hessian.

    The gradient of ⟨∇f(x), t⟩ with respect to x.
    """

    def along(*xs: Any) -> Any:
        slopes = grad(f, argnums=range(len(xs)))(*xs)
        flat = flatten(slopes)[0]
        directions = flatten(tuple(tangents))[0]
        _match(flat, directions, "hvp: tangent")
        product = sum(
            np.sum(g * (t if isinstance(t, Tensor) else as_data(t)))
            for g, t in zip(flat, directions, strict=True)
        )
        return product if isinstance(product, Tensor) else Tensor(product)

    products: tuple[Any, ...] = grad(along, argnums=range(len(primals)))(*primals)
    return products


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, **others: None) -> Callable[..., Any]:
    """The function that returns ∂f/∂x, (*f's shape, *x's shape): one sweep per element of f."""
    refuse_others("jacobian", others)
    _function(f, "jacobian")
    numbers, single = _numbers(argnums)

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        done = _Run(f, args, numbers, kwargs)
        y = done.result()
        outside = done.outside(y)
        rows = []
        for i in range(y.size):
            seed = np.zeros(y.size, dtype=y.dtype)
            seed[i] = 1
            rows.append(done.pull(y, seed.reshape(y.shape), create_graph=outside))
        done.close()
        flat = []
        for j, v in enumerate(done.variables):
            column = [row[j] for row in rows]
            shape = (*y.shape, *v.shape)
            flat.append(
                np.reshape(np.stack(column), shape) if column else np.zeros(shape, dtype=v.dtype)
            )
        return done.grouped(flat, single)

    return run


def hessian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that returns ∂²f/∂x² of a scalar f, (*x's shape, *x's shape).

    For a dict, list or tuple x it is the structure of x twice over: `hessian(f)(p)["W"]["b"]` is
    ∂²f/∂W∂b, (*W's shape, *b's shape).
    """
    slopes = grad(f)

    @wraps(f)
    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        leaves, layout = flatten(x)

        def slope(k: int) -> Callable[..., Any]:
            def of(*given: Any, **named: Any) -> Tensor:
                g = flatten(slopes(*given, **named))[0][k]
                return g if isinstance(g, Tensor) else Tensor(g)

            return of

        rows = [jacobian(slope(k))(x, *args, **kwargs) for k in range(len(leaves))]
        return rebuild(layout, rows)

    return run


def per_example_gradients(f: Callable[..., Any], params: Any, *batch: Any, axis: int = -1) -> Any:
    """The gradient of f(params, one example) for each example of a batch.

    Args:
        params: an array or a dict, list or tuple of arrays.
        batch: arrays whose examples lie along `axis` (the columns of X and Y); f gets each example
            with that axis kept, of length 1.

    Returns:
        The structure of params, each array with a leading axis of length m.
    """
    sizes = {np.shape(x)[axis] for x in batch}
    if len(sizes) != 1:
        raise ValueError(
            f"per_example_gradients: expected arrays of one length along axis {axis}, "
            f"got shapes {[np.shape(x) for x in batch]}"
        )
    if sizes == {0}:
        raise ValueError("per_example_gradients: expected at least one example, got none")
    each = []
    for i in range(sizes.pop()):
        example = [_one(x, i, axis) for x in batch]
        flat, layout = flatten(grad(f)(params, *example))
        each.append(flat)
    return rebuild(layout, [np.stack(column) for column in zip(*each, strict=True)])


def _one(x: Any, i: int, axis: int) -> Any:
    """The example at i, with its axis kept."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(i, i + 1)
    return x[tuple(index)]
