"""Random programs of many ops, compiled: the bits of eager, and with rewriting the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_graphs import planned, taken

import tinygrad_dnn as tg

PROGRAMS = st.lists(
    st.tuples(*(st.integers(0, 7), st.integers(0, 40), *[st.integers(0, 99)] * 2)),
    min_size=2,
    max_size=25,
)
SHAPES = st.sampled_from([((2, 3), (2, 3)), ((3,), (2, 3)), ((), (4,)), ((3, 1), (1, 3))])


def bits(found: Any) -> list[bytes]:
    value, slopes = found
    return [np.asarray(x).tobytes() for x in (value, *slopes)]


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(PROGRAMS, SHAPES, st.integers(0, 2**32 - 1))
def test_a_random_program_compiled(program: Any, shapes: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, fresh = ([rng.normal(size=s) for s in shapes] for _ in range(2))
    with np.errstate(all="ignore"):
        steps = planned(program, first)
        work = tg.value_and_grad(lambda x, y: taken(steps, [x, y]) + x.sum() + y.sum(), (0, 1))
        literal, rewritten = tg.compile(work, rewrite=False), tg.compile(work)
        for compiled in (literal, rewritten):
            compiled.prepare(*first)
        for arrays in (first, fresh):
            expected = work(*arrays)
            assert bits(literal(*arrays)) == bits(expected)
            value, slopes = rewritten(*arrays)
            scale = 1 + max(np.max(np.abs(s), initial=0) for s in (expected[0], *expected[1]))
            if np.isfinite(scale):
                for mine, theirs in zip((value, *slopes), (expected[0], *expected[1]), strict=True):
                    np.testing.assert_allclose(mine / scale, theirs / scale, atol=1e-12)
