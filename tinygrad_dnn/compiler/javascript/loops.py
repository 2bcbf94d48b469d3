"""Loops over arrays that lie in a buffer by strides, written as JavaScript.

An array is a buffer with a shape, strides (in elements) and an offset, as NumPy has them, so a
transposed, sliced or repeated array is no copy. Axes of length 1 need no loop, and adjoining axes
that lie behind each other in all arrays need only one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinygrad_dnn.graph import Node

Shape = tuple[int, ...]
# What kernels call their arrays, the result first; and loops their variables.
PARAMETERS = (*"zxywvuts", *(f"x{k}" for k in range(2, 60)))
LETTERS = "ijklopqrbcdefgh"  # m is a number of examples, see `sized`
SINGLE = "Math.fround("  # before a number that is rounded to float32
INDENT = "  "


class Ref(NamedTuple):
    """An array in a buffer.

    Attributes:
        name: of the buffer; of a plain number its text.
        shape, strides, offset: where its elements lie there, counted in elements.
        number: it is a plain number.
    """

    name: str
    shape: Shape = ()
    strides: Shape = ()
    offset: int = 0
    number: bool = False

    def broadcast(self, shape: Shape) -> Ref:
        """The same elements repeated to a larger shape."""
        if self.number:
            return self._replace(shape=shape, strides=(0,) * len(shape))
        extra = len(shape) - len(self.shape)
        kept = (
            0 if n == 1 and m != 1 else s
            for n, m, s in zip(self.shape, shape[extra:], self.strides, strict=True)
        )
        return self._replace(shape=shape, strides=(0,) * extra + tuple(kept))

    def at(self, parameter: str, *terms: tuple[str, int]) -> str:
        """How an element is written; `terms` are loop variables with their strides."""
        return parameter if self.number else f"{parameter}[{index(self.offset, *terms)}]"


class Writer(Protocol):
    """What a row writes with, see `printer`."""

    def call(self, name: str, arrays: Sequence[Ref], body: Sequence[str]) -> None:
        """A call of a kernel with this body, in which the arrays are called z, x, y, w, ..."""

    def elementwise(self, name: str, expression: str, z: Ref, xs: Sequence[Ref]) -> None:
        """An expression of x, y, w for every element of z."""

    def constant(self, value: Any) -> Ref:
        """An array that never changes."""

    def recorded(self, node: Node) -> Any:
        """The value that a node had when it was recorded; zeros where that is not known."""

    def in_order(self, x: Ref) -> Ref:
        """The same elements in C order: x itself, or a copy."""


def whole(name: str, shape: Shape) -> Ref:
    """A buffer in C order."""
    strides = tuple(prod(shape[k + 1 :]) for k in range(len(shape)))
    return Ref(name, shape, strides)


def viewed(ref: Ref, view: Callable[[Any], Any]) -> Ref | None:
    """What a function of an array makes of it, where that lies in the same memory: NumPy's answer.

    None where it is a copy.
    """
    if ref.number:
        return None
    reach = sum((n - 1) * s for n, s in zip(ref.shape, ref.strides, strict=True) if s > 0 and n)
    memory = np.empty(ref.offset + max(reach, 0) + 1, np.int8)
    x = np.ndarray(ref.shape, np.int8, memory, ref.offset, ref.strides)
    z = view(x)
    if z.size and not np.may_share_memory(z, memory):
        return None
    start = z.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return Ref(ref.name, z.shape, z.strides, start if z.size else 0)


def index(offset: int, *terms: tuple[str, int]) -> str:
    """`3 + 4 * i + j`."""
    parts = [f"{s} * {v}" if s != 1 else v for v, s in terms if s]
    text = " + ".join(([str(offset)] if offset or not parts else []) + parts)
    return text.replace("+ -", "- ")


class Nest:
    """Nested loops over some axes of several arrays.

    Args:
        shape: the lengths of the axes.
        strides: for each array its stride along each of them.
        used: how many letters the loops around it have.
    """

    def __init__(self, shape: Shape, strides: Sequence[Sequence[int]], used: int = 0) -> None:
        axes = [(n, tuple(s[k] for s in strides)) for k, n in enumerate(shape) if n != 1]
        merged: list[tuple[int, tuple[int, ...]]] = []
        for n, inner in axes:
            if merged and all(s == n * t for s, t in zip(merged[-1][1], inner, strict=True)):
                merged[-1] = (merged[-1][0] * n, inner)
            else:
                merged.append((n, inner))
        self.lengths = [n for n, _ in merged]
        self.letters = LETTERS[used : used + len(merged)]
        self.terms = [
            [(v, s[k]) for v, (_, s) in zip(self.letters, merged, strict=True)]
            for k in range(len(strides))
        ]

    def around(self, *body: str) -> list[str]:
        """The loops around these lines."""
        lines = list(body)
        for v, n in zip(reversed(self.letters), reversed(self.lengths), strict=True):
            lines = [f"for (let {v} = 0; {v} < {n}; {v} += 1) {{", *indented(lines), "}"]
        return lines


def indented(lines: Sequence[str]) -> list[str]:
    """The lines one step further in."""
    return [INDENT + line for line in lines]
