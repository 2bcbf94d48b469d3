"""The number of examples m, where a cost is divided by it: J = 1/m Σ ..."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.graph import Graph, Leaf, Node

M = "m"


class Divisor(NamedTuple):
    """What the total is divided by: `leaf` stands for it in formulas."""

    name: str
    value: int
    leaf: Leaf


def divisor_of(graph: Graph, names: Mapping[str, Any] | None) -> Divisor | None:
    """The number that the cost is divided by, if it is the length of an axis somewhere.

    Looked for among the numbers that stand between the cost and the first array: `/ 209`,
    `* (1 / 209)`, or a mean over 209 elements. It is called as the first name of that value among
    `names`, `m` going before all others; without one it is called m.
    """
    cost = graph.outputs[0]
    lengths = {n for node in graph for n in node.shape if n > 1}
    lengths |= {prod(node.shape) for node in graph if prod(node.shape) > 1}
    stack, seen = [cost], {cost}
    while stack:
        node = stack.pop()
        for value in _numbers(node):
            if value in lengths:
                called = _called(value, names or {})
                return Divisor(called, value, Leaf(np.asarray(value, cost.dtype), False, called))
        for x in node.parents:
            if x not in seen and prod(x.shape) == 1:
                seen.add(x)
                stack.append(x)
    return None


def _numbers(node: Node) -> list[int]:
    """What a single number is divided by in a node."""
    if prod(node.shape) != 1 or node.op is None:
        return []
    if node.op.name == "mean":
        return [prod(node.inputs[0].shape)]
    if node.op.name == "divide":
        return [int(d) for d in node.inputs[1:] if _is_number(d) and float(d).is_integer()]
    if node.op.name == "multiply":
        parts = [1 / float(c) for c in node.inputs if _is_number(c) and c]
        return [abs(round(n)) for n in parts if abs(n - round(n)) < 1e-9 * abs(n)]
    return []


def _is_number(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, (bool, np.bool_))


def _called(value: int, names: Mapping[str, Any]) -> str:
    known = [str(k) for k, v in names.items() if _is_number(v) and v == value]
    return M if M in known or not known else known[0]


def in_terms_of(x: Any, divisor: Divisor | None) -> str | None:
    """How a constant in the arithmetic of single numbers is written with m: m, 1/m or −1/m."""
    if divisor is None or not _is_number(x):
        return None
    for form, value in (("m", divisor.value), ("1/m", 1 / divisor.value), ("-1/m", -1 / divisor.value)):
        if float(x) == float(np.asarray(value, divisor.leaf.dtype)) or float(x) == value:
            return form
    return None
