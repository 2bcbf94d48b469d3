"""Right gradients that are awkward to check: none may be called wrong.

Corners with one convention or the other, float32, buffers that are written again, sums in another
order, values computed again or kept from the forward, tiny and huge numbers, arrays of odd layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Awkward(NamedTuple):
    """A function, a right gradient of it, and inputs at which it is awkward."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: tuple[Any, ...]


RNG = np.random.default_rng(5)
X, Y, SQUARE = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 3))
ZEROS = np.array([[0.0, -1.0, 2.0, 0.0], [1.0, 0.0, -2.0, 3.0]])
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, -3.0]])
ROW = np.array([[2.0, -1.0, 0.5, 1.0]])


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def corners() -> Iterator[Awkward]:
    """Where a function has no derivative, any slope between both sides' is right."""

    def relu(x: Any) -> Any:
        return np.maximum(x, 0)

    def at(name: str, f: Any, b: Any, *inputs: Any) -> Awkward:
        return Awkward(f"corner: {name}", f, b, inputs)

    yield at("relu, 0 at 0", relu, lambda g, x: g * (x > 0), ZEROS)
    yield at("relu, 1 at 0", relu, lambda g, x: g * (x >= 0), ZEROS)
    yield at("relu, 1/2 at 0", relu, lambda g, x: g * np.heaviside(x, 0.5), ZEROS)
    yield at("|x|, 0 at 0", np.abs, lambda g, x: g * np.sign(x), ZEROS)
    yield at("|x|, 1 at 0", np.abs, lambda g, x: np.where(x >= 0, g, -g), ZEROS)
    yield at("|x|, -1 at 0", np.abs, lambda g, x: np.where(x > 0, g, -g), ZEROS)

    def leaky(x: Any) -> Any:
        return np.where(x > 0, x, 0.1 * x)

    yield at("leaky relu", leaky, lambda g, x: g * np.where(x >= 0, 1, 0.1), ZEROS)

    def relu6(x: Any) -> Any:
        return np.minimum(np.maximum(x, 0), 2)

    yield at("relu6 at both ends", relu6, lambda g, x: g * ((x >= 0) & (x <= 2)), ZEROS)
    yield at("clip", lambda x: np.clip(x, -1, 2), lambda g, x: g * ((x > -1) & (x < 2)), ZEROS)

    def hinge(s: Any) -> Any:
        return np.maximum(0, 1 - s)

    yield at("hinge at 1", hinge, lambda g, s: -g * (s < 1), ZEROS)
    yield at("hinge at 1, the other side", hinge, lambda g, s: -g * (s <= 1), ZEROS)

    def largest(x: Any) -> Any:
        return np.max(x, axis=1)

    yield at(
        "largest, shared among equals", largest,
        lambda g, x, z: g[:, None] * (m := x == z[:, None]) / m.sum(1, keepdims=True), TIES,
    )  # fmt: skip
    yield at(
        "largest, the first of equals", largest,
        lambda g, x: g[:, None] * (np.arange(3) == x.argmax(1)[:, None]), TIES,
    )  # fmt: skip
    yield at(
        "maximum of two, halves", np.maximum,
        lambda g, x1, x2: (g * ((x1 > x2) + (x1 == x2) / 2), g * ((x2 > x1) + (x1 == x2) / 2)),
        TIES, np.full((3, 3), 2.0),
    )  # fmt: skip
    yield at(
        "minimum of two, all to the second", np.minimum,
        lambda g, x1, x2: (g * (x1 < x2), g * (x2 <= x1)), TIES, np.full((3, 3), 2.0),
    )  # fmt: skip

    def huber(x: Any) -> Any:
        return np.where(np.abs(x) <= 1, x * x / 2, np.abs(x) - 0.5)

    yield at("Huber at its joint", huber, lambda g, x: g * np.clip(x, -1, 1), ZEROS)
    yield at("sort with ties", np.sort, back_sort, np.array([2.0, 1.0, 2.0, 1.0]))
    yield at("sum of squares at 0", lambda x: (x * x).sum(), lambda g, x: 2 * g * x, 0 * X)
    yield at("cube at 0", lambda x: x**3, lambda g, x: 3 * g * x * x, ZEROS)
    yield at("x |x| at 0", lambda x: x * np.abs(x), lambda g, x: 2 * g * np.abs(x), ZEROS)


def back_sort(g: Any, a: Any) -> Any:
    found = np.empty(a.shape)
    found[np.argsort(a, kind="stable")] = g
    return found


