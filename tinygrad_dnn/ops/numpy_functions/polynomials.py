"""Polynomials by their coefficients, highest power first."""

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, as_dtype, composed

__all__ = ["poly", "polyadd", "polyder", "polyint", "polymul", "polysub", "polyval", "vander"]

TWO = (Case((3,), (2,)), Case((2,), (2,)))


def _vector(x):
    return np.atleast_1d(as_array(x))


def _of_one_length(a, b):
    a, b = _vector(a), _vector(b)
    n = max(a.shape[0], b.shape[0])
    return [np.pad(x, (n - x.shape[0], 0)) if x.shape[0] < n else x for x in (a, b)]


@composed(np.polyadd, cases=TWO)
def polyadd(a1, a2):
    """The sum of two polynomials."""
    a, b = _of_one_length(a1, a2)
    return a + b


@composed(np.polysub, cases=TWO)
def polysub(a1, a2):
    """The difference of two polynomials."""
    a, b = _of_one_length(a1, a2)
    return a - b


@composed(np.polymul, cases=TWO)
def polymul(a1, a2):
    """The product of two polynomials; leading zeros stay."""
    return np.convolve(_vector(a1), _vector(a2))


@composed(np.polyder, cases=(Case((4,)), Case((4,), m=2), Case((1,))))
def polyder(p, m=1):
    """The m-th derivative of a polynomial."""
    if m < 0:
        raise ValueError(f"polyder: expected m as 0 or more, got {m}; polyint integrates")
    p = _vector(p)
    if m < 0:
        raise ValueError(f"polyder: expected m as 0 or more, got {m}; see polyint")
    for _ in range(m):
        n = p.shape[0]
        p = p[:-1] * np.arange(n - 1, 0, -1)
    return p


@composed(np.polyint, cases=(Case((3,)), Case((2,), m=2, k=[1.0, 2.0])))
def polyint(p, m=1, k=None):
    """The m-th integral of a polynomial, with the constants k."""
    if m < 0:
        raise ValueError(f"polyint: expected m as 0 or more, got {m}; polyder differentiates")
    p = _vector(p)
    if m < 0:
        raise ValueError(f"polyint: expected m as 0 or more, got {m}; see polyder")
    constants = np.zeros(m) if k is None else np.broadcast_to(np.asarray(k, float), (m,))
    for i in range(m):
        n = p.shape[0]
        p = np.append(p / np.arange(n, 0, -1), constants[i : i + 1])
    return p


@composed(np.poly, cases=(Case((3,)),))
def poly(seq_of_zeros):
    """The polynomial with given zeros and leading coefficient 1."""
    zeros = _vector(seq_of_zeros)
    if len(zeros.shape) != 1:
        raise ValueError(f"poly: expected zeros along one axis, got {zeros.shape}")
    zeros = as_dtype(zeros, np.mintypecode(zeros.dtype.char))  # of float16 it is float64
    p, none = np.ones(1, zeros.dtype), np.zeros(1, zeros.dtype)
    for i in range(zeros.shape[0]):
        p = np.append(p, none) - np.append(none, p * zeros[i])
    return p


@composed(np.polyval, cases=(Case((4,), (2, 3)), Case((1,), (3,))))
def polyval(p, x):
    """The polynomial p[0] xⁿ⁻¹ + ... + p[n−1], by Horner's rule."""
    p, x = as_array(p), as_array(x)
    z = np.zeros_like(x)
    for i in range(p.shape[0]):
        z = z * x + p[i]
    return z


@composed(np.vander, cases=(Case((3,)), Case((3,), N=4, increasing=True)))
def vander(x, N=None, increasing=False):
    """Powers of x in columns: xᴺ⁻¹ ... x 1, or increasing."""
    if len(x.shape) != 1:
        raise ValueError(f"vander: expected one axis, got {x.shape}")
    N = x.shape[0] if N is None else N
    if N < 0:
        raise ValueError(f"vander: expected N as 0 or more, got {N}")
    dtype = np.promote_types(x.dtype, int)
    x = as_dtype(x, dtype)
    powers = [np.ones_like(x)]
    for _ in range(N - 1):
        powers.append(powers[-1] * x)
    columns = powers[:N] if increasing else powers[:N][::-1]
    return np.stack(columns, axis=1) if columns else np.zeros_like(x, shape=(x.shape[0], 0))
