"""Optimisers: a step of momentum and a step of Adam for one parameter."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array, choice

exercise = Exercise("Momentum and Adam")
W, dW, v = array("n", "k"), array("n", "k"), array("n", "k")
s = array("n", "k", within=(0, 4))
rate, beta1, beta2 = choice(0.1, 0.01), choice(0.9, 0.8), choice(0.999, 0.99)


@exercise.function(
    "W, v = momentum_step(W, dW, v, beta, learning_rate)",
    inputs={"W": W, "dW": dW, "v": v, "beta": beta1, "learning_rate": rate},
    may_change=["W", "v"],
)
def momentum_step(W, dW, v, beta, learning_rate):
    """v becomes β v + (1 − β) dW, and W moves by −learning_rate v: the new W and v."""
    v = beta * v + (1 - beta) * dW
    return W - learning_rate * v, v


@exercise.function(
    "W, v, s = adam_step(W, dW, v, s, t, learning_rate, beta1, beta2, epsilon)",
    inputs={
        "W": W, "dW": dW, "v": v, "s": s, "t": choice(1, 2, 10), "learning_rate": rate,
        "beta1": beta1, "beta2": beta2, "epsilon": choice(1e-8, 1e-3),
    },
    hint="both averages are divided by 1 − β^t, and epsilon is added after the root",
    points=3,
    parts={"v": 1, "s": 1, "W": 1},
    may_change=["W", "v", "s"],
)  # fmt: skip
def adam_step(W, dW, v, s, t, learning_rate, beta1, beta2, epsilon):
    """Step number t (from 1): averages v of dW and s of its square, corrected by 1 − β^t; W moves
    by −learning_rate v̂ / (√ŝ + epsilon). The new W, v and s.
    """
    v = beta1 * v + (1 - beta1) * dW
    s = beta2 * s + (1 - beta2) * dW**2
    v_hat = v / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    return W - learning_rate * v_hat / (np.sqrt(s_hat) + epsilon), v, s


@exercise.mistake("adam_step", "has epsilon under the root")
def _(W, dW, v, s, t, learning_rate, beta1, beta2, epsilon):
    v = beta1 * v + (1 - beta1) * dW
    s = beta2 * s + (1 - beta2) * dW**2
    s_hat = s / (1 - beta2**t)
    return W - learning_rate * v / (1 - beta1**t) / np.sqrt(s_hat + epsilon), v, s
