"""Our gradient checker beside its peers: which faults each finds, which right gradients it accuses.

    python tests/benchmarks/checkers.py            # seconds; writes checkers.md beside this file
    python tests/benchmarks/checkers.py --print    # prints, writes nothing

Peers are whatever is installed: pip install "tinygrad-dnn[bench]" brings them. Every checker gets
the same pair of NumPy functions, a forward and a backward, and keeps its own default tolerances.
"""

import datetime
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, write_page

from tinygrad_dnn import check_vjp

HERE = Path(__file__).parent
X = np.random.default_rng(1).normal(size=(3, 4))
LONG = np.random.default_rng(2).normal(size=400)


@dataclass(frozen=True)
class Case:
    """A function and a gradient of it, which is right or not."""

    what: str
    right: bool
    forward: Callable[[Any], Any]
    backward: Callable[[Any, Any], Any]
    x: Any


def square(x):
    return x**2


def one_element(x, g):
    gx = g * 2 * x
    gx[217] *= 1.001
    return gx


def changes_x(x, g):
    gx = g * 2 * x
    x *= 1.5
    return gx


FAULTS = [
    Case("scale 1e-8, 100% off", False, lambda x: 1e-8 * x**2, lambda x, g: g * 1e-8 * x, X),
    Case("scale 1e-30, 100% off", False, lambda x: 1e-30 * x**2, lambda x, g: g * 1e-30 * x, X),
    Case("factor 1 + 1e-4", False, square, lambda x, g: g * 2 * x * (1 + 1e-4), X),
    Case("factor 1 + 1e-6", False, square, lambda x, g: g * 2 * x * (1 + 1e-6), X),
    Case(
        "factor 1 + 1e-4, float32",
        False,
        square,
        lambda x, g: g * 2 * x * np.float32(1 + 1e-4),
        X.astype(np.float32),
    ),
    Case("0.1% off at one of 400 elements", False, square, one_element, LONG),
    Case("wrong for negative x", False, square, lambda x, g: g * 2 * np.abs(x), X),
    Case("opposite sign", False, np.sin, lambda x, g: -g * np.cos(x), X),
    Case("not linear in g (g²)", False, square, lambda x, g: g * g * 2 * x, X),
    Case("a constant added (weight decay)", False, square, lambda x, g: g * 2 * x + 1e-8 * x, X),
    Case("changes its input", False, square, changes_x, X),
    Case(
        "slope of 1e-7 missing beside 1", False, lambda x: x + 1e-7 * np.abs(x), lambda x, g: g, X
    ),
]
RIGHT = [
    Case("relu with elements at exactly 0", True,
         lambda x: np.maximum(x, 0), lambda x, g: g * (x > 0), np.array([0.0, 1.0, -2.0, 0.0])),
    Case("relu 1e-8 from its corner", True,
         lambda x: np.maximum(x, 0), lambda x, g: g * (x > 0), np.array([1e-8, 1.0, -1e-8])),
    Case("x³ in float32", True, lambda x: x**3, lambda x, g: g * 3 * x**2, X.astype(np.float32)),
    Case("gradients of 1e8", True, lambda x: 1e8 * np.sin(x), lambda x, g: g * 1e8 * np.cos(x), X),
    Case("exp(50 x)", True, lambda x: np.exp(50 * x), lambda x, g: g * 50 * np.exp(50 * x), X),
    Case("sin(1e4 x)", True,
         lambda x: np.sin(1e4 * x), lambda x, g: g * 1e4 * np.cos(1e4 * x), X),
    Case("√x at 1e-12", True,
         np.sqrt, lambda x, g: g / (2 * np.sqrt(x)), np.array([1e-12, 1e-6, 1.0])),
    Case("log x at 1e-10", True, np.log, lambda x, g: g / x, np.array([1e-10, 1e-5, 1.0])),
    Case("x + 1e10", True, lambda x: x + 1e10, lambda x, g: g * 1.0, X),
    Case("x² of 1e-12", True, square, lambda x, g: g * 2 * x, X * 1e-12),
]  # fmt: skip


