"""What is rewritten has the same values: of every op, of random graphs, of the document's cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from rewriting import (
    TABLES,
    agrees,
    applied,
    both_passes,
    logistic_regression,
    made,
    names,
    value,
)

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Tensor, network
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.graph import Node, trace
from tinygrad_dnn.rewrite import PROGRAM, Row, rewrite

# --- the same numbers -----------------------------------------------------------------------------


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
