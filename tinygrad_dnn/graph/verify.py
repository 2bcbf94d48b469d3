"""What is malformed about a node of a graph."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from tinygrad_dnn.graph.leaf import Leaf
from tinygrad_dnn.graph.node import Node, describe


def fault(node: Node, there: Container[Node]) -> str | None:
    """Return what is malformed about a node, given the nodes before it; None if nothing is."""
    if node in there:
        return "stands twice"
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and x not in there:
            return f"comes before its input {i}, {describe(x)}, or that is missing"
    if isinstance(node, Leaf):
        found = tuple(node.value.shape), node.value.dtype
        origin = "holds"
    elif node.op is None:
        return "has no op and is no leaf"
    else:
        origin = f"= {node.op.name}({', '.join(map(str, node.input_shapes))}) gives"
        try:
            found = node.op.result(node.inputs, node.meta)
        except (TypeError, ValueError, IndexError) as error:
            return f"can't be computed from its inputs: {error}"
    if found != (tuple(node.shape), node.dtype):
        return f"{node.dtype} {origin} {found[0]} {found[1]}"
    for i in node.wanted:
        if not (i < len(node.inputs) and isinstance(node.inputs[i], Node)):
            return f"wants a gradient for its input {i}, which is no node"
    if node.saved is not None:
        return _unsaved(node, node.saved)
    return None


def _unsaved(node: Node, saved: Sequence[Any]) -> str | None:
    """Which value a derivative rule of a node will read in vain."""
    places = {"z": 0} | {a: k for k, a in enumerate(node.op.arrays, 1)}
    for i in node.wanted:
        for name in sorted(node.op.reads(i)):
            values = saved[1:] if node.op.many and name != "z" else saved[places[name] :][:1]
            if not values or any(v is None for v in values):
                return f"has not saved {name}, which the rule for its input {i} reads"
    return None
