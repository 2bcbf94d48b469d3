"""Sorting and what is picked from the sorted: composed of recorded positions and `take`.

The positions are recorded, so that a program sorts anew; no gradient passes through them.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_dtype, composed, in_floats, plain
from tinygrad_dnn.ops.numpy_functions.reductions import beside
from tinygrad_dnn.ops.reduction import axes, length

__all__ = [
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "partition",
    "percentile",
    "quantile",
]


@composed(np.partition, cases=(Case((5,), kth=2), Case((3, 4), kth=(0, 2), axis=0)))
def partition(a, kth, axis=-1, kind="introselect", order=None):
    """The k-th smallest at place k, none larger before it, none smaller behind."""
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, len(a.shape))
    return np.take_along_axis(a, np.argpartition(a, kth, axis=axis), axis=axis)


def _rows(a, axis):
    """The reduced axes flattened into a last one; unlike for a sum, a 0-d array has none."""
    n = len(a.shape)
    over = tuple(range(n)) if axis is None else normalize_axis_tuple(axis, n)
    kept = tuple(i for i in range(len(a.shape)) if i not in over)
    turned = np.transpose(a, (*kept, *over))
    return np.reshape(turned, (*(a.shape[i] for i in kept), length(axis, a.shape)))


def _reduced_shape(a, axis):
    over = axes(axis, a.shape)
    return tuple(1 if i in over else n for i, n in enumerate(a.shape))


def _averaged(q, n):
    at = q * n - 1
    return np.where(at == np.floor(at), at + 0.5, np.ceil(at))


def _closest(q, n):
    at = q * n - 1.5
    before = np.floor(at)
    return np.where((at == before) & (before % 2 == 1), before, before + 1)


METHODS = {
    # The place of quantile q among n sorted elements, from 0 (Hyndman and Fan 1996).
    "inverted_cdf": lambda q, n: np.ceil(q * n) - 1,
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
    "linear": lambda q, n: q * (n - 1),
    "weibull": lambda q, n: q * (n + 1) - 1,
    "hazen": lambda q, n: q * n - 0.5,
    "median_unbiased": lambda q, n: q * (n + 1 / 3) - 2 / 3,
    "normal_unbiased": lambda q, n: q * (n + 0.25) - 0.625,
    "interpolated_inverted_cdf": lambda q, n: q * n - 1,
    "lower": lambda q, n: np.floor(q * (n - 1)),
    "higher": lambda q, n: np.ceil(q * (n - 1)),
    "nearest": lambda q, n: np.rint(q * (n - 1)),
    "midpoint": lambda q, n: (np.floor(q * (n - 1)) + np.ceil(q * (n - 1))) / 2,
}

PICKING = {"inverted_cdf", "closest_observation", "lower", "higher", "nearest"}


def _quantile(name, a, q, axis, method, keepdims, counts=None, weights=None):
    """Quantiles of the elements along axes, between two neighbours in proportion.

    Args:
        counts: how many elements of each row count, the first ones once sorted; None for all.
    """
    if method not in METHODS:
        raise ValueError(f"{name}: expected a method of {', '.join(METHODS)}, got {method!r}")
    q = np.asarray(plain(name, "q", q), dtype=float)
    if q.size and not (np.all(q >= 0) and np.all(q <= 1)):
        raise ValueError(f"{name}: expected quantiles from 0 to 1, got {q.min()} to {q.max()}")
    if method not in PICKING:
        a = in_floats(a)
        if q.ndim:  # an array takes part in the dtype, a number does not
            a = as_dtype(a, np.result_type(a.dtype, q.dtype))
    rows = _rows(a, axis)
    n = rows.shape[-1]
    if not n:
        raise ValueError(f"{name}: expected elements along axis {axis}, got shape {a.shape}")
    shape = _reduced_shape(a, axis)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(
                f"{name}: expected method='inverted_cdf' beside weights, got {method!r}"
            )
        rows, shares = _weighed(name, rows, a, axis, weights, counts)
        parts = [_reached(rows, shares, one, counts) for one in q.ravel()]
    else:
        rows, place = np.sort(rows, axis=-1), METHODS[method]
        parts = [_between(rows, place, float(one), n, counts) for one in q.ravel()]
    z = np.stack(parts) if parts else np.zeros((0, *rows.shape[:-1]), a.dtype)
    kept = shape if keepdims else rows.shape[:-1]
    return np.reshape(z, (*q.shape, *kept))


def _between(rows, place, q, n, counts):
    if counts is None:
        at = float(min(max(place(q, n), 0), n - 1))  # a number of Python's leaves the dtype
        low = int(np.floor(at))
        rest = at - low
        x = rows[..., low]
        if not rest:
            return _unless_nan(x, rows)
        y = rows[..., low + 1]
        # As NumPy rounds: from the nearer neighbour.
        z = x + (y - x) * rest if rest < 0.5 else y - (y - x) * (1 - rest)
        return _unless_nan(z, rows)
    places = np.maximum(np.minimum(place(q, counts), counts - 1), 0)
    before = np.floor(places)
    part = np.expand_dims(places - before, -1).astype(rows.dtype)
    before = np.expand_dims(before, -1).astype(int)
    after = np.minimum(before + 1, n - 1)
    x, y = (np.take_along_axis(rows, i, axis=-1) for i in (before, after))
    z = np.where(part == 0, x, np.where(part < 0.5, x + (y - x) * part, y - (y - x) * (1 - part)))
    return np.squeeze(z, -1)


def _weighed(name, rows, a, axis, weights, counts):
    """The rows sorted, and the running share of their weights."""
    w = np.asarray(plain(name, "weights", weights))
    w = np.broadcast_to(beside(name, w, a, axis), a.shape)
    if (w < 0).any() or not np.isfinite(w).all():
        raise ValueError(f"{name}: expected weights that are finite and not negative")
    if not _rows(w, axis).any(axis=-1).all():
        raise ValueError(f"{name}: expected a weight above 0 for each quantile")
    order = np.argsort(rows, axis=-1)
    rows = np.take_along_axis(rows, order, axis=-1)
    w = np.take_along_axis(_rows(w, axis), order, axis=-1)
    if counts is not None:
        w = np.where(np.isnan(rows), 0, w)
    run = np.cumsum(w, axis=-1)
    return rows, run / run[..., -1:]


def _reached(rows, shares, q, counts):
    """The first element where the running share is above 0 and q or more."""
    before = np.logical_or(shares < q, shares == 0)
    at = np.minimum(np.sum(before, axis=-1, keepdims=True), rows.shape[-1] - 1)
    z = np.squeeze(np.take_along_axis(rows, at, axis=-1), -1)
    return z if counts is not None else _unless_nan(z, rows)


def _unless_nan(z, rows):
    """z, and NaN where a row holds one, which was sorted to its end; no gradient passes there."""
    if rows.dtype.kind != "f":
        return z
    nan, none = rows.dtype.type(np.nan), rows.dtype.type(0)
    return z + np.where(np.isnan(rows[..., -1]), nan, none)


TWO = (Case((3, 4)), Case((3, 4), axis=0), Case((2, 3, 4), axis=(0, -1), keepdims=True))


@composed(np.median, cases=(*TWO, Case((5,))))
def median(a, axis=None, overwrite_input=False, keepdims=False):
    """The middle element along axes, or the mean of the two in the middle; NaN if one is NaN."""
    rows = np.sort(_rows(in_floats(a), axis), axis=-1)
    n = rows.shape[-1]
    if not n:
        z = np.mean(rows, axis=-1)  # NaN, and NumPy's warning
    else:
        z = rows[..., n // 2] if n % 2 else np.mean(rows[..., n // 2 - 1 : n // 2 + 1], axis=-1)
        z = _unless_nan(z, rows)
    return np.reshape(z, _reduced_shape(a, axis)) if keepdims else z


def _counts(a, axis):
    return np.sum(np.logical_not(np.isnan(_rows(a, axis))), axis=-1)


@composed(np.nanmedian, cases=TWO)
def nanmedian(a, axis=None, overwrite_input=False, keepdims=False):
    """The median along axes of the numbers that are not NaN."""
    keepdims = keepdims is True
    if not _rows(a, axis).shape[-1]:
        return median.forward(a, axis, keepdims=keepdims)
    counts = np.expand_dims(_counts(a, axis), -1)
    rows = np.sort(_rows(in_floats(a), axis), axis=-1)
    middle = np.maximum((counts - 1) // 2, 0), np.minimum(counts // 2, rows.shape[-1] - 1)
    x, y = (np.squeeze(np.take_along_axis(rows, i, axis=-1), -1) for i in middle)
    odd = np.squeeze(counts, -1) % 2 == 1
    z = np.where(odd, x, np.mean(np.stack([x, y]), axis=0))
    return np.reshape(z, _reduced_shape(a, axis)) if keepdims else z


QUANTILES = (
    Case((3, 4), q=0.3),
    Case((3, 4), q=[0.1, 0.5, 1.0], axis=0),
    Case((2, 3, 4), q=0.8, axis=(0, -1), keepdims=True),
)
WEIGHTED = Case(
    (3, 4), q=[0.0, 0.4, 1.0], axis=1, weights=np.array([0, 2, 1, 3]), method="inverted_cdf"
)
PERCENTILES = tuple(
    Case(*c.shapes, **{**c.meta, "q": (np.asarray(c.meta["q"]) * 100).tolist()}) for c in QUANTILES
)


@composed(np.quantile, cases=(*QUANTILES, Case((7,), q=0.4, method="median_unbiased"), WEIGHTED))
def quantile(
    a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """Quantiles q, from 0 to 1, along axes, between neighbours in proportion."""
    return _quantile("quantile", a, q, axis, method, keepdims is True, weights=weights)


@composed(np.percentile, cases=PERCENTILES)
def percentile(
    a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """Percentiles q, from 0 to 100, along axes."""
    q = _of_hundred("percentile", q)
    return _quantile("percentile", a, q, axis, method, keepdims is True, weights=weights)


@composed(np.nanquantile, cases=QUANTILES)
def nanquantile(
    a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """Quantiles along axes of the numbers that are not NaN."""
    counts = _counts(a, axis)
    return _quantile("nanquantile", a, q, axis, method, keepdims is True, counts, weights)


@composed(np.nanpercentile, cases=PERCENTILES)
def nanpercentile(
    a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """Percentiles along axes of the numbers that are not NaN."""
    q, counts = _of_hundred("nanpercentile", q), _counts(a, axis)
    return _quantile("nanpercentile", a, q, axis, method, keepdims is True, counts, weights)


def _of_hundred(name, q):
    return np.asarray(plain(name, "q", q)) / 100
