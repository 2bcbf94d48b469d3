"""Titles of scopes where no arrow crosses them, in a picture that is laid out.

Graphviz sets a title at the left end of its scope before it draws arrows. Here it goes to the
first place in its line that is free. Where there is none, the picture is parted beside an arrow
and its right part moved away: distances only grow, so nothing comes to lie on something else.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from viz.drawing.placed import Box, Placed, Point

_ASIDE = 8.0  # between a title and an end of its scope
_GAP = 5.0  # between a title and an arrow
_PIECES = 24  # lines that stand for a curve
_MORE = 1.0  # by which it is parted more than it lacks: a curve that is stretched comes nearer
_ROUNDS, _SHARES = 8, (0.5, 0.25, 0.75)  # so it is looked at again, and parted elsewhere
_NEAR = 0.01

# The weights of the four points of a cubic Bézier curve at _PIECES + 1 places along it.
_T = np.linspace(0.0, 1.0, _PIECES + 1)
_WEIGHTS = np.stack([(1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3])


class _Gap(NamedTuple):
    """A free stretch of a title's line, how much it is too short, and where to part it."""

    lack: float
    cut: float
    begin: float


def clear(placed: Placed) -> None:
    """Move titles, and what stands at their right, until no arrow crosses one."""
    for share in _SHARES * _ROUNDS:
        parts, done = _parts(placed), True
        for box in placed.scopes.values():
            best = min(_gaps(box, parts, share), default=None)
            if best is not None and best.lack > 0:
                _part(placed, best.cut, best.lack + _MORE)
                parts, done = _parts(placed), False
        if done:
            break
    parts = _parts(placed)
    for box in placed.scopes.values():
        gaps = _gaps(box, parts) or [_Gap(0.0, 0.0, box.left + _ASIDE)]
        best = next((gap for gap in gaps if gap.lack <= 0), min(gaps))
        box.x = best.begin + box.width / 2


def crossed(placed: Placed) -> list[str]:
    """The scopes whose titles an arrow crosses where they stand."""
    parts = _parts(placed)
    return [
        name
        for name, box in placed.scopes.items()
        if not any(
            gap.begin - _GAP <= box.x - box.width / 2 <= gap.begin - gap.lack + _GAP
            for gap in _gaps(box, parts)
        )
    ]


def _parts(placed: Placed) -> Any:
    """Every cubic curve that arrows are made of, and their heads; (n, 4, 2)."""
    parts: list[list[Point]] = []
    for curve in placed.curves:
        points = curve.points
        parts += (points[k : k + 4] for k in range(0, len(points) - 3, 3))
        tips = ((points[0], curve.begin), (points[-1], curve.end))
        parts += ([end, end, tip, tip] for end, tip in tips if tip)
    return np.array(parts, float).reshape(-1, 4, 2)


def _gaps(box: Box, parts: Any, share: float = 0.5) -> list[_Gap]:
    """The free stretches of a title's line, from left to right, to be parted at a share of each."""
    low, high = box.y - box.height / 2, box.y + box.height / 2
    heights = parts[:, :, 1]
    near = parts[(heights.min(1) < high) & (heights.max(1) > low)]
    x, y = np.moveaxis(np.einsum("npc,pt->nct", near, _WEIGHTS), 1, 0)
    inside = (np.maximum(y[:, 1:], y[:, :-1]) > low) & (np.minimum(y[:, 1:], y[:, :-1]) < high)
    begins = np.minimum(x[:, 1:], x[:, :-1])[inside] - _GAP
    ends = np.maximum(x[:, 1:], x[:, :-1])[inside] + _GAP
    crossed: list[Point] = []  # from left to right, apart from each other
    for begin, end in sorted(zip(begins.tolist(), ends.tolist(), strict=True)):
        if crossed and begin <= crossed[-1][1]:
            crossed[-1] = crossed[-1][0], max(end, crossed[-1][1])
        elif begin < box.right and end > box.left:
            crossed.append((begin, end))
    first, last = box.left + _ASIDE, box.right - _ASIDE
    gaps = []
    for (_, before), (after, _) in pairwise([(0.0, box.left), *crossed, (box.right, 0.0)]):
        begin, end = max(before, first), min(after, last)
        cut = (
            before
            if before == box.left
            else min(before + share * (after - before), box.right - _NEAR)
        )
        if before < after:  # an arrow through the side of a scope leaves no room there
            gaps.append(_Gap(box.width - (end - begin), cut, begin))
    return gaps


def _part(placed: Placed, at: float, by: float) -> None:
    """Move what is right of a line to the right; a node goes as its middle, an arrow's end as the
    node, and each point that a curve goes through with the two that say its direction there.
    """

    def across(x: float) -> float:
        return by if x > at else 0.0

    for curve in placed.curves:
        points = curve.points
        for k in range(0, len(points), 3):
            x = points[k][0]
            if k in (0, len(points) - 1):
                x = placed.nodes[curve.head if k else curve.tail][0]
            for i in range(max(k - 1, 0), min(k + 2, len(points))):
                points[i] = points[i][0] + across(x), points[i][1]
        tail, head = (placed.nodes[name][0] for name in (curve.tail, curve.head))
        if curve.begin:
            curve.begin = curve.begin[0] + across(tail), curve.begin[1]
        if curve.end:
            curve.end = curve.end[0] + across(head), curve.end[1]
    for name, (x, y) in placed.nodes.items():
        placed.nodes[name] = x + across(x), y
    for box in placed.scopes.values():
        box.left += across(box.left)
        box.right += across(box.right)
