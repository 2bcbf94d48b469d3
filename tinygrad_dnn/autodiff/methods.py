"""Methods of an array that are NumPy's functions of it: `t.round(2)` is `np.round(t, 2)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from tinygrad_dnn.autodiff.errors import refuse_others

_np: Any = np  # its functions dispatch on a Tensor, which its types do not know

# What NumPy's own methods take beyond axis and keepdims.
_MORE = frozenset(("correction", "dtype", "initial", "mean", "where"))


def whole(function: Callable[..., Any], x: Any, others: dict[str, Any], **settings: Any) -> Any:
    """NumPy's function with all its arguments, `t.sum(where=mask)`; others than those are refused.

    Raises:
        TypeError: an argument that NumPy's function has not, or that says where results are stored.
    """
    given = {name: value for name, value in others.items() if value is not None}
    refuse_others(function.__name__, {k: v for k, v in given.items() if k not in _MORE})
    return function(x, **settings, **given)


class Methods:
    """Those methods that have no op of their name."""

    __slots__ = ()

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

    # --- Python's operators of integers ------------------------------------------------------

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
