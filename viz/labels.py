"""The words in a picture: formula, shape, dtype and numbers of a node, safe to put into DOT."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import graphviz
import numpy as np

from tinygrad_dnn.formula import formulas
from tinygrad_dnn.graph import Graph, Node
from tinygrad_dnn.replay import replay
from tinygrad_dnn.tensor import Tensor
from viz.palette import INK, MUTED

LONGEST_NAME = 40
LONGEST_FORMULA = 80  # of a named result
LONGEST_STEP = 40  # of an unnamed step on the way to one
SHOWN_IN_FULL = 9  # elements of an array whose numbers are all shown


class Labels:
    """Label and tooltip of everything in a graph.

    Raises:
        StaleValueError: values=True, and a leaf was changed since the ops were recorded.
    """

    def __init__(self, graph: Graph, named: Mapping[Node, str], values: bool) -> None:
        self.named = {node: visible(name) for node, name in named.items()}
        self.long = formulas(graph, self.named, LONGEST_FORMULA)
        self.short = formulas(graph, self.named, LONGEST_STEP)
        self.outputs = frozenset(graph.outputs)
        self.values = replay(graph.outputs) if values else {}

    def of(self, x: Any) -> tuple[str, str]:
        """Label (in graphviz's markup) and tooltip of a node, or of an array of the constants."""
        size = _size(x)
        if not isinstance(x, Node):
            return _label("constant", size, numbers(x) if self.values else []), f"constant, {size}"
        name = self.named.get(x)
        if x.op is None:
            title = name or "tensor"
            return _label(title, size, self._values(x)), f"{title}, {size}"
        full = f"{name} = {self.long[x]}" if name else self.long[x]
        title = full if name or x in self.outputs else self.short[x]
        return _label(title, size, self._values(x)), f"{x.op.name}: {full}, {size}"

    def _values(self, node: Node) -> list[str]:
        if node not in self.values:
            return []
        lines = numbers(self.values[node])
        if node.grad is None:
            return lines
        slope = numbers(node.grad)
        return [*lines, f"gradient {slope[0]}"] if len(slope) == 1 else [*lines, "gradient", *slope]


def _label(title: str, size: str, lines: Iterable[str]) -> str:
    """A line is one piece of text, so that pieces can't collide where a viewer's font is wider."""
    small = "".join(
        f'<BR/><FONT POINT-SIZE="11" COLOR="{colour}">{_markup(line)}</FONT>'
        for colour, line in [(MUTED, size), *((INK, line) for line in lines)]
    )
    return f"<{_markup(title)}{small}>"


def _size(x: Any) -> str:
    """Shape and dtype: `(20, 209) float64`."""
    return f"{tuple(x.shape)} {x.dtype}" if x.shape else f"scalar {x.dtype}"


def numbers(x: Any) -> list[str]:
    """An array in a few lines: all of a small one, of a larger one what is typical.

    What is no NumPy array (lazy, or on another device) is not computed for a picture.
    """
    x = x.data if isinstance(x, Tensor) else x
    if isinstance(x, (np.generic, float, int)):
        x = np.asarray(x)
    if not isinstance(x, np.ndarray):
        return [f"{type(x).__module__.partition('.')[0]} array, not computed"]
    if x.size == 0:
        return ["empty"]
    x = x.astype(float)
    if x.size <= SHOWN_IN_FULL and x.ndim <= 2:
        return ["  ".join(map(_number, row)) for row in np.atleast_2d(x)]
    with np.errstate(all="ignore"):
        low, mean, high = _number(x.min()), _number(x.mean()), _number(x.max())
        return [f"{low} … {high}, mean {mean}, norm {_number(np.linalg.norm(x))}"]


def _number(v: Any) -> str:
    return f"{v:.4g}".replace("-", "−")


def visible(text: str) -> str:
    """Text on one line, of bearable length, every character of which shows: a line break as \\n."""
    cut = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def literal(text: str, unescaped: int = 1) -> str:
    """Text for a quoted attribute of DOT, in which &amp;, \\N and <b> would mean something.

    `unescaped` is how often graphviz undoes \\\\ in it: once in a label, twice in a tooltip.
    """
    text = text.replace("&", "&amp;").replace("\\", "\\" * 2**unescaped)
    quoted: str = graphviz.nohtml(text)
    return quoted


def _markup(text: str) -> str:
    """Text for a graphviz label, in which <, & and \\N would mean something."""
    return html.escape(text).replace("\\", "\\\\")
