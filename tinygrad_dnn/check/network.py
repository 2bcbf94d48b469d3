"""Every gradient of an L-layer network three ways: hand-written, by the engine, and measured.

The hand-written side is the document's `L_model_backward`, whose dA and dZ carry no 1/m and whose
`grads["dA" + str(l)]` is the gradient with respect to A of layer l-1; both are undone here, so that
all three columns are true derivatives of the cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_dnn import textbook
from tinygrad_dnn.graph import trace
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.tensor import Tensor

EPS = float(np.finfo(np.float64).eps)
# Complex step: Im f(x + ih)/h = f'(x) + O(h²), without a difference and so without cancellation.
STEP = 1e-150


@dataclass(frozen=True)
class Row:
    """One gradient compared.

    Attributes:
        name: "dW1", "dZ2", "dA2", ...
        shape: of the array.
        element: index of its largest element, where the three values are taken.
        written, engine, measured: that element's value from each side.
        apart: largest difference between hand-written and engine over the largest element, in
            units of the machine precision 2.2e-16.
        apart_measured: relative difference between engine and measurement along a random direction.
    """

    name: str
    shape: tuple[int, ...]
    element: tuple[int, ...]
    written: float
    engine: float
    measured: float
    apart: float
    apart_measured: float


def written_gradients(
    X: Any, Y: Any, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """True derivatives from the document's formulas, and the values A0, Z1, A1, ... met."""
    AL, caches = textbook.L_model_forward(X, dict(parameters))
    m, L = X.shape[1], len(caches)
    grads = textbook.L_model_backward(AL, Y, caches)
    values = {f"A{L}": AL}
    true = {name: g for name, g in grads.items() if name[:2] in ("dW", "db")}
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    for l in range(L, 0, -1):
        (A_prev, _, _), Z = caches[l - 1]
        backward = textbook.sigmoid_backward if l == L else textbook.relu_backward
        true[f"dA{l}"] = dA / m
        true[f"dZ{l}"] = backward(dA, Z) / m
        values[f"Z{l}"], values[f"A{l - 1}"] = Z, A_prev
        dA = grads[f"dA{l}"]  # the document's name for the gradient with respect to A of layer l-1
    return true, values


def engine_gradients(X: Any, Y: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The same derivatives by the reverse sweep, dZ and dA included."""
    leaves = {name: Tensor(p, requires_grad=True, name=name) for name, p in parameters.items()}
    cost = cost_of(X, Y, leaves)
    cost.backward(keep=True)
    found = {f"d{name}": t.grad for name, t in leaves.items()}
    for node in trace([cost.node]):
        if node.op is not None and node.name and node.name[0] in "ZA":
            found[f"d{node.name}"] = node.grad
    return found


def _cost_from(
    name: str, value: Any, values: Mapping[str, Any], Y: Any, parameters: Mapping[str, Any]
) -> Any:
    """The cost of the plain NumPy network with one of its values, `name`, replaced."""
    L, m = len(parameters) // 2, Y.shape[1]
    if name == f"A{L}":
        return -np.sum(Y * np.log(value) + (1 - Y) * np.log(1 - value)) / m
    p = {**parameters, name: value}
    layer = int(name[1:])
    A = value if name[0] == "A" else values[f"A{layer - 1}"]
    for l in range(layer + (name[0] == "A"), L + 1):
        Z = value if name == f"Z{l}" else np.dot(p[f"W{l}"], A) + p[f"b{l}"]
        A = np.where(Z.real > 0, Z, 0)  # a complex number is positive where its real part is
    # The same cost from ZL, where a saturated σ loses no digits: softplus(Z) − Y Z.
    positive = Z.real > 0
    softplus = np.where(positive, Z, 0) + np.log1p(np.exp(np.where(positive, -Z, Z)))
    return np.sum(softplus - Y * Z) / m


def compare_network(X: Any, Y: Any, parameters: Mapping[str, Any], seed: int = 0) -> list[Row]:
    """A row for every dW, db, dZ and dA of the network, last layer first.

    Args:
        X: examples (n_x, m).
        Y: labels (1, m), 0 or 1.
        parameters: W1 (n_1, n_x), b1 (n_1, 1), ... as float64.
    """
    rng = np.random.default_rng(seed)
    written, values = written_gradients(X, Y, parameters)
    engine = engine_gradients(X, Y, parameters)
    rows = []
    for l in range(len(parameters) // 2, 0, -1):
        for name in (f"A{l}", f"Z{l}", f"W{l}", f"b{l}"):
            x = parameters[name] if name in parameters else values[name]
            g, e = written[f"d{name}"], engine[f"d{name}"]

            def along(direction: Any, name: str = name, x: Any = x) -> float:
                bent = _cost_from(name, x + 1j * STEP * direction, values, Y, parameters)
                return float(bent.imag / STEP)

            at = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(g)), g.shape))
            unit = np.zeros_like(x)
            unit[at] = 1
            direction = rng.choice([-1.0, 1.0], size=x.shape)
            size = float(np.max(np.abs(g)))
            slope = float(np.sum(e * direction))
            spread = float(np.sum(np.abs(e)))
            apart = float(np.max(np.abs(g - e))) / (size * EPS) if size else 0.0
            off = abs(slope - along(direction)) / spread if spread else 0.0
            three = float(g[at]), float(e[at]), along(unit)
            rows.append(Row(f"d{name}", g.shape, at, *three, apart, off))
    return rows
