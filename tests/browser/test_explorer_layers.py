"""Layers in layers, and how one gets to what is in them."""

from __future__ import annotations

from collections.abc import Callable

from nets import deep, nested
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
