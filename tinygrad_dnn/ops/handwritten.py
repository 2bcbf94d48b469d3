"""How a gradient written by hand is called: one convention for `op`, `custom_vjp`, `check_vjp`.

By name, when every name is known: `g` is the cotangent (the gradient with respect to the result),
`z` the result, and the forward's own parameter names are its inputs and options. The forward's
names win: of `def sigmoid(z)` the input is `z`, and the result then is `out`. A parameter that has
a default may have any name.

Else by count: exactly (g, z, *inputs).

    def cube(x): return x**3
    def by_name(x, g): return g * 3 * x**2
    def by_count(dA, A, prev): return dA * 3 * prev**2
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Call(NamedTuple, Generic[T]):
    """The arguments of a gradient: by position, then by keyword."""

    positional: tuple[T, ...]
    keyword: dict[str, T]


def parameters_of(f: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters of a function; None where it does not say."""
    try:
        return [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        return None


def call_of(
    gradient: Callable[..., Any],
    who: str,
    known: Mapping[str, T],
    counted: Mapping[str, T],
    options: Collection[str] = (),
) -> Call[T]:
    """Return the arguments that a hand-written gradient asks for.

    Args:
        who: begins the error.
        known: what each name stands for.
        counted: what it is given by count, g, z, and the inputs; empty where that can't be.
        options: those names that a gradient with `**options` is given as well.

    Raises:
        TypeError: it asks for something else.
    """
    parameters = parameters_of(gradient)
    if parameters is None:  # it does not say
        return Call(tuple(counted.values()), {})
    places = [p for p in parameters if p.kind in _BY_PLACE]
    named = [p for p in parameters if p.kind in (*_BY_PLACE, p.KEYWORD_ONLY)]
    keyword = {p.name: known[p.name] for p in named if p not in places and p.name in known}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        keyword |= {k: known[k] for k in options if k not in {p.name for p in named}}
    unknown = [p.name for p in named if p.default is p.empty and p.name not in known]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if not unknown and not any_number:
        # What stands behind a default that is kept goes by keyword.
        first = next((k for k, p in enumerate(places) if p.name not in known), len(places))
        keyword |= {p.name: known[p.name] for p in places[first:] if p.name in known}
        return Call(tuple(known[p.name] for p in places[:first]), keyword)
    needed = sum(p.default is p.empty for p in places)
    by_count = needed <= len(counted) if any_number else needed == len(counted)
    if counted and by_count and all(p.name in known for p in named if _must(p)):
        return Call(tuple(counted.values()), keyword)
    got = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
    asks = f"asks for {unknown[0]!r}" if unknown else "does not say by name what it asks for"
    count = f", or by count for exactly {len(counted)}: {', '.join(counted)}" if counted else ""
    raise TypeError(f"{who}({got}) {asks}; it may ask for {', '.join(sorted(known))}{count}")


def _must(p: inspect.Parameter) -> bool:
    return p.kind is p.KEYWORD_ONLY and p.default is p.empty


class Handwritten:
    """A gradient of a function with so many inputs, ready to be called.

    Args:
        forward: the function, (*inputs, **options) -> one array.
        gradient: see above.
        n: how many inputs it is given.
        options: the options that it is given, by name.
        who: begins the error.

    Raises:
        TypeError: the gradient asks for what there is not.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        gradient: Callable[..., Any],
        n: int,
        options: Mapping[str, Any],
        who: str,
    ) -> None:
        if isinstance(gradient, np.ufunc):  # a slope, which knows of no cotangent
            slope = f"np.{gradient.__name__}"
            raise TypeError(
                f"{who}: {slope} is a function of NumPy's, expected one that is given the gradient "
                f"g with respect to the result: lambda g, x: g * {slope}(x)"
            )
        self.gradient = gradient
        parameters = parameters_of(forward) or []
        by_place = [p for p in parameters if p.kind in _BY_PLACE]
        names = [p.name for p in by_place[:n]]
        self.options = {
            p.name: p.default
            for p in parameters
            if p.name not in names and p.default is not p.empty
        } | dict(options)
        own = {name: k for k, name in enumerate(names)} | {k: (k,) for k in self.options}
        known: dict[str, Any] = {"g": "g", "out" if "z" in own else "z": "z"} | own
        shown = [*names, *(f"input {k}" for k in range(len(names), n))]
        counted: dict[str, Any] = {"the cotangent": "g", "the result": "z"}
        counted |= {name: k for k, name in enumerate(shown)}
        self.call = call_of(gradient, who, known, counted, [*self.options])

    def __call__(self, g: Any, z: Any, inputs: Sequence[Any]) -> Any:
        """Return what the gradient gives for the cotangent g, the result z and the inputs."""

        def value(slot: Any) -> Any:
            if isinstance(slot, int):
                return inputs[slot]
            if isinstance(slot, tuple):
                return self.options[slot[0]]
            return g if slot == "g" else z

        positional, keyword = self.call
        return self.gradient(*map(value, positional), **{k: value(v) for k, v in keyword.items()})
