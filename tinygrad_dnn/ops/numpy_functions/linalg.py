"""`numpy.linalg`, composed of the ops in `factorization.py` and others."""

from math import prod
from operator import index
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, composed, in_floats
from tinygrad_dnn.ops.factorization import (
    cholesky_lower,
    definite,
    eigenvalues,
    eigh_parts,
    qr_parts,
    singular_values,
    slogdet_parts,
    svd_parts,
    t,
    triangular,
    well_conditioned,
)
from tinygrad_dnn.ops.factorization import (
    pinv as pseudo_inverse,
)

__all__ = [
    "cholesky",
    "eigh",
    "eigvalsh",
    "expm",
    "logdet",
    "lstsq",
    "matrix_power",
    "multi_dot",
    "qr",
    "slogdet",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
]

SQUARE = (Case((3, 3)), Case((2, 2, 2)))
WIDE = (Case((3, 3)), Case((4, 2)), Case((2, 4)))


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, eigenvectors in columns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """U (..., m, k), S (..., k), Vh (..., k, n)."""

    U: Any
    S: Any
    Vh: Any


class QRResult(NamedTuple):
    """Q (..., m, k), R (..., k, n)."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its size."""

    sign: Any
    logabsdet: Any


def _read_upper(name, a, UPLO):
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError(f"{name}: expected UPLO 'L' or 'U', got {UPLO!r}")
    return t(a) if UPLO in "uU" else a


@composed(np.linalg.eigh, cases=SQUARE, arrange=definite)
def eigh(a, UPLO="L"):
    """Eigenvalues and eigenvectors of symmetric matrices, of which one triangle is read: that one
    has the gradient. Each column's sign is LAPACK's choice: let no result hang on it.
    """
    parts = eigh_parts(_read_upper("eigh", a, UPLO))
    return EighResult(parts[..., 0, :], parts[..., 1:, :])


@composed(np.linalg.eigvalsh, cases=SQUARE, arrange=definite)
def eigvalsh(a, UPLO="L"):
    """Eigenvalues of symmetric matrices in ascending order, see `eigh`."""
    return eigenvalues(_read_upper("eigvalsh", a, UPLO))


@composed(np.linalg.svd, cases=tuple(Case(*c.shapes, full_matrices=False) for c in WIDE))
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """Singular value decomposition, reduced: U S Vh = a; or the values alone. hermitian=True says
    that a is symmetric: it is computed from the eigenvectors, and its lower triangle is read.
    """
    if hermitian:
        return _svd_of_symmetric(a, compute_uv)
    if not compute_uv:
        return singular_values(a)
    m, n = a.shape[-2:]
    parts = svd_parts(a)
    if full_matrices and m != n:
        raise ValueError(
            f"svd: expected full_matrices=False for {a.shape}: what completes a basis is not "
            "determined, and has no derivative"
        )
    return SVDResult(t(parts[..., :m]), parts[..., m], parts[..., m + 1 :])


def _svd_of_symmetric(a, compute_uv):
    # a = V diag(w) Vᵀ: the singular values are |w|, and the signs go into Vh.
    if not compute_uv:
        return np.flip(np.sort(np.absolute(np.linalg.eigvalsh(a)), axis=-1), axis=-1)
    w, V = np.linalg.eigh(a)
    order = np.flip(np.argsort(np.absolute(w), axis=-1), axis=-1)
    w = np.take_along_axis(w, order, axis=-1)
    V = np.take_along_axis(V, np.expand_dims(order, -2), axis=-1)
    return SVDResult(V, np.absolute(w), t(V * np.expand_dims(np.sign(w), -2)))


@composed(np.linalg.svdvals, cases=WIDE)
def svdvals(x, /):
    """Singular values in descending order."""
    return singular_values(x)


@composed(np.linalg.qr, cases=WIDE)
def qr(a, mode="reduced"):
    """Orthonormal columns Q and upper triangular R with Q R = a; complete as they are for matrices
    with no more rows than columns.
    """
    complete = mode == "complete" and a.shape[-2] <= a.shape[-1]
    if mode not in ("reduced", "r") and not complete:
        raise ValueError(
            f"qr: expected mode 'reduced' or 'r' for {a.shape}, got {mode!r}: what completes a "
            "basis is not determined, and has no derivative"
        )
    parts, m = qr_parts(a), a.shape[-2]
    Q, R = t(parts[..., :m]), parts[..., m:]
    return R if mode == "r" else QRResult(Q, R)


