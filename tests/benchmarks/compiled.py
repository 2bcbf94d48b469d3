"""Compiled functions against their peers, side by side in one run.

    python tests/benchmarks/compiled.py            # minutes; writes compiled.md and growth.png here
    python tests/benchmarks/compiled.py --quick    # seconds; prints, writes nothing

Peers are whatever is installed: pip install "tinygrad-dnn[bench]" brings all of them, and
pip install jax the last one; torch.compile needs a C++ compiler besides. The cat file is used where
TINYGRAD_DNN_CATS names its folder.
"""

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inductor
import numpy as np
import programs
import workloads
from eager import Row, one_thread, threads, told, versus
from eager import versions as eager_versions
from measure import agree, interleaved, machine

import tinygrad_dnn as tg

HERE = Path(__file__).parent
BACKENDS = """\
## Backends that were weighed

On 25 November 2026, `python tests/benchmarks/backends.py` with numexpr 2.14.2, numba 0.68.1 and
NumPy 2.4.6, on the same kind of machine: the emitted lines of the three chains (two variables, a
variable and a number, functions) in time of what we run, and of PyTorch eager.

| | two variables | and a number | functions | installed | imported in | compiled in |
|---|---|---|---|---|---|---|
| numexpr, a kernel a line | 3.5, 0.62 | 2.9, 0.20 | 3.2, 0.52 | 2 MB | 0.02 s | 0 s |
| numba, one loop of scalars | 0.19, 0.032 | 0.30, 0.020 | 1.3, 0.21 | 213 MB | 0.5 s | 1 to 3 s |

numexpr costs more a call than a ufunc with `out=`; whole formulas are not for it, since a chain's
gradient reads every value between. numba reaches 0.05 of PyTorch where all is arithmetic, and takes
longer than NumPy for tanh and exp, which NumPy vectorises. It would bring 213 MB, compile for a
second or more what is printed in milliseconds, and run something else than the source one reads; in
networks the products take the time, which it leaves to the same library. Neither is kept. Whoever
has chains of tiny ops finds torch.compile and jax.jit above, at the same price.
"""
DOCUMENT = (12288, 20, 7, 5, 1)
PEERS = {
    "hand": "written by hand",
    "optimised": "optimised by hand",
    "eager": "our eager engine",
    "torch": "PyTorch eager",
    "inductor": inductor.LABEL,
    "jax": "jax.jit",
    "autograd": "HIPS autograd",
    "mygrad": "MyGrad",
}


def rows(
    what: str,
    steps: dict[str, Callable[[], Any]],
    also: inductor.Tried,
    goals: dict[str, float],
    **turns: Any,
) -> Iterator[Row]:
    """Ours against everybody who is there, and against whom a goal is set; torch.compile `also`."""
    if also.step is not None:
        steps = steps | {"inductor": also.step}
    agree(steps)
    times = interleaved(steps, **turns)
    for name, label in (PEERS | {"inductor": also.label}).items():
        if name in times or name in goals:
            yield versus(what, times, name, label, goals.get(name))
        elif name == "inductor":
            yield Row(what, label, told(statistics.median(times["ours"])), also.reason)


def attempted(build: Callable[..., Any], *args: Any, quick: bool) -> inductor.Tried:
    """torch.compile, but for a smoke test, which it would make a long one."""
    if quick:
        return inductor.Tried(None, reason="not tried in a smoke test")
    return inductor.tried(build, *args)


def document_network(quick: bool) -> Iterator[Row]:
    """12288-20-7-5-1 on the full batch."""
    X, Y, source = workloads.cats()
    steps = programs.networks(X, Y, DOCUMENT)
    also = attempted(inductor.network, X, Y, DOCUMENT, quick=quick)
    goals = {"hand": 0.5, "torch": 1.25, "jax": 1.25}
    what = f"12288-20-7-5-1, m = 209, {source}: training step"
    yield from rows(
        what, steps, also, goals, rounds=2 if quick else 25, burst=2 if quick else 5, pause=0.2
    )


def small_networks(quick: bool) -> Iterator[Row]:
    """Networks whose arrays fit into the processor's caches."""
    small = {"torch": 0.25, "jax": 1.0}
    middle = {"torch": 0.7, "jax": 1.0}
    cases = [
        ((2, 16, 16, 1), workloads.two_clouds(), small),
        ((784, 128, 64, 1), programs.problem((784, 128, 64, 1), 64), middle),
        ((100, 50, 20, 1), programs.problem((100, 50, 20, 1), 1000), middle),
    ]
    for layers, (X, Y), goals in cases:
        steps = programs.networks(X, Y, layers)
        what = f"{'-'.join(map(str, layers))}, m = {X.shape[1]}: training step"
        with one_thread():
            also = attempted(inductor.network, X, Y, layers, quick=quick)
            yield from rows(
                what, steps, also, goals, rounds=3 if quick else 100, burst=5 if quick else 10,
                pause=0.0 if quick else 0.02,
            )  # fmt: skip


