"""compile_loop with a batch of its own in every step, X[:, batch]: columns of the Gram matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from repeated_steps import (
    LAYERS,
    LINEAR,
    NOT_LINEAR,
    M,
    alike,
    data,
    descent,
    momentum,
    parameters,
    plainly,
    rng,
    with_state,
)
from test_strength_reduction import random_step

from tinygrad_dnn import Tensor, compile_loop, relu, value_and_grad
from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.network import cost_of

Step = Callable[..., Any]


def on_batches(step: Step) -> Step:
    """The step of some columns."""

    def of_columns(c: Any, batch: Any, X: Any, Y: Any) -> Any:
        return step(c, X[:, batch], Y[:, batch])

    return of_columns


def draws(count: int, k: int = 4, m: int = M, seed: int = 0) -> list[tuple[Any]]:
    """Batches of columns, some twice, some counted from the end."""
    draw = np.random.default_rng(seed)
    return [(draw.integers(-m, m, k),) for _ in range(count)]


def plain(step: Step, carry: Any, constants: Any, batches: Sequence[Any]) -> Any:
    """The same iterations by the engine, nothing compiled."""
    tensors = {name: Tensor(x) for name, x in constants.items()}
    given = [tuple(Tensor(x) for x in batch) for batch in batches]
    return plainly(step, carry, tensors, len(batches), given)


def compared(step: Step, carry: Any, constants: Any, batches: Any, **options: Any) -> Any:
    """A loop that went as far as the plain iteration, and gave the same."""
    loop = compile_loop(step, carry=carry, inputs=batches[0], constants=constants, **options)
    results = [loop.step(*batch) for batch in batches]
    end, expected = plain(step, carry, constants, batches)
    alike(results, expected)
    alike(loop.carry, end)
    return loop


def bits(arrays: Any) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in flatten(arrays)[0]]


# --- which are reduced ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_linear_updates_on_batches_are_reduced(name: str) -> None:
    step, carry = LINEAR[name]
    loop = compared(on_batches(step), carry(), data(), draws(30), refresh=12)
    if name == "inner products":  # there are so many that it does not pay
        assert loop.summary == ""
        return
    assert "W1 (5, 40) meets only constants, in products, and changes only by mult" in loop.summary
    assert "np.take(Xt_X, batch, axis=1, out=" in loop.source
    assert "np.take(X," not in loop.source
    assert "W2 (3, 5)" not in loop.summary


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_needs_the_matrix_itself_is_left_alone(name: str) -> None:
    step, carry = NOT_LINEAR[name]
    assert compared(on_batches(step), carry(), data(), draws(20)).summary == ""


def layer(prepared: Callable[..., Any]) -> Step:
    """One hidden layer of W1 on what becomes of X and a batch."""

    def step(p: Any, batch: Any, X: Any, Y: Any) -> Any:
        A0 = prepared(X, batch)

        def cost(q: Any) -> Any:
            A2 = np.tanh(q["W2"] @ relu(q["W1"] @ A0 + q["b1"]))
            return ((A2 - Y[:, batch]) ** 2).mean()

        value, g = value_and_grad(cost)({k: p[k] for k in ("W1", "b1", "W2")})
        return p | {k: p[k] - 0.1 * d for k, d in g.items()}, value

    return step


SPELLINGS: dict[str, Callable[..., Any]] = {
    "rows of the transpose": lambda X, i: X.T[i].T,
    "np.take": lambda X, i: np.take(X, i, axis=-1),
    "an ellipsis": lambda X, i: X[..., i],
    "scaled": lambda X, i: X[:, i] / 255 * 200,
    "a negative": lambda X, i: -X[:, i],
    "prepared": lambda X, i: (X[:, i] - X.mean(axis=1, keepdims=True)) / X.std(),
    "two of them": lambda X, i: X[:, i] + np.tanh(X[:, i]) * 2,
    "two batches mixed": lambda X, i: 0.5 * (X[:, i] + X[:, i - (i > 0)]),
    "mixed unevenly": lambda X, i: 0.7 * X[:, i] + 0.3 * X[:, i - (i > 0)],
    "positions computed": lambda X, i: X[:, i - (i > 0)],
    "twice": lambda X, i: X[:, [8, 7, 6, 5, 4, 3, 2, 1, 0]][:, i],
}


@pytest.mark.parametrize("rewrite", [True, False])
@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_matters(name: str, rewrite: bool) -> None:
    step = layer(SPELLINGS[name])
    loop = compared(step, parameters(), data(), draws(30), refresh=12, rewrite=rewrite)
    assert "W1" in loop.summary


@pytest.mark.parametrize("product", [lambda W, A: W @ A.T, lambda W, A: (A @ W.T).T])
def test_examples_may_be_rows(product: Any) -> None:
    def step(p: Any, batch: Any, X: Any, Y: Any) -> Any:
        value, g = value_and_grad(lambda W: ((np.tanh(product(W, X[batch])) - Y[:, batch]) ** 2)
                                  .mean())(p["W1"])  # fmt: skip
        return p | {"W1": p["W1"] - 0.1 * g}, value

    given = data()
    loop = compared(step, parameters(), {"X": given["X"].T, "Y": given["Y"]}, draws(30))
    assert "changes only by multiples of X," in loop.summary


MUST_NOT_MATCH: dict[str, Callable[..., Any]] = {
    "features": lambda X, i: X[(np.zeros(40) + i[0]).astype(int)],
    "a number for each element": lambda X, i: X[:, i] * np.outer(np.ones(40), [1, 2, 1, 3]),
    "something between columns": lambda X, i: np.cumsum(X[:, i], axis=1),
    "several batches": lambda X, i: X[:, i] * X[:, i - (i > 0)],
    "a number of its own": lambda X, i: X[:, i] * Tensor(np.ones((1, 9)) * 2)[:, i],
    "a grid of positions": lambda X, i: X[:, i.reshape(2, 2)].reshape(40, 4),
}


@pytest.mark.parametrize("name", MUST_NOT_MATCH)
def test_other_uses_of_positions_are_left_alone(name: str) -> None:
    step = layer(MUST_NOT_MATCH[name])
    m = {"features": lambda b: np.abs(b) % 4}.get(name, lambda b: b)
    batches = [(m(b),) for (b,) in draws(10)]
    if name == "features":
        step = features
        batches = [(np.random.default_rng(i).integers(-40, 40, 40),) for i in range(10)]
    assert compared(step, parameters(), data(), batches).summary == ""


def features(p: Any, rows: Any, X: Any, Y: Any) -> Any:
    """The positions stand along the axis that the product sums over."""
    return descent(p, X[rows], Y)


def test_dropout_on_the_batch_makes_it_no_constant() -> None:
    def step(p: Any, batch: Any, mask: Any, X: Any, Y: Any) -> Any:
        return descent(p, X[:, batch] * mask, Y[:, batch])

    masks = [(rng().random((40, 4)) > 0.3) * 1.0 for _ in range(9)]
    batches = [(b, mask) for (b,), mask in zip(draws(9), masks, strict=True)]
    assert compared(step, parameters(), data(), batches).summary == ""


def test_where_it_does_not_pay_it_is_not_done() -> None:
    many = data(n=40, m=400)  # a batch's columns of the Gram matrix are longer than its examples
    assert compared(on_batches(descent), parameters(), many, draws(3, m=400)).summary == ""


def test_no_operation_is_counted_for_columns_that_are_not_picked() -> None:
    """A batch of one of many examples: X is long, X[:, i] is not."""
    told = compared(on_batches(descent), parameters(), data(m=30), draws(3, k=1, m=30)).summary
    assert "instead of 1,2" in told


@pytest.mark.parametrize("k", [0, 1, 3, 40])
def test_a_batch_of_any_size(k: int) -> None:
    def step(p: Any, batch: Any, X: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            return (np.tanh(q["W1"] @ X[:, batch]) - Y[:, batch]).sum() ** 2

        value, g = value_and_grad(cost)({"W1": p["W1"]})
        return p | {"W1": p["W1"] - 0.001 * g["W1"]}, value

    assert "W1" in compared(step, parameters(), data(), draws(20, k)).summary


def test_no_matrix_of_the_batchs_size_squared_is_made() -> None:
    def step(W: Any, batch: Any, X: Any) -> Any:
        D = np.tanh(W @ X[:, batch])
        return W - 0.01 * D @ X[:, batch].T, D.sum()

    k = 100_000  # the square would be 80 GB
    loop = compile_loop(
        step, carry=np.ones((2, 40)), inputs=[np.zeros(k, int)], constants={"X": data()["X"]}
    )
    assert loop.summary
    loop.step(np.ones(k, int))


def test_one_column_many_times() -> None:
    batches = [(np.array([i % M] * 4),) for i in range(20)]
    assert "W1" in compared(on_batches(descent), parameters(), data(), batches).summary


def test_batches_of_several_constants_in_one_step() -> None:
    def step(p: Any, i: Any, j: Any, X: Any, Y: Any, V: Any) -> Any:
        p, first = descent(p, X[:, i], Y[:, i])
        p, _ = descent(p, V[:, j], Y[:, j])
        return p, (first, cost_of(X, Y, p))  # and the cost of all

    batches = [(i, j) for (i,), (j,) in zip(draws(20), draws(20, seed=1), strict=True)]
    more = data() | {"V": data()["X"][:, ::-1] + 0.5}
    assert "Vᵀ" in compared(step, parameters(), more, batches, refresh=7).summary


def test_an_order_may_be_a_constant_and_the_turn_be_carried() -> None:
    def step(c: Any, X: Any, Y: Any, order: Any) -> Any:
        batch = order[c["turn"]]
        p, cost = descent(c["p"], X[:, batch], Y[:, batch])
        return {"p": p, "turn": c["turn"] + 1}, cost

    carry = {"p": parameters(), "turn": np.array(0)}
    constants = data() | {"order": rng().integers(0, M, (20, 4))}
    loop = compile_loop(step, carry=carry, constants=constants, refresh=6)
    assert "W1" in loop.summary
    results = [loop.step() for _ in range(20)]
    end, expected = plain(step, carry, constants, [()] * 20)
    alike(results, expected)
    alike(loop.carry, end)
    with pytest.raises(IndexError, match="expected indices from -20 to 19, got 20"):
        loop.step()


def test_positions_may_depend_on_what_is_carried() -> None:
    def step(p: Any, X: Any, Y: Any) -> Any:
        hardest = np.argmax((p["W1"] @ X + p["b1"]) ** 2, axis=1)
        return descent(p, X[:, hardest], Y[:, hardest])

    loop = compile_loop(step, carry=parameters(), constants=data(), refresh=7)
    assert "W1" in loop.summary
    results = [loop.step() for _ in range(20)]
    end, expected = plain(step, parameters(), data(), [()] * 20)
    alike(results, expected)
    alike(loop.carry, end)


def test_a_number_that_is_carried_may_scale_the_batch() -> None:
    def step(c: Any, batch: Any, X: Any, Y: Any) -> Any:
        p, cost = descent(c["p"], -(X[:, batch] * c["scale"]), Y[:, batch])
        return {"p": p, "scale": 0.98 * c["scale"]}, cost

    carry = {"p": parameters(), "scale": np.array(1.5)}
    loop = compared(step, carry, data(), draws(20), refresh=7)
    assert "W1" in loop.summary
    assert "(4, 9)" not in loop.source  # the selection is not made as a matrix


def test_pixels_may_be_bytes() -> None:
    def step(p: Any, batch: Any, X: Any, Y: Any) -> Any:
        return descent(p, relu(X[:, batch] / 255.0 - 0.5), Y[:, batch])

    pixels = rng().integers(0, 256, (40, 9)).astype(np.uint8)
    loop = compared(step, parameters(), data() | {"X": pixels}, draws(20), refresh=7)
    assert "W1" in loop.summary


def test_examples_that_fade_are_no_constant() -> None:
    def step(c: Any, batch: Any, X: Any, Y: Any) -> Any:
        p, cost = descent(c["p"], c["E"][:, batch], Y[:, batch])
        return {"p": p, "E": 0.9 * c["E"]}, cost

    carry = {"p": parameters(), "E": data()["X"]}
    # With so many columns in a batch even a Gram matrix anew in every step would pay.
    assert compared(step, carry, data(), draws(20, 40)).summary == ""


def test_examples_that_are_learned_are_no_constant() -> None:
    def step(c: Any, batch: Any, X: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            p = {k: w for k, w in q.items() if k != "E"}
            return cost_of(q["E"][:, batch], Y[:, batch], p)

        value, g = value_and_grad(cost)(c)
        return {k: c[k] - 0.1 * g[k] for k in c}, value

    carry = parameters() | {"E": data()["X"]}
    assert compared(step, carry, data(), draws(20)).summary == ""


def test_any_step_on_batches_gives_what_it_gives_plainly() -> None:
    done = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        names = ["A", "B", "C"][: draw.integers(1, 4)]
        inner = random_step(draw, names)
        turned = draw.random() < 0.5

        def step(c: Any, i: Any, X: Any, U: Any, inner: Any = inner, turned: bool = turned) -> Any:
            return inner(c, X.T[i].T if turned else X[:, i], U[:, i])

        carry = {q: draw.normal(size=(12, 12)) / 12 for q in names}
        constants = {k: draw.normal(size=(12, 5)) for k in ("X", "U")}
        loop = compared(step, carry, constants, draws(8, 3, 5, seed), refresh=3)
        done += loop.summary != ""
    assert 10 < done < 35


def test_float32_stays_float32() -> None:
    carry = {k: w.astype(np.float32) for k, w in parameters().items()}
    constants = {k: x.astype(np.float32) for k, x in data().items()}
    batches = draws(20)
    step = on_batches(descent)
    loop = compile_loop(step, carry=carry, inputs=batches[0], constants=constants, refresh=10)
    cost = [loop.step(*b) for b in batches][-1]
    assert "W1" in loop.summary
    assert {x.dtype.name for x in flatten(loop.carry)[0]} == {cost.dtype.name} == {"float32"}
    alike(cost, plain(step, carry, constants, batches)[1][-1], 1e-4)


# --- looking, resuming, refusing ------------------------------------------------------------------


def begun(carry: Any, k: int = 4, **options: Any) -> Any:
    options = {"refresh": 10} | options
    inputs = draws(1, k)[0]
    return compile_loop(
        on_batches(momentum), carry=carry, inputs=inputs, constants=data(), **options
    )


@pytest.mark.parametrize("at", [1, 9, 10, 13, 25])
def test_a_resumed_loop_goes_on_bit_for_bit(at: int) -> None:
    batches = draws(40)
    whole, looked_at = begun(with_state("v")), begun(with_state("v"))
    costs = [whole.step(*b).tobytes() for b in batches]
    for b in batches[:at]:
        looked_at.step(*b)
        assert looked_at.carry["p"]["W1"].shape == (LAYERS[1], LAYERS[0])
    saved = looked_at.snapshot()
    later = begun(with_state("v"))
    later.resume(saved.carry, saved.iteration, saved.accumulators)
    for loop in (later, looked_at):
        assert [loop.step(*b).tobytes() for b in batches[at:]] == costs[at:]
        assert bits(loop.carry) == bits(whole.carry)


def test_without_rewriting_or_reduction_it_is_the_plain_iteration_bit_for_bit() -> None:
    batches = draws(20)
    loop = begun(with_state("v"), rewrite=False, strength_reduction=False)
    costs = [loop.step(*b).tobytes() for b in batches]
    end, expected = plain(on_batches(momentum), with_state("v"), data(), batches)
    assert costs == bits(expected)
    assert bits(loop.carry) == bits(end)


def test_another_length_is_refused_and_another_loop_goes_on() -> None:
    """An epoch whose last batch is shorter: two loops hand the state to each other."""
    ends = {4: begun(with_state("v")), 1: begun(with_state("v"), 1)}
    with pytest.raises(ValueError, match=r"expected inputs \(4,\) int64, got \(1,\) int64; make a"):
        ends[4].step(np.array([0]))
    batches = [b for i in range(5) for b in (*draws(2, 4, seed=i), *draws(1, 1, seed=i))]
    results, last = [], ends[4]
    for batch in batches:
        loop = ends[len(batch[0])]
        if loop is not last:
            now = last.snapshot()
            loop.resume(now.carry, now.iteration, now.accumulators)
        results.append(loop.step(*batch))
        last = loop
    end, expected = plain(on_batches(momentum), with_state("v"), data(), batches)
    alike(results, expected)
    alike(last.carry, end)


def test_s86_positions_outside_are_refused_and_lose_nothing() -> None:
    loop, other = begun(with_state("v")), begun(with_state("v"))
    batches = draws(30)
    for i, batch in enumerate(batches):
        if i % 3 == 1:
            with pytest.raises(IndexError, match=r"expected indices from -9 to 8, got 0 to 9"):
                loop.step(np.array([0, 1, 2, 9]))
            with pytest.raises(ValueError, match="expected inputs"):
                loop.step(np.array([0]))
        assert loop.step(*batch).tobytes() == other.step(*batch).tobytes()
    assert loop.iteration == 30
    assert bits(loop.carry) == bits(other.carry)