@composed(np.linalg.slogdet, cases=SQUARE, arrange=well_conditioned)
def slogdet(a):
    """Sign and logarithm of the size of determinants."""
    parts = slogdet_parts(a)
    return SlogdetResult(np.sign(parts[..., 0]), parts[..., 1])


@composed(cases=SQUARE, arrange=well_conditioned)
def logdet(a):
    """Logarithm of the size of determinants, log |det a|; without overflow."""
    return slogdet_parts(a)[..., 1] if hasattr(a, "node") else np.linalg.slogdet(a)[1]


@composed(np.linalg.cholesky, cases=(*SQUARE, Case((2, 2), upper=True)), arrange=definite)
def cholesky(a, /, *, upper=False):
    """The lower triangular L with L Lᵀ = a, or the upper one; of a one triangle is read."""
    return t(cholesky_lower(t(a))) if upper else cholesky_lower(a)


@composed(
    cases=(Case((3, 3), (3,)), Case((3, 3), (3, 2), lower=True), Case((2, 2), (2,), trans=1)),
    arrange=well_conditioned,
)
def solve_triangular(a, b, *, trans=0, lower=False, unit_diagonal=False):
    """The z with a z = b, or aᵀ z = b; of a one triangle is read, the upper or the lower."""
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"solve_triangular: expected trans 0 or 1, got {trans!r}")
    if trans in (1, "T"):
        a, lower = t(a), not lower
    if unit_diagonal:
        one = np.eye(a.shape[-1], dtype=bool)
        a = np.where(one, a.dtype.type(1), a)
    if len(np.shape(b)) == 1:
        return np.squeeze(triangular(a, np.expand_dims(b, -1), lower=lower), -1)
    return triangular(a, b, lower=lower)


@composed(
    np.linalg.lstsq,
    cases=(Case((4, 2), (4,)), Case((4, 2), (4, 3)), Case((2, 4), (2,)), Case((3, 3), (3,))),
)
def lstsq(a, b, rcond=None):
    """Least squares for a matrix of full rank: solution, squared residuals (none where there are
    no more rows than columns), rank, singular values.
    """
    b = as_array(b)
    if len(a.shape) != 2 or len(b.shape) not in (1, 2):
        raise np.linalg.LinAlgError(
            f"lstsq: expected a matrix and a vector or matrix, got {a.shape} and {b.shape}"
        )
    a = in_floats(a)
    m, n = a.shape
    s = singular_values(a)
    eps = float(np.finfo(a.dtype).eps)
    cut = max(m, n) * eps if rcond is None else eps if rcond == -1 else rcond
    z = pseudo_inverse(a, cut) @ b
    rank = np.sum(s > cut * s[:1]).astype(np.int32)  # of no singular values 0
    off = b - a @ z
    residuals = np.reshape(np.sum(off * off, axis=0), (-1,))
    return z, residuals if m > n else residuals[:0], rank, s


@composed(
    np.linalg.matrix_power,
    cases=(Case((3, 3), n=3), Case((2, 2, 2), n=0), Case((3, 3), n=-2), Case((2, 2), n=7)),
    arrange=well_conditioned,
)
def matrix_power(a, n):
    """Square matrices multiplied n times; inverted first where n is negative."""
    n = index(n)
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: expected square matrices, got {a.shape}")
    if n == 0:
        return np.where(False, a, np.eye(a.shape[-1], dtype=a.dtype))
    square = np.linalg.inv(a) if n < 0 else a
    n, z = abs(n), None
    while n:
        if n % 2:
            z = square if z is None else z @ square
        n //= 2
        square = square @ square if n else square
    return z


