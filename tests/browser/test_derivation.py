"""The page of a derivation in a real browser: readable in light and dark, its steps unfold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nets
import pytest
from legibility import low_contrast, overlapping_texts, small_texts, texts

import viz

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


def test_steps_unfold_by_the_keyboard(open_page: Open, derived: Path) -> None:
    page = open_page(derived)
    details = page.locator("details").first
    assert not details.locator("ol").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert details.locator("ol").is_visible()
    assert details.locator("li").count() > 2
