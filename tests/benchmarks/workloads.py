"""The same work written for each contender: the documents' network, and chains of small ops.

A builder returns a step that takes no arguments, does the work once and returns what it computed,
so that all can be compared before they are timed.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, log, relu, sigmoid, textbook
from tinygrad_dnn.data import open_dataset

RATE = 0.0075
Builder = Callable[..., Callable[[], Any]]


def peer(name: str) -> Any:
    """A peer's module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


# --- the documents' network: forward, backward, update --------------------------------------------


def cats() -> tuple[Any, Any, str]:
    """X (12288, 209), Y (1, 209) and where they come from."""
    folder = os.environ.get("TINYGRAD_DNN_CATS")
    if folder:
        with open_dataset(Path(folder) / "train_catvnoncat.h5") as file:
            return file.columns(), file.labels(np.float64), "the cat file"
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (209, 12288)) / 255  # an example's numbers side by side
    Y = (rng.random((1, 209)) < 0.34) * 1.0
    return rows.T, Y, "random numbers of the cat file's shape (TINYGRAD_DNN_CATS is not set)"


def two_clouds() -> tuple[Any, Any]:
    """X (2, 200) and Y (1, 200): is a point farther than 1 from the origin?"""
    X = np.random.default_rng(0).normal(size=(200, 2)).T
    return X, (np.sum(X * X, axis=0, keepdims=True) > 1) * 1.0


def ours_network(X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """The expression as a user writes it, `backward`, and W −= rate · dW."""
    m = X.shape[1]
    L = len(layers) - 1
    start = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    p = {name: Tensor(value, requires_grad=True, name=name) for name, value in start.items()}

    def step() -> Any:
        A = X
        for layer in range(1, L):
            A = relu(p[f"W{layer}"] @ A + p[f"b{layer}"])
        AL = sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])
        cost = -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / m
        cost.backward()
        for t in p.values():
            t.data -= RATE * t.grad
            t.zero_grad()
        return cost.data

    return step


def hand_network(X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """The documents' functions, called as their training loop calls them."""
    parameters = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)

    def step() -> Any:
        AL, caches = textbook.L_model_forward(X, parameters)
        cost = textbook.compute_cost(AL, Y)
        grads = textbook.L_model_backward(AL, Y, caches)
        textbook.update_parameters(parameters, grads, RATE)
        return cost

    return step


def torch_network(torch: Any, X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """The same expression in PyTorch, on the same memory."""
    m = X.shape[1]
    L = len(layers) - 1
    start = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    p = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    X, Y = torch.from_numpy(X), torch.from_numpy(Y)

    def step() -> Any:
        A = X
        for layer in range(1, L):
            A = torch.relu(p[f"W{layer}"] @ A + p[f"b{layer}"])
        AL = torch.sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])
        cost = -(Y * torch.log(AL) + (1 - Y) * torch.log(1 - AL)).sum() / m
        cost.backward()
        with torch.no_grad():
            for t in p.values():
                t -= RATE * t.grad
                t.grad = None
        return cost.item()

    return step


# --- chains of 200 elementwise ops on 10 x 10 -----------------------------------------------------

SHAPE = (10, 10)


def two_tensors(_np: Any, t: Any, x: Any, y: Any) -> Any:
    """Four ops of two variables each; they bring t back to where it was."""
    t = t * x
    t = t + y
    t = t - y
    return t / x


def constants(_np: Any, t: Any, _x: Any, _y: Any) -> Any:
    """Four ops of a variable and a Python number."""
    t = t * 1.01
    t = t + 0.1
    t = t - 0.1
    return t / 1.01


def functions(np: Any, t: Any, _x: Any, _y: Any) -> Any:
    """Four functions of one variable; the numbers stay in their domains."""
    t = np.tanh(t)
    t = np.exp(t)
    t = np.sqrt(t)
    return np.log(t)


LINKS = {
    "two variables": two_tensors,
    "a variable and a number": constants,
    "functions": functions,
}


def chain(link: Any, names: Any, x: Any, y: Any, ops: int) -> Any:
    """`ops` elementwise ops, four a link, of which the last is followed by a sum."""
    t = x + y
    for _ in range(ops // 4):
        t = link(names, t, x, y)
    return t.sum()


def start() -> tuple[Any, Any]:
    """Two arrays of numbers between 0.5 and 1.5."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.5, 1.5, SHAPE), rng.uniform(0.5, 1.5, SHAPE)


def ours_chain(link: Any, ops: int) -> Callable[[], Any]:
    """The chain here: forward and backward."""
    a, b = start()

    def step() -> Any:
        x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
        chain(link, tg, x, y, ops).backward()
        return x.grad + y.grad

    return step


def torch_chain(torch: Any, link: Any, ops: int) -> Callable[[], Any]:
    """The chain in PyTorch."""
    x, y = (torch.tensor(v, requires_grad=True) for v in start())

    def step() -> Any:
        x.grad = y.grad = None
        chain(link, torch, x, y, ops).backward()
        return (x.grad + y.grad).numpy()

    return step


def autograd_chain(autograd: Any, link: Any, ops: int) -> Callable[[], Any]:
    """The chain in HIPS autograd."""
    a, b = start()
    names = import_module("autograd.numpy")
    both = autograd.grad(lambda xy: names.sum(chain(link, names, xy[0], xy[1], ops)))

    def step() -> Any:
        return sum(both((a, b)))

    return step


def mygrad_chain(mygrad: Any, link: Any, ops: int) -> Callable[[], Any]:
    """The chain in MyGrad, as it comes."""
    a, b = start()

    def step() -> Any:
        x, y = mygrad.tensor(a), mygrad.tensor(b)
        chain(link, mygrad, x, y, ops).backward()
        return x.grad + y.grad

    return step


CHAINS: dict[str, Any] = {
    "torch": torch_chain,
    "autograd": autograd_chain,
    "mygrad": mygrad_chain,
}


def chains(link: str, ops: int = 200) -> dict[str, Callable[[], Any]]:
    """The chain for us and for every peer that is installed."""
    steps = {"ours": ours_chain(LINKS[link], ops)}
    for name, build in CHAINS.items():
        if (module := peer(name)) is not None:
            steps[name] = build(module, LINKS[link], ops)
    return steps


def networks(X: Any, Y: Any, layers: Sequence[int]) -> dict[str, Callable[[], Any]]:
    """The network for us, by hand, and in PyTorch if it is installed."""
    build: dict[str, Any] = {"ours": ours_network, "hand": hand_network}
    if (torch := peer("torch")) is not None:
        build["torch"] = partial(torch_network, torch)
    return {name: make(X, Y, layers) for name, make in build.items()}


# --- long graphs ----------------------------------------------------------------------------------


def long_chain(n: int) -> Any:
    """x + 1e-9 + 1e-9 ... of n ops: forward, backward and release."""
    x = Tensor(np.ones(4), requires_grad=True)
    t = x
    for _ in range(n):
        t = t + 1e-9
    t.sum().backward()
    return x.grad


def long_sum(n: int) -> Any:
    """A sum of n terms x · 0.5, all of one variable: forward, backward and release."""
    x = Tensor(np.ones(4), requires_grad=True)
    total = x * 0.5
    for _ in range(n - 1):
        total = total + x * 0.5
    total.sum().backward()
    return x.grad / n
