"""The measuring itself: slopes, how well they are known, when a complex step is believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Op, check_gradients
from tinygrad_dnn.check.numeric.derivative import (
    COMPLEX_STEP,
    FIRST,
    RICHARDSON,
    WIDE,
    WIDE_EPS,
    bits,
    complex_step,
    slope,
)
from tinygrad_dnn.check.numeric.jacobian import measured, summed_to
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.ops import REGISTRY

OURS = [name for name, op in sorted(REGISTRY.items()) if op.differentiable and op.builtin]
WIDER = pytest.mark.skipif(bits(WIDE) < 80, reason="this platform's widest float has 64 bits")


def one(x: Any) -> Any:
    return np.ones_like(x)


def at(*numbers: float) -> Any:
    return np.array(numbers, WIDE)


# --- ops that say they are analytic ---------------------------------------------------------------


def with_argument(op: Op, arrays: Any, i: int, meta: Any) -> Any:
    wide = [x.astype(WIDE) if x.dtype.kind == "f" else x for x in arrays]
    return lambda x: op.forward(*wide[:i], x, *wide[i + 1 :], **op.defaults | meta)


@pytest.mark.parametrize("name", OURS)
def test_where_an_op_says_it_is_analytic_a_complex_step_agrees_with_differences(name: str) -> None:
    op = REGISTRY[name]
    if not op.analytic:
        return
    for case in cases_of(op):
        if "dtype" in case.meta:  # a cast drops digits and imaginary parts, and says so
            continue
        arrays = sampled(op, case)
        for i, x in enumerate(arrays):
            if x.dtype.kind != "f" or op.rule(i) is None:
                continue
            f = with_argument(op, arrays, i, case.meta)
            v = np.random.default_rng(0).uniform(0.5, 1.5, x.shape).astype(WIDE)
            exact = complex_step(f, x.astype(WIDE), v)
            assert exact is not None, f"{name}({case}) takes no complex numbers"
            found = slope(f, x.astype(WIDE), v, analytic=False)
            size = 1e-13 * (1 + np.abs(found.value)) * max(1.0, WIDE_EPS / 1e-19)
            assert np.all(np.abs(exact - found.value) <= found.uncertainty * 8 + size), (name, case)


@pytest.mark.parametrize("name", [n for n in OURS if not REGISTRY[n].analytic])
def test_an_op_that_is_not_analytic_meets_no_complex_number(name: str) -> None:
    op = REGISTRY[name]
    met: set[str] = set()

    class Watching(Op):
        """The op, with a forward that notes what it is given."""

        def __init__(self) -> None:
            vars(self).update(vars(op))
            self.forward = self.noting

        def noting(self, *arrays: Any, **meta: Any) -> Any:
            met.update(np.asarray(x).dtype.kind for x in arrays)
            return op.forward(*arrays, **meta)

    watching = Watching()
    case = cases_of(op)[0]
    arrays = sampled(op, case)
    many = op.many
    report = check_gradients(
        lambda *xs: watching(xs, **case.meta) if many else watching(*xs, **case.meta), *arrays
    )
    assert report.verdict == "right", report
    assert "f" in met
    assert "c" not in met


# --- slopes ---------------------------------------------------------------------------------------

CURVES: list[tuple[Any, Any, Any]] = [
    (np.exp, np.exp, at(-3.0, 0.0, 2.0)),
    (np.sin, np.cos, at(0.0, 1e-8, 1.0, 100.0)),
    (lambda x: x**3, lambda x: 3 * x**2, at(-2.0, 1e-5, 1e8)),
    (lambda x: 1e8 + x, one, at(1.0)),
    (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, at(-40.0, 5.0)),
    (np.log, lambda x: 1 / x, at(1e-12, 1e-3, 7.0)),
    (lambda x: np.exp(x) - 1 - x, np.expm1, at(1e-5, 3e-4)),
    (lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), at(0.3)),
]


@pytest.mark.parametrize("analytic", [True, False])
@pytest.mark.parametrize("curve", range(len(CURVES)))
def test_the_truth_is_within_the_uncertainty(curve: int, analytic: bool) -> None:
    f, df, x = CURVES[curve]
    for here in np.split(x, x.size):
        found = measured(f, here, elementwise=True, analytic=analytic).slopes
        assert found.method == (COMPLEX_STEP if analytic else RICHARDSON)
        assert not found.kinks.any()
        apart = np.abs(found.value - df(here))
        assert apart <= 8 * found.uncertainty + 64 * WIDE_EPS * np.abs(df(here)), here


@pytest.mark.parametrize("turns", [1.0, 2.0, 7.0, 64.0, 512.0, 4096.0, 32768.0])
@pytest.mark.parametrize("analytic", [True, False])
def test_no_wave_has_the_period_of_all_steps(turns: float, analytic: bool) -> None:
    w = 2 * np.pi * turns / FIRST  # the first step is so many whole turns
    x = np.linspace(-1, 1, 101).astype(WIDE)
    found = slope(lambda x: np.sin(w * x), x, one(x), analytic=analytic)
    apart = np.abs(found.value - w * np.cos(w * x))
    assert np.all(apart <= 8 * found.uncertainty + w * w * WIDE_EPS)


@WIDER
def test_how_well_a_slope_is_known() -> None:
    x = at(0.7)
    assert abs(slope(np.sin, x, one(x)).value - np.cos(x)) < 1e-18
    assert abs(slope(np.sin, x, one(x), analytic=False).value - np.cos(x)) < 1e-15


@pytest.mark.parametrize(
    ("f", "df"),
    [
        (lambda x: np.abs(x) * x, lambda x: 2 * np.abs(x)),
        (lambda x: x + 1e-6 * np.real(x), lambda x: (1 + 1e-6) * one(x)),
        (lambda x: np.where(np.sign(x) > 0, x, 2 * x), lambda x: np.where(x > 0, 1, 2)),
        (lambda x: np.conj(x) * x, lambda x: 2 * x),
        (lambda x: np.sqrt(np.real(x) ** 2 + 1), lambda x: x / np.sqrt(x * x + 1)),
    ],
)
def test_a_complex_step_that_drops_or_makes_up_something_is_not_believed(f: Any, df: Any) -> None:
    x = at(-1.3, 0.4, 2.0)
    found = slope(f, x, one(x))
    size = 1e-14 if bits(WIDE) == 80 else 1e-9
    np.testing.assert_allclose(found.value.astype(float), df(x).astype(float), rtol=size)


def test_corners() -> None:
    x = at(-1.0, 0.0, 1e-9, 1.0)
    for f, kinks in (
        (np.abs, [False, True, False, False]),
        (lambda x: np.maximum(x, 0), [False, True, False, False]),
        (lambda x: x * np.abs(x), [False] * 4),
        (lambda x: np.abs(x) ** 3, [False] * 4),
        (lambda x: np.where(x > 0, x, 1.001 * x), [False, True, False, False]),
        (lambda x: np.sqrt(np.where(x >= 0, x, np.nan)), [False, True, False, False]),
    ):
        found = measured(f, x, elementwise=True, analytic=False)
        assert found.slopes.kinks.tolist() == kinks


def test_beside_a_corner_the_slope_is_that_of_its_side() -> None:
    x = at(1e-9, -1e-6, 1e-14)
    for f, df in ((np.abs, np.sign(x)), (lambda x: np.maximum(x, 0), x > 0)):
        found = measured(f, x, elementwise=True, analytic=False).slopes
        assert not found.kinks.any()
        assert np.all(np.abs(found.value - df) <= 8 * found.uncertainty)
        assert np.all(found.uncertainty < 1e-6)


def test_at_a_jump_nothing_is_known() -> None:
    found = measured(lambda x: np.where(x > 0, 1, 0) + x, at(0.0), elementwise=True, analytic=False)
    assert found.slopes.kinks.any() or found.slopes.uncertainty > 1


def test_a_staircase_is_not_taken_for_a_constant() -> None:
    x = at(0.3, 2.0)
    found = slope(lambda x: x.astype(np.float32).astype(WIDE), x, one(x))
    apart = np.abs(found.value - 1)
    assert np.all(apart <= 8 * found.uncertainty)
    assert not slope(np.floor, x + WIDE(0.4), one(x)).value.any()


# --- sums over broadcast axes ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (1, 1)])
def test_summed_to_a_shape(shape: tuple[int, ...]) -> None:
    g = np.arange(12.0).reshape(3, 4)
    ones = np.ones(shape)
    expected = [np.sum(g * (ones + (np.arange(ones.size) == k).reshape(shape)) - g) for k in
                range(ones.size)]  # fmt: skip
    np.testing.assert_allclose(summed_to(shape, g).ravel(), expected)
    assert summed_to(shape, g).shape == shape


def test_what_is_no_such_shape_repeated_is_refused() -> None:
    with pytest.raises(ValueError, match="repeated"):
        summed_to((3,), np.ones((3, 4)))
