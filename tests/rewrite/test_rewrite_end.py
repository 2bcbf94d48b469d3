"""Rewriting comes to an end, in linear time, with numbers on the smallest array."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from rewriting import (
    TABLES,
    graph_of,
    made,
    names,
    ops,
    value,
)

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.graph import Graph
from tinygrad_dnn.rewrite import Row, explain, rewrite


@pytest.fixture
def x() -> Tensor:
    return Tensor(np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -6.0]]), requires_grad=True, name="x")


# --- numbers on the smallest array ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "smallest"),
    [(((30, 2), (2, 40)), 0), (((40, 2), (2, 30)), 1), (((3, 50), (50, 2)), None)],
)
@pytest.mark.parametrize("at", range(3))
def test_a_number_goes_to_the_smallest_array_from_wherever_it_is(
    shapes: Any, smallest: int | None, at: int
) -> None:
    x, y = (Tensor(np.ones(s)) for s in shapes)
    z = ((3.0 * x) @ y, x @ (3.0 * y), 3.0 * (x @ y))[at]
    (out,) = made(z).graph.outputs
    product = out if smallest is not None else out.inputs[1]
    assert product.op is tg.matmul
    held = out if smallest is None else product.inputs[smallest]
    assert held.op is tg.multiply
    assert held.inputs[0] == 3.0
    np.testing.assert_allclose(value(out), z.data)


# --- to an end, in linear time --------------------------------------------------------------------


def chain(n: int) -> Graph:
    z = Tensor(np.ones(3), requires_grad=True, name="x")
    for k in range(n):
        options = (
            tg.sin(z) * 1 + 0,
            np.negative(-(z * 2.0)),
            z.reshape(1, 3).reshape(3),
            (z + z) - z,
        )
        z = options[k % 4]
    return graph_of(z)


def test_a_deep_graph_takes_no_recursion() -> None:
    graph = chain(4_000)
    assert len(graph) > 10_000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(320)  # the stack of pytest itself, and the rows that rows call
    try:
        done = rewrite(graph)
    finally:
        sys.setrecursionlimit(limit)
    assert len(done.steps) > 5_000
    assert len(explain(done).splitlines()) == len(done.steps) + 1


def test_time_grows_with_the_graph_and_no_faster() -> None:
    small, large = chain(600), chain(2_400)

    def seconds(graph: Graph) -> float:
        best = np.inf
        for _ in range(3):
            start = perf_counter()
            rewrite(graph)
            best = min(best, perf_counter() - start)
        return best

    assert seconds(large) < 4 * 2.5 * seconds(small)


def test_rows_that_undo_each_other_are_named() -> None:
    to_and_fro = [
        Row("left to right", lambda x, y: (x - y, x + -y)),
        Row("right to left", lambda x, y: (x + -y, x - y)),
    ]
    x, y = Tensor(np.ones(2)), Tensor(np.ones(2))
    with pytest.raises(RuntimeError, match=r"left to right.*right to left"):
        made(x - y, rows=to_and_fro)


def test_rows_that_call_each_other_deeply_take_more_passes() -> None:
    """A sign that goes up through 200 products, each of which waits for the one below."""
    down = [Row("sum of products", lambda x, y, a: ((x + y) * a, x * a + y * a))]
    a = Tensor(np.full(2, 0.5), name="a")
    z = Tensor(np.ones(2), name="z")
    for _ in range(60):
        z = z + a
    done = made(z * a, rows=down)
    assert len(done.steps) == 60
    np.testing.assert_allclose(value(done.graph.outputs[0]), (z * a).data)


def test_after_so_many_steps_the_rest_stays(x: Tensor) -> None:
    y = np.negative(-(x * 1 - 0)) / 2
    every = made(y)
    assert len(every.steps) > 3
    for k in range(len(every.steps) + 1):
        part = made(y, limit=k)
        assert names(part) == names(every)[:k]
        np.testing.assert_allclose(value(part.graph.outputs[0]), y.data)


def test_zero_times_what_is_known_to_be_finite(x: Tensor) -> None:
    y = x * 0
    assert ops(made(y).graph) == ["multiply"]  # 0 · ∞ is NaN
    done = made(y, finite=[x.node])
    np.testing.assert_array_equal(value(done.graph.outputs[0]), np.zeros((2, 3)))
    assert names(done) == ["times zero"]
    zero = Tensor(np.float64(0.0))
    assert ops(made(zero * np.ones(3), constants=[zero.node]).graph) == ["multiply"]
    whole = Tensor(np.array([1, 2]))
    assert names(made(-whole * 0)) == ["times zero"]


@pytest.mark.parametrize("table", TABLES)
def test_numbers_may_stand_where_arrays_do(table: str) -> None:
    """Constants without a shape under every op that asks for one."""
    two = Tensor(np.float64(2.0))
    for y in (
        tg.broadcast_to(two, ()), tg.broadcast_to(two * 3, (2, 2)), tg.reshape(two, ()),
        tg.reshape(two, (1, 1)).T, np.sum(tg.reshape(two, (1,)), axis=0), two.sum(), two.T.T,
        tg.broadcast_to(two, (2, 3)).sum(), tg.broadcast_to(two, (2, 3)) @ np.ones((3, 1)),
        tg.where(two > 1, two * 3, 0), (two - 1) / two * two, np.log(np.exp(two).sum()),
    ):  # fmt: skip
        (z,) = made(y, rows=TABLES[table], constants=[two.node]).graph.outputs
        assert (z.shape, z.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(value(z), y.data)


def test_what_is_no_graph_is_refused(x: Tensor) -> None:
    with pytest.raises(TypeError, match=r"explain: expected a Graph .* got Tensor"):
        explain(x)
