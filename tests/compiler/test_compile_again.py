"""Programs that are written again and again: what is left of them, and what is said."""

from __future__ import annotations

import gc
import linecache
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn.compiler.compiled import LIMIT, MANY


def step(W: Any, lr: float = 0.1) -> Any:
    return W - lr * td.grad(lambda w: (w * w).sum())(W)


def entries() -> int:
    return sum(name.startswith("<compiled ") for name in linecache.cache)


def test_s103_a_program_that_is_evicted_leaves_nothing_behind() -> None:
    gc.collect()
    before = entries()
    compiled = td.compile(step)
    with warnings.catch_warnings(action="ignore"):
        for k in range(LIMIT + 20):
            compiled(np.ones(3), 0.1 / (1 + k))
    assert entries() - before == LIMIT
    assert linecache.getline(compiled.program.filename, 1) != ""  # tracebacks show its lines
    del compiled
    gc.collect()
    assert entries() == before


def test_memory_does_not_grow_from_eviction_to_eviction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_dnn.compiler.compiled.LIMIT", 4)
    compiled = td.compile(step)
    sizes = []
    tracemalloc.start()
    try:
        with warnings.catch_warnings(action="ignore"):
            for k in range(32):
                compiled(np.ones(3), 0.1 / (1 + k))
                if k % 16 == 15:
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 20_000  # a program takes 15 kB


def test_a_number_that_keeps_changing_is_said_once() -> None:
    compiled = td.compile(step)
    with warnings.catch_warnings(record=True, action="always") as said:
        for k in range(3 * MANY):
            compiled(np.ones(3), lr=0.1 / (1 + k))
    (one,) = said
    assert str(one.message) == (
        f"compile: step was written again {MANY} times because lr had another value each time; "
        "where that is a number, give it as an argument that is an array, np.asarray(lr), which "
        "is an input"
    )
    assert one.filename == __file__
    for k in range(3 * MANY):  # as it advises: warnings are errors here
        compiled(np.ones(3), lr=np.asarray(0.1 / (1 + k)))


def test_a_variable_that_keeps_changing_is_said_once() -> None:
    rate = 0.1

    @td.compile
    def step(W: Any) -> Any:
        return W * rate

    with warnings.catch_warnings(record=True, action="always") as said:
        for k in range(3 * MANY):
            rate = 1.0 / (1 + k)
            np.testing.assert_allclose(step(np.ones(2)), rate)
    (one,) = said
    assert "because rate had another value each time" in str(one.message)


def test_other_shapes_and_a_few_numbers_are_nothing_to_speak_of() -> None:
    compiled = td.compile(step)
    for n in range(3 * MANY):
        compiled(np.ones(n + 1), 0.1)
        compiled(np.ones(3), (0.1, 0.2, 0.3)[n % 3])
