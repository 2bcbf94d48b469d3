"""Windows that slide along axes, as convolutions and running means read them, and their adjoint."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op

__all__ = ["overlap_add", "sliding_window_view"]


def _axes(axis, rank):
    """The axis of x that each axis of a window slides along; one may be named twice."""
    return normalize_axis_tuple(range(rank) if axis is None else axis, rank, allow_duplicate=True)


def _behind(axis, rank):
    """The axes behind a leading one."""
    return tuple(a + 1 for a in _axes(axis, rank))


def _spelled(word, axis, sizes, rank):
    """`windows(x; 3×3)` along all axes, else `windows(x; 3×3 along 2, 3)`."""
    axes = _axes(axis, rank)
    along = "" if axes == (*range(rank),) else f" along {', '.join(map(str, axes))}"
    return f"{word}({{x}}; {'×'.join(map(str, sizes))}{along})"


def _windows(x_shape, z_shape, axis):
    rank = len(x_shape)
    return _spelled("windows", axis, z_shape[rank:], rank)


def _windows_back(g, x_shape, axis):
    return overlap_add(g, axis=_axes(axis, len(x_shape)))


def _windows_led(one, xs, led):
    return one(*xs, axis=_behind(one.meta["axis"], len(one.shapes[0])))


@op(
    _windows,
    vjp=_windows_back,
    view=True,
    carries=_windows_led,
    cases=(
        Case((5,), window_shape=3),
        Case((3, 4), window_shape=(2, 2)),
        Case((3, 4), window_shape=2, axis=1),
        Case((2, 4, 3), window_shape=(3, 2), axis=(-2, -1)),
        Case((2, 5), window_shape=(2, 3), axis=(1, 1)),
        Case((2, 3), window_shape=(), axis=()),
    ),
)
def sliding_window_view(x, /, window_shape, axis=None):
    """All windows of a shape, in new last axes: of x (n,) z (n − k + 1, k), z[i, j] = x[i + j]."""
    return np.lib.stride_tricks.sliding_window_view(x, window_shape=window_shape, axis=axis)


def slid_along(axis, ndim):
    """The axes that windows slide along, of an array whose last axes are those of the windows."""
    return _axes(axis, ndim - np.size(axis))


def _windows_of(g, x_shape, axis):
    sizes = x_shape[len(x_shape) - len(slid_along(axis, len(x_shape))) :]
    return np.lib.stride_tricks.sliding_window_view(g, window_shape=sizes, axis=axis)


def _added(x_shape, axis):
    rank = len(x_shape) - len(slid_along(axis, len(x_shape)))
    return _spelled("overlap_add", axis, x_shape[rank:], rank)


@op(
    _added,
    vjp=_windows_of,
    carries=lambda one, xs, led: one(*xs, axis=_behind(one.meta["axis"], len(one.shape))),
    cases=(
        Case((3, 3), axis=0),
        Case((2, 3, 2, 2), axis=(0, 1)),
        Case((3, 3, 2), axis=-1),
        Case((2, 2, 2, 3, 2), axis=(-2, -1)),
        Case((2, 2, 2, 3), axis=(1, 1)),
        Case((2, 3, 4, 3), axis=(1, 0)),
        Case((2, 3), axis=()),
    ),
)
def overlap_add(x, /, axis):
    """Windows added where they overlap: of x (n, k) z (n + k − 1,), zₗ = Σ x[i, j] over i + j = l.

    The last axes of x are those of the windows, which slide along `axis`, one or several: the
    adjoint of `sliding_window_view`.
    """
    axes = slid_along(axis, x.ndim)
    shape = [*x.shape[: x.ndim - len(axes)]]
    if not all(shape[a] for a in axes):
        raise ValueError(f"expected one window or more along axes {axes}, got {x.shape}")
    for a, k in zip(axes, x.shape[len(shape) :], strict=True):
        shape[a] += k - 1
    return add_windows(x, axes, np.zeros_like(x, shape=shape))


def add_windows(x, axes, out):
    """Add x[..., i, j] to out, moved by i and j along the axes, for each place of a window.

    As i + j = j + i, where there are fewer windows than places they are what is gone through, from
    the last to the first: so the terms of each sum come in the same order.
    """
    turned = []
    for k, axis in enumerate(axes):
        turned.append(axes.count(axis) == 1 and x.shape[axis] < x.shape[out.ndim + k])
        if turned[-1]:
            x = np.swapaxes(x, axis, out.ndim + k)
    places = x.shape[out.ndim :]
    for at in np.ndindex(*places):
        at = tuple(n - 1 - i if t else i for i, n, t in zip(at, places, turned, strict=True))
        first = [0] * out.ndim
        for axis, i in zip(axes, at, strict=True):
            first[axis] += i
        part = tuple(slice(i, i + n) for i, n in zip(first, x.shape, strict=False))
        out[part] += x[(..., *at)]
    return out
