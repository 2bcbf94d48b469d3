"""`pad` in NumPy's modes: one axis after the other, from the elements that are there."""

from typing import Any

import numpy as np

from tinygrad_dnn.ops import joining as ops
from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.compose import along, composed, in_floats

__all__ = ["pad"]

# What a mode takes beside x, and that setting's default, as np.pad has them.
SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0},
    "edge": {},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "wrap": {},
}
OF_SOME = {"maximum": np.max, "mean": np.mean, "median": np.median, "minimum": np.min}


def _pairs(given, n):
    """What is said of the two ends of each axis: a number for all, a pair, a pair for each."""
    if given is None:
        return [(None, None)] * n
    return np.broadcast_to(given, (n, 2)).tolist()


def _whole(value, dtype, rounded):
    """Values beside whole numbers, rounded to such ones, and others as they are."""
    return value if dtype.kind == "f" else rounded(value).astype(dtype)


def _ramped(x, axis, width, ends):
    """From the element at each end in equal steps to another value."""
    wide = [-1 if i == axis else 1 for i in range(len(x.shape))]
    shares = [np.reshape(np.arange(n) / max(n, 1), wide) for n in width]
    if x.dtype.kind == "f":
        shares = [share.astype(x.dtype) for share in shares]
    edges = (in_floats(x[along(axis, part)]) for part in (slice(0, 1), slice(-1, None)))
    before, after = (
        _whole(end + (edge - end) * share, x.dtype, np.floor)
        for end, edge, share in zip(ends, edges, shares, strict=True)
    )
    return np.concatenate([before, x, np.flip(after, axis)], axis=axis)


def _with_statistic(x, axis, width, lengths, of):
    """At each end the mean, or another statistic, of so many elements there, or of all."""
    n = x.shape[axis]
    parts = []
    for end, (count, length) in enumerate(zip(width, lengths, strict=True)):
        if length is not None and length < 0:
            raise ValueError(f"pad: expected stat_length as 0 or more, got {length}")
        length = n if length is None else min(length, n)
        some = x[along(axis, slice(0, length) if end == 0 else slice(n - length, n))]
        value = _whole(of(some, axis=axis, keepdims=True), x.dtype, np.rint)
        shape = tuple(count if i == axis else k for i, k in enumerate(x.shape))
        parts.append(np.broadcast_to(value, shape))
    return np.concatenate([parts[0], x, parts[1]], axis=axis)


def _mirrored_oddly(x, axis, width, mode):
    """Mirrored at the ends, upside down: there it is 2 · end − x.

    Each element beyond is s x[k] + p x[0] + q x[n−1], with coefficients that np.pad itself tells.
    """
    n = x.shape[axis]
    k = np.pad(np.arange(n), width, mode=mode)
    if n == 1:
        return np.take(x, k, axis=axis)
    p, q = (np.pad(one, width, mode=mode, reflect_type="odd") for one in np.eye(n)[[0, -1]])
    s = np.where((k == 0) | (k == n - 1), 0, 1 - p - q)  # of a constant it is that constant
    wide = [-1 if i == axis else 1 for i in range(len(x.shape))]
    s, p, q = (np.reshape(v.astype(x.dtype), wide) for v in (s, p, q))
    ends = x[along(axis, slice(0, 1))], x[along(axis, slice(-1, None))]
    return s * np.take(x, k, axis=axis) + p * ends[0] + q * ends[1]


@composed(
    np.pad,
    cases=(
        Case((2, 3), pad_width=1, mode="edge"),
        Case((3, 2), pad_width=((0, 2), (1, 0)), mode="linear_ramp", end_values=(1.5, -1.0)),
        Case((2, 3), pad_width=(1, 2), mode="mean"),
        Case((5,), pad_width=(1, 2), mode="mean", stat_length=2),
        Case((2, 3), pad_width=(1, 2), mode="maximum", stat_length=((1, 2), (2, 3))),
        Case((2, 3), pad_width=1, mode="minimum"),
        Case((2, 3), pad_width=1, mode="median"),
        Case((3, 4), pad_width=((1, 2), (5, 0)), mode="reflect"),
        Case((3, 4), pad_width=((1, 5), (0, 2)), mode="reflect", reflect_type="odd"),
        Case((4,), pad_width=(1, 6), mode="symmetric"),
        Case((3, 2), pad_width=(7, 3), mode="symmetric", reflect_type="odd"),
        Case((2, 3), pad_width=(1, 4), mode="wrap"),
        Case((2, 3), pad_width={0: 1, -1: (0, 2)}, mode="edge"),
    ),
)
def pad(array, pad_width, mode="constant", **kwargs):
    """Elements added around: constants, or such as a mode makes of those that are there."""
    if mode not in SETTINGS:
        raise ValueError(
            f"pad: expected a mode of {', '.join(SETTINGS)}, got {mode!r}, whose values are not "
            "computed from x by functions that record"
        )
    if wrong := [name for name in kwargs if name not in SETTINGS[mode]]:
        raise ValueError(f"pad: mode {mode!r} takes no {', '.join(wrong)}")
    n = len(array.shape)
    if isinstance(pad_width, dict):
        given = {axis % n: pair for axis, pair in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(i, 0), (2,)).tolist() for i in range(n)]
    if np.asarray(pad_width).dtype.kind not in "iu":
        raise TypeError(f"pad: expected whole numbers as pad_width, got {pad_width!r}")
    widths = _pairs(pad_width, n)
    if min((min(pair) for pair in widths), default=0) < 0:
        raise ValueError(f"pad: expected widths of 0 or more, got {pad_width!r}")
    if mode == "constant":
        return ops.pad(array, tuple(map(tuple, widths)), **kwargs)
    setting = {**SETTINGS[mode], **kwargs}
    x = array
    for axis, width in enumerate(widths):
        if not any(width):
            continue
        if not x.shape[axis]:
            raise ValueError(f"pad: axis {axis} is empty, there is nothing to pad it from")
        if mode == "linear_ramp":
            x = _ramped(x, axis, width, _pairs(setting["end_values"], n)[axis])
        elif mode in OF_SOME:
            lengths = _pairs(setting["stat_length"], n)[axis]
            x = _with_statistic(x, axis, width, lengths, OF_SOME[mode])
        elif setting.get("reflect_type", "even") == "odd":
            x = _mirrored_oddly(x, axis, width, mode)
        else:
            x = np.take(x, np.pad(np.arange(x.shape[axis]), width, mode=mode), axis=axis)
    return x
