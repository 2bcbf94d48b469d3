"""The words in a picture: formula, shape, dtype and numbers of a node, safe to put into DOT."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Container, Iterable, Mapping
from textwrap import wrap
from typing import Any

import graphviz
import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.short_ids import LONGEST_FORMULA
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Graph, Leaf, Node
from viz.drawing.problems import Problem
from viz.folding.fold import Group
from viz.palette import INK, MUTED, PROBLEM, SLOPE
from viz.subject import slope_name, visible

LONGEST_LINE = 64  # characters of a title in a line
OF_A_RULE = 40  # of that of a gradient, which is long and stands beside others
SHORTEST_LINE, SHORTEST_END = 16, 8
# Between two terms, the loosest first; behind a comma is looser still.
_SIGNS = {"or": 1, "an": 1, "+ ": 2, "− ": 2, "⊙ ": 3, "/ ": 3, "· ": 3}
SHOWN_IN_FULL = 9  # elements of an array whose numbers are all shown
REASON, LONGEST_REASON = 44, 300  # characters of what is wrong: in a line, in all


class Labels:
    """Label and tooltip of everything in a graph.

    Args:
        named: the nodes' names.
        values: of nodes whose numbers are shown.
        gradients: of nodes whose gradient is shown.
        problems: what is wrong with a node.
        seeds: the gradients that a backward pass starts from, 1.
        slopes: the nodes of a backward pass.
        brief: one line for a value and one for its gradient, however small the array.
    """

    def __init__(
        self,
        graph: Graph,
        named: Mapping[Node, str],
        values: Mapping[Node, Any] | None = None,
        gradients: Mapping[Node, Any] | None = None,
        problems: Mapping[Node, Problem] | None = None,
        seeds: Collection[Node] = (),
        brief: bool = False,
        slopes: Container[Node] = (),
    ) -> None:
        self.named = {node: visible(name) for node, name in named.items()}
        self.taken = set(self.named.values())
        # The seed of an output that others read is a term of its gradient: da = 1 + db · 2.
        called = dict.fromkeys(seeds, "1") | self.named
        self.long = formulas(graph, called, LONGEST_FORMULA, quiet=slopes)
        self.outputs = frozenset(graph.outputs)
        self.values = values or {}
        self.gradients = gradients or {}
        self.problems = problems or {}
        self.seeds = seeds
        self.brief, self.slopes = brief, slopes

    def of(self, x: Any) -> tuple[str, str]:
        """Label (in graphviz's markup) and tooltip of a node, a group, or an array among the
        constants.
        """
        if isinstance(x, Group):
            return self._group(x)
        size = size_of(x)
        if not isinstance(x, Node):
            title = visible(constant(x, self.named)[0], LONGEST_FORMULA)
            small = isinstance(x, np.ndarray) and x.size <= SHOWN_IN_FULL and not self.brief
            lines = [(INK, line) for line in numbers(x)] if self.values or small else []
            return _label(title, [(MUTED, size), *lines]), f"constant: {title}, {size}"
        title = self.title(x)
        tooltip = f"{x.op.name}: {title}, {size}" if x.op else f"{title}, {size}"
        longest = OF_A_RULE if x in self.slopes else LONGEST_LINE
        below = [(MUTED, size), *self._numbers(x), *self._reason(x)]
        return _label(title, below, longest), tooltip

    def title(self, node: Node) -> str:
        """Return a node's first line: `Z1 = W1 X + b1`, a leaf's name."""
        name = self.named.get(node)
        if node in self.seeds:
            return f"{name} = 1" if name else "1"
        if node.op is None:
            return name or "tensor"
        return f"{name} = {self.long[node]}" if name else self.long[node]

    def problem(self, x: Any) -> Problem | None:
        """Return the problem of a node; in a group, where it begins, or else anywhere in it."""
        if isinstance(x, Node):
            return self.problems.get(x)
        found = [
            problem._replace(reason=f"{self.title(node)}: {problem.reason}")
            for node in (x.members if isinstance(x, Group) else ())
            if (problem := self.problems.get(node))
        ]
        return next((p for p in found if p.origin), found[0] if found else None)

    def _group(self, group: Group) -> tuple[str, str]:
        words = (group.title,) if group.each else (group.formula, group.summary)
        texts = (*words, group.shapes, owned(group))
        lines = [visible(line, LONGEST_FORMULA) for line in texts]
        small = [
            (INK if i == 0 and not group.each else MUTED, line)
            for i, line in enumerate(lines)
            if line
        ]
        title = title_of(group)
        tooltip = f"{title}: {len(group.members)} nodes"
        return _label(title, [*small, *self._reason(group)]), tooltip

    def _numbers(self, node: Node) -> list[tuple[str, str]]:
        value, slope = self.values.get(node), self.gradients.get(node)
        if value is None and not self.brief and node not in self.seeds:
            value = _bare_number(node)
        if self.brief:
            name = "gradient"
            if node in self.named:
                name = slope_name(self.named[node], self.taken)
            return [
                *([] if value is None else [(INK, brief(value))]),
                *([] if slope is None else [(SLOPE, f"{name}: {brief(slope)}")]),
            ]
        lines = [] if value is None else [(INK, line) for line in numbers(value)]
        if slope is None:
            return lines
        texts = numbers(slope)
        texts = [f"gradient {texts[0]}"] if len(texts) == 1 else ["gradient", *texts]
        return [*lines, *((SLOPE, line) for line in texts)]

    def _reason(self, x: Any) -> list[tuple[str, str]]:
        problem = self.problem(x)
        return [(PROBLEM, line) for line in _lines(problem.reason)] if problem else []


def _bare_number(node: Node) -> Any:
    """A number without a name that is no parameter: the 1 that an inner gradient starts from."""
    if not isinstance(node, Leaf) or node.requires_grad or node.name or node.shape:
        return None
    return array_of(node.value)


def _lines(reason: str) -> list[str]:
    return wrap(visible(reason, LONGEST_REASON), REASON)


def _label(title: str, lines: Iterable[tuple[str, str]], longest: int = LONGEST_LINE) -> str:
    """A row for each line: graphviz sets lines of several sizes in one text without a gap. A line
    is one piece of text, so that pieces can't collide where a viewer's font is wider.
    """
    small = (
        f'<FONT POINT-SIZE="11" COLOR="{colour}">{_markup(line)}</FONT>' for colour, line in lines
    )
    titles = map(_markup, wrapped(title, longest))
    rows = "".join(f"<TR><TD>{line}</TD></TR>" for line in (*titles, *small))
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>>'


def title_of(group: Group) -> str:
    """The first line of a group's box."""
    return visible(group.each or group.title, LONGEST_FORMULA)


def wrapped(title: str, longest: int = LONGEST_LINE) -> list[str]:
    """A title as lines of about `longest` characters, broken where it is least in brackets."""
    lines: list[str] = []
    while len(title) > longest and (at := _break_in(title, longest)):
        lines.append(title[:at])
        title = title[at + 1 :]
    return [*lines, title]


def _break_in(title: str, longest: int) -> int:
    """The space to break at; 0 if there is none. After a sign of equality there is always room,
    and what would be a short end stays with the rest.
    """
    depth, found = 0, []
    for i, c in enumerate(title[: min(longest + 1, len(title) - SHORTEST_END)]):
        depth += (c in "([") - (c in ")]")
        if c == " " and i >= SHORTEST_LINE and title[i + 1] not in "=<>≤≥":
            sign = 0 if title[i - 1] == "," else _SIGNS.get(title[i + 1 : i + 3], 4)
            found.append((depth, sign, -i))
    return -min(found)[2] if found else 0


def size_of(x: Any) -> str:
    """Shape and dtype: `(20, 209) float64`."""
    return f"{tuple(x.shape)} {x.dtype}" if x.shape else f"scalar {x.dtype}"


def owned(group: Group) -> str:
    """The parameters of a group: `260 parameters, 2.08 kB`; "" where there is nothing."""
    unit = "parameter" if group.parameters == 1 else "parameters"
    return f"{group.parameters:,} {unit}, {amount(group.bytes)}" if group.parameters else ""


def amount(n: int) -> str:
    """Bytes as one reads them: `1.97 MB`."""
    power = min((len(str(n)) - 1) // 3, 3)
    unit = ("bytes", "kB", "MB", "GB")[power]
    return f"{n / 1000**power:.3g} {unit}" if power else f"{n} {unit}"


def array_of(x: Any) -> Any:
    """A value as a NumPy array of floats; None for what is lazy or on another device."""
    x = x.data if isinstance(x, Tensor) else x
    if isinstance(x, (np.generic, float, int)):
        x = np.asarray(x)
    return x.astype(float) if isinstance(x, np.ndarray) else None


def numbers(x: Any) -> list[str]:
    """An array in a few lines: all of a small one, of a larger one what is typical.

    What is no NumPy array (lazy, or on another device) is not computed for a picture.
    """
    values = array_of(x)
    if values is None or values.size == 0:
        return [brief(x)]
    if values.size <= SHOWN_IN_FULL and values.ndim <= 2:
        return ["  ".join(map(number, row)) for row in np.atleast_2d(values)]
    with np.errstate(all="ignore"):
        mean, norm = number(values.mean()), number(np.linalg.norm(values))
        return [f"{brief(x)}, mean {mean}, norm {norm}"]


def brief(x: Any) -> str:
    """An array in a few characters: a single number, its least and greatest, or `all 0`."""
    values = array_of(x)
    if values is None:
        x = x.data if isinstance(x, Tensor) else x
        return f"{type(x).__module__.partition('.')[0]} array, not computed"
    if values.size == 0:
        return "empty"
    with np.errstate(all="ignore"):
        low, high = number(values.min()), number(values.max())
    if low != high:
        return f"{low} … {high}"
    if values.size == 1:
        return low
    nan = np.isnan(values)
    if nan.any():
        return f"{'all' if nan.all() else 'some'} NaN"
    return f"all {low}" if (values == values.flat[0]).all() else f"about {low}"


def number(v: Any) -> str:
    """A number in four digits, as the page writes it: 2.699e−8, −1.5, 209, NaN, ∞; −0 is 0."""
    v = float(v) + 0.0
    if np.isnan(v):
        return "NaN"
    if np.isinf(v):
        return "∞" if v > 0 else "−∞"
    text = f"{v:.0f}" if v.is_integer() and abs(v) < 1e6 else f"{v:.4g}"
    return re.sub(r"e([+-])0*", lambda found: f"e{found[1].strip('+')}", text).replace("-", "−")


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
