"""Functions that join arrays, composed of concatenate, reshape and indexing."""

from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, as_dtype, common_dtype, composed, plain
from tinygrad_dnn.ops.joining import stack
from tinygrad_dnn.ops.nested import joined, recorded, tensors

__all__ = [
    "append",
    "array",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "c_",
    "column_stack",
    "dstack",
    "hstack",
    "insert",
    "r_",
    "vstack",
]


@composed(np.atleast_1d, cases=(Case(()), Case((2, 3))))
def atleast_1d(*arys):
    """Arrays of at least one axis; several as a tuple."""
    return _each(arys, lambda x: np.reshape(x, (1,)) if np.ndim(x) == 0 else x)


@composed(np.atleast_2d, cases=(Case(()), Case((3,)), Case((2, 3))))
def atleast_2d(*arys):
    """Arrays of at least two axes, (n,) as the row (1, n); several as a tuple."""
    return _each(arys, lambda x: np.reshape(x, (1, -1)) if np.ndim(x) < 2 else x)


@composed(np.atleast_3d, cases=(Case(()), Case((3,)), Case((2, 3))))
def atleast_3d(*arys):
    """Arrays of at least three axes, (n,) as (1, n, 1) and (n, m) as (n, m, 1)."""

    def deep(x):
        shape = np.shape(x)
        if len(shape) > 2:
            return x
        return np.reshape(x, (*shape, 1) if len(shape) == 2 else (1, -1, 1))

    return _each(arys, deep)


def _each(arrays, change):
    changed = tuple(map(change, arrays))
    return changed[0] if len(changed) == 1 else changed


@composed(np.vstack, many=True, cases=(Case((2, 3), (3,)), Case((2,), (2,)), Case((2, 1, 2))))
def vstack(tup, *, dtype=None, casting="same_kind"):
    """Rows below each other: joined along axis 0, (n,) as (1, n)."""
    return np.concatenate([np.atleast_2d(x) for x in tup], dtype=dtype, casting=casting)


@composed(np.hstack, many=True, cases=(Case((2, 3), (2, 1)), Case((2,), (3,)), Case((), ())))
def hstack(tup, *, dtype=None, casting="same_kind"):
    """Side by side: joined along axis 1, and along axis 0 where there is one axis."""
    arrays = [np.atleast_1d(x) for x in tup]
    axis = 0 if arrays and np.ndim(arrays[0]) == 1 else 1
    return np.concatenate(arrays, axis=axis, dtype=dtype, casting=casting)


@composed(np.dstack, many=True, cases=(Case((2, 3), (2, 3)), Case((2,), (2,))))
def dstack(tup):
    """Behind each other: joined along axis 2, see `atleast_3d`."""
    return np.concatenate([np.atleast_3d(x) for x in tup], axis=2)


@composed(np.column_stack, many=True, cases=(Case((3,), (3, 2)), Case((2,), (2,))))
def column_stack(tup):
    """Columns side by side: (n,) is the column (n, 1)."""
    columns = [np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in tup]
    return np.concatenate(columns, axis=1)


@composed(np.append, cases=(Case((2, 3), (3,)), Case((2, 3), (1, 3), axis=0)))
def append(arr, values, axis=None):
    """Values joined to the end along an axis, or of the flattened arrays."""
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


@composed(np.block, many=True, cases=(Case((2, 3), (2, 1)), Case((), (2,))))
def block(arrays):
    """A block matrix of nested lists: innermost along the last axis, the next along that before."""
    depth = _depth(arrays)
    wide = max(depth, *(np.ndim(x) for x in _leaves(arrays)))

    def joined(x, level):
        if level == depth:
            return np.reshape(x, (1,) * (wide - np.ndim(x)) + np.shape(x))
        return np.concatenate([joined(y, level + 1) for y in x], axis=wide - depth + level)

    return joined(arrays, 0)


def _depth(nested):
    """How deep the lists lie, which is the same everywhere."""
    level, depth = [nested], 0
    while any(isinstance(x, list) for x in level):
        if not all(isinstance(x, list) and x for x in level):
            raise ValueError("block: expected lists of one depth, and arrays in every list")
        level, depth = [y for x in level for y in x], depth + 1
    return depth


