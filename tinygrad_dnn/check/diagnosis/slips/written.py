"""Slips in the formula of a gradient as one writes it, and in the formula of its function.

The gradient is recorded as a graph of the inputs, the cotangent g and the result, and simplified as
on paper; one part of it is replaced by another. Or it is the right gradient of a function that was
read with another part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.retrace import forward_again
from tinygrad_dnn.autodiff.tensor import Tensor, pull
from tinygrad_dnn.check.diagnosis.slips.backward import Asked, Backward, is_float
from tinygrad_dnn.check.diagnosis.slips.factors import (
    LEAST,
    SAME,
    Named,
    alike,
    factor_between,
    times,
)
from tinygrad_dnn.check.diagnosis.slips.parts import FUNCTION, TWIN, Edit, Formula
from tinygrad_dnn.check.diagnosis.source import Source
from tinygrad_dnn.graph import Node, mode, trace
from tinygrad_dnn.rewrite import PAPER, rewrite

MOST_NODES = 90  # of a formula whose parts are replaced
PLAIN = TWIN  # the rank up to which no simpler edit is looked for
Guess = Callable[[int], Any]


def named_in_formulas(source: Source, asked: Sequence[Asked]) -> Named | None:
    """The simplest edit of a formula that gives each of several gradients."""
    recorded = []
    for known in (True, False):
        with suppress(Exception):  # a forward for arrays alone may fail in any way
            recorded.append(_Recorded(source, asked, known))
    best: Named | None = None
    for search in (_in_gradient, _in_function):
        for r in recorded:
            with suppress(Exception):  # as above
                found = min(search(r), default=None)
                if found is not None and (best is None or found.rank < best.rank):
                    best = found
            if best is not None and best.rank <= PLAIN:
                return best
    return best


class _Recorded:
    """A function recorded at the first of several points; 1 / (1 + exp(−x)) and the like as the op
    that it is where `known`.
    """

    def __init__(self, source: Source, asked: Sequence[Asked], known: bool) -> None:
        self.asked, self.k = asked, source.k
        self.leaves = {
            n: Tensor(np.array(x, float), requires_grad=True, name=source.called[n])
            for n, x in enumerate(asked[0].inputs)
            if is_float(x)
        }
        given = [self.leaves.get(n, x) for n, x in enumerate(asked[0].inputs)]
        with mode(recording=True, watch=None), np.errstate(all="ignore"):
            z = source.forward(*given)
            graph = trace([z.node])
            if known:
                again = forward_again(rewrite(graph, PAPER).graph)
                own = {t.name: t for t in again.tensors if t.node.op is None}
                self.leaves = {n: own.get(t.name, t) for n, t in self.leaves.items()}
                graph, z = again.graph, again.tensors[-1]
        if len(graph) > MOST_NODES:
            raise ValueError("too long")
        self.names = {t.node: source.called[n] for n, t in self.leaves.items()}
        self.formula, self.z = Formula(list(graph), self.names), z.node
        self.points = [self.formula.values(self._given(a)) for a in asked]

    def _given(self, a: Asked) -> dict[Node, Any]:
        return {t.node: np.asarray(a.inputs[n], float) for n, t in self.leaves.items()}

    def explains(self, guess: Guess) -> float | None:
        """The factor with which a guess gives every gradient, if one does."""
        factor, numbers = None, 0
        for k, a in enumerate(self.asked):
            try:
                here = np.asarray(guess(k))
            except (ValueError, TypeError, IndexError, ArithmeticError, AttributeError):
                return None  # it does not fit there
            yours = np.asarray(a.yours, float)
            if here.shape != yours.shape or not np.all(np.isfinite(here)):
                return None
            known = (1.0, -1.0, 2.0, 0.5) if factor is None else (factor,)
            factor = factor_between(yours, here, known)
            if factor is None:
                return None
            numbers += int(np.count_nonzero(here))
        return factor if numbers >= LEAST else None


def _in_gradient(r: _Recorded) -> Iterator[Named]:
    """Edits of the gradient's formula, in which the result is given."""
    result = "z" if "z" not in r.names.values() else "out"
    r.z.name = result if r.z.op is not None else r.z.name
    with mode(recording=True, watch=None), np.errstate(all="ignore"):
        g = Tensor(np.asarray(r.asked[0].g, float), requires_grad=True, name="g")
        found = pull([r.z], [g], create_graph=True, keep=lambda node: True)
        graph = rewrite(trace([found[r.leaves[r.k].node].node]), PAPER).graph
    if len(graph) > MOST_NODES:
        return
    results = [n for n in graph if n.op is not None and n.name == result]
    names = r.names | {g.node: "g"} | dict.fromkeys(results, result)
    formula = Formula(list(graph), names, r.formula.nodes)
    points = [
        formula.values(p | dict.fromkeys(results, p[r.z]) | {g.node: np.asarray(a.g, float)})
        for a, p in zip(r.asked, r.points, strict=True)
    ]
    given = zip(r.asked, points, strict=True)
    if all(alike(np.asarray(a.yours, float), p[formula.root]) for a, p in given):
        return  # by what was recorded it is right: that is wrong itself
    for edit in formula.edits():
        if _is_nothing(edit, points[0]):
            continue  # 0 stands there, which has words of its own
        c = r.explains(partial(_edited, formula, edit, points))
        if c is not None:
            yield Named(edit.rank + 2 * (c != 1), formula.says(edit) + times(c))


