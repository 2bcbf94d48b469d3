"""When a cluster pays: a step on 1 and 2 worker processes beside one process, and the arithmetic.

Processes of this machine on loopback; writes cluster.md. What 16 and 256 workers would take is
computed from what was measured, under the assumptions that the page states.
"""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from measure import machine, write_page

from tinygrad_dnn.cluster import ClusterShards, Source, connect
from tinygrad_dnn.train import Settings, check_labels, train, train_in_shards

DOCUMENT = Settings((12288, 20, 7, 5, 1))
WIDE = Settings((784, 256, 10), 0.01, cost="softmax", init="he", dtype="float32")
SIZES = ((DOCUMENT, 209), (WIDE, 1024), (WIDE, 4096), (WIDE, 16384))
STEPS, FIRST = 10, 3  # steps of a run; those that are not counted
SHARDS = (2, 8, 32)  # of next to nothing: what a step costs beside its arithmetic
WORKERS = (2, 16, 256)
LOOP = 200


def write(path: Path, settings: Settings, m: int) -> None:
    rng = np.random.default_rng(0)
    n = settings.layer_dims[0]
    with h5py.File(path, "w") as file:
        x = file.create_dataset("train_set_x", (m, n), "u1", chunks=(min(m, 64), n))
        for start in range(0, m, 4096):
            k = min(4096, m - start)
            x[start : start + k] = rng.integers(0, 256, (k, n), dtype=np.uint8)
        file["train_set_y"] = rng.integers(0, max(2, settings.layer_dims[-1]), m)


class Clock:
    """The time of each step, as `after` is told."""

    def __init__(self) -> None:
        self.at = [time.perf_counter()]

    def __call__(self, state: Any, cost: float) -> None:
        self.at.append(time.perf_counter())

    def step(self) -> float:
        return float(np.diff(self.at)[FIRST:].min())


def alone(source: Source, settings: Settings) -> float:
    with source.open() as data:
        X = data.columns(settings.dtype)
        Y = data.labels(classes=settings.classes)
    clock = Clock()
    train(X, Y, settings, STEPS, after=clock)
    return clock.step()


def on(client: Any, source: Source, settings: Settings, shards: int) -> float:
    settings = replace(settings, shards=shards)
    with source.open() as data:
        Y = check_labels(data.labels(classes=settings.classes), data.m, settings)
    clock = Clock()
    with ClusterShards(client, source, Y, settings) as found:
        train_in_shards(found, settings, STEPS, after=clock)
    return clock.step()


@contextmanager
def data(settings: Settings, m: int) -> Iterator[Source]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5"
        write(path, settings, m)
        yield Source(str(path), split="train")


def measured() -> tuple[list[tuple[Settings, int, float, float, float]], tuple[float, float]]:
    """(settings, m, alone, 1 worker, 2 workers), and a step's cost: fixed, and for each shard."""
    rows = []
    with connect(workers=1) as one, connect(workers=2) as two:
        for settings, m in SIZES:
            with data(settings, m) as source:
                times = [alone(source, settings), on(one, source, settings, 1)]
                rows.append((settings, m, *times, on(two, source, settings, 2)))
        with data(WIDE, 2 * max(SHARDS)) as source:
            costs = [on(two, source, WIDE, s) for s in SHARDS]
    each, fixed = np.polyfit(SHARDS, costs, 1)
    return rows, (max(float(fixed), 0.0), float(each))


