"""Convolution by loops: one channel, stride 1, without padding."""

import numpy as np

from tinygrad_dnn.grading import Exercise

exercise = Exercise("Convolution")


def cases():
    """Images and filters of several sizes, square and not, and a filter as large as the image."""
    rng = np.random.default_rng(3)
    for height, width, f, g in (
        (1, 1, 1, 1), (2, 2, 1, 1), (2, 2, 2, 2), (3, 3, 2, 2), (3, 4, 2, 3), (4, 3, 3, 2),
        (5, 5, 3, 3), (4, 6, 2, 2), (6, 5, 3, 1),
    ):  # fmt: skip
        X = rng.integers(-3, 4, (height, width)).astype(float)
        W = rng.integers(-2, 3, (f, g)).astype(float)
        yield {"X": X, "W": W, "b": float(rng.integers(-2, 3))}
    for height, width, f, g in ((5, 6, 3, 2), (7, 4, 2, 4)):
        yield {"X": rng.normal(size=(height, width)), "W": rng.normal(size=(f, g)), "b": 0.3}


@exercise.function(
    "Z = conv_forward(X, W, b)",
    cases=cases,
    hint="the filter is not turned round: Z[0, 0] is the sum of X[0:f, 0:g] * W, plus b",
)
def conv_forward(X, W, b):
    """Z[i, j] = Σ X[i:i+f, j:j+g] · W + b, for an image X and a filter W of the shape (f, g)."""
    f, g = W.shape
    rows = [
        np.stack([
            np.sum(X[i : i + f, j : j + g] * W) + b
            for j in range(X.shape[1] - g + 1)
        ])
        for i in range(X.shape[0] - f + 1)
    ]  # fmt: skip
    return np.stack(rows)


@exercise.mistake("conv_forward", "has the filter turned round, which a convolution in the sense "
                  "of signals has and one of networks has not")  # fmt: skip
def _(X, W, b):
    return conv_forward(X, W[::-1, ::-1], b)


@exercise.mistake("conv_forward", "adds b once for every element of the filter")
def _(X, W, b):
    return conv_forward(X, W, b * W.size)


exercise.gradient(
    "dX, dW, db = conv_backward(dZ, X, W, b)",
    of=conv_forward,
    cases=cases,
    doc="The gradients with respect to the image, the filter and the number b.",
    points=3,
    parts={"dX": 1, "dW": 1, "db": 1},
)


@exercise.mistake("conv_backward", "overwrites where windows overlap: = for +=")
def _(dZ, X, W, b):
    f, g = W.shape
    dX, dW = np.zeros(X.shape), np.zeros(W.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + f, j : j + g] = W * dZ[i, j]
            dW = X[i : i + f, j : j + g] * dZ[i, j]
    return dX, dW, np.sum(dZ)
