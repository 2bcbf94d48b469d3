"""The recorded computation: nodes, their order, names and scopes. No mathematics."""

from tinygrad_dnn.graph.leaf import Leaf
from tinygrad_dnn.graph.mode import Call, Observer, mode, no_grad, scope, traced
from tinygrad_dnn.graph.node import NO_META, Node, by_index, describe, rebuilt
from tinygrad_dnn.graph.recorded import Graph, behind, trace

__all__ = [
    "NO_META",
    "Call",
    "Graph",
    "Leaf",
    "Node",
    "Observer",
    "behind",
    "by_index",
    "describe",
    "mode",
    "no_grad",
    "rebuilt",
    "scope",
    "trace",
    "traced",
]
