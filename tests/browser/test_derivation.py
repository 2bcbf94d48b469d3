"""The page of a derivation in a real browser: readable in light and dark, its steps unfold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nets
import pytest
from legibility import low_contrast, overlapping_texts, small_texts, texts
from zoo_others import OTHERS

import viz
from viz.reports.report import Section, report

Open = Callable[..., Any]


@pytest.fixture
def derived(tmp_path: Path) -> Path:
    return viz.derive(nets.two_layers(), names=None).save(tmp_path / "derivation.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_it_is_readable(open_page: Open, derived: Path, width: int, scheme: str) -> None:
    page = open_page(derived, width=width, height=3000, scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    seen = texts(page)
    assert sum("from" in text.text for text in seen) >= 4
    assert overlapping_texts(seen) == []
    assert small_texts(seen, 12) == []
    assert low_contrast(seen, 4.5) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_on_paper_no_formula_is_cut(open_page: Open, tmp_path: Path) -> None:
    path = viz.derive(OTHERS["black_scholes"]()).save(tmp_path / "derivation.html")
    page = open_page(path, width=690, height=1000, scheme="dark")  # A4 within its margins
    page.emulate_media(media="print")
    shares = page.evaluate(
        """() => [...document.querySelectorAll(".formula:has(math)")].filter((x) => x.clientWidth)
        .map((x) => x.querySelector("math").getBoundingClientRect().width / x.clientWidth)"""
    )
    page.emulate_media(media="screen")
    assert len(shares) > 30
    assert max(shares) <= 1


@pytest.mark.parametrize(("media", "shown"), [("print", "on-light"), ("screen", "on-dark")])
def test_pictures_of_a_report_are_light_on_paper(
    open_page: Open, tmp_path: Path, media: str, shown: str
) -> None:
    graph = viz.save(viz.draw(nets.two_layers()), tmp_path / "g.svg")
    path = report(tmp_path / "r.html", "run", {}, {}, [Section("The graph", "", graph)])
    page = open_page(path, scheme="dark")
    page.emulate_media(media=media)
    seen = [
        image.get_attribute("class") for image in page.locator("img").all() if image.is_visible()
    ]
    page.emulate_media(media="screen")
    assert seen == [shown]


def test_a_command_of_a_report_breaks_between_its_words(open_page: Open, tmp_path: Path) -> None:
    command = "tinygrad-dnn train --config examples/digits.toml --learning-rate 0.01 --out run"
    page = open_page(report(tmp_path / "r.html", "run", {}, {"command": command}, []))
    for width in range(360, 900, 30):
        page.set_viewport_size({"width": width, "height": 800})
        lines = page.locator("code span").evaluate_all(
            "words => words.map((one) => one.getBoundingClientRect().height)"
        )
        assert max(lines) == min(lines)
    assert page.locator("code").inner_text() == command


def test_steps_unfold_by_the_keyboard(open_page: Open, derived: Path) -> None:
    page = open_page(derived)
    details = page.locator("details").first
    assert not details.locator("ol").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert details.locator("ol").is_visible()
    assert details.locator("li").count() > 2
