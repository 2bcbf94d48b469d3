"""take and its adjoint, and x[:, batch] with a Tensor of integers: eager and compiled."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import (
    RecordingError,
    Tensor,
    check_gradients,
    compile,
    grad,
    gradients,
    log,
    no_grad,
    sigmoid,
    value_and_grad,
)
from tinygrad_dnn.autodiff.evaluate import replay

X = np.random.default_rng(0).normal(size=(4, 6))
WHOLE = slice(None)


def parameter(x: Any = X) -> Tensor:
    return Tensor(x, requires_grad=True, name="X")


def adds(shape: tuple[int, ...], where: Any, g: Any) -> Any:
    """The adjoint by itself, element by element."""
    z = np.zeros(shape, g.dtype)
    np.add.at(z, where, g)
    return z


# --- which brackets are a take --------------------------------------------------------------------

BRACKETS: list[tuple[Any, int]] = [
    (lambda i: (WHOLE, i), 1),
    (lambda i: i, 0),
    (lambda i: (i,), 0),
    (lambda i: (i, ...), 0),
    (lambda i: (..., i), 1),
    (lambda i: (i, WHOLE), 0),
    (lambda i: (..., i, WHOLE), 0),
    (lambda i: (WHOLE, ..., i), 1),
]


@pytest.mark.parametrize(("index", "axis"), BRACKETS)
@pytest.mark.parametrize("positions", [[1, 1, -1], [0], [], [[0, 3], [2, -2]]])
def test_s84_one_tensor_of_integers_among_full_slices_is_a_take(
    index: Any, axis: int, positions: Any
) -> None:
    a = np.array(positions, dtype=int)
    t = parameter()
    z = t[index(Tensor(a))]
    assert (z.op, dict(z.node.meta)) == (tg.take, {"axis": axis})
    np.testing.assert_array_equal(z.data, X[index(a)])
    g = np.random.default_rng(1).normal(size=z.shape)
    np.testing.assert_array_equal(gradients(z, t, gradient=g), adds(X.shape, index(a), g))
    same = np.take(t, Tensor(a), axis=axis)
    assert (same.op, dict(same.node.meta)) == (z.op, dict(z.node.meta))
    assert np.take(t, a, axis).op is tg.take
    assert t[index(a)].op is tg.getitem


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u8", ">i8"])
def test_every_kind_of_integers(dtype: str) -> None:
    i = np.array([3, 0, 3], dtype)
    np.testing.assert_array_equal(parameter()[:, Tensor(i)].data, X[:, [3, 0, 3]])
    np.testing.assert_array_equal(compile(lambda x, i: x[:, i])(X, i), X[:, [3, 0, 3]])


def test_what_a_tensor_index_meant_before_it_means_still() -> None:
    t, i, mask = parameter(), Tensor([0, 2]), Tensor(X[0] > 0)
    for index, plain in (
        ((WHOLE, mask), (WHOLE, mask.data)),
        ((i, Tensor([1, 5])), ([0, 2], [1, 5])),
        ((i, slice(1, 3)), ([0, 2], slice(1, 3))),
        ((None, i), (None, [0, 2])),
        (Tensor(1), 1),
        ((WHOLE, Tensor(-1)), (WHOLE, -1)),
    ):
        z = t[index]
        assert z.op is tg.getitem
        np.testing.assert_array_equal(z.data, X[plain])
    assert np.shares_memory(t[:, Tensor(-1)].data, X)
    with pytest.raises(IndexError, match=r"getitem: X .*too many indices"):
        t[:, :, i]
    with pytest.raises(IndexError, match=r"getitem: X .*integer"):
        t[:, Tensor([0.0, 1.0])]


def test_a_tensor_index_is_what_it_was_when_it_was_used() -> None:
    a = np.array([0, 1])
    t, i = parameter(), Tensor(a, name="i")
    z = t[:, i]
    a[:] = 5
    i.data[:] = 4
    z.sum().backward()
    np.testing.assert_array_equal(t.grad, adds(X.shape, (WHOLE, [0, 1]), np.ones((4, 2))))


def test_wrong_positions_are_refused_by_name() -> None:
    t = parameter()
    told = r"take: X \(4, 6\), i \(2,\): axis=1: expected indices from -6 to 5, got 5 to 6"
    for x in (t, parameter(np.asfortranarray(X))):
        with pytest.raises(IndexError, match=told):
            x[:, Tensor([5, 6], name="i")]
        with pytest.raises(IndexError, match="from -6 to 5, got -7 to 0"):
            x[:, Tensor([0, -7])]
    with pytest.raises(IndexError, match="from -24 to 23, got 24"):
        np.take(t, 24)
    with pytest.raises(TypeError, match=r"take: X \(4, 6\), .*expected integers .* got float64"):
        np.take(t, [0.0], axis=1)
    with pytest.raises(TypeError, match=r"expected integers .* got bool; a mask is for x\[mask\]"):
        np.take(t, X[0] > 0, axis=1)
    with pytest.raises(ValueError, match=r"take: X .*axis 2 is out of bounds"):
        np.take(t, [0], axis=2)
    with pytest.raises(TypeError, match="out="):
        np.take(t, [0], axis=1, out=np.zeros((4, 1)))
    assert np.take(t, [0], axis=1, mode="raise").shape == (4, 1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_result_lies_in_memory_as_what_it_was_taken_from(order: Any) -> None:
    x = np.asarray(X, order=order)
    z = tg.take(x, np.array([5, 0, 0]), 1)
    assert z.flags[f"{order}_CONTIGUOUS"]
    np.testing.assert_array_equal(z, X[:, [5, 0, 0]])
    cube = np.asarray(np.random.default_rng(2).normal(size=(2, 3, 4)), order=order)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(
            tg.take(cube, np.array([1, -1, 1]), axis), np.take(cube, [1, -1, 1], axis)
        )


# --- derivatives ----------------------------------------------------------------------------------


def test_gradients_of_every_order_through_positions() -> None:
    i = Tensor([0, 0, 5, -1])
    report = check_gradients(lambda x: (np.tanh(x[:, i]) ** 3).sum(), X, order=2)
    assert report.verdict == "right", report
    x = X.astype("f4")
    assert grad(lambda x: (x[:, i] ** 2).sum())(x).dtype == np.float32
    third = grad(lambda v: grad(lambda u: (u[i] ** 4).sum())(v).sum())(X[0])
    counts = np.bincount([0, 0, 5, 5], minlength=6)
    np.testing.assert_allclose(third, 12 * X[0] ** 2 * counts, rtol=1e-14)


def test_positions_may_be_computed() -> None:
    t = parameter()
    z = t[tg.argmax(t, axis=0)]
    np.testing.assert_array_equal(z.data, X[X.argmax(axis=0)])
    assert [x.op for x in z.inputs] == [None, tg.argmax]
    with no_grad():
        assert t[tg.argmax(t, axis=0)].op is None


# --- compiled -------------------------------------------------------------------------------------


def batch_step(p: Any, X: Any, Y: Any, batch: Any) -> Any:
    A, T = X[:, batch], Y[:, batch]
    cost, g = value_and_grad(lambda p: ((np.tanh(p["W"] @ A) - T) ** 2).mean())(p)
    return cost, {"W": p["W"] - 0.1 * g["W"]}, g


def eager(step: Any, p: Any, *arrays: Any) -> Any:
    return step(p, *(Tensor(x) for x in arrays))


@pytest.mark.parametrize("order", ["C", "F"])
def test_s85_other_positions_need_no_new_recording(order: Any) -> None:
    draw = np.random.default_rng(3)
    p, Y = {"W": draw.normal(size=(2, 4))}, draw.normal(size=(2, 6))
    x = np.asarray(X, order=order)
    step = compile(batch_step, rewrite=False)
    step(p, x, Y, np.array([0, 1, 2]))
    text = step.source
    for batch in ([5, 5, -6], [1, -1, 0]):
        i = np.array(batch)
        got, expected = step(p, x, Y, i), eager(batch_step, p, x, Y, i)
        assert got[0].tobytes() == np.asarray(expected[0]).tobytes()
        assert got[1]["W"].tobytes() == np.asarray(expected[1]["W"]).tobytes()
    assert step.source is text
    taken = {"C": "np.take(X, batch, axis=1, out=A, mode=", "F": "np.take(X.T, batch, axis=0, out="}
    assert taken[order] in text
    assert text.count("within(batch, 6)") == 1  # X and Y are as long


def test_every_second_row_of_columns_is_not_turned() -> None:
    x = np.repeat(X, 2, axis=0).copy(order="F")[::2]
    f = compile(lambda X, i: X[:, i])
    np.testing.assert_array_equal(f(x, np.array([5, 0])), X[:, [5, 0]])
    assert "np.take(X, i, axis=1, out=" in f.source


def test_what_was_wrong_is_refused_by_the_program_too() -> None:
    step = compile(batch_step)
    p, Y = {"W": np.ones((2, 4))}, np.ones((2, 6))
    for i in ([0, 6], [-7, 0]):
        step(p, X, Y, np.array([0, 1]))
        told = rf"take: expected indices from -6 to 5, got {min(i)} to {max(i)}"
        with pytest.raises(IndexError, match=told):
            step(p, X, Y, np.array(i))
    assert compile(lambda x, i: x[i])(X, np.zeros(0, int)).shape == (0, 6)
    with pytest.raises(IndexError, match="expected indices from 0 to -1, got 0 to 0"):
        compile(lambda x, i: x[i])(X[:0], np.zeros(1, int))


def test_the_gradient_by_x_adds_up_in_the_program() -> None:
    f = compile(lambda X, i: grad(lambda X: (X[:, i] ** 2).sum())(X), rewrite=False)
    for i in ([0, 0, 5], [-1, 5, 5]):
        expected = adds(X.shape, (WHOLE, i), 2 * X[:, i])
        np.testing.assert_array_equal(f(X, np.array(i)), expected)
    assert "np.add.at(dX, (slice(None), i), " in f.source


def test_a_single_position_is_an_input_of_a_program() -> None:
    f = compile(lambda X, i: X[:, i] * 2)
    for i in (0, -1):
        np.testing.assert_array_equal(f(X, np.array(i)), X[:, i] * 2)
    assert "within(i, 6)" in f.source


def test_an_array_that_is_closed_over_is_taken_from() -> None:
    held = X.copy()
    f = compile(lambda i: Tensor(held)[:, i] * 2)
    np.testing.assert_array_equal(f(np.array([3])), X[:, [3]] * 2)
    held[:] = 1
    np.testing.assert_array_equal(f(np.array([3])), np.full((4, 1), 2.0))
    with pytest.raises(RecordingError, match=r"index of a plain array \(make that a Tensor: Tens"):
        compile(lambda i: held[:, i] * 2)(np.array([3]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_step_on_a_batch_allocates_nothing(order: Any) -> None:
    draw = np.random.default_rng(3)
    x = np.asarray(draw.normal(size=(3000, 20)), order=order)
    p, Y = {"W": draw.normal(size=(2, 3000))}, draw.normal(size=(2, 20))
    step = compile(batch_step, reuse_outputs=True)
    batches = [draw.integers(0, 20, 8) for _ in range(6)]
    for i in batches[:3]:
        step(p, x, Y, i)
    tracemalloc.start()
    try:
        for i in batches[3:]:
            step(p, x, Y, i)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4000 < x.nbytes * 8 / 20


def test_positions_used_twice_are_one_node_until_they_change() -> None:
    i = Tensor(np.array([1, 3, 3]), name="batch")
    X, Y = Tensor(np.arange(8.0).reshape(2, 4)), Tensor(np.arange(4.0).reshape(1, 4))
    assert X[:, i].node.inputs[1] is Y[:, i].node.inputs[1]
    first = X[:, i]
    i._array[0] = 0
    second = X[:, i]
    np.testing.assert_array_equal(replay([first.node])[first.node], X.data[:, [1, 3, 3]])
    np.testing.assert_array_equal(second.data, X.data[:, [0, 3, 3]])


def test_cross_entropy_on_a_batch_is_a_minus_y_too() -> None:
    rng = np.random.default_rng(0)
    i = Tensor(np.array([1, 3, 3, 0]), name="batch")
    X, Y = Tensor(rng.random((3, 5)), name="X"), Tensor(np.ones((1, 5)), name="Y")
    W = Tensor(rng.random((1, 3)), requires_grad=True, name="W")
    Z = W @ X[:, i]
    A = sigmoid(Z)
    cost = -(Y[:, i] * log(A) + (1 - Y[:, i]) * log(1 - A)).sum() / 4
    told = str(viz.derive(cost, names={"Z": Z, "A": A, "cost": cost}))
    assert "dZ = A − take(Y, batch, axis=1)" in told
