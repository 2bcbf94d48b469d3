"""Peak memory of forward and backward of a 20-layer network: `python peak.py ours|torch [--quick]`.

Prints two numbers: by how many bytes the most memory that the process ever held grew during
two steps, and the bytes of one activation. One method for both: a fresh process each, and the
system's own count of what it gave, whoever asked for it.
"""

import resource
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn import Tensor, log, relu, sigmoid

LAYERS = 20
STEPS = 2


def held() -> int:
    """The most memory that this process held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss counts what the parent held when it forked
        told = status.read_text(encoding="utf-8").partition("VmHWM:")[2]
        return int(told.split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def values(n: int, m: int) -> tuple[list[Any], Any, Any]:
    """Weights and biases, X (n, m) and Y (1, m)."""
    rng = np.random.default_rng(0)
    sizes = [n] * LAYERS + [1]
    layers = [(rng.normal(size=(k, j)) / np.sqrt(j), np.zeros((k, 1))) for j, k in pairwise(sizes)]
    X = np.empty((n, m))
    for row in X:  # without a second array of that size
        row[...] = rng.normal(size=m)
    return layers, X, (rng.random((1, m)) > 0.5) * 1.0


def ours(n: int, m: int) -> Any:
    """A step on (n, m) activations: forward and backward."""
    layers, X, Y = values(n, m)
    p = [(Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)) for W, b in layers]

    def step() -> None:
        A = X
        for W, b in p[:-1]:
            A = relu(W @ A + b)
        W, b = p[-1]
        AL = sigmoid(W @ A + b)
        (-(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / m).backward()
        for pair in p:
            for t in pair:
                t.zero_grad()

    return step


def torch(n: int, m: int) -> Any:
    """The same in PyTorch."""
    import torch as th  # only in the process that measures it

    layers, X, Y = values(n, m)
    p = [[th.from_numpy(v).requires_grad_() for v in pair] for pair in layers]
    X, Y = th.from_numpy(X), th.from_numpy(Y)

    def step() -> None:
        A = X
        for W, b in p[:-1]:
            A = th.relu(W @ A + b)
        W, b = p[-1]
        AL = th.sigmoid(W @ A + b)
        (-(Y * th.log(AL) + (1 - Y) * th.log(1 - AL)).sum() / m).backward()
        for pair in p:
            for t in pair:
                t.grad = None

    return step


if __name__ == "__main__":
    build = {"ours": ours, "torch": torch}[sys.argv[1]]
    n, m = (64, 16384) if "--quick" in sys.argv else (256, 8192)
    build(8, 16)()  # what is loaded or set up on first use
    step = build(n, m)
    before = held()
    for _ in range(STEPS):
        step()
    print(held() - before, 8 * n * m)
