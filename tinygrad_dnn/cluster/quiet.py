"""Loaded by each process that `connect` starts: Ctrl-C in the terminal is its parent's business."""

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Called by Dask, in the main thread: the run ends its step and saves; the processes follow."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
