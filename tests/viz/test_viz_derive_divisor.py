"""Which numbers of a derivation are m: the same program with another m beside the same constants
has the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import Tensor, exp, log, sigmoid

COINCIDENCES = ((10, 0.1), (4, 0.25), (10, 0.2))
PROGRAMS: list[Callable[..., Tensor]] = []


def _program(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    PROGRAMS.append(make)
    return make


def _data(m: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    X, y = Tensor(rng.normal(size=(m, 3)), name="X"), Tensor(rng.normal(size=m), name="y")
    return X, y, Tensor(rng.normal(size=3), requires_grad=True, name="w")


@_program
def mean_and_penalty(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    return ((X @ w - y) ** 2).mean() + k * (w**2).sum()


@_program
def factor_and_penalty(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    return (1 / m) * ((X @ w - y) ** 2).sum() + k * (w**2).sum()


@_program
def half_and_penalty(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    return ((X @ w - y) ** 2).sum() / (2 * m) + k / 2 * (w**2).sum()


@_program
def whole_with_a_weight(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    return k * (((X @ w - y) ** 2).mean() + (w**2).sum())


@_program
def two_terms_of_data(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    e = X @ w - y
    return (e**2).mean() + k * abs(e).sum()


@_program
def single_numbers(m: int, k: float) -> Tensor:
    _, x, _ = _data(m)
    mu, s = Tensor(0.3, True, name="mu"), Tensor(0.1, True, name="s")
    return 0.5 * ((x - mu) ** 2 / exp(s)).mean() + k * s + k * mu**2


@_program
def temperature(m: int, k: float) -> Tensor:
    X, y, w = _data(m)
    A = sigmoid(k * (X @ w))
    return -(y * log(A) + (1 - y) * log(1 - A)).sum() / m


@_program
def mean_of_parameters(m: int, k: float) -> Tensor:
    X, _, w = _data(m)
    v = Tensor(np.ones(10), True, name="v")
    return (X @ w).mean() + k * (v**2).sum() + (v**2).mean()


@pytest.mark.parametrize("make", PROGRAMS)
def test_s355_another_number_of_ms_value_is_no_m(make: Callable[..., Tensor]) -> None:
    for m, k in COINCIDENCES:  # beside another m of as many digits
        for names in (False, True):
            lines = [
                told(make(n, k), n, {"m": n} if names else {}) for n in (m, 17 if m > 9 else 7)
            ]
            assert lines[0] == lines[1]


def told(cost: Tensor, m: int, names: dict[str, Any]) -> list[str]:
    derived = viz.derive(cost, names=names)
    assert f"m = {m}." in derived.remark
    return [re.sub(rf"\b{m}[,)]", "m,", f"{x.name} = {x.text.plain}") for x in derived.lines]


def test_elements_are_no_examples() -> None:
    rng = np.random.default_rng(0)
    X, W = Tensor(rng.normal(size=(4, 6)), name="X"), Tensor(rng.normal(size=(6, 2)), True, "W")
    Z = X @ W
    Z.name = "Z"
    derived = viz.derive((Z**2).mean())
    assert derived.remark.startswith("n = 8 is the number of elements that the mean is over.")
    assert [x.text.plain for x in derived.lines] == ["2/n · Z", "Xᵀ dZ"]
    letters = np.eye(4)[[0, 1]]  # 2 of 4: 8 is no 2 m
    steps = sum((Tensor(letters, name=f"x{t}") @ W[:4]).sum() for t in range(4))
    assert viz.derive(steps / 8).divisor is None
    assert viz.derive(steps / 8, names={"m": 4}).divisor is not None
    assert viz.derive(steps / 2, names={"m": 2}).divisor is not None


def test_features_of_which_there_are_as_many_as_examples_are_no_examples() -> None:
    rng = np.random.default_rng(0)
    X, U = Tensor(rng.normal(size=(6, 6)), name="X"), Tensor(rng.normal(size=(6, 6)), True, "U")
    Z = X @ U
    Z.name = "Z"
    H = tg.tanh(Z - Z.mean(axis=1, keepdims=True))
    derived = viz.derive((H**2).sum() / 6)
    assert "m = 6." in derived.remark
    assert "n = 6 is the number of elements that an inner mean is over." in derived.remark


def test_a_number_behind_the_division_is_no_m_times() -> None:
    X, y, w = _data(7)
    loss = ((X @ w - y) ** 2).mean()
    loss.name = "loss"
    lines = {x.name: x.text.plain for x in viz.derive(loss + 0.3 * (w**2).sum()).lines}
    assert lines == {"dloss": "1", "dw": "0.6 · w + 2/m · Xᵀ (X w − y)"}
