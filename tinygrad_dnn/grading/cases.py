"""Inputs for hand-written functions: the smallest and roundest first, then random and awkward ones.

The truth of each comes from the engine. The document's dA and dZ carry no 1/m, which enters at dW
and db; so do these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import gradients
from tinygrad_dnn.grading.three_ways import engine_gradients, term_sizes
from tinygrad_dnn.network import cross_entropy, forward
from tinygrad_dnn.ops import relu, sigmoid

ACTIVATIONS = {"relu": relu, "sigmoid": sigmoid}
SMALL = (  # n, n_prev, m: what is found wrong is shown on the first of them
    (1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1), (2, 2, 2),
    (2, 2, 3), (2, 3, 2), (3, 2, 2), (3, 3, 3),
)  # fmt: skip
LARGER = ((1, 5, 4), (4, 1, 6), (3, 5, 1), (5, 3, 1), (4, 4, 4), (5, 5, 3), (3, 3, 7), (8, 12, 40))
SMALL_NETS = (  # layer sizes and m; of two layers or more, which is what the document builds
    ((1, 1, 1), 1), ((1, 1, 1), 2), ((1, 2, 1), 2), ((2, 2, 1), 2), ((2, 2, 1), 3),
    ((2, 3, 1), 2), ((2, 2, 2, 1), 3), ((3, 3, 3, 1), 3),
)  # fmt: skip
NETS = (
    ((3, 4, 1), 1), ((4, 3, 1), 6), ((3, 4, 2, 1), 5), ((4, 4, 4, 1), 4),
    ((2, 5, 3, 4, 1), 7), ((5, 4, 3, 2, 1), 3), ((12, 8, 5, 1), 30),
)  # fmt: skip
# What people add to AL and 1 − AL, so that nothing is infinite.
GUARDS = (*(10.0**-k for k in range(4, 18)), float(np.finfo(np.float64).eps))
SATURATED = 100.0  # σ is exactly 1 or as good as 0 there, and e^100 is still a number


@dataclass(frozen=True)
class Layer:
    """Inputs of one layer: A_prev (n_prev, m), W (n, n_prev), b (n, 1), dA (n, m)."""

    A_prev: Any
    W: Any
    b: Any
    dA: Any
    activation: str

    @property
    def m(self) -> int:
        """The number of examples."""
        return int(self.A_prev.shape[1])

    @cached_property
    def values(self) -> dict[str, Any]:
        """Z and A, by the engine."""
        Z = Tensor(self.W) @ Tensor(self.A_prev) + Tensor(self.b)
        return {"Z": Z.data, "A": ACTIVATIONS[self.activation](Z).data}

    @cached_property
    def back(self) -> dict[str, Any]:
        """dZ, dA_prev, dW, db by the engine, from dA."""
        return self._back(through_activation=True)

    @cached_property
    def back_linear(self) -> dict[str, Any]:
        """The same of the linear part alone, where dA stands for dZ."""
        return self._back(through_activation=False)

    def _back(self, through_activation: bool) -> dict[str, Any]:
        A_prev, W, b = (Tensor(x, requires_grad=True) for x in (self.A_prev, self.W, self.b))
        Z = W @ A_prev + b
        A = ACTIVATIONS[self.activation](Z) if through_activation else Z
        dZ, dA_prev, dW, db = gradients(A, [Z, A_prev, W, b], gradient=self.dA)
        return {"dZ": dZ, "dA_prev": dA_prev, "dW": dW / self.m, "db": db / self.m}

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """Of the terms that each result is the sum of, made positive: they bound its rounding."""
        return self._sizes(through_activation=True)

    @cached_property
    def sizes_linear(self) -> dict[str, Any]:
        """The same of the linear part alone."""
        return self._sizes(through_activation=False)

    def _sizes(self, through_activation: bool) -> dict[str, Any]:
        Z = np.abs(self.W) @ np.abs(self.A_prev) + np.abs(self.b)
        A = self.values["A"]
        dZ = np.abs(self.dA)
        if through_activation and self.activation == "sigmoid":
            dZ = dZ * (1 + A * (1 - A) * Z)  # A and 1 − A may know their digits beside 1 only
        return {
            "Z": Z,
            "A": Z if self.activation == "relu" else 1 + A * (1 - A) * Z,
            "dZ": dZ,
            "dA_prev": np.abs(self.W).T @ dZ,
            "dW": dZ @ np.abs(self.A_prev).T / self.m,
            "db": np.sum(dZ, axis=1, keepdims=True) / self.m,
        }


@cache
def layers(activation: str) -> tuple[Layer, ...]:
    """Small whole numbers; exact zeros in Z; random ones; saturated ones."""
    return tuple(_layers(activation))


def _layers(activation: str) -> Iterator[Layer]:
    rng = np.random.default_rng(7)
    for sizes in SMALL:
        yield _whole(sizes, activation, rng, zeros=False)
    for sizes in SMALL:
        yield _whole(sizes, activation, rng, zeros=True)
    for scale in (1.0, 1e-4, 30.0):
        for n, n_prev, m in LARGER:
            A_prev = rng.normal(size=(n_prev, m))
            W, b = scale * rng.normal(size=(n, n_prev)), rng.normal(size=(n, 1))
            Z = np.max(np.abs(W @ A_prev + b))
            W, b = (x * min(1.0, SATURATED / Z) for x in (W, b))
            yield Layer(A_prev, W, b, rng.normal(size=(n, m)), activation)


def _whole(sizes: tuple[int, int, int], activation: str, rng: Any, zeros: bool) -> Layer:
    n, n_prev, m = sizes
    some = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])
    A_prev, W, dA = (rng.choice(some, size=s) for s in ((n_prev, m), (n, n_prev), (n, m)))
    b = -(W @ A_prev)[:, :1] if zeros else rng.choice(some, size=(n, 1))
    return Layer(A_prev, W, b, dA, activation)


@dataclass(frozen=True)
class Net:
    """Inputs of a network: X (n_x, m), Y (1, m) and parameters."""

    X: Any
    Y: Any
    parameters: Mapping[str, Any]

    @property
    def L(self) -> int:
        """The number of layers."""
        return len(self.parameters) // 2

    @property
    def m(self) -> int:
        """The number of examples."""
        return int(self.X.shape[1])

    @cached_property
    def values(self) -> dict[str, Any]:
        """A0, Z1, A1, ..., ZL, AL under their numbers, by the engine."""
        found, A = {"A0": self.X}, Tensor(self.X)
        for l in range(1, self.L + 1):
            Z = Tensor(self.parameters[f"W{l}"]) @ A + Tensor(self.parameters[f"b{l}"])
            A = relu(Z) if l < self.L else sigmoid(Z)
            found |= {f"Z{l}": Z.data, f"A{l}": A.data}
        return found

    @cached_property
    def grads(self) -> dict[str, Any]:
        """dZl, dAl, dWl, dbl by the engine; dAl is the gradient with respect to Al, times m."""
        true = engine_gradients(self.X, self.Y, self.parameters)
        return {k: g if k[1] in "Wb" else g * self.m for k, g in true.items()}

    @cached_property
    def cost(self) -> float:
        """The cross-entropy, by the engine."""
        _, AL = forward(self.X, self.parameters)
        return float(cross_entropy(AL, self.Y))

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """The sizes of the gradients' terms, in the scale of `grads`."""
        AL = self.values[f"A{self.L}"]
        found = term_sizes(self.Y, self.parameters, self.values, 1 / (AL * (1 - AL)))
        return {f"d{k}": s if k[0] in "Wb" else s * self.m for k, s in found.items()}


@cache
def nets() -> tuple[Net, ...]:
    """Networks of whole numbers, then random ones; no output is close to 0 or 1."""
    rng = np.random.default_rng(11)
    small = [
        _moderate(dims, m, lambda *s: rng.integers(-2, 3, size=s).astype(float))
        for dims, m in SMALL_NETS
    ]
    return (*small, *(_moderate(dims, m, lambda *s: rng.normal(size=s)) for dims, m in NETS))


def _moderate(dims: Sequence[int], m: int, draw: Any) -> Net:
    """Drawn again until every layer has something to show and the output is far from 0 and 1."""
    for _ in range(10_000):
        parameters = {}
        for l in range(1, len(dims)):
            parameters[f"W{l}"], parameters[f"b{l}"] = draw(dims[l], dims[l - 1]), draw(dims[l], 1)
        net = Net(draw(dims[0], m), (np.arange(m)[None] % 2 == 0) * 1, parameters)
        AL = net.values[f"A{net.L}"]
        alive = all(np.any(net.values[f"A{l}"]) for l in range(1, net.L))
        if alive and np.all(net.X[:, 0]) and np.min(AL * (1 - AL)) > 0.01:
            return net
    raise AssertionError(f"no moderate network of {dims}")
