"""The confusion matrix as a picture: which class is taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from viz.curves.dark import choose_dark
from viz.curves.sheet import blank, check_path, save_figure, set_plain
from viz.palette import BLUE, DARK, INK, LINE, PAPER, VERMILLION, contrast

NUMBERED = 20  # classes up to which every count is written
NAMED = 40  # names along an axis; of more classes every second, third, ... is named
CELL, LEAST, MOST = 0.5, 3.2, 9.0  # inches: of a cell, of all of them
LETTER = 0.095  # inches
SHORT = 16  # letters of a name
BELOW, ABOVE, RIGHT = 0.55, 0.3, 0.35  # inches, beside the names of classes


def confusion(
    counts: Any,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw a confusion matrix: a row for each class, a column for what it was called.

    `confusion(metrics.confusion_matrix(Y, predicted), "confusion.png")`. What is right is blue,
    what is wrong orange, the deeper the larger its share of the row; a single mistake is seen.

    Args:
        counts: (n, n), as `metrics.confusion_matrix` gives it.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        classes: the names of labels 0, 1, ...
        title: what to write above.
        dark: where to, besides, for dark paper.

    Returns:
        The path.

    Raises:
        ValueError: counts that are not square or are negative, other numbers of names, or another
            ending.
        OSError: the file can't be written.
    """
    path = check_path("confusion", path)
    counts = np.asarray(counts)
    n = len(counts) if counts.ndim == 2 else 0
    if n < 2 or counts.shape != (n, n) or not (counts >= 0).all():
        raise ValueError(
            f"confusion: expected counts (n, n) of 0 or above for two classes or more, got "
            f"{counts.shape}"
        )
    given = [str(k) for k in range(n)] if classes is None else classes
    if len(given) != n:
        raise ValueError(f"confusion: expected {n} class names, got {len(given)}")
    names = [shorten(" ".join(name.split()) or "?", SHORT, placeholder="…") for name in given]
    side = float(np.clip(CELL * n, LEAST, MOST))
    beside = 0.75 + LETTER * max(map(len, names))
    below = BELOW + (0.3 if _flat(names, side) else LETTER * max(map(len, names)) + 0.15)
    top = ABOVE + (0.3 if title else 0)
    size = (beside + side + RIGHT, below + side + top)
    figure = blank(size)
    axes = figure.add_axes((beside / size[0], below / size[1], side / size[0], side / size[1]))
    cells = _cells(counts)
    axes.set_facecolor(PAPER)
    axes.imshow(cells, interpolation="nearest")
    every = -(-n // NAMED)
    at, shown = range(0, n, every), names[::every]
    axes.tick_params(labelsize=11 if n <= NUMBERED else 8, length=0)
    look: dict[str, Any] = {"parse_math": False, "color": INK}
    axes.set_xticks(at, shown, rotation=0 if _flat(names, side) else 90, **look)
    axes.set_yticks(at, shown, **look)
    axes.set_xlabel("predicted", fontsize=13, color=INK)
    axes.set_ylabel("label", fontsize=13, color=INK)
    axes.spines[:].set_color(LINE)
    if n <= NUMBERED:
        _write_counts(axes, counts, cells, 72 * side / n)
    if title:
        set_plain(axes.set_title(" ", fontsize=14, loc="left", pad=10), title)
    return save_figure(figure, path, dark)


def _flat(names: Sequence[str], side: float) -> bool:
    """Whether the names fit below their columns."""
    return max(map(len, names)) * LETTER < 0.9 * side / len(names)


def _cells(counts: Any) -> Any:
    """A colour for each cell (n, n, 4), the less transparent the larger its share of the row."""
    n = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(n, dtype=bool)
    # Mistakes are few: by the root of their share, and visible from the first on.
    depth = np.where(right, 0.85 * share, np.where(counts > 0, 0.15 + 0.85 * np.sqrt(share), 0))
    ground = np.where(right[..., None], to_rgb(BLUE), to_rgb(VERMILLION))
    return np.concatenate([ground, depth[..., None]], axis=2)


def _best_ink(cell: Any, paper: str) -> str:
    """Dark or light, whichever is read better on a cell on that paper."""
    below = np.array(to_rgb(paper))
    ground = to_hex(below + cell[3] * (cell[:3] - below))
    return max((INK, PAPER), key=lambda c: contrast(c, ground))


def _write_counts(axes: Any, counts: Any, cells: Any, points: float) -> None:
    """The counts in their cells, of `points` width; 0 is left out beside the diagonal."""
    letters = max(len(f"{count:,}") for count in counts.ravel().tolist())
    size = min(13, points / (0.7 * letters))
    for i, row in enumerate(counts.tolist()):
        for j, count in enumerate(row):
            if count or i == j:
                at: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
                text = axes.text(j, i, f"{count:,}", color=_best_ink(cells[i, j], PAPER), **at)
                choose_dark(text, _best_ink(cells[i, j], DARK["paper"]))
