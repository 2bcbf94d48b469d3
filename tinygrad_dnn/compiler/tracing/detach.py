"""The nodes of a run made anew as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import is_elsewhere
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.tracing.tracer import Tracer
from tinygrad_dnn.graph import Leaf, Node, rebuilt, trace


class Copy:
    """Nodes of a run, made anew: without gradients, saved values or Tensors, aliases resolved."""

    def __init__(self, tracer: Tracer, outer: Mapping[int, str]) -> None:
        self.tracer, self.outer = tracer, outer
        self.new: dict[Node, Any] = {}
        self.captured: dict[Leaf, Any] = {}
        self.by_array: dict[int, Leaf] = {}
        self.raises: dict[Node, dict[str, Any]] = {}
        self.names: dict[Node, str] = tracer.names
        stabiliser = tracer.stabiliser
        self._replaced: dict[Node, Node] = {} if stabiliser is None else stabiliser.replaced
        self._recorded = set(tracer.nodes)

    def input(self, node: Leaf) -> Leaf:
        """The input that stands for an argument."""
        if node not in self.new:
            self.new[node] = self._leaf(node.value, node.name or self.names.get(node))
        made: Leaf = self.new[node]
        return made

    def results(self, results: Sequence[Any]) -> list[Any]:
        """Nodes for the Tensors among the results."""
        for node in self.tracer.nodes:
            self._made(node)
        for node, g in self.tracer.gradients:
            x, dx = self._resolved(node), self._resolved(g)
            if isinstance(x, Node) and x.name and dx.op is not None and dx.name is None:
                dx.name = f"d{x.name}"
        return [self._resolved(x.node) if isinstance(x, Tensor) else x for x in results]

    def needed(self, roots: Sequence[Node]) -> list[Node]:
        """All that roots are computed from, in order; captured inputs nobody reads are dropped."""
        nodes = trace(roots).nodes
        there = set(nodes)
        self.captured = {leaf: x for leaf, x in self.captured.items() if leaf in there}
        return nodes

    def _made(self, node: Node) -> None:
        """Make a node and what stands before it now, which may have been recorded later."""
        stack = [node]
        while stack:
            x = self._aliased(stack[-1])
            there = self._replaced.get(x)
            needed = x.parents if there is None else (there,)
            waiting = [] if x in self.new else [n for n in needed if self._is_waiting(n)]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if x in self.new:
                continue
            if there is None:
                self._op(x)
            else:
                self.new[x] = self._resolved(there)

    def _is_waiting(self, node: Node) -> bool:
        node = self._aliased(node)
        return node in self._recorded and node not in self.new

    def _aliased(self, node: Node) -> Node:
        while node in self.tracer.aliases and node not in self.new:
            node = self.tracer.aliases[node]
        return node

    def _op(self, node: Node) -> None:
        inputs = [
            self._resolved(x) if isinstance(x, Node) else self._constant(x) for x in node.inputs
        ]
        if node.op.transparent:
            self.new[node] = inputs[0]
            return
        self.new[node] = made = rebuilt(node, inputs)
        made.name = node.name or self.names.get(node)
        if node in self.tracer.raises:
            self.raises[made] = self.tracer.raises[node]

    def _resolved(self, node: Node) -> Any:
        node = self._aliased(node)
        if node not in self.new:
            holder = None
            if isinstance(node, Leaf):
                value = self.tracer.value_of(node)
                if value is node.value:
                    holder = node.tensor()
            else:
                value = self.tracer.outside[node]
            self.new[node] = self._held(value, holder, node.name)
        return self.new[node]

    def _constant(self, x: Any) -> Any:
        held = isinstance(x, np.ndarray) or is_elsewhere(x)
        return self._held(x, None, None) if held else x

    def _held(self, array: Any, holder: Any, name: str | None) -> Leaf:
        """The input for an array that the function closed over, or made."""
        leaf = self.by_array.get(id(array))
        if leaf is None:
            called = name or self.outer.get(id(holder)) or self.outer.get(id(array))
            leaf = self.by_array[id(array)] = self._leaf(array, called)
            self.captured[leaf] = array if holder is None else holder
        return leaf

    @staticmethod
    def _leaf(value: Any, name: str | None) -> Leaf:
        leaf = Leaf(value, False, name)
        leaf.scope = ()
        return leaf
