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
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import trace
from tinygrad_dnn.network import cost_of

EPS = float(np.finfo(np.float64).eps)
# How far apart right formulas come by rounding alone, in units of EPS · size. On 20,000 random
# networks of 1 to 8 layers and 1 to 500 examples hand-written and engine were at most 17 apart,
# engine and measurement 8; with 20,000 examples 46 and 34, since a sum's rounding grows.
BOUND = 64
# Complex step: Im f(x + ih)/h = f'(x) + O(h²), without a difference and so without cancellation.
STEP = 1e-50
LEAST = 1e-250  # an output closer to 0 or 1 leaves the document's formulas no digits


@dataclass(frozen=True)
class Row:
    """One gradient compared.

    Attributes:
        name: "dW1", "dZ2", "dA2", ...; "dA0" is the gradient with respect to X.
        shape: of the array.
        element: index of its largest element, where the three values are taken.
        written, engine, measured: that element's value from each side.
        apart: the largest difference between hand-written and engine, in units of EPS · size.
        apart_measured: the difference between engine and measurement at that element or along a
            random direction, the larger, in the same units.

    The size of a gradient is the largest element of its formula with every term made positive,
    all the way from the output: terms that cancel leave their rounding errors behind (Higham,
    Accuracy and Stability of Numerical Algorithms, chapter 3). Where none cancel it is the largest
    element itself.
    """

    name: str
    shape: tuple[int, ...]
    element: tuple[int, ...]
    written: float
    engine: float
    measured: float
    apart: float
    apart_measured: float

    @property
    def agrees(self) -> bool:
        """Whether nothing but rounding lies between the three."""
        return self.apart <= BOUND and self.apart_measured <= BOUND


def written_gradients(
    X: Any, Y: Any, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """True derivatives from the document's formulas, and the values A0 = X, Z1, A1, ... met."""
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
    true["dA0"] = dA / m
    return true, values


def engine_gradients(X: Any, Y: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The same derivatives by the reverse sweep, dZ and dA included."""
    leaves = {name: Tensor(p, requires_grad=True, name=name) for name, p in parameters.items()}
    A0 = Tensor(X, requires_grad=True, name="A0")
    cost = cost_of(A0, Y, leaves)
    cost.backward(keep=True)
    found = {f"d{t.name}": t.grad for t in (A0, *leaves.values())}
    for node in trace([cost.node]):
        if node.op is not None and node.name and node.name[0] in "ZA":
            found[f"d{node.name}"] = node.grad
    return found


def term_sizes(
    Y: Any, parameters: Mapping[str, Any], values: Mapping[str, Any], dAL: Any
) -> dict[str, Any]:
    """Each gradient's formula with every term made positive.

    At the output dZL = (AL − Y)/m: an AL close to 1 knows 1 − AL to EPS only, and the rounding of
    ZL = WL·A + bL moves AL by AL(1 − AL) times it.
    """
    L, m = len(parameters) // 2, Y.shape[1]
    AL, A = values[f"A{L}"], values[f"A{L - 1}"]
    ZL = np.abs(parameters[f"W{L}"]) @ np.abs(A) + np.abs(parameters[f"b{L}"])
    dZ = (AL + Y + AL * (1 - AL) * ZL) / m
    sizes = {f"A{L}": np.abs(dAL)}
    for l in range(L, 0, -1):
        sizes[f"Z{l}"] = dZ
        sizes[f"W{l}"] = dZ @ np.abs(values[f"A{l - 1}"]).T
        sizes[f"b{l}"] = np.sum(dZ, axis=1, keepdims=True)
        sizes[f"A{l - 1}"] = np.abs(parameters[f"W{l}"]).T @ dZ
        dZ = sizes[f"A{l - 1}"] * (values[f"Z{l - 1}"] > 0) if l > 1 else dZ
    return sizes


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
    """A row for every dA, dZ, dW and db of the network, last layer first, dA0 at the end.

    Args:
        X: examples (n_x, m), float64.
        Y: labels (1, m), 0 or 1.
        parameters: W1 (n_1, n_x), b1 (n_1, 1), ... as float64.
        seed: of the random directions.

    Raises:
        ValueError: shapes that do not fit, or an output so close to 0 or 1 that the document's
            formulas, which divide by AL and 1 − AL, mean nothing.
    """
    with np.errstate(all="ignore"):  # e^−Z may overflow; what comes of it is refused here
        AL, _ = textbook.L_model_forward(X, dict(parameters))
    saturated = AL * (1 - AL) < LEAST
    if saturated.any():
        raise ValueError(
            f"the network's output for example {np.argmax(saturated)} is {AL[saturated][0]:g}: the "
            "document's formulas divide by AL and 1 − AL; compare with smaller weights or examples"
        )
    rng = np.random.default_rng(seed)
    L = len(parameters) // 2
    written, values = written_gradients(X, Y, parameters)
    engine = engine_gradients(X, Y, parameters)
    sizes = term_sizes(Y, parameters, values, written[f"dA{L}"])
    names = [f"{kind}{l}" for l in range(L, 0, -1) for kind in ("A", "Z", "W", "b")]
    rows = []
    for name in (*names, "A0"):
        x = parameters[name] if name in parameters else values[name]
        g, e, size = written[f"d{name}"], engine[f"d{name}"], sizes[name]
        # A step along AL must be small beside AL and 1 − AL.
        unit = AL * (1 - AL) if name == f"A{L}" else np.ones(x.shape)

        def measured(way: Any, name: str = name, x: Any = x) -> float:
            return float(_cost_from(name, x + 1j * STEP * way, values, Y, parameters).imag / STEP)

        at = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(g)), g.shape))
        there = np.zeros(x.shape)
        there[at] = unit[at]
        here = measured(there) / float(unit[at])
        way = unit * rng.choice([-1.0, 1.0], size=x.shape)
        off_here = _in_eps(abs(float(e[at]) - here), np.max(size))
        off_along = _in_eps(abs(float(np.sum(e * way)) - measured(way)), np.sum(size * unit))
        rows.append(
            Row(
                f"d{name}",
                g.shape,
                at,
                float(g[at]),
                float(e[at]),
                here,
                _in_eps(np.max(np.abs(g - e)), np.max(size)),
                max(off_here, off_along),
            )
        )
    return rows


def _in_eps(difference: Any, size: Any) -> float:
    if difference == 0:
        return 0.0
    return float(difference / (size * EPS)) if size else float("inf")
