"""The paper that every figure is drawn on: sizes, fonts, axes; and how it gets onto the disk.

Figures are made by themselves, without pyplot: no window, no backend, no global setting changes.
Margins are fixed: a layout that is found by drawing draws everything twice or more.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinygrad_dnn.storage.whole_file import write
from viz.curves.dark import darken
from viz.palette import GRID, INK, LINE, MUTED, PAPER

SIZE = (8.0, 4.5)  # inches, the shape of a slide
DPI = 160
FORMATS = ("png", "svg", "pdf")
# Inches around axes with ticks: room for six digits and the name of an axis.
LEFT, RIGHT, BOTTOM, TOP, TITLE = 0.98, 0.28, 0.68, 0.22, 0.3
# zlib's level for PNG: the default, 6, takes up to three times as long for a fifth fewer bytes.
COMPRESSION = 2


def check_path(who: str, path: str | os.PathLike[str]) -> Path:
    """The path, whose ending says a format that figures have.

    Raises:
        ValueError: it says another.
    """
    path = Path(path)
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise ValueError(
            f"{who}: {path.name}: expected a name ending in {', '.join('.' + k for k in FORMATS)}"
        )
    return path


def save_figure(figure: Figure, path: Path, dark: str | os.PathLike[str] | None = None) -> Path:
    """The figure onto the disk in one step, and a copy for dark paper; returns the path."""
    _write(figure, path)
    if dark is not None:
        darken(figure)
        _write(figure, check_path("dark", dark))
    return path


def _write(figure: Figure, path: Path) -> None:
    out = BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    options: Any = {"pil_kwargs": {"compress_level": COMPRESSION}} if kind == "png" else {}
    figure.savefig(out, format=kind, **options)
    write(path, out.getvalue())


def blank(size: tuple[float, float] = SIZE) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=size, dpi=DPI, facecolor=PAPER)


def in_inches(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure and axes that cover it, without ticks or frame: a point is (inches from the left,
    inches from the top).
    """
    figure = blank(size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    return figure, axes


def one_sheet(x: str, y: str, title: str | None) -> tuple[Figure, Axes]:
    """A figure with named axes and nothing in it."""
    figure = blank()
    width, height = SIZE
    top = height - TOP - (TITLE if title else 0)
    figure.subplots_adjust(LEFT / width, BOTTOM / height, 1 - RIGHT / width, top / height)
    axes = figure.add_subplot(facecolor=PAPER)
    axes.set_xlabel(x, fontsize=13, color=INK)
    axes.set_ylabel(y, fontsize=13, color=INK)
    axes.margins(x=0.02)
    dress(axes)
    if title:
        set_plain(axes.set_title(" ", fontsize=14, loc="left", pad=12), title)
    return figure, axes


def dress(axes: Axes) -> None:
    """Quiet ticks, grid and frame."""
    axes.tick_params(which="both", colors=MUTED, labelsize=11, length=4)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)


def set_plain(text: Any, words: str) -> None:
    """Set words as they are: a $ or a leading underscore in a label means nothing."""
    text.set_parse_math(False)
    text.set_text(words)
    text.set_color(INK)


def write_plain(axes: Axes, at: tuple[float, float], words: str, **look: Any) -> None:
    """Write words as they are at a point of `in_inches`."""
    axes.text(*at, words, parse_math=False, **({"color": INK} | look))
