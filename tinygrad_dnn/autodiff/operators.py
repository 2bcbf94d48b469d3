"""A Tensor's operators, as in Python: each is one recorded op."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.autodiff.indexing import plain_index, positions
from tinygrad_dnn.autodiff.methods import Methods
from tinygrad_dnn.glossary import OPERATORS, advice
from tinygrad_dnn.graph import NO_META, describe
from tinygrad_dnn.ops.sparse import is_sparse, sparse_product

_np: Any = np  # its functions dispatch on a Tensor, which its types do not know


def _without_rule(sign: str) -> Callable[..., Any]:
    def refuse(self: Any, other: Any = None) -> Any:
        raise TypeError(
            f"{sign}: {describe(self.node)}: no derivative rule{advice(OPERATORS, sign)}"
        )

    return refuse


class Operators(Methods, Conversions):
    """Operators of a Tensor, in terms of `__record__(op, arrays, metadata)`."""

    __slots__ = ()

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
        if is_sparse(other):
            product: Self = sparse_product(self, other)
            return product
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

    # --- of integers: by NumPy's functions, which dispatch -----------------------------------

    def __floordiv__(self, other: Any) -> Any:
        return _np.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _np.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return _np.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return _np.remainder(other, self)

    def __divmod__(self, other: Any) -> Any:
        return _np.divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _np.divmod(other, self)

    def __round__(self, decimals: int | None = None) -> Any:
        return _np.round(self, decimals or 0)

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

    # --- what is not there: an error that says what is -----------------------------------------

    if not TYPE_CHECKING:  # checkers of types go on to miss it
        __xor__ = __rxor__ = _without_rule("^")


def _truths(sign: str, *values: Any) -> None:
    for x in values:
        dtype = x.node.dtype if isinstance(x, Operators) else np.asarray(x).dtype
        if dtype.kind != "b":
            raise TypeError(
                f"{sign} combines truth values, got {dtype}; bits of integers have no rule here, "
                "use .data"
            )
