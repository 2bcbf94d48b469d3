"""Sums, means, extremes and products over axes. `axis` is an int, a tuple, or None for all."""

import builtins
from functools import partial
from math import prod as count

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_dnn.ops.cases import At, Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.elementwise import floating
from tinygrad_dnn.ops.short_axes import averaged, reduced

__all__ = [
    "cumsum",
    "log_weighted_sum",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]

CASES = (
    Case((3, 4)),
    Case((3, 4), axis=0),
    Case((2, 3, 4), axis=(0, -1)),
    Case((2, 3), axis=1, keepdims=True),
    Case(()),
)
reduction = partial(op, cases=CASES)


def axes(axis, shape):
    """The axes reduced over, as non-negative numbers."""
    if axis is None or not shape:  # of a 0-d array NumPy reduces "axis 0" too
        return tuple(range(len(shape)))
    return normalize_axis_tuple(axis, len(shape))


def unreduced(g, axis, shape):
    """g with the reduced axes in place, of length 1, whether they were kept or not."""
    over = axes(axis, shape)
    return g.reshape(tuple([1 if i in over else n for i, n in enumerate(shape)]))


def spread(g, axis, shape):
    """g repeated along the axes that were reduced."""
    if axis is None:
        return np.broadcast_to(g, shape)
    return np.broadcast_to(unreduced(g, axis, shape), shape)


def length(axis, shape):
    """The number of elements that fall into one element of the result."""
    return count(shape[i] for i in axes(axis, shape))


def inverse(n, times=1):
    """times / n as a Python number, which takes on the arrays' dtype; ∞ for n ≤ 0."""
    return times / n if n > 0 else np.inf


@reduction(
    "Σ_{axis} {x}",
    vjp=lambda g, x_shape, axis: spread(g, axis, x_shape),
    faster=partial(reduced, np.add),
)
def sum(x, /, axis=None, *, keepdims=False):
    """Sum over axes."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@reduction(
    "mean_{axis}({x})",
    vjp=lambda g, x_shape, axis: spread(g * inverse(length(axis, x_shape)), axis, x_shape),
    faster=averaged,
)
def mean(x, /, axis=None, *, keepdims=False):
    """Mean over axes; NaN of an empty array, as in NumPy."""
    return np.mean(x, axis=axis, keepdims=keepdims)


def _var(g, x, x_shape, axis, ddof):
    # ∂/∂x Σ(x − x̄)²/(n − ddof) = 2 (x − x̄)/(n − ddof); the x̄ in it contributes nothing.
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return unreduced(g, axis, x_shape) * centred * inverse(length(axis, x_shape) - ddof, 2)


VAR_CASES = (*CASES[:-1], Case((3, 4), axis=0, ddof=1))


@op("var_{axis}({x})", vjp=_var, cases=VAR_CASES, composite=True)
def var(x, /, axis=None, *, ddof=0, keepdims=False):
    """Variance Σ(x − x̄)²/(n − ddof) over axes."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    size = length(axis, x.shape) - ddof
    return np.sum(centred * centred, axis=axis, keepdims=keepdims) / builtins.max(size, 0)


def _std(g, z, x, x_shape, axis, ddof):
    # ∂√v/∂x = (∂v/∂x) / (2 √v), and 0 where all elements are equal (x − x̄ is 0 there).
    return _var(g / np.where(z == 0, 1, 2 * z), x, x_shape, axis, ddof)


@op(
    "std_{axis}({x})",
    vjp=_std,
    cases=VAR_CASES,
    kinks=(At([3.0, 3.0], slopes=([0.0, 0.0],)),),
    composite=True,
)
def std(x, /, axis=None, *, ddof=0, keepdims=False):
    """Standard deviation, the root of `var`; where all elements are equal its slope is 0."""
    return np.sqrt(var(x, axis, ddof=ddof, keepdims=keepdims))


def _extreme(g, z, x, x_shape, axis):
    hit = (x == unreduced(z, axis, x_shape)) | np.isnan(x)  # of a slice with a NaN that is extreme
    ties = sum(hit, axis=axis, keepdims=True).astype(x.dtype)
    return np.where(hit, unreduced(g, axis, x_shape) / ties, 0)


TIES = (
    At([1.0, 1.0, 1.0], slopes=([1 / 3, 1 / 3, 1 / 3],)),
    At([[2.0, 2.0], [1.0, 1.0]], slopes=([[0.5, 0.5], [0.5, 0.5]],), axis=1),
)


extreme = partial(reduction, vjp=_extreme, kinks=TIES, analytic=False)


@extreme("max_{axis}({x})", faster=partial(reduced, np.maximum))
def max(x, /, axis=None, *, keepdims=False):
    """Largest element along axes; elements that tie share the gradient equally."""
    return np.max(x, axis=axis, keepdims=keepdims)


@extreme("min_{axis}({x})", faster=partial(reduced, np.minimum))
def min(x, /, axis=None, *, keepdims=False):
    """Smallest element along axes; elements that tie share the gradient equally."""
    return np.min(x, axis=axis, keepdims=keepdims)


