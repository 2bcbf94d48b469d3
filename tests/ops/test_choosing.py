"""Composed functions whose arguments are no arrays alone."""

import numpy as np
import pytest

import tinygrad_dnn as td

X = np.array([-1.5, -0.5, 0.5, 1.5])


def test_select_takes_the_first_that_holds() -> None:
    def f(x):
        return np.select([x < -1, x < 1], [x**2, 3 * x], default=7.0)

    np.testing.assert_array_equal(f(td.Tensor(X)).data, f(X))
    np.testing.assert_array_equal(td.grad(lambda x: f(x).sum())(X), [-3, 3, 3, 0])


def test_choose_picks_by_number() -> None:
    at = np.array([0, 2, 1, 0])

    def f(x):
        return np.choose(at, [x, x**2, x**3])

    np.testing.assert_array_equal(f(td.Tensor(X)).data, f(X))
    np.testing.assert_array_equal(td.grad(lambda x: f(x).sum())(X), [1, 0.75, 1, 1])
    with pytest.raises(ValueError, match="choose: expected positions from 0 to 0, got 0 to 2"):
        np.choose(at, [td.Tensor(X)])


def test_piecewise_calls_its_functions() -> None:
    def f(x):
        return np.piecewise(x, [x < 0, x >= 0], [lambda x: x**2, lambda x: 3 * x])

    np.testing.assert_array_equal(f(td.Tensor(X)).data, f(X))
    np.testing.assert_array_equal(td.grad(lambda x: f(x).sum())(X), [-3, -1, 3, 3])


def test_apply_along_axis_calls_its_function_on_every_vector() -> None:
    A = np.arange(6.0).reshape(2, 3)

    def f(a, axis):
        return np.apply_along_axis(lambda v: np.cumsum(v) * v[0], axis, a)

    for axis in (0, 1, -1):
        np.testing.assert_array_equal(f(td.Tensor(A), axis).data, f(A, axis))
    assert td.check_gradients(lambda a: f(a, 1), A)


def test_linspace_follows_its_ends() -> None:
    slope = td.grad(lambda a, b: np.linspace(a, b, 5)[1], argnums=(0, 1))(1.0, 2.0)
    assert slope == (0.75, 0.25)
