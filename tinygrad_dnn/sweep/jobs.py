"""What is handed to a process, and what comes back of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A run to be carried out.

    Attributes:
        name: what it is called.
        folder: where it is to leave its files.
        config: the text of its config file.
    """

    name: str
    folder: Path
    config: str


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        job: which.
        failed: why, in words; empty where it is complete.
        interrupted: whether it was stopped before its end, and can be gone on with.
        seconds: how long it took.
    """

    job: Job
    failed: str = ""
    interrupted: bool = False
    seconds: float = 0.0
