"""Functions of functions: any order, any structure, and no confusion between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, debug, grad, no_grad
from tinygrad_dnn.check import measured_gradient

rng = np.random.default_rng(3)
X, Y = rng.normal(size=(3, 5)), (rng.uniform(size=(1, 5)) > 0.5).astype(float)
PARAMS = {"W1": rng.normal(size=(4, 3)), "b1": np.zeros((4, 1)), "W2": rng.normal(size=(1, 4))}


def cost(params: dict[str, Any], X: Any = X, Y: Any = Y) -> Any:
    """A network of two layers and its cross-entropy."""
    A1 = tg.tanh(params["W1"] @ X + params["b1"])
    Z2 = params["W2"] @ A1
    return -(Y * tg.log_sigmoid(Z2) + (1 - Y) * tg.log_sigmoid(-Z2)).sum() / Y.shape[1]


def of_W1(W1: Any) -> Any:
    return cost(PARAMS | {"W1": W1})


def measured(f: Callable[..., Any], x: Any) -> Any:
    return measured_gradient(f, [x], 0, 1.0)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), 1e-9, 1e-10)


class Layer(NamedTuple):
    W: Any
    b: Any


# --- structures -----------------------------------------------------------------------------------


def test_s64_results_are_plain_and_in_the_structure_of_the_argument() -> None:
    nested = [{"a": np.ones(2), "deep": (np.ones(1), [np.ones(())])}, Layer(np.ones(2), 3.0)]

    def f(p: Any) -> Any:
        return (p[0]["a"] * p[1].W).sum() * p[0]["deep"][0].sum() * p[0]["deep"][1][0] * p[1].b

    slopes = grad(f)(nested)
    assert type(slopes) is list
    assert list(slopes[0]) == ["a", "deep"]
    assert type(slopes[0]["deep"]) is tuple
    assert type(slopes[1]) is Layer
    assert type(slopes[0]["a"]) is np.ndarray
    close(slopes[0]["a"], [3.0, 3.0])
    close(slopes[1].b, 2.0)
    W = Tensor([1.0, 2.0], requires_grad=True)
    outer = grad(lambda x: (x * W).sum())(np.ones(2))
    assert isinstance(outer, Tensor)
    close(tg.gradients((outer * outer).sum(), W), [2.0, 4.0])
    with no_grad():
        assert type(grad(lambda x: (x * W).sum())(np.ones(2))) is np.ndarray


def test_s65_nested_derivatives_keep_their_variables_apart() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    inner = grad(lambda x: x * grad(lambda y: x * y * y)(2.0))(3.0)  # d/dx 4x²
    assert type(inner) is np.ndarray
    assert inner == 24.0
    twice = grad(lambda x: grad(lambda y: x**2 * y**3)(x))  # d/dx 3x⁴
    close(twice(2.0), 96.0)
    along = grad(lambda x: tg.jvp(lambda y: x * y * y, [x], [1.0])[1])  # d/dx 2x², y held
    close(along(3.0), 12.0)
    pulled = grad(lambda x: tg.vjp(lambda y: y * x, x)[1](x)[0])  # d/dx x²
    close(pulled(3.0), 6.0)


def test_s66_a_function_returns_a_tensor() -> None:
    x = np.ones(2)
    for wrong in (lambda x: None, lambda x: x.sum().item(),
                  lambda x: np.sum(x.data)):  # fmt: skip
        for transform in (grad(wrong), tg.jacobian(wrong), tg.hessian(wrong)):
            with pytest.raises(TypeError, match="return a Tensor"):
                transform(x)
    with pytest.raises(TypeError, match=r"float: either it does not use"):
        tg.jacobian(lambda x: {"a": x, "b": x.sum().item()})(x)
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        grad(lambda x: x * 2)(x)
    for transform in (grad, tg.hessian, tg.value_and_grad):
        with pytest.raises(TypeError, match=r"got tuple: .*has_aux=True"):
            transform(lambda x: (x.sum(), x.sum()))(x)


def test_s67_transforms_leave_gradients_and_graphs_alone() -> None:
    W = Tensor([1.0, 2.0], requires_grad=True)
    W.grad = np.array([5.0, 5.0])
    outer = (W * W).sum()
    grad(lambda x: x * outer)(2.0)
    tg.hessian(lambda x: (x * W).sum() * outer)(np.ones(2))
    tg.gradients(outer, W)
    close(W.grad, [5.0, 5.0])
    outer.backward()
    close(W.grad, [7.0, 9.0])


def test_value_and_grad_with_several_arguments_and_keywords() -> None:
    def f(x: Any, y: Any, *, power: int = 1) -> Any:
        return (x * y**power).sum()

    x, y = np.array([2.0, 3.0]), np.array([4.0, 5.0])
    value, (dx, dy) = tg.value_and_grad(f, argnums=(0, 1))(x, y, power=2)
    assert type(value) is np.ndarray
    assert value == 107.0
    close(dx, y**2)
    close(dy, 2 * x * y)
    close(grad(f, argnums=-1)(x, y), x)
    (swapped_dy, swapped_dx) = grad(f, argnums=[1, 0])(x, y)
    close(swapped_dy, x)
    close(swapped_dx, y)
    assert grad(f).__name__ == "f"


@pytest.mark.parametrize("argnums", [5, -3, (), (0, 0), (0, 7)])
def test_argnums_that_name_no_arguments(argnums: Any) -> None:
    with pytest.raises(ValueError, match="argnums"):
        grad(lambda x, y: x * y, argnums=argnums)(1.0, 2.0)


def test_integers_are_no_variables() -> None:
    with pytest.raises(ValueError, match=r"int64 .*write 3\.0 for 3"):
        grad(lambda x: x * x)(3)
    with pytest.raises(ValueError, match=r"\['b'\]\[1\] of what .* int64 .*\.astype\(float\)"):
        grad(lambda p: p["a"] * 1.0)({"a": 1.0, "b": [None, np.array([1, 2])]})
    with pytest.raises(ValueError, match=r"\['a'\] is 3, \['b'\] is None; .*write 3\.0 for 3"):
        grad(lambda p: p["a"] * 1.0)({"a": 3, "b": None})


# --- orders ---------------------------------------------------------------------------------------


def test_gradients_of_a_network_against_measured_numbers() -> None:
    slopes = grad(cost)(PARAMS)
    for name, value in PARAMS.items():
        close(slopes[name], measured(lambda v, name=name: cost(PARAMS | {name: v}), value))


def test_the_third_derivative_of_a_networks_cost() -> None:
    """∂/∂W of ⟨u, H(W) v⟩, and measured: differences of the second derivative."""
    W1 = PARAMS["W1"]
    u, v = rng.normal(size=W1.shape), rng.normal(size=W1.shape)

    def second(W1: Any) -> Any:
        along = grad(lambda W: (grad(of_W1)(W) * v).sum())(W1)
        return np.sum(along * u)

    close(grad(second)(W1), measured(second, W1))


def test_every_order_of_one_variable() -> None:
    def f(x: Any) -> Any:
        return np.exp(2 * x) + x**5

    x = 0.3
    for order in range(1, 6):
        f = grad(f)
        power = np.prod(np.arange(6 - order, 6)) * x ** (5 - order)
        np.testing.assert_allclose(f(x), 2**order * np.exp(2 * x) + power, rtol=1e-12)


def test_hessian_hvp_jvp_vjp_and_jacobian_agree() -> None:
    def f(x: Any) -> Any:
        return tg.sin(x[0] * x[1]) * x[2] ** 2 + tg.relu(x).sum() * x[0]

    x, t = np.array([0.7, -1.2, 0.4]), np.array([1.0, -2.0, 0.5])
    H = tg.hessian(f)(x)
    assert H.shape == (3, 3)
    close(H, H.T)
    close(tg.hvp(f, [x], [t])[0], H @ t)
    value, along = tg.jvp(f, [x], [t])
    close(along, grad(f)(x) @ t)
    close(value, f(x))

    def g(x: Any) -> Any:
        return np.stack([f(x), x.sum(), x[1] * x[2]])

    J = tg.jacobian(g)(x)
    assert J.shape == (3, 3)
    close(tg.jvp(g, [x], [t])[1], J @ t)
    values, pullback = tg.vjp(g, x)
    close(values, g(x))
    close(pullback(t)[0], t @ J)
    close(pullback([0.0, 1.0, 0.0])[0], np.ones(3))  # a pullback can be used again
    close(tg.jacobian(lambda x: tg.jacobian(g)(x) @ t)(x), tg.jacobian(tg.jacobian(g))(x) @ t)


def test_shapes_of_a_jacobian() -> None:
    J = tg.jacobian(lambda p: p["W"] @ p["x"])({"W": np.ones((2, 3)), "x": np.ones((3, 4))})
    assert (J["W"].shape, J["x"].shape) == ((2, 4, 2, 3), (2, 4, 3, 4))
    assert tg.jacobian(lambda x: x * x)(np.ones(0)).shape == (0, 0)
    assert tg.jacobian(lambda x: x * x)(np.ones(2, np.float32)).dtype == np.float32


def test_forward_and_hessian_products_over_dicts() -> None:
    tangents = {k: rng.normal(size=v.shape) for k, v in PARAMS.items()}
    _, along = tg.jvp(cost, [PARAMS], [tangents])
    slopes = grad(cost)(PARAMS)
    close(along, sum(np.sum(slopes[k] * t) for k, t in tangents.items()))
    (product,) = tg.hvp(cost, [PARAMS], [tangents])
    for name, value in PARAMS.items():
        expected = measured(
            lambda v, name=name: tg.jvp(cost, [PARAMS | {name: v}], [tangents])[1], value
        )
        close(product[name], expected)


def test_a_function_that_returns_its_argument() -> None:
    x = np.array([1.0, 2.0])
    close(grad(lambda x: grad(lambda y: y)(x))(1.0), 0.0)
    close(tg.jvp(lambda x: x, [x], [3 * x])[1], 3 * x)
    close(tg.vjp(lambda x: x, x)[1](5 * x)[0], 5 * x)
    close(tg.jacobian(lambda x: x)(x), np.eye(2))
    W = Tensor(x, requires_grad=True)
    W.backward(np.ones(2), create_graph=True)
    assert isinstance(W.grad, Tensor)


def test_dependence_on_nothing_is_zero() -> None:
    x = np.ones(2)
    close(grad(lambda x: Tensor(3.0))(x), [0, 0])
    close(tg.jvp(lambda x: Tensor([3.0]), [x], [x])[1], [0])
    close(tg.hvp(lambda x: x.sum(), [x], [x])[0], [0, 0])
    close(tg.hessian(lambda x: x.sum())(x), np.zeros((2, 2)))
    close(tg.vjp(lambda x, y: x * 2, x, x)[1](x)[1], [0, 0])
    close(grad(lambda x: np.floor(x).sum())(x), [0, 0])


@pytest.mark.parametrize("transform", [tg.jvp, tg.hvp])
def test_tangents_must_fit(transform: Any) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(2,\), got \(3,\)"):
        transform(lambda x: (x * x).sum(), [np.ones(2)], [np.ones(3)])
    with pytest.raises(ValueError, match=r"1 primals, but 2 tangents|expected 1 arrays, got 2"):
        transform(lambda x: (x * x).sum(), [np.ones(2)], [np.ones(2), np.ones(2)])


def test_a_cotangent_must_fit() -> None:
    with pytest.raises(ValueError, match=r"cotangent of shape \(2,\), got \(3,\)"):
        tg.vjp(lambda x: x * 2, np.ones(2))[1](np.ones(3))


# --- plain Python ---------------------------------------------------------------------------------


def test_loops_conditions_and_closures_are_plain_python() -> None:
    scale = np.array([2.0, 0.5])

    def f(x: Any, n: int) -> Any:
        for k in range(n):
            x = x * scale if x.sum() < 10 else tg.sqrt(x) + k
        return x.sum()

    x = np.array([1.5, 2.0])
    for n in range(6):
        close(grad(f)(x, n), measured(lambda x, n=n: f(x, n), x))


def test_a_root_found_by_newtons_method_is_differentiated_through_its_loop() -> None:
    def root(a: Any) -> Any:
        x = a
        while abs((x * x - a).item()) > 1e-13:
            x = x - (x * x - a) / (2 * x)
        return x

    close(grad(root)(2.0), 0.5 / np.sqrt(2.0))
    close(grad(grad(root))(2.0), -0.25 / 2.0**1.5)


def test_transforms_inside_no_grad_and_debug() -> None:
    with no_grad():
        close(grad(grad(lambda x: x**3))(2.0), 12.0)
        close(tg.hessian(of_W1)(PARAMS["W1"]).shape, (4, 3, 4, 3))
    with debug():
        close(grad(grad(lambda x: x**3))(2.0), 12.0)
        close(tg.jvp(tg.sin, [0.5], [2.0])[1], 2 * np.cos(0.5))


# --- examples one by one, and black boxes ---------------------------------------------------------


def test_per_example_gradients_average_to_the_gradient() -> None:
    each = tg.per_example_gradients(cost, PARAMS, X, Y)
    whole = grad(cost)(PARAMS)
    for name, value in PARAMS.items():
        assert each[name].shape == (5, *value.shape)
        close(each[name].mean(axis=0), whole[name])
    close(each["W1"][2], grad(cost)(PARAMS, X[:, 2:3], Y[:, 2:3])["W1"])
    rows = tg.per_example_gradients(lambda w, x: (x @ w).sum(), np.ones(3), X.T, axis=0)
    close(rows, X.T)
    with pytest.raises(ValueError, match=r"one length along axis -1.*\(3, 5\).*\(1, 4\)"):
        tg.per_example_gradients(cost, PARAMS, X, Y[:, :4])
    with pytest.raises(ValueError, match="at least one example"):
        tg.per_example_gradients(cost, PARAMS, X[:, :0], Y[:, :0])


def test_a_black_box_with_its_own_gradient() -> None:
    def erf_slope(x: Any) -> Any:
        return 2 / np.sqrt(np.pi) * np.exp(-x * x)

    points, step = np.linspace(-6, 6, 12_001, retstep=True)
    table = np.cumsum(erf_slope(points)) * step - 1

    def erf(x: Any) -> Any:
        return np.interp(x, points + step / 2, table)  # a table look-up: no rule has it

    smooth = tg.custom_vjp(erf, lambda g, z, x: g * erf_slope(x), name="erf")
    x = np.array([-0.5, 0.25, 1.0])
    close(grad(lambda x: (smooth(x) * x).sum())(x), erf(x) + x * erf_slope(x))
    close(grad(lambda x: grad(smooth)(x))(0.5), -2 * 0.5 * erf_slope(0.5))
    z = smooth(Tensor(x, requires_grad=True, name="x"))
    assert "erf(x)" in repr(z)
    close(smooth(x), erf(x))


def test_a_black_box_of_several_arrays_and_what_it_may_not_return() -> None:
    x, y = np.array([1.0, 2.0]), np.array([[3.0], [4.0]])
    product = tg.custom_vjp(np.multiply, lambda g, z, x, y: (g * y, None))
    close(grad(lambda x: product(x, y).sum())(x), [7.0, 7.0])
    close(grad(lambda x, y: product(x, y).sum() + y.sum(), argnums=1)(x, y), [[1.0], [1.0]])
    for wrong, told in (
        (lambda g, z, x: (g, g), "returned 2 gradients for 1"),
        (lambda g, z, x: np.ones(3), r"shape \(3,\) where the input has \(2,\)"),
    ):
        with pytest.raises(ValueError, match=told):
            grad(lambda x, wrong=wrong: tg.custom_vjp(np.exp, wrong)(x).sum())(x)
    with pytest.raises(TypeError, match=r"list"):
        tg.custom_vjp(lambda x: [1, 2], lambda g, z, x: g)(Tensor(x, requires_grad=True))


def test_the_hessian_of_a_dict_has_a_block_for_each_pair() -> None:
    blocks = tg.hessian(lambda p: (p["a"] ** 2 * p["b"]).sum())(
        {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    )
    np.testing.assert_array_equal(blocks["a"]["a"], np.diag([6.0, 8.0]))
    np.testing.assert_array_equal(blocks["a"]["b"], np.diag([2.0, 4.0]))
    np.testing.assert_array_equal(blocks["b"]["b"], np.zeros((2, 2)))


def test_jvp_wants_sequences() -> None:
    with pytest.raises(TypeError, match=r"jvp\(f, \[x\], \[t\]\)"):
        tg.jvp(np.sin, [1.0], 1.0)
