"""What was rewritten, as one reads it: every step with before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_dnn.formula import UNICODE, constant, formulas, printable
from tinygrad_dnn.graph import Graph, Node, trace
from tinygrad_dnn.rewrite.engine import Rewritten, Step, rewrite
from tinygrad_dnn.rewrite.table import PROGRAM
from tinygrad_dnn.rewrite.terms import Row, Setting, Term, Variable

LONGEST = 40  # characters of what a variable stands for
_ATOM, _MINUS = 9, 6


def explain(what: Graph | Rewritten, rows: Iterable[Row] = PROGRAM, **settings: Any) -> str:
    """The steps of a rewriting, a line each: the row's name, before → after.

        print(explain(trace([cost.node])))

    Args:
        what: a graph, or what `rewrite` made of one.
        rows, settings: for `rewrite`, where a graph is given.
    """
    done = what if isinstance(what, Rewritten) else rewrite(what, rows, **settings)
    told = [
        (step.row.name, *sides) for step, sides in zip(done.steps, texts(done.steps), strict=True)
    ]
    width = max((len(name) for name, _, _ in told), default=0)
    return "\n".join(f"{name:<{width}}  {before}  →  {after}" for name, before, after in told)


def texts(steps: Sequence[Step], names: Mapping[Node, str] | None = None) -> list[tuple[str, str]]:
    """Before and after of each step, in the names of what its variables stood for."""
    found = [x for step in steps for x in step.found.values() if isinstance(x, Node)]
    graph = trace(found)
    named = {n: printable(n.name) for n in graph if n.name} | dict(names or {})
    pen = _Pen(named, formulas(graph, named, LONGEST))
    return [(pen.text(s.way, s.found), pen.text(s.row.right, s.found)) for s in steps]


class _Pen:
    """Writes a side of a row with everything in place."""

    def __init__(self, named: Mapping[Node, str], formulas: Mapping[Node, str]) -> None:
        self.named, self.formulas = named, formulas

    def text(self, term: Any, found: Mapping[str, Any]) -> str:
        return self._written(term, found)[0]

    def _written(self, term: Any, found: Mapping[str, Any]) -> tuple[str, int]:
        if isinstance(term, Variable):
            return self._value(found[term.letter])
        if not isinstance(term, Term) or term.op is None:
            return self._value(term)
        op = term.op
        values = {a: self._written(x, found) for a, x in zip(op.arrays, term.inputs, strict=True)}
        for key, value in term.meta.items():
            setting = found.get(value) if isinstance(value, Setting) else value
            values[key] = str(setting), _ATOM
        return UNICODE.fill(op.formula, values), op.formula.level

    def _value(self, x: Any) -> tuple[str, int]:
        if not isinstance(x, Node):
            text = constant(x)
            return text, _MINUS if text.startswith("-") else _ATOM
        if x in self.named:
            return self.named[x], _ATOM
        if x.op is None:
            return f"tensor{tuple(x.shape)}", _ATOM
        return self.formulas[x], x.op.formula.level
