"""Some of the product of ops, memory orders and positions, compiled; the script has all of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import memory_orders
import numpy as np
import pytest
from memory_orders import Case, check, evenly

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.compiler.codegen import gather
from tinygrad_dnn.ops import REGISTRY

COUNT = 246


def test_ops_that_move_or_pick_agree_with_eager_in_every_memory_order() -> None:
    chosen = [*evenly(COUNT)]
    assert {orders[:2] for _, orders, _, _ in chosen} == {
        *product(memory_orders.ORDERS), *product(memory_orders.ORDERS, repeat=2),
    }  # fmt: skip
    assert [told for case, *how in chosen if (told := check(case, *how))] == []


def test_every_op_that_rearranges_elements_is_among_the_cases() -> None:
    tried = {case.op for case in memory_orders.cases()}
    moving = {
        op
        for op in REGISTRY.values()
        if op.__module__.endswith((".shape", ".joining", ".indexing", ".positions"))
    }
    assert moving <= tried


def test_a_fault_in_one_memory_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "_transposed", lambda x: x)
    case = Case(tg.take, ((2, 3),), {"axis": 1}, np.array([[0, 1], [2, 0]]))
    with pytest.raises((AssertionError, ValueError, IndexError)):
        assert check(case, ("F", "C"), False, False) is None
    assert check(case, ("C", "C"), False, False) is None


@pytest.mark.parametrize("rewrite", [False, True])
def test_positions_of_two_axes_along_the_last_axis_of_columns(rewrite: bool) -> None:
    x, i = np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([[0, 1], [2, 0]])
    f = tg.compile(lambda x: np.take(np.exp(x), i, axis=1), rewrite=rewrite)
    np.testing.assert_array_equal(f(x), np.exp(x)[:, i])


# --- constants and byte orders --------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "columns": lambda W: np.array(W, order="F"),
    "backwards": lambda W: np.array(W)[::-1, ::-1],
    "every second": lambda W: np.repeat(np.repeat(W, 2, 0), 2, 1)[::2, ::2],
    "one row": lambda W: np.broadcast_to(np.array(W)[:1], np.shape(W)),
    "one number": lambda W: np.full(np.shape(W), 0.3, order="F"),
}


@pytest.mark.parametrize("n", [4, 60])  # written as numbers, and packed
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.longdouble, ">f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_constant_has_the_memory_order_that_eager_gives_it(
    layout: str, kind: Any, n: int
) -> None:
    W = np.random.default_rng(0).normal(size=(5, n)).astype(kind).tolist()
    lay = LAYOUTS[layout]

    def f(x: Any) -> Any:
        V = tg.sin(Tensor(np.asarray(lay(W), kind, copy=None)))
        return V.sum(axis=0), (x @ lay(np.array(W)).astype(kind, order="K")).sum()

    x = np.random.default_rng(1).normal(size=(3, 5))
    for mine, theirs in zip(tg.compile(f, rewrite=False)(x), f(Tensor(x)), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs._array)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_a_gradient_has_the_byte_order_of_its_leaf(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5, ">f8")
    f = tg.grad(lambda x: (tg.sin(x) * np.arange(1.0, x.size + 1).reshape(shape)).sum())
    leaf = Tensor(x, requires_grad=True)
    tg.sin(leaf).sum().backward()
    assert leaf.grad.dtype == x.dtype
    for found in (f(x), tg.compile(f)(x), tg.compile(f, rewrite=False)(x)):
        assert (found.shape, found.dtype) == (shape, x.dtype)


# --- results that are always the same -------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float64, np.float32, ">f8"])
@pytest.mark.parametrize("rewrite", [False, True])
def test_a_result_that_became_a_constant_is_an_array_still(kind: Any, rewrite: bool) -> None:
    x = np.array(1.0, kind)
    found = tg.compile(tg.grad(lambda x: x * 2.0), rewrite=rewrite)(x)
    assert type(found) is np.ndarray
    assert (found.shape, found.dtype, found.item()) == ((), x.dtype, 2.0)


@pytest.mark.parametrize("rewrite", [False, True])
def test_a_number_returned_beside_a_view_of_it(rewrite: bool) -> None:
    def f(x: Any) -> Any:
        y = np.negative(x)
        return np.reshape(y, (1,)), y

    one, other = tg.compile(f, rewrite=rewrite)(np.array(2.0))
    assert (one.tolist(), other.tolist()) == ([-2.0], -2.0)
    assert not np.may_share_memory(one, other)


def test_einsum_of_one_array_keeps_the_sign_of_zero() -> None:
    f = tg.compile(lambda x: tg.einsum("ij->ji", np.negative(x)), rewrite=False)
    assert np.signbit(f(np.zeros((2, 3)))).all()
