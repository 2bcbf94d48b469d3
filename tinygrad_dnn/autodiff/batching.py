"""A recorded computation for many examples at once: each op carries a leading axis.

What was computed from one example, or one cotangent, is written down op by op (`Recording`) and
applied again to all of them, each op as its declaration says (`ops.leading`). An op that can't
carry the axis is applied to one example after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor, handle, value_of
from tinygrad_dnn.graph import Node, Observer
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.ops.leading import One

FEW = 3  # fewer are done one after the other
LARGEST = 2**22  # elements of the largest value on the way: more go in parts

Step = tuple[Node, Sequence[Any]]  # a node and, of the inputs that are the same for all, the values


class Recording(Observer):
    """What is computed from some leaves while it stands in the mode.

    Attributes:
        leaves: their nodes.
        steps: the ops in order.
        lost: whether a value left the graph, so that what came of it is the first example's.
    """

    def __init__(self, leaves: Collection[Tensor]) -> None:
        self.steps: list[Step] = []
        self.lost = False
        self.leaves = [t.node for t in leaves]
        self._led = {*self.leaves}
        self._arrays: Sequence[Any] = ()

    def after_op(self, op: Any, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> None:
        """Remember the values until the node is there; inside no_grad() there will be none."""
        self._arrays = arrays
        led = (isinstance(x, Node) and x in self._led for x in inputs)
        if not MODE.get().recording and any(led):
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

    def repeats(self, first: Recording, results: Sequence[Any], theirs: Sequence[Any]) -> bool:
        """Whether this is how the recording of another example began, in all that is no example's.

        Args:
            results, theirs: Tensors or arrays that came of this one, and of the first.
        """
        if len(self.steps) > len(first.steps):
            return False
        ours = {x: i for i, x in enumerate([*self.leaves, *(node for node, _ in self.steps)])}
        other = {x: i for i, x in enumerate([*first.leaves, *(node for node, _ in first.steps)])}

        def same(x: Any, y: Any, value: Any, its: Any) -> bool:
            i = ours.get(x) if isinstance(x, Node) else None
            j = other.get(y) if isinstance(y, Node) else None
            return i == j and (i is not None or alike(value, its))

        for (a, values), (b, its) in zip(self.steps, first.steps, strict=False):
            if a.op is not b.op or len(values) != len(its) or not alike(a.meta, b.meta):
                return False
            if not all(map(same, a.inputs, b.inputs, values, its)):
                return False
        return all(
            same(getattr(x, "node", None), getattr(y, "node", None), value_of(x), value_of(y))
            for x, y in zip(results, theirs, strict=True)
        )

    def largest(self, results: Collection[Node]) -> int:
        """The number of elements of the largest value, but for the results."""
        return max((prod(n.shape) for n, _ in self.steps if n not in results), default=1)


def parts(n: int, at_once: int | None, largest: int) -> Iterator[tuple[int, int]]:
    """How n examples are taken: from where to where; by default as many as fit into memory."""
    size = max(1, LARGEST // max(1, largest)) if at_once is None else at_once
    yield from ((i, min(i + size, n)) for i in range(0, n, size))


def refuse_size(chunk_size: int | None) -> None:
    """Raise ValueError for a size that no part can have."""
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size: expected at least 1, got {chunk_size}")


def alike(a: Any, b: Any) -> bool:
    """Whether two constants of a computation are the same numbers, texts, or structures of them."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, (np.ndarray, np.generic, float)):
        return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b, equal_nan=True)
    return isinstance(a, (int, str, slice, np.dtype, type)) and bool(a == b)


def in_parts(
    seen: Recording,
    results: Sequence[Any],
    given: Callable[[int, int], Mapping[Node, Any]],
    n: int,
    chunk_size: int | None,
    record: bool,
) -> list[Any]:
    """What was recorded of one example, for all n, as many at once as there may be.

    Args:
        results: Tensors; what does not depend on the example is the same for all.
        given: the values of the leaves for the examples from i to j.
        record: as for `carried`.

    Returns:
        Per result an array, nobody else's, with a leading axis of length n, or a Tensor.
    """
    nodes = [g.node for g in results if isinstance(g, Tensor)]
    found: list[list[Any]] = [[] for _ in results]
    for i, j in parts(n, chunk_size, seen.largest(nodes)):
        values = given(i, j)
        led = dict(zip(nodes, carried(seen.steps, nodes, values, j - i, record), strict=True))
        taken = [x for x in values.values() if isinstance(x, np.ndarray)]
        for g, column in zip(results, found, strict=True):
            z = led.get(g.node) if isinstance(g, Tensor) else None
            if z is None:
                z = np.broadcast_to(g if record else value_of(g), (j - i, *g.shape))
            if isinstance(z, np.ndarray):
                if not z.flags.writeable or any(np.may_share_memory(z, x) for x in taken):
                    z = z.copy()
                taken.append(z)
            column.append(z)
    return [column[0] if len(column) == 1 else np.concatenate(column) for column in found]


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
    last = {x: node for node, _ in steps if node in needed for x in node.parents}
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
        for x in node.parents:
            if last[x] is node and x not in kept:
                values.pop(x, None)  # nothing reads it any more
    return [values.get(node) for node in results]


def _needed(steps: Sequence[Step], results: Sequence[Node]) -> set[Node]:
    """The nodes that the results are computed from."""
    needed = set(results)
    for node, _ in reversed(steps):
        if node in needed:
            needed.update(node.parents)
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
