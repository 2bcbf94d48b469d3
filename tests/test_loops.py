"""compile_loop: the same iteration as the plain one, whatever was done to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from repeated_steps import (
    LINEAR,
    NOT_LINEAR,
    SPELLINGS,
    data,
    descent,
    momentum,
    parameters,
    plainly,
    rng,
    spelled_problem,
    with_state,
)

from tinygrad_dnn import RecordingError, compile_loop, relu, value_and_grad
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.tree import flatten


def alike(got: Any, expected: Any, rtol: float = 1e-11) -> None:
    for mine, theirs in zip(flatten(got)[0], flatten(expected)[0], strict=True):
        assert np.shape(mine) == np.shape(theirs)
        scale = np.abs(theirs).max() + 1e-3
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol * scale)


def compared(step: Any, carry: Any, constants: Any, iterations: int = 30, **options: Any) -> Any:
    """A loop that went as far as the plain iteration, and gave the same."""
    loop = compile_loop(step, carry=carry, constants=constants, **options)
    results = [loop.step() for _ in range(iterations)]
    end, expected = plainly(step, carry, constants, iterations)
    alike(results, expected)
    alike(loop.carry, end)
    return loop


# --- found by the shape of the graph --------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_linear_updates_are_reduced(name: str) -> None:
    step, carry = LINEAR[name]
    loop = compared(step, carry(), data(), refresh=12)
    assert "W1 (5, 40) meets only constants, in products" in loop.told
    assert "X" not in loop.source.split("def step")[0].split('"""')[1].split()
    assert "W2 (3, 5)" not in loop.told


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_needs_the_matrix_or_its_gradient_is_left_alone(name: str) -> None:
    step, carry = NOT_LINEAR[name]
    loop = compared(step, carry(), data())
    assert loop.told == ""


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_name_place_or_spelling_matters(name: str) -> None:
    step, carry, constants = spelled_problem(name)
    loop = compared(step, carry, constants, refresh=12)
    assert "c_0" in loop.told
    assert "given" in loop.told


def test_a_constant_that_is_an_input_of_every_step_is_none() -> None:
    def step(p: Any, X: Any, Y: Any) -> Any:
        return descent(p, X, Y)

    given = data()
    loop = compile_loop(step, carry=parameters(), inputs=(given["X"],), constants={"Y": given["Y"]})
    assert loop.told == ""
    with pytest.raises(ValueError, match=r"expected inputs \(40, 9\) float64, got \(40, 8\)"):
        loop.step(given["X"][:, :8])
    batches = [[rng().normal(size=given["X"].shape) * i] for i in (1, 2, 3)]
    results = [loop.step(*batch) for batch in batches]
    end, expected = plainly(step, parameters(), {"Y": given["Y"]}, 3, batches)
    alike(results, expected)
    alike(loop.carry, end)


def test_dropout_on_the_input_makes_it_no_constant() -> None:
    def step(p: Any, mask: Any, X: Any, Y: Any) -> Any:
        return descent(p, X * mask, Y)

    loop = compile_loop(step, carry=parameters(), inputs=(np.ones((40, 9)),), constants=data())
    assert loop.told == ""


