"""Which carried matrices are taken apart, and that it is the same iteration then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from repeated_steps import (
    LINEAR,
    NOT_LINEAR,
    SPELLINGS,
    alike,
    compared,
    data,
    descent,
    parameters,
    plainly,
    rng,
    spelled_problem,
)

from tinygrad_dnn import compile_loop, relu, value_and_grad
from tinygrad_dnn.network import cost_of

# --- found by the shape of the graph --------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_linear_updates_are_reduced(name: str) -> None:
    step, carry = LINEAR[name]
    loop = compared(step, carry(), data(), refresh=12)
    assert "W1 (5, 40) meets only constants, in products" in loop.summary
    assert "X" not in loop.source.split("def step")[0].split('"""')[1].split()
    assert "W2 (3, 5)" not in loop.summary


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_s80_what_needs_the_matrix_or_its_gradient_is_left_alone(name: str) -> None:
    step, carry = NOT_LINEAR[name]
    loop = compared(step, carry(), data())
    assert loop.summary == ""


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_name_place_or_spelling_matters(name: str) -> None:
    step, carry, constants = spelled_problem(name)
    loop = compared(step, carry, constants, refresh=12)
    assert "c_0" in loop.summary
    assert "given" in loop.summary


def test_a_constant_that_is_an_input_of_every_step_is_none() -> None:
    def step(p: Any, X: Any, Y: Any) -> Any:
        return descent(p, X, Y)

    given = data()
    loop = compile_loop(step, carry=parameters(), inputs=(given["X"],), constants={"Y": given["Y"]})
    assert loop.summary == ""
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
    assert loop.summary == ""


def test_dropout_behind_the_first_product_is_none_of_its_business() -> None:
    def step(p: Any, mask: Any, X: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            A1 = relu(q["W1"] @ X + q["b1"]) * mask
            return (((q["W2"] @ A1)[:1] - Y) ** 2).mean()

        value, g = value_and_grad(cost)({k: p[k] for k in ("W1", "b1", "W2")})
        return p | {k: p[k] - 0.1 * d for k, d in g.items()}, value

    masks = [[(rng().random((5, 9)) > 0.3) * 1.0] for _ in range(9)]
    loop = compile_loop(step, carry=parameters(), inputs=masks[0], constants=data())
    assert "W1" in loop.summary
    results = [loop.step(*m) for m in masks]
    alike(results, plainly(step, parameters(), data(), 9, masks)[1])


def test_where_it_does_not_pay_it_is_not_done() -> None:
    many = data(n=40, m=200)  # the Gram matrix would be larger than X
    assert compared(descent, parameters(), many, 3).summary == ""
    few = data(n=40, m=60)
    assert compared(descent, parameters(), few, 3).summary != ""


def test_it_is_off_with_one_switch() -> None:
    loop = compared(descent, parameters(), data(), strength_reduction=False)
    assert loop.summary == ""
    assert "np.matmul(W1, X" in loop.source


# --- more than one constant -----------------------------------------------------------------------


def test_batches_in_turn_are_columns_of_one_gram_matrix() -> None:
    def epoch(p: Any, X: Any, Y: Any) -> Any:
        for part in (slice(0, 3), slice(3, 6), slice(6, 9)):
            p, cost = descent(p, X[:, part], Y[:, part])
        return p, cost

    assert "W1" in compared(epoch, parameters(), data(), refresh=7).summary


def test_batches_chosen_anew_in_every_step() -> None:
    def step(p: Any, chosen: Any, X: Any, Y: Any) -> Any:
        return descent(p, X @ chosen, Y @ chosen)

    draw = rng()
    batches = [[np.eye(9)[:, draw.permutation(9)[:4]]] for _ in range(40)]
    loop = compile_loop(step, carry=parameters(), inputs=batches[0], constants=data(), refresh=25)
    assert "W1" in loop.summary
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
    assert "W1" in loop.summary


def test_a_matrix_that_stays_or_fades_is_none_of_the_steps_work() -> None:
    def step(p: Any, X: Any, Y: Any) -> Any:
        after, cost = descent(p, X, Y)
        return after | {"W1": p["W1"]}, cost

    def fading(p: Any, X: Any, Y: Any) -> Any:
        after, cost = step(p, X, Y)
        return after | {"W1": 0.99 * p["W1"]}, cost

    loop = compared(step, parameters(), data())
    assert "W1 (5, 40) meets only constants, in products, and changes by no others" in loop.summary
    assert "np.matmul(W1" not in loop.source
    assert "a_W1_W1 · W1_start" in compared(fading, parameters(), data(), refresh=7).summary


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
    assert "A (5, 40)" in loop.summary
    assert "B (30, 5)" in loop.summary


def test_one_matrix_on_two_constants() -> None:
    def step(p: Any, X: Any, V: Any, Y: Any) -> Any:
        def cost(q: Any) -> Any:
            return ((np.tanh(q["A"] @ X) + np.tanh(q["A"] @ V) - Y) ** 2).mean()

        value, g = value_and_grad(cost)(p)
        return {"A": p["A"] - 0.1 * g["A"]}, value

    carry = {"A": rng().normal(size=(5, 40)) / 6}
    constants = data() | {"V": rng().normal(size=(40, 9)) + 0.3}
    assert "Vᵀ and Xᵀ" in compared(step, carry, constants, refresh=7).summary


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
        }, (value, (c[names[0]] * c[names[-1]]).sum(), (D * c[names[-1]]).mean())

    shape = (40, 5) if turned else (5, 40)
    carry = {a: draw.normal(size=shape) / 6 for a in names}
    loop = compared(step, carry, data(), refresh=11)
    assert names[0] in loop.summary


