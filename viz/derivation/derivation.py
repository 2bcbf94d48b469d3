"""The backward pass as a page of mathematics: every gradient as a line one could have derived."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_dnn.autodiff.retrace import Backward, Forward, backward_again, forward_again
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import named_arrays
from tinygrad_dnn.formula.conventions import readable
from tinygrad_dnn.formula.html import at_the_left
from tinygrad_dnn.formula.latex import latex_text, latex_words
from tinygrad_dnn.formula.listing import distinct_names, with_ids
from tinygrad_dnn.formula.mathml import equation
from tinygrad_dnn.formula.plumbing import axes_index
from tinygrad_dnn.graph import Call, Graph, Node
from tinygrad_dnn.ops import identity
from tinygrad_dnn.storage.whole_file import write_text
from viz.derivation.counts import remark
from viz.derivation.divisor import Divisor, divisor_of
from viz.derivation.legend import legend
from viz.derivation.lines import Line, Lines
from viz.derivation.mathematics import Text, name
from viz.page import asset, page, properties
from viz.palette import DARK, LIGHT
from viz.subject import graph_of, names_of, namesakes

DOCUMENT, PLAIN = CONVENTIONS = ("document", "plain")
ENDINGS = ("html", "tex", "txt")
ON_A_LINE = 100  # characters of a formula that can be read where they fill a line of paper
ACROSS = 44  # characters of a formula that stands beside its rule on a page
LONGEST_LINE = 110  # characters of a formula that is not taken apart
CUTS = 4  # times that long ones are taken apart at most
FEW = 2  # results that a gradient comes from which make no line longer
WIDEST = 60  # characters of a formula that others are aligned with
_LETTER = re.compile(r"<mi>(.)</mi>")  # set in the italics of a text font
_PAPER = r"""\documentclass{article}
\usepackage{amsmath, amssymb}
\begin{document}
\section*{%s}
%s
\end{document}
"""


def derive(
    cost: Any,
    wrt: Any = None,
    names: Mapping[str, Any] | None = None,
    *,
    convention: str = DOCUMENT,
    simplify: bool = True,
    steps: bool = False,
    title: str | None = None,
) -> Derivation:
    """The backward pass of a recorded expression, line by line: `print(viz.derive(cost))`.

        dZ3 = A3 − Y                (1, 209)   from A3 = σ(Z3)
        dW3 = 1/m · dZ3 A2ᵀ         (1, 5)     from Z3 = W3 A2 + b3

    There is a line for every gradient of a named tensor, in the order of the backward pass, in the
    names of what it is computed from. The lines are the engine's own rules, recorded and rewritten
    by the rows of `tinygrad_dnn.rewrite.PAPER`; the graph that is given is left alone.

    Args:
        cost: a Tensor. Where it has many elements, the gradient is that of their sum.
        wrt: the Tensors, or names, whose gradients are wanted; others only as far as these are
            computed from them. All that have names by default.
        names: names for what has none of its own, as `names=locals()`; a number in it that the
            cost is divided by lends its name as well.
        convention: "document", where the gradients of results (dA, dZ) are m times the derivative,
            as in the course's exercise, and 1/m enters at the parameters (dW, db); or "plain",
            where every line is the derivative. They differ only where the cost is divided by m.
        simplify: whether lines are simplified, or stand as the rules give them.
        steps: whether the text shows how each line was simplified.
        title: of the page; by default the name of the result.

    Returns:
        A `Derivation`: text when printed, `.latex`, mathematics in a notebook, a file by `.save`.

    Raises:
        TypeError: `cost` is no Tensor, `names` no mapping.
        ValueError: nothing there requires a gradient, `wrt` has no gradient here, or another
            convention.
        StaleValueError: a leaf was changed since the ops that read it were recorded.

    Example: `"2 · w" in str(viz.derive((w * w).sum()))`.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"derive: expected convention 'document' or 'plain', got {convention!r}")
    graph = graph_of(cost, "derive")
    named = names_of(graph, names, "derive")
    # New axes are no plumbing where the author made them: x[:, None] − x[None, :].
    ids = with_ids(graph, named, style=readable, also=filter(axes_index, graph))
    # An id stands for what a line's rule says; what takes no gradient has none.
    inner = _inside_calls(graph)
    shown = {x for x in ids if x.requires_grad and x not in inner}
    named = {x: called for x, called in ids.items() if x in named or x in shown}
    forward = forward_again(graph)
    again = dict(zip(graph, forward.graph, strict=True))
    named = {again.get(node, node): called for node, called in named.items()}
    divisor = divisor_of(forward.graph, names)
    backward = backward_again(forward)
    lines, every = _readable_lines(forward, backward, named, divisor, convention == DOCUMENT)
    if wrt is not None:
        every = _leading_to(_wanted(wrt, again), every, simplify)
    equations = [(lines.named.get(x, ""), text) for x, text in lines.forward.items()]
    known = [printable(named[x]) for x in forward.graph.outputs if x in named]
    of = ", ".join(known) or "the result"
    same, arrays = namesakes(lines.named), named_arrays(lines.constants)
    read = {name for line in every for name in (line.uses if simplify else line.raw_uses)}
    counts = remark({leaf: name for leaf, name in lines.counts.items() if name in read})
    said = " ".join(filter(None, (counts, same)))
    return Derivation(every, equations, divisor, of, simplify, steps, title or of, said, arrays)


