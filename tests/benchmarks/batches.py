"""The documents' network on batches: the columns of each step are given to it, X[:, batch]."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn import compile_loop, textbook, value_and_grad
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.optim import gradient_descent

SIZE = 64
GOALS = {"hand": ("written by hand", None), "plain": ("compiled, without it", None)}


def order(m: int, iterations: int) -> list[Any]:
    """The columns of each iteration: every epoch another permutation, whole batches of it."""
    draw = np.random.default_rng(1)
    size = min(SIZE, m)
    chosen: list[Any] = []
    while len(chosen) < iterations:
        chosen += np.split(draw.permutation(m)[: m // size * size], m // size)
    return chosen[:iterations]


def contenders(problem: Any, rate: float) -> dict[str, Callable[[int], Any]]:
    """The costs and accuracies of ours, with and without strength reduction, and by hand."""
    m = problem.X.shape[1]

    def step(parameters: Mapping[str, Any], batch: Any, X: Any, Y: Any) -> tuple[Any, Any]:
        A0, T = X[:, batch], Y[:, batch]
        cost, slopes = value_and_grad(lambda p: cost_of(A0, T, p))(parameters)
        return gradient_descent(parameters, slopes, rate), cost

    def ended(costs: list[float], p: Mapping[str, Any]) -> Any:
        return costs, problem.accuracies(lambda X: textbook.L_model_forward(X, p)[0])

    def ours(reduce: bool) -> Callable[[int], Any]:
        def whole(iterations: int) -> Any:
            chosen = order(m, iterations)
            loop = compile_loop(
                step,
                carry=problem.start,
                inputs=chosen[:1],
                constants={"X": problem.X, "Y": problem.Y},
                strength_reduction=reduce,
            )
            return ended([float(loop.step(batch)) for batch in chosen], loop.carry)

        return whole

    def hand(iterations: int) -> Any:
        p = {name: value.copy() for name, value in problem.start.items()}
        costs = []
        for batch in order(m, iterations):
            A0, T = problem.X[:, batch], problem.Y[:, batch]
            AL, caches = textbook.L_model_forward(A0, p)
            costs.append(float(textbook.compute_cost(AL, T)))
            p = textbook.update_parameters(p, textbook.L_model_backward(AL, T, caches), rate)
        return ended(costs, p)

    return {"ours": ours(True), "plain": ours(False), "hand": hand}
