"""Formulas as one writes them on paper: 1/m · Σ x, where an op's own template says (1 / m) ⊙ (Σ x).

A product with a number is c · x, a fraction of numbers 1/m; everything else is written as its op
declares.
"""

from __future__ import annotations

from typing import Any

from tinygrad_dnn.formula.template import FACTOR, SUM, Formula
from tinygrad_dnn.formula.text import own_formula
from tinygrad_dnn.graph import Node

NUMBER_FIRST = Formula("{x} · {y}", *FACTOR)
NUMBER_LAST = Formula("{y} · {x}", *FACTOR)
_FRACTION = Formula("{x}/{y}")
_SIGN_FIRST = Formula("−{x}", FACTOR[0], FACTOR[:1])  # −Σ x


def readable(node: Node, beside: bool = True) -> Formula:
    """The template that a reader expects for a node."""
    name = node.op.name
    if _with_a_number(node):
        if _of_numbers(node):
            return own_formula(node, beside)
        return NUMBER_FIRST if is_number(node.inputs[0]) else NUMBER_LAST
    if name == "divide" and all(is_number(x) and _is_short(x) for x in node.inputs):
        return _FRACTION
    x = node.inputs[0]
    if name == "negative" and isinstance(x, Node) and x.op is not None:
        reaches_on = x.op.name == "sum" or _with_a_number(x)
        return _SIGN_FIRST if reaches_on else own_formula(node, beside)
    return own_formula(node, beside)


def is_number(x: Any) -> bool:
    """Whether an input has no axes."""
    return getattr(x, "shape", ()) == ()


def _with_a_number(node: Node) -> bool:
    return node.op.name == "multiply" and any(map(is_number, node.inputs))


def _of_numbers(node: Node) -> bool:
    """Whether it is a product of numbers alone, which needs no brackets: a · b · c. Not so where it
    reaches on, as a · Σ x.
    """
    while all(map(is_number, node.inputs)):
        y = node.inputs[-1]
        if not isinstance(y, Node) or y.op is None:
            return True
        if not _with_a_number(y):
            return own_formula(y, False).level > SUM or bool(y.op.infix)
        node = y
    return False


def _is_short(x: Any) -> bool:
    return not isinstance(x, Node) or x.op is None
