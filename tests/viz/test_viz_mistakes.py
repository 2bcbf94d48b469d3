"""Mistakes planted in the rules of a recorded backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, mean, relu, sigmoid, tanh
from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.graph import trace
from tinygrad_dnn.ops import add, dot, log, matmul, maximum
from viz.explorer.mistakes import (
    NOT_SUMMED,
    OF_SLOPES,
    OF_SUMS,
    OPPOSITE,
    SIGN,
    TURNED,
    planted,
    said,
)

X = np.array([[0.0, 1.0, -2.0], [0.0, 0.75, 1.5]])
Y = np.array([[1.0, 0.0, 1.0]])
P = {"W1": np.array([[0.5, -1.0], [2.0, 0.25]]), "b1": np.zeros((2, 1)),
     "W2": np.array([[1.0, -0.5], [0.5, 2.0]]), "w": np.array([[0.75, 1.25]])}  # fmt: skip


def passes(act: Any) -> Any:
    p = {k: Tensor(v, True, k) for k, v in P.items()}
    A1 = act(p["W1"] @ X + p["b1"])
    A2 = tanh(p["W2"] @ A1)
    forward = forward_again(trace([mean((sigmoid(p["w"] @ A2) - Y) ** 2).node]))
    backward = backward_again(forward)
    return forward, backward, *planted(forward, backward)


def slopes(forward: Any, wrong: Any, chosen: Any = None, k: int = 0) -> dict[str, Any]:
    there = {x.name: g.node for x, g in wrong.gradients.items() if x.name in P}
    known = {} if chosen is None else {chosen.leaf.node: np.array(float(k))}
    found = evaluate([*there.values()], known)
    return {name: found[node] for name, node in there.items()}


def by_hand(mask: Any) -> Any:
    """dW1 with another mask in the rule of relu."""
    Z1 = P["W1"] @ X + P["b1"]
    A1 = np.maximum(Z1, 0)
    A2 = np.tanh(P["W2"] @ A1)
    a = 1 / (1 + np.exp(-P["w"] @ A2))
    da = 2 * (a - Y) / 3
    dA1 = P["W2"].T @ ((P["w"].T @ (da * a * (1 - a))) * (1 - A2**2))
    return (dA1 * mask(Z1)) @ X.T, (dA1 * mask(Z1)).sum(axis=1, keepdims=True)


def test_without_a_mistake_it_is_the_backward_pass_itself() -> None:
    forward, backward, wrong, switches = passes(relu)
    assert [s.z.op.name for s in switches].count("matmul") >= 3
    right = {x.name: g.numpy() for x, g in backward.gradients.items() if x.name in P}
    for name, ours in slopes(forward, wrong).items():
        assert np.array_equal(ours, right[name])


def test_a_mask_with_another_sign_at_zero_is_seen_in_db1_alone() -> None:
    forward, _, wrong, switches = passes(relu)
    (chosen,) = (s for s in switches if s.z.op is relu)
    assert chosen.mistakes[0].name.startswith("≥ for >")
    found = slopes(forward, wrong, chosen, 1)
    dW1, db1 = by_hand(lambda Z: Z >= 0)
    np.testing.assert_allclose(found["W1"], dW1, rtol=1e-12)
    np.testing.assert_allclose(found["b1"], db1, rtol=1e-12)
    right = slopes(forward, wrong)
    np.testing.assert_allclose(found["W1"], right["W1"], rtol=1e-12)  # Z is 0 where X is 0
    assert np.abs(found["b1"] - right["b1"]).max() > 0.01


def test_a_transpose_that_is_forgotten_changes_what_stands_before_it() -> None:
    forward, _, wrong, switches = passes(tanh)
    turned = [s for s in switches if TURNED in s.mistakes]
    assert [s.z.inputs[0].name for s in turned] == ["W2"]  # x is data, and w is not square
    right, found = slopes(forward, wrong), slopes(forward, wrong, turned[0], 1)
    changed = {name for name in P if not np.allclose(right[name], found[name])}
    assert changed == {"W1", "b1"}


def test_every_mistake_makes_some_gradient_wrong() -> None:
    forward, _, wrong, switches = passes(relu)
    right = slopes(forward, wrong)
    for switch in switches:
        for k in range(1, len(switch.mistakes) + 1):
            found = slopes(forward, wrong, switch, k)
            assert any(not np.array_equal(found[name], right[name]) for name in P)


def test_the_matrix_of_a_product_may_be_an_array_of_numpys() -> None:
    x, A = Tensor(np.array([[0.5], [-1.0]]), True, "w"), np.array([[1.0, 2.0], [3.0, -1.0]])
    forward = forward_again(trace([((A @ x) ** 2).sum().node]))
    wrong, switches = planted(forward, backward_again(forward))
    (switch,) = (one for one in switches if TURNED in one.mistakes)
    g = 2 * A @ x.numpy()
    found = slopes(forward, wrong, switch, 1 + switch.mistakes.index(TURNED))
    np.testing.assert_allclose(found["w"], A @ g)  # for Aᵀ g


def test_what_others_write_has_switches_as_well() -> None:
    """np.dot for @, and the maximum of 0 and x for relu(x)."""
    p = {k: Tensor(v, True, k) for k, v in P.items()}
    A1 = np.maximum(0, np.dot(p["W1"], X) + p["b1"])
    forward = forward_again(trace([(np.dot(p["W2"], A1) ** 2).sum().node]))
    wrong, switches = planted(forward, backward_again(forward))
    found = {(s.z.op, m) for s in switches for m in s.mistakes}
    assert {(maximum, OPPOSITE), (dot, TURNED), (dot, SIGN)} <= found
    right = slopes(forward, wrong)
    for switch in switches:
        for k in range(1, len(switch.mistakes) + 1):
            made = slopes(forward, wrong, switch, k)
            assert any(not np.array_equal(made[name], right[name]) for name in made)


WORDS = {
    (relu, OF_SLOPES[relu][0]): "has the mask x ≥ 0",
    (tanh, OF_SLOPES[tanh][0]): "has 1 − x², tanh's from its value, where the derivative of tanh",
    (sigmoid, OF_SLOPES[sigmoid][1]): "where the derivative of sigmoid is right",
    (log, OF_SLOPES[log][0]): "has a factor once too often: x²",
    (mean, OF_SUMS[mean][0]): "was a division by 10 forgotten?",
    (matmul, TURNED): "has a factor of the product W x transposed that should not be",
    (matmul, SIGN): "has the opposite sign",
    (dot, TURNED): "has a factor of the product W x transposed that should not be",
    (maximum, OPPOSITE): "has the mask x < 0 at max(0, x)",
    (add, NOT_SUMMED): "is wrong: at [0, 0] it is 0.7",
}


@pytest.mark.parametrize(("op", "mistake"), WORDS, ids=lambda one: one.name)
def test_the_checker_names_the_mistake(op: Any, mistake: Any) -> None:
    assert WORDS[op, mistake] in said(op, mistake)
