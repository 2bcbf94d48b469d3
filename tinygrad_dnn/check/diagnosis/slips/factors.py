"""A wrong gradient beside what a slip would give: alike, or a plain factor apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import ratio

LEAST = 3  # numbers that a slip must explain
SAME = 1e-10  # of the largest number: what two ways to one value differ by at most
FACTORS: Mapping[float, str] = dict.fromkeys((1.0, -1.0, 2.0, 0.5, -2.0, -0.5), "")


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


def factors_of(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[float, str]:
    """The plain factors, and those that a size gives, with the words for where it comes from.

    Args:
        shapes: by what has them.
    """
    found = dict(FACTORS)
    for of, shape in shapes:
        sizes = {f"the length of axis {a} of {of}": n for a, n in enumerate(shape)}
        sizes |= {f"the number of elements of {of}": int(np.prod(shape))}
        for words, n in sizes.items():
            if n < 3:
                continue
            for sign in (1, -1):
                found.setdefault(sign * float(n), f" ({n} being {words})")
                found.setdefault(sign / n, f" ({n} being {words})")
    return found


def times(c: float, known: Mapping[float, str] = FACTORS) -> str:
    """A factor beside a slip, in words."""
    if c == 1:
        return ""
    if c == -1:
        return ", and has the opposite sign"
    return f", and is {c:.6g} times that{known.get(c, '')}"


def of_the_whole(c: float, known: Mapping[float, str] = FACTORS) -> str:
    """A factor of the whole gradient, in words: "is 1/3 of what is right (...): ..."."""
    near = next((k for k in known if is_near(c, k)), c)
    words = known.get(near, "")
    sign = " and has the opposite sign" if c < 0 else ""
    n = abs(near)
    if not words:
        return f"is {n:.6g} times what is right{sign}"
    if n > 1:
        size, hint = f"{n:.6g} times", f"was a division by {n:.6g} forgotten?"
    else:
        size, hint = f"1/{1 / n:.6g} of", "is an average taken where a sum belongs?"
    return f"is {size} what is right{words}{sign}: {hint}"


def factor_between(yours: Any, guess: Any, known: Iterable[float] = FACTORS) -> float | None:
    """The known factor between two arrays of one shape, to rounding."""
    size = float(np.max(np.abs(guess), initial=0))
    if size == 0:
        return None
    near = np.asarray(yours, float)
    exact = ratio(near, guess)
    if exact is not None:
        return next((c for c in known if is_near(exact, c)), None)
    at = int(np.argmax(np.abs(guess)))
    c = near.flat[at] / guess.flat[at]
    close = [k for k in known if abs(c - k) <= 4 * SAME * abs(k)]
    return next((k for k in close if alike(near, k * guess, abs(k) * size)), None)
