"""Ops on shapes and axes. Their gradients do the reverse."""

from functools import partial

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.leading import lined_up, moved, same_order

__all__ = [
    "broadcast_to",
    "expand_dims",
    "moveaxis",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
]

view = partial(op, view=True)


def _to_shape(word):
    """The formula of what is given by the shape it leads to: that may stand beside it."""
    return lambda beside: f"{word}({{x}})" if beside else f"{word}({{x}} → {{z_shape}})"


def back_to_shape(g, x_shape):
    """The gradient of everything that keeps the elements in order."""
    return g.reshape(x_shape)


@view(
    _to_shape("reshape"),
    vjp=back_to_shape,
    carries=same_order,
    keeps_order=True,
    cases=(Case((2, 6), shape=(3, 4)), Case((4,), shape=-1), Case((3, 3), shape=(9,))),
)
def reshape(x, /, shape):
    """The same elements in another shape; one -1 is inferred."""
    return np.reshape(x, (shape,) if isinstance(shape, int) else shape)


def _transpose(g, axes):
    if axes is None:
        return g.T
    order = normalize_axis_tuple(axes, len(g.shape))
    return np.transpose(g, tuple(int(i) for i in np.argsort(order)))


def _transpose_led(one, xs, led):
    rank = len(one.shape)
    axes = tuple(range(rank))[::-1] if one.meta["axes"] is None else tuple(one.meta["axes"])
    return one(*xs, axes=(0, *moved(axes, rank)))


def _turned(x_shape, axes):
    """xᵀ is that of a matrix, or of each matrix of a stack."""
    n = len(x_shape)
    order = tuple(range(n))[::-1] if axes is None else normalize_axis_tuple(axes, n)
    if n < 3:
        return "{x}ᵀ" if order == tuple(range(n))[::-1] else "transpose({x}, {axes})"
    if order == (*range(n - 2), n - 1, n - 2):
        return "{x}ᵀ"
    return "transpose({x})" if order == tuple(range(n))[::-1] else "transpose({x}, {axes})"


@view(
    _turned,
    vjp=_transpose,
    carries=_transpose_led,
    cases=(Case((2, 3)), Case((2, 3, 4), axes=(2, 0, 1)), Case((2, 3, 4), axes=(2, -2, 0))),
)
def transpose(x, /, axes=None):
    """Axes reversed, or in the order given."""
    return np.transpose(x, axes)


def pair_moved(one, xs, led):
    """How an op of two axes carries a leading one."""
    axis1, axis2 = moved((one.meta["axis1"], one.meta["axis2"]), len(one.shapes[0]))
    return one(*xs, axis1=axis1, axis2=axis2)


def _swapped(x_shape, axis1, axis2):
    n = len(x_shape)
    turned = n > 1 and {axis1 % n, axis2 % n} == {n - 1, n - 2}
    return "{x}ᵀ" if turned else "swapaxes({x}, {axis1}, {axis2})"


@view(
    _swapped,
    vjp=lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2),
    carries=pair_moved,
    cases=(Case((2, 3, 4), axis1=0, axis2=-1),),
)
def swapaxes(x, /, axis1, axis2):
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@view(
    _to_shape("expand_dims"),
    vjp=back_to_shape,
    carries=same_order,
    keeps_order=True,
    cases=(Case((2, 3), axis=1), Case((2, 3), axis=(0, -1))),
)
def expand_dims(x, /, axis):
    """New axes of length 1."""
    return np.expand_dims(x, axis)


@view(
    _to_shape("squeeze"),
    vjp=back_to_shape,
    carries=same_order,
    keeps_order=True,
    cases=(Case((2, 1, 3, 1)), Case((2, 1, 3, 1), axis=1)),
)
def squeeze(x, /, axis=None):
    """Axes of length 1 dropped."""
    return np.squeeze(x[...], axis=axis)  # with nothing to squeeze NumPy returns x itself


def _spread_led(one, xs, led):
    return one(lined_up(xs[0], one.shapes[0], len(one.shape)), shape=(one.n, *one.shape))


@view(
    _to_shape("broadcast"),
    spreads=True,
    vjp=lambda g: g,  # the sweep sums over broadcast axes
    carries=_spread_led,
    cases=(Case((3, 1), shape=(2, 3, 4)), Case((), shape=(2,)), Case((3, 3), shape=(2, 3, 3))),
)
def broadcast_to(x, /, shape):
    """x repeated along axes to fill a shape."""
    return np.broadcast_to(x, shape)


def in_order(x, shape, order="C"):
    """x in another shape, its elements read and written with the last axis ("C") or the first one
    ("F") changing fastest; "K" and "A" would depend on how the memory lies.
    """
    if order == "F":  # the reverse of every axis, in C order
        whole = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        return transpose(reshape(transpose(x), whole[::-1]))
    if order != "C":
        raise ValueError(f"reshape: expected order 'C' or 'F', got {order!r}")
    return reshape(x, shape)


def ravel(x, order="C"):
    """All elements in one axis: row by row, or by columns where order is "F".

    Example: `ravel(W)` is `W.reshape(-1)`.
    """
    return in_order(x, -1, order)


def moveaxis(x, source, destination):
    """Axes moved to other places, the rest in their order.

    Example: `moveaxis(np.ones((2, 3, 4)), 0, -1).shape` is `(3, 4, 2)`.
    """
    n = len(x.shape)
    source, destination = normalize_axis_tuple(source, n), normalize_axis_tuple(destination, n)
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} axes to move, {len(destination)} places given")
    order = [i for i in range(n) if i not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return transpose(x, tuple(order))
