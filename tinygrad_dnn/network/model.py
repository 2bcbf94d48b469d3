"""The network itself: forward propagation with a head, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import scope
from tinygrad_dnn.network.activations import ACTIVATIONS
from tinygrad_dnn.network.costs import (
    absolute_cost,
    cross_entropy,
    huber_cost,
    l2_penalty,
    logistic_cost,
    softmax_cost,
    squared_cost,
)
from tinygrad_dnn.network.heads import check_head


class Cost(NamedTuple):
    """A cost by name.

    Attributes:
        head: of the network that it belongs to.
        of: the function of ZL (of AL for the document's), Y and weights.
        smooths: whether it takes `smoothing`.
    """

    head: str
    of: Callable[..., Tensor]
    smooths: bool


COSTS = {
    "document": Cost("sigmoid", cross_entropy, True),
    "stable": Cost("sigmoid", logistic_cost, True),
    "softmax": Cost("softmax", softmax_cost, True),
    "squared": Cost("linear", squared_cost, False),
    "absolute": Cost("linear", absolute_cost, False),
    "huber": Cost("linear", huber_cost, False),
}
BINARY_COSTS = tuple(name for name, cost in COSTS.items() if cost.head == "sigmoid")


def forward(
    X: Any,
    parameters: Mapping[str, Any],
    *,
    activation: str = "relu",
    head: str = "sigmoid",
    masks: Mapping[str, Any] | None = None,
) -> tuple[Tensor, Tensor]:
    """Forward propagation: (ZL, AL), each (n_L, m); AL is what the head makes of ZL.

    By default that is the document's probability that the label is 1. Every intermediate result
    bears the document's name and lies in the scope "layer l".

    Args:
        X: examples (n_x, m).
        parameters: Wl (n_l, n_{l-1}) and bl (n_l, 1) for l = 1 ... L; arrays or Tensors.
        activation: of the hidden layers, a row of ACTIVATIONS.
        head: a row of HEADS.
        masks: dropout while training, Dl (n_l, m) for l = 1 ... L − 1, see `dropout_masks`.

    Raises:
        ValueError: a parameter or mask is missing or one too many, or shapes do not fit; by name.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}"
        )
    last = check_head(head).of
    A = X if isinstance(X, Tensor) else Tensor(X, name="X")
    L = _check_shapes(A.shape, parameters)
    _check_masks(masks, parameters, A.shape[1])
    for l in range(1, L + 1):
        with scope(f"layer {l}"):
            Z = parameters[f"W{l}"] @ A + parameters[f"b{l}"]
            Z.name = f"Z{l}"
            if l < L:
                A = ACTIVATIONS[activation](Z)
                A = A if masks is None else A * _named(masks[f"D{l}"], f"D{l}")
            else:
                A = Z if last is None else last(Z)
        if A is not Z:
            A.name = f"A{l}"
    return Z, A


def _named(mask: Any, name: str) -> Tensor:
    return mask if isinstance(mask, Tensor) else Tensor(mask, name=name)


def _check_masks(masks: Mapping[str, Any] | None, parameters: Mapping[str, Any], m: int) -> None:
    """A mask of (n, 1) or (m,) would broadcast in silence."""
    if masks is None:
        return
    wanted = {f"D{l}": parameters[f"W{l}"].shape[0] for l in range(1, len(parameters) // 2)}
    if sorted(masks) != sorted(wanted):
        raise ValueError(
            f"forward: expected masks {', '.join(wanted) or 'none'}, one for each hidden layer, "
            f"got {[*masks]}"
        )
    for name, n in wanted.items():
        if masks[name].shape != (n, m):
            raise ValueError(f"forward: expected {name} ({n}, {m}), got {masks[name].shape}")


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


def cost_of(
    X: Any,
    Y: Any,
    parameters: Mapping[str, Any],
    cost: str = "document",
    *,
    activation: str = "relu",
    l2: float = 0.0,
    masks: Mapping[str, Any] | None = None,
    weights: Any = None,
    smoothing: float = 0.0,
    m: int | None = None,
) -> Tensor:
    """The network's cost on examples X with labels Y: the expression that training differentiates.

    Args:
        cost: a row of COSTS, which also says the head: "document" is `cross_entropy` of AL,
            "stable" `logistic_cost` of ZL, "softmax" for many classes, "squared", "absolute" and
            "huber" for numbers.
        activation, masks: of `forward`.
        l2: λ of `l2_penalty`, which is added.
        weights: of the examples, (1, m).
        smoothing: ε of the labels, see `labels.smoothed`.
        m: what the penalty is divided by; the examples of X by default. In mini-batches give the
            number of all training examples: then every batch size has the same minimum.
    """
    if cost not in COSTS:
        raise ValueError(f"cost: expected one of {', '.join(COSTS)}, got {cost!r}")
    head, of, smooths = COSTS[cost]
    if smoothing and not smooths:
        raise ValueError(
            f"smoothing: expected 0 with the cost {cost!r} of numbers, got {smoothing}"
        )
    ZL, AL = forward(X, parameters, activation=activation, head=head, masks=masks)
    rest: dict[str, Any] = {"smoothing": smoothing} if smooths else {}
    value = of(AL if of is cross_entropy else ZL, Y, weights, **rest)
    if l2:
        value.name = "cross_entropy" if smooths else "error"
        value = value + l2_penalty(parameters, l2, ZL.shape[1] if m is None else m)
    value.name = "cost"
    return value
