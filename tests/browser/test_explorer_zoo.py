"""Pages of graphs of many kinds: what can be measured, a link to a step, neighbours, the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zoo
from legibility import overlapping_texts, small_texts, sticking_out, texts
from nets import two_layers
from stepper import Stepper

Open = Callable[..., Stepper]

MEASURED = ("attention", "experts", "long_names", "ensemble", "bottlenecks", "quasi_newton")


@pytest.mark.parametrize("name", MEASURED)
def test_no_text_overlaps_another_or_is_cut(stepper: Open, name: str) -> None:
    page = stepper(zoo.ZOO[name], width=1100, height=700)
    for step in (0, page.steps // 2, page.steps):
        page.to(step)
        seen = texts(page.page)
        assert overlapping_texts(seen) == []
        assert sticking_out(seen) == []
        assert small_texts(seen) == []
        assert not [one.text for one in seen if "… + …" in one.text]


def test_the_address_says_the_step_and_opens_there(stepper: Open) -> None:
    page = stepper(two_layers).press("ArrowRight*3")
    page.page.wait_for_url("**#3")  # the browser tells of its address when it has time
    page.page.evaluate("location.hash = '#7'")
    page.page.wait_for_selector("[data-step='7']")
    page.press("Home").page.wait_for_url("**.html")


def test_the_panel_leads_to_what_a_node_reads_and_who_reads_it(stepper: Open) -> None:
    page = stepper(two_layers).to(1).select("Z1")
    said = page.find("#panel .around").all_inner_texts()
    assert said == ["reads W1 X, b1", "read by A1"]
    page.click("#panel .around button:has-text('A1')")
    assert page.panel.startswith("A1")


def test_there_is_a_map_of_a_picture_much_larger_than_the_window(stepper: Open) -> None:
    assert stepper(two_layers).find("#map").is_hidden()
    page = stepper(zoo.residual, width=1100, height=620)
    assert page.find("#map").is_visible()
    box: Any = page.find("#map svg").bounding_box()
    sight: Any = page.find("#map .sight").bounding_box()
    assert box["x"] - 1 <= sight["x"] <= sight["x"] + sight["width"] <= box["x"] + box["width"] + 1
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    assert page.find("#graph").evaluate("one => one.scrollTop") > 1000


def test_playing_has_a_speed(stepper: Open) -> None:
    page = stepper(two_layers)
    page.page.select_option("#pace", "220")
    page.click("#play")
    done = f"#{page.named('Z2')}:not([data-state='unknown'])"  # step 5, and it stays so
    page.page.wait_for_selector(done, timeout=3000)
