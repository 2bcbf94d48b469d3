"""What a compiled step allocates, op by op: nothing but what `ALLOCATES` states."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compile_registry import forward_and_gradients

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Op
from tinygrad_dnn.check.op_check import cases_of
from tinygrad_dnn.ops.cases import Case

ELEMENTS = 40_000
# Where kinds of numbers meet, NumPy casts 8192 at a time; array objects and views take some too.
SMALL = 2 * 8192 * 8 + 8_000
# Cases for ops whose own can't be made larger.
EVERY_THIRD = np.arange(0, 600, 3) - 300  # from the end too
LARGE: dict[str, list[Case]] = {
    "broadcast_to": [Case((200, 1), shape=(200, 300)), Case((200,), shape=(300, 200))],
    "getitem": [
        Case((600, 200), index=EVERY_THIRD),
        Case((600, 200), index=np.arange(600) % 3 == 0),
    ],
    "max": [Case((20_000, 3), axis=1), Case((50, 20, 2, 20, 2), axis=(2, 4), keepdims=True)],
    "outer": [Case((200,), (200,))],
    "overlap_add": [Case((100, 100, 2, 2), axis=(0, 1)), Case((100, 300, 3), axis=(1,))],
    "pad": [Case((200, 200), pad_width=1), Case((200, 200), pad_width=((0, 2), (3, 0)))],
    "repeat": [Case((200, 300), repeats=(0, 2, 1) * 100, axis=1)],
    "roll": [Case((200, 200), shift=(3, -7), axis=(0, 1))],
    "scatter": [
        Case((200, 200), index=slice(100, 300), shape=(600, 200)),
        Case((200, 200), index=EVERY_THIRD, shape=(600, 200)),
    ],
    "sliding_window_view": [Case((200, 200), window_shape=3, axis=0)],
    "stack": [Case((200, 200), (200, 200)), Case((200, 200), (200, 200), axis=1)],
    "scatter_add": [
        Case((200, 200), (200,), shape=(600, 200), axis=0),
        Case((200, 200), (200,), shape=(200, 600), axis=1),
    ],
    "sum": [Case((20_000, 3), axis=1, keepdims=True)],
    "take": [Case((600, 200), (200,), axis=0), Case((200, 600), (200,), axis=1)],
    "tile": [Case((100, 200), reps=(2, 2))],
}


# LAPACK, sorting and what is more than one call have no memory given to write into; a gradient that
# is 0 everywhere (`copysign`, `heaviside`) is a result that does not change, copied in each call.
WITHOUT_OUT = frozenset((
    "argpartition", "argsort", "cholesky_lower", "cofactors", "copysign", "cumprod", "det",
    "eigenvalues", "eigh_parts", "heaviside", "i0",
    "i0_derivative", "inv", "pinv", "qr_parts", "recurrence", "scatter_along_axis", "sinc",
    "sinc_derivative", "singular_values", "slogdet_parts", "solve", "sort", "sparse_matmul",
    "svd_parts", "take_along_axis", "triangular",
))  # fmt: skip


def applied(op: Op, case: Case) -> Any:
    arrays = drawn(op, case)
    return op(arrays, **case.meta) if op.many else op(*arrays, **case.meta)


def larger(op: Op, case: Case) -> Case:
    """The case with all lengths but 1 multiplied, so that nothing has many more elements."""
    shapes = [s for s in (*case.shapes, np.shape(applied(op, case))) if np.prod(s) > 1]
    rank = [sum(n != 1 for n in s) for s in shapes]
    factors = [(ELEMENTS / np.prod(s)) ** (1 / r) for s, r in zip(shapes, rank, strict=True)]
    factor = round(min(factors, default=1))

    def times(shape: Any) -> Any:
        return tuple(n * factor if n > 1 else n for n in shape)

    meta = dict(case.meta)
    if isinstance(meta.get("shape"), tuple):
        meta["shape"] = times(meta["shape"])
    return Case(*map(times, case.shapes), **meta)


def drawn(op: Op, case: Case) -> list[Any]:
    """Arrays for a case, from the op's domain."""
    rng, found = np.random.default_rng(0), []
    for k, shape in enumerate(case.shapes):
        domain = op.domain[min(k, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)
        if isinstance(domain, range):
            found.append(rng.integers(domain.start, domain.stop, shape))
        else:
            found.append(rng.random(shape) < 0.5 if domain is bool else rng.uniform(*domain, shape))
    return list(op.arrange(*found)) if op.arrange else found


def large_cases(op: Op) -> list[Case]:
    found = list(LARGE.get(op.name, ()))
    for case in (larger(op, case) for case in cases_of(op)):
        try:
            applied(op, case)
        except (ValueError, IndexError):
            continue
        if max(map(np.prod, case.shapes)) * 8 > SMALL:
            found.append(case)
    return found


def grown(work: Callable[[], Any]) -> int:
    """Bytes allocated at the worst moment of a call, after the first two."""
    work()
    work()
    tracemalloc.start()
    try:
        work()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def taken(op: Op, case: Case) -> int:
    arrays = drawn(op, case)
    run = forward_and_gradients(op, case)
    compiled = tg.compile(run, rewrite=False, reuse_outputs=True)
    return grown(lambda: compiled(*arrays))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_op_compiled_allocates_nothing(name: str) -> None:
    op = REGISTRY[name]
    cases = large_cases(op)
    if name in WITHOUT_OUT:
        assert not cases or any(taken(op, case) >= SMALL for case in cases)
        return
    assert cases, "no case of it can be made large"
    for case in cases:
        assert taken(op, case) < SMALL, case


COLUMNS = (slice(None), np.arange(150))
PLACES = np.ix_(*[np.arange(190)] * 2)
MASK = np.arange(40_000).reshape(200, 200) > 9


def halved_root(x: Any, /) -> Any:
    """Two calls, which are the program's as they stand."""
    root = np.sqrt(x)
    return root / 2


ALLOCATES: dict[str, Callable[[Any], Any]] = {
    "columns in C order": lambda x: x[COLUMNS],
    "two arrays of positions": lambda x: x[PLACES],
    "a mask of two axes": lambda x: x[MASK],
    "three axes at once": lambda x: np.roll(x.reshape(40, 10, 100), (1, 2, 3), axis=(0, 1, 2)),
    "a condition that is no truth value": lambda x: np.where(x, x, 1.0),
    "a matrix product of two dtypes": lambda x: x @ np.ones((200, 200), dtype=np.float32),
    "a result that does not change": lambda x: (np.exp(x), np.ones((200, 200))),
    "an op of one's own": Op(halved_root, "√{x} / 2", None),
}


@pytest.mark.parametrize("what", ALLOCATES)
def test_what_allocates_is_what_is_stated(what: str) -> None:
    compiled = tg.compile(ALLOCATES[what], reuse_outputs=True)
    x = np.random.default_rng(0).random((200, 200))
    assert grown(lambda: compiled(x)) > SMALL
    page = (Path(tg.__file__).parent / "SEMANTICS.md").read_text(encoding="utf-8")
    assert what in " ".join(page.split())


def test_columns_side_by_side_are_picked_without_a_copy() -> None:
    X, W = np.asfortranarray(np.random.default_rng(0).random((200, 400))), np.ones((3, 200))
    compiled = tg.compile(lambda X, W: W @ X[COLUMNS], reuse_outputs=True)
    assert grown(lambda: compiled(X, W)) < SMALL
    assert (compiled(X, W) == W @ X[COLUMNS]).all()