# --- square matrices, where shapes would allow what mathematics does not --------------------------


def squares(n: int = 30) -> tuple[dict[str, Any], dict[str, Any]]:
    draw = rng()
    carry = {"W": draw.normal(size=(n, n)) / n, "V": draw.normal(size=(n, n)) / n}
    return carry, {"X": draw.normal(size=(n, 7)), "T": draw.normal(size=(n, 7))}


def error_of(prediction: Any) -> Any:
    def step(c: Any, X: Any, T: Any) -> Any:
        value, g = value_and_grad(lambda q: ((np.tanh(prediction(q, X)) - T) ** 2).mean())(c)
        return {k: c[k] - 0.3 * g[k] for k in c}, value

    return step


def turned_update(c: Any, X: Any, T: Any) -> Any:
    after, value = error_of(lambda q, X: (q["W"] + q["V"]) @ X)(c, X, T)
    return {"W": after["W"], "V": c["V"] + 0.1 * (after["W"] - c["W"]).T}, value


def exchanged(c: Any, X: Any, T: Any) -> Any:
    after, value = error_of(lambda q, X: (q["W"] + q["V"]) @ X)(c, X, T)
    return {"W": after["W"].T, "V": after["V"]}, value


def exchanged_in_pairs(c: Any, X: Any, T: Any) -> Any:
    after, value = error_of(lambda q, X: q["W"] @ X + q["V"] @ X)(c, X, T)
    return {"W": 0.9 * after["W"] + 0.1 * c["V"].T, "V": after["V"]}, value


def ruled(product: Any, change: Any) -> Any:
    """An update that is no gradient: from D = tanh of a product, what is taken off W."""

    def step(c: Any, X: Any, T: Any) -> Any:
        D = np.tanh(product(c["W"], X))
        return {"W": c["W"] - 0.02 * change(D, X), "V": c["V"]}, D.sum() + c["V"].sum()

    return step


def replaced(product: Any, becomes: Any) -> Any:
    """The next W is nothing of the one before."""

    def step(c: Any, X: Any, T: Any) -> Any:
        D = np.tanh(product(c["W"], X))
        return {"W": becomes(D, X) / 20, "V": c["V"]}, D.sum() + c["V"].sum()

    return step


