"""How the cost of compiled functions grows: time and memory against depth, width, batch, length.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/growth.py    # writes growth.png, prints a table

Processor time is what is measured, so matrix products get one thread: a second one would wait
beside it, and its waiting be counted.
"""

import time
import tracemalloc
from collections.abc import Callable, Sequence
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


def measured(work: Callable[..., Any], *args: Any, times: int = 15) -> float:
    """The least processor time of a call, in seconds: what else the machine does is left out."""
    work(*args)
    taken = []
    for _ in range(times):
        start = time.thread_time()
        work(*args)
        taken.append(time.thread_time() - start)
    return min(taken)


def costs(f: Callable[..., Any], *args: Any) -> tuple[float, float, float, float]:
    """Seconds to compile, a compiled step, an eager step; MiB that a compiled step holds."""
    took = []
    for _ in range(3):
        step = tg.compile(f, reuse_outputs=True)
        start = time.thread_time()
        step.prepare(*args)
        took.append(time.thread_time() - start)
    tracemalloc.start()
    step(*args)
    held = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return min(took), measured(step, *args), measured(f, *args), held


def network(depth: int, width: int, m: int) -> tuple[float, float, float, float]:
    """Those of a training step."""
    layers = (width,) * (depth + 1) + (1,)
    X, Y = programs.problem(layers, m)
    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    return costs(programs.training_step(layers, m), p, X, Y)


def chain(n: int) -> tuple[float, float, float, float]:
    """The same of n ops on 10 x 10: x ⊙ y + x ⊙ y + ..."""

    def f(x: Any, y: Any) -> Any:
        t = x
        for _ in range(n // 2):
            t = t * y + x
        return t.sum()

    x, y = np.random.default_rng(0).random((2, 10, 10))
    return costs(tg.value_and_grad(f, argnums=(0, 1)), x, y)


Work = Callable[[int], tuple[float, float, float, float]]
# With each its sizes, the work, and the power of the size that its arithmetic grows with.
SERIES: dict[str, tuple[tuple[int, ...], Work, int]] = {
    "hidden layers (64 wide, m = 256)": (DEPTHS, lambda n: network(n, 64, 256), 1),
    "width (4 layers, m = 256)": (WIDTHS, lambda n: network(4, n, 256), 2),
    "examples m (4 layers, 64 wide)": (BATCHES, lambda n: network(4, 64, n), 1),
    "elementwise ops (10 x 10)": (LENGTHS, chain, 1),
}
NAMES = ("record and compile", "a compiled step", "an eager step")
LARGE = 3  # of the sizes, the largest, where what a call costs by itself is least


def slope(sizes: Sequence[float], found: Any) -> float:
    """The exponent e of cost = c sizeᵉ: least squares of the logarithms."""
    return round(float(np.polyfit(np.log(sizes), np.log(found), 1)[0]), 2) + 0.0  # no -0.0


def exponents(title: str, sizes: Sequence[int], found: Any, power: int) -> str:
    """A line of the table: over all sizes, and over the largest ones."""
    pairs = (
        f"{slope(sizes, y):.2f}, {slope(sizes[-LARGE:], y[-LARGE:]):.2f}"
        for y in np.transpose(found)
    )
    return f"| {title} | {sizes[0]:,} to {sizes[-1]:,} | {' | '.join(pairs)} | {power} |"


def draw(path: Path) -> list[str]:
    """Measure and draw four panels of time, and below each its memory; the table of exponents."""
    table = [
        f"| what grows | | {' | '.join(NAMES)} | memory of a step | arithmetic |",
        "|---|---|---|---|---|---|---|",
    ]
    figure, panels = plt.subplots(
        2, 4, figsize=(15, 6), height_ratios=(2, 1), sharex="col", layout="constrained"
    )
    for (title, (sizes, work, power)), (upper, lower) in zip(SERIES.items(), panels.T, strict=True):
        found = np.array([work(n) for n in sizes])
        table.append(exponents(title, sizes, found, power))
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
    return table


if __name__ == "__main__":
    print(*draw(Path(__file__).with_suffix(".png")), sep="\n")
