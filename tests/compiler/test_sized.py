"""A program for any number of examples: what differs between three that were printed is found."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_dnn.compiler.javascript.sized import Fixed, constant, in_m, linear, scale

SIZES = (21, 22, 23)


def test_sizes_are_linear_in_m() -> None:
    assert linear([21, 22, 23], SIZES) == (1, 0)
    assert linear([64, 67, 70], SIZES) == (3, 1)
    assert linear([5, 5, 5], SIZES) == (0, 5)
    with pytest.raises(Fixed):
        linear([21**2, 22**2, 23**2], SIZES)


def test_other_numbers_are_a_multiple_of_m_or_of_its_reciprocal() -> None:
    assert scale([1 / m for m in SIZES], SIZES) == (1.0, -1)
    assert scale([0.5 * m for m in SIZES], SIZES) == (0.5, 1)
    assert scale([0.25] * 3, SIZES) == (0.25, 0)
    with pytest.raises(Fixed):
        scale([m**0.5 for m in SIZES], SIZES)


def test_a_text_is_told_in_m() -> None:
    each = [f"z[{16 * m} * i + x2] = {2 / m!r} * y; // {3 * m - 2}" for m in SIZES]
    assert in_m(each, SIZES) == "z[16 * m * i + x2] = (2 / m) * y; // (3 * m - 2)"
    with pytest.raises(Fixed, match="other lines"):
        in_m(["f(21)", "g(22)", "f(23)"], SIZES)


def test_constants_are_the_same_or_uniform() -> None:
    assert constant([np.eye(2)] * 3, SIZES) is None
    assert constant([np.full((1, m), -1 / m) for m in SIZES], SIZES) == (-1.0, -1)
    assert constant([np.ones(m) for m in SIZES], SIZES) == (1.0, 0)
    with pytest.raises(Fixed, match="a number for each example"):
        constant([np.arange(m) for m in SIZES], SIZES)
