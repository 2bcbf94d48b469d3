"""Elementwise functions: arithmetic, powers, exponentials and logarithms.

Shapes broadcast as in NumPy; the sweep sums a gradient back over broadcast axes. Conventions at
awkward points stand in the docstrings: abs'(0) = 0.
"""

from functools import partial

import numpy as np

from tinygrad_dnn.formula.template import Formula
from tinygrad_dnn.ops.cases import At, Pole
from tinygrad_dnn.ops.declare import op

__all__ = [
    "absolute",
    "add",
    "cbrt",
    "copysign",
    "divide",
    "exp",
    "exp2",
    "expm1",
    "heaviside",
    "log",
    "log1p",
    "log2",
    "log10",
    "multiply",
    "negative",
    "power",
    "reciprocal",
    "sign",
    "sqrt",
    "square",
    "subtract",
]

elementwise = partial(op, elementwise=True)

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
POSITIVE = (0.2, 3.0)
UNIT = (-0.9, 0.9)
NEGATIVE_POWER = Pole(0, 0, "a negative power of 0")
LOG_OF_ZERO = Pole(
    0,
    0,
    "the logarithm of 0 is −∞: clip its argument",
    "a sigmoid saturated to exactly 0 or 1 under a log: use log_sigmoid(Z) and log_sigmoid(-Z), "
    "or a cost from Z",
)
SATURATED = "{} is saturated everywhere"

# --- arithmetic -----------------------------------------------------------------------------------


@elementwise("{x} + {y}", vjp=(lambda g: g, lambda g: g), infix="+", undefined="∞ − ∞")
def add(x, y, /):
    """Sum x + y."""
    return np.add(x, y)


@elementwise("{x} − {y}", vjp=(lambda g: g, lambda g: -g), infix="−", undefined="∞ − ∞")
def subtract(x, y, /):
    """Difference x − y."""
    return np.subtract(x, y)


_WITH_A_NUMBER = Formula("{x} · {y}", 6, (6, 6))  # binds as x ⊙ y does, not as a dot product


@elementwise(
    lambda numbers: _WITH_A_NUMBER if numbers else "{x} ⊙ {y}",
    vjp=(lambda g, y: g * y, lambda g, x: g * x),
    multiple=(0, 1),
    infix="⊙",
    undefined="0 · ∞",
)
def multiply(x, y, /):
    """Product x ⊙ y, the document's Hadamard product."""
    return np.multiply(x, y)


@elementwise(
    "{x} / {y}",
    vjp=(lambda g, y: g / y, lambda g, z, y: -g * z / y),  # ∂(x/y)/∂y = −x/y² = −z/y
    domain=((-2, 2), POSITIVE),
    multiple=(0,),
    infix="/",
    pole=Pole(1, 0, "the denominator is 0"),
    undefined="∞ / ∞",
    remedy="; a denominator is 0",
)
def divide(x, y, /):
    """Quotient x / y; NumPy's infinities and warnings where y is 0, in the gradient too."""
    return np.divide(x, y)


@elementwise("−{x}", vjp=lambda g: -g, multiple=(0,))
def negative(x, /):
    """Negation −x."""
    return np.negative(x)


@elementwise("1 / {x}", vjp=lambda g, z: -g * z * z, domain=(POSITIVE,), pole=NEGATIVE_POWER)
def reciprocal(x, /):
    """1 / x."""
    return np.reciprocal(x)


def _lowered(x, y):
    # xʸ⁻¹ of a number y; x¹ is x.
    if y == 2:
        return x
    if abs(y) * np.finfo(x.dtype).eps < 2:
        return x ** (y - 1)
    # From here on y is even and y − 1, which is odd, rounds to an even number. The power is 0 or ∞
    # but where |x| is 1 to rounding, so that of a division by x the sign is left.
    return x**y * np.copysign(1, x)


def _power_base(g, x, y):
    # ∂xʸ/∂x = y xʸ⁻¹, and 0 where y = 0, at x = 0 and ∞ too (where 0 · xʸ⁻¹ would be NaN).
    if isinstance(y, (int, float)):
        if y == 0:
            return np.zeros_like(g)
        return g * y * _lowered(x, y)
    safe = np.where((y == 0) & ((x == 0) | ~np.isfinite(x)), 1, x)
    return g * y * safe ** (y - 1)


def _power_exponent(g, z, x, y):
    # ∂xʸ/∂y = xʸ log x, and its limit 0 at x = 0 where y ≥ 0 (0 · −∞ would be NaN).
    zero = (x == 0) & (y >= 0)
    return g * z * np.log(np.where(zero, 1, x))