@composed(
    np.linalg.multi_dot,
    many=True,
    cases=(Case((2, 3), (3, 4), (4, 2)), Case((3,), (3, 2), (2,)), Case((2, 3), (3, 2))),
)
def multi_dot(arrays):
    """The product of several matrices, in the order that takes the fewest multiplications."""
    arrays = list(arrays)
    if len(arrays) < 2:
        raise ValueError(f"multi_dot: expected two arrays or more, got {len(arrays)}")
    row, column = np.ndim(arrays[0]) == 1, np.ndim(arrays[-1]) == 1
    arrays[0] = np.reshape(arrays[0], (1, -1)) if row else arrays[0]
    arrays[-1] = np.reshape(arrays[-1], (-1, 1)) if column else arrays[-1]
    shapes = [np.shape(x) for x in arrays]
    if any(len(shape) != 2 for shape in shapes):
        raise np.linalg.LinAlgError(f"multi_dot: expected matrices, got shapes {shapes}")
    z = _in_best_order(arrays)
    return np.reshape(z, z.shape[int(row) : 2 - int(column)]) if row or column else z


def _in_best_order(arrays):
    """The chain of products by dynamic programming (Cormen et al., Introduction to Algorithms)."""
    k = len(arrays)
    sizes = [arrays[0].shape[0], *(x.shape[1] for x in arrays)]
    cost: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(k)}
    for steps in range(1, k):
        for i in range(k - steps):
            j = i + steps
            cost[i, j] = min(
                (cost[i, q][0] + cost[q + 1, j][0] + sizes[i] * sizes[q + 1] * sizes[j + 1], q)
                for q in range(i, j)
            )
    made: dict[tuple[int, int], Any] = {(i, i): x for i, x in enumerate(arrays)}
    order, stack = [], [(0, k - 1)]
    while stack:
        i, j = stack.pop()
        if i < j:
            order.append((i, j))
            stack += [(i, cost[i, j][1]), (cost[i, j][1] + 1, j)]
    for i, j in reversed(order):
        q = cost[i, j][1]
        made[i, j] = made[i, q] @ made[q + 1, j]
    return made[0, k - 1]


@composed(np.linalg.tensorinv, cases=(Case((4, 2, 2), ind=1),), arrange=lambda a: [_far(a, 4)])
def tensorinv(a, ind=2):
    """The inverse of a as a linear map from its last axes to its first `ind`."""
    shape = a.shape
    if ind <= 0:
        raise ValueError(f"tensorinv: expected ind as 1 or more, got {ind}")
    square = np.linalg.inv(np.reshape(a, (prod(shape[:ind]), -1)))
    return np.reshape(square, (*shape[ind:], *shape[:ind]))


def _far(a, n):
    return np.reshape(np.reshape(a, (n, -1)) + 4 * np.eye(n, dtype=a.dtype), a.shape)


@composed(
    np.linalg.tensorsolve, cases=(Case((2, 2, 4), (2, 2)),), arrange=lambda a, b: [_far(a, 4), b]
)
def tensorsolve(a, b, axes=None):
    """The z with tensordot(a, z) = b over all axes of z."""
    if axes is not None:
        a = np.moveaxis(a, axes, range(len(a.shape) - len(axes), len(a.shape)))
    shape = a.shape[len(a.shape) - (len(a.shape) - len(np.shape(b))) :]
    z = np.linalg.solve(np.reshape(a, (-1, prod(shape))), np.ravel(b))
    return np.reshape(z, shape)


PADE = (1, 1 / 2, 5 / 44, 1 / 66, 1 / 792, 1 / 15840, 1 / 665280)


@composed(cases=(Case((3, 3), squarings=4), Case((2, 2, 2), squarings=5)))
def expm(a, squarings=None):
    """Matrix exponential, by scaling, a Padé approximant of order 6 and squaring (Golub and Van
    Loan, Matrix Computations, 11.3).

    Args:
        squarings: how often is squared; None for as often as the values of a ask for, which are
            read for that: a compiled function must say it (so that ‖a‖ ≤ 2^(squarings − 3)).
    """
    if squarings is None:
        plain = a.numpy() if hasattr(a, "node") else np.asarray(a)
        size = float(np.abs(plain).sum(axis=-2).max(initial=0.0))
        squarings = max(0, int(np.ceil(np.log2(size))) + 3) if 0 < size < np.inf else 0
    times = squarings
    a = a / 2.0**times
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    above = below = eye
    power = eye
    for k, c in enumerate(PADE[1:], 1):
        power = a if k == 1 else power @ a
        above = above + c * power
        below = below + (-1) ** k * c * power
    z = np.linalg.solve(below, above)
    for _ in range(times):
        z = z @ z
    return z
