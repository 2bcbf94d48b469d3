"""Labels as the costs need them: one-hot columns, smoothed ones, weights by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.graph import traced
from tinygrad_dnn.metrics import outside_classes
from tinygrad_dnn.ops.memory import in_memory

Array = NDArray[Any]


def one_hot(Y: Any, classes: int, dtype: DTypeLike = np.float64) -> Any:
    """Labels (1, m) from 0 to classes − 1 as columns (classes, m): 1 in the label's row, else 0.

    A Tensor gives a Tensor. Inside `compile` labels are not looked at when it is written: one
    outside the range is a column of NaN there, with NumPy's warning.

    Raises:
        ValueError: another shape, fewer than two classes, or labels outside their range.
    """
    if np.ndim(Y) != 2 or np.shape(Y)[0] != 1:
        raise ValueError(
            f"one_hot: expected labels (1, m), got {np.shape(Y)}; reshape them with "
            "Y.reshape(1, -1)"
        )
    if classes < 2:
        raise ValueError(f"one_hot: expected two classes or more, got {classes}")
    labels = value_of(Y) if hasattr(Y, "dtype") else np.asarray(Y)
    rows = np.arange(classes, like=labels).reshape(-1, 1)
    columns = (rows == Y).astype(dtype)
    if isinstance(Y, Tensor) and traced():
        return columns / columns.sum(axis=0, keepdims=True)  # 1, and NaN outside the range
    if in_memory(labels):
        _check_range("one_hot", np.asarray(Y.data if isinstance(Y, Tensor) else Y), classes)
    return columns


def predicted_labels(AL: Any) -> NDArray[np.int64]:
    """Labels (1, m) of probabilities AL (n_L, m): of one row 1 where it is above 0.5, else the
    first of the largest row.

    Raises:
        ValueError: another shape.
    """
    AL = AL.data if isinstance(AL, Tensor) else AL if hasattr(AL, "dtype") else np.asarray(AL)
    if AL.ndim != 2 or AL.shape[0] == 0:
        raise ValueError(f"predicted_labels: expected AL (n_L, m), got {AL.shape}")
    labels = AL > 0.5 if AL.shape[0] == 1 else AL.argmax(axis=0, keepdims=True)
    row: NDArray[np.int64] = labels.astype(np.int64)
    return row


def smoothed(Y: Any, smoothing: float, classes: int) -> Any:
    """(1 − ε) Y + ε/n: each class gets a share of ε.

    C. Szegedy et al., Rethinking the inception architecture for computer vision, 2016, section 7.
    For one output with labels 0 and 1, n is 2.

    Raises:
        ValueError: ε outside 0 ≤ ε < 1.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing: expected a share from 0 to below 1, got {smoothing}")
    return Y * (1 - smoothing) + smoothing / classes if smoothing else Y


def class_weights(Y: Array, classes: int) -> Array:
    """The weight of each class (classes,) that lets all count alike: m / (classes · its examples).

    As scikit-learn's "balanced". A class without examples has weight 0.

    Raises:
        ValueError: labels outside 0 to classes − 1, or of another shape than (1, m).
    """
    one_hot(Y, max(classes, 2))
    counts = np.bincount(np.asarray(Y).ravel().astype(np.int64), minlength=classes)
    return np.where(counts > 0, counts.sum() / (classes * np.maximum(counts, 1)), 0.0)


def example_weights(
    Y: Array, weights: Sequence[float] | Mapping[int, float] | Array | Literal["balanced"]
) -> Array:
    """The weight of each example (1, m) from the weights of its class: `weights[label]`.

    Args:
        Y: labels (1, m).
        weights: by class; "balanced" for `class_weights` of the classes in Y.

    Raises:
        ValueError: labels without a weight, negative weights, or another shape than (1, m).
    """
    Y = np.asarray(Y)
    if isinstance(weights, str):
        if weights != "balanced":
            raise ValueError(
                f"example_weights: expected a weight for each class, or 'balanced', got {weights!r}"
            )
        weights = class_weights(Y, int(Y.max(initial=0)) + 1)
    table = dict(weights) if isinstance(weights, Mapping) else dict(enumerate(weights))
    one_hot(Y, max(2, *(c + 1 for c in table)) if table else 2)
    present = np.unique(Y).tolist()
    for c in present:
        if c not in table or not table[c] >= 0:
            raise ValueError(
                f"example_weights: expected a weight of 0 or above for each label, got "
                f"{table.get(c, 'none')} for label {c}"
            )
    return np.array([[table[c] for c in row] for row in Y.tolist()], dtype=np.float64)


def _check_range(who: str, labels: Array, classes: int) -> None:
    if labels.dtype.kind in "SU":
        raise ValueError(
            f"{who}: expected integer labels from 0 to {classes - 1}, got texts such as "
            f"{labels.item(0)!r}; as labels 0, 1, ... they are np.unique(Y, return_inverse=True)[1]"
        )
    wrong = outside_classes(labels, classes)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{who}: expected integer labels from 0 to {classes - 1}, got {labels.flat[first]} for "
            f"example {first} ({np.count_nonzero(wrong)} such in all)"
        )
