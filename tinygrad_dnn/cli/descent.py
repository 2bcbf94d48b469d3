"""Training as the command line does it: what is shown, recorded and saved on the way."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn import metrics
from tinygrad_dnn.cli.from_file import InFile
from tinygrad_dnn.cli.output import Log, complain
from tinygrad_dnn.cli.progress import progress
from tinygrad_dnn.cli.run_data import TRAINING, VALIDATION, Examples
from tinygrad_dnn.cli.run_settings import Plan, epochs_of
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.status import DONE, NO, UNUSABLE
from tinygrad_dnn.cluster import ClusterError, ClusterShards
from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import (
    DivergedError,
    Predictor,
    Settings,
    State,
    train,
    train_in_shards,
    train_streamed,
)

MEASURED = 12  # steps on a cluster after which it is said whether it pays
LINES = 20  # epochs that are told of at most, but for the last one

Predict = Callable[[Any], Any]  # of parameters, on some examples
# By what they were taken on, rows (k, 2) of iteration and accuracy.
Shares = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Where a run stands, what was measured on the way, and why it had to stop, if it had to.

    Attributes:
        steps: the cost of each iteration in mini-batches.
    """

    state: State
    shares: Shares = field(default_factory=dict)
    steps: tuple[list[float], int] = field(default_factory=lambda: ([], 0))
    stopped: str = ""

    @property
    def step_costs(self) -> list[float]:
        """The cost of each iteration so far; the list itself may have grown since."""
        costs, k = self.steps
        return costs[:k]


def descend(
    args: argparse.Namespace,
    plan: Plan,
    examples: list[Examples],
    elsewhere: ClusterShards | InFile | None,
    start: Run,
    model: Path,
    log: Log,
    stop: Stop,
) -> tuple[Run, int]:
    """Train, show the cost as the document does, save every so often; the last state and status.

    Args:
        elsewhere: the training examples, where they are not in this memory.
    """
    settings, iterations = plan.settings, plan.iterations
    data = examples[0]
    latest = start
    kept = next((e for e in examples if e.what == VALIDATION), None)
    predictors = [e.answers or Predictor(e.X, settings) for e in examples]

    def save(run: Run) -> None:
        run_file.save(model, as_checkpoint(settings, data, run))

    if not args.resume:
        save(start)
    with progress(iterations, start.state.iteration) as bar:

        def after(state: State, cost: float) -> None:
            nonlocal latest
            recorded = len(state.costs) > len(latest.state.costs)
            shares = latest.shares
            if recorded:  # the cost is that of the parameters before, or of an epoch that ended
                judged = latest.state if settings.batch_size is None else state
                shares = _measured(examples, predictors, judged, shares)
            steps = latest.steps
            if settings.batch_size is not None:
                steps[0].append(cost)
                steps = (steps[0], steps[1] + 1)
            made = state.iteration - latest.state.iteration
            due = state.iteration % args.checkpoint_every < made
            # One assignment, so that whatever interrupts finds both of the same iteration.
            latest = Run(state, shares, steps)
            if recorded and (words := _told(settings, data.m, iterations, latest)):
                with bar.external_write_mode():
                    log.say(words)
            bar.update(made)
            ended = state.iteration == iterations or state.stopped
            if due or ended:
                save(latest)
            if isinstance(elsewhere, ClusterShards) and (
                elsewhere.steps == MEASURED or (ended and elsewhere.steps < MEASURED)
            ):
                with bar.external_write_mode():
                    log.say(elsewhere.advice())
            stop.check()

        def note(words: str) -> None:
            if not start.state.iteration:  # once in a run
                with bar.external_write_mode():
                    log.say(words)

        try:
            given: dict[str, Any] = {
                "start": start.state,
                "after": after,
                "note": note,
            }
            if isinstance(elsewhere, InFile):
                train_streamed(
                    elsewhere.training, settings, iterations,
                    validation=elsewhere.validation, device=args.device, **given,
                )  # fmt: skip
            else:
                given["validation"] = None if kept is None else (kept.X, kept.Y)
                if elsewhere is None:
                    train(data.X, data.Y, settings, iterations, device=args.device, **given)
                else:
                    elsewhere.waiting = stop.check
                    train_in_shards(elsewhere, settings, iterations, **given)
            if latest.state.stopped:
                log.say(_said_of_stopping(settings, latest.state))
            return latest, DONE
        except (KeyboardInterrupt, BrokenPipeError):  # or nobody reads what is printed any more
            save(latest)
            return latest, stop.status
        except ClusterError as lost:
            bar.close()
            save(latest)
            complain(f"stopped: {lost}")
            return latest, UNUSABLE
        except DivergedError as diverged:
            bar.close()
            good = _until(latest, diverged)
            save(good)
            complain(
                f"stopped: {diverged}\n{model} holds the last good parameters, after iteration "
                f"{diverged.state.iteration}."
            )
            return good, NO


