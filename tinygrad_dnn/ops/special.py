"""Special functions of NumPy, whose derivatives of every order are functions of one family."""

from functools import partial
from math import factorial
from typing import Any

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op

__all__ = ["i0", "sinc"]

special = partial(op, elementwise=True, analytic=False)
ORDERS = (Case((2, 3), order=1), Case((2, 3), order=2), Case((2, 3), order=5))


def _next_of_sinc(g, x, order):
    return g * sinc_derivative(x, order=order + 1)


@special("sinc^({order})({x})", vjp=_next_of_sinc, cases=ORDERS)
def sinc_derivative(x, /, order):
    """The derivative of sinc of some order.

    With u = π x and s(u) = sin(u)/u: u s⁽ⁿ⁾ = sin(u + n π/2) − n s⁽ⁿ⁻¹⁾, and by the power series
    where |u| is so small that this would cancel.
    """
    u = np.pi * x
    small = np.absolute(u) < order + 1
    near, far = np.where(small, u, 0), np.where(small, 1, u)
    half_turns = np.rint(x)  # each of which is a factor −1
    angle = np.pi * (x - half_turns)
    sine, cosine = np.sin(angle), np.cos(angle)
    turned = sine, cosine, -sine, -cosine
    s = 0.0
    for n in range(order + 1):
        s = (turned[n % 4] - n * s) / far
    first = (order + 1) // 2  # Σ (−1)ᵐ u²ᵐ⁻ⁿ / ((2m − n)! (2m + 1)) from 2m ≥ n
    series: Any = 0.0
    for m in reversed(range(first, first + 2 * order + 9)):
        series = series * near**2 + (-1) ** m / factorial(2 * m - order) / (2 * m + 1)
    series = series * near if order % 2 else series
    return np.pi**order * np.where(small, series, s * (1 - half_turns % 2 * 2))


@special("sinc({x})", vjp=lambda g, x: g * sinc_derivative(x, order=1))
def sinc(x, /):
    """sin(π x)/(π x), and 1 at 0."""
    return np.sinc(x)


PANELS = 64  # of [0, π/2]; enough for i0 up to its overflow


def _next_of_i0(g, x, order):
    return g * i0_derivative(x, order=order + 1)


@special("I₀^({order})({x})", vjp=_next_of_i0, cases=ORDERS)
def i0_derivative(x, /, order):
    """The derivative of the Bessel function I₀ of some order.

    It is 2/π times the integral of cosⁿθ cosh(x cosθ) dθ from 0 to π/2 (sinh for odd n), by
    trapezia: no term has another sign, and of a periodic function the sum converges faster than
    any power.
    """
    of = np.sinh if order % 2 else np.cosh
    z = 0.5 * of(x)
    for k in range(1, PANELS):
        c = float(np.cos(np.pi / 2 * k / PANELS))
        z = z + c**order * of(c * x)
    return z / PANELS


@special("I₀({x})", vjp=lambda g, x: g * i0_derivative(x, order=1))
def i0(x, /):
    """Modified Bessel function of the first kind, of order 0."""
    return np.i0(x)
