"""Choice among several arrays, and grids."""

from operator import index

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import as_array, as_dtype, common_dtype, composed, plain

__all__ = [
    "apply_along_axis",
    "apply_over_axes",
    "choose",
    "geomspace",
    "linspace",
    "logspace",
    "meshgrid",
    "piecewise",
    "select",
]


OTHERWISE = None  # their arguments are no arrays: tests/ops/test_choosing.py tries them


def _chosen(condlist, choicelist, default):
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: expected as many conditions as choices, got {len(condlist)} and "
            f"{len(choicelist)}"
        )
    weak = type(default) in (int, float)
    z = np.asarray(default, common_dtype([*choicelist, default])) if weak else as_array(default)
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        z = np.where(condition, choice, z)
    return z


@composed(np.select, cases=OTHERWISE)
def select(condlist, choicelist, default=0):
    """Elementwise the first choice whose condition holds, else the default."""
    conditions = [as_array(c) for c in condlist]
    for k, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(
                f"select: expected truth values as conditions, got {condition.dtype} in "
                f"condlist[{k}]; compare, as in t > 0"
            )
    return _chosen(conditions, list(choicelist), default)


@composed(np.choose, cases=OTHERWISE)
def choose(a, choices, mode="raise"):
    """Elementwise choices[a], for integers a."""
    a = np.asarray(plain("choose", "a", a))
    if a.dtype.kind not in "iub":
        raise TypeError(f"choose: expected integers as positions, got {a.dtype}")
    n = len(choices)
    if mode == "wrap":
        a = a % n
    elif mode == "clip":
        a = np.clip(a, 0, n - 1)
    elif a.size and not (a.min() >= 0 and a.max() < n):
        raise ValueError(
            f"choose: expected positions from 0 to {n - 1}, got {a.min()} to {a.max()}"
        )
    return _chosen([a == i for i in range(n - 1)], list(choices[:-1]), choices[-1])


@composed(np.piecewise, cases=OTHERWISE)
def piecewise(x, condlist, funclist, *args, **kw):
    """Elementwise the function whose condition holds; of several, the last."""
    many = isinstance(condlist, (list, tuple)) and np.ndim(condlist[0]) == np.ndim(x)
    conditions = list(condlist) if many else [condlist]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ValueError(
            f"piecewise: expected {len(conditions)} functions or one more, got {len(funclist)}"
        )

    def value(f):
        return f(x, *args, **kw) if callable(f) else np.asarray(f, x.dtype)

    z = x.dtype.type(0)
    if len(funclist) > len(conditions):
        z = value(funclist[-1])
    for condition, f in zip(conditions, funclist, strict=False):
        z = np.where(condition, value(f), z)
    return z


@composed(np.meshgrid, cases=(Case((2,), (3,)), Case((2,), (3,), (2,), indexing="ij")))
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Coordinates of the points of a grid: for each axis an array in the shape of the grid."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected indexing 'xy' or 'ij', got {indexing!r}")
    n = len(xi)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = 1, 0
    shapes = [[-1 if k == order[i] else 1 for k in range(n)] for i in range(n)]
    arrays = [np.reshape(x, s) for x, s in zip(xi, shapes, strict=True)]
    if sparse or n < 2:
        return tuple(arrays)
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(np.broadcast_to(x, shape) for x in arrays)


@composed(np.linspace, cases=(Case((), (), num=4), Case((2,), (2,), num=3, endpoint=False)))
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """Numbers from start to stop at equal distances; both may require a gradient."""
    num = index(num)
    if num < 0:
        raise ValueError(f"linspace: expected num as 0 or more, got {num}")
    dtype = dtype or common_dtype([start, stop, float(num)])
    start, stop = as_array(start), as_array(stop)
    steps = num - 1 if endpoint else num
    shape = (-1, *(1,) * max(len(start.shape), len(stop.shape)))
    part = np.arange(num).reshape(shape) / steps if steps > 0 else np.zeros(num).reshape(shape)
    step = stop - start
    z = start + step * part
    z = as_dtype(z, dtype)
    z = np.moveaxis(z, 0, axis) if axis else z
    return (z, step / steps) if retstep else z


@composed(np.logspace, cases=(Case((), (), num=4),))
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """Powers of the base, whose exponents lie at equal distances."""
    z = np.power(base, np.linspace(start, stop, num=num, endpoint=endpoint, axis=axis))
    return as_dtype(z, dtype)


@composed(np.geomspace, cases=(Case((), (), num=4),), domain=((0.2, 3.0),))
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Numbers from start to stop in equal ratios, both positive."""
    start, stop = as_array(start), as_array(stop)
    wide = np.result_type(start.dtype, stop.dtype, np.dtype(dtype or float))
    start, stop = as_dtype(start, wide), as_dtype(stop, wide)
    exponents = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    shape = (-1, *(1,) * max(len(start.shape), len(stop.shape)))
    z = start * np.exp(np.log(stop / start) * exponents.reshape(shape))
    z = np.moveaxis(z, 0, axis) if axis else z
    return as_dtype(z, dtype)


@composed(np.apply_along_axis, cases=OTHERWISE)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """A function of vectors on every vector along an axis."""
    rows = np.moveaxis(arr, axis, -1)
    flat = np.reshape(rows, (-1, rows.shape[-1]))
    found = [as_array(func1d(flat[i], *args, **kwargs)) for i in range(flat.shape[0])]
    z = np.stack(found)
    out = z.shape[1:]
    z = np.reshape(z, (*rows.shape[:-1], *out))
    if not out:
        return z
    at = normalize_axis_index(axis, len(arr.shape))
    return np.moveaxis(z, range(-len(out), 0), range(at, at + len(out)))


@composed(np.apply_over_axes, cases=OTHERWISE)
def apply_over_axes(func, a, axes):
    """A function of an array and an axis for one axis after the other, which stay."""
    for axis in np.atleast_1d(axes):
        z, n = as_array(func(a, int(axis))), len(a.shape)
        z = np.expand_dims(z, normalize_axis_index(int(axis), n)) if len(z.shape) == n - 1 else z
        if len(z.shape) != n:
            raise ValueError(
                f"apply_over_axes: expected the function to keep {n} axes or leave out one, got "
                f"shape {z.shape} from {a.shape}"
            )
        a = z
    return a
