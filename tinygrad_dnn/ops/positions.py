"""Elements picked at positions that are an array of their own: an input, as a batch is."""

from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import At, Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.leading import moved
from tinygrad_dnn.ops.logic import argsort

__all__ = [
    "scatter_add",
    "sort",
    "take",
    "take_along_axis",
]

POSITIONS = range(-3, 3)  # what tests may sample: on an axis of 3 or more elements


def _in_columns(x):
    """Whether memory runs down the columns, as that of a transpose does."""
    flags = getattr(x, "flags", None)
    return flags is not None and flags.f_contiguous and not flags.c_contiguous


def _refuse_others(indices):
    """Raise TypeError for positions that are no integers; truth values would pass for 0 and 1."""
    dtype = indices.dtype if hasattr(indices, "dtype") else np.asarray(indices).dtype
    if dtype.kind not in "iu":
        raise TypeError(
            f"expected integers as indices, got {dtype}; a mask is for x[mask] or where(mask, x, 0)"
        )


def _outside(indices, n):
    """Return the error for positions that NumPy refused."""
    got = f"{np.min(indices)} to {np.max(indices)}" if np.ndim(indices) else indices
    return IndexError(f"expected indices from {-n} to {n - 1}, got {got}")


def _from_start(indices, n, length):
    """Positions (n, k) along axes of this length, as (n k,) along all n of them end to end."""
    counted = take(np.arange(length), np.reshape(indices, (n, -1)))  # refuses what lies outside
    return np.reshape(counted + length * np.arange(n)[:, None], (-1,))


def _scatter_add_led(one, xs, led):
    x, indices = xs
    axis, shape, places = one.meta["axis"], one.meta["shape"], one.shapes[1]
    x = x if led[0] else np.broadcast_to(x, (one.n, *one.shapes[0]))
    if not led[1]:
        if axis is None:
            flat = one(x, indices, shape=(one.n, prod(shape)), axis=1)
            return one.whole(flat)
        return one(x, indices, shape=(one.n, *shape), axis=moved(axis, len(shape)))
    length, rest = (prod(shape), ()) if axis is None else (shape[0], tuple(shape[1:]))
    if axis is not None and normalize_axis_index(axis, len(shape)):
        return NotImplemented
    x = np.reshape(x, (one.n * prod(places), *rest))
    at = _from_start(indices, one.n, length)
    return one.whole(one(x, at, shape=(one.n * length, *rest), axis=0))


def _take_led(one, xs, led):
    x, indices = xs
    axis, shape = one.meta["axis"], one.shapes[0]
    if axis is None:
        x, shape = np.reshape(x, (one.n if led[0] else 1, -1)), (prod(shape),)
        x = x if led[0] else x[0]
    axis = normalize_axis_index(axis or 0, len(shape))
    if not led[1]:
        return one(x, indices, axis=axis + 1)
    if not led[0]:
        return np.moveaxis(one(x, indices, axis=axis), axis, 0)
    if axis:
        return NotImplemented
    x = np.reshape(x, (one.n * shape[0], *shape[1:]))
    return one.whole(one(x, _from_start(indices, one.n, shape[0]), axis=0))


@op(
    "scatter({x} → {shape}, {indices})",
    vjp=(lambda g, indices, axis: np.take(g, indices, axis=axis), None),
    carries=_scatter_add_led,
    domain=((-2.0, 2.0), POSITIONS),
    cases=(
        Case((5,), (5,), shape=(2, 3)),
        Case((2, 2), (2, 2), shape=(2, 3)),
        Case((5, 3), (5,), shape=(4, 3), axis=0),
        Case((2, 5), (5,), shape=(2, 3), axis=1),
        Case((2, 2, 2, 3), (2, 2), shape=(2, 4, 3), axis=-2),
        Case((2,), (), shape=(4, 2), axis=0),
    ),
)
def scatter_add(x, indices, /, shape, axis=None):
    """Zeros of a shape with x added at positions along an axis: the adjoint of `take`."""
    z = np.zeros_like(x, shape=prod(shape) if axis is None else shape)
    if axis:
        axis, places = normalize_axis_index(axis, len(shape)), np.ndim(indices)
        into = np.moveaxis(z, axis, 0)
        np.add.at(into, indices, np.moveaxis(x, range(axis, axis + places), range(places)))
    else:
        np.add.at(z, indices, x)
    return np.reshape(z, shape) if axis is None else z


