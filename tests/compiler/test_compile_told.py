"""What `compile` and `compile_loop` say of calls that they can't take, or that cost much."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import RecordingError
from tinygrad_dnn.compiler import compiled


def test_a_function_that_records_very_many_ops_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LONG", 20)

    @td.compile
    def unrolled(x: td.Tensor) -> td.Tensor:
        for _ in range(30):
            x = x * 0.5 + 1.0
        return x

    with pytest.warns(UserWarning, match=r"unrolled records 61 ops.*compile_loop") as caught:
        unrolled(np.ones(3))
    assert caught[0].filename == __file__
    unrolled(np.zeros(3))  # once a program


def test_a_ufunc_is_compiled_and_takes_positions_alone() -> None:
    x = np.array([0.5, 2.0])
    np.testing.assert_array_equal(td.compile(np.sin)(x), np.sin(x))
    np.testing.assert_array_equal(td.compile(np.multiply)(x, x), x * x)
    with pytest.raises(TypeError, match="positional arguments only"):
        td.compile(np.sin)(x, where=True)


def test_positions_beside_others_are_told_of_take_and_one_hot_columns() -> None:
    rows = np.arange(3)
    with pytest.raises(RecordingError, match=r"beside others.*np\.take.*one-hot"):
        td.compile(lambda x, labels: x[labels, rows])(np.ones((4, 3)), np.array([0, 2, 1]))
    # what is advised:
    x, labels = np.arange(12.0).reshape(4, 3), np.array([0, 2, 1])
    picked = td.compile(lambda x, Y: (Y * x).sum(axis=0))(x, np.eye(4)[:, labels])
    np.testing.assert_array_equal(picked, x[labels, rows])
