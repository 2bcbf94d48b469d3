"""The rows of ops that move elements: joined, picked by an index, found by positions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_dnn.compiler.javascript.loops import Nest, Ref, Shape, Writer, index, viewed, whole
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops.indexing import is_basic


def part(z: Ref, indices: Any, shape: Shape | None = None) -> Ref:
    """A part of a buffer, in another shape if asked for."""
    found = viewed(z, lambda m: m[indices] if shape is None else m[indices].reshape(shape))
    assert found is not None, "a part of a buffer is a view of it"
    return found


def _copy(g: Writer, z: Ref, x: Ref) -> None:
    g.elementwise("copy", "x", z, [x])


def joined(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Each array is copied to its part of the result."""
    axis, start = node.meta.get("axis", 0), 0
    before = (slice(None),) * (0 if axis is None else axis % len(z.shape))
    for x in xs:
        n = prod(x.shape) if axis is None else x.shape[axis]
        place = (*before, slice(start, start + n))
        _copy(g, part(z, place, x.shape), x)
        start += n


def stacked(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Each array is copied to its place along a new axis."""
    before = (slice(None),) * (node.meta.get("axis", 0) % len(z.shape))
    for k, x in enumerate(xs):
        _copy(g, part(z, (*before, k, ...)), x)


def _places(x: Ref) -> Any:
    """Where each element of an array lies in its buffer."""
    at = np.full(x.shape, x.offset, np.int64)
    for k, (n, s) in enumerate(zip(x.shape, x.strides, strict=True)):
        at += (np.arange(n) * s).reshape((n,) + (1,) * (len(x.shape) - 1 - k))
    return at


def moved(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """What only moves elements: which of them, found by moving their places, is constant."""
    (x,) = xs
    done = [
        node.op.compute(v, **node.meta) for v in (_places(x), np.zeros(x.shape), np.ones(x.shape))
    ]
    at, low, high = map(np.ravel, done)
    filled = low == high
    arrays, line = [z, x, g.constant(np.where(filled, -1, at))], "z[i] = x[y[i]];"
    if filled.any():
        arrays.append(g.constant(low))
        line = "z[i] = y[i] < 0 ? w[i] : x[y[i]];"
    g.call(node.op.name, arrays, _each(at.size, line))


def _each(n: int, line: str) -> list[str]:
    return [f"for (let i = 0; i < {n}; i += 1) {{", f"  {line}", "}"]


def _ellipsed(indices: Any) -> tuple[Any, ...]:
    """An index that gives an array, of no axes too."""
    parts = indices if isinstance(indices, tuple) else (indices,)
    return parts if any(p is ... for p in parts) else (*parts, ...)


def _bare(indices: Any) -> tuple[Any, ...]:
    """An index without new axes, which pick nothing."""
    return tuple(p for p in _ellipsed(indices) if p is not None)


def _numbered(shape: Shape, indices: Any) -> Any:
    return np.arange(prod(shape)).reshape(shape)[indices]


def scatter(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Zeros with x added at an index."""
    (x,), indices = xs, node.meta["index"]
    g.call("clear", [z], ["z.fill(0);"])
    if is_basic(indices):
        x, place = g.in_order(x), part(z, _bare(indices))
        _copy(g, place, whole(x.name, place.shape)._replace(offset=x.offset))
        return
    at = _numbered(z.shape, indices)
    x, places = g.in_order(x.broadcast(np.shape(at))), g.constant(np.ravel(at))
    g.call("scatter", [z, x, places], _each(at.size, f"z[y[i]] += {x.at('x', ('i', 1))};"))


def setitem(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """x with y written at an index."""
    (x, y), indices = xs, node.meta["index"]
    _copy(g, z, x)
    at = _numbered(z.shape, indices)
    while len(y.shape) > np.ndim(at):  # NumPy lets go of leading axes of length 1 here
        y = y._replace(shape=y.shape[1:], strides=y.strides[1:])
    if is_basic(indices):
        _copy(g, part(z, _ellipsed(indices)), y)
        return
    new = g.in_order(y.broadcast(np.shape(at)))
    places = g.constant(np.ravel(at))
    line = f"z[y[i]] = {new.at('x', ('i', 1))};"
    g.call("assign", [z, new, places], _each(places.shape[0], line))


def overlap_add(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Zeros with windows added where they overlap: z through its own windows."""
    (x,) = xs
    sizes, axis = x.shape[len(z.shape) :], node.meta["axis"]
    windows = viewed(z, lambda m: sliding_window_view(m, sizes, axis))
    assert windows is not None, "windows are a view"
    g.call("clear", [z], ["z.fill(0);"])
    nest = Nest(windows.shape, [windows.strides, x.strides])
    line = f"z[{index(windows.offset, *nest.terms[0])}] += {x.at('x', *nest.terms[1])};"
    g.call("overlapAdd", [z, x], nest.around(line))


def _wrapped(n: int) -> str:
    return f"(at < 0 ? at + {n} : at)"


def _spread(x: Ref, axis: int, count: int) -> tuple[Ref, int, int]:
    """x with `count` axes in place of one, along which it stays; that one's length and stride."""
    strides = (*x.strides[:axis], *(0,) * count, *x.strides[axis + 1 :])
    return x._replace(strides=strides), x.shape[axis], x.strides[axis]


def _at_axis(g: Writer, node: Node, x: Ref, shape: Shape) -> tuple[Ref, int]:
    axis = node.meta.get("axis")
    if axis is not None:
        return x, axis % len(shape)
    x = g.in_order(x)
    return whole(x.name, (prod(x.shape),))._replace(offset=x.offset), 0


def take(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Elements at positions along an axis."""
    x, axis = _at_axis(g, node, xs[0], xs[0].shape)
    _by_positions(g, "take", z, x, xs[1], axis, "z[{z}] = x[{x} + {at}];", x, z.shape)


def scatter_add(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Zeros with x added at positions along an axis."""
    target, axis = _at_axis(g, node, z, z.shape)
    g.call("clear", [z], ["z.fill(0);"])
    x = xs[0]
    _by_positions(
        g, "scatterAdd", target, x, xs[1], axis, "z[{z} + {at}] += x[{x}];", target, x.shape
    )


def _by_positions(
    g: Writer,
    name: str,
    z: Ref,
    x: Ref,
    places: Ref,
    axis: int,
    line: str,
    picked: Ref,
    shape: Shape,
) -> None:
    """Loops over the array whose axes are those of the places in place of one of the other's."""
    count = len(places.shape)
    spread, n, step = _spread(picked, axis, count)
    before, after = axis, len(shape) - axis - count
    at = (*(0,) * before, *places.strides, *(0,) * after)
    own = [spread.strides if r is picked else r.strides for r in (z, x)]
    nest = Nest(shape, [*own, at])
    chosen = f"{step} * {_wrapped(n)}" if step != 1 else _wrapped(n)
    text = line.format(
        z=index(z.offset, *nest.terms[0]), x=index(x.offset, *nest.terms[1]), at=chosen
    )
    first = f"const at = {places.at('y', *nest.terms[2])};"
    g.call(name, [z, x, places], nest.around(first, text))


def _beside(x: Ref, axis: int, shape: Shape) -> Ref:
    """x over another shape, without its own step along one axis."""
    still = x._replace(shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return still.broadcast(shape)


def take_along(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """For each place the element at a position of its own."""
    x, axis = _at_axis(g, node, xs[0], xs[0].shape)
    places = xs[1].broadcast(z.shape)
    own = _beside(x, axis, z.shape)
    nest = Nest(z.shape, [z.strides, own.strides, places.strides])
    at = f"{x.strides[axis]} * {_wrapped(x.shape[axis])}"
    g.call("takeAlong", [z, x, places], nest.around(
        f"const at = {places.at('y', *nest.terms[2])};",
        f"z[{index(0, *nest.terms[0])}] = x[{index(x.offset, *nest.terms[1])} + {at}];",
    ))  # fmt: skip


def scatter_along(g: Writer, node: Node, xs: Sequence[Ref], z: Ref) -> None:
    """Zeros with each element added at a position of its own."""
    target, axis = _at_axis(g, node, z, z.shape)
    x = xs[0]
    places = xs[1].broadcast(x.shape)
    out = _beside(target, axis, x.shape)
    nest = Nest(x.shape, [out.strides, x.strides, places.strides])
    at = f"{target.strides[axis]} * {_wrapped(target.shape[axis])}"
    g.call("clear", [z], ["z.fill(0);"])
    g.call("scatterAlong", [z, x, places], nest.around(
        f"const at = {places.at('y', *nest.terms[2])};",
        f"z[{index(0, *nest.terms[0])} + {at}] += x[{index(x.offset, *nest.terms[1])}];",
    ))  # fmt: skip
