"""Histograms of magnitudes, layer by layer: vanishing gradients seen at a glance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from viz.curves.sheet import check_path, in_inches, save_figure, set_plain, write_plain
from viz.palette import BLUE, GRID, INK, LINE, MUTED, PROBLEM, PURPLE

BINS = 40
DECADES = 16  # of magnitudes below the greatest; what is smaller is counted with the zeros
# Inches: a histogram and its gap, the words above one, and what stands around them all.
PITCH, GAP, HEIGHT, HEAD = 2.1, 0.42, 1.45, 0.47
LEFT, RIGHT, TITLE, FOOT = 0.6, 0.25, 0.4, 0.72
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def histograms(
    rows: Mapping[str, Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
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
        dark: where to, besides, for dark paper.

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
    low, high = _range(x for row in values.values() for x in row.values())
    bins = np.linspace(low, high, BINS + 1)
    columns = max(map(len, values.values()))
    top = TITLE if title else 0.0
    width = max(8.0, LEFT + RIGHT + columns * PITCH)
    pitch = (width - LEFT - RIGHT + GAP) / columns
    figure, axes = in_inches((width, top + len(values) * (HEAD + HEIGHT) + FOOT))
    if title:
        y = 1 - 0.1 / figure.get_figheight()
        set_plain(figure.suptitle(" ", y=y, va="top", fontsize=14), title)
    found: Any = MaxNLocator(nbins=4, integer=True).tick_values(low, high)
    ticks = found[(found >= low) & (found <= high)]
    for i, (label, row) in enumerate(values.items()):
        base = top + (i + 1) * (HEAD + HEIGHT)
        write_plain(
            axes, (LEFT / 2, base - HEIGHT / 2), label, fontsize=12, rotation=90, ha="center",
            va="center",
        )  # fmt: skip
        for j, (name, x) in enumerate(row.items()):
            cell = Cell(LEFT + j * pitch, base, pitch - GAP, bins)
            _draw(axes, cell, name, x, ticks, (BLUE, PURPLE)[i % 2])
    for j in range(columns):
        lowest = max(i for i, row in enumerate(values.values()) if len(row) > j)
        base = top + (lowest + 1) * (HEAD + HEIGHT)
        cell = Cell(LEFT + j * pitch, base, pitch - GAP, bins)
        for tick in ticks:
            write_plain(
                axes, (cell.at(tick), base + 0.14), f"10{str(int(tick)).translate(SUPERSCRIPTS)}",
                fontsize=11, ha="center", va="top", color=MUTED,
            )  # fmt: skip
    middle = (LEFT + width - RIGHT) / 2
    at = (middle, figure.get_figheight() - 0.12)
    write_plain(axes, at, "magnitude, ▲ its median", fontsize=12, ha="center", va="bottom")
    return save_figure(figure, path, dark)


class Cell(NamedTuple):
    """Where a histogram stands, in inches: its left end, the line it stands on, its width."""

    left: float
    base: float
    width: float
    bins: Any

    def at(self, x: Any) -> Any:
        """The place of a magnitude, given as its log10."""
        low, high = self.bins[[0, -1]]
        return self.left + self.width * (x - low) / (high - low)


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


def _draw(axes: Axes, cell: Cell, name: str, x: Any, ticks: Any, colour: str) -> None:
    left, base, right = cell.left, cell.base, cell.left + cell.width
    axes.vlines(cell.at(ticks), base - HEIGHT, base, color=GRID, linewidth=0.8, zorder=1)
    axes.vlines(cell.at(ticks), base, base + 0.055, color=MUTED, linewidth=0.8, zorder=3)
    axes.hlines(base, left, right, color=LINE, linewidth=0.8, zorder=3)
    sizes = _magnitudes(x)
    seen = sizes[sizes >= cell.bins[0]]
    if seen.size:
        counts, _ = np.histogram(seen, cell.bins)
        heights = 0.95 * HEIGHT * counts / counts.max()
        axes.stairs(
            base - heights, cell.at(cell.bins), baseline=base, fill=True, color=colour, zorder=2
        )
        axes.plot(cell.at(np.median(seen)), base + 0.06, marker="^", color=INK, markersize=6)
    write_plain(axes, (left, base - HEIGHT - 0.06), name, fontsize=12, va="baseline")
    odd = int((~np.isfinite(x)).sum())
    zeros = (x.size - odd - seen.size) / x.size
    words = [
        f"{_share(zeros)} zeros" if zeros else "",
        f"{odd:,} NaN or ∞" if odd else "",
    ]
    write_plain(
        axes, (right, base - HEIGHT - 0.06), ", ".join(word for word in words if word),
        fontsize=11, ha="right", va="baseline", color=PROBLEM if odd else MUTED,
    )  # fmt: skip


def _share(part: float) -> str:
    return f"{part:.0%}" if 0.005 <= part < 0.995 or part == 1 else f"{part:.1%}"
