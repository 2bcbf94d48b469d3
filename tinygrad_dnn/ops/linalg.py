"""Products of matrices and vectors."""

from itertools import islice
from math import prod

import numpy as np

from tinygrad_dnn.ops.declare import Case, op
from tinygrad_dnn.ops.shape import scatter
from tinygrad_dnn.ops.sparse import is_sparse, sparse_product

__all__ = [
    "dot",
    "einsum",
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
    if len(y_shape) == 1:
        g, y = np.expand_dims(g, -1), np.expand_dims(y, -1)
    if len(x_shape) == 1:
        g = np.expand_dims(g, -2)  # the sweep drops the gradient's leading axis of length 1
    return np.matmul(g, _columns(y))


def _matmul_y(g, x, x_shape, y_shape):
    if len(x_shape) == 1:
        g, x = np.expand_dims(g, -2 if len(y_shape) > 1 else -1), np.expand_dims(x, -2)
    if len(y_shape) == 1:
        gy = np.matmul(_columns(x), np.expand_dims(g, -1))
        return np.reshape(gy, (*gy.shape[:-2], y_shape[0]))
    return np.matmul(_columns(x), g)


def _product_shape(x_shape, y_shape):
    """(n, k) and (k, m) -> (n, m); None for other ranks."""
    if min(len(x_shape), len(y_shape)) != 2 or len(x_shape) != len(y_shape):
        return None
    if x_shape[1] != y_shape[0]:
        raise ValueError(f"matmul: inner sizes {x_shape[1]} and {y_shape[0]} differ")
    return x_shape[0], y_shape[1]


@op(
    "{x} {y}",
    shape=_product_shape,
    contracts=True,
    infix="@",
    vjp=(_matmul_x, _matmul_y),  # dW = dZ Aᵀ, dA = Wᵀ dZ
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
    if not x_shape or not y_shape:
        return g * y
    if len(y_shape) == 1:
        return np.expand_dims(g, -1) * y
    # z[i…, j…, m] = Σₖ x[i…, k] y[j…, k, m]
    width = prod(y_shape[:-2]) * y_shape[-1]
    y = np.reshape(np.swapaxes(y, -1, -2), (width, y_shape[-2]))  # (j m, k)
    return np.matmul(np.reshape(g, (*x_shape[:-1], width)), y)


def _dot_y(g, x, x_shape, y_shape):
    if not x_shape or not y_shape:
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


@op(
    "{x} · {y}",
    vjp=(_dot_x, _dot_y),
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


@op(
    "{x} ⊗ {y}",
    vjp=(
        lambda g, y, x_shape: np.reshape(np.matmul(g, np.reshape(y, (-1,))), x_shape),
        lambda g, x, y_shape: np.reshape(np.matmul(np.reshape(x, (-1,)), g), y_shape),
    ),
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


def _einsum_terms(subscripts, shapes):
    """'ij,jk->ik' as (['ij', 'jk'], 'ik'); an implicit result and an ellipsis are written out."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    letters = [t.replace("...", "") for t in terms]
    hides = [len(s) - len(n) for s, n in zip(shapes, letters, strict=True)]
    spare = (c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts)
    hidden = "".join(islice(spare, max(hides)))
    if not arrow:
        every = "".join(letters)
        result = ("..." if hidden else "") + "".join(
            sorted(c for c in every if every.count(c) == 1)
        )
    written = []
    for term, shape, named in zip(terms, shapes, letters, strict=True):
        if "..." in term:
            own = len(shape) - len(named)
            term = term.replace("...", hidden[len(hidden) - own :])
        written.append(term)
    return written, result.replace("...", hidden)


def _einsum(i, g, operands, operands_shape, subscripts):
    # The gradient of one factor is g times all the others, summed to that factor's letters.
    terms, result = _einsum_terms(subscripts, operands_shape)
    mine, shape = terms[i], operands_shape[i]
    length = dict(zip(mine, shape, strict=True))
    others = [t for j, t in enumerate(terms) if j != i]
    factors = [x for j, x in enumerate(operands) if j != i]
    reached = "".join(c for c in length if c in result or any(c in t for t in others))
    gx = np.einsum(f"{','.join([result, *others])}->{reached}", g, *factors)
    # Along a letter that only this factor has, or that the others have with length 1, the
    # gradient is the same everywhere.
    lone = tuple(k for k, c in enumerate(length) if c not in reached)
    gx = np.expand_dims(gx, lone) if lone else gx
    lengths = np.broadcast_shapes(gx.shape, tuple(length.values()))
    gx = np.broadcast_to(gx, lengths) if lengths != gx.shape else gx
    if len(length) == len(mine):
        return gx
    # A repeated letter reads a diagonal, so its gradient goes back onto that diagonal.
    grid = dict(zip(length, np.ix_(*(np.arange(n) for n in length.values())), strict=True))
    return scatter(gx, tuple(grid[c] for c in mine), shape)


@op(
    "einsum({subscripts}; {xs})",
    vjp=_einsum,
    cases=(
        Case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        Case((2, 3), (3, 4), subscripts="ij,jk"),
        Case((2, 3), subscripts="ij->j"),
        Case((2, 3), subscripts="ij->ji"),
        Case((2, 3), (3,), (2,), subscripts="ij,j,i->"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...ij,...jk->...ik"),
        Case((5, 2, 3), (3,), subscripts="...j,j->..."),
        Case((3, 3), subscripts="ii->i"),
        Case((2, 3, 2), (2,), subscripts="iji,i->j"),
        Case((2, 1), (3, 4), subscripts="ij,jk->ik"),
        Case((2, 3), subscripts="ij->i"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...AB,...BC->...AC"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...ij,...jk"),
        Case((5, 2, 3), (2, 3), subscripts="...j,...j->..."),
        Case((5, 3), (3,), subscripts="...j,...j->..."),
        Case((5, 4, 2, 3), (4, 2, 3), subscripts="...ij,...ij->..."),
        Case((2, 3), subscripts="ba"),
    ),
    name="einsum",
)
def einsum_of(*operands, subscripts):
    """Sums of products in Einstein's notation."""
    z = np.einsum(subscripts, *operands)
    return z.copy() if len(operands) == 1 else z  # "ij->ji" alone would share x's memory


def einsum(subscripts, *operands):
    """Sums of products in Einstein's notation: `einsum("ij,jk->ik", x, y)` is `x @ y`."""
    if not isinstance(subscripts, str):
        raise TypeError(
            f"einsum: expected subscripts like 'ij,jk->ik', got {type(subscripts).__name__}"
        )
    return einsum_of(operands, subscripts=subscripts)
