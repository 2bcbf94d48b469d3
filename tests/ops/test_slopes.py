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
NO_NUMBERS = {"astype", "clip", "where"}  # a cast, and choices: nothing is computed


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
    np.testing.assert_array_equal(wide_sum, np.float32([0.5, 0.5]))


def test_logsumexp_has_slopes_of_every_axis_and_order() -> None:
    x = 1e12 + np.arange(12.0).reshape(3, 4)
    for axis in (0, 1, (0, 1), None):
        slope = tg.grad(lambda x, axis=axis: np.sum(tg.logsumexp(x, axis=axis)))(x)
        exact = np.exp(x - x.max(axis, keepdims=True))
        np.testing.assert_allclose(slope, exact / exact.sum(axis, keepdims=True), rtol=1e-14)
    curve = tg.hessian(tg.logsumexp)(np.array([0.3, -1.0, 2.0]))
    p = np.exp([0.3, -1.0, 2.0]) / np.exp([0.3, -1.0, 2.0]).sum()
    np.testing.assert_allclose(curve, np.diag(p) - np.outer(p, p), atol=1e-15)