def _edited(formula: Formula, edit: Edit, points: Sequence[Mapping[Node, Any]], k: int) -> Any:
    return formula.edited(edit, points[k])


def _is_nothing(edit: Edit, values: Mapping[Node, Any]) -> bool:
    """Whether what stands in place of a part is 0 to rounding."""
    if edit.other not in values or edit.part not in values:
        return False
    part, other = (np.max(np.abs(values[x]), initial=0) for x in (edit.part, edit.other))
    return bool(other <= SAME * part)


def _in_function(r: _Recorded) -> Iterator[Named]:
    """Edits of the function's formula, of which the gradient is right then."""
    for edit in r.formula.edits():
        if edit.rank >= FUNCTION:
            continue
        function = _read(r, edit)

        def guess(k: int, function: Callable[..., Any] = function) -> Any:
            inputs = [r.asked[k].inputs[n] for n in r.leaves]
            at = [*r.leaves].index(r.k)
            return Backward(function, inputs).gradient(r.asked[k].g, at, {})

        if r.explains(guess) == 1:
            other, part = r.formula.text(edit.other), r.formula.text(edit.part)
            says = f"is right for a function with {other} where {part} stands: was it misread?"
            if edit.along or not isinstance(edit.other, Node):
                says = r.formula.says(edit)
            yield Named(edit.rank + 1, says)


def _read(r: _Recorded, edit: Edit) -> Callable[..., Any]:
    """The function with an edit, of those inputs that are arrays of floats."""

    def applied(node: Node, arrays: Sequence[Any]) -> Any:
        meta = edit.meta(node)
        return node.op(arrays, **meta) if node.op.many else node.op(*arrays, **meta)

    def function(*inputs: Any) -> Any:
        own = (t.node for t in r.leaves.values())
        known: dict[Node, Any] = dict(zip(own, inputs, strict=True))

        def at(x: Any) -> Any:
            return known[x] if isinstance(x, Node) else x

        def other() -> Any:
            x = edit.other
            if not isinstance(x, Node) or x in known:
                return at(x)
            if not all(y in known for y in x.inputs if isinstance(y, Node)):
                raise ValueError("it is computed from the part that it stands for")
            return applied(x, [*map(at, x.inputs)])

        for node in r.formula.nodes:
            there = {i for n, i in edit.uses if n is node}
            arrays = [other() if i in there else at(x) for i, x in enumerate(node.inputs)]
            known[node] = applied(node, arrays)
        return known[r.formula.root] if edit.uses or edit.along else other()

    return function
