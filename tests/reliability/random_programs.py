"""Random programs over the registry, in every way that they can be run.

A program is drawn from a seed: ops of the registry on what came before, inputs and constants of
awkward shapes (with 0 and 1) and kinds (read-only, negative strides, Fortran order, big-endian,
float32). Its value and gradients are computed eagerly, compiled with and without rewriting, a
second time with fresh numbers, from the saved source, and as the step of a loop. What differs is
shrunk to a line that can be pasted.

    python tests/reliability/random_programs.py 1000           # seeds 0 to 999
    python tests/reliability/random_programs.py 1000 --first 5000  # seeds 5000 to 5999
    python tests/reliability/random_programs.py --case '...'   # one program, as a failure names it
"""

from __future__ import annotations

import ast
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from attack import Figures, main
from random_registry import moved

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.check.op_check import cases_of
from tinygrad_dnn.ops import REGISTRY

OPS = sorted(name for name, op in REGISTRY.items() if op.builtin)
SHAPES = [(), (3,), (2, 3), (1, 3), (2, 1), (1, 1), (0,), (2, 0), (1,), (2, 1, 3)]
AS_IT_IS = [-1, -2]  # in place of a source: a constant in the shape that is needed, C and F
MADE = ["list", "list, F"]  # constants that are made inside the function
KINDS = ["C", "C", "F", "reversed", "strided", "read-only", "big-endian", "float32"]
BITS, CLOSE = "the bits of eager", "eager to rounding"


class Case(NamedTuple):
    """A program: inputs and constants by (shape, kind), steps by (op, its case, sources)."""

    seed: int
    inputs: tuple[tuple[tuple[int, ...], str], ...]
    constants: tuple[tuple[tuple[int, ...], str], ...]
    steps: tuple[tuple[str, int, tuple[int, ...]], ...]


def drawn(seed: int) -> Case:
    """The program of a seed."""
    rng = np.random.default_rng(seed)

    def pick(some: Sequence[Any]) -> Any:
        return some[rng.integers(len(some))]

    sorts = [
        tuple((pick(SHAPES), pick(kinds)) for _ in range(rng.integers(*count)))
        for count, kinds in (((1, 4), KINDS), ((0, 4), KINDS + MADE * 3))
    ]
    steps, known = [], sum(map(len, sorts))
    for _ in range(int(rng.integers(1, 9))):
        op = REGISTRY[pick(OPS)]
        k = int(rng.integers(len(cases_of(op))))
        sources = rng.integers(0, known, len(cases_of(op)[k].shapes)).tolist()
        if rng.random() < 0.4 and len(sources) > 1:  # a constant that is used as it is
            sources[int(rng.integers(len(sources)))] = int(rng.choice(AS_IT_IS))
        steps.append((op.name, k, tuple(sources)))
        known += 1
    return Case(seed, sorts[0], sorts[1], tuple(steps))


def arrays(sorts: Sequence[tuple[tuple[int, ...], str]], rng: Any) -> list[Any]:
    """An array of each shape and kind."""
    return [of_kind(rng.uniform(-1.5, 1.5, shape), kind) for shape, kind in sorts]


def of_kind(x: Any, kind: str) -> Any:
    if kind == "F":
        return np.asfortranarray(x)
    if kind == "reversed" and x.ndim:
        return np.ascontiguousarray(x[::-1])[::-1]
    if kind == "strided" and x.ndim:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if kind == "read-only":
        x.flags.writeable = False
    return x.astype({"big-endian": ">f8", "float32": "f4"}.get(kind, "f8"), copy=False)


