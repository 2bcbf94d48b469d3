"""Every gradient of the network: hand-written, by the engine, and measured, for random networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import ops, textbook
from tinygrad_dnn.cli.main import main
from tinygrad_dnn.grading import three_ways as check
from tinygrad_dnn.grading.three_ways import (
    BOUND,
    Row,
    compare_network,
    engine_gradients,
    written_gradients,
)
from tinygrad_dnn.network import initialize_parameters

Network = tuple[Any, Any, dict[str, Any]]
EXAMPLES = (1, 2, 3, 5, 17, 64, 209)


def random_network(seed: int) -> Network:
    """X, Y and parameters of 1 to 8 layers of width 1 to 39, every fifth network square."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 9))
    widths = rng.integers(1, 40, depth)
    if seed % 5 == 0:
        widths[:] = widths[0]
    m = int(rng.choice(EXAMPLES))
    init = str(rng.choice(["sqrt", "he", "0.01"]))
    parameters = initialize_parameters([*map(int, widths), 1], init, seed)
    for name, p in parameters.items():
        p *= rng.choice([1.0, 0.3, 1.5])
        if name[0] == "b":
            p += rng.normal(size=p.shape) * rng.choice([0.0, 0.1, 1.0])
    X = rng.normal(size=(widths[0], m)) if rng.random() < 0.5 else rng.random((widths[0], m))
    if rng.random() < 0.5:
        X = np.asfortranarray(X)
    return X, rng.integers(0, 2, (1, m)), parameters


def small_network() -> Network:
    """4-3-3-1 on 5 examples; about half of its relus are alive."""
    rng = np.random.default_rng(3)
    parameters = initialize_parameters((4, 3, 3, 1), seed=4)
    return rng.normal(size=(4, 5)), np.array([[1, 0, 0, 1, 1]]), parameters


def assert_agree(rows: list[Row]) -> None:
    assert [(r.name, r.apart, r.apart_measured) for r in rows if not r.agrees] == []


# --- right formulas agree to rounding -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(100))
def test_random_networks_agree_to_rounding(seed: int) -> None:
    X, Y, parameters = random_network(seed)
    rows = compare_network(X, Y, parameters, seed)
    L = len(parameters) // 2
    names = [f"d{kind}{l}" for l in range(L, 0, -1) for kind in ("A", "Z", "W", "b")]
    assert [r.name for r in rows] == [*names, "dA0"]
    assert_agree(rows)


def test_the_bound_is_what_rounding_needs_and_little_more() -> None:
    """Its head-room is a factor, not orders of magnitude: rounding alone comes near it."""
    worst = 0.0
    for seed in range(30):
        X, Y, parameters = random_network(seed)
        worst = max(worst, *(r.apart for r in compare_network(X, Y, parameters)))
    assert BOUND / 200 < worst < BOUND / 4


@pytest.mark.parametrize("m", [1, 6])
def test_the_columns_are_the_documents_own_numbers(m: int) -> None:
    """The document's conventions undone: 1/m in dA and dZ, and names one layer further down."""
    rng = np.random.default_rng(m)
    X, Y = rng.normal(size=(4, m)), rng.integers(0, 2, (1, m))
    parameters = initialize_parameters((4, 3, 2, 1), seed=2)
    AL, caches = textbook.L_model_forward(X, dict(parameters))
    grads = textbook.L_model_backward(AL, Y, caches)
    engine = engine_gradients(X, Y, parameters)
    for l in (1, 2, 3):
        for name in (f"dW{l}", f"db{l}"):
            np.testing.assert_allclose(engine[name], grads[name], rtol=0, atol=1e-15)
        of_layer_below = engine[f"dA{l - 1}"]
        np.testing.assert_allclose(of_layer_below, grads[f"dA{l}"] / m, rtol=0, atol=1e-15)
    np.testing.assert_allclose(engine["dZ3"], (AL - Y) / m, rtol=0, atol=1e-15)


def test_a_row_says_where_its_largest_element_is_and_what_the_three_found() -> None:
    X, Y, parameters = small_network()
    written, _ = written_gradients(X, Y, parameters)
    for row in compare_network(X, Y, parameters):
        g = written[row.name]
        assert row.shape == g.shape
        assert row.written == g[row.element]
        assert abs(row.written) == np.max(np.abs(g))
        assert row.engine == pytest.approx(row.written, rel=1e-14)
        assert row.measured == pytest.approx(row.written, rel=1e-14)


