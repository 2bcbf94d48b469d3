"""The iterations of a run from a state on: op by op, compiled, or in a loop that does less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any, NamedTuple

from numpy.typing import NDArray

from tinygrad_dnn.array_modules import number
from tinygrad_dnn.compiler import compile
from tinygrad_dnn.loops.loop import Loop
from tinygrad_dnn.loops.loop_compiler import compile_loop
from tinygrad_dnn.optim import Plateau
from tinygrad_dnn.train.divergence import broken, watched
from tinygrad_dnn.train.examples import Batch, Examples, Turn
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.state import LazyArrays, State
from tinygrad_dnn.train.step import iteration_of, step_of
from tinygrad_dnn.train.streamed import StreamedExamples

Array = NDArray[Any]
REWRITTEN = (
    "log σ(Z) is rewritten: the cost stays finite where an output rounds to 0 or 1 (eager "
    "computes it as it is written)"
)
REFRESH = 500  # iterations after which a loop begins anew from whole parameters


class Iteration(NamedTuple):
    """An iteration, or as many as are made at once.

    Attributes:
        cost: of the state before.
        state: the next one, but for its costs.
        turn: which examples it took.
        wrong: the parameter of that state, if any, that is not finite.
        watched: computes it again, and says where it stopped being finite; "" if nobody sees that.
    """

    cost: float
    state: State
    turn: Turn
    wrong: str | None
    watched: Callable[[], str]


Advance = Callable[[State], Iteration]


def advance_on(
    examples: Examples | StreamedExamples,
    settings: Settings,
    state: State,
    note: Callable[[str], None] | None,
    there: ModuleType,
) -> Advance:
    """An iteration from `state` on: op by op, compiled, or in a loop that does less."""
    step: Callable[..., Any] = step_of(settings, examples.m)
    steps: Sequence[Any] = ()
    done = state.iteration % examples.steps
    batches: Iterator[Batch] = examples.batches(state.parameters, state.random_state, done)
    rate = rate_of(settings, there)
    loop = None
    if settings.compiled:
        if settings.loops and isinstance(examples, Examples) and examples.weights is None:
            loop = _loop_of(iteration_of(settings), examples.X, examples.Y, state)
        if loop is not None:
            steps = loop.steps
        else:
            step = compile(step, reuse_outputs=True)
            first = next(batches)
            step = step.prepare(*_arguments(state, first, rate))
            batches = chain([first], batches)
            steps = step.steps
    if note is not None and any(s.row.name.startswith("log") for s in steps):
        note(REWRITTEN)
    if loop is not None:
        if note is not None:
            note(loop.summary)
        return _in_a_loop(loop, next(batches), settings)

    def advance(state: State) -> Iteration:
        batch = next(batches)
        arguments = _arguments(state, batch, rate)
        cost, parameters, optimizer = step(*arguments)
        after = replace(
            state,
            parameters=parameters,
            optimizer=optimizer,
            iteration=state.iteration + 1,
            accumulators={},
            random_state=batch.turn.random_state,
        )
        again = partial(watched, settings, state, *arguments[2:])
        return Iteration(float(number(cost)), after, batch.turn, broken(parameters), again)

    return advance


def _arguments(state: State, batch: Batch, rate: Callable[[State], Any] | None) -> tuple[Any, ...]:
    given = batch.given
    if rate is not None:
        given = given | {"learning_rate": rate(state)}
    return dict(state.parameters), dict(state.optimizer), batch.X, batch.Y, given


def rate_of(settings: Settings, there: ModuleType) -> Callable[[State], Any] | None:
    """The rate of the iteration from a state on, 0-d; None where it is always the same."""
    if settings.rate_is_constant:
        return None
    rate, steps = settings.rate(), settings.warm_up

    def after_warm_up(state: State) -> float:
        if isinstance(rate, Plateau):
            return rate.rate if state.plateau is None else state.plateau["rate"]
        return rate(max(0, state.iteration - steps))

    return lambda state: there.asarray(
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


def _in_a_loop(loop: Loop, batch: Batch, settings: Settings) -> Advance:
    def advance(state: State) -> Iteration:
        cost = loop.step()
        now = loop.snapshot()
        parameters = LazyArrays(lambda: now.carry, now)
        accumulators = LazyArrays(lambda: now.accumulators)
        wrong = None if now.finite else broken(parameters)
        after = replace(
            state, parameters=parameters, iteration=now.iteration, accumulators=accumulators
        )
        again = partial(watched, settings, state, batch.X, batch.Y, batch.given)
        return Iteration(float(number(cost)), after, batch.turn, wrong, again)

    return advance
