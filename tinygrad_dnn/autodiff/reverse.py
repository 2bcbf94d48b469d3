"""The reverse sweep: from cotangents of results to cotangents of what they were made of.

    g_x = Σ over the uses z of x:  g_z · ∂z/∂x

Works on the nodes alone. On plain values nothing is recorded; with `lift`, which turns a node and
its value into something that records, the sweep itself becomes a graph.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from heapq import heappop, heappush, heapreplace
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.usage import Usage
from tinygrad_dnn.graph import Leaf, Node, describe, trace
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import tick

# The time of the newest counted in-place write, or hand-out of an array, on any leaf: nodes of
# later times hold nothing stale.
_last_edit = 0

# Held while what threads share is written: gradients, and the times of edits.
SHARED = RLock()
if hasattr(os, "register_at_fork"):  # a child must not find it held by a thread that it lacks
    os.register_at_fork(
        before=SHARED.acquire, after_in_parent=SHARED.release, after_in_child=SHARED.release
    )

Lift = Callable[[Node, Any], Any]


class FreedGraphError(RuntimeError):
    """A second backward through a graph whose values the first one freed."""


class StaleValueError(RuntimeError):
    """A backward through a value that was edited in place after it was recorded."""


def note_edit(leaf: Leaf) -> None:
    """Count an in-place write to a leaf's data: ops recorded before now hold stale values."""
    global _last_edit
    with SHARED:  # else an older time could be written over a newer one
        leaf.memory.edited = _last_edit = tick()


def keep_gradients(found: Mapping[Node, Any], free: bool) -> None:
    """Add what a sweep found to the gradients that are there.

    Args:
        free: whether the sweep let go of the graph, so that nothing of it is pending any more.
    """
    with SHARED:
        for node, g in found.items():
            holder = node.tensor() if isinstance(node, Leaf) else None
            own = node if holder is None else holder.node
            own.grad = g if own.grad is None else own.grad + g
            if isinstance(node, Leaf) and free:
                node.memory.freed = tick()


def note_sight(leaf: Leaf) -> None:
    """Remember what a leaf looks like when its array is handed out between forward and backward, so
    that an edit through that array (`W.data[0] = 7`) does not go unnoticed.
    """
    global _last_edit
    memory = leaf.memory
    if memory.used > memory.freed and memory.used > memory.seen:
        with SHARED:
            memory.edited = last_written(leaf)[0]  # what was found so far
            memory.sight = leaf.value, fingerprint(leaf.value)
            memory.seen = _last_edit = tick()


def fingerprint(x: Any) -> int | None:
    """A checksum of an array's values, shape and dtype, which can be changed in place too; None for
    what is not in this machine's memory.
    """
    if not isinstance(x, np.ndarray):
        return None
    from zlib import crc32  # few programs come here

    return crc32(x.tobytes(), crc32(f"{x.shape} {x.dtype}".encode()))


def last_written(leaf: Leaf) -> tuple[int, str]:
    """When a leaf's memory was last written to, at the earliest, and how."""
    memory = leaf.memory
    array, then = memory.sight
    if memory.seen > memory.edited and fingerprint(array) != then:
        return memory.seen, "through its .data"
    return memory.edited, "in place"


def _leading(roots: Sequence[Node], wanted: Collection[Node]) -> set[Node]:
    """The nodes between the roots and the wanted ones, both included."""
    leads = set(wanted)
    for node in trace(roots):
        if any(isinstance(x, Node) and x in leads for x in node.inputs):
            leads.add(node)
    return leads


