"""A step that is repeated, as plain data: what it carries, what is constant, what it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.graph import NO_META, Leaf, Node, trace
from tinygrad_dnn.ops import REGISTRY, Op


@dataclass(frozen=True)
class Repeated:
    """One iteration: carried values -> the next carried values and a result.

    Attributes:
        carry: for each carried leaf its next value, a node or a number.
        constants: the leaves that never change.
        inputs: the leaves that are given anew in every iteration.
        results: what else an iteration gives; nodes and numbers.
    """

    carry: Mapping[Leaf, Any]
    constants: Collection[Leaf]
    inputs: Sequence[Leaf]
    results: Sequence[Any]

    @property
    def outputs(self) -> list[Node]:
        """The distinct nodes that an iteration must compute."""
        values = [*self.carry.values(), *self.results]
        return list(dict.fromkeys(x for x in values if isinstance(x, Node)))


def made(op: str | Op, *inputs: Any, meta: Mapping[str, Any] = NO_META) -> Node:
    """A node without a value, with the shape and dtype that NumPy would give it.

    For elementwise ops, `matmul`, `transpose` of a matrix, and `reshape` to one number.
    """
    known = op if isinstance(op, Op) else REGISTRY[op]
    shapes = [getattr(x, "shape", ()) for x in inputs]
    dtype = np.result_type(*(getattr(x, "dtype", x) for x in inputs))
    if known.name == "matmul":
        shape: tuple[int, ...] = (shapes[0][0], shapes[1][1])
    elif known.name == "transpose":
        shape = shapes[0][::-1]
    elif known.name == "reshape":
        shape = ()
    else:
        shape = np.broadcast_shapes(*shapes)
    return Node(known, inputs, meta, shape, dtype, False, (), None, ())


def constant_nodes(nodes: Iterable[Node], constants: Collection[Leaf]) -> set[Node]:
    """The nodes that depend on constants alone, the constants included.

    Only the project's own ops are known to give the same every time.
    """
    found: set[Node] = set(constants)
    for node in nodes:
        ours = node.op is not None and node.op.__module__.startswith("tinygrad_dnn.ops")
        parents = node.parents
        if ours and parents and all(x in found for x in parents):
            found.add(node)
    return found


def computed_once(step: Repeated) -> list[Node]:
    """The constant results that an iteration reads: the outermost ones, leaves left out."""
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    read = [x for node in nodes if node not in constant for x in node.parents if x in constant]
    read += [x for x in step.outputs if x in constant]
    return list(dict.fromkeys(x for x in read if x.op is not None))


def operations(step: Repeated) -> int:
    """Floating-point operations of an iteration, without what is constant.

    A product (n, k) @ (k, m) counts 2 n k m; every other op one for each element that it makes
    or, for a reduction, reads; what only rearranges memory counts nothing.
    """
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    return sum(_cost(n) for n in nodes if n.op is not None and n not in constant)


def operations_once(step: Repeated) -> int:
    """Floating-point operations of what is computed once for all iterations."""
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    return sum(_cost(n) for n in nodes if n.op is not None and n in constant)


def _cost(node: Node) -> int:
    size = prod(node.shape)
    if node.op.name in ("matmul", "dot"):
        x = node.input_shapes[0]
        return 2 * size * (x[-1] if x else 1)
    if node.op.view is True or (node.op.view and node.op.view(node.meta)):
        return 0
    return max(size, *(prod(s) for s in node.input_shapes))
