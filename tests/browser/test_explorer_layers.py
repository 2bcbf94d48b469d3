"""Layers in layers, and how one gets to what is in them."""

from __future__ import annotations

from collections.abc import Callable

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
    assert page.find("#panel").get_by_role("button", name="Unfold").count() == 0
    links = page.find("#panel .members .link")
    assert links.count() == 60
    links.nth(3).click()
    assert page.chosen == "n3"
    assert page.find("#panel .inside").inner_text().startswith("drawn inside ops 1 … ")
    assert page.cells() == {}
    page.press("Escape").to(200)  # in the midst of it
    assert page.find("#panel .members [aria-current=step]").inner_text() == "y200 = y199 ⊙ 1.01"
    assert "170 before these and 170 after these" in page.find("#panel").inner_text()
    page.find("#panel .members [aria-current=step] button").click()
    assert page.cells()["value"].keys() == {0, 1, 2}
