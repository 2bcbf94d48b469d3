"""What a picture of a graph shows, and what stands beside, inside and above what.

No colours and no text: those who draw differently (a page, a table) begin here as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.tensor import Tensor

Scope = tuple[str, ...]


def graph_of(what: Any) -> Graph:
    """The graph of a Tensor, of several, of nodes, or the graph that it is.

    Raises:
        TypeError: it is something else, or there is something else among them.
        ValueError: there are none.
    """
    if isinstance(what, Graph):
        return what
    many = isinstance(what, Iterable) and not isinstance(what, (Tensor, str, np.ndarray))
    outputs = [x.node if isinstance(x, Tensor) else x for x in (what if many else [what])]
    for x in outputs:
        if not isinstance(x, Node):
            raise TypeError(
                f"draw: expected a Tensor, several Tensors or a Graph, got {type(x).__name__}; "
                "draw the result of an expression of Tensors, e.g. viz.draw(cost)"
            )
    if not outputs:
        raise ValueError("draw: nothing to draw; give at least one Tensor")
    return trace(outputs)


def names_of(graph: Graph, names: Mapping[str, Any] | None = None) -> dict[Node, str]:
    """The nodes' own names, then those of the variables; the first variable of several wins.

    Raises:
        TypeError: names is no mapping.
    """
    if not isinstance(names, (Mapping, type(None))):
        raise TypeError(
            f"draw: expected names as a mapping of name to Tensor, got {type(names).__name__}; "
            "write names=locals()"
        )
    named: dict[Node, str] = {}
    for name, x in (names or {}).items():
        node = x.node if isinstance(x, Tensor) else x
        if isinstance(node, Node) and not str(name).startswith("_"):
            named.setdefault(node, str(name))
    return named | {node: node.name for node in graph if node.name}


def hosts_of(graph: Graph, named: Mapping[Node, str]) -> dict[Node, Node]:
    """For every unnamed op that is used once, in its own scope, the named result it leads to."""
    users: dict[Node, list[Node]] = {}
    for node in graph:
        for x in node.parents:
            users.setdefault(x, []).append(node)
    shown = {*named, *graph.outputs}
    hosts: dict[Node, Node] = {}
    for node in reversed(graph):
        uses = users.get(node, [])
        if node.op is None or node in shown or len(uses) != 1 or uses[0].scope != node.scope:
            continue
        host = hosts.get(uses[0], uses[0])
        if host in shown:
            hosts[node] = host
    return hosts


def homes_of(graph: Graph) -> dict[Node, Scope]:
    """The scope in whose box a node stands: its own; for a parameter outside, that of its uses."""
    used: dict[Node, Scope] = {}
    for node in graph:
        for x in node.parents:
            used[x] = _common(used.get(x, node.scope), node.scope)
    return {
        node: used.get(node, ())
        if isinstance(node, Leaf) and node.requires_grad and not node.scope
        else node.scope
        for node in graph
    }


def _common(one: Scope, other: Scope) -> Scope:
    """The innermost scope that both are in."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return tuple(name for name, _ in pairs)


class Thing(NamedTuple):
    """A node of the graph, or an array among the constants, and where it stands.

    `kind` is param (a leaf that requires a gradient), input (one that does not), const, op, or
    output (an op that was asked for).
    """

    what: Any
    kind: str
    home: Scope


class Arrow(NamedTuple):
    """One use of a value: by its id, that of who uses it, and its own, e.g. n0-n4-1."""

    tail: str
    head: str
    name: str


class Scene:
    """The things of a picture by id (n0, n1, ... by position in the graph), and the arrows.

    The second constant of n4 has the id n4c1. A node with a host is not shown; its arrows lead to
    the host.
    """

    def __init__(
        self, graph: Graph, hosts: Mapping[Node, Node], homes: Mapping[Node, Scope]
    ) -> None:
        self.things: dict[str, Thing] = {}
        outputs = frozenset(graph.outputs)
        ids: dict[Any, str] = {}
        for i, node in enumerate(graph):
            ids[node] = f"n{i}"
            here = hosts.get(node, node)
            home = homes.get(here, ())
            for k, x in enumerate(node.inputs):
                if not isinstance(x, Node) and getattr(x, "shape", None) and id(x) not in ids:
                    ids[id(x)] = f"n{i}c{k}"
                    self.things[f"n{i}c{k}"] = Thing(x, "const", home)
            if here is node:
                self.things[f"n{i}"] = Thing(node, _kind(node, outputs), home)
        self.arrows: list[Arrow] = []
        for node in graph:
            head = ids[hosts.get(node, node)]
            for k, x in enumerate(node.inputs):
                tail = ids.get(x if isinstance(x, Node) else id(x))
                if tail in self.things:  # neither a number in a formula, nor inside a host
                    self.arrows.append(Arrow(tail, head, f"{tail}-{ids[node]}-{k}"))

    def paths(self) -> list[Scope]:
        """Every scope with something in it, an outer one before those inside it."""
        homes = (thing.home for thing in self.things.values())
        return list(dict.fromkeys(home[:k] for home in homes for k in range(1, len(home) + 1)))

    def beside(self) -> dict[str, list[str]]:
        """For an op the one or two parameters that stand left and right of it instead of above.

        So the computation runs straight down, and the box of a layer begins below the last one.
        """
        uses = Counter(arrow.tail for arrow in self.arrows)
        sides: dict[str, list[str]] = {}
        for head, tails in self.sources().items():
            able = [
                tail
                for tail in tails
                if self.things[tail].kind in ("param", "const")
                and uses[tail] == 1
                and self.things[tail].home == self.things[head].home
            ]
            if len(able) == len(tails):
                able.pop()  # one at least comes from above
            if able:
                sides[head] = able[:2]
        return sides

    def chains(self, beside: Mapping[str, list[str]]) -> dict[str, str]:
        """The id where a chain begins, for what stands in one straight line with it.

        A chain goes on from a value to its only use, where nothing else comes in from above; it
        stays inside one box (graphviz can fail over lines through several), and it has parameters
        at its side: the layers of a network.
        """
        uses = Counter(arrow.tail for arrow in self.arrows)
        chains: dict[str, str] = {}
        for head, tails in self.sources().items():
            above = [tail for tail in tails if tail not in beside.get(head, ())]
            if len(above) == 1 and uses[above[0]] == 1:
                (tail,) = above
                inside = self.things[tail].home == self.things[head].home
                chains[head] = chains.setdefault(tail, tail) if inside else head
        layered = {chains[head] for head in beside if head in chains}
        return {name: begin for name, begin in chains.items() if begin in layered}

    def sources(self) -> dict[str, list[str]]:
        """What each thing is computed from, in the order of its arrows."""
        sources: dict[str, list[str]] = {}
        for tail, head, _ in self.arrows:
            sources.setdefault(head, []).append(tail)
        return sources


def _kind(node: Node, outputs: frozenset[Node]) -> str:
    if isinstance(node, Leaf):
        return "param" if node.requires_grad else "input"
    return "output" if node in outputs else "op"
