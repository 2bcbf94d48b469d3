"""Parameters as `.npz`, which NumPy alone reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np


def save_npz(path: str | os.PathLike[str], parameters: Mapping[str, Any]) -> Path:
    """Write arrays by name: `np.load("model.npz")["W1"]` reads one; the path.

    Raises:
        OSError: the file can't be written.
    """
    out = BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(p) for name, p in parameters.items()}
    np.savez(out, **arrays)
    return write(Path(path), out.getvalue())


def write(path: Path, data: bytes) -> Path:
    """Put data at path in one step, so that nobody sees half a file; returns the path.

    Raises:
        OSError: the file can't be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
