"""A convolutional network on the digits: its layers are NumPy expressions of a line or two.

    python examples/convnet_digits.py

A convolution is all windows of the pictures and one product with the filters; the largest
number of each square is a reshape and a max. So another stride, padding or dilation is another way
of slicing, and the gradient, the picture and the compiled step come as for any expression.
"""

import time

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_dnn import Tensor, compile, metrics, optim, scope, value_and_grad
from tinygrad_dnn.data import batches, default_dataset
from tinygrad_dnn.network import one_hot, predicted_labels, softmax_cost
from tinygrad_dnn.ops import relu

EPOCHS, SIZE, RATE = 15, 64, 0.005
RULE = optim.adam()


def conv2d(X, W):
    """X (m, c, h, w) and filters W (n, c, k, k) -> (m, n, h − k + 1, w − k + 1).

    With a stride of 2: `windows[:, :, ::2, ::2]`; with a border of zeros: `np.pad(X, ...)` before.
    """
    windows = sliding_window_view(X, W.shape[2:], axis=(2, 3))  # (m, c, h', w', k, k)
    return np.einsum("mchwij,ncij->mnhw", windows, W)


def max_pool2d(X, k=2):
    """The largest number of each square of k x k: (m, c, k h, k w) -> (m, c, h, w)."""
    _, c, h, w = X.shape
    return X.reshape(-1, c, h // k, k, w // k, k).max(axis=(3, 5))


def logits(p, X):
    """Z3 (10, m) of pictures of 8x8 in columns, X (64, m)."""
    with scope("layer 1"):
        images = np.pad(X.T.reshape(-1, 1, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
        A1 = max_pool2d(relu(conv2d(images, p["W1"]) + p["b1"]))  # (m, 16, 4, 4)
    with scope("layer 2"):
        A2 = relu(conv2d(A1, p["W2"]) + p["b2"])  # (m, 32, 2, 2)
    with scope("layer 3"):
        return p["W3"] @ A2.reshape(-1, 128).T + p["b3"]


def cost_of(p, X, Y):
    return softmax_cost(logits(p, X), Y)


@compile
def step(p, state, X, Y):
    cost, grads = value_and_grad(cost_of)(p, X, Y)
    return cost, *RULE.update(p, grads, state, RATE)


def initial(rng):
    """Filters and weights of He's size: sqrt(2 / inputs of a unit)."""
    shapes = {"W1": (16, 1, 3, 3), "W2": (32, 16, 3, 3), "W3": (10, 128)}
    p = {k: rng.normal(size=s) * np.sqrt(2 / np.prod(s[1:])) for k, s in shapes.items()}
    return p | {"b1": np.zeros((16, 1, 1)), "b2": np.zeros((32, 1, 1)), "b3": np.zeros((10, 1))}


def digits(part):
    with default_dataset(part, labels="digit") as data:
        return data.columns(), data.labels(binary=False)


def main():
    (X, Y), (X_test, Y_test) = digits("train"), digits("test")
    rng = np.random.default_rng(0)
    p = initial(rng)
    state = RULE.init(p)
    began = time.perf_counter()
    for epoch in range(EPOCHS):
        costs = []
        for x, y in batches(X, one_hot(Y, 10), SIZE, rng):
            cost, p, state = step(p, state, x, y)
            costs.append(float(cost))
        print(f"epoch {epoch + 1}: cost {np.mean(costs):.4f}")
    took = time.perf_counter() - began
    predicted = predicted_labels(logits(p, Tensor(X_test)))
    found = metrics.accuracy(Y_test, predicted)
    print(f"{found:.1%} of the test digits are read correctly after {took:.1f} s")
    return found


if __name__ == "__main__":
    main()
