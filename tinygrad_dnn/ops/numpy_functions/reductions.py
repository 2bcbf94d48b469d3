"""Sums, products, means and extremes with all of NumPy's arguments, and those that skip NaN.

`sum`, `prod`, `mean`, `var`, `std`, `max` and `min` stand here with `dtype=`, `initial=` and
`where=`; with axis and keepdims alone they are the ops of these names.
"""

from functools import partial

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops import reduction, running
from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import along, as_array, as_dtype, composed, in_floats

__all__ = [
    "average",
    "cumulative_prod",
    "cumulative_sum",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "ptp",
    "trapezoid",
]

FEW = (Case((3, 4)), Case((3, 4), axis=0), Case((2, 3, 4), axis=(0, -1), keepdims=True))
MASK = np.array([[True, False, True, True], [False, True, True, True], [True, True, False, True]])
SOME = Case((3, 4), axis=1, where=MASK)
over_axes = partial(composed, cases=FEW)
NOT_GIVEN = np._NoValue


def _with(a, dtype, where, neutral):
    """a in another dtype, with a neutral element where it does not count."""
    a = as_dtype(a, dtype)
    if np.broadcast_shapes(np.shape(where), a.shape) != a.shape:
        raise ValueError(f"expected where= that fits in {a.shape}, got shape {np.shape(where)}")
    return a if where is True else np.where(where, a, a.dtype.type(neutral))


def _given(x):
    """Whether an argument was given: NumPy marks with a value of its own that it was not."""
    return x is not NOT_GIVEN and x is not None


def _kept(keepdims):
    return bool(keepdims) if _given(keepdims) else False


@composed(np.sum, cases=(SOME, Case((3, 4), axis=0, initial=2.5), Case((3, 4), dtype="float32")))
def sum(a, axis=None, dtype=None, keepdims=False, initial=0, where=True):
    """Sum over axes of the elements where `where` holds, and of `initial`."""
    z = reduction.sum(_with(a, dtype, where, 0), axis, keepdims=_kept(keepdims))
    return z + _start(initial, z.dtype) if _given(initial) and _differs(initial, 0) else z


@composed(np.prod, cases=(SOME, Case((3, 4), axis=0, initial=2.5)))
def prod(a, axis=None, dtype=None, keepdims=False, initial=1, where=True):
    """Product over axes of the elements where `where` holds, and of `initial`."""
    z = reduction.prod(_with(a, dtype, where, 1), axis, keepdims=_kept(keepdims))
    return z * _start(initial, z.dtype) if _given(initial) and _differs(initial, 1) else z


def _differs(initial, neutral):
    return hasattr(initial, "node") or initial != neutral


def _start(initial, dtype):
    """What a reduction starts from, in the dtype of its result, as NumPy takes it."""
    if isinstance(initial, (int, float)) and not isinstance(initial, np.generic):
        return initial if dtype.kind == "f" else dtype.type(int(initial))
    return as_dtype(initial, dtype)


def _bound(dtype, low):
    """The smallest value of a dtype, or the largest."""
    if dtype.kind == "f":
        return -np.inf if low else np.inf
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    return (not low) if limits is None else limits.min if low else limits.max


def _extreme(name, of_two, low):
    def extreme(a, axis, keepdims, initial, where):
        if where is not True and not _given(initial):
            raise ValueError(
                f"{name}: expected initial= beside where=: of nothing there is no {name}"
            )
        keepdims, dtype = _kept(keepdims), a.dtype
        a = _with(a, None, where, _bound(dtype, low))
        initial = _start(initial, dtype) if _given(initial) else initial
        if _given(initial) and not reduction.length(axis, a.shape):
            none = np.sum(a, axis=axis, keepdims=keepdims)  # 0 of nothing, in the result's shape
            return as_dtype(none, dtype) + initial
        z = getattr(reduction, name)(a, axis, keepdims=keepdims)
        return of_two(z, initial) if _given(initial) else z

    return extreme


_largest = _extreme("max", np.maximum, low=True)
_smallest = _extreme("min", np.minimum, low=False)
BOUNDED = (Case((3, 4), axis=1, where=MASK, initial=0.1), Case((3, 4), axis=0, initial=0.1))