def in_float32() -> Iterator[Awkward]:
    """Rounded to 7 digits everywhere."""
    x, y = X.astype(np.float32), Y.astype(np.float32)
    positive = np.abs(x) + np.float32(0.5)
    W = SQUARE.astype(np.float32)
    for name, f, b, inputs in [
        ("tanh", np.tanh, lambda g, z: g * (1 - z * z), (x,)),
        ("sigmoid", sigma, lambda g, z: g * z * (1 - z), (x,)),
        ("exp", np.exp, lambda g, z: g * z, (x,)),
        ("log", np.log, lambda g, x: g / x, (positive,)),
        ("sqrt", np.sqrt, lambda g, z: g / (2 * z), (positive,)),
        ("square", lambda x: x * x, lambda g, x: g * (x + x), (x,)),
        ("product", lambda x, y: x * y, lambda g, x, y: (g * y, g * x), (x, y)),
        ("quotient", lambda x, y: x / y, lambda g, y, z: (g / y, -g * z / y), (x, positive)),
        ("matrix product", lambda a, b: a @ b, lambda g, a, b: (g @ b.T, a.T @ g), (W, x)),
        ("mean", lambda x: x.mean(), lambda g, x: np.full(x.shape, g / x.size, x.dtype), (x,)),
        ("softmax", softmax, lambda g, z: z * (g - (g * z).sum(1, keepdims=True)), (x,)),
        ("sum over rows", lambda x: x.sum(0), lambda g, x: np.broadcast_to(g, x.shape), (x,)),
        ("gradient in float64", np.sin, lambda g, x: g * np.cos(x.astype(float)), (x,)),
        ("gradient rounded to float32", np.sin,
         lambda g, x: (g * np.cos(x)).astype(np.float32), (x,)),
        ("centred", lambda x: x - x.mean(0), lambda g: g - g.mean(0), (x,)),
    ]:  # fmt: skip
        yield Awkward(f"float32: {name}", f, b, inputs)


def in_buffers() -> Iterator[Awkward]:
    """Arrays of one's own that are written again at the next call."""
    held: dict[Any, Any] = {}

    def buffer(x: Any, n: int = 0) -> Any:
        key = x.shape, x.dtype.str, n
        return held.setdefault(key, np.empty(x.shape, x.dtype))

    def tanh(g: Any, z: Any) -> Any:
        out = buffer(z)
        np.multiply(z, z, out=out)
        np.subtract(1, out, out=out)
        return np.multiply(g, out, out=out)

    def product(g: Any, x: Any, y: Any) -> Any:
        return np.multiply(g, y, out=buffer(x)), np.multiply(g, x, out=buffer(y, 1))

    def added(g: Any, x: Any) -> Any:
        out = buffer(x)
        out[...] = 0
        for k in range(3):
            out += (k + 1) * g
        return out

    def own_copy(g: Any, x: Any) -> Any:
        g = g.copy()
        g *= 2 * x
        return g

    def relu(g: Any, x: Any) -> Any:
        g = np.array(g, copy=True)
        g[x <= 0] = 0
        return g

    yield Awkward("buffer: tanh", np.tanh, tanh, (X,))
    yield Awkward("buffer: product", lambda x, y: x * y, product, (X, Y))
    yield Awkward("buffer: of zeros, added to", lambda x: 6 * x, added, (X,))
    yield Awkward("buffer: a copy of g, in place", lambda x: x * x, own_copy, (X,))
    yield Awkward("buffer: relu on a copy of g", lambda x: np.maximum(x, 0), relu, (X,))
    yield Awkward("buffer: g itself returned", lambda x: x + 1, lambda g: g, (X,))
    yield Awkward("buffer: g returned twice", lambda x, y: x + y, lambda g: (g, g), (X, Y))
    yield Awkward("buffer: a view of g", lambda x: x.T, lambda g: g.T, (X,))
    yield Awkward(
        "buffer: views of g", lambda x, y: np.concatenate([x, y]), lambda g: (g[:3], g[3:]), (X, Y)
    )
    yield Awkward("buffer: reshaped g", lambda x: x.ravel(), lambda g, x: g.reshape(x.shape), (X,))


