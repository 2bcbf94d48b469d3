"""The engine that applies rows: what it keeps, what it shares, and that it comes to an end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Op, Tensor, network, op, scope
from tinygrad_dnn.check.rules import cases_of, sampled
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.passes import backward_again, forward_again
from tinygrad_dnn.replay import replay
from tinygrad_dnn.rewrite import PAPER, PROGRAM, Rewritten, Row, explain, rewrite
from tinygrad_dnn.tensor import record

TABLES = {"PROGRAM": PROGRAM, "PAPER": PAPER}


def graph_of(*results: Tensor) -> Graph:
    return trace([t.node for t in results])


def made(*results: Tensor, rows: Sequence[Row] = PROGRAM, **settings: Any) -> Rewritten:
    return rewrite(graph_of(*results), rows, **settings)


def ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph if n.op]


def names(done: Rewritten) -> list[str]:
    return [step.row.name for step in done.steps]


def value(node: Node) -> Any:
    return replay([node])[node]


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


# --- the same numbers -----------------------------------------------------------------------------


def both_passes(cost: Tensor) -> tuple[Graph, list[Leaf], list[Any]]:
    """A graph of cost and gradients, the constants in it, and the values of its outputs."""
    forward = forward_again(graph_of(cost))
    slopes = backward_again(forward).gradients
    outputs = [forward.graph.outputs[0], *(g.node for g in slopes.values())]
    graph = trace(outputs)
    given = set(forward.graph)
    values = replay(outputs)
    return graph, [n for n in graph.leaves if n not in given], [values[n] for n in outputs]


def agrees(cost: Tensor, rows: Sequence[Row], rtol: float = 1e-10) -> Rewritten:
    graph, seeds, expected = both_passes(cost)
    done = rewrite(graph, rows, constants=seeds)
    found = replay(done.graph.outputs)
    for node, old, wanted in zip(done.graph.outputs, graph.outputs, expected, strict=True):
        assert (node.shape, node.dtype) == (old.shape, old.dtype)
        np.testing.assert_allclose(found[node], wanted, rtol=rtol, atol=rtol / 100)
    ends = {"identity"}  # names of outputs
    assert set(names(rewrite(done.graph, rows, constants=seeds))) <= ends, "not at an end"
    return done


def applied(declared: Op, arrays: Sequence[Any], **meta: Any) -> Tensor:
    tensors = [
        Tensor(a, a.dtype.kind == "f" and declared.rule(i) is not None, f"in{i}")
        for i, a in enumerate(arrays)
    ]
    return record(declared, tensors, declared.defaults | meta)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_keeps_its_value_and_gradients(name: str, table: str) -> None:
    declared = REGISTRY[name]
    for case in cases_of(declared):
        z = applied(declared, sampled(declared, case), **case.meta)
        weights = np.cos(np.arange(z.size)).reshape(z.shape)
        if z.requires_grad:
            narrow = "dtype" in case.meta
            agrees((z * weights).sum(), TABLES[table], 1e-5 if narrow else 1e-10)
        else:
            (node,) = made(z, rows=TABLES[table]).graph.outputs
            np.testing.assert_array_equal(value(node), z.data)


UNARY: list[Callable[..., Any]] = [
    np.sin, np.tanh, tg.sigmoid, tg.softplus, np.negative, np.square, lambda x: x.T.T, tg.relu,
    lambda x: np.log(tg.sigmoid(x)), lambda x: np.log(1 - tg.sigmoid(x)), lambda x: x / 3,
    lambda x: 0.5 * x, lambda x: -2 * x, lambda x: np.log(tg.softmax(x, axis=0)),
    lambda x: x.sum(axis=0, keepdims=True) + x, lambda x: x - x.mean(), lambda x: x * 1 + 0,
]  # fmt: skip
BINARY: list[Callable[..., Any]] = [
    np.add, np.subtract, np.multiply, lambda x, y: x / (y * y + 1), lambda x, y: x @ y.T @ x,
    lambda x, y: (x / (1 + y * y)) * (1 + y * y), lambda x, y: x * y - y * y, np.maximum,
]  # fmt: skip


def grown(seed: int, dtype: Any = np.float64) -> Tensor:
    """The sum of a random expression of about twelve ops."""
    rng = np.random.default_rng(seed)
    pool = [
        Tensor(rng.uniform(-1, 1, (2, 3)).astype(dtype), requires_grad=True, name=n) for n in "uvw"
    ]
    for _ in range(12):
        one, other = (pool[i] for i in rng.integers(len(pool), size=2))
        if rng.random() < 0.5:
            z = UNARY[rng.integers(len(UNARY))](one)
        else:
            z = BINARY[rng.integers(len(BINARY))](one, other)
        pool.append(np.tanh(z) if np.max(np.abs(z.data)) > 4 else z)
    return sum((z.sum() for z in pool[-3:]), start=pool[0].sum())


@pytest.mark.parametrize("table", TABLES)
def test_random_expressions_keep_their_values_and_gradients(table: str) -> None:
    fired = set[str]()
    for seed in range(60):
        fired |= set(names(agrees(grown(seed), TABLES[table], 1e-8)))
    assert len(fired) > 30


def test_float32_stays_float32() -> None:
    for seed in range(10):
        agrees(grown(seed, np.float32), PROGRAM, 2e-3)


def test_a_rewritten_graph_is_no_larger() -> None:
    for seed in range(20):
        graph, seeds, _ = both_passes(grown(seed))
        assert len(rewrite(graph, constants=seeds).graph) <= len(graph)


# --- the document's identity ----------------------------------------------------------------------


def logistic_regression() -> tuple[Tensor, Tensor]:
    """Z and the document's cost of A = σ(Z)."""
    rng = np.random.default_rng(3)
    Z = Tensor(rng.normal(size=(1, 6)), requires_grad=True, name="Z")
    A = tg.sigmoid(Z)
    A.name = "A"
    Y = Tensor(rng.integers(0, 2, (1, 6)).astype(float), name="Y")
    return Z, network.cross_entropy(A, Y)


