"""An optimiser: an update rule of one parameter, applied to trees of them, with its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import PASSING, arrays_of, paths, rebuild
from tinygrad_dnn.former_names import former_arguments

Tree = Any
State = dict[str, Any]
Remembered = dict[str, Any]  # of one parameter: {"v": ..., "s": ...}
# (p, g, what is remembered, rate, t) -> (the next p, what is remembered next)
Rule = Callable[[Any, Any, Remembered, Any, Any], tuple[Any, Remembered]]


def check_learning_rate(rate: float) -> float:
    """A learning rate that can be used: a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it is 0, negative, NaN or infinite.
    """
    if rate is None or isinstance(rate, (str, bytes, list, tuple, dict)):  # float() reads texts
        raise TypeError(f"learning rate: expected a number, got {rate!r}")
    rate = float(rate)
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"learning rate: expected a finite number above 0, got {rate}")
    return rate


@dataclass(frozen=True)
class Optimiser:
    """An update rule for trees of parameters: what `adam()` and the others return.

    Attributes:
        name: the function that made it.
        rule: one step of one parameter.
        settings: its numbers, by name.
        remembers: names of the trees in its state; each has the structure of the parameters.
        counts: whether its state holds t, the number of steps taken.
        decay: λ of W ← W − α λ W before each step, see `weight_decay`.
        decays: which parameters decay, by path; all by default.
    """

    name: str
    rule: Rule = field(repr=False)
    settings: Mapping[str, float] = field(default_factory=dict)
    remembers: tuple[str, ...] = ()
    counts: bool = False
    decay: float = 0.0
    decays: Callable[[str], bool] | None = None

    def init(self, parameters: Tree) -> State:
        """The state before the first step: zeros of the parameters' shapes and dtypes.

        Raises:
            TypeError: a parameter is no array of floats.
        """
        leaves, layout = parameters_of(self.name, parameters)
        state: State = {
            part: rebuild(layout, [np.zeros_like(p) for p in leaves.values()])
            for part in self.remembers
        }
        if not self.counts:
            return state
        first = next(iter(leaves.values()), np.zeros(()))
        return state | {"t": np.zeros_like(first, dtype=int, shape=())}  # where the parameters lie

    @former_arguments(rate="learning_rate")
    def update(
        self, parameters: Tree, gradients: Tree, state: State, learning_rate: Any
    ) -> tuple[Tree, State]:
        """The parameters and the state after one step; what is given stays as it was.

        Args:
            gradients: one for each parameter, under its name; others are not looked at.
            learning_rate: α, a number above 0, or a 0-d array, which a compiled step takes as an
                argument.

        Raises:
            TypeError: a parameter is no array of floats.
            ValueError: a gradient or a part of the state is missing or has another shape or dtype
                than its parameter; a rate that is not above 0.
        """
        leaves, layout = parameters_of(self.name, parameters)
        slopes = fitting(f"{self.name}: expected a gradient", gradients, leaves)
        _check_parts(self, state)
        kept = {
            part: fitting(
                f"{self.name}: expected a state, as init(parameters) makes it, whose {part!r} is",
                state[part],
                leaves,
            )
            for part in self.remembers
        }
        rate = checked_rate(learning_rate)
        t = state["t"] + 1 if self.counts else None
        after, remembered = [], []
        for path, p in leaves.items():
            alpha = in_dtype(rate, p)
            before = {part: kept[part][path] for part in self.remembers}
            if self.decay and (self.decays is None or self.decays(path)):
                p = p * (1 - alpha * self.decay)
            p, now = self.rule(p, slopes[path], before, alpha, t)
            after.append(p)
            remembered.append(now)
        new: State = {
            part: rebuild(layout, [now[part] for now in remembered]) for part in self.remembers
        }
        return rebuild(layout, after), new | {"t": t} if self.counts else new


def in_dtype(x: Any, p: Any) -> Any:
    """A number as it is, which takes any dtype; a 0-d array in the dtype of p."""
    if isinstance(x, float) and not isinstance(x, np.generic):
        return x
    return x if x.dtype == p.dtype else x.astype(p.dtype)


def checked_rate(rate: Any) -> Any:
    """A learning rate as a rule takes it: a number, or a 0-d array, which may be a Tensor.

    Raises:
        ValueError: it has another shape, or is not above 0.
    """
    shape = getattr(rate, "shape", ())
    if shape != ():
        raise ValueError(f"learning rate: expected a number or a 0-d array, got shape {shape}")
    if isinstance(rate, (int, float, np.generic)) or not hasattr(rate, "dtype"):
        return check_learning_rate(rate)
    if isinstance(rate, np.ndarray):
        check_learning_rate(rate.item())
    return rate


# --- trees ----------------------------------------------------------------------------------------


def _by_path(tree: Tree) -> tuple[dict[str, Any], Any]:
    """The arrays of a tree by their paths, and its layout."""
    if isinstance(tree, Mapping):
        if all(hasattr(x, "dtype") for x in tree.values()):  # the usual, quickly
            return {f"[{key!r}]": x for key, x in tree.items()}, dict.fromkeys(tree)
        tree = dict(tree)
    if type(tree) in PASSING:
        return {"": tree}, None
    leaves, layout = arrays_of(tree)
    return dict(zip(paths(tree, True, PASSING), leaves, strict=True)), layout


def parameters_of(who: str, parameters: Tree) -> tuple[dict[str, Any], Any]:
    """The parameters by path, and the layout of their tree.

    Raises:
        TypeError: one is no array of floats.
    """
    leaves, layout = _by_path(parameters)
    for path, p in leaves.items():
        kind = getattr(getattr(p, "dtype", None), "kind", None)
        if kind != "f":
            got = type(p).__name__ if kind is None else f"an array of {p.dtype}"
            raise TypeError(
                f"{who}: expected arrays of floats as parameters, got {got} for {_name(path)}; "
                "make it one with np.asarray(x, dtype=float)"
            )
    return leaves, layout


def fitting(expected: str, given: Tree, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of `given` by path, those for these parameters of their shapes and dtypes."""
    found = _by_path(given)[0]
    for path, p in leaves.items():
        x: Any = found.get(path)
        shape = getattr(x, "shape", None)
        if shape != p.shape:
            got = "none" if x is None else type(x).__name__ if shape is None else shape
            raise ValueError(f"{expected} of shape {p.shape} for {_name(path)}, got {got}")
        if x.dtype != p.dtype:
            raise ValueError(
                f"{expected} of {p.dtype} for {_name(path)}, got {x.dtype}; data and labels of "
                "that type keep it"
            )
    return found


def _check_parts(optimiser: Optimiser, state: Any) -> None:
    wanted = [*optimiser.remembers, *(["t"] if optimiser.counts else [])]
    got = sorted(state) if isinstance(state, Mapping) else type(state).__name__
    if got != sorted(wanted):
        raise ValueError(
            f"{optimiser.name}: expected a state of {', '.join(wanted) or 'nothing, {}'}, as "
            f"init(parameters) makes it, got {', '.join(got) if isinstance(got, list) else got}"
        )


def _name(path: str) -> str:
    """`W1` for `['W1']`; a longer path as it is, and an array that stands alone."""
    inner = path.removeprefix("['").removesuffix("']")
    return inner if path == f"['{inner}']" and "'" not in inner else path or "the array"
