"""Curves of a training, drawn with matplotlib (the extra `plot`).

Figures are made by themselves, without pyplot: no window, no backend, no global setting changes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from viz.files import write
from viz.palette import DASHES, GRID, INK, LINE, MUTED, PAPER, SERIES, VERMILLION

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
except ImportError as error:
    raise ImportError(
        "viz.curves: matplotlib is missing; pip install 'tinygrad-dnn[plot]'"
    ) from error

SIZE = (8.0, 4.5)  # inches, the shape of a slide
DPI = 160
FORMATS = ("png", "svg", "pdf")


def costs(
    runs: Any,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    log: bool = False,
    title: str | None = None,
) -> Path:
    """Draw cost against iteration: `viz.curves.costs(costs, "costs.png", every=100)`.

    Several runs in one picture compare learning rates:
    `costs({"0.0075": slow, "0.075": fast}, "rates.svg")`. Where a cost is not finite the curve
    ends in a cross, and the legend says where.

    Args:
        runs: the costs (n,) of one run; or an array (n, 2) of iterations and costs; or a mapping
            of labels to such.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        every: iterations from one cost to the next, where only the costs are given.
        log: a logarithmic axis for the cost.
        title: what to write above.

    Returns:
        The path.

    Raises:
        ValueError: no costs, other shapes, every < 1, a cost ≤ 0 on a logarithmic axis, or another
            ending.
        TypeError: what is not numbers.
        OSError: the file can't be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(
            f"costs: {path.name}: expected a name ending in {', '.join('.' + k for k in FORMATS)}"
        )
    curves = {
        label: _curve(label, run, every)
        for label, run in (runs if isinstance(runs, Mapping) else {"": runs}).items()
    }
    if not curves:
        raise ValueError("costs: nothing to draw; give at least one run")
    if log:
        for label, (iterations, values) in curves.items():
            if (bad := values <= 0).any():
                raise ValueError(
                    f"costs: {_who(label)}a logarithmic axis needs costs above 0, got "
                    f"{values[bad][0]:g} at iteration {iterations[bad][0]:g}; use log=False"
                )
    figure = _costs(curves, log, title)
    out = BytesIO()
    figure.savefig(out, format=kind)
    return write(path, out.getvalue())


def _who(label: Any) -> str:
    return f"run {label!r}: " if label != "" else ""


def _curve(label: Any, run: Any, every: int) -> tuple[Any, Any]:
    """Iterations and costs of a run."""
    if every < 1:
        raise ValueError(f"costs: expected every as at least 1 iteration, got {every!r}")
    try:
        values = np.asarray(run, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"costs: {_who(label)}expected numbers: {error}") from None
    if values.size == 0:
        raise ValueError(f"costs: {_who(label)}there are no costs")
    if values.ndim == 1:
        return np.arange(len(values)) * every, values
    if values.ndim == 2 and values.shape[1] == 2:
        if not np.isfinite(values[:, 0]).all():
            raise ValueError(f"costs: {_who(label)}an iteration is not finite")
        return values[:, 0], values[:, 1]
    raise ValueError(
        f"costs: {_who(label)}expected costs (n,) or iterations and costs (n, 2), "
        f"got {values.shape}"
    )


def _costs(curves: Mapping[Any, tuple[Any, Any]], log: bool, title: str | None) -> Figure:
    figure, axes = _sheet("iteration", "cost", title)
    _plot(axes, curves)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif all((values >= 0)[np.isfinite(values)].all() for _, values in curves.values()):
        axes.set_ylim(bottom=0)  # so that a cost which hardly falls looks like one
    iterations = np.concatenate([iterations for iterations, _ in curves.values()])
    if np.ptp(iterations) == 0:
        axes.set_xlim(iterations[0] - 0.6, iterations[0] + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=(1, 2, 5, 10), integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return figure


def _sheet(x: str, y: str, title: str | None) -> tuple[Figure, Axes]:
    """A figure with named axes and nothing in it."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor=PAPER, layout=layout)
    axes = figure.add_subplot(facecolor=PAPER)
    axes.set_xlabel(x, fontsize=13, color=INK)
    axes.set_ylabel(y, fontsize=13, color=INK)
    axes.tick_params(which="both", colors=MUTED, labelsize=11, length=4)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    if title:
        _plain(axes.set_title(" ", fontsize=14, loc="left", pad=12), title)
    return figure, axes


def _plot(axes: Axes, curves: Mapping[Any, tuple[Any, Any]]) -> None:
    """A line for each run, and a legend where there is anything to say."""
    lines, labels = [], []
    for i, (label, (iterations, values)) in enumerate(curves.items()):
        finite = np.isfinite(values)
        lines += axes.plot(
            iterations,
            np.where(finite, values, np.nan),
            color=SERIES[i % len(SERIES)],
            linestyle=DASHES[i % len(DASHES)],
            linewidth=2.2,
            marker="o" if finite.sum() == 1 else None,
        )
        first = len(values) if finite.all() else int(finite.argmin())
        note = (
            f" (not finite from iteration {iterations[first]:,.0f})" if first < len(values) else ""
        )
        labels.append(f"{label}{note}".strip())
        if note and first:
            axes.plot(
                iterations[first - 1], values[first - 1], color=VERMILLION, linestyle="",
                marker="X", markersize=10, markeredgecolor=PAPER, zorder=3,
            )  # fmt: skip
    if any(labels):
        blank = [" "] * len(lines)
        legend = axes.legend(lines, blank, frameon=False, fontsize=12, handlelength=2.8)
        for text, words in zip(legend.get_texts(), labels, strict=True):
            _plain(text, words)


def _plain(text: Any, words: str) -> None:
    """Set words as they are: a $ or a leading underscore in a label means nothing."""
    text.set_parse_math(False)
    text.set_text(words)
    text.set_color(INK)
