"""What is known of values that come from exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor
from tinygrad_dnn.compiler.errors import SaturationWarning
from tinygrad_dnn.rewrite import Saturation

X = Tensor(np.array([[0.5, -1.0], [2.0, 0.25]]), requires_grad=True, name="x")
Y = Tensor(np.array([[0.5, 1.0], [2.0, 0.25]]), name="y")
A, P, E = td.sigmoid(X), td.softmax(X), np.exp(X)

HAVE_LOGS = {
    "sigmoid": A,
    "softmax": P,
    "exp": E,
    "moved": np.flip(A.T.reshape(4)[None, 1:]),
    "product": 0.5 * A * P,
    "quotient": A / P,
    "over": 1 / A,
    "power": A**Y,
    "root": np.sqrt(A * A),
    "sum": E.sum(axis=0),
    "mean": P.mean(),
    "likelihood": np.prod(A),
    "complement": 1 - A,
    "complement of softmax": 1 - P,
    "complement of tanh²": 1 - np.tanh(X) ** 2,
    "complement of −tanh": 1 + np.tanh(X.T),
    "cosh": np.cosh(X),
    "complement twice": 1 - (1 - A),
    "two terms": A + P,
    "more than 1": 1 + E,
    "choice": np.where(Y > 1, A, 1 - A),
    "choice or 0": np.where(Y > 1, A, 0.0),
    "joined": np.concatenate([A, P]),
    "cast": A.astype("float32"),
}
HAVE_NONE = {
    "data": Y,
    "tanh": np.tanh(X),
    "negative": -A,
    "weighted": A * Y,
    "negative constant": A * -1.0,
    "kept off 0": A + 1e-8,
    "clipped": np.clip(A, 0.1, 0.9),
    "difference": A - P,
    "matrix product": P @ P,
    "choice or data": np.where(Y > 1, A, Y),
}


@pytest.mark.parametrize("name", HAVE_LOGS)
def test_what_has_a_logarithm_of_its_own(name: str) -> None:
    assert Saturation().of(HAVE_LOGS[name].node).log


@pytest.mark.parametrize("name", HAVE_NONE)
def test_what_has_none(name: str) -> None:
    assert not Saturation().of(HAVE_NONE[name].node).log


def buffer() -> Any:
    out = Tensor(np.ones((2, 2)))
    out[0] = A[0]
    return out


SPOIL: dict[str, Callable[[], Any]] = {
    "log": lambda: np.log(1 - P),
    "log of tanh": lambda: np.log(1 - np.tanh(X)),
    "log of what overflows": lambda: np.log(E + 5 * Y),
    "log1p": lambda: np.log1p(-P),
    "division": lambda: Y / A,
    "division by what overflows": lambda: Y / (Y + E),
    "reciprocal": lambda: np.reciprocal(P),
    "root": lambda: np.sqrt(A),
    "fraction": lambda: (1 - P) ** 0.5,
    "unknown power": lambda: (1 - P) ** Y,
    "negative power": lambda: E**-2,
    "weighed": lambda: np.log(P @ Y),
    "0 added": lambda: np.log(A + 0),
    "magnitude": lambda: np.log(np.abs(A)),
    "positive part": lambda: np.log(td.relu(A)),
    "length": lambda: np.log(np.hypot(A, 0.0)),
    "largest": lambda: np.log(A.max(axis=0)),
    "complement of a sum": lambda: np.log(1 - P.sum(axis=0)),
    "complement of a product": lambda: np.log(1 - A.prod(axis=0)),
    "label minus": lambda: np.log(1 - np.abs(np.array([[0, 1], [1, 0]]) - A)),
    "data minus": lambda: np.log1p(-np.abs(Y - A)),
    "difference": lambda: np.log(A - td.sigmoid(Y)),
    "padded": lambda: np.log(np.pad(A, 1, constant_values=1.0)),
    "running sum": lambda: np.log(np.cumsum(A, axis=0)),
    "written into a buffer": lambda: np.log(buffer()),
    "power of a number": lambda: 1 / (1 + np.e**-X),
    "by expm1": lambda: np.log(-np.expm1(td.log_sigmoid(X))),
    "log of a log": lambda: np.log(-np.log(A)),
    "cosh": lambda: np.log(np.cosh(X)),
    "growth": lambda: np.log(1 + np.exp(X * X)),
    "bell of an unknown width": lambda: np.log(1 + np.exp(-X * X * Y)),
    "time": lambda: Y / np.expm1(X),
}
SPOIL_NOTHING: dict[str, Callable[[], Any]] = {
    "steps": lambda: (
        Y / -np.expm1(-0.1 * Tensor(np.array(3))) + Y / (1 - 0.9 ** Tensor(np.array(3)))
    ),
    "data": lambda: np.log(Y) + Y / Y + Y**0.5,
    "kept off 0": lambda: np.log(P + 1e-8) + 1 / (A + 0.5),
    "kept off 0 first": lambda: np.log(1 - A + 1e-8),
    "square": lambda: (1 - P) ** 2,
    "shifted": lambda: 1 / np.exp(X - X.max(axis=0, keepdims=True)).sum(axis=0),
    "at least": lambda: np.log(np.maximum(P, 1e-3)),
    "tanh": lambda: Y / (2 + np.tanh(X)),
    "softplus": lambda: np.log(td.softplus(X)),
    "bell": lambda: np.log(1 + np.exp(-X * X / 2)) + Y / np.sqrt(1 + np.exp(-0.5 * X**2) ** 2),
    "bell of a distance": lambda: 1 / (1 + np.exp((X - Y) ** 2 / -2).sum(axis=0)),
    "decay": lambda: 1 / (2 + np.exp(-np.abs(X) - np.square(Y))),
    "weighted sums": lambda: td.log_weighted_sum(X, Y, 0),
}


@pytest.mark.parametrize("name", SPOIL)
def test_what_may_be_infinite_where_something_saturates(name: str) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        node = SPOIL[name]().node
    assert Saturation().spoils(node)


@pytest.mark.parametrize("name", SPOIL_NOTHING)
def test_what_stays_finite(name: str) -> None:
    saturation = Saturation()
    stack = [SPOIL_NOTHING[name]().node]
    while stack:
        node = stack.pop()
        assert node.op is None or not saturation.spoils(node)
        stack += node.parents


def test_an_array_less_the_largest_of_others_is_compiled() -> None:
    given = np.array([1.0, 2.0])
    f = td.compile(lambda x: 1 / np.exp(given - np.max(x)).sum())
    with pytest.warns(SaturationWarning):
        found = f(np.array([3.0, 1.0]))
    np.testing.assert_array_equal(found, 1 / np.exp(given - 3.0).sum())


def test_a_deep_graph_takes_no_recursion() -> None:
    t = A
    for _ in range(5000):
        t = t * A
    assert Saturation().of(t.node).log
