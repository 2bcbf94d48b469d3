"""The graphs whose pages the tests open."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from drawings import WEIRD, named, parameter

from tinygrad_dnn import Tensor, exp, log, relu, scope, tanh
from tinygrad_dnn.network import cost_of, initialize_parameters


def network(*sizes: int, examples: int = 4) -> Tensor:
    """The cost of a network on random examples; a scope for each layer."""
    rng = np.random.default_rng(1)
    X = Tensor(rng.normal(size=(sizes[0], examples)), name="X")
    Y = Tensor((rng.random((1, examples)) > 0.5) * 1.0, name="Y")
    start = initialize_parameters(sizes)
    return cost_of(X, Y, {k: Tensor(p, requires_grad=True, name=k) for k, p in start.items()})


def two_layers() -> Tensor:
    return network(3, 4, 1)


def four_layers() -> Tensor:
    """Values shown as heat maps: 12 by 25 numbers."""
    return network(12, 20, 7, 5, 1, examples=25)


def documents() -> Tensor:
    """The documents' network; most of its arrays are shown as statistics."""
    return network(12288, 20, 7, 5, 1, examples=209)


def thrice() -> Tensor:
    """x is used three times: dx = x + x + 1."""
    x = Tensor(3.0, requires_grad=True, name="x")
    return named(x * x + x, "y")


def shared() -> Tensor:
    """One parameter in two places."""
    W, x = Tensor(np.array([[0.5, -1.5], [2.0, 0.25]]), True, "W"), Tensor([[1.0], [3.0]], name="x")
    h = named(relu(W @ x), "h")
    return named((W @ h).sum(), "y")


def terms() -> Tensor:
    """x is used three times in what has no names, so that its gradient is a long sum."""
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    return named((x * x + tanh(x)).sum(), "y")


def vectors() -> Tensor:
    u = Tensor(np.linspace(-1, 1, 7), requires_grad=True, name="u")
    v = Tensor(np.arange(7), name="v")  # of integers
    return named((u * v).sum() / 3.0, "y")


def float32() -> Tensor:
    a = Tensor(np.array([[0.1, 0.2, 0.3]], np.float32), requires_grad=True, name="a")
    return named((a * a / 3.0).sum(), "y")


def not_finite() -> Tensor:
    """NaN, both infinities, both zeros; log(0) begins a problem."""
    x = Tensor(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.5]), True, "x")
    w = Tensor(np.array([1.0, 0.0, 2.0]), requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        return named((x * -0.0).sum() + named(log(w), "L").sum(), "y")


def empty() -> Tensor:
    e = Tensor(np.zeros((0, 3)), requires_grad=True, name="e")
    return named((e * 2.0).sum(), "y")


def scalars() -> Tensor:
    """Very large and very small numbers."""
    a, b = Tensor(1e300 / 3, True, "a"), Tensor(-5e-324, True, "b")
    return named(a * 0.1 + exp(b) * 1e-7 + b, "y")


def cube() -> Tensor:
    """Arrays of three axes."""
    t = Tensor(np.arange(24.0).reshape(2, 3, 4) / 7, requires_grad=True, name="t")
    return named((t * t).sum(), "y")


def nested() -> Tensor:
    """Scopes in scopes: outer holds first and second."""
    h = Tensor(np.array([1.0, -2.0]), requires_grad=True, name="x")
    with scope("outer"):
        with scope("first"):
            h = named(relu(h * 2.0), "h1")
        with scope("second"):
            h = named(relu(h + 1.0), "h2")
    return named(h.sum(), "y")


def deep() -> Tensor:
    """Scopes in scopes, 50 of them; in every tenth an op."""
    y = Tensor(np.ones(2), requires_grad=True, name="x")
    with ExitStack() as inside:
        for k in range(50):
            inside.enter_context(scope(f"level {k}"))
            y = named(tanh(y), f"y{k}") if k % 10 == 9 else y
    return named(y.sum(), "y")


def weird() -> Tensor:
    """Names that are hard to show, of leaves, ops and scopes."""
    total = Tensor(0.0, name="0")
    script = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    for k, name in enumerate([*WEIRD, script, "</script><script>window.hacked=1</script>"]):
        with scope(name.strip() or f"blank {k}"):
            total = named(total + parameter(name=name) * 2.0, name[::-1])
    return total


def long_chain() -> Tensor:
    """400 named ops in a row, which fold to one box that no picture unfolds."""
    y = Tensor(np.ones(3), requires_grad=True, name="x")
    for k in range(400):
        y = named(y * 1.01, f"y{k + 1}")
    return y


def chain() -> Tensor:
    """10,000 ops in a row."""
    y = parameter(name="x")
    for _ in range(10_000):
        y = y * 1.0001
    return named(y, "y")
