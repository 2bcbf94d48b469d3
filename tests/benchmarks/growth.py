"""How the cost of compiled functions grows: time and memory against depth, width, batch, length."""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import programs

import tinygrad_dnn as tg
from tinygrad_dnn import textbook

DEPTHS = (2, 4, 8, 16, 32, 64)
WIDTHS = (32, 64, 128, 256, 512)
BATCHES = (64, 128, 256, 512, 1024, 2048, 4096)
LENGTHS = (100, 300, 1000, 3000, 10000)


def measured(work: Callable[[], Any], times: int = 7) -> float:
    """The median processor time of a call in this thread, in seconds: whatever else the machine
    does is left out, and so are the other threads of matrix products.
    """
    work()
    taken = []
    for _ in range(times):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
    return statistics.median(taken)


def network(depth: int, width: int, m: int) -> tuple[float, float, float, float]:
    """Seconds to compile, a compiled step, an eager step; MiB that a compiled step holds."""
    layers = (width,) * (depth + 1) + (1,)
    X, Y = programs.problem(layers, m)
    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    f = programs.training_step(layers, m)
    step = tg.compile(f, reuse_outputs=True)
    start = time.thread_time()
    step.prepare(p, X, Y)
    took = time.thread_time() - start
    tracemalloc.start()
    step(p, X, Y)
    held = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return took, measured(lambda: step(p, X, Y)), measured(lambda: f(p, X, Y)), held


def chain(n: int) -> tuple[float, float, float, float]:
    """The same of n ops on 10 x 10: x ⊙ y + x ⊙ y + ..."""

    def f(x: Any, y: Any) -> Any:
        t = x
        for _ in range(n // 2):
            t = t * y + x
        return t.sum()

    x, y = np.random.default_rng(0).random((2, 10, 10))
    work = tg.value_and_grad(f, argnums=(0, 1))
    step = tg.compile(work, reuse_outputs=True)
    start = time.thread_time()
    step.prepare(x, y)
    took = time.thread_time() - start
    tracemalloc.start()
    step(x, y)
    held = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return took, measured(lambda: step(x, y)), measured(lambda: work(x, y)), held


Work = Callable[[int], tuple[float, float, float, float]]
# With each its sizes, the work, and the power of the size that its arithmetic grows with.
SERIES: dict[str, tuple[tuple[int, ...], Work, int]] = {
    "hidden layers (64 wide, m = 256)": (DEPTHS, lambda n: network(n, 64, 256), 1),
    "width (4 layers, m = 256)": (WIDTHS, lambda n: network(4, n, 256), 2),
    "examples m (4 layers, 64 wide)": (BATCHES, lambda n: network(4, 64, n), 1),
    "elementwise ops (10 x 10)": (LENGTHS, chain, 1),
}
NAMES = ("record and compile", "a compiled step", "an eager step")


def draw(path: Path) -> None:
    """Measure and draw four panels of time, and below each its memory."""
    figure, panels = plt.subplots(
        2, 4, figsize=(15, 6), height_ratios=(2, 1), sharex="col", layout="constrained"
    )
    for (title, (sizes, work, power)), (upper, lower) in zip(SERIES.items(), panels.T, strict=True):
        found = np.array([work(n) for n in sizes])
        for i, (name, style) in enumerate(zip(NAMES, ("o:", "o-", "s--"), strict=True)):
            upper.loglog(sizes, found[:, i] * 1e3, style, label=name)
        steps = (np.array(sizes) / sizes[0]) ** power
        upper.loglog(
            sizes, found[0, 1] * 1e3 * steps, color="0.8", zorder=0, label="as the arithmetic grows"
        )
        lower.loglog(sizes, found[:, 3], "o-", color="C1")
        lower.set_xlabel(title)
        lower.set_xticks(sizes, [f"{n:,}" for n in sizes])
        lower.minorticks_off()
        for panel in (upper, lower):
            panel.grid(color="0.92")
    panels[0, 0].set_ylabel("milliseconds of processor time")
    panels[1, 0].set_ylabel("MiB held by a step")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    print(f"written: {path}")