@composed(np.max, cases=BOUNDED)
def max(a, axis=None, keepdims=False, initial=NOT_GIVEN, where=True):
    """Largest of the elements where `where` holds, and of `initial`."""
    return _largest(a, axis, keepdims, initial, where)


@composed(np.min, cases=BOUNDED)
def min(a, axis=None, keepdims=False, initial=NOT_GIVEN, where=True):
    """Smallest of the elements where `where` holds, and of `initial`."""
    return _smallest(a, axis, keepdims, initial, where)


def _count(a, axis, where):
    """How many elements are reduced to one, with the reduced axes kept, as floats of a's dtype."""
    if where is True:
        return np.asarray(reduction.length(axis, a.shape), a.dtype)
    count = np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=True)
    return count.astype(a.dtype)


def _over(z, n, axis, keepdims):
    """z / n, where z has its reduced axes, which are dropped unless they are kept."""
    z = z / n
    if keepdims:
        return z
    return np.squeeze(z, axis=reduction.axes(axis, z.shape))


@composed(np.mean, cases=(SOME, Case((3, 4), dtype="float32")))
def mean(a, axis=None, dtype=None, keepdims=False, *, where=True):
    """Mean over axes of the elements where `where` holds."""
    a = _with(a, dtype, True, 0)
    if where is True:
        return reduction.mean(a, axis, keepdims=_kept(keepdims))
    a = in_floats(a)
    # NumPy takes means of float16, which may not hold the sum, in float32.
    wide = as_dtype(a, np.float32 if a.dtype == np.float16 else None)
    z = np.sum(_with(wide, None, where, 0), axis=axis, keepdims=True)
    return as_dtype(_over(z, _count(wide, axis, where), axis, _kept(keepdims)), a.dtype)


def _freedom(name, ddof, correction):
    """ddof, which the array API calls correction."""
    if not _given(correction):
        return ddof
    if ddof != 0:
        raise ValueError(f"{name}: expected ddof or correction, got both")
    return correction


def _variance(a, axis, dtype, ddof, keepdims, where, mean, correction):
    ddof = _freedom("var", ddof, correction)
    a = _with(a, dtype, True, 0)
    if where is True and not _given(mean):
        return reduction.var(a, axis, ddof=ddof, keepdims=_kept(keepdims))
    a = in_floats(a)
    if not _given(mean):
        mean = np.mean(a, axis=axis, keepdims=True, where=where)
    off = _with(a - mean, None, where, 0)
    n = np.maximum(_count(a, axis, where) - ddof, 0)
    return _over(np.sum(off * off, axis=axis, keepdims=True), n, axis, _kept(keepdims))


def _deviation(a, axis, dtype, ddof, keepdims, where, mean, correction):
    if where is True and not _given(mean):
        ddof = _freedom("std", ddof, correction)
        return reduction.std(_with(a, dtype, True, 0), axis, ddof=ddof, keepdims=_kept(keepdims))
    v = _variance(a, axis, dtype, ddof, keepdims, where, mean, correction)
    zero = v == 0
    return np.where(zero, v.dtype.type(0), np.sqrt(np.where(zero, v.dtype.type(1), v)))


