"""The recorded computation: the nodes that a result was computed from, inputs first.

Every printer (picture, formula, program) reads `trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from tinygrad_dnn.graph.leaf import Leaf
from tinygrad_dnn.graph.node import Node, by_index, describe
from tinygrad_dnn.graph.verify import fault


class Graph(Sequence[Node]):
    """The nodes that `outputs` were computed from, inputs before what is made of them.

    `print(graph)` lists them, see `formula/listing.py`; `graph.verify()` says what is malformed.

        graph = trace([cost.node])
        print(graph.verify())

    Example: `tinygrad_dnn.graph.trace([w.node]).leaves[0].name` is `"w"`.
    """

    printer: ClassVar[Callable[[Graph], str]] = repr  # `formula`, which knows how, puts its own

    def __init__(self, nodes: list[Node], outputs: tuple[Node, ...]) -> None:
        self.nodes = nodes
        self.outputs = outputs

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, i: Any) -> Any:
        return self.nodes[i]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def leaves(self) -> list[Leaf]:
        """Parameters and data, in order of creation."""
        return [n for n in self.nodes if isinstance(n, Leaf)]

    def verify(self) -> Graph:
        """Raise if the graph is malformed; else return it.

        Every input stands before what is made of it, every op gives the shape and dtype that the
        node has, every value that a derivative rule will read was saved (unless all were freed).

        Raises:
            ValueError: the first malformed node by name, what was expected and what is there.
        """
        there = set[Node]()
        for node in self.nodes:
            if (found := fault(node, there)) is not None:
                raise ValueError(f"graph: {describe(node)} {found}")
            there.add(node)
        for node in self.outputs:
            if node not in there:
                raise ValueError(f"graph: the output {describe(node)} is not among the nodes")
        return self

    def __str__(self) -> str:
        return type(self).printer(self)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes, {len(self.leaves)} of them leaves>"


def trace(outputs: Iterable[Node]) -> Graph:
    """Collect everything that `outputs` were computed from: linear, iterative, each node once."""
    roots = tuple(outputs)
    return Graph(behind(roots), roots)


def behind(roots: Iterable[Node], ends: Callable[[Node], bool] | None = None) -> list[Node]:
    """Return the roots and all that they were computed from, in order of creation.

    Args:
        ends: whether a node is one that is not looked behind.
    """
    seen = set(roots)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if ends is not None and ends(node):
            continue
        for x in node.inputs:
            if isinstance(x, Node) and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=by_index)
