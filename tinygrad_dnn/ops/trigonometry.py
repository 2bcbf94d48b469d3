"""Elementwise functions of angles and of the hyperbola, and their inverses."""

import numpy as np

from tinygrad_dnn.ops.cases import At
from tinygrad_dnn.ops.elementwise import POSITIVE, SATURATED, UNIT, elementwise

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


@elementwise("sin({x})", vjp=lambda g, x: g * np.cos(x))
def sin(x, /):
    """Sine."""
    return np.sin(x)


@elementwise("cos({x})", vjp=lambda g, x: -g * np.sin(x))
def cos(x, /):
    """Cosine."""
    return np.cos(x)


@elementwise("tan({x})", vjp=lambda g, z: g * (1 + z * z), domain=((-1.2, 1.2),))
def tan(x, /):
    """Tangent."""
    return np.tan(x)


def _cosine(x):
    # √(1 − x²) of a sine x; 1 − x is exact near 1, where x² rounds.
    return np.sqrt((1 - x) * (1 + x))


@elementwise("arcsin({x})", vjp=lambda g, x: g / _cosine(x), domain=(UNIT,))
def arcsin(x, /):
    """Inverse sine."""
    return np.arcsin(x)


@elementwise("arccos({x})", vjp=lambda g, x: -g / _cosine(x), domain=(UNIT,))
def arccos(x, /):
    """Inverse cosine."""
    return np.arccos(x)


def _arctan(g, x):
    with np.errstate(over="ignore"):  # where x² overflows, 1/∞ = 0 is the slope, to 1e-308
        return g / (1 + x * x)


@elementwise("arctan({x})", vjp=_arctan)
def arctan(x, /):
    """Inverse tangent."""
    return np.arctan(x)


@elementwise(
    "hypot({x}, {y})",
    vjp=(lambda g, z, x: _along(g, x, z), lambda g, z, y: _along(g, y, z)),
    kinks=(At(0.0, 0.0, slopes=(0.0, 0.0)),),
    analytic=False,
)
def hypot(x, y, /):
    """√(x² + y²), whose squares do not overflow; the slope at (0, 0) is 0."""
    return np.hypot(x, y)


def _along(g, x, z):
    return g * (x / np.where(z == 0, 1, z))


def _turn(g, x, r):
    # x / r², where the square overflows, or is 0.
    return g * (x / r / r)


@elementwise(
    "arctan2({x}, {y})",
    vjp=(
        lambda g, x, y: _turn(g, y, hypot(x, y)),
        lambda g, x, y: -_turn(g, x, hypot(x, y)),
    ),
    domain=(POSITIVE, POSITIVE),
    analytic=False,
)
def arctan2(x, y, /):
    """Angle of the point (y, x): x is its ordinate, as in NumPy."""
    return np.arctan2(x, y)


@elementwise("sinh({x})", vjp=lambda g, x: g * np.cosh(x))
def sinh(x, /):
    """Hyperbolic sine."""
    return np.sinh(x)


@elementwise("cosh({x})", vjp=lambda g, x: g * np.sinh(x))
def cosh(x, /):
    """Hyperbolic cosine."""
    return np.cosh(x)


@elementwise("tanh({x})", vjp=lambda g, z: g * (1 - z * z), flat=SATURATED)
def tanh(x, /):
    """Hyperbolic tangent."""
    return np.tanh(x)


@elementwise("arcsinh({x})", vjp=lambda g, x: g / np.hypot(1, x), analytic=False)
def arcsinh(x, /):
    """Inverse hyperbolic sine."""
    return np.arcsinh(x)


@elementwise(
    "arccosh({x})",
    vjp=lambda g, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    domain=((1.2, 4.0),),
    analytic=False,
)
def arccosh(x, /):
    """Inverse hyperbolic cosine of x ≥ 1; its slope at 1 is +∞."""
    return np.arccosh(x)


@elementwise("arctanh({x})", vjp=lambda g, x: g / ((1 - x) * (1 + x)), domain=(UNIT,))
def arctanh(x, /):
    """Inverse hyperbolic tangent."""
    return np.arctanh(x)


@elementwise("deg2rad({x})", vjp=lambda g: np.deg2rad(g), analytic=False)
def deg2rad(x, /):
    """Degrees as radians, x π/180."""
    return np.deg2rad(x)


@elementwise("rad2deg({x})", vjp=lambda g: np.rad2deg(g), analytic=False)
def rad2deg(x, /):
    """Radians as degrees, x 180/π."""
    return np.rad2deg(x)
