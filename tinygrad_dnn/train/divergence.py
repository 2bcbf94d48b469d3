"""A run whose numbers stopped being finite: which, where that began, and what to try."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import number, to_host
from tinygrad_dnn.autodiff.debug import NonFiniteError, debug
from tinygrad_dnn.autodiff.pytree import flatten, rebuild
from tinygrad_dnn.train.examples import Batch
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.state import State
from tinygrad_dnn.train.step import step_of

Array = NDArray[Any]


class DivergedError(ArithmeticError):
    """The cost or a parameter stopped being a finite number.

    Attributes:
        state: the last good one, whose cost was finite; or where the run began, if none was.
    """

    def __init__(self, message: str, state: State) -> None:
        super().__init__(message)
        self.state = state


def broken(parameters: Mapping[str, Array]) -> str | None:
    """The name of a parameter that holds NaN or infinity."""
    # A finite Σ p · p has no place for them, and needs no memory.
    if math.isfinite(number(sum(np.vdot(p, p) for p in parameters.values()))):
        return None
    bad = (name for name, p in parameters.items() if not number(np.isfinite(p).all()))
    return next(bad, None)


def divergence(what: str, batch: Batch | None, state: State, settings: Settings) -> str:
    """Say what is not finite, where it began and what to try: the iteration again, watched.

    Args:
        batch: None where the examples are elsewhere; then nobody watches.
    """
    where = ""
    # A compiled document's cost is computed as the stable one is.
    rewritten = settings.compiled and settings.cost == "document"
    literal = replace(settings, cost="stable") if rewritten else settings
    try:
        if batch is not None:
            flat, layout = flatten([batch.X, batch.Y, batch.given])
            given, state = rebuild(layout, [to_host(x) for x in flat]), state.moved(to_host)
            with debug():
                step_of(literal)(dict(state.parameters), state.optimizer, *given)
    except NonFiniteError as first:
        where = f" {str(first).removeprefix('debug: ')}."
    smaller = f"a learning rate below {settings.learning_rate}"
    remedy = f'the cost "stable", or {smaller}' if literal.cost == "document" else smaller
    return f"{what} in iteration {state.iteration}.{where} Try {remedy}."
