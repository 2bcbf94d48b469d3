"""Curves against iterations: costs and accuracies, of one run or of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from viz.curves.sheet import check_path, one_sheet, save_figure, set_plain
from viz.palette import DASHES, PAPER, SERIES
from viz.subject import visible

BESIDE = 2  # so many runs are named in the picture, more of them to its right
COLUMN = 24  # names in a column there


def costs(
    runs: Any,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    log: bool = False,
    behind: Any = (),
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw cost against iteration: `viz.curves.costs(costs, "costs.png", every=100)`.

    Several runs in one picture compare learning rates:
    `costs({"0.0075": slow, "0.075": fast}, "rates.svg")`. Where a cost is not finite the curve
    breaks off in a cross, and the legend says from where.

    Args:
        runs: the costs (n,) of one run; or an array (n, 2) of iterations and costs; or a mapping
            of labels to such.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        every: iterations from one cost to the next, where only the costs are given.
        log: a logarithmic axis for the cost.
        behind: runs as above, drawn thin below the others: the cost of each mini-batch, that falls
            and rises, below the means of the epochs.
        title: what to write above.
        dark: where to, besides, for dark paper.

    Returns:
        The path.

    Raises:
        ValueError: no costs, other shapes, every < 1, a cost ≤ 0 on a logarithmic axis, or another
            ending.
        TypeError: what is not numbers.
        OSError: the file can't be written.
    """
    path = check_path("costs", path)
    curves = _curves("costs", runs, every)
    below = _curves("costs", behind, every) if behind else {}
    if log:
        for label, (iterations, values) in curves.items():
            if (bad := values <= 0).any():
                raise ValueError(
                    f"costs: {_who(label)}a logarithmic axis needs costs above 0, got "
                    f"{values[bad][0]:g} at iteration {iterations[bad][0]:g}; use log=False"
                )
    return save_figure(_costs(curves, log, title, below), path, dark)


