"""The table of all other ops: a row per op, from a node to the kernels that compute it.

A row is a function (g, node, xs, z): `xs` are the arrays that it reads, z is where its result
goes, and g writes, see `Writer`. Ops that only change how an array is looked at need no row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.javascript import movement
from tinygrad_dnn.compiler.javascript.elementwise import EXPRESSIONS
from tinygrad_dnn.compiler.javascript.loops import (
    PARAMETERS,
    Nest,
    Ref,
    Writer,
    indented,
    index,
    viewed,
    whole,
)
from tinygrad_dnn.compiler.javascript.matrices import MATRICES
from tinygrad_dnn.compiler.javascript.spectra import SPECTRA
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops.contraction import einsum_terms

Row = Callable[[Writer, Node, Sequence[Ref], Ref], None]


def _expression(name: str, text: str) -> Row:
    return lambda g, node, xs, z: g.elementwise(name, text, z, xs)


def _of_order(name: str, function: str) -> Row:
    """A derivative whose order is a setting."""

    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        g.elementwise(name, f"{function}(x, {node.meta['order']})", z, xs)

    return row


def _astype(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    text = {"b": "x !== 0 ? 1 : 0", "i": "Math.trunc(x)"}.get(node.dtype.kind, "x")
    g.elementwise("convert", text, z, xs)


# --- along axes -----------------------------------------------------------------------------------


def _axes(axis: Any, ndim: int) -> list[int]:
    """The axes that are meant, in order; None means all."""
    if axis is None:
        return [*range(ndim)]
    return sorted(a % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))


def _split(node: Node, x: Ref, z: Ref) -> tuple[Nest, Nest]:
    """Loops over the axes that stay (arrays z, x) and over those that are reduced (x)."""
    ndim = len(x.shape)
    gone = _axes(node.meta.get("axis"), ndim)
    stay = [a for a in range(ndim) if a not in gone]
    out = whole(z.name, tuple(x.shape[a] for a in stay))
    outer = Nest(out.shape, [out.strides, [x.strides[a] for a in stay]])
    inner = Nest(
        tuple(x.shape[a] for a in gone), [[x.strides[a] for a in gone]], len(outer.letters)
    )
    return outer, inner


def _total(name: str, mean: bool = False) -> Row:
    """Sums by halves, as NumPy adds what lies in a row."""

    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        (x,) = xs
        outer, inner = _split(node, x, z)
        n = prod(inner.lengths)
        terms, lengths = inner.terms[0], list(inner.lengths)
        step, count = (terms.pop()[1], lengths.pop()) if lengths else (1, 1)
        inner.lengths, inner.letters = lengths, inner.letters[: len(lengths)]
        at = index(x.offset, *outer.terms[1], *terms)
        part = f"total(x, {at}, {step}, {count})"
        target = f"z[{index(0, *outer.terms[0])}]"
        over = f" / {n}" if mean else ""
        body = (
            [f"{target} = {part}{over};"]
            if not lengths
            else ["let sum = 0;", *inner.around(f"sum += {part};"), f"{target} = sum{over};"]
        )
        g.call(name, [z, x], outer.around(*body))

    return row


def _folded(name: str, start: str, step: str) -> Row:
    """One number after the other: `found` and x give the next `found`."""

    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        (x,) = xs
        outer, inner = _split(node, x, z)
        element = f"x[{index(x.offset, *outer.terms[1], *inner.terms[0])}]"
        body = [
            f"let found = {start};",
            *inner.around(f"found = {step.format(element)};"),
            f"z[{index(0, *outer.terms[0])}] = found;",
        ]
        g.call(name, [z, x], outer.around(*body))

    return row


def _place(name: str, better: str) -> Row:
    """The position of the first of the best; NaN is better than any number."""

    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        (x,) = xs
        outer, inner = _split(node, x, z)
        element = f"x[{index(x.offset, *outer.terms[1], *inner.terms[0])}]"
        body = [
            "let [best, place, n] = [NaN, -1, 0];",
            *inner.around(
                f"const a = {element};",
                f"if (place < 0 || a {better} best || (a !== a && best === best)) {{",
                "  [best, place] = [a, n];",
                "}",
                "n += 1;",
            ),
            f"z[{index(0, *outer.terms[0])}] = place;",
        ]
        g.call(name, [z, x], outer.around(*body))

    return row


def _along(g: Writer, node: Node, x: Ref, z: Ref) -> tuple[Ref, Nest, int, int, int]:
    """One axis of x and z: x, loops over all others, its length, its strides in z and x."""
    axis = node.meta.get("axis", -1)
    if axis is None:
        x = g.in_order(x)
        return x, Nest((), [(), ()]), prod(x.shape), 1, 1
    k = axis % len(x.shape)
    rest = [a for a in range(len(x.shape)) if a != k]
    out = whole(z.name, x.shape)
    strides = [[r.strides[a] for a in rest] for r in (out, x)]
    shape = tuple(x.shape[a] for a in rest)
    return x, Nest(shape, strides), x.shape[k], out.strides[k], x.strides[k]


def _running(name: str, start: str, step: str) -> Row:
    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        x, others, n, out, own = _along(g, node, xs[0], z)
        element = f"x[{index(x.offset, *others.terms[1], ('n', own))}]"
        body = [
            f"let found = {start};",
            f"for (let n = 0; n < {n}; n += 1) {{",
            f"  found {step} {element};",
            f"  z[{index(0, *others.terms[0], ('n', out))}] = found;",
            "}",
        ]
        g.call(name, [z, x], others.around(*body))

    return row


def _recurrence(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """z_k = y_k + x_k z_{k−1} along the first axis."""
    x, y = xs
    n, rest = x.shape[0], range(1, len(x.shape))
    arrays = (z, x, y)
    others = Nest(tuple(x.shape[a] for a in rest), [[r.strides[a] for a in rest] for r in arrays])
    at = [index(r.offset, *others.terms[k], ("n", r.strides[0])) for k, r in enumerate(arrays)]
    body = [
        "let found = 0;",
        f"for (let n = 0; n < {n}; n += 1) {{",
        f"  found = y[{at[2]}] + x[{at[1]}] * found;",
        f"  z[{at[0]}] = found;",
        "}",
    ]
    g.call("recurrence", [z, x, y], others.around(*body))


def _sorts(name: str, value: str) -> Row:
    def row(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
        x, others, n, out, own = _along(g, node, xs[0], z)
        start = index(x.offset, *others.terms[1])
        element = value.replace("x[]", f"x[{start} + {own} * place]")
        body = [
            f"order(x, {start}, {own}, {n}).forEach((place, n) => {{",
            f"  z[{index(0, *others.terms[0], ('n', out))}] = {element};",
            "});",
        ]
        g.call(name, [z, x], others.around(*body))

    return row


# --- products -------------------------------------------------------------------------------------


def _contract(
    g: Writer, name: str, z: Ref, out: str, xs: Sequence[Ref], letters: Sequence[str]
) -> None:
    """z_out = Σ Π x: one letter for each axis, what is not in `out` is summed over."""
    unnamed = [x._replace(name="") for x in (z, *xs)]
    g.call(name, [z, *xs], _products(out, (*letters,), *unnamed))


@lru_cache(maxsize=4096)
def _products(out: str, letters: Sequence[str], z: Ref, *xs: Ref) -> Sequence[str]:
    """The lines of `_contract`."""
    lengths = {
        c: n
        for x, w in zip(xs, letters, strict=True)
        for c, n in zip(w, x.shape, strict=True)
        if n != 1
    }
    lengths = {c: lengths.get(c, 1) for w in letters for c in w}
    summed = [c for c in lengths if c not in out]

    def steps(x: Ref, word: str, along: Sequence[str]) -> list[int]:
        own = x.strides if not x.number else ()
        axes = zip(word, x.shape, own, strict=True)
        sizes = [(c, 0 if n == 1 else s) for c, n, s in axes]
        return [sum(s for c, s in sizes if c == wanted) for wanted in along]

    arrays = [(z, out), *zip(xs, letters, strict=True)]
    # With the last axis of the result in a row both there and in the last factor, a row at a time.
    last = out[-1:]
    by_rows = (
        bool(summed and last)
        and len(xs) == 2
        and steps(xs[1], letters[1], last) == [1]
        and lengths[last] > 1
        and last not in letters[0]
    )
    order = [*out[:-1], *summed, last] if by_rows else [*out]
    nest = Nest(tuple(lengths[c] for c in order), [steps(x, w, order) for x, w in arrays])
    at = [index(x.offset, *nest.terms[k]) for k, (x, _) in enumerate(arrays)]
    names = PARAMETERS[1 : len(arrays)]
    if by_rows:
        factors = [f"{n}[{i}]" for n, i in zip(names, at[1:], strict=True)]
        return "z.fill(0);", *nest.around(f"z[{at[0]}] += {' * '.join(factors)};")
    inner = Nest(
        tuple(lengths[c] for c in summed),
        [steps(x, w, summed) for x, w in arrays[1:]],
        len(nest.letters),
    )
    factors = [
        f"{n}[{index(x.offset, *nest.terms[k + 1], *inner.terms[k])}]"
        for k, (n, x) in enumerate(zip(names, xs, strict=True))
    ]
    product = " * ".join(factors)
    body = (
        ["let sum = 0;", *inner.around(f"sum += {product};"), f"z[{at[0]}] = sum;"]
        if summed
        else [f"z[{at[0]}] = {product};"]
    )
    return nest.around(*body)


def _matmul(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    x, y = xs
    batch = "abcdefgh"[: max(len(x.shape), len(y.shape), 2) - 2]
    first = (batch + "nk")[-len(x.shape) :] if len(x.shape) > 1 else "k"
    second = (batch + "km")[-len(y.shape) :] if len(y.shape) > 1 else "k"
    out = batch + "n" * (len(x.shape) > 1) + "m" * (len(y.shape) > 1)
    _contract(g, "matmul", z, out, xs, [first, second])


def _dot(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    x, y = xs
    if not x.shape or not y.shape:
        g.elementwise("multiply", EXPRESSIONS["multiply"], z, xs)
        return
    first = "abcdefgh"[: len(x.shape) - 1] + "k"
    second = "pqrstuvw"[: len(y.shape) - 1]
    out = first[:-1] + second
    second = f"{second[:-1]}k{second[-1:]}" if len(y.shape) > 1 else "k"
    _contract(g, "dot", z, out, xs, [first, second])


def _sparse(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """A constant sparse matrix times x, one of its elements after the other."""
    matrix, (x,) = node.meta["matrix"], xs
    if hasattr(matrix, "tocoo"):
        parts = matrix.tocoo()
        rows, columns, values = parts.row, parts.col, parts.data
    else:
        dense = np.asarray(matrix @ np.eye(matrix.shape[1]))
        rows, columns = np.nonzero(dense)
        values = dense[rows, columns]
    own = whole(z.name, z.shape).strides
    nest = Nest(z.shape[1:], [own[1:], x.strides[1:]], 1)
    at = index(0, ("y[i]", own[0]), *nest.terms[0])
    there = index(x.offset, ("w[i]", x.strides[0]), *nest.terms[1])
    g.call("sparse", [z, x, *map(g.constant, (rows, columns, values))], [
        "z.fill(0);",
        f"for (let i = 0; i < {len(values)}; i += 1) {{",
        *indented(nest.around(f"z[{at}] += v[i] * x[{there}];")),
        "}",
    ])  # fmt: skip


def _outer(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    x, y = (g.in_order(v) for v in xs)
    flat = [whole(v.name, (prod(v.shape),))._replace(offset=v.offset) for v in (x, y)]
    _contract(g, "outer", z, "nm", flat, ["n", "m"])


def _einsum(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    words, result = einsum_terms(node.meta["subscripts"], tuple(x.shape for x in xs))
    _contract(g, "einsum", z, result, xs, words)


def _trace(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    found = viewed(xs[0], lambda x: np.diagonal(x, **node.meta))
    assert found is not None, "a diagonal is a view"
    axes = "abcdefgh"[: len(found.shape) - 1]
    _contract(g, "trace", z, axes, [found], [axes + "k"])


ROWS: Mapping[str, Row] = MappingProxyType({
    **{name: _expression(name, text) for name, text in EXPRESSIONS.items()},
    "astype": _astype,
    "sum": _total("sum"), "mean": _total("mean", mean=True),
    "max": _folded("max", "-Infinity", "Math.max(found, {})"),
    "min": _folded("min", "Infinity", "Math.min(found, {})"),
    "prod": _folded("prod", "1", "found * {}"),
    "argmax": _place("argmax", ">"), "argmin": _place("argmin", "<"),
    "cumsum": _running("cumsum", "0", "+="), "cumprod": _running("cumprod", "1", "*="),
    "recurrence": _recurrence,
    "sparse_matmul": _sparse,
    "sort": _sorts("sort", "x[]"), "argsort": _sorts("argsort", "place"),
    "matmul": _matmul, "dot": _dot, "outer": _outer, "einsum": _einsum, "trace": _trace,
    "concatenate": movement.joined, "stack": movement.stacked,
    **dict.fromkeys(("flip", "roll", "repeat", "tile", "pad", "getitem"), movement.moved),
    "overlap_add": movement.overlap_add, "scatter": movement.scatter, "setitem": movement.setitem,
    "take": movement.take, "scatter_add": movement.scatter_add,
    "i0": _expression("i0", "bessel(x, 0)"), "i0_derivative": _of_order("i0", "bessel"),
    "sinc_derivative": _of_order("sinc", "sincDerivative"),
    **MATRICES, **SPECTRA,
    "take_along_axis": movement.take_along, "scatter_along_axis": movement.scatter_along,
})  # fmt: skip

# Ops without a row, as one calls them in NumPy, and why.
WITHOUT: Mapping[str, tuple[str, str]] = MappingProxyType({
    "argpartition": (
        "np.argpartition", "of the many orders that are right NumPy's own can't be foretold"
    ),
})  # fmt: skip
