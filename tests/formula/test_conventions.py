"""Formulas as one writes them on paper, and no brackets but those that are needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.formula.conventions import readable
from tinygrad_dnn.formula.template import UNICODE
from tinygrad_dnn.formula.text import written
from tinygrad_dnn.graph import trace

x, y, W = (Tensor(np.full((2, 2), 0.5), requires_grad=True, name=n) for n in "xyW")
m = Tensor(np.float64(7.0), name="m")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (lambda: 2 * x, "2 · x"),
        (lambda: x * 2, "2 · x"),
        (lambda: x * y, "x ⊙ y"),
        (lambda: m * x, "m · x"),
        (lambda: 1 / m * x, "1/m · x"),
        (lambda: x / m, "x / m"),
        (lambda: 1 / m * (W @ x), "1/m · W x"),
        (lambda: 1 / m * x.sum(axis=0, keepdims=True), "1/m · Σ x"),
        (lambda: x.sum(axis=0) * (1 / m), "1/m · Σ₍ᵢ₎ x"),
        (lambda: 1 / m * (x - y), "1/m · (x − y)"),
        (lambda: 1 / m * x * y, "(1/m · x) ⊙ y"),
        (lambda: x + 2 * y, "x + 2 · y"),
        (lambda: (2 * x) @ y, "(2 · x) y"),
        (lambda: -x.sum(), "−Σ x"),
        (lambda: -x.sum() / m, "(−Σ x) / m"),
        (lambda: -(2 * x), "−2 · x"),
        (lambda: -(x * y), "−(x ⊙ y)"),
        (lambda: (x - y) ** 2, "(x − y)²"),
        (lambda: x**3, "x³"),
        (lambda: 1 / (m * 2), "1 / (2 · m)"),
        (lambda: tg.sin(x * 2), "sin(2 · x)"),
    ],
)
def test_as_on_paper(expression: Callable[[], Tensor], told: str) -> None:
    node = expression().node
    named = {n: n.name for n in trace([node]) if n.name}
    assert written(trace([node]), named, 100, [UNICODE], readable)[node] == (told,)
