"""What `playground` refuses; its page is tested in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import viz
import viz.explorer.playground as module
from tinygrad_dnn import Tensor, mean, tanh
from tinygrad_dnn.network import initialize_parameters
from viz.explorer.examples import Examples
from viz.explorer.page import SCRIPTS, TRAINING
from viz.explorer.training import POINTS
from viz.page import asset


def line() -> tuple[Tensor, Tensor, Tensor]:
    w = Tensor(np.ones((1, 2)), requires_grad=True, name="w")
    X = Tensor(np.ones((2, 3)), name="X")
    return ((w @ X) ** 2).sum(), w, X


def test_it_writes_a_page_of_its_own(tmp_path: Path) -> None:
    cost, w, _ = line()
    text = viz.playground(cost, [w], tmp_path / "line.html").read_text()
    assert "const trainer" in text
    assert "src=" not in text
    assert "const trainer" not in viz.explore(cost, tmp_path / "page.html").read_text()


def test_what_can_not_be_trained_is_refused(tmp_path: Path) -> None:
    cost, w, X = line()
    other = Tensor(1.0, requires_grad=True, name="u")
    with pytest.raises(ValueError, match="expected a cost that is one number, got"):
        viz.playground(w @ X)
    with pytest.raises(ValueError, match=r"X .* requires no gradient"):
        viz.playground(cost, {"X": X})
    with pytest.raises(ValueError, match="not computed from u"):
        viz.playground(cost, [other])
    with pytest.raises(TypeError, match="expected a parameter as a Tensor, got int"):
        viz.playground(cost, [w, 3])
    with pytest.raises(ValueError, match="depends on no parameter"):
        viz.playground((X * X).sum())
    with pytest.raises(ValueError, match="no optimizer 'sdg'; expected one of"):
        viz.playground(cost, optimizer="sdg")
    with pytest.raises(ValueError, match="learning rate"):
        viz.playground(cost, learning_rate=-1.0)
    with pytest.raises(ValueError, match="expected data="):
        viz.playground(cost, data=(X,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected a name ending in \.html"):
        viz.playground(cost, path=tmp_path / "page.txt")
    with pytest.raises(ValueError, match=r"starts\['far'\]: expected w; it lacks w"):
        viz.playground(cost, starts={"far": {"W": np.ones((1, 2))}})
    with pytest.raises(ValueError, match=r"expected w of shape \(1, 2\), got \(2, 1\)"):
        viz.playground(cost, starts={"far": [np.ones((2, 1))]})
    with pytest.raises(ValueError, match="expected 1 arrays, got 0"):
        viz.playground(cost, starts={"far": []})
    with pytest.raises(ValueError, match="not computed from prediction"):
        viz.playground(cost, prediction=other)


def test_of_too_many_examples_a_page_takes_some_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 8 * 400)
    rng = np.random.default_rng(0)
    X, Y = Tensor(rng.normal(size=(9, 60)), name="X"), Tensor(rng.random((1, 60)), name="Y")
    w = Tensor(rng.normal(size=(1, 9)), requires_grad=True, name="w")
    path = tmp_path / "page.html"
    text = viz.playground(((w @ X - Y) ** 2).sum() / 60, path=path).read_text("utf-8")
    assert '"note":"39 of 60 examples: with all of them it would be too large' in text
    assert "(1, 39) float64" in text
    text = viz.playground(((w @ X - Y) ** 2).sum(), path=path).read_text("utf-8")
    assert '"note":"",' in text  # of a sum they can't be taken


def test_a_wide_network_is_recorded_for_few_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    recorded = Examples.recorded
    monkeypatch.setattr(
        Examples, "recorded", lambda self, m, **how: asked.append(m) or recorded(self, m, **how)
    )
    p = {k: Tensor(v, True, k) for k, v in initialize_parameters((2, 101, 1)).items()}
    X, Y = Tensor(np.ones((2, 4)), name="X"), Tensor(np.ones((1, 4)), name="Y")
    A2 = p["W2"] @ tanh(p["W1"] @ X + p["b1"]) + p["b2"]
    A2.name = "A2"
    text = viz.playground(mean((A2 - Y) ** 2), path=tmp_path / "wide.html").read_text("utf-8")
    assert '"fixed":""' in text  # the number of examples may be another one
    assert {*asked} == {4, 8, 103, 107, 109, POINTS}  # primes, and 101 is an axis


def test_ops_that_a_page_can_not_compute_are_named() -> None:
    A = Tensor(np.eye(2) * 2, requires_grad=True, name="A")
    with pytest.raises(
        ValueError, match=r"playground: a page can't compute np.argpartition, .* viz.explore shows"
    ):
        viz.playground((A * np.argpartition(A, 1)).sum())


def test_the_runtime_of_a_page_is_small() -> None:
    runtime = ("live-memory", "live-run", "live", "training")
    assert sum(len(asset(f"explorer/{name}.js")) for name in runtime) < 30_000
    assert {f"explorer/{name}.js" for name in runtime} <= {*SCRIPTS, *TRAINING}


def test_an_array_of_the_examples_that_becomes_an_input_keeps_its_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y, mask = rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2]), rng.normal(size=(6, 3))
    W = Tensor(rng.normal(size=(4, 3)), requires_grad=True, name="W")
    scores = X @ W * mask
    loss = (scores - scores[np.arange(6), y][:, None] + np.arange(6.0)[:, None] * mask).mean()
    text = viz.playground(loss, path=tmp_path / "page.html", names=locals()).read_text("utf-8")
    assert "tensor(" not in text
    assert text.count('"kind":"input","name":"mask"') == 1  # both ops read one leaf
