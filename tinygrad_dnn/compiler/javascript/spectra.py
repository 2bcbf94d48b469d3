"""The rows of ops that find eigenvalues and singular values, and the functions in JavaScript that
do so: by rotations, as Jacobi did.

Each works on a copy in float64. The sign of an eigenvector or of a pair of singular vectors is
nobody's but LAPACK's: a page has that of the recorded one. Of a matrix that is not finite, for
which NumPy raises LinAlgError, a page has NaN. Source: Golub and Van Loan, Matrix computations
(2013), sections 8.5 and 8.6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tinygrad_dnn.compiler.javascript.loops import Ref, Writer
from tinygrad_dnn.compiler.javascript.matrices import each
from tinygrad_dnn.graph import Node

ROTATIONS: Mapping[str, str] = MappingProxyType({
    "rotated": """\
/** n pairs of numbers, each pair turned by the angle of this tangent. */
function rotated(x, i, j, step, n, tangent) {
  const c = 1 / Math.hypot(tangent, 1);
  for (let k = 0; k < n; k += 1) {
    const [u, v] = [x[i + k * step], x[j + k * step]];
    x[i + k * step] = c * (u - tangent * v);
    x[j + k * step] = c * (v + tangent * u);
  }
}""",
    "tangentOf": """\
/** The tangent of the smaller angle, within 45°, whose double angle has this cotangent. */
function tangentOf(cotangent) {
  return (cotangent < 0 ? -1 : 1) / (Math.abs(cotangent) + Math.hypot(cotangent, 1));
}""",
    "sorted": """\
/** The positions of some numbers from the smallest on; `falling`: from the largest on. */
function sorted(x, falling) {
  const places = Array.from(x, (_, k) => k);
  return places.sort((j, k) => (falling ? x[k] - x[j] : x[j] - x[k]));
}""",
    "diagonalised": """\
/** Eigenvalues of a symmetric matrix in their order, and a row for each vector. The lower triangle
 * is read; Jacobi's rotations make every pair of axes independent, again and again. */
function diagonalised(x, at, n) {
  const one = new Float64Array(n * n);
  const a = one.map((_, k) => {
    const [i, j] = [Math.floor(k / n), k % n];
    return x[at + Math.max(i, j) * n + Math.min(i, j)];
  });
  const sound = a.every(Number.isFinite);
  const V = one.map((_, k) => (sound ? Number(k % (n + 1) === 0) : NaN));
  for (let sweep = 0, turned = true; turned && sweep < 60; sweep += 1) {
    turned = false;
    for (let q = 1; q < n; q += 1) {
      for (let p = 0; p < q; p += 1) {
        const [b, c, d] = [a[p * n + q], a[p * n + p], a[q * n + q]];
        if (Math.abs(b) > 2 ** -54 * Math.sqrt(Math.abs(c)) * Math.sqrt(Math.abs(d))) {
          const tangent = tangentOf((d - c) / (2 * b));
          rotated(a, p, q, n, n, tangent);
          rotated(a, p * n, q * n, 1, n, tangent);
          rotated(V, p * n, q * n, 1, n, tangent);
          [a[p * n + q], a[q * n + p]] = [0, 0];
          [a[p * n + p], a[q * n + q]] = [c - tangent * b, d + tangent * b];
          turned = true;
        }
      }
    }
  }
  const w = new Float64Array(n).map((_, k) => (sound ? a[k * n + k] : NaN));
  const places = sorted(w, false);
  return { w: places.map((k) => w[k]), V: places.map((k) => V.subarray(k * n, k * n + n)) };
}""",
    "eigenvalues": """\
/** The eigenvalues of a symmetric matrix in their order. */
function eigenvalues(z, to, x, at, n) {
  z.set(diagonalised(x, at, n).w, to);
}""",
    "eigenvectors": """\
/** Eigenvalues as a row, the vectors as columns below, each in the direction of one in y. */
function eigenvectors(z, to, x, at, y, from, n) {
  const { w, V } = diagonalised(x, at, n);
  z.set(w, to);
  V.forEach((v, k) => {
    const along = v.reduce((sum, u, i) => sum + u * y[from + (i + 1) * n + k], 0);
    v.forEach((u, i) => (z[to + (i + 1) * n + k] = along < 0 ? -u : u));
  });
}""",
    "decomposed": """\
/** Singular values from the largest on, a row for each left vector and for each right one.
 * Rotations make every pair of columns (of rows, where these are fewer) orthogonal, repeatedly. */
