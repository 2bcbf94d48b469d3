"""Mistakes that NumPy refuses with words that do not name them: the error and the line tell."""

from __future__ import annotations

import re
from typing import NamedTuple


class Crash(NamedTuple):
    """A refused mistake: what the message and the student's line look like, and what to ask."""

    message: str
    line: str
    hint: str


CRASHES = (
    Crash(
        "data type|cannot be interpreted", r"np\.(zeros|ones|empty)\(\s*[^(\[]",
        "np.{0} takes the shape as one tuple: np.{0}((n, 1))",
    ),
    Crash(
        "axis|integer scalar arrays|cannot be interpreted as an integer|index", r"np\.max\(\s*0",
        "np.max(0, Z) takes Z for an axis: the larger of two arrays is np.maximum(0, Z)",
    ),
    Crash("ambiguous", r"\bmax\(", "max compares whole arrays: the elementwise one is np.maximum"),
    Crash("ambiguous", r"\bif\b", "an array has no single truth value: use np.where, or a mask"),
    Crash(
        "only .*(length-1|size-1|0-dimensional) array", r"math\.(exp|log)",
        "math.{0} takes one number: np.{0} takes an array",
    ),
    Crash("not aligned|mismatch in its core", r"\.T\b", "is a transposition too many, or missing?"),
    Crash("not aligned|mismatch in its core", r"dot\(|@", "the inner sizes must agree: which of "
          "the two is to be transposed, or to stand first?"),
    Crash(r"^'d?A\d+'$", r"grads\[", "the loop reads what no earlier step has stored: which dA "
          "does the layer above leave?"),
    Crash("expected dA of the shape of Z", "cache|dA", "are dA and the cache of one layer?"),
    Crash("values? to unpack", "cache", "is the whole cache unpacked where a part of it is meant, "
          "or the other way round?"),
    Crash("tuple' object", "cache", "a cache of linear_activation_forward is (linear_cache, "
          "activation_cache): which part is meant?"),
    Crash("boolean index did not match", r"dA|dZ", "dA has another shape than Z: is it the dA of "
          "this layer?"),
)  # fmt: skip


def hint_for(message: str, line: str) -> str:
    """What to ask of the author of that line, or ""."""
    for crash in CRASHES:
        found = re.search(crash.line, line)
        if found and re.search(crash.message, message):
            return crash.hint.format(*found.groups())
    return ""
