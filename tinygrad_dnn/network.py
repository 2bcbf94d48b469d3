"""The L-layer network [LINEAR -> RELU] x (L-1) -> LINEAR -> SIGMOID, written as an expression.

Shapes: X (n_x, m) holds examples in columns, Wl (n_l, n_{l-1}), bl (n_l, 1), Zl and Al (n_l, m),
Y (1, m) of zeros and ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn import textbook
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import scope
from tinygrad_dnn.ops import log, relu, sigmoid, softplus

Array = NDArray[Any]

INITIALISERS = {
    "sqrt": "normal / √n_{l-1}, the one behind the document's printed result",
    "he": "normal · √(2 / n_{l-1}), which keeps the variance through a relu (He et al. 2015)",
    "0.01": "normal · 0.01, the document's listing; deep networks do not learn from it",
}


def check_layers(layer_dims: Sequence[int]) -> tuple[int, ...]:
    """Layer sizes (n_x, n_1, ..., n_L) of a network that answers with one probability.

    Raises:
        ValueError: fewer than two sizes, one below 1 or not an integer, or a last one other than 1.
    """
    sizes = tuple(layer_dims)
    if len(sizes) < 2:
        raise ValueError(f"layers: expected n_x, ..., 1, at least two sizes, got {sizes}")
    for l, n in enumerate(sizes):
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"layers: expected positive integers, got {n!r} for layer {l}")
    if sizes[-1] != 1:
        raise ValueError(
            f"layers: expected 1 unit in the last layer (one probability), got {sizes[-1]}"
        )
    return tuple(int(n) for n in sizes)


def initialize_parameters(
    layer_dims: Sequence[int], init: str = "sqrt", seed: int = 1, dtype: DTypeLike = np.float64
) -> dict[str, Array]:
    """Weights from a seeded normal stream, biases 0: {"W1": (n_1, n_x), "b1": (n_1, 1), ...}.

    `init` names a row of INITIALISERS. All draw from the stream of the document's `np.random.seed`,
    so that its numbers come out.

    Raises:
        ValueError: unusable layer sizes, an unknown `init`, a seed that is not below 2**32, or a
            `dtype` that is not a float's.
    """
    sizes = check_layers(layer_dims)
    if init not in INITIALISERS:
        raise ValueError(f"init: expected one of {', '.join(INITIALISERS)}, got {init!r}")
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype: expected a float type, got {np.dtype(dtype)}")
    scale: Any = 0.01 if init == "0.01" else "sqrt"
    parameters = textbook.initialize_parameters_deep(sizes, scale, seed)
    if init == "he":
        for l in range(1, len(sizes)):
            parameters[f"W{l}"] *= np.sqrt(2.0)
    return {name: p.astype(dtype) for name, p in parameters.items()}


def forward(X: Any, parameters: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Forward propagation: (ZL, AL), each (1, m); AL is the probability that the label is 1.

    Every intermediate result bears the document's name and lies in the scope "layer l".

    Args:
        X: examples (n_x, m).
        parameters: Wl (n_l, n_{l-1}) and bl (n_l, 1) for l = 1 ... L; arrays or Tensors.

    Raises:
        ValueError: a parameter is missing or one too many, or shapes do not fit; by name.
    """
    A = X if isinstance(X, Tensor) else Tensor(X, name="X")
    L = _check_shapes(A.shape, parameters)
    for l in range(1, L + 1):
        with scope(f"layer {l}"):
            Z = parameters[f"W{l}"] @ A + parameters[f"b{l}"]
            A = relu(Z) if l < L else sigmoid(Z)
        Z.name, A.name = f"Z{l}", f"A{l}"
    return Z, A


def _check_shapes(x_shape: tuple[int, ...], parameters: Mapping[str, Any]) -> int:
    """The number of layers L. A b of shape (n,) or an X of (n_x,) could broadcast in silence."""
    L = max(1, len(parameters) // 2)
    wanted = [f"{kind}{l}" for l in range(1, L + 1) for kind in "Wb"]
    if sorted(parameters) != sorted(wanted):
        raise ValueError(f"forward: expected parameters {', '.join(wanted)}, got {[*parameters]}")
    if len(x_shape) != 2:
        raise ValueError(f"forward: expected X (n_x, m), examples in columns, got {x_shape}")
    n_prev = x_shape[0]
    for l in range(1, L + 1):
        W, b = parameters[f"W{l}"].shape, parameters[f"b{l}"].shape
        if len(W) != 2 or W[1] != n_prev or b != (W[0], 1):
            below = f"X {x_shape}" if l == 1 else f"W{l - 1}"
            raise ValueError(
                f"forward: expected W{l} (n, {n_prev}) and b{l} (n, 1) after {below}, "
                f"got {W} and {b}"
            )
        n_prev = W[0]
    return L


def cross_entropy(AL: Tensor, Y: Any) -> Tensor:
    """The document's cost −1/m Σ [Y log AL + (1 − Y) log(1 − AL)], 0-d; AL and Y are (1, m).

    It is what is written: once AL reaches exactly 0 or 1 it is ∞ or NaN. See `logistic_cost`.

    Raises:
        ValueError: other shapes; (m,) against (1, m) would broadcast to (m, m) in silence.
    """
    m = _examples("cross_entropy", "AL", AL, Y)
    cost: Tensor = -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / m
    cost.name = "cost"
    return cost


def logistic_cost(ZL: Tensor, Y: Any) -> Tensor:
    """The same cost from the pre-activations ZL (1, m), finite for every finite ZL.

    With AL = σ(ZL):  −log AL = softplus(−ZL) = softplus(ZL) − ZL  and  −log(1 − AL) = softplus(ZL),
    so the cost is 1/m Σ [softplus(ZL) − Y ZL].

    Raises:
        ValueError: other shapes than (1, m).
    """
    m = _examples("logistic_cost", "ZL", ZL, Y)
    cost: Tensor = (softplus(ZL) - Y * ZL).sum() / m
    cost.name = "cost"
    return cost


def _examples(who: str, name: str, predicted: Tensor, Y: Any) -> int:
    shape = np.shape(Y) if not isinstance(Y, Tensor) else Y.shape
    if predicted.shape != shape or len(shape) != 2 or shape[0] != 1:
        raise ValueError(
            f"{who}: expected {name} and Y of one shape (1, m), got {predicted.shape} and {shape}; "
            "reshape the labels with Y.reshape(1, -1)"
        )
    if shape[1] == 0:
        raise ValueError(f"{who}: expected at least one example, got none")
    return int(shape[1])


COSTS = ("document", "stable")


def cost_of(X: Any, Y: Any, parameters: Mapping[str, Any], cost: str = "document") -> Tensor:
    """The network's cost on examples X with labels Y: the expression that training differentiates.

    Args:
        cost: "document" for `cross_entropy` of AL, "stable" for `logistic_cost` of ZL.
    """
    if cost not in COSTS:
        raise ValueError(f"cost: expected one of {', '.join(COSTS)}, got {cost!r}")
    ZL, AL = forward(X, parameters)
    return cross_entropy(AL, Y) if cost == "document" else logistic_cost(ZL, Y)
