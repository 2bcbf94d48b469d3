"""Every op that says how it carries a leading axis gives with it what it gives one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from contract import MORE_CASES

from tinygrad_dnn import REGISTRY, Case, Op, Tensor, op
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.ops import leading
from tinygrad_dnn.ops.leading import One

N = 3
CARRIED = sorted(name for name, op in REGISTRY.items() if op.carries is not None)
# Calls that neither the declarations nor the contract have.
CASES: dict[str, tuple[Case, ...]] = {
    "getitem": (
        Case((4, 3, 2), index=(np.array([0, 2]), slice(None), np.array([1, 0]))),
        Case((4, 3, 2), index=(0, slice(None), np.array([1, 0]))),
        Case((4, 3, 2), index=(slice(None), 1, np.array([1, 0]))),
        Case((4, 3, 2), index=(np.array([[True, False, True]] * 4),)),
        Case((4, 3, 2), index=(..., np.int64(1), np.array([1, 0]))),
        Case((4, 3), index=(slice(None), (0, 2))),
        Case((4, 3), index=()),
    ),
    "scatter": (
        Case((2, 3), index=(np.array([0, 2]), slice(None), np.array([1, 0])), shape=(4, 3, 2)),
        Case((3, 1), index=(slice(1, 4), None), shape=(4,)),
    ),
    "setitem": (Case((4, 3, 2), (3,), index=(np.array([0, 2]), slice(None), np.array([1, 0]))),),
    "matmul": (
        Case((3,), (5, 3, 1)), Case((2, 1), (1, 4)), Case((2, 3), (3, 1)), Case((1, 3), (3, 1)),
        Case((4, 1, 2, 3), (3,)), Case((0, 3), (3, 2)),
    ),
    "outer": (Case((2,), (0,)),),
    "take": (Case((0, 2), (0,), axis=0), Case((4, 3), (2, 2), axis=0), Case((4, 3), (2,), axis=-2)),
    "scatter_add": (
        Case((2, 2, 3), (2, 2), shape=(4, 3), axis=0),
        Case((2, 3), (2,), shape=(4, 3), axis=-2),
    ),
    "pad": (
        Case((2,), pad_width=1, constant_values=(1.0, 2.0)),
        Case((2, 3), pad_width=1, constant_values=((1.0, 2.0), (3.0, 4.0))),
    ),
    "sum": (
        Case((2, 3), axis=-1), Case((2, 3), axis=(-1, 0), keepdims=True), Case((2, 3), axis=()),
    ),
    "softmax": (Case((), axis=-1), Case((2, 3, 2), axis=1)),
    "argmax": (Case((2, 3), keepdims=True), Case((2, 3), axis=-2)),
    "transpose": (Case((2, 3, 4), axes=(-1, 0, 1)), Case(())),
    "concatenate": (Case((2, 3), (2, 1), (2, 2), axis=1),),
    "log_weighted_sum": (Case((3,), (2, 3)), Case((2, 3), (3,), axis=0)),
    "dot": (Case((2, 3, 4), (4, 2)), Case((), ())),
}  # fmt: skip


def calls(op: Op) -> Iterator[Case]:
    yield from (*cases_of(op), *MORE_CASES.get(op.name, ()), *CASES.get(op.name, ()))
    if op.elementwise:
        full = (2, 3)
        shapes = ((), (3,), (2, 1), full, (1, 1, 3))
        for some in product(shapes, repeat=len(op.arrays)):
            meta = op.cases[0].meta if op.cases else {}
            yield Case(*some, **meta)


def one_by_one(
    op: Op, examples: Sequence[Sequence[Any]], led: Sequence[bool], meta: Any
) -> list[Any]:
    first = examples[0]
    return [
        np.asarray(
            op.apply([x if on else y for x, y, on in zip(xs, first, led, strict=True)], meta)
        )
        for xs in examples
    ]


def carried(op: Op, examples: Sequence[Sequence[Any]], led: Sequence[bool], meta: Any) -> Any:
    first = examples[0]
    shapes = [x.shape for x in first]
    shape = np.asarray(op.apply(first, meta)).shape
    xs = [np.stack([e[k] for e in examples]) if on else first[k] for k, on in enumerate(led)]
    assert op.carries is not None
    return op.carries(One(op.apply, shapes, shape, meta, len(examples)), xs, led)


def check_carried(op: Op) -> None:
    """Each call with a leading axis of some of the arrays is that of one example after the other.

    Raises:
        AssertionError: it is not; or the op carries the axis in none of its calls.
    """
    if op.carries is None:
        return
    answered = 0
    for case in calls(op):
        _, meta = op.bind([sampled(op, case)] if op.many else sampled(op, case), dict(case.meta))
        for led in product((False, True), repeat=len(case.shapes)):
            if not any(led):
                continue
            examples = [sampled(op, case, seed) for seed in range(N)]
            found = carried(op, examples, led, meta)
            if found is NotImplemented:
                continue
            answered += 1
            expected = np.stack(one_by_one(op, examples, led, meta))
            told = f"{op.name}({case}), led {led}"
            assert found.shape == expected.shape, told
            assert found.dtype == expected.dtype, told
            np.testing.assert_allclose(
                np.asarray(found, float), np.asarray(expected, float), 1e-13, 1e-14, err_msg=told
            )
    assert answered > 0, f"{op.name} never carries a leading axis"


@pytest.mark.parametrize("name", CARRIED)
def test_with_a_leading_axis_as_one_by_one(name: str) -> None:
    check_carried(REGISTRY[name])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CARRIED)
def test_of_no_elements_as_one_by_one(name: str) -> None:
    op = REGISTRY[name]
    for case in cases_of(op):
        for gone in {n for s in case.shapes for n in s}:
            first = [np.ones_like(x, shape=[n * (n != gone) for n in x.shape])
                     for x in sampled(op, case)]  # fmt: skip
            first = list(op.arrange(*first)) if op.arrange else first
            _, meta = op.bind([first] if op.many else first, dict(case.meta))
            try:
                one = np.asarray(op.apply(first, meta))
            except (ValueError, IndexError):  # of nothing there is none
                continue
            for led in product((False, True), repeat=len(first)):
                found = carried(op, [first] * N, led, meta) if any(led) else NotImplemented
                if found is not NotImplemented:
                    assert (found.shape, found.dtype) == ((N, *one.shape), one.dtype)
                    np.testing.assert_array_equal(found[1], one)


@pytest.mark.parametrize("name", CARRIED)
def test_on_tensors_it_is_recorded(name: str) -> None:
    op = REGISTRY[name]
    case = next(c for c in cases_of(op) if c.shapes)
    _, meta = op.bind([sampled(op, case)] if op.many else sampled(op, case), dict(case.meta))
    led = [True] * len(case.shapes)
    examples = [sampled(op, case, seed) for seed in range(N)]
    expected = np.stack(one_by_one(op, examples, led, meta))
    tensors = [[Tensor(x) for x in xs] for xs in examples]
    found = carried(op, tensors, led, meta)
    if found is not NotImplemented:
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(found.data.astype(float), expected.astype(float), 1e-13, 1e-14)


def test_an_op_carries_by_its_kind_or_as_it_says() -> None:
    assert REGISTRY["tanh"].carries is leading.elementwise
    assert REGISTRY["logsumexp"].carries is leading.reduced
    assert REGISTRY["softmax"].carries is leading.flattened

    @op("mine({x})", vjp=lambda g: g, elementwise=True)
    def elementwise_of_a_user(x, /):  # type: ignore[no-untyped-def]
        return x + 1

    @op("solved({x}, {y})", vjp=None, carries=leading.stacked)
    def solved_of_a_user(x, y, /):  # type: ignore[no-untyped-def]
        return np.linalg.solve(x, y)

    try:
        assert elementwise_of_a_user.carries is None  # what others declare may be random
        rng = np.random.default_rng(0)
        examples = [(rng.normal(size=(2, 2)), rng.normal(size=(2, 3))) for _ in range(N)]
        for led in ((True, False), (False, True), (True, True)):
            found = carried(solved_of_a_user, examples, led, {})
            expected = one_by_one(solved_of_a_user, examples, led, {})
            np.testing.assert_allclose(found, np.stack(expected), 1e-12)
    finally:
        del REGISTRY["elementwise_of_a_user"], REGISTRY["solved_of_a_user"]


def test_positions_of_an_example_stay_its_own() -> None:
    take = REGISTRY["take"]
    x, i = np.arange(6.0).reshape(3, 2), np.array([[0], [2], [1]])
    with pytest.raises(IndexError, match="expected indices from -2 to 1, got 0 to 2"):
        carried(take, [(a, b) for a, b in zip(x, i, strict=True)], (True, True), {"axis": 0})
