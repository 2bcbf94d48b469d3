"""Histograms of magnitudes, layer by layer: vanishing gradients seen at a glance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from viz.curves.sheet import blank, check_path, dress, save_figure, set_plain
from viz.palette import BLUE, INK, MUTED, PROBLEM, PURPLE

BINS = 40
DECADES = 16  # of magnitudes below the greatest; what is smaller is counted with the zeros


def histograms(
    rows: Mapping[str, Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
) -> Path:
    """Draw how large the numbers of each layer are, on one logarithmic axis for all of them.

    `histograms({"activations": {"A1": A1, "A2": A2}, "gradients": {"dZ1": dZ1, "dZ2": dZ2}},
    "layers.png")`. Where gradients vanish on their way back, the histograms walk to the left from
    layer to layer. Exact zeros have no magnitude; their share is said in words, and so are NaN and
    infinities. The mark below each histogram is the median.

    Args:
        rows: by label, the arrays of a row of histograms by their own labels.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        title: what to write above.

    Returns:
        The path.

    Raises:
        ValueError: there is nothing to draw, an array is empty, or another ending.
        TypeError: what is not numbers.
        OSError: the file can't be written.
    """
    path = check_path("histograms", path)
    if not all(isinstance(row, Mapping) for row in (rows, *_rows(rows))):
        raise TypeError(
            "histograms: expected a mapping of labels to rows, each a mapping of names to arrays; "
            'write {"activations": {"A1": A1}}'
        )
    values = {
        label: {name: _numbers(name, x) for name, x in row.items()}
        for label, row in rows.items()
        if row
    }
    if not values:
        raise ValueError("histograms: nothing to draw; give at least one row with an array")
    columns = max(map(len, values.values()))
    figure = blank((max(8.0, 0.8 + 1.9 * columns), 0.9 + 1.75 * len(values)))
    if title:
        set_plain(figure.suptitle(" ", fontsize=14), title)
    grid = figure.subplots(len(values), columns, squeeze=False, sharex=True)
    low, high = _range(x for row in values.values() for x in row.values())
    bins = np.linspace(low, high, BINS + 1)
    for i, (label, row) in enumerate(values.items()):
        for axes, (name, x) in zip(grid[i], row.items(), strict=False):
            _draw(axes, name, x, bins, (BLUE, PURPLE)[i % 2])
        for axes in grid[i][len(row) :]:
            axes.set_axis_off()
        set_plain(grid[i][0].set_ylabel(" ", fontsize=12), label)
    for axes in grid[-1]:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"$10^{{{v:.0f}}}$"))
    figure.supxlabel("magnitude", fontsize=12, color=INK)
    return save_figure(figure, path)


def _rows(rows: Any) -> Iterable[Any]:
    return rows.values() if isinstance(rows, Mapping) else ()


def _numbers(name: str, x: Any) -> Any:
    try:
        values = np.asarray(x, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise TypeError(f"histograms: {name}: expected numbers: {error}") from None
    if not values.size:
        raise ValueError(f"histograms: {name}: there are no numbers")
    return values


def _magnitudes(x: Any) -> Any:
    """log10 |x| of what is finite and not 0."""
    size = np.abs(x[np.isfinite(x)])
    return np.log10(size[size > 0])


def _range(arrays: Any) -> tuple[float, float]:
    """Whole decades that hold the magnitudes."""
    found = [m for x in arrays if (m := _magnitudes(x)).size]
    if not found:
        return -1.0, 0.0
    high = np.ceil(max(m.max() for m in found))
    low = np.floor(max(min(m.min() for m in found), high - DECADES))
    return float(low), float(max(high, low + 1))


def _draw(axes: Axes, name: str, x: Any, bins: Any, colour: str) -> None:
    dress(axes)
    axes.grid(visible=False, axis="y")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(bins[0], bins[-1])
    sizes = _magnitudes(x)
    seen = sizes[sizes >= bins[0]]
    if seen.size:
        axes.hist(seen, bins=bins, color=colour)
        axes.plot(
            np.median(seen), -0.04, marker="^", color=INK, markersize=6, clip_on=False,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    set_plain(axes.set_title(" ", fontsize=12, loc="left", pad=4), name)
    odd = int((~np.isfinite(x)).sum())
    zeros = (x.size - odd - seen.size) / x.size
    words = [
        f"{_share(zeros)} zeros" if zeros else "",
        f"{odd:,} NaN or ∞" if odd else "",
    ]
    note = axes.set_title(" ", fontsize=11, loc="right", pad=4)
    set_plain(note, ", ".join(word for word in words if word))
    note.set_color(PROBLEM if odd else MUTED)


def _share(part: float) -> str:
    return f"{part:.0%}" if 0.005 <= part < 0.995 or part == 1 else f"{part:.1%}"
