"""Functions in JavaScript that expressions and kernels call; they stand in a program that does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tinygrad_dnn.compiler.javascript.matrices import FACTORS
from tinygrad_dnn.compiler.javascript.spectra import ROTATIONS

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
    "sincDerivative": """\
/** The n-th derivative of sinc: with u = πx and s = sin(u)/u, u s⁽ⁿ⁾ = sin(u + nπ/2) − n s⁽ⁿ⁻¹⁾. */
function sincDerivative(x, n) {
  const u = Math.PI * x;
  let s = 0;
  if (Math.abs(u) < n + 1) { // by the power series, where that would cancel
    const first = Math.floor((n + 1) / 2);
    for (let k = first + 2 * n + 8; k >= first; k -= 1) {
      let factorial = 1;
      for (let j = 2; j <= 2 * k - n; j += 1) {
        factorial *= j;
      }
      s = s * (u * u) + (k % 2 ? -1 : 1) / factorial / (2 * k + 1);
    }
    return Math.PI ** n * (n % 2 ? s * u : s);
  }
  const halfTurns = rint(x); // each of which is a factor −1
  const angle = Math.PI * (x - halfTurns);
  const turned = [Math.sin(angle), Math.cos(angle), -Math.sin(angle), -Math.cos(angle)];
  for (let k = 0; k <= n; k += 1) {
    s = (turned[k % 4] - k * s) / u;
  }
  return Math.PI ** n * s * (halfTurns % 2 ? -1 : 1);
}""",
    "bessel": """\
/** The n-th derivative of I₀: 2/π times the integral of cosⁿθ cosh(x cosθ) from 0 to π/2. */
function bessel(x, n) {
  const of = n % 2 ? Math.sinh : Math.cosh;
  let sum = 0.5 * (of(x) + (n === 0 ? 1 : 0));
  for (let k = 1; k < 64; k += 1) {
    const c = Math.cos((Math.PI / 128) * k);
    sum += c ** n * of(c * x);
  }
  return sum / 64;
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
    **FACTORS, **ROTATIONS,
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
