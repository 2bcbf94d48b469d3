"""Every declared op compiled: forward and gradients on fresh inputs, the very bits of eager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Op, Tensor, vjp
from tinygrad_dnn.check.op_check import cases_of, sampled

FRESH = (1, 2)


def applied(op: Op, arrays: Sequence[Any], meta: dict[str, Any]) -> Any:
    return op(arrays, **meta) if op.many else op(*arrays, **meta)


def forward_and_gradients(op: Op, case: Any) -> Any:
    """A function of the op's arrays: the result and, where there are any, its gradients."""

    def run(*arrays: Any) -> Any:
        tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in arrays]
        z = applied(op, tensors, case.meta)
        found = [z]
        floats = [i for i, x in enumerate(tensors) if x.dtype.kind == "f"]
        if op.differentiable and z.dtype.kind == "f" and floats:

            def of_floats(*xs: Any) -> Any:
                given = list(tensors)
                for i, x in zip(floats, xs, strict=True):
                    given[i] = x
                return applied(op, given, case.meta)

            _, pull = vjp(of_floats, *(tensors[i] for i in floats))
            found += pull(np.cos(np.arange(z.size, dtype=z.dtype)).reshape(z.shape))
        return found

    return run


def bits(results: Sequence[Any]) -> list[Any]:
    return [np.asarray(x._array if isinstance(x, Tensor) else x) for x in results]


def the_same_bits(got: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(got) == len(expected)
    for mine, theirs in zip(bits(got), bits(expected), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        assert mine.tobytes() == theirs.tobytes(), (mine, theirs)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_op_compiled_gives_the_bits_of_eager_on_fresh_inputs(name: str) -> None:
    op = REGISTRY[name]
    for case in cases_of(op):
        f = forward_and_gradients(op, case)
        compiled = tg.compile(f, rewrite=False)
        compiled.prepare(*sampled(op, case, 0))
        for seed in FRESH:
            arrays = sampled(op, case, seed)
            before = [x.copy() for x in arrays]
            the_same_bits(compiled(*arrays), f(*arrays))
            for x, copy in zip(arrays, before, strict=True):
                assert x.tobytes() == copy.tobytes(), "an argument was written to"
