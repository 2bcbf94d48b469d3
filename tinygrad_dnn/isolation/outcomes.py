"""What is to be told of a call: its error, the arrays that it changed; and of a function."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_dnn.isolation.messages import DEEP

# At most so much is told of a file.
SHOWN = 4  # of the student's lines that led to an error
MOST_PARAMETERS = 50
MOST_NOTES = 1000  # statements that failed
MOST_FIRED = 20  # asserts of a call
LONG = 300  # characters of an error's message


def ends_early(reply: dict[str, Any], stop_early: bool) -> bool:
    """Whether an outcome shows that other cases need not be tried."""
    if "error" not in reply:
        return False
    return reply["error"]["kind"] == "memory" or (stop_early and reply["early"])


def arrays_of(names: dict[str, Any], call: str) -> dict[str, Any]:
    """Every array in the variables, once, under the name that the call gives it if it does."""
    data = {k: v for k, v in names.items() if isinstance(v, (np.ndarray, list, tuple, dict))}
    called = {k: data[k] for k in re.findall(r"\w+", call) if k in data}
    seen: dict[int, tuple[str, Any]] = {}
    for at, x in _arrays(called | data):
        seen.setdefault(id(x), (at, x))
    return dict(seen.values())


def _arrays(x: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every array within a value, with the expression that finds it."""
    if isinstance(x, np.ndarray):
        yield at, x
    elif depth < DEEP and isinstance(x, dict):
        for k, v in x.items():
            if k != "__builtins__":
                yield from _arrays(v, f"{at}[{k!r}]" if at else str(k), depth + 1)
    elif depth < DEEP and isinstance(x, (list, tuple)):
        for i, v in enumerate(x):
            yield from _arrays(v, f"{at}[{i}]", depth + 1)


def same(x: Any, y: Any) -> bool:
    """Whether two arrays hold the same, NaN and all."""
    try:
        return bool(np.array_equal(x, y, equal_nan=True))
    except TypeError:
        return bool(np.array_equal(x, y))


def parameters_of(f: Any) -> tuple[list[str], int]:
    """The names of the parameters that can be given by position, `*` for any number more, and how
    many of them, or by name, must be given.
    """
    try:
        given = [*inspect.signature(f).parameters.values()][:MOST_PARAMETERS]
    except Exception:  # it does not say, or an object answers anything
        return ["*"], 0
    kinds = inspect.Parameter
    required = [
        p for p in given
        if p.default is kinds.empty and p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]  # fmt: skip
    names = [
        "*" if p.kind == kinds.VAR_POSITIONAL else p.name
        for p in given
        if p.kind not in (kinds.KEYWORD_ONLY, kinds.VAR_KEYWORD)
    ]
    return names, len(required)


def error_data(error: BaseException, path: str) -> dict[str, Any]:
    """An error as plain data, with the lines of that file that it came through."""
    kind = "error"
    if isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, SystemExit):
        kind = "exit"
    frames = list(traceback.walk_tb(error.__traceback__))
    try:
        message = str(error)[: LONG + 1]
    except Exception:
        message = ""
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": message,
        "lines": _lines(frames, path),
    }


def lines_now(frame: FrameType | None, path: str) -> list[tuple[int, str]]:
    """The lines of that file in which a thread is: number and function; the innermost last."""
    return _lines(list(traceback.walk_stack(frame))[::-1] if frame else [], path)


def _lines(frames: list[tuple[FrameType, int]], path: str) -> list[tuple[int, str]]:
    """The student's lines of a stack: number and function; the innermost last."""
    return [(line, f.f_code.co_name) for f, line in frames if f.f_code.co_filename == path][-SHOWN:]
