"""What a sweep leaves beside its runs: tables, a picture, the best setting trained once more."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tinygrad_dnn.cli.output import Log, command_line, complain, program_words
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.sweep_file import Asked
from tinygrad_dnn.cli.sweep_plan import Planned, text_of
from tinygrad_dnn.cli.train import MODEL
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.sweep import Job, Outcome, Row, Table, result_of, tabulate
from tinygrad_dnn.sweep.results import WORDS
from tinygrad_dnn.sweep.table import runs_csv

TABLE, RUNS_TABLE, PICTURE, BEST, ASKED = (
    "table.csv", "runs.csv", "sweep.png", "best", "asked.toml",
)  # fmt: skip
# Carries out jobs until it is told to stop, and says how each ended.
Carried = Callable[[Sequence[Job], Callable[[], bool]], Iterator[Outcome]]


@dataclass
class Sweeping:
    """A sweep at work.

    Attributes:
        score: what runs are compared by.
        failures: by the place of a run why it failed.
    """

    args: argparse.Namespace
    asked: Asked
    runs: list[Planned]
    score: str
    out: Path
    log: Log
    failures: dict[int, str] = field(default_factory=dict)


def tabulate_runs(sweeping: Sweeping) -> Table:
    """Write, print and draw the table."""
    runs, out, log, failures = sweeping.runs, sweeping.out, sweeping.log, sweeping.failures
    results, asked = [p.result for p in runs], [p.run for p in runs]
    table = tabulate(sweeping.score, asked, results, [i in failures for i in range(len(runs))])
    folders = [p.folder.relative_to(out).as_posix() for p in runs]
    rows = runs_csv(sweeping.score, asked, results, failures, folders)
    written = [write_text(out / TABLE, table.csv()), write_text(out / RUNS_TABLE, rows)]
    log.say("\n".join(map(printable, table.text().splitlines())))
    if table.best is not None and len(table.rows) > 1:
        log.say(printable(_best_in_words(table, table.best)))
    if not sweeping.args.no_pictures and table.best is not None:
        try:
            from viz import curves
        except ImportError as error:
            complain(f"{PICTURE} is left out: {error}")
        else:
            written.append(_draw(curves, table, out / PICTURE))
    log.say("wrote " + ", ".join(printable(str(path)) for path in written))
    return table


def _best_in_words(table: Table, best: Row) -> str:
    close = table.close
    if not close:
        return f"best: {table.label(best)}"
    others = "another setting lies" if close == 1 else f"{close} other settings lie"
    return (
        f"best: {table.label(best)}; {others} within two standard errors of it: these runs do not "
        "tell them apart"
    )


def _draw(curves: Any, table: Table, path: Path) -> Path:
    rows = [(table.values(row), row.scores) for row in table.rows if row.complete]
    left_out = len(table.rows) - len(rows)
    one = "1 setting is left out: not all of its runs are complete"
    more = f"{left_out} settings are left out: not all of their runs are complete"
    drawn: Path = curves.ranking(
        rows,
        path,
        columns=table.axes,
        score=f"{WORDS[table.score]} on validation examples",
        note="" if not left_out else one if left_out == 1 else more,
    )
    return drawn


def train_best(sweeping: Sweeping, table: Table, carried: Carried, stop: Stop) -> bool:
    """Train the best setting on all training examples, and look at the test examples once.

    Returns:
        Whether it did not fail.
    """
    best = table.best
    assert best is not None
    args, log = sweeping.args, sweeping.log
    settings = {k: x for k, x in best.run.settings.items() if k != "fold"}
    if "early_stopping" not in settings:
        settings.pop("validation", None)
    data = next(p.data for p in sweeping.runs if p.run is best.run)
    asked = f"# of examples {data}\n{text_of(settings)}"
    config = text_of(settings | {"no_pictures": True} if args.no_pictures else settings)
    folder = sweeping.out / BEST
    if not _is_of(folder, asked):
        if folder.exists():
            log.say(f"the best that was there is kept as {_set_aside(folder)}")
        folder.mkdir()
        write_text(folder / ASKED, asked)
    if result_of(folder) is None:
        log.say(f"training {printable(table.label(best))} on all training examples")
        for outcome in carried([Job(BEST, folder, config)], lambda: stop.asked is not None):
            if outcome.interrupted:
                return True
            if outcome.failed:
                complain(printable(f"{folder}: failed: {outcome.failed}"))
                return False
    result = result_of(folder)
    if result is None or result.stopped:
        return False
    for part in ("training", "test"):
        for name, value in result.measured.get(part, {}).items():
            if name in ("accuracy", "error"):
                m = int(result.measured[part]["examples"])
                only = ", which nothing else has read" if part == "test" else ""
                log.say(f"{WORDS[name]} on the {m} {part} examples{only}: {value:.4f}")
    log.say(f"its folder: {printable(str(folder))}")
    log.say(f"use it: {command_line([*program_words(), 'predict', str(folder / MODEL)])}")
    return True


def _is_of(folder: Path, asked: str) -> bool:
    """Whether the folder holds what is asked for, begun or complete."""
    try:
        return (folder / ASKED).read_text(encoding="utf-8") == asked
    except (OSError, ValueError):
        return False


def _set_aside(folder: Path) -> Path:
    """Rename it to a name that no other has."""
    kept = next(p for k in count(1) if not (p := folder.with_name(f"{folder.name}.{k}")).exists())
    return folder.rename(kept)