# --- awkward networks -----------------------------------------------------------------------------


def dead_network() -> Network:
    """Every Z of its first layer is at most 0: nothing flows back to W1."""
    X, Y, parameters = small_network()
    parameters["W1"] = -np.abs(parameters["W1"])
    parameters["b2"] += 1
    return np.abs(X), Y, parameters


def network_with_zeros() -> Network:
    """Small whole numbers: many Z are exactly 0, alive and dead units beside them."""
    rng = np.random.default_rng(8)
    parameters = {
        name: rng.integers(-1, 2, p.shape).astype(float)
        for name, p in initialize_parameters((6, 5, 5, 1)).items()
    }
    X = rng.integers(-1, 2, (6, 40)).astype(float)
    return X, rng.integers(0, 2, (1, 40)), parameters


def saturated_network(side: float) -> Network:
    """Outputs within 1e-13 of 0 or 1, labels of both kinds."""
    X, Y, parameters = small_network()
    parameters["b3"] = np.full((1, 1), 30.0 * side)
    return X, Y, parameters


def test_a_dead_network_agrees_in_exact_zeros() -> None:
    X, Y, parameters = dead_network()
    rows = compare_network(X, Y, parameters)
    assert_agree(rows)
    below = {r.name: r for r in rows}
    for name in ("dZ1", "dW1", "db1", "dA0"):
        assert (below[name].written, below[name].engine, below[name].measured) == (0, 0, 0)
    assert below["dA1"].written != 0


def test_exact_zeros_in_Z_agree() -> None:
    X, Y, parameters = network_with_zeros()
    _, values = written_gradients(X, Y, parameters)
    assert np.sum(values["Z1"] == 0) > 10
    assert np.sum(values["Z2"] == 0) > 10
    assert np.sum(values["Z2"] > 0) > 10
    assert_agree(compare_network(X, Y, parameters))


@pytest.mark.parametrize("side", [-1, 1])
def test_saturated_outputs_agree(side: int) -> None:
    X, Y, parameters = saturated_network(side)
    AL, _ = textbook.L_model_forward(X, dict(parameters))
    assert np.all(np.abs(AL - (side > 0)) < 1e-11)
    for labels in (Y, np.zeros_like(Y), np.ones_like(Y)):
        assert_agree(compare_network(X, labels, parameters))


@pytest.mark.parametrize("bias", [-500.0, -300.0, -100.0, 30.0])
def test_outputs_far_from_their_labels_agree(bias: float) -> None:
    """Down to AL = 1e-217, where a step along AL must be far smaller still."""
    X, _, parameters = small_network()
    parameters["b3"] = np.full((1, 1), bias)
    for label in (0, 1):
        assert_agree(compare_network(X, np.full((1, 5), label), parameters))


def test_large_terms_that_cancel_in_ZL_agree() -> None:
    """Its rounding moves AL: what is left of the digits is no fault of the formulas."""
    rng = np.random.default_rng(2)
    for label in (0, 1):
        W = 1e6 * rng.normal(size=(1, 60))
        X = rng.normal(size=(60, 3))
        parameters = {"W1": W, "b1": np.zeros((1, 1))}
        X[-1] -= (W @ X)[0] / W[0, -1]  # Z1 = 0 but for rounding
        assert_agree(compare_network(X, np.full((1, 3), label), parameters))


@pytest.mark.parametrize("bias", [-800.0, -600.0, 40.0, 800.0])
def test_an_output_of_0_or_1_is_refused_in_words(bias: float) -> None:
    X, Y, parameters = small_network()
    parameters["b3"] = np.full((1, 1), bias)
    with pytest.raises(ValueError, match=r"output for example 0 is .* divide by AL and 1 − AL"):
        compare_network(X, Y, parameters)


# --- a planted fault is found, by the test above and by the command -------------------------------

SLIGHTLY = 1 + 1e-9


def in_the_engine(monkeypatch: pytest.MonkeyPatch, op: Any, i: int, fault: Any) -> None:
    right = op.pulls[i]

    def wrong(g: Any, saved: Any, node: Any, place: int) -> Any:
        return fault(right(g, saved, node, place))

    monkeypatch.setattr(op, "pulls", (*op.pulls[:i], wrong, *op.pulls[i + 1 :]))