def _leaves(nested):
    stack, found = [nested], []
    while stack:
        x = stack.pop()
        if isinstance(x, list):
            stack += x[::-1]
        else:
            found.append(x)
    return found


@composed(
    np.insert,
    cases=(
        Case((4,), obj=1, values=2.0),
        Case((2, 3), obj=[0, 2], values=0.5, axis=1),
        Case((2, 3), obj=2, values=1.0),
    ),
)
def insert(arr, obj, values, axis=None):
    """Values put before the given positions along an axis, or of the flattened array."""
    obj = plain("insert", "obj", obj)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = normalize_axis_index(axis, np.ndim(arr))
    arr, values = as_array(arr), as_array(values)
    values = values.astype(arr.dtype)
    more = max(len(values.shape) - len(arr.shape), 0)
    if prod(values.shape[:more]) == 1:  # as in an assignment
        values = np.reshape(values, values.shape[more:])
    n = arr.shape[axis]
    at = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    at = np.flatnonzero(at) if at.dtype == bool else at if at.size else at.astype(np.intp)
    if at.size == 1:  # all of them go there; as NumPy has it, of one number in their first axis
        missing = len(arr.shape) - len(values.shape)
        values = np.reshape(values, (1,) * missing + values.shape)
        values = values if at.ndim else np.moveaxis(values, 0, axis)
        at = np.repeat(at, values.shape[axis])
    order = np.insert(np.arange(n), at, n + np.arange(at.size))
    shape = tuple(at.size if i == axis else k for i, k in enumerate(arr.shape))
    both = np.concatenate([arr, np.broadcast_to(values, shape)], axis=axis)
    return np.take(both, order, axis=axis)


@composed(np.array, many=True, cases=(Case((2, 3), (2, 3)), Case((), (), ndmin=2)))
def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0):
    """Nested lists of Tensors and numbers as one array; NumPy's own can't look into such lists."""
    z = joined(object, stack)
    z = np.copy(z) if z is object else z
    z = as_dtype(z, dtype)
    return np.reshape(z, (1,) * (ndmin - len(z.shape)) + z.shape) if len(z.shape) < ndmin else z


class Along:
    """NumPy's `r_` and `c_`, for Tensors too: what stands in the brackets joined along an axis.

    Example: `r_[Tensor(x), 0.0].shape` is `(4,)`, and `c_[Tensor(x), x].shape` is `(3, 2)`.
    """

    def __init__(self, name: str, numpys: Any, directive: tuple[int, int, int]) -> None:
        self.name, self.numpys, self.directive = name, numpys, directive

    def __getitem__(self, key: Any) -> Any:
        """Arrays, lists, numbers and slices (as ranges) joined.

        A text before them says `"axis,ndmin,place"`: the axis, the least number of axes, and where
        the axes of what has fewer come among them.
        """
        parts = list(key) if isinstance(key, tuple) else [key]
        if not tensors(parts):
            return self.numpys[key]
        axis, ndmin, place = self.directive
        if isinstance(parts[0], str):
            words, *parts = parts
            try:
                given = [int(n) for n in words.split(",")]
            except ValueError:
                raise ValueError(
                    f"{self.name}: expected a directive of up to three integers like '0,2', got "
                    f"{words!r}"
                ) from None
            axis, ndmin, place = (*given, *self.directive[len(given) :])[:3]

        def joined_parts() -> Any:
            arrays = [np.r_[x] if isinstance(x, slice) else x for x in parts]
            dtype = common_dtype(arrays)
            return np.concatenate(
                [_at_least(x, ndmin, place) for x in arrays], axis=axis, dtype=dtype
            )

        return recorded(self.name, "", parts, joined_parts)

    def __repr__(self) -> str:
        return f"<{self.name}[a, b, ...]>"


def _at_least(x: Any, ndmin: int, place: int) -> Any:
    """An array of ndmin axes; `place` of those that are new come before its own, all for −1."""
    x = as_array(x)
    missing = ndmin - len(x.shape)
    if missing <= 0:
        return x
    before = place if place >= 0 else place + missing + 1
    return np.reshape(x, (1,) * before + x.shape + (1,) * (missing - before))


r_ = Along("r_", np.r_, (0, 1, -1))
c_ = Along("c_", np.c_, (-1, 2, 0))
