"""Reductions over few elements that lie side by side, as over the last axis of (m, 3): slice by
slice, since NumPy's loop over such elements begins anew for every result.

A sum has NumPy's bits; of 0 and −0, which are equal, an extreme may be the other one.
"""

from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

__all__: list[str] = []

FEW = 16  # elements of one result
SUMMED = 7  # elements that NumPy adds one after the other; more of them by several sums at once
MANY = 1024  # results, from which on it pays


def pays(ufunc, shape, dtype, over):
    """Whether an array in C order is reduced over these axes slice by slice."""
    few = prod([shape[a] for a in over])
    side_by_side = _last_ones(shape, over)
    if not side_by_side or few > FEW or few * MANY > prod(shape):
        return False
    if ufunc is np.add and dtype.char != "?":
        return few == prod([shape[a] for a in side_by_side]) <= SUMMED and dtype.char in "fd"
    return dtype.char in "?fd"


def _last_ones(shape, over):
    """Those of the axes whose elements lie side by side."""
    found = []
    for a in range(len(shape))[::-1]:
        if a in over and shape[a] > 1:
            found.append(a)
        elif shape[a] > 1:
            break
    return found


def by_slices(ufunc, x, axis, keepdims):
    """The reduction of x over axes slice by slice; None where that does not pay."""
    if axis is None or type(x) is not np.ndarray or x.size < 2 * MANY or not x.flags.c_contiguous:
        return None
    over = normalize_axis_tuple(axis, x.ndim)
    if not pays(ufunc, x.shape, x.dtype, over):
        return _added_in_two(x, over, keepdims) if ufunc is np.add else None
    counts = ufunc is np.add and x.dtype.char == "?"
    dtype = np.dtype(np.intp) if counts else x.dtype.newbyteorder("=")
    out = np.empty(_left(x.shape, over, keepdims), dtype)
    return reduce_slices(ufunc, x, over, out)


def _added_in_two(x, over, keepdims):
    """Sums over axes that do not all lie side by side: NumPy adds up those that do first."""
    inner = _last_ones(x.shape, over)
    outer = tuple(a for a in over if a not in inner)
    few = prod([x.shape[a] for a in outer])
    sums = by_slices(np.add, x, inner, True) if inner and outer and few <= FEW else None
    if sums is None:
        return None
    return reduce_slices(np.add, sums, over, np.empty(_left(x.shape, over, keepdims), sums.dtype))


def _left(shape, over, keepdims):
    return [1 if a in over else n for a, n in enumerate(shape) if keepdims or a not in over]


def reduced(ufunc, forward, x, axis=None, keepdims=False):
    """The reduction of x that `forward` is, and `ufunc` the step of."""
    z = by_slices(ufunc, x, axis, keepdims)
    return forward(x, axis=axis, keepdims=keepdims) if z is None else z


def averaged(forward, x, axis=None, keepdims=False):
    """The mean of x that `forward` is: NumPy divides the sum by the number of elements."""
    floats = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    z = by_slices(np.add, x, axis, keepdims) if floats else None
    if z is None:
        return forward(x, axis=axis, keepdims=keepdims)
    return np.divide(z, x.size // z.size, out=z)


def reduce_slices(ufunc, x, over, out):
    """Reduce x over axes by a call for each slice, in blocks that stay in the cache."""
    over = sorted(over)  # in the order in which the elements lie in memory
    kept = [a for a in range(x.ndim) if a not in over]
    slices = x.transpose(*over, *kept)
    z = out if out.ndim == len(kept) else out.transpose(*over, *kept)[(0,) * len(over)]
    first, *rest = np.ndindex(*slices.shape[: len(over)])
    step = max(1, 2**18 * len(z) // x.nbytes)
    for i in range(0, len(z), step):
        part = z[i : i + step]
        if ufunc is np.add:
            np.add(slices[first][i : i + step], 0, out=part)  # 0 + −0 = 0
        else:
            np.copyto(part, slices[first][i : i + step])
        for at in rest:
            ufunc(part, slices[at][i : i + step], out=part)
    return out
