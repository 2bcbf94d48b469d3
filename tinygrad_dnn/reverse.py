"""The reverse sweep: from cotangents of results to cotangents of what they were made of.

    g_x = Σ over the uses z of x:  g_z · ∂z/∂x

Works on the nodes alone. On plain values nothing is recorded; with `lift`, which turns a node and
its value into something that records, the sweep itself becomes a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.graph import MODE, Leaf, Node, by_index, describe, tick, trace

_last_edit = 0  # the time of the newest counted in-place write, on any leaf

Lift = Callable[[Node, Any], Any]


class FreedGraphError(RuntimeError):
    """A second backward through a graph whose values the first one freed."""


class StaleValueError(RuntimeError):
    """A backward through a value that was edited in place after it was recorded."""


def note_edit(leaf: Leaf) -> None:
    """Count an in-place write to a leaf's data: ops recorded before now hold stale values."""
    global _last_edit
    leaf.edited = _last_edit = tick()


def _active(roots: Sequence[Node], wanted: Collection[Node] | None) -> set[Node]:
    """The nodes the sweep visits: from the roots to what requires a gradient (or is wanted)."""
    seen = {r for r in roots if r.requires_grad}
    stack = list(seen)
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.requires_grad and x not in seen:
                seen.add(x)
                stack.append(x)
    if wanted is None:
        return seen
    leads = seen.intersection(wanted)
    for node in sorted(seen, key=by_index):
        if any(isinstance(x, Node) and x in leads for x in node.inputs):
            leads.add(node)
    return leads


def _refuse_stale(order: Sequence[Node], roots: Sequence[Node]) -> None:
    """Raise if a rule would read a value that was written to after it was recorded."""
    first_op = next((n.index for n in order if n.op is not None), 0)
    if not order or first_op > _last_edit:
        return
    edited: dict[Node, int] = {}
    swept = set(order)
    for node in trace(roots):
        if isinstance(node, Leaf):
            edited[node] = node.edited
            continue
        for i, x in enumerate(node.inputs):
            when = edited.get(x, 0) if isinstance(x, Node) else 0
            if when > node.index and node in swept and node.saved and node.saved[1 + i] is not None:
                raise StaleValueError(
                    f"backward: {describe(x)} was edited in place after {describe(node)} was "
                    f"computed from it, so the gradient of {node.op.name} would be wrong; "
                    "call backward() before the edit, or compute the expression again"
                )
        if node.op.view is True or (node.op.view and node.op.view(node.meta)):
            # A view shows its base's memory, and so its base's edits.
            edited[node] = max(edited.get(x, 0) for x in node.parents)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an input of `shape` was repeated."""
    extra = len(g.shape) - len(shape)
    if extra > 0:
        g = np.sum(g, axis=tuple(range(extra)))
    repeated = tuple(i for i, n in enumerate(g.shape) if n != 1 and shape[i : i + 1] == (1,))
    return np.sum(g, axis=repeated, keepdims=True) if repeated else g


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
    active = _active(roots, wanted)
    order = sorted(active, key=by_index, reverse=True)
    _refuse_stale(order[::-1], roots)
    watch = MODE.get().watch
    cotangents: dict[Node, Any] = {}
    for root, seed in zip(roots, seeds, strict=True):
        if root in active:
            cotangents[root] = cotangents[root] + seed if root in cotangents else seed
    found: dict[Node, Any] = {}
    masked: set[Node] = set()  # nodes whose cotangent may hold zeros that mean "not used"
    for node in order:
        g = cotangents.pop(node, None)
        if g is None:
            continue
        op = node.op
        if op is None:
            if wanted is None or node in wanted:
                found[node] = g
            continue
        if (wanted is not None and node in wanted) or (keep is not None and keep(node)):
            found[node] = g if lift else g.copy()
        saved = node.saved
        if saved is None:
            raise FreedGraphError(
                f"backward: the values of {describe(node)} were freed by an earlier backward; "
                "call backward(keep=True) the first time to keep them, or compute it again"
            )
        if watch is not None:
            watch.before_rule(node)
        if lift:
            saved = _lifted(node, saved, lift)
        selects = op.selects or node in masked
        joint = op.joint and op.joint(g, saved, node)
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Node) or x not in active:
                continue
            if joint:
                gx = joint[i]
            else:
                pull = op.pulls[0 if op.many else i]
                gx = None if pull is None else pull(g, saved, node, i)
            if gx is None:
                continue
            if selects:
                masked.add(x)
                if op.masks[i] and node in masked:
                    # Where nothing depends on z (g = 0), x receives 0, even if ∂z/∂x is ∞ or NaN.
                    gx = np.where(g == 0, 0, gx)
            if gx.shape != x.shape:
                gx = _fitting(unbroadcast(gx, x.shape), node, i)
            if gx.dtype != x.dtype:
                gx = gx.astype(x.dtype)
            if watch is not None:
                watch.after_rule(node, i, g, gx)
            if x in cotangents:
                gx = cotangents[x] + gx
            elif (
                x.op is None and lift is None and (gx is g or getattr(gx, "base", None) is not None)
            ):
                gx = gx.copy()  # a leaf's gradient is nobody else's memory
            cotangents[x] = gx
        if free:
            node.saved = None
    return found


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
