"""The rewriting as one reads it: every step with before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.conventions import NUMBER_FIRST, NUMBER_LAST, is_number, readable
from tinygrad_dnn.formula.settings import values
from tinygrad_dnn.formula.template import ATOM, UNICODE, Formula, Piece
from tinygrad_dnn.formula.text import own_formula, written
from tinygrad_dnn.graph import Graph, Node, trace
from tinygrad_dnn.ops import multiply
from tinygrad_dnn.rewrite.engine import Rewritten, Step, rewrite
from tinygrad_dnn.rewrite.nodes import build
from tinygrad_dnn.rewrite.table import PROGRAM
from tinygrad_dnn.rewrite.terms import Row, Setting, Term, Variable

LONGEST = 40  # characters of what a variable stands for


def explain(what: Graph | Rewritten, rows: Iterable[Row] = PROGRAM, **settings: Any) -> str:
    """The steps of a rewriting, a line each: the row's name, before → after.

        print(explain(trace([cost.node])))

    The last line sums up what no row is needed for: constants computed, equal expressions shared,
    what nothing leads to dropped.

    Args:
        what: a graph, or what `rewrite` made of one.
        rows, settings: for `rewrite`, where a graph is given.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(what, (Graph, Rewritten)):
        raise TypeError(
            f"explain: expected a Graph or what rewrite made of one, got {type(what).__name__}; "
            "of a Tensor, explain(trace([cost.node]))"
        )
    done = what if isinstance(what, Rewritten) else rewrite(what, rows, **settings)
    names = [step.row.name for step in done.steps]
    width = max(map(len, names), default=0)
    lines = [
        f"{name:<{width}}  {before}  →  {after}"
        for name, (before, after) in zip(names, texts(done.steps), strict=True)
    ]
    return "\n".join([*lines, *_in_all(done)])


def _in_all(done: Rewritten) -> list[str]:
    """Return what became of the nodes, in numbers; nothing where nothing did."""
    ops = [x for old, x in done.new.items() if old.op is not None]
    nodes = {x for x in ops if isinstance(x, Node)}
    constants = sum(not isinstance(x, Node) for x in ops)
    shared = len(ops) - constants - len(nodes)
    if not (done.steps or constants or shared) or not done.new:
        return []
    counted = f"in all: {len(done.new)} nodes became {len(done.graph)}"
    return [f"{counted}; computed ahead {constants}, the same as another {shared}"]


def texts(steps: Sequence[Step], names: Mapping[Node, str] | None = None) -> list[tuple[str, str]]:
    """Before and after of each step, in the names of what its variables stood for."""
    found = [x for step in steps for x in step.found.values() if isinstance(x, Node)]
    made = [x for step in steps if isinstance(step.after, Node) for x in step.after.parents]
    graph = trace([*found, *made])
    named = {n: printable(n.name) for n in graph if n.name} | dict(names or {})
    found_in = written(graph, named, LONGEST, [UNICODE], readable, beside=False)
    shown = {n: t[0] for n, t in found_in.items()}
    pen = _Pen(named, shown)
    return [(pen.text(s.way, s.found), pen.text(s.row.right, s.found, s.after)) for s in steps]


class _Pen:
    """Writes a side of a row with everything in place."""

    def __init__(self, named: Mapping[Node, str], formulas: Mapping[Node, str]) -> None:
        self.named, self.formulas = named, formulas

    def text(self, term: Any, found: Mapping[str, Any], made: Any = None) -> str:
        """A side of a row; what was made of it tells the names of its parts."""
        return self._written(term, found, self._parts(term, made))[0]

    @staticmethod
    def _parts(term: Any, made: Any) -> Sequence[Any]:
        """What stands for the inputs of a term; nothing where another op was put in its place."""
        same = isinstance(made, Node) and isinstance(term, Term) and made.op is term.op
        return made.inputs if same else [None] * len(getattr(term, "inputs", ()))

    def _written(self, term: Any, found: Mapping[str, Any], parts: Sequence[Any]) -> Piece:
        if isinstance(term, Variable):
            return self._value(found[term.letter])
        if not isinstance(term, Term) or term.op is None:
            return self._value(term)
        node = _filled(term, found)
        formula = self._formula(term, node, found)
        inputs = [
            (self.named[made], ATOM)
            if isinstance(made, Node) and made in self.named
            else self._written(x, found, self._parts(x, made))
            for x, made in zip(term.inputs, parts, strict=True)
        ]
        if term.op.many:
            given = {"xs": (UNICODE.listed([text for text, _ in inputs]), ATOM)}
        else:
            given = dict(zip(term.op.arrays, inputs, strict=True))
        places = values(formula, node, beside=False)
        given |= {key: (text, ATOM) for key, text in places.items()}
        return formula.fill(UNICODE, given), formula.level

    def _formula(self, term: Term, node: Node, found: Mapping[str, Any]) -> Formula:
        """The template for an op in a pattern; a product with a number is c · x."""
        first, second = (_is_number(x, found) for x in (*term.inputs, None)[:2])
        if node.op is multiply and (first or second):
            return NUMBER_FIRST if first else NUMBER_LAST
        return own_formula(node, beside=False)

    def _value(self, x: Any) -> Piece:
        if not isinstance(x, Node):
            return constant(x, self.named)
        if x in self.named:
            return self.named[x], ATOM
        if x.op is None:
            return f"tensor{tuple(x.shape)}", ATOM
        return self.formulas[x], readable(x, beside=False).level


def _filled(term: Any, found: Mapping[str, Any]) -> Any:
    """A side of a row as a node, with everything in place."""
    if isinstance(term, Variable):
        return found[term.letter]
    if not isinstance(term, Term) or term.op is None:
        return term
    meta = {k: found[v] if isinstance(v, Setting) else v for k, v in term.meta.items()}
    return build(term.op, [_filled(x, found) for x in term.inputs], meta, ())


def _is_number(term: Any, found: Mapping[str, Any]) -> bool:
    """Whether a piece of a pattern stands for a number: c, 2, −c, 1 / c."""
    if isinstance(term, Variable):
        return is_number(found[term.letter])
    if isinstance(term, Term):
        return all(_is_number(x, found) for x in term.inputs)
    return True
