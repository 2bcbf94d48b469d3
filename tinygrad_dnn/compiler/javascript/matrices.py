"""The rows of ops that factorise matrices, and the functions in JavaScript that do so.

Each factorises a copy in float64. Where NumPy raises LinAlgError, of a singular matrix or of one
that is not positive definite, a page has ∞ or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tinygrad_dnn.compiler.javascript.loops import Nest, Ref, Writer, index
from tinygrad_dnn.graph import Node

FACTORS: Mapping[str, str] = MappingProxyType({
    "eliminated": """\
/** L (below the diagonal) and U of an n × n matrix; the order of its rows, and the sign of that. */
function eliminated(x, at, n) {
  const a = Float64Array.from(x.subarray(at, at + n * n));
  const order = Array.from({ length: n }, (_, i) => i);
  let sign = 1;
  for (let j = 0; j < n; j += 1) {
    let best = j;
    for (let i = j + 1; i < n; i += 1) {
      best = Math.abs(a[i * n + j]) > Math.abs(a[best * n + j]) ? i : best;
    }
    if (best !== j) {
      [order[j], order[best]] = [order[best], order[j]];
      for (let k = 0; k < n; k += 1) {
        [a[j * n + k], a[best * n + k]] = [a[best * n + k], a[j * n + k]];
      }
      sign = -sign;
    }
    for (let i = j + 1; i < n && a[j * n + j] !== 0; i += 1) {
      a[i * n + j] /= a[j * n + j];
      for (let k = j + 1; k < n; k += 1) {
        a[i * n + k] -= a[i * n + j] * a[j * n + k];
      }
    }
  }
  return { a, order, sign };
}""",
    "solved": """\
/** The solution z of x z = y, an n × n matrix and so many columns. */
function solved(z, to, x, at, y, from, n, columns) {
  const { a, order } = eliminated(x, at, n);
  for (let c = 0; c < columns; c += 1) {
    const v = order.map((i) => y[from + i * columns + c]);
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < i; j += 1) {
        v[i] -= a[i * n + j] * v[j];
      }
    }
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let j = i + 1; j < n; j += 1) {
        v[i] -= a[i * n + j] * v[j];
      }
      v[i] /= a[i * n + i];
      z[to + i * columns + c] = v[i];
    }
  }
}""",
    "substituted": """\
/** The solution z of x z = y, of x one triangle. */
function substituted(z, to, x, at, y, from, n, columns, lower) {
  for (let c = 0; c < columns; c += 1) {
    const v = new Float64Array(n);
    for (let k = 0; k < n; k += 1) {
      const i = lower ? k : n - 1 - k;
      v[i] = y[from + i * columns + c];
      for (let j = lower ? 0 : i + 1; j < (lower ? i : n); j += 1) {
        v[i] -= x[at + i * n + j] * v[j];
      }
      v[i] /= x[at + i * n + i];
      z[to + i * columns + c] = v[i];
    }
  }
}""",
    "determinant": """\
/** The determinant of an n × n matrix. */
function determinant(x, at, n) {
  const { a, sign } = eliminated(x, at, n);
  let product = sign;
  for (let i = 0; i < n; i += 1) {
    product *= a[i * n + i];
  }
  return product;
}""",
    "logDeterminant": """\
/** The sign of a determinant, and the logarithm of its size. */
function logDeterminant(z, to, x, at, n) {
  const { a, sign } = eliminated(x, at, n);
  z[to] = sign;
  let sum = 0;
  for (let i = 0; i < n; i += 1) {
    z[to] *= Math.sign(a[i * n + i]);
    sum += Math.log(Math.abs(a[i * n + i]));
  }
  z[to + 1] = sum;
}""",
    "adjugate": """\
/** det(x) x⁻ᵀ of an n × n matrix; where it is singular the determinants of all minors. */
function adjugate(z, to, x, at, n) {
  const size = determinant(x, at, n);
  if (size !== 0) {
    const inverse = new Float64Array(n * n);
    const one = inverse.map((_, k) => Number(k % (n + 1) === 0));
    solved(inverse, 0, x, at, one, 0, n, n);
    inverse.forEach((v, k) => (z[to + (k % n) * n + Math.floor(k / n)] = size * v));
    return;
  }
  const all = Array.from({ length: n * n }, (_, k) => k);
  for (const k of all) {
    const [row, column] = [Math.floor(k / n), k % n];
    const rest = all.filter((l) => Math.floor(l / n) !== row && l % n !== column);
    const sign = (row + column) % 2 ? -1 : 1;
    z[to + k] = sign * determinant(Float64Array.from(rest, (l) => x[at + l]), 0, n - 1);
  }
}""",
    "cholesky": """\
/** The lower triangular L with L Lᵀ = x, of which the lower triangle is read. */
function cholesky(z, to, x, at, n) {
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      let sum = x[at + i * n + j];
      for (let k = 0; k < j; k += 1) {
        sum -= a[i * n + k] * a[j * n + k];
      }
      a[i * n + j] = i === j ? Math.sqrt(sum) : sum / a[j * n + j];
    }
  }
  z.set(a, to);
}""",
    "reflected": """\