def chains(quick: bool) -> Iterator[Row]:
    """200 elementwise ops on 10 x 10."""
    for link in workloads.LINKS:
        what = f"chain of 200 ops on 10 x 10, {link}: forward, backward"
        steps = programs.chains(link)
        with one_thread():
            also = attempted(inductor.chain, workloads.LINKS[link], quick=quick)
            yield from rows(what, steps, also, {"torch": 0.18}, rounds=3 if quick else 100, burst=3)


def compiling(quick: bool) -> Iterator[Row]:
    """From a function to a program that is ready to run, in processor time of this thread."""
    X, Y, _ = workloads.cats()
    p = tg.textbook.initialize_parameters_deep(DOCUMENT, scale="sqrt", seed=1)
    times = []
    for _ in range(3 if quick else 15):
        time.sleep(0.2)
        start = time.thread_time()
        tg.compile(programs.training_step(DOCUMENT, 209)).prepare(p, X, Y)
        times.append(time.thread_time() - start)
    took = statistics.median(times)
    ours, best = f"{took * 1e3:.3g} ms", min(times) / 0.05
    what = "recording and compiling 12288-20-7-5-1, processor time"
    yield Row(what, "50 ms", ours, "50 ms", took / 0.05, best, 1.0)


def memory(quick: bool) -> Iterator[Row]:
    """The most memory that a training loop holds, counted by tracemalloc in a fresh process."""
    m = 50 if quick else 209
    found = {
        name: int(subprocess.check_output([sys.executable, str(HERE / "held.py"), name, str(m)]))
        for name in ("ours", "optimised", "hand")
    }
    what = f"peak memory of a training loop, 12288-20-7-5-1, m = {m}, without X and Y"
    for name, goal in (("optimised", 1.1), ("hand", None)):
        ours, peer = (f"{found[n] / 2**20:.2f} MiB" for n in ("ours", name))
        ratio = found["ours"] / found[name]
        yield Row(what, PEERS[name], ours, peer, ratio, None, goal)


def growth() -> list[str]:
    """The table of exponents, and growth.png, in a process with one thread for matrix products."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, str(HERE / "growth.py")]
    return subprocess.check_output(command, env=os.environ | one, text=True).splitlines()


MEASUREMENTS = {
    "document": document_network,
    "small": small_networks,
    "chain": chains,
    "compile": compiling,
    "memory": memory,
}


def versions() -> str:
    """What was installed."""
    jax = workloads.peer("jax")
    return f"{eager_versions()}, {f'jax {jax.__version__}' if jax else 'jax not installed'}"


def page(found: list[Row], grown: list[str], command: str, seconds: float) -> str:
    """compiled.md."""
    return "\n".join(
        [
            "# Compiled functions against their peers",
            "",
            f"Written by `{command}` on {datetime.date.today():%d %B %Y} in {seconds:.0f} s.",
            "",
            f"- Machine: {machine()}.",
            f"- Versions: {versions()}.",
            f"- Threads of matrix products: {threads()} (on small arrays 1).",
            "",
            "All numbers are float64. Contenders take turns in one process, and first show that",
            "they compute the same. Times are medians. The ratio is ours over theirs: the median",
            "of the rounds, against which the goals are held, and our best time over their best.",
            "Ours is `compile(step, reuse_outputs=True)`; the chains are compiled with",
            "`rewrite=False`, since rewriting would cancel what they take back. The gradient of",
            "`a variable and a number` is constant, and so computed once. torch.compile is given",
            "the whole step, gradient and update; the seconds beside it are what its first step",
            "took (the first of them loads its compiler too), and are not in its times.",
            "",
            "| what | against | ours | theirs | ratio | best | goal | |",
            "|---|---|---|---|---|---|---|---|",
            *map(str, found),
            "",
            "## How cost grows",
            "",
            "![How time and memory grow with depth, width, batch and length](growth.png)",
            "",
            "Cost as c · sizeᵉ: the exponent e fitted to all sizes, and to the three largest,",
            "where what a call costs by itself weighs least. Processor time, with one thread for",
            "matrix products; the least of 3 compilations and of 15 calls.",
            "",
            *grown,
            "",
            BACKENDS,
        ]
    )


def main() -> None:
    """Measure, print, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test: few rounds, no file")
    parser.add_argument("--only", choices=[*MEASUREMENTS, "growth"], help="one measurement")
    options = parser.parse_args()
    began = time.perf_counter()
    found = []
    np.seterr(all="ignore")
    for name, measure in MEASUREMENTS.items():
        if options.only in (None, name):
            for row in measure(options.quick):
                print(row, flush=True)
                found.append(row)
    if options.only == "growth":
        print(*growth(), sep="\n")
    if not (options.quick or options.only):
        grown = growth()
        command = "python tests/benchmarks/compiled.py"
        text = page(found, grown, command, time.perf_counter() - began)
        (HERE / "compiled.md").write_text(text, encoding="utf-8")
        print(f"written: {HERE / 'compiled.md'}")


if __name__ == "__main__":
    main()
