"""The eager engine against its peers, side by side in one run.

    python tests/benchmarks/eager.py            # some minutes; writes README.md beside this file
    python tests/benchmarks/eager.py --quick    # seconds; prints, writes nothing

Peers are whatever is installed: pip install "tinygrad-dnn[bench]" brings all of them. The cat file
is used where TINYGRAD_DNN_CATS names its folder, else random numbers of its shape.
"""

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import workloads
from measure import Comparison, agree, interleaved, load, machine

PEERS = {"torch": "PyTorch eager", "autograd": "HIPS autograd", "mygrad": "MyGrad"}
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """A line of the table; `ratio` is None where a peer is missing, `theirs` may say why."""

    what: str
    peer: str
    ours: str = ""
    theirs: str = ""
    ratio: float | None = None
    best: float | None = None
    goal: float | None = None

    def __str__(self) -> str:
        if self.ratio is None:
            why = self.theirs or "not installed"
            return f"| {self.what} | {self.peer} | {self.ours} | {why} | | | | |"
        met = "" if self.goal is None else "met" if self.ratio <= self.goal else "**not met**"
        goal = "" if self.goal is None else f"≤ {self.goal:g}"
        best = "" if self.best is None else figures_of(self.best)
        figures = f"{self.ours} | {self.theirs} | {figures_of(self.ratio)} | {best}"
        return f"| {self.what} | {self.peer} | {figures} | {goal} | {met} |"


def figures_of(ratio: float) -> str:
    """A ratio with two decimals, a small one with two figures."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def told(seconds: float) -> str:
    """A time with three figures."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def versus(
    what: str, times: dict[str, list[float]], name: str, label: str, goal: float | None
) -> Row:
    """Ours against one peer."""
    if name not in times:
        return Row(what, label, told(statistics.median(times["ours"])))
    c = Comparison(times["ours"], times[name])
    ours, peer = told(statistics.median(c.ours)), told(statistics.median(c.peer))
    return Row(what, label, ours, peer, c.median, c.best, goal)


# --- the measurements, each a few rows ------------------------------------------------------------


