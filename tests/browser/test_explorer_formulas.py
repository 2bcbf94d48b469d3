"""Formulas: whole in sight, in one kind of letters, with the spaces of mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import pytest
from stepper import Stepper

Open = Callable[..., Stepper]

CUT = """
() => [...document.querySelectorAll("#panel :is(.formula, .numbers, .readout, p, ol)")]
  .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)
"""
OUT = """
() => {
  const room = document.getElementById("panel").getBoundingClientRect();
  return [...document.querySelectorAll("#panel :is(math, canvas, table, .legend)")]
    .filter((one) => one.getBoundingClientRect().right > room.right - 12)
    .map((one) => one.outerHTML);
}
"""
INK = """
(math) => {
  const walker = document.createTreeWalker(math, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = range.getBoundingClientRect();
    found.push([node.textContent, left, right]);
  }
  return found;
}
"""


def whole(page: Stepper) -> None:
    assert page.page.evaluate(CUT) == []
    assert page.page.evaluate(OUT) == []


@pytest.mark.parametrize("width", [1280, 1920])
def test_in_every_step_of_the_documents_network_nothing_is_cut_off(
    stepper: Open, width: int
) -> None:
    page = stepper(nets.documents, width=width, height=800)
    for k in range(page.steps + 1):
        page.to(k)
        whole(page)
    a4 = page.named("A4")
    page.to(33).click(f"#{a4}")
    assert page.find("#panel .parts canvas").count() == 2
    whole(page)


def test_a_long_sum_breaks_before_a_sign_and_keeps_its_size(stepper: Open) -> None:
    page = stepper(nets.terms).press("End").select("x")
    whole(page)
    formula = page.find("#panel .way > .formula").first
    size = "one => getComputedStyle(one).fontSize"
    assert formula.evaluate(size) == page.find("#panel").evaluate(
        "one => `${1.4 * parseFloat(getComputedStyle(document.documentElement).fontSize)}px`"
    )
    lines: list[str] = []
    end = float("inf")
    for piece in formula.locator("math").all():
        left, width, text = piece.evaluate(
            "one => { const { left, width } = one.getBoundingClientRect();"
            " return [left, width, one.textContent]; }"
        )
        if left < end - 1:
            lines.append("")
        lines[-1] += text
        end = left + width
    assert lines == ["dx=d(tanh(x))⊙(1−tanh(x)⊙tanh(x))", "+d(x⊙x)⊙x+d(x⊙x)⊙x"]
    page.page.set_viewport_size({"width": 1920, "height": 1080})
    whole(page)
    page.page.set_viewport_size({"width": 700, "height": 800})
    page.page.wait_for_timeout(100)
    whole(page)


def test_what_has_no_sign_breaks_after_a_bracket(stepper: Open) -> None:
    def many() -> Any:
        y = nets.terms()
        for _ in range(14):
            y = nets.tanh(y)
        return y

    page = stepper(many).press("End").select("y")
    whole(page)
    for _ in range(8):
        page.press("ArrowLeft").press("Escape")
        whole(page)


def test_signs_have_their_spaces_and_formulas_begin_at_the_left(stepper: Open) -> None:
    page = stepper(nets.terms).press("End", "Home").to(2)  # tanh(x)
    assert page.panel.split() == ["tanh", "(", "x", ")"]
    formulas = page.find("#panel .formula:has(math:only-of-type)")
    assert formulas.count() >= 2
    signs = 0
    for formula in formulas.all():
        ink = formula.locator("math").evaluate(INK)
        assert ink[0][1] - formula.bounding_box()["x"] < 4
        for before, (text, left, right), after in zip(ink, ink[1:], ink[2:], strict=False):
            if text in ("=", "+", "−", "⊙"):
                signs += 1
                assert left - before[2] > 2, (before, text)
                assert after[1] - right > 2, (text, after)
    assert signs > 3
