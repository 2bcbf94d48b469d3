"""Constant arrays in formulas: written out, or under one name wherever they are read."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from seen import seen

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import Tensor, exp
from tinygrad_dnn.formula import formula
from tinygrad_dnn.formula.constants import Constant, array_names, constant
from tinygrad_dnn.formula.latex import LATEX
from tinygrad_dnn.formula.listing import listed
from tinygrad_dnn.formula.mathml import MathML
from tinygrad_dnn.graph import trace

TABLE = np.array([[1.25, 2.5], [3.75, 5.0]])


def filtered() -> tuple[Tensor, dict[str, Any]]:
    """A step of a filter: its cost, and the variables of who wrote it."""
    F, H, log_q = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), Tensor(-1.0, True)
    P = F @ (exp(log_q) * np.eye(2)) @ F.T + F @ np.ones((2, 2))
    S = H @ P @ H.T
    return (S * S).sum(), {"F": F, "H": H, "log_q": log_q, "P": P, "S": S}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones((2, 1)), "ones(2, 1)"), (np.zeros(7), "zeros(7)"), (np.eye(3), "I₃"),
        (np.eye(12), "I₁₂"), (np.eye(2, 3), "constant(2, 3)"), (np.array([[1.0]]), "[[1]]"),
        (np.array([[1, 0]]), "[[1, 0]]"), (np.array([[-0.5], [1 / 3]]), "constant(2, 1)"),
        (np.array([1.0, -2.0]), "[1, −2]"), (np.full((9, 9), 0.5), "full((9, 9), 0.5)"),
        (np.zeros((0, 3)), "zeros(0, 3)"), (np.array([np.nan, np.nan]), "[nan, nan]"),
        (np.ones(3, bool), "constant(3,)"), (TABLE, "constant(2, 2)"), (2.5, "2.5"),
        (np.ones((2, 1, 1)), "ones(2, 1, 1)"), (np.arange(100), "constant(100,)"),
    ],
)  # fmt: skip
def test_what_is_short_is_written_out(value: Any, text: str) -> None:
    assert constant(value)[0] == text


def test_numbers_are_a_matrix_on_paper_and_on_pages() -> None:
    column = np.array([[1.0], [-1.0]])
    assert constant(column, {}, LATEX)[0] == r"\begin{bmatrix} 1 \\ -1 \end{bmatrix}"
    assert constant(np.array([1.0, 2.0]), {}, LATEX)[0] == r"\left[1, 2\right]"
    assert constant(np.eye(2), {}, LATEX)[0] == "I_{2}"
    assert constant(column, {}, MathML({}))[0].count("<mtr>") == 2
    assert constant(TABLE.T, {Constant(TABLE): "F"}, LATEX)[0] == r"F^{\top}"


def test_s295_equal_arrays_have_one_name_and_a_transpose_is_said_to_be_one() -> None:
    x = Tensor(np.ones((2, 2)), True, name="c1")
    y = (TABLE @ x + TABLE.copy() @ x @ TABLE.T) * (TABLE + 1) + np.ones((2, 2))
    names = array_names(trace([y.node]), {x.node: "c1"})
    assert [*names.values()] == ["c2", "c3"]  # x is called c1
    picture = seen(y).titles()
    assert picture[-1].endswith("(c2 c1 + c2 c1 c2ᵀ) ⊙ c3 + ones(2, 2)")
    assert "c2  (2, 2)  float64  [[1.25, 2.5], [3.75, 5]]" in listed(trace([y.node]))
    derived = viz.derive(y)
    assert str(derived).count("c2ᵀ") >= 2
    assert "Constant arrays: c2 = [[1.25, 2.5], [3.75, 5]]; c3 = " in derived.legend
    np.testing.assert_array_equal(derived.arrays["c2"], TABLE)
    assert formula(y.node).endswith("+ ones(2, 2)")


def test_a_variable_lends_its_name_to_the_array_that_it_holds() -> None:
    cost, names = filtered()
    derived = str(viz.derive(cost, names=names))
    assert "dP = Hᵀ dS H" in derived
    assert "dlog_q = (Σ Fᵀ dP F ⊙ I₂) · exp(log_q)" in derived
    titles = seen(cost, names=names).titles()
    assert {"F", "H", "S = H P Hᵀ"} <= set(titles)
    names = {**names, "F": 1, "H": 1}
    assert {"c1", "S = [[1, 0]] P [[1], [0]]"} <= set(seen(cost, names=names).titles())


def test_no_name_is_guessed() -> None:
    x = Tensor(np.ones((2, 2)), True, name="x")
    one, same, other = TABLE.copy(), TABLE.copy(), TABLE + 1
    y = (one @ x + other @ x).sum()
    graph = trace([y.node])
    unclear = array_names(graph, {}, {"one": one, "same": same, "other": other.copy()})
    assert [*unclear.values()] == ["c1", "c2"]
    assert [*array_names(graph, {}, {"one": one, "again": one}).values()] == ["one", "c1"]
    taken = array_names(graph, {x.node: "one"}, {"one": one, "_other": other})
    assert [*taken.values()] == ["one_2", "c1"]
    picture = seen(y, names={"x": one})
    assert {"x", "x_2"} <= set(picture.titles())


def test_s296_a_box_says_what_a_name_stands_for_and_what_is_written_out_has_none() -> None:
    x = Tensor(np.ones((2, 2)), True, name="x")
    picture = seen(TABLE @ x @ np.eye(2) + np.arange(20.0).reshape(10, 2)[::5])
    boxes = [picture.lines[k] for k, v in picture.nodes.items() if v["class"] == "const"]
    assert boxes == [
        ["c1", "(2, 2) float64", "1.25  2.5", "3.75  5"],
        ["c2", "(2, 2) float64", "0  1", "10  11"],
    ]
    assert picture.titles()[-1] == "c1 x I₂ + c2"


def test_an_array_that_changed_is_another_one() -> None:
    x, table = Tensor(np.ones((2, 2)), True, name="x"), TABLE.copy()
    y = table @ x
    key = Constant(table)
    table += 1
    assert Constant(table) != key
    assert "c1 x" in listed(trace([y.node]))


def test_a_constant_among_the_arguments_of_a_call_is_not_left_out() -> None:
    x, c = Tensor(np.eye(3) + 0.5, requires_grad=True, name="x"), np.arange(3.0)
    said = {
        "solve_triangular(x, …, lower=True)": tg.solve_triangular(x, c, lower=True),
        "cross(…, x)": np.cross(c, x),
        "median(x)": np.median(x),
    }
    assert [formula((z + 1).node) for z in said.values()] == [f"{text} + 1" for text in said]
    z = pickle.loads(pickle.dumps(said["cross(…, x)"]))
    assert formula((z + 1).node) == "cross(…, x) + 1"
