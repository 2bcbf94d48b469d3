"""Elementwise ops over large arrays that run block by block, in threads."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from turns import at_once

import tinygrad_dnn as td
from tinygrad_dnn import compile, compile_loop, value_and_grad
from tinygrad_dnn.compiler.codegen import regions
from tinygrad_dnn.compiler.codegen.regions import Cut, cut_of
from tinygrad_dnn.ops import REGISTRY


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four numbers, so that tests need no large arrays."""
    monkeypatch.setattr(regions, "BLOCK", 32)  # bytes: four numbers
    monkeypatch.setattr(regions, "LEAST", 8)


def long_expression(x: Any, y: Any) -> Any:
    a = x * y + np.sin(x)
    b = np.exp(-a * a) + np.tanh(y)
    c = np.where(b > 0.3, np.sqrt(1 + b * b), b) / (1 + np.exp(-a))
    return np.sum(c * c * td.sigmoid(a)) + np.max(c - a)


def numbers(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape)


SHAPES = [
    ((37,), (37,)), ((37,), ()), ((9, 5), (9, 5)), ((9, 5), (5,)), ((9, 5), (9, 1)),
    ((9, 5), (1, 5)), ((1, 41), (1, 41)), ((2, 33), (2, 1)), ((2, 33), (33,)),
    ((33, 1), (33, 1)), ((33, 1), (1, 3)),
    ((5, 3, 2), (3, 1)), ((16, 2), (16, 2)), ((12, 12), (12,)), ((12, 12), (12, 1)),
]  # fmt: skip


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("shape", "other"), SHAPES)
def test_bits_are_those_of_eager_and_sums_differ_by_rounding(shape: Any, other: Any) -> None:
    x, y = numbers(*shape), np.asarray(numbers(*other))
    work = value_and_grad(long_expression, (0, 1))
    value, slopes = work(x, y)
    exact = compile(work, rewrite=False)
    found, theirs = exact(x, y)
    assert exact.program.blocks
    assert found == value
    assert all(np.array_equal(a, b) for a, b in zip(theirs, slopes, strict=True))
    fast = compile(work)
    found, theirs = fast(x, y)
    assert "reductions" in fast.explain()
    np.testing.assert_allclose(found, value, rtol=1e-14)
    for a, b in zip(theirs, slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.usefixtures("small_blocks")
def test_any_order_of_memory() -> None:
    x, work = numbers(10, 6), value_and_grad(long_expression, (0, 1))
    orders = [x, x.T.copy().T, x[::-1], np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f8")]
    compiled = compile(work, rewrite=False)
    for first in orders:
        for second in orders:
            value, slopes = work(first, second)
            found, theirs = compiled(first, second)
            assert found == value
            assert all(a.tobytes() == b.tobytes() for a, b in zip(theirs, slopes, strict=True))


ELEMENTWISE = sorted(
    name
    for name, op in REGISTRY.items()
    if op.builtin and op.elementwise and len(op.arrays) <= 2 and not op.required
)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_elementwise_op_runs_in_blocks_to_the_last_bit(name: str) -> None:
    op = REGISTRY[name]
    rng = np.random.default_rng(1)

    def drawn(i: int) -> Any:
        domain = op.domain[min(i, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)
        if domain is bool:
            return rng.random((9, 5)) > 0.5
        if isinstance(domain, range):
            return rng.integers(domain.start, domain.stop, (9, 5))
        return rng.uniform(*domain, (9, 5))

    args = [drawn(i) for i in range(len(op.arrays))]
    expected = op(*[x + 0 if x.dtype == float else x for x in args])
    found = compile(lambda *xs: op(*[x + 0 if x.dtype == float else x for x in xs]), rewrite=False)(
        *args
    )
    assert found.tobytes() == np.asarray(expected).tobytes()


@pytest.mark.usefixtures("small_blocks")
def test_s250_no_bit_depends_on_the_number_of_threads() -> None:
    x, y = numbers(2, 203)
    work = value_and_grad(long_expression, (0, 1))
    results = [compile(work, threads=n)(x, y) for n in (1, 2, 3, 7, None)]
    for value, slopes in results[1:]:
        assert value == results[0][0]
        assert all(np.array_equal(a, b) for a, b in zip(slopes, results[0][1], strict=True))


def test_a_block_is_a_fixed_part_of_a_large_array() -> None:
    assert cut_of((1_000_000,)) == Cut(1_000_000, 1, 32_768)
    assert cut_of((1, 1_000_000)) == Cut(1_000_000, 1, 32_768)
    assert cut_of((2048, 256)) == Cut(2048, 2, 128)
    assert cut_of((2048, 256), itemsize=4) == Cut(2048, 2, 256)
    assert cut_of((2, 1_000_000)) == Cut(1_000_000, 1, 16_384)
    assert cut_of((131_071,)) is None
    assert cut_of((400, 400_000)) is None  # neither axis has blocks that fit


def test_a_block_of_narrow_numbers_has_as_many_bytes() -> None:
    x = numbers(300_000).astype("f4")
    for f in (lambda x: np.sum(np.sin(x * x) * np.exp(-x)), lambda x: np.sum((x > 0) * x * x)):
        fast = compile(value_and_grad(f))
        fast(x)
        assert "65,536 of 300,000 places at a time" in fast.explain()


def test_small_arrays_have_the_source_that_they_had() -> None:
    x, y = numbers(2, 1000)
    work = value_and_grad(long_expression, (0, 1))
    small, without = compile(work), compile(work, blocks=False)
    small(x, y), without(x, y)
    assert small.source == without.source
    assert "_Blocks" not in small.source


def test_large_arrays_take_little_memory_and_the_switch_switches_off() -> None:
    x, y = numbers(2, 300_000)
    work = value_and_grad(lambda x, y: np.sum(np.sin(x * y) * np.exp(-x * x) + y), (0, 1))
    fast, without = compile(work), compile(work, blocks=False)
    value, slopes = fast(x, y)
    assert "_Blocks" in fast.source
    assert "blocks: " in fast.explain()
    assert "32,768 of 300,000 places at a time" in fast.explain()
    assert fast.source.count("np.empty((300000,))") == 2  # the results
    plain, plainly = without(x, y)
    assert "_Blocks" not in without.source
    assert "blocks: " not in without.explain()
    np.testing.assert_allclose(value, plain, rtol=1e-13)
    for a, b in zip(slopes, plainly, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("small_blocks")
def test_softmax_over_rows_is_one_region() -> None:
    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return (
            np.log(e / np.sum(e, axis=1, keepdims=True)),
            np.sum(x * e, axis=1),
            np.sum(x * x, axis=0),
        )

    x = numbers(20, 3)
    for rewrite in (False, True):
        compiled = compile(f, rewrite=rewrite)
        for found, expected in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
        assert len(compiled.program.blocks) == 1


@pytest.mark.usefixtures("small_blocks")
def test_what_is_read_whole_is_not_written_over_before_the_last_block() -> None:
    def f(x: Any) -> Any:
        a = np.exp(x)  # a matrix as large as its transpose
        b = a @ a
        return np.tanh(b) * b.T + np.sin(b), np.sum(b * a.T)

    x = numbers(6, 6)
    found, expected = compile(f, rewrite=False)(x), f(x)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.usefixtures("small_blocks")
def test_errors_of_a_thread_reach_the_caller_and_the_next_call_is_right() -> None:
    compiled = compile(lambda x: 1 / np.sqrt(x) + x, rewrite=False, threads=3)
    x = np.linspace(1, 2, 99)
    expected = compiled(x)
    wrong = x.copy()
    wrong[-1] = 0.0  # in the share of the last thread
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        compiled(wrong)
    with np.errstate(divide="ignore"):
        assert compiled(wrong)[-1] == np.inf
    np.testing.assert_array_equal(compiled(x), expected)


@pytest.mark.usefixtures("small_blocks")
def test_a_system_without_threads_computes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile(lambda x: np.exp(x) * x + 1, threads=3)
    x = numbers(99)
    expected = compiled(x)

    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    np.testing.assert_array_equal(compiled(x), expected)


@pytest.mark.usefixtures("small_blocks")
def test_saved_pickled_and_in_loops(tmp_path: Any) -> None:
    x, y = numbers(2, 50)
    compiled = compile(value_and_grad(long_expression, (0, 1)), threads=2)
    value, _ = compiled(x, y)
    names: dict[str, Any] = {}
    exec(compiled.save(tmp_path / "step.py").read_text(encoding="utf-8"), names)
    again = names[compiled.program.function](x, y)
    assert again[0] == value
    restored = pickle.loads(pickle.dumps(compiled))
    assert restored(x, y)[0] == value
    assert (restored.blocks, restored.threads) == (True, 2)
    assert restored.program.blocks == compiled.program.blocks

    def step(carry: Any) -> Any:
        cost, slope = value_and_grad(lambda x: long_expression(x, 0.5 * x))(carry)
        return carry - 0.01 * slope, cost

    loop = compile_loop(step, carry=x, threads=2)
    after = x
    for _ in range(3):
        after, cost = step(after)
        np.testing.assert_allclose(loop.step(), cost, rtol=1e-13)
    assert "_Blocks" in loop.source


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_what_is_no_number_of_threads_is_refused(threads: Any) -> None:
    for make in (compile, lambda f, threads: compile_loop(f, carry=np.ones(2), threads=threads)):
        with pytest.raises(ValueError, match="threads: expected a number from 1 on"):
            make(lambda x: (x, x), threads=threads)


def test_several_callers_at_once_have_blocks_of_their_own() -> None:
    compiled = compile(lambda x: np.exp(np.sin(x)) * x + 1, threads=2)
    xs = [numbers(150_000) + k for k in range(4)]
    expected = [np.exp(np.sin(x)) * x + 1 for x in xs]
    found: list[Any] = [None] * 4

    def work(k: int) -> None:
        for _ in range(3):
            found[k] = compiled(xs[k])

    at_once(work, 4)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