def in_other_orders() -> Iterator[Awkward]:
    """Sums by loops, einsum, products with ones, running totals: other roundings."""
    W = SQUARE

    def looped(g: Any, a: Any, b: Any) -> Any:
        da, db = np.zeros(a.shape), np.zeros(b.shape)
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                for j in range(b.shape[1]):
                    da[i, k] += g[i, j] * b[k, j]
                    db[k, j] += g[i, j] * a[i, k]
        return da, db

    def scattered(g: Any, x: Any) -> Any:
        out = np.zeros(x.shape)
        np.add.at(out, [0, 2, 0], g)
        return out

    def counted(g: Any, x: Any) -> Any:
        return np.bincount([0, 2, 0, 1], weights=g, minlength=len(x))

    def product(a: Any, b: Any) -> Any:
        return a @ b

    def rows(x: Any, b: Any) -> Any:
        return x + b

    def total(x: Any) -> Any:
        return x.sum()

    ones = np.ones((1, 3))
    for name, f, b, inputs in [
        ("loops", product, looped, (W, X)),
        ("einsum", product,
         lambda g, a, b: (np.einsum("ij,kj->ik", g, b), np.einsum("ij,ik->kj", g, a)), (W, X)),
        ("transposed product", product, lambda g, a, b: ((b @ g.T).T, (g.T @ a).T), (W, X)),
        ("tensordot", product,
         lambda g, a, b: (np.tensordot(g, b, (1, 1)), np.tensordot(a, g, (0, 0))), (W, X)),
        ("product with ones", rows, lambda g: (g, ones @ g), (X, ROW)),
        ("sum by add.reduce", rows, lambda g: (g, np.add.reduce(g, 0, keepdims=True)), (X, ROW)),
        ("mean times n", rows, lambda g: (g, g.mean(0, keepdims=True) * len(g)), (X, ROW)),
        ("sum backwards", rows, lambda g: (g, g[::-1].sum(0, keepdims=True)), (X, ROW)),
        ("sum by Python", rows, lambda g: (g, sum(row[None] for row in g)), (X, ROW)),
        ("running total", lambda x: np.cumsum(x, 1),
         lambda g: g.sum(1, keepdims=True) - np.cumsum(g, 1) + g, (X,)),
        ("running total, reversed", lambda x: np.cumsum(x, 1),
         lambda g: np.flip(np.cumsum(np.flip(g, 1), 1), 1), (X,)),
        ("add.at", lambda x: x[[0, 2, 0]], scattered, (X,)),
        ("bincount", lambda x: x[[0, 2, 0, 1]], counted, (X[:, 0],)),
        ("outer", lambda x, y: x[:, None] * y,
         lambda g, x, y: ((g * y).sum(1), (g * x[:, None]).sum(0)), (X[:, 0], Y[0])),
        ("full_like", total, lambda g, x: np.full_like(x, g), (X,)),
        ("g as a number", total, lambda g, x: float(g) * np.ones(x.shape), (X,)),
        ("many terms", lambda x: (x * x).sum(), lambda g, x: g * x + g * x,
         (RNG.normal(size=5000),)),
        ("repeated", lambda x: x.mean(1), lambda g, x: np.repeat(g[:, None] / 4, 4, 1), (X,)),
        ("differences", lambda x: np.diff(x, axis=1),
         lambda g: np.diff(np.pad(-g, ((0, 0), (1, 1))), axis=1), (X,)),
    ]:  # fmt: skip
        yield Awkward(f"order: {name}", f, b, inputs)


def computed_again() -> Iterator[Awkward]:
    """The same slope by other formulas."""
    for name, f, b, x in [
        ("tanh by cosh", np.tanh, lambda g, x: g / np.cosh(x) ** 2, X),
        ("tanh by exp", np.tanh, lambda g, x: 4 * g / (np.exp(x) + np.exp(-x)) ** 2, X),
        ("sigmoid by exp", sigma, lambda g, x: g * np.exp(-x) / (1 + np.exp(-x)) ** 2, X),
        ("sigmoid by two", sigma, lambda g, x: g * sigma(x) * sigma(-x), X),
        ("sigmoid by tanh", sigma, lambda g, x: g * (1 - np.tanh(x / 2) ** 2) / 4, X),
        ("softplus by exp", lambda x: np.log1p(np.exp(x)),
         lambda g, x: g * np.exp(x) / (1 + np.exp(x)), X),
        ("softplus by expm1", lambda x: np.log1p(np.exp(x)), lambda g, z: -g * np.expm1(-z), X),
        ("log-softmax by softmax", lambda x: x - np.log(np.exp(x).sum(1, keepdims=True)),
         lambda g, x: g - softmax(x) * g.sum(1, keepdims=True), X),
        ("softmax by its Jacobian", softmax,
         lambda g, z: np.stack([(np.diag(p) - np.outer(p, p)) @ g[i] for i, p in enumerate(z)]), X),
        ("square root by power", lambda x: np.sqrt(x), lambda g, x: g * 0.5 * x**-0.5, X * X + 0.1),
        ("power by log", lambda x: x**2.5,
         lambda g, x: g * 2.5 * np.exp(1.5 * np.log(x)), X * X + 0.1),
        ("reciprocal by power", lambda x: 1 / x, lambda g, z: -g * z**2, X * X + 0.1),
        ("tan by sec", np.tan, lambda g, x: g / np.cos(x) ** 2, X / 2),
        ("tan by its value", np.tan, lambda g, z: g * (1 + z * z), X / 2),
        ("arctan", np.arctan, lambda g, x: g * np.cos(np.arctan(x)) ** 2, X),
    ]:  # fmt: skip
        yield Awkward(f"again: {name}", f, b, (x,))


