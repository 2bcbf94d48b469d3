"""`tinygrad-dnn derive`: formulas of a model file, or of a function, in the terminal or a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import call, complaint, train_model

OWN = """
import numpy as np
from tinygrad_dnn import Tensor, sigmoid, log

def cost():
    m = 4
    X = Tensor(np.ones((3, m)))
    Y = Tensor(np.array([[0.0, 1.0, 1.0, 0.0]]))
    W = Tensor(np.full((1, 3), 0.1), requires_grad=True)
    A = sigmoid(W @ X)
    return -(Y * log(A) + (1 - Y) * log(1 - A)).sum() / m

def pair():
    w = Tensor(np.ones(2), requires_grad=True)
    return w.sum(), (w * w).sum()

def data():
    return Tensor(np.ones(2)) * 2
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert call("derive", *words) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    return complaint(capsys, "derive", *words)


def test_a_function_in_its_own_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "own.py:cost")
    assert "m = 4. As in the document" in text
    assert "dA = (1 − Y) / (1 − A) − Y / A   (1, 4)" in text
    assert "dW = 1/m · (A − Y) Xᵀ " in text
    assert "from A = σ(W X)" in text


def test_a_model_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_model(here)
    text = said(capsys, "model.h5", "--examples", "7")
    assert "m = 7." in text
    assert " = σ(Z" in text
    assert " − Y " in text
    assert "dW1 = 1/m · dZ1 Xᵀ " in text


def test_what_can_be_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "dA = 1/m · (" in said(capsys, "own.py:cost", "--plain")
    assert "dA ⊙ A ⊙ (1 − A)" in said(capsys, "own.py:cost", "--raw", "--wrt", "W")
    steps = said(capsys, "own.py:cost", "--steps")
    assert "common part of a difference" in steps


@pytest.mark.parametrize(
    ("name", "inside"),
    [("d.html", "<math"), ("d.tex", r"\begin{align*}"), ("d.txt", "dA = (1 − Y)")],
)
def test_files_by_their_ending(
    name: str, inside: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, "own.py:cost", "-o", name, "--title", "Logistic regression")
    assert out == f"own.py:cost\nwrote {name}\n"
    text = Path(name).read_text(encoding="utf-8")
    assert inside in text
    assert ("Logistic regression" in text) == (name != "d.txt")


def test_bad_input_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected a name ending in .html, .tex, .txt" in refused(
        capsys, "own.py:cost", "-o", "d.pdf"
    )
    assert "own.py:pair gave 2 Tensors; derive takes one" in refused(capsys, "own.py:pair")
    assert "no gradient flows to 'Q'; there are A, W" in refused(
        capsys, "own.py:cost", "--wrt", "Q"
    )
    assert "requires a gradient" in refused(capsys, "own.py:data")
    assert "there is no file none.h5" in refused(capsys, "none.h5")
    assert not Path("d.pdf").exists()
