"""Pages on paper, printed by the real browser to PDF and read again: nothing cut, all legible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import two_layers
from pdf_text import sheets, text_of
from stepper import Stepper
from zoo_others import OTHERS

import viz
from tinygrad_dnn import Tensor, tanh

Open = Callable[..., Any]

# For every box of the picture whether it is whole in a part of it.
WHOLE = """
() => {
  dispatchEvent(new Event("beforeprint"));
  const within = (one, other) => one.left >= other.left && one.right <= other.right
    && one.top >= other.top && one.bottom <= other.bottom;
  const whole = {};
  for (const part of document.querySelectorAll("#sheets svg")) {
    const sight = part.getBoundingClientRect();
    for (const box of part.querySelectorAll("g.node")) {
      whole[box.id] = whole[box.id] || within(box.getBoundingClientRect(), sight);
    }
  }
  const all = [...document.querySelectorAll("#graph > svg g.node")].map((box) => box.id);
  dispatchEvent(new Event("afterprint"));
  return all.map((id) => [id, whole[id] ?? false]);
}
"""


def lines_of(page: Stepper) -> set[str]:
    """The first line of every box, without spaces."""
    return {"".join(one["lines"][0].split()) for one in page.things().values() if one["lines"]}


def test_s335_a_large_picture_has_parts_in_which_every_box_is_whole(stepper: Open) -> None:
    page = stepper(OTHERS["lstm"], width=700, height=900)
    page.page.emulate_media(media="print")
    whole = dict(page.page.evaluate(WHOLE))
    page.page.emulate_media(media="null")  # what it is by itself
    assert len(whole) > 20
    assert all(whole.values())
    printed = sheets(page.page.pdf(format="A4", print_background=True))
    _, *parts, panel = printed
    said = "".join(map(text_of, parts))
    assert {f"part{k}of{len(parts)}" in said for k in range(1, len(parts) + 1)} == {True}
    assert not {title for title in lines_of(page) if title not in said}
    assert min(piece.size for part in parts for piece in part) > 5  # points
    assert "steps" in text_of(panel)
    assert page.find("#sheets").count() == 0  # the page is as it was


def test_a_small_picture_has_one_sheet(stepper: Open) -> None:
    page = stepper(two_layers)
    picture, *rest = sheets(page.page.pdf(format="Letter"))
    assert not {title for title in lines_of(page) if title not in text_of(picture)}
    assert "part1of" not in "".join(map(text_of, rest))


def wide_tables() -> Tensor:
    """Nine numbers in a row, and 32, each as wide as numbers are."""
    rng = np.random.default_rng(1)
    U, V = (Tensor(rng.normal(size=s) * 1e-9, True, name=k) for k, s in (("U", 9), ("V", (2, 32))))
    return tanh(U).sum() + tanh(V).sum()


@pytest.mark.parametrize("step", [1, 3])
def test_numbers_of_the_panel_are_not_cut_on_paper(stepper: Open, step: int) -> None:
    page = stepper(wide_tables, width=690).to(step)
    page.page.emulate_media(media="print")
    shares = page.page.evaluate(
        """() => [...document.querySelectorAll("#panel table")].map((table) =>
        Math.max(...[...table.querySelectorAll("td")].map((cell) =>
        cell.getBoundingClientRect().right)) / innerWidth)"""
    )
    page.page.emulate_media(media="null")
    assert shares
    assert max(shares) <= 1


def test_s336_long_formulas_of_a_derivation_break_on_paper(open_page: Open, tmp_path: Path) -> None:
    derived = viz.derive(OTHERS["lstm"]())
    page = open_page(derived.save(tmp_path / "derived.html"))
    printed = sheets(page.pdf(format="A4"))
    said = "".join(map(text_of, printed))
    long = [line for line in derived.lines if len(line.text.plain) > 120]
    assert len(long) > 3
    for line in long:
        assert "".join(f"{line.name} = {line.text.plain}".split()) in said
    assert min(piece.size for sheet in printed for piece in sheet) > 5
