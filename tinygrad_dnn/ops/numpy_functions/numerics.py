"""Differences, interpolation, convolution, covariances."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import along, as_array, as_dtype, composed, plain
from tinygrad_dnn.ops.positions import take

__all__ = [
    "convolve",
    "corrcoef",
    "correlate",
    "cov",
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "unwrap",
]


@composed(
    np.diff,
    cases=(Case((5,)), Case((3, 4), n=2), Case((3, 4), axis=0), Case((2, 3), prepend=0.5)),
)
def diff(a, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    """Differences of neighbours along an axis, n times."""
    if n < 0:
        raise ValueError(f"diff: expected n as 0 or more, got {n}")
    axis = normalize_axis_index(axis, len(a.shape))
    ends = [prepend, a, append]
    shape = tuple(1 if i == axis else k for i, k in enumerate(a.shape))
    for i in (0, 2):
        if ends[i] is not np._NoValue and np.ndim(ends[i]) == 0:
            ends[i] = np.broadcast_to(as_array(ends[i]), shape)
    parts = [x for x in ends if x is not np._NoValue]
    a = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        a = a[along(axis, slice(1, None))] - a[along(axis, slice(None, -1))]
    return a


@composed(np.ediff1d, cases=(Case((5,)), Case((2, 3), to_begin=0.5, to_end=[1.0, 2.0])))
def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of neighbours of the flattened array, between other numbers."""
    flat = np.ravel(ary)
    parts = [] if to_begin is None else [np.ravel(as_array(to_begin).astype(ary.dtype))]
    parts.append(flat[1:] - flat[:-1])
    parts += [] if to_end is None else [np.ravel(as_array(to_end).astype(ary.dtype))]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _slope(f, h, axis, edge_order):
    """The slope along one axis: central differences, one-sided ones at the ends."""
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(
            f"gradient: expected {edge_order + 1} elements or more along axis {axis}, got {n}"
        )

    def at(part):
        return f[along(axis, part)]

    wide = [1] * len(f.shape)
    wide[axis] = -1
    even = np.ndim(h) == 0
    if even:
        inner = (at(slice(2, None)) - at(slice(None, -2))) / (2.0 * h)
    else:
        a, b = np.reshape(h[:-1], wide), np.reshape(h[1:], wide)
        inner = (
            -b / (a * (a + b)) * at(slice(None, -2))
            + (b - a) / (a * b) * at(slice(1, -1))
            + a / (b * (a + b)) * at(slice(2, None))
        )
    first = h if even else h[0]
    last = h if even else h[-1]
    if edge_order == 1:
        low = (at(slice(1, 2)) - at(slice(0, 1))) / first
        high = (at(slice(-1, None)) - at(slice(-2, -1))) / last
    else:
        p, q = (h, h) if even else (h[0], h[1])
        low = (
            -(2.0 * p + q) / (p * (p + q)) * at(slice(0, 1))
            + (p + q) / (p * q) * at(slice(1, 2))
            - p / (q * (p + q)) * at(slice(2, 3))
        )
        p, q = (h, h) if even else (h[-2], h[-1])
        high = (
            q / (p * (p + q)) * at(slice(-3, -2))
            - (q + p) / (p * q) * at(slice(-2, -1))
            + (2.0 * q + p) / (q * (p + q)) * at(slice(-1, None))
        )
    return np.concatenate([low, inner, high], axis=axis)


@composed(
    np.gradient,
    cases=(
        Case((5,)),
        Case((3, 4)),
        Case((3, 4), axis=1, edge_order=2),
    ),
)
def gradient(f, *varargs, axis=None, edge_order=1):
    """Slopes by central differences along axes, which lie `varargs` apart, or at those places."""
    n = len(f.shape)
    over = range(n) if axis is None else normalize_axis_tuple(axis, n)
    if len(varargs) not in (0, 1, len(over)):
        raise TypeError(f"gradient: expected 1 spacing or {len(over)}, got {len(varargs)}")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: expected edge_order 1 or 2, got {edge_order}")
    apart = varargs or (1.0,)
    apart = apart * len(over) if len(apart) == 1 else apart
    found = []
    for i, h in zip(over, apart, strict=True):
        h = as_array(h) if np.ndim(h) else h
        if np.ndim(h) == 1:
            if h.shape[0] != f.shape[i]:
                raise ValueError(
                    f"gradient: expected {f.shape[i]} places along axis {i}, got {h.shape[0]}"
                )
            h = h[1:] - h[:-1]
            if isinstance(h, np.ndarray) and (h == h[0]).all():
                h = h[0]
        slope = _slope(f, h, i, edge_order)
        found.append(slope if f.dtype.kind != "f" else as_dtype(slope, f.dtype))
    return found[0] if len(found) == 1 else tuple(found)


