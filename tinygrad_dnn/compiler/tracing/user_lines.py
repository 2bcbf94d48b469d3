"""Whose code runs: the line of the user's that a message is about."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType

import numpy as np

PYTHON = str(Path(os.__file__).parent) + os.sep
ENGINE = tuple(str(p) + os.sep for p in (Path(np.__file__).parent, Path(__file__).parents[2]))


def is_engines(frame: FrameType) -> bool:
    """Whether a frame runs code of ours or NumPy's, or of Python's imports."""
    return _of_engine(frame.f_code.co_filename)


@cache
def _of_engine(file: str) -> bool:
    return file.startswith((*ENGINE, "<frozen"))


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs code that is not ours, NumPy's or Python's."""
    name = frame.f_code.co_filename
    return not (is_engines(frame) or (name.startswith(PYTHON) and "site-packages" not in name))


def where() -> str:
    """The innermost line that is not ours, NumPy's or Python's: `net.py, line 7: if cost > 1:`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame):
        frame = frame.f_back
    return _line(frame.f_code.co_filename, frame.f_lineno) if frame else "in no file"


def line_of(error: BaseException) -> str:
    """The innermost such line on an exception's way."""
    frames = [(tb.tb_frame, tb.tb_lineno) for tb in _tracebacks(error)]
    outer = [(f.f_code.co_filename, line) for f, line in frames if is_users(f)]
    return _line(*outer[-1]) if outer else "in no file"


def _tracebacks(error: BaseException) -> Iterator[TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _line(name: str, line: int) -> str:
    text = linecache.getline(name, line).strip()
    return f"{name}, line {line}: {text}" if text else f"{name}, line {line}"
