"""How far a loop that carries a matrix reduced, W = W0 + S Xᵀ, drifts from the one as written.

    python tests/benchmarks/drift.py            # a quarter of an hour; writes drift.md beside it
    python tests/benchmarks/drift.py --quick    # a minute; prints, writes nothing

The documents' network, full batches. The cat files are used where TINYGRAD_DNN_CATS names their
folder, else random numbers of their shape.
"""

import argparse
import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import workloads
from loops import LAYERS, step
from measure import machine

from tinygrad_dnn import compile_loop, textbook

MARKS = (100, 1_000, 2_500, 10_000, 30_000, 100_000)
NEVER = 10**9
WAYS: dict[str, dict[str, Any]] = {
    "compiled, not reduced": {"strength_reduction": False},
    "as it is written, bit for bit eager": {"strength_reduction": False, "rewrite": False},
    "reduced, W0 refreshed every 1,000 iterations (the default)": {},
    "reduced, never refreshed": {"refresh": NEVER},
}
# At each mark: the cost, and the parameters.
Course = dict[int, tuple[float, Mapping[str, Any]]]


def course(X: Any, Y: Any, marks: tuple[int, ...], way: Mapping[str, Any]) -> Course:
    """One run, looked at on its way (which changes no bit of it)."""
    start = textbook.initialize_parameters_deep(LAYERS, scale="sqrt", seed=1)
    loop = compile_loop(step, carry=start, constants={"X": X, "Y": Y}, **way)
    found = {}
    for iteration in range(1, marks[-1] + 1):
        cost = loop.step()
        if iteration in marks:
            found[iteration] = float(cost), loop.carry
    return found


def apart(one: Course, other: Course, mark: int) -> tuple[float, float]:
    """Relative differences of the cost, and of the parameters by their norms, the largest."""
    (c, p), (d, q) = one[mark], other[mark]
    norms = [np.linalg.norm(p[k] - q[k]) / np.linalg.norm(q[k]) for k in q]
    return abs(c - d) / abs(d), float(max(norms))


def page(courses: Mapping[str, Course], source: str, marks: tuple[int, ...]) -> str:
    """The table."""
    first, *others = courses
    told = [
        "# Drift of the reduced loop",
        "",
        f"Written by `python tests/benchmarks/drift.py` on {datetime.date.today():%d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- Threads of matrix products: {os.environ.get('OPENBLAS_NUM_THREADS', 'all')}.",
        f"- NumPy {np.__version__}; float64; 12288-20-7-5-1 on {source}, rate {workloads.RATE}.",
        "",
        f"Relative difference from the loop *{first}*, of the cost / of the parameters",
        "(‖p − q‖ / ‖q‖, the largest over all W and b). The second row is rounding alone: the",
        "same iteration with its operations in another order.",
        "",
        "| iterations | " + " | ".join(f"{m:,}" for m in marks) + " |",
        "|---|" + "---|" * len(marks),
    ]
    for name in others:
        cells = ("{:.1e} / {:.1e}".format(*apart(courses[name], courses[first], m)) for m in marks)
        told.append(f"| {name} | {' | '.join(cells)} |")
    told.append("| the cost | " + " | ".join(f"{courses[first][m][0]:.3g}" for m in marks) + " |")
    return "\n".join(told) + "\n"


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    marks = MARKS[:2] if quick else MARKS
    X, Y, source = workloads.cats()
    courses = {}
    for name, way in WAYS.items():
        courses[name] = course(X, Y, marks, way)
        print(name, flush=True)
    told = page(courses, source, marks)
    print(told)
    if not quick:
        Path(__file__).with_name("drift.md").write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