@composed(
    np.interp,
    cases=(
        Case((4,), (3,), (3,)),
        Case((2, 3), (3,), (3,), left=0.0, right=1.0),
        Case((), (3,), (3,)),
        Case((5,), (3,), (3,), period=1.7),
    ),
    domain=((0.2, 2.9), (-0.5, 3.5), (-2, 2)),
    arrange=lambda x, xp, fp: [x, np.sort(xp), fp],
)
def interp(x, xp, fp, left=None, right=None, period=None):
    """Piecewise linear through the points (xp, fp), whose xp increase; differentiable in all three.

    At a point itself the slope in x is the one to the right. With a period the points go on beyond
    their ends, in any order, and left and right say nothing.
    """
    x, xp, fp = (as_dtype(as_array(v), np.float64) for v in (x, xp, fp))
    if len(xp.shape) != 1 or fp.shape != xp.shape or not xp.shape[0]:
        raise ValueError(f"interp: expected xp and fp of one length, got {xp.shape} and {fp.shape}")
    if period is not None:
        if period == 0:
            raise ValueError("interp: expected a period that is not 0")
        period, left, right = np.absolute(period), None, None
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = np.argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    n = xp.shape[0]
    low = fp[0] if left is None else left
    high = fp[n - 1] if right is None else right
    if n == 1:
        return np.where(x < xp[0], low, np.where(x > xp[0], high, np.broadcast_to(fp[0], x.shape)))
    beyond = np.expand_dims(x, -1) >= xp[1 : n - 1]
    at = np.sum(beyond, axis=-1)
    x0, x1, f0, f1 = (take(p, at + k) for p, k in ((xp, 0), (xp, 1), (fp, 0), (fp, 1)))
    inside = f0 + (f1 - f0) / (x1 - x0) * (x - x0)
    inside = np.where(x == xp[n - 1], fp[n - 1], inside)
    return np.where(x < xp[0], low, np.where(x > xp[n - 1], high, inside))


MODES = ("full", "same", "valid")
SIGNALS = (
    Case((5,), (3,)),
    Case((3,), (5,)),
    Case((5,), (2,), mode="same"),
    Case((4,), (3,), mode="valid"),
)


