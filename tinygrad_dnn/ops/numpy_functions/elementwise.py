"""Elementwise functions composed of others."""

from operator import index

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, as_dtype, composed
from tinygrad_dnn.ops.elementwise import floating

__all__ = [
    "angle",
    "around",
    "conj",
    "conjugate",
    "copy",
    "degrees",
    "divmod",
    "fabs",
    "fix",
    "float_power",
    "imag",
    "ldexp",
    "modf",
    "nan_to_num",
    "positive",
    "radians",
    "real",
    "real_if_close",
    "round",
]

POSITIVE = (0.2, 3.0)


@composed(np.positive, cases=(Case((2, 3)),))
def positive(x, /):
    """x itself, as +x is."""
    return +x


@composed(np.fabs, cases=(Case((2, 3)),))
def fabs(x, /):
    """Absolute value; the slope at 0 is 0."""
    return np.absolute(floating(x))


@composed(np.degrees, cases=(Case((2, 3)),))
def degrees(x, /):
    """Radians as degrees, x 180/π."""
    return np.rad2deg(x)


@composed(np.radians, cases=(Case((2, 3)),))
def radians(x, /):
    """Degrees as radians, x π/180."""
    return np.deg2rad(x)


@composed(np.float_power, cases=(Case((2, 3), (3,)), Case((2, 3), ())), domain=(POSITIVE, (-2, 2)))
def float_power(x1, x2, /):
    """x1 to the power x2, in at least float64."""

    def wide(x):
        if isinstance(x, (int, float)):
            return x
        x = as_array(x)
        return as_dtype(x, np.result_type(x.dtype, np.float64))

    return np.power(wide(x1), wide(x2))


@composed(np.ldexp, cases=(Case((2, 3), (2, 3)),), domain=((-2, 2), range(-3, 4)))
def ldexp(x1, x2, /):
    """x1 · 2ˣ² for integers x2."""
    x1, x2 = floating(x1), as_array(x2)
    if x2.dtype.kind not in "iu":
        raise TypeError(f"ldexp: expected integers as exponents, got {x2.dtype}")
    dtype = getattr(x1, "dtype", np.dtype(float))
    half = x2 // 2  # 2ˣ² itself may be no float where x1 · 2ˣ² is one
    return x1 * np.exp2(half.astype(dtype)) * np.exp2((x2 - half).astype(dtype))


@composed(np.divmod, cases=(Case((2, 3), (3,)),), domain=((4.1, 4.4), (1.6, 1.9)))
def divmod(x1, x2, /):
    """Quotient and remainder: (⌊x1/x2⌋, x1 − x2 ⌊x1/x2⌋)."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@composed(np.round, cases=(Case((2, 3)), Case((2, 3), decimals=2)))
def round(a, decimals=0):
    """The nearest number of so many decimals, of two the even one; its slope is 0.

    Whole numbers stay whole.
    """
    decimals = index(decimals)
    if a.dtype.kind in "iu":
        tens = 10 ** abs(decimals)
        return +a if decimals >= 0 else (np.rint(a / tens) * tens).astype(a.dtype)
    if decimals == 0:
        return np.rint(a)
    factor = 10.0 ** abs(decimals)
    return np.rint(a * factor) / factor if decimals > 0 else np.rint(a / factor) * factor


@composed(np.around, cases=(Case((2, 3)), Case((2, 3), decimals=2)))
def around(a, decimals=0):
    """As `round`."""
    return np.round(a, decimals)


@composed(np.fix, cases=(Case((2, 3)),))
def fix(x):
    """The integer towards 0, as a float; its slope is 0."""
    return np.trunc(x)


@composed(np.nan_to_num, cases=(Case((2, 3)),))
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """NaN and infinities replaced by numbers, through which no gradient passes."""
    if x.dtype.kind != "f":
        return x.astype(x.dtype)
    limits = np.finfo(x.dtype)
    posinf = limits.max if posinf is None else posinf
    neginf = limits.min if neginf is None else neginf
    finite = np.where(np.isnan(x), nan, x)
    finite = np.where(x == np.inf, posinf, finite)
    return np.where(x == -np.inf, neginf, finite)


@composed(np.conjugate, cases=(Case((2, 3)),))
def conjugate(x, /):
    """x itself: of real numbers."""
    return +x


conj = conjugate


@composed(np.real, cases=(Case((2, 3)),))
def real(val):
    """x itself: of real numbers."""
    return +val


@composed(np.imag, cases=(Case((2, 3)),))
def imag(val):
    """0: of real numbers."""
    return np.where(False, val, val.dtype.type(0))


@composed(np.copy, cases=(Case((2, 3)),))
def copy(a, order="K", subok=False):
    """The same values in memory of their own; the gradient passes."""
    return a.astype(a.dtype)


@composed(np.real_if_close, cases=(Case((2, 3)),))
def real_if_close(a, tol=100):
    """The same values: of real numbers."""
    return +a


@composed(np.angle, cases=(Case((2, 3)), Case((2, 3), deg=True)))
def angle(z, deg=False):
    """0 of numbers above 0, π (or 180) of those below: of real numbers; its slope is 0."""
    z = floating(z)
    half, none = z.dtype.type(np.pi), z.dtype.type(0)
    a = np.where(np.isnan(z), z, np.where(np.signbit(z), half, none))
    return np.rad2deg(a) if deg else a


@composed(np.modf, cases=(Case((2, 3)),))
def modf(x, /):
    """The part behind the point, and the integer towards 0, both with x's sign."""
    x = floating(x)
    whole = np.trunc(x)
    return np.copysign(np.where(np.isinf(x), x.dtype.type(0), x - whole), x), whole
