"""Inverses, determinants and factorisations of matrices, batched over leading axes.

What has several parts is one op: its result holds them side by side, row for row, and
`numpy_functions/linalg.py` hands them out. The rules solve systems instead of inverting where they
can. Sources: Giles, Collected matrix derivative results (2008); Townsend, Differentiating the
singular value decomposition (2016); Seeger et al., Auto-differentiating linear algebra (2017).

The factorisations of symmetric matrices read the lower triangle alone, as LAPACK does: their
gradients are 0 above the diagonal.
"""

from functools import partial

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op

__all__ = ["det", "inv", "pinv", "solve"]

matrix = partial(op, analytic=False)


def t(x):
    """Each matrix transposed."""
    return x.swapaxes(-1, -2)


def well_conditioned(x, *others):
    """x with a large diagonal, so that it is far from singular; the others as they are."""
    return [x + 4 * np.eye(*x.shape[-2:], dtype=x.dtype), *others]


def definite(x):
    """A symmetric positive definite matrix made of x."""
    return [x @ t(x) + x.shape[-1] * np.eye(x.shape[-1], dtype=x.dtype)]


SQUARE = (Case((3, 3)), Case((3, 2, 2)), Case((1, 1)))


@matrix("inv({x})", vjp=lambda g, z: -(t(z) @ g @ t(z)), cases=SQUARE, arrange=well_conditioned)
def inv(x, /):
    """Inverse matrix; to solve a system, `solve` is quicker and exacter."""
    return np.linalg.inv(x)


def _as_columns(x, y_shape):
    """A vector as one column."""
    return np.expand_dims(x, -1) if len(y_shape) == 1 else x


def _adjoint(g, x, y_shape):
    return np.linalg.solve(t(x), _as_columns(g, y_shape))


@matrix(
    "solve({x}, {y})",
    shared=_adjoint,
    vjp=(
        lambda shared, z, y_shape: -(shared @ t(_as_columns(z, y_shape))),
        lambda shared, y_shape: np.squeeze(shared, -1) if len(y_shape) == 1 else shared,
    ),
    cases=(
        Case((3, 3), (3, 2)),
        Case((3, 3), (3,)),
        Case((2, 2, 2), (2, 2, 1)),
        Case((2, 2, 2), (2, 3)),
        Case((2, 3, 3), (3,)),
    ),
    arrange=well_conditioned,
)
def solve(x, y, /):
    """The solution z of x z = y; y a vector (n,) or matrices (..., n, k)."""
    return np.linalg.solve(x, y)


BLOCK = 32


def _triangle(x, lower):
    return np.tril(x) if lower else np.triu(x)


def _triangular_adjoint(g, x, lower):
    return triangular(t(x), g, lower=not lower)


@matrix(
    lambda lower: f"solve_{'lower' if lower else 'upper'}({{x}}, {{y}})",
    shared=_triangular_adjoint,
    vjp=(lambda shared, z, lower: -_triangle(shared @ t(z), lower), lambda shared: shared),
    cases=(
        Case((3, 3), (3, 2)),
        Case((3, 3), (3, 2), lower=False),
        Case((2, 2, 2), (2, 1)),
        Case((2, 2), (2, 2, 1), lower=False),
    ),
    arrange=well_conditioned,
)
def triangular(x, y, /, *, lower=True):
    """The solution z of x z = y for matrices y, by substitution; one triangle of x is read."""
    n, m = y.shape[-2:]
    if x.shape[-2:] != (n, n):
        raise ValueError(f"expected a square matrix and as many rows, got {x.shape} and {y.shape}")
    if n <= BLOCK:
        return np.linalg.solve(_triangle(x, lower), y)
    shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), n, m)
    z = np.zeros_like(y, shape=shape, dtype=np.result_type(x.dtype, y.dtype))
    starts = range(0, n, BLOCK)
    for a in starts if lower else reversed(starts):
        own, known = slice(a, a + BLOCK), slice(0, a) if lower else slice(a + BLOCK, n)
        rest = y[..., own, :] - x[..., own, known] @ z[..., known, :]
        # A product is so much quicker that a small triangle may be inverted (Higham 2002, ch. 8).
        z[..., own, :] = np.linalg.inv(_triangle(x[..., own, own], lower)) @ rest
    return z


