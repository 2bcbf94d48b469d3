"""Jacobians, Hessians and gradients example by example: one sweep for all, or a loop."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor, debug, grad, jacobian, no_grad, per_example_gradients
from tinygrad_dnn.autodiff import batching
from tinygrad_dnn.autodiff.pytree import flatten

rng = np.random.default_rng(7)
X, Y = rng.normal(size=(3, 6)), (rng.uniform(size=(1, 6)) > 0.5).astype(float)
PARAMS = {
    "W1": rng.normal(size=(4, 3)),
    "b1": rng.normal(size=(4, 1)),
    "W2": rng.normal(size=(1, 4)),
}
IDS = rng.integers(-3, 3, size=6)


def close(found: Any, expected: Any) -> None:
    a, b = flatten(found)[0], flatten(expected)[0]
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, 1e-12, 1e-14)


def cost(p: Any, X: Any, Y: Any) -> Any:
    """A network of two layers, its cross-entropy, and weight decay."""
    A1 = td.tanh(p["W1"] @ X + p["b1"])
    Z2 = p["W2"] @ A1
    fit = -(Y * td.log_sigmoid(Z2) + (1 - Y) * td.log_sigmoid(-Z2)).sum() / Y.shape[1]
    return fit + 0.01 * (p["W1"] ** 2).sum()


def softmaxes(p: Any, X: Any, Y: Any) -> Any:
    Z = p["W1"] @ td.relu(X) + p["b1"]
    return (td.logsumexp(Z, axis=0) - Z[1] * Y[0]).mean() + td.softmax(Z, axis=0).var() * Z.max()


def embedded(p: Any, X: Any, ids: Any) -> Any:
    """Rows that positions pick, and what they pick of a row."""
    rows = p["W1"][ids]
    return (rows @ X).sum() + np.take(p["b1"][:, 0], ids).sum() ** 2


def written(p: Any, X: Any, Y: Any) -> Any:
    """Writes into an example, and into a buffer that has a gradient."""
    X[0] = X[1] * 2
    out = Tensor(np.zeros((4, 1)))
    out[1:3] = p["W2"].T[:2] * X[:2]
    return ((p["W1"] @ X) * out).sum() + Y.sum()


def reshaped(p: Any, X: Any, Y: Any) -> Any:
    z = np.concatenate([X, p["b1"], X * 2], axis=0).reshape(2, -1).T
    z = np.stack([z, np.flip(z)], axis=-1)[:, 1:, ::2]
    return (
        np.einsum("ijk,ijk->", z, z) + (np.pad(z, 1) ** 3).sum() + np.cumsum(X.T @ p["W1"].T).sum()
    )


SMOOTH = [(cost, Y), (softmaxes, Y), (embedded, IDS), (written, Y), (reshaped, Y)]


@pytest.mark.parametrize(("f", "second"), SMOOTH, ids=[f.__name__ for f, _ in SMOOTH])
def test_s128_gradients_example_by_example_are_those_of_the_loop(f: Any, second: Any) -> None:
    calls = []

    def counted(p: Any, x: Any, y: Any) -> Any:
        calls.append(type(x))
        return f(p, x, y)

    before = X.copy(), second.copy()
    expected = [grad(f)(PARAMS, X[:, i : i + 1].copy(), second[..., i : i + 1]) for i in range(6)]
    found = per_example_gradients(counted, PARAMS, X, second)
    assert calls == [Tensor, Tensor]  # and not once for each example
    each = {k: np.stack([g[k] for g in expected]) for k in PARAMS}
    close(found, each)
    close(per_example_gradients(f, PARAMS, X.copy(), second, chunk_size=1), each)
    for size in (2, 4, 100):
        close(per_example_gradients(f, PARAMS, X, second, chunk_size=size), each)
    np.testing.assert_array_equal(X, before[0])
    rows = per_example_gradients(lambda p, x, y: f(p, x.T, y.T), PARAMS, X.T, second.T, axis=0)
    close(rows, each)


def reads(p: Any, x: Any) -> Any:
    return (p * x).sum() if x.sum() > 0 else (p * p * x).sum()


def takes_the_number(p: Any, x: Any) -> Any:
    return (p * x[0, 0].item()).sum()


def copies_it_out(p: Any, x: Any) -> Any:
    out = np.zeros(2)
    out[:] = np.asarray(x)[:, 0]
    return (p * out).sum()


def writes_it_into_a_leaf(p: Any, x: Any) -> Any:
    out = Tensor(np.zeros((2, 1)))
    out[...] = x
    return (p * out[:, 0]).sum()


def computes_it_unrecorded(p: Any, x: Any) -> Any:
    with no_grad():
        scale = np.exp(x if isinstance(x, Tensor) else Tensor(x))
    return (p * scale[:, 0]).sum()


def makes_a_tensor_of_it(p: Any, x: Any) -> Any:
    return (p * Tensor(x)[:, 0]).sum()


def detaches_it(p: Any, x: Any) -> Any:
    return (p * (x.detach() if isinstance(x, Tensor) else x)[:, 0]).sum()


def calls_what_takes_no_tensor(p: Any, x: Any) -> Any:
    return (p * x[:, 0]).sum() * x.__array_interface__["shape"][1]


def wants_an_array(p: Any, x: Any) -> Any:
    assert isinstance(x, np.ndarray)
    return (p * x[:, 0]).sum()


LOOPED = [
    reads, takes_the_number, copies_it_out, writes_it_into_a_leaf, computes_it_unrecorded,
    makes_a_tensor_of_it, detaches_it, calls_what_takes_no_tensor, wants_an_array,
]  # fmt: skip


@pytest.mark.parametrize("f", LOOPED)
def test_a_value_that_leaves_the_graph_is_each_examples_own(f: Any) -> None:
    calls = []

    def counted(p: Any, x: Any) -> Any:
        calls.append(1)
        return f(p, x)

    p, x = np.array([1.0, 2.0]), rng.normal(size=(2, 5))
    x[:, 0] = [0.5, 1.0]
    x[:, 1], x[:, 2] = x[:, 0], -x[:, 0]  # the first two say nothing of the third
    expected = np.stack([grad(f)(p, x[:, i : i + 1]) for i in range(5)])
    close(per_example_gradients(counted, p, x), expected)
    assert len(calls) in (5, 6)  # once in vain where it does not take a Tensor
    Z = Tensor(x, requires_grad=True)
    if f is reads:
        found = per_example_gradients(f, p, Z)
        looped = per_example_gradients(f, p, Z, chunk_size=1)
        ours, theirs = (td.gradients((g * g).sum(), Z) for g in (found, looped))
        close(ours, theirs)


def test_random_numbers_are_each_examples_own() -> None:
    def dropped(p: Any, x: Any) -> Any:
        return (p * generator.uniform(size=2) * x[:, 0]).sum()

    x = np.ones((2, 5))
    generator = np.random.default_rng(0)
    found = per_example_gradients(dropped, np.ones(2), x)
    generator = np.random.default_rng(0)
    close(found, generator.uniform(size=(5, 2)))  # and in their order


def test_a_count_is_each_examples_own() -> None:
    calls = []

    def f(p: Any, x: Any) -> Any:
        calls.append(1)
        return (p * x).sum() ** len(calls)

    close(per_example_gradients(f, np.ones(1), np.ones((1, 4))), np.array([[1.0], [2], [3], [4]]))
    calls.clear()

    def g(p: Any, x: Any) -> Any:
        calls.append(1)
        return (p * x[:, len(calls) % 2 : 1]).sum() + p.sum()  # another op's settings

    close(per_example_gradients(g, np.ones(1), np.ones((1, 4))), np.array([[1.0], [2], [1], [2]]))
    calls.clear()

    def h(p: Any, x: Any) -> Any:
        calls.append(1)
        return (np.sin if len(calls) % 2 else np.cos)(p * x).sum()  # another op

    expected = [[np.cos(1)], [-np.sin(1)]] * 2
    close(per_example_gradients(h, np.ones(1), np.ones((1, 4))), np.array(expected))


def test_a_gradient_that_no_example_changes() -> None:
    found = per_example_gradients(lambda p, x: (p * 2).sum() + (x * x).sum(), np.ones(2), X)
    close(found, np.full((6, 2), 2.0))
    found[0] = 7  # nobody else's
    assert found[1, 0] == 2.0
    found = per_example_gradients(lambda w, x: (w @ x).sum(), np.ones(3), X)
    found[...] = 0
    assert X.any()


def test_results_are_nobody_elses() -> None:
    rows, w = X.T.copy(), np.ones(3)
    found = per_example_gradients(lambda w, x: (x @ w).sum(), w, rows, axis=0)
    found[...] = 0
    assert rows.all()
    p = {"a": w[:, None], "b": w[:, None]}
    both = per_example_gradients(lambda p, x: ((p["a"] + p["b"]) * x).sum(), p, X)
    both["a"][...] = 0
    close(both["b"], X.T[:, :, None])


def test_values_are_let_go_on_the_way() -> None:
    def f(x: Any) -> Any:
        for _ in range(20):
            x = np.tanh(x)
        return x

    x = np.ones(400)
    value = 400 * 400 * 8
    jacobian(f)(x)
    tracemalloc.start()
    jacobian(f)(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * value  # of 40 such


def test_within_debug_a_jacobian_names_what_is_not_finite() -> None:
    errors = np.errstate(divide="ignore", invalid="ignore")
    with debug(), errors, pytest.raises(td.NonFiniteError, match="sqrt"):
        jacobian(np.sqrt)(np.zeros(4))


def test_a_batch_that_requires_a_gradient_has_one() -> None:
    Z = Tensor(X, requires_grad=True)
    found = per_example_gradients(lambda w, x: td.tanh(w @ x).sum(), np.ones(3), Z)
    looped = per_example_gradients(lambda w, x: td.tanh(w @ x).sum(), np.ones(3), Z, chunk_size=1)
    ours, theirs = (td.gradients((g**2).sum(), Z) for g in (found, looped))
    np.testing.assert_allclose(ours, theirs, 1e-12)


def test_what_lies_outside_has_its_gradient() -> None:
    V = Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    Z = Tensor(X, requires_grad=True)

    def f(p: Any, x: Any) -> Any:
        return td.tanh(p["W1"] @ x * (V @ x)).sum()

    for batch in (X, Z):
        found = per_example_gradients(f, {"W1": PARAMS["W1"]}, batch)["W1"]
        looped = per_example_gradients(f, {"W1": PARAMS["W1"]}, batch, chunk_size=1)["W1"]
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(found.data, looped.data, 1e-12)
        wanted = [V, Z] if batch is Z else [V]
        ours, theirs = (td.gradients((g**2).sum(), wanted) for g in (found, looped))
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, 1e-11, 1e-13)

    def squares(size: int | None) -> Any:
        def of(W: Any) -> Any:
            each = per_example_gradients(lambda W, x: td.tanh(W @ x).sum(), W, X, chunk_size=size)
            return (each**2).sum()

        return grad(of)(PARAMS["W1"])

    np.testing.assert_allclose(squares(None), squares(1), 1e-12)


def test_modes_and_compiled_programs() -> None:
    each = per_example_gradients(cost, PARAMS, X, Y)
    with no_grad():
        close(per_example_gradients(cost, PARAMS, X, Y), each)
    with debug():
        close(per_example_gradients(cost, PARAMS, X, Y), each)
    with debug(), np.errstate(divide="ignore"), pytest.raises(td.NonFiniteError):
        per_example_gradients(lambda p, x: np.log(p * x).sum(), np.zeros(1), X)
    program = td.compile(lambda p, X, Y: per_example_gradients(cost, p, X, Y))
    close(program(PARAMS, X, Y), each)
    more = rng.normal(size=X.shape)
    close(program(PARAMS, more, Y), per_example_gradients(cost, PARAMS, more, Y))
    J = td.compile(jacobian(lambda x: td.tanh(PARAMS["W1"] @ x)))
    close(J(X[:, 0]), jacobian(lambda x: td.tanh(PARAMS["W1"] @ x))(X[:, 0]))


def test_a_warning_for_an_example_is_given() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        per_example_gradients(lambda p, x: (p / x).sum(), np.ones(1), np.array([[1.0, 0.0, 1.0]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        per_example_gradients(lambda p, x: (p / x).sum(), np.ones(1), np.array([[1.0, 2.0, 1.0]]))
        jacobian(lambda x: 1 / x)(np.ones(4))


def test_ops_without_a_trait_go_one_after_the_other() -> None:
    smooth = td.custom_vjp(np.tanh, lambda g, z: g * (1 - z * z))

    @td.op("twice({x})", vjp=lambda g: 2 * g)
    def twice_of_mine(x, /):  # type: ignore[no-untyped-def]
        return 2 * x

    try:

        def f(p: Any, x: Any) -> Any:
            return (twice_of_mine(smooth(p["W1"] @ x)) ** 2).sum()

        expected = [grad(f)({"W1": PARAMS["W1"]}, X[:, i : i + 1])["W1"] for i in range(6)]
        close(per_example_gradients(f, {"W1": PARAMS["W1"]}, X)["W1"], np.stack(expected))

        def g(x: Any) -> Any:
            return twice_of_mine(smooth(PARAMS["W1"] @ x))

        close(jacobian(g)(X[:, 0]), jacobian(g, chunk_size=1)(X[:, 0]))
    finally:
        del td.REGISTRY["twice_of_mine"]


def test_a_rule_that_reads_what_is_saved_elsewhere_has_its_own_for_each_example() -> None:
    saved = {}

    def forward(z: Any) -> Any:
        saved["z"] = z
        return np.tanh(z)

    smooth = td.custom_vjp(forward, lambda g: g / np.cosh(saved["z"]) ** 2)
    found = per_example_gradients(lambda p, x: smooth(p * x[:, 0]).sum(), X[:, 0], X)
    close(found, np.stack([x / np.cosh(X[:, 0] * x) ** 2 for x in X.T]))


FUNCTIONS: list[Callable[..., Any]] = [
    lambda x: td.tanh(PARAMS["W1"] @ x),
    lambda x: x,
    lambda x: np.stack([x[0] * x[1], x.sum(), 2 * x[2], (x * x).mean(), x[1]]),
    lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1)), x**2),
    lambda x: np.where(x > 0, np.sqrt(x), 0.0),  # what is left out is 0 · NaN
    lambda x: np.outer(x, x)[::2],
    lambda x: td.softmax(x) * td.logsumexp(x),
    lambda x: np.max(np.outer(x, x), axis=0),
    lambda x: Tensor(np.ones(4)),
    lambda x: Tensor(np.ones(4)) * x.sum() ** 0,
    lambda x: np.floor(x) + np.cumsum(x),
    lambda x: (x**3).astype(np.float32),
    lambda x: np.prod(np.tile(x, (4, 1)), axis=1) * np.arange(4.0),
]


CONSTANT = 8  # whose Jacobian depends on nothing, and is no Tensor


@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
def test_s129_a_jacobian_by_one_sweep_is_that_of_many(k: int) -> None:
    f = FUNCTIONS[k]
    x = np.array([0.7, -1.2, 0.4])
    with np.errstate(invalid="ignore", divide="ignore"):
        looped = jacobian(f, chunk_size=1)(x)
        for size in (None, 2, 3):
            close(jacobian(f, chunk_size=size)(x), looped)

        def h(x: Any) -> Any:
            return (f(x) ** 2).sum()

        close(td.hessian(h)(x), td.hessian(h, chunk_size=1)(x))
        if k != CONSTANT:
            second = jacobian(jacobian(f))(x)
            close(second, jacobian(jacobian(f, chunk_size=1), chunk_size=1)(x))
        found = jacobian(f)(x)
    found[...] = 0  # nobody else's
    assert x[0] == 0.7


def test_a_jacobian_takes_as_many_rows_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    f, x = FUNCTIONS[0], X[:, 0]
    looped = jacobian(f, chunk_size=1)(x)
    rows = []
    whole = batching.carried

    def counting(steps: Any, results: Any, given: Any, n: int, record: bool) -> Any:
        rows.append(n)
        return whole(steps, results, given, n, record)

    monkeypatch.setattr(batching, "carried", counting)
    for largest, expected in ((2**22, [4]), (12, [3, 1]), (1, [1, 1, 1, 1])):
        monkeypatch.setattr(batching, "LARGEST", largest)
        rows.clear()
        close(jacobian(f)(x), looped)
        assert rows == expected
    rows.clear()
    jacobian(f, chunk_size=2)(x)
    assert rows == [2, 2]
    rows.clear()
    jacobian(f, chunk_size=1)(x)
    jacobian(lambda x: x[:2] * 2)(x)
    assert not rows


@pytest.mark.parametrize("make", [jacobian, td.hessian])
def test_a_part_has_at_least_one_row(make: Any) -> None:
    with pytest.raises(ValueError, match="chunk_size: expected at least 1, got 0"):
        make(np.sin, chunk_size=0)
    with pytest.raises(ValueError, match="chunk_size: expected at least 1, got 0"):
        per_example_gradients(cost, PARAMS, X, Y, chunk_size=0)


def test_kinds_of_floats_stay() -> None:
    x = X[:, 0].astype(np.float32)
    assert jacobian(lambda x: td.tanh(PARAMS["W1"].astype(np.float32) @ x))(x).dtype == np.float32
    p = {k: v.astype(np.float32) for k, v in PARAMS.items()}
    found = per_example_gradients(cost, p, X, Y)
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}
