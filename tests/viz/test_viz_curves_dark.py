"""Curves for dark paper: a copy in other colours, readable; the light one stays as it is."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from viz import curves
from viz.palette import DARK, DARK_SERIES, GRID, INK, LIGHT, MUTED, PAPER, SERIES, contrast
from viz.reports.report import Section, report

Image = pytest.importorskip("PIL.Image")
costs = {"slow": np.linspace(1, 0.5, 9), "fast": np.linspace(1, 0.1, 9)}
counts = np.array([[7, 1, 0], [0, 9, 0], [2, 0, 5]])
draw = {
    "costs": lambda path, **more: curves.costs(costs, path, **more),
    "confusion": lambda path, **more: curves.confusion(counts, path, **more),
    "weights": lambda path, **more: curves.weights(
        np.arange(36.0).reshape(3, 12), path, shape=(2, 2, 3), **more
    ),
    "histograms": lambda path, **more: curves.histograms(
        {"activations": {"A1": np.linspace(-1, 2, 60)}}, path, **more
    ),
}


def colours_of(svg: Path) -> set[str]:
    return {c.upper() for c in re.findall(r"#[0-9a-f]{6}\b", svg.read_text("utf-8"))}


@pytest.mark.parametrize("what", draw)
def test_the_copy_has_the_colours_of_dark_paper_and_the_light_one_stays(
    what: str, tmp_path: Path
) -> None:
    alone = draw[what](tmp_path / "alone.svg")
    light = draw[what](tmp_path / "light.svg", dark=tmp_path / "dark.svg")
    found = colours_of(tmp_path / "dark.svg")
    assert DARK["paper"].upper() in found
    # On a cell the ink is what is read best there.
    paint = {GRID, MUTED, *SERIES} - {*DARK.values(), *DARK_SERIES}
    assert not found & (paint if what == "confusion" else paint | {INK, PAPER})
    assert colours_of(light) == colours_of(alone)
    assert not colours_of(light) & {DARK["paper"], DARK["ink"]}


def test_lines_and_words_are_seen_on_either_paper() -> None:
    for theme in (LIGHT, DARK):
        for name in ("ink", "muted"):
            assert contrast(theme[name], theme["paper"]) >= 4.5, name
    for colour in DARK_SERIES:
        assert contrast(colour, DARK["paper"]) >= 3, colour
    assert len({*DARK_SERIES}) == len(SERIES)


def test_a_dark_copy_needs_a_format(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dark: d\.gif: expected a name ending in \.png"):
        curves.costs([1.0, 0.5], tmp_path / "c.png", dark=tmp_path / "d.gif")


def test_a_report_shows_each_picture_as_the_page_is(tmp_path: Path) -> None:
    light = curves.costs([1.0, 0.5], tmp_path / "c.png", dark=tmp_path / "d.png")
    graph = tmp_path / "g.svg"
    graph.write_text(f'<svg><path fill="{LIGHT["op-fill"].lower()}" stroke="#123456"/></svg>')
    sections: list[Any] = [
        Section("Cost", "", light, tmp_path / "d.png"),
        Section("The graph", "", graph),
        Section("Alone", "", light),
    ]
    page = report(tmp_path / "r.html", "run", {}, {}, sections).read_text("utf-8")
    for where in ("on-dark", "on-light"):
        assert page.count(f'<img class="{where}" src="data:image/') == 2
    assert page.count("<img ") == 5
    assert page.count('<img class="lines" ') == 1  # the page turns it
    svg = b64decode(
        re.findall(r'on-dark" src="data:image/svg\+xml;base64,([^"]+)"', page)[0]
    ).decode()
    assert DARK["op-fill"] in svg
    assert "#123456" in svg  # no colour of ours
