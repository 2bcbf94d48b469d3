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
from tinygrad_dnn.loops.view import View
from tinygrad_dnn.network import forward, predicted_labels
from tinygrad_dnn.train.examples import check_label_row
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.state import LazyArrays

Array = NDArray[Any]


class Predictor:
    """Predictions on examples that stay the same, while the parameters change.

        predict = Predictor(X_test, settings)
        train(X, Y, settings, after=lambda state, cost: print(predict(state.parameters)))

    As `settings.predict(X_test, parameters)` but for rounding: of a full batch, whose loop carries
    W1 as a sum, W1 X comes from products with X that are computed once.
    """

    def __init__(self, X: Array, settings: Settings) -> None:
        self.X, self.settings = X, settings
        self._view: View | None = None

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        """AL (n_L, m)."""
        if isinstance(parameters, LazyArrays) and (now := parameters.snapshot) is not None:
            if self._view is None or self._view.loop is not now.loop:
                self._view = View(now.loop, self.X)
            with np.errstate(over="ignore", invalid="ignore"):  # as `settings.predict` has it
                parameters = self._view(now)
        found: Array = self.settings.predict(self.X, parameters)
        return found


def predict(X: Array, parameters: Mapping[str, Array]) -> Array:
    """Probabilities (1, m) that the label is 1, of the document's network.

    Of another network `settings.predict(X, parameters)`, or `load_model(path).predict(X)`;
    `network.predicted_labels` makes labels.

    Raises:
        ValueError: the last layer has several units, whose head the parameters do not say.
    """
    last = f"b{len(parameters) // 2}"
    units = len(parameters[last]) if last in parameters else 1
    if units > 1:
        raise ValueError(
            f"predict: the last layer has {units} units, so this is not the document's network; "
            "settings.predict(X, parameters) knows its head"
        )
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
