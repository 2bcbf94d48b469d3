"""A result as mathematics for readers: plain text, LaTeX and MathML at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.conventions import readable
from tinygrad_dnn.formula.latex import LATEX
from tinygrad_dnn.formula.mathml import MathML
from tinygrad_dnn.formula.template import UNICODE
from tinygrad_dnn.formula.text import written
from tinygrad_dnn.graph import Node, trace
from tinygrad_dnn.ops import identity

LONGEST = 2000  # characters of a formula

_SCRIPTS = (UNICODE, LATEX, MathML({}))


class _All:
    """Every node: in a derivation no plumbing is written."""

    def __contains__(self, node: object) -> bool:
        return True


class Text(NamedTuple):
    """One piece of mathematics, written three ways."""

    plain: str
    latex: str
    mathml: str


def typeset(x: Any, named: Mapping[Node, str], beside: bool = True) -> Text:
    """Return the right side of a node, in the names of what it is computed from.

    Args:
        beside: whether it stands beside its shape, which then need not be said.
    """
    if isinstance(x, Node) and x.op is identity and not x.parents:
        x = x.inputs[0]
    if not isinstance(x, Node):
        return Text(*(constant(x, named, script)[0] for script in _SCRIPTS))
    if x in named:
        return name(named[x])
    graph = trace([x])
    texts = written(graph, named, LONGEST, _SCRIPTS, readable, beside, whole=True, quiet=_All())
    return Text(*texts[x])


def typeset_all(nodes: Iterable[Node], named: Mapping[Node, str]) -> dict[Node, Text]:
    """The right sides of many op nodes of one graph, each as if it stood within a formula."""
    graph = trace(nodes)
    written_all = written(graph, named, LONGEST, _SCRIPTS, readable, beside=False, whole=True)
    return {node: Text(*texts) for node, texts in written_all.items()}


def name(called: str) -> Text:
    """A name, written three ways."""
    return Text(*(script.name(called) for script in _SCRIPTS))
