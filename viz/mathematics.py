"""A result as mathematics for readers: plain text, LaTeX and MathML at once.

A product with a number is written c · x, a fraction of numbers 1/m; the rest as its op declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tinygrad_dnn.formula import FACTOR, UNICODE, Formula, constant, own_formula, written
from tinygrad_dnn.graph import Node, trace
from tinygrad_dnn.latex import LATEX
from tinygrad_dnn.mathml import MATHML

LONGEST = 400  # characters of a formula

_SCRIPTS = (UNICODE, LATEX, MATHML)
_NUMBER_FIRST = Formula("{x} · {y}", *FACTOR)
_NUMBER_LAST = Formula("{y} · {x}", FACTOR[0], FACTOR[1][::-1])
_FRACTION = Formula("{x}/{y}")
_SQUARE = Formula("{x}²")
_SIGN_FIRST = Formula("−{x}", FACTOR[0], FACTOR[:1])  # −Σ x


class Text(NamedTuple):
    """One piece of mathematics, written three ways."""

    plain: str
    latex: str
    mathml: str


def typeset(x: Any, named: Mapping[Node, str]) -> Text:
    """What a node is computed from, in the names of what it is computed from."""
    if isinstance(x, Node) and x.op and x.op.name == "identity" and not x.parents:
        x = x.inputs[0]
    if not isinstance(x, Node):
        return Text(*(script.plain(constant(x)) for script in _SCRIPTS))
    if x in named:
        return name(named[x])
    return Text(*written(trace([x]), named, LONGEST, _SCRIPTS, _style)[x])


def name(called: str) -> Text:
    """A name, written three ways."""
    return Text(*(script.name(called) for script in _SCRIPTS))


def _style(node: Node) -> Formula:
    if _with_a_number(node):
        return _NUMBER_FIRST if _is_number(node.inputs[0]) else _NUMBER_LAST
    name = node.op.name
    if name == "divide" and all(_is_number(x) and _is_short(x) for x in node.inputs):
        return _FRACTION
    if name == "power" and node.inputs[1] == 2 and not isinstance(node.inputs[1], Node):
        return _SQUARE
    x = node.inputs[0]
    if name == "negative" and isinstance(x, Node) and x.op is not None:
        reaches_on = x.op.name == "sum" or _with_a_number(x)
        return _SIGN_FIRST if reaches_on else own_formula(node)
    return own_formula(node)


def _with_a_number(node: Node) -> bool:
    """Whether it is a product, and a number is one of the factors."""
    return node.op.name == "multiply" and any(map(_is_number, node.inputs))


def _is_number(x: Any) -> bool:
    return getattr(x, "shape", ()) == ()


def _is_short(x: Any) -> bool:
    return not isinstance(x, Node) or x.op is None
