"""Values computed again from a graph: its ops applied to its leaves and constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.graph import Leaf, Node, describe, trace


def replay(nodes: Iterable[Node]) -> dict[Node, Any]:
    """The value of every node that `nodes` were computed from, bit for bit as it was recorded.

    Raises:
        StaleValueError: a leaf was changed after the ops that read it were recorded.
    """
    values: dict[Node, Any] = {}
    for node in trace(nodes):
        if isinstance(node, Leaf):
            values[node] = node.value
            continue
        refuse_changed(node)
        arrays = [values[x] if isinstance(x, Node) else x for x in node.inputs]
        values[node] = node.op.forward(*arrays, **node.meta)
    return values


def refuse_changed(node: Node) -> None:
    """Raise if a leaf that the node was computed from was changed since.

    Raises:
        StaleValueError: the leaf and the node by name.
    """
    for x in node.inputs:
        if isinstance(x, Leaf) and x.changed > node.index:
            raise StaleValueError(
                f"replay: {describe(x)} was changed after {describe(node)} was computed from "
                "it, so its value can't be had again; compute the expression again"
            )
