"""Evaluation of a graph: its ops applied again, to its own leaves or to other values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.graph import Leaf, Node, behind, describe, trace


def evaluate(nodes: Iterable[Node], known: Mapping[Node, Any] | None = None) -> dict[Node, Any]:
    """The values of nodes and of all that they are computed from, bit for bit as eager mode.

    Args:
        known: values for some nodes, in place of their own; what lies behind these is not
            computed. A leaf that is not among them has its own value.

    Example: with `z = x * y` recorded, `evaluate([z.node], {x.node: np.array(3.0)})[z.node]` is
    3 y.
    """
    known = {} if known is None else known
    values: dict[Node, Any] = {}
    for node in behind(nodes, known.__contains__):
        if node in known:
            values[node] = known[node]
        elif isinstance(node, Leaf):
            values[node] = node.value
        else:
            arrays = [values[x] if isinstance(x, Node) else x for x in node.inputs]
            value = node.op.compute(*arrays, **node.meta)
            # An array, as it is recorded: NumPy's scalars round powers otherwise.
            scalar = isinstance(value, np.generic) or not hasattr(value, "dtype")
            values[node] = np.asarray(value) if scalar else value
    return values


def replay(nodes: Iterable[Node]) -> dict[Node, Any]:
    """The value of every node that `nodes` were computed from, as it was recorded.

    Raises:
        StaleValueError: a leaf was changed after the ops that read it were recorded.
    """
    graph = trace(nodes)
    for node in graph:
        refuse_changed(node)
    return evaluate(graph)


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
