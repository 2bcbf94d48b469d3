"""A failing case as lines that can be pasted into Python."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

LONGEST = 400  # numbers; a case of more is described, not printed


def example(
    path: Path,
    given: Mapping[str, Any],
    lines: Iterable[str],
    call: str,
    returns: str,
    functions: Iterable[str],
    remarks: Iterable[str],
) -> str | None:
    """The program: imports, the given values, the lines, the call, and what comes of it.

    None where it would be too long to be read.
    """
    code = [*lines, call]
    used = set(re.findall(r"\w+", " ".join(code)))
    given = {k: v for k, v in given.items() if k in used}
    if sum(_count(v) for v in given.values()) > LONGEST:
        return None
    own = [f for f in functions if f in used]
    imports = ["import numpy as np"]
    if own and path.stem.isidentifier() and not keyword.iskeyword(path.stem):
        imports.append(f"from {path.stem} import {', '.join(own)}")
    if "textbook" in used:
        imports.append("from tinygrad_dnn import textbook")
    values = [f"{name} = {literal(v)}" for name, v in given.items()]
    shown = [*imports, "", *values, *lines, f"{returns} = {call}"]
    return "\n".join([*shown, *(f"# {r}" for r in remarks)])


def literal(x: Any) -> str:
    """A value as Python source that gives it back exactly."""
    if isinstance(x, np.ndarray):
        return f"np.array({_numbers(x.tolist())})"
    if isinstance(x, Mapping):
        inside = ", ".join(f"{k!r}: {literal(v)}" for k, v in x.items())
        return f"{{{inside}}}"
    return repr(x)


def shortly(x: Any) -> str:
    """A result beside another: exact where it is round, else to ten digits."""
    if isinstance(x, np.ndarray):
        if x.size > 40:
            return f"an array {x.shape}"
        return _numbers(x.tolist(), digits=10) if x.ndim else _number(x.item(), 10)
    return _number(x, 10) if isinstance(x, float) else repr(x)


def _numbers(x: Any, digits: int = 17) -> str:
    if isinstance(x, list):
        return f"[{', '.join(_numbers(v, digits) for v in x)}]"
    return _number(x, digits)


def _number(x: Any, digits: int) -> str:
    if not isinstance(x, float):
        return repr(x)
    if not np.isfinite(x):
        return f"np.{x!r}" if digits > 10 else repr(x)
    short = f"{x:.{digits}g}"
    text = repr(x) if len(repr(x)) <= len(short) or digits > 10 else short
    return text + "." if text.lstrip("-").isdecimal() else text.removesuffix("0") if (
        text.endswith(".0")
    ) else text  # fmt: skip


def _count(x: Any) -> int:
    if isinstance(x, Mapping):
        return sum(map(_count, x.values()))
    return int(np.size(x))
