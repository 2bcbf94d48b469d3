"""`tinygrad-dnn predict`: classes and probabilities for HDF5 files and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import h5py
import numpy as np

from tinygrad_dnn import metrics
from tinygrad_dnn.checkpoint import Checkpoint
from tinygrad_dnn.cli.models import columns_for, digits_for, labels_for, load_model, split_of
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.data import Dataset, open_dataset
from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train import Settings

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
# The formats that are read; Pillow knows more, of which some start other programs (EPS).
PICTURES = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
# Of a picture before it is resized: a photograph has up to 50 million; read, they take 0.8 GiB.
MAX_PIXELS = 2**26


def run(args: argparse.Namespace) -> int:
    """Predict HDF5 files one by one, then all pictures in one table; the exit status."""
    model, settings = load_model(args.model)
    if not args.files:
        with digits_for(settings, args.split or "test") as digits:
            if digits.x_shape[1:] != model.x_shape:
                raise ValueError(
                    f"{args.model} was trained on examples of shape {model.x_shape}, not on the "
                    "digits that come along; name the files to predict"
                )
            _predict_dataset(model, settings, digits, "the digits that come along")
    pictures = []
    for name in args.files:
        if not (h5py.is_hdf5(name) or Path(name).suffix.lower() in HDF5_ENDINGS):
            pictures.append(name)
            continue
        split = split_of(name, args.split, args.x, otherwise="test")
        with open_dataset(name, args.x, args.y, args.classes, split=split) as data:
            _predict_dataset(model, settings, data, name)
    if pictures:
        X = np.stack([_picture(name, model).reshape(-1) for name in pictures], axis=1)
        AL = _answers(model, settings, (255 - X if args.invert else X) / model.x_scale)
        _tell(model, settings, "picture", "", pictures, AL)
    return DONE


def _answers(model: Checkpoint, settings: Settings, X: Any) -> Any:
    with blas_threads(largest_product(model.layer_dims, X.shape[1])):
        return settings.predict(
            X.astype(model.parameters["W1"].dtype, copy=False), model.parameters
        )


def _tell(
    model: Checkpoint,
    settings: Settings,
    what: str,
    origin: str,
    names: Sequence[str],
    AL: Any,
    labels: Any = None,
) -> None:
    """A table with a line for each example: name, class and probability, and whether it's right."""
    m, width = len(names), max(map(len, names))
    begun = f"{m} {what}{'s' * (m > 1)}{origin}"
    if settings.head == "linear":
        print(f"{begun}, predicted:")
        for name, numbers in zip(names, AL.T.tolist(), strict=True):
            print(f"{name:{width}}  {'  '.join(f'{x:.6g}' for x in numbers)}")
        return
    classes = model.class_names or tuple(map(str, range(settings.classes)))
    of_one = settings.head == "sigmoid"
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


def _predict_dataset(model: Checkpoint, settings: Settings, data: Dataset, name: str) -> None:
    X = columns_for(model, data, name)
    labels, Y = (None, None) if data.y_name is None else labels_for(settings, data)
    AL = _answers(model, settings, X)
    numbers = [str(j).rjust(len(str(data.m - 1))) for j in range(data.m)]
    _tell(model, settings, "example", f" of {name}", numbers, AL, labels)
    if labels is not None:
        print(f"Accuracy: {float(f'{metrics.accuracy(labels, predicted_labels(AL)):.12g}')}")
    elif Y is not None:
        print(f"Root mean squared error: {float(np.sqrt(np.mean(np.square(AL - Y)))):.6g}")


def _picture(name: str, model: Checkpoint) -> Any:
    """A picture file as the model's examples are: resized, in colour or grey."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ValueError(
            f"{name}: reading pictures needs Pillow; install it with pip install "
            "'tinygrad-dnn[image]'"
        ) from None
    height, width, *channels = model.x_shape if len(model.x_shape) > 1 else (0, 0, 0)
    if channels not in ([], [1], [3]) or model.x_scale != 255:
        raise ValueError(
            f"{name}: the model was not trained on pictures but on examples of shape "
            f"{model.x_shape}, divided by {model.x_scale:g}; predict an HDF5 file of such"
        )
    try:
        with catch_warnings(action="ignore"), Image.open(name, formats=PICTURES) as image:
            if (size := image.width * image.height) > MAX_PIXELS:
                raise ValueError(
                    f"{image.width} x {image.height} are {size:,} pixels, expected at most "
                    f"{MAX_PIXELS:,}; make it smaller"
                )
            ImageOps.exif_transpose(image, in_place=True)  # as the camera was held
            flat = _eight_bits(image)
            if flat.has_transparency_data:
                paper = Image.new("RGBA", flat.size, "white")
                paper.alpha_composite(flat if flat.mode == "RGBA" else flat.convert("RGBA"))
                flat = paper
            mode = "RGB" if channels == [3] else "L"
            flat = flat if flat.mode == mode else flat.convert(mode)
            return np.asarray(flat.resize((width, height)), dtype=np.float64)
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: neither a picture ({', '.join(PICTURES)}) nor an HDF5 file "
            f"({', '.join(HDF5_ENDINGS)})"
        ) from None
    except FileNotFoundError:
        raise
    except Exception as error:  # a decoder that meets damage raises whatever it stumbles over
        raise ValueError(f"{name}: this picture can't be read: {error}") from error


def _eight_bits(image: Any) -> Any:
    """The picture with levels from 0 to 255, which is where convert() cuts other levels off."""
    from PIL import Image

    levels = np.asarray(image) if image.mode.startswith(("I", "F")) else None
    if levels is None:
        return image
    if image.mode == "F":
        if not (levels.min() >= 0 and levels.max() <= 1):  # NaN compares false
            raise ValueError(
                f"its levels are floats from {levels.min():g} to {levels.max():g}, expected 0 to "
                "1; divide by its white, or save it with 8 or 16 bits"
            )
        levels = np.rint(levels * np.float32(255))
    elif image.mode.startswith("I;16") or image.format in ("PNG", "PPM"):
        levels = levels // 257
    else:
        raise ValueError(
            "its levels are 32-bit integers, whose white no format says; save it with 8 or 16 bits"
        )
    return Image.fromarray(levels.astype(np.uint8))
