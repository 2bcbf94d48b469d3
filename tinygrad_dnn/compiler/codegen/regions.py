"""Which lines of a program run block by block: elementwise ops over large arrays, and reductions of
what they give.

Line by line, an array that is larger than the processor's cache travels from memory and back for
every op. A region is computed for 256 kB of each array at a time instead: what is only read inside
needs no more memory. The rules are fixed, so the same graph gives the same bits on every machine
and on any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_dnn.compiler.codegen.lower import Lowered, base, uniform
from tinygrad_dnn.compiler.codegen.numpy_source import fold_of, is_ufunc
from tinygrad_dnn.compiler.codegen.writers import is_condition
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import astype, where

# Bytes: a few arrays fit into a second-level cache, and one op on a block takes much longer than
# handing over the interpreter's lock. With half of it two threads on float32 gain nothing.
BLOCK = 2**18
LEAST = 131_072  # numbers of an array from which on a region pays
SHORTEST = 3  # lines over such arrays that a region has


class Cut(NamedTuple):
    """How arrays are cut into blocks.

    Attributes:
        n: the length of the axis that is cut.
        axis: that axis, counted from the last one, which is 1; as broadcasting aligns them.
        step: how many of its positions are a block.
    """

    n: int
    axis: int
    step: int

    def position(self, shape: tuple[int, ...]) -> int | None:
        """The axis of an array that is cut; None where it is the same for every block."""
        at = len(shape) - self.axis
        return at if at >= 0 and shape[at] == self.n else None

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array is cut, or is the same for every block."""
        at = len(shape) - self.axis
        return at < 0 or shape[at] in (1, self.n)

    def block(self, shape: tuple[int, ...], at: int | None) -> tuple[int, ...]:
        """The shape of a whole block of an array that is cut at an axis."""
        return tuple(self.step if i == at else k for i, k in enumerate(shape))


@dataclass(eq=False)
class Region:
    """Lines that run block by block.

    Attributes:
        cut: how.
        lines: in order.
        folded: the reductions over the axis that is cut: each block gives a part of the result,
            and the parts are reduced in the end.
        along: for a reduction over other axes, the axis of its result that is cut.
    """

    cut: Cut
    lines: list[Node] = field(default_factory=list)
    folded: set[Node] = field(default_factory=set)
    along: dict[Node, int] = field(default_factory=dict)

    def position(self, x: Node) -> int | None:
        """The axis of a value that is cut; None where it is the same for every block."""
        return self.along[x] if x in self.along else self.cut.position(x.shape)

    def block(self, x: Node) -> tuple[tuple[int, ...], int]:
        """The shape of a whole block of a value that is cut, and the axis."""
        at = self.position(x)
        assert at is not None, f"{x}: is not cut"
        return self.cut.block(x.shape, at), at


