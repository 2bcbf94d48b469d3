"""An iteration as a function of arrays: what is compiled, drawn, derived and written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.former_names import warn_former
from tinygrad_dnn.graph import scope
from tinygrad_dnn.optim import clip_by_norm, clip_by_value
from tinygrad_dnn.train.settings import Settings


def step_of(settings: Settings, m: int | None = None) -> Callable[..., Any]:
    """An iteration: (parameters, state, X, Y, given) -> (cost, parameters, state).

    `given` holds by name what changes from step to step: "masks" under dropout, "weights" of the
    examples, and "learning_rate", a 0-d array, where it follows a schedule. `m` is what L2 is
    divided by.
    """
    rule = settings.rule()

    def step(
        parameters: Mapping[str, Any], state: Mapping[str, Any], X: Any, Y: Any, given: Any = None
    ) -> tuple[Any, Any, Any]:
        more = dict(given or {})
        if "rate" in more:
            warn_former("step_of: given", "'rate'", "'learning_rate'")
            more["learning_rate"] = more.pop("rate")
        for part, tree in state.items():  # what is remembered of W1 bears the course's name, vdW1
            for name, t in tree.items() if isinstance(tree, Mapping) else ():
                if isinstance(t, Tensor):
                    t.name = f"{part}d{name}"
        value, slopes = _cost_and_slopes(settings, parameters, X, Y, more, m)
        rate = more.get("learning_rate", settings.learning_rate)
        with scope("update") if state else nullcontext():  # one part of the program
            after, remembered = rule.update(parameters, slopes, dict(state), rate)
        for part, tree in remembered.items():
            for name, t in tree.items() if isinstance(tree, Mapping) else ():
                if isinstance(t, Tensor):
                    t.name = f"{part}d{name}_new"
        return value, after, remembered

    return step


def iteration_of(
    settings: Settings, m: int | None = None
) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """An iteration of gradient descent: (parameters, X, Y) -> (cost, the next parameters)."""
    whole = step_of(settings, m)

    def step(parameters: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, dict[str, Any]]:
        value, after, _ = whole(parameters, {}, X, Y)
        return value, after

    return step


def _cost_and_slopes(
    settings: Settings,
    parameters: Mapping[str, Any],
    X: Any,
    Y: Any,
    more: Mapping[str, Any],
    m: int | None,
) -> tuple[Any, Any]:
    """The cost and its gradients, clipped where that is asked for."""
    x = X if isinstance(X, Tensor) else Tensor(X, name="X")

    def cost(p: Mapping[str, Tensor]) -> Tensor:
        for name, t in p.items():
            t.name = name
        return settings.cost_of(x, Y, p, masks=more.get("masks"), weights=more.get("weights"), m=m)

    value, slopes = value_and_grad(cost)(parameters)
    if settings.clip_norm is not None:
        slopes = clip_by_norm(slopes, settings.clip_norm)
    if settings.clip_value is not None:
        slopes = clip_by_value(slopes, settings.clip_value)
    return value, slopes
