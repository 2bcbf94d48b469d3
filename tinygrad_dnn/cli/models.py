"""Model files, and data files read as a model wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_dnn.data import SPLITS, Dataset, Split
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.storage.hdf5_reader import has_dataset, open_h5
from tinygrad_dnn.storage.run_file import Checkpoint


def load_model(path: str) -> Checkpoint:
    """The model of a file, refused unless it answers with one probability."""
    model = run_file.load(path)
    if model.layer_dims[-1] != 1:
        raise ValueError(
            f"{path}: expected a network that ends in 1 unit, got {model.layer_dims[-1]}"
        )
    return model


def split_of(path: str, asked: Split | None, x: str | None, otherwise: Split) -> Split | None:
    """Which part of a data file: as asked, or `otherwise` where it holds both."""
    if asked or x:
        return asked
    with open_h5(path) as file:
        return otherwise if all(has_dataset(file, f"{s}_set_x") for s in SPLITS) else None


def columns_for(model: Checkpoint, data: Dataset, name: str) -> Any:
    """The examples as columns (n_x, m) in the model's dtype and scale, if it can take them."""
    shape = data.x_shape[1:]
    # Flattened examples are as good; as many numbers in another order, (3, 64, 64), are not.
    other_order = shape != model.x_shape and min(len(shape), len(model.x_shape)) > 1
    if data.n_x != model.layer_dims[0] or other_order:
        raise ValueError(
            f"{name}: its examples have shape {shape}, {data.n_x} numbers; the model was trained "
            f"on {model.x_shape}, {model.layer_dims[0]} numbers"
        )
    X = data.columns()
    if model.x_scale == 255 and data.x_dtype != np.uint8 and np.max(X) > 1:
        raise ValueError(
            f"{name}: dataset {data.x_name!r} goes up to {np.max(X):g}; the model was trained on "
            "uint8 divided by 255: store it as uint8, or divide it by 255"
        )
    return X.astype(model.parameters["W1"].dtype, copy=False)
