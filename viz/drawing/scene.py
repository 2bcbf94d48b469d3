"""The scene of a picture of a graph: its things, where they stand, and the arrows between them.

No colours and no text: those who draw differently (a page, a table) begin here as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tinygrad_dnn.formula.constants import boxes_of
from tinygrad_dnn.graph import Graph, Leaf, Node
from viz.folding.fold import Group
from viz.folding.scopes import Scope, scope_ids


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

    `kind` is forward, backward (the use of a gradient), or read (of a value, by a derivative
    rule). Where an end is folded, one arrow stands for all uses between the two, and so does one
    for all that a rule reads of a value, or of a gradient where a rule is one box.
    """

    tail: str
    head: str
    name: str
    kind: str


class Scene:
    """The things of a picture by id (n0, n1, ... by position in the graph), and the arrows.

    The second constant of n4 has the id n4c1; what formulas write out is no thing. What has a host
    or is in a group is not shown; its arrows lead to the host, or to the group.

    Args:
        hosts: in whose box an unnamed step is drawn (`hosts_of`).
        homes: the scope in whose box a node stands (`homes_of`).
        groups: by id, what is folded into one box.
        ids: other ids than those by position.
        slopes: the nodes of a backward pass.
        beside: for a gradient the node that it is the gradient of.
        names: of the constant arrays, which say what formulas write out.
    """

    def __init__(
        self,
        graph: Graph,
        hosts: Mapping[Node, Node],
        homes: Mapping[Node, Scope],
        groups: Mapping[str, Group] | None = None,
        ids: Mapping[Node, str] | None = None,
        slopes: Collection[Node] = (),
        beside: Mapping[Node, Node] | None = None,
        names: Mapping[Node, str] | None = None,
    ) -> None:
        self.things: dict[str, Thing] = {}
        self.arrows: list[Arrow] = []
        self.ids: Mapping[Node, str] = ids or {node: f"n{i}" for i, node in enumerate(graph)}
        self.hosts = hosts
        self._outputs, self.slopes = frozenset(graph.outputs), frozenset(slopes)
        # Equal arrays are one thing: that which is read first, by the id() of each.
        self._same = {x: id(y) for x, y in boxes_of(graph, names or {}).items()}
        self._constants = {
            self._same[id(x)]: f"{self.ids[node]}c{k}"
            for node in reversed(graph)
            for k, x in reversed([*enumerate(node.inputs)])
            if id(x) in self._same
        }
        groups = groups or {}
        group_of = {node: name for name, group in groups.items() for node in group.members}
        # Where a node, or an array among the constants (by its id()), is seen.
        self.shown: dict[Any, str] = {}
        for node in graph:
            here = hosts.get(node, node)
            self.shown[node] = group_of.get(here, self.ids[here])
        users: dict[int, set[str]] = {}  # the things that read a constant
        for node in graph:
            for x in node.inputs:
                if (array := self._same.get(id(x))) is not None:
                    users.setdefault(array, set()).add(self.shown[node])
        for node in graph:
            place, home = self.shown[node], homes.get(hosts.get(node, node), ())
            for x in node.inputs:
                array = self._same.get(id(x))
                if array is not None and array not in self.shown:
                    name = self._constants[array]
                    if place in groups and users[array] == {place}:
                        self.shown[array] = place
                    else:
                        self.shown[array] = name
                        self.things[name] = Thing(x, "const", home)
            if place in groups:
                self.things.setdefault(place, Thing(groups[place], "folded", groups[place].home))
            elif place == self.ids[node]:
                self.things[place] = Thing(node, self.kind(node), home)
        self.scopes = scope_ids(homes)
        self._draw_arrows(graph, groups)
        self._leave_out_unread()
        # The gradient that stands beside a value, where both are seen and in the same box.
        self.gradients = {
            self.ids[x]: self.ids[g]
            for g, x in (beside or {}).items()
            if self.shown[x] == self.ids[x] and self.shown[g] == self.ids[g]
        }

    def id_of(self, x: Any) -> str | None:
        """The id of a node, or of an array among the constants; None of what is written out."""
        return self.ids[x] if isinstance(x, Node) else self._constants.get(self._same.get(id(x), 0))

    def kind(self, node: Node) -> str:
        """Return the sort of thing that a node is (see `Thing`)."""
        if node in self.slopes:
            return "gradient"
        if isinstance(node, Leaf):
            return "param" if node.requires_grad else "input"
        return "output" if node in self._outputs else "op"

    def _draw_arrows(self, graph: Graph, groups: Mapping[str, Group]) -> None:
        seen: set[tuple[str, str, str]] = set()
        compact = not self.slopes.isdisjoint(self.hosts)  # a derivative rule is one box
        for node in graph:
            head = self.shown[node]
            for k, x in enumerate(node.inputs):
                tail = self.shown.get(x if isinstance(x, Node) else self._same.get(id(x)))
                if tail is None or tail == head:  # a number in a formula, or inside a host
                    continue
                read = "read" if node in self.slopes else "forward"
                back = isinstance(x, Node) and x in self.slopes
                kind = "backward" if back else read
                folded = tail in groups or head in groups
                if folded or kind == "read" or (kind == "backward" and compact):
                    if (tail, head, kind) in seen or (folded and kind == "read"):
                        continue
                    seen.add((tail, head, kind))
                self.arrows.append(Arrow(tail, head, f"{self.id_of(x)}-{self.ids[node]}-{k}", kind))

    def _leave_out_unread(self) -> None:
        """No box for a constant that only derivative rules in folded boxes read."""
        read = {arrow.tail for arrow in self.arrows}
        lone = {k for k, thing in self.things.items() if thing.kind == "const" and k not in read}
        for name in lone:
            del self.things[name]

    def reach(self) -> int:
        """The rows that all arrows cross together: what a layout takes its time for."""
        heads: dict[str, list[str]] = {}
        waits = Counter(arrow.head for arrow in self.arrows)
        for arrow in self.arrows:
            heads.setdefault(arrow.tail, []).append(arrow.head)
        row = {name: 0 for name in self.things if not waits[name]}
        ready = list(row)
        while ready:
            tail = ready.pop()
            for head in heads.get(tail, ()):
                row[head] = max(row.get(head, 0), row[tail] + 1)
                waits[head] -= 1
                if not waits[head]:
                    ready.append(head)
        return sum(row[arrow.head] - row[arrow.tail] for arrow in self.arrows)

    def paths(self) -> list[Scope]:
        """Every scope with something in it, an outer one before those inside it."""
        homes = (thing.home for thing in self.things.values())
        return list(dict.fromkeys(home[:k] for home in homes for k in range(1, len(home) + 1)))
