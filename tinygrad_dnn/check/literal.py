"""Values as Python source that gives them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def literal(x: Any) -> str:
    """A value as Python source that gives it back exactly."""
    if isinstance(x, np.ndarray):
        usual = x.dtype in (np.float64, np.int64, np.bool_, np.complex128)
        return f"np.array({numbers(x.tolist())}{'' if usual else f', dtype=np.{x.dtype}'})"
    if isinstance(x, np.generic):
        return repr(x.item())
    if isinstance(x, Mapping):
        inside = ", ".join(f"{k!r}: {literal(v)}" for k, v in x.items())
        return f"{{{inside}}}"
    return repr(x)


def numbers(x: Any, digits: int = 17) -> str:
    """Numbers, or lists of them, to so many digits."""
    if isinstance(x, list):
        return f"[{', '.join(numbers(v, digits) for v in x)}]"
    return number(x, digits)


def number(x: Any, digits: int) -> str:
    """A number, to so many digits."""
    if not isinstance(x, float):
        return repr(x)
    if not np.isfinite(x):
        return repr(x).replace("inf", "np.inf").replace("nan", "np.nan")
    short = f"{x:.{digits}g}"
    text = repr(x) if len(repr(x)) <= len(short) or digits > 10 else short
    return text + "." if text.lstrip("-").isdecimal() else text.removesuffix("0") if (
        text.endswith(".0")
    ) else text  # fmt: skip
