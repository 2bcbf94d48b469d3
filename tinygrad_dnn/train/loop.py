"""The training loop: gradient descent on the network's cost, resumable anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import CPU, device_module, to_host
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.network import initialize_parameters
from tinygrad_dnn.optim import Plateau, early_stopping
from tinygrad_dnn.storage.validate import integer
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train.divergence import DivergedError, divergence
from tinygrad_dnn.train.examples import Examples, Order, check_examples
from tinygrad_dnn.train.iterations import REWRITTEN, Advance, Iteration, advance_on
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.shards import Shards, ShardsHere, advance_in_shards
from tinygrad_dnn.train.state import State
from tinygrad_dnn.train.streamed import StreamedExamples, StreamedPredictor

Array = NDArray[Any]
HeldOut = Callable[[Mapping[str, Any]], float]  # the cost on validation examples
RECORD_EVERY = 100  # iterations between recorded costs of the full batch, as the document prints


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
    device: str | ModuleType = CPU,
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
        device: where to compute: "cpu", "cuda" (a GPU, by CuPy), or an array module of another kind
            (or its name) with CuPy's `asarray`, `asnumpy` and NumPy's functions. Examples go there
            once. States hold NumPy arrays whatever the device, which are copied from it when they
            are looked at; of an iteration the cost and a number for "all is finite" come back.

    Returns:
        The last state; predict with its `chosen` parameters.

    Raises:
        ValueError: data, settings or a start that can't be used together; no such device; CuPy
            is not installed, or finds no GPU.
        DivergedError: the cost or a parameter became NaN or infinite; the message says in which
            iteration and op and what to try, its `state` is the last good one.
    """
    there = device_module(device)
    if settings.memory is not None:
        raise ValueError(
            "memory: these settings have batches read from a file within it; train_streamed does"
        )
    X, Y = check_examples(X, Y, settings)
    if settings.shards is not None:
        if there is not np:
            raise ValueError(
                "device: shards are computed in this machine's memory; leave shards out"
            )
        shards = ShardsHere(X, Y, settings, weights)
        return train_in_shards(
            shards, settings, iterations, start=start, validation=validation, after=after,
            note=note, progress=progress,
        )  # fmt: skip
    examples = Examples(X, Y, settings, weights, there.asarray)

    def begin_at(state: State) -> Advance:
        return advance_on(examples, settings, state, note, there)

    cost = _cost_on(validation, settings, there)
    return _descend(examples, begin_at, settings, iterations, start, cost, after, progress, there)


def train_streamed(
    data: Dataset,
    settings: Settings,
    iterations: int = 2500,
    *,
    start: State | None = None,
    validation: Dataset | None = None,
    weights: Array | None = None,
    after: Callable[[State, float], None] | None = None,
    note: Callable[[str], None] | None = None,
    progress: bool = False,
    device: str | ModuleType = CPU,
) -> State:
    """As `train`, of examples that stay in their file and are read in batches: `data.Stream`.

        settings = Settings((784, 64, 10), 0.001, cost="softmax", batch_size=64, memory=512)
        with read("large.h5") as data:
            state = train_streamed(data, settings, iterations=10_000)

    Three quarters of `settings.memory` are for the batches, a quarter for reading the validation
    examples. Beside that are the labels, their positions and the program. The costs are those of
    `train` in the same order, bit for bit; going on with a state wants a file in the same chunks.

    Args:
        data: the training examples, `Dataset.rows` of a file or all of it; it stays open.
        validation: examples that are not trained on; their cost is that of `train` but for
            rounding.

    Raises:
        ValueError, DivergedError: as `train`; too little memory.
        OSError: the file is damaged.
    """
    there = device_module(device)
    with closing(StreamedExamples(data, settings, weights, there.asarray)) as examples:

        def begin_at(state: State) -> Advance:
            return advance_on(examples, settings, state, note, there)

        cost = None
        if validation is not None:
            cost = partial(StreamedPredictor(validation, settings).cost, bring=there.asarray)
        return _descend(
            examples, begin_at, settings, iterations, start, cost, after, progress, there
        )


def train_in_shards(
    shards: Shards,
    settings: Settings,
    iterations: int = 2500,
    *,
    start: State | None = None,
    validation: tuple[Array, Array] | None = None,
    after: Callable[[State, float], None] | None = None,
    note: Callable[[str], None] | None = None,
    progress: bool = False,
) -> State:
    """As `train`, on examples in shards, which may be in other processes.

    The same number of shards gives the same bits, wherever they are; they are those of `train` on
    all examples but for rounding. Under `settings.local_steps` = K an advance is K iterations at
    once (local SGD): costs are recorded, and `after` is called, where shards have exchanged what
    they learnt, at multiples of K and in the end.

    S. U. Stich, Local SGD Converges Fast and Communicates Little, 2019.

    Args:
        shards: of `settings.shards` parts.

    Raises:
        ValueError, DivergedError: as `train`.
    """
    order = Order(shards.m, settings)

    def begin_at(state: State) -> Advance:
        if note is not None and settings.compiled and settings.cost == "document":
            note(REWRITTEN)
        return advance_in_shards(shards, order, settings, state, iterations)

    cost = _cost_on(validation, settings, np)
    return _descend(order, begin_at, settings, iterations, start, cost, after, progress)


