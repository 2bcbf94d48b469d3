"""A graph rewritten row by row until no row applies any more.

One pass over the nodes: each is built anew from inputs that are in normal form already, and put to
the rows as soon as it stands, as is whatever a row puts in its place. So an expression is looked at
once, equal ones are one node, and what nothing leads to is not built again. Where rows call each
other deeper than DEEPEST, what is left waits for another pass, so nothing recurses with the size of
the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.graph import NO_META, Graph, Leaf, Node, trace
from tinygrad_dnn.ops import REGISTRY, Op
from tinygrad_dnn.rewrite.nodes import Unfit, build, constant_value, folded, key_of, swapped
from tinygrad_dnn.rewrite.saturation import Saturation
from tinygrad_dnn.rewrite.table import PROGRAM
from tinygrad_dnn.rewrite.terms import (
    Match,
    Row,
    Setting,
    Term,
    Variable,
    is_constant,
    matches,
    ways,
)

DEEPEST = 40  # calls of rows by rows within one pass
PASSES = 50
_WHOLE = (np.dtype(np.int32), np.dtype(np.int64))
_CONSTANT = object()  # stands for the op that made it
_BROADCAST, _IDENTITY = REGISTRY["broadcast_to"], REGISTRY["identity"]


class Step(NamedTuple):
    """A row that fired.

    Attributes:
        found: what its variables stood for.
        way: its left side, as the inputs of commutative ops lay there.
        before: the node that had this form.
        after: what took its place, in normal form.
    """

    row: Row
    found: Match
    way: Term
    before: Node
    after: Any


class Rewritten(NamedTuple):
    """A graph rewritten.

    Attributes:
        graph: the new graph; outputs in the same order, leaves the same objects.
        new: for every node of the old graph what stands for it now: a node or, where it became
            constant, its value. Nothing may lead to it any more.
        steps: the rows that fired, in order.
    """

    graph: Graph
    new: dict[Node, Any]
    steps: list[Step]


def rewrite(
    graph: Graph,
    rows: Iterable[Row] = PROGRAM,
    *,
    constants: Collection[Leaf] = (),
    finite: Collection[Node] = (),
    limit: int | None = None,
) -> Rewritten:
    """Apply the rows of a table until none applies any more; the graph that was given is left.

    Every replacement has the shape and dtype of what it replaces, or is not made. Leaves, names,
    scopes, `stop_gradient` and the ops that others declared are kept. The new nodes hold no values.

    Args:
        graph: from `graph.trace`, of recorded nodes.
        rows: PROGRAM, PAPER, or some of them.
        constants: leaves that will never change, such as the 1 that a backward pass starts from.
        finite: nodes known to be finite everywhere, for rows that need to know (x ⊙ 0 = 0).
        limit: after so many steps, leave the rest as it is.

    Raises:
        RuntimeError: the rows do not come to an end; the message names those that went on.
    """
    work = _Work(rows, finite, limit)
    new: dict[Node, Any] = {}
    last, outputs = graph, list(graph.outputs)
    for _ in range(PASSES):
        work.waiting = False
        step = work.over(last, constants)
        new = {n: step.get(x, x) if isinstance(x, Node) else x for n, x in new.items()} or step
        nodes = [new[n] for n in outputs]
        last = trace([n for n in nodes if isinstance(n, Node)])
        if not work.waiting:
            return _finished(graph, new, work.steps)
    late = sorted({s.row.name for s in work.steps[-100:]})
    raise RuntimeError(f"rewrite: no end after {PASSES} passes; these rows go on: {late}")


def _finished(graph: Graph, new: dict[Node, Any], steps: list[Step]) -> Rewritten:
    """Names in their places, and a node for every output."""
    outputs: list[Node] = []
    for old in graph.outputs:
        x = new[old]
        if not isinstance(x, Node) or (old.name and x.name != old.name):
            x = build(_IDENTITY, (x,), NO_META, old.scope, like=old)
        if old.name and x.op is not None:
            x.name = old.name
        new[old] = x
        outputs.append(x)
    return Rewritten(trace(outputs), new, steps)


class _Index:
    """The rows of a table by what their left sides begin with."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows: dict[Op, list[tuple[Row, Term]]] = {}
        self.fitting: dict[Any, list[tuple[Row, Term]]] = {}
        for row in rows:
            for way in [row.left] if row.as_written else ways(row.left):
                self.rows.setdefault(way.op, []).append((row, way))

    def for_node(self, node: Node) -> list[tuple[Row, Term]]:
        """The rows whose left side has the node's op, and under it ops and numbers where the node
        has ops and constants.
        """
        if node.op not in self.rows:
            return []
        key = node.op, *[x.op if isinstance(x, Node) else _CONSTANT for x in node.inputs]
        if key not in self.fitting:
            self.fitting[key] = [
                (row, way)
                for row, way in self.rows[node.op]
                if len(way.inputs) == len(node.inputs) and all(map(_fits, way.inputs, key[1:]))
            ]
        return self.fitting[key]


def _fits(term: Any, made_by: Any) -> bool:
    """Whether a term may stand for what an op made, for a leaf (None), or for a constant."""
    if isinstance(term, Term):
        return term.op is None or term.op is made_by
    return made_by is _CONSTANT


