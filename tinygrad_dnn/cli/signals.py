"""Signals: when a command ends on Ctrl-C and its kind, and what it finishes before."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

from tinygrad_dnn.cli.status import INTERRUPTED
from tinygrad_dnn.storage.platform import STOP_SIGNALS

WORDS = "\ntinygrad-dnn: interrupted"
PATIENCE = 2  # so many are waited for; one more ends the process


def _say(text: str) -> None:
    """Write to standard error from a handler, which may have interrupted a print."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


def _end(number: int, frame: FrameType | None) -> None:
    _say(f"{WORDS}\n")
    os._exit(INTERRUPTED)


def end_at_once() -> None:
    """From now on Ctrl-C ends this process in a line, but for where it is `raised` or waits.

    While modules are loaded, and while Python ends, an exception would show tracebacks or be
    reported as something else; nothing can be lost then.
    """
    # Something else is there where the caller has Ctrl-C ignored, as a shell does with `&`.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block Ctrl-C raises KeyboardInterrupt, where it would end the process at once."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


class Stop:
    """Within the block signals that ask to end are remembered; the third ends the process.

    Attributes:
        asked: the first of them, or None.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._count = 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def status(self) -> int:
        """The exit status of a process that was asked to end: that of a shell, 128 + the signal."""
        return 128 + (self.asked or signal.SIGINT)

    def check(self) -> None:
        """Raise KeyboardInterrupt if any has come."""
        if self.asked is not None:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows no other
            for number in STOP_SIGNALS:
                # Ignored ones stay ignored (nohup), and what is not Python's stays as it is.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = self.asked or signal.Signals(number)
        self._count += 1
        if self._count == PATIENCE:
            _say("\nsaving; once more ends at once, and leaves what was saved before\n")
        elif self._count > PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
