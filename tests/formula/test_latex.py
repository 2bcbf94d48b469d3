"""LaTeX of every op, and of expressions as they stand in textbooks."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Tensor
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.formula.latex import GREEK, LATEX, latex_text
from tinygrad_dnn.formula.template import UNICODE
from tinygrad_dnn.formula.text import written
from tinygrad_dnn.graph import trace

COMMANDS = {
    "frac", "sqrt", "left", "right", "top", "sum", "prod", "odot", "otimes", "cdot", "sigma", "leq",
    "geq", "neq", "to", "wedge", "vee",
    "infty", "ldots", "times", "lfloor", "rfloor",
    "mathrm", "mathit", "mathbf", "operatorname", "text", "delta",
    "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min",
    "textbackslash", "textasciicircum", "textasciitilde", *GREEK.values(),
}  # fmt: skip

W1, X, x, y = (
    Tensor(np.full((2, 2), 0.5), requires_grad=True, name=n) for n in ("W1", "X", "x", "y")
)


def latex(t: Tensor) -> str:
    graph = trace([t.node])
    named = {n: n.name for n in graph.leaves if n.name}
    return written(graph, named, 10_000, [UNICODE, LATEX])[t.node][1]


def sound(text: str) -> None:
    """Braces in pairs, \\left with \\right, known commands, nothing that is not ASCII."""
    assert text.isascii(), text
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, text
    assert depth == 0, text
    assert text.count(r"\left") == text.count(r"\right"), text
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= COMMANDS, text
    assert not re.search(r"(?<!\\)([#&%$~]|_(?!\{))", text), text


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (lambda: W1 @ X + x, r"W_{1} \, X + x"),
        (lambda: W1.T @ X, r"W_{1}^{\top} \, X"),
        (lambda: (W1 @ X).T, r"{\left(W_{1} \, X\right)}^{\top}"),
        (lambda: x * y / (x + y), r"\frac{x \odot y}{x + y}"),
        (lambda: tg.reciprocal(x + y), r"\frac{1}{x + y}"),
        (lambda: (x + y) ** (x - 1), r"{\left(x + y\right)}^{x - 1}"),
        (lambda: tg.square(x), "x^{2}"),
        (lambda: tg.sqrt(x + y), r"\sqrt{x + y}"),
        (lambda: np.cbrt(x + y) * 2, r"\sqrt[3]{x + y} \cdot 2"),
        (lambda: (x + y) // y, r"\lfloor \left(x + y\right) / y\rfloor "),
        (lambda: np.linalg.inv(Tensor(np.eye(2), True, name="W1")), r"\operatorname{inv}(W_{1})"),
        (lambda: np.linalg.pinv(x + y), r"{\left(x + y\right)}^{+}"),
        (lambda: np.i0(x), "I_{0}(x)"),
        (lambda: -(x + y), r"-\left(x + y\right)"),
        (lambda: tg.sum(x + y), r"\sum \left(x + y\right)"),
        (lambda: x * (y > 0), r"x \odot \mathbf{1}\left[y > 0\right]"),
        (lambda: tg.relu(x), r"\operatorname{relu}(x)"),
        (lambda: tg.sigmoid(x), r"\sigma(x)"),
        (lambda: tg.log_sigmoid(x), r"\log\sigma(x)"),
        (lambda: np.log10(x), r"\log_{10}(x)"),
        (lambda: x * -2.5, r"x \cdot \left(-2.5\right)"),
        (lambda: x + 1e-5, "x + 10^{-5}"),
        (lambda: x - 2.5e10, r"x - 2.5 \cdot 10^{10}"),
        (lambda: x * (1 / 3), r"x \cdot \frac{1}{3}"),
        (lambda: -(x / y), r"-\frac{x}{y}"),
        (lambda: (x / y) ** 2, r"{\left(\frac{x}{y}\right)}^{2}"),
        (lambda: (x > 0) / y, r"\frac{\mathbf{1}\left[x > 0\right]}{y}"),
        (lambda: np.concatenate([x, y], axis=1), "[x, y]_{j}"),
        (lambda: x - x.max(axis=0, keepdims=True), r"x - \max_{i}(x)"),
        (lambda: tg.where(x <= y, x, y), r"\operatorname{where}(x \leq y, x, y)"),
    ],
)
def test_as_in_a_textbook(expression: Callable[[], Tensor], told: str) -> None:
    assert latex(expression()) == told


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_another_reader_of_latex_takes_every_op(name: str) -> None:
    """matplotlib reads a part of LaTeX."""
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="matplotlib is not installed")
    mathtext.MathTextParser("agg").parse(f"${filled(name)}$")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_is_sound(name: str) -> None:
    sound(filled(name))


def filled(name: str) -> str:
    """Every case of an op with names in its places, within a formula."""
    declared = REGISTRY[name]
    told = []
    for case in cases_of(declared):
        arrays = sampled(declared, case)
        tensors = [Tensor(a, name=("W1", "x", "y")[i]) for i, a in enumerate(arrays)]
        z = record(declared, tensors, declared.defaults | case.meta).node
        graph = trace([z])
        named = {n: n.name for n in graph.leaves}
        told.append(written(graph, named, 10_000, [UNICODE, LATEX], beside=False)[z][1])
    return r" \, ".join(told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("W1", "W_{1}"), ("dW12", r"\mathrm{d}W_{12}"), ("cost", r"\mathit{cost}"),
        ("δx", r"\delta x"), ("A_3", "A_{3}"), ("d", "d"), ("dx", r"\mathrm{d}x"),
        ("γ_1", r"{\gamma}_{1}"), ("theta", r"{\theta}"), ("dmu", r"\mathrm{d}{\mu}"),
        ("delta", r"{\delta}"), ("delta_1", r"{\delta}_{1}"), ("ddelta", r"\mathrm{d}{\delta}"),
        ("δγ", r"\delta {\gamma}"), ("z_in", r"z_{\text{in}}"), ("x_", r"\text{x\_}"),
        ("my_loss", r"\text{my\_loss}"), ("alpha", r"{\alpha}"), ("alphas", r"\mathit{alphas}"),
        ("a b", r"\text{a b}"), ("50%_{", r"\text{50\%\_\{}"), ("\\^~#", None),
    ],
)  # fmt: skip
def test_names(name: str, told: str | None) -> None:
    written_out = LATEX.name(name)
    sound(written_out)
    assert told is None or written_out == told


def test_s323_names_of_other_letters_stay_apart() -> None:
    names = [
        "x",
        "x_",
        "x1",
        "x_in",
        "dx",
        "delta",
        "δx",
        "alpha",
        "alpha_1",
        "al_pha",
        "X",
        "γ",
        "Γ",
    ]
    told = [LATEX.name(name) for name in names]
    assert len({*told}) == len(names)
    assert "".join(told).isascii()


def test_words_outside_of_mathematics() -> None:
    assert latex_text("50% of a_b & c") == r"50\% of a\_b \& c"


@pytest.mark.parametrize("wrong", ["{x", r"\left(x", r"\unknown x", "x_1", "a & b", "x}{", "⊙"])
def test_the_check_finds_what_is_unsound(wrong: str) -> None:
    with pytest.raises(AssertionError):
        sound(wrong)
