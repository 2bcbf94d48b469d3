"""NumPy's larger functions and the layers of a convolutional network, forward and backward, against
PyTorch eager, HIPS autograd and, where it has them, MyGrad.

python tests/benchmarks/arrays.py            # some minutes; writes arrays.md beside this file
python tests/benchmarks/arrays.py --quick    # seconds; prints, writes nothing
"""

from __future__ import annotations

import argparse
import os
import runpy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import workloads
from eager import PEERS, Row, one_thread, page, versus
from measure import agree, interleaved

from tinygrad_dnn import Tensor

GOAL = 1.5
HERE = Path(__file__).with_name("arrays.md")
NOTES = [
    "Each case is the sum of fourth powers of a function's result, of all its parts, and its",
    "gradient by every argument, of leaves that were there; processor time, all on one thread.",
    "The goal is held against the better of the peers. HIPS autograd sorts vectors alone and has",
    "no cumprod. NumPy's calls alone are two of `np.linalg.solve`, which keeps no factorisation",
    "for the second, and some products. Where PyTorch's LAPACK is quicker than NumPy's by more, no",
    "ratio below theirs can be had with NumPy.",
]


class Case(NamedTuple):
    """A function of NumPy's as each library has it, and the arrays that it is given.

    Attributes:
        alone: the calls of NumPy that the value and the gradients take, written by hand.
    """

    name: str
    arrays: tuple[Any, ...]
    functions: dict[str, Callable[..., Any]]
    alone: Callable[..., Any] | None = None


def total(z: Any, sum_of: Callable[..., Any]) -> Any:
    """The sum of fourth powers of a result's parts, which signs of vectors leave as it is."""
    several = isinstance(z, tuple) or type(z).__name__ == "SequenceBox"
    squares = [part * part for part in (z if several else (z,))]
    totals = [sum_of(square * square) for square in squares]
    return sum(totals[1:], totals[0])


def solved(A: Any, B: Any) -> Any:
    """Σ z⁴ of the solution z of A z = B, and its gradients."""
    z = np.linalg.solve(A, B)
    square = z * z
    (square * square).sum()
    gB = np.linalg.solve(A.T, 4 * square * z)
    return [-gB @ z.T, gB]


def cases() -> Iterator[Case]:
    """What is measured."""
    rng = np.random.default_rng(0)
    torch, autograd = workloads.peer("torch"), workloads.peer("autograd")
    anp = __import__("autograd.numpy").numpy if autograd else None
    libraries = {"ours": np, "torch": torch, "autograd": anp}
    there = {name: xp for name, xp in libraries.items() if xp is not None}

    def case(name: str, arrays: tuple[Any, ...], of: Callable[[Any], Any], *lacks: str) -> Case:
        return Case(name, arrays, {k: of(xp) for k, xp in there.items() if k not in lacks})

    def numbers(*shape: int) -> Any:
        return rng.normal(size=shape)

    for n in (8, 200):
        square = numbers(n, n) + 4 * np.sqrt(n) * np.eye(n)
        definite = square @ square.T + n * np.eye(n)
        size = f"{n} x {n}"
        yield case(f"solve, {size}", (square, numbers(n, n)), lambda xp: xp.linalg.solve)._replace(
            alone=solved
        )
        yield case(
            f"cholesky, {size}", (definite,), lambda xp: lambda a: xp.linalg.cholesky(a + a.T)
        )
        yield case(
            f"svd, {size}", (square,), lambda xp: lambda a: xp.linalg.svd(a, full_matrices=False)
        )
    for n in (20, 100_000):
        yield case(
            f"sort, {n:,}",
            (numbers(n),),
            lambda xp: (lambda x: xp.sort(x)[0]) if xp is torch else xp.sort,
        )
    for shape in ((20,), (300, 300), (100_000,)):
        factors = rng.uniform(0.9, 1.1, size=shape)
        yield case(
            f"cumprod, {shape}",
            (factors,),
            lambda xp: lambda x: xp.cumprod(x, -1),
            "autograd",
        )
    for subscripts, shapes in (
        ("ij,jk->ik", ((3, 4), (4, 5))),
        ("ij,jk->ik", ((200, 200), (200, 200))),
        ("bij,bjk->bik", ((20, 40, 50), (20, 50, 30))),
        ("ij,jk,kl->il", ((50, 60), (60, 70), (70, 50))),
        ("ij,ij->i", ((300, 300), (300, 300))),
    ):
        yield case(
            f"einsum {subscripts}, {' '.join(map(str, shapes))}",
            tuple(numbers(*s) for s in shapes),
            lambda xp, s=subscripts: lambda *xs: xp.einsum(s, *xs),
        )

    yield from layers(numbers, torch, workloads.peer("mygrad"))


