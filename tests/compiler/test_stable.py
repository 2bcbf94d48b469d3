"""Saturated values have finite gradients in compiled functions, however the cost is spelled."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cost_spellings as spellings
import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import SaturationWarning, Tensor, compile, compile_loop, value_and_grad

Z = np.array([[-900.0, 900.0]])
Y = np.array([[1.0, 0.0]])


def cross_entropy(Z: Any) -> Any:
    A = td.sigmoid(Z)
    A.name = "A"
    return -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).sum() / 2


# --- spellings ------------------------------------------------------------------------------------


def test_there_are_many_spellings() -> None:
    assert spellings.number() > 300_000


def test_the_truth_that_spellings_are_compared_with_is_that_of_ordinary_logits() -> None:
    """Where nothing saturates all of them agree in eager mode."""
    for spelling in spellings.sample(150, seed=5):
        mild = spelling._replace(logits=spelling.logits / 500)
        z = mild.logits
        value, slope = value_and_grad(mild.cost)(z)
        truth = mild.exact(z)
        np.testing.assert_allclose(value, float(truth[0]), rtol=1e-12, err_msg=mild.name)
        np.testing.assert_allclose(
            slope, truth[1].astype(float), rtol=1e-9, atol=1e-14, err_msg=mild.name
        )


@pytest.mark.parametrize("spelling", spellings.sample(40), ids=lambda s: s.name)
def test_s92_however_a_cost_is_spelled_value_and_gradient_are_finite(
    spelling: spellings.Spelling,
) -> None:
    assert spellings.fault(spelling) is None


EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "labels closed over": cross_entropy,
    "sigmoid twice, whole labels": lambda Z: -(
        Y.astype(int) * np.log(td.sigmoid(Z)) + (1 - Y.astype(int)) * np.log(1 - td.sigmoid(Z))
    ).sum() / 2,
    "dot": lambda Z: -(
        np.dot(Y, np.log(td.sigmoid(Z)).T) + np.dot(1 - Y, np.log(1 - td.sigmoid(Z)).T)
    ).sum() / 2,
    "by hand, log1p": lambda Z: -(
        Y * np.log(1 / (1 + np.exp(-Z))) + (1 - Y) * np.log1p(-1 / (1 + np.exp(-Z)))
    ).sum() / 2,
    "powers": lambda Z: -np.log(td.sigmoid(Z) ** Y * (1 - td.sigmoid(Z)) ** (1 - Y)).sum() / 2,
    "softplus by hand": lambda Z: (np.log(1 + np.exp(Z)) - Y * Z).sum() / 2,
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_saturated_labels_cost_900_and_pull_by_one_half(name: str) -> None:
    value, slope = compile(value_and_grad(EXAMPLES[name]))(Z)
    assert value == 900.0
    np.testing.assert_array_equal(slope, [[-0.5, 0.5]])


def test_a_single_number() -> None:
    value, slope = compile(value_and_grad(lambda x: np.log(1 - td.sigmoid(x))))(np.array(900.0))
    assert (value, slope) == (-900.0, -1.0)


def test_swish_and_exponentials_by_hand() -> None:
    found = compile(td.grad(lambda z: (z / (1 + np.exp(-z))).sum()))(np.array([-1e3, 0.0, 1e3]))
    np.testing.assert_array_equal(found, [0, 0.5, 1])
    by_hand = compile(td.grad(lambda z: (z - np.log(np.exp(z).sum()))[1]))
    np.testing.assert_array_equal(by_hand(np.array([1000.0, 0.0])), [-1, 1])


def test_float32_too() -> None:
    value, slope = compile(value_and_grad(lambda Z: -np.log(td.sigmoid(Z).T).sum()))(
        np.array([[-200.0, 3.0]], np.float32)
    )
    assert (value.dtype, slope.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(value, 200.04858, rtol=1e-6)
    np.testing.assert_allclose(slope, [[-1, -0.04742587]], rtol=1e-5)


# --- 1 − tanh² and 1 − softmax --------------------------------------------------------------------

WIDE = np.longdouble
POINTS = np.array([-1e3, -20.0, -0.7, 0.0, 0.3, 3.0, 25.0, 1e3])
RISES = np.array([[1e3, -1e3, 0.0, 2.0], [-1e3, 1e3, 1e3, 0.0], [0.3, -0.2, 1.0, 2.0],
                  [40.0, 0.0, -1.0, 1.5], [1e3, 999.0, -1e3, 0.0]])  # fmt: skip
WEIGHTS = np.array([1.0, 2.0, -0.5, 3.0])


def shares(z: Any, top: Any) -> Any:
    e = np.exp(z - top)
    return e / e.sum(axis=1, keepdims=True)


TANH: dict[str, Callable[[Any], Any]] = {
    "a power": lambda z: np.log(1 - np.tanh(z) ** 2),
    "square": lambda z: np.log(1 - np.square(np.tanh(z))),
    "a product": lambda z: (lambda y: np.log(1 - y * y))(np.tanh(z)),
    "computed twice": lambda z: np.log(1 - np.tanh(z) * np.tanh(z)),
    "factors": lambda z: (lambda y: np.log((1 - y) * (1 + y)))(np.tanh(z)),
    "two logs": lambda z: (lambda y: np.log(1 - y) + np.log(y + 1))(np.tanh(z)),
    "log1p": lambda z: np.log1p(-(np.tanh(z) ** 2)),
    "two log1p": lambda z: (lambda y: np.log1p(-y) + np.log1p(y))(np.tanh(z)),
    "negative": lambda z: np.log(-(np.tanh(z) ** 2 - 1)),
    "layout": lambda z: np.log((1 - np.tanh(z).reshape(1, -1) ** 2).T[:, 0]),
    "chosen": lambda z: np.log(np.where(np.ones(8, bool), 1 - np.tanh(z) ** 2, 1.0)),
    "a root": lambda z: 2 * np.log(np.sqrt(1 - np.tanh(z) ** 2)),
    "cosh": lambda z: -2 * np.log(np.cosh(z)),
    "over cosh²": lambda z: np.log(1 / np.cosh(z) ** 2),
    "sech²": lambda z: np.log((1 / np.cosh(z)) ** 2),
    "exponentials": lambda z: np.log(4 / (np.exp(z) + np.exp(-z)) ** 2),
}
SHARES: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda z: np.log(1 - td.softmax(z, axis=1)),
    "its columns": lambda z: np.log(1 - td.softmax(z.T, axis=0)).T,
    "log1p": lambda z: np.log1p(-td.softmax(z, axis=1)),
    "negative": lambda z: np.log(-(td.softmax(z, axis=1) - 1)),
    "by hand": lambda z: np.log(1 - shares(z, 0.0)),
    "by hand, shifted": lambda z: np.log(1 - shares(z, z.max(axis=1, keepdims=True))),
    "by logsumexp": lambda z: np.log(1 - np.exp(z - td.logsumexp(z, axis=1, keepdims=True))),
    "by log_softmax": lambda z: np.log1p(-np.exp(td.log_softmax(z, axis=1))),
    "one by one": lambda z: np.stack(
        [np.log(1 - td.softmax(z, axis=1)[:, k]) for k in range(4)], 1
    ),
    "a power": lambda z: np.log((1 - td.softmax(z, axis=1)) ** 2) / 2,
}


@pytest.mark.parametrize("name", TANH)
def test_s144_log_of_1_minus_tanh_squared(name: str) -> None:
    value, slope = compile(value_and_grad(lambda z: TANH[name](z).sum()))(POINTS)
    values = compile(TANH[name])(POINTS)
    wide = np.abs(POINTS.astype(WIDE))
    truth = 2 * (np.log(WIDE(2)) - wide - np.log1p(np.exp(-2 * wide)))
    np.testing.assert_allclose(values, truth.astype(float), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(value, float(truth.sum()), rtol=1e-14)
    np.testing.assert_allclose(slope, (-2 * np.tanh(POINTS.astype(WIDE))).astype(float), rtol=1e-14)


@pytest.mark.parametrize("name", SHARES)
def test_log_of_1_minus_a_softmax(name: str) -> None:
    values = compile(SHARES[name])(RISES)
    slope = compile(td.grad(lambda z: (SHARES[name](z) * WEIGHTS).sum()))(RISES)
    e = np.exp(RISES.astype(WIDE))
    p = e / e.sum(axis=1, keepdims=True)
    truth, pulls = np.zeros_like(e), np.zeros_like(e)
    for i in range(4):
        others = np.delete(np.arange(4), i)
        rest = e[:, others].sum(axis=1, keepdims=True)
        small = np.minimum(p[:, [i]], 0.5)
        by_others = np.log(rest) - np.log(e.sum(axis=1, keepdims=True))
        truth[:, [i]] = np.where(p[:, [i]] < 0.5, np.log1p(-small), by_others)
        pulls[:, others] += WEIGHTS[i] * e[:, others] / rest
        pulls -= WEIGHTS[i] * p
    np.testing.assert_allclose(values, truth.astype(float), rtol=1e-13)
    np.testing.assert_allclose(slope, pulls.astype(float), rtol=1e-12, atol=1e-15)


def test_a_share_that_is_alone_is_all() -> None:
    assert compile(lambda z: np.log(1 - td.softmax(z)))(np.array([3.0])) == -np.inf


# --- every way to ask for a gradient --------------------------------------------------------------


def test_backward_inside_a_compiled_function() -> None:
    @compile
    def slopes(z: Any) -> Any:
        z = Tensor(z, requires_grad=True)
        cross_entropy(z).backward()
        return z.grad

    np.testing.assert_array_equal(slopes(Z), [[-0.5, 0.5]])


def test_jacobian_and_hessian() -> None:
    z = np.array([-900.0, 2.0])
    found = compile(td.jacobian(lambda z: np.log(td.sigmoid(z))))(z)
    np.testing.assert_allclose(found, np.diag([1.0, 1 / (1 + np.exp(2.0))]), rtol=1e-15)
    second = compile(td.hessian(lambda z: -np.log(td.sigmoid(z)).sum()))(z)
    s = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(second, np.diag([0.0, s * (1 - s)]), rtol=1e-14)


def test_a_parameter_that_is_closed_over() -> None:
    W = Tensor(np.array([[1.0]]), requires_grad=True, name="W")
    with td.no_grad():
        found = compile(lambda X: td.gradients(cross_entropy(W @ X), W))(Z)
    np.testing.assert_array_equal(found, [[900.0]])


def test_a_value_with_a_gradient_within_another() -> None:
    """The value is rewritten where it goes on, too."""

    def outer(z: Any) -> Any:
        value, slope = value_and_grad(cross_entropy)(z)
        return value + (slope * slope).sum()

    value, slope = compile(value_and_grad(outer))(Z)
    assert value == 900.5
    np.testing.assert_array_equal(slope, [[-0.5, 0.5]])


# --- what stays -----------------------------------------------------------------------------------


def test_without_rewriting_it_is_what_is_written() -> None:
    with np.errstate(all="ignore"):
        eager = value_and_grad(cross_entropy)(Z)
        found = compile(value_and_grad(cross_entropy), rewrite=False)(Z)
    np.testing.assert_array_equal(found[0], eager[0])
    np.testing.assert_array_equal(found[1], eager[1])
    assert np.isnan(found[1]).all()


def test_a_gradient_that_is_asked_for_by_name_is_that_of_what_is_written() -> None:
    def slopes(z: Any) -> Any:
        z = Tensor(z, requires_grad=True, name="z")
        A = td.sigmoid(z)
        A.name = "A"
        cost = -np.log(A).sum()
        cost.backward(keep=["A"])
        return z.grad, A.grad

    z = np.array([0.5, -2.0])
    found = compile(slopes)
    with pytest.warns(SaturationWarning, match="1 / A"):
        found.prepare(z)
    for mine, theirs in zip(found(z), slopes(z), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_several_sweeps_ask_for_several_nodes() -> None:
    def slopes(z: Any) -> Any:
        z = Tensor(z, requires_grad=True)
        A = td.sigmoid(z)
        cost = -np.log(A).sum()
        of_z = td.gradients(cost, z)
        of_both = td.gradients(cost, [z, A])
        return of_z, *of_both

    z = np.array([0.5, -2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SaturationWarning)
        found = compile(slopes)(z)
    for mine, theirs in zip(found, slopes(z), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_no_gradient_passes_where_none_was_recorded() -> None:
    def cost(z: Any) -> Any:
        with td.no_grad():
            weight = np.log(td.sigmoid(z))
        return (weight * z).sum() + np.log(td.sigmoid(td.stop_gradient(z) + z)).sum()

    z = np.array([0.5, -2.0])
    np.testing.assert_allclose(compile(td.grad(cost))(z), td.grad(cost)(z), rtol=1e-14)
    assert compile(td.grad(cost))(np.array(-900.0)) == -899.0


def test_an_op_of_ones_own_above_is_called_once() -> None:
    double = td.custom_vjp(lambda x: 2 * x, lambda g, z, x: g * z / x, name="double")
    compiled = compile(value_and_grad(lambda z: double(-np.log(td.sigmoid(z))).sum()))
    value, slope = compiled(np.array([[-900.0, 0.0]]))
    assert compiled.source.count("double(") == 1
    np.testing.assert_allclose(value, 1800 + 2 * np.log(2))
    np.testing.assert_allclose(slope, [[-2.0, -1.0]])


def test_a_graph_that_was_freed_says_so() -> None:
    def twice(z: Any) -> Any:
        z = Tensor(z, requires_grad=True)
        cost = cross_entropy(z)
        cost.backward()
        cost.backward()
        return z.grad

    with pytest.raises(td.FreedGraphError):
        compile(twice)(Z)


def test_floating_point_errors_are_reported_as_they_were_asked_for() -> None:
    def cost(z: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.exp(-np.log(td.sigmoid(z))).sum()

    z = np.array([-1000.0])
    assert compile(value_and_grad(cost))(z) == (np.inf, -np.inf)
    with pytest.warns(RuntimeWarning, match="overflow"):
        compile(value_and_grad(lambda z: np.exp(-np.log(td.sigmoid(z))).sum()))(z)


def test_what_is_rewritten_is_computed_once() -> None:
    """Value and gradient share what both were rewritten to."""
    source = compile(value_and_grad(cross_entropy)).prepare(Z).source
    assert source.count("np.log1p(") == 1
    assert "np.log(" not in source


def test_the_rewrites_before_a_sweep_are_listed() -> None:
    compiled = compile(value_and_grad(lambda Z: -np.log(td.sigmoid(Z).T).sum())).prepare(Z)
    told = compiled.explain().splitlines()
    assert told[0].split("  ", 1)[0] == "log before transpose"
    assert "log(σ(Z))  →  −softplus(−Z)" in told[1]
    loop = compile_loop(
        lambda c: (c, value_and_grad(lambda Z: -np.log(td.sigmoid(Z).T).sum())(c)), carry=Z
    )
    assert [s.row.name for s in loop.steps][:2] == ["log before transpose", "log of a sigmoid"]


# --- what can't be mended -------------------------------------------------------------------------

SPOILED: dict[str, Callable[[Any], Any]] = {
    "√(1 − P)": lambda z: np.sqrt(1 - named(td.softmax(z), "P")),
    "log(P ones(2, 1))": lambda z: np.log(named(td.softmax(z), "P") @ np.ones((2, 1))),
    "1 / A": lambda z: 1 / named(td.sigmoid(z), "A"),
    "(1 − A)^0.5": lambda z: (1 - named(td.sigmoid(z), "A")) ** 0.5,
    "log(1 − t³)": lambda z: np.log(1 - named(np.tanh(z), "t") ** 3),
    "√A": lambda z: np.sqrt(named(td.sigmoid(z), "A")),
    "log1p(−t³)": lambda z: np.log1p(-(named(np.tanh(z), "t") ** 3)),
}
SOUND: dict[str, Callable[[Any], Any]] = {
    "log of a sigmoid": lambda z: np.log(td.sigmoid(z)),
    "kept off 0": lambda z: np.log(td.sigmoid(z) + 1e-8) + np.log(1 - td.sigmoid(z) + 1e-8),
    "clipped": lambda z: np.log(np.clip(td.sigmoid(z), 1e-7, 1 - 1e-7)),
    "at least": lambda z: np.log(np.maximum(1 - td.sigmoid(z), 1e-7)),
    "normalised": lambda z: (np.tanh(z) - np.tanh(z).mean()) / np.sqrt(np.tanh(z).var() + 1e-5),
    "focal": lambda z: (1 - td.sigmoid(z)) ** 2 * np.log(td.sigmoid(z)),
    "attention": lambda z: (np.exp(z - z.max()) @ np.ones((2, 1))) / np.exp(z - z.max()).sum(),
    "a layer": lambda z: np.log(td.softplus(np.ones((3, 1)) @ np.tanh(z) + 1.0)),
    "no exponential": lambda z: np.log(z) + 1 / z + z**-0.5,
}


def named(t: Any, name: str) -> Any:
    t.name = name
    return t


@pytest.mark.parametrize("told", SPOILED)
def test_s93_what_cannot_be_mended_is_named_once(told: str) -> None:
    compiled = compile(value_and_grad(lambda z: SPOILED[told](z).sum()))
    z = np.array([[0.5, 0.25]])
    with pytest.warns(SaturationWarning) as caught:
        compiled.prepare(z)
    compiled(z)  # says no more
    (warning,) = caught
    assert f": {told}: " in str(warning.message)
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(lambda z: SPOILED[told](z).sum(), rewrite=False).prepare(z)


def test_a_loop_names_it_too() -> None:
    z = np.array([[0.5, 0.25]])
    with pytest.warns(SaturationWarning, match=r"1 − P") as caught:
        loop = compile_loop(lambda c: (c, SPOILED["√(1 − P)"](c)), carry=z)
    assert len(caught) == 1
    loop.step()


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_not_named(name: str) -> None:
    compile(value_and_grad(lambda z: SOUND[name](z).sum())).prepare(np.array([[0.5, 0.25]]))


def test_a_slope_written_by_hand_that_cancels_is_not_named() -> None:
    """−(Y/A − (1 − Y)/(1 − A)) A (1 − A) becomes A − Y."""

    def slope(z: Any, Y: Any) -> Any:
        A = td.sigmoid(z)
        return -(Y / A - (1 - Y) / (1 - A)) * A * (1 - A)

    np.testing.assert_array_equal(compile(slope)(Z, Y), [[-1.0, 1.0]])
