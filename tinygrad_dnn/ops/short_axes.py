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
    last = max((a for a, n in enumerate(shape) if n > 1), default=None)
    if last not in over or few > FEW or few * MANY > prod(shape):
        return False
    if ufunc is np.add and dtype.char != "?":
        return few == shape[last] <= SUMMED and dtype.char in "fd"
    return dtype.char in "?fd"


def reduced(ufunc, forward, x, axis=None, keepdims=False):
    """The reduction of x that `forward` is, and `ufunc` the step of: by slices where that pays."""
    if (
        axis is None
        or type(x) is not np.ndarray
        or x.size < 2 * MANY
        or not x.flags.c_contiguous
        or not pays(ufunc, x.shape, x.dtype, over := normalize_axis_tuple(axis, x.ndim))
    ):
        return forward(x, axis=axis, keepdims=keepdims)
    shape = [1 if a in over else n for a, n in enumerate(x.shape) if keepdims or a not in over]
    counts = ufunc is np.add and x.dtype.char == "?"
    return reduce_slices(ufunc, x, over, np.empty(shape, np.intp if counts else x.dtype))


def reduce_slices(ufunc, x, over, out):
    """Reduce x over axes by a call for each slice, in blocks that stay in the cache."""
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
