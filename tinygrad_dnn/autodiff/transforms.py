"""Functions of functions: gradients, and derivatives along a direction, of any order.

A function here takes arrays, or dicts, lists, tuples and dataclasses of arrays, and returns a
Tensor computed from them (or a structure of Tensors, where that is said). Results are plain arrays,
unless they depend on a Tensor that requires a gradient (an argument, or one the function closed
over): then they are Tensors, and can be differentiated again. None, whole numbers and texts among
the arrays of a structure stay what they are, and have None as gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any, Self

import numpy as np

from tinygrad_dnn.autodiff.backward_args import seed_of
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.tensor import Tensor, pull
from tinygrad_dnn.autodiff.variables import Argnums, Run, refuse_no_function, selected
from tinygrad_dnn.graph import Node, describe


class Transformed:
    """A function made of a function: called as that is, and pickled with it.

    Args:
        make, options: make(f, **options) makes it again.
        run: (f, args, kwargs) -> result.
    """

    __name__: str

    def __init__(
        self,
        make: Callable[..., Transformed],
        f: Callable[..., Any],
        run: Callable[..., Any],
        **options: Any,
    ) -> None:
        refuse_no_function(f, make.__name__)
        update_wrapper(self, f, updated=())
        self._make, self._run, self._options = make, run, options
        self.__wrapped__ = f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the transform makes of f at these arguments."""
        return self._run(self.__wrapped__, args, kwargs)

    def __get__(self, owner: Any, kind: Any = None) -> Self | MethodType:
        return self if owner is None else MethodType(self, owner)  # as a method

    def __reduce__(self) -> Any:
        return _made, (self._make, self.__wrapped__, self._options)


def _made(make: Callable[..., Any], f: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    return make(f, **options)


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

    Example: `x = Tensor([1.0, 2.0], requires_grad=True)`; `gradients((x * x).sum(), x)` is
    `[2.0, 4.0]`.
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


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, **others: None
) -> Transformed:
    """The function that returns f(...) and its gradient with respect to the chosen arguments.

    Args:
        f: returns a Tensor of one element.
        argnums: the position or name of an argument, or several; each an array, or a dict, list,
            tuple or dataclass of arrays.
        has_aux: f returns (that Tensor, anything else), and the function ((value, anything else),
            gradient).

    Raises:
        ValueError: f returns more than one number; an argument holds integers.

    Example: `value_and_grad(lambda W, x: (W @ x).sum(), argnums="W")(W, x)`.
    """
    refuse_others("value_and_grad", others)
    numbers, single = selected(argnums)

    def run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        done = Run(f, args, kwargs, numbers, single=True, has_aux=has_aux)
        (y,) = done.results
        flat = done.slopes()
        value, aux = done.plain(y), done.side()
        done.close()
        return (value, aux) if has_aux else value, done.grouped(flat, single)

    return Transformed(value_and_grad, f, run, argnums=argnums, has_aux=has_aux)


def grad(
    f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, **others: None
) -> Transformed:
    """The function that returns the gradient of f; `grad(grad(f))` differentiates twice.

    With has_aux f returns (cost, anything else), and the function (gradient, anything else).

    Example: `grad(lambda x: (x * x).sum())(np.ones(3))` is `[2, 2, 2]`.
    """
    refuse_others("grad", others)
    numbers, single = selected(argnums)

    def run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        done = Run(f, args, kwargs, numbers, single=True, has_aux=has_aux)
        flat, aux = done.slopes(), done.side()
        done.close()
        found = done.grouped(flat, single)
        return (found, aux) if has_aux else found

    return Transformed(grad, f, run, argnums=argnums, has_aux=has_aux)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """f(*primals) and the function that pulls a cotangent v back: v ↦ (v · ∂f/∂x for each x).

    Args:
        primals: where; each an array or a structure of arrays.
        has_aux: f returns (what is differentiated, anything else), which comes as a third result.

    What f returns may be a dict, list, tuple or dataclass of Tensors; v has that structure.

    Example: `y, pullback = vjp(np.sin, x)`, then `pullback(np.ones_like(x))[0]` is `np.cos(x)`.
    """
    refuse_no_function(f, "vjp")
    if not primals:
        raise TypeError("vjp: expected the point too: y, pullback = vjp(f, x)")
    done = Run(f, primals, {}, range(len(primals)), has_aux=has_aux)
    ys = done.results
    outside = done.outside(ys)

    def pullback(v: Any) -> tuple[Any, ...]:
        seeds = done.of_results(v, "vjp: expected a cotangent of")
        recorded = outside or any(isinstance(g, Tensor) for g in seeds)
        found: tuple[Any, ...] = done.grouped(done.pull(ys, seeds, recorded), single=False)
        return found

    return (done.values(), pullback, done.side()) if has_aux else (done.values(), pullback)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """f(*primals) and its linear part there, t ↦ ∂f/∂x · t, which may be asked again and again.

    The pullback v ↦ v · ∂f/∂x is linear in v, so its own derivative by v, pulled back from t, is
    the answer: f is called once, each t costs one sweep, and there is no second set of rules.

    Args:
        primals: where; each an array or a structure of arrays. So are the tangents.
        has_aux: f returns (what is differentiated, anything else), which comes as a third result.

    Example: `y, along = linearize(np.sin, x)`, then `along(t)` is `np.cos(x) * t`.
    """
    refuse_no_function(f, "linearize")
    if not primals:
        raise TypeError("linearize: expected the point too: y, along = linearize(f, x)")
    value, along, aux = _linearized(f, primals, has_aux, "linearize")
    return (value, along, aux) if has_aux else (value, along)


