"""Formulas as one writes them on paper: 1/m · Σ x, where an op's own template says (1 / m) ⊙ (Σ x).

A product with a number is c · x, a fraction of numbers 1/m; everything else is written as its op
declares.
"""

from __future__ import annotations

from typing import Any

from tinygrad_dnn.formula.template import FACTOR, MINUS, SUM, Formula
from tinygrad_dnn.formula.text import own_formula
from tinygrad_dnn.graph import Node

NUMBER_FIRST = Formula("{x} · {y}", *FACTOR)
NUMBER_LAST = Formula("{y} · {x}", *FACTOR)
_SWAPPED = Formula("{y} · {x}", MINUS, (MINUS, MINUS))  # of numbers alone: binds as x · y does
_FRACTION = Formula("{x}/{y}")
_INDICATOR = Formula("{y}", FACTOR[0], FACTOR[:1])
_SIGN_FIRST = Formula("−{x}", FACTOR[0], FACTOR[:1])  # −Σ x


def readable(node: Node, beside: bool = True) -> Formula:
    """The template that a reader expects for a node."""
    name = node.op.name
    if _with_a_number(node):
        x, y = node.inputs
        if _is_one(x) and isinstance(y, Node) and y.dtype.kind == "b":
            return _INDICATOR  # that of a condition is a number by itself
        swapped = not is_number(x) or (is_number(y) and not isinstance(y, Node))
        if is_number(x) and is_number(y) and not _reaches_on(x if swapped else y):
            return _SWAPPED if swapped else own_formula(node, beside)
        return NUMBER_LAST if swapped else NUMBER_FIRST
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


def _is_one(x: Any) -> bool:
    return not isinstance(x, Node) and is_number(x) and x == 1


def _with_a_number(node: Node) -> bool:
    return node.op.name == "multiply" and any(map(is_number, node.inputs))


def _reaches_on(x: Any) -> bool:
    """Whether all that follows belongs to it, as to the last factor of a · Σ x; a product of
    numbers without such a factor needs no brackets, a · b · c.
    """
    while isinstance(x, Node) and x.op is not None:
        if not _with_a_number(x):
            return own_formula(x, False).level == SUM and not x.op.infix
        if not all(map(is_number, x.inputs)):
            return True
        x = x.inputs[-1] if isinstance(x.inputs[-1], Node) else x.inputs[0]
    return False


def _is_short(x: Any) -> bool:
    return not isinstance(x, Node) or x.op is None
