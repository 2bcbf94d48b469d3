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
SLOPE = "#8A2F63"  # text about gradients
PROBLEM = "#B00020"  # text about what is wrong, and its outline
PROBLEM_FILL = "#FFE9EB"


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
    "output": Look("box", "rounded,filled", "#FCE4D8", "#B8480F", 2),
    "gradient": Look("box", "filled,diagonals", "#F9E6F0", "#A8437D"),
    "folded": Look("box3d", "filled", "#E6E9EE", MUTED),
}

# The page's light and dark, as custom properties of CSS. Pictures are light, unless a dark copy is
# asked for: see `IN_THE_DARK`.
LIGHT = {
    "ink": INK, "muted": MUTED, "line": LINE, "paper": PAPER, "box": BOX, "box-line": BOX_LINE,
    "grid": GRID, "slope": SLOPE, "problem": PROBLEM, "problem-fill": PROBLEM_FILL,
    "low": BLUE, "middle": PAPER, "high": VERMILLION, "found": "#FFD24D",
    **{f"{kind}-fill": look.fill for kind, look in LOOKS.items()},
    **{f"{kind}-line": look.line for kind, look in LOOKS.items()},
}  # fmt: skip
DARK = {
    "ink": "#F2F4F6", "muted": "#BAC3CC", "line": "#8B96A0", "paper": "#15181C", "box": "#1E2329",
    "box-line": "#4A545E", "grid": "#2C333A", "slope": "#F2B3D5", "problem": "#FF8C98",
    "problem-fill": "#4D1620", "low": SKY, "middle": "#15181C", "high": "#F08A4B",
    "found": "#6A5000", "param-fill": "#453610", "param-line": "#E0A82E",
    "input-fill": "#123D30", "input-line": "#3CC79B",
    "const-fill": "#38352F", "const-line": "#A89F95",
    "op-fill": "#14354D", "op-line": "#5DB3EA",
    "output-fill": "#4E2611", "output-line": "#F08A4B",
    "gradient-fill": "#4A2340", "gradient-line": "#E08BBB",
    "folded-fill": "#2A3038", "folded-line": "#BAC3CC",
}  # fmt: skip

# For curves, in the order in which they are given out: alternately dark and light.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, BLACK)
DASHES = ("-", "--", "-.", ":")
DARK_SERIES = ("#3E9FE0", ORANGE, "#3CC79B", "#E08BBB", "#C2E3F8", "#F08A4B", "#F2F4F6")

# What a light colour is on dark paper.
IN_THE_DARK = {LIGHT[name]: colour for name, colour in DARK.items()}
IN_THE_DARK |= dict(zip(SERIES, DARK_SERIES, strict=True))


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