def _cost_on(
    validation: tuple[Array, Array] | None, settings: Settings, there: ModuleType
) -> HeldOut | None:
    """The cost on validation examples, which lie where is computed."""
    if validation is None:
        return None
    X, Y = map(there.asarray, check_examples(*validation, settings))
    return partial(settings.held_out_cost, X, Y)


def _descend(
    order: Order,
    begin_at: Callable[[State], Advance],
    settings: Settings,
    iterations: int,
    start: State | None,
    held_out: HeldOut | None,
    after: Callable[[State, float], None] | None,
    progress: bool,
    there: ModuleType = np,
) -> State:
    iterations = integer(iterations, "iterations")
    if settings.early_stopping is not None and held_out is None:
        raise ValueError(
            "early_stopping: it needs examples that are not trained on; give validation=, as "
            "keep_validation makes it"
        )
    for name in ("validation", "fold"):
        kept = getattr(settings, name)
        if kept is not None and held_out is None:
            raise ValueError(
                f"{name}: the settings keep {kept} of the examples from training; give the others "
                "as X and Y and these as validation=: keep_validation(X, Y, settings)"
            )
    start = begin(settings) if start is None else _check_start(start, settings)
    state = _begun(start, settings, order)
    if state.iteration >= iterations or state.stopped:
        return start
    if there is not np:
        state = state.moved(there.asarray)

    def home(state: State) -> State:
        """What others see of a state: NumPy's arrays."""
        return state if there is np else state.moved(to_host)

    good = state
    with (
        blas_threads(largest_product(settings.layer_dims, order.size)),
        _bar(iterations, state.iteration, progress) as bar,
    ):
        with np.errstate(all="ignore"):  # of what is computed once for all iterations
            advance = begin_at(state)
        while state.iteration < iterations and not state.stopped:
            with np.errstate(all="ignore"):  # what is not finite is reported here, with its cause
                made = advance(state)
                what, at = None, state
                if not math.isfinite(made.cost):
                    what, at = f"the cost became {made.cost}", good
                elif made.wrong is not None:
                    what = f"{made.wrong} got NaN or inf among its numbers"
                if what is not None:
                    raise DivergedError(
                        divergence(what, made.watched(), state.iteration, settings), home(at)
                    )
            good, state = state, _recorded(state, made, settings, held_out)
            if after is not None:
                after(home(state), made.cost)
            if bar is not None:
                bar.update(state.iteration - good.iteration)
    return home(state)


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


def _begun(start: State, settings: Settings, order: Order) -> State:
    """The state with what the first iteration needs beside parameters."""
    rule = settings.rule()
    fresh = start.iteration == 0
    optimizer = start.optimizer
    if not optimizer and (fresh or not rule.remembers):
        optimizer = rule.init(dict(start.parameters))
    random_state = start.random_state
    if random_state is None and order.draws:
        if not fresh:
            raise ValueError("start: expected a random state, as the run that it is of draws")
        random_state = order.begin()
    if not fresh and start.layout != order.layout:
        raise ValueError(
            f"start: the run read its examples in blocks and windows of {start.layout}, the order "
            f"now hangs on {order.layout}; go on with a file in the same chunks, and its memory"
        )
    if optimizer == start.optimizer == {} and random_state is start.random_state:
        return start
    return replace(start, optimizer=optimizer, random_state=random_state, layout=order.layout)


# --- records --------------------------------------------------------------------------------------


def _recorded(
    before: State, made: Iteration, settings: Settings, held_out: HeldOut | None
) -> State:
    """The new state with its costs, and at a record with what follows from them."""
    value, state, turn = made.cost, made.state, made.turn
    if settings.batch_size is None:  # the cost of the parameters before
        if -before.iteration % RECORD_EVERY >= state.iteration - before.iteration:
            return state
        return _at_record(state, before.iteration, value, before.parameters, settings, held_out)
    total = before.epoch_cost + value * turn.m
    seen = before.epoch_examples + turn.m
    if not turn.last:
        return replace(state, epoch_cost=total, epoch_examples=seen)
    state = replace(state, epoch_cost=0.0, epoch_examples=0)
    return _at_record(state, state.iteration, total / seen, state.parameters, settings, held_out)


def _at_record(
    state: State,
    iteration: int,
    cost: float,
    parameters: Mapping[str, Array],
    settings: Settings,
    held_out: HeldOut | None,
) -> State:
    state = replace(state, costs=(*state.costs, (iteration, cost)))
    judged = cost
    if held_out is not None:
        judged = held_out(parameters)
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
