"""Hand-written gradients that read what their forward saved (line S108 of the page)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor, custom_vjp

X = np.array([0.3, -1.2])


def saving(names: dict[str, Any]) -> Any:
    """exp, whose gradient is the result that the forward left in a dict."""

    def forward(x: Any) -> Any:
        names["y"] = np.exp(x)
        return names["y"]

    return custom_vjp(forward, lambda g, z, x: g * names["y"], name="saving")


def a_mask_saved() -> Any:
    saved: dict[str, Any] = {}

    def forward(x: Any) -> Any:
        saved["on"] = x > 0
        return np.where(saved["on"], x**2, 0)

    return custom_vjp(forward, lambda g, z, x: 2 * g * x * saved["on"])


def a_stack() -> Any:
    """Each backward takes what the forward that matches it has put there."""
    saved: list[Any] = []

    def forward(x: Any) -> Any:
        saved.append(x**2)
        return x**3

    return custom_vjp(forward, lambda g, z, x: 3 * g * saved.pop(), name="stack")


@pytest.mark.parametrize(
    "second",
    [
        lambda f: td.hessian(lambda x: f(x).sum())(X),
        lambda f: td.grad(td.grad(lambda x: f(x)))(0.5),
        lambda f: td.hvp(lambda x: f(x).sum(), [X], [X]),
        lambda f: td.jacobian(td.grad(lambda x: (f(x) * 2).sum()))(X),
        lambda f: td.grad(lambda x: (td.grad(lambda x: f(x * x).sum())(x) ** 2).sum())(X),
    ],
)
def test_s108_a_second_derivative_through_a_saved_value_is_refused(second: Any) -> None:
    for f in (saving({}), a_stack()):
        with pytest.raises(TypeError, match=r"(saving|stack): no second derivative"):
            second(f)


def test_the_refusal_says_why_and_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"saving: .*what forward saved.*ask for z") as caught:
        td.hessian(lambda x: saving({})(x).sum())(X)
    assert "second" in str(caught.value)


def test_a_program_of_a_saved_value_is_refused() -> None:
    """It would keep what the first call had saved: a stack is as it was when a call is over."""
    f = a_stack()
    for transform in (td.grad, td.hessian):
        with pytest.raises(TypeError, match="stack: no second derivative and no program"):
            td.compile(transform(lambda x: f(x).sum()))(X)
    cube = custom_vjp(lambda x: x**3, lambda g, x: 3 * g * x**2)
    program = td.compile(td.grad(lambda x: cube(x).sum()))
    for x in (X, 2 * X):
        np.testing.assert_allclose(program(x), 3 * x**2)


def test_first_derivatives_through_a_saved_value_stay_right() -> None:
    f = saving({})
    slopes = td.grad(lambda x: f(x).sum())(X)
    np.testing.assert_allclose(slopes, np.exp(X))
    np.testing.assert_allclose(td.jacobian(f)(X), np.diag(np.exp(X)))
    np.testing.assert_allclose(td.jvp(f, [X], [np.ones(2)])[1], np.exp(X))
    W = Tensor(X.copy(), requires_grad=True)
    f(W).sum().backward(create_graph=True)
    np.testing.assert_allclose(W.grad.data, np.exp(X))


def test_a_nonlinear_chain_around_it_is_differentiated_where_it_can_be() -> None:
    """In ∂²/∂x∂w of w · f(x) the slope of f is not differentiated."""
    f = saving({})

    def slope(w: Any) -> Any:
        return td.grad(lambda x: (w * f(x)).sum())(X)

    np.testing.assert_allclose(td.jacobian(slope)(np.ones(2)), np.diag(np.exp(X)))


def test_what_is_locally_constant_may_be_saved() -> None:
    f = a_mask_saved()
    np.testing.assert_allclose(td.hessian(lambda x: f(x).sum())(X), np.diag([2.0, 0.0]))


def test_a_gradient_that_asks_for_what_it_reads_is_of_any_order() -> None:
    f = custom_vjp(np.exp, lambda g, z: g * z)
    third = td.grad(td.grad(td.grad(f)))
    np.testing.assert_allclose(third(0.5), np.exp(0.5))
    linear = custom_vjp(lambda x: 3 * x, lambda g: 3 * g)
    assert not td.hessian(lambda x: linear(x).sum())(X).any()


def test_looking_leaves_the_saved_values_as_they_were() -> None:
    names: dict[str, Any] = {}
    f = saving(names)
    x = Tensor(X.copy(), requires_grad=True)
    td.gradients(f(x).sum(), x, create_graph=True)
    np.testing.assert_array_equal(names["y"], np.exp(X))
    stack = a_stack()
    y = stack(stack(x)).sum()
    slopes = td.gradients(y, x, create_graph=True)
    np.testing.assert_allclose(slopes.data, 9 * X**8)


def test_a_random_forward_that_saves_is_refused_where_its_gradient_is_recorded() -> None:
    rng, saved = np.random.default_rng(0), {}

    def forward(x: Any) -> Any:
        saved["mask"] = rng.integers(0, 2, x.shape)
        return x * saved["mask"]

    dropout = custom_vjp(forward, lambda g, z, x: g * saved["mask"], name="dropout")
    x = Tensor(np.ones(64), requires_grad=True)
    y = dropout(x)
    np.testing.assert_array_equal(td.gradients(y.sum(), x), y.data)
    with pytest.raises(TypeError, match="dropout: no second derivative"):
        td.gradients(dropout(x).sum(), x, create_graph=True)
    noisy = custom_vjp(lambda x: x + rng.normal(size=x.shape), lambda g: g, name="noisy")
    assert not td.hessian(lambda x: noisy(x).sum())(X).any()


def test_a_tensor_given_by_keyword_is_refused_by_name() -> None:
    f = custom_vjp(lambda x, y: x * y, lambda g, x, y: (g * y, g * x), name="product")
    with pytest.raises(TypeError, match=r"product: y is a Tensor.*product\(x, y\)"):
        f(X, y=Tensor(X, requires_grad=True))
