"""How the page looks in its states: nothing collides, is cut off, too small or too faint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import pytest
from legibility import low_contrast, overlapping_texts, small_texts, sticking_out, texts
from nets import four_layers, not_finite, two_layers
from stepper import Stepper

Open = Callable[..., Stepper]


def middle(page: Stepper) -> None:
    page.to(page.steps // 4)


def seeded(page: Stepper) -> None:
    page.to(page.steps // 2 + 1)


def back(page: Stepper) -> None:
    page.to(3 * page.steps // 4)


def end(page: Stepper) -> None:
    page.press("End")


def folded(page: Stepper) -> None:
    page.click("#fold-all").press("ArrowRight*2")


def folded_back(page: Stepper) -> None:
    page.click("#fold-all").press("End", "ArrowLeft")


def heat_map(page: Stepper) -> None:
    page.press("End").select("W1")
    page.find("#panel canvas").first.hover()


def statistics(page: Stepper) -> None:
    page.press("End").select("W1")


def table(page: Stepper) -> None:
    page.press("End").select("W2")
    page.find("#panel td[data-i]").first.hover()


def terms(page: Stepper) -> None:
    page.press("End").select("W")


def problem(page: Stepper) -> None:
    page.press("End").select("L")


def hits(page: Stepper) -> None:
    page.press("/")
    page.page.keyboard.type("W1")
    page.press("Enter")


def dialog(page: Stepper) -> None:
    page.press("?")


def nothing(_: Stepper) -> None:
    pass


STATES = [
    ("start", two_layers, False, nothing),
    ("forward", two_layers, False, middle),
    ("seed", four_layers, False, seeded),
    ("backward", two_layers, False, back),
    ("end", four_layers, False, end),
    ("folded", four_layers, False, folded),
    ("folded back", nets.nested, False, folded_back),
    ("merged", two_layers, True, back),
    ("heat map", four_layers, False, heat_map),
    ("statistics", nets.documents, False, statistics),
    ("table", two_layers, False, table),
    ("terms", nets.shared, False, terms),
    ("problem", not_finite, False, problem),
    ("hits", two_layers, False, hits),
    ("hard names", nets.weird, False, folded_back),
    ("keys", two_layers, False, dialog),
]


def looks_good(page: Stepper) -> None:
    seen = texts(page.page)
    assert len(seen) > 10
    assert overlapping_texts(seen) == []
    assert sticking_out(seen) == []
    assert small_texts(seen) == []
    assert low_contrast(seen) == []


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)], ids=str)
@pytest.mark.parametrize(
    ("make", "merge", "reach"), [s[1:] for s in STATES], ids=[s[0] for s in STATES]
)
def test_texts_are_clear_of_each_other_large_and_dark_enough(
    stepper: Open, make: Any, merge: bool, reach: Any, size: tuple[int, int]
) -> None:
    width, height = size
    page = stepper(make, merge, width=width, height=height)
    reach(page)
    for tall in (height, 4000) if width < 1500 else (height,):  # all that one would scroll to
        page.page.set_viewport_size({"width": width, "height": tall})
        for theme in ("Dark", "Light"):
            assert page.find("#theme").inner_text() == theme
            looks_good(page)
            assert page.page.evaluate(
                "() => document.documentElement.scrollWidth <= innerWidth"
                " && document.documentElement.scrollHeight <= innerHeight"
            )
            page.page.evaluate("() => document.getElementById('theme').click()")


@pytest.mark.parametrize("width", [360, 700])
def test_a_narrow_window_shows_all_of_it_one_below_the_other(stepper: Open, width: int) -> None:
    page = stepper(two_layers, width=width, height=800)
    back(page)
    assert page.page.evaluate("() => document.documentElement.scrollWidth") <= width
    graph, panel = page.find("#graph").bounding_box(), page.find("#panel").bounding_box()
    assert panel["y"] >= graph["y"] + graph["height"]
    assert min(panel["height"], graph["height"]) > 150
    page.page.set_viewport_size({"width": width, "height": 4000})
    looks_good(page)


def in_sight(page: Stepper, selector: str) -> bool:
    """Whether all of a thing can be seen without scrolling anything."""
    box, size = page.find(selector).first.bounding_box(), page.page.viewport_size
    rooms = [page.find(name).bounding_box() for name in ("header", "footer")]
    top, bottom = rooms[0]["y"] + rooms[0]["height"], rooms[1]["y"]
    across = box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    return bool(across and top <= box["y"] and box["y"] + box["height"] <= bottom)


@pytest.mark.parametrize("size", [(800, 600), (999, 700), (1024, 600)], ids=str)
def test_a_small_window_has_graph_and_panel_side_by_side(
    stepper: Open, size: tuple[int, int]
) -> None:
    page = stepper(four_layers, width=size[0], height=size[1])
    assert page.find("header").bounding_box()["height"] < 56
    assert "Press → to begin" in page.find("#panel p").inner_text()
    assert in_sight(page, "#panel p")
    assert in_sight(page, "#panel .kinds li:last-child")
    for _ in range(page.steps):
        page.press("ArrowRight")
        page.find("#panel").evaluate("one => one.scrollTo(0, 9999)")
        assert in_sight(page, "#graph [data-state=current]")
    looks_good(page)
    hits(page)
    assert page.find("#hits").inner_text() == "1 of 3"
    assert page.find("header").bounding_box()["height"] < 56
    looks_good(page)


@pytest.mark.parametrize("width", [800, 1280])
@pytest.mark.parametrize("length", [150, 5000])
def test_a_long_title_takes_one_line(
    explored: Callable[..., Any], open_page: Any, width: int, length: int
) -> None:
    page = Stepper(open_page(explored(two_layers, title="word " * (length // 5)), width=width))
    assert page.find("header").bounding_box()["height"] < 56
    assert page.find("#graph").bounding_box()["height"] > 500
    assert len(page.page.title()) == 120
    looks_good(page)


def test_the_page_opens_with_several_boxes_in_sight(stepper: Open) -> None:
    page = stepper(nets.documents, width=1920, height=1080)
    boxes = [page.find(f"#{name}").bounding_box() for name in page.things() if name[0] == "n"]
    assert sum(box["y"] + box["height"] < 1000 for box in boxes) >= 10
