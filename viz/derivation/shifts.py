"""Maxima that are taken away for numerical reasons alone: no gradient flows through them.

    exp(x − max x) / Σ exp(x − max x),   x − max x − log Σ exp(x − max x)

are what they are without max x, whatever it is, so that on paper the gradient with respect to it
is 0. Rules know nothing of that: they lead on to where x has its maximum what is 0 but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinygrad_dnn.graph import Graph, Node
from tinygrad_dnn.ops import add, divide, exp, log, max, subtract, sum

Readers = dict[Node, list[Node]]


def shifts(graph: Graph) -> set[Node]:
    """The maxima on which no result depends."""
    readers: Readers = {node: [] for node in graph}
    for node in graph:
        for x in dict.fromkeys(node.parents):
            readers[x].append(node)
    outputs = set(graph.outputs)
    return {
        node
        for node in graph
        if node.op is max and node not in outputs and _is_a_shift(node, readers, outputs)
    }


def _is_a_shift(top: Node, readers: Readers, outputs: set[Node]) -> bool:
    """Whether all that reads a maximum is a softmax, its log, or the log of a sum of exponentials
    with the maximum added again.
    """
    shifted = [z for z in readers[top] if _is(z, subtract, top.inputs[0], top)]
    if len(shifted) != 1 or not top.meta["keepdims"]:
        return False
    (z,) = shifted
    powers = [e for e in readers[z] if e.op is exp]
    if len(powers) != 1:
        return False
    (e,) = powers
    totals = [s for s in readers[e] if s.op is sum and s.meta == top.meta]
    if len(totals) != 1:
        return False
    (s,) = totals
    logs = [x for x in readers[s] if x.op is log]
    shares = [x for x in readers[s] if _is(x, divide, e, s)]
    of_z = [x for x in readers[z] if any(_is(x, subtract, z, x2) for x2 in logs)]
    known = [*shifted, *powers, *totals, *logs, *shares, *of_z]
    again = [x for x in readers[top] if any(_is(x, add, top, x2, True) for x2 in logs)]
    inner = [z, e, s, *logs]
    read = [x for node in inner for x in readers[node]]
    if outputs.intersection(inner) or any(x not in (*known, *again) for x in read):
        return False
    if again:  # the log of the sum of exponentials itself: all of it, and nothing else
        return readers[top] == [z, *again] and not shares and not of_z
    return readers[top] == [z] and not _bare_logs(logs, readers, of_z)


def _bare_logs(logs: Sequence[Node], readers: Readers, of_z: Sequence[Node]) -> bool:
    """Whether something else reads a log of a sum than what takes it from what was shifted."""
    return any(x not in of_z for node in logs for x in readers[node])


def _is(node: Node, op: object, x: Node, y: Node, either: bool = False) -> bool:
    """Whether a node is that op of x and y."""
    pairs: Iterator[tuple[Node, Node]] = iter([(x, y), (y, x)] if either else [(x, y)])
    return node.op is op and any(
        len(node.inputs) == 2 and node.inputs[0] is a and node.inputs[1] is b for a, b in pairs
    )
