"""The subject of `draw` and `explore`: the cost of a model file, or what a function returns."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.cli.functions import result_of
from tinygrad_dnn.cli.models import (
    columns_for,
    digits_for,
    labels_for,
    open_data,
    split_of,
)
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.graph import Graph
from tinygrad_dnn.network import one_hot
from tinygrad_dnn.train import Model, Settings, load_model
from tinygrad_dnn.train.settings import NUMBERS
from viz.subject import graph_of

DRAWN_EXAMPLES, SEED = 209, 1  # of random examples; the document has 209 pictures
# Optimisers that a page has too, by the names of `train`.
ON_PAGES = {"sgd": "gradient descent", "momentum": "momentum", "adam": "adam"}
OF_MODELS = ("data", "x", "y", "split", "examples")  # options that a function has no use for


class Subject(NamedTuple):
    """A graph, names for what has none of its own in it, and what it is in a few words.

    Attributes:
        is_model: it is that of a model file.
        training: how a page that trains begins, arguments of `viz.playground`.
    """

    graph: Graph
    names: Mapping[str, Tensor]
    description: str
    is_model: bool
    training: Mapping[str, Any] = MappingProxyType({})


def subject(args: argparse.Namespace, examples: int | None) -> Subject:
    """Return the subject that the words of a command ask for.

    Args:
        args: with `what`, and for a model `data`, `x`, `y`, `split` and `examples`.
        examples: how many a model is computed on where `args` does not say; None for all.

    Raises:
        OSError, ValueError, TypeError: it can't be had, and why.
    """
    place, _, name = args.what.rpartition(":")
    there = Path(args.what).exists()
    if place and name and not there and not name.startswith(("\\", "/")):  # as after a drive C:
        return _function(args, place, name)
    if (bare := args.what.rstrip(":")).endswith(".py"):
        raise ValueError(f"{bare}: say which function of it: {bare}:FUNCTION")
    if not there:
        raise ValueError(
            f"there is no file {args.what}; expected a model file such as run/model.h5, "
            "module:function or file.py:function"
        )
    return _model(args, args.examples or examples)


def _function(args: argparse.Namespace, place: str, name: str) -> Subject:
    for option in OF_MODELS:
        if getattr(args, option):
            raise ValueError(f"--{option}: for model files; {args.what} chooses its own examples")
    result, names = result_of(place, name)
    if isinstance(result, Mapping):
        names = {str(k): v for k, v in result.items() if isinstance(v, Tensor)} | names
        result = [*result.values()]
    try:
        graph = graph_of(result)
    except (TypeError, ValueError):
        raise ValueError(
            f"{args.what} gave {_kind(result)}; expected a Tensor, or several: the result of an "
            "expression of Tensors, such as a cost"
        ) from None
    return Subject(graph, names, args.what, is_model=False)


def _kind(result: Any) -> str:
    """`None`, `float`, `tuple of Tensor and float`."""
    if result is None:
        return "None"
    kind = type(result).__name__
    if not isinstance(result, (tuple, list)):
        return kind
    inside = dict.fromkeys(type(x).__name__ for x in result)
    return f"{kind} of {' and '.join(inside)}" if inside else f"empty {kind}"


def _model(args: argparse.Namespace, examples: int | None) -> Subject:
    model = load_model(args.what)
    saved, settings = model.checkpoint, model.settings
    parameters = {n: Tensor(p, requires_grad=True, name=n) for n, p in saved.parameters.items()}
    X, Y, origin = examples_of(model, args)
    X, Y = Tensor(X[:, :examples], name="X"), Tensor(Y[:, :examples], name="Y")
    with np.errstate(all="ignore"):  # a model that saturates is drawn as well
        graph = graph_of(settings.cost_of(X, Y, parameters, weights=settings.weights_of(Y.data)))
    layers = "-".join(map(str, saved.layer_dims))
    m = X.shape[1]
    description = f"{args.what}, {layers}, its cost on {m:,} example{'s' * (m > 1)} {origin}"
    return Subject(graph, {}, description, True, _training(model, X.data))


def _training(model: Model, X: Any) -> dict[str, Any]:
    """How a page begins that trains a model: as the model was trained, as far as a page can; with
    its pictures, where the examples are some with numbers from 0 to 1.
    """
    settings, shape = model.settings, model.checkpoint.x_shape
    found: dict[str, Any] = {}
    own = (getattr(settings, name) for name in NUMBERS[settings.optimizer])
    if settings.optimizer in ON_PAGES and all(x is None for x in own):
        found["optimizer"] = ON_PAGES[settings.optimizer]
        found["learning_rate"] = settings.learning_rate
    if settings.head != "linear":
        found["classes"] = model.classes
        is_picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
        if is_picture and X.min() >= 0 and X.max() <= 1:
            found["picture"] = shape
    return found


def examples_of(model: Model, args: argparse.Namespace) -> tuple[Any, Any, str]:
    """X (n_x, m), Y (n_L, m) and where they come from."""
    saved, settings = model.checkpoint, model.settings
    if args.data:
        split = split_of(args.data, args.split, args.x, otherwise="train")
        with open_data(args.data, args, split, saved.class_names, saved.x_shape) as data:
            return *_labelled(model, data, args.data), f"of {args.data}"
    for option in ("x", "y"):
        if getattr(args, option):
            raise ValueError(f"--{option}: a dataset of which file? give --data FILE")
    with digits_for(settings, args.split or "train") as digits:
        if digits.x_shape[1:] == saved.x_shape:
            X, Y = _labelled(model, digits, "the digits")
            return X, Y, "of the digits that come along"
    if args.split:
        raise ValueError("--split: a part of which file? give --data FILE")
    rng = np.random.default_rng(SEED)
    shape = (saved.layer_dims[0], args.examples or DRAWN_EXAMPLES)
    dtype = saved.parameters["W1"].dtype
    X = rng.random(shape).astype(dtype)
    Y = _drawn(settings, shape[1], rng).astype(dtype)
    return X, Y, f"drawn at random (seed {SEED}); --data FILE takes real ones"


def _drawn(settings: Settings, m: int, rng: np.random.Generator) -> Any:
    if settings.head == "linear":
        return rng.random((settings.layer_dims[-1], m))
    labels = rng.integers(0, settings.classes, (1, m))
    return one_hot(labels, settings.classes) if settings.head == "softmax" else labels


def _labelled(model: Model, data: Dataset, name: str) -> tuple[Any, Any]:
    return columns_for(model.checkpoint, data, name), labels_for(model.settings, data)[1]
