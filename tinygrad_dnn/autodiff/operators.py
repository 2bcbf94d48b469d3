"""A Tensor's operators, as in Python, and methods, as in NumPy: each is one recorded op."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.autodiff.indexing import plain_index, positions
from tinygrad_dnn.graph import NO_META, describe

Axis = int | tuple[int, ...] | None


class Operators(Conversions):
    """Operators and methods of a Tensor, in terms of `__record__(op, arrays, metadata)`."""

    __slots__ = ()

    # Applies an op and remembers it; the Tensor says how.
    __record__: Callable[[ops.Op, Sequence[Any], Mapping[str, Any]], Self]

    def _in_place(self, op: ops.Op, other: Any) -> Self:
        raise NotImplementedError

    # --- arithmetic --------------------------------------------------------------------------

    def __add__(self, other: Any) -> Self:
        return self.__record__(ops.add, (self, other), NO_META)

    def __radd__(self, other: Any) -> Self:
        return self.__record__(ops.add, (other, self), NO_META)

    def __sub__(self, other: Any) -> Self:
        return self.__record__(ops.subtract, (self, other), NO_META)

    def __rsub__(self, other: Any) -> Self:
        return self.__record__(ops.subtract, (other, self), NO_META)

    def __mul__(self, other: Any) -> Self:
        return self.__record__(ops.multiply, (self, other), NO_META)

    def __rmul__(self, other: Any) -> Self:
        return self.__record__(ops.multiply, (other, self), NO_META)

    def __truediv__(self, other: Any) -> Self:
        return self.__record__(ops.divide, (self, other), NO_META)

    def __rtruediv__(self, other: Any) -> Self:
        return self.__record__(ops.divide, (other, self), NO_META)

    def __matmul__(self, other: Any) -> Self:
        return self.__record__(ops.matmul, (self, other), NO_META)

    def __rmatmul__(self, other: Any) -> Self:
        return self.__record__(ops.matmul, (other, self), NO_META)

    def __pow__(self, other: Any) -> Self:
        return self.__record__(ops.power, (self, other), NO_META)

    def __rpow__(self, other: Any) -> Self:
        return self.__record__(ops.power, (other, self), NO_META)

    def __neg__(self) -> Self:
        return self.__record__(ops.negative, (self,), NO_META)

    def __abs__(self) -> Self:
        return self.__record__(ops.absolute, (self,), NO_META)

    def __invert__(self) -> Self:
        _truths("~", self)
        return self.__record__(ops.logical_not, (self,), NO_META)

    def __iadd__(self, other: Any) -> Self:
        return self._in_place(ops.add, other)

    def __isub__(self, other: Any) -> Self:
        return self._in_place(ops.subtract, other)

    def __imul__(self, other: Any) -> Self:
        return self._in_place(ops.multiply, other)

    def __itruediv__(self, other: Any) -> Self:
        return self._in_place(ops.divide, other)

    def __ipow__(self, other: Any) -> Self:
        return self._in_place(ops.power, other)

    def __imatmul__(self, other: Any) -> Self:
        return self._in_place(ops.matmul, other)

    def __pos__(self) -> Self:
        return self

    # --- comparison: elementwise, recorded, without a gradient -------------------------------

    def __lt__(self, other: Any) -> Self:
        return self.__record__(ops.less, (self, other), NO_META)

    def __le__(self, other: Any) -> Self:
        return self.__record__(ops.less_equal, (self, other), NO_META)

    def __gt__(self, other: Any) -> Self:
        return self.__record__(ops.greater, (self, other), NO_META)

    def __ge__(self, other: Any) -> Self:
        return self.__record__(ops.greater_equal, (self, other), NO_META)

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self.__record__(ops.equal, (self, other), NO_META)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return self.__record__(ops.not_equal, (self, other), NO_META)

    def __and__(self, other: Any) -> Self:
        _truths("&", self, other)
        return self.__record__(ops.logical_and, (self, other), NO_META)

    def __rand__(self, other: Any) -> Self:
        _truths("&", self, other)
        return self.__record__(ops.logical_and, (other, self), NO_META)

    def __or__(self, other: Any) -> Self:
        _truths("|", self, other)
        return self.__record__(ops.logical_or, (self, other), NO_META)

    def __ror__(self, other: Any) -> Self:
        _truths("|", self, other)
        return self.__record__(ops.logical_or, (other, self), NO_META)

    __hash__ = object.__hash__  # by identity, since == is elementwise

    # --- parts -------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Self:
        found = positions(index, len(self.node.shape))
        if found is not None:
            along, axis = found
            return self.__record__(ops.take, (self, along), {"axis": axis})
        return self.__record__(ops.getitem, (self,), {"index": plain_index(index)})

    def __len__(self) -> int:
        return self._first_axis("len()")

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(self._first_axis("iteration")))

    def _first_axis(self, what: str) -> int:
        if not self.node.shape:
            raise TypeError(f"{what}: {describe(self.node)} has no axis")
        return self.node.shape[0]

    # --- NumPy's methods ---------------------------------------------------------------------

    @property
    def T(self) -> Self:
        """Axes reversed."""
        return self.__record__(ops.transpose, (self,), {"axes": None})

    @property
    def mT(self) -> Self:
        """The last two axes exchanged: the transpose of each matrix of a stack."""
        if len(self.node.shape) < 2:
            raise ValueError(f"mT: expected at least 2 axes, got {describe(self.node)}")
        return self.__record__(ops.swapaxes, (self,), {"axis1": -1, "axis2": -2})

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Self:
        """Sum over axes."""
        return self.__record__(ops.sum, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Self:
        """Mean over axes."""
        return self.__record__(ops.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def var(self, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Self:
        """Variance over axes."""
        meta = {"axis": axis, "ddof": ddof, "keepdims": keepdims}
        return self.__record__(ops.var, (self,), meta)

    def std(self, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Self:
        """Standard deviation over axes."""
        meta = {"axis": axis, "ddof": ddof, "keepdims": keepdims}
        return self.__record__(ops.std, (self,), meta)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Self:
        """Largest element along axes."""
        return self.__record__(ops.max, (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Self:
        """Smallest element along axes."""
        return self.__record__(ops.min, (self,), {"axis": axis, "keepdims": keepdims})

    def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Self:
        """Product over axes."""
        return self.__record__(ops.prod, (self,), {"axis": axis, "keepdims": keepdims})

    def cumsum(self, axis: int | None = None) -> Self:
        """Running sum along an axis."""
        return self.__record__(ops.cumsum, (self,), {"axis": axis})

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        """Position of the largest element."""
        return self.__record__(ops.argmax, (self,), {"axis": axis, "keepdims": keepdims})

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        """Position of the smallest element."""
        return self.__record__(ops.argmin, (self,), {"axis": axis, "keepdims": keepdims})

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape: `t.reshape(2, 3)` or `t.reshape((2, 3))`."""
        return self.__record__(ops.reshape, (self,), {"shape": _one_or_many(shape)})

    def ravel(self) -> Self:
        """All elements in one axis."""
        return self.__record__(ops.reshape, (self,), {"shape": -1})

    flatten = ravel

    def transpose(self, *axes: Any) -> Self:
        """Axes reversed, or in the order given: `t.transpose(1, 0)` or `t.transpose((1, 0))`."""
        order = _one_or_many(axes) if axes else None
        meta = {"axes": (order,) if isinstance(order, int) else order}
        return self.__record__(ops.transpose, (self,), meta)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        return self.__record__(ops.swapaxes, (self,), {"axis1": axis1, "axis2": axis2})

    def squeeze(self, axis: Axis = None) -> Self:
        """Axes of length 1 dropped."""
        return self.__record__(ops.squeeze, (self,), {"axis": axis})

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Each element repeated."""
        repeated: Self = ops.repeat(self, repeats, axis)
        return repeated

    def clip(self, a_min: Any = None, a_max: Any = None) -> Self:
        """Elements limited to [a_min, a_max]."""
        limited: Self = ops.clip(self, a_min, a_max)
        return limited

    def dot(self, other: Any) -> Self:
        """NumPy's dot product."""
        return self.__record__(ops.dot, (self, other), NO_META)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Sum along a diagonal."""
        meta = {"offset": offset, "axis1": axis1, "axis2": axis2}
        return self.__record__(ops.trace, (self,), meta)

    def astype(self, dtype: Any) -> Self:
        """The values in another dtype; the gradient comes back in this one."""
        return self.__record__(ops.astype, (self,), {"dtype": dtype})


def _one_or_many(numbers: tuple[Any, ...]) -> Any:
    if len(numbers) == 1:
        return tuple(numbers[0]) if isinstance(numbers[0], list) else numbers[0]
    return numbers


def _truths(sign: str, *values: Any) -> None:
    for x in values:
        dtype = x.node.dtype if isinstance(x, Operators) else np.asarray(x).dtype
        if dtype.kind != "b":
            raise TypeError(
                f"{sign} combines truth values, got {dtype}; bits of integers have no rule here, "
                "use .data"
            )
