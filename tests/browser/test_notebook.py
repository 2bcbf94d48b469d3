"""A page in a notebook: in a frame without an address, which may be hidden when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pytest

import viz
from tinygrad_dnn import Tensor
from viz.explorer.page_file import PageFile

NOTEBOOK = '<!DOCTYPE html><title>Notebook</title><p>In [1]:<div id="out" hidden>{}</div>'
LINES = """
() => [...document.querySelectorAll("#graph .node")].flatMap((g) => {
  const box = g.getBBox();
  return [...g.querySelectorAll("text")].map((text) => text.getBBox()).map(({ y, height }) =>
    height > 0 && y >= box.y - 1 && y + height <= box.y + box.height + 1);
})
"""


@pytest.fixture
def shown(open_page: Any, tmp_path: Path) -> Callable[..., Any]:
    """`shown(page)`: the frame of a page in a notebook, and what unfolds the cell that has it."""

    def opened(page: PageFile) -> tuple[Any, Callable[[], None]]:
        notebook = tmp_path / "notebook.html"
        text = page._repr_html_()
        assert text is not None
        notebook.write_text(NOTEBOOK.format(text), encoding="utf-8")
        window = open_page(notebook)
        frame = window.frames[1]
        frame.wait_for_load_state()
        return frame, lambda: window.evaluate("() => { out.hidden = false; }")

    return opened


def test_a_page_is_stepped_through_in_a_frame(shown: Callable[..., Any], tmp_path: Path) -> None:
    frame, unfold = shown(viz.explore(nets.two_layers(), tmp_path / "page.html"))
    unfold()
    frame.click("#forward")
    frame.click("#forward")
    assert int(frame.evaluate("() => document.body.dataset.step")) > 1
    lines = frame.evaluate(LINES)
    assert len(lines) > 20
    assert all(lines)  # each in its box, though the page was loaded where nothing has a size


def test_a_page_trains_in_a_frame(shown: Callable[..., Any], tmp_path: Path) -> None:
    w = Tensor(np.array([3.0]), requires_grad=True, name="w")
    frame, unfold = shown(viz.playground((w * w).sum(), w, tmp_path / "page.html"))
    unfold()
    frame.get_by_text("One step", exact=True).click()
    assert "step 1 · cost 5.76" in frame.inner_text("body")


def test_a_worker_computes_in_a_frame(shown: Callable[..., Any], tmp_path: Path) -> None:
    frame, unfold = shown(viz.explore(nets.shared(), tmp_path / "page.html"))
    unfold()
    assert frame.evaluate("() => new Promise((done) => runner.beside(() => done(live.on)))")
