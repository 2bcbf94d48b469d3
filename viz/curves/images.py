"""Images of what a network sees and where it errs: first-layer weights and mislabelled examples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from viz.curves.sheet import blank, check_path, save_figure, set_plain
from viz.palette import BLUE, INK, LINE, MUTED, PAPER, VERMILLION

SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, PAPER, VERMILLION])
MOST = 36  # units shown
COLUMNS = 6  # images in a row


def weights(
    W1: Any,
    path: str | os.PathLike[str],
    *,
    shape: Sequence[int],
    title: str | None = None,
) -> Path:
    """Draw the rows of first-layer weights as images: what each unit looks for.

    Grey images: blue where a bright pixel speaks against the unit, orange where it speaks for it,
    on one scale for all units. Colour images: grey is 0, and each unit has its own scale. Of more
    than 36 units the first 36 are shown, which the picture says.

    Args:
        W1: (n_1, n_x).
        path: where to; the ending (.png, .svg, .pdf) says the format.
        shape: of an example: (height, width), (height, width, 1) or (height, width, 3).
        title: what to write above.

    Returns:
        The path.

    Raises:
        ValueError: shapes that do not fit, or another ending.
        OSError: the file can't be written.
    """
    path = check_path("weights", path)
    W1 = np.asarray(W1, dtype=float)
    height, width, channels = _image_shape("weights", shape)
    if W1.ndim != 2 or not len(W1) or W1.shape[1] != height * width * channels:
        raise ValueError(
            f"weights: expected W1 (n_1, {height * width * channels}) for images {tuple(shape)}, "
            f"got {W1.shape}"
        )
    shown = W1[:MOST].reshape(-1, height, width, channels)
    said = f"the first {MOST} of {len(W1)} units" if len(W1) > MOST else ""
    figure, grid = _wall(len(shown), [title or "", said])
    finite = np.abs(W1[np.isfinite(W1)])
    scale = Normalize(-(reach := float(finite.max(initial=0.0)) or 1.0), reach)
    for i, (axes, image) in enumerate(zip(grid, shown, strict=True), start=1):
        if channels == 1:
            axes.imshow(image[:, :, 0], cmap=SIGNED, norm=scale)
        else:
            own = np.abs(image[np.isfinite(image)]).max(initial=0.0) or 1.0
            axes.imshow(0.5 + 0.5 * np.nan_to_num(image / own, posinf=1, neginf=-1).clip(-1, 1))
        odd = "" if np.isfinite(image).all() else " (not finite)"
        set_plain(axes.set_title(" ", fontsize=12, pad=4), f"unit {i}{odd}")
    if channels == 1:
        bar = figure.colorbar(ScalarMappable(scale, SIGNED), ax=grid, shrink=0.7, aspect=24)
        bar.ax.tick_params(colors=MUTED, labelsize=11)
        bar.outline.set_edgecolor(LINE)
        bar.set_label("weight", fontsize=12, color=INK)
    return save_figure(figure, path)


def mislabelled(
    X: Any,
    Y: Any,
    probabilities: Any,
    path: str | os.PathLike[str],
    *,
    shape: Sequence[int],
    classes: Sequence[str] = ("0", "1"),
    most: int = 24,
    title: str | None = None,
) -> Path:
    """Draw the examples that are predicted wrongly, those it is surest of first.

    Args:
        X: examples in columns (n_x, m), of any scale; the whole of X is shown on one.
        Y: labels (1, m), 0 or 1.
        probabilities: (1, m) that the label is 1; above 0.5 is a prediction of 1.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        shape: of an example: (height, width), (height, width, 1) or (height, width, 3).
        classes: the names of labels 0 and 1.
        most: how many are shown at most.
        title: what to write above.

    Returns:
        The path. Where nothing is wrong, the picture says so.

    Raises:
        ValueError: shapes that do not fit, other labels or probabilities, or another ending.
        OSError: the file can't be written.
    """
    path = check_path("mislabelled", path)
    X, Y, AL = (np.asarray(x) for x in (X, Y, probabilities))
    height, width, channels = _image_shape("mislabelled", shape)
    if X.ndim != 2 or X.shape[0] != height * width * channels:
        raise ValueError(
            f"mislabelled: expected X ({height * width * channels}, m) for images {tuple(shape)}, "
            f"got {X.shape}"
        )
    if Y.shape != (1, X.shape[1]) or AL.shape != Y.shape:
        raise ValueError(
            f"mislabelled: expected Y and probabilities (1, {X.shape[1]}), got {Y.shape} and "
            f"{AL.shape}"
        )
    if not np.isin(Y, (0, 1)).all() or ((AL < 0) | (AL > 1)).any():
        raise ValueError(
            "mislabelled: expected labels 0 or 1 and probabilities from 0 to 1, got "
            f"{Y.min()} … {Y.max()} and {AL.min()} … {AL.max()}"
        )
    if most < 1 or len(classes) != 2:
        raise ValueError("mislabelled: expected two class names, and most as at least 1")
    guess = (AL[0] > 0.5).astype(int)
    wrong = np.flatnonzero(guess != Y[0])
    wrong = wrong[np.argsort(-np.abs(AL[0, wrong] - 0.5), kind="stable")]
    total = f"{len(wrong)} of {X.shape[1]} examples are predicted wrongly"
    said = f"{total}; the {most} it is surest of" if len(wrong) > most else total
    figure, grid = _wall(min(len(wrong), most), [title or "", said])
    low, high = (float(X.min()), float(X.max())) if X.size else (0.0, 1.0)
    spread = (high - low) or 1.0
    names = [shorten(" ".join(name.split()) or "?", 16, placeholder="…") for name in classes]
    for axes, j in zip(grid, wrong[:most], strict=True):
        image = ((X[:, j].astype(float) - low) / spread).reshape(height, width, channels)
        axes.imshow(image if channels == 3 else image[:, :, 0], cmap="gray", vmin=0, vmax=1)
        sure = AL[0, j] if guess[j] else 1 - AL[0, j]
        words = f"{names[guess[j]]} {sure:.2f}\nis {names[int(Y[0, j])]}"
        set_plain(axes.set_title(" ", fontsize=12, pad=4), words)
    return save_figure(figure, path)


def _image_shape(who: str, shape: Sequence[int]) -> tuple[int, int, int]:
    sizes = tuple(int(n) for n in shape)
    if len(sizes) not in (2, 3) or min(sizes) < 1 or (*sizes, 1)[2] not in (1, 3):
        raise ValueError(
            f"{who}: expected an image's shape (height, width), or that with 1 or 3 channels, "
            f"got {tuple(shape)}"
        )
    height, width, channels = (*sizes, 1)[:3]
    return height, width, channels


def _wall(count: int, lines: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure with room for so many images, and words above."""
    columns = max(min(count, COLUMNS), 1)
    rows = -(-count // columns)
    words = [line for line in lines if line]
    figure = blank((8.0, 0.6 + 0.3 * len(words) + 1.75 * rows))
    if words:
        set_plain(figure.suptitle(" ", fontsize=14), "\n".join(words))
    if not count:
        return figure, []
    every = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in every:
        axes.set_axis_off()
    return figure, every[:count]
