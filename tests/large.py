"""Ops where another way is taken: from some size on, for some dtypes, far out. Each is compared
with what is written plainly, the limits lowered so that small arrays reach both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, localcontext
from math import factorial
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, gradients
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.graph import trace
from tinygrad_dnn.ops import REGISTRY, Op, contraction, logic, running

WIDE = np.longdouble
PI = Decimal("3.141592653589793238462643383279502884197169399375105820974944592307816406286209")


@contextmanager
def planted(module: Any, **values: Any) -> Iterator[None]:
    """The module's names bound to other values for the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(module, name, value)
        yield


def _never(*_: Any) -> Any:
    raise AssertionError("this way was not to be taken")


def _einsum(op: Op) -> None:
    rng = np.random.default_rng(0)
    for subscripts, *shapes in (
        ("bij,kjb->kbi", (3, 4, 5), (2, 5, 3)),
        ("ij,jk->ik", (3, 2), (2, 4)),
        ("ij,kj->ki", (3, 2), (4, 2)),
        ("aij,abk->aijbk", (3, 2, 4), (3, 5, 2)),
        ("ijab,bkja->ik", (2, 4, 3, 5), (5, 3, 4, 3)),
        ("ij,jk,kl->li", (4, 3), (3, 4), (4, 3)),
        ("ij,ij->i", (3, 4), (3, 4)),
        ("iij,jk->ik", (3, 3, 4), (4, 2)),
        ("cab,bd->cad", (2, 3, 4), (4, 5)),
        ("ab,cdb->acd", (3, 4), (2, 5, 4)),
        ("ij,jk", (3, 4), (4, 2)),
    ):
        xs = [rng.normal(size=s) for s in shapes]
        plain = np.einsum(subscripts, *xs)
        for many in (1, 10**9):
            contraction._steps.cache_clear()
            with planted(contraction, MANY=many):
                for optimize in (False, True):
                    z = np.einsum(subscripts, *map(Tensor, xs), optimize=optimize)
                    np.testing.assert_allclose(z.data, plain, rtol=1e-12, atol=1e-12)
                    assert z.shape == plain.shape
                    names = [node.op.name for node in trace([z.node]).nodes if node.op]
                    literal = subscripts in ("aij,abk->aijbk", "ij,ij->i", "iij,jk->ik")
                    assert ("contract" in names) == (many == 1 and not literal)
                    pairs = "kl" in subscripts and (many == 1 or optimize)
                    assert len(names) == 1 + pairs
                    assert pairs or z.node.meta["subscripts"] == subscripts
        contraction._steps.cache_clear()


def _argsort(op: Op) -> None:
    rng = np.random.default_rng(0)
    distinct = rng.permutation(60).reshape(6, 10) * 1.0
    ties = rng.integers(0, 3, size=(6, 40)) * 1.0
    with planted(logic, LARGE=distinct.size):  # not from there on yet
        for x in (distinct, distinct.T):
            with planted(logic, _argsort_large=_never):
                op(x)
    with planted(logic, LARGE=distinct.size - 1):
        for axis in (-1, 0, None):
            expected = np.argsort(distinct, axis=axis, kind="stable")
            with planted(logic, _stable=_never):
                np.testing.assert_array_equal(op(distinct, axis=axis), expected)
        # Equal ones within rows, columns or anywhere, where across them all increases.
        for x in (
            ties,
            ties + 10 * np.arange(6)[:, np.newaxis],
            ties.T,
            ties.ravel(),
            np.where(ties == 1, np.nan, ties),
            np.where(ties == 1, np.inf, ties),
            (distinct - 30) * 1e304 + np.where(distinct < 30, -1.5e308, 1.5e308),
        ):
            for axis in (-1, 0, None):
                expected = np.argsort(x, axis=axis, kind="stable")
                np.testing.assert_array_equal(op(x, axis=axis), expected)


def _steps(x: Any, y: Any) -> Any:
    """The recurrence step by step, and how large what was rounded on the way may be."""
    z, size = np.array(y), np.abs(y)
    for k in range(1, len(x)):
        z[k] += x[k] * z[k - 1]
        size[k] += np.abs(x[k]) * size[k - 1]
    return z, size


