"""Settings that were compared, the best first: values, scores of single runs, their means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from viz.curves.sheet import check_path, in_inches, save_figure, set_plain, write_plain
from viz.palette import BLUE, GRID, INK, LINE, MUTED, ORANGE

MOST = 40  # rows
LETTERS = 24  # of a value
# Inches: a row; a letter of 11 points; around all; between columns; of the scores, of the numbers.
ROW, LETTER, EDGE, GAP, SCORES, NUMBERS = 0.3, 0.1, 0.25, 0.25, 4.2, 1.7
TITLE, HEAD, FOOT = 0.45, 0.62, 0.28
# What is further from the best than so many times the way to the median stands at the edge.
FAR = 10


class Scale(NamedTuple):
    """From scores to inches."""

    low: float
    high: float
    left: float

    def at(self, x: Any) -> Any:
        """The place of a score; of one beside the scale its edge."""
        share = (np.clip(x, self.low, self.high) - self.low) / (self.high - self.low)
        return self.left + SCORES * share


def ranking(
    rows: Sequence[tuple[Sequence[str], Sequence[float]]],
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str],
    score: str = "accuracy",
    note: str = "",
    title: str | None = None,
) -> Path:
    """Draw what settings reached, the best first, as a table with a picture in it.

        ranking([(["0.01"], [0.97, 0.96]), (["0.1"], [0.9, 0.8])], "sweep.png", columns=["rate"])

    A row for each, in the order that is given: its values, a ring for each of its
    runs, a dot at their mean with a bar of one standard deviation (n − 1) to both sides, and both
    as numbers. Of more than 40 rows the first 40 are shown, which the picture says. Scores far from
    all others stand at the edge of the scale, as a triangle.

    Args:
        rows: the values, one for each column, and the scores of the runs.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        columns: what the values are of.
        score: what the scores are.
        note: what to write below.
        title: what to write above.

    Returns:
        The path.

    Raises:
        ValueError: no rows, a row without scores or with other values than columns, scores that are
            not finite, or another ending.
        OSError: the file can't be written.
    """
    path = check_path("ranking", path)
    if not rows:
        raise ValueError("ranking: nothing to draw; give at least one row")
    for values, scores in rows:
        if len(values) != len(columns) or not len(scores) or not np.isfinite(scores).all():
            raise ValueError(
                f"ranking: expected {len(columns)} values and one or more finite scores in a row, "
                f"got {list(values)} and {list(scores)}"
            )
    shown = [(values, [float(x) for x in scores]) for values, scores in rows[:MOST]]
    cells = [[*map(_cut, values)] for values, _ in shown]
    heads = [_cut(c.replace("_", " ")) for c in columns]
    widths = [LETTER * max(map(len, column)) + GAP for column in zip(heads, *cells, strict=True)]
    left = EDGE + sum(widths) + GAP
    more = f"the first {MOST} of {len(rows)} settings" if len(rows) > MOST else ""
    key = "ring: a run · dot: their mean · bar: one standard deviation to both sides"
    several = any(len(scores) > 1 for _, scores in shown)
    below = [line for line in (key if several else "", more, note) if line]
    top = (TITLE if title else 0.1) + HEAD
    height = top + ROW * len(shown) + FOOT + 0.24 * len(below)
    figure, axes = in_inches((left + SCORES + GAP + NUMBERS, height))
    if title:
        set_plain(figure.suptitle(" ", y=1 - 0.12 / height, va="top", fontsize=14), title)
    scale = _scale([scores for _, scores in shown], left)
    _draw_scale(axes, scale, score, top, len(shown))
    for x, head in zip(_lefts(widths), heads, strict=True):
        write_plain(axes, (x, top - 0.1), head, fontsize=11, va="bottom", color=MUTED)
    for k, (cell, (_, scores)) in enumerate(zip(cells, shown, strict=True)):
        y = top + ROW * (k + 0.5)
        for x, value in zip(_lefts(widths), cell, strict=True):
            write_plain(axes, (x, y), value, fontsize=11, va="center")
        _draw_row(axes, scale, y, scores)
    for k, line in enumerate(below):
        at = (EDGE, height - 0.14 - 0.24 * (len(below) - 1 - k))
        write_plain(axes, at, line, fontsize=11, va="bottom", color=MUTED)
    return save_figure(figure, path)


def _cut(text: str) -> str:
    """The text, or its begin and end."""
    half = LETTERS // 2
    return text if len(text) <= LETTERS else f"{text[: half - 1]}…{text[-half:]}"


def _lefts(widths: Sequence[float]) -> list[float]:
    return [EDGE + sum(widths[:i]) for i in range(len(widths))]


def _scale(scores: Sequence[list[float]], left: float) -> Scale:
    """What shows most of them well: from the best on, but not to what is far away."""
    means = [mean(s) for s in scores]
    flat = [x for s in scores for x in s]
    best, way = means[0], abs(median(means) - means[0])
    low, high = min(flat), max(flat)
    if way:
        low, high = max(low, best - FAR * way), min(high, best + FAR * way)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - room, high + room, left)


def _draw_scale(axes: Axes, scale: Scale, score: str, top: float, rows: int) -> None:
    bottom = top + ROW * rows
    for k in range(0, rows, 2):  # every second row on a ground, so that the eye keeps to it
        axes.axhspan(
            top + ROW * k, top + ROW * (k + 1), color=GRID, alpha=0.4, zorder=0, linewidth=0
        )
    ticks: Any = MaxNLocator(nbins=5, steps=(1, 2, 2.5, 5, 10)).tick_values(scale.low, scale.high)
    for tick in ticks[(ticks >= scale.low) & (ticks <= scale.high)]:
        x = scale.at(tick)
        axes.vlines(x, top, bottom, color=LINE, linewidth=0.6, alpha=0.5, zorder=1)
        write_plain(
            axes, (x, top - 0.1), f"{tick:.6g}", fontsize=11, ha="center", va="bottom", color=MUTED
        )
    axes.hlines(top, EDGE, scale.left + SCORES + GAP + NUMBERS - EDGE, color=LINE, linewidth=0.8)
    at = (scale.left + SCORES / 2, top - 0.36)
    write_plain(axes, at, score, fontsize=12, ha="center", va="bottom")


def _draw_row(axes: Axes, scale: Scale, y: float, scores: list[float]) -> None:
    middle = mean(scores)
    deviation = stdev(scores) if len(scores) > 1 else 0.0
    if len(scores) > 1:
        axes.hlines(
            y, scale.at(middle - deviation), scale.at(middle + deviation), color=BLUE,
            linewidth=2.2, zorder=2,
        )  # fmt: skip
        axes.plot(
            scale.at(np.array(scores)), [y] * len(scores), linestyle="", marker="o", markersize=6,
            markerfacecolor="none", markeredgecolor=ORANGE, markeredgewidth=1.3, zorder=3,
        )  # fmt: skip
    beside = "<" if middle < scale.low else ">" if middle > scale.high else "o"
    axes.plot(scale.at(middle), y, marker=beside, markersize=7.5, color=BLUE, zorder=4)
    words = f"{middle:.4g} ± {deviation:.2g}" if len(scores) > 1 else f"{middle:.4g}"
    at = (scale.left + SCORES + GAP, y)
    write_plain(axes, at, words, fontsize=11, va="center", color=INK)