def cut_of(shape: tuple[int, ...], itemsize: int = 8) -> Cut | None:
    """How to cut arrays of a shape and of numbers of so many bytes.

    None where they are small, or have no fitting axis.

    cut_of((1_000_000,)) == Cut(n=1_000_000, axis=1, step=32_768)
    cut_of((2048, 256), itemsize=4) == Cut(n=2048, axis=2, step=256)
    """
    most = BLOCK // itemsize
    if prod(shape) < LEAST:
        return None
    for at in (next(i for i, n in enumerate(shape) if n > 1), len(shape) - 1):
        outer, inner = prod(shape[:at]), prod(shape[at + 1 :])
        if outer * inner <= (most if outer == 1 else 16):
            return Cut(shape[at], len(shape) - at, max(1, most // (outer * inner)))
    return None


def regions_of(lines: Sequence[Node], lowered: Lowered, folds: bool) -> list[Node | Region]:
    """The lines in an order in which regions are as long as they can be.

    Args:
        folds: reductions over the axis that is cut, and those before it, belong to a region too;
            the order of their summation is another one then.
    """
    order: list[Node | Region] = []
    waiting = list(lines)
    while waiting:
        first = next((i for i, n in enumerate(waiting) if _opens(n, lowered)), len(waiting))
        order += waiting[:first]
        region, waiting = _grown(waiting[first:], lowered, folds)
        if region is not None and sum(prod(n.shape) >= LEAST for n in region.lines) >= SHORTEST:
            order.append(region)
        elif region is not None:
            order += region.lines
    return order


def _cut(node: Node) -> Cut | None:
    """How the arrays are cut of a region that begins with a line."""
    return cut_of(node.shape, max(x.dtype.itemsize for x in (node, *node.parents)))


def _opens(node: Node, lowered: Lowered) -> bool:
    cut = _cut(node)
    return (
        cut is not None
        and _elementwise(node, lowered)
        and _joins(node, Region(cut), set(), lowered, folds=False)
    )


def _grown(
    lines: Sequence[Node], lowered: Lowered, folds: bool
) -> tuple[Region | None, list[Node]]:
    """The region that begins with the first of these lines, and the lines that are not in it."""
    if not lines:
        return None, []
    cut = _cut(lines[0])
    assert cut is not None
    region = Region(cut)
    made: set[Node] = set()
    later: list[Node] = []
    closed: set[Node] = set()  # what comes after the region, and parts of it that end with it
    for node in lines:
        read = {base(x, lowered) for x in node.parents}
        if read & closed or not _joins(node, region, made, lowered, folds):
            later.append(node)
            closed.add(node)
            continue
        region.lines.append(node)
        made.add(node)
        if node in region.folded:
            closed.add(node)
    return region, later


def _joins(node: Node, region: Region, made: set[Node], lowered: Lowered, folds: bool) -> bool:
    """Whether a line belongs to the region; a reduction is entered there."""
    cut = region.cut
    if _elementwise(node, lowered):
        return (
            cut.position(node.shape) is not None
            and node.dtype.itemsize * prod(cut.block(node.shape, cut.position(node.shape)))
            <= 4 * BLOCK
            and not any(x in region.along and len(x.shape) < cut.axis for x in node.parents)
            and _readable(node, cut, made, lowered)
        )
    if fold_of(node.op) is None or not node.op.builtin:
        return False
    (x,) = node.inputs
    at = cut.position(x.shape)
    if x not in made or at is None or not _in_order(node, lowered):
        return False
    axis, n = node.meta["axis"], len(x.shape)
    over = range(n) if axis is None else normalize_axis_tuple(axis, n)
    if at in over:
        if folds:
            region.folded.add(node)
        return folds
    if not folds and min(over, default=at + 1) < at:
        return False  # NumPy adds up a column by itself in another order than one of many
    region.along[node] = at if node.meta["keepdims"] else at - sum(i < at for i in over)
    return True


def _elementwise(node: Node, lowered: Lowered) -> bool:
    """Whether an op computes every number of its result from those at the same place."""
    op = node.op
    if not op.builtin or not _in_order(node, lowered):
        return False
    return is_ufunc(op) or op is astype or (op is where and is_condition(node.inputs[0]))


def _in_order(node: Node, lowered: Lowered) -> bool:
    """Whether its memory is in C order, as that of a block is."""
    return lowered.strides[node] == np.empty(node.shape, node.dtype).strides


def _readable(node: Node, cut: Cut, made: set[Node], lowered: Lowered) -> bool:
    """Whether a block of every operand can be cut out of it."""
    for x in node.inputs:
        if isinstance(x, Node):
            bare = spread(x, lowered)
            if not cut.fits(bare.shape) or (bare not in made and base(bare, lowered) in made):
                return False
        elif isinstance(x, np.ndarray) and cut.position(x.shape) is not None and not uniform(x):
            return False
    return True


def spread(x: Node, lowered: Lowered) -> Node:
    """What an operand repeats along axes, which elementwise ops do by themselves."""
    while x in lowered.views and x.op.spreads:
        x = x.inputs[0]
    return x


def viewed(region: Region, lowered: Lowered) -> set[Node]:
    """The values that the region reads through views, which may be other parts than its blocks."""
    read = (x for n in region.lines for x in n.parents)
    return {base(x, lowered) for x in read if spread(x, lowered) in lowered.views}


def nodes(order: Sequence[Node | Region]) -> Iterator[Node]:
    """The lines one by one."""
    for part in order:
        if isinstance(part, Region):
            yield from part.lines
        else:
            yield part


def inner(region: Region, lines: Sequence[Node], results: set[Node], lowered: Lowered) -> set[Node]:
    """The values that nothing outside the region reads."""
    there = set(region.lines)
    read = {base(x, lowered) for n in lines if n not in there for x in n.parents}
    return there - read - results - region.folded


def operands_of(region: Region, lowered: Lowered) -> list[Node]:
    """The operands that come from outside, each once, in order: nodes, and views of them."""
    made = set(region.lines)
    found = (spread(x, lowered) for n in region.lines for x in n.parents)
    return list(dict.fromkeys(x for x in found if x not in made))