def _recurrence(op: Op) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.9, 1.1, 200), rng.normal(size=200)
    # The product is lost to underflow, though not what it multiplies.
    lost = np.repeat([1e-12, 1e12, 1.0], [32, 32, 136])
    far = np.repeat([4e4, 1e-12, 1e12, 1.0], [64, 32, 32, 72])  # from one end to the other
    zeros = np.where(np.arange(300) % 50 == 7, 0.0, 1.1)
    for factors, added, by_products in (
        (x, y, True),
        (np.stack([x, 1.5 * x], 1), np.stack([y, y], 1), True),
        (np.concatenate([[np.inf], x]), np.concatenate([[3.0], y]), True),  # nothing comes before
        (far, np.eye(200)[0], True),
        (lost, np.eye(200)[0], False),
        (rng.uniform(0.4, 0.6, size=(1200, 2)), rng.normal(size=(1200, 2)), False),
        (zeros, rng.normal(size=300), False),
        (np.full(200, 1.5), np.full(200, 5e-324), False),  # whose quotients lose their digits
        (np.full(200, 1e3), np.eye(200)[150], False),
        (np.full(130, 1e-5), np.ones(130), False),
        (x[:64], y[:64], False),
        (rng.uniform(0.5, 1.5, size=(80, 32)), rng.normal(size=(80, 32)), False),
        (rng.uniform(0.5, 1.5, size=(80, 31)), rng.normal(size=(80, 31)), True),
        (np.ones((0, 3)), np.ones((0, 3)), False),
    ):
        ways: list[bool] = []

        def watched(*given: Any, of: Any = running._by_products, ways: Any = ways) -> Any:
            found = of(*given)
            ways.append(True)
            return found

        expected, size = _steps(factors, added)
        with planted(running, _by_products=watched):
            z = op(factors, added)
        assert bool(ways) == by_products
        assert z.shape == expected.shape
        assert (np.abs(z - expected) <= 1e-12 * size).all()
        with np.errstate(all="ignore"):
            for kinds in ("f4 f4", "f4 f8", "f8 f4"):
                a, b = (v.astype(k) for v, k in zip((factors, added), kinds.split(), strict=True))
                wide = np.result_type(a, b)
                assert op(a, b).dtype == wide
                expected, size = _steps(a.astype(wide), b.astype(wide))
                near = np.abs(op(a, b) - expected) <= 1e3 * np.finfo(wide).eps * size
                assert (near | ~np.isfinite(size)).all()


def _triangular(op: Op) -> None:
    rng = np.random.default_rng(0)
    for x_stack, y_stack, n, m in (
        ((), (), 70, 2), ((2,), (), 33, 1), ((), (2,), 33, 1), ((), (), 64, 3), ((), (), 5, 2),
    ):  # fmt: skip
        x = rng.normal(size=(*x_stack, n, n)) + 20 * np.eye(n)
        y = rng.normal(size=(*y_stack, n, m))
        for is_lower, part in ((True, np.tril(x)), (False, np.triu(x))):
            x = np.where(part == 0, np.nan, part)  # one triangle alone is read
            z = op(x, y, lower=is_lower)
            assert z.shape == (*x_stack, *y_stack, n, m)
            np.testing.assert_allclose(part @ z, np.broadcast_to(y, z.shape), atol=1e-12)
            for kinds in (("f4", "f8"), ("f8", "f4")):
                a, b = (v.astype(k) for v, k in zip((x, y), kinds, strict=True))
                assert op(a, b, lower=is_lower).dtype == np.float64
    with pytest.raises(ValueError, match="expected a square matrix"):
        op(np.eye(71), y)


