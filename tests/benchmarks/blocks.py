"""Elementwise ops over large arrays, in blocks and without, beside PyTorch and jax.jit.

    python tests/benchmarks/blocks.py            # minutes; writes blocks.md and blocks.png here
    python tests/benchmarks/blocks.py --quick    # a few rounds; prints, writes nothing

Value and gradient of three expressions: fifteen ops on 1,000,000 numbers, a network 512-2048-512
with GELU on 256 examples, and the price of 1,000,000 options by Black and Scholes with its five
derivatives. Each once on one core and once on two, in a process of its own. Peers are whatever is
installed: pip install "tinygrad-dnn[bench]" jax.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measure import agree, interleaved, machine

import tinygrad_dnn as td

HERE = Path(__file__).parent
SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]


def fifteen(m: Any, x: Any, y: Any) -> Any:
    a = x * y + m.sin(x)
    b = m.exp(-a * a) + m.tanh(y)
    c = m.log(1 + b * b) / (1 + m.exp(-a))
    d = m.sqrt(1 + c * c) * b - a
    return (d * d).sum()


def network(m: Any, W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    Z1 = W1 @ X + b1
    A1 = 0.5 * Z1 * (1 + m.tanh(0.7978845608028654 * (Z1 + 0.044715 * Z1 * Z1 * Z1)))
    E = W2 @ A1 + b2 - Y
    return (E * E).sum() / 256


def normal_below(m: Any, x: Any) -> Any:
    """The normal distribution function for x ≥ 0 (Abramowitz and Stegun 1964, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * x)
    p = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    return 1 - 0.3989422804014327 * m.exp(-0.5 * x * x) * p


def black_scholes(m: Any, S: Any, K: Any, T: Any, r: Any, s: Any) -> Any:
    """The sum of the prices of calls in the money (d1, d2 ≥ 0)."""
    root = s * m.sqrt(T)
    d1 = (m.log(S / K) + (r + 0.5 * s * s) * T) / root
    d2 = d1 - root
    return (S * normal_below(m, d1) - K * m.exp(-r * T) * normal_below(m, d2)).sum()


class Task(NamedTuple):
    """An expression, its arrays, and how many of the first ones it is differentiated by."""

    title: str
    f: Callable[..., Any]
    arrays: list[Any]
    by: int


def tasks(dtype: str, n: int = 1_000_000) -> dict[str, Task]:
    rng = np.random.default_rng(0)

    def some(*shape: int, scale: float = 1.0) -> Any:
        return (scale * rng.normal(size=shape)).astype(dtype)

    def between(low: float, high: float) -> Any:
        return rng.uniform(low, high, n).astype(dtype)

    options = [
        between(1.4, 1.8),
        between(0.8, 1.2),
        between(0.5, 2),
        between(0.01, 0.05),
        between(0.1, 0.2),
    ]
    dense = [some(2048, 512, scale=0.04), some(2048, 1), some(512, 2048, scale=0.02), some(512, 1)]
    return {
        "fifteen": Task("15 ops", fifteen, [some(n), some(n)], 2),
        "network": Task("GELU network", network, [*dense, some(512, 256), some(512, 256)], 4),
        "options": Task("Black-Scholes", black_scholes, options, 5),
    }


def contenders(task: Task, cores: int) -> dict[str, Callable[[], Any]]:
    """What computes the value and the gradients, by name: lists of arrays."""
    by = tuple(range(task.by))
    slopes = td.value_and_grad(lambda *xs: task.f(np, *xs), by)
    found: dict[str, Callable[[], Any]] = {}
    for name, blocks in (("blocks", True), ("line by line", False)):
        compiled = td.compile(slopes, blocks=blocks, threads=cores, reuse_outputs=True)
        found[name] = lambda compiled=compiled: _flat(compiled(*task.arrays))
    if importlib.util.find_spec("torch"):
        found["PyTorch"] = _torch(task, cores)
    if importlib.util.find_spec("jax"):
        found["jax.jit"] = _jax(task, by)
    return found


def _flat(found: Any) -> list[Any]:
    value, slopes = found
    return [value, *slopes]