def _refuse_stale(roots: Sequence[Node], leads: Collection[Node] | None) -> None:
    """Raise if a rule would read a value that was written to after it was recorded."""
    never = (0, "")
    edited: dict[Node, tuple[int, str]] = {}
    for node in trace(roots):
        if isinstance(node, Leaf):
            edited[node] = last_written(node)
            continue
        if node.op.is_view(node.meta):
            # A view shows its base's memory, and so its base's edits.
            edited[node] = max((edited.get(x, never) for x in node.parents), default=never)
        if node.saved is None or not (leads is None or node in leads):
            continue
        for x, value in zip(node.inputs, node.saved[1:], strict=True):
            if value is None or not isinstance(x, Node):
                continue
            when, how = edited.get(x, never)
            if when > node.index:
                raise StaleValueError(
                    f"backward: {describe(x)} was edited {how} after {describe(node)} was "
                    f"computed from it, so the gradient of {node.op.name} would be wrong; "
                    "call backward() before the edit, or compute the expression again"
                )


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an input of `shape` was repeated."""
    extra = len(g.shape) - len(shape)
    if extra > 0:
        g = g.sum(axis=tuple(range(extra)))
    repeated = tuple(i for i, n in enumerate(g.shape) if n != 1 and shape[i : i + 1] == (1,))
    return g.sum(axis=repeated, keepdims=True) if repeated else g


def sweep(
    roots: Sequence[Node],
    seeds: Sequence[Any],
    *,
    wanted: Collection[Node] | None = None,
    keep: Callable[[Node], bool] | None = None,
    free: bool = True,
    lift: Lift | None = None,
) -> dict[Node, Any]:
    """Pull the cotangents `seeds` of `roots` back through the graph.

    Args:
        wanted: the nodes whose cotangents are asked for; None means every leaf that requires one.
            Only the rules that lead to them run.
        keep: which other nodes' cotangents to return as well.
        free: let go of each node's saved values once they were used; the structure stays.
        lift: makes a recording value of a node and its plain value (a graph of the sweep itself).

    Returns:
        The cotangent of each node asked for that the roots depend on.

    Raises:
        FreedGraphError: the values were freed by an earlier sweep.
        StaleValueError: a value was edited in place after it was recorded.
    """
    leads = None if wanted is None else _leading(roots, wanted)
    watch = MODE.get().watch
    # Whether anything but the plain rules is asked for; decides once what is looked at per node.
    special = wanted is not None or keep is not None or lift is not None or watch is not None
    found: dict[Node, Any] = {}
    cotangents: dict[Node, Any] = {}
    # Nodes wait for their turn, newest first: all uses of a value come before its source. The
    # newest stands apart from the heap, which therefore stays empty along a chain.
    newest: Node | None = None
    queue: list[tuple[int, Node]] = []
    usage: Usage | None = None  # once an op leaves out what was computed
    checked = False
    for root, seed in zip(roots, seeds, strict=True):
        if root.op is None:
            own = seed if lift else seed.copy()
            found[root] = found[root] + own if root in found else own
        elif root in cotangents:
            cotangents[root] = cotangents[root] + seed
        elif leads is None or root in leads:
            cotangents[root] = seed
            heappush(queue, (-root.index, root))
    while True:
        if queue and (newest is None or -queue[0][0] > newest.index):
            node = (
                heappop(queue)[1]
                if newest is None
                else heapreplace(queue, (-newest.index, newest))[1]
            )
        elif newest is not None:
            node = newest
        else:
            return found
        newest = None
        g = cotangents.pop(node)
        op = node.op
        saved = node.saved
        if saved is None:
            raise FreedGraphError(
                f"backward: the values of {describe(node)} were freed by an earlier backward; "
                "call backward(keep=True) the first time to keep them, or compute it again"
            )
        if node.index < _last_edit and not checked:
            _refuse_stale(roots, leads)
            checked = True
        if special:
            if (wanted is not None and node in wanted) or (keep is not None and keep(node)):
                found[node] = g if lift else g.copy()
            if watch is not None:
                watch.before_rule(node)
            if lift is not None:
                saved = _lifted(node, saved, lift)
        if op.selects:
            special = True
            usage = usage or Usage(unbroadcast, watch is not None and watch.for_reading)
        pulls = op.pulls if not op.per_node else pulls_of(op, g, saved, node)
        inputs = node.inputs
        for i in node.wanted:
            x = inputs[i]
            if special:
                if leads is not None and x not in leads:
                    continue
                if usage is None:
                    gx = pulls[i](g, saved, node, i)
                else:
                    if x.op is not None:
                        usage.note(x, node, i, pulls[i], saved, g, x in cotangents)
                    if op.masks[0 if op.many else i] and usage.is_partial(node):
                        gx = usage.slope(pulls[i], g, saved, node, i)
                    else:
                        gx = pulls[i](g, saved, node, i)
            else:
                gx = pulls[i](g, saved, node, i)
            if gx is None:
                continue
            if gx.shape != x.shape:
                gx = _fitting(unbroadcast(gx, x.shape), node, i)
            if gx.dtype is not x.dtype and gx.dtype != x.dtype:
                gx = gx.astype(x.dtype)
            if watch is not None:
                watch.after_rule(node, i, g, gx)
            if x.op is None:
                if x in found:
                    found[x] = found[x] + gx
                else:  # a leaf's gradient is nobody else's memory
                    shared = lift is None and (gx is g or getattr(gx, "base", None) is not None)
                    found[x] = gx.copy() if shared else gx
            elif x in cotangents:
                cotangents[x] = cotangents[x] + gx
            else:
                cotangents[x] = gx
                if newest is None:
                    newest = x
                elif x.index > newest.index:
                    heappush(queue, (-newest.index, newest))
                    newest = x
                else:
                    heappush(queue, (-x.index, x))
        if free:
            node.saved = None
        elif lift is None:
            node.swept = tick()


def pulls_of(op: Any, g: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    """The rules as one node needs them for one cotangent, with what they have in common computed
    once: all gradients together, one rule for any number of inputs, or a part that several share.
    """
    if op.joint is not None:
        return [lambda *_, gx=gx: gx for gx in op.joint(g, saved)]
    if op.share is not None:
        known: list[Any] = []

        def share(*asked: Any) -> Any:
            if not known:
                known.append(op.share(*asked))
            return known[0]

        return [lambda *asked, pull=pull: pull(*asked, share) for pull in op.pulls]
    once = _Once(node)
    return [lambda g, saved, _, i: op.pulls[0](g, saved, once, i)] * len(node.inputs)


class _Once:
    """A node of many inputs as its rule sees it, with what all the calls share computed once."""

    def __init__(self, node: Node) -> None:
        self.meta, self.shape, self.inputs = node.meta, node.shape, node.inputs
        self.input_shapes = node.input_shapes


def _fitting(gx: Any, node: Node, i: int) -> Any:
    shape = node.inputs[i].shape
    if gx.shape != shape:
        raise ValueError(
            f"backward: the rule of op {node.op.name} for input {i} gave a gradient of shape "
            f"{gx.shape} where the input has {shape}"
        )
    return gx


def _lifted(node: Node, saved: tuple[Any, ...], lift: Lift) -> tuple[Any, ...]:
    z, *xs = saved
    return (
        None if z is None else lift(node, z),
        *(
            lift(x, value) if isinstance(x, Node) and value is not None else value
            for x, value in zip(node.inputs, xs, strict=True)
        ),
    )
