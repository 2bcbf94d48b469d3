"""The page of semantics (tinygrad_dnn/SEMANTICS.md), a test a line; here S1 to S29 and S49."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from traceback import format_exception
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, scope

PAGE = Path(tg.__file__).with_name("SEMANTICS.md")


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


def test_every_line_of_the_page_has_one_test_and_every_test_a_line() -> None:
    lines = [int(n) for n in re.findall(r"^\| S(\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)]
    sources = [p.read_text("utf-8") for p in Path(__file__).parent.rglob("test_*.py")]
    tests = [int(n) for s in sources for n in re.findall(r"^def test_s(\d+)_", s, re.MULTILINE)]
    assert lines == sorted({*lines})  # in order, none twice
    assert sorted(tests) == lines


# --- answers that carry no gradient ---------------------------------------------------------------


def test_s1_comparisons_are_elementwise_recorded_and_constant() -> None:
    t, u = param([1.0, 2.0, 3.0]), param([3.0, 2.0, 1.0])
    found = {z.op.name: z.data.tolist() for z in (t < u, t <= u, t > u, t >= u, t == u, t != u)}
    assert found == {
        "less": [True, False, False],
        "less_equal": [True, True, False],
        "greater": [False, False, True],
        "greater_equal": [False, True, True],
        "equal": [False, True, False],
        "not_equal": [True, False, True],
    }
    assert (t > 2.0).dtype == bool
    assert not (t > 2.0).requires_grad
    assert (u.data < t).op.name == "less"  # an array on the left decides nothing by itself


def test_s2_a_tensor_is_hashed_by_identity() -> None:
    t, twin = param([1.0, 2.0]), param([1.0, 2.0])
    assert {t: "t", twin: "twin"}[t] == "t"
    assert len({t, twin, t}) == 2


def test_s3_positions_and_tests_are_recorded_without_gradient() -> None:
    t = param([[1.5, 3.0], [2.5, 0.5]])
    for z in (
        np.argmax(t, axis=1),
        t.argmin(),
        np.argsort(t),
        np.argpartition(t, 1),
        tg.isnan(t),
        np.isfinite(t),
        np.floor(t),
        tg.ceil(t),
    ):
        assert isinstance(z, Tensor)
        assert z.op is not None
        assert not z.requires_grad
    assert np.argsort(t).op is tg.REGISTRY["argsort"]
    assert np.argsort(t).tolist() == [[0, 1], [1, 0]]
    assert np.argpartition(t, 1).op is tg.REGISTRY["argpartition"]
    np.testing.assert_array_equal(t.argmax(axis=1).data, [1, 0])
    assert not tg.gradients(np.sign(t).sum(), t).any()


def test_s4_shape_and_length_are_plain() -> None:
    t = param(np.zeros((2, 3)))
    assert (t.shape, t.ndim, t.size, t.dtype, len(t)) == ((2, 3), 2, 6, np.float64, 2)
    assert type(t.size) is int
    assert np.shape(t) == (2, 3)
    with pytest.raises(TypeError, match="no axis"):
        len(param(1.0))


def test_s5_arrays_like_a_tensor_are_plain() -> None:
    t = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    for z in (np.zeros_like(t), np.ones_like(t), np.full_like(t, 7), np.empty_like(t)):
        assert type(z) is np.ndarray
        assert (z.shape, z.dtype) == ((2, 3), np.float32)
        z[...] = 1  # it is the caller's own
    for fill in (lambda: np.full_like(t, t[0]), lambda: np.full_like(t, fill_value=t[0])):
        with pytest.raises(TypeError, match="requires a gradient"):
            fill()
    assert np.full_like(t, Tensor(2.0)).tolist() == [[2.0] * 3] * 2


def test_s6_tests_of_values_are_plain() -> None:
    t = param([3.0, 0.0, 1.0])
    assert np.allclose(t, [3.0, 0.0, 1.0]) is True
    assert np.array_equal(t, t.data)
    assert np.isclose(t, 0.0).tolist() == [False, True, False]
    assert (np.any(t), np.all(t), np.count_nonzero(t)) == (True, False, 2)
    assert np.nonzero(t)[0].tolist() == [0, 2]


def test_s7_iterating_gives_recorded_rows() -> None:
    t = param([[1.0, 2.0], [3.0, 4.0]])
    first, second = t
    (first * 2 + second * 3).sum().backward()
    np.testing.assert_array_equal(t.grad, [[2.0, 2.0], [3.0, 3.0]])
    with pytest.raises(TypeError, match="no axis"):
        iter(param(1.0))


def test_s8_in_asks_whether_any_element_is_equal() -> None:
    t = param([[1.0, 3.0], [2.0, 2.0]])
    assert 3.0 in t
    assert 5.0 not in t
    assert 3.0 in t[0]


def test_s9_truth_is_defined_for_one_element() -> None:
    assert bool(param([[0.5]]))
    assert not param(0.0)
    for t in (param([1.0, 1.0], "t"), param([], "t")):
        with pytest.raises(ValueError, match=r"truth of t \(\d,\) is ambiguous"):
            bool(t)


def test_s10_numbers_out_of_one_element() -> None:
    t = param([[2.75]], "t")
    a = np.zeros(2)
    assert t.item() == 2.75
    assert type(t.item()) is float
    assert f"{t:.1f}" == "2.8"
    for convert in (float, int, lambda t: t.tolist(), lambda t: "%f" % t):  # noqa: UP031
        with pytest.raises(TypeError, match=r"of t \(1, 1\) would lose its gradient.*\.item\(\)"):
            convert(t)
    with pytest.raises(ValueError, match="sequence") as caught:
        a[0] = t
    assert "t (1, 1) would lose its gradient" in "".join(format_exception(caught.value))
    t.sum().backward()
    assert (float(t), int(t), t.tolist()) == (2.75, 2, [[2.75]])
    a[0] = t.sum().detach()
    assert a.tolist() == [2.75, 0.0]
    with pytest.raises(ValueError, match=r"expected one element, got t \(2,\)"):
        float(Tensor([1.0, 2.0], name="t"))


def test_s11_an_integer_tensor_is_an_index() -> None:
    assert "abc"[Tensor(1)] == "b"
    t = param([1.0, 2.0, 3.0])
    assert t[Tensor([2, 0])].data.tolist() == [3.0, 1.0]
    assert t[t > 1.5].data.tolist() == [2.0, 3.0]
    with pytest.raises(TypeError, match="only a 0-d integer"):
        "abc"[param(1.0)]


# --- where arrays and Tensors meet ----------------------------------------------------------------


def test_s12_an_accidental_array_is_an_error() -> None:
    W = param([1.0, 2.0], "W")
    for convert in (np.asarray, np.array, lambda t: np.array([t, t]), np.random.permutation):
        with pytest.raises(TypeError, match=r"W \(2,\) requires a gradient.*\.data .*\.detach\(\)"):
            convert(W)
    np.testing.assert_array_equal(np.asarray(W.detach()), [1.0, 2.0])
    with pytest.raises(TypeError, match="requires a gradient"):
        np.zeros(2)[:] = W


def test_s13_an_array_beside_a_tensor_gives_a_recorded_tensor() -> None:
    t, a = param([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    rows = [[1.0, 2.0]]
    for z in (rows + t, t + rows, a + t, a - t, a * t, a / t, a**t, a @ t, t @ a, a > t, 2 * t,
              np.float32(2) * t, np.float64(2) - t, np.add(a, t)):  # fmt: skip
        assert isinstance(z, Tensor)
        assert z.op is not None
        assert z.dtype != np.dtype(object)


def test_s14_a_tensor_is_never_written_into_an_array() -> None:
    t, a = param([1.0, 2.0]), np.zeros(2)
    with pytest.raises(TypeError, match="cannot write a Tensor into an array"):
        a += t
    for out in (a, t):
        with pytest.raises(TypeError, match=r"into an array \(out=\); leave out= away: z = np.mul"):
            np.multiply(2.0, t, out=out)
    with pytest.raises(TypeError, match=r"np.where\(where, np.divide\(x, y\), out\)"):
        np.divide(1.0, t, out=a, where=a > 0)
    assert not a.any()


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_s15_what_is_no_array_of_numbers_is_refused_by_name() -> None:
    t = param([[1.0]])
    masked, matrix = np.ma.array([[1.0]], mask=[[True]]), np.matrix([[1.0]])
    for other, name in ((masked, "Masked"), (matrix, "matrix"), (None, "object"), ("a", "<U1")):
        for both in (lambda x: x * t, lambda x: t * x, Tensor):
            with pytest.raises(TypeError, match=rf"{name}|requires a gradient"):
                both(other)
    with pytest.raises(TypeError, match="requires a gradient"):
        np.ma.exp(t)


def test_s16_complex_numbers_are_refused_by_name() -> None:
    t = param([1.0])
    for make in (
        lambda: Tensor(1j),
        lambda: t * 1j,
        lambda: 1j * t,
        lambda: np.array([1j]) + t,
        lambda: np.complex64(1) * t,
        lambda: t.astype(complex),
    ):
        with pytest.raises(TypeError, match="complex"):
            make()


def test_s17_logical_operators_are_for_booleans() -> None:
    t = param([1.0, 3.0])
    assert ((t > 0) & ~(t > 2) | (t > 9)).data.tolist() == [True, False]
    for wrong in (lambda: t & (t > 0), lambda: Tensor([1, 2]) | 1, lambda: ~Tensor([1, 2])):
        with pytest.raises(TypeError, match="combines truth values"):
            wrong()


def test_s18_a_function_or_an_option_without_a_rule_is_named() -> None:
    t = param([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np\.spacing has no derivative rule"):
        np.spacing(t)
    with pytest.raises(TypeError, match=r"relu: no argument 'where'"):
        tg.relu(t, where=[True, False])
    with pytest.raises(TypeError, match="where has no derivative rule"):
        np.exp(t, where=np.array([True, False]))
    with pytest.raises(
        TypeError, match=r"np\.add\.reduceat has no derivative rule; instead: `np\.sum"
    ):
        np.add.reduceat(t, [0, 1])
    for swallowed in (lambda: np.tile(np.ones(2), t), lambda: np.einsum(t, [0], dtype=float)):
        with pytest.raises(TypeError, match=r"tile|einsum"):
            swallowed()


def test_s19_data_is_the_users_own_array_and_results_are_read_only() -> None:
    a = np.ones(3)
    t = Tensor(a, requires_grad=True)
    assert t.data is a
    reverse_gradient = tg.custom_vjp(lambda x: x, lambda g, z, x: -g)
    for z in (t * 2, t.sum(), t.squeeze(), t.T, t.reshape(3), t[...], reverse_gradient(t)):
        assert type(z.data) is np.ndarray
        assert not z.data.flags.writeable
    assert a.flags.writeable
    assert t.sum().data.shape == ()


# --- numbers --------------------------------------------------------------------------------------


def test_s20_dtypes_follow_numpy() -> None:
    t = Tensor(np.ones(2, np.float32), requires_grad=True)
    for z in (
        t * 2.0,
        2 * t,
        t**2,
        t / 3,
        t.mean(),
        t.var(),
        t.clip(0, 1),
        tg.sigmoid(t),
        t + True,
    ):
        assert z.dtype == np.float32
    for other in (np.float64(2), np.ones(2), np.array(2.0), np.int64(2), np.arange(2)):
        assert (t * other).dtype == (t.data * other).dtype
    assert Tensor([1, 2, 3]).clip(0, None).dtype == np.int64


def test_s21_a_gradient_has_the_dtype_and_shape_of_its_tensor() -> None:
    narrow, wide = Tensor(np.ones((2, 1), np.float32), True), param(np.ones((1, 3)))
    (narrow * wide * np.float64(2)).sum().backward()
    assert (narrow.grad.dtype, narrow.grad.shape) == (np.float32, (2, 1))
    assert (wide.grad.dtype, wide.grad.shape) == (np.float64, (1, 3))


def test_s22_integers_and_booleans_are_data() -> None:
    for data in ([1, 2], [True, False]):
        with pytest.raises(ValueError, match=r"counts of dtype .*\.astype\(float\)"):
            Tensor(data, requires_grad=True, name="counts")
    x, counts = param([1.0, 2.0]), Tensor([3, 4], name="counts")
    (x * counts).sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])
    assert counts.grad is None
    with pytest.raises(ValueError, match="float"):
        counts.requires_grad = True


def test_s23_only_a_cast_between_floats_passes_a_gradient() -> None:
    t = Tensor(np.array([1.7, 2.3], np.float32), requires_grad=True)
    (t.astype(np.float64) * 3.0).sum().backward()
    assert t.grad.dtype == np.float32
    np.testing.assert_array_equal(t.grad, [3.0, 3.0])
    for kind in (int, bool, np.uint8):
        assert not t.astype(kind).requires_grad


def test_s24_unusual_floats_and_layouts_are_welcome() -> None:
    base = np.arange(12.0).reshape(3, 4)
    for x in (
        base.astype(np.float16),
        base.astype(np.longdouble),
        base.astype(">f8"),
        np.asfortranarray(base),
        base[::-1, ::2],
    ):
        t = Tensor(x, requires_grad=True)
        (t * t).mean().backward()
        assert t.grad.dtype.newbyteorder("=") == x.dtype.newbyteorder("=")
        np.testing.assert_allclose(t.grad.astype(float), 2 * x.astype(float) / x.size, rtol=1e-3)
    many = Tensor(np.ones(70_000, np.float16), requires_grad=True)  # 70,000 is ∞ in float16
    many.mean().backward()
    np.testing.assert_allclose(many.grad[0], np.float16(1 / 70_000))


# --- gradients ------------------------------------------------------------------------------------


def test_s25_backward_adds_up_and_zero_grad_forgets() -> None:
    W = param([1.0, 2.0])
    assert W.grad is None
    (W * 3).sum().backward()
    (W * 4).sum().backward()
    np.testing.assert_array_equal(W.grad, [7.0, 7.0])
    W.zero_grad()
    assert W.grad is None


def test_s26_gradients_of_intermediates_are_kept_on_request() -> None:
    W = param([1.0, 2.0], "W")
    Z = W * 3
    A = tg.square(Z)
    A.name = "A"
    A.sum().backward(keep=[Z, "A"])
    np.testing.assert_array_equal(Z.grad, [6.0, 12.0])
    np.testing.assert_array_equal(A.grad, [1.0, 1.0])
    Z = W * 3
    (Z * Z).sum().backward(keep=True)
    np.testing.assert_array_equal(Z.grad, 6 * W.data)
    with pytest.raises(ValueError, match="Z7"):
        (W * 3).sum().backward(keep=["Z7"])
    with pytest.raises(TypeError, match="keep="):
        (W * 3).sum().backward(keep=[3])


def test_s27_an_intermediates_missing_gradient_warns() -> None:
    Z = param([1.0]) * 3
    cost = (Z * Z).sum()
    assert Z.grad is None
    cost.backward()
    with pytest.warns(UserWarning, match=r"multiply \(1,\) is not a leaf.*keep="):
        assert Z.grad is None


def test_s28_independence_is_none_an_error_or_zero_by_who_asks() -> None:
    W, V = param([1.0, 2.0], "W"), param([3.0], "V")
    cost = (W * W).sum()
    with pytest.raises(ValueError, match=r"does not depend on V \(1,\)"):
        tg.gradients(cost, [W, V])
    cost.backward()
    assert V.grad is None
    slopes = tg.grad(lambda w, v: (w * w).sum(), argnums=(0, 1))(W.data, V.data)
    np.testing.assert_array_equal(slopes[1], [0.0])
    assert tg.jacobian(lambda w: Tensor([1.0, 2.0]))(W.data).tolist() == [[0.0, 0.0]] * 2


def test_s29_backward_starts_from_one_element_that_requires_a_gradient() -> None:
    W = param([1.0, 2.0], "W")
    with pytest.raises(ValueError, match=r"multiply \(2,\) has 2 elements.*gradient="):
        (W * 2).backward()
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(2,\), got \(3,\)"):
        (W * 2).backward(np.ones(3))
    seed = np.array([10.0, 1.0])
    (W * 2).backward(seed)
    np.testing.assert_array_equal(W.grad, [20.0, 2.0])
    W.zero_grad()
    W.backward(seed)
    seed[0] = 99.0
    np.testing.assert_array_equal(W.grad, [10.0, 1.0])
    with pytest.raises(ValueError, match="depends on nothing that requires a gradient"):
        Tensor([1.0]).sum().backward()


def test_s49_names_and_scopes() -> None:
    W = param([1.0], "W")
    Z = W * 2
    assert Z.name is None
    assert (W.detach().name, copy.copy(W).name) == ("W", "W")
    with scope("layer 1"):
        with pytest.raises(ValueError, match="differ"), scope("linear"):
            W @ np.ones(2)
        assert (W * 2).node.scope == ("layer 1",)
        with scope("linear"):
            assert (W * 2).node.scope == ("layer 1", "linear")
    assert (W * 2).node.scope == ()
    with pytest.raises(ValueError, match="expected a name"), scope(""):
        pass
    for wrong in (lambda: Tensor(1.0, name=3), lambda: setattr(W, "name", 3)):
        with pytest.raises(TypeError, match="expected a string"):
            wrong()
