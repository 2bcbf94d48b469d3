"""What `where` or an index leaves out contributes nothing; other zeros hide nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import compile

INF = np.inf
RNG = np.random.default_rng(3)
X, W = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4))
MASK = np.where(np.arange(3)[:, None] == 2, -INF, np.zeros((3, 3)))


def slope(f: Callable[[Any], Any], x: Any) -> Any:
    with np.errstate(all="ignore"):
        return td.grad(lambda x: f(x).sum())(np.array(x, dtype=float))


def both(f: Callable[[Any], Any], x: Any) -> list[Any]:
    """The gradient in eager mode and compiled as it is written."""
    with np.errstate(all="ignore"):
        x = np.array(x, dtype=float)
        return [slope(f, x), compile(td.grad(lambda x: f(x).sum()), rewrite=False)(x)]


def test_a_zero_that_underflow_made_is_no_mask() -> None:
    for found in both(lambda z: -(z - np.log(np.exp(z).sum()))[1], [1000.0, 0.0]):
        assert np.isnan(found[0])
        assert found[1] == -1
    for found in both(lambda z: (1 / np.exp(z))[:1], [1000.0, 0.0]):
        assert np.isnan(found[0])  # 1/∞ · ∞
        assert found[1] == 0


def test_an_element_that_is_used_once_is_used() -> None:
    """Whichever use the sweep meets first."""
    for f in (
        lambda r: r[1:].sum() + 0 * r.sum(),
        lambda r: 0 * r.sum() + r[1:].sum(),
        lambda r: r[1:].sum() + r[:1].sum() * 0,
        lambda r: np.where([False, True], r, 0).sum() + np.concatenate([r, r])[2:3].sum() * 0,
    ):
        for found in both(lambda x, f=f: f(np.sqrt(x)), [0.0, 4.0]):
            assert np.isnan(found[0])
            assert found[1] == 0.25
    root = np.sqrt
    for found in both(lambda x: (lambda r: r + np.where([False, True], r, 0))(root(x)), [0.0, 4.0]):
        np.testing.assert_array_equal(found, [INF, 0.5])


@pytest.mark.parametrize(
    "f",
    [
        lambda r: r[1:],
        lambda r: np.where([False, True], r, 5.0),
        lambda r: np.take(r, [1, 1, 1]) / 3,
        lambda r: (2 * r.reshape(1, 2) - r).T[1, :] ,
        lambda r: np.stack([r, 0 * r + 7])[0, 1],
        lambda r: np.concatenate([r, r])[3],
        lambda r: np.broadcast_to(r, (5, 2))[:, 1] / 5,
        lambda r: (r + np.zeros((5, 2)))[2, 1:],
        lambda r: np.flip(r)[:1],
        lambda r: np.repeat(r, 2)[2:] / 2,
        lambda r: np.pad(r, 1)[2],
        lambda r: (np.expand_dims(r, 1) @ np.ones((1, 3)))[1] / 3,
        lambda r: np.dot(np.expand_dims(r, 1), np.ones((1, 3)))[1, :2] / 2,
        lambda r: np.expand_dims(r, 1).sum(axis=1)[1],
        lambda r: td.logsumexp(np.expand_dims(r, 1), axis=1)[1],
        lambda r: np.max(np.expand_dims(r, 1), axis=1)[1],
        lambda r: np.cumsum(np.flip(r))[0],
    ],
)  # fmt: skip
def test_what_is_left_out_later_contributes_nothing(f: Callable[[Any], Any]) -> None:
    for found in both(lambda x: f(np.sqrt(x)), [0.0, 4.0]):
        np.testing.assert_allclose(found, [0, 0.25], rtol=1e-15)


def attention(W: Any, rows: slice) -> Any:
    """Self-attention whose last row is masked throughout."""
    Q = X @ W
    return ((td.softmax(Q @ Q.T + MASK, axis=1) @ Q)[rows] ** 2).sum()


def test_a_masked_row_that_is_left_out_costs_no_other_row_its_slope() -> None:
    def without(W: Any) -> Any:
        Q = X @ W
        return ((td.softmax(Q[:2] @ Q.T, axis=1) @ Q) ** 2).sum()

    expected = td.grad(without)(W)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(td.grad(attention)(W, slice(2)), expected, rtol=1e-12)
        for rewrite in (True, False):
            compiled = compile(td.grad(lambda W: attention(W, slice(2))), rewrite=rewrite)
            np.testing.assert_allclose(compiled(W), expected, rtol=1e-12)
        assert np.isnan(td.grad(attention)(W, slice(3))).all()


def test_second_derivatives_leave_out_the_same() -> None:
    for found in both(td.grad(lambda x: (np.sqrt(x) * x)[1:].sum()), [0.0, 4.0]):
        np.testing.assert_allclose(found, [0, 0.375], rtol=1e-14)


def test_a_mask_of_values() -> None:
    """What is left out may be another at each call of a program."""
    f = compile(td.grad(lambda x: np.where(x > 1, np.log(x - 1), 0.0).sum()), rewrite=False)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(f(np.array([1.0, 3.0])), [0, 0.5])
        np.testing.assert_array_equal(f(np.array([3.0, 1.0])), [0.5, 0])


def test_a_warning_of_what_is_used_is_given() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        td.grad(lambda x: np.sqrt(x)[:1].sum())(np.array([0.0, 4.0]))