# --- what is measured and told --------------------------------------------------------------------


def _measured(
    examples: list[Examples], predictors: list[Predict], state: State, shares: Shares
) -> Shares:
    """The accuracies, with those of a state that a recorded cost belongs to."""
    shares = dict(shares)
    for data, predict in zip(examples, predictors, strict=True):
        if data.labels is None:
            continue
        right = metrics.accuracy(data.labels, predicted_labels(predict(state.parameters)))
        row = [[state.iteration, right]]
        shares[data.what] = np.concatenate([shares.get(data.what, np.empty((0, 2))), row])
    return shares


def accuracy_on(data: Examples, settings: Settings, parameters: Any) -> float:
    """The share of right answers."""
    return metrics.accuracy(data.labels, predicted_labels(data.predict(settings, parameters)))


def _told(settings: Settings, m: int, iterations: int, run: Run) -> str:
    """A line for a recorded cost; empty where there are too many to read."""
    state = run.state
    iteration, cost = state.costs[-1]
    kept = state.validation
    more = f", validation {_figures(kept[-1][1])}" if kept and kept[-1][0] == iteration else ""
    if settings.batch_size is None:
        return f"Cost after iteration {iteration}: {_figures(cost)}{more}"
    epoch, epochs = (epochs_of(settings, m, t) for t in (iteration, iterations))
    if epoch != 1 and epoch % max(1, -(-epochs // LINES)) and epoch != epochs:
        return ""
    if VALIDATION in run.shares:
        more += f", accuracy {run.shares[VALIDATION][-1, 1]:.3f}"
    elif TRAINING in run.shares:
        more += f", accuracy {run.shares[TRAINING][-1, 1]:.3f}"
    return f"Epoch {epoch}: cost {_figures(cost)}{more}"


def _figures(cost: float) -> str:
    """Six decimals, as the document prints a cost; one beyond a billion by its leading figures."""
    return f"{cost:f}" if abs(cost) < 1e9 else f"{cost:.6g}"


def _said_of_stopping(settings: Settings, state: State) -> str:
    assert state.best is not None
    best = state.best["cost"]
    where = next((t for t, cost in state.validation if cost == best), state.iteration)
    return (
        f"early stopping after iteration {state.iteration}: {state.best['waited']} records without "
        f"gain; the parameters kept are those of iteration {where}, validation {_figures(best)}"
    )


def _until(latest: Run, diverged: DivergedError) -> Run:
    """The run at the last good state."""
    state = diverged.state
    shares = {what: rows[rows[:, 0] <= state.iteration] for what, rows in latest.shares.items()}
    costs, k = latest.steps
    return Run(state, shares, (costs, min(k, state.iteration)), str(diverged))


# --- files ----------------------------------------------------------------------------------------


def as_checkpoint(settings: Settings, data: Examples, run: Run) -> run_file.Checkpoint:
    """What is saved of a run."""
    state = run.state
    history = {"validation": np.array(state.validation, dtype=np.float64)}
    if run.steps[1]:
        history["steps"] = np.array(run.step_costs)
    return run_file.Checkpoint(
        parameters=dict(state.chosen),
        layer_dims=settings.layer_dims,
        iteration=state.iteration,
        costs=state.costs,
        settings=settings.described(),
        data_fingerprint=data.fingerprint,
        class_names=data.classes,
        x_shape=data.shape,
        x_scale=data.scale,
        random_state=None if state.random_state is None else dict(state.random_state),
        optimiser_state=state.carried(),
        loop_state=dict(state.accumulators),  # going on bit for bit needs it
        accuracies=run.shares,
        history={name: x for name, x in history.items() if x.size},
    )


def from_checkpoint(saved: run_file.Checkpoint) -> Run:
    """The run that was saved."""
    steps = saved.history.get("steps", np.empty(0)).tolist()
    kept = saved.history.get("validation", np.empty((0, 2))).tolist()
    state = State.restored(
        saved.parameters,
        saved.optimiser_state,
        iteration=saved.iteration,
        costs=saved.costs,
        accumulators=saved.loop_state,
        random_state=saved.random_state,
        validation=tuple((int(t), cost) for t, cost in kept),
    )
    return Run(state, dict(saved.accuracies), (steps, len(steps)))
