"""What a path must lead to before it is read: a file that is there and holds something."""

from __future__ import annotations

from os import PathLike
from pathlib import Path


def regular_file(path: str | PathLike[str], expected: str) -> Path:
    """The path of a file that is there, no folder and no device, and not empty.

    Raises:
        OSError: it is not.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise OSError(f"{path}: expected {expected}, got a folder or a device")
    if not path.stat().st_size:
        raise OSError(f"{path}: expected {expected}, got an empty file")
    return path
