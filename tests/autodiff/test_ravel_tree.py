"""A tree of arrays as one vector, and back."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

from tinygrad_dnn import Tensor, check_gradients, grad, ravel_tree, value_and_grad

Pair = namedtuple("Pair", "left right")


def test_s157_a_vector_goes_back_to_the_shapes_and_dtypes_it_came_from() -> None:
    rng = np.random.default_rng(0)
    tree = {
        "W": rng.normal(size=(2, 3)),
        "rest": [np.float32([1.5]), (np.array(7.0), Pair(np.arange(4), np.empty((0, 2))))],
    }
    vector, unravel = ravel_tree(tree)
    assert (vector.shape, vector.dtype) == ((12,), np.float64)
    back = unravel(vector)
    assert [*back] == ["W", "rest"]
    pair = back["rest"][1][1]
    assert type(pair) is Pair
    assert (pair.left.dtype, pair.right.shape) == (np.dtype(int), (0, 2))
    assert back["rest"][0].dtype == np.float32
    np.testing.assert_array_equal(back["W"], tree["W"])
    np.testing.assert_array_equal(ravel_tree(back)[0], vector)
    vector[:] = 0  # a copy: the tree stays as it is
    assert tree["W"].all()


def test_both_directions_are_differentiated() -> None:
    start = {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.array([0.5, -0.5])}
    vector, unravel = ravel_tree(start)

    def loss(p):  # type: ignore[no-untyped-def]
        return (p["W"] @ p["b"]) ** 2 @ np.array([1.0, 3.0])

    def flat(w):  # type: ignore[no-untyped-def]
        return loss(unravel(w))

    value, slopes = value_and_grad(loss)(start)
    np.testing.assert_array_equal(grad(flat)(vector), ravel_tree(slopes)[0])
    assert check_gradients(flat, vector)
    twice = grad(lambda p: (ravel_tree(p)[0] ** 2).sum())(start)
    np.testing.assert_array_equal(twice["W"], 2 * start["W"])
    assert isinstance(ravel_tree({"x": Tensor(np.ones(2), requires_grad=True)})[0], Tensor)
    assert value == float(flat(vector))


def test_another_length_is_refused_and_nothing_is_a_vector_of_nothing() -> None:
    _, unravel = ravel_tree([np.ones((2, 2)), 3.0])
    with pytest.raises(ValueError, match=r"unravel: expected a vector \(5,\), got \(4,\)"):
        unravel(np.ones(4))
    with pytest.raises(ValueError, match=r"got \(5, 1\)"):
        unravel(np.ones((5, 1)))
    vector, unravel = ravel_tree({})
    assert (vector.shape, unravel(vector)) == ((0,), {})


def test_what_is_no_array_is_not_in_the_vector_and_is_there_again() -> None:
    tree = {"W": np.ones((2, 2)), "b": None, "units": [3, True], "kind": "relu", "x": 0.5}
    vector, unravel = ravel_tree(tree)
    np.testing.assert_array_equal(vector, [1, 1, 1, 1, 0.5])
    assert vector.dtype == np.float64
    back = unravel(2 * vector)
    assert [back[k] for k in ("b", "units", "kind", "x")] == [None, [3, True], "relu", 1.0]
    slopes = grad(lambda p: (p["W"] ** 2).sum() * p["x"])(tree)
    assert ravel_tree(slopes)[0].shape == vector.shape
    assert ravel_tree({"b": None})[0].shape == (0,)
