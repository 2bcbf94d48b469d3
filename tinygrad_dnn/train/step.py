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
    gradients, update = cost_and_gradients_of(settings, m), update_of(settings)

    def step(
        parameters: Mapping[str, Any], state: Mapping[str, Any], X: Any, Y: Any, given: Any = None
    ) -> tuple[Any, Any, Any]:
        _name(state)
        value, slopes = gradients(parameters, X, Y, given)
        return value, *update(parameters, state, slopes, given)

    return step


def update_of(settings: Settings) -> Callable[..., Any]:
    """The end of a step: (parameters, state, gradients, given) -> (parameters, state).

    Gradients are clipped where that is asked for.
    """
    rule = settings.rule()

    def update(
        parameters: Mapping[str, Any], state: Mapping[str, Any], slopes: Any, given: Any = None
    ) -> tuple[Any, Any]:
        if settings.clip_norm is not None:
            slopes = clip_by_norm(slopes, settings.clip_norm)
        if settings.clip_value is not None:
            slopes = clip_by_value(slopes, settings.clip_value)
        rate = _learning_rate(given or {}, settings)
        with scope("update") if state else nullcontext():  # one part of the program
            after, remembered = rule.update(parameters, slopes, dict(state), rate)
        _name(remembered, "_new")
        return after, remembered

    return update


def _learning_rate(given: Mapping[str, Any], settings: Settings) -> Any:
    if "rate" in given:
        warn_former("step_of: given", "'rate'", "'learning_rate'")
        return given["rate"]
    return given.get("learning_rate", settings.learning_rate)


def _name(state: Mapping[str, Any], end: str = "") -> None:
    """What is remembered of W1 bears the course's name, vdW1."""
    for part, tree in state.items():
        for name, t in tree.items() if isinstance(tree, Mapping) else ():
            if isinstance(t, Tensor):
                t.name = f"{part}d{name}{end}"


def iteration_of(
    settings: Settings, m: int | None = None
) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """An iteration of gradient descent: (parameters, X, Y) -> (cost, the next parameters)."""
    whole = step_of(settings, m)

    def step(parameters: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, dict[str, Any]]:
        value, after, _ = whole(parameters, {}, X, Y)
        return value, after

    return step


def cost_and_gradients_of(settings: Settings, m: int | None = None) -> Callable[..., Any]:
    """The begin of a step: (parameters, X, Y, given) -> (cost, its gradients)."""

    def gradients(parameters: Mapping[str, Any], X: Any, Y: Any, given: Any = None) -> Any:
        x = X if isinstance(X, Tensor) else Tensor(X, name="X")
        more = given or {}
        masks, weights = more.get("masks"), more.get("weights")

        def cost(p: Mapping[str, Tensor]) -> Tensor:
            for name, t in p.items():
                t.name = name
            return settings.cost_of(x, Y, p, masks=masks, weights=weights, m=m)

        return value_and_grad(cost)(parameters)

    return gradients
