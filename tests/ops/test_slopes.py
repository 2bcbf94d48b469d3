"""How exact slopes are: the page is what is measured, and every op is on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinks import is_elementwise
from slopes import HAS_80_BITS, TABLE, TRUTH, page, worst

import tinygrad_dnn as tg
from tinygrad_dnn import Op
from tinygrad_dnn.ops import REGISTRY

wide = pytest.mark.skipif(not HAS_80_BITS, reason="longdouble has no 80 bits here")
NO_NUMBERS = {
    "astype",
    "clip",
    "where",
    "sinc_derivative",
    "i0_derivative",
}  # a cast, and choices: nothing is computed


@wide
def test_the_page_is_what_is_measured() -> None:
    written = TABLE.read_text(encoding="utf-8")
    assert page() == written, "slopes.md is not what is measured; write it: python tests/slopes.py"


def test_every_elementwise_op_with_a_slope_is_on_the_page() -> None:
    ops = [op for op in REGISTRY.values() if op.builtin and is_elementwise(op)]
    assert {op.name for op in ops if op.differentiable} - NO_NUMBERS == {*TRUTH}


@wide
def test_a_slope_that_rounds_is_found() -> None:
    def expm1(x: Any, /) -> Any:
        return np.expm1(x)

    rounded = Op(expm1, "expm1({x})", lambda g, z: g * (z + 1))
    rounded.elementwise = True
    assert worst(rounded, 0).ulps > 2**40
    assert worst(REGISTRY["expm1"], 0).ulps <= 4


def test_equal_arguments_share_whatever_their_size() -> None:
    for x in (1.0, 1e10, 1e16, 1e300):
        assert tg.grad(lambda x: np.logaddexp(x, x))(x) == 1
        np.testing.assert_array_equal(tg.grad(tg.logsumexp)(np.array([x, x])), [0.5, 0.5])
        np.testing.assert_allclose(tg.grad(tg.logsumexp)(np.full(3, x)), np.full(3, 1 / 3), 1e-15)
    wide_sum = tg.grad(tg.logsumexp)(np.array([1e5, 1e5], np.float32))
    np.testing.assert_allclose(wide_sum, [0.5, 0.5], rtol=2e-7)


@wide
@pytest.mark.parametrize("op", [tg.softmax, tg.log_softmax], ids=lambda op: op.name)
def test_a_share_that_is_all_but_one_has_the_slope_that_the_others_leave(op: Op) -> None:
    rng = np.random.default_rng(0)
    for x in (np.array([37.43, 0.0]), *(rng.normal(size=4) * 20 for _ in range(100))):
        p = np.exp(x.astype(np.longdouble) - x.max())
        p /= p.sum()
        for i in range(len(x)):
            others = [p[j] for j in range(len(x)) if j != i]
            true = np.where(np.arange(len(x)) == i, np.sum(others), -p)  # ∂ log pᵢ
            true = true * p[i] if op is tg.softmax else true
            found = tg.grad(lambda x, i=i: op(x)[i])(x)
            # The differences of the arguments, at most 200, are rounded.
            np.testing.assert_allclose(found, true.astype(float), rtol=1e-13)


def test_s98_slopes_are_as_exact_as_the_page_says() -> None:
    assert tg.grad(lambda x: np.logaddexp(x, x))(1e16) == 1
    np.testing.assert_array_equal(tg.grad(tg.logsumexp)(np.array([1e50, 1e50])), [0.5, 0.5])
    assert tg.grad(np.expm1)(-37.0) == np.exp(-37.0)
    slope = tg.grad(lambda z: tg.log_softmax(z)[0])(np.array([37.43, 0.0]))
    np.testing.assert_allclose(slope, [np.exp(-37.43), -np.exp(-37.43)], rtol=1e-14)
    assert tg.grad(np.arctan2)(1e-300, 1e-300) == 5e299
    near = tg.grad(np.arcsin)(1 - 1e-15)
    np.testing.assert_allclose(near, 1 / np.sqrt(2 * (1 - (1 - 1e-15))), rtol=1e-14)
    for f in (tg.sigmoid, np.tanh):  # from the result, which has rounded to 1
        assert tg.grad(f)(40.0) == 0


def test_s99_a_root_of_squares_has_no_slope_at_zero() -> None:
    norm = tg.grad(lambda x: np.sqrt((x**2).sum()) ** 2)
    with pytest.warns(RuntimeWarning):
        assert np.isnan(norm(np.zeros(3))).all()
    with pytest.warns(RuntimeWarning):
        assert np.isnan(tg.grad(lambda x: np.sqrt(x) ** 2)(0.0))
    np.testing.assert_array_equal(tg.grad(lambda x: (x**2).sum())(np.zeros(3)), np.zeros(3))
    assert tg.grad(np.hypot, argnums=(0, 1))(0.0, 0.0) == (0, 0)


def test_logsumexp_has_slopes_of_every_axis_and_order() -> None:
    x = 1e12 + np.arange(12.0).reshape(3, 4)
    for axis in (0, 1, (0, 1), None):
        slope = tg.grad(lambda x, axis=axis: np.sum(tg.logsumexp(x, axis=axis)))(x)
        exact = np.exp(x - x.max(axis, keepdims=True))
        np.testing.assert_allclose(slope, exact / exact.sum(axis, keepdims=True), rtol=1e-14)
    curve = tg.hessian(tg.logsumexp)(np.array([0.3, -1.0, 2.0]))
    p = np.exp([0.3, -1.0, 2.0]) / np.exp([0.3, -1.0, 2.0]).sum()
    np.testing.assert_allclose(curve, np.diag(p) - np.outer(p, p), atol=1e-15)
