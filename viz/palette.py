"""The colours of every picture: graph, page and curves alike.

The hues are Okabe and Ito's, which people with any kind of colour vision tell apart ("Color
Universal Design", 2008). A kind of node has a shape of its own as well, and a curve a dash of its
own, so that nothing is said by colour alone.
"""

from __future__ import annotations

from typing import NamedTuple

ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"

INK = "#1A1A1A"  # text
MUTED = "#4D5560"  # what may be overlooked: shapes, dtypes, axis ticks
LINE = "#68737D"  # edges, axes
PAPER = "#FFFFFF"
BOX = "#F4F5F7"  # the ground of a scope
BOX_LINE = "#B4BBC2"
GRID = "#E3E6E9"


class Look(NamedTuple):
    """How a kind of node looks: graphviz shape and style, ground and outline."""

    shape: str
    style: str
    fill: str
    line: str
    outlines: int = 1


LOOKS = {
    "param": Look("box", "filled", "#FDEFCF", "#B97F00"),
    "input": Look("ellipse", "filled", "#D6F0E7", GREEN),
    "const": Look("note", "filled", "#F1EFEA", "#77706A"),
    "op": Look("box", "rounded,filled", "#E8F3FB", BLUE),
    "output": Look("box", "rounded,filled", "#F9E6F0", "#A8437D", 2),
}

# For curves, in the order in which they are given out: alternately dark and light.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, BLACK)
DASHES = ("-", "--", "-.", ":")


def contrast(one: str, other: str) -> float:
    """The contrast of two `#RRGGBB` colours, 1 to 21, as the WCAG 2 define it; text needs 4.5."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (
        s / 12.92 if s <= 0.04045 else float(((s + 0.055) / 1.055) ** 2.4) for s in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
