"""Ways out of the graph: those that Python and NumPy take in passing, and when they are refused."""

from __future__ import annotations

import array
import cmath
import math
import statistics
import struct
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, compile, debug, grad, gradients, no_grad
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.ops import Op

Way = Callable[[Any], Any]


def into_an_element(t: Any) -> Any:
    a = np.zeros(3)
    a[0] = t
    return a


def filled(t: Any) -> Any:
    a = np.zeros(3)
    a.fill(t)
    return a


def into_flat(t: Any) -> Any:
    a = np.zeros((1, 2))
    a.flat[0] = t
    return a


def into_memory(t: Any) -> Any:
    a = np.zeros(3)
    memoryview(a)[0] = t
    return a


WAYS: dict[str, Way] = {
    "float": float,
    "int": int,
    "complex": complex,
    "math.exp": math.exp,
    "math.floor": math.floor,
    "math.hypot": lambda t: math.hypot(t, 1.0),
    "math.fsum": lambda t: math.fsum([t, t]),
    "math.isclose": lambda t: math.isclose(t, 1.0),
    "cmath.exp": cmath.exp,
    "%f": lambda t: "%f" % t,  # noqa: UP031
    "%d": lambda t: "%d" % t,  # noqa: UP031
    "np.float64": np.float64,
    "np.float32": np.float32,
    "an element": into_an_element,
    "fill": filled,
    "flat": into_flat,
    "memoryview": into_memory,
    "tolist": lambda t: t.tolist(),
    "array.array": lambda t: array.array("d", [t]),
    "struct": lambda t: struct.pack("d", t),
    "np.fromiter": lambda t: np.fromiter([t], float),
    "statistics.fmean": lambda t: statistics.fmean([t, t]),
    "np.array": lambda t: np.array([t, t]),
    "np.full": lambda t: np.full(3, t),
    "np.from_dlpack": np.from_dlpack,
}
ON_PURPOSE: dict[str, Way] = {
    "item": lambda t: t.item(),
    "data": lambda t: t.data[()],
    "numpy": lambda t: t.numpy()[()],
    "format": lambda t: float(f"{t:.17g}"),
    "text": lambda t: eval(str(t).split("(")[1].split(",")[0]),
    "truth": lambda t: 4.0 if t else 0.0,
    "comparison": lambda t: 4.0 if t > 3.0 else 0.0,
}


def refused(action: Callable[[], Any]) -> None:
    """The action raises, and the traceback names what was meant."""
    with pytest.raises((TypeError, ValueError)) as caught:
        action()
    told = "".join(traceback.format_exception(caught.value))
    assert "would lose its gradient" in told or "which a plain array would lose" in told
    assert ".item()" in told or ".data" in told


# Python and NumPy say these in their own words and leave no trace of ours.
UNEXPLAINED = ("%d", "flat", "memoryview", "struct")
EXPLAINED = {name: way for name, way in WAYS.items() if name not in UNEXPLAINED}
ways = pytest.mark.parametrize("way", EXPLAINED.values(), ids=EXPLAINED)


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_what_hides_the_error_is_refused_as_well(name: str) -> None:
    for run in (
        lambda: WAYS[name](Tensor(2.0, requires_grad=True) * 2.0),
        lambda: grad(lambda x: (WAYS[name](x), x)[1])(2.0),
    ):
        with pytest.raises((TypeError, ValueError, struct.error)):
            run()
    WAYS[name](Tensor(2.0))


@ways
def test_what_takes_a_number_in_passing_is_refused_before_the_sweep(way: Way) -> None:
    x = Tensor(2.0, requires_grad=True, name="x")
    for t in (x, x * x):  # a parameter that nothing has read yet, too
        refused(lambda t=t: way(t))
    with no_grad():
        y = x * x
        way(y)
    way(Tensor(4.0))
    (Tensor(2.0) * 2.0).tolist()


@ways
def test_it_is_refused_in_the_function_of_every_transform(way: Way) -> None:
    def f(x: Any) -> Any:
        way(x * x)
        return x * x

    x = np.array(2.0)
    for run in (
        lambda: grad(f)(x),
        lambda: tg.value_and_grad(f)(x),
        lambda: tg.jacobian(f)(x),
        lambda: tg.hessian(f)(x),
        lambda: tg.vjp(f, x),
        lambda: tg.jvp(f, [x], [x]),
        lambda: tg.hvp(f, [x], [x]),
        lambda: tg.per_example_gradients(lambda p, x: f(p) * x.sum(), x, np.ones((1, 2))),
    ):
        refused(run)
    with debug():
        refused(lambda: grad(f)(x))


@pytest.mark.parametrize("way", ON_PURPOSE.values(), ids=ON_PURPOSE)
def test_ways_that_are_taken_by_name_stay(way: Way) -> None:
    found = []
    x = Tensor(2.0, requires_grad=True)
    assert way(x * x) == 4.0
    grad(lambda x: (found.append(way(x * x)), x)[1])(2.0)
    assert found == [4.0]


