"""The network as an expression: names, shapes, initial values, both costs, the update."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, textbook, value_and_grad
from tinygrad_dnn.graph import trace
from tinygrad_dnn.network import (
    BINARY_COSTS,
    INITIALISERS,
    check_layers,
    cost_of,
    cross_entropy,
    forward,
    initialize_parameters,
    logistic_cost,
)
from tinygrad_dnn.optim import check_learning_rate, gradient_descent

DIMS = (4, 3, 2, 1)


@pytest.fixture
def X() -> Any:
    return np.random.default_rng(0).normal(size=(4, 6))


@pytest.fixture
def Y() -> Any:
    return np.array([[0, 1, 1, 0, 1, 0]])


# --- initial values -------------------------------------------------------------------------------


def test_parameters_have_the_documents_names_and_shapes() -> None:
    parameters = initialize_parameters(DIMS)
    assert {name: p.shape for name, p in parameters.items()} == {
        "W1": (3, 4), "b1": (3, 1), "W2": (2, 3), "b2": (2, 1), "W3": (1, 2), "b3": (1, 1),
    }  # fmt: skip
    assert not any(parameters[f"b{l}"].any() for l in (1, 2, 3))


def gram_schmidt(W: Any) -> Any:
    """The rows of a wide W made orthonormal, one after the other."""
    rows: list[Any] = []
    for w in W:
        for q in rows:
            w = w - (q @ w) * q
        rows.append(w / np.sqrt(w @ w))
    return np.array(rows)


def test_each_initialiser_scales_the_documents_stream() -> None:
    unscaled = textbook.initialize_parameters_deep(DIMS, scale=1, seed=5)
    for l, n_prev in enumerate(DIMS[:-1], start=1):
        W = unscaled[f"W{l}"]
        scaled = {
            "sqrt": W / np.sqrt(n_prev),
            "he": W * np.sqrt(2 / n_prev),
            "glorot": W * np.sqrt(2 / (n_prev + DIMS[l])),
            "orthogonal": gram_schmidt(W),
            "0.01": W * 0.01,
        }
        assert scaled.keys() == INITIALISERS.keys()
        for init, expected in scaled.items():
            got = initialize_parameters(DIMS, init, seed=5)[f"W{l}"]
            np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_the_default_is_the_documents_printed_run() -> None:
    ours = initialize_parameters(DIMS)
    theirs = textbook.initialize_parameters_deep(DIMS, scale="sqrt", seed=1)
    for name, p in theirs.items():
        np.testing.assert_array_equal(ours[name], p)


def test_float32_parameters_are_the_rounded_ones() -> None:
    wide, narrow = initialize_parameters(DIMS), initialize_parameters(DIMS, dtype="float32")
    for name, p in narrow.items():
        assert p.dtype == np.float32
        np.testing.assert_array_equal(p, wide[name].astype(np.float32))


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        ((), r"expected n_x, \.\.\., 1, at least two sizes, got \(\)"),
        ((1,), r"at least two sizes, got \(1,\)"),
        ((4, 0, 1), "expected positive integers, got 0 for layer 1"),
        ((-4, 1), "expected positive integers, got -4 for layer 0"),
        ((4, 2.0, 1), r"expected positive integers, got 2\.0 for layer 1"),
        ((4, True, 1), "expected positive integers, got True for layer 1"),
        ((4, "3", 1), "expected positive integers, got '3' for layer 1"),
        ((4, 3, 2), "expected 1 unit in the last layer .*, got 2"),
    ],
)
def test_unusable_layers_are_refused(dims: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_layers(dims)
    with pytest.raises(ValueError, match=words):
        initialize_parameters(dims)


def test_numpys_integers_are_layer_sizes() -> None:
    sizes = check_layers(np.array([4, 3, 1]))
    assert sizes == (4, 3, 1)
    assert all(type(n) is int for n in sizes)


def test_other_unusable_settings_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"init: expected one of sqrt, he, glorot, orthogonal, 0\.01, got 'xavier'"
    ):
        initialize_parameters(DIMS, "xavier")
    with pytest.raises(ValueError, match="dtype: expected a float type, got int64"):
        initialize_parameters(DIMS, dtype="int64")
    with pytest.raises(ValueError, match=r"between 0 and 2\*\*32 - 1"):
        initialize_parameters(DIMS, seed=-1)


# --- the expression -------------------------------------------------------------------------------


def test_forward_is_bit_for_bit_the_hand_written(X: Any) -> None:
    parameters = initialize_parameters(DIMS)
    ZL, AL = forward(X, parameters)
    expected, caches = textbook.L_model_forward(X, dict(parameters))
    np.testing.assert_array_equal(AL.data, expected)
    np.testing.assert_array_equal(ZL.data, caches[-1][1])


@pytest.mark.parametrize("cost", BINARY_COSTS)
def test_values_bear_the_documents_names_in_scopes(cost: str, X: Any, Y: Any) -> None:
    leaves = {
        k: Tensor(p, requires_grad=True, name=k) for k, p in initialize_parameters(DIMS).items()
    }
    result = cost_of(X, Y, leaves, cost)
    assert result.name == "cost"
    assert result.shape == ()
    graph = trace([result.node])
    named = {n.name: n for n in graph if n.name}
    values = {f"{k}{l}" for k in "ZA" for l in (1, 2, 3)} - ({"A3"} if cost == "stable" else set())
    assert named.keys() == {"X", "cost", *leaves, *values}
    for name in values:
        assert named[name].scope == (f"layer {name[1]}",)
        assert named[name].shape == (DIMS[int(name[1])], 6)
    assert named["cost"].scope == ()


def test_a_named_tensor_keeps_its_name_as_input(X: Any) -> None:
    _, AL = forward(Tensor(X, name="pixels"), initialize_parameters(DIMS))
    assert "pixels" in {n.name for n in trace([AL.node])}


def test_ill_fitting_parameters_are_refused_by_name(X: Any) -> None:
    p = initialize_parameters(DIMS)
    without = {k: v for k, v in p.items() if k != "b2"}
    for wrong, words in [
        ({}, r"expected parameters W1, b1, got \[\]"),
        (without, r"expected parameters W1, b1, W2, b2, got \['W1', 'b1', 'W2', 'W3', 'b3'\]"),
        (p | {"W9": p["W1"]}, "expected parameters W1, .*, W3, b3, got .*'W9'"),
        (p | {"b2": np.zeros(2)}, r"expected W2 \(n, 3\) and b2 \(n, 1\) after W1, .* and \(2,\)"),
        (p | {"W1": np.ones((3, 5))}, r"expected W1 \(n, 4\) .* after X \(4, 6\), got \(3, 5\)"),
        (p | {"W3": np.ones((1, 3))}, r"expected W3 \(n, 2\) .* after W2, got \(1, 3\)"),
        (p | {"W1": np.ones(4)}, r"expected W1 \(n, 4\) .*, got \(4,\)"),
    ]:
        with pytest.raises(ValueError, match=words):
            forward(X, wrong)
    with pytest.raises(ValueError, match=r"expected X \(n_x, m\), examples in columns, got \(4,\)"):
        forward(X[:, 0], p)


# --- costs ----------------------------------------------------------------------------------------


def test_both_costs_are_the_documents(X: Any, Y: Any) -> None:
    ZL, AL = forward(X, initialize_parameters(DIMS))
    expected = textbook.compute_cost(AL.data, Y)
    np.testing.assert_allclose(cross_entropy(AL, Y).data, expected, rtol=1e-15)
    np.testing.assert_allclose(logistic_cost(ZL, Y).data, expected, rtol=1e-14)


@pytest.mark.parametrize("cost", BINARY_COSTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_float_types_stay_through_cost_and_gradients(cost: str, dtype: str, X: Any, Y: Any) -> None:
    X, Y = X.astype(dtype), Y.astype(dtype)
    value, slopes = value_and_grad(lambda p: cost_of(X, Y, p, cost))(
        initialize_parameters(DIMS, dtype=dtype)
    )
    assert value.dtype == dtype
    assert {g.dtype for g in slopes.values()} == {np.dtype(dtype)}


def test_the_stable_cost_is_finite_for_every_finite_Z() -> None:
    Z = np.array([[-1e308, -800.0, -1.0, 0.0, 1.0, 800.0, 1e308]])
    for label in (0, 1):
        Y = np.full(Z.shape, label)
        for z, y in zip(Z[0], Y[0], strict=True):
            cost = logistic_cost(Tensor([[z]]), np.array([[y]])).item()
            wrong = z if label == 0 else -z
            exact = wrong if wrong > 700 else 0.0 if wrong < -700 else np.log1p(np.exp(wrong))
            np.testing.assert_allclose(cost, exact, rtol=1e-15)


def test_the_stable_gradient_is_right_where_the_documents_is_nan() -> None:
    Z, Y = np.array([[-800.0, -50.0, 0.0, 50.0, 800.0]]), np.array([[1, 0, 1, 1, 0]])
    t = Tensor(Z, requires_grad=True)
    logistic_cost(t, Y).backward()
    assert isinstance(t.grad, np.ndarray)
    np.testing.assert_allclose(5 * t.grad, [[-1, np.exp(-50), -0.5, -np.exp(-50), 1]], atol=1e-16)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_documents_cost_breaks_as_written() -> None:
    for AL, Y, broken in ((1.0, 1, np.isnan), (0.0, 1, np.isinf), (0.0, 0, np.isnan)):
        assert broken(cross_entropy(Tensor([[AL]]), np.array([[Y]])).item())


@pytest.mark.parametrize("loss", [cross_entropy, logistic_cost])
def test_a_rank_mistake_between_prediction_and_labels_is_refused(loss: Any) -> None:
    predicted = Tensor(np.full((1, 4), 0.5))
    for labels in (np.zeros(4), np.zeros((4, 1)), np.zeros((1, 3)), Tensor(np.zeros(4))):
        with pytest.raises(ValueError, match=r"of one shape \(1, m\), got \(1, 4\) and "):
            loss(predicted, labels)
    with pytest.raises(ValueError, match=r"reshape the labels with Y\.reshape\(1, -1\)"):
        loss(Tensor(np.full(4, 0.5)), np.zeros(4))
    with pytest.raises(ValueError, match=r"of one shape \(1, m\), got \(2, 4\) and \(2, 4\)"):
        loss(Tensor(np.full((2, 4), 0.5)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"of one shape \(1, m\), got \(1,\) and \(1,\)"):
        loss(Tensor([0.5]), np.zeros(1))
    with pytest.raises(ValueError, match="at least one example, got none"):
        loss(Tensor(np.zeros((1, 0))), np.zeros((1, 0)))


def test_an_unknown_cost_is_refused(X: Any, Y: Any) -> None:
    with pytest.raises(
        ValueError, match=r"cost: expected one of document, stable, softmax, .*, huber, got 'hinge'"
    ):
        cost_of(X, Y, initialize_parameters(DIMS), "hinge")


# --- the update -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradient_descent_is_the_documents_update(dtype: str) -> None:
    rng = np.random.default_rng(1)
    parameters = {k: rng.normal(size=(2, 3)).astype(dtype) for k in ("W1", "b1")}
    slopes = {k: rng.normal(size=(2, 3)).astype(dtype) for k in ("W1", "b1")}
    before = {k: p.copy() for k, p in parameters.items()}
    slopes_before = {k: g.copy() for k, g in slopes.items()}
    expected = {k: p - 0.3 * slopes[k] for k, p in parameters.items()}
    updated = gradient_descent(parameters, slopes, 0.3)
    for name, p in updated.items():
        assert p.dtype == dtype
        np.testing.assert_array_equal(p, expected[name])
        np.testing.assert_array_equal(parameters[name], before[name])
        np.testing.assert_array_equal(slopes[name], slopes_before[name])


def test_a_gradient_that_does_not_fit_is_refused_by_name() -> None:
    p = {"W1": np.zeros((3, 1))}
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(3, 1\) for W1, got none"):
        gradient_descent(p, {}, 0.1)
    with pytest.raises(ValueError, match=r"of shape \(3, 1\) for W1, got \(3, 4\)"):
        gradient_descent(p, {"W1": np.zeros((3, 4))}, 0.1)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf")])
def test_unusable_learning_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="learning rate: expected a finite number above 0, got"):
        check_learning_rate(rate)


def test_a_learning_rate_becomes_a_python_number() -> None:
    """A NumPy scalar would turn float32 parameters into float64."""
    assert type(check_learning_rate(np.float64(0.5))) is float
