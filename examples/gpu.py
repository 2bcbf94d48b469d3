"""Training on a GPU, where there is one: data go there once, results come back by name.

    python examples/gpu.py          # cuda, if CuPy finds a GPU; else it says so and takes the cpu
    python examples/gpu.py cpu

The same functions run on NumPy's arrays and on CuPy's: an op computes where its arrays lie.
"""

import sys
from typing import Any

import numpy as np

from tinygrad_dnn import Tensor, compile, tanh, value_and_grad
from tinygrad_dnn.array_modules import device_module, to_host
from tinygrad_dnn.train import Settings, train

SETTINGS = Settings((20, 16, 8, 1), optimizer="adam", learning_rate=0.01, cost="stable")


def chosen(words: list[str]) -> Any:
    """The device that was asked for; else cuda, and the cpu where that is missing."""
    if words:
        return words[0]
    try:
        device_module("cuda")
    except ValueError as error:
        print(f"on the cpu, for {error}")
        return "cpu"
    return "cuda"


def main(device: Any, iterations: int = 200) -> float:
    """The last cost of a network trained there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 500))
    Y = (X[:1] * X[1:2] > 0) * 1.0
    end = train(X, Y, SETTINGS, iterations, device=device)
    print(f"cost {end.costs[0][1]:.3f} to {end.costs[-1][1]:.3f}")
    right = np.mean((SETTINGS.predict(X, end.chosen) > 0.5) == Y)
    kind = type(end.chosen["W1"]).__name__
    print(f"right on {right:.0%} of the examples; W1 is again of type {kind}")

    xp = device_module(device)  # numpy, or cupy
    W = Tensor(xp.asarray(rng.normal(size=(3, 20))), requires_grad=True, name="W")
    x = xp.asarray(X)
    tanh(W @ x).sum().backward()
    step = compile(value_and_grad(lambda W, X: tanh(W @ X).sum()))
    _, dW = step(W.data, x)
    print(f"a program written for {type(dW).__module__}: the same gradient?",
          np.allclose(to_host(dW), to_host(W.grad)))  # fmt: skip
    return float(end.costs[-1][1])


if __name__ == "__main__":
    main(chosen(sys.argv[1:]))
