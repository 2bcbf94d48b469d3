"""What a trained network answers, and how often it is right: the document's, by its own names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn import metrics
from tinygrad_dnn.array_modules import to_host
from tinygrad_dnn.graph import no_grad
from tinygrad_dnn.network import forward, predicted_labels
from tinygrad_dnn.train.examples import check_label_row

Array = NDArray[Any]


def predict(X: Array, parameters: Mapping[str, Array]) -> Array:
    """Probabilities (1, m) that the label is 1, of the document's network.

    Of another network `settings.predict(X, parameters)`; `network.predicted_labels` makes labels.
    """
    with no_grad(), np.errstate(over="ignore"):
        _, AL = forward(X, parameters)
    return np.asarray(to_host(AL.data))


def accuracy(X: Array, Y: Array, parameters: Mapping[str, Array]) -> float:
    """Deprecated: `metrics.accuracy(Y, predicted_labels(predict(X, parameters)))`.

    Raises:
        ValueError: shapes that do not fit, as Y (m,), which would broadcast to (m, m).
    """
    warnings.warn(
        "train.accuracy: write metrics.accuracy(Y, predicted_labels(predict(X, parameters)))",
        DeprecationWarning,
        stacklevel=2,
    )
    check_label_row(np.shape(X)[1], Y)
    return metrics.accuracy(np.asarray(Y), predicted_labels(predict(X, parameters)))
