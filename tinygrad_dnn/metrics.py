"""How good predictions are: counts of right and wrong answers, and what follows from them.

Labels and predictions are rows (1, m) of integers from 0 on, as everywhere here. Each metric is a
line or two on the confusion matrix, so they are here; scikit-learn's, which the tests compare them
with, take a second to import. Where a quotient has nothing below the line it is 0, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import as_numpy

Array = NDArray[Any]


def confusion_matrix(Y: Array, predicted: Array, classes: int | None = None) -> NDArray[np.int64]:
    """Counts (classes, classes): how many examples of class i (row) were called j (column).

    Args:
        Y, predicted: labels (1, m).
        classes: how many there are; by default one more than the largest label.

    Raises:
        ValueError: other shapes than (1, m), no examples, or labels outside the classes.
    """
    Y, predicted = _rows("confusion_matrix", Y, predicted)
    both = np.concatenate([Y, predicted])
    n = int(both.max()) + 1 if classes is None else classes
    wrong = outside_classes(both, n)
    if wrong.any():
        raise ValueError(
            f"confusion_matrix: expected integer labels from 0 to {n - 1}, got {both[wrong][0]}"
        )
    places = Y.astype(np.int64) * n + predicted.astype(np.int64)
    return np.bincount(places, minlength=n * n).reshape(n, n)


def accuracy(Y: Array, predicted: Array) -> float:
    """The share of examples whose label was predicted."""
    return float(np.mean(np.equal(*_rows("accuracy", Y, predicted))))


def precision(confusion: Array) -> Array:
    """For each class, the share of what was called so that is so; (classes,)."""
    return _share(np.diag(confusion), confusion.sum(axis=0))


def recall(confusion: Array) -> Array:
    """For each class, the share of its examples that were called so; (classes,)."""
    return _share(np.diag(confusion), confusion.sum(axis=1))


def f1(confusion: Array) -> Array:
    """For each class, 2 · precision · recall / (precision + recall); (classes,)."""
    right = np.diag(confusion)
    return _share(2 * right, confusion.sum(axis=0) + confusion.sum(axis=1))


def roc_auc(Y: Array, scores: Array) -> float:
    """The probability that an example of label 1 has a higher score than one of label 0.

    A tie counts half; it is the area under the ROC curve. From ranks, as the statistic of
    H. B. Mann and D. R. Whitney, 1947.

    Args:
        Y: labels (1, m), 0 and 1, both among them.
        scores: (1, m), probabilities or pre-activations.

    Raises:
        ValueError: shapes that differ, other labels, one label only, or scores that are NaN.
    """
    Y, scores = _rows("roc_auc", Y, scores)
    ones = int(np.count_nonzero(Y == 1))
    zeros = int(np.count_nonzero(Y == 0))
    if ones + zeros < Y.size or not ones or not zeros:
        raise ValueError(
            f"roc_auc: expected labels 0 and 1, both among them, got {np.unique(Y).tolist()}"
        )
    if np.isnan(scores).any():
        raise ValueError(f"roc_auc: expected scores, got {np.isnan(scores).sum()} NaN among them")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1 on, ties at their mean
    return float((rank[Y == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def outside_classes(labels: Array, classes: int) -> NDArray[np.bool_]:
    """Which labels are no integers from 0 to classes − 1."""
    # Written so that nan, which compares false with everything, is one of them.
    wrong: NDArray[np.bool_] = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
    return wrong


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _rows(who: str, Y: Any, other: Any) -> tuple[Array, Array]:
    Y, other = as_numpy(Y, who), as_numpy(other, who)
    if Y.shape != other.shape or Y.ndim != 2 or Y.shape[0] != 1 or Y.shape[1] == 0:
        raise ValueError(
            f"{who}: expected labels and predictions of one shape (1, m), got {Y.shape} and "
            f"{other.shape}; labels in one row are Y.reshape(1, -1)"
        )
    return Y[0], other[0]
