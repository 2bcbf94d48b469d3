"""Numbers as they are stored, made into what a network is given, and looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
SHOWN = 10  # examples that an error lists


def float_dtype(dtype: DTypeLike, who: str) -> np.dtype[Any]:
    """float64 or float32, checked."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float64, np.float32):
        raise TypeError(f"{who}: expected dtype float64 or float32, got {dtype}")
    return dtype


def scale(stored: Array, out: Array) -> None:
    """Stored numbers as floats into `out`: uint8 divided by 255, others as they are."""
    if stored.dtype == np.uint8:
        np.divide(stored, 255, out=out, dtype=out.dtype)
        return
    with np.errstate(over="ignore"):  # what becomes infinite is found by `not_finite`
        out[...] = stored


def take_scaled(stored: Array, rows: Array, out: Array) -> None:
    """As `scale`, of some rows of stored (m, n)."""
    if stored.dtype == out.dtype:
        np.take(stored, rows, axis=0, out=out, mode="clip")  # with "raise" by way of a buffer
    else:
        scale(stored.take(rows, axis=0), out)  # half the time of stored[rows]


def not_finite(rows: Array) -> list[int]:
    """The positions of rows (k, n), floats in C order, that hold nan or infinity."""
    finite = np.isfinite(rows)
    if finite.all():
        return []
    found: list[int] = np.flatnonzero(~finite.all(axis=1)).tolist()
    return found


def such(wrong: list[int], m: int) -> str:
    """How many examples are wrong, and which; nothing for a single one."""
    if len(wrong) == 1:
        return ""
    listed = ", ".join(map(str, wrong[:SHOWN])) + (", ..." if len(wrong) > SHOWN else "")
    return f" ({len(wrong)} of the {m} examples have such: {listed})"


def wrong_labels(y: Array, count: int) -> Array | None:
    """Which labels (k,) are none of 0 ... count − 1; None where all are."""
    if y.size and y.dtype.kind in "iu" and y.min() >= 0 and y.max() < count:
        return None
    # Written so that nan, which compares false with everything, is wrong as well.
    wrong: Array = ~((y >= 0) & (y < count) & (y == np.floor(y)))
    return wrong if wrong.any() else None


def expected_labels(count: int, where: str) -> str:
    """What an error about labels of so many classes begins with."""
    allowed = "0 or 1" if count == 2 else f"integers from 0 to {count - 1}"
    return f"{where}: expected labels {allowed}"


def whole_labels(y: Array, count: int, where: str) -> NDArray[np.int64]:
    """Labels (k,), each checked to be one of 0 ... count − 1."""
    wrong = wrong_labels(y, count)
    if wrong is not None:
        at = int(np.argmax(wrong))
        raise ValueError(
            f"{expected_labels(count, where)}, got {y[at]} for example {at} "
            f"({np.count_nonzero(wrong)} such in all)"
        )
    return y.astype(np.int64)
