"""A line on the terminal that says what a large picture is waiting for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

LARGE = 1000  # nodes; smaller graphs are done at once
CLEAR = "\r\x1b[K"


@contextmanager
def progress(who: str, nodes: int) -> Iterator[Callable[[str], None]]:
    """`say("picture 2 of 5")` writes one line over the last one, on stderr where that is a terminal
    and the graph is large. The line goes away at the end, also by an interrupt.
    """
    shown = nodes > LARGE and sys.stderr is not None and sys.stderr.isatty()
    begin = monotonic()

    def say(text: str) -> None:
        if shown:
            took = f"{monotonic() - begin:.0f} s"
            sys.stderr.write(f"{CLEAR}{who}: {nodes:,} nodes, {text} ({took}; Ctrl-C stops)")
            sys.stderr.flush()

    try:
        yield say
    finally:
        if shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
