"""The table of elementwise ops: each as an expression of x, y, w in JavaScript.

Numbers are float64, a truth value is 0 or 1. What `Math` has is used as it is; what JavaScript
answers otherwise than NumPy is a function of HELPERS, which stands in a program that calls it.
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

# Functions that expressions and kernels call, by name.
HELPERS: Mapping[str, str] = MappingProxyType({
    "rint": """\
/** The nearest whole number; of two the even one. */
function rint(x) {
  const low = Math.floor(x);
  const rest = x - low;
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0);
  return rest > 0 ? (up ? low + 1 : low) || x * 0 : x;
}""",
    "power": """\
/** x to the power y, as C has it: 1 to any power is 1, and so is any number to the power 0. */
function power(x, y) {
  if (y === 2) {
    return x * x;
  }
  if (y === 0.5 && x !== -Infinity) {
    return Math.sqrt(x);
  }
  return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
}""",
    "sinc": """\
/** sin(πx) / (πx), and 1 at 0. */
function sinc(x) {
  const u = Math.PI * x;
  return x === 0 ? 1 : Math.sin(u) / u;
}""",
    "hypot": """\
/** √(x² + y²) without a square that overflows. */
function hypot(x, y) {
  return Math.hypot(x, y);
}""",
    "copysign": """\
/** The size of x with the sign of y. */
function copysign(x, y) {
  return y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x);
}""",
    "remainder": """\
/** x − y ⌊x / y⌋, with the sign of y. */
function remainder(x, y) {
  const rest = x % y;
  return rest === 0 ? copysign(0, y) : rest < 0 !== y < 0 ? rest + y : rest;
}""",
    "floorDivide": """\
/** ⌊x / y⌋, of the exact quotient. */
function floorDivide(x, y) {
  if (y === 0) {
    return x / y;
  }
  const rest = x % y;
  const quotient = (x - rest) / y - (rest !== 0 && rest < 0 !== y < 0 ? 1 : 0);
  const low = Math.floor(quotient);
  return quotient === 0 ? copysign(0, x / y) : quotient - low > 0.5 ? low + 1 : low;
}""",
    "logaddexp": """\
/** log(eˣ + eʸ) = max(x, y) + log(1 + exp(−|x − y|)). */
function logaddexp(x, y) {
  return x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)));
}""",
    "logaddexp2": """\
/** log₂(2ˣ + 2ʸ). */
function logaddexp2(x, y) {
  const small = Math.log1p(power(2, -Math.abs(x - y))) * Math.LOG2E;
  return x === y ? x + 1 : Math.max(x, y) + small;
}""",
    "total": """\
/** The sum of n numbers, a step apart: by halves, so that few roundings add up. */
function total(x, at, step, n) {
  if (n > 128) {
    const half = (n >> 4) << 3;
    return total(x, at, step, half) + total(x, at + half * step, step, n - half);
  }
  let sum = 0;
  for (let i = 0; i < n; i += 1) {
    sum += x[at + i * step];
  }
  return sum;
}""",
    "order": """\
/** The positions of n numbers, a step apart, in their order; NaN last, ties as they stand. */
function order(x, at, step, n) {
  const value = (i) => x[at + i * step];
  const after = (a, b) => (a !== a ? (b !== b ? 0 : 1) : b !== b ? -1 : a - b || 0);
  return Array.from({ length: n }, (_, i) => i).sort((i, j) => after(value(i), value(j)));
}""",
})  # fmt: skip


def helpers_of(text: str) -> list[str]:
    """The helpers that a text calls, each after those that it calls itself."""
    found: list[str] = []
    waiting = [name for name in HELPERS if f"{name}(" in text]
    while waiting:
        name = waiting.pop()
        if name in found:
            found.remove(name)
        found.insert(0, name)
        own = HELPERS[name].split("{", 1)[1]
        waiting += [other for other in HELPERS if other != name and f"{other}(" in own]
    return found
