"""Running products, and the linear recurrence that their slopes are."""

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.memory import in_memory

__all__ = ["cumprod"]

STEPS, NARROW = 64, 32  # of more steps products are quicker; of fewer columns Python's numbers


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
    dtype = np.result_type(x.dtype, y.dtype)
    if in_memory(x) and x[:1].size < NARROW:
        return _of_numbers(x, y, dtype)
    z = y.astype(dtype).copy()  # Dask's astype copies nothing where nothing changes
    for k in range(1, x.shape[0]):
        z[k] += x[k] * z[k - 1]
    return z


def _of_numbers(x, y, dtype):
    """The recurrence of a few columns, each step one of Python's numbers."""
    if len(x) > STEPS:
        try:
            return _by_products(x, y, dtype)
        except FloatingPointError:  # it would lose digits
            pass
    found = []
    for xs, ys in zip(_lists(x), _lists(y), strict=True):
        zs = ys[:1]
        for a, b in zip(xs[1:], ys[1:], strict=True):
            zs.append(b + a * zs[-1])
        found.append(zs)
    return np.asarray(found, dtype).T.reshape(y.shape)


def _lists(x):
    return x.reshape(len(x), x[:1].size).T.tolist()


def _by_products(x, y, dtype):
    """P_k Σ_{j≤k} y_j / P_j with P_k = x_1 ⋯ x_k, whose roundings are those of the steps.

    Raises:
        FloatingPointError: a product, a quotient or the result is 0, infinite or subnormal.
    """
    a = x.astype(dtype)
    a[0] = 1  # nothing comes before
    with np.errstate(all="raise"):
        product = np.cumprod(a, axis=0)
        return product * np.cumsum(y / product, axis=0)


def _cumprod(g, z, x, x_shape, axis):
    # ∂z_i/∂x_k is the product of all but x_k: those before it times a recurrence from behind.
    if axis is None or not x_shape:
        return np.reshape(_shifted(z, 1) * _backwards(g, np.ravel(x)), x_shape)
    if axis in (0, -len(x_shape)):
        return _shifted(z, 1) * _backwards(g, x)
    g, z, x = (np.moveaxis(v, axis, 0) for v in (g, z, x))
    return np.moveaxis(_shifted(z, 1) * _backwards(g, x), 0, axis)


@op(
    "cumprod_{axis}({x})",
    vjp=_cumprod,
    cases=(Case((2, 3)), Case((2, 3), axis=1), Case((5,), axis=0), Case((2, 3, 4), axis=2)),
)
def cumprod(x, /, axis=None):
    """Running product along an axis, or of the flattened array; slopes are right at zeros too."""
    return np.cumprod(x, axis=axis)