def test_a_trace_refuses_it_too() -> None:
    for way in (float, math.exp, lambda t: t.tolist()):
        with pytest.raises(RecordingError):
            compile(grad(lambda x, way=way: x * way(x)))(np.array(2.0))


def test_the_error_says_who_and_what_was_meant() -> None:
    with pytest.raises(
        TypeError, match=r"float\(\) of multiply \(\).*np\.exp.*np\.stack.*np\.where.*\.item\(\)"
    ):
        math.exp(Tensor(2.0, requires_grad=True) * 3.0)
    with pytest.raises(TypeError, match=r"\.tolist\(\) of W \(2,\)"):
        Tensor([1.0, 2.0], requires_grad=True, name="W").tolist()


def test_s87_once_swept_a_cost_is_a_number() -> None:
    W = Tensor([1.0, 2.0], requires_grad=True)
    costs = np.zeros(4)
    cost = (W * W).sum()
    cost.backward()
    costs[0] = cost
    cost = (W * W).sum()
    cost.backward(keep=True)
    costs[1] = cost
    cost = (W * W).sum()
    gradients(cost, W)
    costs[2] = cost
    with no_grad():
        costs[3] = (W * W).sum()
        np.exp(W), 1.0 - W, np.where(W > 1.0, W, W), np.stack([W, W])
    np.testing.assert_array_equal(costs, 5.0)
    assert W.tolist() == [1.0, 2.0]
    cost = (W * W).sum()
    refused(lambda: float(cost))
    refused(W.tolist)
    cost.backward(create_graph=True)  # there is more to be differentiated
    refused(lambda: float(cost))
    refused(lambda: float(W.grad.sum()))


def test_another_graph_that_was_swept_decides_nothing() -> None:
    W = Tensor([1.0, 2.0], requires_grad=True)
    first, second = (W * W).sum(), (W * W * W).sum()
    first.backward()
    assert float(first) == 5.0
    refused(lambda: float(second))
    beside = W.sum()
    gradients(second, W)
    assert float(second) == 9.0
    refused(lambda: float(beside))


def test_a_sweep_inside_a_transform_does_not_end_it() -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.backward()
        return x * float(y)  # d/dx x³ = 3 x², not x²

    refused(lambda: grad(f)(2.0))


def test_what_was_swept_outside_is_a_number_inside() -> None:
    w = Tensor(3.0, requires_grad=True)
    cost = w * w
    cost.backward()
    assert grad(lambda x: x * float(cost))(2.0) == 9.0


# Its rule leaves the graph.
cube_by_float = Op(lambda x, /: x**3, "{x}³", lambda g, x: g * 3.0 * float(x) ** 2, name="cube")


def test_a_number_taken_in_a_rule_is_refused_where_the_rule_is_recorded() -> None:
    x = Tensor(2.0, requires_grad=True)
    assert grad(cube_by_float)(2.0) == 12.0
    for run in (
        lambda: tg.hessian(cube_by_float)(2.0),
        lambda: grad(grad(cube_by_float))(2.0),
        lambda: gradients(cube_by_float(x), x, create_graph=True),
        lambda: cube_by_float(x).backward(create_graph=True),
    ):
        refused(run)
    y = cube_by_float(x)
    (x * 1.0).backward()  # x itself is swept, that graph is not
    refused(lambda: y.backward(create_graph=True))


def test_an_accumulator_of_the_document_stays_plain() -> None:
    with pytest.raises(ValueError) as caught:
        grad(lambda a: into_an_element(a[0] ** 2).sum() * a[1])(np.ones(2))
    told = "".join(traceback.format_exception(caught.value))
    assert "float() of power ()" in told
    assert "out[0] = t" in told


def test_scipy_takes_no_number_in_passing() -> None:
    integrate = pytest.importorskip("scipy.integrate")
    optimize = pytest.importorskip("scipy.optimize")

    def refuses(f: Callable[[Any], Any]) -> None:
        with pytest.raises((TypeError, ValueError, RuntimeError, SystemError)):
            grad(f)(2.0)

    refuses(lambda x: x * integrate.quad(lambda t: t * x, 0, 1)[0])
    refuses(lambda x: x * integrate.quad(lambda t, a: t * a, 0, 1, args=(x,))[0])
    refuses(lambda x: x * integrate.quad(lambda t: t, 0, x)[0])
    refuses(lambda x: x * integrate.solve_ivp(lambda t, y: -x * y, [0, 1], [1.0]).y[0, -1])
    refuses(lambda x: x * optimize.brentq(lambda t: t * t - x, 0, 5))
    refuses(lambda x: x * optimize.brentq(lambda t: t * t - 2, 0, x))
    refuses(lambda x: x * optimize.minimize_scalar(lambda t: (t - x) ** 2).x)
    # Those that compute in Python stay in the graph: d/dx x √x.
    assert grad(lambda x: x * optimize.newton(lambda t: t * t - x, 1.0))(2.0) == pytest.approx(
        1.5 * 2.0**0.5
    )
