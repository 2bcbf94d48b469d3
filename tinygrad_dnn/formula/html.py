"""A value as a notebook shows it: expression, shape, and a table of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.mathml import equation, identifier, mathml
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node, trace

SHOWN = 10  # rows and columns of a table; of longer axes both ends
_RIGHT = ' style="text-align: right"'


def value_html(node: Node, value: Any) -> str:
    """A node and its value as HTML, legible on light and dark ground; small however large it is.

    What is no NumPy array (lazy, or on another device) is not computed for it.
    """
    grad = node.grad.numpy() if hasattr(node.grad, "numpy") else node.grad
    wants = ", requires a gradient" if node.requires_grad and node.op is None else ""
    size = f"{tuple(node.shape)} {node.dtype}{wants}"
    tables = [("", value), *([("gradient", grad)] if grad is not None else [])]
    columns = "".join(
        f'<div style="margin-right: 2em">{f"<p>{title}</p>" if title else ""}{_numbers(x)}</div>'
        for title, x in tables
    )
    return (
        f'<div style="text-align: left">{_expression(node)}<p><small>{escape(size)}</small></p>'
        f'<div style="display: flex; flex-wrap: wrap; align-items: flex-end">{columns}</div></div>'
    )


def _expression(node: Node) -> str:
    """The formula, typeset; a leaf's is its name."""
    name = identifier(node.name) if node.name else ""
    if node.op is None:
        return equation(name) if name else ""
    graph = trace([node])
    names = {n: n.name for n in graph if n.name and n is not node}
    text = formulas(graph, names)[node]
    right = mathml(graph, names)[node]
    made = at_the_left(equation(name, right) if name else equation(right))
    said = f"{node.name} = {text}" if node.name else text
    # alttext is what a reader gets where no mathematics is drawn.
    return made.replace("<math ", f'<math alttext="{escape(printable(said))}" ', 1)


def at_the_left(markup: str) -> str:
    """A displayed equation that is not centred, as what stands around it in a notebook."""
    return markup.replace('display="block"', 'displaystyle="true"', 1)


def _numbers(x: Any) -> str:
    if not isinstance(x, np.ndarray):
        return f"<pre>{escape(printable(repr(x)))}</pre>"
    if x.ndim > 2 or not x.size:
        return f"<pre>{escape(np.array2string(x, separator=', ', threshold=50))}</pre>"
    if x.ndim == 0:
        return f"<p>{_number(x.item())}</p>"
    rows = np.atleast_2d(x)
    across = _ends(rows.shape[1])
    heads = "".join(f"<th{_RIGHT}>{_index(j)}</th>" for j in across)
    body = "".join(_row(rows, i, across, x.ndim == 2) for i in _ends(rows.shape[0]))
    corner = "<th></th>" if x.ndim == 2 else ""
    return f"<table><thead><tr>{corner}{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(rows: Any, i: int | None, across: Sequence[int | None], named: bool) -> str:
    cells = "".join(
        f"<td{_RIGHT}>{'…' if i is None or j is None else _number(rows[i, j])}</td>" for j in across
    )
    head = f"<th>{_index(i)}</th>" if named else ""
    return f"<tr>{head}{cells}</tr>"


def _ends(n: int) -> Sequence[int | None]:
    """Every index, or those at both ends around None."""
    half = SHOWN // 2
    return range(n) if n <= SHOWN else [*range(half), None, *range(n - half, n)]


def _index(i: int | None) -> str:
    return "…" if i is None else str(i)


def _number(v: Any) -> str:
    return f"{v:.6g}".replace("-", "−") if isinstance(v, (float, np.floating)) else str(v)
