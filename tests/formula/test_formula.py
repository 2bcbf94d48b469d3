"""Formulas as a reader would write them, and as a reader would read them back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.formula.text import formula, formulas
from tinygrad_dnn.graph import trace


def param(name: str, shape: tuple[int, ...] = (2, 2), value: float = 0.5) -> Tensor:
    return Tensor(np.full(shape, value), requires_grad=True, name=name)


W, X, x, y, z = (param(name) for name in ("W", "X", "x", "y", "z"))
Y = Tensor(np.ones((2, 2)), name="Y")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda: W @ X + x, "W X + x"),
        (lambda: (W + X) @ x, "(W + X) x"),
        (lambda: (W * X) @ (x * y), "(W ⊙ X) (x ⊙ y)"),
        (lambda: (W @ X).T, "(W X)ᵀ"),
        (lambda: W.T @ X, "Wᵀ X"),
        (lambda: W @ -X, "W (−X)"),
        (lambda: W.T.T, "(Wᵀ)ᵀ"),
        (lambda: x - (y - z), "x − (y − z)"),
        (lambda: x - y - z, "x − y − z"),
        (lambda: x - (y + z), "x − (y + z)"),
        (lambda: x / (y * z), "x / (y ⊙ z)"),
        (lambda: x / y / z, "x / y / z"),
        (lambda: x / (y / z), "x / (y / z)"),
        (lambda: (x + y) * z, "(x + y) ⊙ z"),
        (lambda: x + y * z, "x + y ⊙ z"),
        (lambda: -x * y, "−x ⊙ y"),
        (lambda: x + -y, "x + (−y)"),
        (lambda: x - -y * z, "x − (−y ⊙ z)"),
        (lambda: -y + x, "−y + x"),
        (lambda: x - -2.5, "x − (−2.5)"),
        (lambda: tg.sum(-x), "Σ (−x)"),
        (lambda: -(x + y), "−(x + y)"),
        (lambda: x**2, "x²"),
        (lambda: x**3, "x³"),
        (lambda: x**-1, "x⁻¹"),
        (lambda: x**-12 * y, "x⁻¹² ⊙ y"),
        (lambda: x**0.5, "x^0.5"),
        (lambda: x**-0.5, "x^(−0.5)"),
        (lambda: x**y, "x^y"),
        (lambda: x ** tg.exp(y), "x^exp(y)"),
        (lambda: x ** (y > 0), "x^1[y > 0]"),
        (lambda: (-x) ** 2, "(−x)²"),
        (lambda: -(x**2), "−x²"),
        (lambda: (x**2) ** 3, "(x²)³"),
        (lambda: x ** (y**2), "x^(y²)"),
        (lambda: 2.0**x, "2^x"),
        (lambda: (x + y) ** (z - 1), "(x + y)^(z − 1)"),
        (lambda: tg.square(x * y), "(x ⊙ y)²"),
        (lambda: tg.square(tg.exp(x)), "exp(x)²"),
        (lambda: tg.sqrt(x * y), "√(x ⊙ y)"),
        (lambda: tg.sqrt(x + y), "√(x + y)"),
        (lambda: y / tg.reciprocal(x), "y / (1 / x)"),
        (lambda: tg.sum(x + y), "Σ (x + y)"),
        (lambda: tg.sum(x) + y, "Σ x + y"),
        (lambda: tg.sum(x) * y, "(Σ x) · y"),
        (lambda: abs(x + y) + tg.maximum(x, y + 1), "|x + y| + max(x, y + 1)"),
        (lambda: tg.dot(x, y + z), "x (y + z)"),
        (lambda: tg.dot(x[0], y[0] + z[0]), "x[0] · (y[0] + z[0])"),
        (lambda: tg.outer(x + y, z), "(x + y) ⊗ z"),
        (lambda: (x > y) & ((y < z) | (x == 1.0)), "x > y and (y < z or x = 1)"),
        (lambda: (x + y)[0, 1:], "(x + y)[0, 1:]"),
        (lambda: x[np.array([1, 0])], "x[[1, 0]]"),
        (lambda: tg.where(x > 0, x, 0.1 * x), "where(x > 0, x, 0.1 · x)"),
        (lambda: np.concatenate([x, y + z]), "[x, y + z]ᵢ"),
        (lambda: np.einsum("ij,jk->ik", x, y), "einsum(ij,jk→ik; x, y)"),
        (lambda: x * -2.5, "x · (−2.5)"),
        (lambda: x - np.ones(2), "x − ones(2)"),
        (lambda: x * np.float64(0.25), "x · 0.25"),
        (lambda: x / 3 + 1 / 3, "x / 3 + 1/3"),
        (lambda: x / (1 / 3), "x / (1/3)"),
        (lambda: x ** (2 / 3), "x^(2/3)"),
        (lambda: x * np.float32(1 / 3), "x · 1/3"),
        (lambda: x * 0.12345678, "x · 0.123457"),
        (lambda: y / tg.sqrt(x + 1), "y / √(x + 1)"),
        (lambda: tg.sqrt(tg.square(x)), "√(x²)"),
        (lambda: tg.square(tg.sqrt(x)), "(√x)²"),
        (lambda: x.astype("float32"), "float32(x)"),
    ],
)
def test_brackets_stand_where_they_are_needed(
    expression: Callable[[], Tensor], expected: str
) -> None:
    assert formula(expression().node) == expected


def test_the_documents_network_reads_like_the_document() -> None:
    b = param("b", (2, 1))
    A = tg.sigmoid(W @ X + b)
    A.name = "A"
    cost = -(Y * tg.log(A) + (1 - Y) * tg.log(1 - A)).sum() / 2
    assert formula(A.node) == "σ(W X + b)"
    assert formula(cost.node) == "−(Σ (Y ⊙ log(A) + (1 − Y) ⊙ log(1 − A))) / 2"
    cost.backward(create_graph=True, keep=[A])
    assert A.grad.name == "dA"
    assert W.grad.name == "dW"
    assert formula(W.grad.node).endswith("Xᵀ")
    W.grad = X.grad = None


def test_names_given_when_printing_go_before_the_tensors_own() -> None:
    node = (x * y).node
    assert formula(node, {node.inputs[0]: "a"}) == "a ⊙ y"
    assert formula(x.node) == "x"
    assert formula(Tensor([1.0, 2.0]).node) == "tensor"
    assert formula((Tensor([1.0, 2.0]) * 2).node) == "tensor(2,) · 2"


def test_a_long_formula_names_its_parts_or_leaves_them_out() -> None:
    long = x
    for _ in range(30):
        long = tg.sin(long) + y
    text = formula(long.node)
    assert "…" in text
    assert len(text) <= 72
    long.name = "long"
    assert formula((long * z).node) == "long ⊙ z"
    whole = formulas(trace([long.node]), {x.node: "x", y.node: "y"}, longest=10_000)[long.node]
    assert "…" not in whole
    assert whole.count("sin") == 30


# --- read back ------------------------------------------------------------------------------------


class Read:
    """A number whose ~ is the square root, since Python has no √."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __add__(self, other: Read) -> Read:
        return Read(self.value + other.value)

    def __sub__(self, other: Read) -> Read:
        return Read(self.value - other.value)

    def __mul__(self, other: Read) -> Read:
        return Read(self.value * other.value)

    def __truediv__(self, other: Read) -> Read:
        return Read(self.value / other.value)

    def __pow__(self, other: Read) -> Read:
        return Read(self.value**other.value)

    def __neg__(self) -> Read:
        return Read(-self.value)

    def __invert__(self) -> Read:
        return Read(math.sqrt(self.value))


