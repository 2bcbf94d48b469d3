"""Learning rates that change: functions from the steps taken, 0 before the first, to a rate.

A rate of 0 learns nothing and a negative one climbs, so no schedule ends there: each has a `least`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from tinygrad_dnn.former_names import former_arguments
from tinygrad_dnn.optim.optimiser import check_learning_rate

Schedule = Callable[[int], float]
LEAST = 1e-8  # far below every rate in use, far above 0


@former_arguments(rate="learning_rate")
def constant(learning_rate: float) -> Schedule:
    """The same rate at every step.

    Raises:
        ValueError: a rate that is not above 0.
    """
    rate = check_learning_rate(learning_rate)
    return lambda t: rate


@former_arguments(rate="learning_rate")
def step_decay(
    learning_rate: float, every: int, factor: float = 0.1, least: float = LEAST
) -> Schedule:
    """α_t = max(α · factor^⌊t/every⌋, least).

    Raises:
        ValueError: `every` below 1, a factor outside 0 < factor ≤ 1, a rate or least that is not
            above 0, or a least above the rate.
    """
    rate, least = _ends("step_decay", learning_rate, least)
    _whole("step_decay", "every", every)
    if not 0 < factor <= 1:
        raise ValueError(f"step_decay: expected a factor above 0 and up to 1, got {factor}")
    return lambda t: max(rate * factor ** (t // every), least)


@former_arguments(rate="learning_rate")
def cosine(learning_rate: float, steps: int, least: float | None = None) -> Schedule:
    """α_t = least + (α − least)(1 + cos(π t/T))/2 for t ≤ T = steps, then least.

    I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, without
    the restarts.

    Args:
        least: where it ends; a hundredth of the rate by default.

    Raises:
        ValueError: `steps` below 1, a rate or least that is not above 0, a least above the rate.
    """
    least = learning_rate / 100 if least is None else least
    rate, least = _ends("cosine", learning_rate, least)
    _whole("cosine", "steps", steps)
    return lambda t: least + (rate - least) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2


def warm_up(schedule: Schedule, steps: int) -> Schedule:
    """α_t = α_0 (t + 1)/steps for t < steps, with α_0 = schedule(0), then schedule(t − steps).

    P. Goyal et al., Accurate, large minibatch SGD: training ImageNet in 1 hour, 2017.

    Raises:
        ValueError: `steps` below 1.
    """
    _whole("warm_up", "steps", steps)

    def rate(t: int) -> float:
        return schedule(0) * (t + 1) / steps if t < steps else schedule(t - steps)

    return rate


class Waiting(TypedDict):
    """Where a plateau stands: plain numbers, to be saved with the parameters."""

    rate: float
    best: float
    waited: int


@dataclass(frozen=True)
class Plateau:
    """A rate that is cut when the cost no longer falls: what `reduce_on_plateau` returns."""

    rate: float
    factor: float
    patience: int
    threshold: float
    least: float

    def init(self) -> Waiting:
        """The state before the first cost."""
        return {"rate": self.rate, "best": math.inf, "waited": 0}

    def update(self, cost: float, state: Waiting) -> tuple[float, Waiting]:
        """The rate to go on with after an epoch that ended with this cost, and the state."""
        rate, best, waited = state["rate"], state["best"], state["waited"] + 1
        if cost < (best if math.isinf(best) else best - self.threshold * abs(best)):
            best, waited = float(cost), 0
        if waited > self.patience:
            rate, waited = max(rate * self.factor, self.least), 0
        return rate, {"rate": rate, "best": best, "waited": waited}


@former_arguments(rate="learning_rate")
def reduce_on_plateau(
    learning_rate: float,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    least: float = LEAST,
) -> Plateau:
    """α ← max(factor · α, least) after more than `patience` costs in a row that gained nothing.

    A cost gains if it is below (1 − threshold) times the best one before. PyTorch's
    ReduceLROnPlateau with its defaults, but for `least`.

        plateau = optim.reduce_on_plateau(0.1)
        state = plateau.init()
        rate, state = plateau.update(cost, state)  # after each epoch

    Raises:
        ValueError: a factor outside 0 < factor < 1, a patience or threshold below 0, a rate or
            least that is not above 0, a least above the rate.
    """
    rate, least = _ends("reduce_on_plateau", learning_rate, least)
    if not 0 < factor < 1:
        raise ValueError(f"reduce_on_plateau: expected a factor above 0 and below 1, got {factor}")
    for name, x in (("patience", patience), ("threshold", threshold)):
        if not x >= 0:
            raise ValueError(f"reduce_on_plateau: expected {name} of 0 or above, got {x}")
    return Plateau(rate, factor, patience, threshold, least)


def _ends(who: str, rate: float, least: float) -> tuple[float, float]:
    rate = check_learning_rate(rate)
    if not 0 < least <= rate:
        raise ValueError(
            f"{who}: expected a schedule that ends above 0 and not above its rate {rate}, got "
            f"least={least}; at 0 nothing is learnt, stop there instead"
        )
    return rate, float(least)


def _whole(who: str, name: str, n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"{who}: expected {name}, a whole number of steps from 1 on, got {n!r}")
