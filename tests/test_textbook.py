"""The hand-written network: its formulas against numbers, its listed behaviour, warts included."""

import ast
from pathlib import Path

import numpy as np
import pytest

from tinygrad_dnn import textbook as tb

DOCUMENT = [
    "sigmoid",
    "relu",
    "sigmoid_backward",
    "relu_backward",
    "initialize_parameters",
    "initialize_parameters_deep",
    "linear_forward",
    "linear_activation_forward",
    "L_model_forward",
    "compute_cost",
    "linear_backward",
    "linear_activation_backward",
    "L_model_backward",
    "update_parameters",
    "two_layer_model",
    "L_layer_model",
    "predict",
    "load_data",
]


def central(f, x, h=1e-6):
    """∂f/∂x of a scalar function, element by element."""
    slope = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        slope[i] = (f(up) - f(down)) / (2 * h)
    return slope


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def problem(rng):
    """X (5, 6), Y (1, 6) and parameters of a 5-4-3-1 network without dead units."""
    X = rng.normal(size=(5, 6))
    Y = np.array([[0, 1, 1, 0, 1, 0]])
    parameters = tb.initialize_parameters_deep([5, 4, 3, 1], scale="sqrt", seed=4)
    for name in ("b1", "b2", "b3"):
        parameters[name] += 0.1 * rng.normal(size=parameters[name].shape)
    return X, Y, parameters


def test_every_function_of_the_document_is_there():
    assert sorted(tb.__all__) == sorted([*DOCUMENT, "np"])
    assert all(getattr(tb, name).__doc__ for name in DOCUMENT)


def test_only_numpy_and_the_data_room_are_imported():
    tree = ast.parse(Path(tb.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name.startswith(("tinygrad_dnn", "viz", "."))}
    assert ours == {"tinygrad_dnn.data"}


# Activations.


def test_activations_return_value_and_cache():
    Z = np.array([[-2.0, 0.0, 3.0]])
    A, cache = tb.sigmoid(Z)
    np.testing.assert_allclose(A, [[0.11920292202211755, 0.5, 0.9525741268224334]], rtol=1e-15)
    assert cache is Z
    A, cache = tb.relu(Z)
    np.testing.assert_array_equal(A, [[0, 0, 3]])
    assert cache is Z


@pytest.mark.parametrize("name", ["sigmoid", "relu"])
def test_activation_backward_is_the_slope(name, rng):
    Z, dA = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    forward, backward = getattr(tb, name), getattr(tb, f"{name}_backward")
    kept = dA.copy()
    np.testing.assert_allclose(
        backward(dA, Z), central(lambda z: np.sum(dA * forward(z)[0]), Z), rtol=1e-8, atol=1e-9
    )
    np.testing.assert_array_equal(dA, kept)


def test_relu_backward_is_zero_at_zero():
    np.testing.assert_array_equal(
        tb.relu_backward(np.ones((1, 3)), np.array([[-1.0, 0.0, 1.0]])), [[0, 0, 1]]
    )


@pytest.mark.parametrize("name", ["sigmoid_backward", "relu_backward"])
def test_activation_backward_refuses_another_shape(name):
    with pytest.raises(ValueError, match=rf"{name}: expected dA of the shape of Z \(1, 3\)"):
        getattr(tb, name)(np.ones((3, 1)), np.ones((1, 3)))


# Initialisation.


def test_initialisation_shapes():
    for parameters in (
        tb.initialize_parameters(3, 4, 1),
        tb.initialize_parameters_deep((3, 4, 1)),
    ):
        assert {name: p.shape for name, p in parameters.items()} == {
            "W1": (4, 3),
            "b1": (4, 1),
            "W2": (1, 4),
            "b2": (1, 1),
        }
        assert not parameters["b1"].any()
        assert not parameters["b2"].any()


def test_initialisation_refuses():
    with pytest.raises(ValueError, match="two layer sizes or more"):
        tb.initialize_parameters_deep([3])
    with pytest.raises(ValueError, match=r"all >= 1, got \(3, 0, 1\)"):
        tb.initialize_parameters(3, 0, 1)
    with pytest.raises(ValueError, match="expected a number or 'sqrt', got 'he'"):
        tb.initialize_parameters_deep([3, 1], scale="he")


# Forward.


def test_linear_forward_returns_z_and_a_tuple(rng):
    A, W, b = rng.normal(size=(3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 1))
    Z, cache = tb.linear_forward(A, W, b)
    np.testing.assert_array_equal(Z, np.dot(W, A) + b)
    assert isinstance(cache, tuple)
    assert all(kept is given for kept, given in zip(cache, (A, W, b), strict=True))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 5), (2, 4), (2, 1)),
        ((3, 5), (2, 3), (2,)),
        ((3, 5), (2, 3), (1, 1)),
        ((3,), (2, 3), (2, 1)),
        ((3, 5), (3,), (3, 1)),
    ],
)
def test_linear_forward_refuses_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match=r"linear_forward: expected A \(n_prev, m\), W .*, got A"):
        tb.linear_forward(*map(np.ones, shapes))


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_linear_activation_forward_nests_the_caches(activation, rng):
    A_prev, W, b = rng.normal(size=(3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 1))
    A, (linear_cache, Z) = tb.linear_activation_forward(A_prev, W, b, activation)
    np.testing.assert_array_equal(Z, W @ A_prev + b)
    np.testing.assert_array_equal(A, getattr(tb, activation)(Z)[0])
    assert linear_cache[0] is A_prev
    assert linear_cache[1] is W
    assert linear_cache[2] is b


