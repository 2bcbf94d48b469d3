"""Functions that join arrays, composed of concatenate, reshape and indexing."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.compose import as_array, composed, plain
from tinygrad_dnn.ops.declare import Case

__all__ = [
    "append",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "column_stack",
    "dstack",
    "hstack",
    "insert",
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
def vstack(tup):
    """Rows below each other: joined along axis 0, (n,) as (1, n)."""
    return np.concatenate([np.atleast_2d(x) for x in tup])


@composed(np.hstack, many=True, cases=(Case((2, 3), (2, 1)), Case((2,), (3,)), Case((), ())))
def hstack(tup):
    """Side by side: joined along axis 1, and along axis 0 where there is one axis."""
    arrays = [np.atleast_1d(x) for x in tup]
    return np.concatenate(arrays, axis=0 if arrays and np.ndim(arrays[0]) == 1 else 1)


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
    depth = 0
    while isinstance(nested, list):
        if not nested:
            raise ValueError("block: expected arrays in every list, got an empty list")
        nested, depth = nested[0], depth + 1
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
    values = as_array(values).astype(arr.dtype)
    if np.ndim(obj) == 0 and np.ndim(values) > 0:
        values = np.moveaxis(values, 0, axis)  # as NumPy has it: its first axis goes there
    n = arr.shape[axis]
    where = np.insert(np.arange(n), obj, n)  # n where a new one comes
    new = where == n
    shape = tuple(int(new.sum()) if i == axis else k for i, k in enumerate(arr.shape))
    both = np.concatenate([arr, np.broadcast_to(values, shape)], axis=axis)
    order = np.where(new, n + np.cumsum(new) - 1, where)
    return np.take(both, order, axis=axis)
