"""Writing into a Tensor: in place and counted, or recorded as a new node."""

from __future__ import annotations

from sys import getrefcount, maxsize
from typing import Any, Self
from weakref import ref

from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.autodiff.holders import held_beyond
from tinygrad_dnn.autodiff.indexing import plain_index
from tinygrad_dnn.autodiff.leaf_data import LeafData, leaves_unrecorded, refuse_traced
from tinygrad_dnn.autodiff.operators import Operators
from tinygrad_dnn.autodiff.reverse import note_edit
from tinygrad_dnn.graph import NO_META, Leaf, describe
from tinygrad_dnn.graph.leaf import nobody
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.ops import Op, setitem


class Shown:
    """Held by every Tensor that shows one memory: as often as it is held, so many there are."""

    __slots__ = ()


class Writing(Operators, LeafData):
    """`t[i] = u`, and `t += u` on a parameter."""

    __slots__ = ()

    node: Any
    _memory: Shown | None  # None where no other Tensor was made on this one's memory

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._is_recorded(value):
            self._move(plain_index(index), value)
            return
        leaf = self._own_leaf("write into")
        refuse_traced(leaf)
        self._refuse_variable()
        if not getattr(getattr(self._array, "flags", None), "writeable", True):
            raise ValueError(
                f"cannot write into {describe(leaf)}: its memory is read-only, because it is that "
                "of a result or of an array that was locked; copy it first: Tensor(t.data.copy())"
            )
        if isinstance(value, Conversions):
            leaves_unrecorded(value.node)
            value = value._array
        self._array[plain_index(index)] = value
        note_edit(leaf)

    def _is_recorded(self, value: Any) -> bool:
        """Whether a write of this value makes a new node; else it changes the memory in place."""
        node, now = self.node, MODE.get()
        if now.tracer is not None:
            return bool(now.tracer.owns(node))
        if not now.recording:
            return False
        tracked = isinstance(value, Conversions) and value.node.requires_grad
        if tracked and node.op is None and node.requires_grad and not node.variable:
            raise TypeError(
                f"cannot write {describe(value.node)} into {describe(node)}, a parameter: it would "
                "be one no more; write .data, or build a new array with np.where, np.stack or "
                "np.concatenate"
            )
        return tracked or node.op is not None or node.variable

    def _move(self, index: Any, value: Any) -> None:
        """A recorded write: this Tensor becomes the result, and what was computed stays as it is.

        Raises:
            TypeError: another Tensor on the same memory would not see it; or whole numbers would
                lose the value's gradient.
        """
        node = self.node
        if self._memory is not None and held_beyond(self._memory, 1):
            raise TypeError(
                f"cannot write into {describe(node)} while another Tensor shows its memory and "
                "would not see it, as t[0], t.T and t.detach() do, and t itself in t[0][1] = u: "
                "write t[0, 1] = u, del the other Tensor, or copy it with copy.copy(t[0])"
            )
        if isinstance(value, Conversions) and value.node.requires_grad and self.dtype.kind != "f":
            raise TypeError(
                f"cannot write {describe(value.node)} into {describe(node)} of {self.dtype}, which "
                "would lose its gradient; make it of floats: Tensor(np.zeros(3))"
            )
        self._become(self.__record__(setitem, (self, value), {"index": index}))

    def _become(self, moved: Self) -> None:
        if isinstance(self.node, Leaf):
            self.node.tensor = nobody
        self._array, self.node = moved._array, moved.node
        if isinstance(self.node, Leaf):  # inside no_grad()
            self.node.tensor = ref(self)

    def _in_place(self, op: Op, other: Any) -> Self:
        """`t += u`: this Tensor becomes the sum, as an array does. A number is no array, and makes
        a new one; so does a parameter, but inside no_grad() that is an update. So does what shows
        another's memory, as the t[0] of `t[0] += u`, which Python then writes into t.

        Raises:
            TypeError: it shows another's memory and has a name, as in `row = t[0]; row += u`.
        """
        refuse_traced(self.node)
        now = MODE.get()
        if not now.recording and self.requires_grad and self.node.index > now.since:
            self._refuse_variable()
        node, made = self.node, self.__record__(op, (self, other), NO_META)
        leaf = isinstance(node, Leaf)
        if leaf and node.requires_grad and not now.recording:
            if made.shape != self.shape:
                raise ValueError(f"{op.name}: cannot write {made.shape} into {describe(node)}")
            self[...] = made._array
            return self
        alike = made.shape == self.shape != () and made.dtype == self.dtype
        parameter = leaf and node.requires_grad and not node.variable
        if parameter or not alike or not (now.recording or leaf):
            return made
        # Counted fast, for `t[i] += u` in loops: by this Tensor and by the call that counts.
        if self._memory is None or getrefcount(self._memory) <= 2:
            self._become(made)
            return self
        if getrefcount(self) <= _UNNAMED:
            return made
        if now.recording:
            raise TypeError(
                f"cannot write into {describe(node)} in place while another Tensor shows its "
                "memory and would not see it, as the t of row = t[0] or y = t.T: write "
                "t[0] += u, or row = row + u for a new Tensor"
            )
        self[...] = made._array
        return self


class _Probe:
    """Counts as `Writing._in_place` does."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __getitem__(self, index: int) -> _Probe:
        part = _Probe()
        part.counts = self.counts
        return part

    def __setitem__(self, index: int, value: object) -> None:
        pass

    def __iadd__(self, other: object) -> Self:
        return self._in_place(other)

    def _in_place(self, other: object) -> Self:
        self.counts.append(getrefcount(self))
        return self


def _unnamed() -> int:
    """How often the t[0] of `t[0] += u` is held; more where what is added to has a name. Where
    Python does not tell the two apart, a number that is never reached.
    """
    probe = _Probe()
    probe[0] += 1
    part = probe[0]
    part += 1
    unnamed, named = probe.counts
    return unnamed if named > unnamed else maxsize


_UNNAMED = _unnamed()
