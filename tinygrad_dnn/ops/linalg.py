"""Products of matrices and vectors."""

from math import prod

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.indexing import scatter
from tinygrad_dnn.ops.leading import elementwise, lined_up
from tinygrad_dnn.ops.shape import pair_moved
from tinygrad_dnn.ops.sparse import is_sparse, sparse_product

__all__ = [
    "dot",
    "matmul",
    "outer",
    "trace",
]


def _columns(x):
    """Matrix transpose of a stack of matrices."""
    return x.T if len(x.shape) == 2 else np.swapaxes(x, -1, -2)


# With a vector on either side: x (k,) is a row (1, k), y (k,) is a column (k, 1), and the axis of
# length 1 is dropped from the result; so it is put back into g, and dropped from the gradient.


def _matmul_x(g, y, x_shape, y_shape):
    if len(x_shape) == 1:
        if len(y_shape) == 1:
            return g * y
        g = np.expand_dims(g, -2)  # the sweep drops the gradient's leading axis of length 1
    elif len(y_shape) == 1:
        g, y = np.expand_dims(g, -1), np.expand_dims(y, -1)
    return np.matmul(g, _columns(y))


def _matmul_y(g, x, x_shape, y_shape):
    if len(x_shape) == len(y_shape) == 1:
        return g * x
    if len(x_shape) == 1:
        g, x = np.expand_dims(g, -2), np.expand_dims(x, -2)
    if len(y_shape) == 1:
        gy = np.matmul(_columns(x), np.expand_dims(g, -1))
        return np.reshape(gy, (*gy.shape[:-2], y_shape[0]))
    return np.matmul(_columns(x), g)


def _matmul_led(one, xs, led):
    (x, y), (x_shape, y_shape) = xs, one.shapes
    if not led[1] and len(y_shape) <= 2:
        # One product of all rows.
        rows = one.n * prod(x_shape[:-1])
        return one.whole(one(np.reshape(x, (rows, x_shape[-1])), y))
    if not led[0] and len(x_shape) == 2 and y_shape[1:] in ((), (1,)):
        # One product for all columns.
        return one.whole(one(np.reshape(y, (one.n, x_shape[-1])), _columns(x)))
    x_shape = x_shape if len(x_shape) > 1 else (1, *x_shape)
    y_shape = y_shape if len(y_shape) > 1 else (*y_shape, 1)
    rank = max(len(x_shape), len(y_shape))
    if led[0]:
        x = lined_up(np.reshape(x, (one.n, *x_shape)), x_shape, rank)
    if led[1]:
        y = lined_up(np.reshape(y, (one.n, *y_shape)), y_shape, rank)
    if all(led) and x_shape[-1] == 1:  # a sum of one product
        return one.whole(x * y)
    return one.whole(one(x, y))


def _product_shape(x_shape, y_shape):
    """(n, k) and (k, m) -> (n, m); None for other ranks."""
    if min(len(x_shape), len(y_shape)) != 2 or len(x_shape) != len(y_shape):
        return None
    if x_shape[1] != y_shape[0]:
        raise ValueError(f"matmul: inner sizes {x_shape[1]} and {y_shape[0]} differ")
    return x_shape[0], y_shape[1]


def _written(z_shape, numbers):
    """As a product of matrices where it is one; of two vectors, or with a number, with a dot."""
    return "{x} · {y}" if numbers or not z_shape else "{x} {y}"


@op(
    _written,
    shape=_product_shape,
    contracts=True,
    infix="@",
    vjp=(_matmul_x, _matmul_y),  # dW = dZ Aᵀ, dA = Wᵀ dZ
    carries=_matmul_led,
    of_others=(is_sparse, sparse_product),
    cases=(
        Case((2, 3), (3, 4)),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((5, 2, 3), (5, 3, 4)),
        Case((2, 1, 2, 3), (4, 3, 2)),
        Case((3,), (5, 3, 2)),
        Case((5, 2, 3), (3,)),
    ),
)
def matmul(x, y, /):
    """Matrix product; (n, k) @ (k, m) -> (n, m). Leading axes broadcast."""
    return np.matmul(x, y)


