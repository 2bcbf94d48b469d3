"""A recorded graph made ready to be written as NumPy calls: composites expanded into primitives,
constants computed, and for every value the memory order in which NumPy itself would lay it.

The graph is computed once, on the values it was recorded with: what a program must know of its
arrays (shape, dtype, order) is then NumPy's own answer, not a rule of ours. With one exception,
`by_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.array_modules import to_host
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.codegen.dialect import NUMPY, Dialect
from tinygrad_dnn.compiler.tracing.tracer import Tracer
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.ops import absolute, matmul, negative, reshape
from tinygrad_dnn.rewrite.nodes import key_of


@dataclass(eq=False)
class Expansion:
    """A composite op, what it was applied to, and all the primitives that it became, in order."""

    op: Any
    inputs: Sequence[Any]
    nodes: list[Node]


@dataclass
class Lowered:
    """Primitives only.

    Attributes:
        graph: its nodes' inputs are nodes and constants.
        strides: of every value, in bytes.
        views: the nodes whose value lies in the memory of their first input.
        raises: the `np.errstate` settings that an op runs under.
        place: what became of each node of the graph that was given, a node or a constant.
        expanded: the expansion of a composite that a node is a part of.
        dialect: the array module that it is written for.
    """

    graph: Graph
    strides: dict[Node, tuple[int, ...]] = field(default_factory=dict)
    views: set[Node] = field(default_factory=set)
    raises: dict[Node, dict[str, Any]] = field(default_factory=dict)
    place: dict[Node, Any] = field(default_factory=dict)
    expanded: dict[Node, Expansion] = field(default_factory=dict)
    dialect: Dialect = NUMPY


def base(node: Node, lowered: Lowered) -> Node:
    """The node in whose memory a value lies."""
    while node in lowered.views:
        node = node.inputs[0]
    return node


def in_c_order(x: Any, lowered: Lowered) -> bool:
    """Whether memory runs through an operand in C order, without gaps."""
    if not isinstance(x, Node):
        return isinstance(x, np.ndarray) and x.flags.c_contiguous
    return contiguous(x.shape, lowered.strides[x], x.dtype)


def contiguous(shape: Sequence[int], strides: Sequence[int], dtype: Any) -> bool:
    """Whether an array with these strides lies in C order, without gaps."""
    size = dtype.itemsize
    for n, step in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1 and step != size:
            return False
        size *= n
    return True


def uniform(x: Any) -> bool:
    """Whether all elements of an array are the same number, bit for bit."""
    if not x.size:
        return False
    first = x.reshape(-1)[:1].tobytes()
    return bool(x.size == 1 or np.ascontiguousarray(x).tobytes() == first * x.size)


class Task(NamedTuple):
    """An op whose result is to be written into given memory.

    Attributes:
        node: the op.
        operands: its inputs as they are written.
        out: the name of the memory.
        lowered: the graph that it is in.
        settings: names for settings that are arrays.
        array: names another constant array.
        function: names a function (its name, parameters and lines) at the head of the module.
    """

    node: Node
    operands: Sequence[str]
    out: str
    lowered: Lowered
    settings: Mapping[str, str]
    array: Callable[[Any], str]
    function: Callable[[str, str, Sequence[str]], str]


def apart(x: Node, lowered: Lowered) -> Node:
    """Another node with the value of x, where it lies."""
    again = Node(reshape, (x,), {"shape": x.shape}, x.shape, x.dtype)
    lowered.views.add(again)
    lowered.strides[again] = lowered.strides[x]
    return again


def lower(
    graph: Graph,
    raises: Mapping[Node, dict[str, Any]],
    share: bool = True,
    dialect: Dialect = NUMPY,
) -> Lowered:
    """Expand, compute constants, and look at every value's memory.

    Args:
        share: equal expressions are computed once, and flat products lie `by_columns`.
        dialect: the array module to write for; leaves that lie in its memory are copied from there.
    """
    walk = _Walk(graph, raises, share)
    walk.done.dialect = dialect
    for node in graph:
        walk.visit(node)
    done = walk.done
    outputs = tuple(x for x in (done.place[n] for n in graph.outputs) if isinstance(x, Node))
    done.graph = trace(dict.fromkeys(outputs))
    return done


INNER = 1024  # from this inner size on a product costs more than its result's order does


def by_columns(W: Any, X: Any) -> bool:
    """Whether W (n, k) @ X (k, m) is laid column by column, as X (examples in columns) is.

    For the matrix library, which counts by columns, the wide X then is the second factor as it
    lies, and not the first one transposed. OpenBLAS on two threads, m > n and large k: 0.4 to 0.9
    of the time (k = 12288, m = 209, n = 20: 0.6 to 0.75); on one thread 0.6 to 1.2. The order of
    summation may change, and so the last bits.
    """
    return bool(
        W.ndim == X.ndim == 2
        and X.shape[0] >= INNER
        and X.shape[1] > W.shape[0]
        and X.strides[0] == X.itemsize < X.strides[1]
    )


class _Walk:
    """One walk over the graph, with the value of every node."""

    def __init__(self, graph: Graph, raises: Mapping[Node, dict[str, Any]], share: bool) -> None:
        self.done = Lowered(graph)
        self.raises, self.share = raises, share
        self.values: dict[Node, Any] = {}
        self.made: dict[Any, Node] = {}

    def visit(self, node: Node) -> None:
        """Find the node, or constant, that stands for one of the graph."""
        if isinstance(node, Leaf):
            self.done.place[node] = node
            self._seen(node, to_host(node.value))
            return
        inputs = [self.done.place[x] if isinstance(x, Node) else x for x in node.inputs]
        varies = any(isinstance(x, Node) for x in inputs)
        if node.op.transparent:
            self.done.place[node] = inputs[0]
        elif varies and node.op.composite:
            self.done.place[node] = self._expanded(node, inputs)
        else:
            self.done.place[node] = self._applied(node, inputs, self.raises.get(node, {}))

    def _seen(self, node: Node, value: Any) -> None:
        self.done.strides[node] = value.strides
        self.values[node] = value

    def _value(self, x: Any) -> Any:
        return self.values[x] if isinstance(x, Node) else x

    def _applied(self, old: Node, inputs: Sequence[Any], raises: dict[str, Any]) -> Any:
        """A primitive: the same op on the new inputs, or its value where they are constants."""
        op, meta = old.op, old.meta
        if self.share and op is absolute:
            # |−x| = |x|: so softplus(−z) and softplus(z) share their exponential.
            x = inputs[0]
            inputs = x.inputs if isinstance(x, Node) and _negates(x) else inputs
        key = key_of(op, inputs, meta), tuple(raises.items())
        if self.share and op.builtin and key in self.made:
            return self.made[key]
        arrays = [self._value(x) for x in inputs]
        with np.errstate(all="ignore"):
            value = np.asarray(op.compute(*arrays, **meta))
        if not any(isinstance(x, Node) for x in inputs):
            return value.copy(order="K") if self.share else value
        if self.share and op is matmul and by_columns(*arrays):
            value = np.asfortranarray(value)
        new = Node(op, tuple(inputs), meta, value.shape, value.dtype, scope=old.scope)
        new.name = old.name
        if raises and self.done.dialect.errstate:
            self.done.raises[new] = raises
        x = arrays[0]
        if op.view and isinstance(x, np.ndarray) and np.may_share_memory(value, x):
            self.done.views.add(new)
        self._seen(new, value)
        self.made[key] = new
        return new

    def _expanded(self, node: Node, inputs: Sequence[Any]) -> Any:
        """A composite: what it records when it is applied to Tensors."""
        tracer = Tracer()
        stand_ins = [Tensor(self.values[x]) if isinstance(x, Node) else x for x in inputs]
        with tracer.recording():
            result = node.op.forward(*stand_ins, **node.meta)
        inner: dict[Node, Any] = {
            t.node: x for t, x in zip(stand_ins, inputs, strict=True) if isinstance(x, Node)
        }
        made, whole = Expansion(node.op, inputs, []), True
        for part in tracer.nodes:
            part.scope = node.scope
            given = [inner[x] if isinstance(x, Node) else x for x in part.inputs]
            raises = self.raises.get(node, {}) | tracer.raises.get(part, {})
            before = len(self.values)
            if part.op.composite and any(isinstance(x, Node) for x in given):
                inner[part], whole = self._expanded(part, given), False
                continue
            inner[part] = new = self._applied(part, given, raises)
            if len(self.values) > before:
                made.nodes.append(new)
            elif isinstance(new, Node) and new not in made.nodes:
                whole = False  # it was there before
        if whole:
            self.done.expanded |= dict.fromkeys(made.nodes, made)
        last = inner[result.node]
        if isinstance(last, Node) and last.op is not None and last.name is None:
            last.name = node.name
        return last


def _negates(x: Node) -> bool:
    return x.op is negative
