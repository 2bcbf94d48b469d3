"""Running products, and the linear recurrence that their slopes are."""

from math import isqrt

import numpy as np

from tinygrad_dnn.ops.declare import Case, op

__all__ = ["cumprod"]

LONG, NARROW = 64, 32  # steps, and elements in each, between which blocks are quicker


def _shifted(x, fill):
    """x one place later along the first axis, behind `fill`."""
    return np.concatenate([np.full_like(x[:1], fill), x[:-1]])


def _backwards(g, x):
    """s_k = g_k + x_{k+1} s_{k+1} along the first axis."""
    return np.flip(recurrence(_shifted(np.flip(x, 0), 0), np.flip(g, 0)), 0)


@op(
    "recur({x}, {y})",
    shared=_backwards,
    vjp=(lambda shared, z: shared * _shifted(z, 0), lambda shared: shared),
    cases=(Case((4,), (4,)), Case((3, 2), (3, 2)), Case((1,), (1,))),
    analytic=False,
)
def recurrence(x, y, /):
    """z_k = y_k + x_k z_{k−1} along the first axis, with z_{−1} = 0."""
    n, width = x.shape[0], x[:1].size
    if n > LONG and width < NARROW:
        z = _in_blocks(x, y)
        if z is not None:
            return z
    z = y.astype(np.result_type(x.dtype, y.dtype))
    if z.ndim == 1 and z.dtype == np.float64:
        last, found = 0.0, []
        for a, b in zip(x.tolist(), z.tolist(), strict=True):
            last = b + a * last
            found.append(last)
        return np.asarray(found, z.dtype)
    for k in range(1, n):
        z[k] += x[k] * z[k - 1]
    return z


def _in_blocks(x, y):
    """The recurrence within blocks, then over their ends; None where a block's product is not
    finite, or so small that digits are lost.
    """
    n, rest = x.shape[0], x.shape[1:]
    size = isqrt(n)
    count = -(-n // size)
    padding = np.zeros_like(x, shape=(count * size - n, *rest))
    a, z = (
        np.swapaxes(np.concatenate([v, padding]).reshape(count, size, *rest), 0, 1)
        for v in (x, y)
    )
    with np.errstate(over="ignore", under="ignore"):
        product = np.cumprod(a, axis=0)
    lost = (np.abs(product) < np.finfo(x.dtype).tiny) & (np.cumprod(a != 0, axis=0) != 0)
    if lost.any() or not np.isfinite(product).all():
        return None
    z = z.copy()
    for k in range(1, size):
        z[k] += a[k] * z[k - 1]
    carried = np.zeros_like(z[0])
    for j in range(1, count):
        carried[j] = z[-1, j - 1] + product[-1, j - 1] * carried[j - 1]
    return np.swapaxes(z + product * carried, 0, 1).reshape(count * size, *rest)[:n]


def _cumprod(g, x, x_shape, axis):
    # ∂z_i/∂x_k is the product of all up to i but x_k: those before k times a recurrence from behind.
    if axis is None:
        g, x = np.ravel(g), np.ravel(x)
    along = axis or 0
    rows = np.moveaxis(x, along, 0)
    before = _shifted(np.cumprod(rows, axis=0), 1)
    gx = np.moveaxis(before * _backwards(np.moveaxis(g, along, 0), rows), 0, along)
    return np.reshape(gx, x_shape) if axis is None else gx


@op(
    "cumprod_{axis}({x})",
    vjp=_cumprod,
    cases=(Case((2, 3)), Case((2, 3), axis=1), Case((5,), axis=0), Case((2, 3, 2), axis=-2)),
)
def cumprod(x, /, axis=None):
    """Running product along an axis, or of the flattened array; slopes are right at zeros too."""
    return np.cumprod(x, axis=axis)
