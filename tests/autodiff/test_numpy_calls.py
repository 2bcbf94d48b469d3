"""NumPy's functions and methods called as in NumPy (lines S109 and S110 of the page)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor
from tinygrad_dnn.ops import REGISTRY

A = np.arange(1.0, 7.0).reshape(2, 3)
V = np.array([3.0, 1.0, 2.0])
MASK = V > 1.5

# The same call on a Tensor and on an array.
CALLS: list[Callable[[Any, Any], Any]] = [
    lambda t, v: np.concatenate((t, t), 1),
    lambda t, v: np.concatenate((t, t), 0, None),
    lambda t, v: np.stack((t, t), 2),
    lambda t, v: np.sum(a=t, axis=0),
    lambda t, v: np.sum(t, 0, None, None, True),
    lambda t, v: np.max(t, 1, None, True),
    lambda t, v: np.std(t, correction=1),
    lambda t, v: np.var(t, 0, None, None, 1, True),
    lambda t, v: np.dot(a=t, b=v),
    lambda t, v: np.outer(a=v, b=v, out=None),
    lambda t, v: np.transpose(a=t, axes=(1, 0)),
    lambda t, v: np.reshape(t, (3, 2), "F"),
    lambda t, v: np.reshape(t, shape=(-1, 2), order="F"),
    lambda t, v: np.ravel(a=t, order="F"),
    lambda t, v: np.split(ary=t, indices_or_sections=3, axis=1)[2],
    lambda t, v: np.moveaxis(a=t, source=0, destination=1),
    lambda t, v: np.pad(array=t, pad_width=1, constant_values=2.0),
    lambda t, v: np.trace(a=t, offset=1, dtype=None),
    lambda t, v: np.tile(A=v, reps=2),
    lambda t, v: np.flip(m=t),
    lambda t, v: np.cumsum(t, 1, None, None),
    lambda t, v: np.einsum("ij,j->i", t, v, optimize=True),
    lambda t, v: np.broadcast_to(array=v, shape=(2, 3), subok=False),
    lambda t, v: np.clip(t, 2.5, 4.5, out=None),
    lambda t, v: t.sum(axis=0, out=None, dtype=None),
    lambda t, v: t.reshape(3, 2, order="C"),
    lambda t, v: t.reshape((3, 2), order="F"),
    lambda t, v: t.reshape(-1, order="F"),
    lambda t, v: t.flatten("C"),
    lambda t, v: t.flatten("F"),
    lambda t, v: t.ravel("F"),
    lambda t, v: t.clip(min=2.5, max=4.5),
    lambda t, v: v.dot(v, out=None),
    lambda t, v: t.astype(np.float32, copy=False),
    lambda t, v: t.trace(out=None),
]


def weighed(z: Any) -> Any:
    """A sum with unlike weights."""
    return (z * np.cos(np.arange(1.0, z.size + 1)).reshape(z.shape)).sum()


@pytest.mark.parametrize("call", CALLS)
def test_s109_a_call_of_numpys_is_that_call(call: Callable[[Any, Any], Any]) -> None:
    z, expected = call(Tensor(A, True), Tensor(V, True)), call(A, V)
    assert isinstance(z, Tensor)
    assert z.dtype == expected.dtype
    np.testing.assert_array_equal(z.data, expected)
    # The slopes, against differences (all of these are linear or nearly so).
    t, v = Tensor(A, True), Tensor(V, True)
    weighed(call(t, v)).backward()
    for k, x in enumerate((t, v)):
        for at in np.ndindex(x.shape):
            step = [np.zeros((2, 3)), np.zeros(3)]
            step[k][at] = 2.0**-10
            ends = [weighed(call(A + s * step[0], V + s * step[1]).astype(float)) for s in (1, -1)]
            measured = (ends[0] - ends[1]) * 2.0**9
            slope = 0.0 if x.grad is None else x.grad[at]
            assert slope == pytest.approx(measured, rel=1e-5, abs=1e-5)


def test_arrays_may_be_given_by_name_and_settings_of_joined_arrays_by_position() -> None:
    x, y = np.ones((2, 3)), np.zeros((2, 3))
    np.testing.assert_array_equal(td.add(x=x, y=y), x)
    np.testing.assert_array_equal(td.where(x > 0, x=x, y=y), x)
    np.testing.assert_array_equal(td.softmax(x=x, axis=0), x / 2)
    for join in (td.concatenate, td.stack):
        np.testing.assert_array_equal(join((x, y), 1), join((x, y), axis=1))
    with pytest.raises(TypeError, match=r"expected 2 array\(s\) \(x, y\), got 1"):
        td.add(x)
    with pytest.raises(TypeError, match="no argument 'x'"):
        td.add(x, y, x=x)


def test_arrays_like_a_tensor_are_of_the_kind_that_it_holds() -> None:
    t = Tensor(V, requires_grad=True)
    for z, expected in (
        (np.identity(3, like=t), np.identity(3)),
        (np.zeros((2, 2), like=t), np.zeros((2, 2))),
        (np.arange(3, like=t), np.arange(3)),
        (np.array([1, 2], like=t), np.array([1, 2])),
        (np.full(2, 7.0, like=t), np.full(2, 7.0)),
    ):
        assert type(z) is np.ndarray
        assert z.dtype == expected.dtype
        np.testing.assert_array_equal(z, expected)


def test_elements_that_are_none_have_a_softmax() -> None:
    for f in (td.softmax, td.log_softmax):
        x = Tensor(np.zeros((2, 0), np.float32), requires_grad=True)
        y = f(x, axis=1)
        assert (y.shape, y.dtype) == ((2, 0), np.float32)
        assert td.gradients(y.sum(), x).shape == (2, 0)


def test_s110_what_is_refused_names_what_works() -> None:
    t = Tensor(A, requires_grad=True, name="t")
    with pytest.raises(
        AttributeError, match=r"no attribute 'unsqueeze'; instead: `np\.expand_dims"
    ):
        t.unsqueeze(0)
    with pytest.raises(AttributeError, match="no attribute 'backwards'") as caught:
        t.backwards()
    assert (caught.value.name, caught.value.obj) == ("backwards", t)  # Python finds the nearest
    assert "backward" in dir(t)
    assert not {"unsqueeze", "grad_fn"} & {*dir(t)}
    with pytest.raises(AttributeError, match=r"no attribute 'tensor'; instead: `td\.Tensor\("):
        td.tensor([1.0])
    with pytest.raises(
        TypeError, match=r"sum: no argument 'dim' here; instead: `t\.sum\(axis=0\)`"
    ):
        t.sum(dim=0)
    with pytest.raises(TypeError, match=r"np\.linalg\.eig has no .* instead: `np\.linalg\.eigh\("):
        np.linalg.eig(t)
    assert not hasattr(t, "unsqueeze")
    assert not hasattr(t, "__array_interface__")


def test_a_ufunc_of_scipy_is_not_called_numpys() -> None:
    t = Tensor(V, requires_grad=True)
    for name, said in (("expit", "td.sigmoid(t)"), ("erf", "td.custom_vjp")):
        ufunc: Any = type("ufunc", (), {"__name__": name})()  # of a library that is not loaded
        with pytest.raises(TypeError) as caught:
            t.__array_ufunc__(ufunc, "__call__", t)
        assert str(caught.value).startswith(f"{name} has no derivative rule")
        assert said in str(caught.value)
    with pytest.raises(TypeError, match=r"^np\.spacing has no derivative rule"):
        np.spacing(t)


def test_counts_with_weights_are_sums() -> None:
    i, w = Tensor(np.array([0, 1, 1])), Tensor(V, requires_grad=True)
    assert np.bincount(i, Tensor(V), minlength=3).tolist() == [3.0, 3.0, 0.0]
    z = np.bincount(i, weights=w, minlength=3)
    assert z.data.tolist() == [3.0, 3.0, 0.0]
    assert td.gradients(z, w, gradient=np.array([1.0, 5.0, 7.0])).tolist() == [1.0, 5.0, 5.0]


def test_plain_values_of_tensors_in_lists_and_tuples() -> None:
    t, i = Tensor(V, requires_grad=True), Tensor(np.array([0, 1, 2]))
    assert np.lexsort((t,)).tolist() == np.lexsort((V,)).tolist()
    assert np.ravel_multi_index((i, i), (3, 3)).tolist() == [0, 4, 8]
    assert np.isin(t, [(t, V), (V, t)]).tolist() == [True] * 3


def test_a_recorded_op_lays_its_result_as_numpy_does() -> None:
    """In the order of its arguments, constants as well: sums of it are added up in that order."""
    rng = np.random.default_rng(0)
    for name, op in REGISTRY.items():
        if not op.builtin or not op.elementwise or op.required or len(op.arrays) < 2:
            continue
        for k in range(len(op.arrays)):
            args = [np.ones(3) for _ in op.arrays]
            args[k] = np.asfortranarray(rng.random((2, 3)) > 0.5)
            if not (op.domain and op.domain[min(k, len(op.domain) - 1)] is bool):
                args[k] = args[k] + 1.0
            first = next(i for i in range(len(args)) if i != k)
            recorded = [Tensor(x) if i == first else x for i, x in enumerate(args)]
            assert op(*recorded).data.strides == op.compute(*args).strides, (name, k)
