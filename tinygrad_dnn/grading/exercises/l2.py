"""L2 regularisation of a layer: what it adds to the cost, and to dW."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array, choice

exercise = Exercise("L2 regularisation", convention="document")
W, A_prev, dZ = array("n", "k"), array("k", "m"), array("n", "m")
lambd = choice(0.7, 0.1, 2.0)


@exercise.function(
    "cost = l2_cost(W1, W2, lambd, m)",
    inputs={"W1": W, "W2": array("j", "n"), "lambd": lambd, "m": choice(3, 5, 1, 8)},
)
def l2_cost(W1, W2, lambd, m):
    """λ/(2 m) times the sum of the squares of all weights."""
    return lambd / (2 * m) * (np.sum(W1**2) + np.sum(W2**2))


@exercise.function(
    "dW = l2_gradient(dZ, A_prev, W, lambd)",
    inputs={"dZ": dZ, "A_prev": A_prev, "W": W, "lambd": lambd},
)
def l2_gradient(dZ, A_prev, W, lambd):
    """dW of a layer, with what the regularisation adds; dZ carries no 1/m."""
    m = A_prev.shape[1]
    return dZ @ A_prev.T / m + lambd / m * W


@exercise.mistake("l2_gradient", "has λ W where λ W / m is right")
def _(dZ, A_prev, W, lambd):
    return dZ @ A_prev.T / A_prev.shape[1] + lambd * W
