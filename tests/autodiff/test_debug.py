"""`debug()`: where a NaN or an infinity came from, in words; and nothing once its block ends."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import NonFiniteError, StaleValueError, Tensor, debug, no_grad
from tinygrad_dnn.graph.mode import MODE

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy says it in its own way


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


def told(work: Callable[[], Any]) -> str:
    """What debug() says of some work."""
    with pytest.raises(NonFiniteError) as caught, debug():
        work()
    assert isinstance(caught.value, FloatingPointError)
    return str(caught.value)


def test_s68_the_first_bad_result_is_explained() -> None:
    W, Z = param([[2.0, 1.0]], "W"), param([[3.0], [-800.0]], "Z")

    def cost() -> Tensor:
        AL = tg.sigmoid(Z)
        AL.name = "AL"
        return (W @ tg.log(AL)).sum()

    message = told(cost)
    for part in ("log(AL (2, 1))", "-inf at element [1, 0]", "AL (2, 1) = 0.0", "sigmoid saturated",
                 "log_sigmoid(Z)"):  # fmt: skip
        assert part in message


def test_a_sigmoid_saturated_at_one_is_found_behind_a_difference() -> None:
    AL = tg.sigmoid(param([[1.0, 40.0]], "Z"))
    message = told(lambda: tg.log(1 - AL))
    assert "-inf at element [0, 1]" in message
    assert "sigmoid saturated" in message


@pytest.mark.parametrize(
    ("work", "parts"),
    [
        (lambda a: tg.log(a - 1.0), ["log(subtract (3,))", "-inf at element [0]", "log", "of 0"]),
        (lambda a: np.log10(-a), ["nan at element [0]", "= -1.0", "not defined"]),
        (lambda a: np.sqrt(a - 2.0), ["sqrt", "nan at element [0]", "= -1.0", "not defined"]),
        (lambda a: np.log1p(-a), ["-inf at element [0]", "= -1.0", "logarithm of 0"]),
        (lambda a: 1.0 / (a - 2.0), ["inf at element [1]", "1.0 = 1.0", "denominator is 0"]),
        (lambda a: tg.reciprocal(a - 2.0), ["reciprocal", "inf at element [1]", "power of 0"]),
        (lambda a: (a - 2.0) ** -1, ["power", "inf at element [1]", "power of 0"]),
        (lambda a: (a - 2.0) ** 0.5, ["nan at element [0]", "not defined"]),
        (lambda a: np.exp(a * 300.0), ["exp", "inf at element [2]", "= 900.0", "too large"]),
        (lambda a: np.arcsin(a), ["arcsin", "nan at element [1]", "= 2.0", "not defined"]),
        (lambda a: a * 1e308, ["inf at element [1]", "2.0, 1e+308 = 1e+308", "too large"]),
        (lambda a: (a * 5e307).sum(), ["its only element", "in [5e+307", "too large"]),
        (lambda a: (a * 1e200) @ (a * 1e200), ["matmul", "in [1e+200, 3e+200]", "too large"]),
        (lambda a: a[:0].mean(), ["mean", "nan at its only element", "empty"]),
        (lambda a: a.astype(np.float32) * 1e39, ["inf", "too large for float32"]),
    ],
    ids=["log 0", "log", "sqrt", "log1p", "divide", "reciprocal", "power", "root", "exp", "arcsin",
         "product", "sum", "matmul", "mean", "float32"],
)  # fmt: skip
def test_likely_causes(work: Callable[[Tensor], Any], parts: list[str]) -> None:
    message = told(lambda: work(param([1.0, 2.0, 3.0], "a")))
    for part in ["debug: ", *parts]:
        assert part in message, message


def test_s69_the_first_bad_gradient_is_explained() -> None:
    x = param([4.0, 0.0], "x")
    message = told(lambda: (np.sqrt(x) * 3.0).sum().backward())
    for part in ("backward through sqrt = √x", "gradient of x (2,) is inf at element [1]",
                 "where it is 0.0", "√ has slope ∞ at 0"):  # fmt: skip
        assert part in message
    assert x.grad is None
    quotient = told(lambda: tg.gradients((x * 1e-200 / 1e-308).sum(), x, gradient=np.array(1e200)))
    assert "too large" in quotient or "divide" in quotient
    huge = told(lambda: (x**0.5).sum().backward())
    assert "backward through power" in huge


def test_what_was_there_before_is_no_news() -> None:
    with debug():
        data = Tensor([np.nan, 1.0])  # missing values, -∞ in a mask: the user's own
        masked = tg.where(np.array([True, False]), param([1.0, 2.0]), -np.inf)
        assert np.isnan((data * 2.0).sum().data)
        np.testing.assert_array_equal(tg.softmax(masked).data, [1.0, 0.0])
        tg.softmax(masked)[0].backward()


def test_an_untaken_branch_is_found_where_it_went_wrong() -> None:
    x = param([0.0, 1.0], "x")
    assert "log(x (2,)) gave -inf" in told(lambda: tg.where(x > 0, tg.log(x), 0.0))
    with debug():  # its gradient is masked, so there is nothing to report backward
        tg.where(x > 0, np.sqrt(x), 0.0).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.5])


def test_results_are_the_same_with_and_without() -> None:
    x = np.linspace(-2.0, 2.0, 12).reshape(3, 4)

    def f(x: Any) -> Any:
        return (tg.softmax(tg.sin(x) @ x.T) * tg.relu(x @ x.T)).sum()

    def slopes() -> list[Any]:
        return [tg.grad(f)(x), tg.hvp(f, [x], [x])[0], tg.jvp(f, [x], [x])[1]]

    plain = slopes()
    with debug():
        watched = slopes()
    for one, other in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(one, other)


def test_integers_and_no_grad_are_watched_too() -> None:
    assert "divide" in told(lambda: Tensor([1, 2]) / Tensor([0, 1]))
    with no_grad():
        assert "log" in told(lambda: tg.log(param([0.0])))


def test_s70_nothing_is_left_on() -> None:
    before = MODE.get()
    array = np.array([1.0, 2.0])
    W = Tensor(array, requires_grad=True)
    with debug(), debug():
        watched = W * W
        del watched
    told(lambda: tg.log(W - 1.0))
    with pytest.raises(KeyError), debug():
        {}["missing"]
    assert MODE.get() is before
    assert np.isinf(tg.log(W - 1.0).data[0])
    cost = (W * W).sum()
    array[0] = 7.0  # nobody looks now
    cost.backward()


def test_a_graph_of_before_can_be_swept_inside_and_one_of_inside_after() -> None:
    array = np.array([1.0, 2.0])
    W = Tensor(array, requires_grad=True, name="W")
    before = (W * W).sum()
    with debug():
        inside = (W * W * W).sum()
        before.backward()
    inside.backward()
    np.testing.assert_array_equal(W.grad, 2 * array + 3 * array**2)


def test_debug_holds_no_graph_once_it_has_ended() -> None:
    gc.collect()
    gc.disable()
    try:
        with debug():
            cost = tg.exp(param([1.0])).sum()
            values = ref(cost.inputs[0].data)
            cost.backward()
        del cost
        assert values() is None
    finally:
        gc.enable()


def test_edits_through_an_alias_of_an_intermediate_array() -> None:
    box = np.zeros(2)
    fill = tg.custom_vjp(lambda x: np.add(x, 1.0, out=box)[:], lambda g, z, x: g, name="fill")
    x = param([1.0, 2.0], "x")
    with debug():
        first = fill(x)
        cost = (first * first).sum()
        box[0] = 9.0
        with pytest.raises(StaleValueError, match=r"fill.* was edited in place after multiply"):
            cost.backward()


def test_a_nan_from_infinities_is_new() -> None:
    at_infinity = Tensor([np.inf, 1.0], name="x")
    assert "nan at element [0]" in told(lambda: at_infinity - at_infinity)
    assert "nan at element [1]" in told(lambda: Tensor([1.0, 0.0]) * Tensor([1.0, np.inf]))


def test_s131_a_compiled_function_is_watched_as_it_is_written() -> None:
    x = np.array([0.0, 1.0])
    f = tg.compile(lambda x: tg.log(x).sum())
    slope = tg.compile(tg.grad(lambda x: np.sqrt(x).sum()))
    with np.errstate(divide="ignore"):
        f(x), slope(x)
    for run, said in ((lambda: f(x), "log"), (lambda: slope(x), "backward through sqrt")):
        with debug(), pytest.raises(NonFiniteError, match=said):
            run()
    with debug():
        assert f(np.ones(2)) == 0.0
    assert tg.Tensor(1.0, requires_grad=True).requires_grad