def _sinc(x: float, order: int) -> float:
    """The derivative of sinc by its power series, in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        u, total = PI * Decimal(x), Decimal(0)
        for m in range((order + 1) // 2, 60):
            power = u ** (2 * m - order) if 2 * m > order else Decimal(1)
            total += (-1) ** m * power / (factorial(2 * m - order) * (2 * m + 1))
        return float(PI**order * total)


def _sinc_derivative(op: Op) -> None:
    xs = np.array([0.0, 0.3, -0.46, 0.475, 0.6, 0.7, -0.9, 1.2, 1.9, -2.1, 2.8, -2.9, 3.5])
    for order in (1, 2, 3, 5, 8):
        truth = [_sinc(float(x), order) for x in xs]
        found = op(xs, order=order)
        np.testing.assert_allclose(found, truth, rtol=0, atol=1.5e-16 * order**2 * np.pi**order)
    # At whole numbers sin is 0: u s' = cos u, u s'' = −2 s', u s''' = −cos u − 3 s''.
    for k in (10**6, 10**6 + 1):
        sign, far = (-1) ** k, np.pi * k
        first, second = sign / far, -2 * sign / far**2
        third = (-sign - 3 * second) / far
        for order, truth in enumerate((first, second, third), start=1):
            found = op(np.array(float(k)), order=order)
            np.testing.assert_allclose(found, np.pi**order * truth, rtol=1e-14)


def _scatter_along_axis(op: Op) -> None:
    rng = np.random.default_rng(0)
    for shape, picked, axis in (((4, 3, 2), (4, 5, 2), 1), ((1, 4), (1, 3), 1), ((5,), (1,), 0)):
        x, at = rng.normal(size=picked), rng.integers(-shape[axis], shape[axis], size=picked)
        expected = np.zeros(shape)
        for place in np.ndindex(picked):
            onto = [*place]
            onto[axis] = at[place]
            expected[tuple(onto)] += x[place]
        np.testing.assert_allclose(op(x, at, shape=shape, axis=axis), expected, atol=1e-15)


def _setitem(op: Op) -> None:
    for y, index in ((2.0, ()), (np.array([2.0]), None)):
        z = op(np.float32(3.0), y, index=index)  # which takes no assignment
        assert (z.shape, z.dtype, z) == ((), np.float32, 2.0)
    x = np.array(3.0)
    assert (op(x, 2.0, index=()), x) == (2.0, 3.0)
    with pytest.raises(ValueError, match="expected no more axes than"):
        op(np.zeros((2, 3)), np.ones((1, 1, 3)), index=0)


def _cofactors(op: Op) -> None:
    """Of singular matrices: minors with their signs."""
    rng = np.random.default_rng(0)
    low = rng.normal(size=(2, 4, 3)) @ rng.normal(size=(2, 3, 4))
    exact = np.diag([1.0, -2.0, 3.0, 0.0])[[2, 0, 1, 3]]
    for x in (low, exact, np.stack([exact, exact + 1]), np.ones((3, 3)), np.zeros((1, 1))):
        n = x.shape[-1]
        truth = np.empty(x.shape)
        for i, j in np.ndindex(n, n):
            minor = np.delete(np.delete(x, i, -2), j, -1)
            truth[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        np.testing.assert_allclose(op(x), truth, atol=1e-13)
        t = Tensor(x, requires_grad=True)
        z = np.linalg.det(t)
        g = np.cos(np.arange(z.size)).reshape(z.shape)
        expected = g[..., np.newaxis, np.newaxis] * truth
        np.testing.assert_allclose(gradients(z, t, gradient=g), expected, atol=1e-13)


def _log_others(op: Op) -> None:
    """∂zᵢ/∂xⱼ = (pⱼ − δᵢⱼ) pᵢ / (1 − pᵢ), with sums of the others where 1 − p is."""
    x = np.array([[1000.0, 0, 1], [-1000, -1001, -999], [37.4, 0, 1], [2, 2, 2], [0, 40, 40]])
    g = np.cos(np.arange(15.0)).reshape(5, 3)
    wide = x.astype(WIDE)
    p = np.exp(wide - wide.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rest = np.stack([np.delete(p, k, axis=1).sum(axis=1) for k in range(3)], 1)
    share = g * p / rest
    truth = p * (share.sum(axis=1, keepdims=True) - share) - g * p
    t = Tensor(x, requires_grad=True)
    z = record(op, [t], op.defaults | {"axis": 1})
    values = np.where(p < 0.5, np.log1p(-np.minimum(p, 0.5)), np.log(rest))
    np.testing.assert_allclose(z.data, values.astype(float), rtol=1e-13)
    found = gradients(z, t, gradient=g)
    np.testing.assert_allclose(found, truth.astype(float), rtol=1e-12, atol=0)
    alone = Tensor(np.ones((3, 1)), requires_grad=True)  # with no others
    z = record(op, [alone], op.defaults | {"axis": 1})
    assert (z.data == -np.inf).all()
    np.testing.assert_array_equal(gradients(z, alone, gradient=g[:3, :1]), -g[:3, :1])


def _power(op: Op) -> None:
    """y xʸ⁻¹ where y − 1 is not the dtype's own number."""
    for dtype, powers in (
        (np.float16, (2047, 2048, 2050, 4100, 6000)),
        (np.float32, (2047, 2**24 + 2, 2**24 + 6, -(2**24 + 2))),
        (np.float64, (2, 3, 2**53 + 2, 2**53 + 4, -(2**53 + 2))),
    ):
        for y in powers:
            eps = float(np.finfo(dtype).eps)
            x = np.array([1.0, -1.0, 1 - eps, -1 + eps, 1 + eps, 0.0, 3.0, -3.0]).astype(dtype)
            t = Tensor(x, requires_grad=True)
            with np.errstate(all="ignore"):
                found = gradients(record(op, [t, y], {}), t, gradient=np.ones_like(x))
                assert found.dtype == dtype
                exact = np.array([_sloped(Decimal(float(v)), y) for v in x]).astype(dtype)
            np.testing.assert_allclose(found, exact, rtol=8 * eps)


