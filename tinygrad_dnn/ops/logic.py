"""Ops without a derivative: comparisons, tests, rounding, positions.

They are recorded, so that the mask of a relu is part of the graph of its gradient, but nothing
differentiates through them.
"""

from functools import partial

import numpy as np

from tinygrad_dnn.ops.declare import Case, op

__all__ = [
    "argmax",
    "argmin",
    "ceil",
    "equal",
    "floor",
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
    "not_equal",
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


@op("argmax_{axis}({x})", vjp=None, cases=(Case((3, 4)), Case((3, 4), axis=1)))
def argmax(x, /, axis=None, *, keepdims=False):
    """Position of the largest element along an axis."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op("argmin_{axis}({x})", vjp=None, cases=(Case((3, 4)), Case((3, 4), axis=1)))
def argmin(x, /, axis=None, *, keepdims=False):
    """Position of the smallest element along an axis."""
    return np.argmin(x, axis=axis, keepdims=keepdims)
