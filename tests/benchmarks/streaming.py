"""Batches streamed from a file 20 times the memory, beside h5py's own reading of it.

Goal: at least 0.8 of h5py's speed. Costs on the stream are shown to be those of the same order in
memory, bit for bit.
"""

from __future__ import annotations

import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from measure import machine, write_page
from peak import held

from tinygrad_dnn import value_and_grad
from tinygrad_dnn.data import Stream, read
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.optim import gradient_descent

GOAL = 0.8
MEMORY, TIMES = 2**23, 20
ROUNDS = 3
N, SIZE = 784, 128
LAYOUTS: dict[str, dict[str, Any]] = {
    "float32, chunks of 64": {"dtype": "f4", "chunks": (64, N)},
    "float32, contiguous": {"dtype": "f4"},
    "uint8, chunks of 256": {"dtype": "u1", "chunks": (256, N)},
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


class Took(NamedTuple):
    """Seconds of an epoch: on the clock, and of the processor in this thread and in others."""

    clock: float
    here: float
    reading: float


def timed(work: Callable[[], None]) -> Took:
    begun = time.perf_counter(), time.thread_time(), time.process_time()
    work()
    clock, here = time.perf_counter() - begun[0], time.thread_time() - begun[1]
    return Took(clock, here, time.process_time() - begun[2] - here)


def h5py_alone(path: Path) -> None:
    """Read the examples with h5py, some MiB of whole chunks at a time.

    Of pixels, the division by 255 counts: a batch is of floats, which take four times the bytes.
    """
    with h5py.File(path) as file:
        x = file["x"]
        step = x.chunks[0] if x.chunks else 1
        rows = max(1, 2**22 // (x.dtype.itemsize * N * step)) * step
        out, floats = np.empty((rows, N), x.dtype), np.empty((rows, N), np.float32)
        for start in range(0, x.shape[0], rows):
            k = min(rows, x.shape[0] - start)
            x.read_direct(out, np.s_[start : start + k], np.s_[:k])
            if x.dtype == np.uint8:
                np.divide(out[:k], 255, out=floats[:k], dtype=np.float32)


def streamed(stream: Stream) -> None:
    """An epoch of batches, as floats, checked, with their labels."""
    for _ in stream:
        pass


def measured(path: Path) -> dict[str, list[Took]]:
    """An epoch in either order, beside h5py, in turn."""
    took: dict[str, list[Took]] = {"h5py": [], "drawn": [], "file": []}
    h5py_alone(path)
    for _ in range(ROUNDS):
        with read(path, "x", "y", "classes") as data:
            rng = np.random.default_rng(0)
            streams = {
                order: Stream(data, SIZE, rng, memory=MEMORY, dtype=np.float32, order=order)
                for order in ("drawn", "file")
            }
            took["h5py"].append(timed(lambda: h5py_alone(path)))
            for what, stream in streams.items():
                took[what].append(timed(lambda stream=stream: streamed(stream)))
    return took


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
        before = held()
        stream = Stream(data, SIZE, np.random.default_rng(0), memory=memory, dtype=np.float32)
        for _ in range(2):
            streamed(stream)
    assert threading.active_count() == 1
    print(held() - before)


def row(name: str, path: Path) -> tuple[str, bool]:
    """A layout's line of the table, and whether it meets the goal."""
    took = measured(path)
    alone = took["h5py"]
    drawn, file = (
        statistics.median(a.clock / b.clock for a, b in zip(alone, took[what], strict=True))
        for what in ("drawn", "file")
    )
    here, reading = (
        statistics.median(
            getattr(b, of) / a.here for a, b in zip(alone, took["drawn"], strict=True)
        )
        for of in ("here", "reading")
    )
    speed = path.stat().st_size / min(a.clock for a in alone) / 1e6
    line = (
        f"| {name} | {speed:,.0f} MB/s | {drawn:.2f} | {file:.2f} "
        f"| {reading:.2f} | {here:.2f} | {growth(path, MEMORY) / MEMORY:.2f} |"
    )
    return line, min(drawn, file) >= GOAL


def page() -> str:
    """The table.

    Raises:
        AssertionError: costs that differ.
    """
    lines, met = [], True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.h5"
        for name, layout in LAYOUTS.items():
            make(path, layout, TIMES * MEMORY)
            line, reached = row(name, path)
            print(line, file=sys.stderr)
            lines.append(line)
            met = met and reached
        make(path, {"dtype": "u1", "chunks": (64, N)}, 2**23)
        equal = same_costs(path, 2**21)
    text = [
        "# Batches from a file larger than memory",
        "",
        f"Written by `python tests/benchmarks/streaming.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}; load {os.getloadavg()[0]:.0f}.",
        f"- Versions: numpy {version('numpy')}, h5py {version('h5py')}.",
        "",
        f"Examples of {N} numbers, {TIMES} times the memory of {MEMORY // 2**20} MiB, in batches",
        f"of {SIZE} in float32, each looked through for NaN. Shares of the speed with which h5py",
        "alone reads the file from its beginning to its end into one buffer, and of uint8 divides",
        f"by 255 as well (1 is as fast); medians of {ROUNDS} rounds, turn by turn, the file in the",
        "system's cache. Processor time is that of the reading thread and of the loop, in units of",
        "h5py's: on two free cores the larger one says how long an epoch takes. Growth: of a",
        "process's peak memory over two epochs, in units of the memory that was stated. Compressed",
        "chunks, which are not in the table, are unpacked twice in the first epoch, once to see",
        "that they are no trap.",
        "",
        "| file | h5py alone | blocks drawn | in the file's order "
        "| reading, processor | loop, processor | growth |",
        "|---|---|---|---|---|---|---|",
        *lines,
        "",
        f"Goal: {GOAL} of h5py's speed: {'met' if met else '**not met**'}.",
        f"The costs of {equal} steps on a stream equal those of the same order in memory.",
    ]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        _grow(sys.argv[2], int(sys.argv[3]))
    else:
        write_page("streaming.md", page, __doc__)
