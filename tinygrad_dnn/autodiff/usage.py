"""Which elements of a value a result depends on, where `where` or an index left others out.

What is left out contributes nothing, whatever stands there: 0 · ∞ and 0 · NaN are no slopes of it.
A cotangent of 0 alone does not say so, since 1/∞ is 0 too; what was left out is told by the ops. It
is found out when it is asked for, which on NumPy's arrays is where a slope is not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.graph import Node

Pull = Callable[[Any, tuple[Any, ...], Node, int], Any]


class _Use(NamedTuple):
    """One use of a value: it is input i of a node.

    Attributes:
        saved, g: the saved values and the cotangent of an op that selects.
    """

    node: Node
    i: int
    pull: Pull
    saved: tuple[Any, ...] | None
    g: Any


class _Counts(NamedTuple):
    """How often each element is used; None where every one is.

    Attributes:
        fixed: it follows from plain indices alone, and from no condition or positions that are
            values themselves.
    """

    array: Any
    fixed: bool


_ALL = _Counts(None, True)


class Usage:
    """How often each element is used, as a sum over its uses; told use by use while a sweep runs.

    That is a sweep of its own: through what moves elements and sums them by the same rules, from
    ones, and through what mixes them by how it mixes them.

    Args:
        unbroadcast: sums over the axes along which an input was repeated.
        for_reading: nothing is written about what is left out where the slopes are finite.
    """

    def __init__(
        self, unbroadcast: Callable[[Any, tuple[int, ...]], Any], for_reading: bool = False
    ) -> None:
        self._unbroadcast, self._for_reading = unbroadcast, for_reading
        # Of nodes with elements that may be left out, all uses; None: every element is used.
        self._uses: dict[Node, list[_Use] | None] = {}
        self._counts: dict[Node, _Counts] = {}

    def note(
        self, x: Node, node: Node, i: int, pull: Pull, saved: tuple[Any, ...], g: Any, seen: bool
    ) -> None:
        """Take down that x is input i of a node, whose uses are all known.

        Args:
            seen: whether x has uses that were not taken down.
        """
        selects = node.op.selects
        if not (selects or self.is_partial(node)) or (seen and x not in self._uses):
            self._uses[x] = None
            return
        uses = self._uses.setdefault(x, [])
        if uses is not None:
            uses.append(_Use(node, i, pull, *((saved, g) if selects else (None, None))))

    def is_partial(self, node: Node) -> bool:
        """Whether some elements may be left out by all that use the node."""
        return self._uses.get(node) is not None

    def slope(self, pull: Pull, g: Any, saved: tuple[Any, ...], node: Node, i: int) -> Any:
        """What a rule gives, without what is left out.

        What a condition left out is not followed through products and along axes: a program would
        have to compute it in every call.
        """
        with np.errstate(divide="ignore", invalid="ignore"):  # what is left out may be undefined
            gx = pull(g, saved, node, i)
        if gx is None or (type(gx) is np.ndarray and _as_if_used(gx)):
            return gx
        if self._for_reading and np.isfinite(gx.numpy()).all():
            return gx
        counts, fixed = self._of(node)
        known = counts is not None and (fixed or node.op.elementwise)
        used = _through(_Use(node, i, pull, saved, g), counts) if known else None
        if used is None or (fixed and not node.op.contracts and (used > 0).all()):
            return pull(g, saved, node, i)
        if node.op.contracts:
            # 0 · NaN within a sum over both: what meets the left out alone is left out as well.
            others = [_cleaned(node, j, counts, x) for j, x in enumerate(saved[1:])]
            others[i] = saved[1 + i]
            saved = saved[0], *others
            with np.errstate(divide="ignore", invalid="ignore"):
                gx = pull(g, saved, node, i)
            if (used > 0).all():
                return gx
        gx = np.where(used > 0, gx, 0)
        if type(gx) is np.ndarray and not np.isfinite(gx).all():
            pull(g, saved, node, i)  # once more, to warn: this is used
        return gx

    def _of(self, node: Node) -> _Counts:
        """How often each element is used."""
        stack = [node]
        while stack:
            x = stack[-1]
            uses = self._uses.get(x)
            waiting = [
                u.node for u in uses or () if u.node not in self._counts and self.is_partial(u.node)
            ]
            stack += waiting
            if not waiting:
                if x not in self._counts:
                    self._counts[x] = _ALL if uses is None else self._sum(x, uses)
                stack.pop()
        return self._counts[node]

    def _sum(self, x: Node, uses: Sequence[_Use]) -> _Counts:
        total: Any = 0
        fixed = True
        for use in uses:
            op = use.node.op
            counts, plain = self._counts.get(use.node) or _ALL
            mixes = op.masks[0 if op.many else use.i] and not op.elementwise
            if (counts is None and not op.selects) or (mixes and not plain):
                return _ALL
            part = _through(use, np.ones_like(use.g) if counts is None else counts)
            if part is None:
                return _ALL
            fixed = fixed and plain and not (op.selects and len(op.arrays) > 1)
            total = total + self._unbroadcast(part, x.shape)
        return _ALL if fixed and (total > 0).all() else _Counts(total, fixed)


def _as_if_used(gx: Any) -> bool:
    """Whether leaving elements out changes no bit of a slope: it is finite, and no zero is −0."""
    return bool(np.isfinite(gx).all() and not (np.signbit(gx) & (gx == 0)).any())


def _through(use: _Use, counts: Any) -> Any:
    """The uses of an input, in the result's shape where it broadcasts; None: all are used."""
    node, i, pull, saved, _ = use
    op = node.op
    if op.selects or (op.builtin and not op.elementwise and not op.reads(i)):
        return pull(counts, saved or (), node, i)
    if op.elementwise:
        return counts
    if not op.builtin:
        return None
    if op.contracts:
        ones = [None, *(np.ones(shape, counts.dtype) for shape in node.input_shapes)]
        return pull(counts, tuple(ones), node, i)
    if "keepdims" in node.meta:
        spread: Any = ops.sum.pulls[i]  # each is used as often as its sum
        return spread(counts, (), node, i)
    if "axis" in node.meta and node.inputs[i].shape == node.shape:
        total = np.sum(counts, axis=node.meta["axis"], keepdims=True)
        return np.broadcast_to(total, node.shape)
    return None


def _cleaned(node: Node, j: int, counts: Any, x: Any) -> Any:
    """An operand of a product, with 0 where it meets the left out alone; data stays as it is."""
    operand = node.inputs[j]
    if x is None or not isinstance(operand, Node) or operand.op is None:
        return x
    used = _through(_Use(node, j, node.op.pulls[j], None, None), counts)
    return x if (used > 0).all() else np.where(used > 0, x, 0)
