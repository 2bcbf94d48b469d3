"""A recorded graph made ready to be written as NumPy calls: composites expanded into primitives,
constants computed, and for every value the memory order in which NumPy itself would lay it.

The graph is computed once, on the values it was recorded with: what a program must know of its
arrays (shape, dtype, order) is then NumPy's own answer, not a rule of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.tracer import Tracer
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.tensor import Tensor


@dataclass
class Lowered:
    """Primitives only.

    Attributes:
        graph: its nodes' inputs are nodes and constants.
        strides: of every value, in bytes.
        views: the nodes whose value lies in the memory of their first input.
        raises: the `np.errstate` settings that an op runs under.
        place: what became of each node of the graph that was given, a node or a constant.
    """

    graph: Graph
    strides: dict[Node, tuple[int, ...]] = field(default_factory=dict)
    views: set[Node] = field(default_factory=set)
    raises: dict[Node, dict[str, Any]] = field(default_factory=dict)
    place: dict[Node, Any] = field(default_factory=dict)


def lower(graph: Graph, raises: Mapping[Node, dict[str, Any]]) -> Lowered:
    """Expand, compute constants, and look at every value's memory."""
    pass_ = _Pass(graph, raises)
    for node in graph:
        pass_.visit(node)
    done = pass_.done
    outputs = tuple(x for x in (done.place[n] for n in graph.outputs) if isinstance(x, Node))
    done.graph = trace(dict.fromkeys(outputs))
    return done


class _Pass:
    """One walk over the graph, with the values that are still needed."""

    def __init__(self, graph: Graph, raises: Mapping[Node, dict[str, Any]]) -> None:
        self.done = Lowered(graph)
        self.raises = raises
        self.values: dict[Node, Any] = {}
        self.uses = Counter(x for node in graph for x in node.parents)

    def visit(self, node: Node) -> None:
        if isinstance(node, Leaf):
            self._keep(node, node, node.value)
            return
        inputs = [self.done.place[x] if isinstance(x, Node) else x for x in node.inputs]
        arrays = [self.values[x] if isinstance(x, Node) else x for x in inputs]
        if any(isinstance(x, Node) for x in inputs) and node.op.composite:
            self._expand(node, inputs, arrays)
        else:
            self._apply(node, node.op, inputs, node.meta, self.raises.get(node, {}), arrays)
        for x in node.parents:
            self.uses[x] -= 1
            if not self.uses[x]:
                self.values.pop(self.done.place[x], None) if isinstance(
                    self.done.place[x], Node
                ) else None

    def _keep(self, old: Node, new: Node, value: Any) -> None:
        self.done.place[old] = new
        self.done.strides[new] = value.strides
        self.values[new] = value

    def _apply(
        self,
        old: Node,
        op: Any,
        inputs: Sequence[Any],
        meta: Mapping[str, Any],
        raises: dict[str, Any],
        arrays: Sequence[Any],
    ) -> None:
        """A primitive: the same op on the new inputs, or its value where they are constants."""
        with np.errstate(all="ignore"):
            value = np.asarray(op.compute(*arrays, **meta))
        if not any(isinstance(x, Node) for x in inputs):
            self.done.place[old] = value
            return
        new = Node(op, tuple(inputs), meta, value.shape, value.dtype, False, (), None, old.scope)
        new.name = old.name
        if raises:
            self.done.raises[new] = raises
        x = arrays[0]
        if op.view and isinstance(x, np.ndarray) and np.may_share_memory(value, x):
            self.done.views.add(new)
        self._keep(old, new, value)

    def _expand(self, node: Node, inputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        """A composite: what it records when it is applied to Tensors."""
        tracer = Tracer()
        stand_ins = [
            Tensor(a) if isinstance(x, Node) else x for x, a in zip(inputs, arrays, strict=True)
        ]
        with tracer.watching():
            result = node.op.forward(*stand_ins, **node.meta)
        known = {t.node: x for t, x in zip(stand_ins, inputs, strict=True) if isinstance(x, Node)}
        inner: dict[Node, Any] = dict(known)
        for part in tracer.nodes:
            raises = self.raises.get(node, {}) | tracer.raises.get(part, {})
            given = [inner[x] if isinstance(x, Node) else x for x in part.inputs]
            values = [self.values[x] if isinstance(x, Node) else x for x in given]
            part.scope = node.scope
            self._apply(part, part.op, given, part.meta, raises, values)
            inner[part] = self.done.place[part]
        last = inner[result.node]
        last.name = node.name
        self.done.place[node] = last