def _readable_lines(
    forward: Forward,
    backward: Backward,
    named: Mapping[Node, str],
    divisor: Divisor | None,
    scaled: bool,
) -> tuple[Lines, list[Line]]:
    """The lines; where some are too long, what their forward formula is made of gets an id, and
    with it a line of its own, unless that only hands on another one.
    """
    asked = dict(named)
    for _ in range(CUTS):
        lines = Lines(forward, backward, named, divisor, scaled)
        every = lines.all()
        long = [x.node for x in every if len(x.text.plain) > _longest(lines.owners[x.node])]
        owners = [z for x in long for z in lines.owners[x]]
        ends = [(y, z) for z in owners for y in z.parents if y.requires_grad and y.op]
        ends = [(y, z) for y, z in ends if y not in named]
        # A call that stands for all of its steps, norm(x), is left whole as long as that will do.
        more = {y for y, z in ends if not _in_one_call(y, z)} or {y for y, _ in ends}
        if not more:
            break
        named = distinct_names(forward.graph, named, more)
    known = {line.name for line in every}
    plain = {x.node for x in every if x.text.plain in known or x.result.op is identity}
    if plain <= asked.keys():
        return lines, every
    named = {x: name for x, name in named.items() if x in asked or x not in plain}
    lines = Lines(forward, backward, named, divisor, scaled)
    return lines, lines.all()


def _inside_calls(graph: Graph) -> set[Node]:
    """What only steps of the same call read: of norm(x) all but the norm."""
    uses = [(x, z) for z in graph for x in z.parents]
    read = {x for x, z in uses if _in_one_call(x, z)}
    return read - {x for x, z in uses if not _in_one_call(x, z)} - {*graph.outputs}


def _in_one_call(y: Node, z: Node) -> bool:
    return any(isinstance(part, Call) and part in z.scope for part in y.scope)


def _longest(owners: Collection[Node]) -> int:
    """Characters of a gradient that comes from so many results: each adds a term."""
    return LONGEST_LINE * max(FEW, len(owners)) // FEW


def _wanted(wrt: Any, again: Mapping[Node, Node]) -> list[Any]:
    """The nodes or names that are asked for."""
    single = isinstance(wrt, (Tensor, str)) or not isinstance(wrt, Iterable)
    wanted: list[Any] = []
    for x in [wrt] if single else wrt:
        node = x.node if isinstance(x, Tensor) else x
        if not isinstance(node, str) and node not in again:
            raise ValueError(f"derive: wrt: {x!r} is not part of the expression")
        wanted.append(node if isinstance(node, str) else again[node])
    return wanted


