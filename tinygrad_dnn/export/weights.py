"""Parameters as `.npz`, which NumPy alone reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn.storage.whole_file import write


def save_npz(path: str | os.PathLike[str], parameters: Mapping[str, Any]) -> Path:
    """Write arrays by name: `np.load("model.npz")["W1"]` reads one; the path.

    Raises:
        OSError: the file can't be written.
    """
    out = BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(p) for name, p in parameters.items()}
    np.savez(out, **arrays)
    return write(Path(path), out.getvalue())
