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


def watched(settings: Settings, state: State, X: Array, Y: Array, *given: Mapping[str, Any]) -> str:
    """Compute iterations from a state on again, and say where they stop being finite.

    Args:
        given: to each of them, as `step_of` has it.

    Returns:
        The sentence of `debug`, or "" where nothing is seen.
    """
    flat, layout = flatten([X, Y, *given])
    x, y, *each = rebuild(layout, [to_host(x) for x in flat])
    state = state.moved(to_host)
    parameters, optimizer = dict(state.parameters), state.optimizer
    step = step_of(_literal(settings))
    try:
        with np.errstate(all="ignore"), debug():
            for more in each:
                _, parameters, optimizer = step(parameters, optimizer, x, y, more)
    except NonFiniteError as first:
        return str(first).removeprefix("debug: ")
    return ""


def divergence(what: str, where: str, iteration: int, settings: Settings) -> str:
    """Say what is not finite, where it began, as `watched` saw it, and what to try."""
    smaller = f"a learning rate below {settings.learning_rate}"
    document = _literal(settings).cost == "document"
    remedy = f'the cost "stable", or {smaller}' if document else smaller
    return f"{what} in iteration {iteration}.{f' {where}.' if where else ''} Try {remedy}."


def _literal(settings: Settings) -> Settings:
    """Settings whose cost, op by op, is what was computed: compiled, the document's is stable."""
    rewritten = settings.compiled and settings.cost == "document"
    return replace(settings, cost="stable") if rewritten else settings
