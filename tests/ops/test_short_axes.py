"""Reductions over few elements that lie side by side are NumPy's, and are computed by slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor
from tinygrad_dnn.ops import short_axes

SHORT = [
    ((1100, 2), 1),
    ((1100, 7), -1),
    ((5, 300, 3), (2,)),
    ((1100, 3, 1), 1),
    ((40, 30, 2, 2), 3),
    ((40, 30, 2, 3), (3, 2)),  # in memory one axis of 6
    ((10, 11, 2, 10, 2), (4, 2)),
    ((3, 1100, 3), (0, 2)),
]
MORE = [((1100, 16), 1), ((40, 30, 3, 3), (2, 3))]  # NumPy adds more than 7 by several sums
PLAIN = [
    ((1100, 17), 1),
    ((1000, 2), 1),
    ((2, 1100), 0),
    ((1100, 2, 3), 0),
    ((1100, 1), 1),
    ((1100, 2, 3), 1),
]


@pytest.fixture
def by_slices(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The shapes that were reduced slice by slice."""
    seen: list[Any] = []

    def seeing(ufunc: Any, x: Any, *args: Any) -> Any:
        seen.append(x.shape)
        return reduce(ufunc, x, *args)

    reduce = short_axes.reduce_slices
    monkeypatch.setattr(short_axes, "reduce_slices", seeing)
    return seen


def numbers(shape: Any, dtype: Any) -> Any:
    """Of all sizes, some of them 0, −0, ∞ and NaN."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * 10.0 ** rng.integers(-8, 8, shape)
    odd = rng.choice([0.0, -0.0, -0.0, np.inf, np.nan], size=shape)
    return np.where(rng.random(shape) < 0.4, odd, x).astype(dtype)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["d", "f", "?"])
@pytest.mark.parametrize(("shape", "axis"), SHORT + MORE)
def test_what_is_reduced_by_slices_is_numpys(
    shape: Any, axis: Any, dtype: str, keepdims: bool, by_slices: list[Any]
) -> None:
    x = numbers(shape, dtype)
    for name in ("sum", "mean", "max", "min"):
        with np.errstate(invalid="ignore"):  # ∞ − ∞
            found = getattr(td, name)(x, axis, keepdims=keepdims)
            its = getattr(np, name)(x, axis, keepdims=keepdims)
        assert (found.shape, found.dtype) == (its.shape, its.dtype)
        np.testing.assert_array_equal(found, its)
        if name in ("sum", "mean"):
            signs = [np.signbit(np.where(np.isnan(z), 0, z)) for z in (found, its)]
            np.testing.assert_array_equal(*signs)
        few = (shape, axis) in SHORT
        sliced = {"sum": few or dtype == "?", "mean": few and dtype != "?"}.get(name, True)
        assert by_slices[:1] == [shape] * sliced
        by_slices.clear()


def test_numbers_of_another_byte_order_give_this_machines() -> None:
    x = np.ones((1100, 3)).astype(np.dtype(float).newbyteorder())
    for f in (td.sum, td.max):
        assert f(x, 1).dtype.isnative


@pytest.mark.parametrize(("shape", "axis"), PLAIN)
def test_others_are_reduced_by_numpy(shape: Any, axis: Any, by_slices: list[Any]) -> None:
    for x in (np.ones(shape), np.ones(shape, int), np.ones(shape[::-1]).T):
        for reduce in (td.sum, td.mean, td.max, td.min):
            assert (reduce(x, axis) >= 1).all()
    for x in (np.ones((2, 1100)).T, np.ones((1100, 4))[:, ::2], np.ones((1100, 2), int)):
        assert (td.max(x, 1) == 1).all()
    assert by_slices == []
    with pytest.raises(np.exceptions.AxisError):
        td.max(np.ones((1100, 2)), 2)


@pytest.mark.parametrize("rewrite", [False, True])
def test_a_program_reduces_by_slices_too(rewrite: bool) -> None:
    x = np.random.default_rng(0).normal(size=(6, 12, 20, 20))

    def pooled(x: Any) -> Any:
        largest = np.reshape(x, (-1, 12, 10, 2, 10, 2)).max(axis=(3, 5))
        return (largest**2).sum() + np.sum(np.reshape(x, (-1, 3)), axis=1).max()

    slopes = td.value_and_grad(pooled)
    compiled = td.compile(slopes, rewrite=rewrite)
    (value, slope), (mine, its) = compiled(x), slopes(x)
    assert compiled.source.count("reduce_slices(np.maximum") == 1
    assert compiled.source.count("reduce_slices(np.add") == 2  # the sums, and how many are largest
    np.testing.assert_allclose(value, mine, rtol=0 if not rewrite else 1e-14)
    np.testing.assert_allclose(slope, its, rtol=0 if not rewrite else 1e-14)


@pytest.mark.parametrize("axis", [(2, 3), (3, 2), (-1, -2)])
def test_axes_in_another_order_have_eagers_bits_in_a_program(axis: Any) -> None:
    x = numbers((40, 30, 2, 3), "d")
    x = np.where(np.isfinite(x), x, 1e-3)
    compiled = td.compile(lambda x: np.sum(x * 1.0, axis=axis), rewrite=False)
    np.testing.assert_array_equal(compiled(x), td.sum(x, axis))
    np.testing.assert_array_equal(compiled(x), np.sum(x, axis=axis))
    assert "reduce_slices(np.add" in compiled.source


def test_a_softmax_over_few_classes_takes_slices(by_slices: list[Any]) -> None:
    z = td.softmax(Tensor(np.random.default_rng(0).normal(size=(1100, 5))), axis=1)
    np.testing.assert_allclose(z.data.sum(axis=1), 1)
    assert by_slices == [(1100, 5)] * 2