@pytest.mark.parametrize(
    "step",
    [
        replaced(lambda W, X: W @ X, lambda D, X: X @ D.T),
        replaced(lambda W, X: W.T @ X, lambda D, X: D @ X.T),
        ruled(lambda W, X: W @ X, lambda D, X: X @ D.T),
        ruled(lambda W, X: W.T @ X, lambda D, X: D @ X.T),
        ruled(lambda W, X: W @ X, lambda D, X: D @ X.T + X @ D.T),
        ruled(lambda W, X: (W + W.T) @ X, lambda D, X: D @ X.T),
        ruled(lambda W, X: (W - W.T) @ X, lambda D, X: D @ X.T),
        ruled(lambda W, X: W @ X + W.T @ X, lambda D, X: D @ X.T),
        error_of(lambda q, X: q["W"] @ X + q["W"].T @ X + q["V"].sum()),
        error_of(lambda q, X: (q["W"] + q["W"].T) @ X + q["V"].sum()),
        error_of(lambda q, X: (q["W"] + q["V"].T) @ X + np.abs(q["W"]).sum()),
        error_of(lambda q, X: q["W"] @ q["W"] @ X + q["V"].sum()),
        error_of(lambda q, X: q["W"] @ q["W"].T @ X + q["V"].sum()),
        error_of(lambda q, X: q["W"] * q["V"] @ X),
        turned_update,
        exchanged,
        exchanged_in_pairs,
    ],
)
def test_a_matrix_on_the_wrong_side_is_left_alone(step: Any) -> None:
    carry, constants = squares()
    assert compared(step, carry, constants).summary == ""


def test_an_update_need_not_be_a_gradient() -> None:
    carry, constants = squares()
    right = ruled(lambda W, X: W @ X, lambda D, X: D @ X.T)
    left = ruled(lambda W, X: W.T @ X, lambda D, X: X @ D.T)
    anew = replaced(lambda W, X: W @ X, lambda D, X: D @ X.T)
    for step in (right, left, anew):
        assert "W (30, 30)" in compared(step, carry, constants, refresh=7).summary


def test_a_matrix_and_the_transpose_of_another_are_reduced_each_on_its_side() -> None:
    carry, constants = squares()
    loop = compared(error_of(lambda q, X: q["W"] @ X + q["V"].T @ X), carry, constants, refresh=7)
    assert "W (30, 30)" in loop.summary
    assert "V (30, 30)" in loop.summary
    summed = error_of(lambda q, X: (q["W"] + q["V"].T) @ X)
    assert compared(summed, carry, constants).summary == ""


def test_a_matrix_that_another_becomes_and_that_is_shown_is_needed() -> None:
    def step(c: Any, X: Any, Y: Any) -> Any:
        p, _ = descent(c["p"], X, Y)
        return {"p": p, "last": c["p"]["W1"]}, np.abs(c["last"]).sum()

    carry = {"p": parameters(), "last": parameters()["W1"] + 1}
    assert compared(step, carry, data()).summary == ""


def test_another_dtype_in_between_rounds() -> None:
    def step(c: Any, X: Any) -> Any:
        (W,) = c
        small = W.astype(np.float32).astype(np.float64)
        D = np.tanh(small @ X)
        return (W - 0.1 * D @ X.T,), D

    loop = compared(step, (parameters()["W1"],), {"X": data()["X"]}, rewrite=False)
    assert loop.summary == ""


def test_a_row_that_is_repeated_is_no_matrix_of_that_shape() -> None:
    def step(c: Any, X: Any, Y: Any) -> Any:
        value, g = value_and_grad(lambda q: (((q["row"] + q["V"]) @ X - Y) ** 2).mean())(c)
        return {k: c[k] - 0.01 * g[k] for k in c}, value

    carry = {"row": parameters()["W1"][:1], "V": parameters()["W1"] * 0.5}
    compared(step, carry, data())


