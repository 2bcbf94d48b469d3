"""Logistic regression: one neuron, its cost, its gradients, a step of descent."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array, choice, labels

exercise = Exercise("Logistic regression", convention="document")
X, Y = array("n", "m"), labels(1, "m")
w, b = array("n", 1), array()


@exercise.function("A = sigmoid(Z)", inputs={"Z": array("n", "m")})
def sigmoid(Z):
    """1 / (1 + exp(−Z)), elementwise."""
    return 1 / (1 + np.exp(-Z))


@exercise.function("A = forward(w, b, X)", inputs={"w": w, "b": b, "X": X})
def forward(w, b, X):
    """The probabilities (1, m) of examples X (n, m), for weights w (n, 1) and a number b."""
    return sigmoid(w.T @ X + b)


@exercise.function(
    "cost = compute_cost(A, Y)", inputs={"A": array(1, "m", within=(0.02, 0.98)), "Y": Y}
)
def compute_cost(A, Y):
    """The mean cross-entropy of probabilities A and labels Y, both (1, m)."""
    return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1]


@exercise.mistake("compute_cost", "lacks the examples of class 0: where is (1 − Y) log(1 − A)?")
def _(A, Y):
    return -np.sum(Y * np.log(A)) / Y.shape[1]


@exercise.gradient(
    "dw, db = backward(w, b, X, Y)",
    inputs={"w": w, "b": b, "X": X, "Y": Y},
    kinds=("one", "square", "zeros", "small", "long", "float32"),
    doc="The gradients of the cost with respect to w (n, 1) and the number b.",
    parts={"dw": 0.5, "db": 0.5},
)
def cost(w, b, X, Y):
    Z = w.T @ X + b
    return np.sum(np.log(1 + np.exp(-Z)) + (1 - Y) * Z) / Y.shape[1]


@exercise.function(
    "w, b = update(w, b, dw, db, learning_rate)",
    inputs={"w": w, "b": b, "dw": w, "db": b, "learning_rate": choice(0.5, 0.01)},
    may_change=["w", "b"],
)
def update(w, b, dw, db, learning_rate):
    """One step of gradient descent."""
    return w - learning_rate * dw, b - learning_rate * db
