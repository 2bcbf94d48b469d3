"""Functions of functions: one sweep for all rows or examples against a loop, memory against time.

python tests/benchmarks/transforms.py            # some minutes; writes transforms.md beside it
python tests/benchmarks/transforms.py --quick    # prints, writes nothing
"""

import argparse
import datetime
import os
import statistics
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from eager import told
from measure import interleaved, load, machine

from tinygrad_dnn import (
    Tensor,
    checkpoint,
    grad,
    hessian,
    jacobian,
    per_example_gradients,
    relu,
    softplus,
    tanh,
)

M = 200
NETS = ([12288, 20, 7, 5, 1], [64, 20, 7, 5, 1])
rng = np.random.default_rng(0)


def cost(p: Any, X: Any, Y: Any) -> Any:
    """The documents' network, its cost from Z."""
    *hidden, last = p
    for W, b in hidden:
        X = relu(W @ X + b)
    Z = last[0] @ X + last[1]
    return (softplus(Z) - Y * Z).mean()


def examples(sizes: list[int], rounds: int) -> list[str]:
    """Gradients of 200 examples against one gradient of the batch, and what any way to compute them
    costs: that of W1 is 200 outer products, which are written into new memory.
    """
    p = [(rng.normal(size=(k, j)) / np.sqrt(j), np.zeros((k, 1))) for j, k in pairwise(sizes)]
    X, Y = rng.uniform(size=(sizes[0], M)), (rng.uniform(size=(1, M)) > 0.5) * 1.0
    dZ1, x = rng.normal(size=(M, sizes[1], 1)), np.ascontiguousarray(X.T)[:, np.newaxis]
    shapes = [(M, *x.shape) for layer in p for x in layer]
    times = interleaved(
        {
            "batch": lambda: grad(cost)(p, X, Y),
            "one sweep": lambda: per_example_gradients(cost, p, X, Y),
            "fill": lambda: [np.full(s, 1.0) for s in shapes],
            "outer": lambda: dZ1 * x,
        },
        rounds,
        1,
        clock=time.process_time,
    )
    loop = interleaved(
        {
            "batch": lambda: grad(cost)(p, X, Y),
            "loop": lambda: per_example_gradients(cost, p, X, Y, chunk_size=1),
        },
        max(2, rounds // 4),
        1,
        clock=time.process_time,
    )
    name = "-".join(map(str, sizes)) + f": {M} gradients, one batch gradient"
    return [
        row(name + ", one sweep", times["one sweep"], times["batch"]),
        row(name + ", a loop", loop["loop"], loop["batch"]),
        row(name + ", the outer products for W1 alone", times["outer"], times["batch"]),
        row(name + ", memory of that size filled", times["fill"], times["batch"]),
    ]


def rows(rounds: int) -> list[str]:
    """Jacobians and Hessians of 400 rows against a loop over them."""
    W, x = rng.normal(size=(400, 400)) / 20, rng.normal(size=400)

    def f(x: Any) -> Any:
        return tanh(W @ tanh(W @ x))

    def s(x: Any) -> Any:
        return (tanh(W @ x) ** 2).sum()

    found = []
    for name, make, of in (("Jacobian", jacobian, f), ("Hessian", hessian, s)):
        times = interleaved(
            {
                "all": lambda m=make, g=of: m(g)(x),
                "loop": lambda m=make, g=of: m(g, chunk_size=1)(x),
            },
            rounds,
            1,
        )
        found.append(row(f"{name} of 400 rows, a loop over them", times["all"], times["loop"]))
    return found


def memory(rounds: int) -> list[str]:
    """A chain of 10 blocks of 20 layers, each block recomputed or not."""

    def block(W: Any, A: Any) -> Any:
        for _ in range(20):
            A = tanh(W @ A)
        return A

    def run(block: Any) -> None:
        W, A = Tensor(np.eye(16), requires_grad=True), np.ones((16, 4000))
        for _ in range(10):
            A = block(W, A)
        A.sum().backward()

    def peak(block: Any) -> float:
        tracemalloc.start()
        run(block)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    times = interleaved(
        {"again": lambda: run(checkpoint(block)), "plain": lambda: run(block)}, rounds, 1
    )
    share = peak(checkpoint(block)) / peak(block)
    return [
        row(
            "200 layers, `checkpoint` of 10 blocks, time against none",
            times["again"],
            times["plain"],
        ),
        f"| the same, peak memory | | | {share:.2f} |",
    ]


def row(name: str, ours: list[float], theirs: list[float]) -> str:
    """A line of the table: what, times, and the median of the rounds' ratios."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    a, b = (told(statistics.median(x)) for x in (ours, theirs))
    return f"| {name} | {a} | {b} | {ratio:.3g} |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; writes nothing")
    before = os.getloadavg()[0]
    rounds = 3 if parser.parse_args().quick else 12
    lines = [
        "# Functions of functions",
        "",
        "Written by `OPENBLAS_NUM_THREADS=1 python tests/benchmarks/transforms.py` on "
        f"{datetime.date.today():%d %B %Y}.",
        "",
        f"- Machine: {machine()}; {load(before)}.",
        f"- numpy {np.__version__}; float64; what is compared takes turns in one process.",
        "- Gradients of examples are measured in processor time.",
        "",
        "| what, against | time | against | ratio |",
        "|---|---|---|---|",
        *(line for sizes in NETS for line in examples(sizes, rounds)),
        *rows(rounds),
        *memory(rounds),
        "",
        "All gradients of W1 are 200 outer products, an array 200 times as large as the gradient",
        "of the batch, which one product of matrices sums. Writing it is most of what one sweep",
        "takes: the row of memory filled computes nothing. Where W1 is small the sweep counts.",
        "",
    ]
    print("\n".join(lines))
    if rounds > 3:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
