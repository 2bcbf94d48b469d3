"""The table of a sweep: a row for each setting, the best first; mean ± deviation of its runs, and
the mean of their seconds.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from tinygrad_dnn.sweep.results import SCORES, Result
from tinygrad_dnn.sweep.specification import REPEATS, Run, name_of, shown

SHOWN = 20  # rows that are printed


@dataclass(frozen=True)
class Row:
    """A setting and what its runs reached.

    Attributes:
        run: the first of its runs.
        scores, costs, training: of the runs that are complete: on the validation examples their
            score and cost, on the training examples their score.
        seconds: how long those took of which it is known.
        repeats: seed and fold of those runs.
        runs: how many it has.
        failed: how many of them failed.
    """

    run: Run
    scores: tuple[float, ...]
    costs: tuple[float, ...]
    training: tuple[float, ...]
    seconds: tuple[float, ...]
    repeats: tuple[tuple[Any, ...], ...]
    runs: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether all of its runs are there to be compared."""
        return len(self.scores) == self.runs

    @property
    def score(self) -> float:
        """The mean; NaN without any."""
        return mean(self.scores) if self.scores else math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation (n − 1) of single runs; NaN of fewer than two."""
        return stdev(self.scores) if len(self.scores) > 1 else math.nan


@dataclass(frozen=True)
class Table:
    """The rows, the best first.

    Attributes:
        score: what is compared, a key of `results.SCORES`.
        axes: the columns of settings.
        rows: those whose runs are all complete stand above the others, whatever their score: what
            is left of a setting where some failed would flatter it.
    """

    score: str
    axes: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def best(self) -> Row | None:
        """The best of the complete ones."""
        return self.rows[0] if self.rows and self.rows[0].complete else None

    @property
    def close(self) -> int:
        """How many others the runs do not tell from the best: less than two standard errors off."""
        best = self.best
        if best is None:
            return 0
        others = [row for row in self.rows[1:] if row.complete]
        return sum(abs(row.score - best.score) <= 2 * _error(best, row) for row in others)

    def label(self, row: Row) -> str:
        """The setting of a row in a line."""
        return name_of(row.run.settings, self.axes)

    def text(self) -> str:
        """The first rows, to be read."""
        head = ["", *self.axes, self.score, "runs", "seconds"]
        lines = [head]
        for k, row in enumerate(self.rows[:SHOWN], start=1):
            runs = str(row.runs) if row.complete else f"{len(row.scores)} of {row.runs}"
            runs += f", {row.failed} failed" if row.failed else ""
            seconds = f"{mean(row.seconds):.1f}" if row.seconds else "–"
            lines.append([str(k), *self.values(row), _plus_minus(row), runs, seconds])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        more = len(self.rows) - SHOWN
        return f"{text}\n… and {more} more" if more > 0 else text

    def csv(self) -> str:
        """All rows, numbers in full."""
        means = {
            f"validation_{self.score}": "scores",
            "validation_cost": "costs",
            f"training_{self.score}": "training",
        }
        rows: list[list[Any]] = [
            ["rank", *self.axes, *means, "deviation", "runs", "complete", "failed", "seconds"]
        ]
        for k, row in enumerate(self.rows, start=1):
            found = [getattr(row, name) for name in means.values()]
            numbers = [_number(mean(x)) if x else "" for x in found]
            counts = [row.runs, len(row.scores), row.failed]
            seconds = f"{mean(row.seconds):.3f}" if row.seconds else ""
            rows.append([k, *self.values(row), *numbers, _number(row.deviation), *counts, seconds])
        return write_csv(rows)

    def values(self, row: Row) -> list[str]:
        """Those of a row for the axes; empty where it leaves one out."""
        return [shown(row.run.settings[k]) if k in row.run.settings else "" for k in self.axes]


def tabulate(
    score: str, runs: Sequence[Run], results: Sequence[Result | None], failed: Sequence[bool]
) -> Table:
    """The table of runs and what came of each; None for one that is not complete."""
    settings: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        settings.setdefault(run.setting, []).append(i)
    rows = []
    for members in settings.values():
        reached = [(i, r) for i in members if (r := results[i]) is not None and not r.stopped]
        done = [i for i, r in reached if math.isfinite(r.score(score))]
        found = [r for i, r in reached if i in done]
        rows.append(
            Row(
                runs[members[0]],
                tuple(r.score(score) for r in found),
                tuple(r.score("cost") for r in found),
                tuple(r.score(score, "training") for r in found),
                tuple(r.seconds for r in found if not math.isnan(r.seconds)),
                tuple(tuple(runs[i].settings.get(k) for k in REPEATS) for i in done),
                len(members),
                sum(failed[i] for i in members),
            )
        )
    sign = -1 if SCORES[score] else 1

    def order(row: Row) -> tuple[Any, ...]:
        if not row.scores:
            return 2, row.failed, 0.0
        return 0 if row.complete else 1, sign * row.score, mean(row.costs)

    axes = tuple(k for k in runs[0].axes if k not in REPEATS) if runs else ()
    return Table(score, axes, tuple(sorted(rows, key=order)))


def runs_csv(
    score: str, runs: Sequence[Run], results: Sequence[Result | None],
    failures: Mapping[int, str], folders: Sequence[str],
) -> str:  # fmt: skip
    """A row for each run: its axes, what it reached, why it failed, its folder."""
    axes = runs[0].axes if runs else ()
    columns = [("validation", score), ("validation", "cost"), ("training", score)]
    names = {f"{part}_{name}": (name, part) for part, name in columns}
    own = ["iterations_done", "seconds", "failed", "folder"]
    rows: list[list[Any]] = [[*axes, *names, *own]]
    for i, (run, result) in enumerate(zip(runs, results, strict=True)):
        values = [shown(run.settings[k]) if k in run.settings else "" for k in axes]
        reached: list[Any] = [""] * (len(names) + 2)
        if result is not None and i not in failures:
            reached = [_number(result.score(*name)) for name in names.values()]
            reached += [result.iterations, _number(result.seconds)]
        rows.append([*values, *reached, failures.get(i, ""), folders[i]])
    return write_csv(rows)


def write_csv(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _error(a: Row, b: Row) -> float:
    """The standard error of the difference of two means; NaN of single runs.

    Runs of the same seeds and folds are compared one by one, s(a − b)/√n, since some folds are
    harder than others for everybody; else √(s₁²/n₁ + s₂²/n₂).
    """
    if a.repeats == b.repeats and a.runs > 1:
        differences = [x - y for x, y in zip(a.scores, b.scores, strict=True)]
        return stdev(differences) / math.sqrt(a.runs)
    return math.sqrt(a.deviation**2 / a.runs + b.deviation**2 / b.runs)


def _number(x: float) -> str:
    return "" if math.isnan(x) else repr(x)


def _plus_minus(row: Row) -> str:
    if not row.scores:
        return "–"
    if math.isnan(row.deviation):
        return f"{row.score:.4f}"
    return f"{row.score:.4f} ± {row.deviation:.4f}"
