"""What a sweep is about to differentiate, written so that saturated values have finite slopes.

The slope of log σ(z) by the chain rule, 1/σ · σ (1 − σ), is 0/0 where σ has rounded to 0, and once
the backward pass is recorded it is too late to say so. So the graph below the roots of a sweep is
rewritten with the stable rows first, and recorded again as far as it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor, handle, record
from tinygrad_dnn.graph import Graph, Leaf, Node, behind
from tinygrad_dnn.rewrite import STABLE, Step, rewrite
from tinygrad_dnn.rewrite.nodes import key_of
from tinygrad_dnn.rewrite.terms import is_constant, same


class Stabiliser:
    """Rewrites what sweeps start from, while a function is recorded.

    Attributes:
        replaced: for nodes that are written otherwise, or of what is, what stands for them.
        steps: the rewrites that were done.
    """

    def __init__(self) -> None:
        self.replaced: dict[Node, Node] = {}
        self.steps: list[Step] = []
        self._earlier: dict[Any, Tensor] = {}
        self._known: dict[Any, list[Node]] = {}

    def roots(
        self,
        roots: Sequence[Node],
        fixed: Callable[[Node], bool],
        values: Mapping[Node, Any],
        names: Mapping[Node, str],
    ) -> list[Node]:
        """What to sweep from instead; the same where no row applies.

        Args:
            fixed: whether a node must stay, as its own gradient is asked for.
            values: those of the nodes that were recorded; what lies outside of these stays.
            names: what variables call a node.
        """
        nodes = _between(roots, lambda n: n in values and not fixed(n))
        if any(node.saved is None for node in nodes):  # freed, as the sweep will say
            return list(roots)
        key = *roots, None, *nodes  # a Jacobian sweeps as often as it has rows
        found = self._known.get(key)
        if found is None or any(x.requires_grad and x.saved is None for x in found if x.op):
            found = self._known[key] = self._rewritten(roots, nodes, values, names)
        return found

    def _rewritten(
        self,
        roots: Sequence[Node],
        nodes: Sequence[Node],
        values: Mapping[Node, Any],
        names: Mapping[Node, str],
    ) -> list[Node]:
        """The roots, made of rewritten nodes."""
        region = _Region(roots, nodes, names)
        done = rewrite(region.graph, STABLE)
        if not done.steps:
            return list(roots)
        self.steps += done.steps
        stands = {old: done.new[region.copies[old]] for old in nodes}
        images = {new: old for old, new in reversed(stands.items())}  # the first for each
        there: dict[Node, Any] = {
            leaf: handle(x, values.get(x)) if isinstance(x, Node) else x
            for leaf, x in region.outside.items()
        }
        for node in done.graph:
            if node in there:
                continue
            inputs = [there[x] if isinstance(x, Node) else x for x in node.inputs]
            first = images.get(node)
            if first is not None and first.op is node.op and _alike(inputs, first.inputs):
                there[node] = handle(first, values[first])
            else:
                there[node] = self._recorded(node, inputs, first)
        for old, x in stands.items():
            new = there.get(x)
            if isinstance(new, Tensor) and new.node is not old:
                self.replaced[old] = new.node
        return [there[x].node for x in done.graph.outputs]

    def _recorded(self, node: Node, inputs: Sequence[Any], old: Node | None) -> Tensor:
        """An expression recorded; that of an earlier sweep where it is the same one."""
        key = key_of(node.op, [_node(x) for x in inputs], node.meta)
        if not node.op.builtin:  # what others declared is applied once for each time it was
            key = key, old
        t = self._earlier.get(key)
        if t is None or (t.requires_grad and t.node.saved is None):
            t = self._earlier[key] = record(node.op, inputs, node.meta)
            t.node.scope, t.node.name = node.scope, old and old.name
        return t


class _Region:
    """The nodes between roots and what stays, made anew for rewriting.

    Args:
        nodes: of the run, in order; all carry a gradient.

    Attributes:
        copies: what was made of each, and of what stays: leaves without a value.
        outside: what stays, a node or an array, by its leaf.
        graph: of all the copies.
    """

    def __init__(
        self, roots: Sequence[Node], nodes: Sequence[Node], names: Mapping[Node, str]
    ) -> None:
        self.copies: dict[Any, Node] = {}
        self.outside: dict[Leaf, Any] = {}
        self._names = names
        every: list[Node] = []
        members = set(nodes)
        for x in [x for x in roots if x not in members]:
            self._leaf(x)
        for node in nodes:
            inputs = [self._input(x) for x in node.inputs]
            copy = Node(node.op, inputs, node.meta, node.shape, node.dtype, True, scope=node.scope)
            copy.name = node.name or names.get(node)
            self.copies[node] = copy
            every.append(copy)
        self.graph = Graph([*self.outside, *every], tuple(self.copies[x] for x in roots))

    def _input(self, x: Any) -> Any:
        if isinstance(x, Node) and x in self.copies:
            return self.copies[x]
        return x if is_constant(x) else self._leaf(x)

    def _leaf(self, x: Any) -> Node:
        """What stays; an array that may change by its identity."""
        key = x if isinstance(x, Node) else id(x)
        if key not in self.copies:
            node = isinstance(x, Node)
            name = (x.name or self._names.get(x)) if node else None
            nothing = np.broadcast_to(np.zeros((), x.dtype), x.shape)
            self.copies[key] = leaf = Leaf(nothing, node and x.requires_grad, name)
            leaf.scope = ()
            self.outside[leaf] = x
        return self.copies[key]


def _between(roots: Sequence[Node], inside: Callable[[Node], bool]) -> list[Node]:
    """The nodes within, in order, from which a gradient flows on and that roots are made of."""

    def ends(node: Node) -> bool:
        return node.op is None or not node.requires_grad or not inside(node)

    return [node for node in behind(roots, ends) if not ends(node)]


def _node(x: Any) -> Any:
    return x.node if isinstance(x, Tensor) else x


def _alike(given: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Whether the inputs of a node are the ones that it would be recorded with."""
    return all(same(_node(x), y) for x, y in zip(given, inputs, strict=True))
