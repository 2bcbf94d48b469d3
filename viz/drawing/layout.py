"""The places of things in a picture, so that graphviz draws a network as one would by hand.

The computation runs straight down, parameters at its sides; the backward pass runs up beside it:

    W1 → Z1 ← b1      dW1 ← dZ1 → db1
         ↓                   ↑
         A1                 dA1
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from viz.drawing.scene import Scene
from viz.folding.scopes import Scope

_LEAVES = ("param", "input", "const")
_MOST = 24  # scopes that are kept in order; more would take a layout too long


class Line(NamedTuple):
    """An arrow as graphviz is to draw it: from an upper to a lower thing, or from left to right."""

    tail: str
    head: str
    name: str
    backwards: bool  # the arrowhead is at the tail
    kind: str  # as that of the arrow


class Layout:
    """Rows of things that stand side by side, straight chains, and the direction of arrows.

    `rows` are from left to right; `chains` gives for each thing in a straight line the id where
    the line begins.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._forward = [a for a in scene.arrows if a.kind == "forward"]
        self._uses = Counter(arrow.tail for arrow in self._forward)
        self._sources: dict[str, list[str]] = {}  # in the order of the arrows
        for arrow in self._forward:
            self._sources.setdefault(arrow.head, []).append(arrow.tail)
        self._beside = self._sides()
        self._read = self._only_read()
        self._late = self._of_shared_leaves()
        self.chains = self._straight()
        self.rows = self._side_by_side()
        self._place = {
            name: (r, c) for r, row in enumerate(self.rows) for c, name in enumerate(row)
        }

    def _sides(self) -> dict[str, list[str]]:
        """For an op the one or two parameters that stand left and right of it instead of above.

        So the box of a layer begins below the last one.
        """
        things = self.scene.things
        sides: dict[str, list[str]] = {}
        for head, tails in self._sources.items():
            able = [
                tail
                for tail in tails
                if things[tail].kind in ("param", "const")
                and self._uses[tail] == 1
                and things[tail].home == things[head].home
            ]
            if len(able) == len(tails):
                able.pop()  # one at least comes from above
            if able:
                sides[head] = able[:2]
        return sides

    def _only_read(self) -> dict[str, list[str]]:
        """For a gradient what is made of values alone for its rule, as W2ᵀ for dA1 = W2ᵀ dZ2.

        Below it, in the row of the next layer, it would push that layer's box aside.
        """
        things = self.scene.things
        backward = {arrow.head for arrow in self.scene.arrows if arrow.kind == "backward"}
        heads: dict[str, set[str]] = {}
        for arrow in self.scene.arrows:
            heads.setdefault(arrow.tail, set()).add(arrow.head)
        slopes = set(self.scene.gradients.values())
        read: dict[str, list[str]] = {}
        for name, thing in things.items():
            if thing.kind == "gradient" and name not in slopes and name not in backward:
                used = heads.get(name, set())
                if len(used) == 1 and used <= slopes and things[min(used)].home == thing.home:
                    read.setdefault(min(used), []).append(name)
        return read

    def _of_shared_leaves(self) -> set[str]:
        """Ops on leaves alone, one of them shared, as W xₜ of every step of a recurrent net: these
        stand near where they are read, and not all in the row below W.
        """
        leaves = {name for name, one in self.scene.things.items() if one.kind in _LEAVES}
        return {
            head
            for head, tails in self._sources.items()
            if leaves.issuperset(tails) and any(self._uses[tail] > 2 for tail in tails)
        }

    def _straight(self) -> dict[str, str]:
        """The id where a chain begins, for what stands in one straight line with it.

        A chain goes on from a value to its only use, where nothing else comes in from above; it
        stays inside one box (graphviz can fail over lines through several), and it has parameters
        at its side: the layers of a network.
        """
        chains: dict[str, str] = {}
        for head, tails in self._sources.items():
            above = [tail for tail in tails if tail not in self._beside.get(head, ())]
            if len(above) == 1 and self._uses[above[0]] == 1:
                (tail,) = above
                inside = self.scene.things[tail].home == self.scene.things[head].home
                chains[head] = chains.setdefault(tail, tail) if inside else head
        layered = {chains[head] for head in self._beside if head in chains}
        straight = {name: begin for name, begin in chains.items() if begin in layered}
        slopes = self.scene.gradients
        back = {
            slopes[name]: slopes[begin]
            for name, begin in straight.items()
            if name in slopes and begin in slopes
        }
        return straight | back

    def _side_by_side(self) -> list[list[str]]:
        aside = {name for sides in self._beside.values() for name in sides}
        rows = []
        for name in self.scene.things:
            if name not in aside:
                left, right = [*self._beside.get(name, ()), "", ""][:2]
                row = [n for n in (left, name, right) if n]
                slopes = self.scene.gradients
                back = [slopes[n] for n in row if n in slopes]
                rows.append([*row, *back, *(aid for g in back for aid in self._read.get(g, ()))])
        return [row for row in rows if len(row) > 1]

    def lines(self) -> list[Line]:
        """Every arrow, and whether it is drawn from its head to its tail.

        Graphviz ranks a line's beginning above its end, and left of it in a row.
        """
        lines = []
        for arrow in self.scene.arrows:
            (r, c), (s, d) = (self._place.get(end, (-1, 0)) for end in arrow[:2])
            beside = r == s >= 0
            backwards = c > d if beside else arrow.kind == "backward"
            ends = arrow[1::-1] if backwards else arrow[:2]
            lines.append(Line(*ends, arrow.name, backwards, arrow.kind))
        return lines

    def is_short(self, line: Line) -> bool:
        """Whether it is drawn short: both ends stand in one straight chain, or near each other."""
        if line.tail in self._late and line.kind == "forward":
            return True
        begin = self.chains.get(line.tail)
        return begin is not None and begin == self.chains.get(line.head)

    def ordered(self) -> list[tuple[Scope, list[str]]]:
        """Scopes of one name but for its number that stand side by side, as `expert 0`, `expert 1`:
        the scope they are in, and of each the first op, in their order.
        """
        firsts: dict[Scope, str] = {}
        for name, thing in self.scene.things.items():
            path = getattr(thing.what, "path", None) or thing.home  # of a folded scope its own
            if thing.kind not in _LEAVES:
                for k in range(1, len(path) + 1):
                    firsts.setdefault(path[:k], name)
        alike: dict[tuple[Scope, str], list[Scope]] = {}
        for path in firsts:
            alike.setdefault((path[:-1], re.sub(r"\d+", "0", path[-1])), []).append(path)
        rows = [(outer, paths) for (outer, _), paths in alike.items() if 1 < len(paths) <= _MOST]
        return [
            (outer, [firsts[path] for path in paths])
            for outer, paths in rows
            if not self._are_fed_by_another(paths)
        ]

    def _are_fed_by_another(self, paths: list[Scope]) -> bool:
        """Whether what is made in one of these scopes leads to another one of them."""
        depth = len(paths[0])
        inside = {
            name: (getattr(thing.what, "path", None) or thing.home)[:depth]
            for name, thing in self.scene.things.items()
        }
        own = set(paths)
        above: dict[str, set[Scope]] = {}  # the scopes that lead to a thing
        for arrow in self._forward:  # those that lead to its tail go before
            led = above.get(arrow.tail, set()) | ({inside[arrow.tail]} & own)
            if led - {inside[arrow.head]} and inside[arrow.head] in own:
                return True
            above[arrow.head] = above.get(arrow.head, set()) | led
        return False

    def unconnected(self) -> list[tuple[str, str]]:
        """Neighbours in a row without a line between them, whose order graphviz must be told."""
        drawn = {(line.tail, line.head) for line in self.lines()}
        pairs = (pair for row in self.rows for pair in pairwise(row))
        return [pair for pair in pairs if pair not in drawn]
