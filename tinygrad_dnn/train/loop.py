"""The training loop: gradient descent on the network's cost, resumable anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.autodiff.debug import NonFiniteError, debug
from tinygrad_dnn.compiler import compile
from tinygrad_dnn.loops.loop import Loop
from tinygrad_dnn.loops.loop_compiler import compile_loop
from tinygrad_dnn.network import initialize_parameters
from tinygrad_dnn.optim import Plateau, early_stopping
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train.examples import Batch, Examples, check_examples
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.state import LazyArrays, State
from tinygrad_dnn.train.step import iteration_of, step_of

Array = NDArray[Any]
RECORD_EVERY = 100  # iterations between recorded costs of the full batch, as the document prints
REFRESH = 500  # iterations after which a loop begins anew from whole parameters


class DivergedError(ArithmeticError):
    """The cost or a parameter stopped being a finite number.

    Attributes:
        state: the last good one, whose cost was finite; or where the run began, if none was.
    """

    def __init__(self, message: str, state: State) -> None:
        super().__init__(message)
        self.state = state


def begin(settings: Settings) -> State:
    """The state before the first iteration."""
    s = settings
    return State(initialize_parameters(s.layer_dims, s.init, s.seed, s.dtype, s.head))


def steps_per_epoch(settings: Settings, m: int) -> int:
    """Iterations in an epoch of m training examples; 1 in the full batch."""
    return 1 if settings.batch_size is None else -(-m // settings.batch_size)


def train(
    X: Array,
    Y: Array,
    settings: Settings,
    iterations: int = 2500,
    *,
    start: State | None = None,
    validation: tuple[Array, Array] | None = None,
    weights: Array | None = None,
    after: Callable[[State, float], None] | None = None,
    note: Callable[[str], None] | None = None,
    progress: bool = False,
) -> State:
    """Train until `iterations` iterations are complete, or early stopping ends it.

    Costs are recorded of the full batch every 100th iteration, before its update, as the
    document's; of mini-batches at the end of each epoch, as the mean over its examples. Where they
    are, validation examples are looked at, a plateau may cut the rate, and early stopping end the
    run.

    Args:
        X: examples in columns (n_x, m). Columns of a C-ordered (m, n_x) array, as
            `Dataset.columns` gives them, are the fastest memory order here.
        Y: labels (1, m), one-hot columns (n_L, m), or under a linear head numbers (n_L, m).
        iterations: in all, those of `start` included; an epoch has `steps_per_epoch`.
        start: where to go on; `begin(settings)` by default.
        validation: (X, Y) that are not trained on, as `keep_validation` gives them.
        weights: of the examples, (1, m).
        after: called with each new state and the cost it was reached from.
        note: called once with what is computed otherwise than it is written, if anything is.
        progress: show a bar with rate and remaining time, in a terminal or a notebook.

    Returns:
        The last state; predict with its `chosen` parameters.

    Raises:
        ValueError: data, settings or a start that can't be used together.
        DivergedError: the cost or a parameter became NaN or infinite; the message says in which
            iteration and op and what to try, its `state` is the last good one.
    """
    X, Y = check_examples(X, Y, settings)
    held_out = None if validation is None else check_examples(*validation, settings)
    if settings.early_stopping is not None and held_out is None:
        raise ValueError(
            "early_stopping: it needs examples that are not trained on; give validation=, as "
            "keep_validation makes it"
        )
    examples = Examples(X, Y, settings, weights)
    start = begin(settings) if start is None else _check_start(start, settings)
    good = state = _begun(start, settings, examples)
    if state.iteration >= iterations or state.stopped:
        return start
    with (
        blas_threads(largest_product(settings.layer_dims, examples.size)),
        _bar(iterations, state.iteration, progress) as bar,
    ):
        with np.errstate(all="ignore"):  # of what is computed once for all iterations
            advance = _advancing(examples, settings, state, note)
        while state.iteration < iterations and not state.stopped:
            with np.errstate(all="ignore"):  # what is not finite is reported here, with its cause
                value, next_one, batch, broken = advance(state)
                if not math.isfinite(value):
                    what = f"the cost became {value}"
                    raise DivergedError(_divergence(what, batch, state, settings), good)
                if broken is not None:
                    what = f"{broken} got NaN or inf among its numbers"
                    raise DivergedError(_divergence(what, batch, state, settings), state)
            good, state = state, _recorded(state, next_one, value, batch, settings, held_out)
            if after is not None:
                after(state, value)
            if bar is not None:
                bar.update()
    return state


def _bar(total: int, begun: int, shown: bool) -> AbstractContextManager[Any]:
    if not shown:
        return nullcontext()
    from tqdm.auto import tqdm  # loaded where it is shown

    bar: AbstractContextManager[Any] = tqdm(total=total, initial=begun, unit="it")
    return bar


def _check_start(start: State, settings: Settings) -> State:
    """A state that training with these settings can go on from."""
    for l, (n_prev, n) in enumerate(pairwise(settings.layer_dims), start=1):
        for name, shape in ((f"W{l}", (n, n_prev)), (f"b{l}", (n, 1))):
            p = start.parameters.get(name)
            if p is None or p.shape != shape or p.dtype != settings.dtype:
                got = "none" if p is None else f"{p.shape} {p.dtype}"
                raise ValueError(f"start: expected {name} {shape} {settings.dtype}, got {got}")
    return start


def _begun(start: State, settings: Settings, examples: Examples) -> State:
    """The state with what the first iteration needs beside parameters."""
    rule = settings.rule()
    fresh = start.iteration == 0
    optimizer = start.optimizer
    if not optimizer and (fresh or not rule.remembers):
        optimizer = rule.init(dict(start.parameters))
    random_state = start.random_state
    if random_state is None and examples.draws:
        if not fresh:
            raise ValueError("start: expected a random state, as the run that it is of draws")
        random_state = examples.begin()
    if optimizer == start.optimizer == {} and random_state is start.random_state:
        return start
    return replace(start, optimizer=optimizer, random_state=random_state)


# --- records --------------------------------------------------------------------------------------


def _recorded(
    before: State,
    state: State,
    value: float,
    batch: Batch,
    settings: Settings,
    held_out: tuple[Array, Array] | None,
) -> State:
    """The new state with its costs, and at a record with what follows from them."""
    if settings.batch_size is None:  # the cost of the parameters before
        if before.iteration % RECORD_EVERY:
            return state
        return _at_record(state, before.iteration, value, before.parameters, settings, held_out)
    m = batch.X.shape[1]
    total, seen = before.epoch_cost + value * m, before.epoch_examples + m
    if not batch.last:
        return replace(state, epoch_cost=total, epoch_examples=seen)
    state = replace(state, epoch_cost=0.0, epoch_examples=0)
    return _at_record(state, state.iteration, total / seen, state.parameters, settings, held_out)


def _at_record(
    state: State,
    iteration: int,
    cost: float,
    parameters: Mapping[str, Array],
    settings: Settings,
    held_out: tuple[Array, Array] | None,
) -> State:
    state = replace(state, costs=(*state.costs, (iteration, cost)))
    judged = cost
    if held_out is not None:
        judged = settings.held_out_cost(*held_out, parameters)
        if not math.isfinite(judged):
            return state  # nothing to record; the run itself is still good
        state = replace(state, validation=(*state.validation, (iteration, judged)))
    rate = settings.rate()
    if isinstance(rate, Plateau):
        _, plateau = rate.update(judged, state.plateau or rate.init())
        state = replace(state, plateau=plateau)
    if settings.early_stopping is not None:
        stopping = early_stopping(settings.early_stopping)
        best = state.best or stopping.init(dict(parameters))
        stopped, best = stopping.update(dict(parameters), judged, dict(best))
        state = replace(state, best=best, stopped=stopped)
    return state


# --- iterations -----------------------------------------------------------------------------------

# From a state: the cost it has, the next state but for its costs, the batch, and the parameter of
# that state, if any, that is not finite.
Advance = Callable[[State], tuple[float, State, Batch, str | None]]


def _advancing(
    examples: Examples, settings: Settings, state: State, note: Callable[[str], None] | None
) -> Advance:
    """An iteration from `state` on: op by op, compiled, or in a loop that does less."""
    step: Callable[..., Any] = step_of(settings, examples.m)
    steps: Sequence[Any] = ()
    done = state.iteration % examples.steps
    batches = examples.batches(state.parameters, state.random_state, done)
    rate = _rate(settings)
    loop = None
    if settings.compiled:
        if settings.loops and examples.weights is None:
            loop = _loop_of(iteration_of(settings), examples.X, examples.Y, state)
        if loop is not None:
            steps = loop.steps
        else:
            step = compile(step, reuse_outputs=True)
            batch = next(examples.batches(state.parameters, state.random_state, done))
            step = step.prepare(*_arguments(state, batch, rate))
            steps = step.steps
    if note is not None and any(s.row.name.startswith("log") for s in steps):
        note(
            "log σ(Z) is rewritten: the cost stays finite where an output rounds to 0 or 1 "
            "(the literal way is eager)"
        )
    if loop is not None:
        if note is not None:
            note(loop.summary)
        return _in_a_loop(loop, next(batches))

    def advance(state: State) -> tuple[float, State, Batch, str | None]:
        batch = next(batches)
        cost, parameters, optimizer = step(*_arguments(state, batch, rate))
        after = replace(
            state,
            parameters=parameters,
            optimizer=optimizer,
            iteration=state.iteration + 1,
            accumulators={},
            random_state=batch.random_state,
        )
        return float(cost), after, batch, _broken(parameters)

    return advance


def _arguments(
    state: State, batch: Batch, rate: Callable[[State], float] | None
) -> tuple[Any, ...]:
    given = batch.given
    if rate is not None:
        given = given | {"learning_rate": np.asarray(rate(state))}
    return dict(state.parameters), dict(state.optimizer), batch.X, batch.Y, given


def _rate(settings: Settings) -> Callable[[State], float] | None:
    """The rate of the iteration from a state on; None where it is always the same."""
    if settings.rate_is_constant:
        return None
    rate, steps = settings.rate(), settings.warm_up

    def after_warm_up(state: State) -> float:
        if isinstance(rate, Plateau):
            return rate.rate if state.plateau is None else state.plateau["rate"]
        return rate(max(0, state.iteration - steps))

    return lambda state: (
        after_warm_up(state) * ((state.iteration + 1) / steps if state.iteration < steps else 1.0)
    )


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


def _in_a_loop(loop: Loop, batch: Batch) -> Advance:
    def advance(state: State) -> tuple[float, State, Batch, str | None]:
        cost = loop.step()
        now = loop.snapshot()
        parameters = LazyArrays(lambda: now.carry, now)
        accumulators = LazyArrays(lambda: now.accumulators)
        broken = None if now.finite else _broken(parameters)
        after = replace(
            state, parameters=parameters, iteration=now.iteration, accumulators=accumulators
        )
        return float(cost), after, batch, broken

    return advance


def _broken(parameters: Mapping[str, Array]) -> str | None:
    """The name of a parameter that holds NaN or infinity."""
    for name, p in parameters.items():
        # A finite p · p has no place for them, and needs no memory.
        if not math.isfinite(np.vdot(p, p)) and not np.isfinite(p).all():
            return name
    return None


def _divergence(what: str, batch: Batch, state: State, settings: Settings) -> str:
    """Say what is not finite, where it began and what to try: the iteration again, watched."""
    where = ""
    # A compiled document's cost is computed as the stable one is.
    rewritten = settings.compiled and settings.cost == "document"
    literal = replace(settings, cost="stable") if rewritten else settings
    try:
        with debug():
            step_of(literal)(dict(state.parameters), state.optimizer, batch.X, batch.Y, batch.given)
    except NonFiniteError as first:
        where = f" {str(first).removeprefix('debug: ')}."
    smaller = f"a learning rate below {settings.learning_rate}"
    remedy = f'the cost "stable", or {smaller}' if literal.cost == "document" else smaller
    return f"{what} in iteration {state.iteration}.{where} Try {remedy}."