def document_network(quick: bool) -> Iterator[Row]:
    """12288-20-7-5-1 on the full batch."""
    X, Y, source = workloads.cats()
    steps = workloads.networks(X, Y, (12288, 20, 7, 5, 1))
    agree(steps)
    times = interleaved(steps, rounds=2 if quick else 25, burst=2 if quick else 5, pause=0.2)
    what = f"12288-20-7-5-1, m = 209, {source}: forward, backward, update"
    yield versus(what, times, "hand", "written by hand", 0.65)
    yield versus(what, times, "torch", PEERS["torch"], 1.4)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread for small arrays: starting two costs it more than they bring."""
    torch = workloads.peer("torch")
    if torch is None:
        yield
        return
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def small_network(quick: bool) -> Iterator[Row]:
    """2-16-16-1 on 200 points."""
    steps = workloads.networks(*workloads.two_clouds(), (2, 16, 16, 1))
    agree(steps)
    with one_thread():
        times = interleaved(steps, rounds=3 if quick else 200, burst=5 if quick else 10)
    what = "2-16-16-1, m = 200: forward, backward, update"
    yield versus(what, times, "torch", PEERS["torch"], 1.0)
    yield versus(what, times, "hand", "written by hand", None)


def chains(quick: bool) -> Iterator[Row]:
    """200 elementwise ops on 10 x 10."""
    for link in workloads.LINKS:
        steps = workloads.chains(link)
        agree(steps)
        with one_thread():
            times = interleaved(steps, rounds=3 if quick else 150, burst=3)
        what = f"chain of 200 ops on 10 x 10, {link}: forward, backward"
        for name, goal in (("torch", 0.5), ("autograd", 0.2), ("mygrad", 0.2)):
            yield versus(what, times, name, PEERS[name], goal)


def imports(quick: bool) -> Iterator[Row]:
    """Importing in a fresh interpreter whose start is taken off; bytecode is there already."""
    programs = {
        "start": "pass",
        "numpy": "import numpy",
        "ours": "import tinygrad_dnn; tinygrad_dnn.Tensor",
    }
    with tempfile.TemporaryDirectory() as compiled:
        env = os.environ | {"PYTHONPYCACHEPREFIX": compiled}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        steps = {
            name: partial(subprocess.run, [sys.executable, "-c", code], check=True, env=env)
            for name, code in programs.items()
        }
        times = interleaved(steps, rounds=2 if quick else 25, burst=1)
    for name in ("numpy", "ours"):
        times[name] = [t - s for t, s in zip(times[name], times["start"], strict=True)]
    yield versus("import, without the interpreter's start", times, "numpy", "import numpy", 1.3)


def long_graphs(quick: bool) -> Iterator[Row]:
    """A hundred thousand ops against a tenth of them."""
    n = 10_000 if quick else 100_000
    for work, name in ((workloads.long_chain, "chain"), (workloads.long_sum, "sum of terms")):
        steps = {"ours": partial(work, n), "tenth": partial(work, n // 10)}
        agree(steps)
        times = interleaved(steps, rounds=2 if quick else 11, burst=1)
        what = f"{name}, {n:,}: forward, backward, release"
        yield versus(what, times, "tenth", f"{n // 10:,}", 14)


def memory(quick: bool) -> Iterator[Row]:
    """Peak memory of forward and backward on 20 layers."""
    found = {}
    for name in ("ours", "torch"):
        if name == "torch" and workloads.peer(name) is None:
            continue
        command = [sys.executable, str(HERE / "peak.py"), name, *(["--quick"] if quick else [])]
        # malloc gives every array back to the system when it is freed, for both: how it hoards and
        # scatters memory otherwise is not what is compared.
        env = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
        answers = [
            tuple(map(int, subprocess.check_output(command, env=env, text=True).split()))
            for _ in range(1 if quick else 3)
        ]
        grown, one = statistics.median(a for a, _ in answers), answers[0][1]
        found[name] = grown / one
    what = "peak memory of forward and backward, 20 layers, in activations of one layer"
    ours, peer = found["ours"], found.get("torch")
    if peer is None:
        yield Row(what, PEERS["torch"], f"{ours:.1f}")
    else:
        yield Row(what, PEERS["torch"], f"{ours:.1f}", f"{peer:.1f}", ours / peer)


MEASUREMENTS = {
    "long": long_graphs,  # first: the cycle collector walks all modules that are loaded by then
    "document": document_network,
    "chain": chains,
    "small": small_network,
    "import": imports,
    "memory": memory,
}


# --- the table ------------------------------------------------------------------------------------


def versions() -> str:
    """What was installed."""
    names = ["tinygrad-dnn", "numpy", *PEERS]
    said = []
    for name in names:
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            said.append(f"{name} not installed")
    return ", ".join(said)


def threads() -> str:
    """How many threads the matrix products may use."""
    settings = [
        f"{k}={os.environ[k]}"
        for k in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        if k in os.environ
    ]
    torch = workloads.peer("torch")
    count = f"PyTorch uses {torch.get_num_threads()}" if torch else "PyTorch is not installed"
    return f"{', '.join(settings) or 'as the libraries choose'}; {count}"


NOTES = [
    "The chains: `t * x`, `+ y`, `- y`, `/ x` of variables; `* 1.01`, `+ 0.1`, `- 0.1`,",
    "`/ 1.01`; tanh, exp, sqrt, log. Peak memory is how far a fresh process grew, with",
    "malloc told to give freed arrays back at once.",
    "",
    "What makes ten times the ops take more than ten times as long is Python's cycle",
    "collector, which walks the graph again and again while it grows. Processor time, the",
    "least of several, on 25 November 2026: a chain 13.6 times with the collector on, 10.4",
    "with `gc.disable()`; a sum 14.5 and 10.1. Nothing here needs it, since a graph has no",
    "cycles; it is left on because it is the user's.",
    "",
    "Of a recorded op two objects remain that the collector visits, the node and the tuple of",
    "its inputs, and one or two others of its first look: a result shares the tuple of its",
    "shape with its input. So an op takes 220 bytes, where it had taken 268, and on",
    "29 November 2026, on a machine that others used too, taking turns with the version",
    "before, 100,000 ops of the chain took 0.87 of the time (the least of six of each) and the",
    "sum 0.90. Two runs of this script on a quiet machine, on 30 November 2026: the chain 12.6",
    "and 13.9 times as long, the sum 12.4 and 13.6. A full pass of the collector visits all that",
    "there is, and comes when a quarter is new: 10,000 ops beside the modules that are loaded see",
    "one or none. Of 100,000 ops of the sum six such passes were 27 % of the time, of the chain",
    "three were 25 %.",
    "",
    "NumPy's calls alone take 0.16 of HIPS autograd's time for the chain of functions (1.15 µs",
    "an op, forward and backward, of 7.15), and 0.08 for that of two variables. Forward, for two",
    "variables, they are 0.36 of our own time, making the result's Tensor and node 0.22, and",
    "locking the result 0.06; the rest are some thirty assignments and look-ups.",
]


def page(
    rows: list[Row],
    command: str,
    seconds: float,
    title: str = "The eager engine against its peers",
    notes: list[str] = NOTES,
    before: float | None = None,
) -> str:
    """A page of measurements, README.md or another; `before` is the load that there was."""
    return "\n".join(
        [
            f"# {title}",
            "",
            f"Written by `{command}` on {datetime.date.today():%d %B %Y} in {seconds:.0f} s.",
            "",
            f"- Machine: {machine()}{'' if before is None else f'; {load(before)}'}.",
            f"- Versions: {versions()}.",
            f"- Threads of matrix products: {threads()} (on small arrays 1).",
            "",
            "All numbers are float64. Contenders take turns in one process, and first show that",
            "they compute the same. Times are medians. The ratio is ours over theirs: the median",
            "of the rounds, against which the goals are held, and our best time over their best.",
            "",
            "| what | against | ours | theirs | ratio | best | goal | |",
            "|---|---|---|---|---|---|---|---|",
            *map(str, rows),
            "",
            *notes,
            "",
        ]
    )


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test: few rounds, no file")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one measurement, no file")
    parser.add_argument("--out", type=Path, help="the file to write (README.md beside this script)")
    options = parser.parse_args()
    began = time.perf_counter()
    rows = []
    for name, measure in MEASUREMENTS.items():
        if options.only in (None, name):
            for row in measure(options.quick):
                print(row, flush=True)
                rows.append(row)
    out = options.out
    if out is None and not (options.quick or options.only):
        out = HERE / "README.md"
    if out is not None:
        command = "python tests/benchmarks/eager.py"
        out.write_text(page(rows, command, time.perf_counter() - began), encoding="utf-8")
        print(f"written: {out}")


if __name__ == "__main__":
    main()
