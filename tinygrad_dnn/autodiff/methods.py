"""Methods of an array that are NumPy's functions of it: `t.round(2)` is `np.round(t, 2)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.graph import NO_META, Node, describe
from tinygrad_dnn.ops.shape import in_order

Axis = int | tuple[int, ...] | None

_np: Any = np  # its functions dispatch on a Tensor, which its types do not know

# What NumPy's own methods take beyond axis and keepdims.
_MORE = frozenset(("correction", "dtype", "initial", "mean", "where"))


def _whole(function: Callable[..., Any], x: Any, others: dict[str, Any], **settings: Any) -> Any:
    """NumPy's function with all its arguments, `t.sum(where=mask)`; others than those are refused.

    Raises:
        TypeError: an argument that NumPy's function has not, or that says where results are stored.
    """
    given = {name: value for name, value in others.items() if value is not None}
    refuse_others(function.__name__, {k: v for k, v in given.items() if k not in _MORE})
    return function(x, **settings, **given)


class Methods:
    """NumPy's methods, in terms of `__record__(op, arrays, metadata)` or of its functions."""

    __slots__ = ()

    node: Node
    # Applies an op and remembers it; the Tensor says how.
    __record__: Callable[[ops.Op, Sequence[Any], Mapping[str, Any]], Self]

    # --- of ops: of NumPy's further arguments (`others`) those that change nothing -----------

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
            found: Self = _whole(np.sum, self, others | more, axis=axis, keepdims=keepdims)
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
            found: Self = _whole(np.mean, self, others | more, axis=axis, keepdims=keepdims)
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
            found: Self = _whole(
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
            found: Self = _whole(
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
            found: Self = _whole(np.max, self, others | more, axis=axis, keepdims=keepdims)
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
            found: Self = _whole(np.min, self, others | more, axis=axis, keepdims=keepdims)
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
            found: Self = _whole(np.prod, self, others | more, axis=axis, keepdims=keepdims)
            return found
        return self.__record__(ops.prod, (self,), {"axis": axis, "keepdims": keepdims})

    def cumsum(self, axis: int | None = None, *, dtype: Any = None, **others: None) -> Self:
        """Running sum along an axis."""
        if others or dtype is not None:
            more = {"dtype": dtype}
            found: Self = _whole(np.cumsum, self, others | more, axis=axis)
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

    # --- of NumPy's functions ----------------------------------------------------------------

    def all(self, axis: Any = None, **others: Any) -> Any:
        """Whether all elements hold, along axes: plain truth values."""
        return _np.all(self, axis, **others)

    def any(self, axis: Any = None, **others: Any) -> Any:
        """Whether any element holds, along axes: plain truth values."""
        return _np.any(self, axis, **others)

    def argpartition(self, kth: Any, axis: int | None = -1) -> Any:
        """Positions that put the k-th smallest at place k."""
        return _np.argpartition(self, kth, axis)

    def argsort(self, axis: int | None = -1, *, stable: bool | None = None) -> Any:
        """The positions that put the elements along an axis in order."""
        return _np.argsort(self, axis, stable=stable)

    def choose(self, choices: Any, mode: str = "raise") -> Any:
        """Elementwise choices[self], for integers."""
        return _np.choose(self, choices, mode=mode)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """The slices along an axis where the condition holds."""
        return _np.compress(condition, self, axis)

    def conj(self) -> Self:
        """The tensor itself: of real numbers."""
        return self

    conjugate = conj

    def copy(self, order: str = "C") -> Any:
        """The values as a result of its own, connected to these."""
        return _np.copy(self)

    def cumprod(self, axis: int | None = None, dtype: Any = None) -> Any:
        """Running product along an axis."""
        return _np.cumprod(self, axis, dtype)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The elements of a diagonal, as the last axis."""
        return _np.diagonal(self, offset, axis1, axis2)

    @property
    def imag(self) -> Any:
        """0: of real numbers."""
        return _np.imag(self)

    @property
    def real(self) -> Self:
        """The tensor itself: of real numbers."""
        return self

    def nonzero(self) -> Any:
        """The positions of what is not 0: plain integers."""
        return _np.nonzero(self)

    def round(self, decimals: int = 0) -> Any:
        """The nearest number of so many decimals; its slope is 0."""
        return _np.round(self, decimals)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Where v would have to be put to keep the order: plain integers."""
        return _np.searchsorted(self, v, side, sorter)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
        """The elements at integer positions along an axis."""
        return _np.take(self, indices, axis, mode=mode)


def _one_or_many(numbers: tuple[Any, ...]) -> Any:
    if len(numbers) == 1:
        return tuple(numbers[0]) if isinstance(numbers[0], list) else numbers[0]
    return numbers
