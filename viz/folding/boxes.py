"""The ops of a graph as a row of boxes, each of which stands for one op or for several.

In a row every value is made in an earlier box than it is read in, or in the same one. So it may be
cut anywhere and neighbours may be joined: a stretch of a topological order is convex, and no arrow
between boxes leads back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from tinygrad_dnn.graph import Node
from viz.folding.repeats import ALL, NEVER, Code, codes, repetitions, same_step
from viz.folding.scopes import Scope


class Box(NamedTuple):
    """Ops that are drawn as one; a single op that is drawn as itself is not `folded`."""

    ops: list[Node]
    folded: bool


Row = list[Box]


def row_of(ops: Sequence[Node], folded: Mapping[Node, Scope]) -> Row:
    """The ops of each folded scope in a box, as far as nothing they read was made after it.

    A scope that is entered again with what was made of its results gets another box.

    Args:
        ops: inputs before what is made of them.
        folded: for those in a scope that is folded, that scope.
    """
    row: Row = []
    where: dict[Node, int] = {}
    latest: dict[Scope, int] = {}
    for path, stretch in groupby(ops, folded.get):
        if path is None:
            for node in stretch:
                where[node] = len(row)
                row.append(Box([node], False))
            continue
        part = list(stretch)
        needs = max((where.get(x, -1) for node in part for x in node.parents), default=-1)
        if needs > latest.get(path, -1) or path not in latest:
            latest[path] = len(row)
            row.append(Box([], True))
        row[latest[path]].ops.extend(part)
        where |= dict.fromkeys(part, latest[path])
    return row


def joined(boxes: Sequence[Box]) -> Box:
    """Neighbours as one box."""
    if len(boxes) == 1:
        return boxes[0]
    return Box([node for box in boxes for node in box.ops], True)


def join_runs(row: Row, folded: Mapping[Node, Scope], alone: Collection[Node]) -> Row:
    """Join scopes in a row that do the same, each with what the one before it made.

    Args:
        alone: no box with one of these is joined with others.
    """
    if sum(box.folded for box in row) < 2:
        return row
    new: Row = []
    run: Row = []
    before: list[Code] = []
    written = codes([node for box in row for node in box.ops], ALL)
    for box, part in zip(row, _parts(row, written), strict=True):
        if (
            run
            and _may_be_joined(run[-1], box, folded, alone)
            and same_step(before, part)
            and feeds(run[-1].ops, box.ops)
        ):
            run.append(box)
        else:
            new += [joined(run)] if run else []
            run = [box]
        before = part
    return new + ([joined(run)] if run else [])


def _may_be_joined(
    one: Box, other: Box, folded: Mapping[Node, Scope], alone: Collection[Node]
) -> bool:
    """Whether both are scopes in the same scope, and neither is to be alone."""
    return (
        one.folded
        and other.folded
        and folded[one.ops[0]][:-1] == folded[other.ops[0]][:-1]
        and not any(node in alone for box in (one, other) for node in box.ops)
    )


def feeds(one: Collection[Node], other: Collection[Node]) -> bool:
    """Whether something made by `one` is read by `other`."""
    made = set(one)
    return any(x in made for node in other for x in node.parents)


def join_repetitions(
    row: Row, alone: Collection[Node], written: Sequence[Code], least: int, longest: int = NEVER
) -> Row:
    """Join what repeats, wherever it begins and however many boxes make one step.

    Args:
        written: the codes of all ops of the row.
        least: steps.
        longest: boxes of one step.
    """
    closed = [any(node in alone for node in box.ops) for box in row]
    new: Row = []
    end = 0
    for begin, length, times in repetitions(_parts(row, written), closed, least, longest):
        new += row[end:begin]
        end = begin + length * times
        new.append(joined(row[begin:end]))
    return new + row[end:]


def join_stretches(row: Row, pieces: int, kept: Sequence[bool]) -> Row:
    """Join neighbours to about so many boxes of equal length, beside those that are `kept`."""
    length = -(-kept.count(False) // pieces)
    new: Row = []
    stretch: Row = []
    for box, keep in zip(row, kept, strict=True):
        if stretch and (keep or len(stretch) == length):
            new.append(joined(stretch))
            stretch = []
        if keep:
            new.append(box)
        else:
            stretch.append(box)
    return new + ([joined(stretch)] if stretch else [])


def _parts(row: Row, written: Sequence[Code]) -> list[list[Code]]:
    """The codes of the ops of each box."""
    left = iter(written)
    return [[next(left) for _ in box.ops] for box in row]
