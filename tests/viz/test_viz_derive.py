"""The backward pass of the document's network as its formulas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from derivations import SIZES, M, balanced, handle, lines, net, the_documents, value

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import Tensor, network, textbook
from tinygrad_dnn.graph import trace

# --- the document's network -----------------------------------------------------------------------


@pytest.mark.parametrize("L", SIZES)
def test_the_lines_are_the_documents_formulas_in_its_order(L: int) -> None:
    derived = viz.derive(net(L)[0])
    assert list(lines(derived).items()) == list(the_documents(L).items())


@pytest.mark.parametrize("L", SIZES)
def test_their_values_are_those_of_the_documents_functions(L: int) -> None:
    cost, parameters, X, Y = net(L)
    AL, caches = textbook.L_model_forward(X, parameters)
    grads = textbook.L_model_backward(AL, Y, caches)
    dA = {f"dA{L}": -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))}
    dA |= {f"dA{l}": grads[f"dA{l + 1}"] for l in range(1, L)}  # its dA is that of the layer below
    derived = viz.derive(cost)
    for line in derived.lines:
        kind, l = line.name[:2], int(line.name[2:])
        backward = textbook.sigmoid_backward if l == L else textbook.relu_backward
        wanted = (
            grads[line.name]
            if kind in ("dW", "db")
            else dA[line.name]
            if kind == "dA"
            else backward(dA[f"dA{l}"], caches[l - 1][1])
        )
        assert line.shape == wanted.shape
        assert line.times_m == (kind in ("dA", "dZ"))
        np.testing.assert_allclose(value(line), wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("L", SIZES)
def test_the_plain_convention_has_its_1_over_m_once_at_the_last_layer(L: int) -> None:
    cost = net(L)[0]
    derived = viz.derive(cost, convention="plain")
    told = {name: text.removeprefix("1/m · ") for name, text in the_documents(L).items()}
    told[f"dA{L}"] = f"1/m · ({told[f'dA{L}']})"
    told[f"dZ{L}"] = f"1/m · ({told[f'dZ{L}']})"
    assert lines(derived) == told
    for line in derived.lines:
        assert not line.times_m
        x = next(n for n in tg.graph.trace([cost.node]) if f"d{n.name}" == line.name)
        np.testing.assert_allclose(value(line), tg.gradients(cost, handle(x)), rtol=1e-10)


def test_parameters_come_first_whenever_they_were_made() -> None:
    A = Tensor(np.ones((2, 3)), requires_grad=True, name="x") * 2.0
    A.name = "A"
    W = Tensor(np.ones((1, 2)), requires_grad=True, name="W")
    assert list(lines(viz.derive((W @ A).sum()))) == ["dW", "dA", "dx"]


def test_the_rules_unsimplified_and_the_steps_between() -> None:
    cost = net(2)[0]
    raw = viz.derive(cost, wrt="W2", simplify=False)
    assert [line.name for line in raw.lines] == ["dA2", "dZ2", "dW2"]
    assert "dZ2 = dA2 ⊙ A2 ⊙ (1 − A2) " in str(raw)
    (dZ,) = [line for line in raw.lines if line.name == "dZ2"]
    told = [(step.done, step.text.plain) for step in dZ.steps]
    assert told[0] == ("dA2 put in", "((1 − Y) / (1 − A2) − Y / A2) ⊙ A2 ⊙ (1 − A2)")
    assert told[1] == (
        "divisor of a second term", "((1 − Y) / (1 − A2) ⊙ A2 − Y) ⊙ (1 − A2)",
    )  # fmt: skip
    assert told[-2:] == [
        ("products with complements", "A2 − A2 ⊙ Y − (Y − A2 ⊙ Y)"),
        ("common part of a difference", "A2 − Y"),
    ]
    text = str(viz.derive(cost, wrt="b2", steps=True)).splitlines()
    assert text[2].startswith("dZ2 = dA2 ⊙ A2 ⊙ (1 − A2) ")
    assert text[3] == "    = ((1 − Y) / (1 − A2) − Y / A2) ⊙ A2 ⊙ (1 − A2)   dA2 put in"
    assert text[-2].split() == ["=", "A2", "−", "Y", "common", "part", "of", "a", "difference"]
    assert text[-1].startswith("db2 = 1/m · Σ dZ2 ")


def test_each_line_says_its_shape_and_where_it_comes_from() -> None:
    text = str(viz.derive(net(2)[0])).splitlines()
    assert text[0].startswith("m = 6. As in the document, the gradients of results are m times")
    assert text[0].endswith("(dA2, dZ2, ..., dZ1), those of parameters are the derivative.")
    assert text[3].split("   ")[0] == "dZ2 = A2 − Y"
    assert text[3].endswith("(1, 6)   from A2 = σ(Z2)")
    assert text[4].endswith("(1, 5)   from Z2 = W2 A1 + b2")


def test_the_stable_cost_gives_the_same_lines() -> None:
    told = the_documents(3)
    del told["dA3"]
    derived = lines(viz.derive(net(3, "stable")[0]))
    assert derived == told | {"dZ3": "σ(Z3) − Y"}  # A3 is not part of that expression


def regularized(cost: str, **settings: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """A network of two layers with L2, whose cost is a sum of two results with names."""
    rng = np.random.default_rng(0)
    n = 3 if cost == "softmax" else 1
    head = network.COSTS[cost].head
    start = network.initialize_parameters((4, 5, n), head=head)
    held = {k: Tensor(p, requires_grad=True, name=k) for k, p in start.items()}
    labels = rng.integers(0, max(n, 2), (1, M))
    Y = labels * 1.0 if n == 1 else np.eye(n)[labels[0]].T
    X = Tensor(rng.normal(size=(4, M)), name="X")
    settings["masks"] = network.dropout_masks(start, M, 0.8, rng)
    return network.cost_of(X, Tensor(Y, name="Y"), held, cost, l2=0.7, **settings), held


@pytest.mark.parametrize("convention", ["document", "plain"])
@pytest.mark.parametrize("cost", ["stable", "softmax", "squared"])
def test_a_cost_of_named_parts_keeps_the_measure(cost: str, convention: str) -> None:
    """The gradient of a part is the number 1, and stands in no formula."""
    result, _ = regularized(cost)
    nodes = {n.name: n for n in trace([result.node])}
    derived = viz.derive(result, convention=convention)
    for line in derived.lines:
        times = M if line.times_m else 1
        name = line.name.removeprefix("d")
        wanted = times * tg.gradients(result, handle(nodes[name]))
        np.testing.assert_allclose(value(line), wanted, rtol=1e-12, atol=1e-15, err_msg=name)


def test_the_regularized_softmax_by_the_courses_formulas() -> None:
    derived = lines(viz.derive(regularized("softmax")[0]))
    assert derived == {
        "dcross_entropy": "1",
        "dL2": "1",
        "dZ2": "(Σᵢ Y) ⊙ softmaxᵢ(Z2) − Y",
        "dW2": "0.7/m · W2 + 1/m · dZ2 A1ᵀ",
        "db2": "1/m · Σ dZ2",
        "dA1": "W2ᵀ dZ2",
        "dZ1": "dA1 ⊙ D1 ⊙ 1[Z1 > 0]",
        "dW1": "0.7/m · W1 + 1/m · dZ1 Xᵀ",
        "db1": "1/m · Σ dZ1",
    }


@pytest.mark.parametrize("labels", [bool, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("numbers", [np.float32, np.float64])
def test_on_paper_numbers_have_no_dtype(numbers: Any, labels: Any) -> None:
    _, parameters, X, Y = net(2)
    held = {k: Tensor(p.astype(numbers), requires_grad=True, name=k) for k, p in parameters.items()}
    data = Tensor(X.astype(numbers), name="X"), Tensor(Y.astype(labels), name="Y")
    cost = network.cost_of(*data, held)
    derived = viz.derive(cost)
    assert lines(derived) == the_documents(2)
    wanted = tg.gradients(cost, held["W1"])
    np.testing.assert_allclose(value(derived.lines[-2]), wanted, rtol=1e-4, atol=1e-7)


def test_lazy_arrays_are_not_computed() -> None:
    dask = pytest.importorskip("dask", reason="dask is not installed")
    lazy = pytest.importorskip("dask.array").from_array

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("computed for the sake of a formula")

    _, parameters, X, Y = net(2)
    held = {k: Tensor(lazy(p), requires_grad=True, name=k) for k, p in parameters.items()}
    cost = network.cost_of(Tensor(lazy(X), name="X"), Tensor(lazy(Y), name="Y"), held)
    with dask.config.set(scheduler=refuse):
        assert lines(viz.derive(cost)) == the_documents(2)


def test_the_documents_own_listing_of_the_cost() -> None:
    _, parameters, X, Y = net(1)
    m, (W, b) = M, (Tensor(p, requires_grad=True) for p in parameters.values())
    X, Y = Tensor(X), Tensor(Y)
    Z = np.dot(W, X) + b
    AL = tg.sigmoid(Z)
    cost = -(1 / m) * (np.dot(Y, np.log(AL).T) + np.dot((1 - Y), np.log(1 - AL).T))
    cost = np.squeeze(cost)
    assert lines(viz.derive(cost, names=locals())) == {
        "dAL": "(1 − Y) / (1 − AL) − Y / AL",
        "dZ": "AL − Y",
        "dW": "1/m · dZ Xᵀ",
        "db": "1/m · Σ dZ",
    }


# --- pages and paper ------------------------------------------------------------------------------


def test_latex_of_the_documents_network() -> None:
    latex = viz.derive(net(2)[0]).latex
    assert latex.splitlines()[0] == r"\begin{align*}"
    assert latex.splitlines()[-1] == r"\end{align*}"
    assert (
        r"\mathrm{d}A_{2} &= \frac{1 - Y}{1 - A_{2}} - \frac{Y}{A_{2}} && (1 \times 6) \\" in latex
    )
    assert r"\mathrm{d}Z_{2} &= A_{2} - Y && (1 \times 6) \\" in latex
    assert r"\mathrm{d}W_{2} &= \frac{1}{m} \cdot \mathrm{d}Z_{2} \, A_{1}^{\top} &&" in latex
    assert r"\mathrm{d}b_{2} &= \frac{1}{m} \cdot \sum \mathrm{d}Z_{2} &&" in latex
    assert r"\mathrm{d}Z_{1} &= \mathrm{d}A_{1} \odot \mathbf{1}\left[Z_{1} > 0\right] &&" in latex
    assert balanced(latex)


def test_files(tmp_path: Path) -> None:
    derived = viz.derive(net(2)[0], title="A <net> & more")
    text = derived.save(tmp_path / "d.txt").read_text(encoding="utf-8")
    assert text == f"{derived}\n"
    paper = derived.save(tmp_path / "d.tex").read_text(encoding="utf-8")
    assert paper.startswith(r"\documentclass{article}")
    assert derived.latex in paper
    assert r"Z_{1} &= W_{1} \, X + b_{1}" in paper
    assert balanced(paper)
    page = derived.save(tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<title>A &lt;net&gt; &amp; more</title>" in page
    assert page.count('<li class="result">') == 4
    assert page.count('<li class="parameter">') == 4
    assert page.count("<details>") == 2  # of dA2 and dZ2; the others are as the rules give them
    assert "http" not in page.replace("http-equiv", "")
    for markup in re.findall("<math.*?</math>", page):
        ElementTree.fromstring(markup)
    with pytest.raises(ValueError, match=r"d\.pdf: expected a name ending in \.html, \.tex, \.txt"):
        derived.save(tmp_path / "d.pdf")


def test_in_a_notebook_it_is_a_table() -> None:
    shown = viz.derive(net(1)[0])._repr_html_()
    assert shown.count("<tr>") == 4
    ElementTree.fromstring(f"<div>{shown}</div>")


def test_names_of_any_characters_do_no_harm(tmp_path: Path) -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="<b>&x_1}\n{")
    derived = viz.derive((x * x).sum(), title="</title>")
    page = derived.save(tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    for markup in re.findall("<math.*?</math>", page):
        ElementTree.fromstring(markup)
    assert r"\&x\_1\}" in derived.latex
    assert "\\n" in str(derived)


def test_two_tensors_of_one_name_have_two_lines_and_the_remark_says_which_is_which() -> None:
    first = Tensor(np.array([[0.5, -1.0]]), requires_grad=True, name="W1")
    second = Tensor(np.array([[2.0]]), requires_grad=True, name="W1")
    cost = (second @ (first @ Tensor(np.array([[1.0], [3.0]])))).sum()
    told = viz.derive(cost)
    assert {line.name: line.text.plain for line in told.lines} == {
        "dW1": "W1_2ᵀ ⊙ x3ᵀ",
        "dW1_2": "(W1 x3)ᵀ",
    }
    assert "2 tensors are named W1: in order of creation W1, W1_2." in told.remark
    assert [line.name for line in viz.derive(cost, wrt="W1").lines] == ["dW1", "dW1_2"]
    assert [line.name for line in viz.derive(cost, wrt=second).lines] == ["dW1_2"]
    assert "W_{1,2}" in told.latex
    assert "named" not in viz.derive(first.sum()).remark


def test_an_output_that_another_output_reads_starts_at_one() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="x")
    a = x * x
    (line,) = viz.derive([a, a * 2]).lines
    assert line.text.plain == "6 · x"