FROM_SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def read(text: str, names: dict[str, float]) -> float:
    """The value of a formula by the usual precedence of its signs."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: f"**({m[0].translate(FROM_SMALL)})", text)
    for sign, python in (("⊙", "*"), ("·", "*"), ("−", "-"), ("^", "**"), ("√", "~")):
        text = text.replace(sign, python)
    text = re.sub(r"\d+(\.\d+)?", lambda m: f"Read({m[0]})", text)
    known = {name: Read(value) for name, value in names.items()}
    functions = {"exp": lambda v: Read(math.exp(v.value)), "Read": Read,
                 "max": lambda v, w: Read(max(v.value, w.value))}  # fmt: skip
    return float(eval(text, {**known, **functions}).value)


UNARY: list[Callable[..., Any]] = [np.negative, np.exp, np.square, np.sqrt, tg.reciprocal]
BINARY: list[Callable[..., Any]] = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum,
]  # fmt: skip
VALUES = {"a": 0.7, "b": 1.3, "c": 2.1}


def trees() -> st.SearchStrategy[Any]:
    def grow(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        one, two = st.sampled_from(UNARY), st.sampled_from(BINARY)
        return st.tuples(one, part) | st.tuples(two, part, part)

    return st.recursive(st.sampled_from([*VALUES, 2.0, 3, 0.5, -1.5]), grow, max_leaves=8)


def grown(tree: Any, leaves: dict[str, Tensor]) -> Any:
    if not isinstance(tree, tuple):
        return leaves.get(tree, tree)
    value = tree[0](*(grown(part, leaves) for part in tree[1:]))
    return value if isinstance(value, Tensor) else float(f"{value:.6g}")  # as it is printed


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(trees())
def test_a_formula_read_back_has_the_value_of_the_expression(tree: Any) -> None:
    leaves = {name: Tensor(value, name=name) for name, value in VALUES.items()}
    with np.errstate(all="ignore"):
        result = grown(tree, leaves)
        assume(isinstance(result, Tensor) and result.op is not None)
        graph = trace([result.node])
        values = replay([result.node]).values()
    assume(all(np.isfinite(v) and abs(v) < 1e100 for v in values))
    text = formulas(graph, {leaf.node: name for name, leaf in leaves.items()}, 10**6)[result.node]
    np.testing.assert_allclose(read(text, VALUES), result.item(), rtol=1e-9, err_msg=text)


class Unwalked(dict[Any, str]):
    """Names that may be asked for, but not looked through: a page asks for each of its rules."""

    def __iter__(self) -> Any:
        raise AssertionError("all names are looked through")

    items = values = keys = __iter__


@pytest.mark.parametrize("beside", [True, False])
def test_a_formula_looks_up_the_names_that_it_reads_and_no_others(beside: bool) -> None:
    hidden = tg.tanh(W @ X + x)
    named = Unwalked({n.node: str(n.name) for n in (W, X, x)})
    graph = trace([(hidden * hidden).node])
    assert formulas(graph, named, beside=beside)[hidden.node] == "tanh(W X + x)"


def test_only_what_is_asked_for_is_written_and_what_stands_in_it() -> None:
    a, b = W @ X, tg.tanh(x * y)
    c = b + a
    graph, names = trace([(c * z).node]), {n.node: str(n.name) for n in (W, X, x, y, z)}
    every = formulas(graph, names)
    found = formulas(graph, names | {a.node: "A"}, only=[c.node])
    assert found[c.node] == "tanh(x ⊙ y) + A"
    assert found.keys() == every.keys() - {a.node, graph.outputs[0]}
