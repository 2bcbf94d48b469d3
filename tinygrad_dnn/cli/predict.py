"""`tinygrad-dnn predict`: classes and probabilities for HDF5 files and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn import checkpoint
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.train import predict

HDF5_ENDINGS = {".h5", ".hdf5", ".hdf", ".he5"}


def run(args: argparse.Namespace) -> int:
    """Predict each file in turn; the exit status."""
    model = checkpoint.load(args.model)
    pictures = []
    for name in args.files:
        if Path(name).suffix.lower() in HDF5_ENDINGS:
            _predict_dataset(args, model, name)
        else:
            pictures.append(name)
    for name in pictures:
        X = _picture(name, model.x_shape).reshape(-1, 1) / model.x_scale
        _tell(model, name, float(_probabilities(model, X)[0, 0]))
    return DONE


def _probabilities(model: checkpoint.Checkpoint, X: Any) -> Any:
    dtype = model.parameters["W1"].dtype
    return predict(X.astype(dtype, copy=False), model.parameters)


def _tell(model: checkpoint.Checkpoint, what: str, probability: float, label: Any = None) -> None:
    predicted = int(probability > 0.5)
    names = model.class_names or ("0", "1")
    was = (
        "" if label is None else f"   {'right' if predicted == label else 'wrong: ' + names[label]}"
    )
    print(f"{what}   {names[predicted]}   {probability:.6f}{was}")


def _predict_dataset(args: argparse.Namespace, model: checkpoint.Checkpoint, name: str) -> None:
    with open_dataset(name, args.x, args.y, args.classes, split=args.split) as data:
        if data.n_x != model.layer_dims[0]:
            raise ValueError(
                f"{name}: its examples have shape {data.x_shape[1:]}, {data.n_x} numbers; "
                f"{args.model} was trained on {model.x_shape}, {model.layer_dims[0]} numbers"
            )
        X = data.columns()
        labels = None if data.y_name is None else data.labels()
    names = model.class_names or ("0", "1")
    print(f"{name}: example, class, probability of {names[1]!r}")
    AL = _probabilities(model, X)
    for i, probability in enumerate(AL[0]):
        _tell(model, str(i), float(probability), None if labels is None else int(labels[0, i]))
    if labels is not None:
        print(f"Accuracy: {np.mean((AL > 0.5) == labels):.12g}")


def _picture(name: str, shape: tuple[int, ...]) -> Any:
    """A picture file as the model's examples are: resized, in colour or grey."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ValueError(
            f"{name}: reading pictures needs Pillow; install it with pip install "
            "'tinygrad-dnn[image]'"
        ) from None
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise ValueError(
            f"{name}: the model was trained on examples of shape {shape}, which no picture fits"
        )
    colour = len(shape) == 3 and shape[2] == 3
    try:
        with Image.open(name) as image:
            resized = image.convert("RGB" if colour else "L").resize((shape[1], shape[0]))
            return np.asarray(resized, dtype=np.float64)
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: neither a picture nor an HDF5 file ({', '.join(sorted(HDF5_ENDINGS))})"
        ) from None
