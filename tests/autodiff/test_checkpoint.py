"""`checkpoint`: values on the way are let go, and computed again where a gradient needs them."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
import viz
from tinygrad_dnn import StaleValueError, Tensor, checkpoint, debug, grad, no_grad
from tinygrad_dnn.graph import trace

rng = np.random.default_rng(11)


def layer(W: Any, A: Any) -> Any:
    for _ in range(6):
        A = td.tanh(W @ A) * 1.1
    return A


def as_it_is(f: Any) -> Any:
    return f


def parameters(n: int, size: int = 6) -> list[Tensor]:
    return [
        Tensor(np.cos(np.arange(size * size) + k).reshape(size, size), True, name=f"W{k}")
        for k in range(n)
    ]


def chain(make: Any, Ws: list[Tensor], X: Any) -> Any:
    A = X
    for W in Ws:
        A = make(layer)(W, A)
    return (A * A).mean()


def test_s123_values_and_gradients_are_those_of_the_function() -> None:
    X = rng.normal(size=(6, 3))
    found = []
    for make in (as_it_is, checkpoint):
        Ws = parameters(3)
        cost = chain(make, Ws, X)
        cost.backward()
        found.append([cost.data, *(W.grad for W in Ws)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def peak(make: Any, n: int) -> int:
    """The most bytes that a forward and backward pass hold at once."""
    Ws, X = parameters(n), np.ones((6, 2000))
    chain(make, Ws, X).backward()
    gc.collect()
    tracemalloc.start()
    chain(make, Ws, X).backward()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_a_chain_needs_the_memory_of_its_results_and_of_one_inside() -> None:
    value = 6 * 2000 * 8
    inside = 3 * 6 * value  # values and gradients of one layer
    for n in (4, 12):
        assert peak(as_it_is, n) > 2 * 6 * n * value
        assert peak(checkpoint, n) < (n + 4) * value + inside


def test_the_function_runs_once_and_its_random_numbers_stay() -> None:
    draws = np.random.default_rng(0)
    calls = []

    def dropped(x: Any) -> Any:
        calls.append(1)
        mask = draws.uniform(size=5) > 0.5
        return np.where(mask, x * x, 0.0)

    x = Tensor(np.arange(1.0, 6.0), requires_grad=True)
    z = checkpoint(dropped)(x)
    z.sum().backward()
    np.testing.assert_array_equal(x.grad, np.where(z.data == 0, 0, 2 * x.data))
    assert len(calls) == 1


def test_structures_closures_and_what_is_no_tensor() -> None:
    W = Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    Z = W * 2  # a result that lies outside
    data = Tensor(rng.normal(size=2))

    def block(p: Any, *, scale: Any, told: str) -> Any:
        out = {"a": (Z @ p["x"]) * scale, "b": [(p["x"] ** 2).sum(), told, None], "c": data * 3}
        out["same"] = out["a"]
        out["narrow"] = out["a"].astype(np.float32)
        return out

    def total(make: Any) -> Any:
        p = {"x": Tensor([1.0, 2.0], requires_grad=True), "n": 3}
        out = make(block)(p, scale=np.array([1.0, -1.0]), told="t")
        assert out["b"][1:] == ["t", None]
        assert out["narrow"].dtype == np.float32
        assert out["b"][0].shape == ()
        assert not out["c"].requires_grad
        cost = (out["a"] * out["same"]).sum() * out["b"][0] + out["narrow"].sum() + out["c"].sum()
        return [cost.data, *td.gradients(cost, [p["x"], W, Z])]

    for a, b in zip(total(as_it_is), total(checkpoint), strict=True):
        np.testing.assert_allclose(a, b, 1e-15)


def test_inputs_that_depend_on_each_other_are_counted_once() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    z = checkpoint(lambda x: x * y)(x)  # x³
    assert td.gradients(z, x) == 27.0
    slope = td.gradients(z, x, create_graph=True)
    assert slope.item() == 27.0
    assert td.gradients(slope, x) == 18.0


def test_it_has_jax_s_two_names() -> None:
    assert td.remat is td.checkpoint
    assert pickle.loads(pickle.dumps(td.remat(np.sin)))(0.0) == 0.0


def f(x: Any) -> Any:
    return ((td.sin(x) * x) ** 2).sum() * x.sum()


def test_derivatives_of_every_order() -> None:
    x = rng.normal(size=3)
    for make in (grad, td.hessian, lambda f: td.jacobian(td.hessian(f)),
                 lambda f: lambda x: td.hvp(f, x, np.ones(3)),
                 lambda f: lambda x: td.linearize(f, x)[1](np.ones(3))):  # fmt: skip
        np.testing.assert_allclose(make(checkpoint(f))(x), make(f)(x), 1e-12)
    nested = checkpoint(lambda x: checkpoint(f)(x * 2) + checkpoint(f)(x))
    np.testing.assert_allclose(
        td.hessian(nested)(x), 4 * td.hessian(f)(2 * x) + td.hessian(f)(x), 1e-12
    )
    batch = rng.normal(size=(3, 4))
    np.testing.assert_allclose(
        td.per_example_gradients(lambda p, x: checkpoint(f)(p * x[:, 0]), x, batch),
        td.per_example_gradients(lambda p, x: f(p * x[:, 0]), x, batch),
        1e-12,
    )


def test_compiled_debugged_and_unrecorded_it_is_the_function() -> None:
    x = rng.normal(size=3)
    program = td.compile(grad(checkpoint(f)))
    np.testing.assert_array_equal(program(x), td.compile(grad(f))(x))
    with debug():
        np.testing.assert_array_equal(grad(checkpoint(f))(x), grad(f)(x))
        with np.errstate(divide="ignore"), pytest.raises(td.NonFiniteError, match="log"):
            checkpoint(lambda x: np.log(x) * 2)(Tensor(0.0, requires_grad=True))
    with no_grad():
        assert checkpoint(f)(Tensor(x, requires_grad=True)).op is None
    assert type(checkpoint(np.sin)(x)) is np.ndarray
    W = Tensor(x, requires_grad=True)
    assert checkpoint(lambda W: W)(W) is W
    assert checkpoint(f)(Tensor(x)).op.name == "multiply"  # nothing to save


def test_it_is_drawn_as_one_box_and_evaluated_again() -> None:
    W = parameters(1)[0]
    X = Tensor(rng.normal(size=(6, 2)), name="X")
    A = checkpoint(layer)(W, X)
    assert "layer(W0, X)" in repr(A)
    assert len(trace([A.node])) == 3
    trace([A.node]).verify()
    assert "layer" in viz.draw((A * A).sum(), backward=True).source
    (A * A).sum().backward()
    handle = (A * 1).inputs[0]
    np.testing.assert_array_equal(handle.data, layer(W, X).data)


def test_values_that_were_edited_are_refused_and_graphs_freed() -> None:
    W = parameters(1)[0]
    cost = checkpoint(layer)(W, np.ones((6, 1))).sum()
    with no_grad():
        W *= 2.0
    with pytest.raises(StaleValueError, match=r"W0 \(6, 6\) was edited in place after layer"):
        cost.backward()
    cost = checkpoint(layer)(W, np.ones((6, 1))).sum()
    cost.backward(free=False)
    first = W.grad.copy()
    cost.backward()
    np.testing.assert_array_equal(W.grad, 2 * first)
    with pytest.raises(td.FreedGraphError):
        cost.backward()
    with pytest.raises(pickle.PicklingError, match="layer is not in the registry"):
        pickle.dumps(checkpoint(layer)(W, np.ones((6, 1))))
