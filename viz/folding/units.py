"""Units of a row: what computes one value from others, where several of them do the same.

A neuron made of single numbers is `tanh(b + w x + w x)`: an expression, that is a tree of ops each
of which only the next one reads, recorded one after the other. Trees that occur several times are
boxes of their own; what occurs once is left as it is, and so is what puts the others together, such
as a sum over examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tinygrad_dnn.graph import Leaf, Node
from viz.folding.boxes import Box, Row
from viz.folding.repeats import Exact, number_of, settings_of


def in_units(
    row: Row, readers: Mapping[Node, Sequence[Node]], alone: Collection[Node], exact: Exact
) -> Row:
    """The row with each repeated tree of its single ops as one box.

    Args:
        readers: of each value the ops that read it.
        alone: in no tree.
        exact: which numbers tell one tree from another.
    """
    sizes: list[int] = []  # of the tree that ends with each box
    kinds: list[int] = []  # a number that equal trees have in common
    known: dict[Any, int] = {}
    where: dict[Node, int] = {}
    for i, box in enumerate(row):
        free = not (box.folded or box.ops[0] in alone)
        parts = _parts_of(box.ops[0], i, where, sizes, readers) if free else set[Node]()
        sizes.append(1 + sum(sizes[where[x]] for x in parts))
        inputs = [_input(x, parts, where, kinds, exact) for x in box.ops[0].inputs] if free else [i]
        what = (box.ops[0].op, settings_of(box.ops[0])) if free else ()
        kinds.append(known.setdefault((*what, *inputs), i))
        if free:
            where[box.ops[0]] = i
    ends = _ends(sizes, kinds)
    new: Row = []
    for end, size in ends:
        part = row[end - size : end]
        new.append(Box([box.ops[0] for box in part], True) if size > 1 else part[0])
    return new


def _ends(sizes: Sequence[int], kinds: Sequence[int]) -> list[tuple[int, int]]:
    """Where trees end that are not part of one that is taken, and their sizes; 1 of those that
    occur once.
    """
    times = Counter(kinds)
    once = {kind for kind, n in times.items() if n == 1}
    while True:
        ends = []
        end = len(sizes)
        while end:
            ends.append((end, 1 if kinds[end - 1] in once else sizes[end - 1]))
            end -= ends[-1][1]
        taken = Counter(kinds[end - 1] for end, size in ends if size > 1)
        more = {kind for kind, n in taken.items() if n == 1}
        if not more:
            return ends[::-1]
        once |= more


def _parts_of(
    node: Node,
    i: int,
    where: Mapping[Node, int],
    sizes: Sequence[int],
    readers: Mapping[Node, Sequence[Node]],
) -> set[Node]:
    """The inputs whose trees stand right before the i-th box and are read by nothing else."""
    found: set[Node] = set()
    inputs = {x for x in node.parents if x in where}
    for x in sorted(inputs, key=where.__getitem__, reverse=True):
        if where[x] != i - 1 or any(other is not node for other in readers[x]):
            break
        found.add(x)
        i -= sizes[where[x]]
    return found


def _input(
    x: Any, parts: Collection[Node], where: Mapping[Node, int], kinds: Sequence[int], exact: Exact
) -> Any:
    """How an input is written in the kind of a tree."""
    if not isinstance(x, Node):
        return (number_of(x, exact),)
    if x in parts:
        return kinds[where[x]]
    return "parameter" if isinstance(x, Leaf) and x.requires_grad else "value"


def opened(row: Row, units: Row) -> Row:
    """The row with those of the units that were joined with nothing as single ops again."""
    trees = _trees(units)
    parts = ([Box([x], False) for x in box.ops] if id(box) in trees else [box] for box in row)
    return [box for boxes in parts for box in boxes]


def alone(row: Row, units: Row) -> int:
    """How many of the units were joined with nothing."""
    trees = _trees(units)
    return sum(id(box) in trees for box in row)


def _trees(units: Row) -> set[int]:
    return {id(box) for box in units if box.folded}
