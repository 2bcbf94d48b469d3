"""A sample of what `diagnosis.py` measures: one engine names mistakes for all that ask it."""

from __future__ import annotations

import diagnosis
import numpy as np
import pytest
from awkward_gradients import AWKWARD, Awkward
from diagnosis import WAYS_IN, Way, is_named
from planted_gradients import faults, inputs, random_gradients

from tinygrad_dnn import check_vjp
from tinygrad_dnn.check.diagnosis import Source, Trial, compare, compare_trials

SAMPLE = [f for n, f in enumerate(faults()) if n % 60 == 0]
RNG = np.random.default_rng(0)
X, G = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


@pytest.mark.parametrize("way", WAYS_IN[1:], ids=lambda w: w.name)
def test_s223_one_engine_names_mistakes_for_all_that_ask_it(way: Way) -> None:
    with np.errstate(all="ignore"):
        for name, entry, gradient, words in SAMPLE:
            said = way.said(entry.forward, gradient, inputs(entry))
            assert is_named(said, words), (name, said)
        for entry, gradient in random_gradients(2):
            verdict, reasons = way.said(entry.forward, gradient, inputs(entry))
            assert verdict == "wrong"
            assert not any("Probably" in r for r in reasons), (entry.name, reasons)


@pytest.mark.parametrize("awkward", AWKWARD[::4], ids=lambda a: a.name)
def test_nobody_awkward_is_accused(awkward: Awkward) -> None:
    with np.errstate(all="ignore"):
        report = check_vjp(awkward.forward, awkward.backward, *awkward.inputs)
    assert report.verdict != "wrong", report


def test_s224_a_buffer_that_is_written_again_and_float32_are_right() -> None:
    named = {a.name: a for a in AWKWARD}
    for name in ("buffer: tanh", "float32: gradient rounded to float32"):
        a = named[name]
        assert check_vjp(a.forward, a.backward, *a.inputs).verdict == "right"
    narrow = check_vjp(np.sin, lambda g, x: (g * np.cos(x)).astype(np.float32), X)
    assert narrow.verdict == "wrong"  # of float64 it is not


def test_the_list_is_long_enough() -> None:
    assert len(AWKWARD) >= 100
    assert len({a.name for a in AWKWARD}) == len(AWKWARD)
    assert len(list(faults())) >= 150
    assert len({e.name for _, e, _, _ in faults()}) >= 40


def test_compare_names_two_mistakes_at_once_and_inputs_in_another_order() -> None:
    def forward(x):  # type: ignore[no-untyped-def]
        return np.tanh(x) * np.sin(x)

    def said(yours: object, f: object = forward, x: object = X) -> str:
        truth = Source(f, (x,), 0, G)  # type: ignore[arg-type]
        right = diagnosis.Backward(f, (x,)).gradient(G, 0, {})  # type: ignore[arg-type]
        return str(compare(yours, right, source=truth))

    lacks_both = G * (np.sin(X) + np.tanh(X))
    assert "lacks the derivative of tanh" in said(lacks_both)
    assert "lacks the derivative of sin" in said(lacks_both)
    assert "is 1/4 of what is right (4 being the length of axis 1 of the input) and has the " in (
        said(-G * 2 * X / 4, lambda x: x**2)
    )
    weights = RNG.normal(size=(4, 4))
    source = Source(lambda x, w: x @ w, (X, weights), 0, G, ("x", "w"))
    found = compare(G @ np.roll(weights, 1, 1).T, G @ weights.T, source=source)
    assert "one place too far along axis 1" in str(found)


def test_a_slip_must_explain_every_trial() -> None:
    def trial(x: np.ndarray, wrong: bool) -> Trial:
        g = RNG.normal(size=x.shape)
        yours = g if wrong else 2 * g * x
        return Trial(yours, 2 * g * x, source=Source(lambda x: x * x, (x,), 0, g))

    points = [RNG.normal(size=(2, 3)) for _ in range(3)]
    named = compare_trials([trial(x, True) for x in points])
    assert named.explanation is not None
    x, yours, truth, g = RNG.normal(size=(4, 5, 7))
    odd = Trial(yours, truth, source=Source(lambda x: x * x, (x,), 0, g))
    assert compare_trials([*(trial(x, True) for x in points), odd]).explanation is None
