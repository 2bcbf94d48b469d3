"""The reverse sweep itself: its order, what adds up, shapes, and only what is asked for.

Plain functions without fixtures, quick together: the mutation run calls them for every fault that
it plants in the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import (
    Tensor,
    add,
    concatenate,
    custom_vjp,
    einsum,
    gradients,
    identity,
    multiply,
    reshape,
    sin,
    stop_gradient,
    tanh,
    where,
)
from tinygrad_dnn.autodiff.reverse import sweep, unbroadcast
from tinygrad_dnn.ops import Op


def parameter(value: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(value, dtype=float), requires_grad=True, name=name)


def same(mine: Any, truth: Any) -> None:
    assert mine.shape == np.shape(truth)
    np.testing.assert_allclose(mine, truth, rtol=1e-14, atol=1e-14)


@contextmanager
def counted(op: Op) -> Iterator[list[int]]:
    """The positions of the arguments whose rules ran, in order."""
    ran: list[int] = []
    before = op.pulls

    def watched(pull: Callable[..., Any]) -> Callable[..., Any]:
        def run(g: Any, saved: Any, node: Any, i: int) -> Any:
            ran.append(i)
            return pull(g, saved, node, i)

        return run

    op.pulls = tuple(watched(p) if p else p for p in before)
    try:
        yield ran
    finally:
        op.pulls = before


# --- order and accumulation -----------------------------------------------------------------------


def test_uses_add_up() -> None:
    x = parameter([1.0, 2.0])
    (x * x + x + x * x * x).sum().backward()
    same(x.grad, 2 * x.data + 1 + 3 * x.data**2)


def test_one_input_twice_in_one_op() -> None:
    x = parameter([[1.0, 2.0], [3.0, 4.0]])
    (x @ x.T).sum().backward()
    ones = np.ones((2, 2))
    same(x.grad, 2 * ones @ x.data)
    y = parameter([1.0, 2.0])
    concatenate([y, y * 2, y]).sum().backward()
    same(y.grad, [4.0, 4.0])
    y.zero_grad()
    einsum("i,i,i->i", y, y * 2, y).sum().backward()
    same(y.grad, 6 * y.data**2)


def test_backward_adds_to_what_is_there() -> None:
    x = parameter(3.0)
    for total in (3.0, 6.0):
        x_only = x * 3.0
        x_only.backward()
        same(x.grad, total)


def test_every_use_comes_before_its_source() -> None:
    """Uses at different distances: a node may only be left when all its uses were visited."""
    rng = np.random.default_rng(0)
    for _ in range(25):
        leaves = [parameter(v) for v in rng.uniform(0.5, 1.5, 3)]
        # Beside each value its derivatives in the leaves, carried forward by hand.
        values = [(t, np.eye(3)[k]) for k, t in enumerate(leaves)]
        for _ in range(30):
            (a, da), (b, db) = (values[rng.integers(len(values))] for _ in range(2))
            kind = rng.integers(4)
            if kind == 0:
                values.append((a + b, da + db))
            elif kind == 1:
                values.append((tanh(a * b), (1 - np.tanh(a.data * b.data) ** 2) * (
                    da * b.data + db * a.data)))  # fmt: skip
            elif kind == 2:
                values.append((sin(a), np.cos(a.data) * da))
            else:
                values.append((a - b * 0.5, da - 0.5 * db))
        ends = [values[k] for k in rng.integers(3, len(values), 3)]
        total, slope = ends[0]
        for t, d in ends[1:]:
            total, slope = total + t, slope + d
        total.backward()
        for leaf, truth in zip(leaves, slope, strict=True):
            if leaf.grad is None:
                assert truth == 0
            else:
                np.testing.assert_allclose(leaf.grad, truth, rtol=1e-12, atol=1e-12)


def test_older_and_newer_branches_wait_for_each_other() -> None:
    x = parameter(2.0)
    a = x * 3.0
    b = a * a
    c = a + b  # a: the older input of two
    d = b * c  # b: the older input
    e = d + a + c
    e.backward(keep=[a, b, c])
    # d = b (a + b), e = d + a + c
    av, bv = 6.0, 36.0
    same(c.grad, bv + 1)
    same(b.grad, (av + bv) + (bv + 1))
    same(a.grad, 1 + (bv + 1) + 2 * av * (av + 2 * bv + 1))
    same(x.grad, 3 * a.grad)


def test_several_roots() -> None:
    x = parameter([1.0, 2.0])
    y = x * 2.0
    z = y * y
    seed = np.array([1.0, 10.0])
    found = sweep([z.node, y.node, x.node, z.node], [seed, seed, seed, seed], free=False)
    same(found[x.node], seed * (2 * 4 * 2 * x.data + 2 + 1))
    found = sweep([x.node, x.node], [seed, seed])
    same(found[x.node], 2 * seed)
    # A root that does not lead to what is wanted.
    other = parameter([5.0, 5.0])
    found = sweep([(other * 2.0).node, z.node], [seed, seed], wanted=[y.node], free=False)
    assert list(found) == [y.node]
    same(found[y.node], seed * 2 * y.data)
    for newest_first in (True, False):  # either way y waits for z before its values are freed
        y = x * 2.0
        z = y * y
        roots = [z.node, y.node] if newest_first else [y.node, z.node]
        found = sweep(roots, [seed, seed])
        same(found[x.node], seed * (8 * x.data + 2))


# --- shapes and dtypes ----------------------------------------------------------------------------


def test_a_broadcast_gradient_is_summed_back() -> None:
    for full, shape in (
        ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 3), (2, 1)), ((2, 3), (1, 1)),
        ((2, 3), ()), ((4, 2, 3), (2, 1)), ((4, 2, 3), (1, 3)), ((4, 2, 3), (4, 1, 3)),
        ((4, 2, 3), (1, 2, 1)), ((1, 3), (1, 3)), ((1, 3), (3,)), ((1, 1), ()), ((1,), (1,)),
        ((0, 3), (1, 3)), ((5, 1, 1), (1, 1)), ((2, 2), (1, 2)), ((3, 3), (3, 1)),
    ):  # fmt: skip
        g = np.arange(1.0, 1 + np.prod(full)).reshape(full)
        # ⟨g, broadcast(x)⟩ is linear in x: its slope in an element is the value at that unit.
        units = [np.zeros(shape) for _ in np.ndindex(shape)]
        for at, unit in zip(np.ndindex(shape), units, strict=True):
            unit[at] = 1
        truth = [np.sum(g * np.broadcast_to(unit, full)) for unit in units]
        same(unbroadcast(g, shape), np.reshape(truth, shape))
        x, y = parameter(np.full(shape, 2.0)), np.ones(full)
        add(x, y).backward(g)
        same(x.grad, np.reshape(truth, shape))


def test_nothing_is_summed_without_need() -> None:
    g = np.ones((2, 3))
    assert unbroadcast(g, (2, 3)) is g


def test_a_rule_of_the_wrong_shape_is_named() -> None:
    short = Op(lambda x, /: x * 1.0, "short({x})", lambda g: g[:1], name="short")
    z = short(parameter([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=r"rule of op short for input 0 .* \(1,\) .* \(3,\)"):
        z.backward(np.ones(3))


def test_a_gradient_has_the_dtype_of_its_input() -> None:
    x = Tensor(np.array([1.0, 2.0], dtype=np.float32), requires_grad=True)
    middle = x * np.float32(3)
    z = middle * np.array([1.0, 2.0])
    assert z.dtype == np.float64
    z.backward(np.ones(2), keep=[middle])
    assert x.grad.dtype == middle.grad.dtype == np.float32
    same(x.grad, [3.0, 6.0])


def test_each_gradient_is_rounded_to_the_dtype_of_its_input_before_they_are_added() -> None:
    x = Tensor(np.ones(2, dtype=np.float32), requires_grad=True)
    middle = x * np.float32(3)
    z = middle * np.full(2, 1.0 + 2.0**-30) - middle * np.ones(2)
    z.backward(np.ones(2), keep=[middle])
    assert middle.grad.tolist() == x.grad.tolist() == [0.0, 0.0]


# --- only what is asked for -----------------------------------------------------------------------


def test_only_the_rules_that_lead_to_a_parameter_run() -> None:
    data, w = Tensor(np.ones(2)), parameter([1.0, 2.0])
    with counted(multiply) as ran:
        (data * w).sum().backward()
    assert ran == [1]
    assert data.grad is None
    same(w.grad, [1.0, 1.0])


def test_only_the_rules_that_lead_to_what_is_wanted_run() -> None:
    x, w = parameter(2.0), parameter(3.0)
    a = x * w
    b = a * w
    c = b * x
    with counted(multiply) as ran:
        same(gradients(c, b), 2.0)
    assert ran == [0]
    with counted(multiply) as ran:
        found = gradients(c, [a, b, c])
    assert ran == [0, 0]
    for mine, truth in zip(found, (6.0, 2.0, 1.0), strict=True):
        same(mine, truth)
    with counted(multiply) as ran:
        found = gradients(c, [w, a])
    assert ran == [0, 0, 1, 1]
    same(found[0], 2 * 2.0 * 3.0 * 2.0)
    assert set(sweep([c.node], [np.ones(())], wanted=[w.node], free=False)) == {w.node}
    assert x.grad is w.grad is None


def test_what_is_kept_is_asked_for_and_nobody_elses_memory() -> None:
    x = parameter([1.0, 2.0])
    a = identity(x)
    b = reshape(a, (2, 1))
    c = identity(b)
    seed = np.array([[1.0], [2.0]])
    c.backward(seed, keep=[a, c])
    same(a.grad, [1.0, 2.0])
    same(c.grad, seed)
    assert b.node.grad is None
    arrays = [x.grad, a.grad, c.grad, seed]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])
    for use in (lambda t: t + 1.0, lambda t: reshape(t, (2, 1)), lambda t: t.T, identity):
        y, z = parameter([[1.0, 2.0]]), parameter([[1.0, 2.0]])
        seed = np.ones(use(y).shape)
        (use(y) + use(z)).backward(seed)
        assert not np.shares_memory(y.grad, seed)
        assert not np.shares_memory(z.grad, seed)
        assert not np.shares_memory(y.grad, z.grad)
        y.zero_grad()
        use(y).backward(seed)
        assert not np.shares_memory(y.grad, seed)


def test_a_leaf_that_is_the_root() -> None:
    x, seed = parameter([1.0, 2.0]), np.array([3.0, 4.0])
    x.backward(seed)
    same(x.grad, seed)
    assert not np.shares_memory(x.grad, seed)
    x.zero_grad()
    x.backward(Tensor(seed), create_graph=True)
    assert isinstance(x.grad, Tensor)
    same(x.grad.data, seed)


def test_what_rules_share_is_computed_once_for_each_cotangent() -> None:
    ran = []

    def shared(g: Any, x: Any) -> Any:
        ran.append(g)
        return g * x

    rules = (lambda shared, y: 2 * shared * y, lambda shared, x: shared * x)
    op = Op(lambda x, y, /: x * x * y, "{x}²{y}", rules, shared=shared, name="squared_times")
    x, y = parameter([2.0, 3.0]), parameter([5.0, 7.0])
    z = op(x, y)
    slopes = gradients(z * z, [x, y], gradient=np.ones(2), create_graph=True)
    assert len(ran) == 1
    same(slopes[0].data, 4 * x.data**3 * y.data**2)
    same(slopes[1].data, 2 * x.data**4 * y.data)
    found = gradients(slopes[0], [x, y], gradient=np.ones(2))
    same(found[0], 12 * x.data**2 * y.data**2)
    same(found[1], 8 * x.data**3 * y.data)
    for only in (x, y):  # either rule alone
        ran.clear()
        slope = 2 * x.data * y.data if only is x else x.data**2
        same(gradients(op(x, y), only, gradient=np.ones(2)), slope)
        assert len(ran) == 1


def test_a_rule_may_have_nothing_to_say() -> None:
    gate = custom_vjp(lambda x, y: x * y, lambda g, z, x, y: (g * y, None), name="gate")
    x, y = parameter(2.0), parameter(3.0)
    gate(x, y).backward()
    same(x.grad, 3.0)
    assert y.grad is None
    both = custom_vjp(lambda x, y: x - y, lambda g, z, x, y: (g, -g), name="both")
    both(x, y).backward()
    same(x.grad, 4.0)
    same(y.grad, -1.0)
    w = parameter(5.0)
    (stop_gradient(w) * w).backward()
    same(w.grad, 5.0)
    truth = parameter([1.0, 0.0])
    where(truth, truth, 2.0).sum().backward()
    same(truth.grad, [1.0, 0.0])


def test_a_sweep_that_keeps_the_values_is_remembered() -> None:
    W = parameter([1.0, 2.0])
    for keep in (False, True):
        cost = (W * W).sum()
        cost.backward(keep=keep)
        assert float(cost) == 5.0  # nothing is lost with the number any more
    cost = (W * W).sum()
    gradients(cost, W)
    assert float(cost) == 5.0
    cost = (W * W).sum()
    gradients(cost, W, create_graph=True)
    with pytest.raises(TypeError, match="would lose its gradient"):
        float(cost)
