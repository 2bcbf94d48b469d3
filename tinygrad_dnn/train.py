"""The training loop: full-batch gradient descent on the network's cost, resumable anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.autodiff.debug import NonFiniteError, debug
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.compiler import compile
from tinygrad_dnn.graph import no_grad
from tinygrad_dnn.loops.loop import Loop
from tinygrad_dnn.loops.loop_compiler import compile_loop
from tinygrad_dnn.network import (
    BINARY_COSTS,
    INITIALISERS,
    check_layers,
    cost_of,
    forward,
    initialize_parameters,
)
from tinygrad_dnn.optim import check_learning_rate, gradient_descent
from tinygrad_dnn.threads import blas_threads, largest_product

Array = NDArray[Any]
DTYPES = ("float64", "float32")
RECORD_EVERY = 100  # iterations between recorded costs, as the document prints them
REFRESH = 500  # iterations after which a loop begins anew from whole parameters


class DivergedError(ArithmeticError):
    """The cost or a parameter stopped being a finite number.

    Attributes:
        state: the last good one, whose cost was finite; or where the run began, if none was.
    """

    def __init__(self, message: str, state: State) -> None:
        super().__init__(message)
        self.state = state


@dataclass(frozen=True)
class Settings:
    """The settings that determine a run, besides its data. Checked when made.

    Attributes:
        layer_dims: (n_x, n_1, ..., 1).
        learning_rate: the step α of gradient descent.
        seed, init: of `network.initialize_parameters`.
        dtype: "float64" or "float32", of parameters and arithmetic.
        cost: "document" or "stable", see `network.cost_of`.
        compiled: run the iteration as a compiled program, whose rewritten cost stays finite where
            an output is 0 or 1; otherwise exactly what is written, op by op.

    Raises:
        ValueError: one of them can't be used; the message names it.
    """

    layer_dims: tuple[int, ...]
    learning_rate: float = 0.0075
    seed: int = 1
    init: str = "sqrt"
    dtype: str = "float64"
    cost: str = "document"
    compiled: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer_dims", check_layers(self.layer_dims))
        object.__setattr__(self, "learning_rate", check_learning_rate(self.learning_rate))
        for name, known in (("init", INITIALISERS), ("dtype", DTYPES), ("cost", BINARY_COSTS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if not isinstance(self.compiled, (bool, np.bool_)):
            raise ValueError(f"compiled: expected True or False, got {self.compiled!r}")
        object.__setattr__(self, "compiled", bool(self.compiled))
        whole = isinstance(self.seed, (int, np.integer)) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: expected an integer from 0 to 2**32 - 1, got {self.seed!r}")
        object.__setattr__(self, "seed", int(self.seed))

    def described(self) -> dict[str, Any]:
        """The settings as a flat dict, without the layers."""
        values = asdict(self)
        del values["layer_dims"]
        return values


@dataclass(frozen=True)
class State:
    """Where a run stands after `iteration` complete iterations; never changed, only replaced.

    `accumulators` are what a loop of fewer operations carries in place of a parameter, see
    `loops.Snapshot`: going on bit for bit needs it.
    """

    parameters: Mapping[str, Array]
    iteration: int = 0
    costs: tuple[tuple[int, float], ...] = ()
    accumulators: Mapping[str, Array] = field(default_factory=dict)


def begin(settings: Settings) -> State:
    """The state before the first iteration."""
    s = settings
    return State(initialize_parameters(s.layer_dims, s.init, s.seed, s.dtype))


def check_examples(X: Array, Y: Array, settings: Settings) -> tuple[Array, Array]:
    """X and Y as training needs them, in the settings' dtype; X keeps its memory order.

    Raises:
        ValueError: shapes that do not fit each other or the layers, no examples, labels other than
            0 and 1, or values that are not finite in that dtype.
    """
    X, Y = np.asarray(X), np.asarray(Y)
    if X.ndim != 2 or X.shape[0] != settings.layer_dims[0]:
        raise ValueError(
            f"X: expected ({settings.layer_dims[0]}, m), the first layer's size by examples, "
            f"got {X.shape}"
        )
    if X.shape[1] == 0:
        raise ValueError("X: expected at least one example, got none")
    _check_labels(X, Y)
    if not np.isin(Y, (0, 1)).all():
        odd = Y[~np.isin(Y, (0, 1))].flat[0]
        raise ValueError(f"Y: expected labels 0 and 1, got {odd}")
    with np.errstate(over="ignore"):  # what becomes infinite is reported below
        X = X.astype(settings.dtype, copy=False)
    if not np.isfinite(X).all():
        raise ValueError(
            f"X: expected numbers finite in {settings.dtype}, got NaN or inf among them"
        )
    return X, Y.astype(settings.dtype)


def _check_labels(X: Array, Y: Array) -> None:
    if Y.shape != (1, X.shape[1]):
        raise ValueError(
            f"Y: expected (1, {X.shape[1]}), a label for each column of X, got {Y.shape}; "
            "labels in one row: Y.reshape(1, -1)"
        )


def _check_start(start: State, settings: Settings) -> State:
    """A state that training with these settings can go on from."""
    for l, (n_prev, n) in enumerate(pairwise(settings.layer_dims), start=1):
        for name, shape in ((f"W{l}", (n, n_prev)), (f"b{l}", (n, 1))):
            p = start.parameters.get(name)
            if p is None or p.shape != shape or p.dtype != settings.dtype:
                got = "none" if p is None else f"{p.shape} {p.dtype}"
                raise ValueError(f"start: expected {name} {shape} {settings.dtype}, got {got}")
    return start


def train(
    X: Array,
    Y: Array,
    settings: Settings,
    iterations: int = 2500,
    *,
    start: State | None = None,
    after: Callable[[State, float], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> State:
    """Gradient descent over the whole batch until `iterations` iterations are complete.

    Args:
        X: examples in columns (n_x, m). Columns of a C-ordered (m, n_x) array, as
            `Dataset.columns` gives them, are the fastest memory order here.
        Y: labels (1, m), 0 or 1.
        iterations: in all, those of `start` included.
        start: where to go on; `begin(settings)` by default.
        after: called with each new state and the cost it was reached from.
        note: called once with what is computed otherwise than it is written, if anything is.

    Returns:
        The last state. Its costs hold every 100th, taken before the update, as the document's.

    Raises:
        ValueError: data, settings or a start that can't be used together.
        DivergedError: the cost or a parameter became NaN or infinite; the message says in which
            iteration and op and what to try, its `state` is the last good one.
    """
    X, Y = check_examples(X, Y, settings)
    good = state = begin(settings) if start is None else _check_start(start, settings)
    with blas_threads(largest_product(settings.layer_dims, X.shape[1])):
        advance = _advancing(X, Y, settings, state, note) if state.iteration < iterations else None
        while advance is not None and state.iteration < iterations:
            with np.errstate(all="ignore"):  # what is not finite is reported here, with its cause
                value, after_it, broken = advance(state)
                if not math.isfinite(value):
                    what = f"the cost became {value}"
                    raise DivergedError(_divergence(what, X, Y, state, settings), good)
                if broken is not None:
                    what = f"{broken} got NaN or inf among its numbers"
                    raise DivergedError(_divergence(what, X, Y, state, settings), state)
            costs = state.costs
            if state.iteration % RECORD_EVERY == 0:
                costs = (*costs, (state.iteration, value))
            good = state
            state = replace(after_it, costs=costs)
            if after is not None:
                after(state, value)
    return state


# From a state: the cost it has, the next state but for its costs, and the parameter of that, if
# any, that is not finite.
Advance = Callable[[State], tuple[float, State, str | None]]


def _advancing(
    X: Array, Y: Array, settings: Settings, state: State, note: Callable[[str], None] | None
) -> Advance:
    """An iteration from `state` on: op by op, compiled, or in a loop that does less."""
    step: Callable[..., Any] = iteration_of(settings)
    steps: Sequence[Any] = ()
    loop = _loop_of(step, X, Y, state) if settings.compiled else None
    if loop is not None:
        steps = loop.steps
    elif settings.compiled:
        step = compile(step, reuse_outputs=True).prepare(dict(state.parameters), X, Y)
        steps = step.steps
    if note is not None and any(s.row.name.startswith("log") for s in steps):
        note(
            "log σ(Z) is rewritten: the cost stays finite where an output rounds to 0 or 1 "
            "(the literal way is eager)"
        )
    if loop is not None:
        if note is not None:
            note(loop.summary)
        return _in_a_loop(loop)

    def advance(state: State) -> tuple[float, State, str | None]:
        cost, parameters = step(dict(state.parameters), X, Y)
        return float(cost), State(parameters, state.iteration + 1), _broken(parameters)

    return advance


def _loop_of(step: Callable[..., Any], X: Array, Y: Array, state: State) -> Loop | None:
    """The iteration as a loop that goes on from `state`; None where that saves no operations."""

    def repeated(parameters: Any, X: Any, Y: Any) -> tuple[Any, Any]:
        cost, after = step(parameters, X, Y)
        return after, cost

    start = dict(state.parameters)
    loop = compile_loop(repeated, carry=start, constants={"X": X, "Y": Y}, refresh=REFRESH)
    if not loop.summary:
        return None
    loop.resume(start, state.iteration, state.accumulators)
    return loop


def _in_a_loop(loop: Loop) -> Advance:
    def advance(state: State) -> tuple[float, State, str | None]:
        cost = loop.step()
        now = loop.snapshot()
        parameters = LazyArrays(lambda: now.carry)
        accumulators = LazyArrays(lambda: now.accumulators)
        broken = None if now.finite else _broken(parameters)
        return float(cost), State(parameters, now.iteration, (), accumulators), broken

    return advance


def _broken(parameters: Mapping[str, Array]) -> str | None:
    """The name of a parameter that holds NaN or infinity."""
    for name, p in parameters.items():
        # A finite p · p has no place for them, and needs no memory.
        if not math.isfinite(np.vdot(p, p)) and not np.isfinite(p).all():
            return name
    return None


def iteration_of(settings: Settings) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """An iteration as a function (parameters, X, Y) -> (cost, the next parameters)."""

    def step(parameters: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, dict[str, Any]]:
        x = X if isinstance(X, Tensor) else Tensor(X, name="X")

        def cost(p: Mapping[str, Tensor]) -> Tensor:
            for name, t in p.items():
                t.name = name
            return cost_of(x, Y, p, settings.cost)

        value, slopes = value_and_grad(cost)(parameters)
        return value, gradient_descent(parameters, slopes, settings.learning_rate)

    return step


def _divergence(what: str, X: Array, Y: Array, state: State, settings: Settings) -> str:
    """Say what is not finite, where it began and what to try: the iteration again, watched."""
    where = ""
    # A compiled document's cost is computed as the stable one is.
    literal = replace(settings, cost="stable") if settings.compiled else settings
    try:
        with debug():
            iteration_of(literal)(dict(state.parameters), X, Y)
    except NonFiniteError as first:
        where = f" {str(first).removeprefix('debug: ')}."
    smaller = f"a learning rate below {settings.learning_rate}"
    remedy = smaller if literal.cost == "stable" else f'the cost "stable", or {smaller}'
    return f"{what} in iteration {state.iteration}.{where} Try {remedy}."


def predict(X: Array, parameters: Mapping[str, Array]) -> Array:
    """Probabilities (1, m) that the label is 1."""
    with no_grad(), np.errstate(over="ignore"):
        _, AL = forward(X, parameters)
    return np.asarray(AL.data)


def accuracy(X: Array, Y: Array, parameters: Mapping[str, Array]) -> float:
    """The share of examples whose probability is above 0.5 exactly where the label is 1.

    Raises:
        ValueError: shapes that do not fit, as Y (m,), which would broadcast to (m, m).
    """
    _check_labels(X, Y)
    return float(np.mean((predict(X, parameters) > 0.5) == (Y == 1)))


class LazyArrays(Mapping[str, Any]):
    """Arrays by name, put together when they are first looked at."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _found(self) -> dict[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __reduce__(self) -> Any:
        return dict, (self._found,)
