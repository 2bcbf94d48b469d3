"""20 small graphs of many kinds, whose authors did not have the pictures in mind.

Names and scopes are as somebody would leave them: few or none. `ZOO` has them by name;
`python tests/zoo.py FOLDER` draws each of them, its backward pass and its derivation into a folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from drawings import named

from tinygrad_dnn import Tensor, exp, log, relu, scope, sigmoid, tanh

ZOO: dict[str, Callable[[], Tensor]] = {}
LARGE = 3000  # nodes of the largest


def _in_zoo(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    ZOO[make.__name__] = make
    return make


def weights(rng: np.random.Generator, *shape: int, name: str | None = None) -> Tensor:
    return Tensor(rng.normal(size=shape) / np.sqrt(shape[-1]), requires_grad=True, name=name)


# --- networks -------------------------------------------------------------------------------------


@_in_zoo
def attention() -> Tensor:
    """One head over 5 positions."""
    rng = np.random.default_rng(4)
    X = Tensor(rng.normal(size=(5, 4)), name="X")
    Q, K, V = (named(X @ weights(rng, 4, 4, name=f"W{k}"), k) for k in "QKV")
    scores = Q @ K.T / 2.0
    e = exp(scores - scores.max(axis=1, keepdims=True))
    A = named(e / e.sum(axis=1, keepdims=True), "A")
    return named(((A @ V) ** 2).mean(), "loss")


@_in_zoo
def residual() -> Tensor:
    """12 blocks, each added to what it reads; the states have no names."""
    rng = np.random.default_rng(2)
    h = Tensor(rng.normal(size=(4, 3)), name="X")
    for k in range(1, 13):
        h = h + relu(weights(rng, 4, 4, name=f"W{k}") @ h + weights(rng, 4, 1, name=f"b{k}"))
    return named((h * h).sum() / 3.0, "cost")


@_in_zoo
def bottlenecks() -> Tensor:
    """12 times h = h + V relu(W h), nothing named."""
    rng = np.random.default_rng(12)
    h = Tensor(rng.normal(size=(4, 3)))
    for _ in range(12):
        h = h + weights(rng, 4, 2) @ relu(weights(rng, 2, 4) @ h)
    return (h * h).sum()


@_in_zoo
def recurrent() -> Tensor:
    """20 steps of a recurrent net with shared weights and unnamed states."""
    rng = np.random.default_rng(3)
    Wx, Wh, b = weights(rng, 3, 2, name="Wx"), weights(rng, 3, 3, name="Wh"), weights(rng, 3, 1)
    h = Tensor(np.zeros((3, 1)), name="h0")
    for t in range(20):
        h = tanh(Wx @ Tensor(rng.normal(size=(2, 1)), name=f"x{t}") + Wh @ h + b)
    return named(((h - 0.5) ** 2).sum(), "loss")


@_in_zoo
def siamese() -> Tensor:
    """Two inputs through the same weights, their distance."""
    rng = np.random.default_rng(5)
    W1, W2 = weights(rng, 5, 3, name="W1"), weights(rng, 2, 5, name="W2")
    u, v = (W2 @ relu(W1 @ Tensor(rng.normal(size=(3, 4)), name=k)) for k in ("left", "right"))
    return named(((u - v) ** 2).sum(), "distance")


@_in_zoo
def autoencoder() -> Tensor:
    """A variational autoencoder: reconstruction and divergence."""
    rng = np.random.default_rng(6)
    X = Tensor(rng.normal(size=(6, 4)), name="X")
    h = tanh(weights(rng, 5, 6, name="We") @ X)
    mu = named(weights(rng, 2, 5, name="Wm") @ h, "mu")
    logvar = named(weights(rng, 2, 5, name="Wv") @ h, "logvar")
    z = named(mu + exp(0.5 * logvar) * Tensor(rng.normal(size=(2, 4)), name="eps"), "z")
    error = ((tanh(weights(rng, 6, 2, name="Wd") @ z) - X) ** 2).sum()
    divergence = -0.5 * (1.0 + logvar - mu * mu - exp(logvar)).sum()
    return named((error + divergence) / 4.0, "loss")


@_in_zoo
def experts() -> Tensor:
    """Four experts, each in a scope, weighed by a gate."""
    rng = np.random.default_rng(7)
    X = Tensor(rng.normal(size=(3, 6)), name="X")
    with scope("gate"):
        G = named((weights(rng, 4, 3, name="Wg") @ X), "G")
        P = named(exp(G) / exp(G).sum(axis=0, keepdims=True), "P")
    total = Tensor(np.zeros((2, 6)))
    for k in range(4):
        with scope(f"expert {k}"):
            E = named(tanh(weights(rng, 2, 3, name=f"W{k}") @ X), f"E{k}")
        total = total + P[k : k + 1] * E
    return named((total * total).mean(), "loss")


@_in_zoo
def logistic() -> Tensor:
    """Logistic regression with examples in rows, as NumPy's users write it."""
    rng = np.random.default_rng(8)
    X, y = Tensor(rng.normal(size=(100, 4)), name="X"), Tensor(rng.random(100).round(), name="y")
    w, b = weights(rng, 4, name="w"), weights(rng, 1, name="b")
    p = named(sigmoid(X @ w + b), "p")
    return named(-(y * log(p) + (1 - y) * log(1 - p)).mean(), "loss")


