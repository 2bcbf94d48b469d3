"""A wrong gradient beside what a slip would give: alike, or a plain factor apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import ratio

LEAST = 3  # numbers that a slip must explain
SAME = 1e-10  # of the largest number: what two ways to one value differ by at most
FACTORS = (1.0, -1.0, 2.0, 0.5, -2.0, -0.5)


class Named(NamedTuple):
    """A slip that explains the numbers; the lower its rank, the simpler."""

    rank: int
    says: str


def is_near(x: float, y: float) -> bool:
    """Whether two factors are one number to rounding."""
    return abs(x - y) < 1e-9 * abs(y)


def alike(x: Any, y: Any, size: float | None = None) -> bool:
    """Whether two arrays are one to rounding."""
    scale = float(np.max(np.abs(y), initial=0)) if size is None else size
    return x.shape == y.shape and bool(np.all(np.abs(x - y) <= SAME * scale))


def times(c: float) -> str:
    """A factor beside a slip, in words."""
    if c == 1:
        return ""
    return ", and has the opposite sign" if c == -1 else f", and is {c:.6g} times that"


def factor_between(yours: Any, guess: Any) -> float | None:
    """The named factor between two arrays of one shape, to rounding."""
    size = float(np.max(np.abs(guess), initial=0))
    if size == 0:
        return None
    near = np.asarray(yours, float)
    exact = ratio(near, guess)
    for c in FACTORS:
        if (exact is not None and is_near(exact, c)) or alike(near, c * guess, abs(c) * size):
            return c
    return None