def _others(x):
    """For each element along the last axis the product of all the others, zeros included.

    Halves pairwise up a tree of products and hands the siblings' products down again: n log n
    multiplications, no division, hence right at zeros for derivatives of every order.
    """
    n = x.shape[-1]
    width = 1 << (n - 1).bit_length() if n else 0
    if width > n:
        x = np.concatenate([x, np.ones_like(x, shape=(*x.shape[:-1], width - n))], axis=-1)
    levels = []
    while x.shape[-1] > 1:
        pairs = np.reshape(x, (*x.shape[:-1], x.shape[-1] // 2, 2))
        levels.append(pairs)
        x = pairs[..., 0] * pairs[..., 1]
    others = np.ones_like(x)
    for pairs in reversed(levels):
        others = np.reshape(
            np.expand_dims(others, -1) * np.flip(pairs, -1),
            (*pairs.shape[:-2], 2 * pairs.shape[-2]),
        )
    return others[..., :n]


def _prod(g, x, x_shape, axis):
    over = axes(axis, x_shape)
    kept = tuple(i for i in range(len(x_shape)) if i not in over)
    order = (*kept, *over)  # the reduced axes last and flattened
    rows = np.reshape(np.transpose(x, order), (*(x_shape[i] for i in kept), length(axis, x_shape)))
    others = np.reshape(_others(rows), tuple(x_shape[i] for i in order))
    back = tuple(int(i) for i in np.argsort(order))
    return unreduced(g, axis, x_shape) * np.transpose(others, back)


@op("Π_{axis} {x}", vjp=_prod, cases=(*CASES, Case((2, 3, 4), axis=0)))
def prod(x, /, axis=None, *, keepdims=False):
    """Product over axes; the gradient is right where elements are 0."""
    return np.prod(x, axis=axis, keepdims=keepdims)


def _cumsum(g, x_shape, axis):
    if axis is None:
        return np.reshape(np.flip(np.cumsum(np.flip(g, 0), axis=0), 0), x_shape)
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


@op(
    "cumsum_{axis}({x})",
    vjp=_cumsum,
    cases=(Case((2, 3)), Case((2, 3), axis=1), Case((4,), axis=0)),
)
def cumsum(x, /, axis=None):
    """Running sum along an axis, or of the flattened array."""
    return np.cumsum(x, axis=axis)


def _logsumexp(g, z, x, x_shape, axis):
    top = unreduced(z, axis, x_shape)
    nothing = top == -np.inf  # all elements are −∞, and their slopes 0
    # eˣ⁻ᶻ over its sum, which is 1 but that z was rounded.
    shares = np.exp(x - np.where(nothing, 0, top))
    whole = shares.sum(axis=axis, keepdims=True)
    return unreduced(g, axis, x_shape) / np.where(nothing, 1, whole) * shares


@op("log Σ_{axis} exp({x})", vjp=_logsumexp, cases=CASES, composite=True, analytic=False)
def logsumexp(x, /, axis=None, *, keepdims=False):
    """log Σ exp(x) over axes, without overflow; −∞ where all elements are −∞."""
    x = floating(x)
    top = max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is the right value of a slice of −∞
        log_sum = np.log(sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdims:
        return log_sum
    over = axes(axis, x.shape)
    return np.reshape(log_sum, tuple(n for i, n in enumerate(x.shape) if i not in over))


def _weighted(x, y, axis):
    """eˣ⁻ᵗ and Σ y eˣ⁻ᵗ, where t is the largest x whose weight is not 0."""
    top = np.max(np.where(y == 0, -np.inf, x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(over="ignore"):  # what weighs nothing may be as large as it likes
        e = np.exp(x - top)
    return e, np.sum(np.where(y == 0, 0, e) * y, axis=axis, keepdims=True), top


def _weighted_x(g, x, y, axis):
    # ∂z/∂x = y eˣ / Σ y eˣ
    e, total, _ = _weighted(x, y, axis)
    shape = np.broadcast_shapes(x.shape, np.shape(y))
    return unreduced(g, axis, shape) * (np.where(y == 0, 0, e) * y / total)


def _weighted_y(g, x, y, axis):
    # ∂z/∂y = eˣ / Σ y eˣ, where y is 0 too
    e, total, _ = _weighted(x, y, axis)
    return unreduced(g, axis, np.broadcast_shapes(np.shape(x), y.shape)) * (e / total)


def _log_of_weighted(x_shape, y_shape):
    # The axes are those of the two together, which a longer y may have more of than x.
    if len(x_shape) < len(y_shape):
        return "log_weighted_sum({x}, {y}, {axis}, {keepdims})"
    return "log Σ_{axis} ({y} ⊙ exp({x}))"


@op(
    _log_of_weighted,
    vjp=(_weighted_x, _weighted_y),
    domain=((-2, 2), (0.2, 3.0)),
    cases=(
        Case((3, 4), (3, 4)),
        Case((3, 4), (3, 4), axis=0),
        Case((2, 3, 4), (3, 1), axis=(0, -1), keepdims=True),
        Case((3,), (2, 3), axis=1),
    ),
    composite=True,
    analytic=False,
)
def log_weighted_sum(x, y, /, axis=None, *, keepdims=False):
    """log Σ y eˣ over axes, without overflow: `logsumexp` with weights of any sign.

    It is −∞ where all weights are 0.

    With weights of 0 and 1 it picks: where exactly one is 1 it is that x.
    """
    _, total, top = _weighted(x, y, axis)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is the right value where all weights are 0
        log_sum = np.log(total) + top
    if keepdims:
        return log_sum
    shape = np.broadcast_shapes(x.shape, np.shape(y))
    over = axes(axis, shape)
    return np.reshape(log_sum, tuple(n for i, n in enumerate(shape) if i not in over))
