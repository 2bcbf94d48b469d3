"""Ops that rearrange, join and pick elements. Their gradients do the reverse."""

from functools import partial
from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_dnn.ops.declare import Case, op
from tinygrad_dnn.ops.leading import lined_up, moved, same_order
from tinygrad_dnn.ops.memory import in_memory

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "getitem",
    "moveaxis",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "scatter",
    "setitem",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
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
    n = len(x_shape)
    turned = axes is None or normalize_axis_tuple(axes, n) == tuple(range(n))[::-1]
    return "{x}ᵀ" if turned else "transpose({x}, {axes})"


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
    turned = len(x_shape) == 2 and (axis1 - axis2) % 2
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


# --- joining and repeating ------------------------------------------------------------------------


def _concatenate(i, g, arrays_shape, axis):
    if axis is not None:
        axis = normalize_axis_index(axis, len(g.shape))
    starts = arrays_shape.starts(axis)
    piece = g[(slice(None),) * (axis or 0) + (slice(starts[i], starts[i + 1]),)]
    return np.reshape(piece, arrays_shape[i])


def _concatenate_led(one, xs, led):
    axis, xs = one.meta["axis"], one.spread(xs, led)
    if axis is None:
        return one(*(np.reshape(x, (one.n, -1)) for x in xs), axis=1)
    return one(*xs, axis=moved(axis, len(one.shape)))


@op(
    "[{xs}]_{axis}",
    vjp=_concatenate,
    carries=_concatenate_led,
    cases=(
        Case((2, 3), (1, 3)),
        Case((2, 1), (2, 3), (2, 2), axis=-1),
        Case((2, 2), (3,), axis=None),
    ),
)
def concatenate(*arrays, axis=0):
    """Arrays joined along an existing axis (None: flattened first)."""
    return np.concatenate(arrays, axis=axis)


@op(
    "stack({xs})",
    vjp=lambda i, g, axis: g[(slice(None),) * normalize_axis_index(axis, len(g.shape)) + (i,)],
    carries=_concatenate_led,
    cases=(Case((2, 3), (2, 3)), Case((2,), (2,), (2,), axis=-1)),
)
def stack(*arrays, axis=0):
    """Arrays of one shape joined along a new axis."""
    return np.stack(arrays, axis=axis)