function decomposed(x, at, m, n) {
  const [few, many] = [Math.min(m, n), Math.max(m, n)];
  const all = Float64Array.from(x.subarray(at, at + m * n));
  const largest = all.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const scale = all.every(Number.isFinite) ? largest : NaN;
  const [along, across] = m < n ? [n, 1] : [1, n];
  const W = all.map((_, k) => {
    const v = all[Math.floor(k / many) * along + (k % many) * across];
    return scale === 0 ? 0 : v / scale;
  });
  const T = new Float64Array(few * few).map((_, k) => Number(k % (few + 1) === 0) + 0 * scale);
  const dot = (j, k) => {
    let sum = 0;
    for (let i = 0; i < many; i += 1) {
      sum += W[j * many + i] * W[k * many + i];
    }
    return sum;
  };
  for (let sweep = 0, turned = true; turned && sweep < 60; sweep += 1) {
    turned = false;
    for (let q = 1; q < few; q += 1) {
      for (let p = 0; p < q; p += 1) {
        const [b, c, d] = [dot(p, q), dot(p, p), dot(q, q)];
        if (Math.abs(b) > 2 ** -52 * Math.sqrt(c) * Math.sqrt(d)) {
          const tangent = tangentOf((d - c) / (2 * b));
          rotated(W, p * many, q * many, 1, many, tangent);
          rotated(T, p * few, q * few, 1, few, tangent);
          turned = true;
        }
      }
    }
  }
  const sizes = new Float64Array(few).map((_, k) => Math.sqrt(dot(k, k)));
  const places = sorted(sizes, true);
  const least = many * 2 ** -52 * sizes[places[0]];
  const long = [];
  for (const k of places) {
    const own = W.slice(k * many, k * many + many);
    const known = sizes[k] > least || scale !== scale;
    long.push(known ? own.map((v) => v / sizes[k]) : beside(long, many));
  }
  const short = places.map((k) => T.subarray(k * few, k * few + few));
  const [U, V] = m < n ? [short, long] : [long, short];
  return { s: places.map((k) => sizes[k] * scale), U, V };
}""",
    "beside": """\
/** A vector of length 1 orthogonal to others. */
function beside(others, n) {
  let best = new Float64Array(n);
  let most = 0;
  for (let j = 0; j < n && most < 0.5; j += 1) {
    const v = best.map((_, i) => Number(i === j));
    for (const u of [...others, ...others]) {
      const along = u.reduce((sum, w, i) => sum + w * v[i], 0);
      u.forEach((w, i) => (v[i] -= along * w));
    }
    const size = Math.hypot(...v);
    if (size > most) {
      best = v.map((w) => w / size);
      most = size;
    }
  }
  return best;
}""",
    "singularValues": """\
/** The singular values of an m × n matrix, from the largest on. */
function singularValues(z, to, x, at, m, n) {
  z.set(decomposed(x, at, m, n).s, to);
}""",
    "singularVectors": """\
/** A row for each singular value: its left vector, the value, its right vector; both vectors in the
 * direction of those in y. */
function singularVectors(z, to, x, at, y, from, m, n) {
  const { s, U, V } = decomposed(x, at, m, n);
  s.forEach((size, k) => {
    const row = k * (m + n + 1);
    const along = (v, place) => v.reduce((sum, u, i) => sum + u * y[from + row + place + i], 0);
    const sign = along(U[k], 0) + along(V[k], m + 1) < 0 ? -1 : 1;
    z.set([...U[k].map((u) => sign * u), size, ...V[k].map((v) => sign * v)], to + row);
  });
}""",
    "pseudoInverse": """\
/** The sum of v uᵀ / s of the singular values above a share of the largest one. */
function pseudoInverse(z, to, x, at, m, n, share) {
  const { s, U, V } = decomposed(x, at, m, n);
  z.fill(0, to, to + m * n);
  s.filter((size) => !(size <= share * s[0])).forEach((size, k) => {
    V[k].forEach((v, i) => U[k].forEach((u, j) => (z[to + i * m + j] += (v / size) * u)));
  });
}""",
})  # fmt: skip


def _eigenvalues(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    each(g, "eigvalsh", z, xs, [1, 2], f"eigenvalues(z, {{0}}, x, {{1}}, {z.shape[-1]});")


def _eigh(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    text = f"eigenvectors(z, {{0}}, x, {{1}}, y, {{2}}, {z.shape[-1]});"
    each(g, "eigh", z, [*xs, _directions(g, node)], [2, 2, 2], text)


def _directions(g: Writer, node: Node) -> Ref:
    """Where vectors of length 1 pointed when they were recorded, roughly: for their signs."""
    return g.constant(np.round(np.clip(g.recorded(node), -1, 1), 3))


def _singular_values(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    m, n = xs[0].shape[-2:]
    each(g, "svdvals", z, xs, [1, 2], f"singularValues(z, {{0}}, x, {{1}}, {m}, {n});")


def _svd(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    m, n = xs[0].shape[-2:]
    text = f"singularVectors(z, {{0}}, x, {{1}}, y, {{2}}, {m}, {n});"
    each(g, "svd", z, [*xs, _directions(g, node)], [2, 2, 2], text)


def _pinv(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    m, n = xs[0].shape[-2:]
    share = node.meta.get("rcond")
    share = 1e-15 if share is None else float(share)  # NumPy's own
    each(g, "pinv", z, xs, [2, 2], f"pseudoInverse(z, {{0}}, x, {{1}}, {m}, {n}, {share!r});")


SPECTRA: Mapping[str, Callable[[Writer, Node, Sequence[Ref], Ref], None]] = MappingProxyType({
    "eigenvalues": _eigenvalues, "eigh_parts": _eigh, "singular_values": _singular_values,
    "svd_parts": _svd, "pinv": _pinv,
})  # fmt: skip
