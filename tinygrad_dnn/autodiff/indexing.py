"""The index in square brackets: positions that are part of the graph, or plain ones."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.graph import Leaf, traced

# For each Tensor of positions the copy that was used last: X[:, batch] and Y[:, batch] share it.
_KEPT: WeakKeyDictionary[Leaf, Any] = WeakKeyDictionary()


def positions(index: Any, ndim: int) -> tuple[Any, int] | None:
    """Of x[:, batch], one Tensor of integers among full slices: that Tensor, and its axis in x.

    A 0-d one gives a view of x, as a Python integer does; but where a whole function is being
    recorded its value must not become part of the program.
    """
    parts = index if isinstance(index, tuple) else (index,)
    at = [i for i, p in enumerate(parts) if isinstance(p, Conversions)]
    if len(at) != 1 or not all(
        i in at or p is Ellipsis or _is_whole(p) for i, p in enumerate(parts)
    ):
        return None
    (i,) = at
    found = parts[i]
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    fits = len(dots) < 2 and len(parts) - len(dots) <= ndim
    if not fits or found.dtype.kind not in "iu" or not (found.shape or traced()):
        return None
    axis = i + ndim - len(parts) if dots and dots[0] < i else i
    return _unchanging(found), axis


def _is_whole(p: Any) -> bool:
    return isinstance(p, slice) and p.start is None and p.stop is None and p.step is None


def _unchanging(t: Any) -> Any:
    """A Tensor whose values stay what they are, so that later edits change no gradient."""
    if traced() or not isinstance(t.node, Leaf):
        return t
    there = _KEPT.get(t.node)
    if there is None or not np.array_equal(there._array, t._array):
        there = _KEPT[t.node] = type(t)(t._array.copy(), name=t.node.name)
    return there


def plain_index(index: Any) -> Any:
    """An index without Tensors: positions are data, no gradient passes through them."""
    if isinstance(index, tuple):
        return tuple(map(plain_index, index))
    if isinstance(index, Conversions):
        scalar = not index.node.shape and index.node.dtype != bool
        value = index._read(
            "its use as an index beside others, or as a mask, (np.take(x, i, axis) takes positions "
            "along one axis; of labels give the one-hot columns Y: (Y * x).sum(axis=0))"
        )
        return value.item() if scalar else value.copy()
    if isinstance(index, list):
        return np.array(index) if index else np.zeros(0, dtype=np.intp)
    # A copy, so that the recorded positions stay what they were.
    return index.copy() if isinstance(index, np.ndarray) else index
