"""The number of examples m, where a cost is divided by it: J = 1/m Σ ..."""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import prod
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.graph import Graph, Leaf, Node
from tinygrad_dnn.ops import Op, divide, mean, multiply

M = "m"


class Divisor(NamedTuple):
    """The number that the total is divided by.

    Attributes:
        name: what it is called.
        value: the number.
        leaf: stands for it in formulas.
        is_factor: whether 1/m stands there as a factor, or as the share of a mean.
    """

    name: str
    value: int
    leaf: Leaf
    is_factor: bool


def divisor_of(graph: Graph, names: Mapping[str, Any] | None) -> Divisor | None:
    """The number that the cost is divided by, if it is the length of an axis somewhere.

    Looked for among the numbers that stand between the cost and the first array: `/ 209`,
    `/ (2 * 209)`, `* (1 / 209)`, or a mean over 209 elements. A factor counts only before what is
    computed from data: 0.1 before a sum of squared weights is a penalty's. It is called as the
    first name of that value among `names`, `m` going before all others; without one it is called m.
    """
    cost = graph.outputs[0]
    of_data = _computed_from_data(graph)
    lengths = {n for node in graph for n in node.shape if n > 1}
    sizes = {prod(node.shape) for node in graph if prod(node.shape) > 1}
    called_so = {v for v in (names or {}).values() if is_number(v)}
    # A half is half of a square, unless it is called the number of examples.
    every = _divisors(cost, of_data)
    found = [(n, op) for n, op in every if n != 2 or op is mean or n in called_so]
    likely = [
        *((n, kind) for n, kind in found if n in lengths),
        *((n // 2, kind) for n, kind in found if n % 2 == 0 and n // 2 in lengths),
        *((n, kind) for n, kind in found if n in sizes),
    ]
    if not likely:
        return None
    value, kind = likely[0]
    called = _called(value, names or {})
    leaf = Leaf(np.asarray(value, cost.dtype), False, called)
    return Divisor(called, value, leaf, kind is not divide)


def _computed_from_data(graph: Graph) -> set[Node]:
    """What reads an array that is no parameter."""
    found: set[Node] = set()
    for node in graph:
        if isinstance(node, Leaf):
            of_data = not node.requires_grad and prod(node.shape) > 1
        else:
            of_data = any(x in found if isinstance(x, Node) else _is_array(x) for x in node.inputs)
        if of_data:
            found.add(node)
    return found


def _is_array(x: Any) -> bool:
    return prod(getattr(x, "shape", ())) > 1


def _divisors(cost: Node, of_data: Container[Node]) -> list[tuple[int, Op]]:
    """The divisors of single numbers on the way to the cost, and by which op, nearest first."""
    queue, seen = [cost], {cost}
    found: list[tuple[int, Op]] = []
    for node in queue:
        if node.op is not multiply or node in of_data:
            found += [(n, node.op) for n in _numbers(node)]
        for x in node.parents:
            if x not in seen and prod(x.shape) == 1:
                seen.add(x)
                queue.append(x)
    return sorted(found, key=lambda one: one[1] is not divide)  # the clearest sign first


def _numbers(node: Node) -> list[int]:
    """Return the numbers by which a node divides a single number."""
    if node.op is None:
        return []
    if node.op is mean:
        return [prod(node.inputs[0].shape)]
    if node.op is divide:
        return [int(d) for d in node.inputs[1:] if is_number(d) and float(d).is_integer()]
    if node.op is multiply:
        parts = [abs(1 / float(c)) for c in node.inputs if is_number(c) and c]
        return [round(n) for n in parts if abs(n - round(n)) < 1e-9 * n]
    return []


def is_number(x: Any) -> bool:
    """Whether it is a plain number, and no truth value."""
    return isinstance(x, Real) and not isinstance(x, (bool, np.bool_))


def _called(value: int, names: Mapping[str, Any]) -> str:
    known = [str(k) for k, v in names.items() if is_number(v) and v == value]
    return M if M in known or not known else known[0]


def in_terms_of(op: Op, k: int, x: Any, divisor: Divisor) -> tuple[float, int] | None:
    """The k-th input of an op on single numbers as above · m^power, if it is that constant."""
    if not is_number(x):
        return None
    if op is divide and k == 1:
        forms: tuple[tuple[float, int], ...] = ((1, 1), (2, 1))
    elif divisor.is_factor:
        forms = ((1, -1), (-1, -1), (0.5, -1), (-0.5, -1))
    else:
        return None
    for above, power in forms:
        value = above * float(divisor.value) ** power
        if float(x) in (value, float(np.asarray(value, divisor.leaf.dtype))):
            return above, power
    return None