def _torch(task: Task, cores: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(cores)
    leaves = [torch.tensor(x, requires_grad=i < task.by) for i, x in enumerate(task.arrays)]

    def run() -> Any:
        cost = task.f(torch, *leaves)
        return [
            cost.detach().numpy(),
            *(g.numpy() for g in torch.autograd.grad(cost, leaves[: task.by])),
        ]

    return run


def _jax(task: Task, by: tuple[int, ...]) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    step = jax.jit(jax.value_and_grad(lambda *xs: task.f(jnp, *xs), by))
    arrays = [jnp.asarray(x) for x in task.arrays]
    return lambda: _flat(jax.block_until_ready(step(*arrays)))


def products(task: Task) -> dict[str, Callable[[], Any]]:
    """The network's five matrix products and nothing else, by each one's matrix library."""

    def run(W1: Any, W2: Any, X: Any, A1: Any, E: Any) -> Any:
        return W1 @ X, W2 @ A1, E @ A1.T, W2.T @ E, A1 @ X.T

    W1, _, W2, _, X, Y = task.arrays
    arrays = [W1, W2, X, np.tanh(W1 @ X), Y]
    found = {"products": lambda: run(*arrays)}
    if importlib.util.find_spec("torch"):
        import torch

        tensors = [torch.tensor(x) for x in arrays]
        found["products, PyTorch"] = lambda: run(*tensors)
    return found


def measured(cores: int, rounds: int, dtype: str) -> dict[str, dict[str, float]]:
    """The median milliseconds of every contender, task by task."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    found = {}
    for name, task in tasks(dtype).items():
        steps = contenders(task, cores)
        if dtype == "float64":
            agree({k: lambda step=step: step()[0] for k, step in steps.items()})
        if name == "network":
            steps |= products(task)
        times = interleaved(steps, rounds, 3, pause=0.02)
        found[name] = {k: 1e3 * statistics.median(t) for k, t in times.items()}
    return found


def growth() -> list[float]:
    """Seconds of the fifteen ops for each of SIZES, on one thread."""
    found = []
    for n in SIZES:
        step = contenders(tasks("float64", n)["fifteen"], 1)["blocks"]
        step()
        taken = []
        for _ in range(max(3, 3_000_000 // n)):
            begun = time.perf_counter()
            step()
            taken.append(time.perf_counter() - begun)
        found.append(statistics.median(taken))
    return found


def child(*words: str) -> Any:
    """What this script prints in a process of its own."""
    command = [sys.executable, __file__, *words]
    threads = words[words.index("--cores") + 1] if "--cores" in words else "1"
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **limits}
    )
    return json.loads(done.stdout)


def page(found: dict[tuple[int, str], Any], load: float) -> str:
    rows, alone = [], []
    for (cores, dtype), by_task in found.items():
        for name, times in by_task.items():
            ours = times["blocks"]
            others = [times.get(k) for k in ("line by line", "PyTorch", "jax.jit")]
            told = [f"{x:.1f}" if x else "–" for x in (ours, *others)]
            ratios = [f"{ours / x:.2f}" if x else "–" for x in others]
            title = tasks(dtype, 10)[name].title
            rows.append(f"| {title} | {dtype} | {cores} | {' | '.join([*told, *ratios])} |")
            if by := times.get("products, PyTorch"):
                own = times["products"]
                part = own / times["PyTorch"]
                told = f"{own:.1f} | {by:.1f} | {own / by:.2f} | {part:.2f}"
                alone.append(f"| {dtype} | {cores} | {told} |")
    versions = [
        f"{m} {importlib.metadata.version(m)}"
        for m in ("numpy", "torch", "jax")
        if importlib.util.find_spec(m)
    ]
    return f"""# Large arrays in blocks

{machine()}; {", ".join(versions)}; {datetime.date.today():%d %B %Y}; load {load:.1f} before.
`python tests/benchmarks/blocks.py`: value and gradients, median milliseconds a call, and ours in
blocks over theirs. "By line" is `compile(..., blocks=False)`.

| expression | dtype | cores | blocks | by line | PyTorch | jax | of by line | of PyTorch | of jax |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Of the GELU network most is its five matrix products. Alone they take, in milliseconds, by NumPy's
matrix library and by PyTorch's; where the last column is near 1, no time is left for all the rest:

| dtype | cores | NumPy | PyTorch | ratio | NumPy's, of PyTorch's whole step |
|---|---|---|---|---|---|
{chr(10).join(alone)}

The time of the fifteen ops on one thread, from 10,000 to 10,000,000 numbers:

![a straight line in double logarithmic axes](blocks.png)
"""


def picture(seconds: list[float]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(SIZES, [1e3 * s for s in seconds], "o-", label="measured")
    axes.loglog(SIZES, [1e3 * seconds[-1] * n / SIZES[-1] for n in SIZES], ":", label="linear")
    axes.set(xlabel="numbers", ylabel="ms")
    axes.legend(frameon=False)
    figure.savefig(HERE / "blocks.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; write nothing")
    parser.add_argument("--cores", type=int, help="measure in this process, and print JSON")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--growth", action="store_true", help="measure the sizes, and print JSON")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.growth:
        print(json.dumps(growth()))
        return
    if asked.cores:
        print(json.dumps(measured(asked.cores, asked.rounds, asked.dtype)))
        return
    load, rounds = os.getloadavg()[0], "3" if asked.quick else str(asked.rounds)
    found = {
        (cores, dtype): child("--cores", str(cores), "--rounds", rounds, "--dtype", dtype)
        for dtype in ("float64", "float32")
        for cores in (1, 2)
    }
    text = page(found, load)
    print(text)
    if not asked.quick:
        (HERE / "blocks.md").write_text(text, encoding="utf-8")
        picture(child("--growth", "--rounds", "1"))


if __name__ == "__main__":
    main()
