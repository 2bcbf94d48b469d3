"""Elementwise choice between values, and what hands a value on as it is or in another dtype.

Conventions: ties in maximum and minimum are halved, others stand in the docstrings.
"""

import numpy as np

from tinygrad_dnn.ops.cases import At, Case
from tinygrad_dnn.ops.elementwise import elementwise

__all__ = [
    "astype",
    "clip",
    "fmax",
    "fmin",
    "identity",
    "maximum",
    "minimum",
    "stop_gradient",
    "where",
]

TAKES_NOTHING = "{} takes nothing of it"


def _winner(g, wins, ties):
    return np.where(wins, g, np.where(ties, 0.5 * g, 0))


@elementwise(
    "max({x}, {y})",
    vjp=(lambda g, x, y: _winner(g, x > y, x == y), lambda g, x, y: _winner(g, y > x, x == y)),
    flat=TAKES_NOTHING,
    kinks=(At(1.0, 1.0, slopes=(0.5, 0.5)),),
    analytic=False,
)
def maximum(x, y, /):
    """The larger of x and y; where they are equal each gets half of the gradient."""
    return np.maximum(x, y)


@elementwise(
    "min({x}, {y})",
    vjp=(lambda g, x, y: _winner(g, x < y, x == y), lambda g, x, y: _winner(g, y < x, x == y)),
    flat=TAKES_NOTHING,
    kinks=(At(1.0, 1.0, slopes=(0.5, 0.5)),),
    analytic=False,
)
def minimum(x, y, /):
    """The smaller of x and y; where they are equal each gets half of the gradient."""
    return np.minimum(x, y)


def _taken(g, z, x, y):
    return np.where(x == z, np.where(x == y, 0.5 * g, g), 0)


@elementwise(
    "fmax({x}, {y})",
    vjp=(_taken, lambda g, z, x, y: _taken(g, z, y, x)),
    flat=TAKES_NOTHING,
    kinks=(At(1.0, 1.0, slopes=(0.5, 0.5)),),
    analytic=False,
)
def fmax(x, y, /):
    """The larger of x and y, the other one where one is NaN; equal ones halve the gradient."""
    return np.fmax(x, y)


@elementwise(
    "fmin({x}, {y})",
    vjp=(_taken, lambda g, z, x, y: _taken(g, z, y, x)),
    flat=TAKES_NOTHING,
    kinks=(At(1.0, 1.0, slopes=(0.5, 0.5)),),
    analytic=False,
)
def fmin(x, y, /):
    """The smaller of x and y, the other one where one is NaN; equal ones halve the gradient."""
    return np.fmin(x, y)


@elementwise(
    "where({condition}, {x}, {y})",
    vjp=(
        None,
        lambda g, condition: np.where(condition, g, 0),
        lambda g, condition: np.where(condition, 0, g),
    ),
    selects=True,
    domain=(bool, (-2, 2), (-2, 2)),
)
def where(condition, x, y, /):
    """x where the condition holds, else y. A NaN in the branch not taken reaches no gradient."""
    return np.where(condition, x, y)


@elementwise(
    "clip({x}, {a_min}, {a_max})",
    vjp=(
        lambda g, x, a_min, a_max: g * ((x >= a_min) & (x <= a_max)),
        lambda g, x, a_min, a_max: g * ((x < a_min) & (a_min <= a_max)),
        lambda g, x, a_min, a_max: g * (np.maximum(x, a_min) > a_max),
    ),
    domain=((-2, 2), (-1.0, -0.5), (0.5, 1.0)),
    kinks=(At(-1.0, -1.0, 1.0, slopes=(1.0, 0.0, 0.0)), At(1.0, -1.0, 1.0, slopes=(1.0, 0.0, 0.0))),
    analytic=False,
    name="clip",
)
def clip_between(x, a_min, a_max, /):
    """x limited to [a_min, a_max]; at a limit itself the slope in x is 1."""
    return np.clip(x, a_min, a_max)


def clip(x, a_min=None, a_max=None, *, min=None, max=None):
    """x limited to [a_min, a_max], None for no limit; at a limit itself the slope in x is 1. NumPy
    calls the limits min and max, too.

    Example: `clip(x, 0.0, 1.0)`, `clip(x, max=1.0)`.
    """
    a_min, a_max = min if a_min is None else a_min, max if a_max is None else a_max
    low = _no_limit(x, "min", -np.inf) if a_min is None else a_min
    return clip_between(x, low, _no_limit(x, "max", np.inf) if a_max is None else a_max)


def _no_limit(x, end, infinity):
    dtype = getattr(x, "dtype", None)
    return infinity if dtype is None or dtype.kind not in "iu" else getattr(np.iinfo(dtype), end)


@elementwise("identity({x})", vjp=lambda g: g, view=True, transparent=True)
def identity(x, /):
    """x itself, as a node of its own; a plain number too, where a graph simplifies to one."""
    return x[...] if hasattr(x, "dtype") else np.asarray(x)


@elementwise("stop({x})", vjp=None, stops=True, view=True, transparent=True)
def stop_gradient(x, /):
    """x, through which no gradient passes."""
    return x[...]


@elementwise("rounding({x})", vjp=lambda g: g, view=True, transparent=True)
def rounding(x, /):
    """x, which is 0 but for rounding: derivations leave it out."""
    return x[...]


@elementwise(
    "{dtype}({x})", vjp=lambda g: g, keeps_order=True, cases=(Case((2, 3), dtype="float32"),)
)
def astype(x, /, dtype):
    """x in another dtype; the gradient returns in x's own."""
    return x.astype(dtype)
