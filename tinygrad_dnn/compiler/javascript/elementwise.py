"""The table of elementwise ops: each as an expression of x, y, w in JavaScript.

Numbers are float64, a truth value is 0 or 1. What `Math` has is used as it is; what JavaScript
answers otherwise than NumPy is a function of `helpers`, which stands in a program that calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _test(condition: str) -> str:
    return f"{condition} ? 1 : 0"


EXPRESSIONS: Mapping[str, str] = MappingProxyType({
    # one number at a time
    "negative": "-x", "absolute": "Math.abs(x)", "sign": "Math.sign(x)", "reciprocal": "1 / x",
    "square": "x * x", "sqrt": "Math.sqrt(x)", "cbrt": "Math.cbrt(x)",
    "exp": "Math.exp(x)", "exp2": "power(2, x)", "expm1": "Math.expm1(x)",
    "log": "Math.log(x)", "log1p": "Math.log1p(x)", "log2": "Math.log2(x)",
    "log10": "Math.log10(x)",
    "sin": "Math.sin(x)", "cos": "Math.cos(x)", "tan": "Math.tan(x)",
    "arcsin": "Math.asin(x)", "arccos": "Math.acos(x)", "arctan": "Math.atan(x)",
    "sinh": "Math.sinh(x)", "cosh": "Math.cosh(x)", "tanh": "Math.tanh(x)",
    "arcsinh": "Math.asinh(x)", "arccosh": "Math.acosh(x)", "arctanh": "Math.atanh(x)",
    "deg2rad": "x * (Math.PI / 180)", "rad2deg": "x * (180 / Math.PI)",
    "floor": "Math.floor(x)", "ceil": "Math.ceil(x)", "trunc": "Math.trunc(x)", "rint": "rint(x)",
    "relu": "x > 0 || x !== x ? x : 0", "sinc": "sinc(x)",
    "identity": "x", "stop_gradient": "x",
    # two numbers
    "add": "x + y", "subtract": "x - y", "multiply": "x * y", "divide": "x / y",
    "power": "power(x, y)", "maximum": "Math.max(x, y)", "minimum": "Math.min(x, y)",
    "fmax": "x >= y || y !== y ? x : y", "fmin": "x <= y || y !== y ? x : y",
    "hypot": "hypot(x, y)", "arctan2": "Math.atan2(x, y)", "copysign": "copysign(x, y)",
    "heaviside": "x !== x ? x : x > 0 ? 1 : x < 0 ? 0 : y",
    "fmod": "x % y", "remainder": "remainder(x, y)", "floor_divide": "floorDivide(x, y)",
    "logaddexp": "logaddexp(x, y)", "logaddexp2": "logaddexp2(x, y)",
    # tests and choices
    "greater": _test("x > y"), "greater_equal": _test("x >= y"),
    "less": _test("x < y"), "less_equal": _test("x <= y"),
    "equal": _test("x === y"), "not_equal": _test("x !== y"),
    "logical_and": _test("x !== 0 && y !== 0"), "logical_or": _test("x !== 0 || y !== 0"),
    "logical_not": _test("x === 0"), "logical_xor": _test("(x !== 0) !== (y !== 0)"),
    "isnan": _test("x !== x"), "isfinite": _test("x - x === 0"),
    "isinf": _test("Math.abs(x) === Infinity"),
    "signbit": _test("x < 0 || Object.is(x, -0)"),
    "where": "x !== 0 ? y : w", "clip": "Math.min(Math.max(x, y), w)",
})  # fmt: skip
