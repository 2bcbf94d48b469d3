"""Windows added where they overlap: in the order of their places, in few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td

SHAPES = [
    ((3, 7), (0,)),
    ((7, 3), (0,)),
    ((2, 3, 4, 2), (0, 1)),
    ((2, 5, 3, 4), (1, 0)),
    ((4, 2, 3, 5), (1, 1)),  # one axis twice: its windows lie within each other
    ((3, 2, 2, 5), (-2,)),
]


def place_by_place(x: Any, axes: Any, ndim: int) -> Any:
    shape = list(x.shape[:ndim])
    for a, k in zip(axes, x.shape[ndim:], strict=True):
        shape[a] += k - 1
    out = np.zeros(shape)
    for at in np.ndindex(*x.shape[ndim:]):
        first = np.zeros(ndim, int)
        np.add.at(first, [*axes], at)
        out[tuple(slice(i, i + n) for i, n in zip(first, x.shape, strict=False))] += x[..., *at]
    return out


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_terms_are_added_in_the_order_of_places(shape: Any, axes: Any) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    x.flat[::3] = -0.0
    expected = place_by_place(x, axes, len(shape) - len(axes))
    compiled = td.compile(lambda x: td.overlap_add(x, axes), rewrite=False)
    for found in (td.overlap_add(x, axes), compiled(x)):
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_few_wide_windows_are_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Seen(np.ndindex):
        def __init__(self, *shape: int) -> None:
            seen.append(shape)
            super().__init__(*shape)

    monkeypatch.setattr(np, "ndindex", Seen)
    td.overlap_add(np.ones((2, 9, 1000, 3)), (0, 1))
    assert seen == [(2, 3)]
