"""Folding what is asked for: what is in which box, what it says, and what is equal to what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawings import WEIRD, named, parameter, shared, two_layers
from folding import Step, checked, circular, folded, graph_of, layers, linear, network, said, steps

from tinygrad_dnn import Tensor, exp, log, relu, scope, sigmoid, tanh
from tinygrad_dnn.graph import Graph


def test_the_test_finds_a_circle() -> None:
    assert circular({(1, 2), (2, 3), (3, 2)})
    assert not circular({(1, 2), (1, 3), (3, 2)})


# --- scopes that are asked for --------------------------------------------------------------------


def test_a_layer_says_what_it_is() -> None:
    (layer,) = folded(network(12, 5, 1), folded="layer 1")
    assert layer.title == "layer 1"
    assert layer.summary == "LINEAR → RELU"
    assert layer.formula == "A1 = relu(W1 X + b1)"
    assert (layer.parameters, layer.bytes) == (65, 520)
    assert (layer.home, layer.path) == ((), ("layer 1",))
    assert sorted(node.name or node.op.name for node in layer.members) == [
        *("A1", "W1", "Z1", "b1", "matmul")
    ]


def test_the_document_s_network_is_linear_relu_three_times() -> None:
    groups = folded(network(12, 20, 7, 5, 1), folded=True)
    assert said(groups) == [
        ("layer 1 … layer 3", "LINEAR → RELU × 3"),
        ("layer 4", "LINEAR → SIGMOID"),
    ]
    assert groups[0].parameters == 12 * 20 + 20 + 20 * 7 + 7 + 7 * 5 + 5
    assert groups[0].path is None
    assert groups[0].formula == ""
    assert groups[1].formula == "A4 = σ(W4 A3 + b4)"


def test_layers_that_are_named_become_one_unless_runs_is_false() -> None:
    cost = network(12, 20, 7, 5, 1)
    assert said(folded(cost, folded=["layer 2", "layer 3"])) == [
        ("layer 2 … layer 3", "LINEAR → RELU × 2")
    ]
    apart = folded(cost, folded=["layer 2", "layer 3"], runs=False)
    assert [group.title for group in apart] == ["layer 2", "layer 3"]
    assert len(folded(cost, folded=["layer 1", "layer 3"])) == 2


def test_a_run_of_layers_ends_before_an_output_that_the_formula_shows() -> None:
    x = Tensor(np.ones((3, 1)), name="x")
    for k in (1, 2, 3):
        with scope(f"layer {k}"):
            x = linear(x)
    assert [g.title for g in folded(x, folded=True)] == ["layer 1 … layer 2", "layer 3"]
    assert [g.title for g in folded(x + 1.0, folded=True)] == ["layer 1 … layer 3"]
    x = relu(parameter(3, 1))
    with scope("one"):
        one = named(relu(x * 2.0), "one")
    with scope("two"):
        two = named(relu(one * 2.0), "two")
    assert [g.formula for g in folded(one, two, folded=True)] == [
        "one = relu(… · 2)",
        "two = relu(one · 2)",
    ]


def test_a_cost_among_several_results_of_its_scope_stays_a_node() -> None:
    x = parameter(3, name="x")
    with scope("end"):
        half = named(x * 0.5, "half")
        cost = named(half.sum() / 3, "cost")
        also = exp(half)
    (group,) = folded(cost, named(also + 1.0, "more"), folded=True)
    assert cost.node not in group.members
    # The scope's own box remains around it: the group stands there and leaves it the id.
    assert (group.home, group.path) == (("end",), None)


def test_levels_and_names() -> None:
    x = parameter(3, name="x")
    with scope("outer"):
        for name in ("a", "b"):
            with scope(name):
                x = exp(x + 1.0) if name == "a" else tanh(x)
        x = x * 2.0
    with scope("other"), scope("a"):
        x = log(x)
    cost = named(x.sum(), "cost")
    assert [g.path for g in folded(cost, depth=0)] == [("outer",), ("other",)]
    assert [g.path for g in folded(cost, folded=True)] == [("outer",), ("other",)]
    inner = [("outer", "a"), ("outer", "b"), ("other", "a")]
    assert [g.path for g in folded(cost, depth=1)] == inner
    assert [g.home for g in folded(cost, depth=1)] == [("outer",), ("outer",), ("other",)]
    assert [g.path for g in folded(cost, folded="a")] == [inner[0], inner[2]]
    assert [g.path for g in folded(cost, folded=["other/a"])] == [inner[2]]
    assert [g.path for g in folded(cost, depth=1, folded=["other"])] == [*inner[:2], ("other",)]
    assert [g.path for g in folded(cost, folded=["outer", "outer/b"])] == [("outer",)]
    assert folded(cost, depth=2) == []


@pytest.mark.parametrize("how", [{"folded": True}, {"depth": 0}, {"depth": 3}, {"folded": ()}])
def test_without_scopes_there_is_nothing_to_fold(how: Any) -> None:
    x = parameter(3)
    assert checked(graph_of(exp(x)), **how) == ([], "")
    assert checked(graph_of(x), **how) == ([], "")
    assert checked(Graph([], ()), **how) == ([], "")


def test_refusals_name_what_there_is() -> None:
    t = two_layers()
    with pytest.raises(ValueError, match=r"'layer 9'; there are layer 1, layer 2, cost$"):
        folded(t, folded="layer 9")
    with pytest.raises(ValueError, match=r"'W1'; there are none$"):
        folded(exp(parameter(3)), folded=["W1"])
    with pytest.raises(ValueError, match=r"step 11 and 488 more$"):
        folded(steps(500), folded=["step 600"])
    for wrong in (3, 1.5, [3], [None], object(), np.ones(2)):
        with pytest.raises(TypeError, match=r"expected names of scopes.*write \['layer 1'\]"):
            folded(t, folded=wrong)
    for wrong in (-1, 1.0, True, "1"):
        with pytest.raises(ValueError, match="expected depth as None or 0 or more, got"):
            folded(t, depth=wrong)
    with pytest.raises(ValueError, match="expected limit as None or 1 or more, got 0"):
        folded(t, limit=0)


@pytest.mark.parametrize("name", WEIRD)
def test_any_name_is_a_scope(name: str) -> None:
    x = parameter(3)
    with scope(name), scope("/"):
        x = exp(x)
    for wanted in (name, f"{name}//"):
        (group,) = folded(x.sum(), folded=wanted)
        assert (group.title, group.path) == (name, (name,)) or group.path == (name, "/")


# --- what belongs in a box ------------------------------------------------------------------------


def test_a_shared_parameter_and_the_data_stay_outside() -> None:
    h2 = shared()
    first, second = folded(h2, folded=True)
    assert said([first, second]) == [("first", "matmul → relu"), ("second", "LINEAR → RELU")]
    assert (first.parameters, second.parameters) == (0, 0)
    groups = folded(network(12, 5, 5, 1), folded=True)
    outside = {"X"}
    assert outside.isdisjoint(node.name for group in groups for node in group.members)


def test_a_parameter_that_only_one_run_uses_is_inside_and_counted_once() -> None:
    W = Tensor(np.ones((3, 3), dtype=np.float32), requires_grad=True, name="W")
    (run,) = folded(layers(*[lambda x: relu(W @ x)] * 3), folded=True)
    assert (run.summary, run.parameters, run.bytes) == ("matmul → relu × 3", 9, 36)


def test_a_scope_of_leaves_alone_and_one_that_is_read_too_early() -> None:
    with scope("init"):
        a, b = parameter(3, name="a"), parameter(3, name="b")
    (init,) = folded(exp(a) * b, folded="init")
    assert (init.title, init.summary, init.parameters) == ("init", "a … b", 6)
    x = exp(a)
    with scope("init"):
        y = x * b
    (group,) = folded(y.sum(), folded="init")
    assert b.node in group.members
    assert a.node not in group.members  # exp(a) would be above and below the box


def test_a_parameter_stays_in_the_open_scope_where_it_was_made() -> None:
    with scope("weights"):
        w = parameter(3, name="w")
    with scope("use"):
        y = exp(w)
    (group,) = folded(y.sum(), folded="use")
    assert w.node not in group.members


def test_a_scope_entered_again_with_its_own_results_gets_another_box() -> None:
    x = parameter(3, name="x")
    with scope("block"):
        y = exp(x * 2.0)
    z = tanh(y)
    with scope("block"):
        z = exp(z * 2.0)
    first, again = folded(named(z.sum(), "cost"), folded="block")
    assert (first.path, again.path) == (("block",), None)
    assert first.title == again.title == "block"


def test_what_a_scope_does_later_without_its_results_is_in_its_one_box() -> None:
    x, y = parameter(3, name="x"), Tensor(np.ones(3), name="y")
    with scope("data"):
        p = y * 2.0
    z = exp(x)
    with scope("data"):
        q = p - 1.0
    (group,) = folded(named((z * p * q).sum(), "cost"), folded="data")
    assert len(group.members) == 2


def test_a_loop_through_one_scope_is_said_by_how_often_it_was_entered() -> None:
    def through(times: int, inner: int) -> list[tuple[str, str]]:
        x = parameter(3, name="x")
        for _ in range(times):
            with scope("step"):
                for _ in range(inner):
                    x = tanh(x * 2.0)
        return said(folded(named(x.sum(), "cost"), folded="step"))

    assert through(1, 1) == [("step", "multiply → tanh")]
    assert through(3, 1) == [("3 × step", "multiply → tanh × 3")]
    assert through(1, 4) == [("step", "multiply → tanh × 4")]
    assert through(3, 4) == [("3 × step", "multiply → tanh × 12")]
    x = parameter(3, name="x")
    for inner in (2, 1):
        with scope("step"):
            for _ in range(inner):
                x = tanh(x * 2.0)
    assert said(folded(x.sum(), folded="step")) == [("step", "multiply → tanh × 3")]
    with scope("outer"):
        for _ in range(3):
            with scope("inner"):
                x = tanh(x * 2.0)
    assert [g.title for g in folded(x.sum(), folded="outer")] == ["outer"]


# --- what is equal, and what is not ---------------------------------------------------------------

MASK = np.ones((3, 3))


def twice(x: Tensor) -> Tensor:
    y = parameter(3, 3) @ x
    return y * y


EQUAL: dict[str, tuple[Step, Step]] = {
    "layers": (linear, linear),
    "other shapes": (linear, lambda x: relu(parameter(7, 3) @ x + parameter(7, 1))),
    "numbers": (lambda x: 2.0 * exp(x), lambda x: np.float64(2) * exp(x)),
    "a square": (twice, twice),
    "a number of no axes": (lambda x: x * np.array(2.0), lambda x: x * 2.0),
    "NaN": (lambda x: tanh(x * np.nan), lambda x: tanh(x * np.nan)),
    "slices": (lambda x: exp(x[0:2]), lambda x: exp(x[1:2])),
}
OUTSIDE = tanh(parameter(3, 3))
UNEQUAL: dict[str, tuple[Step, Step]] = {
    "an extra op": (exp, lambda x: exp(x) + parameter(3, 3)),
    "another op": (relu, tanh),
    "another constant": (lambda x: x * 2.0, lambda x: x * 3.0),
    "another constant array of no axes": (lambda x: x * np.array(2.0), lambda x: x * np.array(3.0)),
    "the other order": (lambda x: x @ parameter(3, 3), lambda x: parameter(3, 3) @ x),
    "numbers left and right": (lambda x: x - 1.0, lambda x: 1.0 - x),
    "ops in another order": (lambda x: exp(tanh(x)), lambda x: tanh(exp(x))),
    "another wiring": (lambda x: tanh(x) * x, lambda x: tanh(x) * exp(x * 0.0)),
    "a value from outside in another place": (
        lambda x: np.sin(tanh(x)) * OUTSIDE,
        lambda x: (t := tanh(x)) is not None and np.sin(OUTSIDE) * t,
    ),
    "what was read and what was made": (
        lambda x: ((y := x * b), (z := np.sin(x)), y + x)[2] * z,
        lambda x: ((y := x * b), (z := np.sin(y)), x + y)[2] * z,
    ),
    "x twice": (lambda x: (y := exp(x)) * y, lambda x: exp(x) * x),
    "one value or two": (
        lambda x: (w := parameter(3, 3)) * x * w,
        lambda x: parameter(3, 3) * x * parameter(3, 3),
    ),
    "another axis": (
        lambda x: x.sum(axis=0, keepdims=True),
        lambda x: x.sum(axis=1, keepdims=True),
    ),
    "a transpose": (lambda x: relu(parameter(3, 3) @ x), lambda x: relu(parameter(3, 3) @ x.T)),
}  # fmt: skip


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_equal_neighbours_are_one(pair: tuple[Step, Step]) -> None:
    (group,) = folded(layers(*pair), folded=True)
    assert group.title == "layer 1 … layer 2"
    assert " × 2" in group.summary or "2 × (" in group.summary


@pytest.mark.parametrize("pair", UNEQUAL.values(), ids=UNEQUAL.keys())
def test_unequal_neighbours_are_two(pair: tuple[Step, Step]) -> None:
    for one, other in (pair, pair[::-1]):
        assert [g.title for g in folded(layers(one, other), folded=True)] == ["layer 1", "layer 2"]


def test_neighbours_side_by_side_are_not_in_a_row() -> None:
    x = parameter(3, name="x")
    towers = []
    for k in range(2):
        with scope(f"tower {k}"):
            towers.append(exp(x * 2.0))
    assert len(folded(towers[0] + towers[1], folded=True)) == 2
    with scope("outer"), scope("tower 0"):
        y = exp(x * 2.0)
    with scope("tower 1"):
        y = exp(y * 2.0)
    assert len(folded(y.sum(), folded=["tower 0", "tower 1"])) == 2  # of different levels


# --- words ----------------------------------------------------------------------------------------


def alternating(x: Tensor) -> Tensor:
    return x + (x + parameter(3, 3))


def words(*steps: Step) -> str:
    x = Tensor(np.ones((3, 3)), name="x")
    with scope("it"):
        for step in steps:
            x = step(x)
    return folded(x.sum(), folded="it")[0].summary


W, b = parameter(3, 3, name="W"), parameter(3, 1, name="b")


@pytest.mark.parametrize(
    ("expected", "step"),
    [
        ("LINEAR", lambda x: W @ x + b),
        ("LINEAR", lambda x: b + x @ W),
        ("LINEAR → TANH", lambda x: tanh(W @ x + b)),
        ("LINEAR → exp → sigmoid", lambda x: sigmoid(exp(W @ x + b))),
        ("matmul → sigmoid", lambda x: sigmoid(W @ x)),
        ("matmul → add", lambda x: W @ x + 1.0),
        ("exp, matmul, multiply, add", lambda x: W @ exp(x) + x * 1.0),
        ("matmul → add", lambda x: (y := W @ x) + y),
        ("LINEAR → RELU × 2", lambda x: linear(linear(x))),
        ("tanh × 5", lambda x: tanh(tanh(tanh(tanh(tanh(x)))))),
        ("matmul → add", lambda x: W @ x + x),
        ("LINEAR", lambda x: np.ones((3, 3)) @ x + np.ones((3, 1))),
        ("2 exp, add", lambda x: exp(x) + exp(x)),
        ("add → add × 3", lambda x: alternating(alternating(alternating(x)))),
        ("relu", relu),
    ],
)
def test_one_rule_for_words(expected: str, step: Step) -> None:
    assert words(step) == expected


def test_beyond_forty_characters_a_summary_counts() -> None:
    chain = [exp, tanh, sigmoid, log, relu, tanh, sigmoid, tanh]
    assert words(*chain) == "3 tanh, 2 sigmoid, exp, log, relu"
    many = [np.sin, np.cos, np.tanh, np.arctan, np.exp, np.sqrt, np.log, np.abs, np.square]
    assert words(*many).endswith(" more")
    assert len(words(*many)) < 55
    assert words(*many[:-1]) == "sin, cos, tanh, arctan, exp, sqrt, log, absolute"
