"""What the tests of the command line share: small data files, and the program as a user runs it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tinygrad_dnn.cli.main import main
from tinygrad_dnn.storage import run_file

DONE, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
SHAPE = (4, 4, 3)
# One thread: another process may have another number of them, and sums round differently then.
ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}


def call(*words: Any) -> int:
    """The command in this process; its exit status."""
    return main([str(word) for word in words])


def heed_interrupts() -> None:
    """For a program that begins, `preexec_fn=`: Ctrl-C is heard, though a shell that started all
    this with `&` has it ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def complaint(capsys: pytest.CaptureFixture[str], *words: Any) -> str:
    """The one line that is said where the command's input is refused."""
    assert call(*words) == UNUSABLE
    told = capsys.readouterr().err
    assert told.startswith(f"tinygrad-dnn {words[0]}: ")
    assert told.count("\n") == 1
    return told


def command(*words: Any) -> list[str]:
    """The command as a program of its own, warnings being errors."""
    return [sys.executable, "-W", "error", "-m", "tinygrad_dnn", *map(str, words)]


def run(
    *words: Any, cwd: Path | None = None, words_before: Sequence[str] = (), **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a program; nobody may ever see a traceback."""
    done = subprocess.run(
        [*words_before, *command(*words)],
        cwd=cwd,
        env=os.environ | ALONE | changes,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


def examples(m: int, seed: int) -> tuple[Any, Any]:
    """Pictures (m, 4, 4, 3) and labels: 1 where the upper half is the brighter one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(m) % 2
    x = rng.integers(0, 120, (m, *SHAPE))
    x[labels == 1, :2] += 100
    x[labels == 0, 2:] += 100
    return x.astype(np.uint8), labels


def write_split(path: Path, split: str, m: int, seed: int, mode: str = "w") -> Path:
    """A file in the document's layout."""
    x, y = examples(m, seed)
    with h5py.File(path, mode) as file:
        file[f"{split}_set_x"], file[f"{split}_set_y"] = x, y
        if "list_classes" not in file:
            file["list_classes"] = np.array([b"night", b"day"])
    return path


def write_arrays(path: Path, **arrays: Any) -> Path:
    """A file of datasets by name."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def write_files(folder: Path) -> None:
    """train.h5 with 30 examples and test.h5 with 11."""
    write_split(folder / "train.h5", "train", 30, seed=1)
    write_split(folder / "test.h5", "test", 11, seed=2)


def train_model(folder: Path) -> None:
    """The files above and the model.h5 that learned them."""
    write_files(folder)
    words = ("--iterations", 120, "--learning-rate", 0.1, "--no-pictures", "--out", folder)
    assert call("train", folder / "train.h5", *words) == DONE


def change_model(**fields: Any) -> None:
    """Save model.h5 with other fields."""
    old = run_file.load("model.h5")
    kept = {name: getattr(old, name) for name in old.__dataclass_fields__}
    run_file.save("model.h5", run_file.Checkpoint(**{**kept, **fields}))


def timeless(content: bytes) -> Any:
    """What a file of a sweep holds, of a table without what the clock says."""
    if b"seconds" not in content.partition(b"\n")[0]:
        return content
    rows = csv.DictReader(content.decode().splitlines())
    return [{name: x for name, x in row.items() if name != "seconds"} for row in rows]