def _dot_x(g, y, x_shape, y_shape):
    if not x_shape or not y_shape or not g.shape:
        return g * y
    if len(y_shape) == 1:
        return np.expand_dims(g, -1) * y
    # z[i…, j…, m] = Σₖ x[i…, k] y[j…, k, m]
    width = prod(y_shape[:-2]) * y_shape[-1]
    y = np.reshape(np.swapaxes(y, -1, -2), (width, y_shape[-2]))  # (j m, k)
    return np.matmul(np.reshape(g, (*x_shape[:-1], width)), y)


def _dot_y(g, x, x_shape, y_shape):
    if not x_shape or not y_shape or not g.shape:
        return g * x
    height = prod(x_shape[:-1])
    rows = np.reshape(x, (height, x_shape[-1]))  # (i, k)
    g = np.reshape(g, (height, prod(g.shape[len(x_shape) - 1 :])))  # (i, j m)
    gy = np.matmul(rows.T, g)  # (k, j m)
    if len(y_shape) == 1:
        return np.reshape(gy, y_shape)
    gy = np.reshape(gy, (y_shape[-2], *y_shape[:-2], y_shape[-1]))
    order = (*range(1, len(y_shape) - 1), 0, len(y_shape) - 1)
    return np.transpose(gy, order)


def _dot_led(one, xs, led):
    x_shape, y_shape = one.shapes
    if not x_shape or not y_shape:
        return elementwise(one._replace(apply=lambda xs, meta: xs[0] * xs[1]), xs, led)
    if len(y_shape) > 2:
        return NotImplemented
    return _matmul_led(one._replace(apply=lambda xs, meta: np.matmul(*xs)), xs, led)


@op(
    _written,
    vjp=(_dot_x, _dot_y),
    carries=_dot_led,
    contracts=True,
    infix="·",
    cases=(
        Case((2, 3), (3, 4)),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((), (2, 3)),
        Case((2, 3), ()),
        Case((2, 3, 4), (5, 4, 2)),
        Case((4,), (5, 4, 2)),
        Case((2, 3, 4), (4,)),
        Case((2, 5, 3), (3, 2)),
    ),
)
def dot(x, y, /):
    """NumPy's dot: the last axis of x against the last but one of y; a scalar multiplies."""
    return np.dot(x, y)


def _outer_led(one, xs, led):
    rows, columns = one.shape
    x = np.reshape(xs[0], (one.n if led[0] else 1, rows, 1))
    return x * np.reshape(xs[1], (one.n if led[1] else 1, 1, columns))


@op(
    "{x} ⊗ {y}",
    vjp=(
        lambda g, y, x_shape: np.reshape(np.matmul(g, np.reshape(y, (-1,))), x_shape),
        lambda g, x, y_shape: np.reshape(np.matmul(np.reshape(x, (-1,)), g), y_shape),
    ),
    carries=_outer_led,
    cases=(Case((3,), (4,)), Case((2, 2), (3,)), Case((3,), (2, 2)), Case((2,), (3, 3))),
)
def outer(x, y, /):
    """Outer product of two vectors, (n,) and (m,) -> (n, m); others are flattened first."""
    return np.outer(x, y)


def _trace(g, x_shape, offset, axis1, axis2):
    rows = np.arange(max(0, -offset), min(x_shape[axis1], x_shape[axis2] - offset))
    index = [slice(None)] * len(x_shape)
    index[axis1], index[axis2] = rows, rows + offset
    # NumPy moves the axis of paired indices to the front unless the two stand side by side.
    first, second = sorted((axis1 % len(x_shape), axis2 % len(x_shape)))
    at = first if second == first + 1 else 0
    return scatter(np.expand_dims(g, at), tuple(index), x_shape)


@op(
    "tr({x})",
    vjp=_trace,
    carries=pair_moved,
    cases=(
        Case((3, 3)),
        Case((2, 4), offset=1),
        Case((4, 2), offset=-1),
        Case((2, 3, 4), axis1=1, axis2=2),
        Case((3, 2, 3), axis1=0, axis2=2),
        Case((2, 3, 4), axis1=2, axis2=0),
        Case((2, 3, 3), axis1=-1, axis2=-2),
    ),
)
def trace(x, /, offset=0, axis1=0, axis2=1):
    """Sum along a diagonal."""
    return np.trace(x, offset=offset, axis1=axis1, axis2=axis2)
