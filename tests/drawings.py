"""Small graphs that the tests of the pictures draw, and names that are hard to draw."""

from __future__ import annotations

import numpy as np

from tinygrad_dnn import Tensor, relu, scope, sigmoid

WEIRD = [
    "<script>alert(1)</script>", 'q"uo"te', "back\\slash", "\\N \\G", "ends in \\", "\\",
    "new\nline", "tab\t", "größe", "層", "&amp;", "]; x [label=1", "a'b", "<b>x</b>", "<x>",
    "\x00\x07", "\ud800", "\u202ertl", "{rank=same}", "n0", "node", "%s", "  ", "x" * 500,
]  # fmt: skip


def named(t: Tensor, name: str) -> Tensor:
    t.name = name
    return t


def parameter(*shape: int, name: str | None = None) -> Tensor:
    return Tensor(np.full(shape, 0.5), requires_grad=True, name=name)


def neuron() -> Tensor:
    w, b = parameter(1, 3, name="w"), parameter(1, 1, name="b")
    x = Tensor(np.arange(3.0).reshape(3, 1), name="x")
    return named(sigmoid(named(w @ x + b, "z")), "a")


def two_layers() -> Tensor:
    A = Tensor(np.ones((3, 5)), name="X")
    Y = Tensor(np.ones((1, 5)), name="Y")
    for layer, (n, p) in enumerate(((4, 3), (1, 4)), start=1):
        W, b = parameter(n, p, name=f"W{layer}"), parameter(n, 1, name=f"b{layer}")
        with scope(f"layer {layer}"):
            Z = named(W @ A + b, f"Z{layer}")
            A = named(relu(Z) if layer == 1 else sigmoid(Z), f"A{layer}")
    with scope("cost"):
        return named(((A - Y) * (A - Y)).sum() / 5, "cost")


def shared() -> Tensor:
    W, x = parameter(3, 3, name="W"), Tensor(np.ones((3, 1)), name="x")
    with scope("first"):
        h1 = named(relu(W @ x), "h1")
    with scope("second"):
        return named(relu(W @ h1 + np.ones((3, 1))), "h2")


def after_backward(t: Tensor) -> Tensor:
    t.backward()
    return t
