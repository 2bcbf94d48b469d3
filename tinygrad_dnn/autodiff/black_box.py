"""`custom_vjp`: a black box and its gradient, written by hand, as a differentiable function.

A gradient that asks for what it reads (`g`, `z`, the inputs) is recorded like everything else, so
it can be differentiated again. What the forward left elsewhere (in a dict, an attribute) is a
constant to that recording: the derivative of a gradient that reads it would be 0 in silence, and a
compiled program would go on with what the first call had saved. So the first time that a gradient
is recorded, the forward is called at a neighbouring point and the gradient once more with the
arguments it had: where it then gives something else, its derivative with respect to the inputs is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NoReturn

import numpy as np

from tinygrad_dnn.autodiff.coerce import as_data
from tinygrad_dnn.autodiff.tensor import Tensor, record, value_of
from tinygrad_dnn.graph import NO_META, traced
from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.handwritten import Handwritten, parameters_of
from tinygrad_dnn.ops.memory import locked

_STEP = 2.0**-10  # to a neighbouring point: far enough to be seen in float16


def custom_vjp(
    forward: Callable[..., Any], backward: Callable[..., Any], *, name: str | None = None
) -> Callable[..., Any]:
    """Make a differentiable function of a black box and its gradient.

    Args:
        forward: (*arrays, **options) -> one array.
        backward: a gradient for each array (a tuple; one alone may be bare), None where there is
            none. It asks for the cotangent `g`, the result `z`, and forward's own parameters by
            their names; else it is given exactly (g, z, *arrays). See `ops.handwritten`. Written
            in NumPy calls of these it can be differentiated again, and compiled. What forward
            saved elsewhere is that of its last call.
        name: what pictures and errors call it; the function's own name otherwise.

    Raises:
        TypeError: (at the first call) backward asks for something else; (in a second derivative,
            or compiled) backward reads what forward saved elsewhere.

    Example: `cube = custom_vjp(lambda x: x**3, lambda g, x: 3 * g * x**2)`.
    """
    called = name or getattr(forward, "__name__", "custom").strip("<>")
    looked: dict[int, bool] = {}  # by the number of arrays: whether it reads what forward saved

    def made(n: int, options: Mapping[str, Any]) -> Op:
        gradient = Handwritten(forward, backward, n, options, f"{called}: the gradient")

        def apply(*arrays: Any) -> Any:
            return forward(*arrays, **options)

        def joint(g: Any, saved: tuple[Any, ...]) -> Sequence[Any]:
            z, *arrays = saved
            slopes = _listed(gradient(locked(g), locked(z), [*map(locked, arrays)]))
            if len(slopes) != len(arrays):
                raise ValueError(
                    f"{called}: backward returned {len(slopes)} gradients for {len(arrays)} arrays"
                )
            slopes = [s if s is None or isinstance(s, Tensor) else as_data(s) for s in slopes]
            if not isinstance(g, Tensor):
                return slopes
            if n not in looked:
                looked[n] = _reads_what_was_saved(apply, gradient, value_of(z), arrays, called)
            if looked[n]:
                if traced():
                    _refuse(called)
                once = _once_differentiable(called)
                return [s if s is None else record(once, (s, *arrays), NO_META) for s in slopes]
            return slopes

        op = Op(apply, f"{called}({{xs}})", lambda i, g, z, arrays: None, name=called)
        op.joint = joint
        return op

    plain: dict[int, Op] = {}  # by the number of arrays, for calls without options

    @wraps(forward, updated=())
    def function(*arrays: Any, **options: Any) -> Any:
        _refuse_tensors(called, forward, options)
        n = len(arrays)
        op = made(n, options) if options else plain.get(n)
        if op is None:
            op = plain[n] = made(n, {})
        return op(arrays)

    return function


def _listed(given: Any) -> list[Any]:
    """The gradients that a backward returned, of which one alone may be bare."""
    return [*given] if isinstance(given, (tuple, list)) else [given]


def _reads_what_was_saved(
    forward: Callable[..., Any], gradient: Handwritten, z: Any, arrays: Sequence[Any], who: str
) -> bool:
    """Whether the gradient changes with the point where the forward was last called, although its
    arguments stay the same.

    Raises:
        TypeError: it does, and the forward gives something else each time: what it had saved can't
            be had again.
    """
    xs = [value_of(x) for x in arrays]
    g = np.reshape(np.cos(np.arange(1.0, z.size + 1)), z.shape).astype(z.dtype)

    def slopes_after(points: Sequence[Any]) -> list[Any]:
        forward(*points)
        return _listed(gradient(g, z, xs))

    try:
        there, near = slopes_after(xs), slopes_after([_neighbour(x) for x in xs])
        differ = not all(map(_alike, there, near))
    except Exception:  # a black box may refuse the neighbouring point
        differ = False
    again = forward(*xs)  # what it saves is that of this point, as before
    gradient(g, z, xs)  # and what a gradient takes away is gone
    if differ and not _alike(again, z):
        _refuse(who)
    return differ


def _neighbour(x: Any) -> Any:
    if getattr(x, "dtype", np.dtype(int)).kind != "f":
        return x
    return np.where(x == 0, x + _STEP, x * (1 + _STEP))


def _alike(x: Any, y: Any) -> bool:
    if x is None or y is None:
        return x is y
    x, y = np.asarray(x), np.asarray(y)
    spread = 64 * np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0
    return x.shape == y.shape and np.allclose(x, y, rtol=spread, atol=0, equal_nan=True)


def _once_differentiable(who: str) -> Op:
    """A gradient (the first array) as it is, whose derivative by the inputs is refused."""

    def rule(i: int, g: Any) -> Any:
        return g if i == 0 else _refuse(who)

    return Op(lambda *arrays: arrays[0], f"{who}'({{xs}})", rule, name=f"{who}'")


def _refuse(who: str) -> NoReturn:
    raise TypeError(
        f"{who}: no second derivative and no program: its backward reads what forward saved "
        "outside its arguments, which would count as constant; let backward ask for z and the "
        "inputs by name and compute it from them"
    )


def _refuse_tensors(who: str, forward: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise TypeError for a Tensor among the options, where forward would have to lose it."""
    for name, x in options.items():
        if isinstance(x, Tensor):
            names = [p.name for p in parameters_of(forward) or []]
            raise TypeError(
                f"{who}: {name} is a Tensor, and arrays are given by position: "
                f"{who}({', '.join(names) or name})"
            )