def test_dropout_behind_the_first_product_is_none_of_its_business() -> None:
    def step(p: Any, mask: Any, X: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            A1 = relu(q["W1"] @ X + q["b1"]) * mask
            return (((q["W2"] @ A1)[:1] - Y) ** 2).mean()

        value, g = value_and_grad(cost)({k: p[k] for k in ("W1", "b1", "W2")})
        return p | {k: p[k] - 0.1 * d for k, d in g.items()}, value

    masks = [[(rng().random((5, 9)) > 0.3) * 1.0] for _ in range(9)]
    loop = compile_loop(step, carry=parameters(), inputs=masks[0], constants=data())
    assert "W1" in loop.told
    results = [loop.step(*m) for m in masks]
    alike(results, plainly(step, parameters(), data(), 9, masks)[1])


def test_where_it_does_not_pay_it_is_not_done() -> None:
    many = data(n=40, m=200)  # the Gram matrix would be larger than X
    assert compared(descent, parameters(), many, 3).told == ""
    few = data(n=40, m=60)
    assert compared(descent, parameters(), few, 3).told != ""


def test_it_is_off_with_one_switch() -> None:
    loop = compared(descent, parameters(), data(), strength_reduction=False)
    assert loop.told == ""
    assert "np.matmul(W1, X" in loop.source


# --- more than one constant -----------------------------------------------------------------------


def test_batches_in_turn_are_columns_of_one_gram_matrix() -> None:
    def epoch(p: Any, X: Any, Y: Any) -> Any:
        for part in (slice(0, 3), slice(3, 6), slice(6, 9)):
            p, cost = descent(p, X[:, part], Y[:, part])
        return p, cost

    assert "W1" in compared(epoch, parameters(), data(), refresh=7).told


def test_batches_chosen_anew_in_every_step() -> None:
    def step(p: Any, chosen: Any, X: Any, Y: Any) -> Any:
        return descent(p, X @ chosen, Y @ chosen)

    draw = rng()
    batches = [[np.eye(9)[:, draw.permutation(9)[:4]]] for _ in range(40)]
    loop = compile_loop(step, carry=parameters(), inputs=batches[0], constants=data(), refresh=25)
    assert "W1" in loop.told
    results = [loop.step(*b) for b in batches]
    end, expected = plainly(step, parameters(), data(), 40, batches)
    alike(results, expected)
    alike(loop.carry, end)


def test_a_cost_on_other_examples_is_shown() -> None:
    def step(p: Any, X: Any, Y: Any, X_dev: Any, Y_dev: Any) -> Any:
        after, cost = descent(p, X, Y)
        return after, (cost, cost_of(X_dev, Y_dev, p))

    more = {f"{k}_dev": x + 0.5 * (k == "X") for k, x in data().items()}
    loop = compared(step, parameters(), data() | more)
    assert "W1" in loop.told


def test_two_matrices_on_two_constants() -> None:
    def step(p: Any, X: Any, V: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            return ((np.tanh(q["A"] @ X) + np.tanh(V @ q["B"]).T - Y) ** 2).mean()

        value, g = value_and_grad(cost)(p)
        return {k: p[k] - 0.1 * g[k] for k in p}, value

    draw = rng()
    carry = {"A": draw.normal(size=(5, 40)) / 6, "B": draw.normal(size=(30, 5)) / 6}
    constants = data() | {"V": draw.normal(size=(9, 30))}
    loop = compared(step, carry, constants, refresh=7)
    assert "A (5, 40)" in loop.told
    assert "B (30, 5)" in loop.told


def test_one_matrix_on_two_constants() -> None:
    def step(p: Any, X: Any, V: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            return ((np.tanh(q["A"] @ X) + np.tanh(q["A"] @ V) - Y) ** 2).mean()

        value, g = value_and_grad(cost)(p)
        return {"A": p["A"] - 0.1 * g["A"]}, value

    carry = {"A": rng().normal(size=(5, 40)) / 6}
    constants = data() | {"V": rng().normal(size=(40, 9)) + 0.3}
    assert "Vᵀ and Xᵀ" in compared(step, carry, constants, refresh=7).told


@pytest.mark.parametrize("seed", range(20))
def test_random_linear_rules(seed: int) -> None:
    """Several carried matrices, each a random sum of all and of the gradient; in random order."""
    draw = np.random.default_rng(seed)
    names = [f"Q{i}" for i in draw.permutation(int(draw.integers(1, 4)))]
    turned = bool(draw.integers(2))
    mix = {a: {b: draw.normal() * 0.3 for b in names if draw.random() < 0.6} for a in names}
    slope = {a: draw.normal() * 0.1 * (draw.random() < 0.8) for a in names}
    used = {a: draw.normal() for a in names[:2]}

    def step(c: Any, X: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            W = sum(u * q[a] for a, u in used.items())
            return ((np.tanh(W.T @ X if turned else W @ X) - Y) ** 2).mean()

        value, g = value_and_grad(cost)(c)
        D = g[names[0]]
        return {
            a: sum((f * c[b] for b, f in mix[a].items()), 0.5 * c[a]) - slope[a] * D for a in names
        }, value

    shape = (40, 5) if turned else (5, 40)
    carry = {a: draw.normal(size=shape) / 6 for a in names}
    loop = compared(step, carry, data(), refresh=11)
    assert names[0] in loop.told


# --- looking, saving, resuming --------------------------------------------------------------------


def bits(arrays: Any) -> list[bytes]:
    return [x.tobytes() for x in flatten(arrays)[0]]


def test_looking_changes_nothing_and_a_snapshot_stays() -> None:
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
def test_a_resumed_loop_goes_on_bit_for_bit(at: int) -> None:
    def begun(carry: Any) -> Any:
        return compile_loop(momentum, carry=carry, constants=data(), refresh=10)

    whole = begun(with_state("v"))
    costs = [whole.step() for _ in range(40)]
    first = begun(with_state("v"))
    for _ in range(at):
        first.step()
    saved = first.snapshot()
    stored = {name: np.array(x, order="F") for name, x in saved.beside.items()}
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
    carry, beside = saved.carry, saved.beside
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
        assert loop.told
        loop.step()
        return loop.snapshot()

    assert after_one(1.0, 1.0).finite
    assert not after_one(np.inf, 1.0).finite
    assert not after_one(np.nan, 1.0).finite
    large = after_one(1e300, 1e10)
    assert all(np.isfinite(x).all() for x in large.beside.values())
    with np.errstate(over="ignore"):
        assert not large.finite
        assert after_one(1e300, 1.0).finite


def test_results_and_carry_are_the_callers_own() -> None:
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


def test_without_rewriting_or_reduction_it_is_the_plain_iteration_bit_for_bit() -> None:
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
    assert "W1" in loop.told
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

    for step, error, words in (
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
    assert loop.told
    for _ in range(5000):
        loop.step()
    exact = by_hand(np.longdouble)
    plain = np.abs(by_hand(np.float64) - exact).max()
    assert np.abs(loop.carry[0] - exact).max() < 3 * plain
