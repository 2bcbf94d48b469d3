"""A gradient written by hand is called in one way, by `op`, `custom_vjp` and `check_vjp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Op, Tensor, check_vjp, custom_vjp, grad, hessian
from tinygrad_dnn.check import check_op

X = np.array([0.5, -1.0, 2.0])


def scaled(x: Any, k: float = 2.0) -> Any:
    return k * np.tanh(x)


def any_number(*args: Any) -> Any:
    g, z, _ = args
    return g * (2 - z**2 / 2)


class Gradient:
    """A callable that is no function."""

    def __call__(self, g: Any, x: Any) -> Any:
        return g * 2 / np.cosh(x) ** 2


def test_a_slope_in_place_of_a_gradient_is_refused() -> None:
    for make in (lambda: check_vjp(np.sin, np.cos, X), lambda: custom_vjp(np.sin, np.cos)(X)):
        with pytest.raises(TypeError, match=r"np\.cos is .* lambda g, x: g \* np\.cos\(x\)"):
            make()


# Right gradients of `scaled`, however they ask.
WAYS: dict[str, Callable[..., Any]] = {
    "g and z": lambda g, z: g * (2 - z**2 / 2),
    "another order": lambda x, g: g * 2 / np.cosh(x) ** 2,
    "all": lambda x, z, g: g * 2 / np.cosh(x) ** 2,
    "by count": lambda dA, A, Z: dA * (2 - A**2 / 2) + 0 * Z,
    "any number": any_number,
    "an option": lambda g, x, k: g * k / np.cosh(x) ** 2,
    "a default of its own": lambda g, x, c=2.0: g * c / np.cosh(x) ** 2,
    "a default between": lambda c=2.0, *, g, x: g * c / np.cosh(x) ** 2,
    "a callable": Gradient(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_right_gradient_is_right_however_it_asks(way: str) -> None:
    backward = WAYS[way]
    assert check_vjp(scaled, backward, X).verdict == "right"
    expected = 2 / np.cosh(X) ** 2
    np.testing.assert_allclose(grad(lambda x: custom_vjp(scaled, backward)(x).sum())(X), expected)


@pytest.mark.parametrize("way", [w for w in WAYS if w != "an option"])
def test_a_rule_of_an_op_asks_in_the_same_ways(way: str) -> None:
    def doubled(x: Any, /) -> Any:
        return 2 * np.tanh(x)

    op = Op(doubled, "2 tanh({x})", WAYS[way], elementwise=True)
    check_op(op)


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_gradient_is_wrong_however_it_asks(way: str) -> None:
    assert check_vjp(lambda x, k=2.0: 3 * np.tanh(x), WAYS[way], X).verdict == "wrong"


def test_the_forwards_own_names_win() -> None:
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    assert check_vjp(sigmoid, lambda g, z: g * sigmoid(z) * (1 - sigmoid(z)), X).ok
    assert check_vjp(sigmoid, lambda g, out: g * out * (1 - out), X).ok
    assert check_vjp(sigmoid, lambda g, out, z: g * out * (1 - out) + 0 * z, X).ok
    assert check_vjp(sigmoid, lambda dA, A, Z: dA * A * (1 - A), X).ok  # by count
    f = custom_vjp(sigmoid, lambda g, z: g * sigmoid(z) * (1 - sigmoid(z)))
    np.testing.assert_allclose(grad(lambda x: f(x).sum())(0.0), 0.25)


def test_an_option_may_be_called_z() -> None:
    def shifted(x: Any, *, z: float = 1.0) -> Any:
        return x**2 + z

    assert check_vjp(shifted, lambda g, x, z, out: 2 * g * x + 0 * (z + out), X, z=3.0).ok


def test_a_forward_with_a_parameter_g_is_answered_by_count() -> None:
    assert check_vjp(lambda g: g**2, lambda dz, out, x: 2 * dz * x, X).ok
    with pytest.raises(TypeError, match="asks for 'dz'"):
        check_vjp(lambda g: g**2, lambda dz, g: 2 * dz * g, X)


def test_options_go_to_both() -> None:
    def backward(g: Any, x: Any, k: float) -> Any:
        return g * k / np.cosh(x) ** 2

    assert check_vjp(scaled, backward, X, k=5.0).ok
    assert check_vjp(scaled, lambda g, x, **options: backward(g, x, **options), X, k=5.0).ok
    assert not check_vjp(scaled, lambda g, x, k: backward(g, x, k + 1), X, k=5.0).ok
    f = custom_vjp(scaled, backward)
    for k in (2.0, 3.0):
        np.testing.assert_allclose(grad(lambda x, k=k: f(x, k=k).sum())(0.0), k)
    x = Tensor(X, requires_grad=True)
    one, other = f(x, k=2.0), f(x, k=7.0)
    (one + other).sum().backward()  # each has its own option
    np.testing.assert_allclose(x.grad, 9 / np.cosh(X) ** 2)


def test_several_inputs_and_ufuncs() -> None:
    assert check_vjp(np.multiply, lambda g, x1, x2: (g * x2, g * x1), X, X + 3).ok
    assert check_vjp(np.multiply, lambda d, out, a, b: (d * b, d * a), X, X + 3).ok
    assert check_vjp(np.sin, lambda x, g: g * np.cos(x), X).ok
    product = custom_vjp(lambda *xs: xs[0] * xs[1], lambda g, z, x, y: (g * y, g * x))
    np.testing.assert_allclose(hessian(lambda x: product(x, x).sum())(X), 2 * np.eye(3))


WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "an unknown name": (lambda g, w: g * w, r"lambda\(g, w\) asks for 'w'; it may ask for g, k, x"),
    "too many": (lambda a, b, c, d: a, r"asks for 'a'; .* exactly 3: the cotangent, the result, x"),
    "too few": (lambda dA: dA, "asks for 'dA'"),
    "an unknown keyword": (lambda g, *, w: g, "asks for 'w'"),
    "too few of any number": (lambda a, b, c, d, *rest: a, "asks for 'a'"),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_asks_for_something_else_is_told_what_there_is(how: str) -> None:
    backward, words = WRONG[how]
    with pytest.raises(TypeError, match=words):
        check_vjp(scaled, backward, X)
    with pytest.raises(TypeError, match=words.removeprefix(r"lambda")):
        custom_vjp(scaled, backward)(Tensor(X, requires_grad=True))
    with pytest.raises(TypeError, match=r"op f: the rule for x\(.*\) asks for '"):
        Op(lambda x, /: x, "{x}", backward, name="f")


@pytest.mark.parametrize("name", ["g", "z"])
def test_an_op_has_no_array_called_as_the_rules_call_others(name: str) -> None:
    made: dict[str, Any] = {}
    exec(f"def f({name}, /):\n    return {name}", made)
    with pytest.raises(TypeError, match=rf"no array may be called {name}: in rules g is"):
        tg.op("f", vjp=lambda g: g)(made["f"])
    assert "f" not in REGISTRY