def _leading_to(wanted: Sequence[Any], lines: Sequence[Line], simplify: bool) -> list[Line]:
    """The lines of what is wanted, and those that they are computed from."""
    there = {line.name: line for line in lines}
    asked: list[Line] = []
    for x in wanted:
        found = [ln for ln in lines if x in (ln.node, ln.node.name) or ln.name == f"d{x}"]
        if not found:
            raise ValueError(
                f"derive: wrt: no gradient flows to {x!r}; "
                f"there are {', '.join(n.removeprefix('d') for n in there)}"
            )
        asked += found
    needed = {line.name for line in asked}
    while asked:
        line = asked.pop()
        for used in line.uses if simplify else line.raw_uses:
            if used in there and used not in needed:
                needed.add(used)
                asked.append(there[used])
    return [line for line in lines if line.name in needed]


class Derivation:
    """A backward pass as lines of mathematics.

    Attributes:
        lines: the gradients, in the order of the backward pass.
        forward: the named results, each with what it is computed from.
        divisor: the number of examples that the cost is divided by, or of elements that it is a
            mean over, or None.
        of: what it is the backward pass of.
        arrays: the constant arrays that lines cite, by name.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        forward: Sequence[tuple[str, Text]],
        divisor: Divisor | None,
        of: str,
        simplify: bool,
        steps: bool,
        title: str,
        letters: str = "",
        arrays: Mapping[str, Any] | None = None,
    ) -> None:
        self.lines, self.forward, self.divisor = list(lines), list(forward), divisor
        self.of, self.simplify, self.title = of, simplify, title
        self._steps = steps and simplify
        self._letters, self.arrays = letters, dict(arrays or {})

    def _right(self, line: Line) -> Text:
        return line.text if self.simplify else line.raw

    @property
    def remark(self) -> str:
        """The meaning of the letters, and which tensors of one name are which."""
        return " ".join(filter(None, (self._convention, self._letters)))

    @property
    def _convention(self) -> str:
        plain = f"derivative of {self.of}"
        if self.divisor is None:
            return f"Each line is the {plain}."
        m = self.divisor.name
        if not self.divisor.of_examples:
            counted = f"{m} = {self.divisor.value} is the number of elements that the mean is over."
            return f"{counted} Each line is the {plain}."
        scaled = [line.name for line in self.lines if line.times_m]
        if not scaled:
            return f"{m} = {self.divisor.value}. Each line is the {plain}."
        first = ", ".join(scaled if len(scaled) < 4 else [*scaled[:2], "...", scaled[-1]])
        return (
            f"{m} = {self.divisor.value}. As in the document, the gradients of results are {m} "
            f"times the {plain} ({first}), those of parameters are the derivative."
        )

    @property
    def legend(self) -> str:
        """The meaning of the signs, where there are any that one may not know."""
        texts = [self._right(line) for line in self.lines]
        every = [*(text for _, text in self.forward), *texts]
        stacked = any(len(line.shape) > 2 for line in self.lines)
        return legend((text.plain for text in every), self.arrays, stacked)

    def __str__(self) -> str:
        rows: list[tuple[str, str, str]] = []  # left of the sign, right of it, and what is remarked
        size = max((len(_shape(line)) for line in self.lines), default=0)
        for line in self.lines:
            remark = f"{_shape(line):<{size}}   from {'; '.join(line.rule)}"
            steps = line.steps if self._steps else []
            rows.append((line.name, (line.raw if steps else self._right(line)).plain, remark))
            rows += [("", step.text.plain, step.done) for step in steps]
        left = max((len(called) for called, _, _ in rows), default=0)
        middle = min(max((len(text) for _, text, _ in rows), default=0), WIDEST)
        lines = [f"{a:>{left}} = {b:<{middle}}   {c}" for a, b, c in rows]
        return "\n".join([self.remark, "", *lines, *(["", self.legend] if self.legend else [])])

    def __repr__(self) -> str:
        return f"<Derivation of {len(self.lines)} gradients of {self.of}>"

    @property
    def latex(self) -> str:
        """The lines as an `align*` of LaTeX, for amsmath and amssymb."""
        rows = [
            rf"{name(line.name).latex} &= {self._right(line).latex} && {_shape_latex(line)}"
            for line in self.lines
        ]
        return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"

    def _repr_html_(self) -> str:
        lines = [(at_the_left(_equation(x.name, self._right(x))), _shape(x)) for x in self.lines]
        cell = '<td style="text-align:left">'
        rows = "".join(f"<tr>{cell}{math}</td>{cell}{size}</td></tr>" for math, size in lines)
        return f"<p>{self._said()}</p><table>{rows}</table>"

    def _said(self) -> str:
        """Remark and legend, for HTML."""
        return "<br>".join(html.escape(text) for text in (self.remark, self.legend) if text)

    def html(self) -> str:
        """A page that needs nothing beside it."""
        forward = "\n".join(
            f'<li class="given{_across(text)}">{_shown(called, text)}</li>'
            for called, text in self.forward
        )
        return page(
            "derivation/derivation.html",
            title=html.escape(printable(self.title)),
            palette=f":root {{ {properties(LIGHT)} }}\n"
            f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {properties(DARK)} }} }}",
            style=asset("page.css") + asset("derivation/derivation.css"),
            remark=self._said(),
            forward=forward,
            backward="\n".join(map(self._item, self.lines)),
        )

    def _item(self, line: Line) -> str:
        steps = line.steps if self.simplify else []
        rows = "\n".join(
            f"<li>{_shown(None, step.text)}<span>{html.escape(step.done)}</span></li>"
            for step in steps
        )
        first = f"<li>{_shown(None, line.raw)}<span>the rule</span></li>"
        inside = f"<summary>steps</summary><ol>\n{first}\n{rows}\n</ol>"
        more = f"<details>{inside}</details>" if steps else ""
        kind = "result" if line.node.op else "parameter"
        rule = html.escape("; ".join(line.rule))
        right = self._right(line)
        return (
            f'<li class="{kind}{_across(right)}">{_shown(line.name, right)}'
            f'<span class="rule">from {rule}</span>'
            f'<span class="shape">{_shape(line)}</span>{more}</li>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it: a page (.html), LaTeX (.tex), or text (.txt). Returns the path.

        Raises:
            ValueError: another ending.
            OSError: the file can't be written.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in ENDINGS:
            known = ", ".join(f".{ending}" for ending in ENDINGS)
            raise ValueError(f"save: {path.name}: expected a name ending in {known}")
        printers = {"html": self.html, "tex": self._paper, "txt": self._text}
        return write_text(path, printers[kind]())

    def _text(self) -> str:
        return f"{self}\n"

    def _paper(self) -> str:
        rows = [rf"{name(called).latex} &= {text.latex}" for called, text in self.forward if called]
        forward = "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"
        remark = " ".join(map(latex_words, filter(None, (self.remark, self.legend))))
        title = latex_text(printable(self.title))
        return _PAPER % (title, f"{forward}\n{remark}\n{self.latex}")


def _shown(called: str | None, text: Text) -> str:
    """A formula in its place on a page, which knows how long it is where it is printed; a long one
    has a text beside it that breaks, for paper.
    """
    said = f"{called} = {text.plain}" if called else text.plain
    words = f'<span class="words">{html.escape(said)}</span>' if len(said) > ON_A_LINE else ""
    shown = f"{_equation(called, text)}{words}"
    return f'<div class="formula" style="--signs: {len(said) + 3}">{shown}</div>'


def _across(text: Text) -> str:
    """The class of a formula that has a page's whole width."""
    return " long" if len(text.plain) > ACROSS else ""


def _shape(line: Line) -> str:
    return str(line.shape) if line.shape else "a number"


def _shape_latex(line: Line) -> str:
    if not line.shape:
        return ""
    return "(" + r" \times ".join(map(str, line.shape)) + ")"


def _equation(called: str | None, text: Text) -> str:
    """A formula in MathML: `called = text`, `= text`, or without a name just the text."""
    left = "" if called is None else name(called).mathml
    made = equation(text.mathml) if called == "" else equation(left, text.mathml)
    return _LETTER.sub(r'<mi class="letter">\1</mi>', made)
