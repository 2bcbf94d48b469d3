"""compile_loop: run, looked at, saved, resumed, and what it promises besides."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from repeated_steps import (
    alike,
    compared,
    data,
    descent,
    momentum,
    parameters,
    plainly,
    rng,
    with_state,
)

from tinygrad_dnn import RecordingError, compile_loop
from tinygrad_dnn.autodiff.pytree import flatten

# --- looking, saving, resuming --------------------------------------------------------------------


def bits(arrays: Any) -> list[bytes]:
    return [x.tobytes() for x in flatten(arrays)[0]]


def test_s81_looking_changes_nothing_and_a_snapshot_stays() -> None:
    loops = [
        compile_loop(momentum, carry=with_state("v"), constants=data(), refresh=10)
        for _ in range(2)
    ]
    seen = []
    for i in range(35):
        for loop in loops:
            loop.step()
        if i % 4 == 0:
            seen.append((loops[1].snapshot(), bits(loops[1].carry)))
    assert bits(loops[0].carry) == bits(loops[1].carry)
    for snapshot, then in seen:
        assert bits(snapshot.carry) == then


@pytest.mark.parametrize("at", [1, 9, 10, 13, 25])
def test_s82_a_resumed_loop_goes_on_bit_for_bit(at: int) -> None:
    def begun(carry: Any) -> Any:
        return compile_loop(momentum, carry=carry, constants=data(), refresh=10)

    whole = begun(with_state("v"))
    costs = [whole.step() for _ in range(40)]
    first = begun(with_state("v"))
    for _ in range(at):
        first.step()
    saved = first.snapshot()
    stored = {name: np.array(x, order="F") for name, x in saved.accumulators.items()}
    assert bool(stored) == (at % 10 != 0)
    later = begun(with_state("v"))
    later.step()
    later.resume(saved.carry, saved.iteration, stored)
    assert [later.step().tobytes() for _ in range(at, 40)] == [c.tobytes() for c in costs[at:]]
    assert bits(later.carry) == bits(whole.carry)
    assert later.iteration == whole.iteration == 40


def test_resuming_demands_every_array() -> None:
    loop = compile_loop(descent, carry=parameters(), constants=data())
    loop.step()
    saved = loop.snapshot()
    carry, beside = saved.carry, saved.accumulators
    some = {k: x for k, x in beside.items() if k != "W1_start"}
    with pytest.raises(ValueError, match=r"resume: expected W1_start \(5, 40\) float64, got none"):
        loop.resume(carry, 1, some)
    with pytest.raises(ValueError, match=r"expected S_W1 \(5, 9\) float64, got \(5, 9\) float32"):
        loop.resume(carry, 1, beside | {"S_W1": beside["S_W1"].astype("f")})
    with pytest.raises(ValueError, match="this loop carries no S_W2"):
        loop.resume(carry, 1, beside | {"S_W2": beside["S_W1"]})
    with pytest.raises(ValueError, match=r"expected b1 \(5, 1\) float64, got \(4, 1\)"):
        loop.resume(carry | {"b1": carry["b1"][1:]}, 1)
    with pytest.raises(ValueError, match=r"expected a dict of 'W1', .* as carry, got a tuple of 0"):
        loop.resume((), 1)


def test_what_is_not_finite_is_seen_without_putting_matrices_together() -> None:
    def step(c: Any, X: Any, rate: Any) -> Any:
        W, b = c
        return (W - rate * np.tanh(W @ X) @ X.T, b - rate), b

    def after_one(rate: float, size: float) -> Any:
        constants = {"X": data()["X"] * size, "rate": np.array(rate)}
        loop = compile_loop(step, carry=(parameters()["W1"], np.zeros(1)), constants=constants)
        assert loop.summary
        loop.step()
        return loop.snapshot()

    assert after_one(1.0, 1.0).finite
    assert not after_one(np.inf, 1.0).finite
    assert not after_one(np.nan, 1.0).finite
    large = after_one(1e300, 1e10)
    assert all(np.isfinite(x).all() for x in large.accumulators.values())
    with np.errstate(over="ignore"):
        assert not large.finite
        assert after_one(1e300, 1.0).finite


def test_s83_results_and_carry_are_the_callers_own() -> None:
    carry, constants = parameters(), data()
    before = bits(carry)
    loop = compile_loop(descent, carry=carry, constants=constants)
    first = loop.step()
    kept = first.copy()
    shown = loop.carry
    shown["W1"][...] = 7
    for _ in range(3):
        loop.step()
    assert first == kept
    assert bits(carry) == before
    carry["b1"][...] = 100  # the loop has copies
    alike(loop.carry, plainly(descent, parameters(), constants, 4)[0])


# --- what it promises besides ---------------------------------------------------------------------


def test_what_depends_on_constants_alone_is_computed_once() -> None:
    def step(p: Any, X: Any, Y: Any) -> Any:
        return descent(p, np.exp(X) / 3, 1 - Y)

    loop = compared(step, parameters(), data(), strength_reduction=False)
    assert "np.exp(X" not in loop.source
    assert "np.subtract(one, Y" not in loop.source


def test_s79_without_rewriting_or_reduction_it_is_the_plain_iteration_bit_for_bit() -> None:
    options = {"rewrite": False, "strength_reduction": False}
    loop = compile_loop(momentum, carry=with_state("v"), constants=data(), **options)
    costs = [loop.step().tobytes() for _ in range(20)]
    end, expected = plainly(momentum, with_state("v"), data(), 20)
    assert costs == [np.asarray(c).tobytes() for c in expected]
    assert bits(loop.carry) == bits(end)


def test_float32_stays_float32() -> None:
    carry = {k: w.astype(np.float32) for k, w in parameters().items()}
    constants = {k: x.astype(np.float32) for k, x in data().items()}
    loop = compile_loop(descent, carry=carry, constants=constants, refresh=10)
    cost = [loop.step() for _ in range(20)][-1]
    assert "W1" in loop.summary
    assert {x.dtype.name for x in flatten(loop.carry)[0]} == {cost.dtype.name} == {"float32"}
    alike(cost, plainly(descent, carry, constants, 20)[1][-1], 1e-4)


def test_a_step_must_give_what_it_is_given() -> None:
    def alone(p: Any, X: Any, Y: Any) -> Any:
        return descent(p, X, Y)[0]

    def other(p: Any, X: Any, Y: Any) -> Any:
        after, cost = descent(p, X, Y)
        return {"W": after["W1"]}, cost

    def wider(p: Any, X: Any, Y: Any) -> Any:
        after, cost = descent(p, X, Y)
        return after | {"b1": after["b1"] + np.zeros((5, 2))}, cost

    def read(p: Any, X: Any, Y: Any) -> Any:
        after, cost = descent(p, X, Y)
        return after, cost.item() if cost > 0 else 0

    def on_batches(p: Any, batch: Any, X: Any, Y: Any) -> Any:
        return descent(p, X[:, batch], Y[:, batch])

    for step, error, words in (
        (on_batches, TypeError, r"on_batches: missing.*'batch'.*in every step in inputs=\["),
        (alone, TypeError, r"alone must return a pair \(next carry, result\)"),
        (other, TypeError, "like the one it is given, a dict of 'W1'.*, got a dict of 'W'"),
        (wider, ValueError, r'\["b1"\] is \(5, 1\) float64, but wider gives \(5, 2\)'),
        (read, RecordingError, "read"),
    ):
        with pytest.raises(error, match=words):
            compile_loop(step, carry=parameters(), constants=data())


def test_errors_do_not_grow_beyond_those_of_the_plain_iteration() -> None:
    """Both against the iteration in 80 bits, over 5,000 steps with a momentum."""
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("longdouble is no longer than double here")

    def step(c: Any, X: Any, Y: Any) -> Any:
        return momentum(c, X, Y)

    def by_hand(dtype: Any) -> Any:
        X = data()["X"].astype(dtype)
        Y = data()["Y"].astype(dtype)
        W = parameters()["W1"][:1].astype(dtype)
        v = np.zeros_like(W)
        for _ in range(5000):
            A = 1 / (1 + np.exp(-(W @ X)))
            v = dtype(0.9) * v + (A - Y) @ X.T / dtype(9)
            W = W - dtype(0.01) * v
        return W

    def logistic(c: Any, X: Any, Y: Any) -> Any:
        W, v = c
        A = 1 / (1 + np.exp(-(W @ X)))
        v = 0.9 * v + (A - Y) @ X.T / 9
        return (W - 0.01 * v, v), A

    start = parameters()["W1"][:1]
    loop = compile_loop(logistic, carry=(start, np.zeros_like(start)), constants=data())
    assert loop.summary
    for _ in range(5000):
        loop.step()
    exact = by_hand(np.longdouble)
    plain = np.abs(by_hand(np.float64) - exact).max()
    assert np.abs(loop.carry[0] - exact).max() < 3 * plain


def test_iterations_end_in_the_memory_order_they_begin_with() -> None:
    def step(c: Any, X: Any) -> Any:
        W = (X @ c.T + 0.01).T
        return W / np.abs(W).max(), W.sum()

    X = rng().normal(size=(40, 40))
    whole = compile_loop(step, carry=X.copy(), constants={"X": X})
    sums = [whole.step().tobytes() for _ in range(9)]
    for at in range(1, 8):
        half = compile_loop(step, carry=X.copy(), constants={"X": X})
        for _ in range(at):
            half.step()
        again = compile_loop(step, carry=half.carry, constants={"X": X})
        assert [again.step().tobytes() for _ in range(at, 9)] == sums[at:]


def test_a_snapshot_says_what_to_save_of_it() -> None:
    snapshot = compile_loop(descent, carry=parameters(), constants=data()).snapshot()
    with pytest.raises(TypeError, match="save its carry, iteration and accumulators"):
        pickle.dumps(snapshot)
    pickle.dumps((snapshot.carry, snapshot.iteration, snapshot.accumulators))


def test_the_former_names_answer_and_warn() -> None:
    loop = compile_loop(descent, carry=parameters(), constants=data())
    with pytest.warns(DeprecationWarning, match="Loop: told is now called summary"):
        assert loop.told == loop.summary
    with pytest.warns(DeprecationWarning, match="Snapshot: beside is now called accumulators"):
        assert loop.snapshot().beside == {}


def test_s134_a_loop_is_not_copied() -> None:
    loop = compile_loop(lambda c: ({"a": c["a"] * 2.0}, c["a"]), carry={"a": np.ones(2)})
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"snapshot\(\).*resume"):
            copied(loop)
