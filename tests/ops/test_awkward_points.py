"""Gradients where a function has a kink, a tie, a pole or nothing at all (S50 to S63, and S36)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.check import measured_gradient

INF, NAN = np.inf, np.nan


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


def slope(f: Callable[..., Any], *at: Any, argnums: Any = 0) -> Any:
    """Gradient of Σ f at a point."""
    return tg.grad(lambda *xs: np.sum(f(*xs)), argnums)(*(np.asarray(x, float) for x in at))


def equal(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected)


def test_s50_slopes_at_kinks() -> None:
    equal(slope(tg.relu, [-1.0, -0.0, 0.0, 1.0]), [0, 0, 0, 1])
    equal(slope(np.abs, [-2.0, -0.0, 0.0, 2.0]), [-1, 0, 0, 1])
    equal(slope(lambda x: tg.leaky_relu(x, 0.1), [-1.0, 0.0, 1.0]), [0.1, 0.1, 1])
    equal(slope(lambda x: tg.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0]), [0, 1, 1, 1, 0])
    equal(slope(lambda x: x.clip(None, 1.0), [0.0, 1.0, 2.0]), [1, 1, 0])
    limits = slope(tg.clip, [0.5], [3.0], [1.0], argnums=(0, 1, 2))  # a_max wins, as in NumPy
    assert [g.tolist() for g in limits] == [[0.0], [0.0], [1.0]]


def test_a_huge_exponent_keeps_its_parity() -> None:
    """From 2/ε on an exponent is even, and y − 1, which is odd, would round to an even number."""
    for dtype, y in ((np.float64, 1e16), (np.float32, 2.0**25), (np.float16, 4096.0)):
        x = np.array([-1.0, 1.0, 0.0, -0.5, -3.0, 3.0], dtype)
        with np.errstate(over="ignore"):
            found = tg.grad(lambda x, y=y: (x**y).sum())(x)
        equal(found, np.array([-y, y, 0, 0, -INF, INF], dtype))
    found = slope(lambda x: x**1e16, [-(1 + 2.0**-50)])
    np.testing.assert_allclose(found, -1e16 * np.exp(1e16 * 2.0**-50), rtol=1e-2)


def test_s51_ties_share_the_gradient() -> None:
    for extreme in (tg.maximum, tg.minimum):
        assert [g.tolist() for g in slope(extreme, [2.0], [2.0], argnums=(0, 1))] == [[0.5], [0.5]]
    equal(slope(lambda x: x.max(), [3.0, 1.0, 3.0, 3.0]), np.array([1, 0, 1, 1]) / 3)
    equal(slope(lambda x: x.min(axis=0), [[1.0, 2.0], [1.0, 5.0]]), [[0.5, 1], [0.5, 0]])
    equal(slope(lambda x: tg.maximum(x, x), [1.0, 2.0]), [1, 1])


def test_s52_an_untaken_branch_reaches_no_gradient() -> None:
    x = [-1.0, 0.0, 4.0]
    with np.errstate(all="ignore"):
        for branch in (np.sqrt, np.log, tg.reciprocal, lambda x: x**-0.5, lambda x: x / 0.0):
            found = slope(lambda x, branch=branch: np.where(x > 0, branch(x), 0.0), x)
            equal(found[:2], [0, 0])
        found = slope(lambda x: tg.where(x > 0, 2.0 * np.log(np.sqrt(x)), np.exp(1000 * -x)), x)
    equal(found, [-INF, -1000, 0.25])  # where the other branch is taken, its infinity arrives


def test_s53_a_zero_from_a_selection_meets_no_infinity() -> None:
    x = np.array([0.0, 4.0])
    with np.errstate(all="ignore"):
        equal(slope(lambda x: np.sqrt(x)[1:], x), [0, 0.25])
        equal(slope(lambda x: (2 * np.sqrt(x) + 1).reshape(1, 2)[:, 1], x), [0, 0.5])
        equal(slope(lambda x: np.split(np.log(x), 2)[1], x), [0, 0.25])
        joined = np.concatenate  # a many-input op on the way
        equal(slope(lambda x: joined([np.sqrt(x), np.sqrt(x)])[1::2], x), [0, 0.5])
        equal(slope(lambda x: tg.where(x > 0, joined([np.log(x)]), 0.0), x), [0, 0.25])
        # A zero that no selection wrote is a zero times infinity, and says so.
        assert np.isnan(slope(lambda x: np.sqrt(x) * 0.0, x)[0])
        assert np.isnan(slope(lambda z: (z - np.log(np.exp(z).sum()))[1], [1000.0, 0.0])[0])
        # A row that is masked throughout, and left out, spoils no product.
        mask = np.array([[0.0, 0.0], [-INF, -INF]])
        found = slope(lambda x: (tg.softmax(mask * x[:, None]) @ np.outer(x, x))[0], [1.0, 2.0])
        np.testing.assert_allclose(found, [3.0, 3.0])


def test_a_zero_cotangent_with_a_finite_slope_stays_differentiable() -> None:
    for pick in (lambda y: y.reshape(1)[0], lambda y: np.where(y > 0, y, 0.0)):
        # (x − 1) x² has the second derivative 6x − 2, although x − 1 is 0 here.
        curve = tg.grad(tg.grad(lambda x, pick=pick: (x - 1) * pick(x * x)))
        assert curve(1.0) == 4.0
        _, along = tg.jvp(lambda x, pick=pick: pick(np.sin(x)), [np.array(0.5)], [np.array(2.0)])
        np.testing.assert_allclose(along, 2 * np.cos(0.5), rtol=1e-15)


def test_s54_powers_of_zero() -> None:
    for y, expected in (
        (3.0, 0),
        (2, 0),
        (1, 1),
        (1.0, 1),
        (0, 0),
        (0.0, 0),
        (0.5, INF),
        (-1, -INF),
    ):
        with np.errstate(divide="ignore"):
            equal(slope(lambda x, y=y: x**y, 0.0), expected)
            equal(slope(lambda x, y=y: x ** np.array(float(y)), 0.0), expected)
    for y in (0.0, 0.5, 1.0, 2.0):
        equal(slope(lambda y: np.power(0.0, y), y), 0)
        equal(slope(np.power, 0.0, y, argnums=1), 0)
    for x in (-INF, -2.0, 0.0, INF):
        equal(slope(lambda x: x**0, x), 0)
        equal(slope(lambda x: x ** np.zeros(()), x), 0)
    third = tg.grad(tg.grad(tg.grad(lambda x: x**3)))
    assert (third(0.0), tg.grad(third)(0.0)) == (6.0, 0.0)
    equal(slope(lambda x: x**2, [-3.0]), [-6])
    equal(slope(lambda x: x ** np.array([2, 3]), [-3.0, -2.0]), [-6, 12])


def test_s55_division_by_zero_is_numpys() -> None:
    x, y = param([1.0, -1.0, 0.0]), param([0.0, 0.0, 0.0])
    with pytest.warns(RuntimeWarning):
        z = x / y
    equal(z.data, [INF, -INF, NAN])
    with pytest.warns(RuntimeWarning):
        z.sum().backward()
    equal(x.grad, [INF, INF, INF])
    equal(y.grad, [-INF, INF, NAN])


def test_s56_infinite_slopes_at_zero() -> None:
    with np.errstate(divide="ignore"):
        equal(slope(np.sqrt, [0.0, 4.0]), [INF, 0.25])
        equal(slope(np.log, [0.0, 4.0]), [INF, 0.25])
        equal(slope(np.log1p, [-1.0]), [INF])
        equal(slope(np.arcsin, [1.0]), [INF])


def test_s57_std_of_equal_elements_and_products_with_zeros() -> None:
    equal(slope(np.std, [3.0, 3.0, 3.0]), [0, 0, 0])
    equal(slope(lambda x: x.std(axis=1), [[1.0, 1.0], [0.0, 2.0]]), [[0, 0], [-0.5, 0.5]])
    equal(slope(np.prod, [2.0, 3.0, 4.0]), [12, 8, 6])
    equal(slope(np.prod, [2.0, 0.0, 4.0]), [0, 8, 0])
    equal(slope(np.prod, [0.0, 0.0, 4.0]), [0, 0, 0])
    curve = tg.hessian(np.prod)(np.array([0.0, 0.0, 4.0]))
    equal(curve, [[0, 4, 0], [4, 0, 0], [0, 0, 0]])


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1, 3), max_size=3), st.data())
def test_s58_a_gradient_is_summed_over_broadcast_axes(shape: list[int], data: Any) -> None:
    def part() -> tuple[int, ...]:
        cut = data.draw(st.integers(0, len(shape)))
        return tuple(n if data.draw(st.booleans()) else 1 for n in shape[cut:])

    rng = np.random.default_rng(len(shape))
    x, y, z = (rng.uniform(0.5, 2.0, part()) for _ in range(3))

    def f(x: Any, y: Any, z: Any) -> Any:
        return tg.where(x > 1, x * y - z / y, tg.maximum(x, y) ** z)

    g = np.ones(np.broadcast_shapes(x.shape, y.shape, z.shape))
    for i, mine in enumerate(slope(f, x, y, z, argnums=(0, 1, 2))):
        assert mine.shape == (x, y, z)[i].shape
        np.testing.assert_allclose(mine, measured_gradient(f, [x, y, z], i, g).astype(float), 1e-8)


def test_s59_empty_arrays() -> None:
    for f in (np.sum, np.exp, np.cumsum, lambda x: x @ x.T, tg.softmax):
        x = param(np.ones((0, 3)))
        np.sum(f(x)).backward()
        assert x.grad.shape == (0, 3)
    a, b = param(np.ones((2, 0))), param(np.ones((0, 3)))
    equal((a @ b).data, np.zeros((2, 3)))
    (a @ b).sum().backward()
    assert (a.grad.shape, b.grad.shape) == ((2, 0), (0, 3))
    assert param([]).sum().data == 0
    equal(slope(lambda x: np.prod(x, axis=1), np.ones((0, 4))), np.ones((0, 4)))
    equal(slope(lambda x, y: x * y, [[2.0], [3.0]], np.ones((1, 0))), [[0.0], [0.0]])
    equal(slope(lambda x: x[[]], [1.0, 2.0]), [0.0, 0.0])
    with pytest.raises(ValueError, match=r"max: nothing \(0,\)"):
        np.max(param([], "nothing"))


def test_s60_a_0d_tensor_has_a_0d_gradient() -> None:
    x, y = param(2.0), param(3.0)
    cost = tg.sigmoid(x * y + np.ones((2, 1)) * x).sum()
    cost.backward()
    for g in (x.grad, y.grad, cost.data):
        assert type(g) is np.ndarray
        assert g.shape == ()
    for reduce in (np.sum, np.prod, np.max, np.cumsum):  # NumPy lets a number have an axis 0
        equal(slope(lambda x, reduce=reduce: reduce(x, axis=0), 2.0), 1.0)


def test_s61_repeated_positions_add_up() -> None:
    i = np.array([0, 2, 2, 2, -1])
    equal(slope(lambda x: x[i] * np.array([1.0, 10.0, 100.0, 1000.0, 5.0]), [1.0, 2.0, 3.0]),
          [1, 0, 1115])  # fmt: skip
    equal(slope(lambda x: x[[0, 0], [1, 1]], [[1.0, 2.0]]), [[0, 2]])
    equal(slope(lambda x: np.repeat(x, [3, 0]), [1.0, 2.0]), [3, 0])


def test_s62_saturated_functions_are_finite_and_quiet() -> None:
    big = np.array([-1e307, -800.0, -40.0, 0.0, 40.0, 800.0, 1e307])
    for f in (tg.sigmoid, tg.log_sigmoid, tg.softplus, tg.softmax, tg.log_softmax, tg.logsumexp,
              np.tanh, lambda x: np.logaddexp(x, -x)):  # fmt: skip
        assert np.all(np.isfinite(np.asarray(f(param(big)).data)))
        assert np.all(np.isfinite(slope(f, big)))
    masked = np.array([1.0, -INF, 1.0])
    for f, expected in (
        (tg.logsumexp, [0.5, 0, 0.5]),
        (lambda x: tg.softmax(x)[0], [0.25, 0, -0.25]),
        (lambda x: tg.log_softmax(x)[0], [0.5, 0, -0.5]),
    ):
        np.testing.assert_allclose(slope(f, masked), expected, rtol=1e-15)
    equal(slope(lambda x: np.logaddexp(x, 1.0), [-INF]), [0])
    equal(slope(tg.logsumexp, [-INF, -INF]), [0, 0])
    equal(slope(lambda x: np.logaddexp(x, -INF), [-INF]), [0])


@pytest.mark.parametrize("kind", ["?", "b", "B", "h", "H", "i", "I", "l", "L"])
def test_whole_numbers_meet_exponentials_as_the_floats_they_are(kind: str) -> None:
    """−x of an unsigned number, and x − max x, would wrap around."""
    x = np.array([-128, 0, 127, 5, 3] if kind == "b" else [1, 0, 1, 2, 3]).astype(kind)
    for f in (tg.sigmoid, tg.log_sigmoid, tg.softplus, tg.softmax, tg.log_softmax, tg.logsumexp):
        found = f(x)
        assert found.dtype == np.result_type(x, np.float16)
        np.testing.assert_allclose(found, f(x.astype(float)), rtol=5e-3, atol=1e-3)
        np.testing.assert_array_equal(tg.compile(f)(x), found)


def test_s63_a_nan_that_is_used_is_seen() -> None:
    x = [NAN, 1.0]
    with np.errstate(invalid="ignore"):
        for f in (np.exp, np.square, tg.sigmoid, np.tanh, lambda x: 1.0 / x, lambda x: x**2):
            found = slope(f, x)
            assert np.isnan(found[0])
            assert np.isfinite(found[1])
        assert np.isnan(slope(tg.softmax, x)).all()
        assert np.isnan(param(x).max().data)
        found = slope(np.max, x)
    assert found[1] == 0
    assert found[0] != 0
    equal(slope(tg.relu, x), [0, 1])


def test_s36_a_tensor_used_twice_has_the_sum_of_both_gradients() -> None:
    x = np.array([[1.0, 2.0], [3.0, 5.0], [-1.0, 4.0]])
    np.testing.assert_array_equal(tg.grad(lambda x: (x * x).sum())(x), 2 * x)
    np.testing.assert_array_equal(tg.grad(lambda x: (x + x).sum())(x), np.full_like(x, 2.0))
    np.testing.assert_allclose(
        tg.grad(lambda x: (x @ x.T).sum())(x), np.tile(2 * x.sum(axis=0), (3, 1))
    )


FINITE: dict[str, Callable[[Any], Any]] = {
    "softplus": tg.softplus,
    "log_sigmoid": tg.log_sigmoid,
    "logaddexp": lambda x: np.logaddexp(x, 0.0) + np.logaddexp(1.0, x),
    "softmax": lambda x: tg.softmax(np.stack([x, 0.0 * x]))[0],
    "log_softmax": lambda x: tg.log_softmax(np.stack([x, 0.0 * x]))[0],
    "logsumexp": lambda x: tg.logsumexp(np.stack([x, 0.0 * x])),
}


@pytest.mark.parametrize("name", FINITE)
def test_s132_what_is_made_finite_has_finite_derivatives_of_any_order(name: str) -> None:
    f = FINITE[name]
    for order in (1, 2, 3):
        f = tg.grad(f)
        program = tg.compile(f)
        for x in (-1e300, -1e4, -745.0, -37.0, 0.0, 1e-300, 37.0, 710.0, 1e4, 1e300):
            assert np.isfinite(f(np.array(x))), (order, x)
            assert np.isfinite(program(np.array(x))), (order, x)
    assert tg.hessian(tg.softplus)(0.0) == -tg.hessian(tg.log_sigmoid)(0.0) == 0.25
