"""Output folders: made, tried, and one command at a time in each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from tinygrad_dnn.storage import platform


def output_folder(name: str) -> Path:
    """The folder, made where it was not.

    Raises:
        OSError: it can't be written to.
    """
    out = Path(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # better to hear of it now than after an hour of training
            pass
    except OSError as error:
        raise OSError(
            f"--out {out}: not a folder to write to: {error.strerror}; choose another"
        ) from None
    return out


@contextmanager
def alone_in(out: Path, command: str) -> Iterator[None]:
    """Within the block no other such command works in the folder, where the system knows locks.

    Raises:
        ValueError: one does.
    """
    try:
        lock = platform.lock_folder(out)
    except BlockingIOError:
        raise ValueError(
            f"--out {out}: another `tinygrad-dnn {command}` is at work in this folder; wait until "
            "it ends, or choose another folder"
        ) from None
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)
