"""Numbers as they come from somebody else's code: made arrays of, and compared to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EPS = float(np.finfo(np.float64).eps)
# Right formulas in another order of operations come this far apart, in units of EPS · size:
# `check.network` measured at most 34 on 20,000 random networks.
BOUND = 64
# What a hypothesis predicts has been computed along a third way, and may be scaled besides.
LOOSE = 1024
MANY = 1000  # numbers of a first look


def as_array(x: Any) -> Array | None:
    """A plain array of floats, or of complex numbers; None where x is nothing of the kind."""
    x = getattr(x, "data", x) if hasattr(x, "requires_grad") else x
    if x is None or isinstance(x, (str, bytes)):
        return None
    try:
        found = np.asarray(x)
        if found.dtype.kind == "O":
            found = found.astype(np.float64)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        return None
    if found.dtype.kind not in "biufc":
        return None
    return found.astype(np.float64) if found.dtype.kind in "biu" else found


def close(
    yours: Array, wanted: Array, size: Any = None, bound: float = BOUND, eps: float = 0.0
) -> NDArray[np.bool_]:
    """Where the two agree to rounding, element by element; NaN agrees with NaN, ∞ with ∞.

    Args:
        yours, wanted: arrays of one shape.
        size: of the terms that each element of `wanted` was summed from, made positive; where
            nothing is known it is the largest element.
        bound: how many roundings are allowed.
        eps: of the floats they were computed in; 0 for the wider of what the two are.
    """
    with np.errstate(all="ignore"):
        unit = eps or max(precision(yours), precision(wanted))
        if size is None:
            size = largest(wanted)
        near = np.abs(yours - wanted) <= bound * unit * np.abs(size)
        same = (yours == wanted) | (np.isnan(yours) & np.isnan(wanted))
    together: NDArray[np.bool_] = near & np.isfinite(wanted) | same
    return together


def largest(x: Array) -> float:
    """The largest finite magnitude, 0 where there is none."""
    finite = np.abs(x[np.isfinite(x)])
    return float(np.max(finite, initial=0.0))


def ratio(yours: Array, wanted: Array) -> float | None:
    """The c with yours = c · wanted to rounding; None where there is none but 0."""
    with np.errstate(all="ignore"):
        sizes = np.where(np.isfinite(wanted) & np.isfinite(yours), np.abs(wanted), 0)
        if not sizes.size or not np.any(sizes):
            return 1.0 if bool(np.all(close(yours, wanted))) else None
        at = np.unravel_index(np.argmax(sizes), sizes.shape)
        found = yours[at] / wanted[at]
        if np.iscomplexobj(found):
            found = found.real if found.imag == 0 else np.nan
        c = float(found)
        if not np.isfinite(c) or c == 0:
            return None
        size = abs(c) * float(sizes[at])
        if sizes.size > MANY:  # most guesses are told wrong by a few numbers
            some = slice(None, None, sizes.size // MANY)
            mine, theirs = yours.reshape(-1)[some], wanted.reshape(-1)[some]
            if not np.all(close(mine, c * theirs, size, LOOSE)):
                return None
        return c if bool(np.all(close(yours, c * wanted, size, LOOSE))) else None


def same_number(x: float, y: float) -> bool:
    """Whether two factors are one number to rounding."""
    return abs(x - y) <= LOOSE * EPS * abs(y)


def precision(x: Array) -> float:
    """The machine precision of an array's floats; no finer than that of float64."""
    return max(EPS, float(np.finfo(x.dtype).eps))