def ours(case: Case) -> bool:
    """Whether it says that the gradient is right."""
    return check_vjp(case.forward, case.backward, case.x.copy()).verdict == "right"


def courses_formula(case: Case) -> bool:
    """‖dθ − dθapprox‖ / (‖dθ‖ + ‖dθapprox‖) ≤ 2e-7 at ε = 1e-7, of the sum of the results."""
    x, eps = case.x.copy(), 1e-7
    approx = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * eps
            ends.append(np.sum(case.forward(moved)))
        approx[at] = (ends[0] - ends[1]) / (2 * eps)
    mine = case.backward(x, np.ones_like(case.forward(x)))
    difference = np.linalg.norm(mine - approx) / (np.linalg.norm(mine) + np.linalg.norm(approx))
    return bool(difference <= 2e-7)


def torch_gradcheck(case: Case) -> bool:
    """torch.autograd.gradcheck with its own tolerances."""
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return torch.from_numpy(np.asarray(case.forward(x.detach().numpy())))

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return torch.from_numpy(np.asarray(case.backward(x.detach().numpy(), g.numpy())))

    x = torch.from_numpy(case.x.copy()).requires_grad_()
    return bool(torch.autograd.gradcheck(Function.apply, (x,), raise_exception=False))


def autograd_check_grads(case: Case) -> bool:
    """autograd.test_util.check_grads, reverse mode, first order."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    @primitive
    def f(x: Any) -> Any:
        return case.forward(x)

    defvjp(f, lambda ans, x: lambda g: case.backward(x, g))
    np.random.seed(0)  # noqa: NPY002 - it draws from NumPy's global state
    try:
        check_grads(f, modes=["rev"], order=1)(case.x.copy())
    except AssertionError:
        return False
    return True


CHECKERS = {
    "tinygrad-dnn": (ours, "check_vjp"),
    "torch": (torch_gradcheck, "PyTorch gradcheck"),
    "autograd": (autograd_check_grads, "HIPS autograd check_grads"),
    "course": (courses_formula, "the course's formula, 2e-7"),
}


def installed(name: str) -> str | None:
    """The version of a peer; "" of what needs none, None where it is missing."""
    if name == "course":
        return ""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def told(case: Case, says: bool) -> str:
    """What a checker made of a case."""
    if case.right:
        return "right" if says else "**accused**"
    return "**missed**" if says else "found"


def rows() -> Iterator[tuple[Case, list[str]]]:
    """For each case what each checker made of it."""
    for case in (*FAULTS, *RIGHT):
        cells = []
        for name, (check, _) in CHECKERS.items():
            if installed(name) is None:
                cells.append("not installed")
                continue
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                cells.append(told(case, check(case)))
        yield case, cells


def page() -> str:
    """The table as Markdown."""
    found = list(rows())
    names = [label for _, label in CHECKERS.values()]
    count = len(FAULTS), len(RIGHT)
    sums = []
    for k in range(len(names)):
        column = [cells[k] for _, cells in found]
        if "not installed" in column:
            sums.append("not installed")
        else:
            sums.append(
                f"{column.count('found')} of {count[0]} found, "
                f"{column.count('**accused**')} of {count[1]} accused"
            )
    versions = [f"{n} {v}" for n in ("numpy", *CHECKERS) if (v := installed(n))]
    lines = [
        "# Gradient checkers side by side",
        "",
        f"Written by `python tests/benchmarks/checkers.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- Versions: {', '.join(versions)}.",
        "",
        "Every checker gets the same pair of NumPy functions, forward and backward, and keeps its",
        "own default tolerances. Where a checker accuses right gradients of a kind, that it finds",
        "wrong ones of this kind says little (float32).",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {case.what} | {' | '.join(cells)} |" for case, cells in found),
        f"| **in all** | {' | '.join(sums)} |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_page("checkers.md", page, __doc__)
