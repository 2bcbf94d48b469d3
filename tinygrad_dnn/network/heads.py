"""What a network answers with: the last step, from ZL to AL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from tinygrad_dnn.ops import sigmoid, softmax


class Head(NamedTuple):
    """A last step.

    Attributes:
        of: AL of ZL; None where that is ZL itself.
        least, most: units of the last layer; any number above where `most` is None.
        units: in words.
    """

    of: Callable[[Any], Any] | None
    least: int
    most: int | None
    units: str


HEADS = {
    "sigmoid": Head(sigmoid, 1, 1, "1 unit in the last layer (one probability)"),
    "softmax": Head(
        partial(softmax, axis=0), 2, None, "2 units or more in the last layer, one for each class,"
    ),
    "linear": Head(None, 1, None, "1 unit or more in the last layer, one for each number,"),
}


def check_head(name: str) -> Head:
    """The head of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in HEADS:
        raise ValueError(f"head: expected one of {', '.join(HEADS)}, got {name!r}")
    return HEADS[name]
