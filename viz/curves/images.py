"""Images of what a network sees and where it errs: first-layer weights and mislabelled examples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from viz.curves.sheet import DPI, check_path, in_inches, save_figure, set_plain, write_plain
from viz.palette import BLUE, INK, LINE, MUTED, PAPER, VERMILLION

SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, PAPER, VERMILLION])
MOST = 36  # units shown
COLUMNS = 6  # images in a row
# All in pixels of the picture:
TILE = 192  # the longer side of an image, at most: a whole multiple of its pixels, if it is smaller
GAP, MARGIN = 24, 32  # between images, and around them
NARROW = 140  # from an image to the next, at least: room for a caption
LINE_OF_TEXT, TITLE_LINE = 34, 42  # of captions, and of what is written above all
WIDTH = 1280  # of a picture, at least
BAR = 200  # beside the images, for the scale of their colours


def weights(
    W1: Any,
    path: str | os.PathLike[str],
    *,
    shape: Sequence[int],
    title: str | None = None,
    dark: str | os.PathLike[str] | None = None,
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
        dark: where to, besides, for dark paper.

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
    captions = [
        f"unit {i}{'' if np.isfinite(image).all() else ' (not finite)'}"
        for i, image in enumerate(shown, start=1)
    ]
    if channels == 1:
        finite = np.abs(W1[np.isfinite(W1)])
        scale = Normalize(-(reach := float(finite.max(initial=0.0)) or 1.0), reach)
        images = SIGNED(scale(shown[..., 0]))[..., :3]
        figure = _wall(images, captions, [title or "", said], smooth=False, beside=BAR)
        _colour_bar(figure, scale)
    else:
        own = np.abs(np.nan_to_num(shown, posinf=0, neginf=0)).max((1, 2, 3), keepdims=True)
        shares = np.nan_to_num(shown / np.where(own, own, 1), posinf=1, neginf=-1)
        figure = _wall(0.5 + 0.5 * shares.clip(-1, 1), captions, [title or "", said], smooth=False)
    return save_figure(figure, path, dark)


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
    dark: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw the examples that are predicted wrongly, those it is surest of first.

    Args:
        X: examples in columns (n_x, m), of any scale; the whole of X is shown on one.
        Y: labels (1, m), 0 or 1, or of n classes from 0 on.
        probabilities: (1, m) that the label is 1; above 0.5 is a prediction of 1. Or (n, m), a row
            for each class.
        path: where to; the ending (.png, .svg, .pdf) says the format.
        shape: of an example: (height, width), (height, width, 1) or (height, width, 3).
        classes: the names of labels 0, 1, ...
        most: how many are shown at most.
        title: what to write above.
        dark: where to, besides, for dark paper.

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
    many = AL.ndim == 2 and AL.shape[0] > 1
    count = len(AL) if many else 2
    if Y.shape != (1, X.shape[1]) or AL.shape != (len(AL) if many else 1, X.shape[1]):
        raise ValueError(
            f"mislabelled: expected Y and probabilities (1, {X.shape[1]}), got {Y.shape} and "
            f"{AL.shape}"
        )
    if not np.isin(Y, np.arange(count)).all() or ((AL < 0) | (AL > 1)).any():
        allowed = f"from 0 to {count - 1}" if many else "0 or 1"
        raise ValueError(
            f"mislabelled: expected labels {allowed} and probabilities from 0 to 1, got "
            f"{Y.min()} … {Y.max()} and {AL.min()} … {AL.max()}"
        )
    if most < 1 or len(classes) != count:
        number = str(count) if many else "two"
        raise ValueError(f"mislabelled: expected {number} class names, and most as at least 1")
    guess = AL.argmax(axis=0) if many else (AL[0] > 0.5).astype(int)
    # Of the class that was predicted.
    sure = AL.max(axis=0) if many else np.maximum(AL[0], 1 - AL[0])
    wrong = np.flatnonzero(guess != Y[0])
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    total = f"{len(wrong)} of {X.shape[1]} examples are predicted wrongly"
    said = f"{total}; the {most} it is surest of" if len(wrong) > most else total
    low, high = (float(X.min()), float(X.max())) if X.size else (0.0, 1.0)
    spread = (high - low) or 1.0
    names = [shorten(" ".join(name.split()) or "?", 16, placeholder="…") for name in classes]
    shown = wrong[:most]
    images = ((X[:, shown].T.astype(float) - low) / spread).reshape(-1, height, width, channels)
    captions = [f"{names[guess[j]]} {sure[j]:.2f}\nis {names[int(Y[0, j])]}" for j in shown]
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    figure = _wall(colours, captions, [title or "", said], smooth=True)
    return save_figure(figure, path, dark)


def _image_shape(who: str, shape: Sequence[int]) -> tuple[int, int, int]:
    sizes = tuple(int(n) for n in shape)
    if len(sizes) not in (2, 3) or min(sizes) < 1 or (*sizes, 1)[2] not in (1, 3):
        raise ValueError(
            f"{who}: expected an image's shape (height, width), or that with 1 or 3 channels, "
            f"got {tuple(shape)}"
        )
    height, width, channels = (*sizes, 1)[:3]
    return height, width, channels


def _wall(
    images: Any, captions: Sequence[str], lines: Sequence[str], smooth: bool, beside: int = 0
) -> Figure:
    """Images (n, height, width, 3), each below its caption, drawn as one; words above them all.

    `smooth` lets their pixels run into each other, as in a photograph; otherwise each is a square.
    `beside` are pixels of the picture left free to the right.
    """
    count, height, width, _ = images.shape
    longer = max(height, width)
    zoom = TILE // longer or TILE / longer  # pixels of the picture to one of an image
    high, wide = max(round(height * zoom), 1), max(round(width * zoom), 1)
    columns = max(min(count, COLUMNS), 1)
    rows = -(-count // columns)
    above = GAP // 2 + LINE_OF_TEXT * max((c.count("\n") + 1 for c in captions), default=0)
    across, down = wide + max(GAP, NARROW - wide), above + high
    wall_width = columns * across - (across - wide)
    words = [line for line in lines if line]
    page_width = max(wall_width + beside + 2 * MARGIN, WIDTH)
    top = MARGIN // 2 + len(words) * TITLE_LINE
    page_height = top + rows * down + MARGIN
    figure, axes = in_inches((page_width / DPI, page_height / DPI))
    if words:
        y = 1 - MARGIN / 2 / page_height
        set_plain(figure.suptitle(" ", y=y, va="top", fontsize=14), "\n".join(words))
    if not count:
        return figure
    left = (page_width - beside - wall_width) // 2
    wall = Image.new("RGBA", (wall_width, rows * down))  # where no image is, the paper is seen
    way = Image.Resampling.BICUBIC if smooth or zoom < 1 else Image.Resampling.NEAREST
    longest = max(len(line) for caption in captions for line in caption.split("\n"))
    size = min(12, across / (0.62 * longest) * 72 / DPI)  # a letter takes 0.62 of a font's size
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = k % columns * across, k // columns * down + above
        tile = Image.fromarray((255 * image + 0.5).astype(np.uint8)).resize((wide, high), way)
        wall.paste(tile, (x, y))
        at = ((left + x + wide / 2) / DPI, (top + y - GAP / 4) / DPI)
        write_plain(axes, at, caption, fontsize=size, ha="center", va="bottom")
    axes.add_artist(Pixels(wall, (left / DPI, (page_height - top - wall.height) / DPI)))
    return figure


class Pixels(Artist):
    """An image as it is, pixel for pixel, its lower left corner so many inches from the figure's.

    `imshow` would compute each pixel anew, in floats.
    """

    def __init__(self, image: Image.Image, corner: tuple[float, float]) -> None:
        super().__init__()
        self.image, self.corner = image, corner

    def draw(self, renderer: Any) -> None:
        """Put it onto the paper, whose lowest row comes first."""
        figure: Any = self.get_figure(root=True)
        x, y = (inches * figure.dpi for inches in self.corner)
        context = renderer.new_gc()
        renderer.draw_image(context, round(x), round(y), np.asarray(self.image)[::-1])
        context.restore()


def _colour_bar(figure: Figure, scale: Normalize) -> None:
    """Which colour is which weight, where `_wall` left room beside the images."""
    width, height = figure.get_size_inches() * DPI
    high = min(0.7 * height, 5 * TILE)
    left, low = width - MARGIN - BAR + 60, (height - high) / 2
    axes = figure.add_axes((left / width, low / height, 32 / width, high / height))
    bar = figure.colorbar(ScalarMappable(scale, SIGNED), cax=axes)
    bar.ax.tick_params(colors=MUTED, labelsize=11)
    bar.outline.set_edgecolor(LINE)
    bar.set_label("weight", fontsize=12, color=INK)
