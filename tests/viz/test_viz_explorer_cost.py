"""The work that a page takes grows in proportion to the graph."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import named

import viz
from tinygrad_dnn import Tensor, scope, tanh
from viz.explorer.page import FARTHEST, _affordable


def recurrent(n: int) -> Tensor:
    """A recurrent net over n steps, none of them named, two parameters shared by all."""
    rng = np.random.default_rng(0)
    W, U = (Tensor(rng.normal(size=(2, 2)) / 3, requires_grad=True, name=k) for k in "WU")
    h = Tensor(np.zeros((2, 1)), name="h0")
    for _ in range(n):
        h = tanh(W @ h + U @ Tensor(rng.normal(size=(2, 1))) + 0.1)
    return named((h * h).sum(), "cost")


def chain(n: int) -> Tensor:
    """Unnamed elementwise ops in a row, 5 n of them."""
    y = Tensor(np.array([0.5, -1.0]), requires_grad=True, name="x")
    for k in range(5 * n):
        y = tanh(y) if k % 2 else y * 1.01
    return named(y.sum(), "y")


def leaves(n: int) -> Tensor:
    """A named parameter at every third op: one line of algebra each, over an unnamed chain."""
    y = Tensor(0.5, name="x")
    for k in range(2 * n):
        y = tanh(y * Tensor(1.1, requires_grad=True, name=f"w{k}"))
    return named(y, "y")


def layers(n: int) -> Tensor:
    """A scope for each layer."""
    y = Tensor(np.array([0.5, -1.0]), requires_grad=True, name="x")
    for k in range(n):
        with scope(f"layer {k}"):
            y = named(tanh(y * Tensor(1.1, requires_grad=True, name=f"w{k}") + 0.5), f"y{k}")
    return named(y.sum(), "cost")


def calls(make: Callable[[int], Tensor], n: int, path: Path) -> int:
    """How many functions writing the page calls."""
    profile, t = cProfile.Profile(), make(n)
    profile.runcall(viz.explore, t, path)
    total: Any = pstats.Stats(profile)
    return int(total.total_calls)


@pytest.mark.parametrize(("make", "n"), [(recurrent, 20), (chain, 8), (leaves, 9), (layers, 10)])
def test_twice_the_graph_is_about_twice_the_work(
    make: Any, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pictures are Graphviz's work, and have a limit of boxes.
    monkeypatch.setattr("viz.explorer.page._svg", lambda scene, labels: "<svg></svg>")
    once, twice = (calls(make, k, tmp_path / "page.html") for k in (n, 2 * n))
    assert twice <= 2.25 * once


class Rows:
    """A picture whose arrows cross so many rows."""

    def __init__(self, reach: int) -> None:
        self.reach = lambda: reach


def test_pictures_are_drawn_as_far_as_there_is_time_but_the_first_always() -> None:
    rows = [10 * FARTHEST, FARTHEST // 2, FARTHEST, FARTHEST // 2, 10]
    found = _affordable(({}, Rows(n)) for n in rows)  # type: ignore[misc]
    assert [scene.reach() for _, scene in found] == [rows[0], rows[1], rows[3], rows[4]]