def _slid(a, v, mode, who):
    """Σ_k a[i + k] v[k] for every offset of the mode, a the longer."""
    n, m = a.shape[0], v.shape[0]
    if mode not in MODES:
        raise ValueError(f"{who}: expected a mode of {', '.join(MODES)}, got {mode!r}")
    before, after = {
        "full": (m - 1, m - 1),
        "same": (m // 2, m - 1 - m // 2),
        "valid": (0, 0),
    }[mode]
    padded = np.pad(a, (before, after)) if before or after else a
    count = n + before + after - m + 1
    places = np.arange(count)[:, np.newaxis] + np.arange(m)
    return np.take(padded, places) @ v


def _two_vectors(a, v, who):
    a, v = np.atleast_1d(as_array(a)), np.atleast_1d(as_array(v))
    if len(a.shape) != 1 or len(v.shape) != 1 or not a.shape[0] or not v.shape[0]:
        raise ValueError(f"{who}: expected two vectors, got {a.shape} and {v.shape}")
    return a, v


@composed(np.convolve, cases=SIGNALS)
def convolve(a, v, mode="full"):
    """Σ_k a[k] v[i − k]: the longer slid over the other, reversed."""
    a, v = _two_vectors(a, v, "convolve")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _slid(a, v[::-1], mode, "convolve")


@composed(
    np.correlate, cases=tuple(Case(*c.shapes, **{"mode": "valid", **c.meta}) for c in SIGNALS)
)
def correlate(a, v, mode="valid"):
    """Σ_k a[k + i] v[k]: the one slid over the other."""
    a, v = _two_vectors(a, v, "correlate")
    if v.shape[0] > a.shape[0]:
        return correlate.forward(v, a, mode)[::-1]
    return _slid(a, v, mode, "correlate")


def _variables(m, rowvar):
    m = as_array(m)
    if len(m.shape) > 2:
        raise ValueError(f"cov: expected one axis or two, got {m.shape}")
    m = np.reshape(m, (1, -1)) if len(m.shape) < 2 else m
    return m if rowvar or m.shape[0] == 1 else np.transpose(m)


def _weights_of(name, X, fweights, aweights):
    """The weights of observations, their sum, and that of their squares over the frequencies'."""
    m = X.shape[1]
    f: Any = None if fweights is None else np.asarray(plain(name, "fweights", fweights))
    a: Any = None if aweights is None else as_array(aweights)
    for what, w in (("fweights", f), ("aweights", a)):
        if w is not None and w.shape != (m,):
            raise ValueError(f"{name}: expected {m} numbers as {what}, got shape {w.shape}")
        if isinstance(w, np.ndarray) and w.min(initial=0) < 0:
            raise ValueError(f"{name}: expected {what} of 0 or more, got {w.min()}")
    if f is not None and (f != np.around(f)).any():
        raise TypeError(f"{name}: expected whole numbers as fweights, got {f.tolist()}")
    if a is None:
        return f, np.sum(f), np.sum(f)
    w = a if f is None else a * f
    return w, np.sum(w), np.sum(w * a)


@composed(
    np.cov,
    cases=(
        Case((3, 5)),
        Case((4,)),
        Case((5, 2), rowvar=False),
        Case((2, 4), ddof=0),
        Case((2, 4), fweights=np.array([1, 0, 2, 1])),
        Case((2, 4), aweights=np.array([0.5, 1.0, 2.0, 0.25]), fweights=np.array([1, 3, 2, 1])),
    ),
)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Covariances of variables in rows, observed in columns: fweights times each, or with weights
    in proportion to their size, which may require a gradient.
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"cov: expected ddof as a whole number, got {ddof}")
    X = _variables(m, rowvar)
    if y is not None:
        X = np.concatenate([X, _variables(y, rowvar)])
    X = as_dtype(X, dtype or np.result_type(X.dtype, np.float64))  # in double, as NumPy does
    ddof = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        X = X - np.mean(X, axis=1, keepdims=True)
        return np.squeeze(X @ np.transpose(X) / (X.shape[1] - ddof if X.shape[1] > ddof else 0))
    w, total, squares = _weights_of("cov", X, fweights, aweights)
    X = X - np.sum(X * w, axis=1, keepdims=True) / total
    return np.squeeze((X * w) @ np.transpose(X) / np.maximum(total - ddof * squares / total, 0))


@composed(np.corrcoef, cases=(Case((3, 5)), Case((2, 6))))
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """Correlations of variables in rows, observed in columns."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if len(c.shape) == 0:
        return c / c
    d = np.sqrt(np.diagonal(c))
    return np.clip(c / np.reshape(d, (-1, 1)) / d, -1, 1)


@composed(np.unwrap, cases=(Case((5,)), Case((3, 2), axis=0, period=4)), domain=((0.1, 9.0),))
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """Jumps of more than half a period along an axis taken out; the slope is 1."""
    axis = normalize_axis_index(axis, len(p.shape))
    half = period / 2
    steps = np.diff(p, axis=axis)
    short = np.remainder(steps + half, period) - half
    short = np.where((short == -half) & (steps > 0), half, short)
    jumps = np.absolute(steps) >= (half if discont is None else np.maximum(discont, half))
    turns = np.where(jumps, short - steps, p.dtype.type(0))
    moved = p[along(axis, slice(1, None))] + np.cumsum(turns, axis=axis)
    return np.concatenate([p[along(axis, slice(0, 1))], moved], axis=axis)
