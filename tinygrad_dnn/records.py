"""A graph as a flat list, so that pickling a deep one needs no recursion."""

from __future__ import annotations

from typing import Any

from tinygrad_dnn.graph import Leaf, Node, trace


def flattened(node: Node) -> list[Any]:
    """Everything `node` was computed from: leaves as they are, op nodes with places for inputs."""
    graph = trace([node])
    place = {n: i for i, n in enumerate(graph)}
    return [
        n
        if isinstance(n, Leaf)
        else (
            n.op,
            [(place[x],) if isinstance(x, Node) else x for x in n.inputs],
            dict(n.meta),
            n.shape,
            n.dtype,
            n.requires_grad,
            n.saved,
            n.scope,
            n.name,
            n.grad,
        )
        for n in graph
    ]


def restored(records: list[Any]) -> Node:
    """The node whose graph was flattened; its leaves are the very ones in the list."""
    nodes: list[Node] = []
    for r in records:
        if isinstance(r, Leaf):
            nodes.append(r)
            continue
        op, inputs, *rest, name, grad = r
        node = Node(op, [nodes[x[0]] if isinstance(x, tuple) else x for x in inputs], *rest)
        node.name, node.grad = name, grad
        nodes.append(node)
    return nodes[-1]
