"""Pages that come alive: each trains in the browser, offline, from the one recorded graph.

python examples/playgrounds.py [FOLDER]     # default: playgrounds
"""

import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import viz
from tinygrad_dnn import Tensor, log, log_softmax, mean, relu, scope, sigmoid, softmax, tanh
from tinygrad_dnn.data import default_dataset
from tinygrad_dnn.network import initialize_parameters, one_hot


def parameters(*layers, **how):
    start = initialize_parameters(layers, **{"init": "he", "seed": 1, **how})
    return {name: Tensor(value, requires_grad=True, name=name) for name, value in start.items()}


def cross_entropy(A, Y):
    """−mean(Y log A + (1 − Y) log(1 − A))."""
    with scope("cost"):
        cost = -mean(Y * log(A) + (1 - Y) * log(1 - A))
    cost.name = "cost"
    return cost


def neuron(path):
    """One neuron learns OR."""
    X = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], name="X")
    Y = Tensor([[0.0, 1.0, 1.0, 1.0]], name="Y")
    w = Tensor([[0.5, -0.25]], requires_grad=True, name="w")
    b = Tensor([[0.0]], requires_grad=True, name="b")
    z = w @ X + b
    a = sigmoid(z)
    cost = cross_entropy(a, Y)
    return viz.playground(cost, path=path, names=locals(), learning_rate=1.0, title="One neuron")


def xor(path):
    """A hidden layer of three units learns XOR, which one neuron can't."""
    X = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], name="X")
    Y = Tensor([[0.0, 1.0, 1.0, 0.0]], name="Y")
    p = parameters(2, 3, 1, seed=3)
    with scope("layer 1"):
        A1 = tanh(p["W1"] @ X + p["b1"])
    with scope("layer 2"):
        A2 = sigmoid(p["W2"] @ A1 + p["b2"])
    cost = cross_entropy(A2, Y)
    return viz.playground(cost, path=path, names=locals(), learning_rate=1.0, title="XOR")


def spiral(path):
    """Two spirals, 100 points each, and 2-16-16-1."""
    rng = np.random.default_rng(0)
    kind = np.arange(200) % 2
    r = np.sqrt(rng.uniform(0.02, 1, 200))
    angle = 4.5 * r + np.pi * kind
    points = np.stack([r * np.cos(angle), r * np.sin(angle)]) + rng.normal(0, 0.02, (2, 200))
    X, Y = Tensor(points.round(3), name="X"), Tensor(kind[None] * 1.0, name="Y")
    p = parameters(2, 16, 16, 1)
    with scope("layer 1"):
        A1 = tanh(p["W1"] @ X + p["b1"])
    with scope("layer 2"):
        A2 = tanh(p["W2"] @ A1 + p["b2"])
    with scope("layer 3"):
        A3 = sigmoid(p["W3"] @ A2 + p["b3"])
    cost = cross_entropy(A3, Y)
    return viz.playground(
        cost, path=path, names=locals(), learning_rate=0.02, optimizer="adam", title="Two spirals"
    )


def logistic_regression(path):
    """Two clouds that overlap, and a straight border."""
    rng = np.random.default_rng(2)
    kind = np.arange(60) % 2
    points = rng.normal(size=(2, 60)) + 1.2 * (2 * kind - 1)
    X, Y = Tensor(points.round(2), name="X"), Tensor(kind[None] * 1.0, name="Y")
    w = Tensor(np.zeros((1, 2)), requires_grad=True, name="w")
    b = Tensor(1.0, requires_grad=True, name="b")
    z = w @ X + b
    a = sigmoid(z)
    cost = cross_entropy(a, Y)
    return viz.playground(
        cost, path=path, names=locals(), learning_rate=0.5, title="Logistic regression"
    )


def three_classes(path):
    """Three clouds in float32: NumPy's arrays, and labels that stand in an index."""
    rng = np.random.default_rng(4)
    labels = np.arange(44) % 3
    angle = 2 * np.pi * labels / 3
    points = np.stack([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.4, (2, 44))
    points = points.round(2).astype(np.float32)
    W = Tensor(np.zeros((3, 2), np.float32), requires_grad=True, name="W")
    b = Tensor(np.zeros((3, 1), np.float32), requires_grad=True, name="b")
    Z = W @ points + b
    cost = -mean(log_softmax(Z, axis=0)[labels, np.arange(44)])
    return viz.playground(
        cost, path=path, names=locals(), data=(points, labels), learning_rate=0.5,
        title="Three classes",
    )  # fmt: skip


def initialisation(path):
    """The document's 0.01 never leaves the beginning; beside it 1 / sqrt(n) of the layer before."""
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, size=(2, 120))
    inside = (points**2).sum(axis=0) < 0.5
    X, Y = Tensor(points.round(2), name="X"), Tensor(inside[None] * 1.0, name="Y")
    p = parameters(2, 8, 6, 1, init="0.01")
    A1 = relu(p["W1"] @ X + p["b1"])
    A2 = relu(p["W2"] @ A1 + p["b2"])
    A3 = sigmoid(p["W3"] @ A2 + p["b3"])
    cost = cross_entropy(A3, Y)
    wider = initialize_parameters((2, 8, 6, 1), init="sqrt", seed=1)
    return viz.playground(
        cost, path=path, names=locals(), learning_rate=0.3, starts={"1 / sqrt(n)": wider},
        title="Where to start",
    )  # fmt: skip


