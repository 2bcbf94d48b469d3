"""Hoisting: what is computed once for all iterations, and what again when a start is refreshed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.graph import Leaf, Node, trace
from tinygrad_dnn.loops.step_graph import StepGraph, again, computed_once, constant_nodes


class Hoisted:
    """A step without what is the same in every iteration, and that, computed.

    Attributes:
        step: reads leaves in place of constant results.
        new: what became of each node of the step that was given.
        values: of the constants of that step, to be read by it.
    """

    def __init__(
        self, step: StepGraph, starts: Collection[Leaf] = (), reads: Iterable[Node] = ()
    ) -> None:
        """Compute what is constant.

        Args:
            starts: the constants of the step that `restart` may give other values.
            reads: nodes over constants and carried values that will be asked for as well.
        """
        self._asked = computed_once(step)
        fixed = [x for x in step.constants if x not in starts]
        steady = constant_nodes(trace([*step.outputs, *reads]), fixed)
        self._moving = [x for x in self._asked if x not in steady]
        border = [
            x
            for node in trace([*self._moving, *reads])
            if node not in steady
            for x in node.parents
            if x in steady
        ]
        wanted = dict.fromkeys([*border, *(x for x in self._asked if x in steady)])
        self.known: dict[Node, Any] = {x: v for x, v in evaluate(wanted, {}).items() if x in wanted}
        self.known.update((x, x.value) for x in step.constants)
        self._leaves: dict[Node, Leaf] = {}
        found = evaluate(self._asked, self.known)
        for node in self._asked:
            self._leaves[node] = leaf = Leaf(found[node], False, node.name or "once")
            leaf.scope = node.scope
        self.new = again(step.outputs, self._leaves)
        carry = {q: self.new.get(x, x) if isinstance(x, Node) else x for q, x in step.carry.items()}
        results = [self.new[x] if isinstance(x, Node) else x for x in step.results]
        read = set(trace(self.new[x] for x in step.outputs).leaves)
        constants = [x for x in [*step.constants, *self._leaves.values()] if x in read]
        self.step = replace(step, carry=carry, constants=constants, results=results)
        self.values = {x: x.value for x in constants}

    @property
    def once(self) -> dict[Node, Any]:
        """What is computed once, by the nodes of the step that was given."""
        return {node: self.values[x] for node, x in self._leaves.items() if x in self.values}

    def restart(self, starts: Mapping[Node, Any]) -> None:
        """Other values for starts, and for what is computed from them."""
        self.known = self.known | dict(starts)
        found = evaluate(self._moving, self.known)
        for node in self._moving:
            self.values[self._leaves[node]] = found[node]
        self.values |= {x: v for x, v in starts.items() if x in self.values}

    @staticmethod
    def value(nodes: Mapping[Leaf, Node], known: Mapping[Node, Any]) -> dict[Leaf, Any]:
        """Values of what was announced as `reads`, from `known` and the carried values."""
        found = evaluate(nodes.values(), known)
        return {q: found[node] for q, node in nodes.items()}