def kept() -> Iterator[Awkward]:
    """Values that the forward keeps for its gradient, by what it was given."""
    values: dict[bytes, Any] = {}

    def forward(x: Any) -> Any:
        z = np.exp(np.sin(x))
        values[np.asarray(x, float).tobytes()] = np.asarray(z, float)
        return z

    def backward(g: Any, x: Any) -> Any:
        z = values.get(np.asarray(x, float).tobytes())
        return g * np.cos(x) * (np.exp(np.sin(x)) if z is None else z)

    mask = RNG.random((3, 4)) < 0.7
    yield Awkward("kept: by the input's bytes", forward, backward, (X,))
    yield Awkward("kept: a dropout mask", lambda x: x * mask / 0.7, lambda g: g * mask / 0.7, (X,))
    yield Awkward("kept: indices", lambda x: x[[2, 0, 1]], lambda g: g[[1, 2, 0]], (X,))
    yield Awkward("kept: constants", lambda x: Y * x, lambda g: Y * g, (X,))
    yield Awkward(
        "kept: labels", lambda x, k: x[np.arange(3), k],
        lambda g, x, k: g[:, None] * (np.arange(4) == k[:, None]), (X, np.array([0, 3, 1])),
    )  # fmt: skip


def of_all_sizes() -> Iterator[Awkward]:
    """Numbers close to the ends of what floats can hold."""
    for scale in (1e-300, 1e-150, 1e-30, 1e-8, 1e8, 1e30, 1e150):
        yield Awkward(f"size {scale:g}: linear", lambda x: 3 * x, lambda g: 3 * g, (scale * X,))
    for scale in (1e-100, 1e-8, 1e8, 1e100):
        yield Awkward(
            f"size {scale:g}: square", lambda x: x * x, lambda g, x: 2 * g * x, (scale * X,)
        )
    yield Awkward("size: saturated tanh", np.tanh, lambda g, z: g * (1 - z * z), (30 * X,))
    yield Awkward("size: saturated sigmoid", sigma, lambda g, z: g * z * (1 - z), (50 * X,))
    yield Awkward("size: exp of -700", np.exp, lambda g, z: g * z, (X - 690,))
    yield Awkward("size: beside 1e12", lambda x: x - 1e12, lambda g: g, (X,))
    mixed = X * 10.0 ** np.arange(-6, 6).reshape(3, 4)
    yield Awkward("size: mixed", lambda x: x * x, lambda g, x: 2 * x * g, (mixed,))
    near = 1 + 1e-7 * X
    yield Awkward("size: differences of near numbers", lambda x: (x - 1) ** 2,
                  lambda g, x: 2 * g * (x - 1), (near,))  # fmt: skip


def of_odd_layout() -> Iterator[Awkward]:
    """Views, Fortran's order, read-only, empty, one number."""
    square = (lambda x: x * x, lambda g, x: 2 * g * x)
    frozen = X.copy()
    frozen.setflags(write=False)
    for name, x in [
        ("Fortran's order", np.asfortranarray(X)),
        ("every second", RNG.normal(size=(6, 8))[::2, ::2]),
        ("reversed", X[::-1, ::-1]), ("transposed", X.T), ("read-only", frozen),
        ("one number", np.array(1.5)), ("one element", np.array([[1.5]])),
        ("three axes", RNG.normal(size=(2, 1, 3))),
        ("broadcast view", np.broadcast_to(ROW, (3, 4))),
    ]:  # fmt: skip
        yield Awkward(f"layout: {name}", *square, (x,))
    for name, b in [
        ("gradient in Fortran's order", lambda g, x: np.asfortranarray(2 * g * x)),
        ("gradient of longer floats", lambda g, x: 2 * g * x.astype(np.longdouble)),
        ("gradient that is a view", lambda g, x: np.stack([2 * g * x, x])[0]),
        ("gradient read-only", lambda g, x: np.broadcast_to(2 * g * x, x.shape)),
    ]:  # fmt: skip
        yield Awkward(f"layout: {name}", square[0], b, (X,))


def all_of_them() -> list[Awkward]:
    """Every one."""
    kinds = (
        corners, in_float32, in_buffers, in_other_orders, computed_again, kept, of_all_sizes,
        of_odd_layout,
    )  # fmt: skip
    return [a for kind in kinds for a in kind()]


AWKWARD = all_of_them()
