"""The backward pass as lines of mathematics: the document's, and those of any expression."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import REGISTRY, StaleValueError, Tensor, network, textbook
from tinygrad_dnn.check.rules import cases_of, sampled
from tinygrad_dnn.replay import replay
from tinygrad_dnn.tensor import record
from viz.derivation import Derivation

M = 6
SIZES = {L: (*(4, 5, 3, 6, 2)[:L], 1) for L in range(1, 6)}


def net(L: int, cost: str = "document", m: int = M) -> tuple[Tensor, dict[str, Any], Any, Any]:
    """The document's network with L layers: its cost, parameters, X and Y."""
    rng = np.random.default_rng(L)
    parameters = network.initialize_parameters(SIZES[L])
    X, Y = rng.normal(size=(4, m)), rng.integers(0, 2, (1, m)).astype(float)
    held = {name: Tensor(p, requires_grad=True, name=name) for name, p in parameters.items()}
    result = network.cost_of(Tensor(X, name="X"), Tensor(Y, name="Y"), held, cost)
    return result, parameters, X, Y


def lines(derived: Derivation) -> dict[str, str]:
    return {line.name: line.text.plain for line in derived.lines}


def value(line: Any) -> Any:
    return replay([line.result])[line.result]


# --- the document's network -----------------------------------------------------------------------


def the_documents(L: int) -> dict[str, str]:
    """Its formulas, in its order and its convention, written down from its listings:

    dAL = −(Y/AL − (1 − Y)/(1 − AL)); of a sigmoid dZ = dA s (1 − s), which is AL − Y; of a relu dZ
    is dA where Z > 0; dW = 1/m dZ A_prevᵀ, db = 1/m Σ dZ, dA_prev = Wᵀ dZ.
    """
    told = {f"dA{L}": f"(1 − Y) / (1 − A{L}) − Y / A{L}"}
    for l in range(L, 0, -1):
        told[f"dZ{l}"] = f"A{L} − Y" if l == L else f"dA{l} ⊙ 1[Z{l} > 0]"
        told[f"dW{l}"] = f"1/m · dZ{l} {f'A{l - 1}' if l > 1 else 'X'}ᵀ"
        told[f"db{l}"] = f"1/m · Σ dZ{l}"
        if l > 1:
            told[f"dA{l - 1}"] = f"W{l}ᵀ dZ{l}"
    return told


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


def handle(node: Any) -> Tensor:
    return tg.tensor.handle(node)


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


# --- any expression -------------------------------------------------------------------------------