def attention(path):
    """Three tokens: each shall attend to the one before it, the first to itself."""
    rng = np.random.default_rng(4)
    X = Tensor(np.eye(3), name="X")
    target = Tensor(np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]), name="target")
    W = {k: Tensor(0.5 * rng.normal(size=(3, 2)), requires_grad=True, name=k) for k in ("Wq", "Wk")}
    Q, K = X @ W["Wq"], X @ W["Wk"]
    S = Q @ K.T / np.sqrt(2.0)
    A = softmax(S, axis=1)
    cost = -mean((target * log(A)).sum(axis=1))
    return viz.playground(
        cost, path=path, names=locals(), learning_rate=0.5, title="Attention, 3 tokens"
    )


def vanishing_gradients(path):
    """Five layers of sigmoids: dW1 is a small part of dW5."""
    X = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], name="X")
    Y = Tensor([[0.0, 1.0, 1.0, 0.0]], name="Y")
    p = parameters(2, 3, 3, 3, 3, 1, init="glorot")
    A, names = X, {}
    for k in range(1, 6):
        with scope(f"layer {k}"):
            A = names[f"A{k}"] = sigmoid(p[f"W{k}"] @ A + p[f"b{k}"])
    cost = cross_entropy(A, Y)
    steps = [
        "Five layers of sigmoids. On the way back each multiplies by σ′, which is 1/4 at most.",
        ("dW5", "The last layer's gradient comes first, and is the largest."),
        ("dW1", "The first layer's is a small part of it, so it hardly learns. Train, and see."),
    ]
    return viz.playground(
        cost, path=path, names=names, learning_rate=1.0, steps=steps, title="Vanishing gradients"
    )


def dying_units(path):
    """relu with a rate that is too large: units answer 0 to every example, and stay so."""
    rng = np.random.default_rng(5)
    x = np.linspace(-2, 2, 40)[None]
    X, Y = Tensor(x, name="X"), Tensor(np.abs(x) + rng.normal(0, 0.05, x.shape), name="Y")
    p = parameters(1, 8, 1)
    A1 = relu(p["W1"] @ X + p["b1"])
    A2 = p["W2"] @ A1 + p["b2"]
    cost = mean((A2 - Y) ** 2)
    return viz.playground(cost, path=path, names=locals(), learning_rate=0.15, title="Dying units")


def some_digits():
    """X (64, 300) and Y (10, 300) of the digits that come along."""
    with default_dataset("train", labels="digit") as data:
        pixels, labels = data.columns()[:, :300], data.labels(binary=False)[:, :300]
    return Tensor(pixels.round(4), name="X"), Tensor(one_hot(labels, 10), name="Y")


def on_digits(A, Y, path, names, title):
    """A page that learns shares A (10, m) of the digits, with a pad to draw on."""
    cost = -mean((Y * log(A)).sum(axis=0))
    return viz.playground(
        cost, path=path, names=names, learning_rate=0.02, optimizer="adam", picture=(8, 8),
        title=title,
    )  # fmt: skip


def digits(path):
    """64-20-10 on 300 of the digits, with a pad to draw on."""
    X, Y = some_digits()
    p = parameters(64, 20, 10, head="softmax")
    with scope("layer 1"):
        A1 = relu(p["W1"] @ X + p["b1"])
    with scope("layer 2"):
        A2 = softmax(p["W2"] @ A1 + p["b2"], axis=0)
    return on_digits(A2, Y, path, locals(), "Digits")


def convolution(path):
    """Eight filters of 3x3 and the largest of each 2x2, on the same digits."""
    X, Y = some_digits()
    rng = np.random.default_rng(1)
    W1 = Tensor(rng.normal(size=(8, 3, 3)) * np.sqrt(2 / 9), requires_grad=True, name="W1")
    b1 = Tensor(np.zeros((8, 1, 1)), requires_grad=True, name="b1")
    W2 = Tensor(rng.normal(size=(10, 72)) * np.sqrt(1 / 72), requires_grad=True, name="W2")
    b2 = Tensor(np.zeros((10, 1)), requires_grad=True, name="b2")
    with scope("layer 1"):
        images = X.T.reshape(-1, 8, 8)
        patches = sliding_window_view(images, (3, 3), axis=(1, 2))  # (m, 6, 6, 3, 3)
        Z1 = np.einsum("mhwij,nij->mnhw", patches, W1) + b1
        A1 = relu(Z1).reshape(-1, 8, 3, 2, 3, 2).max(axis=(3, 5))  # (m, 8, 3, 3)
    with scope("layer 2"):
        Z2 = W2 @ A1.reshape(-1, 72).T + b2
        A2 = softmax(Z2, axis=0)
    return on_digits(A2, Y, path, locals(), "A convolution")


PAGES = (
    neuron, xor, spiral, logistic_regression, three_classes, digits, convolution, initialisation,
    attention, vanishing_gradients, dying_units,
)  # fmt: skip


def main(folder="playgrounds"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        path = page(folder / f"{page.__name__}.html")
        print(f"wrote {path}, {path.stat().st_size // 1000} kB: {page.__doc__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
