"""Which memory every value gets: results first, then buffers that live as long as their values.

A value may be written over an operand that nobody reads any more (elementwise ops alone); values
whose lifetimes do not meet share a buffer. A result may be written over an input where the caller
allows it and nobody reads that any more. The rules are fixed: the same graph gives the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import prod
from typing import Any

from tinygrad_dnn.compiler.codegen.lower import Lowered, Task, base
from tinygrad_dnn.compiler.codegen.numpy_source import (
    Unspeakable,
    call,
    expression,
    is_ufunc,
    plain_call,
    settings,
)
from tinygrad_dnn.compiler.codegen.regions import Region, inner, nodes, regions_of, viewed
from tinygrad_dnn.compiler.codegen.writers import by_hand, is_condition
from tinygrad_dnn.graph import Leaf, Node
from tinygrad_dnn.ops import where

LARGE = 4096  # elements; only from here on may arrays of different sizes share a buffer


@dataclass(eq=False)
class Memory:
    """A chain of values, each written over the one before.

    Attributes:
        values: in order of time.
        begin, end: the first line that writes it and the last that reads it.
        kind: "workspace", "result" (returned, hence new in every call), "input" (written over
            one), "fresh" (what NumPy itself allocates), or "block" (as large as one block of a
            region).
        buffer: the number of the shared buffer, for a workspace or a block.
        input: the one that is written over.
    """

    values: list[Node]
    begin: int
    end: int
    kind: str = "workspace"
    buffer: int = -1
    input: Leaf | None = None

    @property
    def last(self) -> Node:
        """The last value; all have its shape, dtype and order."""
        return self.values[-1]

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return int(prod(self.last.shape) * self.last.dtype.itemsize)


@dataclass
class Plan:
    """The lines of a program and the memory they work in.

    Attributes:
        lines: the nodes that become lines, in order.
        order: the same, with the lines of a region as one.
        memory: of each of them.
        copies: results that are copied at the end, because they lie in memory that is not theirs:
            the node and the memory it goes to.
        results: the memory that a program returns, without what NumPy allocates itself.
        buffers: the dtype and number of elements of each buffer of the workspace.
        scratch: the dtype of each buffer of a region, with its shape and the axis that is cut.
    """

    lines: list[Node]
    order: list[Node | Region] = field(default_factory=list)
    memory: dict[Node, Memory] = field(default_factory=dict)
    copies: dict[Node, Memory] = field(default_factory=dict)
    buffers: list[tuple[Any, int]] = field(default_factory=list)
    scratch: dict[Region, list[tuple[Any, Any]]] = field(default_factory=dict)
    results: list[Memory] = field(default_factory=list)


def writes_over(node: Node) -> Sequence[int]:
    """The operands whose memory an op may write its result to."""
    if node.op is where:
        return (2,) if is_condition(node.inputs[0]) else ()
    return range(len(node.inputs)) if is_ufunc(node.op) else ()


def allocates(node: Node, lowered: Lowered) -> bool:
    """Whether NumPy has no way to write this op's result into given memory."""
    if is_ufunc(node.op) or plain_call(node.op) is not None:
        return False
    names = ["x"] * len(node.inputs)
    constants = settings(node.meta, lambda _: "x")
    task = Task(node, names, "z", lowered, constants, lambda _: "i", lambda *_: "f")
    if by_hand(task) is not None:
        return False
    try:
        written = expression(node.op, names, node.meta, constants)
        return call(written, "z", lowered.dialect.folds) is None
    except Unspeakable:
        return True


def plan(
    lowered: Lowered,
    results: Sequence[Node],
    over: Mapping[Node, Leaf] | None = None,
    blocks: bool = False,
    folds: bool = True,
) -> Plan:
    """Give every value its memory.

    Args:
        results: the nodes that are returned, each once; memory that one of them has already is
            copied for the others.
        over: those of them that may be written over an input, where nobody reads it any more.
        blocks: elementwise ops over large arrays run block by block.
        folds: their sums too.
    """
    over = over or {}
    lines = [n for n in lowered.graph if n.op is not None and n not in lowered.views]
    order: list[Node | Region] = [*lines]
    if blocks:
        order = regions_of(lines, lowered, folds)
    made = Plan([*nodes(order)], order)
    end = len(made.lines)
    born = {node: i for i, node in enumerate(made.lines)}
    dies = dict(born)
    for i, node in enumerate(made.lines):
        for x in node.parents:
            dies[base(x, lowered)] = i
    for node in results:  # returned as it lies, or copied when everything is done
        dies[base(node, lowered)] = end
    returned = {base(n, lowered) for n in results if _owns(n, lowered)}
    fresh = {node for node in lines if allocates(node, lowered)}
    regions = [part for part in order if isinstance(part, Region)]
    looked = {n: there for r in regions for there in [viewed(r, lowered)] for n in r.lines}

    def replaces(node: Node, q: Leaf) -> bool:
        return q not in looked.get(node, ()) and _replaces(node, q, lowered, dies, born)

    for node in reversed(made.lines):
        own = made.memory.get(node)
        if own is None:
            kind = "fresh" if node in fresh else "workspace"
            if kind == "workspace" and node in returned:
                kind = "result"
            own = made.memory[node] = Memory([node], born[node], dies[node], kind)
            q = over.get(node)
            if q is not None and kind == "result" and replaces(node, q):
                own.kind, own.input = "input", q
        if own.kind != "fresh":
            kept = returned | fresh | looked.get(node, set())
            before = _over(node, made, lowered, dies, born, kept)
            q = own.input
            if before and (q is None or replaces(before, q)):
                own.values.insert(0, before)
                own.begin = born[before]
                made.memory[before] = own
    made.memory = {node: made.memory[node] for node in made.lines}
    _settle(regions, made, {base(n, lowered) for n in results}, lowered)
    taken: set[Node] = set()
    for node in results:
        if not _owns(node, lowered) or base(node, lowered) in taken:
            made.copies[node] = Memory([node], end, end, "result")
        taken.add(base(node, lowered))
    found = [made.copies.get(n) or made.memory[base(n, lowered)] for n in results]
    made.results = [m for m in dict.fromkeys(found) if m.kind == "result"]
    memories = list(dict.fromkeys(made.memory.values()))
    flat = {m: (m.last.dtype, prod(m.last.shape)) for m in memories if m.kind == "workspace"}
    made.buffers = _shared(flat, grow=True)
    for region in regions:
        there = dict.fromkeys(made.memory[n] for n in region.lines)
        cut = {m: (m.last.dtype, region.block(m.last)) for m in there if m.kind == "block"}
        made.scratch[region] = _shared(cut)
    return made


