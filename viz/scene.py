"""What a picture of a graph shows, and what stands beside, inside and above what.

No colours and no text: those who draw differently (a page, a table) begin here as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tinygrad_dnn.graph import Graph, Leaf, Node
from viz.fold import Group
from viz.places import Scope


class Thing(NamedTuple):
    """A node of the graph, an array among the constants, or several nodes folded into one box.

    `kind` is param (a leaf that requires a gradient), input (one that does not), const, op, output
    (an op that was asked for), gradient (of the backward pass), or folded.
    """

    what: Any
    kind: str
    home: Scope


class Arrow(NamedTuple):
    """One use of a value: by its id, that of who uses it, and its own, e.g. n0-n4-1.

    Where an end is folded, one arrow stands for all uses between the two.
    """

    tail: str
    head: str
    name: str


class Scene:
    """The things of a picture by id (n0, n1, ... by position in the graph), and the arrows.

    The second constant of n4 has the id n4c1. What has a host or is in a group is not shown; its
    arrows lead to the host, or to the group.

    Args:
        hosts: in whose box an unnamed step is drawn (`hosts_of`).
        homes: the scope in whose box a node stands (`homes_of`).
        groups: by id, what is folded into one box.
        ids: other ids than those by position.
        slopes: the nodes of a backward pass.
    """

    def __init__(
        self,
        graph: Graph,
        hosts: Mapping[Node, Node],
        homes: Mapping[Node, Scope],
        groups: Mapping[str, Group] | None = None,
        ids: Mapping[Node, str] | None = None,
        slopes: Collection[Node] = (),
    ) -> None:
        self.things: dict[str, Thing] = {}
        self.arrows: list[Arrow] = []
        self.ids: Mapping[Node, str] = ids or {node: f"n{i}" for i, node in enumerate(graph)}
        groups = groups or {}
        group_of = {node: name for name, group in groups.items() for node in group.members}
        outputs = frozenset(graph.outputs)
        # Where a node, or an array among the constants (by its id()), is seen.
        self.shown: dict[Any, str] = {}
        for node in graph:
            here = hosts.get(node, node)
            self.shown[node] = group_of.get(here, self.ids[here])
        users = self._users_of_constants(graph)
        for node in graph:
            place = self.shown[node]
            for k, x in enumerate(node.inputs):
                if id(x) in users and id(x) not in self.shown:
                    alone = place in groups and users[id(x)] == {place}
                    name = place if alone else f"{self.ids[node]}c{k}"
                    self.shown[id(x)] = name
                    if not alone:
                        self.things[name] = Thing(x, "const", homes.get(hosts.get(node, node), ()))
            if place in groups:
                self.things.setdefault(place, Thing(groups[place], "folded", groups[place].home))
            elif place == self.ids[node]:
                kind = "gradient" if node in slopes else _kind(node, outputs)
                self.things[place] = Thing(node, kind, homes.get(node, ()))
        self._draw_arrows(graph, groups)

    def _users_of_constants(self, graph: Graph) -> dict[int, set[str]]:
        """For each array among the constants, the things that read it."""
        users: dict[int, set[str]] = {}
        for node in graph:
            for x in node.inputs:
                if not isinstance(x, Node) and getattr(x, "shape", None):
                    users.setdefault(id(x), set()).add(self.shown[node])
        return users

    def _draw_arrows(self, graph: Graph, groups: Mapping[str, Group]) -> None:
        seen: set[tuple[str, str]] = set()
        for node in graph:
            head = self.shown[node]
            for k, x in enumerate(node.inputs):
                tail = self.shown.get(x if isinstance(x, Node) else id(x))
                if tail is None or tail == head:  # a number in a formula, or inside a host
                    continue
                if tail in groups or head in groups:
                    if (tail, head) in seen:
                        continue
                    seen.add((tail, head))
                source = self.ids[x] if isinstance(x, Node) else tail
                self.arrows.append(Arrow(tail, head, f"{source}-{self.ids[node]}-{k}"))

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