def test_unknown_activations_are_named():
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match=r"linear_activation_forward: .*'sigmoid', got 'tanh'"):
        tb.linear_activation_forward(one, one, one, "tanh")
    with pytest.raises(ValueError, match=r"linear_activation_backward: .*'sigmoid', got 'tanh'"):
        tb.linear_activation_backward(one, ((one, one, one), one), "tanh")


def test_model_forward_is_relu_layers_and_a_sigmoid(problem):
    X, _, p = problem
    AL, caches = tb.L_model_forward(X, p)
    A1 = np.maximum(0, p["W1"] @ X + p["b1"])
    A2 = np.maximum(0, p["W2"] @ A1 + p["b2"])
    np.testing.assert_allclose(AL, 1 / (1 + np.exp(-(p["W3"] @ A2 + p["b3"]))), rtol=1e-15)
    assert AL.shape == (1, 6)
    assert len(caches) == 3
    np.testing.assert_array_equal(caches[1][0][0], A1)
    assert caches[1][0][1] is p["W2"]


def test_model_forward_refuses_two_outputs():
    p = tb.initialize_parameters_deep([3, 2])
    with pytest.raises(ValueError, match=r"last layer of one unit, got AL \(2, 5\)"):
        tb.L_model_forward(np.ones((3, 5)), p)


def test_cost_is_cross_entropy():
    cost = tb.compute_cost(np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 0]]))
    assert cost.shape == ()
    assert cost == pytest.approx(-np.log(0.8 * 0.9 * 0.6) / 3, rel=1e-15)


@pytest.mark.parametrize(("AL", "Y"), [((1, 3), (3,)), ((1, 3), (3, 1)), ((1, 3), (1, 4))])
def test_cost_refuses_shapes_that_differ(AL, Y):
    with pytest.raises(ValueError, match=r"compute_cost: expected AL and Y \(1, m\)"):
        tb.compute_cost(np.full(AL, 0.5), np.ones(Y))


def test_cost_and_gradient_break_where_AL_reaches_its_label_kept_from_the_document():
    AL, Y = np.array([[1.0, 0.5]]), np.array([[1, 0]])
    with pytest.warns(RuntimeWarning, match="divide by zero"), np.errstate(invalid="ignore"):
        assert np.isnan(tb.compute_cost(AL, Y))
    one, Z = np.ones((1, 2)), np.array([[40.0, 0.0]])
    caches = [((one, np.ones((1, 1)), np.zeros((1, 1))), Z)]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        grads = tb.L_model_backward(AL, Y, caches)
    assert np.isnan(grads["dW1"]).all()


def test_cost_is_infinite_where_AL_reaches_the_wrong_label():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert tb.compute_cost(np.array([[0.0, 0.5]]), np.array([[1, 0]])) == np.inf


def test_sigmoid_overflows_as_said():
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert tb.sigmoid(np.array([[-800.0]]))[0] == 0
    assert tb.sigmoid(np.array([[37.0]]))[0] == 1


# Backward.