_index = lru_cache(maxsize=32)(_Index)  # a table is laid out once


class _Work:
    """The nodes built so far, by expression, and the rows by what they can match."""

    def __init__(self, rows: Iterable[Row], finite: Collection[Node], limit: int | None) -> None:
        self.done: dict[Any, Any] = {}
        self.kept: list[Any] = []  # arrays whose identity is in a key must live as long
        self.steps: list[Step] = []
        self.finite = set(finite)
        self.saturation = Saturation()
        self.limit = limit
        self.depth = 0
        self.waiting = False
        self.scope: tuple[str, ...] = ()
        self.index = _index(tuple(rows))

    def over(self, graph: Graph, constants: Collection[Leaf]) -> dict[Node, Any]:
        """One pass: for every node what stands for it now."""
        new: dict[Node, Any] = {}
        frozen = set(constants)
        self.done = {}
        for node in graph:
            if isinstance(node, Leaf):
                new[node] = _value(node) if node in frozen else node
                continue
            self.scope = node.scope
            inputs = [new[x] if isinstance(x, Node) else x for x in node.inputs]
            x = self.make(node.op, inputs, node.meta, like=node)
            if node in self.finite and isinstance(x, Node):
                self.finite.add(x)
            if isinstance(x, Node) and x.op is not None and node.name and x.name is None:
                x.name = node.name
            new[node] = x
        return new

    def make(
        self, op: Op, inputs: Sequence[Any], meta: Mapping[str, Any], like: Node | None = None
    ) -> Any:
        """An expression in normal form: a node that stands already, a new one, or a constant."""
        if not op.builtin:
            return build(op, inputs, meta, self.scope, like)
        value = folded(op, inputs, meta, like)
        if value is not None:
            return value
        key = key_of(op, inputs, meta)
        there = self.done.get(key)
        if there is None and (other := swapped(op, key)) is not None:
            there = self.done.get(other)
        if there is not None:
            return there
        node = build(op, inputs, meta, self.scope, like)
        self.kept.append(inputs)
        if self.depth >= DEEPEST:
            self.waiting = True
            return node
        self.depth += 1
        try:
            result = self._replaced(node)
        finally:
            self.depth -= 1
        self.done[key] = result
        return result

    def _replaced(self, node: Node) -> Any:
        """Return a node's replacement by the first row that applies; the node where none does."""
        for row, way in self.index.for_node(node):
            if self.limit is not None and len(self.steps) >= self.limit:
                return node
            found = Match(node, self.finite, self.saturation)
            if not matches(way, node, found) or (row.floats and not _one_dtype(row, way, node)):
                continue
            if row.where is not None:
                more = row.where(found)
                if more is False:
                    continue
                if more is not True:
                    found.update(more)
            at = len(self.steps)
            self.steps.append(Step(row, found, way, node, node))
            try:
                dtype = node.dtype if row.floats else None
                result = self._fitted(self._filled(row.right, found, dtype), node)
            except Unfit:
                result = None
            if result is not None:
                self.steps[at] = Step(row, found, way, node, result)
                return result
            del self.steps[at:]
        return node

    def _filled(self, term: Any, found: Match, dtype: Any) -> Any:
        """The right side of a row with everything in place.

        Raises:
            Unfit: it would compute in another dtype than this: x − y of two bytes.
        """
        if isinstance(term, Variable):
            return found[term.letter]
        if not isinstance(term, Term) or term.op is None:
            return term
        inputs = [self._filled(x, found, dtype) for x in term.inputs]
        meta = {k: found[v] if isinstance(v, Setting) else v for k, v in term.meta.items()}
        x = self.make(term.op, inputs, meta or NO_META)
        if dtype is not None and getattr(x, "dtype", dtype) != dtype:
            raise Unfit(f"{term} computes in {x.dtype}, expected {dtype}")
        return x

    def _fitted(self, x: Any, node: Node) -> Any:
        """Return x fitted to the node's shape and dtype; None where it would have another."""
        if isinstance(x, (int, float)):
            x = node.dtype.type(x)
        if x.dtype != node.dtype:
            return None
        if x.shape == () != node.shape and is_constant(x):
            return self.make(_BROADCAST, (x,), {"shape": node.shape})
        return x if x.shape == node.shape else None


def _one_dtype(row: Row, way: Any, x: Any) -> bool:
    """Whether all that a pattern computes is of one floating-point dtype, conditions apart.

    Whole numbers overflow and truth values add up differently: the rows are about real numbers.
    """
    dtype = x.dtype
    stack = [(way, x)]
    while stack:
        term, node = stack.pop()
        if isinstance(term, Term) and term.op is not None:
            alike = node.dtype == dtype or (row.labels and node.dtype in _WHOLE)
            if not alike and (term.op.differentiable or term.op.stops):
                return False
            stack += zip(term.inputs, node.inputs, strict=True)
    return bool(dtype.kind == "f")


def _value(leaf: Leaf) -> Any:
    """Return the value of a constant leaf, as nobody can write to it."""
    if not isinstance(leaf.value, np.ndarray):
        return leaf
    return constant_value(leaf.value.copy(order="K"))