def ms(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def grown() -> tuple[int, int, float]:
    """Tasks in the graph of a parameter after the first and the last of 200 steps; seconds."""
    import dask
    import dask.array as da

    from tinygrad_dnn import value_and_grad
    from tinygrad_dnn.network import cost_of

    x = np.random.default_rng(0).normal(size=(3, 20))
    X, Y = (da.from_array(a, chunks=(len(a), 10)) for a in (x, (x[:1] > 0) * 1.0))
    p: Any = {"W1": np.zeros((1, 3)), "b1": np.zeros((1, 1))}
    tasks, begun = [], time.perf_counter()
    for _ in range(LOOP):
        _, grads = value_and_grad(lambda p: cost_of(X, Y, p, "stable"))(p)
        p = {name: p[name] - 0.5 * grads[name] for name in p}
        (p,) = dask.persist(p)
        tasks.append(len(p["W1"].__dask_graph__()))
    return tasks[0], tasks[-1], time.perf_counter() - begun


BUSY = """
**The machine was busy with other work (see its load): workers waited for cores, so that all times
are too long, and those of several processes most. Run it again on a quiet one.**"""
TEXT = """\
# When a cluster pays

Written by `python tests/benchmarks/cluster.py` on {today}.

- Machine: {machine}; load {load:.0f}.
- Versions: numpy {numpy}, distributed {distributed}.

A step of the full batch: in one process (`train`), and on worker processes of this machine on
loopback, each with one shard (`train --cluster N`); the fastest of {steps} steps, which others on
the machine disturb least. The workers share the cores with the client and the scheduler.{busy}

{steps_table}

## The arithmetic

A step on W workers takes a + b W + c m / W: a is what Dask takes for any step, b what each shard
adds (a task, its gradients to the client, their sum), c what an example takes to compute. Measured
with {layers} in {dtype}, {sent:.2g} MB of parameters, and {shards} shards of
next to nothing: a = {fixed}, b = {each}; c = {example:.3g} µs from the last row above. W workers
pay where a + b W < c m (1 − 1/W).

{workers_table}

Assumed for 16 and 256: each worker computes as fast as the one process and has a core of its own;
the network is as quick as loopback; all gradients go to one client, one after the other (b W): that
limits many workers. `--local-steps K` divides a + b W by K.

One process runs large products on two threads, a worker on one: on the same two cores two workers
can gain little, and the last rows of the first table are near that.

The document's network is at home in one process, where `train` also does less than a step's
arithmetic ([loops](../../examples/guide/loops.md)).

A loop of {loop} steps on Dask arrays with one `persist` a step: tasks in the graph of a parameter
after the first step {first}, after the last {last}; {loop_step} a step.
"""


def table(head: str, rows: list[list[str]]) -> str:
    columns = head.count("|") - 1
    lines = [head, "|" + "---|" * columns, *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def step_row(s: Settings, m: int, one: float, w1: float, w2: float) -> list[str]:
    net = "-".join(map(str, s.layer_dims)) + (", float32" if s.dtype == "float32" else "")
    pays = f"yes: {one / w2:.2g} times as fast"
    if w2 >= one:
        times = w2 / one
        pays = (
            f"no: {times:,.0f} times as long" if times >= 10 else f"no: {times:.2g} times as long"
        )
    return [net, f"{m:,}", f"{m // 2:,}", ms(one), ms(w1), ms(w2), pays]


def worker_row(w: int, extra: float, example: float) -> list[str]:
    even = extra / (example * (1 - 1 / w))
    many = 10 * even * example
    gain = many / (extra + many / w)
    return [str(w), ms(extra), f"{even:,.0f}", f"{even / w:,.0f}", f"{gain:.2g}"]


def page() -> str:
    rows, (fixed, each) = measured()
    settings, m, took, *_ = rows[-1]
    floats = sum((a + 1) * b for a, b in pairwise(settings.layer_dims))
    first, last, seconds = grown()
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    return TEXT.format(
        busy=BUSY if load > 2 * cores + 2 else "",
        today=f"{datetime.date.today():%d %B %Y}",
        machine=machine(),
        load=load,
        numpy=np.__version__,
        distributed=version("distributed"),
        steps=STEPS - FIRST,
        steps_table=table(
            "| network | examples | in a shard of 2 | one process | 1 worker | 2 workers | 2 pay |",
            [step_row(*row) for row in rows],
        ),
        layers="-".join(map(str, settings.layer_dims)),
        dtype=settings.dtype,
        sent=floats * np.dtype(settings.dtype).itemsize / 1e6,
        shards=", ".join(map(str, SHARDS)),
        fixed=ms(fixed),
        each=ms(each),
        example=took / m * 1e6,
        workers_table=table(
            "| workers | a + b W | pay from so many examples | in a shard | gain at ten times it |",
            [worker_row(w, fixed + each * w, took / m) for w in WORKERS],
        ),
        loop=LOOP,
        first=first,
        last=last,
        loop_step=ms(seconds / LOOP),
    )


if __name__ == "__main__":
    write_page("cluster.md", page, __doc__ or "")
