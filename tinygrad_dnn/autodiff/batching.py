"""A recorded computation for many examples at once: each op carries a leading axis.

What was computed from one example, or one cotangent, is written down op by op (`Recording`) and
applied again to all of them, each op as its declaration says (`ops.leading`). An op that can't carry
the axis is applied to one example after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor, handle
from tinygrad_dnn.graph import MODE, Node, Observer
from tinygrad_dnn.ops.leading import One

LARGEST = 2**22  # elements of the largest value on the way: more go in parts

Step = tuple[Node, Sequence[Any]]  # a node and, of the inputs that are the same for all, the values


class Recording(Observer):
    """What is computed from some leaves while it stands in the mode.

    Attributes:
        steps: the ops in order.
        lost: whether a value left the graph, so that what came of it is the first example's.
    """

    def __init__(self, leaves: Collection[Tensor]) -> None:
        self.steps: list[Step] = []
        self.lost = False
        self._led = {t.node for t in leaves}
        self._arrays: Sequence[Any] = ()

    def after_op(self, op: Any, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> None:
        """Remember the values until the node is there; inside no_grad() there will be none."""
        self._arrays = arrays
        if not MODE.get().recording and not self._led.isdisjoint(nodes_in(inputs)):
            self.lost = True

    def after_record(self, node: Node) -> None:
        """Write down what depends on the leaves."""
        led = [isinstance(x, Node) and x in self._led for x in node.inputs]
        if any(led):
            self._led.add(node)
            values = [None if on else x for x, on in zip(self._arrays, led, strict=True)]
            self.steps.append((node, values))

    def before_leaving(self, node: Node) -> None:
        """Whatever is made of the value outside the graph would be the same for all."""
        self.lost = self.lost or node in self._led

    def largest(self, results: Collection[Node]) -> int:
        """The number of elements of the largest value, but for the results."""
        return max((prod(n.shape) for n, _ in self.steps if n not in results), default=1)


def parts(n: int, at_once: int | None, largest: int) -> Iterator[tuple[int, int]]:
    """How n examples are taken: from where to where; by default as many as fit into memory."""
    size = max(1, LARGEST // max(1, largest)) if at_once is None else at_once
    yield from ((i, min(i + size, n)) for i in range(0, n, size))


def carried(
    steps: Sequence[Step],
    results: Sequence[Node],
    given: Mapping[Node, Any],
    n: int,
    record: bool,
) -> list[Any]:
    """The results for n examples, each with a leading axis of this length.

    Args:
        steps: of a `Recording`.
        given: for its leaves, the values of all examples.
        record: whether to work on Tensors, so that the results have a recipe.
    """
    values: dict[Node, Any] = dict(given)
    needed = _needed(steps, results)
    last = {x: node for node, _ in steps if node in needed for x in nodes_in(node.inputs)}
    kept = frozenset(results)
    for node, constants in steps:
        if node not in needed:
            continue
        led = [isinstance(x, Node) and x in values for x in node.inputs]
        xs = [
            values[x] if on else handle(x, c) if record and isinstance(x, Node) else c
            for x, on, c in zip(node.inputs, led, constants, strict=True)
        ]
        values[node] = _carry(node, xs, led, n)
        for x in nodes_in(node.inputs):
            if last[x] is node and x not in kept:
                values.pop(x, None)  # nothing reads it any more
    return [values.get(node) for node in results]


def nodes_in(inputs: Sequence[Any]) -> list[Node]:
    """The recorded among the inputs of an op."""
    return [x for x in inputs if isinstance(x, Node)]


def _needed(steps: Sequence[Step], results: Sequence[Node]) -> set[Node]:
    """The nodes that the results are computed from."""
    needed = set(results)
    for node, _ in reversed(steps):
        if node in needed:
            needed.update(nodes_in(node.inputs))
    return needed


def _carry(node: Node, xs: Sequence[Any], led: Sequence[bool], n: int) -> Any:
    op, meta = node.op, node.meta
    if op.carries is not None:
        z = op.carries(One(op.apply, node.input_shapes, node.shape, meta, n), xs, led)
        if z is not NotImplemented:
            return z
    each = [
        op.apply([x[i] if on else x for x, on in zip(xs, led, strict=True)], meta) for i in range(n)
    ]
    return np.stack(each)
