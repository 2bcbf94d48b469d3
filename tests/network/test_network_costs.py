"""Costs and their heads against scalar loops: values, gradients, extremes, weights, refusals."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, check_gradients, compile, network, sigmoid, value_and_grad
from tinygrad_dnn.network import (
    ACTIVATIONS,
    COSTS,
    HEADS,
    absolute_cost,
    class_weights,
    cost_of,
    cross_entropy,
    example_weights,
    forward,
    huber_cost,
    initialize_parameters,
    l2_penalty,
    logistic_cost,
    one_hot,
    softmax_cost,
    squared_cost,
)

M = 5


def each_by_hand(name: str, z: list[float], y: list[float], delta: float = 1.0) -> float:
    """The cost of one example, in Python, from the formulas of the textbooks."""
    if name in ("document", "stable"):
        a = 1 / (1 + math.exp(-z[0]))
        return -(y[0] * math.log(a) + (1 - y[0]) * math.log(1 - a))
    if name == "softmax":
        total = sum(math.exp(x) for x in z)
        return -sum(t * math.log(math.exp(x) / total) for x, t in zip(z, y, strict=True))
    errors = [x - t for x, t in zip(z, y, strict=True)]
    if name == "squared":
        return sum(e * e / 2 for e in errors)
    if name == "absolute":
        return sum(abs(e) for e in errors)
    return sum(e * e / 2 if abs(e) <= delta else delta * (abs(e) - delta / 2) for e in errors)


def problem(name: str, seed: int = 0) -> tuple[Any, Any]:
    """ZL and Y of a cost; Y is one-hot under a softmax."""
    rng = np.random.default_rng(seed)
    head = COSTS[name].head
    n = 1 if head == "sigmoid" else 3
    Z = rng.normal(size=(n, M)) * 2
    if head == "linear":
        return Z, rng.normal(size=(n, M)) * 2
    labels = rng.integers(0, max(n, 2), (1, M))
    return Z, one_hot(labels, n) if head == "softmax" else labels.astype(float)


def of(name: str, Z: Any, Y: Any, *rest: Any, **more: Any) -> Tensor:
    t = Z if isinstance(Z, Tensor) else Tensor(Z)
    return COSTS[name].of(sigmoid(t) if name == "document" else t, Y, *rest, **more)


@pytest.mark.parametrize("name", COSTS)
def test_a_cost_is_the_mean_over_examples(name: str) -> None:
    Z, Y = problem(name)
    each = [each_by_hand(name, z, y) for z, y in zip(Z.T.tolist(), Y.T.tolist(), strict=True)]
    assert of(name, Z, Y).item() == pytest.approx(sum(each) / M, rel=1e-13)
    weights = np.array([[0.5, 0.0, 2.0, 1.0, 3.0]])
    mean = sum(w * c for w, c in zip(weights[0], each, strict=True)) / weights.sum()
    assert of(name, Z, Y, weights).item() == pytest.approx(mean, rel=1e-13)
    assert of(name, Z, Y, np.full((1, M), 7)).item() == pytest.approx(sum(each) / M, rel=1e-13)


@pytest.mark.parametrize("name", [name for name in COSTS if COSTS[name].smooths])
def test_smoothing_gives_each_class_a_share(name: str) -> None:
    Z, Y = problem(name)
    n = max(len(Z), 2)
    soft = [[t * 0.8 + 0.2 / n for t in y] for y in Y.T.tolist()]
    each = [each_by_hand(name, z, y) for z, y in zip(Z.T.tolist(), soft, strict=True)]
    assert of(name, Z, Y, smoothing=0.2).item() == pytest.approx(sum(each) / M, rel=1e-13)
    with pytest.raises(ValueError, match="smoothing: expected a share from 0 to below 1, got 1"):
        of(name, Z, Y, smoothing=1)


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_the_measured_ones(name: str, weighted: bool) -> None:
    Z, Y = problem(name)
    weights = np.array([[0.5, 0.0, 2.0, 1.0, 3.0]]) if weighted else None
    assert check_gradients(lambda z: of(name, z, Y, weights), Z).ok


@pytest.mark.parametrize("name", ["stable", "softmax", "squared"])
def test_the_gradient_of_a_cost_with_its_own_head_is_A_minus_Y(name: str) -> None:
    Z, Y = problem(name)
    head = HEADS[COSTS[name].head].of
    A = Z if head is None else head(Tensor(Z)).data
    _, slope = value_and_grad(lambda z: of(name, z, Y))(Z)
    np.testing.assert_allclose(M * slope, A - Y, atol=1e-15)


def test_softmax_takes_labels_as_well_as_columns() -> None:
    Z, Y = problem("softmax")
    labels = Y.argmax(axis=0).reshape(1, -1)
    for given in (labels, labels.astype(float), labels.astype(np.uint8), Tensor(labels)):
        assert softmax_cost(Tensor(Z), given).item() == softmax_cost(Tensor(Z), Y).item()
    compiled = compile(value_and_grad(lambda z, y: softmax_cost(z, y)))
    cost, slope = compiled(Z, labels)
    expected = value_and_grad(lambda z: softmax_cost(z, Y))(Z)
    np.testing.assert_allclose(cost, expected[0], rtol=1e-13)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", [name for name in COSTS if name != "document"])
def test_costs_and_slopes_are_finite_far_out(name: str) -> None:
    big = 1e150 if name == "squared" else 1e300
    for scale in (1.0, 40.0, 800.0, big):
        Z, Y = problem(name)
        Z = np.where(np.arange(M) % 2, scale, -scale) * np.sign(Z)
        cost, slope = value_and_grad(lambda z, Y=Y: of(name, z, Y))(Z)
        assert np.isfinite(cost)
        assert np.isfinite(slope).all()


def test_the_softmax_of_a_right_answer_costs_what_the_others_have() -> None:
    """Not 0, as a difference of large logits would be."""
    cost = softmax_cost(Tensor([[50.0], [0.0], [0.0]]), np.array([[0]])).item()
    assert cost == pytest.approx(2 * math.exp(-50), rel=1e-14)


def test_huber_is_squared_within_and_absolute_beyond() -> None:
    for e, delta in ((0.5, 1.0), (2.0, 1.0), (-2.0, 0.3), (0.3, 0.3)):
        cost = huber_cost(Tensor([[e]]), np.zeros((1, 1)), delta=delta).item()
        assert cost == pytest.approx(each_by_hand("huber", [e], [0.0], delta))
    with pytest.raises(ValueError, match="huber_cost: expected delta above 0, got 0"):
        huber_cost(Tensor([[1.0]]), np.zeros((1, 1)), delta=0)


@pytest.mark.parametrize(
    "cost", [squared_cost, absolute_cost, huber_cost, logistic_cost, softmax_cost]
)
def test_s150_a_rank_mistake_is_refused(cost: Any) -> None:
    n = 2 if cost is softmax_cost else 1
    Z = Tensor(np.zeros((n, 4)))
    for labels in (np.zeros(4), np.zeros((4, 1)), np.zeros((1, 3)), np.zeros((4, n))):
        with pytest.raises(ValueError, match=rf"^{cost.__name__}: expected .*Y\.reshape\(1, -1\)"):
            cost(Z, labels)
    with pytest.raises(ValueError, match=rf"^{cost.__name__}: expected "):
        cost(Tensor(np.zeros(4)), np.zeros(4))
    with pytest.raises(ValueError, match="at least one example, got none"):
        cost(Tensor(np.zeros((n, 0))), np.zeros((n, 0)))
    for weights in (np.ones(4), np.ones((4, 1)), np.ones((1, 3))):
        with pytest.raises(ValueError, match=r"expected weights \(1, 4\), one for each example"):
            cost(Z, np.zeros((n, 4)), weights)
    for weights in (np.zeros((1, 4)), np.array([[1.0, -1.0, 0, 0]]), np.full((1, 4), np.nan)):
        with pytest.raises(ValueError, match="expected weights of 0 or above, some above 0"):
            cost(Z, np.zeros((n, 4)), weights)


def test_a_softmax_of_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two rows or more, .*; for two classes in one row there"):
        softmax_cost(Tensor(np.zeros((1, 4))), np.zeros((1, 4)))


# --- labels and weights ---------------------------------------------------------------------------


def test_one_hot() -> None:
    assert one_hot(np.array([[2, 0]]), 3).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert one_hot(np.array([[1]]), 2, np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0, 3, 7]], r"integer labels from 0 to 2, got 3 for example 1 \(2 such in all\)"),
        ([[0, -1]], "from 0 to 2, got -1 for example 1"),
        ([[0.5]], r"from 0 to 2, got 0\.5"),
        ([[np.nan]], "from 0 to 2, got nan"),
        ([0, 1], r"labels \(1, m\), got \(2,\); reshape them with Y\.reshape\(1, -1\)"),
        ([[0], [1]], r"labels \(1, m\), got \(2, 1\)"),
    ],
)
def test_s151_labels_outside_the_classes_are_refused(labels: Any, told: str) -> None:
    with pytest.raises(ValueError, match=f"one_hot: expected .*{told}"):
        one_hot(np.array(labels), 3)
    if np.ndim(labels) == 2 and len(labels) == 1:
        with pytest.raises(ValueError, match=told):
            softmax_cost(Tensor(np.zeros((3, len(labels[0])))), np.array(labels))


def test_a_compiled_cost_of_a_label_outside_is_nan() -> None:
    f = compile(value_and_grad(lambda z, y: softmax_cost(z, y)))
    Z = np.random.default_rng(0).normal(size=(3, 2))
    assert np.isfinite(f(Z, np.array([[0, 2]]))[0])
    for wrong in (3, -1):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            cost, slope = f(Z, np.array([[0, wrong]]))
        assert np.isnan(cost)
        assert np.isnan(slope).any()


def test_balanced_weights_let_classes_count_alike() -> None:
    Y = np.array([[0, 0, 0, 1, 3, 3]])
    assert class_weights(Y, 4).tolist() == [6 / 12, 6 / 4, 0, 6 / 8]
    weights = example_weights(Y, "balanced")
    assert weights.shape == (1, 6)
    sums = [weights[:, :3].sum(), weights[:, 3].sum(), weights[:, 4:].sum()]
    np.testing.assert_allclose(sums, sums[0])
    assert example_weights(Y, {0: 1, 1: 2, 3: 0.5}).tolist() == [[1, 1, 1, 2, 0.5, 0.5]]
    assert example_weights(Y[:, :4], [1, 2]).tolist() == [[1, 1, 1, 2]]
    with pytest.raises(
        ValueError, match="a weight of 0 or above for each label, got none for label 1"
    ):
        example_weights(Y, {0: 1, 3: 1})
    with pytest.raises(ValueError, match="got -1 for label 0"):
        example_weights(Y[:, :3], [-1, 1])
    with pytest.raises(ValueError, match="a weight for each class, or 'balanced', got 'even'"):
        example_weights(Y, "even")  # type: ignore[arg-type]


# --- the whole network ----------------------------------------------------------------------------


PAIRS = [*zip(ACTIVATIONS, COSTS, strict=True), *zip(ACTIVATIONS, [*COSTS][::-1], strict=True)]


@pytest.mark.parametrize(("activation", "cost"), PAIRS)
def test_every_activation_and_every_cost_is_differentiated(activation: str, cost: str) -> None:
    rng = np.random.default_rng(1)
    head = COSTS[cost].head
    n = 1 if head == "sigmoid" else 3
    p = initialize_parameters([4, 5, 3, n], "glorot", seed=2, head=head)
    X = rng.normal(size=(4, 6))
    Y = rng.integers(0, 2, (n, 6)) * 1.0 if head != "softmax" else rng.integers(0, n, (1, 6))
    masks = network.dropout_masks(p, 6, 0.7, rng)
    more: dict[str, Any] = {"activation": activation, "l2": 0.3, "masks": masks}
    more["weights"] = rng.uniform(0.5, 2, size=(1, 6))
    if COSTS[cost].smooths:
        more["smoothing"] = 0.1
    report = check_gradients(lambda q: cost_of(Tensor(X), Y, q, cost, **more), p)
    assert report.ok, report
    compiled = compile(value_and_grad(lambda q: cost_of(X, Y, q, cost, **more)))(p)
    eager = value_and_grad(lambda q: cost_of(X, Y, q, cost, **more))(p)
    np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-12)
    for name in p:
        np.testing.assert_allclose(compiled[1][name], eager[1][name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_their_formulas(activation: str) -> None:
    def by_hand(z: float) -> float:
        return {
            "relu": max(z, 0.0),
            "leaky_relu": z if z > 0 else 0.01 * z,
            "tanh": math.tanh(z),
            "sigmoid": 1 / (1 + math.exp(-z)),
            "gelu": 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
            "swish": z / (1 + math.exp(-z)),
        }[activation]

    Z = np.linspace(-6, 6, 13)
    got = ACTIVATIONS[activation](Tensor(Z)).data
    np.testing.assert_allclose(got, [by_hand(z) for z in Z], rtol=1e-12, atol=1e-15)


def test_gelu_is_within_what_it_says_of_the_exact_one() -> None:
    Z = np.linspace(-8, 8, 2001)
    exact = [z * (1 + math.erf(z / math.sqrt(2))) / 2 for z in Z]
    assert np.abs(network.gelu(Tensor(Z)).data - exact).max() < 0.0005


def test_heads_answer_with_probabilities_or_numbers() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4, 6))
    p = initialize_parameters([4, 5, 3], head="softmax")
    Z, A = forward(X, p, head="softmax")
    np.testing.assert_allclose(A.data.sum(axis=0), 1)
    assert (A.data.argmax(axis=0) == Z.data.argmax(axis=0)).all()
    Z, A = forward(X, p, head="linear")
    assert A is Z
    assert A.name == "Z2"


def test_l2_counts_weights_and_no_biases() -> None:
    p = {"W1": np.array([[1.0, 2.0]]), "b1": np.array([[9.0]])}
    assert l2_penalty(value_and_tensors(p), 0.5, m=10).item() == pytest.approx(0.5 / 20 * 5)
    X, Y = np.ones((2, 10)), np.ones((1, 10))
    plain, with_l2 = (cost_of(X, Y, p, l2=l2).item() for l2 in (0.0, 0.5))
    assert with_l2 - plain == pytest.approx(0.125)
    with pytest.raises(ValueError, match="l2: expected a finite number of 0 or above, got -1"):
        cost_of(X, Y, p, l2=-1)
    for none, got in (({}, "none"), ({"b1": np.ones(1)}, "b1")):
        with pytest.raises(ValueError, match=f"expected weights W1, ... among .*, got {got}"):
            l2_penalty(none, 0.5, m=10)


def value_and_tensors(p: Any) -> Any:
    return {name: Tensor(x, requires_grad=True, name=name) for name, x in p.items()}


@pytest.mark.parametrize("cost", COSTS)
def test_float32_stays(cost: str) -> None:
    head = COSTS[cost].head
    p = initialize_parameters([4, 5, 1 if head == "sigmoid" else 3], dtype="float32", head=head)
    X = np.ones((4, 6), np.float32)
    Y = np.ones((1 if head != "linear" else 3, 6), np.float32)
    masks = network.dropout_masks(p, 6, 0.7, np.random.default_rng(0))
    more = {"smoothing": 0.1} if COSTS[cost].smooths else {}
    weights = np.ones((1, 6))
    value, slopes = value_and_grad(
        lambda q: cost_of(X, Y, q, cost, l2=0.1, masks=masks, weights=weights, **more)
    )(p)
    assert value.dtype == np.float32
    assert {g.dtype for g in slopes.values()} == {np.dtype(np.float32)}


def test_unknown_names_are_refused() -> None:
    p, X = initialize_parameters([4, 1]), np.ones((4, 6))
    with pytest.raises(ValueError, match=r"activation: expected one of relu, .*, swish, got 'elu'"):
        forward(X, p, activation="elu")
    with pytest.raises(ValueError, match="head: expected one of sigmoid, softmax, linear, got 'x'"):
        forward(X, p, head="x")
    with pytest.raises(ValueError, match="head: expected one of sigmoid, softmax, linear, got 'x'"):
        initialize_parameters([4, 1], head="x")
    with pytest.raises(ValueError, match=r"2 units or more in the last layer, .* softmax, got 1"):
        initialize_parameters([4, 1], head="softmax")
    with pytest.raises(ValueError, match="smoothing: expected 0 with the cost 'huber'"):
        cost_of(X, np.ones((1, 6)), p, "huber", smoothing=0.1)


# --- dropout --------------------------------------------------------------------------------------


def test_masks_keep_the_share_and_the_expected_value() -> None:
    p = initialize_parameters([4, 400, 300, 1])
    masks = network.dropout_masks(p, 50, [0.8, 0.5], np.random.default_rng(0))
    assert {name: d.shape for name, d in masks.items()} == {"D1": (400, 50), "D2": (300, 50)}
    for name, keep in (("D1", 0.8), ("D2", 0.5)):
        assert np.unique(masks[name]).tolist() == [0, 1 / keep]
        assert masks[name].mean() == pytest.approx(1, abs=0.02)


def test_s152_dropout_is_the_generators_and_off_without_masks() -> None:
    p = initialize_parameters([4, 5, 1])
    X, Y = np.eye(4, 6), np.ones((1, 6))
    a, b = (network.dropout_masks(p, 6, 0.5, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a["D1"], b["D1"])
    keeps_all = network.dropout_masks(p, 6, 1.0, np.random.default_rng(7))
    assert cost_of(X, Y, p, masks=keeps_all).item() == cost_of(X, Y, p).item()
    assert cost_of(X, Y, p, masks=a).item() != cost_of(X, Y, p).item()
    dropped = forward(X, p, masks={"D1": np.zeros((5, 6))})[0]
    np.testing.assert_array_equal(dropped.data, np.zeros((1, 6)))


def test_unusable_masks_are_refused() -> None:
    p, X, rng = initialize_parameters([4, 5, 1]), np.ones((4, 6)), np.random.default_rng(0)
    for keep in (0, 1.5, [0.5, 0.5], []):
        with pytest.raises(ValueError, match="dropout_masks: expected keep above 0 and up to 1"):
            network.dropout_masks(p, 6, keep, rng)
    with pytest.raises(TypeError, match=r"Generator, np\.random\.default_rng\(seed\), got int"):
        network.dropout_masks(p, 6, 0.5, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected masks D1, one for each hidden layer, got \[\]"):
        forward(X, p, masks={})
    for shape in ((5, 1), (6,), (5, 5)):
        with pytest.raises(ValueError, match=r"forward: expected D1 \(5, 6\), got"):
            forward(X, p, masks={"D1": np.ones(shape)})


@pytest.mark.parametrize("cost", [cross_entropy, logistic_cost])
def test_a_binary_cost_takes_labels_from_0_to_1(cost: Any) -> None:
    A = Tensor(np.full((1, 3), 0.5), requires_grad=True)
    shares = [[0, 0.25, 1]]  # lists and probabilities, too
    assert cost(A, shares).item() == cost(A, np.array(shares)).item()
    for Y, got in (
        ([[0, 7, 9]], "7 for example 1 (2 such in all)"),
        ([[0, -1.0, 1]], "-1.0 for example 1"),
        ([[0.0, math.nan, 1]], "nan for example 1"),
    ):
        for given in (np.array(Y), Tensor(np.array(Y))):
            with pytest.raises(ValueError, match=f"expected labels 0 and 1, got {re.escape(got)}"):
                cost(A, given)
    with pytest.raises(ValueError, match="expected labels 0 and 1, got <U1 values"):
        cost(A, [["0", "1", "1"]])
    with pytest.raises(ValueError, match=r"one_hot: .* got texts such as '2'; as labels 0, 1"):
        one_hot(np.array([["2", "0"]]), 3)
