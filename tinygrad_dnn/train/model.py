"""A trained network read from its file: what a program asks that did not train it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.train.settings import Settings

Array = NDArray[Any]
PIXELS = 255.0  # the scale of a model that was trained on uint8


@dataclass(frozen=True)
class Model:
    """A trained network, the way its examples are made into columns, and its classes.

    Attributes:
        checkpoint: all that the file holds: parameters, costs, class names.
        settings: what network it is.
    """

    checkpoint: Checkpoint
    settings: Settings

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class; its number where the data gave none."""
        return self.checkpoint.class_names or tuple(map(str, range(self.settings.classes)))

    def columns(self, examples: Any) -> Array:
        """X (n_x, m) of examples one by one in the first axis, as a data file has them.

        Args:
            examples: (m, *x_shape) or (m, n_x). Whole numbers of a model that was trained on uint8
                are pixels, and are divided by 255.

        Raises:
            ValueError: another shape, or numbers that were not divided.
        """
        shape, n_x = self.checkpoint.x_shape, self.checkpoint.layer_dims[0]
        x = np.asarray(examples)
        if x.ndim < 1 or x.shape[1:] not in (shape, (n_x,)):
            one = "; examples[None] makes an array of one" if x.shape in (shape, (n_x,)) else ""
            raise ValueError(
                f"columns: expected examples (m, {', '.join(map(str, shape))}), got {x.shape}{one}"
            )
        scale = self.checkpoint.x_scale
        if x.dtype.kind not in "iu" and scale == PIXELS and x.size and np.max(x) > 1:
            raise ValueError(
                f"columns: {x.dtype} up to {np.max(x):g}; the model was trained on uint8 "
                "divided by 255: give uint8, or divide them"
            )
        X = x.reshape(len(x), n_x).T.astype(self.checkpoint.parameters["W1"].dtype)
        return X / X.dtype.type(scale) if x.dtype.kind in "iu" else X

    def predict(self, X: Any) -> Array:
        """AL (n_L, m) for columns X (n_x, m): probabilities, under a linear head numbers."""
        found: Array = self.settings.predict(X, self.checkpoint.parameters)
        return found

    def names(self, AL: Any) -> list[str]:
        """The class of each column of AL.

        Raises:
            ValueError: of a linear head, which has none.
        """
        if not self.classes:
            raise ValueError("names: the model predicts numbers, not classes; AL holds them")
        return [self.classes[k] for k in predicted_labels(AL)[0]]


def load_model(path: str | Path) -> Model:
    """Return the model of a file that `tinygrad-dnn train` left, or `run_file.save`.

    Raises:
        OSError: no such file.
        ValueError: it is no model, is damaged, or is one whose settings can't be used.

    Example: `AL = load_model("run/model.h5").predict(X)`.
    """
    checkpoint = run_file.load(path)
    try:
        return Model(checkpoint, Settings.of(checkpoint.layer_dims, checkpoint.settings))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