@_in_zoo
def normalised() -> Tensor:
    """A layer normalised over its features, with gain and shift."""
    rng = np.random.default_rng(9)
    X = Tensor(rng.normal(size=(6, 8)), name="X")
    z = named(X @ weights(rng, 8, 8, name="W"), "z")
    mu = named(z.mean(axis=1, keepdims=True), "mu")
    var = named(((z - mu) ** 2).mean(axis=1, keepdims=True), "var")
    y = named((z - mu) / np.sqrt(var + 1e-5) * weights(rng, 8, name="gain"), "y")
    return named((y * y).sum() / 6.0, "loss")


@_in_zoo
def convolution() -> Tensor:
    """A 3 x 3 convolution by slices, then a maximum."""
    rng = np.random.default_rng(10)
    image, kernel = Tensor(rng.normal(size=(8, 8)), name="image"), weights(rng, 3, 3, name="K")
    out = 0.0
    for i in range(3):
        for j in range(3):
            out = out + kernel[i, j] * image[i : i + 6, j : j + 6]
    return named(relu(out).max(axis=1).sum(), "y")


@_in_zoo
def ensemble() -> Tensor:
    """A stack of 60 inputs."""
    parts = [Tensor(float(k), requires_grad=True, name=f"x{k}") for k in range(60)]
    return named((np.stack(parts) ** 2).sum(), "y")


@_in_zoo
def long_names() -> Tensor:
    """Names of fifty letters that differ at their ends."""
    rng = np.random.default_rng(11)
    x = Tensor(rng.normal(size=(3, 2)), name="features_of_the_training_examples_after_scaling")
    total = 0.0
    for k in (1, 2):
        name = f"encoder_block_0_attention_head_query_projection_weight_{k}"
        total = total + (weights(rng, 3, 3, name=name) @ x).sum()
    return named(total, "the_average_cost_of_all_training_examples_so_far")


# --- numerics -------------------------------------------------------------------------------------


@_in_zoo
def scalar_mlp() -> Tensor:
    """A perceptron of single numbers, 2 inputs, 3 hidden units."""
    rng = np.random.default_rng(1)
    xs = [Tensor(v, name=f"x{i}") for i, v in enumerate((0.5, -1.0))]
    for layer, units in enumerate((3, 1), start=1):
        outputs = []
        for j in range(units):
            s = Tensor(0.1, requires_grad=True, name=f"b{layer}{j}")
            for i, x in enumerate(xs):
                s = s + Tensor(rng.normal(), requires_grad=True, name=f"w{layer}{j}{i}") * x
            outputs.append(named(tanh(s), f"a{layer}{j}"))
        xs = outputs
    return named((xs[0] - 1.0) ** 2, "loss")


