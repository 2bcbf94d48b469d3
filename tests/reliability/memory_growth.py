"""Long runs that must not grow: memory, descriptors, threads and source lines after N steps.

Each workload runs in a forked process of its own: a tenth of the steps to warm up, then it is
measured, and measured again after the others. Python's own memory may differ by 64 kB, the
process's by 8 MB, the rest not at all. Needs fork and /proc.

    python tests/reliability/memory_growth.py 1000
"""

from __future__ import annotations

import contextlib
import gc
import io
import linecache
import os
import tempfile
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attack import Figures, in_child, main
from commands import call, write_split

import tinygrad_dnn as td
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.network import cost_of, initialize_parameters

LAYERS = (12, 6, 4, 1)
rng = np.random.default_rng(0)
X, Y = rng.random((12, 20)), rng.integers(0, 2, (1, 20)).astype(float)
Step = Callable[[int], Any]


def loss(p: Any, x: Any = X) -> Any:
    return cost_of(x, Y, p, "stable")


def eager() -> Step:
    leaves = {
        k: td.Tensor(v, requires_grad=True, name=k)
        for k, v in initialize_parameters(LAYERS).items()
    }

    def step(k: int) -> None:
        loss(leaves).backward()
        for t in leaves.values():
            with td.no_grad():
                t -= 0.01 * t.grad
            t.zero_grad()

    return step


def second_order() -> Step:
    p = initialize_parameters(LAYERS)
    return lambda k: td.hvp(loss, (p,), (p,))


def refused() -> Step:
    t = td.Tensor(np.ones(3), requires_grad=True)

    def step(k: int) -> None:
        with contextlib.suppress(ValueError):
            td.exp(t) @ np.ones(2)
        with contextlib.suppress(Exception), td.debug():
            (td.log(t - 1.0) * t).sum().backward()

    return step


def compiled() -> Step:
    p = initialize_parameters(LAYERS)
    step = td.compile(td.value_and_grad(loss), reuse_outputs=True)
    return lambda k: step(p)


def evicted() -> Step:
    """A number that keeps changing: a program for each, of which the last are kept."""
    f = td.compile(lambda x, rate: (x * rate).sum())

    def step(k: int) -> None:
        if k % 2 == 0:
            f(X, 1 / (1 + k))

    return step


def looped() -> Step:
    p = initialize_parameters(LAYERS)

    def one(p: Any, x: Any) -> Any:
        value, slopes = td.value_and_grad(lambda q: loss(q, x))(p)
        return {k: v - 0.01 * slopes[k] for k, v in p.items()}, value

    loop = td.compile_loop(one, carry=p, constants={"x": X}, refresh=100)

    def step(k: int) -> None:
        loop.step()
        if k % 50 == 0:
            _ = loop.snapshot().carry

    return step


def files() -> Step:
    folder = tempfile.mkdtemp()
    path = write_split(Path(folder, "train.h5"), "train", 12, seed=1)
    words = ("train", path, "--iterations", 2, "--layers", "48,1", "--eager", "--no-pictures")

    def step(k: int) -> None:
        with open_dataset(path) as data:
            data.columns()
        if k % 50 == 0:
            with contextlib.redirect_stdout(io.StringIO()):
                assert call(*words, "--out", f"{folder}/run") == 0

    return step


WORKLOADS = (eager, second_order, refused, compiled, evicted, looped, files)


def measured() -> dict[str, int]:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "resident memory": resident,
        "Python's memory": tracemalloc.get_traced_memory()[0],
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "sources": len(linecache.cache),
    }


ALLOWED = {"resident memory": 8 << 20, "Python's memory": 64 << 10}


def grown(workload: Callable[[], Step], n: int) -> int:
    """Print what grew from a tenth of the steps to all of them; 1 where it is more than allowed."""
    # Warm: more programs than are kept have been written.
    warm = max(n // 10, 100)
    with warnings.catch_warnings(action="ignore"):
        step = workload()
        tracemalloc.start()
        for k in range(warm):
            step(k)
        before = measured()
        for k in range(warm, warm + n):
            step(k)
    after = measured()
    more = {
        what: after[what] - before[what]
        for what in after
        if after[what] - before[what] > ALLOWED.get(what, 0)
    }
    print(", ".join(f"{what} by {size:,}" for what, size in more.items()))
    return bool(more)


def attack(n: int) -> Figures:
    """Take n steps of every workload."""
    failures = []
    for workload in WORKLOADS:
        status, told = in_child(grown, workload, n, seconds=60 + n / 10)
        if status:
            failures.append(f"{workload.__name__} grew in {n} steps: {told[-500:].strip()}")
    return Figures(n, {"workloads": len(WORKLOADS)}, failures)


if __name__ == "__main__":
    main(attack, 500)
