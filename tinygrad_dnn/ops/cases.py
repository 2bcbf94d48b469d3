"""Arguments of an op that its declaration names: to be tested with, at a kink, at a pole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["At", "Case", "Pole"]


class Case:
    """Arguments that tests may call an op with: shapes to be sampled, and metadata.

    Example: `Case((2, 3), axis=1)`: an array (2, 3), and the setting `axis=1`.
    """

    def __init__(self, *shapes: tuple[int, ...], **meta: Any) -> None:
        self.shapes = shapes
        self.meta = meta

    def __repr__(self) -> str:
        settings = "".join(f", {k}={v!r}" for k, v in self.meta.items())
        return ", ".join(map(str, self.shapes)) + settings


class At:
    """A point where the derivative is a convention: arguments, and the slopes that rules answer.

    `At(0.0, slopes=(0.0,))` for |x|; each slope is the gradient of the sum of the result,
    None for an argument without a rule.

    Example: `At(0.0, slopes=(0.0,))` of |x|.
    """

    def __init__(self, *arrays: Any, slopes: Sequence[Any], **meta: Any) -> None:
        self.arrays = arrays
        self.slopes = tuple(slopes)
        self.meta = meta


class Pole(NamedTuple):
    """A number at which an op's result is not finite.

    Attributes:
        argument: which of the arrays holds it.
        value: the number.
        cause: what a message says of it.
        saturated: what it says instead where a sigmoid, saturated, gave that number.

    Example: `Pole(0, 0.0, "the logarithm of 0")`.
    """

    argument: int
    value: float
    cause: str
    saturated: str = ""
