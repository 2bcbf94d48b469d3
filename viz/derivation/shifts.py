"""Maxima that are taken away for numerical reasons alone: no gradient flows through them.

    exp(x − max x) / Σ exp(x − max x),   x − max x − log Σ exp(x − max x)

are what they are without max x, whatever it is, so that on paper the gradient with respect to it
is 0. Rules know nothing of that: they lead on to where x has its maximum what is 0 but for
rounding.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from tinygrad_dnn.graph import Graph, Node
from tinygrad_dnn.ops import Op, add, divide, exp, log, max, subtract, sum

Readers = dict[Node, set[Node]]
Inputs = dict[Node, tuple[Node, ...]]


def shifts(graph: Graph) -> set[Node]:
    """The maxima on which no result depends; what is computed twice, exp(x − max x), is one."""
    same: dict[Node, Node] = {}  # of nodes that are computed alike the first
    first: dict[object, Node] = {}
    readers: Readers = {}
    parents: Inputs = {}
    for node in graph:
        inputs = [same[x] if isinstance(x, Node) else id(x) for x in node.inputs]
        key = (node.op, repr(sorted(node.meta.items())), *inputs) if node.op else node
        same[node] = first.setdefault(key, node)
        parents[node] = tuple(same[x] for x in node.parents)
        for x in node.parents:
            readers.setdefault(same[x], set()).add(same[node])
    outputs = {same[node] for node in graph.outputs}
    tops = {
        node
        for node in {*same.values()}
        if node.op is max and node.meta["keepdims"] and _is_a_shift(node, readers, parents, outputs)
    }
    return {node for node in graph if same[node] in tops}


def _is_a_shift(top: Node, readers: Readers, parents: Inputs, outputs: Collection[Node]) -> bool:
    """Whether all that reads a maximum is a softmax, its log, or the log of a sum of exponentials
    with the maximum added again.
    """
    reader = partial(_reader, readers, parents)
    z = reader(subtract, parents[top][0], top)
    e = z and reader(exp, z)
    s = e and reader(sum, e)
    if z is None or e is None or s is None or s.meta != top.meta:
        return False
    share, low = reader(divide, e, s), reader(log, s)
    logs = low and reader(subtract, z, low)
    again = low and (reader(add, low, top) or reader(add, top, low))
    inner = {z, e, s, low} - {None}
    known = {z, e, s, share, low, logs, again}
    read = {x for node in inner if node is not None for x in readers.get(node, ())}
    if not read <= known or not inner.isdisjoint(outputs) or top in outputs:
        return False
    if again is None:  # what is shifted is all that there is of the maximum
        return readers[top] == {z} and (low is None or readers[low] == {logs})
    return readers[top] == {z, again} and share is None and logs is None


def _reader(readers: Readers, parents: Inputs, op: Op, *inputs: Node) -> Node | None:
    """What computes an op of these inputs, if one does."""
    found = (y for y in readers.get(inputs[-1], ()) if y.op is op and parents[y] == inputs)
    return next(found, None)
