"""Model files, and data files read as a model wants them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn.data import SPLITS, Dataset, Split, default_dataset, is_hdf5, read, splits_of
from tinygrad_dnn.network import one_hot
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.train import Settings


def labels_for(settings: Settings, data: Dataset) -> tuple[Any, Any]:
    """The labels (1, m), None where they are numbers, and Y as the cost takes them."""
    if settings.head == "linear":
        return None, data.targets(settings.dtype)
    labels = data.labels(classes=settings.classes)
    if settings.head == "softmax":
        return labels, one_hot(labels, settings.classes, settings.dtype)
    return labels, labels.astype(settings.dtype)


def digits_for(settings: Settings, split: Split) -> Dataset:
    """The digits that come along, labelled as the network tells them apart."""
    return default_dataset(split, "digit" if settings.classes == 10 else "parity")


def split_of(path: str, asked: Split | None, x: str | None, otherwise: Split) -> Split | None:
    """Which part of a data file: as asked, or `otherwise` where it holds both."""
    if asked or x:
        return asked
    return otherwise if splits_of(path) == SPLITS else None


def open_data(
    path: str,
    args: argparse.Namespace,
    split: Split | None,
    classes: Sequence[str] = (),
    shape: tuple[int, ...] = (),
) -> Dataset:
    """A data file as the options say: --x, --y, --classes and --size; a comma makes a list.

    Args:
        classes, shape: of a model or of the training file; names and the size of pictures, where
            the options say none.
    """
    names = _listed(getattr(args, "classes", None))
    if names is None and not is_hdf5(path):  # which has names of its own
        names = classes or None
    size = getattr(args, "size", None)
    if Path(path).is_dir() and not is_hdf5(path) and len(shape) > 1:
        size = size or shape[:2]
    return read(path, _listed(args.x), args.y, names, split=split, size=size)


def _listed(text: str | None) -> str | Sequence[str] | None:
    return [part.strip() for part in text.split(",")] if text and "," in text else text


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