def function(case: Case) -> Callable[..., Any]:
    """The program as a function of its inputs, which closes over its constants."""
    held = arrays(case.constants, np.random.default_rng(case.seed + 1))

    lists = [
        (x.tolist(), kind.removeprefix("list, ")) if kind in MADE else None
        for x, (_, kind) in zip(held, case.constants, strict=True)
    ]

    def f(*leaves: Any) -> Any:
        made = [
            x if y is None else np.array(y[0], order="F" if y[1] == "F" else "C")
            for x, y in zip(held, lists, strict=True)
        ]
        values: list[Any] = [*leaves, *made]
        for name, k, sources in case.steps:
            op = REGISTRY[name]
            shapes = cases_of(op)[k].shapes
            args = [
                literal(op, i, tuple(shape), s)
                if s in AS_IT_IS
                else moved(_some(values[s]), op, i, tuple(shape))
                for i, (s, shape) in enumerate(zip(sources, shapes, strict=True))
            ]
            if not any(isinstance(x, Tensor) for x in args):  # of constants alone
                args[0] = args[0] + 0 * np.sum(leaves[0]) if args[0].dtype.kind == "f" else args[0]
            meta = cases_of(op)[k].meta
            if op.arrange:  # a matrix that has what the op computes
                args = [*op.arrange(*args)]
            z = op(args, **meta) if op.many else op(*args, **meta)
            if z.dtype.kind != "f":
                z = tg.where(z if z.dtype == bool else z > 1, np.sum(leaves[0]), 0.5)
            values.append(_bounded(z))
        return sum(np.mean(v * v + v) if np.size(v) else np.sum(v) for v in values)

    return f


