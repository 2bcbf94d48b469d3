"""Output folders: made, tried, and one command at a time in each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from tinygrad_dnn.storage import platform


@contextmanager
def output_folder(name: str, command: str) -> Iterator[Path]:
    """Within the block the folder, in which no other such command works, where locks are known.

    It is made where it was not, and taken away again if nothing was written into it.

    Raises:
        OSError: it can't be written to.
        ValueError: another such command is at work in it.
    """
    out = Path(name)
    made = [p for p in (out, *out.parents) if not p.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        require_writable(out)
    except OSError as error:
        raise OSError(
            f"--out {out}: not a folder to write to: {error.strerror}; choose another"
        ) from None
    try:
        lock = platform.lock_folder(out)
    except BlockingIOError:
        raise ValueError(
            f"--out {out}: another `tinygrad-dnn {command}` is at work in this folder; wait until "
            "it ends, or choose another folder"
        ) from None
    try:
        yield out
    finally:
        with suppress(OSError):  # one is not empty, then those above aren't either
            for path in made:
                path.rmdir()
        if lock is not None:
            os.close(lock)


def require_writable(folder: Path) -> None:
    """Raise OSError where a folder can't be written to: better now than after an hour."""
    with TemporaryFile(dir=folder):
        pass