def layers(numbers: Callable[..., Any], torch: Any, mygrad: Any) -> Iterator[Case]:
    """Convolution and pooling: ours as examples/convnet_digits.py writes them, theirs built in."""
    example = runpy.run_path(str(HERE.parents[2] / "examples" / "convnet_digits.py"))
    conv2d = {"ours": example["conv2d"]}
    max_pool2d = {"ours": example["max_pool2d"]}
    if torch:
        conv2d["torch"] = torch.nn.functional.conv2d
        max_pool2d["torch"] = lambda x: torch.nn.functional.max_pool2d(x, 2)
    if mygrad:
        conv2d["mygrad"] = lambda x, w: mygrad.nnet.layers.conv_nd(x, w, stride=1)
        max_pool2d["mygrad"] = lambda x: mygrad.nnet.layers.max_pool(x, (2, 2), 2)
    for m, c, size, n, k in ((64, 1, 10, 16, 3), (32, 3, 28, 16, 5), (16, 32, 14, 64, 3)):
        arrays = numbers(m, c, size, size), numbers(n, c, k, k)
        yield Case(f"convolution of {m}x{c}x{size}x{size} by {n} of {k}x{k}", arrays, conv2d)
    yield Case("largest of 2x2, 32x16x24x24", (numbers(32, 16, 24, 24),), max_pool2d)


def ours(case: Case) -> Callable[[], Any]:
    xs = [Tensor(x, requires_grad=True) for x in case.arrays]

    def step() -> Any:
        for x in xs:
            x.grad = None
        total(case.functions["ours"](*xs), np.sum).backward()
        return [x.grad for x in xs]

    return step


def pytorch(case: Case) -> Callable[[], Any]:
    torch = workloads.peer("torch")
    xs = [torch.tensor(x, requires_grad=True) for x in case.arrays]

    def step() -> Any:
        for x in xs:
            x.grad = None
        total(case.functions["torch"](*xs), torch.sum).backward()
        return [x.grad.numpy() for x in xs]

    return step


def hips(case: Case) -> Callable[[], Any]:
    import autograd

    def cost(*xs: Any) -> Any:
        return total(case.functions["autograd"](*xs), autograd.numpy.sum)

    slopes = autograd.grad(cost, argnum=tuple(range(len(case.arrays))))
    return lambda: slopes(*case.arrays)


def mygrads(case: Case) -> Callable[[], Any]:
    import mygrad

    xs = [mygrad.tensor(x) for x in case.arrays]

    def step() -> Any:
        total(case.functions["mygrad"](*xs), mygrad.sum).backward()
        return [x.grad for x in xs]

    return step


def by_hand(case: Case) -> Callable[[], Any]:
    return lambda: case.alone and case.alone(*case.arrays)


CONTENDERS = {"ours": ours, "torch": pytorch, "autograd": hips, "mygrad": mygrads}


def rows_of(case: Case, quick: bool) -> Iterator[Row]:
    """One case against each peer; the better one has the goal."""
    steps = {name: CONTENDERS[name](case) for name in case.functions}
    if case.alone is not None:
        steps["alone"] = by_hand(case)
    agree({name: lambda f=f: [np.linalg.norm(g) for g in f()] for name, f in steps.items()})
    start = time.perf_counter()
    steps["ours"]()
    burst = 1 if quick else max(1, min(50, int(0.005 / (time.perf_counter() - start))))
    times = interleaved(steps, rounds=2 if quick else 41, burst=burst, clock=time.process_time)
    peers = {name: min(times[name]) for name in times if name not in ("ours", "alone")}
    for name in peers:
        goal = GOAL if peers[name] == min(peers.values()) else None
        yield versus(f"{case.name}: forward, backward", times, name, PEERS[name], goal)
    if case.alone is not None:
        yield versus(f"{case.name}: forward, backward", times, "alone", "NumPy's calls alone", None)


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test: few rounds, no file")
    parser.add_argument("--only", default="", help="cases whose name has this, no file")
    options = parser.parse_args()
    before, began, rows = os.getloadavg()[0], time.perf_counter(), []
    with one_thread():
        for case in cases():
            if options.only in case.name:
                for row in rows_of(case, options.quick):
                    print(row, flush=True)
                    rows.append(row)
    if not (options.quick or options.only):
        text = page(
            rows,
            "OPENBLAS_NUM_THREADS=1 python tests/benchmarks/arrays.py",
            time.perf_counter() - began,
            "NumPy's larger functions against the peers",
            NOTES,
            before,
        )
        HERE.write_text(text, encoding="utf-8")
        print(f"written: {HERE}")


if __name__ == "__main__":
    main()