def in_the_listing(monkeypatch: pytest.MonkeyPatch, name: str, i: int, fault: Any) -> None:
    right = getattr(textbook, name)

    def wrong(*args: Any) -> Any:
        result = right(*args)
        if isinstance(result, tuple):
            return (*result[:i], fault(result[i]), *result[i + 1 :])
        return fault(result)

    monkeypatch.setattr(textbook, name, wrong)
    for activation, pair in textbook.ACTIVATIONS.items():
        swapped = tuple(wrong if f is right else f for f in pair)
        monkeypatch.setitem(textbook.ACTIVATIONS, activation, swapped)


SHAPES = {
    "scaled": lambda x: x * SLIGHTLY,
    "one element": lambda x: np.where(np.abs(x) == np.max(np.abs(x)), x * SLIGHTLY, x),
    "sign": lambda x: -x,
    "lost": lambda x: x * 0,
}
RULES = [
    *((in_the_engine, op, 0) for op in (ops.matmul, ops.add, ops.relu, ops.sigmoid, ops.log)),
    *((in_the_engine, op, 1) for op in (ops.matmul, ops.add, ops.subtract)),
    (in_the_engine, ops.negative, 0),
    (in_the_engine, ops.divide, 0),
    *((in_the_listing, name, 0) for name in ("sigmoid_backward", "relu_backward")),
    *((in_the_listing, "linear_backward", i) for i in range(3)),
]
VALUES = [(in_the_listing, name, 0) for name in ("sigmoid", "relu", "linear_forward")]
FAULTS = [
    *((*rule, shape) for rule in RULES for shape in SHAPES),
    *((*value, shape) for value in VALUES for shape in ("scaled", "one element")),
]


@pytest.mark.parametrize(
    ("plant", "what", "i", "shape"),
    FAULTS,
    ids=[f"{getattr(what, 'name', what)}-{i}-{shape}" for _, what, i, shape in FAULTS],
)
def test_a_planted_fault_is_found(
    plant: Any,
    what: Any,
    i: int,
    shape: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(monkeypatch, what, i, SHAPES[shape])
    assert not all(r.agrees for r in compare_network(*small_network()))
    assert main(["check", "--layers", "4,3,3,1", "--examples", "5", "--seed", "2"]) == 1
    assert "<-- they disagree" in capsys.readouterr().out


def test_without_a_fault_the_command_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--layers", "4,3,3,1", "--examples", "5", "--seed", "2"]) == 0
    out = capsys.readouterr().out
    assert "disagree" not in out
    assert f"All agree within {BOUND}." in out


def test_a_fault_in_the_measurement_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    right = check._cost_from
    monkeypatch.setattr(check, "_cost_from", lambda *args: right(*args) * SLIGHTLY)
    rows = compare_network(*small_network())
    assert not any(r.agrees for r in rows)
    assert all(r.apart <= BOUND < r.apart_measured for r in rows)


@pytest.mark.parametrize("steps", ["one element", "all elements"])
def test_engine_and_measurement_are_compared_twice(
    steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the element that is shown and along a random direction: either may find the fault."""
    right = check._cost_from

    def wrong(name: str, value: Any, *rest: Any) -> Any:
        here = np.count_nonzero(value.imag) == 1
        return right(name, value, *rest) * (SLIGHTLY if here == (steps == "one element") else 1)

    monkeypatch.setattr(check, "_cost_from", wrong)
    assert not any(r.agrees for r in compare_network(*small_network()) if r.shape != (1, 1))


def test_the_slope_of_relu_at_0_matters_where_Z_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def passes_at_0(dA: Any, cache: Any) -> Any:
        return dA * (cache >= 0)

    monkeypatch.setitem(textbook.ACTIVATIONS, "relu", (textbook.relu, passes_at_0))
    assert_agree(compare_network(*small_network()))
    assert not all(r.agrees for r in compare_network(*network_with_zeros()))


@pytest.mark.parametrize("side", ["written", "engine"])
def test_a_gradient_where_all_is_dead_is_found(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The true gradient is 0 everywhere, so that no relative measure can be taken."""
    if side == "engine":
        in_the_engine(monkeypatch, ops.relu, 0, lambda g: g + 1e-30)
    else:
        in_the_listing(monkeypatch, "relu_backward", 0, lambda dZ: dZ + 1e-30)
    rows = {r.name: r for r in compare_network(*dead_network())}
    assert not rows["dZ1"].agrees
    assert rows["dZ1"].apart == np.inf
