"""The engine that applies rows: what it keeps, what it shares, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rewriting import (
    TABLES,
    agrees,
    graph_of,
    logistic_regression,
    made,
    ops,
    value,
)

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Tensor, op, scope
from tinygrad_dnn.graph import Graph
from tinygrad_dnn.rewrite import Rewritten, explain, rewrite


@pytest.fixture
def x() -> Tensor:
    return Tensor(np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -6.0]]), requires_grad=True, name="x")


# --- what is kept ---------------------------------------------------------------------------------


def test_outputs_leaves_names_scopes_and_slopes_are_kept(x: Tensor) -> None:
    y = Tensor(np.ones(3), name="y")
    with scope("one"):
        a = x * 1 + y
    a.name = "a"
    b = np.negative(-a)
    b.name = "b"
    old = graph_of(b, a, x)
    before = [(n, n.inputs, n.name, n.saved) for n in old]
    done = rewrite(old)
    assert [(n, n.inputs, n.name, n.saved) for n in old] == before
    again_b, again_a, leaf = done.graph.outputs
    assert leaf is x.node
    assert done.graph.leaves == [x.node, y.node]
    assert (again_a.name, again_a.scope, again_a.requires_grad) == ("a", ("one",), True)
    assert (again_b.name, again_b.op and again_b.op.name) == ("b", "identity")
    assert again_b.inputs == (again_a,)  # a name of its own stays visible
    assert ops(done.graph) == ["add", "identity"]
    assert done.new[a.node] is again_a
    np.testing.assert_array_equal(value(again_b), b.data)


def test_every_node_has_what_stands_for_it_or_a_constant(x: Tensor) -> None:
    seed = Tensor(np.float64(1.0))
    scaled = seed / 4
    y = scaled * x
    done = made(y, constants=[seed.node])
    assert set(done.new) == set(graph_of(y))
    assert done.new[scaled.node] == np.float64(0.25)
    assert done.new[seed.node] == np.float64(1.0)
    (z,) = done.graph.outputs
    assert z.inputs == (np.float64(0.25), x.node)


def test_an_output_that_became_a_constant_is_a_node_still() -> None:
    seed = Tensor(np.float64(2.0))
    done = made(seed * 3, constants=[seed.node])
    (z,) = done.graph.outputs
    assert (z.shape, z.dtype) == ((), np.float64)
    assert value(z) == 6.0


def test_a_leaf_is_no_constant_unless_one_says_so(x: Tensor) -> None:
    one = Tensor(np.float64(1.0), name="one")
    assert ops(made(x * one).graph) == ["multiply"]
    assert ops(made(x * one, constants=[one.node]).graph) == []


def test_an_array_that_its_owner_may_write_to_is_no_constant(x: Tensor) -> None:
    ones = np.ones(3)
    assert ops(made(x * ones).graph) == ["multiply"]
    assert ops(made(x * np.broadcast_to(ones, (2, 3))).graph) == ["multiply"]  # a locked view
    ones.setflags(write=False)
    assert ops(made(x * ones).graph) == []
    assert ops(made(x * np.broadcast_to(ones, (2, 3))).graph) == []


@pytest.mark.parametrize(
    "expression",
    [
        lambda x: x[0] * np.float64(1.0),  # float32 becomes float64
        lambda x: x[0] + np.zeros(3),
        lambda x: x[:1] * locked(np.ones((2, 1))),  # (1, 3) becomes (2, 3)
        lambda x: x[0, 0] * locked(np.ones(3)),
        lambda x: x + locked(np.zeros((4, 2, 3))),
        lambda x: x / np.float64(1.0),
    ],
)
def test_what_would_change_a_shape_or_a_dtype_stays(expression: Callable[..., Tensor]) -> None:
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = expression(x)
    (z,) = made(y).graph.outputs
    assert (z.shape, z.dtype) == (y.shape, y.dtype)
    np.testing.assert_array_equal(value(z), y.data)
    assert z.op in (y.op, tg.multiply)


def locked(x: Any) -> Any:
    x.setflags(write=False)
    return x


def test_whole_numbers_and_truth_values_are_not_taken_for_real_ones() -> None:
    i = Tensor(np.array([200, 100], np.uint8))
    t = Tensor(np.array([True, False]))
    for y in (t + t, (i - 1) - (3 - 1), i * 2 * 2, (i + 0) * 0.5, t * 1, i - i * 1):
        for rows in TABLES.values():
            (z,) = made(y, rows=rows).graph.outputs
            assert z.dtype == y.dtype
            np.testing.assert_array_equal(value(z), y.data)


# --- what is shared -------------------------------------------------------------------------------


def test_equal_expressions_become_one_and_what_nothing_leads_to_goes(x: Tensor) -> None:
    y = tg.sin(x + 2.0) * tg.sin(2.0 + x)
    done = made(y)
    assert ops(done.graph) == ["add", "sin", "multiply"]
    unused = tg.cos(x)
    assert tg.cos not in [n.op for n in made(y).graph]
    assert unused.node not in made(y).new


@pytest.mark.parametrize(
    "two",
    [
        lambda x: (x + 1, x + 1.0),  # of another type
        lambda x: (x + 1.0, x + np.float32(1.0)),
        lambda x: (x * 0.0, x * -0.0),
        lambda x: (x.sum(axis=0), x.sum(axis=1)),
        lambda x: (x.sum(axis=0), x.sum(axis=0, keepdims=True)),
        lambda x: (x - 1.5, 1.5 - x),
        lambda x: (x[0], x[1]),
        lambda x: (x[np.array([0, 1])], x[np.array([1, 0])]),
        lambda x: (x[True], x[1]),
        lambda x: (x + np.array([1.0]), x + np.array([1.0])),  # arrays of two owners
        lambda x: (x, tg.stop_gradient(x)),
        lambda x: (x.astype("float32"), x.astype("float16")),
    ],
)
def test_what_is_not_the_same_is_not_shared(two: Callable[..., Any], x: Tensor) -> None:
    a, b = two(x)
    one, other = made(a, b).graph.outputs
    assert one is not other
    for z, t in ((one, a), (other, b)):
        assert (z.shape, z.dtype) == (t.shape, t.dtype)
        np.testing.assert_array_equal(value(z), t.data)


def test_the_same_array_and_equal_positions_are_shared(x: Tensor) -> None:
    array = np.array([1.0, 2.0, 3.0])
    for two in (
        (x + array, x + array),
        (x[np.array([1])], x[np.array([1])]),
        (x[0, 1:], x[0, 1:]),
        (tg.stop_gradient(x), tg.stop_gradient(x)),
        (x.sum(axis=0), np.sum(x, 0)),
    ):
        one, other = made(*two).graph.outputs
        assert one is other


def test_what_others_declared_is_neither_shared_nor_computed_ahead(x: Tensor) -> None:
    rng = np.random.default_rng(0)
    noisy = tg.custom_vjp(lambda a: a + rng.normal(size=a.shape), lambda g, z, a: g)
    done = made(noisy(x) + noisy(x))
    assert len(ops(done.graph)) == 3

    @op("twice({x})", vjp=lambda g: 2 * g)
    def doubled(x, /):
        return 2 * x

    try:
        seed = Tensor(np.float64(1.0))
        done = made(doubled(seed) + doubled(seed), constants=[seed.node])
        assert ops(done.graph).count("doubled") == 2
    finally:
        del REGISTRY["doubled"]


# --- what was done --------------------------------------------------------------------------------


def test_the_steps_can_be_read() -> None:
    Z, cost = logistic_regression()
    text = explain(graph_of(cost))
    *told, last = text.splitlines()
    lines = dict(line.split("  ", 1) for line in told)
    assert last.startswith(f"in all: {len(graph_of(cost))} nodes became ")
    assert lines["log of a sigmoid"].strip() == "log(σ(Z))  →  −softplus(−Z)"
    assert "log(1 − σ(Z))  →  −softplus(Z)" in text
    assert explain(made(cost)) == text
    assert explain(graph_of(Z)) == ""


def test_a_setting_is_shown(x: Tensor) -> None:
    done = made(np.log(np.sum(np.exp(x), axis=0)))
    assert explain(done).splitlines()[0].endswith("log(Σ₍ᵢ₎ exp(x))  →  log Σ₍ᵢ₎ exp(x)")


def test_constants_and_shared_expressions_are_counted(x: Tensor) -> None:
    seed = Tensor(np.float64(1.0))
    y = (seed / 4) * np.sin(x) + np.sin(x)
    told = explain(graph_of(y), constants=[seed.node])
    assert told == "in all: 7 nodes became 4; computed ahead 1, the same as another 1"
    assert explain(Rewritten(Graph([], ()), {}, [])) == ""


@pytest.mark.parametrize("one", [np.int64(1), 1, (np.int64(1),), [0, 1], np.array([0, 1])])
def test_settings_of_different_kinds_are_compared(one: Any) -> None:
    s = Tensor(np.arange(1.0, 4.0), requires_grad=True, name="s")
    pairs = (np.array([0, 2, 2]),), np.array([0, 2]), slice(0, 2), np.int64(2), 1
    for other in pairs:  # a step with numbers of NumPy as positions, and one with arrays
        h = tg.tanh(s)
        cost = h[one].sum() + h[other].sum()
        agrees(cost, TABLES["PAPER"])
