"""Files that are there whole or not at all: pictures, pages, exported models."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write(path: Path, data: bytes) -> Path:
    """Put data at path in one step, so that nobody ever sees half a file; returns the path.

    Raises:
        OSError: the folder is missing or not writable, the path is a folder, the disk is full.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """As `write`, in UTF-8; a byte of a file name that does not decode is written `\\udcff`.

    Raises:
        OSError: as `write`.
    """
    return write(path, text.encode(errors="backslashreplace"))
