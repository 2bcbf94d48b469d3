"""The network's own functions: relu, sigmoid, softmax and their stable relatives."""

from functools import partial

import numpy as np

from tinygrad_dnn.ops.declare import At, Case, op
from tinygrad_dnn.ops.elementwise import SATURATED, floating, logistic

__all__ = [
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
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
    vjp=lambda g, x: g * logistic(-x),
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
    vjp=lambda g, x: g * logistic(x),
    composite=True,
    analytic=False,
    flat=SATURATED,
)
def softplus(x, /):
    """log(1 + eˣ) = −log σ(−x), finite for every finite x."""
    x = floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


NEAR_ONE = 0.9375  # from here on 1 − p is said to have lost something


def _balanced(gx, p, axis):
    # Along the axis gx adds up to 0, but that 1 − p is rounded where the share p is all but 1:
    # there gx is what the others leave.
    left = np.sum(gx, axis=axis, keepdims=True)
    return gx - left * (p > NEAR_ONE)


def _softmax(g, z, axis):
    return _balanced(z * (g - np.sum(g * z, axis=axis, keepdims=True)), z, axis)


def _log_softmax(g, z, axis):
    p = np.exp(z)
    return _balanced(g - p * np.sum(g, axis=axis, keepdims=True), p, axis)


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
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


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
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
