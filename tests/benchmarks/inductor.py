"""torch.compile as a contender: forward, backward and update in one compiled function.

It needs a C++ compiler, and takes seconds to minutes before its first step. Where it does not work
the tables say why.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import workloads
from workloads import RATE

from tinygrad_dnn import textbook

LABEL = "torch.compile"
Step = Callable[[], Any]


@dataclass(frozen=True)
class Tried:
    """A contender that is compiled, or the reason why there is none."""

    step: Step | None
    label: str = LABEL
    reason: str = ""


@contextmanager
def anew(torch: Any) -> Iterator[None]:
    """What is compiled here is compiled without what was left by earlier compilations, and by this
    process, so that no other one stays and waits for work.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        new = {"TORCHINDUCTOR_CACHE_DIR": empty, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        old = {name: os.environ.get(name) for name in new}
        os.environ |= new
        try:
            torch.compiler.reset()
            yield
        finally:
            for name, value in old.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def tried(build: Callable[..., Step], *args: Any) -> Tried:
    """Build and compile; what that took is in the label.

    Args:
        build: takes the module torch, then `args`, and returns a step that is compiled.
    """
    torch = workloads.peer("torch")
    if torch is None:
        return Tried(None)
    start = time.perf_counter()
    try:
        with anew(torch):
            step = build(torch, *args)
    except Exception as error:  # a peer's, of whatever kind: it becomes the row
        return Tried(None, reason=told(error))
    return Tried(step, f"{LABEL}, compiled in {time.perf_counter() - start:.1f} s")


def told(error: BaseException) -> str:
    """An error's first line, for a cell of a table."""
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"[:160].replace("|", "/")


def one_more(torch: Any) -> Step:
    """x + 1: does it work at all?"""
    more = torch.compile(lambda x: x + 1)
    more(torch.zeros(3))
    return lambda: more(torch.zeros(3)).numpy()


def iteration(torch: Any, layers: Sequence[int], m: int) -> Callable[..., Any]:
    """(parameters, X, Y) -> next parameters, cost."""
    L = len(layers) - 1

    def cost(p: Any, X: Any, Y: Any) -> Any:
        A = X
        for l in range(1, L):
            A = torch.relu(p[f"W{l}"] @ A + p[f"b{l}"])
        AL = torch.sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])
        return -(Y * torch.log(AL) + (1 - Y) * torch.log(1 - AL)).sum() / m

    def step(p: Any, X: Any, Y: Any) -> Any:
        slopes, value = torch.func.grad_and_value(cost)(p, X, Y)
        return {k: p[k] - RATE * slopes[k] for k in p}, value

    compiled: Callable[..., Any] = torch.compile(step)
    return compiled


def network(torch: Any, X: Any, Y: Any, layers: Sequence[int]) -> Step:
    """A training step, on the same memory."""
    step = iteration(torch, layers, X.shape[1])
    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    p = {k: torch.tensor(v) for k, v in p.items()}
    X, Y = torch.from_numpy(X), torch.from_numpy(Y)
    step(p, X, Y)  # the first call compiles

    def run() -> Any:
        nonlocal p
        p, cost = step(p, X, Y)
        return cost.item()

    return run


def chain(torch: Any, link: Any, ops: int = 200) -> Step:
    """The chain of `workloads`, forward and backward."""
    x, y = (torch.from_numpy(v) for v in workloads.start())
    both = torch.compile(
        torch.func.grad(lambda x, y: workloads.chain(link, torch, x, y, ops), argnums=(0, 1))
    )
    both(x, y)
    return lambda: np.add(*(g.numpy() for g in both(x, y)))
