"""Folding as `viz.draw` does it, and the ways in which the page can fold."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from drawings import named, parameter, two_layers
from seen import seen

import viz
from tinygrad_dnn import Tensor, relu, scope
from tinygrad_dnn.network import cost_of, initialize_parameters
from viz.folding.fold import LIMIT
from viz.folding.scopes import homes_of
from viz.folding.views import MOST, open_scopes, views
from viz.subject import graph_of, names_of


def network(*sizes: int) -> Tensor:
    leaves = {
        name: Tensor(p, requires_grad=True, name=name)
        for name, p in initialize_parameters(sizes).items()
    }
    X, Y = Tensor(np.ones((sizes[0], 3)), name="X"), Tensor(np.ones((1, 3)), name="Y")
    return cost_of(X, Y, leaves)


# --- draw -----------------------------------------------------------------------------------------


def test_a_folded_scope_is_one_node_with_formula_parameters_and_bytes() -> None:
    picture = seen(two_layers(), fold="layer 1")
    assert picture.nodes["s0"]["class"] == "folded"
    assert picture.lines["s0"] == [
        "layer 1", "A1 = relu(W1 X + b1)", "LINEAR → RELU", "(3, 5) → (4, 5)",
        "16 parameters, 128 bytes",
    ]  # fmt: skip
    assert not {"W1", "b1", "W1 X", "Z1", "A1"} & {t.split(" = ")[0] for t in picture.titles()}
    assert sorted(boxes[-1] for boxes in picture.boxes.values()) == ["cost", "layer 2"]
    assert ("s0", "n9") in {(tail, head) for tail, head, _ in picture.arrows}


def test_equal_layers_in_a_row_are_one_and_the_cost_stays() -> None:
    picture = seen(network(12, 5, 4, 3, 1), depth=0)
    folded = [lines for k, lines in picture.lines.items() if k[0] in "fs"]
    assert folded[0][:2] == ["layer 1 … layer 3", "LINEAR → RELU × 3"]
    assert folded[1][0] == "layer 4"
    assert any(title.startswith("cost = ") for title in picture.titles())
    assert folded[0][2] == "(12, 3) → (3, 3)"
    assert "104 parameters" in folded[0][3]  # 12 · 5 + 5 + 5 · 4 + 4 + 4 · 3 + 3


def test_a_large_graph_folds_by_itself_says_so_and_can_be_drawn_whole() -> None:
    y = Tensor(np.ones(3), name="x")
    for i in range(500):
        y = relu(y * parameter(3, name=f"w{i}") + 1.0)
    picture = viz.draw(y)
    few = seen(y)
    assert len(few.nodes) < 40
    titles = [lines[0] for lines in few.lines.values()]
    assert "499 × h1997 = relu(h1993 ⊙ w498 + 1)" in titles
    assert "499 equal steps multiply → add → relu" in picture.graph_attr["label"]
    assert "2,001 nodes drawn as" in picture.graph_attr["label"]
    assert "fold=False" in picture.graph_attr["label"]
    assert len(seen(y, fold=False).nodes) == 2001
    assert "label" not in viz.draw(two_layers()).graph_attr


def test_folding_with_the_backward_pass_keeps_a_layers_way_back_inside() -> None:
    picture = seen(two_layers(), backward=True, merge=True, fold=["layer 1", "layer 2"])
    shown = set(picture.nodes)
    assert not [k for k in shown if picture.lines[k][0].startswith(("dZ", "dW", "db"))]
    arrows = {(tail, head) for tail, head, _ in picture.arrows}
    assert {("s0", "s1"), ("s1", "s0")} <= arrows


def test_folding_works_without_boxes_and_unknown_scopes_are_told() -> None:
    picture = seen(two_layers(), fold="layer 1", scopes=False)
    assert picture.boxes == {}
    assert "layer 1" in picture.titles()
    with pytest.raises(ValueError, match=r"'layer 9'.*layer 1, layer 2"):
        viz.draw(two_layers(), fold="layer 9")


def test_a_problem_inside_a_folded_layer_shows_on_it() -> None:
    x = Tensor(np.array([1.0, 0.0]), requires_grad=True, name="x")
    with scope("layer 1"), np.errstate(divide="ignore"):
        y = named(np.log(x), "y")
    picture = seen(named(y * 2.0, "z"), fold="layer 1")
    assert "problem" in picture.nodes["s0"]["class"]
    assert any("inf" in line for line in picture.lines["s0"])


def test_a_scope_that_is_entered_again_is_drawn_whole_when_it_is_folded() -> None:
    x = parameter(2, name="x")
    with scope("a"):
        y = relu(x * 2.0)
    with scope("b"):
        z = relu(y + 1.0)
    with scope("a"):
        u = named(z * y, "u")
    picture = seen(named(u + 1.0, "v"), fold=["a"])
    inside = {"n1", "n2", "n5"} & set(picture.nodes)
    assert not inside
    assert all(tail != head for tail, head, _ in picture.arrows)


def test_scopes_of_any_name_fold_unasked() -> None:
    y = parameter(2, name="x")
    for k in range(60):
        with scope(f"s\ud800{k}"):
            y = named(relu(y * 2.0) + 1.0, f"y\ud800{k}")
    picture = viz.draw(y.sum())
    assert "folded: s\\\\ud8000 … s\\\\ud80059" in picture.graph_attr["label"]
    assert picture.source.encode()  # a lone surrogate has no UTF-8


# --- the page's views -----------------------------------------------------------------------------


def ways(t: Tensor) -> list[set[str]]:
    graph = graph_of(t)
    found = views(graph, homes_of(graph), names_of(graph))
    for view in found:
        members = [node for group in view.values() for node in group.members]
        assert len(members) == len(set(members))
        assert len(graph) - sum(len(g.members) - 1 for g in view.values()) <= LIMIT
    return [set(view) for view in found]


def test_a_few_layers_fold_in_every_combination() -> None:
    found = ways(two_layers())
    assert found[0] == set()
    assert {frozenset(view) for view in found} == {
        frozenset(v)
        for v in ([], ["s0"], ["s1"], ["s2"], ["s0", "s1"], ["s0", "s2"], ["s1", "s2"],
                  ["s0", "s1", "s2"])
    }  # fmt: skip


def test_many_layers_fold_one_by_one_and_all_together() -> None:
    found = ways(network(5, *[4] * 6, 1))
    everything = {f"s{i}" for i in range(7)}
    assert found[:2] == [set(), everything]
    assert {"s3"} in found
    assert everything - {"s3"} in found
    assert len(found) <= MOST


def test_a_large_graph_opens_folded_and_its_views_stay_small() -> None:
    found = ways(network(5, *[4] * 60, 1))
    assert found[0] != set()
    assert len(found) <= MOST


def test_a_graph_without_scopes_has_one_view() -> None:
    assert ways(relu(parameter(2) * 2.0)) == [set()]


def test_scopes_fifty_deep_have_few_views_and_each_tells_what_is_in_it() -> None:
    y = parameter(2, name="x")
    path = [f"level {k}" for k in range(50)]
    for k in range(0, 50, 2):
        with ExitStack() as inside:
            for name in path[: k + 2]:
                inside.enter_context(scope(name))
            y = relu(y * parameter(2, name=f"w{k}"))
    found = ways(y)
    assert found[:2] == [set(), {"s0"}]
    assert len(found) == MOST
    graph = graph_of(y)
    scopes = open_scopes(graph, homes_of(graph), [("level 0",), tuple(path)])
    assert [(k, g.title, len(g.members), g.parameters) for k, g in scopes.items()] == [
        ("s0", "level 0", 76, 52), ("s49", "level 49", 3, 2),
    ]  # fmt: skip
    assert scopes["s49"].summary == "multiply → relu"


def test_s303_the_last_of_equal_steps_opens_beside_those_before_it() -> None:
    y = Tensor(np.ones(2), requires_grad=True, name="y0")
    for _ in range(LIMIT):
        y = relu(y * 2.0) + 1.0
    graph = graph_of(y, "page")
    (whole,), (before,) = (
        view.values() for view in views(graph, homes_of(graph), names_of(graph))[:2]
    )
    assert (whole.title, before.title) == ("ops 2 … 448", "ops 2 … 445")
    opened = [n.op.name for n in whole.members if n not in before.members and n.op]
    assert sorted(opened) == ["add", "multiply", "relu"]
    assert {*before.members} < {*whole.members}
