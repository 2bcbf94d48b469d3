"""The warning of what no rewrite keeps finite."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

from tinygrad_dnn.compiler.errors import SaturationWarning
from tinygrad_dnn.compiler.tracing.record import Recording
from tinygrad_dnn.compiler.tracing.user_lines import is_users
from tinygrad_dnn.formula.text import formula
from tinygrad_dnn.ops import divide
from tinygrad_dnn.rewrite import Saturation


def warn_saturated(recording: Recording) -> None:
    """Warn of logarithms, divisions and powers of what may have rounded to 0, or overflowed.

    Of a backward pass, where no result has what it differentiates, its divisions tell.

    Args:
        recording: rewritten.
    """
    saturation = Saturation()
    spoiled = [n for n in recording.graph if n.op is not None and saturation.spoils(n)]
    forward = [n for n in spoiled if n not in recording.swept]
    found = list(map(formula, forward or (n for n in spoiled if n.op is divide)))
    if found:
        warnings.warn(
            f"compile: {recording.name}: {', '.join(dict.fromkeys(found))}: what stands in there "
            "may round to 0 or overflow where a sigmoid, a softmax, tanh or exp saturates, and no "
            "rewrite prevents it, so that a result may be infinite or NaN; compute it from what "
            "goes into them (log_sigmoid, log_softmax, softplus, logsumexp), keep it off 0 by a "
            "constant, or ignore SaturationWarning",
            SaturationWarning,
            stacklevel=_users_level(),
        )


def _users_level() -> int:
    """How far up the caller is whose code is not this project's."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and not is_users(frame):
        frame, level = frame.f_back, level + 1
    return level if frame is not None else 2
