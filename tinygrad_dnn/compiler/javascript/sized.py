"""One program for any number m of examples: printed for three numbers, and what differs is a
function of m.

Sizes, strides and offsets are a·m + b, other numbers (the 1/m of a mean) α·m or α/m. What the
first two programs say is believed where the third one says the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.javascript.loops import SINGLE

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?")
CLOSE = 1e-14  # relative: roundings of 1/m
CLOSE_SINGLE = 3e-7  # in float32

Linear = tuple[int, int]  # a, b of a·m + b


class Fixed(ValueError):
    """What was printed for several m is no function of m; the message says what."""


def linear(values: Sequence[int], sizes: Sequence[int]) -> Linear:
    """a and b of a·m + b.

    Raises:
        Fixed: the third value is another.

    Example: `linear([5, 7, 9], [2, 3, 4]) == (2, 1)`.
    """
    a = (values[1] - values[0]) // (sizes[1] - sizes[0])
    b = values[0] - a * sizes[0]
    if any(a * m + b != v for v, m in zip(values, sizes, strict=True)):
        raise Fixed(_told(values, sizes))
    return a, b


def scale(values: Sequence[float], sizes: Sequence[int], close: float = CLOSE) -> tuple[float, int]:
    """α and k of α·mᵏ, k one of 0, 1, −1; a whole α where it is one. `close`: see CLOSE.

    Raises:
        Fixed: it is nothing of that.

    Example: `scale([0.5, 0.25, 0.2], [2, 4, 5]) == (1.0, -1)`.
    """
    for k in (0, 1, -1):
        found = [v / float(m) ** k for v, m in zip(values, sizes, strict=True)]
        if max(found) - min(found) <= close * abs(found[0]):
            # A number of float32 has few digits, which are the author's.
            alpha = found[0] if close == CLOSE else float(str(np.float32(found[0])))
            near = round(alpha)
            return (float(near) if abs(alpha - near) <= close * abs(alpha) else alpha), k
    raise Fixed(_told(values, sizes))


def _told(values: Sequence[float], sizes: Sequence[int]) -> str:
    found = ", ".join(f"{v:.6g}" for v in values)
    return f"a number is {found} for {', '.join(map(str, sizes))} examples, no multiple of m or 1/m"


def in_m(texts: Sequence[str], sizes: Sequence[int]) -> str:
    """The text with m where the numbers of three texts differ.

    Raises:
        Fixed: they differ elsewhere.

    Example: `in_m(["f(4, 1) / 2", "f(6, 1) / 3", "f(8, 1) / 4"], [2, 3, 4]) == "f(2 * m, 1) / m"`.
    """
    between = [NUMBER.split(text) for text in texts]
    if between[0] != between[1] or between[0] != between[2]:
        raise Fixed("the program has other lines for another number of examples")
    found = [NUMBER.findall(text) for text in texts]
    words = [
        _word(numbers, sizes, before) for before, *numbers in zip(between[0], *found, strict=False)
    ]
    return "".join(part + word for part, word in zip(between[0], [*words, ""], strict=True))


def _word(numbers: Sequence[str], sizes: Sequence[int], before: str) -> str:
    """Three numbers as one expression, which stands behind this text."""
    if len(set(numbers)) == 1:
        return numbers[0]
    if all(number.isdecimal() for number in numbers):
        a, b = linear([*map(int, numbers)], sizes)
        times = "m" if a == 1 else f"{a} * m"
        if b == 0:
            return f"({times})" if a != 1 and before.endswith("/ ") else times
        return f"({times} {'+' if b > 0 else '-'} {abs(b)})"
    close = CLOSE_SINGLE if before.rstrip("-").endswith(SINGLE) else CLOSE
    alpha, k = scale([*map(float, numbers)], sizes, close)
    text = repr(int(alpha) if alpha.is_integer() else alpha)
    return f"({text} {'*' if k > 0 else '/'} m)"


def constant(arrays: Sequence[Any], sizes: Sequence[int]) -> tuple[float, int] | None:
    """An array that never changes: None where it does not hang on m either, else α·mᵏ everywhere.

    Raises:
        Fixed: it hangs on m, and its elements differ.
    """
    first, *others = arrays
    if all(x.shape == first.shape and np.array_equal(x, first) for x in others):
        return None
    if not all(x.size and np.all(x == x.flat[0]) for x in arrays):
        raise Fixed("an array that stands in the graph has a number for each example")
    close = CLOSE_SINGLE if first.dtype == np.float32 else CLOSE
    return scale([float(x.flat[0]) for x in arrays], sizes, close)
