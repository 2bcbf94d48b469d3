"""What a training run leaves beside its model: tables, what was reached, pictures."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import metrics
from tinygrad_dnn.cli.descent import Run, Shares, accuracy_on
from tinygrad_dnn.cli.output import Log
from tinygrad_dnn.cli.run_data import SETS, Examples
from tinygrad_dnn.cli.run_settings import Plan, description, epochs_of
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.train import Settings, State

COSTS, STEPS, ACCURACIES = "costs.csv", "steps.csv", "accuracies.csv"
RESULT = "result.json"
MEASURES = {"accuracy": "accuracy", "error": "root mean squared error"}


class Words(NamedTuple):
    """Commands that a report shows: the one that was typed, one that uses the model."""

    typed: str
    use: str


def write_tables(out: Path, settings: Settings, m: int, run: Run) -> list[Path]:
    """The numbers of the way as CSV."""
    written = [_write_costs(out / COSTS, settings, m, run.state)]
    if run.steps[1]:
        rows = "".join(f"{t},{cost!r}\n" for t, cost in enumerate(run.step_costs))
        written.append(write_text(out / STEPS, f"iteration,cost\n{rows}"))
    if settings.head != "linear":
        written.append(_write_accuracies(out / ACCURACIES, run.shares))
    return written


def _write_accuracies(path: Path, shares: Shares) -> Path:
    whats = [what for what in SETS if what in shares]
    by_iteration: dict[int, dict[str, float]] = {}
    for what in whats:
        for iteration, share in shares[what].tolist():
            by_iteration.setdefault(int(iteration), {})[what] = share
    rows = "".join(
        f"{iteration},{','.join(repr(row[what]) if what in row else '' for what in whats)}\n"
        for iteration, row in sorted(by_iteration.items())
    )
    return write_text(path, f"{','.join(['iteration', *whats])}\n{rows}")


def _write_costs(path: Path, settings: Settings, m: int, state: State) -> Path:
    """Of the full batch the iteration and its cost, as the document; else by epochs."""
    kept = dict(state.validation)
    head = ["iteration", "cost"]
    rows = [[str(t), repr(cost)] for t, cost in state.costs]
    if settings.batch_size is not None:
        head.insert(1, "epoch")
        for row, (t, _) in zip(rows, state.costs, strict=True):
            row.insert(1, str(epochs_of(settings, m, t)))
    if settings.keeps_validation:
        head.append("validation")
        for row, (t, _) in zip(rows, state.costs, strict=True):
            row.append(repr(kept[t]) if t in kept else "")
    return write_text(path, "".join(",".join(row) + "\n" for row in [head, *rows]))


def report(
    args: argparse.Namespace,
    out: Path,
    plan: Plan,
    examples: list[Examples],
    end: Run,
    log: Log,
    written: list[Path],
    words: Words,
) -> None:
    """Say what was reached, draw the pictures, list the files."""
    settings, parameters = plan.settings, end.state.chosen
    reached = {}
    results: dict[str, Any] = {"iteration": end.state.iteration, "stopped": end.stopped}
    for e in examples:
        name, value = _reached(settings, e, parameters)
        found = {name: _finite(value)}
        if e.cost is not None:
            found["cost"] = _finite(e.cost(parameters))
        elif e.answers is None:  # else they are on workers
            found["cost"] = _finite(settings.held_out_cost(e.X, e.Y, parameters))
        results[e.what] = {"examples": e.m, **found}
        what = f"{MEASURES[name]} on the {e.m} {e.what} examples"
        reached[what] = float(f"{value:.12g}")
        log.say(f"{what[0].upper()}{what[1:]}: {reached[what]}")
    # Before the pictures: it says that the run is complete.
    written.append(write_text(out / RESULT, json.dumps(results, indent=2) + "\n"))
    if (dead := _dead_layer(settings, examples[0], parameters)) is not None:
        log.say(
            f"layer {dead}: all its units are 0 for every training example, so that nothing below "
            "it learns; try another --seed, a smaller --learning-rate, or --activation leaky_relu"
        )
    if settings.classes > 2:
        log.say(_by_class(settings, examples[-1], parameters))
    if not args.no_pictures:
        log.say(f"drawing the pictures into {out}")
        # They bring libraries that no other part needs.
        from tinygrad_dnn.cli.pictures import Story, draw_pictures

        story = Story(
            description(settings, examples[0].m, examples[0].name),
            reached,
            *words,
        )
        written += draw_pictures(out, settings, examples, end, story)
    log.say("wrote " + ", ".join(printable(str(path)) for path in written))
    log.say(f"use it: {words.use}")


def _reached(settings: Settings, data: Examples, parameters: Any) -> tuple[str, float]:
    """What was measured on the examples in the end, a key of MEASURES, and the number."""
    if data.labels is not None:
        return "accuracy", accuracy_on(data, settings, parameters)
    error = data.predict(settings, parameters) - data.Y
    return "error", float(np.sqrt(np.mean(np.square(error))))


def _finite(value: float) -> float | None:
    """The number as JSON can hold it."""
    return value if math.isfinite(value) else None


def _dead_layer(settings: Settings, data: Examples, parameters: Any) -> int | None:
    """The first hidden layer of relus that are 0 for all examples, if there is one."""
    if settings.activation != "relu" or data.answers is not None:  # nobody has all examples
        return None
    A = data.X
    with np.errstate(all="ignore"):  # of a run that diverged they overflow
        for l in range(1, len(settings.layer_dims) - 1):
            A = np.maximum(parameters[f"W{l}"] @ A + parameters[f"b{l}"], 0)
            if not A.any():
                return l
    return None


def _by_class(settings: Settings, data: Examples, parameters: Any) -> str:
    """Precision, recall and F1 of each class, and their means."""
    predicted = predicted_labels(data.predict(settings, parameters))
    counts = metrics.confusion_matrix(data.labels, predicted, settings.classes)
    names = [*(data.classes or map(str, range(settings.classes))), "mean"]
    columns = [f(counts) for f in (metrics.precision, metrics.recall, metrics.f1)]
    wide = max(5, *map(len, names))
    lines = [f"{'class':{wide}}  precision  recall     F1  examples"]
    for k, name in enumerate(names):
        p, r, f = (c.mean() if k == settings.classes else c[k] for c in columns)
        n = counts.sum() if k == settings.classes else counts[k].sum()
        lines.append(f"{name:{wide}}  {p:9.3f}  {r:6.3f}  {f:5.3f}  {n:8d}")
    return "\n".join([f"on the {data.m} {data.what} examples:", *lines])
