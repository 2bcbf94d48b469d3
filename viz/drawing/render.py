"""A graphviz picture as a file: drawn by the system's `dot`, or by the wheel `graphviz-pure`.

Both read DOT and take the same options. The wheel is a port that needs no installation; it has no
pdf, and its own font for png is small. The programs are called here, not by the Python package
`graphviz`, which knows the system's only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import warnings
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_dnn.storage.whole_file import write, write_text
from viz.drawing.placed import AS_PLACED, LAYOUT, Placed
from viz.drawing.svg_fonts import typeset
from viz.drawing.titles import clear

# How a whole file of the kind begins and ends.
FORMATS = {
    "svg": (b"<", b"</svg>"),
    "png": (b"\x89PNG", b"IEND\xaeB`\x82"),
    "pdf": (b"%PDF", b"%%EOF"),
}
_JSON = (b"{", b"}")
PNG_DPI = "144"
_SCOPE = " [class=scope "  # in the text of a picture that has any
SYSTEM, WHEEL = "dot", "graphviz-pure"
WHEEL_DRAWS = ("svg", "png")
DOWNLOAD = "https://graphviz.org/download"

# The wheel's font for png has Latin, Greek, Cyrillic and some signs; the letter ʘ looks like ⊙.
_LOOKALIKES = str.maketrans({"⊙": "ʘ"})
_NOT_IN_FONT = re.compile("[\u0590-\u1cff\u2e80-\ua71f\ua800-\ufaff\U00010000-\U0010ffff]")


class _NotDrawnError(Exception):
    """Why a program drew nothing."""


def save(picture: Any, path: str | os.PathLike[str], *, timeout: float = 120.0) -> Path:
    """Write a picture: `viz.save(viz.draw(cost), "graph.svg")`, or .png, .pdf, .dot.

    The system's `dot` draws where there is one and it succeeds, else the wheel graphviz-pure. The
    file appears whole or not at all.

    Args:
        picture: what `viz.draw` returns, or any graph of the package graphviz.
        path: where to; the ending says the format.
        timeout: seconds that a program may take. 5,000 nodes of a network take a few; 5,000 that
            all hang on one node take too many.

    Returns:
        The path.

    Raises:
        TypeError: it is no picture.
        ValueError: another ending.
        OSError: no program could draw it (then its DOT text is left beside, and the error says
            where, and the remedies), or the file can't be written.

    Example: `viz.save(viz.draw((w * w).sum()), "square.svg")`.
    """
    source = getattr(picture, "source", None)
    if not isinstance(source, str):
        raise TypeError(
            f"save: expected a picture, got {type(picture).__name__}; "
            "write viz.save(viz.draw(cost), 'graph.svg')"
        )
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind == "dot":
        return write_text(path, source)
    if kind not in FORMATS:
        known = ", ".join(f".{k}" for k in (*FORMATS, "dot"))
        raise ValueError(f"save: {path.name}: expected a name ending in {known}")
    drawn, complaints = _drawn(picture, kind, timeout)
    if drawn is None:
        left = write_text(path.with_suffix(".dot"), source)
        raise OSError(f"save: {path} was not drawn: {complaints}. The DOT text is in {left}")
    return write(path, drawn)


def svg_of(picture: graphviz.Digraph, timeout: float = 120.0) -> str:
    """A picture as SVG text.

    Raises:
        OSError: no program could draw it; the message says the remedies.
    """
    drawn, complaints = _drawn(picture, "svg", timeout)
    if drawn is None:
        raise OSError(f"the picture was not drawn: {complaints}")
    return drawn.decode()


def _drawn(picture: Any, kind: str, timeout: float) -> tuple[bytes | None, str]:
    """The picture's bytes; or None and why not, with the remedies."""
    source, engine = picture.source, getattr(picture, "engine", "dot")
    wheel = _wheel()
    programs = {SYSTEM: shutil.which(SYSTEM), WHEEL: wheel if kind in WHEEL_DRAWS else None}
    failures = []
    for name, program in programs.items():
        if program is None:
            continue
        text = _in_its_font(source) if name == WHEEL and kind == "png" else source
        try:
            return _laid_out(program, engine, text, kind, timeout), ""
        except _NotDrawnError as failure:
            failures.append(f"{name}: {failure}")
    if failures:
        return None, "; ".join(failures)
    if wheel is not None:
        return None, (
            f"{WHEEL} draws no {kind}; save an .svg, which a browser prints as pdf, "
            f"or install Graphviz ({DOWNLOAD})"
        )
    return None, (
        f"there is neither {SYSTEM} nor {WHEEL} here; pip install {WHEEL}, "
        f"or install Graphviz ({DOWNLOAD}), and save again"
    )


def _laid_out(program: str, engine: str, source: str, kind: str, timeout: float) -> bytes:
    """The picture, no arrow over the title of a scope.

    Raises:
        _NotDrawnError: the program failed, or took longer than `timeout` seconds.
    """
    end = time.monotonic() + timeout

    def run(engine: str, kind: str, *options: str) -> bytes:
        left = max(end - time.monotonic(), 0.0)
        try:
            return _run([program, f"-K{engine}", f"-T{kind}", *options], source, kind, left)
        except subprocess.TimeoutExpired:
            raise _NotDrawnError(f"stopped after {timeout:g} seconds") from None

    if _SCOPE in source:
        layout = run(engine, LAYOUT)
        with suppress(ValueError):  # somebody's own style, without arrows or scopes
            placed = Placed(layout)
            clear(placed)
            source, engine = placed.text(source), AS_PLACED
    drawn = run(engine, kind, *([f"-Gdpi={PNG_DPI}"] if kind == "png" else []))
    return typeset(drawn) if kind == "svg" else drawn


def _wheel() -> str | None:
    """Where pip put the executable, on the path or not."""
    try:
        files = distribution(WHEEL).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == WHEEL and Path(str(file.locate())).is_file():
            return str(file.locate())
    return shutil.which(WHEEL)


def _run(command: list[str], source: str, kind: str, timeout: float) -> bytes:
    """What the program drew. It may fail and print something still.

    Raises:
        _NotDrawnError: it failed.
        subprocess.TimeoutExpired: it took longer.
    """
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=timeout, check=False
        )
    except OSError as error:
        raise _NotDrawnError(f"{error.strerror}") from None
    begin, end = FORMATS.get(kind, _JSON)
    if (
        done.returncode == 0
        and done.stdout.startswith(begin)
        and done.stdout.rstrip().endswith(end)
    ):
        return done.stdout
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise _NotDrawnError(f"exit code {done.returncode}, {said[-1] if said else f'no whole {kind}'}")


def _in_its_font(source: str) -> str:
    """The text with signs that the wheel's font for png has; a warning where there are others."""
    if missing := sorted(set(_NOT_IN_FONT.findall(source))):
        warnings.warn(
            f"save: {WHEEL} has no glyph for {''.join(missing[:8])} in a png and draws boxes; "
            f"save an .svg, or install Graphviz ({DOWNLOAD})",
            stacklevel=4,
        )
    return source.translate(_LOOKALIKES)