def _linearized(
    f: Callable[..., Any], primals: Sequence[Any], has_aux: bool, who: str
) -> tuple[Any, Callable[..., Any], Any]:
    done = Run(f, primals, {}, range(len(primals)), has_aux=has_aux)
    ys = done.results
    outside = done.outside(ys)
    vs = [Tensor(np.zeros_like(y._array), requires_grad=y.dtype.kind == "f") for y in ys]
    pulled = done.pull(ys, vs, create_graph=True)
    values, aux = done.values(), done.side()
    done.close()

    def along(*tangents: Any) -> Any:
        ts = done.of_arguments(tangents, f"{who}: tangent: expected")
        recorded = outside or any(isinstance(t, Tensor) for t in ts)
        roots = [
            (g.node, t)
            for g, t in zip(pulled, ts, strict=True)
            if isinstance(g, Tensor) and g.requires_grad
        ]
        found: dict[Node, Any] = {}
        if roots:
            nodes, seeds = zip(*roots, strict=True)
            found = pull(nodes, seeds, wanted=[v.node for v in vs], create_graph=recorded)
        return done.returned([found.get(v.node, np.zeros_like(v._array)) for v in vs])

    return values, along, aux


def _several_given(primals: Any, tangents: Any, who: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Lists of primals and tangents; what is given bare is the one argument."""
    if type(primals) in (list, tuple):
        if type(tangents) not in (list, tuple):
            raise TypeError(
                f"{who}: expected a sequence of primals and one of tangents, {who}(f, [x], [t]), "
                f"or both bare, {who}(f, x, t)"
            )
        if len(primals) != len(tangents):
            raise ValueError(f"{who}: {len(primals)} primals, but {len(tangents)} tangents")
        return primals, tangents
    return [primals], [tangents]


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """f(*primals) and its derivative along the tangents, ∂f/∂x · t.

    Args:
        primals: a list (or tuple) of the arguments of f, or the one argument itself.
        tangents: likewise, one of the structure of each argument.
        has_aux: f returns (what is differentiated, anything else), which comes as a third result.

    Example: `jvp(np.sin, x, t)`; `jvp(f, [x, y], [dx, dy])`.
    """
    refuse_no_function(f, "jvp")
    points, directions = _several_given(primals, tangents, "jvp")
    value, along, aux = _linearized(f, points, has_aux, "jvp")
    return (value, along(*directions), aux) if has_aux else (value, along(*directions))


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Hessian of a scalar f times a vector, ∂²f/∂x² · t, without forming the Hessian.

    The gradient of ⟨∇f(x), t⟩ with respect to x.

    Args:
        primals: a list (or tuple) of the arguments of f, or the one argument itself.
        tangents: likewise, one of the structure of each argument.

    Returns:
        A tuple of one product per argument; of a bare one, its product.

    Example: `hvp(lambda x: (x**3).sum(), x, t)` is `6 * x * t`.
    """
    refuse_no_function(f, "hvp")
    points, directions = _several_given(primals, tangents, "hvp")
    numbers = range(len(points))

    def along(*xs: Any) -> Any:
        done = Run(f, xs, {}, numbers, single=True)
        slopes = done.slopes()
        ts = done.of_arguments(directions, "hvp: tangent: expected")
        done.close()
        product = sum(np.sum(g * t) for g, t in zip(slopes, ts, strict=True))
        return product if isinstance(product, Tensor) else Tensor(product)

    products = grad(along, argnums=numbers)(*points)
    return products[0] if type(primals) not in (list, tuple) else products
