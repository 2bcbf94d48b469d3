"""A graph recorded again with another number of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, mean
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.graph import Leaf, trace
from viz.explorer.examples import Examples

POINTS = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]])
ANSWERS = np.array([[1.0, 0.0, 1.0]])


def examples(make: Any) -> Examples:
    X, Y = Tensor(POINTS, name="X"), Tensor(ANSWERS, name="Y")
    w = Tensor([[0.3, -0.2]], requires_grad=True, name="w")
    graph = trace([make(X, Y, w).node])
    assert isinstance(X.node, Leaf)
    assert isinstance(Y.node, Leaf)
    return Examples(graph, X.node, Y.node)


COSTS = {
    "a mean": lambda X, Y, w: mean((w @ X - Y) ** 2),
    "m as a number": lambda X, Y, w: ((w @ X - Y) ** 2).sum() / 3,
    "its reciprocal": lambda X, Y, w: (1 / 3) * ((w @ X - Y) ** 2).sum(),
    "2 m": lambda X, Y, w: ((w @ X - Y) ** 2).sum() / (2 * 3) * 2,
    "1/(2m)": lambda X, Y, w: 2 * ((1 / (2 * 3)) * ((w @ X - Y) ** 2).sum()),
    "a number like 2m": lambda X, Y, w: 6 * (((w @ X - Y) ** 2).sum() / 3) / 6,
    "m in a shape": lambda X, Y, w: mean(((w @ X).reshape(3) - Y.reshape(3)) ** 2),
    "weights": lambda X, Y, w: mean(Tensor(np.ones((1, 3)), name="weights") * (w @ X - Y) ** 2),
    "shares": lambda X, Y, w: (Tensor(np.full(3, 1 / 3)) * (w @ X - Y) ** 2).sum(),
    "both": lambda X, Y, w: (
        Tensor(np.full(3, 1 / 3)) * Tensor(np.ones(3)) * (w @ X - Y) ** 2
    ).sum(),
    "m and another 3": lambda X, Y, w: mean((w @ X - Y) ** 2) + 3 * (w * w).sum(),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_of_other_examples_is_that_of_the_expression(name: str) -> None:
    make = COSTS[name]
    found = examples(make)
    forward = found.recorded(5)
    x, y = np.take(POINTS, [0, 1, 2, 0, 1], axis=1), np.take(ANSWERS, [0, 1, 2, 0, 1], axis=1)
    w = Tensor([[0.3, -0.2]])
    e = (w.numpy() @ x - y) ** 2
    expected = e.mean() + (3 * (w.numpy() ** 2).sum() if "another" in name else 0)
    assert forward.tensors[-1].item() == pytest.approx(expected, rel=1e-12)


REFUSED = {
    "a sum": (lambda X, Y, w: ((w @ X - Y) ** 2).sum(), "take its mean"),
    "weights that are trained": (
        lambda X, Y, w: mean(Tensor(np.ones(3), requires_grad=True) * (w @ X - Y) ** 2),
        "recorded for 3 examples alone",
    ),
    "no number": (lambda X, Y, w: mean((w @ X - Y) ** 2) * np.nan, "the cost is nan"),
    "an array in the graph": (
        lambda X, Y, w: mean(np.array([[1.0, 2.0, 3.0]]) * (w @ X - Y) ** 2),
        "recorded for 3 examples alone",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_a_number_for_each_example_is_refused(name: str) -> None:
    make, why = REFUSED[name]
    with pytest.raises(Fixed, match=why):
        examples(make)
