"""Batches streamed from a file 20 times the memory, beside h5py's own reading of it.

Goal: at least 0.8 of h5py's speed. Costs on the stream are shown to be those of the same order in
memory, bit for bit.
"""

from __future__ import annotations

import datetime
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from measure import machine, write_page

from tinygrad_dnn import value_and_grad
from tinygrad_dnn.data import Stream, read
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.optim import gradient_descent

GOAL = 0.8
MEMORY, TIMES = 2**24, 20
ROUNDS = 3
N, SIZE = 784, 256
LAYOUTS: dict[str, dict[str, Any]] = {
    "float32, chunks of 64": {"dtype": "f4", "chunks": (64, N)},
    "float32, contiguous": {"dtype": "f4"},
    "uint8, chunks of 256": {"dtype": "u1", "chunks": (256, N)},
    "uint8, gzip, chunks of 256": {"dtype": "u1", "chunks": (256, N), "compression": 1},
}


def make(path: Path, layout: dict[str, Any], total: int) -> int:
    """Write a file of `total` bytes of examples; how many."""
    rng = np.random.default_rng(0)
    m = total // (N * np.dtype(layout["dtype"]).itemsize)
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (m, N), **layout)
        some = rng.integers(0, 17, (4096, N)).astype(layout["dtype"])
        for start in range(0, m, 4096):
            x[start : start + 4096] = some[: m - start]
        file["y"] = rng.integers(0, 10, m).astype(np.uint8)
        file["classes"] = np.array([str(k) for k in range(10)], "S")
    return m


def h5py_alone(path: Path) -> float:
    """Seconds that h5py takes to read the examples, some MiB of whole chunks at a time.

    Of pixels, the division by 255 counts: a batch is of floats, which take four times the bytes.
    """
    with h5py.File(path) as file:
        x = file["x"]
        step = x.chunks[0] if x.chunks else 1
        rows = max(1, 2**22 // (x.dtype.itemsize * N * step)) * step
        out, floats = np.empty((rows, N), x.dtype), np.empty((rows, N), np.float32)
        begun = time.perf_counter()
        for start in range(0, x.shape[0], rows):
            k = min(rows, x.shape[0] - start)
            x.read_direct(out, np.s_[start : start + k], np.s_[:k])
            if x.dtype == np.uint8:
                np.divide(out[:k], 255, out=floats[:k], dtype=np.float32)
        return time.perf_counter() - begun


def streamed(stream: Stream) -> float:
    """Seconds for an epoch of batches, as floats, checked, with their labels."""
    begun = time.perf_counter()
    for _ in stream:
        pass
    return time.perf_counter() - begun


def measured(path: Path, memory: int) -> dict[str, list[float]]:
    """Seconds of the first epoch, which verifies compressed chunks, and of later ones, in turn."""
    times: dict[str, list[float]] = {"h5py": [], "first": [], "drawn": [], "file": []}
    h5py_alone(path)
    for _ in range(ROUNDS):
        with read(path, "x", "y", "classes") as data:
            rng = np.random.default_rng(0)
            streams = {
                order: Stream(data, SIZE, rng, memory=memory, dtype=np.float32, order=order)
                for order in ("drawn", "file")
            }
            times["h5py"].append(h5py_alone(path))
            times["first"].append(streamed(streams["drawn"]))
            for order, stream in streams.items():
                times[order].append(streamed(stream))
    return times


def same_costs(path: Path, memory: int) -> int:
    """Train for an epoch on the stream and on the same order in memory; how many costs were equal.

    Raises:
        AssertionError: one is not.
    """

    def costs(batches: Any) -> list[float]:
        parameters, found = initialize_parameters((N, 16, 10), "he", head="softmax"), []
        for x, y in batches:
            f = value_and_grad(lambda p, x=x, y=y: cost_of(x, y, p, "softmax"))
            cost, grads = f(parameters)
            parameters = gradient_descent(parameters, grads, 0.01)
            found.append(float(cost))
        return found

    with read(path, "x", "y", "classes") as data:
        stream = Stream(data, SIZE, np.random.default_rng(3), memory=memory)
        at = stream.positions()
        cut = [at[i : i + SIZE] for i in range(0, data.m, SIZE)]
        X, Y = data.columns(), data.labels(binary=False)
        ours, theirs = costs(stream), costs((X.T[p].T, Y[:, p]) for p in cut)
    assert ours == theirs
    return len(ours)


def growth(path: Path, memory: int) -> int:
    """By how many bytes a process of its own grows while it streams two epochs."""
    here = Path(__file__)
    command = [sys.executable, str(here), "--growth", str(path), str(memory)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _grow(path: str, memory: int) -> None:
    with read(path, "x", "y", "classes") as data:
        warm = Stream(data, 1, None, memory=2**21, dtype=np.float32)
        next(iter(warm))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stream = Stream(data, SIZE, np.random.default_rng(0), memory=memory, dtype=np.float32)
        for _ in range(2):
            streamed(stream)
    assert threading.active_count() == 1
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def page() -> str:
    """The table.

    Raises:
        AssertionError: costs that differ.
    """
    rows, met = [], True
    with tempfile.TemporaryDirectory() as folder:
        for name, layout in LAYOUTS.items():
            path = Path(folder) / "d.h5"
            make(path, layout, TIMES * MEMORY)
            seconds = measured(path, MEMORY)
            alone = seconds["h5py"]
            first, drawn, file = (
                statistics.median(a / b for a, b in zip(alone, seconds[what], strict=True))
                for what in ("first", "drawn", "file")
            )
            met = met and min(drawn, file) >= GOAL
            rows.append(
                f"| {name} | {path.stat().st_size / min(alone) / 1e6:,.0f} MB/s | {first:.2f} "
                f"| {drawn:.2f} | {file:.2f} | {growth(path, MEMORY) / MEMORY:.2f} |"
            )
        make(path, {"dtype": "u1", "chunks": (64, N)}, 2**23)
        equal = same_costs(path, 2**21)
    lines = [
        "# Batches from a file larger than memory",
        "",
        f"Written by `python tests/benchmarks/streaming.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- Versions: numpy {version('numpy')}, h5py {version('h5py')}.",
        "",
        f"Examples of {N} numbers, {TIMES} times the memory of {MEMORY // 2**20} MiB, in batches",
        f"of {SIZE} in float32, each looked through for NaN. Shares of the speed with which h5py",
        "alone reads the file from its beginning to its end into one buffer, and of uint8 divides",
        "by 255 as well (1 is as fast);",
        f"medians of {ROUNDS} rounds, turn by turn, the file in the system's cache. In the first",
        "epoch compressed chunks are unpacked twice, once to see that they are no trap. Growth: of",
        "a process's peak memory over two epochs, in units of the memory that was stated.",
        "",
        "| file | h5py alone | first epoch | blocks drawn | in the file's order | growth |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Goal: {GOAL} of h5py's speed after the first epoch: {'met' if met else '**not met**'}.",
        f"The costs of {equal} steps on a stream equal those of the same order in memory.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        _grow(sys.argv[2], int(sys.argv[3]))
    else:
        write_page("streaming.md", page, __doc__)
