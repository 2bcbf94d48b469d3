"""Ops that join arrays, turn them round and repeat elements. Their gradients cut and add up."""

from math import prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.indexing import scatter
from tinygrad_dnn.ops.leading import lined_up, moved

__all__ = [
    "concatenate",
    "flip",
    "repeat",
    "roll",
    "split",
    "stack",
    "tile",
]


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
