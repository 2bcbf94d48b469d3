"""`tinygrad-dnn predict`: classes and probabilities for data files and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_dnn import metrics
from tinygrad_dnn.cli.models import (
    columns_for,
    digits_for,
    labels_for,
    open_data,
    split_of,
)
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.data import Dataset, is_data
from tinygrad_dnn.data.pictures import loose_pictures
from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.storage.picture_reader import read_picture
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train import Model, load_model


def run(args: argparse.Namespace) -> int:
    """Predict data files one by one, then all pictures in one table; the exit status."""
    model = load_model(args.model)
    saved = model.checkpoint
    if not args.files:
        with digits_for(model.settings, args.split or "test") as digits:
            if digits.x_shape[1:] != saved.x_shape:
                raise ValueError(
                    f"{args.model} was trained on examples of shape {saved.x_shape}, not on the "
                    "digits that come along; name the files to predict"
                )
            _predict_dataset(model, digits, "the digits that come along")
    pictures = []
    for name in args.files:
        if loose := loose_pictures(name):
            pictures += loose
            continue
        if not is_data(name):
            pictures.append(name)
            continue
        split = split_of(name, args.split, args.x, otherwise="test")
        with open_data(name, args, split, saved.class_names, saved.x_shape) as data:
            _predict_dataset(model, data, name)
    if pictures:
        X = np.stack([_picture(name, saved).reshape(-1) for name in pictures], axis=1).astype(float)
        AL = _answers(model, (255 - X if args.invert else X) / saved.x_scale)
        _tell(model, "picture", "", pictures, AL)
    return DONE


def _answers(model: Model, X: Any) -> Any:
    with blas_threads(largest_product(model.settings.layer_dims, X.shape[1])):
        return model.predict(X.astype(model.checkpoint.parameters["W1"].dtype, copy=False))


def _tell(
    model: Model,
    what: str,
    origin: str,
    names: Sequence[str],
    AL: Any,
    labels: Any = None,
) -> None:
    """A table with a line for each example: name, class and probability, and whether it's right."""
    m, width = len(names), max(map(len, names))
    begun = f"{m} {what}{'s' * (m > 1)}{origin}"
    if model.settings.head == "linear":
        print(f"{begun}, predicted:")
        for name, numbers in zip(names, AL.T.tolist(), strict=True):
            print(f"{name:{width}}  {'  '.join(f'{x:.6g}' for x in numbers)}")
        return
    classes = model.classes
    of_one = model.settings.head == "sigmoid"
    print(f"{begun}, class and {f'probability of {classes[1]!r}' if of_one else 'probability'}:")
    class_width = max(map(len, classes))
    shown = AL[0] if of_one else AL.max(axis=0)
    predicted = predicted_labels(AL)[0].tolist()
    for j, (name, k, probability) in enumerate(zip(names, predicted, shown.tolist(), strict=True)):
        line = f"{name:{width}}  {classes[k]:{class_width}}  {probability:.4f}"
        if labels is not None:
            label = labels[0, j]
            line += "  right" if k == label else f"  wrong, it is {classes[label]}"
        print(line)


def _predict_dataset(model: Model, data: Dataset, name: str) -> None:
    X = columns_for(model.checkpoint, data, name)
    labels, Y = (None, None) if data.y_name is None else labels_for(model.settings, data)
    AL = _answers(model, X)
    numbers = [str(j).rjust(len(str(data.m - 1))) for j in range(data.m)]
    _tell(model, "example", f" of {name}", numbers, AL, labels)
    if labels is not None:
        print(f"Accuracy: {float(f'{metrics.accuracy(labels, predicted_labels(AL)):.12g}')}")
    elif Y is not None:
        print(f"Root mean squared error: {float(np.sqrt(np.mean(np.square(AL - Y)))):.6g}")


def _picture(name: str, model: Checkpoint) -> Any:
    """A picture file as the model's examples are: resized, in colour or grey."""
    height, width, *channels = model.x_shape if len(model.x_shape) > 1 else (0, 0, 0)
    if channels not in ([], [1], [3]) or model.x_scale != 255:
        raise ValueError(
            f"{name}: the model was not trained on pictures but on examples of shape "
            f"{model.x_shape}, divided by {model.x_scale:g}; predict a data file of such"
        )
    return read_picture(name, (height, width), "RGB" if channels == [3] else "L")
