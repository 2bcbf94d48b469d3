"""Programs as people write them in NumPy, which write in place, take views, leave the graph, call
back: each right or refused, never silently wrong.

Every program runs under a transform, in eager mode, compiled, compiled and called again elsewhere,
by `jacobian`, by `jvp` and by `checkpoint`; an answer is compared with finite differences of the
same program on plain arrays.

    python tests/reliability/numpy_programs.py      # all of them
    python tests/reliability/numpy_programs.py 12   # so many, evenly
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from attack import Figures, main
from written_in_numpy import PROGRAMS

import tinygrad_dnn as td
from tinygrad_dnn import Tensor

Program = Callable[[Any], Any]
X = np.array([[0.7, -1.3, 0.4], [1.9, 0.2, -0.8]])
STEP = 1e-6


def _eager(f: Program) -> Any:
    t = Tensor(X.copy(), requires_grad=True)
    f(t).backward()
    return t.grad


def _again(f: Program) -> Any:
    """Recorded at one point, asked at another."""
    program = td.compile(td.grad(f))
    program(1.01 * X)
    return program(X)


def _pushed(f: Program) -> Any:
    units = np.eye(X.size).reshape(-1, *X.shape)
    return np.reshape([td.jvp(f, (X.copy(),), (unit,))[1] for unit in units], X.shape)


WAYS: dict[str, Callable[[Program], Any]] = {
    "grad": lambda f: td.grad(f)(X.copy()),
    "backward": _eager,
    "compile": lambda f: td.compile(td.grad(f))(X.copy()),
    "compile, elsewhere": _again,
    "jacobian": lambda f: td.jacobian(f)(X.copy()),
    "jvp": _pushed,
    "checkpoint": lambda f: td.grad(td.checkpoint(f))(X.copy()),
}


def measured(f: Program) -> Any:
    """The gradient on plain arrays, by finite differences."""
    slopes = np.zeros(X.shape)
    for at in np.ndindex(X.shape):
        near = [X.copy(), X.copy()]
        near[0][at] += STEP
        near[1][at] -= STEP
        slopes[at] = (float(f(near[0])) - float(f(near[1]))) / (2 * STEP)
    return slopes


def attack(n: int) -> Figures:
    """Run n of the programs, evenly; all of them for 0 or more than there are."""
    names = [*PROGRAMS]
    chosen = names[:: max(1, len(names) // n)][:n] if 0 < n < len(names) else names
    counted = {"answers": 0, "refused": 0}
    failures = []
    before = X.copy()
    for name in chosen:
        f = PROGRAMS[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slopes = measured(f)
            for way, run in WAYS.items():
                try:
                    found = np.asarray(run(f))
                except Exception:  # refused in words, which other tests read
                    counted["refused"] += 1
                else:
                    counted["answers"] += 1
                    if not np.allclose(found, slopes, rtol=1e-4, atol=1e-5):
                        failures.append(f"{name}, {way}: {found.ravel()} for {slopes.ravel()}")
        if not np.array_equal(X, before):
            failures.append(f"{name}: the array that was given is another")
            X[...] = before
    return Figures(len(chosen), counted, failures)


if __name__ == "__main__":
    main(attack, 0)