/** A row for each column of Q, that column and R's row: x = Q R by reflections I − t v vᵀ. */
function reflected(z, to, x, at, rows, columns) {
  const a = Float64Array.from(x.subarray(at, at + rows * columns));
  const count = Math.min(rows, columns);
  const Q = new Float64Array(rows * count);
  const factors = new Float64Array(count);
  const reflect = (y, width, k, first) => {
    for (let c = first; c < width; c += 1) {
      let sum = y[k * width + c];
      for (let i = k + 1; i < rows; i += 1) {
        sum += a[i * columns + k] * y[i * width + c];
      }
      y[k * width + c] -= factors[k] * sum;
      for (let i = k + 1; i < rows; i += 1) {
        y[i * width + c] -= factors[k] * sum * a[i * columns + k];
      }
    }
  };
  for (let k = 0; k < count; k += 1) {
    const head = a[k * columns + k];
    let rest = 0;
    for (let i = k + 1; i < rows; i += 1) {
      rest = Math.hypot(rest, a[i * columns + k]);
    }
    if (rest !== 0) { // the sign is LAPACK's
      const size = head < 0 ? Math.hypot(head, rest) : -Math.hypot(head, rest);
      factors[k] = (size - head) / size;
      for (let i = k + 1; i < rows; i += 1) {
        a[i * columns + k] /= head - size;
      }
      a[k * columns + k] = size;
    }
    reflect(a, columns, k, k + 1);
  }
  for (let k = count - 1; k >= 0; k -= 1) {
    Q[k * count + k] = 1;
    reflect(Q, count, k, k);
  }
  for (let k = 0; k < count; k += 1) {
    for (let i = 0; i < rows; i += 1) {
      z[to + k * (rows + columns) + i] = Q[i * count + k];
    }
    for (let j = 0; j < columns; j += 1) {
      z[to + k * (rows + columns) + rows + j] = j < k ? 0 : a[k * columns + j];
    }
  }
}""",
})  # fmt: skip


def each(g: Writer, name: str, z: Ref, xs: Sequence[Ref], ranks: Sequence[int], *body: str) -> None:
    """Loops over the leading axes. In the lines {0}, {1}, ... stand for where a matrix of z and of
    each array begins; `ranks` are the axes that z and they have of their own.
    """
    arrays = [z, *map(g.in_order, xs)]
    batch = z.shape[: len(z.shape) - ranks[0]]
    leading = [
        r._replace(shape=r.shape[:n], strides=r.strides[:n]).broadcast(batch)
        for r, rank in zip(arrays, ranks, strict=True)
        for n in [len(r.shape) - rank]
    ]
    nest = Nest(batch, [r.strides for r in leading])
    at = [index(r.offset, *terms) for r, terms in zip(arrays, nest.terms, strict=True)]
    g.call(name, arrays, nest.around(*[line.format(*at) for line in body]))


def _solve(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    x, y = xs
    rank = min(len(y.shape), 2)
    n, columns = x.shape[-1], y.shape[-1] if rank == 2 else 1
    text = f"solved(z, {{0}}, x, {{1}}, y, {{2}}, {n}, {columns});"
    each(g, "solve", z, xs, [rank, 2, rank], text)


def _inv(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    n = z.shape[-1]
    text = f"solved(z, {{0}}, x, {{1}}, y, {{2}}, {n}, {n});"
    each(g, "inv", z, [*xs, g.constant(np.eye(n))], [2, 2, 2], text)


def _triangular(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    n, columns = z.shape[-2:]
    lower = "true" if node.meta.get("lower", True) else "false"
    text = f"substituted(z, {{0}}, x, {{1}}, y, {{2}}, {n}, {columns}, {lower});"
    each(g, "triangular", z, xs, [2, 2, 2], text)


def _det(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    each(g, "det", z, xs, [0, 2], f"z[{{0}}] = determinant(x, {{1}}, {xs[0].shape[-1]});")


def _cofactors(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    each(g, "cofactors", z, xs, [2, 2], f"adjugate(z, {{0}}, x, {{1}}, {z.shape[-1]});")


def _slogdet(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    n = xs[0].shape[-1]
    each(g, "slogdet", z, xs, [1, 2], f"logDeterminant(z, {{0}}, x, {{1}}, {n});")


def _cholesky(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    each(g, "lower", z, xs, [2, 2], f"cholesky(z, {{0}}, x, {{1}}, {z.shape[-1]});")


def _qr(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    m, n = xs[0].shape[-2:]
    each(g, "qr", z, xs, [2, 2], f"reflected(z, {{0}}, x, {{1}}, {m}, {n});")


MATRICES: Mapping[str, Callable[[Writer, Node, Sequence[Ref], Ref], None]] = MappingProxyType({
    "solve": _solve, "inv": _inv, "triangular": _triangular, "det": _det, "cofactors": _cofactors,
    "slogdet_parts": _slogdet, "cholesky_lower": _cholesky, "qr_parts": _qr,
})  # fmt: skip