def split(x, indices_or_sections, axis=0):
    """Cut x along an axis into so many equal parts, or at the given positions: a list of slices.

    Example: `split(x, 3)[2]` is `x[2:]`, `split(x, [1])[1]` is `x[1:]`.
    """
    axis = normalize_axis_index(axis, len(x.shape))
    n = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = int(indices_or_sections)
        if parts < 1 or n % parts:
            raise ValueError(f"split: axis {axis} of length {n} has no {parts} equal parts")
        cuts = list(range(0, n, n // parts)) if n else [0] * parts
    else:
        cuts = [0, *indices_or_sections]
    before = (slice(None),) * axis
    ends = [*cuts[1:], None]
    return [x[(*before, slice(a, b))] for a, b in zip(cuts, ends, strict=True)]


@op(
    "flip_{axis}({x})",
    vjp=lambda g, axis: np.flip(g, axis),
    view=True,
    cases=(Case((2, 3)), Case((2, 3), axis=1), Case((2, 3, 2), axis=(0, 2))),
)
def flip(x, /, axis=None):
    """Elements in reverse order along axes."""
    return np.flip(x, axis)


@op(
    "roll_{axis}({x}, {shift})",
    vjp=lambda g, shift, axis: np.roll(
        g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis
    ),
    cases=(
        Case((2, 3), shift=2),
        Case((2, 3), shift=1, axis=1),
        Case((2, 3), shift=(1, 2), axis=(0, 1)),
        Case((2, 3), shift=1, axis=(0, 1)),
    ),
)
def roll(x, /, shift, axis=None):
    """Elements shifted cyclically."""
    return np.roll(x, shift, axis)


def _repeat_led(one, xs, led):
    if one.meta["axis"] is None or not one.shapes[0]:
        return one(np.reshape(xs[0], (one.n, -1)), axis=1)
    return one(*xs, axis=moved(one.meta["axis"], len(one.shape)))


def _repeat(g, x_shape, repeats, axis):
    if axis is None or not x_shape:
        return np.reshape(_repeat(g, (prod(x_shape),), repeats, 0), x_shape)
    axis = normalize_axis_index(axis, len(x_shape))
    if isinstance(repeats, int):
        return np.sum(
            np.reshape(g, (*x_shape[: axis + 1], repeats, *x_shape[axis + 1 :])), axis + 1
        )
    source = np.repeat(np.arange(x_shape[axis]), repeats)
    return scatter(g, (slice(None),) * axis + (source,), x_shape)


@op(
    "repeat_{axis}({x}, {repeats})",
    vjp=_repeat,
    carries=_repeat_led,
    cases=(
        Case((2, 3), repeats=2),
        Case((2, 3), repeats=3, axis=1),
        Case((2, 3), repeats=(2, 0, 1), axis=-1),
        Case((3, 2), repeats=2, axis=-1),
        Case((2, 3, 2), repeats=2, axis=1),
        Case((2, 3), repeats=(2, 1), axis=0),
        Case((), repeats=3, axis=0),
    ),
)
def repeat(x, /, repeats, axis=None):
    """Each element repeated along an axis, or of the flattened array."""
    return np.repeat(np.ravel(x) if axis is None else x, repeats, axis=axis or 0)


def _tile(g, x_shape, reps):
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    width = max(len(reps), len(x_shape))
    reps = (1,) * (width - len(reps)) + reps
    shape = (1,) * (width - len(x_shape)) + x_shape
    pairs = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    # The sweep drops leading axes of length 1.
    return np.sum(np.reshape(g, pairs), axis=tuple(range(0, 2 * width, 2)))


def _tile_led(one, xs, led):
    return one(lined_up(xs[0], one.shapes[0], len(one.shape)))  # a leading axis is not repeated


@op(
    "tile({x}, {reps})",
    vjp=_tile,
    carries=_tile_led,
    cases=(
        Case((2, 3), reps=2),
        Case((2, 3), reps=(2, 1, 2)),
        Case((2, 2, 3), reps=(3, 1)),
        Case((2, 3), reps=[2, 2]),
    ),
)
def tile(x, /, reps):
    """The whole array repeated."""
    return np.tile(x, reps)


def _pad(g, x_shape, pad_width):
    widths = np.broadcast_to(pad_width, (len(x_shape), 2)).tolist()
    return g[tuple(slice(a, a + n) for (a, _), n in zip(widths, x_shape, strict=True))]


def _pad_led(one, xs, led):
    if np.ndim(one.meta["constant_values"]):
        return NotImplemented
    widths = np.broadcast_to(one.meta["pad_width"], (len(one.shape), 2)).tolist()
    return one(*xs, pad_width=((0, 0), *map(tuple, widths)))


@op(
    "pad({x}, {pad_width})",
    vjp=_pad,
    carries=_pad_led,
    cases=(
        Case((2, 3), pad_width=1),
        Case((3, 2), pad_width=1),
        Case((2, 3), pad_width=((0, 2), (1, 0)), constant_values=3.0),
    ),
)
def pad(x, /, pad_width, *, constant_values=0):
    """Constant elements added around x; NumPy's other modes are `np.pad`'s."""
    return np.pad(x, pad_width, constant_values=constant_values)


# --- picking --------------------------------------------------------------------------------------


def is_basic(index):
    """Whether an index is of slices and integers alone, so that NumPy gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None
        or p is Ellipsis
        or (isinstance(p, (slice, int, np.integer)) and not isinstance(p, bool))
        for p in parts
    )


def behind(index):
    """An index of everything behind a leading axis; None where NumPy would put the axes of arrays
    in it before that axis, because a slice stands between them.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not is_basic(index):
        of_arrays = [not is_basic((p,)) or isinstance(p, (int, np.integer)) for p in parts]
        places = np.flatnonzero(of_arrays)
        if places[-1] - places[0] >= len(places):
            return None
    return (slice(None), *parts)


INDEX_CASES = (
    Case((4, 3), index=1),
    Case((4, 3), index=(slice(None, None, -2), None, slice(1, 3))),
    Case((4, 3), index=(..., 0)),
    Case((4, 3), index=np.array([0, 2, 2, 0])),
    Case((4, 3), index=(slice(None), np.array([[0, 1], [1, 1]]))),
    Case((3,), index=np.array([True, False, True])),
)


def _getitem(g, x_shape, index):
    return scatter.apply((g,), {"index": index, "shape": x_shape})


def _getitem_led(one, xs, led):
    index = behind(one.meta["index"])
    return NotImplemented if index is None else one(*xs, index=index)


@op(
    "{x}[{index}]",
    vjp=_getitem,
    carries=_getitem_led,
    selects=True,
    view=lambda meta: is_basic(meta["index"]),
    cases=INDEX_CASES,
)
def getitem(x, /, index):
    """x[index]: slices, integers, boolean masks, integer arrays; repeated positions add up."""
    return x[index]


def _scatter_led(one, xs, led):
    index = behind(one.meta["index"])
    return NotImplemented if index is None else one(*xs, index=index, shape=(one.n, *one.shape))


@op(
    "scatter({x} → {shape}[{index}])",
    vjp=lambda g, index: g[index],
    carries=_scatter_led,
    cases=(
        Case((3,), index=1, shape=(4, 3)),
        Case((4, 3), index=np.array([0, 2, 2, 0]), shape=(3, 3)),
        Case((2,), index=np.array([True, False, True]), shape=(3,)),
        Case((3, 3), index=slice(1, 4), shape=(4, 3)),
    ),
)
def scatter(x, /, index, shape):
    """Zeros of a shape with x added at [index]: the adjoint of `getitem`."""
    if isinstance(index, tuple) and not (is_basic(index) or in_memory(x)):
        # Not every kind of array adds at a tuple of positions; all do at places in a row.
        z = np.zeros_like(x, shape=prod(shape))
        places = np.arange(z.size, like=x).reshape(shape)[index]
        np.add.at(z, np.ravel(places), np.ravel(np.broadcast_to(x, places.shape)))
        return np.reshape(z, shape)
    z = np.zeros_like(x, shape=shape)
    if is_basic(index):
        # A new axis (None) picks nothing; not every kind of array takes one in an assignment.
        parts = index if isinstance(index, tuple) else (index,)
        bare = tuple(p for p in parts if p is not None)
        z[bare] = np.reshape(x, z[bare].shape)
    else:
        np.add.at(z, index, x)
    return z


def _rest(g, index):
    return setitem(g, 0.0, index)


def _written(g, index):
    if not is_basic(index) and (at := _overwritten(g.shape, index)).any():
        return setitem(g[index], 0.0, np.flatnonzero(_first(at)) if _picks_rows(index) else at)
    return g[index]


def last_at(shape, index):
    """For each element that is assigned at [index], the last one at its position, by number."""
    at = np.zeros(shape, np.intp)
    at[index] = np.arange(at[index].size).reshape(at[index].shape)
    return at[index]


def _overwritten(shape, index):
    """Where an element that is assigned at [index] gives way to a later one at its position."""
    last = last_at(shape, index)
    return last != np.arange(last.size).reshape(last.shape)


def _settled(y, shape, index):
    """y, to be assigned at [index], with what the last one at a position has in all its places:
    another kind of array than NumPy's may keep any one of them.
    """
    last = last_at(shape, index)
    y = np.broadcast_to(y, last.shape)
    if _picks_rows(index) and last.size:
        return y[_first(last) // prod(last.shape[1:])]
    return np.ravel(y)[last]


def _picks_rows(index):
    """Whether an index is one list of positions along the first axis: all that Dask assigns at."""
    return not isinstance(index, tuple) and np.ndim(index) == 1


def _first(x):
    """The first element of every row of x."""
    return x[(slice(None), *(0,) * (x.ndim - 1))]


def _setitem_led(one, xs, led):
    index = behind(one.meta["index"])
    if index is None:
        return NotImplemented
    x = xs[0] if led[0] else np.broadcast_to(xs[0], (one.n, *one.shape))
    room = len(np.empty(one.shape, np.bool_)[one.meta["index"]].shape)
    return one(x, lined_up(xs[1], one.shapes[1], room) if led[1] else xs[1], index=index)


@op(
    "set({x}[{index}] = {y})",
    vjp=(_rest, _written),
    carries=_setitem_led,
    selects=True,
    analytic=False,  # NumPy writes no complex y into a real x
    cases=(
        Case((4, 3), (3,), index=1),
        Case((4, 3), (), index=(slice(None, None, -2), None, slice(1, 3))),
        Case((4, 3), (1,), index=(..., 0)),
        Case((4, 3), (4, 3), index=np.array([0, 2, 2, 0])),
        Case((4, 3), (2, 1), index=(slice(None), np.array([[0, 1], [1, 1]]))),
        Case((3,), (2,), index=np.array([True, False, True])),
        Case((3,), (), index=0),
    ),
)
def setitem(x, y, /, index):
    """x with y assigned at [index], in x's dtype; of repeated positions the last one counts."""
    if len(np.shape(y)) > len(x[index].shape):
        raise ValueError(f"expected no more axes than {x[index].shape} has, got {np.shape(y)}")
    z = x.copy() if np.ndim(x) else np.array(x)  # a NumPy number takes no assignment
    if np.ndim(y) and not (is_basic(index) or in_memory(z)):
        y = _settled(y, x.shape, index)
    z[index] = y
    return z
