"""Norms of vectors and matrices, and condition numbers."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import composed, in_floats
from tinygrad_dnn.ops.reduction import length

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]


def _root(square):
    """√ of a sum of squares, with slope 0 at 0."""
    zero = square == 0
    one, none = square.dtype.type(1), square.dtype.type(0)
    return np.where(zero, none, np.sqrt(np.where(zero, one, square)))


def _vector_norm(x, ord, axis, keepdims):
    if ord is None or ord == 2:
        return _root(np.sum(x * x, axis=axis, keepdims=keepdims))
    size = np.absolute(x)
    if ord == np.inf:
        if not x.shape or length(axis, x.shape):
            return np.max(size, axis=axis, keepdims=keepdims)
        return np.sum(size, axis=axis, keepdims=keepdims)  # 0 of no elements
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: expected a number as the order of a vector's norm, got {ord!r}")
    total = np.sum(size**ord, axis=axis, keepdims=keepdims)
    zero = total == 0
    one, none = x.dtype.type(1), x.dtype.type(0)
    return (
        np.where(zero, none, np.where(zero, one, total) ** (1 / ord))
        if ord > 0
        else total ** (1 / ord)
    )


def _matrix_norm(x, ord, axis, keepdims):
    n = len(x.shape)
    row, column = normalize_axis_tuple(axis, n)
    if row == column:
        raise ValueError(f"norm: expected two different axes, got {axis}")
    if ord is None or ord in ("fro", "f"):
        return _root(np.sum(x * x, axis=(row, column), keepdims=keepdims))
    if ord in (1, -1, np.inf, -np.inf):
        summed, left = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.absolute(x), axis=summed, keepdims=True)
        if ord > 0 and not sums.shape[left]:
            sums = np.sum(sums, axis=left, keepdims=True)  # 0 of no elements
        z = (np.max if ord > 0 else np.min)(sums, axis=left, keepdims=True)
    elif ord in (2, -2, "nuc"):
        s = np.linalg.svdvals(np.moveaxis(x, (row, column), (-2, -1)))
        if ord == "nuc" or (ord == 2 and not s.shape[-1]):
            z = np.sum(s, axis=-1)
        else:
            z = s[..., 0 if ord == 2 else -1]
        if not keepdims:
            return z
        return np.expand_dims(z, tuple(sorted((row, column))))
    else:
        raise ValueError(
            "norm: expected ord None, 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2 of a matrix, "
            f"got {ord!r}"
        )
    return z if keepdims else np.squeeze(z, axis=(row, column))


@composed(
    np.linalg.norm,
    cases=(
        Case((5,)),
        Case((3, 4)),
        Case((3, 4), ord=1),
        Case((3, 4), ord=-np.inf, keepdims=True),
        Case((3, 4), ord="nuc"),
        Case((3, 4), ord=2),
        Case((3, 4), ord=3, axis=1),
        Case((2, 3, 4), axis=(0, 2)),
        Case((5,), ord=-1.5),
        Case((2, 3, 4)),
    ),
)
def norm(x, ord=None, axis=None, keepdims=False):
    """Norms of vectors and matrices; the slope of the 2-norm at 0 is 0."""
    x = in_floats(x)
    if axis is None:
        n = len(x.shape)
        if ord is None:
            flat = np.ravel(x)
            z = _root(np.sum(flat * flat))
            return np.reshape(z, (1,) * n) if keepdims else z
        axis = tuple(range(n))
    axis = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if len(axis) == 1:
        return _vector_norm(x, ord, normalize_axis_index(axis[0], len(x.shape)), keepdims)
    if len(axis) == 2:
        return _matrix_norm(x, ord, axis, keepdims)
    raise ValueError(f"norm: expected one axis or two, got {axis}")


@composed(
    np.linalg.vector_norm,
    cases=(Case((3, 4)), Case((3, 4), axis=0, ord=1), Case((2, 3), axis=(0, 1), ord=3)),
)
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """Norms of vectors along axes; the slope of the 2-norm at 0 is 0."""
    return _vector_norm(in_floats(x), ord, axis, keepdims)


@composed(np.linalg.matrix_norm, cases=(Case((3, 4)), Case((2, 3, 3), ord="nuc", keepdims=True)))
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """Norms of matrices in the last two axes."""
    return _matrix_norm(in_floats(x), ord, (-2, -1), keepdims)


@composed(
    np.linalg.cond, cases=(Case((3, 3)), Case((4, 2)), Case((3, 3), p=1), Case((3, 3), p="fro"))
)
def cond(x, p=None):
    """Condition numbers: the largest singular value over the least, or ‖x‖ ‖x⁻¹‖."""
    if p is None or p in (2, -2):
        s = np.linalg.svdvals(x)
        x, y = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
        none = y == 0  # NumPy's answer is ∞ there, of 0 / 0 too
        one, infinite = np.ones((), y.dtype), np.asarray(np.inf, y.dtype)
        return np.where(none, infinite, x / np.where(none, one, y))
    return np.linalg.matrix_norm(x, ord=p) * np.linalg.matrix_norm(np.linalg.inv(x), ord=p)
