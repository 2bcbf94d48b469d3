"""Running products, and the linear recurrence that their slopes are."""

import numpy as np

from tinygrad_dnn.ops.declare import Case, op
from tinygrad_dnn.ops.memory import in_memory

__all__ = ["cumprod"]

STEPS, NARROW = 64, 32  # of more steps, with fewer elements in each, blocks are quicker


def _shifted(x, fill):
    """x one place later along the first axis, behind `fill`."""
    return np.concatenate([np.full_like(x[:1], fill), x[:-1]])


def _backwards(g, x):
    """s_k = g_k + x_{k+1} s_{k+1} along the first axis."""
    return recurrence(_shifted(x[::-1], 0), g[::-1])[::-1]


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
    if n > STEPS and width < NARROW and in_memory(x) and in_memory(y):
        z = _by_products(x, y)
        z = _in_blocks(x, y) if z is None else z
        if z is not None:
            return z
    z = y.astype(np.result_type(x.dtype, y.dtype))
    z = z.copy() if z is y else z  # Dask's astype copies nothing where nothing changes
    if z.ndim == 1 and z.dtype == np.float64 and in_memory(x) and in_memory(z):
        last, found = 0.0, []
        for a, b in zip(x.tolist(), z.tolist(), strict=True):
            last = b + a * last
            found.append(last)
        return np.asarray(found, z.dtype)
    for k in range(1, n):
        z[k] += x[k] * z[k - 1]
    return z


def _by_products(x, y):
    """P_k Σ_{j≤k} y_j / P_j with P_k = x_1 ⋯ x_k, whose roundings are those of the steps; None
    where a product or a quotient leaves the range in which no digits are lost.
    """
    a = x.copy()
    a[0] = 1  # nothing comes before
    with np.errstate(over="ignore", under="ignore"):
        product = np.cumprod(a, axis=0)
        info = np.finfo(x.dtype)
        size = np.abs(product)
        if not (size.max() < 2.0 ** (info.maxexp // 3) and size.min() > 2.0 ** (info.minexp // 3)):
            return None
        part = y / product
        size = np.abs(part)
        if not size.max() < np.inf or ((size < info.tiny) & (y != 0)).any():
            return None
        return product * np.cumsum(part, axis=0)


def _in_blocks(x, y):
    """The recurrence within blocks, then over their ends; None where a block's product is not
    finite, or so small that digits are lost.
    """
    n, rest = x.shape[0], x.shape[1:]
    count = -(-n // STEPS)
    padding = np.zeros_like(x, shape=(count * STEPS - n, *rest))
    a, z = (
        np.swapaxes(np.concatenate([v, padding]).reshape(count, STEPS, *rest), 0, 1).copy("C")
        for v in (x, y)
    )
    with np.errstate(over="ignore", under="ignore"):
        product = np.cumprod(a, axis=0)
    size = np.abs(product)
    if not size.max() < np.inf:
        return None
    if size.min() < np.finfo(x.dtype).tiny:  # behind a 0 nothing is lost
        lost = (size < np.finfo(x.dtype).tiny) & np.logical_and.accumulate(a != 0)
        if lost.any():
            return None
    for k in range(1, STEPS):
        z[k] += a[k] * z[k - 1]
    z += product * _shifted(recurrence(product[-1], z[-1]), 0)
    return np.swapaxes(z, 0, 1).reshape(count * STEPS, *rest)[:n]


def _cumprod(g, z, x, x_shape, axis):
    # ∂z_i/∂x_k is the product of all but x_k: those before it times a recurrence from behind.
    if axis is None:
        g, x = np.ravel(g), np.ravel(x)
        return np.reshape(_shifted(z, 1) * _backwards(g, x), x_shape)
    if axis in (0, -len(x_shape)):
        return _shifted(z, 1) * _backwards(g, x)
    g, z, x = (np.moveaxis(v, axis, 0) for v in (g, z, x))
    return np.moveaxis(_shifted(z, 1) * _backwards(g, x), 0, axis)


@op(
    "cumprod_{axis}({x})",
    vjp=_cumprod,
    cases=(Case((2, 3)), Case((2, 3), axis=1), Case((5,), axis=0), Case((2, 3, 2), axis=-2)),
)
def cumprod(x, /, axis=None):
    """Running product along an axis, or of the flattened array; slopes are right at zeros too."""
    return np.cumprod(x, axis=axis)
