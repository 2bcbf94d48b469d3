"""What an op's value depends on is printed: settings that differ in value differ in print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Case, Op, Tensor
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.formula import settings
from tinygrad_dnn.formula.conventions import readable
from tinygrad_dnn.formula.latex import LATEX
from tinygrad_dnn.formula.mathml import MathML
from tinygrad_dnn.formula.template import UNICODE
from tinygrad_dnn.formula.text import formula, own_formula, written
from tinygrad_dnn.graph import trace

SCRIPTS = [UNICODE, LATEX, MathML({})]
ALIKE = [(3, 3), (2, 2, 2)]  # whose axes no shape tells apart
MOST = 200  # combinations of settings


def settings_of(declared: Op) -> list[dict[str, Any]]:
    """Every combination of what its cases set, of its defaults, and of every axis."""
    choices: list[list[Any]] = []
    for name in declared.settings:
        values = [c.meta[name] for c in declared.cases if name in c.meta]
        if name in declared.defaults:
            values.insert(0, declared.defaults[name])
        if isinstance(values[0], bool):
            values += [True, False]
        if name.startswith("axis"):
            values += [0, 1, -1]
        choices.append(list({settings.setting(v): v for v in values}.values()))
    found = [dict(zip(declared.settings, some, strict=True)) for some in product(*choices)]
    return found[:: 1 + len(found) // MOST]


def inputs_of(declared: Op) -> Iterator[list[Any]]:
    """The arrays of its cases, and arrays whose axes are alike."""
    n = len(declared.arrays)
    for shapes in {c.shapes for c in cases_of(declared)} | {(s,) * n for s in ALIKE}:
        yield sampled(declared, Case(*shapes))


def ambiguous(declared: Op) -> list[str]:
    """What is written alike, beside the same shape or within a formula, and has two values."""
    told: list[str] = []
    for arrays in inputs_of(declared):
        seen: dict[Any, Any] = {}
        for meta in settings_of(declared):
            tensors = [Tensor(a, name=f"x{i}") for i, a in enumerate(arrays)]
            try:
                z = record(declared, tensors, meta)
            except (TypeError, ValueError, IndexError, AttributeError):
                continue  # NumPy refuses such a setting for these arrays
            for beside, style in product((True, False), (own_formula, readable)):
                names = {t.node: t.name for t in tensors}
                texts = written(trace([z.node]), names, 10_000, SCRIPTS, style, beside)[z.node]
                for text in texts:
                    key = text, beside and z.shape
                    value = seen.setdefault(key, z.data)
                    if value.shape != z.shape or not np.allclose(value, z.data, equal_nan=True):
                        told.append(f"{declared.name}: {text} {z.shape}: {meta}")
    return told


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.settings))
def test_what_differs_in_value_differs_in_print(name: str) -> None:
    declared = REGISTRY[name]
    assert any(True for _ in inputs_of(declared))
    assert ambiguous(declared) == []


FAULTS: dict[str, Any] = {
    "over": lambda *_: "",
    "settled": lambda *_: True,
    "index": lambda *_: "i",
    "letters": lambda axes: "i" * len(axes),
    "_with": lambda template, _: template,
    "setting": lambda v, *_: "n" if isinstance(v, int) and not isinstance(v, bool) else str(v),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_setting_that_is_dropped_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = [o for o in REGISTRY.values() if o.settings]
    chosen = {id(o): settings_of(o) for o in every}
    monkeypatch.setattr(settings, fault, FAULTS[fault])
    monkeypatch.setitem(globals(), "settings_of", lambda declared: chosen[id(declared)])
    assert any(map(ambiguous, every))


def test_a_new_op_is_told_by_its_settings_without_a_word() -> None:
    def declared(template: Any) -> Op:
        return Op(
            lambda x, /, k=1, *, axis=None: np.roll(x, k, axis), template, None,
            cases=(Case((3, 3)), Case((3, 3), k=2, axis=1)), name="shifted",
        )  # fmt: skip

    def told(template: Any) -> str:
        x = Tensor(np.eye(3), name="x")
        return formula(record(declared(template), [x], {"k": 2, "axis": 1}).node)

    assert told("shifted({x})") == "shifted(x, k=2, axis=1)"
    assert told("shifted_{axis}({x})") == "shiftedⱼ(x, k=2)"
    assert told("{x} turned") == "(x turned; k=2, axis=1)"
    for template in ("shifted({x})", "shifted_{axis}({x})", "{x} turned"):
        assert ambiguous(declared(template)) == []
    assert ambiguous(declared(lambda: "shifted({x})")) != []


x = Tensor(np.arange(9.0).reshape(3, 3), requires_grad=True, name="x")
v = Tensor(np.arange(4.0).reshape(4, 1), requires_grad=True, name="v")
t = Tensor(np.arange(8.0).reshape(2, 2, 2), name="t")
long = np.arange(100) % 3
many = Tensor(np.zeros((90, 3)), requires_grad=True, name="many")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (lambda: x.sum(axis=0, keepdims=True), "Σ x"),  # beside (1, 3)
        (lambda: x.sum(axis=0), "Σ₍ᵢ₎ x"),  # beside (3,), which both axes leave
        (lambda: v.sum(axis=1), "Σ v"),
        (lambda: x - x.sum(axis=0, keepdims=True), "x − Σᵢ x"),
        (lambda: x - x.sum(axis=0), "x − Σ₍ᵢ₎ x"),
        (lambda: x - x.sum(), "x − Σ x"),
        (lambda: x - x.sum(keepdims=True), "x − Σᵢⱼ x"),
        (lambda: x * t.sum(axis=(0, -1)).sum(), "x · (Σ Σ₍ᵢₖ₎ t)"),
        (lambda: 0.5 * x.mean(axis=1, keepdims=True), "0.5 · mean(x)"),
        (lambda: 0.5 * x.mean(axis=1), "0.5 · mean₍ⱼ₎(x)"),
        (lambda: -x.max(axis=1, keepdims=True) / 2, "−max(x) / 2"),
        (lambda: x.sum() * x.max(axis=1, keepdims=True), "(Σ x) · maxⱼ(x)"),  # two could be meant
        (lambda: tg.softmax(x), "softmaxⱼ(x)"),
        (lambda: tg.var(x, axis=1, ddof=1), "var₍ⱼ₎(x, ddof=1)"),
        (lambda: x.reshape(9), "reshape(x)"),
        (lambda: x.reshape(-1) + 1, "reshape(x → (9,)) + 1"),
        (lambda: np.transpose(t, (1, 0, 2)), "transpose(t, (1, 0, 2))"),
        (lambda: np.swapaxes(x, 0, 1), "xᵀ"),
        (lambda: x[:, 0:2], "x[:, 0:2]"),
        (lambda: x[long], "x[[0, 1, 2, …](100,)]"),
        (lambda: many[np.arange(90), long[:90]], "many[range(90), [0, 1, 2, …](90,)]"),
        (lambda: x * np.broadcast_to(v[0], (3, 3)), "x ⊙ v[0]"),  # as x is
        (lambda: np.broadcast_to(v[0], (3, 3)) @ x, "broadcast(v[0] → (3, 3)) x"),
        (lambda: np.einsum("ij,kj->ik", x, x), "einsum(ij,kj→ik; x, x)"),
    ],
)
def test_as_short_as_can_be(expression: Callable[[], Tensor], told: str) -> None:
    assert formula(expression().node) == told


def test_in_every_script() -> None:
    z = (x - tg.softmax(x, axis=0).sum(axis=1, keepdims=True) ** -2).node
    text, latex, mathml = written(trace([z]), {x.node: "x"}, 100, SCRIPTS)[z]
    assert text == "x − (Σⱼ softmaxᵢ(x))⁻²"
    assert latex == r"x - {\left(\sum_{j} \operatorname{softmax}_{i}(x)\right)}^{-2}"
    assert re.sub("</?mrow>", "", mathml) == (
        "<mi>x</mi><mo>−</mo><msup><mo>(</mo><msub><mo>∑</mo><mi>j</mi></msub><msub>"
        "<mi>softmax</mi><mi>i</mi></msub><mo>(</mo><mi>x</mi><mo>)</mo><mo>)</mo>"
        "<mo>−</mo><mn>2</mn></msup>"
    )


def test_a_fraction_holds_its_signs_together() -> None:
    z = (x + -x / (x + 1)).node
    text, latex, mathml = written(trace([z]), {x.node: "x"}, 100, SCRIPTS)[z]
    assert text == "x + (−x / (x + 1))"
    assert latex == r"x + \frac{-x}{x + 1}"
    assert "(" not in mathml
