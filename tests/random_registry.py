"""Random graphs over the whole registry: any op, on what came before, moved into its domain.

python tests/random_registry.py 1000        # checks as many and counts the verdicts
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import tinygrad_dnn as tg
from tinygrad_dnn import Op, Tensor, check_gradients
from tinygrad_dnn.check.op_check import cases_of
from tinygrad_dnn.ops import REGISTRY

OPS = [op for _, op in sorted(REGISTRY.items()) if op.builtin]
LARGEST = 1e3
SHAPES = [(2, 3), (3,), (), (1, 3), (2, 1), (4, 2)]


class Step(NamedTuple):
    """An op with its settings, and for each argument which value it is made of, and how."""

    op: Op
    meta: dict[str, Any]
    sources: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]


Program = tuple[list[Any], Callable[..., Any], list[Step]]


def program(seed: int, length: int = 8, ops: Sequence[Op] = OPS) -> Program:
    """Inputs, a function of them that applies random ops, and the steps that it takes."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    inputs = [rng.uniform(-1.5, 1.5, SHAPES[rng.integers(len(SHAPES))]) for _ in range(count)]
    steps: list[Step] = []
    known = count
    for _ in range(int(rng.integers(2, length + 1))):
        op = ops[rng.integers(len(ops))]
        cases = cases_of(op)
        case = cases[rng.integers(len(cases))]
        sources = tuple(int(k) for k in rng.integers(0, known, len(case.shapes)))
        steps.append(Step(op, case.meta, sources, tuple(case.shapes)))
        known += 1

    def f(*leaves: Any) -> Any:
        values: list[Any] = [*leaves]
        for step in steps:
            args = [
                moved(values[k], step.op, i, shape)
                for i, (k, shape) in enumerate(zip(step.sources, step.shapes, strict=True))
            ]
            if step.op.arrange is not None:
                args = step.op.arrange(*args)
            z = step.op(args, **step.meta) if step.op.many else step.op(*args, **step.meta)
            if z.dtype.kind != "f":
                z = tg.where(z if z.dtype == bool else z > 1, args[0].sum(), 0.5)
            values.append(tamed(z))
        return sum(np.mean(v * v + v) for v in values)

    return inputs, f, steps


def moved(x: Any, op: Op, i: int, shape: tuple[int, ...]) -> Any:
    """x filled into a shape, its elements told apart, inside the domain of an op's argument."""
    size = int(np.prod(shape))
    flat = np.ravel(x)
    spread = np.linspace(0.3, 1.1, size + 1)[:size] if size else np.zeros(0)
    full = np.reshape(flat[np.arange(size) % flat.shape[0]] * 0.5 + spread, shape)
    domain = op.domain[min(i, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)
    if domain is bool:
        return full > 0.7
    low, high = (domain[0], domain[-1]) if isinstance(domain, range) else domain
    inside = low + (high - low) * tg.sigmoid(full - 0.7)
    return inside.astype(int) if isinstance(domain, range) else inside


def tamed(x: Tensor) -> Any:
    """x itself, or squashed to one number where it is large."""
    return np.tanh(np.mean(x)) if x.size > 40 or np.any(np.abs(x.data) > LARGEST) else x


def main(count: int, order: int = 1) -> None:
    """Check `count` right graphs; whatever is not found right is shown."""
    verdicts: Counter[str] = Counter()
    for seed in range(count):
        inputs, f, _ = program(seed)
        report = check_gradients(f, *inputs, order=order)
        verdicts[report.verdict] += 1
        if not report:
            print(f"graph {seed}: {report}", flush=True)
    print(dict(verdicts))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
