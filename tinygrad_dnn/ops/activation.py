"""The network's own functions: relu, sigmoid, softmax and their stable relatives."""

from functools import partial

import numpy as np

from tinygrad_dnn.ops import reduction
from tinygrad_dnn.ops.cases import At, Case
from tinygrad_dnn.ops.choice import rounding
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.elementwise import LN2, SATURATED, floating, logistic

__all__ = [
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
]

activation = partial(op, elementwise=True)
AXIS_CASES = (Case((3, 4)), Case((3, 4), axis=0), Case((5,)))


@activation(
    "relu({x})",
    vjp=lambda g, z: g * (z > 0),
    kinks=(At(0.0, slopes=(0.0,)),),
    analytic=False,
    flat="every input of {} is ≤ 0 (dead units)",
)
def relu(x, /):
    """max(x, 0); the slope at 0 is 0, as in the document (`dZ[Z <= 0] = 0`)."""
    return np.maximum(x, 0)


@activation(
    "leaky_relu({x}, {slope})",
    vjp=lambda g, x, slope: np.where(x > 0, g, g * slope),
    cases=(Case((2, 3), slope=0.1), Case((2, 3), slope=-0.5)),
    kinks=(At(0.0, slopes=(0.01,)), At(0.0, slopes=(-0.5,), slope=-0.5)),
    composite=True,
    analytic=False,
)
def leaky_relu(x, /, slope=0.01):
    """x where x > 0, else slope · x; at 0 its slope is `slope`."""
    return np.where(x > 0, x, x * slope)


@activation("σ({x})", vjp=lambda g, z: g * z * (1 - z), composite=True, flat=SATURATED)
def sigmoid(x, /):
    """Logistic function 1 / (1 + e⁻ˣ), the document's; dZ = dA · s · (1 − s)."""
    return logistic(x)


@activation(
    "log σ({x})",
    vjp=lambda g, x: g * sigmoid(-x),
    composite=True,
    analytic=False,
    flat=SATURATED,
)
def log_sigmoid(x, /):
    """log σ(x) = −log(1 + e⁻ˣ), finite for every finite x."""
    x = floating(x)
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


@activation(
    "softplus({x})",
    vjp=lambda g, x: g * sigmoid(x),
    composite=True,
    analytic=False,
    flat=SATURATED,
)
def softplus(x, /):
    """log(1 + eˣ) = −log σ(−x), finite for every finite x."""
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _ahead(x, y):
    # x − y; −∞ where x is, for −∞ − (−∞) would be NaN.
    return x - np.where(x == -np.inf, 0, y)


def _share(g, x, y):
    # ∂z/∂x = eˣ⁻ᶻ = σ(x − y), where z was rounded; 0 where x = −∞.
    return g * sigmoid(_ahead(x, y))


@activation(
    "logaddexp({x}, {y})",
    vjp=(_share, lambda g, x, y: _share(g, y, x)),
    analytic=False,
)
def logaddexp(x, y, /):
    """log(eˣ + eʸ) without overflow."""
    return np.logaddexp(x, y)


def _share2(g, x, y):
    # ∂z/∂x = 2ˣ⁻ᶻ, as for logaddexp.
    return g * sigmoid(LN2 * _ahead(x, y))


@activation(
    "logaddexp2({x}, {y})",
    vjp=(_share2, lambda g, x, y: _share2(g, y, x)),
    analytic=False,
)
def logaddexp2(x, y, /):
    """log₂(2ˣ + 2ʸ) without overflow."""
    return np.logaddexp2(x, y)


def _balanced(gx, p, axis):
    # Σ gx along the axis is 0, but where a share p is all but 1 the difference that it came from
    # was rounded: there gx is what the others leave. (Written so that NumPy adds in place.)
    return p * -rounding(gx.sum(axis=axis, keepdims=True)) + gx


def _softmax(g, z, axis):
    return _balanced(z * (g - (g * z).sum(axis=axis, keepdims=True)), z, axis)


def _log_softmax(g, z, axis):
    p = np.exp(z)
    return _balanced(g - p * g.sum(axis=axis, keepdims=True), p, axis)


@op(
    "softmax_{axis}({x})",
    vjp=_softmax,
    cases=AXIS_CASES,
    composite=True,
    analytic=False,
)
def softmax(x, /, axis=-1):
    """eˣ / Σ eˣ along an axis."""
    x = floating(x)
    if 0 in x.shape:  # there is no maximum of nothing
        return np.exp(x)
    e = np.exp(x - reduction.max(x, axis=axis, keepdims=True))
    return e / reduction.sum(e, axis=axis, keepdims=True)


@op(
    "log_softmax_{axis}({x})",
    vjp=_log_softmax,
    cases=AXIS_CASES,
    composite=True,
    analytic=False,
)
def log_softmax(x, /, axis=-1):
    """x − log Σ eˣ along an axis, without overflow."""
    x = floating(x)
    if 0 in x.shape:
        return np.exp(x)
    shifted = x - reduction.max(x, axis=axis, keepdims=True)
    return shifted - np.log(reduction.sum(np.exp(shifted), axis=axis, keepdims=True))


def _without_the_largest(x, top, axis):
    """Where one x alone is the largest, and the others, −∞ in its place, with the largest of them
    (0 where they are all −∞).
    """
    largest = x == top
    lone = largest & (np.sum(largest, axis=axis, keepdims=True) == 1)
    others = np.where(lone, -np.inf, x)
    second = others.max(axis=axis, keepdims=True)
    return lone, others, np.where(np.isfinite(second), second, 0)


def _log_others(g, x, axis):
    # ∂zᵢ/∂xⱼ = (pⱼ − δᵢⱼ) pᵢ / (1 − pᵢ), and of the largest share qⱼ pᵢ for j ≠ i, q being the
    # shares that the others have among themselves.
    if 0 in x.shape:
        return g
    top = x.max(axis=axis, keepdims=True)
    lone, others, second = _without_the_largest(x, top, axis)
    e, q = np.exp(x - top), np.exp(others - second)
    total = e.sum(axis=axis, keepdims=True)
    p, q = e / total, q / np.maximum(q.sum(axis=axis, keepdims=True), 1)  # below 1 if there is none
    at_largest = np.where(lone, g * p, 0)
    elsewhere = np.where(lone, 0, g * e / (total - np.where(lone, 0, e)))
    return (
        p * elsewhere.sum(axis=axis, keepdims=True)
        - elsewhere
        + q * at_largest.sum(axis=axis, keepdims=True)
        - at_largest
    )


@op(
    "log(1 − softmax_{axis}({x}))",
    vjp=_log_others,
    cases=AXIS_CASES,
    composite=True,
    analytic=False,
)
def log_others(x, /, axis=-1):
    """log(1 − softmax(x)) along an axis: of each share what the others have, −∞ of a lone one."""
    x = floating(x)
    if 0 in x.shape:
        return np.exp(x)
    top = x.max(axis=axis, keepdims=True)
    lone, others, second = _without_the_largest(x, top, axis)
    e = np.exp(x - top)
    total = e.sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is the right value where there are no others
        rest = np.log(np.exp(others - second).sum(axis=axis, keepdims=True))
    # A share that is not alone the largest is at most one half, and 1 − p loses nothing.
    return np.where(
        lone, rest + (second - top) - np.log(total), np.log1p(-np.where(lone, 0, e / total))
    )
