"""Softmax regression: shares, cost and gradient, examples in columns."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array, one_hot

exercise = Exercise("Softmax regression", convention="document")
Z, Y = array("n", "m"), one_hot("n", "m")


@exercise.function("A = softmax(Z)", inputs={"Z": Z}, hint="each column sums to 1")
def softmax(Z):
    """The share of exp(Z) in the sum of its column, for scores Z of the shape (n, m)."""
    e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True)


@exercise.mistake("softmax", "is divided by the sum of everything, not of its column")
def _(Z):
    return np.exp(Z) / np.sum(np.exp(Z))


@exercise.function(
    "cost = cross_entropy(A, Y)", inputs={"A": array("n", "m", within=(0.02, 0.98)), "Y": Y}
)
def cross_entropy(A, Y):
    """The mean over the examples of −log of the share of the right class; Y has one-hot columns."""
    return -np.sum(Y * np.log(A)) / Y.shape[1]


exercise.gradient(
    "dZ = softmax_backward(dA, Z)",
    of=softmax,
    doc="The gradient with respect to the scores Z, from dA, that with respect to softmax(Z).",
)


@exercise.gradient(
    "dW, db = gradients(W, b, X, Y)",
    inputs={"W": array("n", "k"), "b": array("n", 1), "X": array("k", "m"), "Y": Y},
    doc="The gradients of cross_entropy(softmax(W X + b), Y) with respect to W and b.",
)
def cost(W, b, X, Y):
    Z = W @ X + b
    return np.sum(np.log(np.sum(np.exp(Z), axis=0)) - np.sum(Y * Z, axis=0)) / Y.shape[1]
