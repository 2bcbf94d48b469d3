"""A value leaves the graph: who is asked, and where a gradient would be lost."""

from __future__ import annotations

from tinygrad_dnn.graph.leaf import Leaf
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import Node, describe


def leaves_graph(node: Node, how: str) -> None:
    """A value is about to leave the graph, by .item() or the like; a tracer refuses."""
    now = MODE.get()
    if now.watch is not None:
        now.watch.before_leaving(node)
    if now.tracer is not None:
        now.tracer.refuse_read(node, how)


def in_transform(node: Node) -> bool:
    """Whether a node belongs to the function of a transform that is running, and is recorded."""
    now = MODE.get()
    return now.recording and node.index > now.since


def pending(node: Node) -> bool:
    """Whether a gradient may still flow to a node: it needs one, and no sweep has passed it since
    it was made (a leaf: since an op read it).
    """
    if not (node.requires_grad and MODE.get().recording):
        return False
    if in_transform(node):
        return True
    if isinstance(node, Leaf):
        return node.swept <= node.memory.used
    return node.saved is not None and not node.swept


def leaves_unasked(node: Node, how: str) -> None:
    """A value is about to leave the graph in passing, by float() or the like.

    Raises:
        TypeError: its gradient is pending, and what is computed from the number would have none.
    """
    leaves_graph(node, how)
    if pending(node):
        raise TypeError(
            f"{how} of {describe(node)} would lose its gradient, which is still pending (math, '%f'"
            " and an element of a plain array call it). To stay in the graph: NumPy's function "
            "(np.exp for math.exp), np.stack, np.where, or a Tensor as buffer (out = "
            "Tensor(np.zeros(3)); out[0] = t). For the bare number: .item(), or backward() first"
        )
