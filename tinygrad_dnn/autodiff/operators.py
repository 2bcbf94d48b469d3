"""A Tensor's operators, as in Python, and methods, as in NumPy: each is one recorded op."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.indexing import plain_index, positions
from tinygrad_dnn.autodiff.methods import Methods, whole
from tinygrad_dnn.glossary import OPERATORS, advice
from tinygrad_dnn.graph import NO_META, describe
from tinygrad_dnn.ops.shape import in_order
from tinygrad_dnn.ops.sparse import is_sparse, sparse_product

Axis = int | tuple[int, ...] | None


def _without_rule(sign: str) -> Callable[..., Any]:
    def refuse(self: Any, other: Any = None) -> Any:
        raise TypeError(
            f"{sign}: {describe(self.node)}: no derivative rule{advice(OPERATORS, sign)}"
        )

    return refuse


class Operators(Methods, Conversions):
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

    # --- NumPy's methods: of its further arguments (`others`) those that change nothing ------

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

    def sum(
        self,
        axis: Axis = None,
        *,
        keepdims: bool = False,
        dtype: Any = None,
        initial: Any = None,
        where: Any = None,
        **others: None,
    ) -> Self:
        """Sum over axes."""
        if others or dtype is not None or initial is not None or where is not None:
            more = {"dtype": dtype, "initial": initial, "where": where}
            found: Self = whole(np.sum, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.sum, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(
        self,
        axis: Axis = None,
        *,
        keepdims: bool = False,
        dtype: Any = None,
        where: Any = None,
        **others: None,
    ) -> Self:
        """Mean over axes."""
        if others or dtype is not None or where is not None:
            more = {"dtype": dtype, "where": where}
            found: Self = whole(np.mean, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def var(
        self,
        axis: Axis = None,
        *,
        ddof: int = 0,
        keepdims: bool = False,
        dtype: Any = None,
        where: Any = None,
        mean: Any = None,
        correction: Any = None,
        **others: None,
    ) -> Self:
        """Variance over axes."""
        if (
            others
            or dtype is not None
            or where is not None
            or mean is not None
            or correction is not None
        ):
            more = {"dtype": dtype, "where": where, "mean": mean, "correction": correction}
            found: Self = whole(
                np.var, self, others | more, axis=axis, ddof=ddof, keepdims=keepdims
            )
            return found
        meta = {"axis": axis, "ddof": ddof, "keepdims": keepdims}
        return self.__record__(ops.var, (self,), meta)

    def std(
        self,
        axis: Axis = None,
        *,
        ddof: int = 0,
        keepdims: bool = False,
        dtype: Any = None,
        where: Any = None,
        mean: Any = None,
        correction: Any = None,
        **others: None,
    ) -> Self:
        """Standard deviation over axes."""
        if (
            others
            or dtype is not None
            or where is not None
            or mean is not None
            or correction is not None
        ):
            more = {"dtype": dtype, "where": where, "mean": mean, "correction": correction}
            found: Self = whole(
                np.std, self, others | more, axis=axis, ddof=ddof, keepdims=keepdims
            )
            return found
        meta = {"axis": axis, "ddof": ddof, "keepdims": keepdims}
        return self.__record__(ops.std, (self,), meta)

    def max(
        self,
        axis: Axis = None,
        *,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
        **others: None,
    ) -> Self:
        """Largest element along axes."""
        if others or initial is not None or where is not None:
            more = {"initial": initial, "where": where}
            found: Self = whole(np.max, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.max, (self,), {"axis": axis, "keepdims": keepdims})

    def min(
        self,
        axis: Axis = None,
        *,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
        **others: None,
    ) -> Self:
        """Smallest element along axes."""
        if others or initial is not None or where is not None:
            more = {"initial": initial, "where": where}
            found: Self = whole(np.min, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.min, (self,), {"axis": axis, "keepdims": keepdims})

    def prod(
        self,
        axis: Axis = None,
        *,
        keepdims: bool = False,
        dtype: Any = None,
        initial: Any = None,
        where: Any = None,
        **others: None,
    ) -> Self:
        """Product over axes."""
        if others or dtype is not None or initial is not None or where is not None:
            more = {"dtype": dtype, "initial": initial, "where": where}
            found: Self = whole(np.prod, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.prod, (self,), {"axis": axis, "keepdims": keepdims})

    def cumsum(self, axis: int | None = None, *, dtype: Any = None, **others: None) -> Self:
        """Running sum along an axis."""
        if others or dtype is not None:
            more = {"dtype": dtype}
            found: Self = whole(np.cumsum, self, others | more, axis=axis)
            return found
        return self.__record__(ops.cumsum, (self,), {"axis": axis})

    def argmax(self, axis: int | None = None, *, keepdims: bool = False, **others: Any) -> Self:
        """Position of the largest element."""
        if others:
            refuse_others("argmax", others)
        return self.__record__(ops.argmax, (self,), {"axis": axis, "keepdims": keepdims})

    def argmin(self, axis: int | None = None, *, keepdims: bool = False, **others: Any) -> Self:
        """Position of the smallest element."""
        if others:
            refuse_others("argmin", others)
        return self.__record__(ops.argmin, (self,), {"axis": axis, "keepdims": keepdims})

    def reshape(self, *shape: Any, order: str = "C", **others: None) -> Self:
        """The same elements in another shape: `t.reshape(2, 3)` or `t.reshape((2, 3))`."""
        if others:
            refuse_others("reshape", others)
        if order != "C":
            turned: Self = in_order(self, _one_or_many(shape), order)
            return turned
        if not shape:
            raise TypeError("reshape: expected a shape, as in t.reshape(2, 3), got none")
        return self.__record__(ops.reshape, (self,), {"shape": _one_or_many(shape)})

    def ravel(self, order: str = "C") -> Self:
        """All elements in one axis."""
        return self.reshape(-1, order=order)

    def flatten(self, order: str = "C") -> Self:
        """All elements in one axis."""
        return self.reshape(-1, order=order)

    def transpose(self, *axes: Any, **others: None) -> Self:
        """Axes reversed, or in the order given: `t.transpose(1, 0)` or `t.transpose((1, 0))`."""
        if others:
            refuse_others("transpose", others)
        order = _one_or_many(axes) if axes else None
        meta = {"axes": (order,) if isinstance(order, int) else order}
        return self.__record__(ops.transpose, (self,), meta)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        return self.__record__(ops.swapaxes, (self,), {"axis1": axis1, "axis2": axis2})

    def squeeze(self, axis: Axis = None, **others: None) -> Self:
        """Axes of length 1 dropped."""
        if others:
            refuse_others("squeeze", others)
        return self.__record__(ops.squeeze, (self,), {"axis": axis})

    def repeat(self, repeats: Any, axis: int | None = None, **others: None) -> Self:
        """Each element repeated."""
        if others:
            refuse_others("repeat", others)
        repeated: Self = ops.repeat(self, repeats, axis)
        return repeated

    def clip(
        self,
        a_min: Any = None,
        a_max: Any = None,
        *,
        min: Any = None,
        max: Any = None,
        **others: None,
    ) -> Self:
        """Elements limited to [a_min, a_max], which NumPy's method calls min and max."""
        if others:
            refuse_others("clip", others)
        limited: Self = ops.clip(
            self, min if a_min is None else a_min, max if a_max is None else a_max
        )
        return limited

    def dot(self, other: Any, **others: None) -> Self:
        """NumPy's dot product."""
        if others:
            refuse_others("dot", others)
        return self.__record__(ops.dot, (self, other), NO_META)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, **others: None) -> Self:
        """Sum along a diagonal."""
        if others:
            refuse_others("trace", others)
        meta = {"offset": offset, "axis1": axis1, "axis2": axis2}
        return self.__record__(ops.trace, (self,), meta)

    def astype(self, dtype: Any, *, copy: bool = True) -> Self:
        """The values in another dtype, always a copy; the gradient comes back in this one."""
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
