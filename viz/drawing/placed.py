"""A picture that graphviz has laid out: where things are, and the DOT text that keeps them there.

What is moved in between is drawn where it then is, in every format.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise

INCH = 72.0  # points
LAYOUT = "json0"  # the format in which graphviz gives a layout
AS_PLACED = "nop2"  # the engine that leaves everything where it is

_HALVED = 4  # times at most that a curve is halved

Point = tuple[float, float]

_SCOPE = re.compile(r"\t+subgraph (cluster_\w+) \{$")
_STATEMENT = re.compile(r"\t+(\w+)(?: -> (\w+))? \[")


@dataclass(slots=True)
class Box:
    """A scope: its sides, and its title: the middle, the width, the height; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float
    x: float
    y: float
    width: float
    height: float

    def text(self) -> str:
        """As DOT writes it."""
        sides = ",".join(f"{x:.2f}" for x in (self.left, self.bottom, self.right, self.top))
        return f'bb="{sides}" lp="{self.x:.2f},{self.y:.2f}"'


@dataclass(slots=True)
class Curve:
    """Cubic Bézier curves from one thing to another; `begin` and `end` are the tips of heads."""

    tail: str
    head: str
    points: list[Point]
    begin: Point | None
    end: Point | None

    def text(self, low: float, high: float) -> str:
        """As DOT writes it; the points between these heights, so that the picture grows no taller.

        Graphviz makes room for every point, of which a curve runs only near to those that say its
        direction; a curve of halves has points nearer to it.
        """
        points = [self.points[0]]
        waiting = [(self.points[k : k + 4], _HALVED) for k in range(len(self.points) - 4, -1, -3)]
        while waiting:
            part, times = waiting.pop()
            if times and not all(low <= y <= high for _, y in part):
                waiting += ((half, times - 1) for half in reversed(_halves(part)))
            else:
                points += part[1:]
        tips = {"s": self.begin, "e": self.end}
        heads = [f"{k},{x:.2f},{y:.2f}" for k, tip in tips.items() if tip for x, y in [tip]]
        return " ".join([*heads, *(f"{x:.2f},{y:.2f}" for x, y in points)])


class Placed:
    """A layout: where nodes have their middles, the scopes, the arrows that are seen.

    Args:
        layout: what graphviz wrote as `LAYOUT`.

    Raises:
        ValueError: something has no place in it.
    """

    def __init__(self, layout: bytes) -> None:
        found = json.loads(layout)
        if "ratio" in found:
            raise ValueError("a picture stretched to a ratio would be stretched again")
        _, self._low, _, self._high = map(float, found.get("bb", "0,0,0,0").split(","))
        things = {x["_gvid"]: x for x in found.get("objects", ())}
        self.nodes: dict[str, Point] = {}
        self.scopes: dict[str, Box] = {}
        self.curves: list[Curve] = []
        self._hidden = {x["name"] for x in things.values() if x.get("style") == "invis"}
        try:
            for x in things.values():
                if "pos" in x:
                    self.nodes[x["name"]] = _point(x["pos"])
                elif x["name"].startswith("cluster"):
                    left, bottom, right, top = map(float, x["bb"].split(","))
                    width, height = (INCH * float(x[k]) for k in ("lwidth", "lheight"))
                    box = Box(left, bottom, right, top, *_point(x["lp"]), width, height)
                    self.scopes[x["name"]] = box
            for edge in sorted(found.get("edges", ()), key=lambda x: x["_gvid"]):
                if edge.get("style") != "invis":
                    tail, head = (things[edge[k]]["name"] for k in ("tail", "head"))
                    self.curves.append(_curve(tail, head, edge["pos"]))
        except KeyError as missing:
            raise ValueError(f"no {missing} in this layout") from None

    def text(self, source: str) -> str:
        """The DOT text that was laid out, with places; what is not seen is left out."""
        waiting: dict[tuple[str, str | None], list[str]] = {
            (name, None): [f'pos="{x:.2f},{y:.2f}"'] for name, (x, y) in self.nodes.items()
        }
        for curve in reversed(self.curves):
            place = f'pos="{curve.text(self._low, self._high)}"'
            waiting.setdefault((curve.tail, curve.head), []).append(place)
        lines, scope = [], None
        for line in source.split("\n"):
            if found := _SCOPE.match(line):
                scope = self.scopes.get(found[1])
            elif statement := _STATEMENT.match(line):
                name, head = statement[1], statement[2]
                if name in self._hidden or (head and "style=invis" in line):
                    continue
                places = waiting.get((name, head), [])
                if scope and name == "graph":
                    places, scope = [scope.text()], None
                if places:
                    at = statement.end()
                    line = f"{line[:at]}{places.pop()} {line[at:]}"
            elif line.lstrip("\t").startswith("{rank=same "):
                continue
            lines.append(line)
        return "\n".join(lines)


def _halves(part: list[Point]) -> tuple[list[Point], list[Point]]:
    """A cubic curve as two, by de Casteljau's rule."""
    levels = [part]
    while len(levels[-1]) > 1:
        levels.append([((p + r) / 2, (q + s) / 2) for (p, q), (r, s) in pairwise(levels[-1])])
    return [level[0] for level in levels], [level[-1] for level in reversed(levels)]


def _point(text: str) -> Point:
    x, y = map(float, text.split(","))
    return x, y


def _curve(tail: str, head: str, text: str) -> Curve:
    """An arrow as DOT writes it, `e,3,1 0,0 1,0 2,0 3,0`.

    Raises:
        ValueError: it is not one curve after the other.
    """
    tips: dict[str, Point | None] = {"s": None, "e": None}
    points = []
    for word in text.split():
        kind, comma, rest = word.partition(",")
        if kind in tips and comma:
            tips[kind] = _point(rest)
        else:
            points.append(_point(word))
    return Curve(tail, head, points, tips["s"], tips["e"])
