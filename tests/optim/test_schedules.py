"""Schedules, plateaus, early stopping, clipping, and the rate that is found by trying."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import compile, optim, value_and_grad

# --- schedules ------------------------------------------------------------------------------------


def test_schedules_by_their_formulas() -> None:
    assert [optim.constant(0.3)(t) for t in (0, 9, 10**6)] == [0.3] * 3
    assert [optim.step_decay(1.0, every=3, factor=0.5)(t) for t in range(7)] == [
        1, 1, 1, 0.5, 0.5, 0.5, 0.25,
    ]  # fmt: skip
    rates = [optim.cosine(1.0, steps=4, least=0.2)(t) for t in range(7)]
    half = 0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2
    np.testing.assert_allclose(rates, [1, half, 0.6, 1.2 - half, 0.2, 0.2, 0.2])
    warm = optim.warm_up(optim.step_decay(0.8, every=2, factor=0.5), steps=4)
    np.testing.assert_allclose(
        [warm(t) for t in range(8)], [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.4, 0.4]
    )


@pytest.mark.parametrize(
    "schedule",
    [
        optim.constant(1e-3),
        optim.step_decay(1e-3, every=1),
        optim.cosine(1e-3, steps=10),
        optim.warm_up(optim.cosine(1e-3, steps=10), 5),
    ],
)
def test_s148_a_schedule_never_ends_at_0(schedule: optim.Schedule) -> None:
    rates = [schedule(t) for t in [*range(30), 10**5, 10**9]]
    assert min(rates) > 0
    assert max(rates) <= 1e-3


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: optim.constant(0), "learning rate: expected a finite number above 0, got 0"),
        (lambda: optim.constant(-1), "learning rate: expected"),
        (lambda: optim.cosine(0.1, 10, least=0), "cosine: .* ends above 0 .* got least=0"),
        (lambda: optim.cosine(0.1, 10, least=-1), "at 0 nothing is learnt, stop there instead"),
        (lambda: optim.cosine(0.1, 10, least=0.2), "not above its rate 0.1, got least=0.2"),
        (lambda: optim.cosine(0.1, 0), "cosine: expected steps, a whole number of steps from 1 on"),
        (lambda: optim.step_decay(0.1, 2.5), "step_decay: expected every, .* got 2.5"),
        (lambda: optim.step_decay(0.1, 2, factor=0), "step_decay: expected a factor above 0"),
        (lambda: optim.step_decay(0.1, 2, factor=-1), "step_decay: expected a factor above 0"),
        (lambda: optim.warm_up(optim.constant(1), 0), "warm_up: expected steps"),
        (lambda: optim.reduce_on_plateau(0.1, least=0), "reduce_on_plateau: .* got least=0"),
        (lambda: optim.reduce_on_plateau(0.1, factor=1.0), "expected a factor above 0 and below 1"),
        (lambda: optim.reduce_on_plateau(0.1, patience=-1), "expected patience of 0 or above"),
        (lambda: optim.early_stopping(-1), "early_stopping: expected patience of 0 or above"),
        (lambda: optim.early_stopping(gain=math.nan), "early_stopping: expected gain"),
        (lambda: optim.clip_by_norm({}, 0), "clip_by_norm: expected a bound above 0, got 0"),
        (lambda: optim.clip_by_value({}, -1), "clip_by_value: expected a bound above 0"),
    ],
)  # fmt: skip
def test_unusable_settings_are_refused(make: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_a_plateau_cuts_the_rate_after_patience() -> None:
    plateau = optim.reduce_on_plateau(1.0, factor=0.5, patience=2, threshold=0.1, least=0.2)
    state = plateau.init()
    rates = []
    for cost in (5.0, 4.0, 3.9, 3.8, 3.7, 3.0, math.nan, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0):
        rate, state = plateau.update(cost, state)
        rates.append(rate)
    assert rates == [1] * 4 + [0.5] * 4 + [0.25] * 3 + [0.2] * 4
    assert state["best"] == 3.0


def test_a_plateau_knows_costs_below_0() -> None:
    plateau = optim.reduce_on_plateau(1.0, patience=0, threshold=0.1)
    state = plateau.init()
    for cost, expected in ((-1.0, 1.0), (-1.2, 1.0), (-1.25, 0.1)):
        rate, state = plateau.update(cost, state)
        assert rate == pytest.approx(expected)


# --- early stopping -------------------------------------------------------------------------------


def test_s149_early_stopping_keeps_the_best_parameters() -> None:
    stopping = optim.early_stopping(patience=2)
    p = {"W1": np.zeros(2)}
    best = stopping.init(p)
    stops = []
    for epoch, cost in enumerate((3.0, 2.0, 1.0, 1.5, math.nan, 1.0)):
        p["W1"][...] = epoch  # trained in place
        stop, best = stopping.update(p, cost, best)
        stops.append(stop)
    assert stops == [False] * 5 + [True]
    assert best["cost"] == 1.0
    assert best["parameters"]["W1"].tolist() == [2, 2]


def test_a_gain_that_is_too_small_does_not_count() -> None:
    stopping = optim.early_stopping(patience=0, gain=0.5)
    _, best = stopping.update([np.ones(1)], 1.0, stopping.init([np.ones(1)]))
    stop, best = stopping.update([np.zeros(1)], 0.6, best)
    assert stop
    assert best["parameters"] == [1.0]


# --- clipping -------------------------------------------------------------------------------------


def norm(tree: Any) -> float:
    return math.sqrt(math.fsum(float(x) ** 2 for g in tree.values() for x in np.ravel(g)))


def test_clipping_by_norm_keeps_the_direction() -> None:
    rng = np.random.default_rng(0)
    g = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=())}
    assert float(optim.global_norm(g)) == pytest.approx(norm(g), rel=1e-14)
    clipped = optim.clip_by_norm(g, 0.25)
    assert norm(clipped) == pytest.approx(0.25, rel=1e-14)
    np.testing.assert_allclose(clipped["W"], g["W"] * 0.25 / norm(g), rtol=1e-14)
    kept = optim.clip_by_norm(g, 100.0)
    assert all(np.array_equal(kept[name], g[name]) for name in g)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.9])
def test_clipping_neither_overflows_nor_divides_by_0(dtype: Any, share: float) -> None:
    large = float(np.finfo(dtype).max) * share
    g = {
        "W": np.full((3, 3), large, dtype),
        "b": np.zeros(2, dtype),
        "none": np.zeros((0, 2), dtype),
    }
    clipped = optim.clip_by_norm(g, 1.0)
    np.testing.assert_allclose(clipped["W"], 1 / 3, rtol=1e-5)
    assert {x.dtype for x in clipped.values()} == {np.dtype(dtype)}
    zeros = {"W": np.zeros(3, dtype)}
    assert not optim.clip_by_norm(zeros, 1.0)["W"].any()
    assert optim.global_norm(zeros) == 0
    assert optim.global_norm({}) == 0
    tiny = {"W": np.full(4, np.finfo(dtype).tiny, dtype)}
    assert optim.global_norm(tiny) == 2 * np.finfo(dtype).tiny
    np.testing.assert_array_equal(optim.clip_by_norm(tiny, 1.0)["W"], tiny["W"])


def test_clipping_by_value() -> None:
    g = [np.array([-3.0, 0.5, 2.0]), {"b": np.array(9.0)}]
    clipped = optim.clip_by_value(g, 1.0)
    assert clipped[0].tolist() == [-1, 0.5, 1]
    assert clipped[1]["b"] == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clipping_compiles(dtype: Any) -> None:
    def f(g: Any) -> Any:
        return optim.clip_by_norm(g, 0.5), optim.clip_by_value(g, 0.5), optim.global_norm(g)

    g = {"W": np.arange(6.0).reshape(2, 3).astype(dtype), "b": np.ones(2, dtype)}
    got, expected = compile(f)(g), f(g)
    for a, b in zip(got[:2], expected[:2], strict=True):
        for name in g:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-6)
            assert a[name].dtype == dtype
    np.testing.assert_allclose(got[2], expected[2], rtol=1e-6)


# --- a rate found by trying -----------------------------------------------------------------------


def quadratic(p: Any, a: Any) -> Any:
    return 0.5 * (a * p["x"] ** 2).sum() + 1.0


def test_a_rate_is_found_below_where_descent_diverges() -> None:
    a = np.array([1.0, 4.0])  # gradient descent diverges from 2/4 on
    p = {"x": np.array([3.0, -2.0])}
    curve = optim.find_learning_rate(
        value_and_grad(quadratic), p, itertools.repeat((a,)), last=100.0
    )
    assert p["x"].tolist() == [3, -2]
    assert 0.001 < curve.best < 0.5 < curve.rates[-1] < 100
    ratios = np.diff(np.log(curve.rates))
    np.testing.assert_allclose(ratios, math.log(1e8) / 99)
    assert curve.rates[0] == 1e-6
    assert curve.costs[0] == 0.5 * (9 + 16) + 1 == pytest.approx(curve.smoothed[0])
    falls = [b - a for a, b in zip(curve.smoothed, curve.smoothed[2:], strict=False)]
    assert curve.best == curve.rates[falls.index(min(falls)) + 1]  # between the two
    assert len(curve.rates) == len(curve.costs) == len(curve.smoothed) < 100
    adam = optim.find_learning_rate(
        value_and_grad(quadratic), p, [(a,)] * 60, optimizer=optim.adam()
    )
    assert 0 < adam.best < 10
    assert len(adam.rates) <= 60


def test_the_way_back_from_a_peak_is_no_gain() -> None:
    slope = [1.0] * 30 + [1.0 - 0.02 * k for k in range(1, 21)]  # falls until it is 0.6
    costs = iter([*slope, 3.5, *[0.65] * 30])  # thrown off once, and back where it was
    curve = optim.find_learning_rate(lambda p: (next(costs), p), {"x": np.ones(1)}, [()] * 81)
    means = curve.smoothed
    falls = [b - a for a, b in zip(means, means[2:], strict=False)]
    assert falls.index(min(falls)) >= 50  # the steepest fall of all is that from the peak
    assert curve.rates[30] < curve.best < curve.rates[50]


def test_a_finder_without_enough_costs_says_so() -> None:
    p = {"x": np.array([1e300])}
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match="3 finite costs or more, got 0"),
    ):
        optim.find_learning_rate(value_and_grad(quadratic), p, [(np.ones(1),)] * 9)
    with pytest.raises(
        ValueError, match="3 finite costs or more, got 2; begin with a smaller rate"
    ):
        optim.find_learning_rate(value_and_grad(quadratic), {"x": np.ones(1)}, [(np.ones(1),)] * 2)
    with pytest.raises(
        ValueError, match=r"find_learning_rate: expected rates that grow, .* got 1.0 to 0.1"
    ):
        optim.find_learning_rate(value_and_grad(quadratic), p, [], first=1.0, last=0.1)
