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
from tinygrad_dnn.data.examples import not_finite
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.optim import gradient_descent

GOAL = 0.8
MEMORY, TIMES = 2**23, 20
ROUNDS = 9
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


class Parts(NamedTuple):
    """Seconds of the processor in an epoch's loop."""

    copying: float
    converting: float
    checking: float


def parts(path: Path) -> Parts:
    """What NumPy alone takes for an epoch of batches that lie in memory, unread."""
    with h5py.File(path) as file:
        dtype, m = file["x"].dtype, file["x"].shape[0]
    window = np.ones((MEMORY // 2 // (N * dtype.itemsize), N), dtype)
    order = np.random.default_rng(0).permutation(len(window))
    X, spent = np.empty((SIZE, N), np.float32), np.zeros(3)
    for k in range(m // SIZE):
        at = order.take(range(k * SIZE, (k + 1) * SIZE), mode="wrap")
        times = [time.thread_time()]
        if dtype == X.dtype:
            np.take(window, at, axis=0, out=X, mode="clip")
            times += [time.thread_time()] * 2
        else:
            stored = window.take(at, axis=0)
            times.append(time.thread_time())
            np.divide(stored, 255, out=X, dtype=X.dtype)
            times.append(time.thread_time())
        if dtype.kind == "f":
            not_finite(X)
        spent += np.diff([*times, time.thread_time()])
    return Parts(*spent.tolist())


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


def rows(name: str, path: Path) -> tuple[str, str, float]:
    """A layout's lines in both tables, and its smaller share of h5py's speed on two free cores."""
    took = measured(path)
    split = [min(each) for each in zip(*(parts(path) for _ in range(ROUNDS)), strict=True)]
    alone = took["h5py"]
    unit = min(a.here for a in alone)
    speed = path.stat().st_size / min(a.clock for a in alone) / 1e6
    shares, clocks, loop = [], [], 0.0
    for what in ("drawn", "file"):
        here, reading = (min(getattr(b, of) for b in took[what]) for of in ("here", "reading"))
        shares += [unit / reading, unit / here]
        pairs = zip(alone, took[what], strict=True)
        clocks.append(statistics.median(a.clock / b.clock for a, b in pairs))
        loop = loop or here
    line = (
        f"| {name} | {speed:,.0f} MB/s | {min(shares[:2]):.2f} | {min(shares[2:]):.2f} "
        f"| {clocks[0]:.2f} | {clocks[1]:.2f} | {growth(path, MEMORY) / MEMORY:.2f} |"
    )
    spent = [unit / shares[0], *split, loop - sum(split)]
    detail = " | ".join(f"{s / unit:.2f}" for s in spent)
    return line, f"| {name} | {detail} |", min(shares)


def page() -> str:
    """The table.

    Raises:
        AssertionError: costs that differ.
    """
    lines, details, least = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.h5"
        for name, layout in LAYOUTS.items():
            make(path, layout, TIMES * MEMORY)
            line, detail, share = rows(name, path)
            print(line, detail, sep="\n", file=sys.stderr)
            lines.append(line)
            details.append(detail)
            least.append(share)
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
        f"by 255 as well (1 is as fast); {ROUNDS} rounds, turn by turn, the file in the system's",
        "cache. One thread reads while the loop takes examples out of what was read before, so on",
        "two free cores an epoch takes as long as the busier of them: that share is of the",
        "processor's time, least of the rounds. By the clock it is the median, and on a busy",
        "machine less. Growth: of a process's peak memory over two epochs, in units of the memory",
        "that was stated. Compressed chunks, which are not in the table, are unpacked twice in the",
        "first epoch, once to see that they are no trap.",
        "",
        "| file | h5py alone | two free cores: blocks drawn | file's order "
        "| clock: blocks drawn | file's order | growth |",
        "|---|---|---|---|---|---|---|",
        *lines,
        "",
        "What takes the time where blocks are drawn, in units of h5py's: reading is one thread,",
        "the rest the loop. Copying is NumPy's `take` of shuffled examples out of a window, once",
        "through memory, which no shuffled reading does without; converting is the division,",
        "checking the look for NaN, both by NumPy alone; the rest is Python, labels among it.",
        "",
        "| file | reading | copying | converting | checking | rest |",
        "|---|---|---|---|---|---|",
        *details,
        "",
        f"Goal: {GOAL} of h5py's speed, on two free cores: "
        f"{'met' if min(least) >= GOAL else '**not met**'}.",
        f"The costs of {equal} steps on a stream equal those of the same order in memory.",
    ]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        _grow(sys.argv[2], int(sys.argv[3]))
    else:
        write_page("streaming.md", page, __doc__)
