"""Functions that split, turn and cut arrays, composed of reshape, transpose and indexing."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import along, composed, plain

__all__ = [
    "array_split",
    "broadcast_arrays",
    "compress",
    "delete",
    "diag",
    "diagflat",
    "diagonal",
    "dsplit",
    "extract",
    "fliplr",
    "flipud",
    "hsplit",
    "matrix_transpose",
    "resize",
    "rollaxis",
    "rot90",
    "tril",
    "triu",
    "unstack",
    "vsplit",
]


# --- splitting ------------------------------------------------------------------------------------


@composed(
    np.array_split,
    cases=(
        Case((7, 2), indices_or_sections=3),
        Case((3, 4), indices_or_sections=[1, 3], axis=1),
    ),
)
def array_split(ary, indices_or_sections, axis=0):
    """Parts along an axis, the first ones longer where it can't be cut evenly."""
    axis = normalize_axis_index(axis, len(ary.shape))
    n = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = int(indices_or_sections)
        if parts < 1:
            raise ValueError(f"array_split: expected 1 part or more, got {parts}")
        short, longer = divmod(n, parts)
        cuts = np.cumsum([short + (i < longer) for i in range(parts - 1)]).tolist()
    else:
        cuts = list(indices_or_sections)
    ends = zip([0, *cuts], [*cuts, None], strict=True)
    return [ary[along(axis, slice(a, b))] for a, b in ends]


@composed(np.hsplit, cases=(Case((2, 4), indices_or_sections=2), Case((4,), indices_or_sections=2)))
def hsplit(ary, indices_or_sections):
    """Parts from left to right: along axis 1, and along axis 0 where that is the only one."""
    return np.split(ary, indices_or_sections, axis=1 if len(ary.shape) > 1 else 0)


@composed(np.vsplit, cases=(Case((4, 2), indices_or_sections=2),))
def vsplit(ary, indices_or_sections):
    """Parts from top to bottom: along axis 0."""
    _at_least("vsplit", ary, 2)
    return np.split(ary, indices_or_sections, axis=0)


@composed(np.dsplit, cases=(Case((1, 2, 4), indices_or_sections=2),))
def dsplit(ary, indices_or_sections):
    """Parts from front to back: along axis 2."""
    _at_least("dsplit", ary, 3)
    return np.split(ary, indices_or_sections, axis=2)


def _at_least(name, x, axes):
    if len(x.shape) < axes:
        raise ValueError(f"{name}: expected {axes} axes or more, got shape {x.shape}")


@composed(np.unstack, cases=(Case((2, 3)), Case((2, 3), axis=-1)))
def unstack(x, /, *, axis=0):
    """The parts along an axis, which they lose, as a tuple."""
    moved = np.moveaxis(x, axis, 0)
    return tuple(moved[i] for i in range(moved.shape[0]))


# --- turning --------------------------------------------------------------------------------------


@composed(np.fliplr, cases=(Case((2, 3)),))
def fliplr(m):
    """Columns in reverse order."""
    _at_least("fliplr", m, 2)
    return np.flip(m, 1)


@composed(np.flipud, cases=(Case((2, 3)),))
def flipud(m):
    """Rows in reverse order."""
    return np.flip(m, 0)


@composed(np.rot90, cases=(Case((2, 3)), Case((2, 3), k=2), Case((2, 3, 2), k=-1, axes=(1, 2))))
def rot90(m, k=1, axes=(0, 1)):
    """Turned by k quarters in the plane of two axes."""
    one, other = (normalize_axis_index(axis, len(m.shape)) for axis in axes)
    if one == other:
        raise ValueError(f"rot90: expected two different axes, got {axes}")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return np.flip(m, (one, other))
    if k == 1:
        return np.swapaxes(np.flip(m, other), one, other)
    return np.flip(np.swapaxes(m, one, other), other)


@composed(np.rollaxis, cases=(Case((2, 3, 4), axis=2), Case((2, 3, 4), axis=0, start=2)))
def rollaxis(a, axis, start=0):
    """An axis moved before the place `start`; `moveaxis` says it better."""
    n = len(a.shape)
    axis, start = normalize_axis_index(axis, n), start + n if start < 0 else start
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


@composed(np.matrix_transpose, cases=(Case((2, 3)), Case((2, 3, 4))))
def matrix_transpose(x, /):
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