def accuracies(
    runs: Any,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw accuracy, the share of right answers, against iteration.

    `accuracies({"training": rows, "test": others}, "accuracies.png")` shows where a network
    begins to learn its training examples by heart.

    Args:
        runs: the accuracies (n,) of one run, 0 to 1; or an array (n, 2) of iterations and
            accuracies; or a mapping of labels to such.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        every: iterations from one accuracy to the next, where only the accuracies are given.
        title: what to write above.
        dark: where to, besides, for dark paper.

    Returns:
        The path.

    Raises:
        ValueError: no accuracies, one outside 0 to 1, other shapes, every < 1, or another ending.
        TypeError: what is not numbers.
        OSError: the file can't be written.
    """
    path = check_path("accuracies", path)
    curves = _curves("accuracies", runs, every)
    for label, (_, values) in curves.items():
        if (bad := (values < 0) | (values > 1)).any():
            raise ValueError(
                f"accuracies: {_who(label)}expected shares from 0 to 1, got {values[bad][0]:g}"
            )
    figure, axes = one_sheet("iteration", "accuracy", title)
    _plot(axes, curves)
    least = min((np.nanmin(v) for _, v in curves.values() if np.isfinite(v).any()), default=0.0)
    axes.set_ylim(np.floor(10 * least) / 10 if least < 1 else 0.9, 1.005)
    _count_iterations(axes, curves)
    return save_figure(figure, path, dark)


def rates(
    curve: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw cost against a learning rate that grows, and mark where it falls most steeply.

    Args:
        curve: what `optim.find_learning_rate` returns.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        title: what to write above.
        dark: where to, besides, for dark paper.

    Returns:
        The path.

    Raises:
        ValueError: another ending.
        OSError: the file can't be written.
    """
    path = check_path("rates", path)
    figure, axes = one_sheet("learning rate", "cost", title)
    (each,) = axes.plot(curve.rates, curve.costs, color=SERIES[4], linewidth=1.0)
    (mean,) = axes.plot(curve.rates, curve.smoothed, color=SERIES[0], linewidth=2.2)
    best = axes.axvline(curve.best, color=SERIES[5], linestyle="--", linewidth=1.6)
    axes.set_xscale("log")
    # Where it has begun to climb, the rest would only press the curve down.
    finite = [c for c in curve.smoothed if np.isfinite(c)]
    low, high = min(finite), max(finite[0], min(finite))
    axes.set_ylim(low - 0.15 * (high - low) - 1e-12, high + 0.5 * (high - low) + 1e-12)
    names = ["each step", "mean", f"{curve.best:.2g}, where it falls most steeply"]
    _legend(axes, [each, mean, best], names, beside=False)
    return save_figure(figure, path, dark)


def _curves(who: str, runs: Any, every: int) -> dict[Any, tuple[Any, Any]]:
    """Iterations and values of every run, by label."""
    several = runs if isinstance(runs, Mapping) else {"": runs}
    if not several:
        raise ValueError(f"{who}: nothing to draw; give at least one run")
    return {label: _curve(who, label, run, every) for label, run in several.items()}


def _who(label: Any) -> str:
    return f"run {label!r}: " if label != "" else ""


def _curve(who: str, label: Any, run: Any, every: int) -> tuple[Any, Any]:
    """Iterations and values of a run."""
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"{who}: expected every as at least 1 iteration, got {every!r}")
    try:
        values = np.asarray(run, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{who}: {_who(label)}expected numbers: {error}") from None
    if values.size == 0:
        raise ValueError(f"{who}: {_who(label)}there are no {who}")
    if values.ndim == 1:
        return np.arange(len(values)) * every, values
    if values.ndim == 2 and values.shape[1] == 2:
        if not np.isfinite(values[:, 0]).all():
            raise ValueError(f"{who}: {_who(label)}an iteration is not finite")
        return values[:, 0], values[:, 1]
    raise ValueError(
        f"{who}: {_who(label)}expected {who} (n,) or iterations and {who} (n, 2), "
        f"got {values.shape}"
    )


def _costs(
    curves: Mapping[Any, tuple[Any, Any]],
    log: bool,
    title: str | None,
    below: Mapping[Any, tuple[Any, Any]],
) -> Figure:
    figure, axes = one_sheet("iteration", "cost", title)
    _plot(axes, curves, below)
    curves = {**below, **curves}
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif all((values >= 0)[np.isfinite(values)].all() for _, values in curves.values()):
        axes.set_ylim(bottom=0)  # so that a cost which hardly falls looks like one
    _count_iterations(axes, curves)
    return figure


def _count_iterations(axes: Axes, curves: Mapping[Any, tuple[Any, Any]]) -> None:
    iterations = np.concatenate([iterations for iterations, _ in curves.values()])
    if np.ptp(iterations) == 0:
        axes.set_xlim(iterations[0] - 1, iterations[0] + 1)
        axes.set_xticks(iterations[:1])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=(1, 2, 5, 10), integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _plot(
    axes: Axes,
    curves: Mapping[Any, tuple[Any, Any]],
    below: Mapping[Any, tuple[Any, Any]] | None = None,
) -> None:
    """A line for each run, and a legend where there is anything to say."""
    lines, labels = [], []
    for label, (iterations, values) in (below or {}).items():
        lines += axes.plot(iterations, values, color=SERIES[4], linewidth=0.9)
        labels.append(visible(str(label)))
    for i, (label, (iterations, values)) in enumerate(curves.items()):
        finite = np.isfinite(values)
        colour = SERIES[i % len(SERIES)]
        lines += axes.plot(
            iterations,
            np.where(finite, values, np.nan),
            color=colour,
            linestyle=DASHES[i % len(DASHES)],
            linewidth=2.2,
            marker="o" if finite.sum() == 1 else None,
        )
        first = len(values) if finite.all() else int(finite.argmin())
        note = (
            f" (not finite from iteration {iterations[first]:,.0f})" if first < len(values) else ""
        )
        labels.append(f"{visible(str(label))}{note}".strip())
        if note and first:
            axes.plot(
                iterations[first - 1], values[first - 1], color=colour, linestyle="",
                marker="X", markersize=11, markeredgecolor=PAPER, zorder=3,
            )  # fmt: skip
    if any(labels):
        _legend(axes, lines, labels)


def _legend(
    axes: Axes, lines: Sequence[Line2D], labels: Sequence[str], beside: bool | None = None
) -> None:
    """Which line is which run: beside the curves, or, of one or two, where they leave room."""
    blank = [" "] * len(lines)
    if len(lines) <= BESIDE if beside is None else not beside:
        legend = axes.legend(lines, blank, framealpha=0.85, edgecolor="none", fontsize=12)
    else:
        figure: Any = axes.figure
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)  # names have any width
        columns = -(-len(lines) // COLUMN)
        legend = figure.legend(
            lines, blank, loc="outside right upper", frameon=False, ncols=columns,
            fontsize=12 if len(lines) <= COLUMN // 2 else 9, columnspacing=1.0,
        )  # fmt: skip
    for text, words in zip(legend.get_texts(), labels, strict=True):
        set_plain(text, words)