# --- whatever else -------------------------------------------------------------------------------


def random_step(draw: Any, names: list[str]) -> Any:
    """Square matrices on any side of two constants, mixed, turned, squared, shown: in any way."""

    def chosen(*ways: Any) -> Any:
        return ways[draw.integers(len(ways))]

    def matrix(straight: float) -> Any:
        """A sum of carried matrices, most of them as they are."""
        parts = [
            (chosen(*names), draw.random() < straight, draw.normal())
            for _ in range(chosen(1, 1, 2))
        ]
        return lambda c: sum(f * (c[q] if plain else c[q].T) for q, plain, f in parts)

    straight = chosen(0.0, 1.0, 1.0, 0.8)
    uses = [(matrix(straight), chosen("X", "X", "U")) for _ in range(chosen(1, 2))]
    moves = {}
    for q in names:
        side = (
            chosen("right", "right", "left", "both", "none")
            if straight == 0.8
            else (chosen("right", "right", "none") if straight else chosen("left", "left", "none"))
        )
        moves[q] = (
            None if draw.random() < 0.2 else matrix(chosen(1.0, 1.0, 0.8)),
            side,
            chosen("X", "X", "U"),
            draw.normal() * 0.1,
        )
    shows = chosen("nothing", "nothing", "nothing", "square", "inner", "abs", "part")
    a, b = chosen(*names), chosen(*names)

    def step(c: Any, X: Any, U: Any) -> Any:
        constants = {"X": X, "U": U}
        D = np.tanh(sum(W(c) @ constants[k] for W, k in uses))
        after = {}
        for q, (mixed, side, k, f) in moves.items():
            new = 0.1 * c[q] if mixed is None else 0.4 * mixed(c)
            if side in ("right", "both"):
                new = new - f * (D @ constants[k].T)
            if side in ("left", "both"):
                new = new - constants[k] @ (f * D).T
            after[q] = new
        shown = {
            "nothing": lambda: D.sum(),
            "square": lambda: (c[a] ** 2).mean(),
            "inner": lambda: (0.5 * (c[a] * c[b])).sum(),
            "abs": lambda: np.abs(c[a]).sum(),
            "part": lambda: c[a][:2].sum(),
        }[shows]()
        return after, (D, shown)

    return step


def test_any_step_gives_what_it_gives_plainly() -> None:
    done = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        names = ["A", "B", "C"][: draw.integers(1, 4)]
        carry = {q: draw.normal(size=(12, 12)) / 12 for q in names}
        constants = {"X": draw.normal(size=(12, 3)), "U": draw.normal(size=(12, 3))}
        loop = compared(random_step(draw, names), carry, constants, 8, refresh=3)
        done += loop.summary != ""
    assert 15 < done < 50


def test_where_nothing_changes_nothing_is_left_to_compute() -> None:
    rng = np.random.default_rng(0)
    A, W = rng.normal(size=(40, 6)), rng.normal(size=(3, 40))

    def step(p: Any, A: Any) -> Any:
        return {"W": p["W"]}, ((p["W"] @ A) ** 2).mean()

    loop = compile_loop(step, carry={"W": W}, constants={"A": A})
    assert [float(loop.step()) for _ in range(2)] == pytest.approx([((W @ A) ** 2).mean()] * 2)
    assert "takes 0 operations instead of" in loop.summary
    np.testing.assert_array_equal(loop.carry["W"], W)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32"])
def test_pixels_of_another_kind_are_divided_once(kind: str) -> None:
    I = np.random.default_rng(0).integers(0, 256, (800, 40)).astype(kind)

    def step(W: Any, I: Any) -> Any:
        A = I / np.float64(255)
        cost, slope = value_and_grad(lambda W: ((W @ A - 1) ** 2).mean())(W)
        return W - 0.001 * slope, cost

    loop = compile_loop(step, carry=np.zeros((1, 800)), constants={"I": I})
    assert "is carried as" in loop.summary
    assert "255" not in loop.source
