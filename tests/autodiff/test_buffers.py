"""Recorded writes: a Tensor that is filled, and variables of a transform that are written to."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, check_gradients, compile, custom_vjp, grad, no_grad
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.formula.text import formula
from tinygrad_dnn.ops import Op


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def filled(a: Any) -> Any:
    out = Tensor(np.zeros(3))
    for i in range(3):
        out[i] = a[i] ** 2
    out[1] = 5.0
    return (out * a).sum()


def test_s88_filling_a_tensor_is_recorded() -> None:
    x = np.array([2.0, 1.0, -1.0])
    right = [12.0, 5.0, 3.0]  # a₀³ + 5 a₁ + a₂³
    close(grad(filled)(x), right)
    close(np.diag(tg.hessian(filled)(x)), [12.0, 0.0, -6.0])
    a = Tensor(x, requires_grad=True)
    filled(a).backward()
    close(a.grad, right)
    assert check_gradients(filled, x).ok
    zeros = np.zeros(3)
    out = Tensor(zeros)
    before = out * 2.0
    out[0] = a[0]
    assert out.op is tg.REGISTRY["setitem"]
    assert out.requires_grad
    assert not zeros.any()  # the array that it was made of
    close(before.data, 0.0)
    out.sum().backward()


def test_a_write_of_plain_numbers_into_plain_data_is_in_place() -> None:
    array = np.zeros(3)
    out = Tensor(array)
    out[0] = 7.0
    out[1] = Tensor(8.0)
    assert out.op is None
    assert array.tolist() == [7.0, 8.0, 0.0]
    with no_grad():
        out[2] = Tensor(9.0, requires_grad=True)
    assert array.tolist() == [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    "index",
    [
        1,
        (0, 2),
        slice(None),
        (slice(None, None, -1), 1),
        (..., 0),
        np.array([1, 0]),
        (np.array([0, 1]), np.array([2, 0])),
        np.array([[True, False, True], [False, False, True]]),
    ],
    ids=str,
)
def test_the_gradient_goes_to_what_was_written_and_to_the_rest(index: Any) -> None:
    x, weights = np.arange(6.0).reshape(2, 3), np.arange(1.0, 7.0).reshape(2, 3)
    y = np.ones(x[index].shape)

    def f(x: Any, y: Any) -> Any:
        z = x * 1.0
        z[index] = y * 10.0
        return (z * weights).sum()

    gx, gy = grad(f, argnums=(0, 1))(x, y)
    rest = weights.copy()
    rest[index] = 0.0
    close(gx, rest)
    close(gy, 10.0 * weights[index])


def test_of_repeated_positions_the_last_counts() -> None:
    at = np.array([1, 1, 0, 1])

    def f(y: Any) -> Any:
        z = Tensor(np.zeros(3))
        z[at] = y
        return (z * np.array([1.0, 10.0, 100.0])).sum()

    close(grad(f)(np.ones(4)), [0.0, 0.0, 1.0, 10.0])


def test_more_axes_than_the_place_has_are_refused() -> None:
    out = Tensor(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"setitem.*no more axes than \(3,\) has, got \(1, 3\)"):
        out[0] = Tensor(np.ones((1, 3)), requires_grad=True) * 1.0
    assert out.op is None


def test_a_running_state_is_differentiated() -> None:
    def rnn(w: Any) -> Any:
        h = Tensor(np.zeros((4, 2)))
        for t in range(1, 4):
            h[t] = np.tanh(w @ h[t - 1] + 0.1 * t)
        return h.sum()

    def listed(w: Any) -> Any:
        h = [np.zeros(2)]
        for t in range(1, 4):
            h.append(np.tanh(w @ h[-1] + 0.1 * t))
        return sum(x.sum() for x in h[1:])

    w = np.array([[0.5, -0.3], [0.2, 0.8]])
    close(grad(rnn)(w), grad(listed)(w))


@pytest.mark.parametrize(
    "view",
    [lambda t: t[0], lambda t: t.T, lambda t: t.reshape(4), lambda t: t.detach(), lambda t: t[0].T],
    ids=["row", "T", "reshape", "detach", "view of a view"],
)
def test_a_write_that_a_view_would_not_see_is_refused(view: Any) -> None:
    a = Tensor(2.0, requires_grad=True, name="a")
    for make in (lambda: Tensor(np.zeros((2, 2))), lambda: Tensor(np.zeros((2, 2))) + a):
        out = make()
        other = view(out)
        with pytest.raises(TypeError, match="while another Tensor shows its memory"):
            out[0] = a
        del other
        out[0] = a
        shown = view(out)
        with pytest.raises(TypeError, match="while another Tensor shows its memory"):
            out[1] = a
        assert shown.requires_grad or shown.op is None
    base = Tensor(np.zeros((2, 2))) + a
    row = base[0]
    with pytest.raises(TypeError, match="while another Tensor shows its memory"):
        row[0] = a
    apart = copy.copy(row)
    del row
    apart[0] = 5.0
    base[0] = a
    close(apart.data, [5.0, 2.0])


def test_s42_what_is_not_written_to() -> None:
    W, a = Tensor([1.0, 2.0], requires_grad=True, name="W"), Tensor(2.0, requires_grad=True)
    Z = W * 2
    with pytest.raises(TypeError, match="read-only"):
        Z.data = np.ones(2)
    with pytest.raises(ValueError, match="read-only"):
        Z.data[0] = 1.0
    with pytest.raises(TypeError, match=r"cannot write multiply \(\) into W \(2,\), a parameter"):
        W[0] = a * 2
    with pytest.raises(TypeError, match=r"into tensor \(2,\) of int64.*Tensor\(np\.zeros"):
        Tensor([0, 0])[0] = a
    with no_grad(), pytest.raises(TypeError, match=r"cannot write into multiply \(2,\)"):
        Z[0] = 1.0
    close(W.data, [1.0, 2.0])
    Z[0] = 7.0  # a result moves on
    Z.sum().backward()
    close(W.grad, [0.0, 2.0])


def test_a_value_that_was_freed_is_computed_again_and_written_to() -> None:
    W = Tensor([1.0, 2.0], requires_grad=True)
    cost = (W * 3.0).sum()
    cost.backward()
    (Z,) = cost.inputs
    Z[0] = 7.0
    close(Z.data, [7.0, 6.0])


# --- in the function of a transform ---------------------------------------------------------------


def edited(A: Any) -> Any:
    A[1] = 3.0
    return np.sum(A**2)


def test_s89_a_write_into_a_variable_is_recorded_and_the_callers_array_stays() -> None:
    x = np.array([1.0, 2.0, 4.0])
    right, curved = [2.0, 0.0, 8.0], np.diag([2.0, 0.0, 2.0])
    close(grad(edited)(x), right)
    close(tg.value_and_grad(edited)(x)[0], 26.0)
    close(tg.jacobian(edited)(x), right)
    close(tg.vjp(edited, x)[1](1.0)[0], right)
    close(tg.jvp(edited, [x], [np.ones(3)])[1], 10.0)
    close(tg.hessian(edited)(x), curved)
    close(tg.hvp(edited, [x], [np.ones(3)])[0], curved.sum(axis=0))
    close(grad(lambda x: grad(edited)(x).sum())(x), curved.sum(axis=0))
    examples = tg.per_example_gradients(lambda A, x: edited(A) * x.sum(), x, np.ones((1, 2)))
    close(examples, [right, right])
    for transform in (grad, tg.jacobian, tg.hessian):
        close(compile(transform(edited))(x), transform(edited)(x))
    held = Tensor(x)
    close(grad(edited)(held), right)
    outer = Tensor(x, requires_grad=True)
    grad(edited)(outer).sum().backward()
    close(outer.grad, [2.0, 0.0, 2.0])
    for kept in (held, outer):
        close(kept.data, [1.0, 2.0, 4.0])
        assert kept.op is None
    assert check_gradients(edited, x).ok
    close(x, [1.0, 2.0, 4.0])


def test_parameters_in_a_dict_are_written_to_like_arrays() -> None:
    def f(p: Any) -> Any:
        p["W"][0, 0] = p["b"][0] * 2.0
        p["b"][...] = 1.0
        return (p["W"] ** 2).sum() + (p["b"] ** 3).sum()

    start = {"W": np.full((2, 2), 3.0), "b": np.array([2.0, 5.0])}
    found = grad(f)(start)
    close(found["W"], [[0.0, 6.0], [6.0, 6.0]])
    close(found["b"], [16.0, 0.0])  # 2 · 4 · 2
    close(start["W"], 3.0)
    close(start["b"], [2.0, 5.0])


def test_the_array_is_not_copied_unless_it_is_written_to() -> None:
    x = np.ones(3)
    seen = []

    def f(A: Any) -> Any:
        seen.append(np.shares_memory(A.data, x))
        return (A * A).sum()

    grad(f)(x)
    assert seen == [True]
    assert x.flags.writeable


@pytest.mark.parametrize("how", ["update", "element", "data", "out", "replaced"])
def test_other_writes_into_a_variable_are_refused(how: str) -> None:
    x = np.array([1.0, 2.0])

    def f(A: Any) -> Any:
        if how == "update":
            with no_grad():
                A += 1.0
        elif how == "element":
            A.data[0] = 9.0
        elif how == "data":
            A.data -= 1.0
        elif how == "out":
            np.negative(A.numpy(), out=A.numpy())
        else:
            A.data = np.zeros(2)
        return (A * A).sum()

    for transform in (grad, tg.jacobian, tg.hessian):
        with pytest.raises((TypeError, ValueError), match=r"read-only|being differentiated"):
            transform(f)(x)
    close(x, [1.0, 2.0])


def test_a_parameter_made_in_the_function_is_trained_there() -> None:
    def f(x: Any) -> Any:
        W = Tensor(np.ones(2), requires_grad=True)
        for _ in range(3):
            (W * W).sum().backward()
            with no_grad():
                W -= 0.1 * W.grad
            W.zero_grad()
        return (x * W.detach()).sum()

    close(grad(f)(np.ones(2)), [0.512, 0.512])


def test_s90_copies_in_a_transform_stay_connected() -> None:
    for copied in (copy.copy, copy.deepcopy, lambda x: copy.deepcopy({"x": [x]})["x"][0]):
        close(grad(lambda x, c=copied: x * c(x))(3.0), 6.0)
        close(grad(lambda x, c=copied: c(x * x) * x)(3.0), 27.0)
        close(grad(grad(lambda x, c=copied: x * c(x) * x))(3.0), 18.0)
        close(compile(grad(lambda x: x * copy.copy(x)))(3.0), 6.0)

    def apart(A: Any) -> Any:
        B = copy.copy(A)
        B[0] = 5.0
        return (A * B).sum()

    close(grad(apart)(np.array([1.0, 2.0])), [5.0, 4.0])
    with pytest.raises(TypeError, match=r"pickle: x \(\).*copy\.copy"):
        grad(lambda x: (setattr(x, "name", "x"), pickle.dumps(x))[1])(3.0)
    W = Tensor(3.0, requires_grad=True)
    alone = copy.deepcopy(W)
    (W * alone).backward()
    close((W.grad, alone.grad), (3.0, 3.0))


def test_s91_a_forward_or_rule_of_ones_own_writes_into_nothing_that_it_is_given() -> None:
    def forward(x: Any) -> Any:
        x[0] = 9.0
        return x * 2.0

    def backward(g: Any, x: Any) -> Any:
        g *= 2.0
        return g

    x = np.array([1.0, 2.0])
    W = Tensor(x, requires_grad=True, name="W")
    wrong = custom_vjp(forward, lambda g, x: 2.0 * g)
    for call in (lambda: wrong(W), lambda: grad(lambda x: wrong(x).sum())(x), lambda: wrong(x)):
        with pytest.raises(ValueError, match=r"forward writes into its argument.*copy"):
            call()
    for rule in (
        custom_vjp(lambda x: x * 2.0, backward),
        Op(lambda x, /: x * 2.0, "2 {x}", backward, name="twice"),
        custom_vjp(lambda x: x * 2.0, lambda g, z, x: np.multiply(x, g, out=x)),
    ):
        with pytest.raises(ValueError, match="read-only"):
            (rule(W) * 3.0).sum().backward()  # its cotangent is an array of its own
    close(x, [1.0, 2.0])


# --- compiled, drawn, derived ---------------------------------------------------------------------


def test_a_buffer_is_compiled() -> None:
    x = np.array([2.0, 1.0, -1.0])
    for f in (filled, grad(filled)):
        close(compile(f)(x), f(Tensor(x)).data if f is filled else f(x))
        close(compile(f)(x + 1.0), f(Tensor(x + 1.0)).data if f is filled else f(x + 1.0))


def test_an_argument_is_not_changed_by_a_program() -> None:
    with pytest.raises(RecordingError, match=r"A \(3,\) is changed in place"):
        compile(edited)(np.ones(3))
    buffer = np.zeros(3)

    def closed_over(a: Any) -> Any:
        Tensor(buffer)[0] = 1.0
        return a * buffer

    with pytest.raises(RecordingError, match="changed in place"):
        compile(closed_over)(np.ones(3))

    result = Tensor(np.zeros(3)) + 1.0

    def from_outside(a: Any) -> Any:
        result[0] = 5.0
        return a * result

    with pytest.raises(TypeError, match=r"cannot write into add \(3,\)"):
        compile(from_outside)(np.ones(3))
    close(result.data, 1.0)

    def still_held(a: Any) -> Any:
        zeros = np.zeros(3)
        out = Tensor(zeros)
        out[0] = 1.0
        return a * zeros

    with pytest.raises(RecordingError, match="changed in place"):
        compile(still_held)(np.ones(3))


def test_the_formula_of_a_write() -> None:
    a, out = Tensor(2.0, requires_grad=True, name="a"), Tensor(np.zeros(3), name="out")
    out[0] = a
    assert formula(out.node) == "set(out[0] = a)"
