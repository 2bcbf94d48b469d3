"""Products of arrays, composed of matmul, einsum and multiplication."""

from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, composed

__all__ = [
    "cross",
    "inner",
    "kron",
    "matvec",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


@composed(np.inner, cases=(Case((3,), (3,)), Case((2, 3), (4, 3)), Case((2, 3), ())))
def inner(a, b, /):
    """Sums of products along the last axes."""
    a, b = as_array(a), as_array(b)
    if not a.shape or not b.shape:
        return a * b
    return np.tensordot(a, b, axes=(-1, -1))


@composed(np.vdot, cases=(Case((3,), (3,)), Case((2, 3), (2, 3))))
def vdot(a, b, /):
    """The inner product of the flattened arrays."""
    return np.dot(np.ravel(a), np.ravel(b))


def _check_inner(name, x1, x2, axis):
    """Sums over an axis of both want it in both: no length 1 is repeated."""
    if x1.shape[-1:] != x2.shape[axis:][:1]:
        raise ValueError(f"{name}: {x1.shape}, {x2.shape}: inner sizes differ")


@composed(np.vecdot, cases=(Case((2, 3), (3,)), Case((2, 3), (2, 3), axis=0, keepdims=True)))
def vecdot(x1, x2, /, *, axis=-1, keepdims=False):
    """Inner products of the vectors along an axis."""
    if axis != -1:
        x1, x2 = (np.moveaxis(x, axis, -1) for x in (x1, x2))
    _check_inner("vecdot", x1, x2, -1)
    z = np.einsum("...i,...i->...", x1, x2)
    return np.expand_dims(z, axis) if keepdims else z


@composed(np.matvec, cases=(Case((2, 3), (3,)), Case((2, 2, 3), (2, 3))))
def matvec(x1, x2, /):
    """Matrices times vectors: (..., n, k), (..., k) -> (..., n)."""
    _check_inner("matvec", x1, x2, -1)
    return np.einsum("...ij,...j->...i", x1, x2)


@composed(np.vecmat, cases=(Case((3,), (3, 2)), Case((2, 3), (2, 3, 2))))
def vecmat(x1, x2, /):
    """Vectors times matrices: (..., k), (..., k, n) -> (..., n)."""
    _check_inner("vecmat", x1, x2, -2)
    return np.einsum("...i,...ij->...j", x1, x2)


@composed(
    np.tensordot,
    cases=(
        Case((2, 3), (3, 4), axes=1),
        Case((2, 3, 4), (4, 3, 2), axes=([1, 2], [1, 0])),
        Case((2,), (3,), axes=0),
        Case((2, 3), (2, 3)),
    ),
)
def tensordot(a, b, axes=2):
    """Sums of products over axes of a and b: over the last of a and the first of b, or as given."""
    a, b = as_array(a), as_array(b)
    n, m = len(a.shape), len(b.shape)
    if np.ndim(axes) == 0 and not isinstance(axes, (tuple, list)):
        axes = (tuple(range(n - int(axes), n)), tuple(range(int(axes))))
    given = [x if np.iterable(x) else (x,) for x in axes]
    one = tuple(normalize_axis_index(int(i), n) for i in given[0])
    other = tuple(normalize_axis_index(int(i), m) for i in given[1])
    lengths = [a.shape[i] for i in one], [b.shape[i] for i in other]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"tensordot: {a.shape} over axes {one}, {b.shape} over axes {other}: "
            f"lengths {lengths[0]} and {lengths[1]} differ"
        )
    free = [i for i in range(n) if i not in one]
    left = [i for i in range(m) if i not in other]
    kept = [a.shape[i] for i in free], [b.shape[i] for i in left]
    k = prod(lengths[0])
    rows = np.reshape(np.transpose(a, (*free, *one)), (prod(kept[0]), k))
    columns = np.reshape(np.transpose(b, (*other, *left)), (k, prod(kept[1])))
    return np.reshape(rows @ columns, (*kept[0], *kept[1]))


@composed(np.kron, cases=(Case((2, 3), (2, 2)), Case((2,), (3,)), Case((2, 2), (2,))))
def kron(a, b):
    """Every element of a times all of b, in a's place."""
    a, b = as_array(a), as_array(b)
    n = max(len(a.shape), len(b.shape))
    wide = [(1,) * (n - len(x.shape)) + x.shape for x in (a, b)]
    one = np.reshape(a, [k for length in wide[0] for k in (length, 1)])
    other = np.reshape(b, [k for length in wide[1] for k in (1, length)])
    return np.reshape(one * other, [i * j for i, j in zip(*wide, strict=True)])


@composed(
    np.cross,
    cases=(
        Case((3,), (3,)),
        Case((2, 3), (2, 3)),
        Case((3, 2), (3, 2), axis=0),
    ),
)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Vector product of vectors of length 3 along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(as_array(a), axisa, -1), np.moveaxis(as_array(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            f"cross: expected vectors of length 3, got {a.shape[-1]} and {b.shape[-1]}"
        )
    turned = [1, 2, 0]
    back = [2, 0, 1]
    z = a[..., turned] * b[..., back] - a[..., back] * b[..., turned]
    return np.moveaxis(z, -1, axisc) if len(z.shape) > 1 else z
