"""The costs: from the last pre-activations ZL and the labels to one number, the mean over examples.

Each is finite for every finite ZL but `cross_entropy`, which is what the document writes. With its
own head the gradient is (AL − Y)/m for logistic, softmax and squared costs alike.

All take weights of examples (1, m): then the mean is Σ w_i cost_i / Σ w_i.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.graph import traced
from tinygrad_dnn.network.labels import one_hot, smoothed
from tinygrad_dnn.ops import absolute, log, log_softmax, softplus, square
from tinygrad_dnn.ops.memory import in_memory


def cross_entropy(AL: Tensor, Y: Any, weights: Any = None, smoothing: float = 0.0) -> Tensor:
    """The document's cost −1/m Σ [Y log AL + (1 − Y) log(1 − AL)], 0-d; AL and Y are (1, m).

    It is what is written: once AL reaches exactly 0 or 1 it is ∞ or NaN. See `logistic_cost`.

    Raises:
        ValueError: other shapes; (m,) against (1, m) would broadcast to (m, m) in silence. Labels
            that are no numbers from 0 to 1.
    """
    Y = _binary("cross_entropy", "AL", AL, Y)
    Y = smoothed(Y, smoothing, classes=2)
    each = Y * log(AL) + (1 - Y) * log(1 - AL)
    return _mean("cross_entropy", each, weights, negative=True)


def logistic_cost(ZL: Tensor, Y: Any, weights: Any = None, smoothing: float = 0.0) -> Tensor:
    """The same cost from the pre-activations ZL (1, m), finite for every finite ZL.

    With AL = σ(ZL):  −log AL = softplus(−ZL) = softplus(ZL) − ZL  and  −log(1 − AL) = softplus(ZL),
    so the cost is 1/m Σ [softplus(ZL) − Y ZL].

    Raises:
        ValueError: other shapes than (1, m), labels that are no numbers from 0 to 1.
    """
    Y = _binary("logistic_cost", "ZL", ZL, Y)
    Y = smoothed(Y, smoothing, classes=2)
    return _mean("logistic_cost", softplus(ZL) - Y * ZL, weights)


def softmax_cost(ZL: Tensor, Y: Any, weights: Any = None, smoothing: float = 0.0) -> Tensor:
    """The cross-entropy −1/m Σ Y log softmax(ZL) of classes that exclude each other, 0-d.

    Args:
        ZL: (n_L, m), a row for each class.
        Y: labels (1, m) from 0 to n_L − 1, or one-hot columns (n_L, m), or probabilities in them.

    Raises:
        ValueError: other shapes, a single class, or labels outside their range.
    """
    n, _ = _columns("softmax_cost", "ZL", ZL)
    if n < 2:
        raise ValueError(
            f"softmax_cost: expected ZL of two rows or more, got {ZL.shape}; for two classes in "
            "one row there is logistic_cost"
        )
    if np.shape(Y) == (1, ZL.shape[1]):
        Y = one_hot(Y, n, ZL.dtype)
    elif np.shape(Y) != ZL.shape:
        raise ValueError(
            f"softmax_cost: expected Y of labels (1, {ZL.shape[1]}) or one-hot {ZL.shape}, got "
            f"{np.shape(Y)}; a row of labels is Y.reshape(1, -1)"
        )
    Y = smoothed(Y, smoothing, classes=n)
    return _mean("softmax_cost", Y * log_softmax(ZL, axis=0), weights, negative=True)


def squared_cost(ZL: Tensor, Y: Any, weights: Any = None) -> Tensor:
    """1/m Σ ½ (ZL − Y)², summed over the outputs; ZL and Y (n_L, m), 0-d.

    Raises:
        ValueError: shapes that differ; (m,) against (1, m) would broadcast in silence.
    """
    _one_shape("squared_cost", ZL, Y)
    return _mean("squared_cost", 0.5 * square(ZL - Y), weights)


def absolute_cost(ZL: Tensor, Y: Any, weights: Any = None) -> Tensor:
    """1/m Σ |ZL − Y|, summed over the outputs; its slope where they are equal is 0.

    Raises:
        ValueError: shapes that differ.
    """
    _one_shape("absolute_cost", ZL, Y)
    return _mean("absolute_cost", absolute(ZL - Y), weights)


def huber_cost(ZL: Tensor, Y: Any, weights: Any = None, delta: float = 1.0) -> Tensor:
    """1/m Σ h(ZL − Y) with h(e) = ½ e² up to |e| = δ and δ (|e| − ½ δ) beyond.

    As c (e − ½ c) with c the error e clipped to [−δ, δ], whose slope is c.
    P. J. Huber, Robust estimation of a location parameter, 1964.

    Raises:
        ValueError: shapes that differ, δ not above 0.
    """
    _one_shape("huber_cost", ZL, Y)
    if not delta > 0:
        raise ValueError(f"huber_cost: expected delta above 0, got {delta}")
    e = ZL - Y
    c = np.clip(e, -delta, delta)
    return _mean("huber_cost", c * (e - 0.5 * c), weights)


def l2_penalty(parameters: Mapping[str, Any], l2: float, m: int) -> Tensor:
    """λ/2m Σ W² over the weights Wl, 0-d; biases are free.

    Raises:
        ValueError: λ is below 0 or not finite; there are no weights.
    """
    if not 0 <= l2 < float("inf"):
        raise ValueError(f"l2: expected a finite number of 0 or above, got {l2}")
    weights = [
        W if isinstance(W, Tensor) else Tensor(W, name=name)
        for name, W in parameters.items()
        if name.startswith("W")
    ]
    if not weights:
        got = ", ".join(parameters) or "none"
        raise ValueError(f"l2_penalty: expected weights W1, ... among the parameters, got {got}")
    squares = [square(W).sum() for W in weights]
    total: Tensor = l2 * sum(squares[1:], start=squares[0]) / (2 * m)
    total.name = "L2"
    return total


def _mean(who: str, each: Tensor, weights: Any, negative: bool = False) -> Tensor:
    """Σ each / m, or −Σ each / m; with weights Σ w each / Σ w. It bears the name "cost"."""
    m = each.shape[1]
    if weights is not None:
        weights = _fitting_weights(who, weights, m, each.dtype)
        each = weights * each
    total = -each.sum() if negative else each.sum()
    cost: Tensor = total / (m if weights is None else weights.sum())
    cost.name = "cost"
    return cost


def _fitting_weights(who: str, weights: Any, m: int, dtype: Any) -> Any:
    if np.shape(weights) != (1, m):
        raise ValueError(
            f"{who}: expected weights (1, {m}), one for each example, got {np.shape(weights)}"
        )
    if isinstance(weights, Tensor):
        return weights
    weights = weights.astype(dtype) if hasattr(weights, "dtype") else np.asarray(weights, dtype)
    if in_memory(weights) and not ((weights >= 0).all() and weights.any()):
        raise ValueError(
            f"{who}: expected weights of 0 or above, some above 0, got {weights.min()} to "
            f"{weights.max()}"
        )
    return Tensor(weights, name="weights")


def _binary(who: str, name: str, predicted: Tensor, Y: Any) -> Any:
    """Y (1, m), labels 0 and 1 or probabilities; inside `compile` it is not looked at."""
    _one_row(who, name, predicted, Y)
    Y = Y if hasattr(Y, "dtype") else np.asarray(Y)
    labels = value_of(Y)
    if not (isinstance(Y, Tensor) and traced()) and in_memory(labels):
        if labels.dtype.kind not in "biuf":
            raise ValueError(f"{who}: expected labels 0 and 1, got {labels.dtype} values")
        wrong = ~((labels >= 0) & (labels <= 1))  # so that NaN is wrong too
        if wrong.any():
            raise ValueError(
                f"{who}: expected labels 0 and 1, got {labels[wrong][0]} for example "
                f"{int(np.argmax(wrong))} ({np.count_nonzero(wrong)} such in all)"
            )
    return Y


def _one_row(who: str, name: str, predicted: Tensor, Y: Any) -> None:
    if predicted.shape != np.shape(Y) or len(np.shape(Y)) != 2 or predicted.shape[0] != 1:
        raise ValueError(
            f"{who}: expected {name} and Y of one shape (1, m), got {predicted.shape} and "
            f"{np.shape(Y)}; reshape the labels with Y.reshape(1, -1)"
        )
    _columns(who, name, predicted)


def _one_shape(who: str, ZL: Tensor, Y: Any) -> None:
    if ZL.shape != np.shape(Y):
        raise ValueError(
            f"{who}: expected ZL and Y of one shape (n_L, m), got {ZL.shape} and {np.shape(Y)}; "
            "one output in a row is Y.reshape(1, -1)"
        )
    _columns(who, "ZL", ZL)


def _columns(who: str, name: str, predicted: Tensor) -> tuple[int, int]:
    if len(predicted.shape) != 2:
        raise ValueError(f"{who}: expected {name} (n_L, m), got {predicted.shape}")
    n, m = predicted.shape
    if m == 0:
        raise ValueError(f"{who}: expected at least one example, got none")
    return n, m
