"""NumPy's functions that write into their first argument: a Tensor's `t[index] = value`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.autodiff.operators import Operators
from tinygrad_dnn.ops.compose import plain

__all__ = ["WRITERS"]


def _into(name: str, a: Any, hint: str = "") -> None:
    if not isinstance(a, Operators):
        raise TypeError(
            f"{name}: a Tensor can't be written into an array; make a Tensor of it first, "
            f"t = Tensor(a), and write into that{hint}"
        )


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """For each place of `indices` a value at a position of its own along an axis."""
    _into("np.put_along_axis", arr)
    at = np.asarray(plain("put_along_axis", "indices", indices))
    if at.dtype.kind not in "iu":
        raise IndexError(f"put_along_axis: expected integers as indices, got {at.dtype}")
    if axis is None:
        if at.ndim != 1:
            raise ValueError(f"put_along_axis: expected one axis of indices, got {at.shape}")
        arr[np.unravel_index(np.where(at < 0, at + arr.size, at), arr.shape)] = values
        return
    n = len(arr.shape)
    if at.ndim != n:
        raise ValueError(f"put_along_axis: expected {n} axes of indices, got shape {at.shape}")
    axis = normalize_axis_index(axis, n)
    grid = np.ogrid[tuple(slice(k) for k in arr.shape)]
    arr[tuple(at if i == axis else grid[i] for i in range(n))] = values


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """The diagonal of all axes, which are of one length but for two, set to values."""
    _into("np.fill_diagonal", a)
    if len(a.shape) < 2 or (len(a.shape) > 2 and len({*a.shape}) > 1):
        raise ValueError(f"fill_diagonal: expected two axes, or all of one length, got {a.shape}")
    if wrap:
        raise ValueError("fill_diagonal: wrap=True has no rule here; write with an index")
    n = min(a.shape)
    if isinstance(val, Operators) or np.ndim(val):
        val = np.resize(val, n)
    a[(np.arange(n),) * len(a.shape)] = val


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Values at positions of the flattened array; of too few values the first come again."""
    _into("np.put", a)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"put: expected mode 'raise', 'wrap' or 'clip', got {mode!r}")
    at = np.ravel(np.asarray(plain("put", "ind", ind)))
    if mode == "raise" and at.size and not (at.min() >= -a.size and at.max() < a.size):
        raise IndexError(
            f"put: expected positions from {-a.size} to {a.size - 1}, got {at.min()} to {at.max()}"
        )
    at = np.clip(at, 0, a.size - 1) if mode == "clip" else at % max(a.size, 1)
    if at.size:
        a[np.unravel_index(at, a.shape)] = np.resize(v, at.size)


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Another array's values, where `where` holds."""
    _into("np.copyto", dst, "; in place of np.full and np.full_like t * np.ones((2, 3))")
    dst[...] = src if where is True else np.where(where, src, dst)


WRITERS: dict[Any, Callable[..., None]] = {
    np.put_along_axis: put_along_axis,
    np.fill_diagonal: fill_diagonal,
    np.put: put,
    np.copyto: copyto,
}
