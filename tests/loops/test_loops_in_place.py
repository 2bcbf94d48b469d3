"""Loops that write what is carried next over what was carried before."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Loop, compile_loop, optim, value_and_grad
from tinygrad_dnn.network import cost_of, initialize_parameters, one_hot

RNG = np.random.default_rng(0)
A, B, x = (RNG.normal(size=(3, 3)) for _ in range(3))


def swapped(carry: Any, x: Any) -> Any:
    return {"a": carry["b"], "b": carry["a"] + x}, carry["a"].sum()


def read_later(carry: Any, x: Any) -> Any:
    a = carry["a"] * 0.5 + x
    return {"a": a, "b": carry["b"] + np.sin(carry["a"])}, a


def read_turned(carry: Any, x: Any) -> Any:
    return {"a": carry["a"] + carry["a"].T, "b": np.where(carry["b"] > x, carry["b"], x)}, x * 2


def given_back(carry: Any, x: Any) -> Any:
    a = np.tanh(carry["a"] + x)
    return {"a": a, "b": a}, (a.T, carry["a"], carry["b"][1:])


def multiplied(carry: Any, x: Any) -> Any:
    return {"a": carry["a"] @ x, "b": np.exp(-np.square(carry["b"])) * x}, carry["a"][0]


def unread(carry: Any, x: Any) -> Any:
    return {"a": x * 2 + 1, "b": (carry["a"] - x).T}, 0.0


STEPS = [swapped, read_later, read_turned, given_back, multiplied, unread]


def run(step: Callable[..., Any], in_place: bool) -> list[Any]:
    loop = compile_loop(step, carry={"a": A, "b": B}, inputs=[x], in_place=in_place)
    seen: list[Any] = []
    for i in range(4):
        seen.append(loop.step(x * (i + 1)))
        seen.append(loop.carry)
    return seen


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        tree = [*tree.values()]
    if isinstance(tree, (list, tuple)):
        return [y for part in tree for y in flat(part)]
    return [tree]


@pytest.mark.parametrize("step", STEPS)
def test_in_place_is_the_same_bit_for_bit(step: Callable[..., Any]) -> None:
    a, b = A.copy(), B.copy()
    for got, wanted in zip(flat(run(step, True)), flat(run(step, False)), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal([A, B], [a, b])


def softmax_loop(dtype: str, in_place: bool) -> tuple[Loop, list[Any]]:
    rule = optim.adam()

    def step(carry: Any, X: Any, Y: Any, rate: Any) -> Any:
        parameters, state = carry
        cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "softmax"))(parameters)
        return rule.update(parameters, grads, state, rate), cost

    parameters = initialize_parameters((200, 100, 5), "he", head="softmax", dtype=dtype)
    X = RNG.normal(size=(32, 200)).astype(dtype).T
    batch = [X, one_hot(RNG.integers(5, size=(1, 32)), 5, dtype), np.asarray(0.01, dtype)]
    carry = (parameters, rule.init(parameters))
    return compile_loop(step, carry=carry, inputs=batch, in_place=in_place), batch


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_adam_works_in_what_it_carries_and_allocates_nothing(dtype: str) -> None:
    loop, batch = softmax_loop(dtype, True)
    literal, _ = softmax_loop(dtype, False)
    arrays = {name: v.ctypes.data for name, v in loop._values.items()}
    for _ in range(3):
        assert loop.step(*batch) == literal.step(*batch)
    for got, wanted in zip(flat(loop.carry), flat(literal.carry), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert {name: v.ctypes.data for name, v in loop._values.items()} == arrays
    # One buffer as large as W1, for its gradient; columns are read as they lie.
    assert loop.source.count("np.empty(20000") + loop.source.count("np.empty((100, 200)") == 1
    tracemalloc.start()
    try:
        for _ in range(5):
            loop.step(*batch)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        loop.step(*batch)
        # Masks are cast by NumPy in pieces; W1 alone has 80,000 bytes or more.
        assert tracemalloc.get_traced_memory()[1] - before < 40_000
    finally:
        tracemalloc.stop()


def test_s201_inputs_keep_the_memory_order_that_the_loop_was_made_with() -> None:
    loop, (X, Y, rate) = softmax_loop("float64", True)
    other, _ = softmax_loop("float64", True)
    assert X.flags.f_contiguous
    assert loop.step(X, Y, rate) == other.step(np.ascontiguousarray(X), Y, rate)
    assert loop.step(X[:, ::-1], Y, rate) == other.step(X[:, ::-1].copy(), Y, rate)


def test_s200_in_place_a_step_left_half_way_is_not_gone_on_with() -> None:
    loop, batch = softmax_loop("float64", True)
    loop.step(*batch)
    good, at = loop.carry, loop.iteration
    run = loop._program.run

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        run(*args, **kwargs)
        raise KeyboardInterrupt

    loop._program.run = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        loop.step(*batch)
    loop._program.run = run  # type: ignore[method-assign]
    for use in (lambda: loop.step(*batch), lambda: loop.carry):
        with pytest.raises(RuntimeError, match=r"iteration 1 .* half way.*resume"):
            use()
    loop.resume(good, at)
    again, _ = softmax_loop("float64", False)
    again.resume(good, at)
    assert loop.step(*batch) == again.step(*batch)


def test_inputs_that_do_not_fit_lose_nothing() -> None:
    loop, (X, Y, rate) = softmax_loop("float64", True)
    with pytest.raises(ValueError, match=r"expected inputs \(200, 32\)"):
        loop.step(X[:, 1:], Y, rate)
    loop.step(X, Y, rate)
