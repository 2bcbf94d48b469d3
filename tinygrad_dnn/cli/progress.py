"""How far a long command is: a bar on a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self


def progress(total: int, begun: int, unit: str = "it") -> Any:
    """A bar on a terminal; elsewhere one that shows nothing, and loads nothing."""
    if not (sys.stderr and sys.stderr.isatty()):
        return NoBar()
    from tqdm import tqdm

    return tqdm(total=total, initial=begun, unit=unit, leave=False)


class NoBar:
    """What is asked of a bar here, and nothing shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def external_write_mode(self) -> AbstractContextManager[None]:
        """Nothing is in the way of a line of text."""
        return nullcontext()

    def update(self, n: int = 1) -> None:
        """So many more are done."""

    def close(self) -> None:
        """Nothing is left to take away."""
