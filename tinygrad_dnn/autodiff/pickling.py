"""A graph as a flat list, so that pickling a deep one needs no recursion."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, cast

from tinygrad_dnn.autodiff.reverse import note_edit
from tinygrad_dnn.graph import Leaf, Node, trace


def flattened(node: Node) -> list[Any]:
    """Everything `node` was computed from, in order of time: leaves as they are, op nodes with
    places for inputs, and the place of a leaf alone where it was edited after ops had read it.
    """
    graph = trace([node])
    place = {n: i for i, n in enumerate(graph)}
    records = [(n.index, _record(n, place)) for n in graph]
    records += [(leaf.memory.edited, place[leaf]) for leaf in graph.leaves if leaf.memory.edited]
    return [record for _, record in sorted(records, key=itemgetter(0))]


def _record(n: Node, place: dict[Node, int]) -> Any:
    return (
        n
        if isinstance(n, Leaf)
        else (
            n.op,
            [(place[x],) if isinstance(x, Node) else x for x in n.inputs],
            dict(n.meta),
            n.shape,
            n.dtype,
            n.requires_grad,
            n.wanted,
            n.saved,
            n.scope,
            n.name,
            n.grad,
        )
    )


def restored(records: list[Any]) -> Node:
    """The node whose graph was flattened; its leaves are the very ones in the list."""
    nodes: list[Node] = []
    for r in records:
        if isinstance(r, int):
            note_edit(cast(Leaf, nodes[r]))
            continue
        if isinstance(r, Leaf):
            nodes.append(r)
            continue
        op, inputs, *rest, name, grad = r
        node = Node(op, [nodes[x[0]] if isinstance(x, tuple) else x for x in inputs], *rest)
        node.name, node.grad = name, grad
        nodes.append(node)
    return nodes[-1]
