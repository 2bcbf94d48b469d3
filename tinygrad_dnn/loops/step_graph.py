"""A step that is repeated, as plain data: what it carries, what is constant, what it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tinygrad_dnn.graph import NO_META, Leaf, Node, rebuilt, trace
from tinygrad_dnn.ops import REGISTRY, Op, transpose
from tinygrad_dnn.rewrite.nodes import build


@dataclass(frozen=True)
class StepGraph:
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
    """A node without a value, with the shape and dtype that NumPy would give it."""
    return build(op if isinstance(op, Op) else REGISTRY[op], inputs, meta, ())


def scaled(a: Any, x: Any) -> Any:
    """a x for numbers a and whatever x; 1 and −1 cost no product."""
    if not isinstance(a, Node) and not isinstance(x, Node):
        return a * x
    if not isinstance(a, Node) and a == 1:
        return x
    if not isinstance(x, Node) and x == 1:
        return a
    if not isinstance(a, Node) and a == -1:
        return made("negative", x)
    return made("multiply", a, x)


def is_transpose(x: Node) -> bool:
    """Whether it is a matrix with rows and columns exchanged."""
    return (
        x.op is transpose
        and len(x.shape) == 2
        and (x.meta["axes"] is None or tuple(a % 2 for a in x.meta["axes"]) == (1, 0))
    )


def turned(x: Node) -> Node:
    """xᵀ; that of a transpose is what it was made from."""
    if is_transpose(x):
        inner: Node = x.inputs[0]
        return inner
    return made("transpose", x, meta={"axes": None})


def constant_nodes(nodes: Iterable[Node], constants: Collection[Leaf]) -> set[Node]:
    """The nodes that depend on constants and numbers alone, the constants included.

    Only the project's own ops are known to give the same every time.
    """
    found: set[Node] = set(constants)
    for node in nodes:
        builtin = node.op is not None and node.op.builtin
        if builtin and all(x in found for x in node.parents):
            found.add(node)
    return found


def computed_once(step: StepGraph) -> list[Node]:
    """The constant results that an iteration reads: the outermost ones.

    Leaves, and views of them, are there already; what is made of numbers alone is the compiler's.
    """
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    numbers = constant_nodes(nodes, ())
    read = [x for node in nodes if node not in constant for x in node.parents if x in constant]
    read += [x for x in step.outputs if x in constant]
    found = []
    for x in read:
        while is_view(x) and isinstance(x.inputs[0], Node):
            x = x.inputs[0]
        if x.op is not None and x not in numbers:
            found.append(x)
    return list(dict.fromkeys(found))


def is_view(node: Node) -> bool:
    """Whether it only shows its input's memory in another way."""
    return node.op is not None and node.op.is_view(node.meta)


def operations(step: StepGraph) -> int:
    """Floating-point operations of an iteration, without what is constant.

    A product (n, k) @ (k, m) counts 2 n k m; every other op one for each element that it makes
    or, for a reduction, reads; what only rearranges memory counts nothing.
    """
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    return sum(_cost(n) for n in nodes if n.op is not None and n not in constant)


def operations_once(step: StepGraph) -> int:
    """Floating-point operations of what is computed once for all iterations."""
    nodes = trace(step.outputs)
    constant = constant_nodes(nodes, step.constants)
    return sum(_cost(n) for n in nodes if n.op is not None and n in constant)


def _cost(node: Node) -> int:
    size = prod(node.shape)
    if node.op.contracts:
        x = node.input_shapes[0]
        return 2 * size * (x[-1] if x else 1)
    if is_view(node):
        return 0
    if node.op.selects:
        return size
    return max(size, *(prod(s) for s in node.input_shapes))


def remade(node: Node, inputs: Sequence[Any]) -> Node:
    """The same op on other inputs; the node itself where they are the same."""
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node
    return rebuilt(node, inputs)


def again(outputs: Iterable[Node], replaced: Mapping[Node, Node]) -> dict[Node, Node]:
    """Every node that outputs are computed from, with some nodes replaced by others."""
    new: dict[Node, Node] = {}
    for node in trace(outputs):
        inputs = [new[x] if isinstance(x, Node) else x for x in node.inputs]
        new[node] = replaced[node] if node in replaced else remade(node, inputs)
    return new
