"""Measures of how a page looks: texts that collide, stick out, are too small or too faint."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from viz.palette import contrast

if TYPE_CHECKING:
    from playwright.sync_api import Page

Box = tuple[float, float, float, float]


class Text(NamedTuple):
    """A text that can be seen.

    Attributes:
        owner: the number of its element, or of the formula it is in.
        boxes: left, top, right and bottom of its ink in CSS pixels, line by line, as far as
            nothing cuts it off.
        size: of its letters, in CSS pixels.
        colour, ground: as CSS writes them, rgb(...).
        disabled: whether it belongs to a control that is disabled.
        sticks: how many pixels it stands out of its control, or of its node's shape.
    """

    text: str
    owner: int
    boxes: list[Box]
    size: float
    colour: str
    ground: str
    disabled: bool
    sticks: float


@cache
def script() -> str:
    """The function of JavaScript that finds them."""
    return Path(__file__).with_name("legibility.js").read_text(encoding="utf-8")


def texts(page: Page) -> list[Text]:
    """All texts in the window; where a dialog is open, those in it."""
    return read(page.evaluate(script()))


def read(found: list[dict[str, Any]]) -> list[Text]:
    """What the script found."""
    return [Text(**one) for one in found]


def overlapping_texts(seen: list[Text]) -> list[tuple[str, str]]:
    """Pairs of texts of different elements whose ink overlaps by more than a pixel each way."""
    return [
        (one.text, other.text)
        for one, other in combinations(seen, 2)
        if one.owner != other.owner
        if any(_overlap(a, b) > 1 for a in one.boxes for b in other.boxes)
    ]


def _overlap(a: Box, b: Box) -> float:
    return min(a[2] - b[0], b[2] - a[0], a[3] - b[1], b[3] - a[1])


def sticking_out(seen: list[Text]) -> list[str]:
    """Texts that stand out of the control or the shape they are in, or are cut off by it."""
    return [one.text for one in seen if one.sticks > 1]


def small_texts(seen: list[Text], least: float = 12) -> list[tuple[str, float]]:
    """Texts in letters of less than `least` CSS pixels."""
    return [(one.text, round(one.size, 2)) for one in seen if one.size < least - 0.01]


def low_contrast(seen: list[Text], least: float = 4.5) -> list[tuple[str, float]]:
    """Texts too faint on their ground; WCAG 2 asks nothing of controls that are disabled."""
    found = [
        (one.text, contrast(hex_of(one.colour), hex_of(one.ground)))
        for one in seen
        if not one.disabled
    ]
    return [(text, round(ratio, 2)) for text, ratio in found if ratio < least]


def hex_of(colour: str) -> str:
    """#RRGGBB of rgb(r, g, b); what is half transparent can't be judged and is an error."""
    parts = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    if parts is None:
        raise ValueError(f"expected an opaque colour, got {colour}")
    return "#" + "".join(f"{int(part):02x}" for part in parts.groups())
