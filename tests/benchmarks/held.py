"""The most memory that a training loop of the documents' network holds: `held.py ours|... m`.

Prints bytes. Counted by tracemalloc, which sees every array: from before the parameters are made
to the end of the fifth step, without X and Y.
"""

import sys
import tracemalloc
from typing import Any

import programs
import workloads

import tinygrad_dnn as tg
from tinygrad_dnn import textbook

LAYERS, STEPS = (12288, 20, 7, 5, 1), 5


def start() -> dict[str, Any]:
    """The parameters, in memory of their own."""
    drawn = textbook.initialize_parameters_deep(LAYERS, scale="sqrt", seed=1)
    return {k: v.copy() for k, v in drawn.items()}


def ours(X: Any, Y: Any) -> None:
    """The program, written before; what writing it takes is not counted here."""
    step = tg.compile(programs.training_step(LAYERS, X.shape[1]), reuse_outputs=True)
    step.prepare(start(), X, Y)
    tracemalloc.start()
    p = start()
    for _ in range(STEPS):
        _, p = step(p, X, Y)


def by_hand(name: str, X: Any, Y: Any) -> None:
    """A loop of `programs` or `workloads`."""
    build = {"optimised": programs.optimised_network, "hand": workloads.hand_network}[name]
    tracemalloc.start()
    step = build(X, Y, LAYERS)
    for _ in range(STEPS):
        step()


if __name__ == "__main__":
    X, Y = programs.problem(LAYERS, int(sys.argv[2]))
    if sys.argv[1] == "ours":
        ours(X, Y)
    else:
        by_hand(sys.argv[1], X, Y)
    print(tracemalloc.get_traced_memory()[1])
