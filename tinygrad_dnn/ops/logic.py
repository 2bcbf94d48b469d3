"""Ops without a derivative: comparisons, tests, rounding, positions.

They are recorded, so that the mask of a relu is part of the graph of its gradient, but nothing
differentiates through them.
"""

from functools import partial

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "ceil",
    "equal",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "rint",
    "signbit",
    "trunc",
]

constant = partial(op, vjp=None, elementwise=True)


@constant("{x} > {y}")
def greater(x, y, /):
    """Where x > y."""
    return np.greater(x, y)


@constant("{x} ≥ {y}")
def greater_equal(x, y, /):
    """Where x ≥ y."""
    return np.greater_equal(x, y)


@constant("{x} < {y}")
def less(x, y, /):
    """Where x < y."""
    return np.less(x, y)


@constant("{x} ≤ {y}")
def less_equal(x, y, /):
    """Where x ≤ y."""
    return np.less_equal(x, y)


@constant("{x} = {y}")
def equal(x, y, /):
    """Where x = y."""
    return np.equal(x, y)


@constant("{x} ≠ {y}")
def not_equal(x, y, /):
    """Where x ≠ y."""
    return np.not_equal(x, y)


@constant("{x} and {y}")
def logical_and(x, y, /):
    """Where both hold."""
    return np.logical_and(x, y)


@constant("{x} or {y}")
def logical_or(x, y, /):
    """Where either holds."""
    return np.logical_or(x, y)


@constant("not({x})")
def logical_not(x, /):
    """Where x does not hold."""
    return np.logical_not(x)


@constant("{x} xor {y}")
def logical_xor(x, y, /):
    """Where one holds and not both."""
    return np.logical_xor(x, y)


@constant("signbit({x})")
def signbit(x, /):
    """Where x has a minus sign, as −0 has."""
    return np.signbit(x)


@constant("isnan({x})")
def isnan(x, /):
    """Where x is not a number."""
    return np.isnan(x)


@constant("isfinite({x})")
def isfinite(x, /):
    """Where x is neither infinite nor NaN."""
    return np.isfinite(x)


@constant("isinf({x})")
def isinf(x, /):
    """Where x is infinite."""
    return np.isinf(x)


@constant("floor({x})")
def floor(x, /):
    """The integer below x, as a float. Piecewise constant: no gradient passes."""
    return np.floor(x)


@constant("ceil({x})")
def ceil(x, /):
    """The integer above x, as a float. Piecewise constant: no gradient passes."""
    return np.ceil(x)


@constant("trunc({x})")
def trunc(x, /):
    """The integer towards 0, as a float. Piecewise constant: no gradient passes."""
    return np.trunc(x)


@constant("rint({x})")
def rint(x, /):
    """The nearest integer, of two the even one, as a float. Piecewise constant, as floor is."""
    return np.rint(x)


@constant("⌊{x} / {y}⌋", domain=((-2, 2), (0.2, 3.0)))
def floor_divide(x, y, /):
    """The integer below x / y. Piecewise constant: no gradient passes."""
    return np.floor_divide(x, y)


@op("argmax_{axis}({x})", vjp=None, cases=(Case((3, 4)), Case((3, 4), axis=1)))
def argmax(x, /, axis=None, *, keepdims=False):
    """Position of the largest element along an axis."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op("argmin_{axis}({x})", vjp=None, cases=(Case((3, 4)), Case((3, 4), axis=1)))
def argmin(x, /, axis=None, *, keepdims=False):
    """Position of the smallest element along an axis."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@op("argsort({x})", vjp=None, cases=(Case((3, 4)), Case((3, 4), axis=0), Case((2, 3), axis=None)))
def argsort(x, /, axis=-1):
    """The positions that put the elements along an axis in order; equal ones stay as they were."""
    large = isinstance(x, np.ndarray) and x.size > LARGE
    return _argsort_large(x, axis) if large else _stable(x, axis)


LARGE = 4096  # elements, from which on the quicker order is tried first


def _stable(x, axis):
    return np.argsort(x, axis=axis, kind="stable")


def _argsort_large(x, axis):
    """The same by the quicker algorithm, where no two are equal, which it puts in any order."""
    order = np.argsort(x, axis=axis)
    with np.errstate(invalid="ignore", over="ignore"):  # of NaN, two infinities, the far ends
        steps = np.diff(np.take_along_axis(x, order, axis=axis), axis=-1 if axis is None else axis)
    return order if (steps > 0).all() else _stable(x, axis)


@op(
    "argpartition({x}, {kth})",
    vjp=None,
    cases=(Case((3, 4), kth=1), Case((3, 4), kth=(0, 2), axis=0)),
)
def argpartition(x, /, kth, axis=-1):
    """Positions that put the k-th smallest at place k, none larger before it."""
    return np.argpartition(x, kth, axis=axis)