def applied(declared: Any, case: Any) -> Tensor:
    tensors = [
        Tensor(a, a.dtype.kind == "f" and declared.rule(i) is not None, f"in{i}")
        for i, a in enumerate(sampled(declared, case))
    ]
    return record(declared, tensors, declared.defaults | case.meta)


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_the_lines_of_every_op_have_the_values_of_its_gradients(name: str) -> None:
    declared = REGISTRY[name]
    for case in cases_of(declared):
        z = applied(declared, case)
        if not z.requires_grad:
            continue
        weights = Tensor(np.cos(np.arange(z.size)).reshape(z.shape), name="g")
        cost = (z * weights).sum()
        rtol = 1e-5 if "dtype" in case.meta else 1e-9
        found = viz.derive(cost, convention="plain").lines
        assert found
        for line in found:
            leaf = next(n for n in tg.graph.trace([cost.node]).leaves if f"d{n.name}" == line.name)
            wanted = tg.gradients(cost, handle(leaf))
            assert line.shape == wanted.shape
            np.testing.assert_allclose(value(line), wanted, rtol=rtol, atol=1e-12)
            assert line.raw.plain
            assert balanced(line.text.latex)
            well_formed(line.text.mathml)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (lambda x, g: tg.tanh(x) * g, "g ⊙ (1 − tanh(x)²)"),
        (lambda x, g: tg.sigmoid(x) * g, "g ⊙ σ(x) ⊙ (1 − σ(x))"),
        (lambda x, g: tg.relu(x) * g, "g ⊙ 1[x > 0]"),
        (lambda x, g: tg.log_sigmoid(x) * g, "g ⊙ (1 − σ(x))"),
        (lambda x, g: tg.softplus(x) * g, "g ⊙ σ(x)"),
        (lambda x, g: tg.leaky_relu(x, 0.1) * g, "where(x > 0, g, 0.1 · g)"),
        (lambda x, g: x * x * g, "2 · g ⊙ x"),
        (lambda x, g: x / g, "1 / g"),
        (lambda x, g: -(x - g) * 2, "broadcast(-2)"),
        (lambda x, g: np.exp(x) * g, "g ⊙ exp(x)"),
        (lambda x, g: np.log(x) * g, "g / x"),
        (lambda x, g: tg.softmax(x) * g, "softmax(x) ⊙ (g − Σ g ⊙ softmax(x))"),
        (lambda x, g: np.logaddexp(x, 0.0) * g, "g ⊙ exp(x − logaddexp(x, 0))"),
    ],
)
def test_lines_as_one_would_write_them(expression: Callable[..., Tensor], told: str) -> None:
    x = Tensor(np.array([[0.5, 1.5, 2.0]]), requires_grad=True, name="x")
    g = Tensor(np.array([[0.3, -1.0, 0.7]]), name="g")
    assert lines(viz.derive(expression(x, g).sum())) == {"dx": told}


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_so_have_the_lines_of_its_second_derivatives(name: str) -> None:
    declared = REGISTRY[name]
    case = cases_of(declared)[0]
    z = applied(declared, case)
    xs = [t for t in z.inputs if t.requires_grad]
    first = [
        tg.gradients(z, x, gradient=np.cos(np.arange(z.size)).reshape(z.shape), create_graph=True)
        for x in xs
    ]
    sums = [(g * np.sin(1.0 + np.arange(g.size)).reshape(g.shape)).sum() for g in first]
    cost = sum(sums[1:], start=sums[0])
    if not cost.requires_grad:
        return  # it is linear
    rtol = 1e-5 if "dtype" in case.meta else 1e-8
    for line in viz.derive(cost, convention="plain").lines:
        called = re.sub("^[dδ]", "", line.name)
        node = next(n for n in tg.graph.trace([cost.node]) if n.name == called)
        wanted = tg.gradients(cost, handle(node))
        np.testing.assert_allclose(value(line), wanted, rtol=rtol, atol=1e-11)


def test_a_second_derivative() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="x")
    y = (x**3).sum()
    g = tg.gradients(y, x, create_graph=True)
    s = (g * g).sum()
    derived = viz.derive(s, names={"g": g, "s": s})
    assert lines(derived) == {"ddx": "2 · dx", "δx": "6 · ddx ⊙ x"}  # dx is taken: it is g
    assert r"\delta x &= 6 \cdot \mathrm{d}" in derived.latex
    np.testing.assert_allclose(value(derived.lines[1]), 36 * np.array([1.0, 8.0]))


def test_half_a_mean_square_with_weight_decay() -> None:
    rng = np.random.default_rng(0)
    m = 5
    X, Y = Tensor(rng.normal(size=(3, m)), name="X"), Tensor(rng.normal(size=(2, m)), name="Y")
    W = Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="W")
    A = np.tanh(W @ X)
    J = ((A - Y) ** 2).sum() / (2 * m) + 0.1 * (W * W).sum() / (2 * m)
    derived = viz.derive(J, names=locals())
    told = {"dA": "A − Y", "dW": "0.1/m · W + 1/m · (dA ⊙ (1 − A²)) Xᵀ"}
    assert lines(derived) == told
    assert derived.divisor is not None
    assert (derived.divisor.name, derived.divisor.value) == ("m", m)
    np.testing.assert_allclose(value(derived.lines[1]), tg.gradients(J, W), rtol=1e-12)
    np.testing.assert_allclose(value(derived.lines[0]), m * tg.gradients(J, A), rtol=1e-12)


def test_a_mean_is_divided_by_the_number_of_examples_too() -> None:
    Z = Tensor(np.array([[0.5, -1.0, 2.0]]), requires_grad=True, name="Z")
    Y = Tensor(np.array([[1.0, 0.0, 1.0]]), name="Y")
    A = tg.sigmoid(Z)
    A.name = "A"
    J = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).mean()
    derived = viz.derive(J)
    assert lines(derived)["dA"] == "(1 − Y) / (1 − A) − Y / A"
    assert lines(derived)["dZ"] == "1/m · (A − Y)"  # Z is a leaf here, as a parameter is


