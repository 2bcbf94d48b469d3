"""Stepping: what is there after each step is what the engine has computed by then."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from nets import deep, documents, four_layers, shared, thrice, two_layers
from stepper import Stepper

from tinygrad_dnn import Tensor
from tinygrad_dnn.graph import Graph, Node, trace

Open = Callable[..., Stepper]
GRAPHS = [thrice, shared, two_layers]


def graph_of(t: Tensor) -> tuple[Graph, dict[Node, str]]:
    graph = trace([t.node])
    return graph, {node: f"n{i}" for i, node in enumerate(graph)}


def uses(graph: Graph) -> dict[Node, list[Node]]:
    """For every node that gets a gradient who reads it, once for each time it is read."""
    found: dict[Node, list[Node]] = {node: [] for node in graph if node.requires_grad}
    for node in graph:
        for x in node.inputs:
            if isinstance(x, Node) and x.requires_grad:
                found[x].append(node)
    return found


# --- forward --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", GRAPHS)
def test_forward_each_step_computes_one_node_from_what_is_there(stepper: Open, make: Any) -> None:
    page = stepper(make)
    graph, ids = graph_of(make())
    ops = [node for node in graph if node.op is not None]
    done = {ids[node] for node in graph.leaves}
    assert page.step == 0
    assert page.status == f"step 0 of {page.steps} · what is given"
    for k, node in enumerate(ops, start=1):
        page.press("ArrowRight")
        states = page.states()
        assert page.current() == [ids[node]]
        assert {name for name, state in states.items() if state == "known"} >= done
        done.add(ids[node])
        assert {name for name, state in states.items() if state == "unknown"} == {
            ids[other] for other in graph if ids[other] not in done
        }
        read = {
            f"{ids[x]}-{ids[node]}-{i}" for i, x in enumerate(node.inputs) if isinstance(x, Node)
        }
        lit = page.arrows()
        assert {name for name in lit if "c" not in name} == read
        assert set(lit.values()) <= {"forward"}
        assert set(page.states("gradient").values()) == {"none"}
        assert page.status.startswith(f"step {k} of {page.steps} · forward · ")
        assert page.chosen == ids[node]


def test_what_is_not_yet_computed_shows_no_number(stepper: Open) -> None:
    page = stepper(thrice)
    lines = {name: one["lines"] for name, one in page.things().items()}
    assert lines["n0"] == ["x", "scalar float64", "3"]
    assert lines["n1"] == ["x · x", "scalar float64"]
    assert lines["n2"] == ["y = x · x + x", "scalar float64"]
    page.press("ArrowRight")
    assert page.things()["n1"]["lines"] == ["x · x", "scalar float64", "9"]
    assert page.things()["n2"]["lines"] == ["y = x · x + x", "scalar float64"]
    page.select("y")
    assert page.find("#panel .wait").inner_text() == "not yet computed"
    assert page.cells() == {}
    page.press("ArrowRight")
    assert page.find("#panel .wait").count() == 0
    assert page.cells() == {"value": {0: "12"}}


AT_WORK = """
() => Array.from({ length: story.turn }, (_, k) => {
  slider.value = k + 1;
  slider.dispatchEvent(new Event("input"));
  const box = document.querySelector('#graph [data-state="current"]');
  const seen = (text) => text.checkVisibility({ visibilityProperty: true });
  const numbers = [...box.querySelectorAll("text.value")].filter(seen);
  return [box.getAttribute("aria-label"), numbers.length];
})
"""


def test_a_box_at_work_has_no_number_before_its_last_step(stepper: Open) -> None:
    looks = stepper(two_layers, merge=True).page.evaluate(AT_WORK)
    there = [", not yet computed" not in label for label, _ in looks]
    assert [numbers for _, numbers in looks] == there
    assert not all(there)  # Y ⊙ log(A2) stands in the cost's box, and log(1 − A2) comes between


# --- backward -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", GRAPHS)
def test_backward_gradients_fill_as_contributions_arrive(stepper: Open, make: Any) -> None:
    page = stepper(make)
    t = make()
    graph, ids = graph_of(t)
    readers = uses(graph)
    by_id = {name: node for node, name in ids.items()}
    turn = sum(node.op is not None for node in graph)
    page.to(turn + 1)
    assert page.current() == [ids[t.node]]
    assert {k for k, v in page.states("gradient").items() if v != "none"} == {ids[t.node]}
    assert page.arrows() == {}
    assert " = 1" in page.status
    ran: set[Node] = set()
    for _ in range(turn):
        before = page.states("gradient")
        page.press("ArrowRight")
        (at,) = page.current()
        assert before[at] == "complete"  # a rule runs when all of its g is there
        ran.add(by_id[at])
        after = page.states("gradient")
        for node, users in readers.items():
            there = sum(user in ran for user in users)
            state = "none" if there == 0 else "partial" if there < len(users) else "complete"
            assert after[ids[node]] == ("complete" if node is t.node else state)
        given = {
            f"{ids[x]}-{at}-{i}": "backward"
            for i, x in enumerate(by_id[at].inputs)
            if isinstance(x, Node) and x.requires_grad
        }
        assert page.arrows() == given
    assert page.step == page.steps
    assert {after[ids[node]] for node in readers} == {"complete"}
    assert {after[ids[node]] for node in graph if node not in readers} <= {"none"}


def test_three_terms_add_up(stepper: Open) -> None:
    page = stepper(thrice).to(2).select("x")
    terms, told = page.find("#panel .parts li"), page.find("#panel .way h3")

    def arrived() -> list[str | None]:
        return [one.get_attribute("data-arrived") for one in terms.all()]

    def numbers() -> list[str]:
        return page.find("#panel .parts .scalar").all_inner_texts()

    def box() -> list[str]:
        return [line for line in page.things()["n0"]["lines"] if "terms" in line or "dx" in line]

    assert page.steps == 5
    assert (arrived(), numbers(), box()) == (["false"] * 3, [], [])
    assert told.inner_text() == "Gradient dx not there yet"
    page.press("ArrowRight")  # dy = 1
    assert (arrived(), numbers(), box()) == (["false"] * 3, [], [])
    page.press("ArrowRight")  # + gives dx 1
    assert (arrived(), numbers()) == (["true", "false", "false"], ["1"])
    assert box() == ["1 of 3 terms"]
    assert told.inner_text() == "Gradient dx 1 of 3 terms"
    assert "slope" not in page.cells()
    page.press("ArrowRight")  # · gives dx x and x
    assert (arrived(), numbers(), box()) == (["true"] * 3, ["1", "3", "3"], ["dx: 7"])
    assert told.inner_text() == "Gradient dx the sum of 3 terms"
    assert page.cells() == {"value": {0: "3"}, "slope": {0: "7"}}
    page.press("ArrowLeft")
    assert (arrived(), numbers(), box()) == (
        ["true", "false", "false"], ["1"], ["1 of 3 terms"],
    )  # fmt: skip


def test_back_again_is_as_it_was(stepper: Open) -> None:
    page = stepper(two_layers)
    way = [(page.things(), page.arrows(), page.status, page.find("#panel").inner_text())]
    for _ in range(page.steps):
        page.press("ArrowRight")
        way.append((page.things(), page.arrows(), page.status, page.find("#panel").inner_text()))
    for before in reversed(way[:-1]):
        page.press("ArrowLeft")
        now = (page.things(), page.arrows(), page.status, page.find("#panel").inner_text())
        assert now == before
    assert len({status for _, _, status, _ in way}) == page.steps + 1


@pytest.mark.parametrize("make", [documents, four_layers, deep])
def test_home_is_the_view_with_which_the_page_opened(stepper: Open, make: Any) -> None:
    page = stepper(make)
    where = """(one) => [one.scrollLeft, one.scrollTop,
        one.querySelector(".node").getBoundingClientRect().top]"""
    frame = page.find("#graph")

    def within_two_seconds(true: Callable[[Any], bool]) -> bool:
        """A busy machine scrolls late: the view is asked for until it is there."""
        for _ in range(40):
            if true(frame.evaluate(where)):
                return True
            time.sleep(0.05)
        return False

    def comes_back_to(view: Any) -> bool:
        return within_two_seconds(lambda now: now == view)

    opened = frame.evaluate(where)
    page.to(33 if make is documents else page.steps // 2)
    assert within_two_seconds(lambda now: now != opened)
    page.press("Home")
    assert comes_back_to(opened)
    page.click("#fold-all")
    folded = frame.evaluate(where)
    page.press("End", "Home").click("#unfold-all")
    assert comes_back_to(opened)
    page.press("End", "Home").click("#fold-all")
    assert comes_back_to(folded)
    frame.evaluate("one => one.scrollTo(0, 300)")
    page.press("Home")
    assert comes_back_to(folded)


# --- controls -------------------------------------------------------------------------------------


def test_buttons_and_slider_step_and_the_ends_are_disabled(stepper: Open) -> None:
    page = stepper(two_layers)

    def disabled() -> list[str]:
        return [
            name
            for name in ("first", "back", "forward", "last")
            if page.find(f"#{name}").is_disabled()
        ]

    assert disabled() == ["first", "back"]
    page.click("#forward").click("#forward")
    assert (page.step, disabled()) == (2, [])
    page.click("#back")
    assert page.step == 1
    page.click("#last")
    assert (page.step, disabled()) == (page.steps, ["forward", "last"])
    page.click("#first")
    assert (page.step, disabled()) == (0, ["first", "back"])
    page.to(7)
    assert page.step == 7
    assert page.find("#slider").get_attribute("aria-valuetext") == page.status
    page.find("#slider").focus()
    page.press("ArrowRight", "ArrowRight")
    assert page.step == 9
    assert page.find("#slider").input_value() == "9"
    page.press("End", "ArrowRight")
    assert page.step == page.steps


def test_play_goes_on_by_itself_until_it_is_paused_or_at_the_end(stepper: Open) -> None:
    page = stepper(thrice)
    button = page.find("#play")
    page.page.evaluate(  # time passes when the test says so
        "() => { window.setInterval = (go) => { window.tick = go; return 7; };"
        " window.clearInterval = (which) => { if (which === 7) window.tick = () => {}; }; }"
    )

    def tick(times: int) -> int:
        for _ in range(times):
            page.page.evaluate("() => tick()")
        return page.step

    page.click("#play")
    assert button.inner_text() == "Pause"
    assert tick(2) == 2
    page.click("#play")
    assert button.inner_text() == "Play"
    assert tick(3) == 2
    page.click("#play")
    assert tick(9) == page.steps
    assert button.inner_text() == "Play"
    page.click("#play")  # from the end it begins anew
    assert page.step == 0
    assert tick(1) == 1


def test_a_graph_without_parameters_has_no_way_back(stepper: Open) -> None:
    def given() -> Tensor:
        return Tensor([1.0, 2.0], name="x") * 2.0 + 1.0

    page = stepper(given)
    assert page.steps == 2
    assert not page.find("#half-backward").is_visible()
    page.press("End")
    assert page.status.startswith("step 2 of 2 · forward · ")
    assert set(page.states("gradient").values()) == {"none"}


def test_where_nothing_is_computed_there_is_nothing_to_play(stepper: Open) -> None:
    def leaf() -> Tensor:
        return Tensor([1.0, 2.0], name="x")

    page = stepper(leaf)
    assert page.steps == 0
    for name in ("first", "back", "play", "forward", "last", "slider"):
        assert page.find(f"#{name}").is_disabled(), name
    assert "there are no steps" in page.find("#panel p").inner_text()
    page.press("Space")
    assert page.find("#play").inner_text() == "Play"
    page.select("x")
    assert page.cells() == {"value": {0: "1", 1: "2"}}


def test_merged_steps_are_one_step_and_one_box(stepper: Open) -> None:
    plain, merged = stepper(two_layers), stepper(two_layers, merge=True)
    assert plain.steps == merged.steps
    assert len(merged.things()) < len(plain.things())
    places = []
    while merged.press("ArrowRight").step < merged.steps:
        places.append(
            (*merged.current(), merged.page.evaluate("() => document.body.dataset.phase"))
        )
    assert len(places) < merged.steps - 1
    assert all(one != other for one, other in pairwise(places))
    assert "Z1" in merged.things()[merged.named("Z1")]["lines"][0]


def test_the_rule_of_an_op_is_told_and_dims_until_it_ran(stepper: Open) -> None:
    page = stepper(four_layers).to(3).select("A1")
    rules = page.find("#panel .rules")
    assert rules.get_attribute("data-done") == "false"
    assert rules.inner_text().replace("\n", "").replace(" ", "").startswith("dZ1=dA1")
    page.press("End")
    assert rules.get_attribute("data-done") == "true"