@_in_zoo
def micrograd() -> Tensor:
    """Some 300 ops on single numbers: a perceptron 3-4-4-1 on two examples, nothing named."""
    rng = np.random.default_rng(13)
    sizes = (3, 4, 4, 1)
    layers = [
        [([weights(rng, 1)[0] for _ in range(p)], weights(rng, 1)[0]) for _ in range(n)]
        for p, n in pairwise(sizes)
    ]
    loss = 0.0
    for target in (1.0, -1.0):
        xs = [Tensor(v) for v in rng.normal(size=3)]
        for layer in layers:
            xs = [tanh(sum((w * x for w, x in zip(ws, xs, strict=True)), b)) for ws, b in layer]
        loss = loss + (xs[0] - target) ** 2
    return loss


@_in_zoo
def quasi_newton() -> Tensor:
    """Three steps of L-BFGS's two loops, differentiated through."""
    rng = np.random.default_rng(14)
    A = rng.normal(size=(4, 4))
    A, x = Tensor(A @ A.T + np.eye(4), name="A"), weights(rng, 4, name="x")
    g = named(A @ x, "g")
    pairs: list[tuple[Tensor, Tensor]] = []
    for _ in range(3):
        q, alphas = g, []
        for s, y in reversed(pairs):
            alphas.append((s @ q) / (y @ s))
            q = q - alphas[-1] * y
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            q = q + (alpha - (y @ q) / (y @ s)) * s
        s = -0.1 * q
        new = A @ (x + s)
        pairs.append((s, new - g))
        x, g = x + s, new
    return named(0.5 * (x @ g), "f")


@_in_zoo
def bilinear() -> Tensor:
    """Products of several arrays by einsum."""
    rng = np.random.default_rng(15)
    x, y = (Tensor(rng.normal(size=(5, n)), name=k) for n, k in ((3, "x"), (4, "y")))
    W = weights(rng, 3, 4, 2, name="W")
    return named((np.einsum("bi,ijk,bj->bk", x, W, y) ** 2).mean(), "loss")


@_in_zoo
def newton() -> Tensor:
    """A square root by 10 steps of Newton."""
    a = Tensor(2.0, requires_grad=True, name="a")
    x = a
    for _ in range(10):
        x = 0.5 * (x + a / x)
    return x


@_in_zoo
def pendulum() -> Tensor:
    """A pendulum over 15 small steps."""
    length, angle, speed = (Tensor(v, requires_grad=True) for v in (1.0, 0.3, 0.0))
    for _ in range(15):
        speed = speed - 0.05 * 9.81 / length * np.sin(angle)
        angle = angle + 0.05 * speed
    return named((angle - 0.1) ** 2, "miss")


@_in_zoo
def mixture() -> Tensor:
    """The likelihood of a mixture of Gaussians."""
    rng = np.random.default_rng(16)
    x = Tensor(rng.normal(size=(20, 1)), name="x")
    mu, s, w = (weights(rng, 3, name=k) for k in ("mu", "log_sigma", "w"))
    lp = -0.5 * ((x - mu) / exp(s)) ** 2 - s + w - log(exp(w).sum())
    return named(-log(exp(lp).sum(axis=1)).mean(), "nll")


@_in_zoo
def thousands() -> Tensor:
    """3,000 nodes without a name: a random expression on vectors."""
    rng = np.random.default_rng(17)
    x = Tensor(rng.normal(size=3), requires_grad=True, name="x")
    made = [x, tanh(x)]
    while len(made) < LARGE - 2:
        one, other = (made[-int(k)] for k in rng.integers(1, min(len(made), 12) + 1, 2))
        kind = rng.integers(4)
        made.append((one + other, 0.5 * one, tanh(one), one * tanh(other))[kind])
        if kind == 3:
            made.append(made[-1].sum() * other * 0.1)
    return named(made[-1].sum(), "y")


def draw_all(folder: Path, wanted: list[str]) -> None:
    """Each graph, its backward pass and its derivation, as files to look at."""
    import viz

    for name in wanted or ZOO:
        cost = ZOO[name]()
        viz.save(viz.draw(cost), folder / f"{name}.svg")
        viz.save(viz.draw(cost, backward=True), folder / f"{name}-back.svg")
        if name != thousands.__name__:
            (folder / f"{name}.txt").write_text(f"{viz.derive(cost)}\n", encoding="utf-8")
        viz.explore(cost, folder / f"{name}.html")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    draw_all(out, sys.argv[2:])
