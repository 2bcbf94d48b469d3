"""The story of both passes as data: every number, formula and step of the page is the engine's."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from drawings import WEIRD, named, neuron, parameter, shared, two_layers

from tinygrad_dnn import Tensor, exp, log, relu, sigmoid
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.retrace import Backward, backward_again, forward_again
from tinygrad_dnn.graph import Graph, trace
from viz.drawing.backward import LONGEST_INNER, both
from viz.drawing.scene import Scene
from viz.explorer.arrays import Arrays, statistics
from viz.explorer.timeline import SHORT, Story
from viz.folding.scopes import homes_of, hosts_of
from viz.subject import names_of, visible


def told(*t: Tensor, budget: int = 100_000, merge: bool = False) -> tuple[dict[str, Any], Graph]:
    forward = forward_again(trace([x.node for x in t]))
    graph = forward.graph
    named = names_of(graph)
    backward = backward_again(forward) if any(x.requires_grad for x in t) else None
    together = both(forward, backward or Backward({}, {}, []), named, longest=LONGEST_INNER)
    named = {x: together.named[x] for x in graph if x in together.named}
    hosts = hosts_of(graph, named, homes_of(graph)) if merge else {}
    scene = Scene(graph, hosts, homes_of(graph))
    story = Story(forward, backward, together, scene, {}).data(budget)
    return json.loads(json.dumps(story, allow_nan=False)), graph


def numbers(story: dict[str, Any], place: int) -> Any:
    array = story["arrays"][place]
    return np.frombuffer(base64.b64decode(array["data"]), "<f8").reshape(array["shape"])


def by_title(story: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["title"].split(" = ")[0]: node for node in story["nodes"].values()}


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [neuron, two_layers, shared])
def test_every_value_gradient_and_contribution_is_the_engines_bit_for_bit(make: Any) -> None:
    y = make()
    story, _ = told(y)
    graph = trace([y.node])
    values = replay(graph)
    y.backward(np.ones(y.shape), keep=True)
    for i, node in enumerate(graph):
        seen = story["nodes"][f"n{i}"]
        np.testing.assert_array_equal(numbers(story, seen["value"]), values[node])
        assert (seen["gradient"] is None) == (node.grad is None)
        if node.grad is not None:
            np.testing.assert_array_equal(numbers(story, seen["gradient"]), node.grad)
            parts = [numbers(story, part["value"]) for part in seen["contributions"]]
            parts += [np.ones(node.shape)] if node is y.node else []
            np.testing.assert_allclose(np.sum(parts, axis=0), node.grad, rtol=1e-14)


def test_beyond_the_budget_the_largest_arrays_are_told_by_what_is_typical() -> None:
    w = Tensor(np.arange(1000.0).reshape(10, 100), requires_grad=True, name="w")
    story, _ = told(named((w * 2.0).sum(), "y"), budget=900)
    seen = by_title(story)
    large = story["arrays"][seen["w"]["value"]]
    assert large["data"] is None
    assert large["size"] == 1000
    stats = large["stats"]
    assert (stats["min"], stats["max"], stats["mean"]) == (0, 999, 499.5)
    assert stats["norm"] == pytest.approx(np.linalg.norm(w.data))
    assert sum(stats["histogram"]) == 1000
    assert stats["zeros"] == 1
    single = story["arrays"][seen["y"]["value"]]
    assert single["data"] is not None
    assert single["stats"] is None
    kept = sum(a["size"] for a in story["arrays"] if a["data"] is not None)
    assert kept <= 900


def test_an_array_that_is_both_is_told_once() -> None:
    story, _ = told(two_layers())
    seen = by_title(story)
    assert seen["W1 X"]["gradient"] == seen["Z1"]["gradient"]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([np.nan, np.inf, -np.inf, 0.0, 2.0]), {"min": 0, "max": 2, "nan": 1, "inf": 2}),
        (np.array([np.nan]), {"min": None, "norm": None, "histogram": [], "nan": 1}),
        (np.zeros((0, 3)), {"min": None, "zeros": 0}),
        (np.full(5, 7.0), {"min": 7, "max": 7, "mean": 7, "histogram": []}),
        (np.array([1e308, -1e308, 1e308]), {"min": -1e308, "max": 1e308}),
        (np.array([5e-324, 1e-320]), {"min": 5e-324}),
        (np.array([True, False]), {"min": 0, "max": 1, "zeros": 1}),
        (np.array(3), {"min": 3, "mean": 3, "norm": 3}),
        (np.array([1, 2], dtype=np.float32), {"mean": 1.5}),
    ],
)
def test_statistics_of_awkward_arrays(x: Any, expected: dict[str, Any]) -> None:
    found = statistics(x)
    json.dumps(found, allow_nan=False)
    assert expected.items() <= found.items()


def test_lazy_arrays_are_not_computed() -> None:
    dask = pytest.importorskip("dask.array", reason="dask is not installed")
    assert Arrays().add(dask.ones(3)) is None
    story, _ = told(Tensor(dask.ones((2, 2)), requires_grad=True, name="x") * 2.0)
    assert story["nodes"]["n0"]["value"] is None


# --- formulas -------------------------------------------------------------------------------------


def test_a_gradient_that_algebra_makes_shorter_is_told_so_as_well() -> None:
    story, _ = told(cross_entropy())
    seen = by_title(story)
    assert plain(seen["Z"]["simpler"]) == "dZ=0.5·(A−Y)"
    assert plain(seen["Z"]["gradientFormula"]) == "dZ=dA⊙A⊙(1−A)"
    assert "simpler" not in seen["W"]  # dZ Xᵀ is as short as it gets
    assert "simpler" not in by_title(told(neuron())[0])["a"]


def cross_entropy() -> Tensor:
    X, Y = Tensor(np.eye(2), name="X"), Tensor(np.array([[0.0, 1.0]]), name="Y")
    Z = named(Tensor(np.array([[0.5, -1.0]]), requires_grad=True, name="W") @ X, "Z")
    A = named(sigmoid(Z), "A")
    return named(-(Y * log(A) + (1 - Y) * log(1 - A)).sum() / 2, "cost")


def plain(mathml: str) -> str:
    return "".join(ElementTree.fromstring(mathml).itertext())


def test_each_rule_is_written_in_the_names_of_what_it_reads() -> None:
    seen = by_title(told(two_layers())[0])
    parts = {name: [part["text"] for part in node["contributions"]] for name, node in seen.items()}
    assert parts["W1"] == ["dZ1 Xᵀ"]  # not d(W1 X): the name that the document has
    assert parts["b1"] == ["Σ dZ1"]
    assert parts["A1"] == ["W2ᵀ dZ2"]
    assert parts["W1 X"] == ["dZ1"]  # handed on
    assert parts["X"] == []
    assert seen["cost"]["gradientName"] == "dcost"
    assert "<mn>1</mn>" in seen["cost"]["gradientFormula"]


def test_contributions_come_by_name_and_in_the_order_of_the_sweep() -> None:
    x = parameter(2, name="x")
    u = named(exp(x), "u")
    v = named(x * u, "v")
    story, _ = told(named(v + u, "y"))
    seen = by_title(story)
    assert [part["text"] for part in seen["u"]["contributions"]] == ["dy", "dv ⊙ x"]
    assert [part["text"] for part in seen["x"]["contributions"]] == ["dv ⊙ u", "du ⊙ u"]
    back = [step["node"] for step in story["steps"] if step["phase"] == "backward"]
    order = [part["from"] for part in seen["u"]["contributions"]]
    assert order == sorted(order, key=back.index)
    assert all(part["edge"] in story["edges"] for part in seen["u"]["contributions"])


def test_a_gradient_of_several_goes_by_the_name_of_whose_rule_it_is() -> None:
    x, y = parameter(2, name="x"), parameter(2, name="y")
    left, right = named(x * 2.0, "left"), named(exp(y), "right")
    seen = by_title(told(named(left + right, "total"))[0])
    assert seen["left"]["gradientName"] == "dleft"
    assert [p["text"] for p in seen["left"]["contributions"]] == ["dtotal"]
    assert [p["text"] for p in seen["x"]["contributions"]] == ["dleft · 2"]
    assert [p["text"] for p in seen["y"]["contributions"]] == ["dright ⊙ right"]


def test_a_formula_is_typeset_in_the_same_way_in_the_name_of_its_gradient() -> None:
    story, _ = told(two_layers())
    for node in story["nodes"].values():
        for rule in [*node["rules"], *node["contributions"], {"formula": node["gradientFormula"]}]:
            for found in re.finditer(r"<mi[^>]*>([^<]*)</mi>", rule["formula"]):
                assert re.fullmatch("[^\\W\\d_]+|…", found[1]), found[0]  # 1 is not in W1
            assert "mtext" not in rule["formula"]  # which has no spaces about it
    rule = by_title(story)["Z1"]["rules"][0]
    assert texts(rule["formula"]) == "d(W1X)=dZ1"
    assert "<msub><mi>W</mi><mn>1</mn></msub>" in rule["formula"]


# --- steps ----------------------------------------------------------------------------------------


def texts(markup: str) -> str:
    return "".join(ElementTree.fromstring(markup).itertext())


def test_a_node_says_what_its_rule_gives_and_whether_others_give_as_well() -> None:
    story, _ = told(two_layers())
    nodes = by_title(story)
    ids = {node["name"]: id for id, node in story["nodes"].items()}
    (rule,) = nodes["A1"]["rules"]
    assert rule == {"to": ids["Z1"], "formula": rule["formula"]}
    assert texts(rule["formula"]) == "dZ1=dA1⊙1[Z1>0]"
    assert {texts(rule["formula"]) for rule in nodes["Z1"]["rules"]} == {
        "d(W1X)=dZ1", "db1=∑dZ1",
    }  # fmt: skip
    assert not nodes["W1"]["rules"]

    x = parameter(name="x")
    nodes = by_title(told(named(x * x + x, "y"))[0])
    assert [texts(rule["formula"]) for rule in nodes["y"]["rules"]] == ["d(x·x)=dy", "dx+=dy"]
    assert [texts(rule["formula"]) for rule in nodes["x · x"]["rules"]] == ["dx+=dy·x"] * 2


def test_an_output_that_is_read_too_starts_at_one_so_what_comes_is_added() -> None:
    a = named(parameter(name="x") * 2.0, "a")
    nodes = by_title(told(a, named(a * a, "b"))[0])
    assert {texts(rule["formula"]) for rule in nodes["b"]["rules"]} == {"da+=db·a"}
    assert texts(nodes["a"]["gradientFormula"]) == "da=1+db·a+db·a"


def test_steps_compute_nothing_before_what_it_needs() -> None:
    story, _ = told(two_layers())
    known = {name for name, node in story["nodes"].items() if not node["op"]}
    complete: set[str] = set()
    sent: dict[str, int] = dict.fromkeys(story["nodes"], 0)
    for step in story["steps"]:
        node = story["nodes"][step["node"]]
        if step["phase"] == "forward":
            assert set(node["inputs"]) <= known
            assert {story["edges"][edge][0] for edge in step["edges"]} == set(node["inputs"])
            known.add(step["node"])
        elif step["phase"] == "seed":
            assert known == set(story["nodes"])
            complete.add(step["node"])
        else:
            assert sent[step["node"]] == len(node["contributions"])
            complete.add(step["node"])
            for edge in step["edges"]:
                sent[story["edges"][edge][0]] += 1
    for name, node in story["nodes"].items():
        assert sent[name] == len(node["contributions"])


def test_where_nothing_is_to_be_differentiated_there_is_no_way_back() -> None:
    story, _ = told(Tensor(1.0, name="a") + 1.0)
    assert [step["phase"] for step in story["steps"]] == ["forward"]


def test_constants_have_a_node_of_their_own_and_merged_steps_a_host() -> None:
    x = parameter(2, name="x")
    story, _ = told(named(relu(x * np.array([0.1234, 2.3456]) * 3.0), "y"), merge=True)
    assert story["nodes"]["n1c1"]["kind"] == "const"
    assert story["edges"]["n1c1-n1-1"] == ["n1c1", "n1"]
    assert {n["host"] for k, n in story["nodes"].items() if k in ("n1", "n2", "n3")} == {"n3"}


@pytest.mark.parametrize("name", WEIRD)
def test_names_stay_names(name: str) -> None:
    story, _ = told(named(parameter(1, name=name) * 2.0, name))
    json.dumps(story, ensure_ascii=False).encode()  # no lone surrogate, which a page can't hold
    assert story["nodes"]["n0"]["name"] == visible(name)
    assert "<script>" not in story["nodes"]["n0"]["formula"]


def test_thousands_of_nodes_are_told_without_recursion() -> None:
    y = parameter(2, name="x")
    for _ in range(1_500):
        y = y * 1.0001
    story, _ = told(y, budget=1000)
    assert len(story["steps"]) == 3_001
    assert max(len(node["title"]) for node in story["nodes"].values()) <= len("h1501 = ") + SHORT
    assert len(json.dumps(story["nodes"])) < 2_000 * len(story["nodes"])  # bytes each
