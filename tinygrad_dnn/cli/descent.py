"""Training as the command line does it: what is shown, recorded and saved on the way."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_dnn.cli.output import Log, complain
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import RECORD_EVERY, DivergedError, Settings, State, accuracy, train

SETS = ("training", "test")  # what the files hold, in this order


@dataclass
class Examples:
    """One data file read: columns X (n_x, m), labels Y (1, m), and what a model must remember."""

    name: str
    X: Any
    Y: Any
    shape: tuple[int, ...]
    scale: float
    classes: tuple[str, ...]
    fingerprint: str


# By what they were taken on, rows (k, 2) of iteration and accuracy.
Shares = dict[str, Any]


class Run(NamedTuple):
    """Where a run stands, the accuracies on the way, and why it had to stop, if it had to."""

    state: State
    shares: Shares
    stopped: str = ""


def descend(
    args: argparse.Namespace,
    settings: Settings,
    examples: list[Examples],
    start: Run,
    model: Path,
    log: Log,
    stop: Stop,
) -> tuple[Run, int]:
    """Train, show the cost as the document does, save every so often; the last state and status."""
    data = examples[0]
    latest = start

    def save(run: Run) -> None:
        run_file.save(model, _checkpoint(settings, data, run))

    if not args.resume:
        save(start)
    with _progress(args.iterations, start.state.iteration) as bar:

        def after(state: State, cost: float) -> None:
            nonlocal latest
            done = state.iteration - 1
            recorded = done % RECORD_EVERY == 0
            # One assignment, so that whatever interrupts finds both of the same iteration.
            latest = Run(state, _measured(examples, latest) if recorded else latest.shares)
            if recorded:
                with bar.external_write_mode():
                    log.say(f"Cost after iteration {done}: {cost:f}")
            bar.update()
            if state.iteration % args.checkpoint_every == 0 or state.iteration == args.iterations:
                save(latest)
            stop.check()

        def note(words: str) -> None:
            if not start.state.iteration:  # once in a run
                with bar.external_write_mode():
                    log.say(words)

        try:
            train(
                data.X,
                data.Y,
                settings,
                args.iterations,
                start=start.state,
                after=after,
                note=note,
            )
            return latest, DONE
        except (KeyboardInterrupt, BrokenPipeError):  # or nobody reads what is printed any more
            save(latest)
            return latest, stop.status
        except DivergedError as diverged:
            bar.close()
            good = Run(
                diverged.state, _until(latest.shares, diverged.state.iteration), str(diverged)
            )
            save(good)
            complain(
                f"stopped: {diverged}\n{model} holds the last good parameters, after iteration "
                f"{diverged.state.iteration}."
            )
            return good, NO


def _progress(total: int, begun: int) -> Any:
    """A bar on a terminal; elsewhere one that shows nothing, and loads nothing."""
    if not (sys.stderr and sys.stderr.isatty()):
        return NoBar()
    from tqdm import tqdm

    return tqdm(total=total, initial=begun, unit="it", leave=False)


class NoBar:
    """What is asked of a bar here, and nothing shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def external_write_mode(self) -> AbstractContextManager[None]:
        """Nothing is in the way of a line of text."""
        return nullcontext()

    def update(self) -> None:
        """One iteration more."""

    def close(self) -> None:
        """Nothing is left to take away."""


def _measured(examples: list[Examples], run: Run) -> Shares:
    """The accuracies, with those of the parameters that the newest cost was taken from."""
    shares = dict(run.shares)
    for data, what in zip(examples, SETS, strict=False):
        row = [[run.state.iteration, accuracy(data.X, data.Y, run.state.parameters)]]
        shares[what] = np.concatenate([shares.get(what, np.empty((0, 2))), row])
    return shares


def _until(shares: Shares, iteration: int) -> Shares:
    return {what: rows[rows[:, 0] <= iteration] for what, rows in shares.items()}


def _checkpoint(settings: Settings, data: Examples, run: Run) -> run_file.Checkpoint:
    state = run.state
    return run_file.Checkpoint(
        parameters=dict(state.parameters),
        layer_dims=settings.layer_dims,
        iteration=state.iteration,
        costs=state.costs,
        settings=settings.described(),
        data_fingerprint=data.fingerprint,
        class_names=data.classes,
        x_shape=data.shape,
        x_scale=data.scale,
        loop_state=dict(state.accumulators),  # going on bit for bit needs it
        accuracies=run.shares,
    )
