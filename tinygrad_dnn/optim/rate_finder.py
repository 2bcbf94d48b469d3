"""A learning rate found by trying: cost against a rate that grows from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any, NamedTuple

from tinygrad_dnn.array_modules import number
from tinygrad_dnn.former_names import former_arguments
from tinygrad_dnn.optim.optimiser import Optimiser, check_learning_rate
from tinygrad_dnn.optim.update_rules import sgd

SMOOTHING = 0.9  # share of the mean before in the mean cost
SETTLED = 10  # steps after which the mean is one, 1/(1 − 0.9); before, it follows every cost
GIVEN_UP = 4.0  # times the best cost, after which the rate is too large


class RateCurve(NamedTuple):
    """What `find_learning_rate` saw.

    Attributes:
        rates: as they were tried, growing.
        costs: before the step with each rate.
        smoothed: their running mean.
        best: the rate at which the mean falls most steeply to what is lower than all before.
    """

    rates: list[float]
    costs: list[float]
    smoothed: list[float]
    best: float


@former_arguments(optimiser="optimizer")
def find_learning_rate(
    value_and_gradients: Callable[..., tuple[Any, Any]],
    parameters: Any,
    batches: Iterable[tuple[Any, ...]],
    *,
    optimizer: Optimiser | None = None,
    first: float = 1e-6,
    last: float = 10.0,
    steps: int = 100,
) -> RateCurve:
    """Train with rates from `first` to `last` in equal ratios, and see where the cost falls.

    It ends early when the mean cost is four times the best, or not a number. The mean is
    c̄ ← 0.9 c̄ + 0.1 c, divided by 1 − 0.9ᵗ. Parameters are left as they were.

        cost = value_and_grad(lambda p, X, Y: cost_of(X, Y, p))
        curve = optim.find_learning_rate(cost, parameters, [(X, Y)] * 100)

    L. N. Smith, Cyclical learning rates for training neural networks, 2017, section 3.3; smoothed
    and ended as S. Gugger, How do you find a good learning rate, 2018, does.

    Args:
        value_and_gradients: (parameters, *batch) -> (cost, gradients).
        batches: the arrays of each step; `steps` of them are used, fewer if there are fewer.
        optimizer: `sgd()` by default.

    Raises:
        ValueError: rates that do not grow, fewer than 3 steps, or fewer than 3 finite costs.
    """
    first, last = check_learning_rate(first), check_learning_rate(last)
    if first >= last or steps < 3:
        raise ValueError(
            f"find_learning_rate: expected rates that grow, in 3 steps or more, got {first} to "
            f"{last} in {steps}"
        )
    rule = optimizer or sgd()
    state = rule.init(parameters)
    rates: list[float] = []
    costs: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for t, batch in zip(range(steps), batches, strict=False):
        rate = first * (last / first) ** (t / (steps - 1))
        value, gradients = value_and_gradients(parameters, *batch)
        cost = float(number(value))
        if not math.isfinite(cost):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * cost
        rates.append(rate)
        costs.append(cost)
        smoothed.append(mean / (1 - SMOOTHING ** (t + 1)))
        if smoothed[-1] > GIVEN_UP * min(smoothed) > 0:
            break
        parameters, state = rule.update(parameters, gradients, state, rate)
    if len(costs) < 3:
        raise ValueError(
            f"find_learning_rate: expected 3 finite costs or more, got {len(costs)}; begin with a "
            "smaller rate, first=, or give more batches"
        )
    return RateCurve(rates, costs, smoothed, rates[_steepest(smoothed)])


def _steepest(means: list[float]) -> int:
    """Where the mean falls most steeply to what is lower than all before: the way back from a peak,
    which a rate that was too large has thrown it to, is no gain.
    """
    begin = SETTLED if len(means) - 2 > 2 * SETTLED else 0
    lowest = list(accumulate(means[begin:], min))
    # The rates grow by one ratio, so that differences are slopes over log α.
    falls = [after - before for before, after in zip(lowest, lowest[2:], strict=False)]
    return begin + 1 + falls.index(min(falls))