def _sloped(x: Decimal, y: int) -> float:
    with localcontext() as context:
        context.prec = 60
        context.clear_traps()
        if x == 0:
            return 0.0 if y > 1 else -np.inf
        size = y * ((y - 1) * abs(x).ln()).exp()
        return float(size if x > 0 or y % 2 else -size)


def _scatter_add(op: Op) -> None:
    """Along the last of three axes, where moving it there and back are two things."""
    x, at = np.arange(1.0, 13).reshape(2, 3, 2), np.array([3, 1])
    plain = np.zeros((2, 3, 4))
    plain[..., at] = x
    np.testing.assert_array_equal(op.forward(x, at, shape=(2, 3, 4), axis=2), plain)


def _overlap_add(op: Op) -> None:
    """One axis by its number; no window at all has no length to add to."""
    np.testing.assert_array_equal(op(np.ones((3, 2)), axis=-1), [1, 2, 2, 1])
    with pytest.raises(ValueError, match=r"expected one window or more along axes \(1,\)"):
        op(np.ones((2, 0, 3)), axis=(1,))


WAYS: dict[str, Callable[[Op], None]] = {
    "argsort": _argsort,
    "cofactors": _cofactors,
    "einsum": _einsum,
    "log_others": _log_others,
    "overlap_add": _overlap_add,
    "power": _power,
    "recurrence": _recurrence,
    "scatter_add": _scatter_add,
    "scatter_along_axis": _scatter_along_axis,
    "setitem": _setitem,
    "sinc_derivative": _sinc_derivative,
    "triangular": _triangular,
}


# Ops whose rules call those.
THROUGH = {
    "cholesky_lower": "triangular",
    "det": "cofactors",
    "qr_parts": "triangular",
    "cumprod": "recurrence",
    "sort": "argsort",
    "take": "scatter_add",
    "take_along_axis": "scatter_along_axis",
    "sinc": "sinc_derivative",
    "sliding_window_view": "overlap_add",
}


def check_large(op: Op) -> None:
    """Ops that go another way somewhere arrive at the same.

    Raises:
        AssertionError: they don't, or another way was taken than was to be.
    """
    name = THROUGH.get(op.name, op.name)
    if name in WAYS:
        WAYS[name](REGISTRY[name])
