"""W C of what a loop carries, without putting W together; and predictions that use it."""

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.loops.loop_compiler import compile_loop
from tinygrad_dnn.loops.view import Factored, View
from tinygrad_dnn.optim import gradient_descent
from tinygrad_dnn.train import Predictor, Settings, State, train

rng = np.random.default_rng(7)
X, X_test = rng.standard_normal((60, 8)), rng.standard_normal((60, 5))
Y = np.arange(8.0)[None] % 2
DIMS = (60, 3, 1)


def step(p: Any, X: Any, Y: Any, decay: float = 1.0) -> Any:
    def cost(p: Any) -> Any:
        return (((p["W1"] @ X + p["b1"]) - Y) ** 2).sum()

    value, slopes = value_and_grad(cost)(p)
    after = gradient_descent(p, slopes, 0.001)
    return {"W1": after["W1"] * decay, "b1": after["b1"]}, value


def loop_of(decay: float = 1.0) -> Any:
    start = {"W1": np.ones((2, 60)) / 60, "b1": np.zeros((2, 1))}
    return compile_loop(
        lambda p, X, Y: step(p, X, Y, decay),
        carry=start,
        constants={"X": X, "Y": Y},
        refresh=4,
    )


@pytest.mark.parametrize("decay", [1.0, 0.9])
@pytest.mark.parametrize("C", [X_test, X], ids=["another matrix", "the loop's own"])
def test_the_product_is_that_of_the_whole_matrix(decay: float, C: Any) -> None:
    loop = loop_of(decay)
    view = View(loop, C)
    before = loop.snapshot()
    for k in range(10):  # over two refreshes
        now = loop.snapshot()
        seen = view(now)
        assert isinstance(seen["W1"], Factored), k
        np.testing.assert_allclose((seen["W1"] @ C).data, now.carry["W1"] @ C, rtol=1e-11)
        np.testing.assert_array_equal(seen["b1"], now.carry["b1"])
        loop.step()
    np.testing.assert_allclose(  # one that was taken before the refreshes
        (view(before)["W1"] @ C).data, before.carry["W1"] @ C, rtol=1e-11
    )


def test_a_view_is_of_one_loop_and_one_matrix() -> None:
    loop = loop_of()
    view = View(loop, X_test)
    with pytest.raises(ValueError, match=r"expected the matrix \(60, 5\) that it was made for"):
        view(loop.snapshot())["W1"] @ X_test.copy()
    with pytest.raises(ValueError, match="expected a snapshot of the loop"):
        view(loop_of().snapshot())


def test_of_another_dtype_the_matrix_is_put_together() -> None:
    loop = loop_of()
    seen = View(loop, X_test.astype(np.float32))(loop.snapshot())
    assert type(seen["W1"]) is np.ndarray


@pytest.mark.parametrize("more", [{}, {"l2": 0.3}, {"optimizer": "adam"}, {"compiled": False}])
def test_s265_a_predictor_says_what_the_settings_do(more: dict[str, Any]) -> None:
    settings = Settings(DIMS, 0.05, **more)
    predict = Predictor(X_test, settings)
    compared = 0

    def after(state: State, cost: float) -> None:
        nonlocal compared
        found = predict(state.parameters)
        np.testing.assert_allclose(
            found, settings.predict(X_test, state.parameters), rtol=1e-9, atol=1e-12
        )
        compared += 1

    train(X, Y, settings, 6, after=after)
    assert compared == 6


def test_a_predictor_goes_on_with_the_loop_of_another_run() -> None:
    settings = Settings(DIMS, 0.05)
    predict = Predictor(X_test, settings)
    states = [train(X, Y, settings, k) for k in (3, 5)]
    for state in (*states, states[0]):
        np.testing.assert_allclose(
            predict(state.parameters), settings.predict(X_test, state.parameters), rtol=1e-9
        )
