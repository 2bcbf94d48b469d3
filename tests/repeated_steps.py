"""Steps to be repeated, and what the plain iteration gives: for the tests of loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn import compile_loop, log, relu, sigmoid, sqrt, value_and_grad
from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.network import cost_of

LAYERS = (40, 5, 3, 1)
M = 9  # examples


def rng() -> Any:
    return np.random.default_rng(7)


def data(n: int = LAYERS[0], m: int = M) -> dict[str, Any]:
    draw = rng()
    return {"X": draw.normal(size=(n, m)), "Y": (draw.random((1, m)) > 0.5) * 1.0}


def parameters(layers: Sequence[int] = LAYERS) -> dict[str, Any]:
    draw = rng()
    found: dict[str, Any] = {}
    for l, (n, k) in enumerate(zip(layers[1:], layers[:-1], strict=True), start=1):
        found[f"W{l}"] = draw.normal(size=(n, k)) / np.sqrt(k)
        found[f"b{l}"] = draw.normal(size=(n, 1)) * 0.1
    return found


def slopes_of(p: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
    return value_and_grad(lambda q: cost_of(X, Y, q))(dict(p))


def descent(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    return {k: w - 0.1 * g[k] for k, w in p.items()}, cost


def with_state(*kinds: str) -> dict[str, Any]:
    """Parameters, and more arrays of their shapes, each kind with values of its own."""
    p = parameters()
    draw = rng()
    return {"p": p} | {kind: {k: draw.random(w.shape) for k, w in p.items()} for kind in kinds}


# --- updates that are linear in the gradient ------------------------------------------------------


def momentum(c: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(c["p"], X, Y)
    v = {k: 0.9 * c["v"][k] + g[k] for k in g}
    return {"p": {k: w - 0.1 * v[k] for k, w in c["p"].items()}, "v": v}, cost


def nesterov(c: Any, X: Any, Y: Any) -> Any:
    ahead = {k: w - 0.09 * c["v"][k] for k, w in c["p"].items()}
    cost, g = slopes_of(ahead, X, Y)
    v = {k: 0.9 * c["v"][k] + g[k] for k in g}
    return {"p": {k: w - 0.1 * v[k] for k, w in c["p"].items()}, "v": v}, cost


def decay(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    return {k: 0.999 * w - 0.1 * g[k] for k, w in p.items()}, cost


def penalty_slope(p: Any, X: Any, Y: Any) -> Any:
    """The cost with a penalty is differentiated, the cost without it is shown."""
    cost, _ = slopes_of(p, X, Y)

    def penalised(q: Any) -> Any:
        return cost_of(X, Y, q) + 0.01 * sum((q[k] * q[k]).sum() for k in ("W1", "W2", "W3"))

    g = value_and_grad(penalised)(dict(p))[1]
    return {k: w - 0.1 * g[k] for k, w in p.items()}, cost


def schedule(c: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(c["p"], X, Y)
    p = {k: w - c["rate"] * g[k] for k, w in c["p"].items()}
    return {"p": p, "rate": c["rate"] * 0.99}, cost


def average(c: Any, X: Any, Y: Any) -> Any:
    p, cost = descent(c["p"], X, Y)
    return {"p": p, "mean": {k: 0.95 * c["mean"][k] + 0.05 * p[k] for k in p}}, cost


def clipped_by_norm(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    size = sqrt(sum((g[k] * g[k]).sum() for k in ("b1", "W2", "W3")))
    return {k: w - 0.1 * g[k] / (1 + size) for k, w in p.items()}, cost


def penalty(p: Any, X: Any, Y: Any) -> Any:
    """The cost is shown with its penalty."""

    def penalised(q: Any) -> Any:
        size = (q["W1"] ** 2).sum() + 2 * np.square(q["W2"]).mean() + (q["W3"] * q["W3"]).sum()
        return cost_of(X, Y, q) + 0.05 * size

    value, g = value_and_grad(penalised)(dict(p))
    return {k: w - 0.1 * g[k] for k, w in p.items()}, value


def penalty_in_parts(c: Any, X: Any, Y: Any) -> Any:
    """Inner products of matrices, and of their gradients, in several spellings."""
    cost, g = slopes_of(c["p"], X, Y)
    W, V, D = c["p"]["W1"], c["v"]["W1"], g["W1"]
    v = {k: 0.9 * c["v"][k] + g[k] for k in g}
    shown = (
        (W * V).mean(), np.sum(-(W * D) / 3), np.sum(2 * (D * D)), np.sum(W.T * V.T, axis=(0, 1)),
        np.square(W - V).sum(keepdims=True), cost,
    )  # fmt: skip
    return {"p": {k: w - 0.1 * v[k] for k, w in c["p"].items()}, "v": v}, shown


def clipped_by_whole_norm(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    norm = sqrt(sum((d * d).sum() for d in g.values()))
    return {k: w - 0.1 * g[k] * np.minimum(1, 0.05 / norm) for k, w in p.items()}, cost


LINEAR: dict[str, tuple[Callable[..., Any], Callable[[], Any]]] = {
    "gradient descent": (descent, parameters),
    "momentum": (momentum, lambda: with_state("v")),
    "Nesterov": (nesterov, lambda: with_state("v")),
    "weight decay": (decay, parameters),
    "a penalty's slope": (penalty_slope, parameters),
    "a rate that is carried": (schedule, lambda: {"p": parameters(), "rate": np.array(0.1)}),
    "the path's average": (average, lambda: with_state("mean")),
    "a penalty": (penalty, parameters),
    "inner products": (penalty_in_parts, lambda: with_state("v")),
    "clipped by the whole norm": (clipped_by_whole_norm, parameters),
    "scaled by a norm": (clipped_by_norm, parameters),
}


# --- and those that need the matrix itself, or the gradient element by element --------------------


def adam(c: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(c["p"], X, Y)
    v = {k: 0.9 * c["v"][k] + 0.1 * g[k] for k in g}
    s = {k: 0.99 * c["s"][k] + 0.01 * g[k] * g[k] for k in g}
    p = {k: w - 0.01 * v[k] / (sqrt(s[k]) + 1e-8) for k, w in c["p"].items()}
    return {"p": p, "v": v, "s": s}, cost


def rmsprop(c: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(c["p"], X, Y)
    s = {k: 0.99 * c["s"][k] + 0.01 * g[k] * g[k] for k in g}
    return {"p": {k: w - 0.01 * g[k] / sqrt(s[k]) for k, w in c["p"].items()}, "s": s}, cost


def signs(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    return {k: w - 0.01 * np.sign(g[k]) for k, w in p.items()}, cost


def clipped(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    return {k: w - 0.1 * np.clip(g[k], -0.01, 0.01) for k, w in p.items()}, cost


def elementwise_rates(p: Any, X: Any, Y: Any) -> Any:
    cost, g = slopes_of(p, X, Y)
    rates = np.linspace(0.05, 0.1, LAYERS[0])
    return {k: w - (rates if k == "W1" else 0.1) * g[k] for k, w in p.items()}, cost


def norm_shown(p: Any, X: Any, Y: Any) -> Any:
    after, _ = descent(p, X, Y)
    return after, np.abs(p["W1"]).sum()


def row_norms_shown(p: Any, X: Any, Y: Any) -> Any:
    after, _ = descent(p, X, Y)
    return after, (p["W1"] * p["W1"]).sum(axis=1)


def square_in_a_product(p: Any, X: Any, Y: Any) -> Any:
    after, _ = descent(p, X, Y)
    return after, (p["W1"] * p["W1"]) @ X


def square_carried(c: Any, X: Any, Y: Any) -> Any:
    p, cost = descent(c["p"], X, Y)
    return {"p": p, "v": c["v"] | {"W1": c["p"]["W1"] ** 2}}, cost


def matrix_shown(p: Any, X: Any, Y: Any) -> Any:
    after, _ = descent(p, X, Y)
    return after, p["W1"]


def used_elsewhere(p: Any, X: Any, Y: Any) -> Any:
    after, cost = descent(p, X, Y)
    return after | {"b1": after["b1"] + 0.001 * p["W1"][:, :1]}, cost


def tied(p: Any, X: Any, Y: Any) -> Any:
    """An autoencoder with one matrix: W1 stands on both sides."""

    def error(q: Any) -> Any:
        return ((q["W1"].T @ np.tanh(q["W1"] @ X + q["b1"]) - X) ** 2).mean()

    cost, g = value_and_grad(error)({k: p[k] for k in ("W1", "b1")})
    return p | {k: p[k] - 0.1 * g[k] for k in g}, cost


def noise_added(p: Any, X: Any, Y: Any) -> Any:
    after, cost = descent(p, X, Y)
    return after | {"W1": after["W1"] + 0.001 * np.cos(after["W2"].sum() + np.arange(40.0))}, cost


def kept_small(p: Any, X: Any, Y: Any) -> Any:
    after, cost = descent(p, X, Y)
    return after | {"W1": np.minimum(after["W1"], 0.3)}, cost


NOT_LINEAR: dict[str, tuple[Callable[..., Any], Callable[[], Any]]] = {
    "Adam": (adam, lambda: with_state("v", "s")),
    "RMSProp": (rmsprop, lambda: with_state("s")),
    "signs": (signs, parameters),
    "clipped": (clipped, parameters),
    "a rate for each element": (elementwise_rates, parameters),
    "its norm is shown": (norm_shown, parameters),
    "its rows' norms are shown": (row_norms_shown, parameters),
    "its square in a product": (square_in_a_product, parameters),
    "its square is carried": (square_carried, lambda: with_state("v")),
    "it is shown itself": (matrix_shown, parameters),
    "a column is used": (used_elsewhere, parameters),
    "on both sides": (tied, parameters),
    "something added": (noise_added, parameters),
    "kept small": (kept_small, parameters),
}


# --- one network in many spellings ----------------------------------------------------------------


def spelled(product: Callable[..., Any]) -> Callable[..., Any]:
    """One hidden layer of a matrix "theta", in the spelling of its product with the constant."""

    def step(c: Any, *, given: Any, wanted: Any) -> Any:
        def error(q: Any) -> Any:
            hidden = relu(product(q[0], given) + q[1])
            out = sigmoid(np.sum(hidden * q[2], axis=0))
            return -(wanted * log(out) + (1 - wanted) * log(1 - out)).mean()

        cost, g = value_and_grad(error)(list(c))
        return [q - 0.1 * d for q, d in zip(c, g, strict=True)], cost

    return step


# The shapes of theta and of the constant, and their product (5, 9).
SPELLINGS: dict[str, tuple[tuple[int, int], tuple[int, int], Callable[..., Any]]] = {
    "W @ X": ((5, 40), (40, 9), lambda W, X: W @ X),
    "W.T @ X": ((40, 5), (40, 9), lambda W, X: W.T @ X),
    "(X.T @ W.T).T": ((5, 40), (40, 9), lambda W, X: (X.T @ W.T).T),
    "(X.T @ W).T": ((40, 5), (40, 9), lambda W, X: (X.T @ W).T),
    "(X @ W).T": ((40, 5), (9, 40), lambda W, X: (X @ W).T),
    "W @ X.T": ((5, 40), (9, 40), lambda W, X: W @ X.T),
    "dot": ((5, 40), (40, 9), lambda W, X: np.dot(W, X)),
    "swapaxes": ((40, 5), (40, 9), lambda W, X: np.swapaxes(W, 0, 1) @ X),
    "-(2 W) @ X / 2": ((5, 40), (40, 9), lambda W, X: -(2 * W) @ X / 2),
    "(W - W / 2) @ X": ((5, 40), (40, 9), lambda W, X: (W - W / 2) @ X),
    "X prepared": ((5, 40), (40, 9), lambda W, X: W @ ((X - X.mean()) / X.std())),
    "some columns twice": ((5, 40), (40, 9), lambda W, X: W @ X[:, [0, 1, 1, 3, 4, 5, 6, 7, 8]]),
}


def spelled_problem(name: str) -> tuple[Any, Any, Any]:
    theta, given, product = SPELLINGS[name]
    draw = rng()
    carry = [draw.normal(size=theta) / 6, draw.normal(size=(5, 1)), draw.normal(size=(5, 1))]
    constants = {"given": draw.normal(size=given), "wanted": (draw.random(9) > 0.5) * 1.0}
    return spelled(product), carry, constants


def plainly(
    step: Callable[..., Any],
    carry: Any,
    constants: Mapping[str, Any],
    iterations: int,
    inputs: Sequence[Sequence[Any]] = (),
) -> tuple[Any, list[Any]]:
    """The same iterations by the engine, nothing compiled: the carry at the end, the results."""
    results = []
    for i in range(iterations):
        carry, result = step(carry, *(inputs[i] if inputs else ()), **constants)
        results.append(result)
    return carry, results


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
