"""Products with a constant sparse matrix: of scipy.sparse, or whatever multiplies as it does."""

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op

__all__: list[str] = []

FEW = np.array([[0, 2, 0, 0], [1, 0, 0, -3], [0, 0, 0, 0.5]], np.float32)


def _back(g, matrix):
    return sparse_matmul(g, matrix=matrix.T)


@op(
    lambda matrix: f"S({matrix.shape[0]}×{matrix.shape[1]}) {{x}}",
    vjp=_back,
    cases=(Case((4,), matrix=FEW), Case((4, 2), matrix=FEW)),
)
def sparse_matmul(x, /, matrix):
    """A constant sparse matrix (n, k) times x, (k,) or (k, m)."""
    return np.asarray(matrix @ x)


def is_sparse(x):
    """Whether x is a matrix as scipy.sparse has them."""
    return hasattr(type(x), "tocsr")


def sparse_product(x, y):
    """x @ y where one of the two is sparse; of that a copy is kept.

    Raises:
        ValueError: the other has more than two axes, or the inner sizes differ.
    """
    left = is_sparse(x)
    matrix, dense = (x.copy(), y) if left else (y.T.copy(), x)
    shape, inner = dense.shape, dense.shape[0 if left else -1] if dense.shape else None
    if len(shape) not in (1, 2) or inner != matrix.shape[1]:
        raise ValueError(
            f"matmul: {x.shape} @ {y.shape}: expected one axis or two beside a sparse matrix, and "
            "equal inner sizes"
        )
    z = sparse_matmul(dense if left else np.transpose(dense), matrix=matrix)
    return z if left else np.transpose(z)
