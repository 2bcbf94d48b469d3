"""Folding unasked: what is too large to be read, whatever its form."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from drawings import named, parameter
from folding import (
    LEAVES,
    checked,
    graph_of,
    linear,
    loop,
    many_into_one,
    network,
    read_twice,
    said,
    steps,
    sum_of_many,
    tangle,
    tangled_parameters,
    things,
    three_wild_scopes,
    wild,
)
from seen import seen

import viz
from tinygrad_dnn import Tensor, exp, relu, scope, sigmoid, tanh
from viz.drawing.backward import with_backward
from viz.folding.fold import Group, fold
from viz.folding.scopes import homes_of

# --- by itself ------------------------------------------------------------------------------------


def by_itself(*outputs: Tensor, **how: Any) -> tuple[list[Group], str]:
    """What is folded unasked: never above the limit, readable, and the cost can be seen."""
    graph = graph_of(*outputs)
    groups, told = checked(graph, **how)
    drawn = things(graph, groups)
    assert drawn <= 40
    assert told.startswith(f"{len(graph):,} nodes drawn as {drawn:,}, folded: ")
    assert told.endswith("; fold=False draws them all")
    return groups, told


def hidden(t: Tensor, groups: Sequence[Group]) -> bool:
    return any(t.node in group.members for group in groups)


def test_a_small_graph_is_left_alone_and_so_is_one_that_is_to_be_drawn_in_full() -> None:
    assert checked(graph_of(network(12, 20, 7, 5, 1))) == ([], "")
    large = loop(2000)
    for how in ({"folded": False}, {"limit": None}, {"limit": 10_000}):
        assert checked(graph_of(large), **how) == ([], "")


def test_the_limit_counts_what_would_be_drawn() -> None:
    x = parameter(3, name="x")
    masks = [np.arange(3) / (7 + k) for k in range(40)]  # each is drawn, the numbers are not
    for mask in masks:
        x = x * mask + 1.0
    graph = graph_of(x)
    assert (len(graph), things(graph, [])) == (81, 121)
    assert checked(graph, limit=121) == ([], "")
    assert by_itself(x, limit=120)


def test_a_hundred_layers_are_one_box_and_the_cost_is_seen() -> None:
    cost = network(12, *[5] * 100, 1)
    groups, told = by_itself(cost)
    assert said(groups) == [
        ("layer 1", "LINEAR → RELU"),
        ("layer 2 … layer 100", "LINEAR → RELU × 99"),
    ] or said(groups)[0] == ("layer 1 … layer 100", "LINEAR → RELU × 100")
    assert "layer 1 … layer 100 and layer 101" in told
    assert not hidden(cost, groups)


def test_a_long_loop_without_scopes_is_found() -> None:
    cost = loop(400)
    (group,), told = by_itself(cost)
    assert (group.title, group.summary) == ("ops 4 … 1,203", "multiply → add → relu × 400")
    assert group.each.startswith("400 × h1203 = ")  # the last of them, by the same number
    assert told == (
        "1,204 nodes drawn as 3, folded: 400 equal steps multiply → add → relu; "
        "fold=False draws them all"
    )
    assert not hidden(cost, [group])
    assert group.parameters == 6


def test_a_loop_is_found_inside_a_scope_that_holds_nearly_all() -> None:
    x = parameter(3, name="x")
    with scope("main"):
        x = x - 1.0
        for _ in range(300):
            x = tanh(x * parameter(3))
        cost = named((x / 3).sum(), "cost")
    (group,), _ = by_itself(cost)
    assert (group.home, group.summary) == (("main",), "multiply → tanh × 300")


def test_loops_of_several_kinds_are_each_found() -> None:
    x = Tensor(np.ones(3), name="x")
    for _ in range(200):
        x = np.sin(x * parameter(3))
    x = x.sum()
    for _ in range(200):
        x = tanh(sigmoid(x - parameter(3)))
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert [g.summary for g in groups] == [
        "multiply → sin × 200",
        "subtract → sigmoid → tanh × 200",
    ]


def test_two_loops_are_not_one_step_twice() -> None:
    x = Tensor(np.ones(3), name="x")
    for _ in range(3):
        for _ in range(100):
            x = np.sin(x * parameter(3))
        x = tanh(x)
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert [g.summary for g in groups] == ["multiply → sin × 100"] * 3


def test_loops_that_begin_alike_each_keep_their_own_steps() -> None:
    x = Tensor(np.ones(3), name="x")
    for last in (tanh, sigmoid):
        for _ in range(100):
            x = last(np.sin(x * parameter(3)))
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert [g.summary for g in groups] == [
        "multiply → sin → tanh × 100",
        "multiply → sin → sigmoid × 100",
    ]


def test_what_comes_before_a_loop_and_is_wired_otherwise_is_no_step_of_it() -> None:
    x, w = Tensor(np.ones(3), name="x"), parameter(3, name="w")
    y = x * w
    x = np.sin(x) + y
    for _ in range(100):
        y = x * w
        x = np.sin(y) + y
    (group,), _ = by_itself(named(x.sum(), "cost"))
    assert group.summary.endswith(" × 100")
    assert 300 <= len(group.members) <= 302


def test_x_is_no_parameter_even_where_it_begins_as_data() -> None:
    X, h = Tensor(np.ones((3, 3)), name="X"), Tensor(np.ones((3, 3)), name="h")
    for _ in range(100):
        h = tanh(parameter(3, 3) @ X + h)
    (group,), _ = by_itself(named(h.sum(), "cost"))
    assert group.summary == "matmul → add → tanh × 100"


def test_outputs_on_the_way_stay_nodes() -> None:
    x = Tensor(np.ones(3), name="x")
    weights = [parameter(3) for _ in range(300)]
    values = [x := tanh(x * w) for w in weights]
    for at in (0, 1, 150, 298):
        outputs = [values[at], values[-1].sum(), weights[5]]
        groups, _ = by_itself(*outputs)
        assert not any(hidden(t, groups) for t in outputs)
    made = wild(700)
    for at in (200, 350, 500):
        assert not hidden(made[at], by_itself(made[-1], made[at])[0])
    leaves: Any = [parameter(1) for _ in range(300)]
    assert not hidden(leaves[7], by_itself(np.concatenate(leaves), leaves[7])[0])  # type: ignore[arg-type]


def test_leaves_are_folded_by_those_who_read_them() -> None:
    many: Any = [[parameter(1) for _ in range(n)] for n in (300, 200)]
    one, other = (np.concatenate(leaves) for leaves in many)
    groups, _ = by_itself(named(one.sum() + other.sum(), "cost"))
    assert [g.title for g in groups] == ["300 parameters", "200 parameters"]


def test_where_leaves_are_all_there_is_too_much_of_ops_stay_as_they_are() -> None:
    x = np.concatenate([Tensor(np.ones(1)) for _ in range(300)])  # type: ignore[arg-type]
    for _ in range(10):
        x = tanh(x * 2.0)
    (group,), _ = by_itself(x.sum())
    assert group.title == "300 inputs"


def test_parameters_with_a_scope_each_do_not_stay_about() -> None:
    x = Tensor(np.ones(3), name="x")
    for k in range(300):
        with scope(f"weight {k}"):
            w = parameter(3)
        x = tanh(x * w)
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert sum(g.parameters for g in groups) == 900


def test_as_many_levels_stay_open_as_can_be_read() -> None:
    x = Tensor(np.ones(3), name="x")
    for block in range(3):
        with scope(f"block {block}"):
            for layer in range(8):
                with scope(f"layer {layer}"):
                    for k in range(9):
                        x = x * float(block + layer + k + 1) if k != layer else tanh(x)
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert {g.home for g in groups} == {("block 0",), ("block 1",), ("block 2",)}
    assert len(groups) == 24


def test_a_scope_that_holds_nearly_all_is_opened_and_so_is_one_in_it() -> None:
    x = parameter(3, name="x")
    with scope("main"):
        x = x - 1.0
        with scope("inner"):
            x = np.sin(x)
            for _ in range(300):
                x = tanh(x * parameter(3))
            x = x - 2.0
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert [(g.home, g.summary) for g in groups] == [(("main", "inner"), "multiply → tanh × 300")]


def test_large_scopes_beside_each_other_stay_folded() -> None:
    groups, told = by_itself(named(three_wild_scopes().sum(), "cost"))
    assert [g.title for g in groups] == ["part 0", "part 1", "part 2"]
    assert "folded: part 0, part 1 and part 2; " in told


def test_a_scope_entered_often_is_one_box() -> None:
    x = parameter(3, name="x")
    for _ in range(300):
        with scope("step"):
            x = tanh(x * 2.0)
    (group,), told = by_itself(named(x.sum(), "cost"))
    assert (group.title, group.summary, group.formula) == (
        "300 × step",
        "multiply → tanh × 300",
        "",
    )
    assert "folded: 300 × step; " in told


def test_a_loop_between_what_has_no_order_is_kept() -> None:
    x = wild(600)[-1]
    for _ in range(100):
        x = tanh(sigmoid(x - parameter(3)))
    groups, told = by_itself(wild(600, x)[-1].sum())
    assert "subtract → sigmoid → tanh × 100" in [g.summary for g in groups]
    assert "folded: 100 equal steps subtract → sigmoid → tanh and " in told
    assert told.endswith(" stretches of ops; fold=False draws them all")


def test_many_small_loops_become_stretches() -> None:
    x = Tensor(np.ones(3), name="x")
    for kind in np.random.default_rng(0).integers(0, 3, size=60):
        for _ in range(12):
            x = (tanh, sigmoid, np.sin)[kind](x * 2.0)
    groups, _ = by_itself(named(x.sum(), "cost"))
    assert len(groups) > 5


def test_a_loop_in_a_loop_is_one_step_of_the_outer() -> None:
    x = Tensor(np.ones(3), name="x")
    for _ in range(50):
        for _ in range(5):
            x = np.sin(x * parameter(3))
        x = tanh(x)
    (group,), _ = by_itself(named(x.sum(), "cost"))
    assert group.summary == "50 × (5 sin, tanh, 5 multiply)"


def test_equal_steps_in_scopes_of_two_kinds_are_found() -> None:
    x = Tensor(np.ones((3, 3)), name="x")
    for _ in range(60):
        with scope("attention"):
            x = x @ parameter(3, 3) + x
        with scope("units"):
            x = linear(x)
    (group,), _ = by_itself(named(x.sum(), "cost"))
    assert group.title == "attention … units"
    assert group.summary == "matmul → add → LINEAR → RELU × 60"


def test_a_recurrent_network_is_found() -> None:
    X, h = Tensor(np.ones((3, 300)), name="X"), Tensor(np.zeros((3, 1)), name="h0")
    Wh, Wx, c = parameter(3, 3), parameter(3, 3), parameter(3, 1)
    for t in range(300):
        h = tanh(Wh @ h + Wx @ X[:, t : t + 1] + c)
    (group,), _ = by_itself(named(h.sum(), "cost"))
    assert group.summary == "300 × (2 matmul, tanh, 2 add, getitem)"


def test_what_stands_side_by_side_is_not_said_to_be_a_chain() -> None:
    w = parameter(3, name="w")
    losses = [(w * Tensor(np.ones(3)) - 1.0).sum() for _ in range(300)]
    (group,), _ = by_itself(named(np.stack(losses).sum(), "cost"))  # type: ignore[arg-type]
    assert group.summary == "300 side by side: multiply → subtract → sum"


def test_many_different_scopes_become_stretches_with_the_names_of_their_ends() -> None:
    rng = np.random.default_rng(0)
    x = Tensor(np.ones(3), name="x")
    for k in range(200):
        with scope(f"part {k}"):
            x = x * float(rng.normal())
            for f in rng.permutation([exp, tanh, sigmoid, relu, np.sin]):
                x = f(x)
    groups, told = by_itself(named(x.sum(), "cost"))
    assert groups[0].title.startswith("part 0 … part ")
    assert groups[-1].title.endswith("… part 199")
    assert f", part 10 … part 19 and {len(groups) - 2} more; " in told
    assert sum(len(group.members) for group in groups) == 1200


@pytest.mark.parametrize(
    "make",
    [
        sum_of_many,
        *(lambda what=what: many_into_one(what) for what in ("parameters", "inputs", "arrays")),
        read_twice,
        lambda: tangle(1200),
        lambda: tangle(1200) + tangle(20),
        tangled_parameters,
        lambda: steps(1100),
    ],
)
def test_large_graphs_of_every_form_become_readable(make: Callable[[], Tensor]) -> None:
    by_itself(make())


def test_chance_is_no_repetition() -> None:
    groups, _ = by_itself(tangle(1200))
    assert min(len(group.members) for group in groups) > 20
    x = Tensor(np.ones(3), name="x")
    for k in "abcacbabcbacabcacbac":  # nothing stands twice in a row
        x = {"a": np.sin, "b": tanh, "c": sigmoid}[k](x)
    assert all("×" not in group.summary for group in by_itself(x.sum(), limit=18)[0])


def test_many_outputs_and_leaves_alone() -> None:
    w = parameter(3, name="w")
    by_itself(*(relu(w * float(k)) for k in range(1000)))
    (group,), told = by_itself(*(parameter(2) for _ in range(LEAVES)))
    assert (group.title, group.parameters) == ("1,100 parameters", 2 * LEAVES)
    assert told == "1,100 nodes drawn as 1, folded: 1,100 leaves; fold=False draws them all"


def test_inputs_into_one_op_are_called_by_their_ends() -> None:
    (group,), _ = by_itself(many_into_one("inputs").sum())
    assert (group.title, group.summary) == ("1,100 inputs", "x0 … x1099")


def test_a_backward_pass_folds_without_circles() -> None:
    cost = network(12, 20, 7, 5, 1)
    both = with_backward(graph_of(cost), {})
    for how in ({"folded": True}, {"folded": "layer 2"}, {"limit": 20}):
        assert checked(both.graph, both.homes, **how)[0]


def test_time_grows_with_the_graph() -> None:
    def seconds(make: Callable[[int], Tensor], n: int) -> float:
        graph = graph_of(make(n))
        homes = homes_of(graph)
        taken = []
        gc.disable()  # its work grows with all that this process holds
        try:
            for _ in range(3):
                start = time.process_time()
                fold(graph, homes)
                taken.append(time.process_time() - start)
        finally:
            gc.enable()
        return min(taken)

    for make in (steps, loop, tangle):
        assert seconds(make, 800) < 12 * seconds(make, 200)  # four times as many nodes


def test_s297_a_picture_of_both_passes_folds_where_both_are_too_many() -> None:
    cost = loop(40)
    assert "folded" not in viz.draw(cost).source
    assert "folded" in viz.draw(cost, backward=True).source
    assert "folded" not in viz.draw(cost, backward=True, fold=False).source


def test_elements_of_an_array_are_data_of_a_step() -> None:
    measured = np.random.default_rng(6).normal(size=60)

    def box(numbers: Any) -> Group:
        x = parameter(3, name="x")
        for z in numbers:
            x = tanh(x * z + 0.5)
        return by_itself(named(x.sum(), "cost"))[0][0]

    assert box(measured).each.startswith("60 × h")
    assert box(measured).title == "ops 2 … 181"
    # Numbers of the program are of the step, unless that is all in which steps differ.
    assert box(measured.tolist()).each.startswith("60 × h")
    assert box(measured.tolist()).title == "ops 2 … 181, numbers differ"


def test_a_constant_that_only_rules_in_folded_boxes_read_has_no_box() -> None:
    x = parameter(6, 6, name="x")
    for k, name in enumerate("ab", 1):
        with scope(name):
            x = named(np.linalg.cholesky(x**k @ x.T + np.eye(6)), f"L{k}")
    drawn = seen(named(x.sum(), "y"), backward=True, fold=True)
    ends = {end for tail, head, _ in drawn.arrows for end in (tail, head)}
    assert set(drawn.nodes) == ends


def test_a_step_says_first_what_tells_it_from_another_and_a_layer_is_one_in_either_spelling() -> (
    None
):
    W, b = parameter(3, 3, name="W"), parameter(3, name="b")
    x = parameter(2, 3, name="x")
    for _ in range(60):
        x = (x + 0.1 * tanh(np.dot(x, W) + b) * x[0]) * 0.5 + np.absolute(x) * 0.25
    (group,), _ = by_itself(named(x.sum(), "cost"))
    assert group.summary.startswith("60 × (LINEAR, TANH, absolute, ")


def number(x: float) -> Tensor:
    return Tensor(float(x), requires_grad=True)


def layer(values: Sequence[Any], units: int, inside: bool) -> list[Tensor]:
    """Neurons of single numbers; each with its tanh at once, or all of these at the end."""
    sums = []
    for _ in range(units):
        s = sum((number(0.1) * x for x in values), number(0.2))
        sums.append(tanh(s) if inside else s)
    return sums if inside else [tanh(s) for s in sums]


@pytest.mark.parametrize("inside", [True, False])
def test_neurons_of_single_numbers_are_layers(inside: bool) -> None:
    values: list[Any] = [Tensor(0.5), Tensor(-1.0)]
    for units in (6, 5, 1):
        values = layer(values, units, inside)
    told = [group.summary for group in by_itself((values[0] - 1.0) ** 2)[0] if group.summary]
    sizes = [(6, 2), (5, 6)]
    if inside:
        layers = [f"{n} side by side: tanh, {k} multiply, {k} add" for n, k in sizes]
    else:
        sums = [(f"{n} side by side: {k} multiply, {k} add", n) for n, k in sizes]
        layers = [text for made, n in sums for text in (made, f"{n} side by side: tanh")]
    assert told[:-1] == layers
    assert told[-1].startswith("multiply → add × ")


def test_examples_are_side_by_side_and_the_sum_of_their_losses_is_a_loop() -> None:
    w, b = number(0.5), number(0.1)
    losses = [(tanh(w * x + b) - y) ** 2 for x, y in np.random.default_rng(0).normal(size=(60, 2))]
    groups, _ = by_itself(sum(losses) / 60)
    assert [g.summary for g in groups if g.summary] == [
        "60 side by side: multiply → add → tanh → subtract → power",
        "add × 59",
    ]


def test_layers_of_one_width_are_not_one() -> None:
    values: list[Any] = [Tensor(float(k)) for k in range(5)]
    for _ in range(3):
        values = layer(values, 5, True)
    told = [group.summary for group in by_itself(sum(values))[0] if group.summary]
    assert told[:3] == ["5 side by side: tanh, 5 multiply, 5 add"] * 3


def test_what_differs_in_numbers_alone_is_said_to() -> None:
    w, loss = number(0.5), number(0.0)
    for x in np.random.default_rng(0).normal(size=60).tolist():
        loss = loss + (w * x - 1.0) ** 2
    (group,), told = by_itself(loss)
    assert group.title.endswith(", numbers differ")
    assert "59 similar steps" in told