def dZ_of(rows: Sequence[Row]) -> tuple[Node, list[str]]:
    _, cost = logistic_regression()
    graph, seeds, _ = both_passes(cost)
    dZ = next(n for n in graph if n.name == "dZ")
    done = rewrite(trace([dZ]), rows, constants=seeds)
    (out,) = done.graph.outputs
    np.testing.assert_allclose(value(out), value(dZ), rtol=1e-12)
    return out, names(done)


def mentions(term: Any, words: set[str]) -> bool:
    inputs = getattr(term, "inputs", ())
    named = getattr(term, "op", None) is not None and term.op.name in words
    return named or any(mentions(x, words) for x in inputs)


@pytest.mark.parametrize("table", TABLES)
def test_cross_entropy_through_a_sigmoid_is_A_minus_Y_by_elementary_rows_alone(table: str) -> None:
    """No row that names a sigmoid, a logarithm or an exponential is there to decree it."""
    whole = {"sigmoid", "log", "exp", "softplus", "log_sigmoid", "softmax", "logsumexp"}
    elementary = [r for r in TABLES[table] if not mentions(r.left, whole)]
    assert len(elementary) < len(TABLES[table])
    out, fired = dZ_of(elementary)
    sixth, difference = out.inputs  # 1/6 (A − Y)
    assert out.op is tg.multiply
    assert sixth == pytest.approx(1 / 6)
    assert difference.op is tg.subtract
    assert [n.name for n in difference.inputs] == ["A", "Y"]
    assert fired[-5:] == [
        "factor into the numerator",
        "number out of a product",
        "divisor of a first term",
        "products with complements",
        "common part of a difference",
    ]
    assert "divisor of a second term" in fired


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_labels_may_be_whole_numbers(dtype: Any) -> None:
    Z = Tensor(np.array([[0.5, -1.0]]), requires_grad=True, name="Z")
    Y = Tensor(np.array([[1, 0]], dtype), name="Y")
    graph, seeds, values = both_passes(network.cross_entropy(tg.sigmoid(Z), Y))
    done = rewrite(graph, constants=seeds)
    assert "common part of a difference" in names(done)
    found = replay(done.graph.outputs)
    for node, wanted in zip(done.graph.outputs, values, strict=True):
        assert node.dtype == wanted.dtype
        np.testing.assert_allclose(found[node], wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "needed",
    ["divisor of a first term", "products with complements", "common part of a difference"],
)
def test_without_one_of_them_it_does_not_come_out(needed: str) -> None:
    out, fired = dZ_of([r for r in PROGRAM if r.name != needed])
    assert needed not in fired
    assert len([n for n in trace([out]) if n.op]) > 4


def test_what_saturates_stays_finite() -> None:
    Z = Tensor(np.array([[800.0, -800.0, 40.0, -3.0]]), requires_grad=True, name="Z")
    Y = Tensor(np.array([[1.0, 0.0, 0.0, 1.0]]), name="Y")
    with np.errstate(all="ignore"):
        cost = network.cross_entropy(tg.sigmoid(Z), Y)
        assert not np.isfinite(cost.item())
        graph, seeds, _ = both_passes(cost)
        dZ = next(n for n in graph if n.name == "dZ")
        done = rewrite(trace([graph.outputs[0], dZ]), constants=seeds)
        found = replay(done.graph.outputs)
    stable = network.logistic_cost(Z, Y)
    cost_again, dZ_again = (found[n] for n in done.graph.outputs)
    np.testing.assert_allclose(cost_again, stable.item(), rtol=1e-15)
    np.testing.assert_allclose(dZ_again, tg.gradients(stable, Z), rtol=1e-12, atol=1e-17)


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
    y = np.negative(-(x * 1 + 0)) / 2
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
    assert explain(done).splitlines()[0].endswith("log(Σ exp(x))  →  log Σ exp(x)")


def test_constants_and_shared_expressions_are_counted(x: Tensor) -> None:
    seed = Tensor(np.float64(1.0))
    y = (seed / 4) * np.sin(x) + np.sin(x)
    told = explain(graph_of(y), constants=[seed.node])
    assert told == "in all: 7 nodes became 4; computed ahead 1, the same as another 1"
    assert explain(Rewritten(Graph([], ()), {}, [])) == ""