def test_linear_backward_against_a_central_difference(rng):
    A, W, b = rng.normal(size=(3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 1))
    dZ = rng.normal(size=(2, 5))
    dA, dW, db = tb.linear_backward(dZ, (A, W, b))

    def mean(A, W, b):
        """A cost whose derivative with respect to Z, times m, is dZ."""
        return np.sum(dZ * tb.linear_forward(A, W, b)[0]) / 5

    np.testing.assert_allclose(dW, central(lambda w: mean(A, w, b), W), rtol=1e-7)
    np.testing.assert_allclose(db, central(lambda c: mean(A, W, c), b), rtol=1e-7)
    np.testing.assert_allclose(dA / 5, central(lambda a: mean(a, W, b), A), rtol=1e-7)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_linear_activation_backward_against_a_central_difference(activation, rng):
    A, W, b = rng.normal(size=(3, 5)), rng.normal(size=(2, 3)), rng.normal(size=(2, 1))
    weight = rng.normal(size=(2, 5))

    def mean(A, W, b):
        return np.sum(weight * tb.linear_activation_forward(A, W, b, activation)[0]) / 5

    _, cache = tb.linear_activation_forward(A, W, b, activation)
    dA, dW, db = tb.linear_activation_backward(weight, cache, activation)
    close = {"rtol": 1e-6, "atol": 1e-9}
    np.testing.assert_allclose(dW, central(lambda w: mean(A, w, b), W), **close)
    np.testing.assert_allclose(db, central(lambda c: mean(A, W, c), b), **close)
    np.testing.assert_allclose(dA / 5, central(lambda a: mean(a, W, b), A), **close)


def test_linear_backward_refuses_another_shape():
    cache = (np.ones((3, 5)), np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"linear_backward: expected dZ \(2, 5\), got \(5, 2\)"):
        tb.linear_backward(np.ones((5, 2)), cache)


def test_model_backward_against_a_central_difference(problem):
    X, Y, p = problem
    AL, caches = tb.L_model_forward(X, p)
    grads = tb.L_model_backward(AL, Y, caches)

    def cost(name, value):
        return tb.compute_cost(tb.L_model_forward(X, {**p, name: value})[0], Y)

    for name, value in p.items():
        slope = central(lambda v, name=name: cost(name, v), value)
        np.testing.assert_allclose(grads[f"d{name}"], slope, rtol=1e-6, atol=1e-9)


def test_grads_dA_are_off_by_one_layer_and_carry_no_mean_kept_from_the_document(problem):
    X, Y, p = problem
    AL, caches = tb.L_model_forward(X, p)
    grads = tb.L_model_backward(AL, Y, caches)
    assert list(grads) == ["dA3", "dW3", "db3", "dA2", "dW2", "db2", "dA1", "dW1", "db1"]
    tail = {"W1": p["W3"], "b1": p["b3"]}
    A2 = caches[2][0][0]
    slope_A2 = central(lambda A: tb.compute_cost(tb.L_model_forward(A, tail)[0], Y), A2)
    np.testing.assert_allclose(grads["dA3"], 6 * slope_A2, rtol=1e-6, atol=1e-9)
    slope_X = central(lambda x: tb.compute_cost(tb.L_model_forward(x, p)[0], Y), X)
    np.testing.assert_allclose(grads["dA1"], 6 * slope_X, rtol=1e-6, atol=1e-9)


def test_model_backward_reshapes_Y_and_refuses_another_count(problem):
    X, Y, p = problem
    AL, caches = tb.L_model_forward(X, p)
    flat = tb.L_model_backward(AL, Y.ravel(), caches)
    np.testing.assert_array_equal(flat["dW1"], tb.L_model_backward(AL, Y, caches)["dW1"])
    with pytest.raises(ValueError, match=r"L_model_backward: expected Y \(1, 6\) as AL"):
        tb.L_model_backward(AL, Y[:, :5], caches)


def test_update_changes_the_dictionary_and_not_the_arrays():
    W, b = np.array([[1.0, 2.0]]), np.array([[3.0]])
    parameters = {"W1": W, "b1": b}
    grads = {"dW1": np.array([[10.0, 20.0]]), "db1": np.array([[1.0]])}
    updated = tb.update_parameters(parameters, grads, 0.1)
    assert updated is parameters
    np.testing.assert_array_equal(updated["W1"], [[0, 0]])
    np.testing.assert_array_equal(updated["b1"], [[2.9]])
    np.testing.assert_array_equal(W, [[1, 2]])
