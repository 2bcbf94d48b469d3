"""Early stopping: training ends when the cost on validation examples no longer falls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinygrad_dnn.array_modules import copied
from tinygrad_dnn.autodiff.pytree import arrays_of, rebuild

State = dict[str, Any]


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop, and the best parameters until then: what `early_stopping` returns."""

    patience: int
    gain: float

    def init(self, parameters: Any) -> State:
        """The state before the first epoch."""
        return {"parameters": _copied(parameters), "cost": math.inf, "waited": 0}

    def update(self, parameters: Any, cost: float, state: State) -> tuple[bool, State]:
        """Whether to stop after an epoch that ended with this cost, and the state.

        `state["parameters"]` are copies of the best ones, `state["cost"]` is what they cost.
        """
        cost = float(cost)
        if cost < state["cost"] - self.gain:
            return False, {"parameters": _copied(parameters), "cost": cost, "waited": 0}
        waited = state["waited"] + 1
        return waited > self.patience, {**state, "waited": waited}


def early_stopping(patience: int = 10, gain: float = 0.0) -> EarlyStopping:
    """Stop after more than `patience` costs in a row that are not below the best by `gain`.

        stopping = optim.early_stopping(patience=5)
        best = stopping.init(parameters)
        stop, best = stopping.update(parameters, cost_on_validation, best)  # after each epoch

    L. Prechelt, Early stopping - but when?, 1998. A cost that is NaN gains nothing.

    Raises:
        ValueError: a patience or gain below 0.
    """
    for name, x in (("patience", patience), ("gain", gain)):
        if not x >= 0:
            raise ValueError(f"early_stopping: expected {name} of 0 or above, got {x}")
    return EarlyStopping(patience, gain)


def _copied(parameters: Any) -> Any:
    """Arrays of our own: those that are given may be trained on in place."""
    leaves, layout = arrays_of(parameters)
    return rebuild(layout, [copied(x, "K") for x in leaves])
