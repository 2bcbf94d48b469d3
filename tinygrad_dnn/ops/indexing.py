"""Ops that pick elements by an index, and write others in their place. Their gradients scatter."""

from math import prod

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.leading import lined_up
from tinygrad_dnn.ops.memory import in_memory

__all__ = [
    "getitem",
    "scatter",
    "setitem",
]


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