def _settle(regions: Sequence[Region], made: Plan, results: set[Node], lowered: Lowered) -> None:
    """Memory of a region: as large as a block where nothing outside reads it; else it is written
    to, or read, as long as the region runs.
    """
    born = {node: i for i, node in enumerate(made.lines)}
    first: dict[int, int] = {}  # of the region that a line is in
    last: dict[int, int] = {}
    hidden: set[Node] = set()
    for region in regions:
        at = [born[node] for node in region.lines]
        first |= dict.fromkeys(at, min(at))
        last |= dict.fromkeys(at, max(at))
        hidden |= inner(region, made.lines, results, lowered)
    for m in dict.fromkeys(made.memory.values()):
        if m.kind == "workspace" and hidden.issuperset(m.values):
            m.kind = "block"
        else:
            m.begin, m.end = first.get(m.begin, m.begin), last.get(m.end, m.end)


def _replaces(
    node: Node, q: Leaf, lowered: Lowered, dies: Mapping[Node, int], born: Mapping[Node, int]
) -> bool:
    """Whether a value may be written over an input: everybody else has read that before."""
    alike = (q.shape, q.dtype) == (node.shape, node.dtype)
    if not alike or lowered.strides[q] != lowered.strides[node]:
        return False
    last = dies.get(q, -1)
    if last != born[node]:
        return last < born[node]
    itself = any(node.inputs[i] is q for i in writes_over(node))
    return itself and not any(y is not q and base(y, lowered) is q for y in node.parents)


def _owns(node: Node, lowered: Lowered) -> bool:
    """Whether a result may be returned as it lies: in memory that a line wrote, and all of it."""
    root = base(node, lowered)
    return not isinstance(root, Leaf) and prod(node.shape) == prod(root.shape)


def _over(
    node: Node,
    made: Plan,
    lowered: Lowered,
    dies: dict[Node, int],
    born: dict[Node, int],
    kept: set[Node],
) -> Node | None:
    """An operand whose memory may be written over by the result of `node`; none of those kept."""
    for i in writes_over(node):
        x = node.inputs[i]
        if (
            isinstance(x, Node)
            and x in born
            and x not in made.memory
            and x not in kept
            and dies[x] == born[node]
            and (x.shape, x.dtype) == (node.shape, node.dtype)
            and lowered.strides[x] == lowered.strides[node]
            and not any(y is not x and base(y, lowered) is x for y in node.parents)
        ):
            return x
    return None


def _shared(wanted: Mapping[Memory, tuple[Any, Any]], grow: bool = False) -> list[tuple[Any, Any]]:
    """The buffers of memories; those whose lifetimes do not meet share one.

    Args:
        wanted: the dtype, and the shape or number of elements.
        grow: large ones of another number of elements may share a buffer too.
    """
    buffers: list[tuple[Any, Any]] = []
    busy: list[tuple[int, int]] = []  # until which line, and the buffer
    free: dict[tuple[Any, Any], list[int]] = {}
    for m in sorted(wanted, key=lambda m: m.begin):
        dtype, size = wanted[m]
        while busy and busy[0][0] < m.begin:
            done = heappop(busy)[1]
            free.setdefault(buffers[done], []).append(done)
        kind = _fitting(free, dtype, size, grow)
        if kind is None:
            m.buffer = len(buffers)
            buffers.append((dtype, size))
        else:
            m.buffer = free[kind].pop()
            buffers[m.buffer] = (dtype, max(size, kind[1]))
        heappush(busy, (m.end, m.buffer))
    return buffers


def _fitting(free: dict[tuple[Any, Any], list[int]], dtype: Any, size: Any, grow: bool) -> Any:
    """The kind of a free buffer to take: of that size; of large ones the smallest that is large
    enough, else the largest, which grows.
    """
    if free.get((dtype, size)):
        return dtype, size
    if not grow or size < LARGE:
        return None
    large = [n for (kind, n), there in free.items() if there and kind == dtype and n >= LARGE]
    if not large:
        return None
    enough = [n for n in large if n >= size]
    return dtype, min(enough) if enough else max(large)