@composed(np.broadcast_arrays, cases=(Case((2, 1), (3,)),))
def broadcast_arrays(*args):
    """Arrays in the shape that they have together, as a tuple."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(x, shape) for x in args)


@composed(np.resize, cases=(Case((2, 3), new_shape=(4, 2)), Case((2, 3), new_shape=4)))
def resize(a, new_shape):
    """The elements in another shape, from the first again where they do not reach."""
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"resize: expected lengths of 0 or more, got {new_shape}")
    flat = np.ravel(a)
    count = int(np.prod(shape))
    if not flat.shape[0]:
        return np.zeros_like(a, shape=shape)
    return np.reshape(np.take(flat, np.arange(count) % flat.shape[0]), shape)


# --- diagonals and triangles ----------------------------------------------------------------------


@composed(
    np.diagonal,
    cases=(Case((3, 4)), Case((3, 4), offset=1), Case((2, 3, 3), offset=-1, axis1=1, axis2=2)),
)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The elements of a diagonal along two axes, as the last axis."""
    moved = np.moveaxis(a, (axis1, axis2), (-2, -1))
    n, m = moved.shape[-2:]
    rows = np.arange(max(0, min(n + min(offset, 0), m - max(offset, 0)))) - min(offset, 0)
    return moved[..., rows, rows + offset]


@composed(np.diag, cases=(Case((3, 3)), Case((3,)), Case((3,), k=-1), Case((3, 4), k=1)))
def diag(v, k=0):
    """The diagonal of a matrix, or a matrix with a vector as its diagonal."""
    if len(v.shape) == 2:
        return np.diagonal(v, k)
    if len(v.shape) != 1:
        raise ValueError(f"diag: expected one or two axes, got shape {v.shape}")
    n = v.shape[0] + abs(k)
    beyond = np.tri(n, n, k - 1, dtype=bool, like=v)
    on = np.tri(n, n, k, dtype=bool, like=v) != beyond
    return np.where(on, _beside(v, k, n), v.dtype.type(0))


def _beside(v, k, n):
    """v along the columns (k ≥ 0: element i in row i) or the rows, padded to length n."""
    padding = np.zeros_like(v, shape=(abs(k),))
    if k >= 0:
        return np.reshape(np.concatenate([v, padding]), (n, 1))
    return np.reshape(np.concatenate([v, padding]), (1, n))


@composed(np.diagflat, cases=(Case((2, 2)), Case((3,), k=1)))
def diagflat(v, k=0):
    """A matrix with all elements as its diagonal."""
    return np.diag(np.ravel(v), k)


@composed(np.tril, cases=(Case((3, 4)), Case((2, 3, 3), k=-1)))
def tril(m, k=0):
    """The lower triangle, 0 above the k-th diagonal."""
    return np.where(_lower(m, k), m, m.dtype.type(0))


@composed(np.triu, cases=(Case((3, 4)), Case((2, 3, 3), k=1)))
def triu(m, k=0):
    """The upper triangle, 0 below the k-th diagonal."""
    return np.where(_lower(m, k - 1), m.dtype.type(0), m)


def _lower(m, k):
    """Where the lower triangle lies; a vector is every row, as NumPy has it."""
    return np.tri(m.shape[-2:][0], m.shape[-1], k, dtype=bool, like=m)


# --- picking --------------------------------------------------------------------------------------


@composed(
    np.delete,
    cases=(
        Case((4,), obj=1),
        Case((3, 4), obj=[0, 2], axis=1),
        Case((3, 2), obj=slice(0, 2), axis=0),
        Case((2, 2), obj=-1),
    ),
)
def delete(arr, obj, axis=None):
    """Elements at positions along an axis, or of the flattened array, left out."""
    if axis is None:
        arr, axis = np.ravel(arr), 0
    left = np.delete(np.arange(arr.shape[axis]), plain("delete", "obj", obj))
    return np.take(arr, left, axis=axis)


@composed(
    np.compress,
    cases=(Case((3,), (3, 2), axis=0), Case((6,), (3, 2))),
    domain=(bool, (-2, 2)),
)
def compress(condition, a, axis=None):
    """The slices along an axis, or elements of the flattened array, where the condition holds."""
    condition = plain("compress", "condition", condition)
    if np.ndim(condition) != 1:
        raise ValueError(f"compress: expected a condition of one axis, got {np.shape(condition)}")
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take(a, np.flatnonzero(condition), axis=axis)


@composed(np.extract, cases=(Case((2, 3), (2, 3)),), domain=(bool, (-2, 2)))
def extract(condition, arr):
    """The elements where the condition holds, in one axis."""
    where = np.flatnonzero(plain("extract", "condition", condition))
    return np.take(np.ravel(arr), where)
