"""The recorded computation: nodes, their order, names and scopes. No mathematics.

node      one recorded op              -> what was applied, to what
leaf      a value that no op made      -> and what happened to its memory
mode      how recording behaves now    -> off, watched, within a scope
leaving   a value leaves the graph     -> who is asked, and what is lost
recorded  the whole behind a result    -> nodes in order, which printers read
verify    what is malformed about it
"""

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