def _cofactors(g, z, x):
    # C = det(x) x⁻ᵀ: Σ g ⊙ C changes by (Σ g ⊙ C) x⁻ᵀ − C gᵀ x⁻ᵀ.
    inverse = t(np.linalg.inv(x))
    return np.sum(g * z, axis=(-1, -2), keepdims=True) * inverse - z @ t(g) @ inverse


@matrix("cof({x})", vjp=_cofactors, cases=SQUARE, arrange=well_conditioned)
def cofactors(x, /):
    """The slopes of the determinant, det(x) x⁻ᵀ, of singular matrices too; there its own rule,
    which inverts x, raises LinAlgError.
    """
    try:
        return np.expand_dims(np.linalg.det(x), (-1, -2)) * t(np.linalg.inv(x))
    except np.linalg.LinAlgError:
        # Of x = U diag(s) Vᵀ they are det(U) det(V) U diag(the products of all other s) Vᵀ.
        U, s, Vh = np.linalg.svd(x)
        others = np.where(np.eye(s.shape[-1]), 1, np.expand_dims(s, -2)).prod(axis=-1)
        sign = np.linalg.det(U) * np.linalg.det(Vh)
        return np.expand_dims(sign, (-1, -2)) * (U * np.expand_dims(others, -2)) @ Vh


@matrix(
    "det({x})",
    vjp=lambda g, x: np.expand_dims(g, (-1, -2)) * cofactors(x),
    cases=SQUARE,
    arrange=well_conditioned,
)
def det(x, /):
    """Determinant."""
    return np.linalg.det(x)


@matrix(
    "slogdet({x})",
    vjp=lambda g, x: np.expand_dims(g[..., 1], (-1, -2)) * t(np.linalg.inv(x)),
    cases=SQUARE,
    arrange=well_conditioned,
    name="slogdet_parts",
)
def slogdet_parts(x, /):
    """Sign and logarithm of the determinant's size: (..., n, n) -> (..., 2)."""
    return np.stack(np.linalg.slogdet(x), axis=-1)


def half(x):
    """Φ: the lower triangle, its diagonal halved."""
    n = x.shape[-1]
    below, up_to = (np.tri(n, n, k, dtype=x.dtype, like=x) for k in (-1, 0))
    return x * (0.5 * (below + up_to))


def lower(g):
    """The gradient of what reads the lower triangle of a symmetric matrix alone."""
    return half(g + t(g))


def _cholesky(g, z):
    # Ā = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹, or its transpose.
    upper = t(z)
    s = triangular(upper, half(upper @ g), lower=False)
    return lower(triangular(upper, t(s), lower=False))


@matrix("cholesky({x})", vjp=_cholesky, cases=SQUARE, arrange=definite, name="cholesky_lower")
def cholesky_lower(x, /):
    """The lower triangular L with L Lᵀ = x, of a positive definite x."""
    return np.linalg.cholesky(x)


def _reciprocal_gaps(w):
    """1 / (w_j − w_i) for row i and column j, 0 where they are equal."""
    gaps = np.expand_dims(w, -2) - np.expand_dims(w, -1)
    return 1 / np.where(gaps == 0, np.inf, gaps)


def _eigh(g, z):
    w, V = z[..., 0, :], z[..., 1:, :]
    gw, gV = g[..., 0, :], g[..., 1:, :]
    inner = _reciprocal_gaps(w) * (t(V) @ gV)
    return lower((V @ inner + V * np.expand_dims(gw, -2)) @ t(V))


@matrix("eigh({x})", vjp=_eigh, cases=SQUARE, arrange=definite, name="eigh_parts")
def eigh_parts(x, /):
    """Eigenvalues as a row, the eigenvectors as columns below: (..., n, n) -> (..., n + 1, n).

    Where eigenvalues are equal their eigenvectors are not determined; what would turn them within
    their space counts as 0.
    """
    w, V = np.linalg.eigh(x)
    return np.concatenate([w[..., np.newaxis, :], V], axis=-2)


def _eigvalsh(g, x):
    V = eigh_parts(x)[..., 1:, :]
    s = (V * np.expand_dims(g, -2)) @ t(V)
    return lower(s)