@pytest.mark.parametrize(
    ("names", "called"),
    [({}, "m"), ({"n": 6}, "n"), ({"n": 6, "m": 6.0}, "m"), ({"m": 7}, "m"), ({"flag": True}, "m")],
)
def test_the_divisor_takes_the_name_that_the_user_gave_it(names: Any, called: str) -> None:
    derived = viz.derive(net(1)[0], names=names)
    assert derived.divisor is not None
    assert (derived.divisor.name, derived.divisor.value) == (called, 6)
    assert lines(derived)["dW1"] == f"1/{called} · dZ1 Xᵀ"


def test_a_number_that_counts_nothing_is_no_m() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    derived = viz.derive((x * x).sum() / 7)
    assert derived.divisor is None
    assert lines(derived) == {"dx": "0.285714 · x"}
    assert str(derived).startswith("Each line is the derivative of the result.")


def test_only_what_leads_to_the_wanted_gradients() -> None:
    cost, *_ = net(3)
    some = viz.derive(cost, wrt=["b2", "W3"])
    assert list(lines(some)) == ["dZ3", "dW3", "dA2", "dZ2", "db2"]
    with pytest.raises(ValueError, match="no gradient flows to 'X'; there are A3, Z3, W3, b3"):
        viz.derive(cost, wrt="X")
    with pytest.raises(ValueError, match=r"wrt: .* is not part of the expression"):
        viz.derive(cost, wrt=Tensor([1.0]))


def test_gradients_by_tensor_by_name_and_of_unnamed_leaves() -> None:
    x, y = (Tensor(np.array([1.0, 2.0]), requires_grad=True) for _ in range(2))
    cost = (x * y).sum()
    assert lines(viz.derive(cost, names={"x": x, "y": y}, wrt=x)) == {"dx": "y"}
    assert lines(viz.derive(cost)) == {"dx0": "x1", "dx1": "x0"}


def test_one_gradient_for_two_and_a_result_used_twice() -> None:
    x = Tensor(np.array([[1.0, 2.0]]), requires_grad=True, name="x")
    b = Tensor(np.array([[3.0, 1.0]]), requires_grad=True, name="b")
    z = x + b
    z.name = "z"
    cost = (z * z + z).sum()
    assert lines(viz.derive(cost)) == {"dz": "1 + 2 · z", "dx": "dz", "db": "dz"}


def test_the_graph_that_is_given_is_left_alone_freed_or_not() -> None:
    cost, *_ = net(2)
    before = str(viz.derive(cost))
    cost.backward()
    nodes = [(n, n.inputs, n.name, n.saved) for n in tg.graph.trace([cost.node])]
    assert str(viz.derive(cost)) == before
    assert [(n, n.inputs, n.name, n.saved) for n in tg.graph.trace([cost.node])] == nodes


def test_a_long_chain_takes_no_recursion() -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="x")
    z = x
    for _ in range(3_000):
        z = np.negative(-z) * 1.0
    assert lines(viz.derive(z.sum())) == {"dx": "broadcast(1)"}


def test_bad_input_is_named() -> None:
    cost, *_ = net(1)
    with pytest.raises(ValueError, match="expected convention 'document' or 'plain', got 'mine'"):
        viz.derive(cost, convention="mine")
    with pytest.raises(TypeError, match="derive: expected a Tensor"):
        viz.derive(1.0)
    with pytest.raises(ValueError, match="depends on nothing that requires a gradient"):
        viz.derive(Tensor([1.0]) * 2)
    W = handle(next(n for n in tg.graph.trace([cost.node]).leaves if n.name == "W1"))
    W.data -= 1.0
    with pytest.raises(StaleValueError, match="W1"):
        viz.derive(cost)


# --- pages and paper ------------------------------------------------------------------------------


def balanced(text: str) -> bool:
    """Whether every brace and every \\left of a piece of LaTeX is closed."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0 and text.count(r"\left") == text.count(r"\right")


def well_formed(mathml: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<math>{mathml}</math>")


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
