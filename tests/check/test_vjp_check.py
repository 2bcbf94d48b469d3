"""`check_vjp`: shapes, a verdict for each input, points near, an example, the slip by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import planted_gradients
import planted_layers
import pytest

from tinygrad_dnn import check_vjp

RNG = np.random.default_rng(0)
W, A, B = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 1))
FAULTS = list(planted_gradients.faults())
FORMULAS = list(planted_gradients.slips_of(*planted_gradients.FORMULAS))
# What takes a second or less each.
SLIPS = (
    "margins: own class", "distances: one side", "mean of rows: counted once", "larger half: both",
    "larger half: halves", "gated half: no slope", "smooth absolute value: the other branch",
    "masked product: crossed", "chain of springs: no rest length", "contrast: other axis",
)  # fmt: skip
LAYERS = [fault for fault in planted_layers.faults() if fault[0] in SLIPS]
RIGHT = planted_gradients.ENTRIES + planted_gradients.FORMULAS


def linear(W: Any, A: Any, b: Any) -> Any:
    return W @ A + b


def verdicts(report: Any) -> list[str]:
    return [row.verdict for row in report.rows]


def test_s165_a_gradient_has_its_inputs_shape() -> None:
    report = check_vjp(linear, lambda g, W, A: (g @ A.T, W.T @ g, g), W, A, B)
    assert report.verdict == "wrong"
    assert verdicts(report) == ["right", "right", "wrong"]
    assert report.blame[0].kind == "wrong shape"
    assert "the gradient for b has shape (2, 4) where the input has (2, 1)" in str(report)
    assert "it is not summed over axis 1, along which b was repeated" in str(report)
    report = check_vjp(linear, lambda g, W, A: (g @ A.T, W.T @ g, g.sum(1)), W, A, B)
    assert verdicts(report)[2] == "wrong"
    assert "shape (2,) where the input has (2, 1)" in str(report)


def test_a_verdict_for_each_input() -> None:
    def backward(g: Any, W: Any, A: Any) -> Any:
        return g @ A.T, 2 * W.T @ g, g.sum(1, keepdims=True)

    assert verdicts(check_vjp(linear, backward, W, A, B)) == ["right", "wrong", "right"]


def test_an_example_does_not_cut_what_the_function_closes_over() -> None:
    Y = np.linspace(0.0, 1.0, 80)
    report = check_vjp(lambda x: ((x - Y) ** 2).sum(), lambda g, x: g * (x - Y), np.ones(80))
    assert "0.5 times what is right" in report.blame[0].reason
    assert report.example is None  # one number of x beside 80 of Y is another mistake


def test_s166_points_near_the_given_one() -> None:
    S = np.array([[2.0, 1.0], [1.0, 3.0]])
    report = check_vjp(
        lambda S, x: S @ x, lambda g, S, x: (np.outer(g, x), S @ g), S, np.array([1.0, 2.0])
    )
    assert verdicts(report) == ["right", "wrong"]
    assert report.notes[0].startswith("right at the given inputs, wrong at a point near them")
    assert "S = np.array([[" in (report.example or "")


def test_a_gradient_that_is_stale_elsewhere_is_found() -> None:
    X = np.array([1.0, 2.0])
    assert check_vjp(lambda x: x**2, lambda g: 2 * X * g, X).verdict == "wrong"
    assert check_vjp(lambda x: x**2, lambda g, x: 2 * x * g, X).verdict == "right"


@pytest.mark.parametrize("x", [0.5, 1.0])
def test_points_where_the_function_is_not_defined_are_left_out(x: float) -> None:
    assert check_vjp(np.arcsin, lambda g, x: g / np.sqrt(1 - x * x), np.array([0.9, x / 2])).ok
    assert check_vjp(np.log, lambda g, x: g / x, np.array([1e-3, x])).ok


def test_the_example_is_small_and_runs() -> None:
    def forward(x: Any, k: float = 2.0) -> Any:
        return k * np.tanh(x)

    def backward(g: Any, z: Any, *, k: float) -> Any:
        return g * (1 - (z / k) ** 2)

    X = RNG.normal(size=(5, 7))
    example = check_vjp(forward, backward, X, k=3.0).example
    assert example is not None
    space: dict[str, Any] = {"forward": forward, "backward": backward}
    exec(example, space)
    assert space["x"].shape == (1, 1)
    yours, right = re.findall(r"# dx is (.*), right is (.*)", example)[0]
    assert np.allclose(eval(yours), space["dx"])
    g, x = space["g"], space["x"]
    assert np.allclose(eval(right), g * 3 * (1 - np.tanh(x) ** 2))


@pytest.mark.parametrize("shape", [(60_000,), (300, 200)])
def test_rounding_of_a_large_input_is_no_mistake(shape: tuple[int, ...]) -> None:
    X = 3 * np.random.default_rng(1).normal(size=shape)
    assert check_vjp(lambda x: np.tanh(x), lambda g, z: g * (1 - z * z), X).ok
    assert not check_vjp(lambda x: np.tanh(x), lambda g, z: g * (1 - z), X).ok


@pytest.mark.parametrize("fault", FAULTS[::7] + FORMULAS, ids=lambda f: f[0])
def test_a_slip_is_called_by_its_name(fault: tuple[str, Any, Callable[..., Any], str]) -> None:
    _, entry, gradient, words = fault
    with np.errstate(all="ignore"):
        verdict, reasons = planted_gradients.said(entry, gradient)
    assert verdict == "wrong"
    assert any(re.search(words, r.partition("Probably")[2] or r) for r in reasons), reasons


@pytest.mark.parametrize("entry", RIGHT, ids=lambda e: e.name)
def test_nobody_right_is_accused(entry: planted_gradients.Entry) -> None:
    with np.errstate(all="ignore"):
        verdict, reasons = planted_gradients.said(entry, planted_gradients.compiled(entry.gradient))
    assert verdict != "wrong", reasons


def test_s167_what_has_no_name_is_given_none() -> None:
    with np.errstate(all="ignore"):
        for entry, gradient in planted_gradients.random_gradients(10):
            verdict, reasons = planted_gradients.said(entry, gradient)
            assert verdict == "wrong", entry
            assert not any("Probably" in r for r in reasons), (entry.name, reasons)


def test_a_forward_for_arrays_alone_is_named_by_its_jacobian() -> None:
    def forward(x: Any) -> Any:
        return np.sort(np.array(x, float)).copy() if type(x) is np.ndarray else 1 / 0

    report = check_vjp(forward, lambda g: g, np.array([3.0, 1.0, 2.0, 5.0, 4.0]))
    assert report.verdict == "wrong"
    assert report.to_dict()["example"] == report.example
    assert report.example is None or "right is" in report.example
    assert "<pre>" in report._repr_html_() or report.example is None


@pytest.mark.parametrize(("name", "layer", "gradient", "words"), LAYERS, ids=SLIPS)
def test_s325_mistakes_at_several_uses_at_once_have_names(
    name: str, layer: planted_layers.Layer, gradient: Callable[..., Any], words: str
) -> None:
    with np.errstate(all="ignore"):
        report = check_vjp(layer.forward, gradient, *layer.inputs)
    assert any(re.search(words, b.reason.partition("Probably")[2]) for b in report.blame), report


def test_the_samples_are_there() -> None:
    assert len(LAYERS) == len(SLIPS)