@composed(np.var, cases=(SOME, Case((3, 4), axis=1, where=MASK, ddof=1)))
def var(
    a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """Variance over axes of the elements where `where` holds."""
    return _variance(a, axis, dtype, ddof, keepdims, where, mean, correction)


@composed(np.std, cases=(SOME, Case((3, 4), axis=1, where=MASK, ddof=1)))
def std(
    a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """Standard deviation over axes; where all elements are equal its slope is 0."""
    return _deviation(a, axis, dtype, ddof, keepdims, where, mean, correction)


# --- that skip NaN --------------------------------------------------------------------------------


def _there(a, where):
    """Where there is a number that counts."""
    there = np.logical_not(np.isnan(a))
    return there if where is NOT_GIVEN or where is True else np.logical_and(there, where)


@over_axes(np.nansum)
def nansum(a, axis=None, dtype=None, keepdims=False, initial=0, where=True):
    """Sum over axes, NaN as 0."""
    initial = initial if _given(initial) else 0
    return sum(a, axis, dtype, keepdims=keepdims, initial=initial, where=_there(a, where))


@over_axes(np.nanprod)
def nanprod(a, axis=None, dtype=None, keepdims=False, initial=1, where=True):
    """Product over axes, NaN as 1."""
    initial = initial if _given(initial) else 1
    return prod(a, axis, dtype, keepdims=keepdims, initial=initial, where=_there(a, where))


@over_axes(np.nanmean)
def nanmean(a, axis=None, dtype=None, keepdims=False, *, where=True):
    """Mean over axes of the numbers that are not NaN."""
    return mean(a, axis, dtype, keepdims=keepdims, where=_there(a, where))


@over_axes(np.nanvar)
def nanvar(
    a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """Variance over axes of the numbers that are not NaN; NaN of no more than ddof."""
    z = _variance(a, axis, dtype, ddof, keepdims, _there(a, where), mean, correction)
    return _of_few(z, a, axis, keepdims, where, _freedom("nanvar", ddof, correction))


@over_axes(np.nanstd)
def nanstd(
    a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """Standard deviation over axes of the numbers that are not NaN; NaN of no more than ddof."""
    z = _deviation(a, axis, dtype, ddof, keepdims, _there(a, where), mean, correction)
    return _of_few(z, a, axis, keepdims, where, _freedom("nanstd", ddof, correction))


def _of_few(z, a, axis, keepdims, where, ddof=0):
    """NaN where no more than ddof numbers were left; whole numbers are never NaN."""
    if a.dtype.kind != "f":
        return z
    left = np.sum(_there(a, where), axis=axis, keepdims=_kept(keepdims))
    return np.where(left > ddof, z, z.dtype.type(np.nan))


@over_axes(np.nanmax)
def nanmax(a, axis=None, keepdims=False, initial=NOT_GIVEN, where=True):
    """Largest of the numbers that are not NaN; NaN where there is none."""
    if a.dtype.kind != "f" or not reduction.length(axis, a.shape):
        return _largest(a, axis, keepdims, initial, True if where is NOT_GIVEN else where)
    there = _there(a, where)
    z = _largest(a, axis, keepdims, initial if _given(initial) else -np.inf, there)
    return z if _given(initial) else _of_few(z, a, axis, keepdims, where)


@over_axes(np.nanmin)
def nanmin(a, axis=None, keepdims=False, initial=NOT_GIVEN, where=True):
    """Smallest of the numbers that are not NaN; NaN where there is none."""
    if a.dtype.kind != "f" or not reduction.length(axis, a.shape):
        return _smallest(a, axis, keepdims, initial, True if where is NOT_GIVEN else where)
    there = _there(a, where)
    z = _smallest(a, axis, keepdims, initial if _given(initial) else np.inf, there)
    return z if _given(initial) else _of_few(z, a, axis, keepdims, where)


# --- running and weighted -------------------------------------------------------------------------


def scanned(of_two, a, axis):
    """The running result of an associative function along an axis: add gives the running sum.

    Doubles the stretch that each element has taken in, log₂ n times.
    """
    rows = np.moveaxis(a, axis, 0)
    n, stretch = rows.shape[0], 1
    while stretch < n:
        rows = np.concatenate([rows[:stretch], of_two(rows[stretch:], rows[:-stretch])])
        stretch *= 2
    return np.moveaxis(rows, 0, axis)


@composed(np.cumprod, cases=(Case((2, 3), axis=1, dtype="float32"),))
def cumprod(a, axis=None, dtype=None):
    """Running product along an axis, in another dtype."""
    return running.cumprod(_with(a, dtype, True, 0), axis=axis)


def _cumulative(name, x, axis, dtype, include_initial, run, neutral):
    if axis is None:
        if len(x.shape) > 1:
            raise ValueError(f"{name}: expected axis= for an array of shape {x.shape}")
        axis = 0
    z = run(_with(x, dtype, True, 0), axis=axis)
    if not include_initial:
        return z
    axis = normalize_axis_index(axis, len(x.shape))
    shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    return np.concatenate([np.full(shape, neutral, z.dtype), z], axis=axis)


RUNNING = (Case((4,)), Case((2, 3), axis=1, include_initial=True))


@composed(np.cumulative_sum, cases=RUNNING)
def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running sum along an axis, from 0 where `include_initial` holds."""
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial, np.cumsum, 0)


@composed(np.cumulative_prod, cases=RUNNING)
def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running product along an axis, from 1 where `include_initial` holds."""
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial, np.cumprod, 1)


@composed(np.nancumsum, cases=(Case((2, 3)), Case((2, 3), axis=1)))
def nancumsum(a, axis=None, dtype=None):
    """Running sum along an axis, NaN as 0."""
    return np.cumsum(_with(a, dtype, _there(a, True), 0), axis=axis)


@composed(np.nancumprod, cases=(Case((2, 3)), Case((2, 3), axis=1)))
def nancumprod(a, axis=None, dtype=None):
    """Running product along an axis, NaN as 1."""
    return np.cumprod(_with(a, dtype, _there(a, True), 1), axis=axis)


@composed(np.ptp, cases=(Case((3, 4)), Case((3, 4), axis=1), Case((3, 4), axis=0, keepdims=True)))
def ptp(a, axis=None, keepdims=False):
    """From the smallest to the largest element, along axes."""
    keepdims = _kept(keepdims)
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def _plainly(x):
    """A plain array's values; of what is recorded none are looked at."""
    return x if isinstance(x, np.generic | np.ndarray) else np.nan


def beside(name, weights, a, axis):
    """Weights in a shape that broadcasts to a's; they are given for all of it, or along the axes.

    Raises:
        TypeError, ValueError: they are given for neither.
    """
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError(
            f"{name}: expected axis= beside weights {weights.shape} for an array {a.shape}"
        )
    over = reduction.axes(axis, a.shape)
    if weights.shape != tuple(a.shape[i] for i in over):
        raise ValueError(
            f"{name}: expected weights of shape {tuple(a.shape[i] for i in over)}, "
            f"got {weights.shape}"
        )
    weights = np.transpose(weights, tuple(int(i) for i in np.argsort(over)))
    return np.reshape(weights, [n if i in over else 1 for i, n in enumerate(a.shape)])


@composed(
    np.average,
    cases=(Case((3, 4)), Case((3, 4), axis=0, keepdims=True), Case((3,), weights=[1.0, 2, 3])),
)
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    """Mean along axes, Σ w a / Σ w where weights are given; they may require a gradient."""
    keepdims = _kept(keepdims)
    if weights is None:
        z = np.mean(a, axis=axis, keepdims=keepdims)
        total = np.full(np.shape(z), reduction.length(axis, a.shape), z.dtype)
        return (z, total) if returned else z
    weights = beside("average", as_array(weights), a, axis)
    total = np.sum(np.broadcast_to(weights, a.shape), axis=axis, keepdims=keepdims)
    if np.any(_plainly(total) == 0):
        raise ZeroDivisionError("average: the weights sum to 0, and can't be normalised")
    z = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (z, total) if returned else z


@composed(
    np.trapezoid,
    cases=(Case((5,)), Case((5,), dx=0.5), Case((3, 4), axis=0), Case((4,), x=[0.0, 1, 3, 4])),
)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Area under y along an axis, by trapezia: Σ (y_i + y_{i+1})/2 · (x_{i+1} − x_i)."""
    n = len(y.shape)
    own = normalize_axis_index(axis, n)
    after, before = along(own, slice(1, None)), along(own, slice(None, -1))
    if x is not None:
        x = as_array(x)
        if len(x.shape) == 1:
            dx = np.reshape(np.diff(x), [-1 if i == own else 1 for i in range(n)])
        else:
            dx = np.diff(x, axis=axis)  # broadcast with y, from the last axis on
    return np.sum(dx * (y[after] + y[before]) / 2.0, axis=axis)