def literal(op: Any, i: int, shape: tuple[int, ...], order: int) -> Any:
    """A constant for an argument of an op, inside its domain, made of a list as one types it."""
    domain = op.domain[min(i, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)
    x = np.random.default_rng(i).random(shape)
    if domain is bool:
        x = x > 0.5
    elif isinstance(domain, range):
        x = np.asarray(domain)[np.asarray(x * len(domain), int)]
    else:
        x = domain[0] + (domain[1] - domain[0]) * x
    return np.array(x.tolist(), order="CF"[order == AS_IT_IS[1]])


def _some(x: Any) -> Any:
    """x, or the 0 that its sum is where it is empty."""
    return x if np.size(x) else np.sum(x)


def _bounded(x: Any) -> Any:
    """Numbers up to 20, and not many; without looking at any."""
    return 20 * np.tanh((np.mean(x) if x.size > 40 else x) / 20)


def fault(case: Case) -> str:
    """The first way in which the program is not what it is eagerly; nothing where all agree."""
    f = function(case)
    n = len(case.inputs)
    kinds = {kind for _, kind in (*case.inputs, *case.constants)}
    narrow = "float32" in kinds or any(name == "astype" for name, _, _ in case.steps)
    atol = 1e-3 if narrow else 1e-9
    work = tg.value_and_grad(f, tuple(range(n)) if n > 1 else 0)
    rng = np.random.default_rng(case.seed + 2)
    first, fresh = (arrays(case.inputs, rng) for _ in range(2))
    expected = [work(*x) for x in (first, fresh)]
    before = [x.tobytes() for x in first]
    literal, rewritten = tg.compile(work, rewrite=False), tg.compile(work)
    for compiled, promise in ((literal, BITS), (rewritten, CLOSE)):
        way = f"compiled, rewrite={compiled.rewrite}"
        for inputs, known in zip((first, fresh), expected, strict=True):
            if said := difference(compiled(*inputs), known, promise, atol):
                return f"{way}: {said}"
        names: dict[str, Any] = {}
        if not compiled.program.objects:
            exec(compiled.source, names)
            captured = {k: np.asarray(v.data if isinstance(v, Tensor) else v)
                        for k, v in compiled.program.captured.items()}  # fmt: skip
            found = names[compiled.program.function](*_used(compiled, first), **captured)
            if said := difference(found, expected[0], promise, atol):
                return f"saved source, rewrite={compiled.rewrite}: {said}"
    if said := _looped(f, first, atol):
        return f"loop: {said}"
    if [x.tobytes() for x in first] != before:
        return "an input was written to"
    return ""


def _used(compiled: Any, inputs: Sequence[Any]) -> list[Any]:
    used = [used for _, used in compiled.program.arguments]
    return [x for x, wanted in zip(inputs, used, strict=True) if wanted]


def _looped(f: Callable[..., Any], inputs: Sequence[Any], atol: float) -> str:
    """Three steps of descent in a loop against the same steps taken one by one."""
    if not all(x.dtype == np.float64 and x.dtype.isnative for x in inputs):
        return ""

    def step(carry: Any) -> Any:
        value, slopes = tg.value_and_grad(lambda c: f(*c))(carry)
        return [x - 0.01 * g for x, g in zip(carry, slopes, strict=True)], value

    carry = [np.array(x) for x in inputs]
    try:
        loop = tg.compile_loop(step, carry=carry, rewrite=False, strength_reduction=False)
    except (TypeError, ValueError) as error:
        if "carry" in str(error):  # one that the step does not change
            return ""
        raise
    for _ in range(3):
        carry, value = step(carry)
        if said := difference([loop.step(), loop.carry], [value, carry], CLOSE, atol):
            return said
    return ""


def difference(found: Any, expected: Any, promise: str, atol: float = 1e-9) -> str:
    """How far results are from what a promise allows; nothing where it is kept."""
    pairs = [*zip(flatten(found)[0], flatten(expected)[0], strict=True)]
    scale = 1 + max((np.max(np.abs(y), initial=0) for _, y in pairs), default=0)
    for i, (x, y) in enumerate(pairs):
        x, y = np.asarray(x), np.asarray(y)
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"result {i} is {x.dtype} {x.shape}, eager {y.dtype} {y.shape}"
        if promise is BITS and x.tobytes() != y.tobytes():
            same = np.array_equal(x, y, equal_nan=True)
            return f"result {i} has other bits{' (signs of zero or NaN)' if same else ''}"
        if np.isfinite(scale) and not np.allclose(x / scale, y / scale, rtol=0, atol=atol):
            return f"result {i} is off by {np.max(np.abs(x - y)):.2g} of {scale:.2g}"
    return ""


def judged(case: Case) -> str:
    """The fault, an exception included."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        try:
            return fault(case)
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:300]}"


def shrunk(case: Case) -> Case:
    """A smaller program with a fault of the same kind."""
    kind = judged(case)[:12]

    def smaller(case: Case) -> list[Case]:
        found = []
        offset = len(case.inputs) + len(case.constants)
        for k in reversed(range(len(case.steps))):
            at = offset + k
            if any(at in sources for _, _, sources in case.steps):
                continue
            kept = [
                (name, which, tuple(s - (s > at) for s in sources))
                for j, (name, which, sources) in enumerate(case.steps)
                if j != k
            ]
            found.append(case._replace(steps=tuple(kept)))
        for k, (name, which, sources) in enumerate(case.steps):
            if any(sources):
                simple = (name, which, (0,) * len(sources))
                found.append(case._replace(steps=(*case.steps[:k], simple, *case.steps[k + 1 :])))
        for field in ("inputs", "constants"):
            some = getattr(case, field)
            for k, (shape, kind) in enumerate(some):
                found += [
                    case._replace(**{field: (*some[:k], plain, *some[k + 1 :])})
                    for plain in {(shape, "C"), ((), kind)} - {(shape, kind)}
                ]
        return found

    while (better := next((c for c in smaller(case) if judged(c)[:12] == kind), None)) is not None:
        case = better
    return case


def line(case: Case) -> str:
    """The command that runs the program alone."""
    return f'python tests/reliability/random_programs.py --case "{tuple(case)}"'


def attack(n: int, first: int = 0) -> Figures:
    """Judge the programs of n seeds, in as many processes as there are cores."""
    seeds = range(first, first + n)
    with multiprocessing.get_context("fork").Pool() as pool:
        found = [*pool.imap(_failure, seeds, chunksize=1 + min(n // 50, 50))]
    ops = sum(len(drawn(seed).steps) for seed in seeds)
    return Figures(n, {"ops": ops}, [failure for failure in found if failure])


def _failure(seed: int) -> str:
    """What is wrong with the program of a seed, with the line that shows it; else nothing."""
    case = drawn(seed)
    if not judged(case):
        return ""
    small = shrunk(case)
    return f"seed {seed}: {judged(small)}\n  {line(small)}"


if __name__ == "__main__":
    if "--case" in sys.argv:
        print(judged(Case(*ast.literal_eval(sys.argv[sys.argv.index("--case") + 1]))) or "agrees")
    else:
        first = int(sys.argv.pop(sys.argv.index("--first") + 1)) if "--first" in sys.argv else 0
        main(partial(attack, first=first), 300)
