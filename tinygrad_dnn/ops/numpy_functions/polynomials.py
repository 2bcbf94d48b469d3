"""Polynomials by their coefficients, highest power first."""

import numpy as np

from tinygrad_dnn.ops.compose import composed
from tinygrad_dnn.ops.declare import Case

__all__ = ["poly", "polyadd", "polyder", "polyint", "polymul", "polysub"]

TWO = (Case((3,), (2,)), Case((2,), (2,)))


def _vector(x):
    return np.atleast_1d(x if hasattr(x, "dtype") else np.asarray(x))


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
    """The product of two polynomials."""
    return np.convolve(_vector(a1), _vector(a2))


@composed(np.polyder, cases=(Case((4,)), Case((4,), m=2), Case((1,))))
def polyder(p, m=1):
    """The m-th derivative of a polynomial."""
    if m < 0:
        raise ValueError(f"polyder: expected m as 0 or more, got {m}; polyint integrates")
    p = _vector(p)
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
    p, none = np.ones(1, zeros.dtype), np.zeros(1, zeros.dtype)
    for i in range(zeros.shape[0]):
        p = np.append(p, none) - np.append(none, p * zeros[i])
    return p
