"""Layers in layers, and how one gets to what is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nets import deep, four_layers, long_chain, nested
from stepper import Stepper

Open = Callable[..., Stepper]


# --- deep -----------------------------------------------------------------------------------------


def test_scopes_fifty_deep_are_drawn_step_and_fold(stepper: Open) -> None:
    page = stepper(deep)
    scopes = [name for name in page.things() if name[0] == "s"]
    assert len(scopes) == 50
    assert page.things()[scopes[-1]]["label"] == "level 49, open"
    assert page.press("ArrowRight*5").current() == [page.named("y49")]
    assert page.find("#panel .meta").first.inner_text().endswith("level 48 / level 49")
    page.click("#fold-all")
    assert page.things()["s0"]["label"] == "level 0, folded: tanh × 5"
    page.click("#unfold-all")
    assert len(page.things()) == 50 + 7


def test_a_scope_that_no_picture_folds_says_so_and_tells_what_is_in_it(stepper: Open) -> None:
    page = stepper(deep)
    page.find("#s49").dispatch_event("dblclick")
    assert page.status == "level 49 can't be folded here"
    page.find("#s49 text").dispatch_event("click")
    assert (page.chosen, page.panel) == ("s49", "level 49")
    assert page.find("#panel .members").inner_text() == "y49 = tanh(y39)"


def test_each_scope_inside_another_folds_alone(stepper: Open) -> None:
    page = stepper(nested)
    page.page.dblclick("#s2 text")
    assert {name for name, one in page.things().items() if "folded" in one["kind"]} == {"s2"}
    page.page.dblclick("#s1 text")
    assert {name for name, one in page.things().items() if "folded" in one["kind"]} == {"s1", "s2"}


# --- what is in a folded layer --------------------------------------------------------------------


def test_a_member_of_a_folded_layer_is_told_though_only_its_layer_is_drawn(stepper: Open) -> None:
    page = stepper(four_layers).press("End").click("#fold-all")
    page.page.click("#s0")
    page.find("#panel .members").get_by_role("button", name="W1", exact=True).click()
    assert page.panel == "W1"
    assert page.find("#panel .inside").inner_text() == "drawn inside layer 1"
    assert page.find("#panel section.value canvas").count() == 1
    assert page.find("#panel section.slope canvas").count() == 1
    assert page.things()["s0"]["pressed"] == "true"
    page.find("#panel .inside button").click()
    assert page.panel == "layer 1"
    page.find("#panel .members .link").nth(1).click()
    name = page.panel
    page.find("#panel").get_by_role("button", name="Unfold layer 1").click()
    assert page.panel == name
    assert page.things()[page.chosen]["pressed"] == "true"
    assert page.find("#panel .inside").count() == 0


def test_hits_in_a_folded_layer_are_told_one_after_the_other(stepper: Open) -> None:
    page = stepper(four_layers).press("End").click("#fold-all")
    page.page.fill("#search", "Z1")
    page.find("#search").press("Enter")
    assert (page.find("#hits").inner_text(), page.panel) == ("1 of 2", "Z1")
    assert "hit" in page.things()["s0"]["kind"]
    page.find("#search").press("Enter")
    assert (page.find("#hits").inner_text(), page.panel) == ("2 of 2", "A1")


def test_what_is_in_a_box_that_never_unfolds_can_be_reached(stepper: Open) -> None:
    page = stepper(long_chain)
    (box,) = [name for name, one in page.things().items() if "folded" in one["kind"]]
    page.page.click(f"#{box}")
    page.find("#panel").get_by_role("button", name="Unfold").click()  # its last step
    assert page.named("y399")
    page.select("398 × y398")
    assert page.find("#panel").get_by_role("button", name="Unfold").count() == 0
    page.page.click("#fold-all")
    page.page.click(f"#{box}")
    links = page.find("#panel .members .link")
    assert links.count() == 60
    links.nth(3).click()
    assert page.chosen == "n3"
    assert page.find("#panel .inside").inner_text().startswith("drawn inside 399 × y399 = ")
    assert page.cells() == {}
    page.press("Escape").to(200)  # in the midst of it
    assert page.find("#panel .members [aria-current=step]").inner_text() == "y200 = y199 · 1.01"
    assert "197 before these and 143 after these" in page.find("#panel").inner_text()
    page.find("#panel .members [aria-current=step] button").click()
    assert page.cells()["value"].keys() == {0, 1, 2}


# --- how a folded layer looks ---------------------------------------------------------------------


def style(page: Stepper, selector: str, name: str) -> Any:
    return page.find(selector).first.evaluate("(one, name) => getComputedStyle(one)[name]", name)


def test_a_folded_layer_is_dashed_within_and_without_until_it_is_computed(stepper: Open) -> None:
    page = stepper(four_layers).click("#fold-all")
    for part in ("polygon", "polyline"):
        assert style(page, f"#s1 {part}", "strokeDasharray") == "4px, 3px"
    page.press("ArrowRight*3")
    for part in ("polygon", "polyline"):
        assert style(page, f"#s1 {part}", "strokeDasharray") == "none"


def test_a_folded_layer_keeps_its_colour_and_tells_of_gradients_in_a_line(stepper: Open) -> None:
    page = stepper(four_layers).click("#fold-all").press("ArrowRight*6")
    before = style(page, "#s3 polygon", "fill")
    pink, paper = "rgb(249, 230, 240)", "rgb(255, 255, 255)"
    grounds = [style(page, "#s3 .ground", "fill")]
    while page.states("gradient")["s3"] != "complete":
        page.press("ArrowRight")
        grounds.append(style(page, "#s3 .ground", "fill"))
    page.press("ArrowRight*2")  # no longer at s3
    assert style(page, "#s3 polygon", "fill") == before
    assert list(dict.fromkeys(grounds)) == ["none", paper, pink]
    assert page.things()["s3"]["lines"][-1] == "6 parameters, 48 bytes"


def test_the_panel_of_a_folded_layer_repeats_what_its_box_says(stepper: Open) -> None:
    page = stepper(four_layers).click("#fold-all")
    page.page.click("#s1")
    told = [page.panel, *page.find("#panel > p:not(.buttons)").all_inner_texts()]
    assert told == page.things()["s1"]["lines"]


def test_what_is_selected_has_a_frame_of_its_own_that_covers_no_arrow(stepper: Open) -> None:
    page = stepper(four_layers).press("ArrowRight").select("A2")
    box = f"#{page.named('A2')}"
    assert style(page, box, "outlineStyle") == "none"
    assert style(page, f"{box} path", "stroke") == "rgb(26, 26, 26)"
    page.press("Escape")
    assert style(page, f"{box} path", "stroke") != "rgb(26, 26, 26)"


# --- search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [False, True])
def test_search_finds_layers(stepper: Open, fold: bool) -> None:
    page = stepper(four_layers)
    if fold:
        page.click("#fold-all")
    for text, hits, first in (("layer 1", 1, "s0"), ("layer", 4, "s0"), ("ER 3", 1, "s2")):
        page.page.fill("#search", text)
        assert page.find("#hits").inner_text() == f"{hits} found"
        assert page.find("#graph .hit").count() == hits
        assert style(page, f"#{first} .mark", "fill") == "rgb(255, 210, 77)"
        page.find("#search").press("Enter")
        assert (page.chosen, page.panel) == (first, page.things()[first]["lines"][0])
    page.page.fill("#search", "")
    assert style(page, "#s2 .mark", "fill") == "none"


def test_search_finds_what_is_in_a_layer_that_is_folded_away(stepper: Open) -> None:
    page = stepper(nested)
    page.page.dblclick("#s0 > text")
    page.page.fill("#search", "first")
    page.find("#search").press("Enter")
    assert page.find("#hits").inner_text() == "1 of 2"
    assert page.find("#panel .meta").first.inner_text().endswith("outer / first")
    assert "hit" in page.things()["s0"]["kind"]
