"""Titles of scopes in a drawn SVG, moved along their line to where no arrow crosses them.

Graphviz sets a title at the left end of its scope before it draws arrows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

_SCOPE = re.compile(
    rb'<g id="[^"]*" class="cluster scope">\s*<title>.*?</title>\s*'
    rb'<path [^>]*? d="([^"]*)"/>\s*<text [^>]*?x="(-?[\d.]+)" y="(-?[\d.]+)"',
    re.DOTALL,
)
_ARROW = re.compile(
    rb'<g id="[^"]*" class="edge[^"]*">.*?<path [^>]*? d="([^"]*)".*?</g>', re.DOTALL
)
_HEAD = re.compile(rb'<polygon [^>]*? points="([^"]*)"')
_POINT = re.compile(rb"(-?[\d.]+),(-?[\d.]+)")
_ABOVE, _BELOW = 11.0, 4.0  # of the line that a title's letters stand on, with a little room
_ASIDE = 8.0  # between a title and an end of its scope
_GAP = 3.0  # between a title and an arrow
_PIECES = 24  # lines that stand for a curve

Point = tuple[float, float]
Part = tuple[float, float, list[Point]]  # the least and the greatest height, and the points


def clear_titles(svg: bytes) -> bytes:
    """The same drawing with titles where no arrow crosses them, as far as there is room."""
    scopes = list(_SCOPE.finditer(svg))
    arrows = [x for found in _ARROW.finditer(svg) for x in _parts(found)] if scopes else []
    done, at = [], 0
    for scope in scopes:
        x = float(scope[2])
        moved = _place(_points(scope[1]), x, float(scope[3]), arrows)
        if moved != x:
            done += [svg[at : scope.start(2)], b"%.2f" % moved]
            at = scope.end(2)
    return b"".join([*done, svg[at:]])


def _place(outline: list[Point], x: float, y: float, arrows: Iterable[Part]) -> float:
    """The middle of a title: the leftmost place that is free; where it stood, if none is."""
    left, right = min(p[0] for p in outline), max(p[0] for p in outline)
    half = x - left - _ASIDE
    top, bottom = y - _ABOVE, y + _BELOW
    near = (part for part in arrows if part[0] < bottom and part[1] > top)
    crossed = sorted(
        (min(p[0], q[0]) - half - _GAP, max(p[0], q[0]) + half + _GAP)
        for _, _, points in near
        for p, q in pairwise(_line(points))
        if max(p[1], q[1]) > top and min(p[1], q[1]) < bottom
    )
    free = x
    for begin, end in crossed:
        if begin < free < end:
            free = end
    return free if free + half + _ASIDE <= right else x


def _parts(arrow: re.Match[bytes]) -> Iterator[Part]:
    """The curves that an arrow is made of, and its head."""
    points = _points(arrow[1])
    curves = [points[k : k + 4] for k in range(0, len(points) - 3, 3)]
    for part in (*curves, *(_points(head[1]) for head in _HEAD.finditer(arrow[0]))):
        heights = [p[1] for p in part]
        yield min(heights), max(heights), part


def _line(points: list[Point]) -> list[Point]:
    """Points along a cubic Bézier curve, of a head its corners."""
    return (
        points
        if len(points) != 4 or points[0] == points[3]
        else [_on_curve(points, i / _PIECES) for i in range(_PIECES + 1)]
    )


def _on_curve(points: list[Point], t: float) -> Point:
    """The point at t, from 0 to 1."""
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    x, y = (sum(w * p[i] for w, p in zip(weights, points, strict=True)) for i in (0, 1))
    return x, y


def _points(text: bytes) -> list[Point]:
    return [(float(x), float(y)) for x, y in _POINT.findall(text)]
