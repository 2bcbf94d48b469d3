"""What is wrong with a teacher's file, and in which line of it."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 300  # characters of an error


class SpecError(ValueError):
    """An exercise that can't be used: the file and the line, and what is wrong there."""


def calling_line() -> str:
    """The line of the teacher's file from which this is called."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent != HERE:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def said(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:LONGEST]}" if text else type(error).__name__


def line_of(error: BaseException, file: str) -> str:
    """The innermost line of the file that an error came through, or ""."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
