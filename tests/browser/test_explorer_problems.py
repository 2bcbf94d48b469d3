"""What is wrong in a graph, on the page as in a picture: where it begins has a red ground."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from drawings import named
from nets import not_finite, two_layers
from stepper import Stepper

from tinygrad_dnn import Tensor, log, scope

Open = Callable[..., Stepper]

COLOURS = """
(names) => names.map((name) => {
  const body = document.querySelector(`#${name} :is(polygon, path, ellipse)`);
  return [getComputedStyle(body).fill, getComputedStyle(body).stroke];
})
"""
RED, RED_GROUND = "rgb(176, 0, 32)", "rgb(255, 233, 235)"


def test_where_a_problem_begins_has_a_ground_that_what_came_of_it_has_not(stepper: Open) -> None:
    page = stepper(not_finite).to(6)  # dy = 1
    begins, came = page.named("L"), page.named("Σ L")
    (ground, line), (other, same) = page.page.evaluate(COLOURS, [begins, came])
    assert (ground, line) == (RED_GROUND, RED)
    assert (other != RED_GROUND, same) == (True, RED)
    paper = "one => getComputedStyle(one).backgroundColor"
    page.select("L")
    assert page.find("#panel .problem").evaluate(paper) == RED_GROUND
    page.click(f"#{came}")
    assert page.find("#panel .problem").evaluate(paper) == "rgba(0, 0, 0, 0)"
    page.press("Home")
    (unknown,) = page.page.evaluate(COLOURS, [begins])
    assert RED not in unknown


def test_a_folded_layer_in_which_a_problem_begins_has_that_ground(stepper: Open) -> None:
    def net() -> Tensor:
        w = Tensor(np.array([1.0, 0.0]), requires_grad=True, name="w")
        with scope("first"), np.errstate(all="ignore"):
            L = named(log(w), "L")
        with scope("second"):
            return named((L * 2.0).sum(), "y")

    page = stepper(net).click("#fold-all").press("End", "ArrowLeft*2")
    colours = page.page.evaluate(COLOURS, ["s0", "s1"])
    assert [fill == RED_GROUND for fill, _ in colours] == [True, False]


def test_the_legend_has_the_signs_that_the_graph_has(stepper: Open) -> None:
    told = stepper(not_finite).find("#panel .kinds li").all_inner_texts()
    assert told == [
        "parameter", "op", "result", "gradient",
        "a problem that begins here", "a problem that came from elsewhere",
    ]  # fmt: skip
    told = stepper(two_layers).find("#panel .kinds li").all_inner_texts()
    assert told == ["parameter", "input", "op", "result", "folded layer", "gradient"]
