"""One call of a function that is to be checked: its variables by name, its outputs, its graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.array_modules import place_of
from tinygrad_dnn.autodiff.pytree import flatten, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, handle, value_of
from tinygrad_dnn.graph import Graph, Leaf, mode, trace
from tinygrad_dnn.graph.node import tick

NOTHING = (
    "check_gradients: there is nothing to differentiate; give arrays of floats (whole numbers are "
    "data: write 3.0 for 3)"
)


class Variable(NamedTuple):
    """An array that gradients are asked for: its name in the report, and its value."""

    name: str
    value: Any


class Inputs:
    """The arguments of a function, taken apart: arrays of floats are its variables.

    Whatever else there is (whole numbers, truth values, strings) is data and passed on.

    Raises:
        TypeError: an array of another kind than NumPy's.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any]) -> None:
        leaves, self.layout = flatten(tuple(args))
        paths = _paths(tuple(args), _names(f, len(args)))
        self.given = leaves
        self.places = [k for k, x in enumerate(leaves) if _is_variable(x)]
        names = _distinct([paths[k] for k in self.places])
        self.variables = [
            Variable(getattr(leaves[k], "name", None) or name, _value(leaves[k]))
            for k, name in zip(self.places, names, strict=True)
        ]

    def tensors(self, values: Sequence[Any] | None = None) -> tuple[list[Tensor], tuple[Any, ...]]:
        """Fresh leaves with copies of the values, and the arguments with them in place."""
        values = values or [v.value for v in self.variables]
        fresh = [
            Tensor(np.array(x), requires_grad=True, name=v.name)
            for x, v in zip(values, self.variables, strict=True)
        ]
        for t in fresh:
            t.node.variable = True  # as in a transform, a write into it is recorded
        leaves = [x.detach() if isinstance(x, Tensor) else x for x in self.given]
        for k, t in zip(self.places, fresh, strict=True):
            leaves[k] = t
        args: tuple[Any, ...] = rebuild(self.layout, leaves)
        return fresh, args


class Call(NamedTuple):
    """The result of a call: its variables' leaves, its outputs that are recorded, its graph."""

    variables: list[Tensor]
    outputs: list[Tensor]
    graph: Graph

    @property
    def parameters(self) -> list[Leaf]:
        """The leaves that require a gradient: the variables, and what the function closed over."""
        own = [v.node for v in self.variables]
        there = set(own)
        return own + [x for x in self.graph.leaves if x.requires_grad and x not in there]


def called(f: Callable[..., Any], inputs: Inputs, values: Sequence[Any] | None = None) -> Call:
    """Call f on fresh variables, recorded.

    Raises:
        TypeError: f returns something else than Tensors of floats.
        ValueError: no argument is an array of floats, and f returns no Tensor either.
    """
    began = tick()
    variables, args = inputs.tensors(values)
    nodes = [v.node for v in variables]
    with mode(recording=True, since=began), np.errstate(all="ignore"):
        result = f(*args)
    variables = [handle(node) for node in nodes]  # f may have written into its own
    outputs = flatten(result)[0]
    for y in outputs or [result]:
        if not isinstance(y, Tensor) and not inputs.variables:
            raise ValueError(NOTHING)
        if not isinstance(y, Tensor):
            raise TypeError(
                f"check_gradients: expected the function to return Tensors, got "
                f"{type(y).__name__}: either it does not use its arguments, or it leaves the "
                "graph (.item(), .data)"
            )
        if y.dtype.kind != "f":
            raise TypeError(
                f"check_gradients: the function returned {y.dtype}, which has no gradient; "
                "return floats"
            )
    return Call(variables, outputs, trace([y.node for y in outputs]))


def seed_for(y: Tensor) -> Any:
    """The cotangent of an output: 1 of a cost, else numbers without a pattern."""
    if y.size == 1:
        return np.ones(y.shape, y.dtype)
    return np.asarray(np.cos(1 + np.arange(y.size))).reshape(y.shape).astype(y.dtype)


def _is_variable(x: Any) -> bool:
    if isinstance(x, Tensor):
        x = x.numpy()
    if isinstance(x, (float, np.floating)):
        return True
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind == "f" and not isinstance(x, np.ndarray):
        raise TypeError(
            f"check_gradients: expected NumPy arrays, got {place_of(x)}; slopes are measured here: "
            "bring it by name, x.get() of CuPy's"
        )
    return kind == "f"


def _value(x: Any) -> Any:
    return np.array(value_of(x))


def _names(f: Callable[..., Any], n: int) -> list[str]:
    """Return f's names for its arguments; x0, x1, ... where it does not say."""
    try:
        parameters = [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    ordinary = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in ordinary][:n]
    return named + [f"x{k}" for k in range(len(named), n)]


def _paths(args: tuple[Any, ...], names: Sequence[str]) -> list[tuple[str, ...]]:
    """The way to every leaf: ("params", "W1"), ("layers", "0", "b")."""
    found: list[tuple[str, ...]] = []

    def walk(part: Any, path: tuple[str, ...]) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                walk(value, (*path, str(key)))
        elif isinstance(part, (list, tuple)):
            for key, value in zip(getattr(part, "_fields", range(len(part))), part, strict=True):
                walk(value, (*path, str(key)))
        else:
            found.append(path)

    for name, part in zip(names, args, strict=True):
        walk(part, (name,))
    return found


def _distinct(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The last part of each path that is a name, if that tells them apart; else all of it."""
    short = [path[-1] for path in paths]
    if len(set(short)) == len(short) and not any(name.isdigit() for name in short):
        return short
    return [".".join(path) for path in paths]