@op(
    "take({x}, {indices})",
    vjp=(
        lambda g, indices, x_shape, axis: scatter_add(g, indices, shape=x_shape, axis=axis),
        None,
    ),
    carries=_take_led,
    selects=True,
    domain=((-2.0, 2.0), POSITIONS),
    cases=(
        Case((3, 2), (5,)),
        Case((4, 3), (5,), axis=0),
        Case((2, 3), (5,), axis=1),
        Case((2, 4, 3), (2, 2), axis=-2),
        Case((4, 2), (), axis=0),
    ),
)
def take(x, indices, /, axis=None):
    """The elements at integer positions along an axis (None: of the flattened array).

    x (n, m), indices (k,), axis=1 -> (n, k): `x[:, indices]`. Negative positions count from the
    end; of repeated ones the gradients add up.
    """
    _refuse_others(indices)
    try:
        if axis is not None and np.ndim(indices) == 1 and _in_columns(x):
            # np.take would first copy all of x.
            return np.take(x.T, indices, axis=normalize_axis_index(-1 - axis, x.ndim)).T
        return np.take(x, indices, axis=axis)
    except np.exceptions.AxisError:
        raise
    except IndexError:
        raise _outside(indices, prod(x.shape) if axis is None else x.shape[axis]) from None


@op(
    "scatter_{axis}({x} → {shape}, {indices})",
    vjp=(lambda g, indices, axis: np.take_along_axis(g, indices, axis=axis), None),
    domain=((-2.0, 2.0), POSITIONS),
    cases=(
        Case((2, 4), (2, 4), shape=(2, 3), axis=1),
        Case((5, 2), (5, 1), shape=(3, 2), axis=0),
        Case((2, 2, 2), (2, 2, 2), shape=(2, 1, 3), axis=-1),
        Case((5,), (5,), shape=(4,), axis=-1),
        Case((5,), (5,), shape=(2, 3), axis=None),
    ),
)
def scatter_along_axis(x, indices, /, shape, axis):
    """Zeros of a shape, x added at positions along an axis: the adjoint of `take_along_axis`."""
    if axis is None:
        return scatter_add(x, indices, shape=shape)
    axis = normalize_axis_index(axis, len(shape))
    if len(shape) == 1:
        z = np.zeros_like(x, shape=shape)
        np.add.at(z, indices, x)
        return z
    n, step = shape[axis], prod(shape[axis + 1 :])
    rows, columns = (np.arange(k, like=indices) for k in (prod(shape[:axis]), step))
    start = rows[:, np.newaxis] * (n * step) + columns
    start = start.reshape(*shape[:axis], 1, *shape[axis + 1 :])
    places = start + np.where(indices < 0, indices + n, indices) * step
    z = np.zeros_like(x, shape=prod(shape))
    np.add.at(z, places.ravel(), np.ravel(x))
    return np.reshape(z, shape)


@op(
    "take_{axis}({x}, {indices})",
    vjp=(
        lambda g, indices, x_shape, axis: scatter_along_axis(g, indices, shape=x_shape, axis=axis),
        None,
    ),
    selects=True,
    domain=((-2.0, 2.0), POSITIONS),
    cases=(
        Case((2, 3), (2, 4), axis=1),
        Case((3, 2), (5, 1), axis=0),
        Case((2, 1, 3), (2, 2, 2), axis=-1),
        Case((4,), (5,)),
        Case((2, 3), (5,), axis=None),
    ),
)
def take_along_axis(x, indices, /, axis=-1):
    """For each place the element at an integer position of its own along an axis.

    x (n, m), indices (n, k), axis=1 -> (n, k). Of repeated positions the gradients add up.
    """
    return np.take_along_axis(x, indices, axis=axis)


def _sort(g, x, x_shape, axis):
    order = argsort.apply((x,), {"axis": axis})
    return scatter_along_axis.apply((g, order), {"shape": x_shape, "axis": axis})


@op(
    "sort_{axis}({x})",
    vjp=_sort,
    cases=(Case((3, 4)), Case((3, 4), axis=0), Case((2, 3), axis=None)),
    kinks=(At([1.0, 1.0], slopes=([1.0, 1.0],)),),
    analytic=False,
)
def sort(x, /, axis=-1):
    """Elements in order along an axis (None: of the flattened array), NaN last; of ties each has
    a place, in the order they stood, and the gradient of that place.
    """
    return np.sort(x, axis=axis)
