"""What a run left: the numbers of its result.json, and how long it took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_dnn.storage.whole_file import write_text

FILE = "result.json"
TIME = "seconds.txt"  # a file of its own: the same run gives the same result, in another time
AT_WORK = "at-work"  # of a sitting that did not end
# How runs are compared, and whether more is better.
SCORES = {"accuracy": True, "error": False, "cost": False}
WORDS = {"accuracy": "accuracy", "error": "root mean squared error", "cost": "cost"}


@dataclass(frozen=True)
class Result:
    """What a complete run reached.

    Attributes:
        iterations: how many it took.
        stopped: why it diverged; empty where it did not.
        measured: by the examples' part ("training", "validation", "test") the numbers by name.
        seconds: how long it took, all its sittings together; NaN where nobody noted it.
    """

    iterations: int
    stopped: str
    measured: Mapping[str, Mapping[str, float]]
    seconds: float = math.nan

    def score(self, name: str, part: str = "validation") -> float:
        """A number that was measured; NaN where it was not, or is not finite."""
        return self.measured.get(part, {}).get(name, math.nan)


def result_of(folder: Path) -> Result | None:
    """What the run in a folder reached; None where it is not complete."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        measured = {part: _numbers(x) for part, x in found.items() if isinstance(x, dict)}
        iterations, stopped = int(found["iteration"]), str(found["stopped"])
        return Result(iterations, stopped, measured, seconds_of(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # away, or not what we wrote
        return None


def seconds_of(folder: Path) -> float:
    """How long the run in a folder took so far, all its sittings together; NaN if not noted.

    A sitting that was killed lasted from its note to the last file that it wrote.
    """
    try:
        before, *at_work = (folder / TIME).read_text(encoding="utf-8").split()
        if at_work != [AT_WORK]:
            return float(before)
        begun = (folder / TIME).stat().st_mtime  # by one clock, whoever's the disk is
        last = max(p.stat().st_mtime for p in folder.iterdir())
        return float(before) + last - begun
    except (OSError, ValueError):
        return math.nan


def note_seconds(folder: Path, seconds: float, *, at_work: bool = False) -> None:
    """Note how long the run in a folder took so far; `at_work` as another sitting begins."""
    with suppress(OSError):  # no run fails for want of it
        write_text(folder / TIME, f"{seconds:.3f}{f' {AT_WORK}' * at_work}\n")


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: math.nan if x is None else float(x) for name, x in found.items()}
