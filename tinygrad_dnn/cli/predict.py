"""`tinygrad-dnn predict`: classes and probabilities for data files and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.cli.models import columns_for, load_model, open_data, split_of
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.data import Dataset, default_dataset, is_data
from tinygrad_dnn.storage.picture_reader import read_picture
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train import predict


def run(args: argparse.Namespace) -> int:
    """Predict data files one by one, then all pictures in one table; the exit status."""
    model = load_model(args.model)
    if not args.files:
        with default_dataset(args.split or "test") as digits:
            if digits.x_shape[1:] != model.x_shape:
                raise ValueError(
                    f"{args.model} was trained on examples of shape {model.x_shape}, not on the "
                    "digits that come along; name the files to predict"
                )
            _predict_dataset(model, digits, "the digits that come along")
    pictures = []
    for name in args.files:
        if not is_data(name):
            pictures.append(name)
            continue
        split = split_of(name, args.split, args.x, otherwise="test")
        with open_data(name, args, split, model.class_names, model.x_shape) as data:
            _predict_dataset(model, data, name)
    if pictures:
        X = np.stack([_picture(name, model).reshape(-1) for name in pictures], axis=1).astype(float)
        AL = _probabilities(model, (255 - X if args.invert else X) / model.x_scale)
        _tell(model, "picture", "", pictures, AL)
    return DONE


def _probabilities(model: Checkpoint, X: Any) -> Any:
    with blas_threads(largest_product(model.layer_dims, X.shape[1])):
        return predict(X.astype(model.parameters["W1"].dtype, copy=False), model.parameters)


def _tell(
    model: Checkpoint, what: str, origin: str, names: Sequence[str], AL: Any, labels: Any = None
) -> None:
    """A table with a line for each example: name, class and probability, and whether it's right."""
    classes = model.class_names or ("0", "1")
    m = len(names)
    print(f"{m} {what}{'s' * (m > 1)}{origin}, class and probability of {classes[1]!r}:")
    width, class_width = max(map(len, names)), max(map(len, classes))
    for j, (name, probability) in enumerate(zip(names, AL[0].tolist(), strict=True)):
        k = int(probability > 0.5)
        line = f"{name:{width}}  {classes[k]:{class_width}}  {probability:.4f}"
        if labels is not None:
            label = labels[0, j]
            line += "  right" if k == label else f"  wrong, it is {classes[label]}"
        print(line)


def _predict_dataset(model: Checkpoint, data: Dataset, name: str) -> None:
    X = columns_for(model, data, name)
    labels = None if data.y_name is None else data.labels()
    AL = _probabilities(model, X)
    numbers = [str(j).rjust(len(str(data.m - 1))) for j in range(data.m)]
    _tell(model, "example", f" of {name}", numbers, AL, labels)
    if labels is not None:
        print(f"Accuracy: {float(f'{np.mean((AL > 0.5) == labels):.12g}')}")


def _picture(name: str, model: Checkpoint) -> Any:
    """A picture file as the model's examples are: resized, in colour or grey."""
    height, width, *channels = model.x_shape if len(model.x_shape) > 1 else (0, 0, 0)
    if channels not in ([], [1], [3]) or model.x_scale != 255:
        raise ValueError(
            f"{name}: the model was not trained on pictures but on examples of shape "
            f"{model.x_shape}, divided by {model.x_scale:g}; predict a data file of such"
        )
    return read_picture(name, (height, width), "RGB" if channels == [3] else "L")