@matrix("eigenvalues({x})", vjp=_eigvalsh, cases=SQUARE, arrange=definite)
def eigenvalues(x, /):
    """Eigenvalues of symmetric matrices in ascending order; of equal ones each has a vector of
    LAPACK's choice.
    """
    return np.linalg.eigvalsh(x)


def _svdvals(g, x, x_shape):
    m, parts = x_shape[-2], svd_parts(x)
    return (t(parts[..., :m]) * np.expand_dims(g, -2)) @ parts[..., m + 1 :]


@matrix(
    "singular({x})",
    vjp=_svdvals,
    cases=(Case((3, 3)), Case((4, 2)), Case((2, 4)), Case((2, 3, 2))),
)
def singular_values(x, /):
    """Singular values in descending order, see `eigenvalues`."""
    return np.linalg.svd(x, compute_uv=False)


def _svd(g, z, x_shape):
    m, n = x_shape[-2:]
    U, s, V = t(z[..., :m]), z[..., m], t(z[..., m + 1 :])
    gU, gs, gV = t(g[..., :m]), g[..., m], t(g[..., m + 1 :])
    F = _reciprocal_gaps(s * s)
    S = np.expand_dims(s, -2)  # scales columns
    one, other = t(U) @ gU, t(V) @ gV
    inner = (F * (one - t(one))) * S + t(S) * (F * (other - t(other)))
    gx = (U @ inner + U * np.expand_dims(gs, -2)) @ t(V)
    if m > n:
        rest = gU / S
        gx = gx + (rest - U @ (t(U) @ rest)) @ t(V)
    if n > m:
        rest = gV / S
        gx = gx + U @ t(rest - V @ (t(V) @ rest))
    return gx


@matrix(
    "svd({x})",
    vjp=_svd,
    cases=(Case((3, 3)), Case((4, 2)), Case((2, 4)), Case((2, 3, 2))),
    name="svd_parts",
)
def svd_parts(x, /):
    """A row for each singular value: its left vector, the value, its right vector:
    (..., m, n) -> (..., k, m + 1 + n) with k the smaller of m and n.

    Where singular values are equal their vectors are not determined, see `eigh_parts`.
    """
    U, s, Vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([np.swapaxes(U, -1, -2), s[..., np.newaxis], Vh], axis=-1)


def _qr(g, z, x):
    # x = [X Y] with X = Q R, Qᵀ Y = S; Y and S are empty where there are no more columns than rows.
    # X̄ = (Q̄ + Q copyltu(R R̄ᵀ − Q̄ᵀ Q)) R⁻ᵀ, copyltu: the lower triangle copied to the upper.
    m = x.shape[-2]
    Q, R = t(z[..., :m]), z[..., m : 2 * m]
    gQ, gR, gS = t(g[..., :m]), g[..., m : 2 * m], g[..., 2 * m :]
    gQ = gQ + x[..., m:] @ t(gS)
    M = R @ t(gR) - t(gQ) @ Q
    gX = t(triangular(R, t(gQ + Q @ (np.tril(M) + t(np.tril(M, -1)))), lower=False))
    return np.concatenate([gX, Q @ gS], axis=-1)


@matrix(
    "qr({x})",
    vjp=_qr,
    cases=(Case((3, 3)), Case((4, 2)), Case((2, 4)), Case((2, 3, 2))),
    name="qr_parts",
)
def qr_parts(x, /):
    """A row for each column of Q: that column, and R's row: (..., m, n) -> (..., k, m + n)."""
    Q, R = np.linalg.qr(x)
    return np.concatenate([np.swapaxes(Q, -1, -2), R], axis=-1)


def _pinv(g, z, x):
    # Golub and Pereyra 1973; the parts outside the ranges vanish for an invertible x.
    outside = g - (g @ x) @ z  # g (I − x z)
    beside = g - z @ (x @ g)  # (I − z x) g
    return -(t(z) @ g @ t(z)) + t(z @ t(z) @ outside) + t(beside @ t(z) @ z)


@matrix("{x}⁺", vjp=_pinv, cases=(Case((3, 3)), Case((4, 2)), Case((2, 4)), Case((2, 3, 2))))
def pinv(x, /, rcond=None):
    """Pseudo-inverse, for matrices whose rank does not change nearby."""
    return np.linalg.pinv(x) if rcond is None else np.linalg.pinv(x, rcond)