@elementwise(
    "{x}^{y}",
    vjp=(_power_base, _power_exponent),
    domain=(POSITIVE, (-2, 2)),
    infix="**",
    pole=NEGATIVE_POWER,
    remedy="; a power below 1 has slope ∞ at 0",
)
def power(x, y, /):
    """Power xʸ. With y = 0 the slope in x is 0; at x = 0, y ≥ 0 the slope in y is 0."""
    return np.power(x, y)


@elementwise("{x}²", vjp=lambda g, x: g * (2 * x))
def square(x, /):
    """Square x²."""
    return np.square(x)


@elementwise(
    "√{x}",
    vjp=lambda g, z: g / (2 * z),
    domain=(POSITIVE,),
    remedy="; √ has slope ∞ at 0: add a small constant inside it",
)
def sqrt(x, /):
    """Square root; its slope at 0 is +∞, as the limit is."""
    return np.sqrt(x)


@elementwise("∛{x}", vjp=lambda g, z: g / (3 * z * z), domain=(POSITIVE,), analytic=False)
def cbrt(x, /):
    """Cube root, of negative numbers too; its slope at 0 is +∞, as the limit is."""
    return np.cbrt(x)


@elementwise(
    "|{x}|", vjp=lambda g, x: g * np.sign(x), kinks=(At(0.0, slopes=(0.0,)),), analytic=False
)
def absolute(x, /):
    """Absolute value; the slope at 0 is 0."""
    return np.absolute(x)


@elementwise(
    "sign({x})", vjp=lambda g: np.zeros_like(g), kinks=(At(0.0, slopes=(0.0,)),), analytic=False
)
def sign(x, /):
    """−1, 0 or 1; the slope is 0 everywhere, 0 included."""
    return np.sign(x)


@elementwise(
    "copysign({x}, {y})",
    vjp=(lambda g, z, x: g * np.sign(x) * np.sign(z), None),
    kinks=(At(0.0, 1.0, slopes=(0.0, None)),),
    analytic=False,
)
def copysign(x, y, /):
    """|x| with the sign of y, which −0 has too; no gradient passes to y."""
    return np.copysign(x, y)


@elementwise(
    "heaviside({x}, {y})",
    vjp=(None, lambda g, x: np.where(x == 0, g, 0)),
    kinks=(At(0.0, 0.5, slopes=(None, 1.0)),),
    analytic=False,
)
def heaviside(x, y, /):
    """0 below 0, 1 above, and y at 0; the slope in x is 0 everywhere."""
    return np.heaviside(x, y)


# --- exponentials and logarithms ------------------------------------------------------------------


def floating(x):
    """x, whole numbers as the floats that np.exp makes of them: −x of a byte wraps around."""
    dtype = getattr(x, "dtype", None)
    if dtype is None or dtype.kind == "f":
        return x
    return x.astype(np.result_type(dtype, np.float16))


@elementwise("exp({x})", vjp=lambda g, z: g * z)
def exp(x, /):
    """Exponential eˣ."""
    return np.exp(x)


@elementwise("exp2({x})", vjp=lambda g, z: g * z * LN2)
def exp2(x, /):
    """Power 2ˣ."""
    return np.exp2(x)


@elementwise("expm1({x})", vjp=lambda g, x: g * np.exp(x))  # z + 1 has lost eˣ where z is −1
def expm1(x, /):
    """eˣ − 1, exact for small x."""
    return np.expm1(x)


@elementwise(
    "log({x})",
    vjp=lambda g, x: g / x,
    domain=(POSITIVE,),
    pole=LOG_OF_ZERO,
    remedy="; log has slope ∞ at 0: clip its argument, or use log_sigmoid or log_softmax",
)
def log(x, /):
    """Natural logarithm."""
    return np.log(x)


@elementwise(
    "log1p({x})",
    vjp=lambda g, x: g / (1 + x),
    domain=(UNIT,),
    pole=Pole(0, -1, "the logarithm of 0 is −∞"),
)
def log1p(x, /):
    """log(1 + x), exact for small x."""
    return np.log1p(x)


@elementwise("log₂({x})", vjp=lambda g, x: g / (x * LN2), domain=(POSITIVE,), pole=LOG_OF_ZERO)
def log2(x, /):
    """Logarithm to base 2."""
    return np.log2(x)


@elementwise("log₁₀({x})", vjp=lambda g, x: g / (x * LN10), domain=(POSITIVE,), pole=LOG_OF_ZERO)
def log10(x, /):
    """Logarithm to base 10."""
    return np.log10(x)


def logistic(x):
    """1 / (1 + e⁻ˣ), exact to rounding for every x."""
    with np.errstate(over="ignore"):  # where e⁻ˣ overflows, 1/∞ = 0 is the right value
        return 1 / (1 + np.exp(-floating(x)))
