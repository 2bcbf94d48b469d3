"""The course's second part by hand: every gradient against the engine's, every update too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, gradients, network, optim, textbook
from tinygrad_dnn import textbook_part2 as tb
from tinygrad_dnn.autodiff.tensor import handle
from tinygrad_dnn.graph import trace

M = 7


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def problem(rng: np.random.Generator, outputs: int) -> tuple[Any, Any, dict[str, Any]]:
    """X (5, M), Y and parameters of a network without dead layers."""
    parameters = tb.initialize_parameters_he([5, 6, 4, outputs], seed=2)
    for name in ("b1", "b2", "b3"):
        parameters[name] += 0.1 * rng.normal(size=parameters[name].shape)
    labels = rng.integers(0, max(outputs, 2), (1, M))
    Y = labels if outputs == 1 else tb.convert_to_one_hot(labels, outputs)
    return rng.normal(size=(5, M)), Y, parameters


def engines(
    X: Any, Y: Any, parameters: Any, cost: str, l2: float = 0.0, masks: Any = None
) -> tuple[float, dict[str, Any]]:
    """The engine's cost, and its gradients by the document's names: dA and dZ times m."""
    leaves = {k: Tensor(p, requires_grad=True, name=k) for k, p in parameters.items()}
    value = network.cost_of(X, Y, leaves, cost, l2=l2, masks=masks)
    # The A that the textbook differentiates by is what the relu gave, before units are dropped.
    nodes = {n.name: n for n in trace([value.node]) if n.name}
    L = len(parameters) // 2
    found = {}
    for l in range(1, L + 1):
        found[f"dZ{l}"] = nodes[f"Z{l}"]
        if l < L:
            A = nodes[f"A{l}"]
            found[f"dA{l}"] = A if masks is None else A.inputs[0]
    slopes = gradients(value, [handle(n) for n in found.values()] + [*leaves.values()])
    result = {name: M * g for name, g in zip(found, slopes, strict=False)}
    result |= dict(zip([f"d{k}" for k in leaves], slopes[len(found) :], strict=True))
    return value.item(), result


def same(by_hand: dict[str, Any], engine: dict[str, Any]) -> None:
    assert by_hand.keys() == engine.keys()
    for name, g in engine.items():
        assert np.abs(g).max() > 0, name
        np.testing.assert_allclose(by_hand[name], g, rtol=1e-11, atol=1e-14, err_msg=name)


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", network.BINARY_COSTS)
def test_the_plain_backward_pass_is_the_engines(rng: Any, cost: str) -> None:
    X, Y, p = problem(rng, 1)
    AL, cache = tb.forward_propagation(X, p)
    value, engine = engines(X, Y, p, cost)
    assert float(tb.compute_cost(AL, Y)) == pytest.approx(value, rel=1e-14)
    same(tb.backward_propagation(X, Y, cache, p), engine)
    first, caches = textbook.L_model_forward(X, p)
    np.testing.assert_array_equal(AL, first)
    grads = textbook.L_model_backward(first, Y, caches)
    for name in ("dW1", "db2", "dW3"):
        np.testing.assert_allclose(engine[name], grads[name], rtol=1e-11)


def test_l2_is_the_engines(rng: Any) -> None:
    X, Y, p = problem(rng, 1)
    AL, cache = tb.forward_propagation(X, p)
    value, engine = engines(X, Y, p, "document", l2=0.7)
    by_hand = tb.compute_cost_with_regularization(AL, Y, p, 0.7)
    assert by_hand.shape == ()
    assert float(by_hand) == pytest.approx(value, rel=1e-14)
    assert value - float(tb.compute_cost(AL, Y)) > 0.1
    same(tb.backward_propagation_with_regularization(X, Y, cache, p, 0.7), engine)


@pytest.mark.parametrize("keep_prob", [0.5, 0.8, 1.0])
def test_dropout_is_the_engines(rng: Any, keep_prob: float) -> None:
    X, Y, p = problem(rng, 1)
    AL, cache = tb.forward_propagation_with_dropout(X, p, keep_prob, seed=4)
    masks = {name: cache[name] / keep_prob for name in ("D1", "D2")}
    value, engine = engines(X, Y, p, "document", masks=masks)
    assert float(tb.compute_cost(AL, Y)) == pytest.approx(value, rel=1e-13)
    same(tb.backward_propagation_with_dropout(X, Y, cache, p, keep_prob), engine)
    random = np.random.RandomState(4)
    np.testing.assert_array_equal(cache["D1"], random.rand(6, M) < keep_prob)
    np.testing.assert_array_equal(cache["D2"], random.rand(4, M) < keep_prob)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_softmax_is_the_engines(rng: Any, l2: float) -> None:
    X, Y, p = problem(rng, 3)
    AL, cache = tb.forward_propagation_softmax(X, p)
    np.testing.assert_allclose(AL.sum(axis=0), 1)
    np.testing.assert_allclose(network.forward(X, p, head="softmax")[1].data, AL, rtol=1e-12)
    value, engine = engines(X, Y, p, "softmax", l2=l2)
    by_hand = float(tb.compute_cost_softmax(AL, Y))
    squares = sum(np.sum(p[f"W{l}"] ** 2) for l in (1, 2, 3))
    assert by_hand + l2 / (2 * M) * squares == pytest.approx(value, rel=1e-13)
    same(tb.backward_propagation_softmax(X, Y, cache, p, l2), engine)


def test_the_softmax_of_large_numbers_is_finite() -> None:
    A, _ = tb.softmax(np.array([[1000.0, -1000.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(A, [[1, 0], [0, 1]])
    assert tb.compute_cost_softmax(A, np.array([[1, 0], [0, 1]])) == 0


def test_the_gradient_check_finds_what_is_wrong(rng: Any) -> None:
    X, Y, p = problem(rng, 1)
    _, cache = tb.forward_propagation(X, p)
    grads = tb.backward_propagation(X, Y, cache, p)
    assert tb.gradient_check_n(p, grads, X, Y) < 1e-7
    wrong = grads | {
        "dW2": grads["dW2"] * 2,
        "db1": 4.0 / M * np.sum(grads["dZ1"], 1, keepdims=True),
    }
    assert tb.gradient_check_n(p, wrong, X, Y) > 1e-3


def test_vectors_are_the_parameters_in_order(rng: Any) -> None:
    p = problem(rng, 1)[2]
    theta = tb.dictionary_to_vector(p)
    assert theta.shape == (sum(x.size for x in p.values()), 1)
    back = tb.vector_to_dictionary(theta, p)
    assert all(np.array_equal(back[name], p[name]) for name in p)


# --- initial values and updates -------------------------------------------------------------------


def test_he_is_the_networks() -> None:
    ours = network.initialize_parameters([5, 4, 1], "he", seed=6)
    theirs = tb.initialize_parameters_he([5, 4, 1], seed=6)
    for name, p in theirs.items():
        np.testing.assert_allclose(ours[name], p, rtol=1e-15)


def test_updates_are_the_optimisers(rng: Any) -> None:
    start = problem(rng, 1)[2]
    rules = {
        "gd": optim.sgd(),
        "momentum": optim.momentum(0.9, dampening=0.9),
        "adam": optim.adam(),
    }
    by_hand = {name: dict(start) for name in rules}
    ours: dict[str, Any] = {name: dict(start) for name in rules}
    states = {name: rule.init(start) for name, rule in rules.items()}
    v = tb.initialize_velocity(start)
    adam_v, adam_s = tb.initialize_adam(start)
    for t in range(1, 51):
        g = {name: rng.normal(size=p.shape) for name, p in start.items()}
        grads = {f"d{name}": x for name, x in g.items()}
        tb.update_parameters_with_gd(by_hand["gd"], grads, 0.1)
        tb.update_parameters_with_momentum(by_hand["momentum"], grads, v, 0.9, 0.1)
        tb.update_parameters_with_adam(by_hand["adam"], grads, adam_v, adam_s, t, 0.1)
        for name, rule in rules.items():
            ours[name], states[name] = rule.update(ours[name], g, states[name], 0.1)
            for k, p in ours[name].items():
                np.testing.assert_allclose(p, by_hand[name][k], rtol=1e-10, atol=1e-12)


def test_mini_batches_hold_every_example_once(rng: Any) -> None:
    X = rng.normal(size=(3, 150))
    Y = np.arange(150).reshape(1, 150)
    found = tb.random_mini_batches(X, Y, 64, seed=0)
    assert [x.shape for x, _ in found] == [(3, 64), (3, 64), (3, 22)]
    assert sorted(np.concatenate([y for _, y in found], axis=1)[0]) == [*range(150)]
    for x, y in found:
        np.testing.assert_array_equal(x, X[:, y[0]])


@pytest.mark.parametrize(("optimizer", "rate"), [("gd", 0.1), ("momentum", 0.1), ("adam", 0.01)])
def test_the_model_learns(optimizer: str, rate: float, rng: Any, capsys: Any) -> None:
    X = rng.normal(size=(2, 200))
    Y = (X[:1] * X[1:] > 0).astype(int)
    p = tb.model(X, Y, [2, 16, 1], optimizer, rate, num_epochs=100, print_cost=True)
    AL, _ = tb.forward_propagation(X, p)
    assert np.mean((AL > 0.5) == Y) > 0.9
    assert capsys.readouterr().out.startswith("Cost after epoch 100: 0.")


# --- the module itself ----------------------------------------------------------------------------


def test_it_stands_on_numpy_and_the_first_part() -> None:
    tree = ast.parse(Path(tb.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {m for m in modules if m and m.startswith("tinygrad")} == {"tinygrad_dnn.textbook"}
    assert all(getattr(tb, name).__doc__ for name in tb.__all__)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: tb.forward_propagation_with_dropout(np.ones((1, 1)), {}, 0), "keep_prob above 0"),
        (lambda: tb.convert_to_one_hot(np.array([[3]]), 3), "labels from 0 to 2, got 3 to 3"),
        (lambda: tb.compute_cost_softmax(np.ones((2, 3)), np.ones(3)), r"\(C, m\), got \(2, 3\)"),
        (lambda: tb.random_mini_batches(np.ones((1, 3)), np.ones((1, 3)), 0), "1 or more, got 0"),
        (lambda: tb.update_parameters_with_adam({}, {}, {}, {}, 0), "expected t from 1 on, got 0"),
        (lambda: tb.model(np.ones((1, 1)), np.ones((1, 1)), [1, 1], "sgd"), "got 'sgd'"),
    ],
)
def test_unusable_arguments_are_refused(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()


def test_labels_of_another_shape_are_refused(rng: Any) -> None:
    X, Y, p = problem(rng, 1)
    _, cache = tb.forward_propagation(X, p)
    with pytest.raises(ValueError, match=r"expected Y \(1, 7\) as AL, got \(7,\)"):
        tb.backward_propagation(X, Y[0], cache, p)
