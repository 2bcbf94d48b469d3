"""How exact the slopes of every elementwise op are, from 1e-300 to 1e300: worst error, in ulps.

python tests/slopes.py        # writes tests/slopes.md

The truth is a formula of the slope, written here once more, without the rule's own way of computing
it, in 80 bits. Errors are in units in the last place of the true slope as a float64; slopes below
the smallest normal number count as right when what is found lies below it too. An exponent in an
array that is so large (from 2/ε) that y − 1 rounds loses its parity, and with it the sign of the
slope at a negative x: to keep it would cost every power of two arrays four passes more. A number as
exponent keeps it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product
from math import factorial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kinks import is_elementwise

from tinygrad_dnn import Tensor, gradients
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.ops import REGISTRY, Op

TABLE = Path(__file__).with_name("slopes.md")
WIDE = np.longdouble
HAS_80_BITS = np.finfo(WIDE).nmant >= 63
TINY, HUGE = np.finfo(float).tiny, np.finfo(float).max

SIZES = (
    1e-300, 1e-160, 1e-30, 1e-8, 0.1, 0.5, 1 - 1e-15, 1.0, 1 + 1e-15, 1.5, 2.0, 3.0, 10.0, 19.5,
    37.43, 100.0, 700.0, 1e5, 1e16, 1e160, 1e300,
)  # fmt: skip
NUMBERS = np.array([0.0, *SIZES, *(-x for x in SIZES)])

Slope = Callable[..., Any]


def _logistic(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1 / (1 + e), e / (1 + e))


def _share(x: Any, y: Any) -> Any:
    return _logistic(x - y)


def _above(x: Any, y: Any) -> Any:
    return np.heaviside(x - y, WIDE(0.5))


def _angle(x: Any, y: Any) -> Any:
    return y / (x * x + y * y)


def _turns(of_two: Any) -> Slope:
    """−k, where the remainder is x − k y."""
    return lambda x, y: np.rint((of_two(x, y) - x) / y)


LN2, PI = np.log(WIDE(2)), 4 * np.arctan(WIDE(1))
DEGREE = PI / 180


def _sinc(x: Any) -> Any:
    u, half = PI * x, WIDE(0.5)
    angle = PI * (x - 2 * np.rint(half * x))
    near = np.where(np.abs(u) < 1, u, 0)
    series = 0 * near
    for k in range(1, 14):
        series = series + (-1) ** k * near ** (2 * k - 1) / (2 * k + 1) / factorial(2 * k - 1)
    with np.errstate(all="ignore"):
        far = (np.cos(angle) - np.sin(angle) / u) / u
    return PI * np.where(np.abs(u) < 1, series, far)


def _bessel(x: Any) -> Any:
    """I₁ by its power series, whose terms have one sign."""
    half = x / 2
    term = total = half
    for k in range(1, 1200):
        term = term * half / k * half / (k + 1)
        total = total + term
    return total


# The slope by each argument, of numbers in 80 bits; None where an op is constant in it.
TRUTH: dict[str, tuple[Slope | None, ...]] = {
    "absolute": (np.sign,),
    "add": (lambda x, y: 1 + 0 * x, lambda x, y: 1 + 0 * x),
    "arccos": (lambda x: -1 / np.sqrt((1 - x) * (1 + x)),),
    "arccosh": (lambda x: 1 / np.sqrt((x - 1) * (x + 1)),),
    "arcsin": (lambda x: 1 / np.sqrt((1 - x) * (1 + x)),),
    "arcsinh": (lambda x: 1 / np.sqrt(1 + x * x),),
    "arctan": (lambda x: 1 / (1 + x * x),),
    "arctan2": (_angle, lambda x, y: -_angle(y, x)),
    "arctanh": (lambda x: 1 / ((1 - x) * (1 + x)),),
    "cbrt": (lambda x: 1 / (3 * np.cbrt(x) ** 2),),
    "copysign": (lambda x, y: np.sign(x) * np.copysign(WIDE(1), y), None),
    "cos": (lambda x: -np.sin(x),),
    "cosh": (np.sinh,),
    "deg2rad": (lambda x: DEGREE + 0 * x,),
    "divide": (lambda x, y: 1 / y + 0 * x, lambda x, y: -x / (y * y)),
    "exp": (np.exp,),
    "exp2": (lambda x: LN2 * np.exp2(x),),
    "expm1": (np.exp,),
    "fmax": (_above, lambda x, y: _above(y, x)),
    "fmin": (lambda x, y: _above(y, x), _above),
    "fmod": (lambda x, y: 1 + 0 * x, _turns(np.fmod)),
    "heaviside": (None, lambda x, y: (x == 0) * WIDE(1)),
    "i0": (_bessel,),
    "hypot": (lambda x, y: x / np.hypot(x, y), lambda x, y: y / np.hypot(x, y)),
    "identity": (lambda x: 1 + 0 * x,),
    "leaky_relu": (lambda x: np.where(x > 0, WIDE(1), WIDE(0.01)),),
    "log": (lambda x: 1 / x,),
    "log1p": (lambda x: 1 / (1 + x),),
    "log2": (lambda x: 1 / (x * LN2),),
    "log10": (lambda x: 1 / (x * np.log(WIDE(10))),),
    "log_sigmoid": (lambda x: _logistic(-x),),
    "logaddexp": (_share, lambda x, y: _share(y, x)),
    "logaddexp2": (lambda x, y: _share(x * LN2, y * LN2), lambda x, y: _share(y * LN2, x * LN2)),
    "maximum": (_above, lambda x, y: _above(y, x)),
    "minimum": (lambda x, y: _above(y, x), _above),
    "multiply": (lambda x, y: y + 0 * x, lambda x, y: x + 0 * y),
    "negative": (lambda x: -1 + 0 * x,),
    "power": (lambda x, y: y * x ** (y - 1), lambda x, y: x**y * np.log(x)),
    "rad2deg": (lambda x: 1 / DEGREE + 0 * x,),
    "reciprocal": (lambda x: -1 / (x * x),),
    "relu": (lambda x: (x > 0) * WIDE(1),),
    "remainder": (lambda x, y: 1 + 0 * x, _turns(np.remainder)),
    "rounding": (lambda x: 1 + 0 * x,),
    "sigmoid": (lambda x: _logistic(x) * _logistic(-x),),
    "sign": (lambda x: 0 * x,),
    "sin": (np.cos,),
    "sinc": (_sinc,),
    "sinh": (np.cosh,),
    "softplus": (_logistic,),
    "sqrt": (lambda x: 1 / (2 * np.sqrt(x)),),
    "square": (lambda x: 2 * x,),
    "subtract": (lambda x, y: 1 + 0 * x, lambda x, y: -1 + 0 * x),
    "tan": (lambda x: 1 + np.tan(x) ** 2,),
    "tanh": (lambda x: 1 / np.cosh(x) ** 2,),
}  # fmt: skip


class Worst(NamedTuple):
    """The largest error of a slope, where it is, and what was found there."""

    ulps: float
    at: tuple[float, ...]
    found: float
    true: float


def ops() -> list[Op]:
    """The elementwise ops of floats, with a slope."""
    return [
        op for _, op in sorted(REGISTRY.items())
        if op.builtin and is_elementwise(op) and op.differentiable and op.name in TRUTH
    ]  # fmt: skip


def worst(op: Op, i: int) -> Worst:
    """The largest error of the slope by argument i, over all numbers or pairs of them."""
    points = np.array([*product(NUMBERS, repeat=len(op.arrays))]).T
    true = TRUTH[op.name][i]
    assert true is not None
    with np.errstate(all="ignore"):
        exact = np.broadcast_to(true(*points.astype(WIDE)), points[0].shape)
        xs = [Tensor(x, requires_grad=True) for x in points]
        z = record(op, xs, op.defaults)
        found = np.broadcast_to(gradients(z, xs[i], gradient=np.ones(z.shape)), z.shape)
        defined = np.isfinite(z.data) & np.isfinite(exact) & (np.abs(exact) <= HUGE)
        unit = np.spacing(np.abs(exact.astype(float)))
        errors = np.abs(found - exact) / np.where(defined, unit, 1)
    errors = np.where(np.isnan(errors), np.inf, errors)
    small = (np.abs(exact) < TINY) & (np.abs(found) < TINY)
    errors = np.where(defined & ~small, errors, 0)
    k = int(np.argmax(errors))
    return Worst(float(errors[k]), tuple(points[:, k].tolist()), float(found[k]), float(exact[k]))


def said(ulps: float) -> str:
    """An error as the page says it: the next power of two, as libraries differ in the last bit."""
    if ulps <= 4:
        return "4"
    return "∞" if not np.isfinite(ulps) else f"2^{int(np.ceil(np.log2(ulps)))}"


def lines() -> list[str]:
    """The rows of the table."""
    rows = []
    for op in ops():
        for i, name in enumerate(op.arrays):
            if TRUTH[op.name][i] is None or op.rule(i) is None:
                continue
            w = worst(op, i)
            about = (
                ""
                if w.ulps <= 4
                else f"{', '.join(f'{x:g}' for x in w.at)}: {w.found:.3g} for {w.true:.3g}"
            )
            rows.append(f"| {op.name} | {name} | {said(w.ulps)} | {about} |")
    return rows


def page() -> str:
    """The whole page."""
    head = __doc__.strip().split("\n\n") if __doc__ else []
    return "\n".join([
        "# How exact slopes are", "",
        "Written by `python tests/slopes.py`, compared by tests/ops/test_slopes.py.", "",
        " ".join(head[-1].split()), "",
        "| op | by | worst error in ulps, at most | where, what is found and what is true |",
        "|---|---|---|---|", *lines(), "",
    ])  # fmt: skip


if __name__ == "__main__":
    if not HAS_80_BITS:
        sys.exit("slopes: longdouble has no 80 bits on this platform")
    TABLE.write_text(page(), encoding="utf-8")
