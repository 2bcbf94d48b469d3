"""What pictures mark in red: where NaN begins, gradients of 0, gradients that never come, blame."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import pytest
from drawings import named, parameter, two_layers
from seen import seen

import tinygrad_dnn as tg
from tinygrad_dnn import Op, Tensor, check_gradients
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.graph import Graph, Node, trace
from viz.drawing.draw import draw
from viz.drawing.problems import Problem, at_hosts, problems

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy says it in its own way


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


def named_nodes(graph: Graph) -> dict[Node, str]:
    return {node: node.name for node in graph if node.name}


def found(*outputs: Tensor, blame: Mapping[Any, str] | None = None) -> dict[Node, Problem]:
    graph = trace([t.node for t in outputs])
    gradients = {node: node.grad for node in graph if node.grad is not None}
    return problems(graph, replay(graph.outputs), gradients, named_nodes(graph), blame)


def reasons(*outputs: Tensor, blame: Mapping[Any, str] | None = None) -> dict[str, str]:
    """What is said, by name or op; `*` before what begins there."""
    return {
        node.name or node.op.name: "*" * p.origin + p.reason
        for node, p in found(*outputs, blame=blame).items()
    }


# --- values ---------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_a_network_that_learns() -> None:
    cost = two_layers()
    assert found(cost) == {}
    cost.backward(keep=True)
    assert found(cost) == {}


def test_an_infinity_is_marked_where_it_begins_with_the_numbers_and_the_likely_cause() -> None:
    A2 = named(tg.sigmoid(param([[2.0, 40.0], [39.0, 1.0]], "Z2")), "A2")
    cost = named(-tg.log(1 - A2).sum(), "cost")
    assert reasons(cost) == {
        "log": "*log(1 − A2) holds 2 -inf, the first at [0, 1], from 1 − A2 = 0.0; a sigmoid "
        "saturated to exactly 0 or 1 under a log: use log_sigmoid(Z) and log_sigmoid(-Z), or a "
        "cost from Z",
        "sum": "-inf, from log(1 − A2)",
        "cost": "inf, from log(1 − A2)",
    }


def test_the_same_is_said_as_debug_says() -> None:
    A2 = named(tg.sigmoid(param([[2.0, 40.0]], "Z2")), "A2")
    with pytest.raises(tg.NonFiniteError) as caught, tg.debug():
        tg.log(1 - A2)
    (problem,) = found(tg.log(1 - A2)).values()
    assert str(caught.value).partition("; ")[2] == problem.reason.partition("; ")[2] != ""


def test_a_leaf_that_holds_nan_is_where_it_begins() -> None:
    X = Tensor([[1.0, 2.0, np.nan], [np.nan, np.inf, 3.0]], name="X")
    y = named((X * 2.0).sum(), "y")
    assert reasons(y) == {
        "X": "*X holds 2 NaN and 1 inf, the first at [0, 2]",
        "multiply": "NaN and inf, from X",
        "y": "NaN, from X",
    }
    assert reasons(named(Tensor(np.nan, name="s") + 1.0, "t")) == {
        "s": "*s is NaN",
        "t": "NaN, from s",
    }
    nameless = param([1.0, -np.inf])
    assert found(nameless + 1.0)[nameless.node].reason == "tensor (2,) holds 1 -inf at [1]"


def test_a_first_nan_from_infinities_is_an_origin_as_well() -> None:
    x = Tensor([1.0, np.inf], name="x")
    told = reasons(named(x - x, "d"))
    assert told["d"] == "*d holds 1 NaN at [1], from x = inf; ∞ − ∞ is not defined there"
    assert told["x"].startswith("*")


def test_a_number_among_the_inputs_says_itself() -> None:
    told = reasons(named(param([2.0], "x") * 1e308, "y"))
    assert told["y"] == "*y is inf, from x = 2.0, 1e+308; too large for float64"
    power = named(param([[2.0]], "x") ** np.array([[1.0, 2000.0]]), "p")
    assert "[[1, 2000]] = 2000.0" in reasons(power)["p"]


def test_what_is_finite_again_hands_nothing_on() -> None:
    masked = tg.where(np.array([True, False]), param([1.0, 2.0], "x"), -np.inf)
    y = named(tg.softmax(masked) * 1e308 * 1e308, "y")
    told = reasons(y)
    assert "where" not in told
    assert told["y"].startswith("*y holds 1 inf at [0], from softmax(")


@pytest.mark.parametrize("as_tensor", [False, True])
def test_s358_infinities_that_were_given_are_no_trouble(as_tensor: bool) -> None:
    mask = np.where(np.tril(np.ones((3, 3))) > 0, 0.0, -np.inf)
    scores = param(np.arange(9.0).reshape(3, 3), "scores")
    masked = named(scores + (Tensor(mask, name="mask") if as_tensor else mask), "masked")
    cost = named((tg.exp(masked) * tg.softmax(masked, axis=1)).sum(), "cost")
    cost.backward(keep=True)
    assert reasons(cost, masked) == {}
    assert "#b00020" not in draw(cost, backward=True).source


def test_what_arises_beside_given_infinities_or_comes_of_them_is_told() -> None:
    mask = Tensor([0.0, -np.inf, -np.inf], name="mask")
    masked = named(param([800.0, 1.0, 2.0], "x") + mask, "masked")
    told = reasons(named(tg.exp(masked), "e"))
    assert told == {
        "e": "*e holds 1 inf at [0], from masked = 800.0; too large for float64",
    }
    assert {"mask", "masked", "n"} <= reasons(named(masked * 0.0, "n")).keys()  # −∞ · 0
    told = reasons(named(masked.sum(), "cost"))
    assert told["cost"] == "-inf, from mask"
    assert told["mask"].startswith("*mask holds 2 -inf")
    part = named(masked - masked, "d")
    assert reasons(named(part.sum(), "cost")).keys() == {"mask", "masked", "d", "cost"}


def test_a_constant_with_nan_is_told_where_it_is_used() -> None:
    y = param([1.0, 2.0], "x") * np.array([np.nan, 1.0])
    assert reasons(y * 2.0, y)["multiply"] == "NaN, from x ⊙ [nan, 1]"
    assert found(y)[y.node] == Problem("x ⊙ [nan, 1] holds 1 NaN at [0], from [nan, 1]", True)


def test_where_values_are_missing_nobody_is_accused() -> None:
    x = param([0.0], "x")
    a = tg.log(x)
    b = named(a * 2.0, "b")
    c = named(b + 1.0, "c")
    graph = trace([c.node])
    values = replay(graph.outputs)
    del values[a.node]
    told = problems(graph, values, {}, named_nodes(graph))
    assert told == {b.node: Problem("-inf", False), c.node: Problem("-inf", False)}
    assert problems(graph, {}, {}, {}) == {}


def test_lazy_arrays_are_not_computed() -> None:
    def never(block: Any) -> Any:
        raise AssertionError("computed")

    lazy = da.ones((2, 2), chunks=1).map_blocks(never, dtype=float)
    x = Tensor(lazy, requires_grad=True, name="x")
    y = named(x * np.array([np.nan, 1.0]), "y")
    graph = trace([y.node])
    nodes = dict.fromkeys(graph, lazy)
    assert problems(graph, nodes, nodes, {}) == {}
    numbers = nodes | {y.node: np.array([[np.nan, 1.0], [np.nan, 1.0]])}
    told = problems(graph, numbers, {x.node: np.zeros((2, 2))}, {})
    assert told[y.node] == Problem("2 NaN, the first at [0, 0]", False)
    assert told[x.node] == Problem("gradient is exactly 0", True)


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.zeros((0, 3)), np.float32(1.0)])
def test_integers_truth_values_and_nothing_are_fine(data: Any) -> None:
    assert found(Tensor(data) + 1) == {}


# --- gradients ------------------------------------------------------------------------------------


def after(cost: Tensor, **options: Any) -> Tensor:
    cost.backward(**options)
    return cost


def test_dead_units_are_why_a_gradient_is_zero() -> None:
    W, b, w = param([[1.0, 2.0]], "W"), param([[1.0]], "b"), param([[2.0]], "w")
    Z = named(W @ Tensor([[-1.0], [-3.0]], name="X") + b, "Z")
    told = reasons(after((w * tg.relu(Z) + w).sum()))
    dead = "*gradient is exactly 0: every input of relu(Z) is ≤ 0 (dead units)"
    assert told == {"W": dead, "b": dead}


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda a: tg.sigmoid(a * 100), "σ(a · 100) is saturated everywhere"),
        (lambda a: tg.tanh(a * 100), "tanh(a · 100) is saturated everywhere"),
        (lambda a: a * np.zeros(2), "zeros(2) is 0 everywhere"),
        (lambda a: named(Tensor(np.zeros((1, 2))), "W2") @ a, "W2 is 0 everywhere"),
        (lambda a: tg.where(a < 0, a, 1.0), "where(a < 0, a, 1) takes nothing of it"),
        (lambda a: tg.maximum(a, 1e3), "max(a, 1000) takes nothing of it"),
        (lambda a: np.sign(a), "sign(a) has slope 0 everywhere"),
        (lambda a: (a - a.data) ** 2, "(a − [1, 2])² has slope 0 everywhere"),
        (lambda a: a - a, ""),
        (lambda a: (a - a) + tg.relu(a - 9.0), ""),
        (lambda a: tg.relu(a - 9.0) + (a - a), ""),
        (lambda a: np.split(tg.concatenate([a, -a]), 2)[0] - a, ""),
        (lambda a: tg.concatenate([a, a]) * np.zeros(4), "zeros(4) is 0 everywhere"),
    ],
)
def test_why_a_gradient_is_zero(f: Any, why: str) -> None:
    a = param([1.0, 2.0], "a")
    told = reasons(after(f(a).sum()))
    assert told["a"] == "*gradient is exactly 0" + (f": {why}" if why else "")


def test_one_live_way_is_enough_and_a_few_dead_units_are_no_problem() -> None:
    W = param([[1.0], [-1.0]], "W")
    assert found(after((tg.relu(W) + tg.relu(W - 9.0)).sum())) == {}
    a = param([1.0, -1.0], "a")
    assert found(after((a * np.array([0.0, 1.0])).sum())) == {}


def test_of_two_obstacles_the_one_nearest_to_the_output_is_told() -> None:
    a = param([-1.0], "a")
    first = named(tg.relu(a), "first")
    told = reasons(after(tg.relu(first - 1.0).sum()))
    assert told["a"].endswith("every input of relu(first − 1) is ≤ 0 (dead units)")


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (lambda a: tg.stop_gradient(a * 2.0), "stop(a · 2) lets none through"),
        (lambda a: tg.where(a > 0, 1.0, 2.0), "a > 0 has no slope"),
        (lambda a: tg.where(a, 1.0, 2.0), "where(a, 1, 2) has no slope in its condition"),
        (lambda a: tg.argmax(a), "argmax(a) has no slope"),
        (lambda a: np.floor(a) * 3.0, "floor(a) has no slope"),
        (lambda a: a.astype(int), "(a) has no slope"),
    ],
)
def test_why_a_gradient_is_missing(use: Any, why: str) -> None:
    a, w = param([1.0, 2.0], "a"), param([1.0, 2.0], "w")
    told = reasons(after((use(a) * w).sum()))
    assert set(told) == {"a"}
    assert told["a"].startswith("*no gradient, although w has one: ")
    assert told["a"].endswith(why)


def test_where_values_are_missing_the_gradient_is_zero_without_a_reason() -> None:
    a = param([-1.0], "a")
    cost = after(tg.relu(a * 1.0).sum())
    for values in ({}, {node: np.ones(()) for node in trace([cost.node]).outputs}):
        told = problems(trace([cost.node]), values, {a.node: a.grad}, {})
        assert told == {a.node: Problem("gradient is exactly 0", True)}
    square = a * a
    graph = trace([after((square - square).sum()).node])
    values = replay(graph.outputs)
    del values[a.node]
    assert problems(graph, values, {a.node: np.zeros(1)}, {})[a.node].reason == (
        "gradient is exactly 0"
    )


def test_a_parameter_without_elements_lacks_nothing() -> None:
    empty = param(np.zeros((0, 3)), "empty")
    assert found(after((empty * 2.0).sum())) == {}


def test_before_backward_and_without_parameters_nothing_is_missing() -> None:
    a = param([1.0], "a")
    assert found(tg.stop_gradient(a) * 2.0) == {}
    assert found(Tensor([1.0]) * 2.0) == {}
    first, second = (a * 2.0).sum(), (param([1.0], "b") * 2.0).sum()
    first.backward()
    assert reasons(first, second) == {"b": "*no gradient, although a has one"}


def test_a_gradient_that_is_not_finite_is_told_with_the_slope_it_began_in() -> None:
    x = param([4.0, 0.0], "x")
    s = named(np.sqrt(x), "s")
    told = reasons(after((named(s * 2.0, "t") * 3.0).sum(), keep=True))
    assert told == {
        "x": "*gradient of x holds 1 inf at [1], from the slope of s; √ has slope ∞ at 0: add "
        "a small constant inside it"
    }
    x = param([4.0, 0.0], "x")
    told = reasons(after((named(x * 2.0, "t") + named(np.sqrt(x), "s")).sum(), keep=True))
    assert "from the slope of s; √ has slope ∞" in told["x"]
    w = param([0.0, 1.0], "w")
    root = named(np.sqrt(named(w * 1.0, "v")), "root")
    told = reasons(after(root.sum(), keep=True))
    assert told["v"].startswith("*gradient of v holds 1 inf at [0], from the slope of root; √")
    assert told["w"] == "gradient inf, from root"


def test_a_gradient_alone_does_not_tell_where_it_broke() -> None:
    x = param([0.0, 1.0], "x")
    assert reasons(after(np.sqrt(x * 1.0).sum())) == {"x": "gradient holds 1 inf at [0]"}
    y = param([0.0, 1.0], "y")
    told = reasons(after(named(tg.log(y * 1.0 * 1.0), "L").sum()))
    assert told["y"] == "gradient inf, from L"


def test_a_gradient_of_a_pass_that_broke_forward_blames_the_forward_pass() -> None:
    for keep in (False, True):
        x = param([0.0, 1.0], "x")
        L = named(tg.log(x), "L")
        told = reasons(after((tg.log(x * 1.0) * 1.0 + L).sum(), keep=keep))
        assert told["x"] in ("gradient inf, from L", "gradient inf, from log(x · 1)")


def test_gradients_of_a_recorded_backward_pass_are_looked_at_too() -> None:
    a, w = param([-1.0], "a"), param([2.0], "w")
    forward = forward_again(trace([(tg.relu(a) * w + w).sum().node]))
    back = backward_again(forward)
    values = {t.node: t.numpy() for t in forward.tensors}
    told = problems(forward.graph, values, back.gradients, named_nodes(forward.graph))
    assert [p.reason for p in told.values()] == [
        "gradient is exactly 0: every input of relu(a) is ≤ 0 (dead units)"
    ]


# --- inside a host --------------------------------------------------------------------------------


def test_what_began_in_a_step_drawn_inside_a_result_is_told_at_the_result() -> None:
    A = named(tg.sigmoid(param([40.0], "Z")), "A")
    cost = named(-tg.log(1 - A).sum(), "cost")
    cost.backward(keep=True)
    graph = trace([cost.node])
    hosts = dict.fromkeys((n for n in graph if n.index > A.node.index), cost.node)
    told = at_hosts(found(cost), hosts)
    assert told[cost.node].origin
    assert told[cost.node].reason.startswith("log(1 − A) is -inf, from 1 − A = 0.0; a sigmoid")
    assert told[A.node] == Problem("gradient inf, from log(1 − A)", False)
    assert set(told) == {cost.node, A.node, graph[0]}
    assert at_hosts(found(cost), {}) == found(cost)
    later = Problem("gradient inf, from A", False), Problem("inf, from A", False)
    assert at_hosts(dict(zip(graph[:2], later, strict=True)), {graph[1]: graph[0]}) == {
        graph[0]: later[0]
    }
    two = Problem("one", True), Problem("two", True)
    assert at_hosts(dict(zip(graph[:2], two, strict=True)), {graph[0]: graph[1]}) == {
        graph[1]: Problem("one; two", True)
    }


@pytest.mark.parametrize("backward", [False, True])
def test_the_reason_is_the_same_where_the_backward_pass_is_drawn(backward: bool) -> None:
    D, W = parameter(2, name="D"), parameter(2, name="W")
    y = (tg.relu(-D) * W).sum()
    y.backward(keep=True)
    words = [" ".join(lines) for lines in seen(y, backward=backward).lines.values()]
    assert any("relu(−D) is 0 everywhere" in " ".join(told.split()) for told in words)


# --- blame ----------------------------------------------------------------------------------------


def test_blame_by_tensor_node_and_name_is_joined_to_what_is_wrong_anyway() -> None:
    a, b = param([np.nan], "a"), param([1.0], "<script>")
    y = a * b
    told = reasons(y, blame={a: "differs", "<script>": "100% off", y.node: "too"})
    assert told["a"] == "*a is NaN; differs"
    assert told["<script>"] == "*100% off"
    assert told["multiply"] == "*NaN, from a; too"
    one, other = param([1.0], "twin"), param([1.0], "twin")
    assert len(found(one * other, blame={"twin": "both"})) == 2


@pytest.mark.parametrize(
    ("blame", "kind", "words"),
    [
        ({"W9": "x"}, ValueError, "'W9' is not in this graph; its names are a, b"),
        ({"": "x"}, ValueError, "'' is not in this graph"),
        ({parameter(2, name="W8"): "x"}, ValueError, r"W8 \(2,\) is not in this graph"),
        ({3: "x"}, TypeError, "expected a Tensor, node or name, got int"),
        (["W1"], TypeError, "expected a mapping .* got list"),
    ],
)
def test_blame_of_what_is_not_there_is_an_error(blame: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=f"blame: .*{words}"):
        found(param([1.0], "a") * param([1.0], "b"), blame=blame)


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [1.0, 0.0])
def test_thousands_of_nodes_take_no_recursion_and_little_time(start: float) -> None:
    s = param([start, start], "s")
    y = s
    for _ in range(3_000):
        y = tg.relu(y * 1e10) if start else y * 1.0
    cost = after((tg.relu(y - 1.0)).sum(), keep=True)
    graph = trace([cost.node])
    values = replay(graph.outputs)
    gradients = {node: node.grad for node in graph}
    began = time.perf_counter()
    told = problems(graph, values, gradients, {s.node: "s"})
    assert time.perf_counter() - began < 10  # seconds on a busy machine, not minutes
    assert len([p for p in told.values() if p.origin]) == 1
    assert s.node in told


def test_a_sum_of_many_terms_costs_no_more_than_its_size() -> None:
    leaves = [param([0.0]) for _ in range(3000)]
    cost = after(tg.relu(tg.concatenate(leaves)).sum())
    began = time.perf_counter()
    told = found(cost)
    assert time.perf_counter() - began < 10
    dead = "every input of relu(…) is ≤ 0 (dead units)"
    assert [p.reason for p in told.values()] == [f"gradient is exactly 0: {dead}"] * 3000


@pytest.mark.parametrize("blame", ["W1", [("W1", "differs")], 3])
def test_blame_that_is_no_mapping_is_refused(blame: Any) -> None:
    with pytest.raises(TypeError, match="blame: expected a mapping"):
        draw(two_layers(), blame=blame)


def test_the_report_of_a_check_is_blame() -> None:
    wrong = Op(lambda x, /: np.sin(x), "sin({x})", lambda g, x: g, name="wrong")
    x = param([1.0, 2.0], "x")

    def f(x: Tensor) -> Tensor:
        return named(wrong(x * 2), "y").sum()

    report = check_gradients(f, x)
    of_its_own = draw(report.graph, blame=report).source
    of_another = draw(f(x), blame=report).source
    for source in (of_its_own, of_another):
        (marked,) = (line for line in source.splitlines() if "problem" in line)
        assert "y = sin(2" in marked or "y = sin(x" in marked
        assert "the rule of" in marked
    with pytest.raises(ValueError, match="another computation"):
        draw((x * x).sum(), blame=report)
    assert "problem" not in draw(f(x), blame=check_gradients(np.sin, x)).source
