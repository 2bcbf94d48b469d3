"""The data of a training run: which files, what is read of them, what is kept apart."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_dnn.cli.models import open_data
from tinygrad_dnn.data import SPLITS, Dataset, Split, default_dataset, is_hdf5, splits_of
from tinygrad_dnn.train import Settings, check_examples, check_labels, keep_validation

SHOWN = 500  # of examples that stay elsewhere, those that are looked at here, for the pictures
TEST_SEED = 0  # of the examples that --test-share keeps
DIGITS = "the digits that come along"
TRAINING, VALIDATION, TEST = SETS = ("training", "validation", "test")


@dataclass
class Examples:
    """Examples of a run: X (n_x, m), Y as training takes it, and what a model must remember.

    Attributes:
        what: "training", "validation" or "test".
        X: of examples that are elsewhere, on workers or in their file, the first ones only.
        Y: of classes as many, of numbers all.
        labels: integers (1, m); None where Y are numbers.
        answers: of examples that are elsewhere: from parameters to AL (n_L, m).
        cost: the same: from parameters to what predictions cost; None where nobody computes it.
    """

    what: str
    name: str
    X: Any
    Y: Any
    labels: Any
    shape: tuple[int, ...]
    scale: float
    classes: tuple[str, ...]
    fingerprint: str
    answers: Callable[[Any], Any] | None = None
    cost: Callable[[Any], float] | None = None

    @property
    def m(self) -> int:
        """How many there are."""
        return int((self.Y if self.labels is None else self.labels).shape[1])

    def predict(self, settings: Settings, parameters: Any) -> Any:
        """AL (n_L, m) of all of them."""
        if self.answers is not None:
            return self.answers(parameters)
        return settings.predict(self.X, parameters)


def training_path(args: argparse.Namespace) -> str | None:
    """The training file; None for the digits that come along."""
    path: str | None = args.train or (args.files[0] if args.files else None)
    return path


def require_read_by_parts(
    args: argparse.Namespace, *, whole: str, read: str, parts: str, leave: str
) -> None:
    """Raise ValueError where an option, or the file, wants all examples in one memory.

    Args:
        whole: why there is no `--find-learning-rate`.
        read: who reads the examples, for the error about `--test-share`.
        parts: for what the file is HDF5.
        leave: what to leave out instead.
    """
    if args.find_learning_rate:
        raise ValueError(f"--find-learning-rate: {whole}; leave out {leave}")
    if args.test_share is not None:
        raise ValueError(
            f"--test-share: {read} from the file as it is; store the test examples in a file of "
            "their own, --test FILE"
        )
    path = training_path(args)
    if path is not None and not is_hdf5(path):
        raise ValueError(
            f"{path}: expected an HDF5 file, {parts}; leave out {leave}, or store the examples as "
            "HDF5"
        )


def open_files(args: argparse.Namespace, head: str) -> list[Dataset]:
    """The training data and, if there is any and it is asked for, the test data."""
    if len(args.files) > 2:
        raise ValueError(f"expected a training and a test file, got {len(args.files)} files")
    named: dict[Split, str] = dict(zip(SPLITS, args.files, strict=False))
    for split in SPLITS:
        if getattr(args, split):
            if split in named:
                raise ValueError(f"the {split} file is given twice; say it once")
            named[split] = getattr(args, split)
    if not named:
        labels: Any = "digit" if head != "sigmoid" else "parity"
        splits = SPLITS[:1] if args.no_test else SPLITS
        return [default_dataset(split, labels) for split in splits]
    if "train" not in named:
        raise ValueError("there is a test file but no training file; give --train FILE")
    if not args.x and "test" in splits_of(named["train"]):
        named.setdefault("test", named["train"])
    if args.no_test:
        named.pop("test", None)
    files = _opened(args, named)
    if files[0].x_shape[1:] != files[-1].x_shape[1:]:
        raise ValueError(
            f"{files[-1].path}: its examples have shape {files[-1].x_shape[1:]}, those of "
            f"{named['train']} {files[0].x_shape[1:]}"
        )
    return files


def _opened(args: argparse.Namespace, named: dict[Split, str]) -> list[Dataset]:
    """The files that are given for training and test, or one that is cut into both."""
    files: list[Dataset] = []
    for split, path in named.items():
        # Without names of its own, each file must hold what it is given for.
        part = split if not args.x and (is_hdf5(path) or splits_of(path)) else None
        like = (files[0].classes, files[0].x_shape[1:]) if files else ()
        files.append(open_data(path, args, part, *like))
    if args.test_share is None:
        return files
    if len(files) > 1:
        raise ValueError("--test-share: there is a test file; leave out one of them")
    # Whatever the seed of the run, the same examples are kept: runs can be compared.
    with files[0] as whole:
        parts = whole.split(args.test_share, np.random.default_rng(TEST_SEED))
    return [parts[0]] if args.no_test else [*parts]


def read_files(
    args: argparse.Namespace, files: list[Dataset], settings: Settings
) -> list[Examples]:
    """Training, validation where some are kept apart, and test examples where there are any.

    Raises:
        ValueError: labels outside the head's classes, or of one class only; data that don't fit.
    """
    read = [
        read_examples(args, *both, settings) for both in zip((TRAINING, TEST), files, strict=False)
    ]
    require_classes(read[0])
    if settings.keeps_validation:
        read[:1] = _kept_apart(read[0], settings)
    require_batch(read[0].m, settings)
    return read


def read_test(args: argparse.Namespace, files: list[Dataset], settings: Settings) -> list[Examples]:
    """The test examples, if there are any."""
    return [read_examples(args, TEST, file, settings) for file in files[1:]]


def require_classes(training: Examples) -> None:
    """Raise ValueError where all labels are the same."""
    if training.labels is not None and (training.labels == training.labels[0, 0]).all():
        raise ValueError(
            f"{training.name}: expected examples of two classes or more, got only label "
            f"{training.labels[0, 0]} in {training.m} examples"
        )


def require_batch(m: int, settings: Settings) -> None:
    """Raise ValueError where a batch is larger than the training examples."""
    if settings.batch_size is not None and settings.batch_size > m:
        raise ValueError(
            f"--batch-size: expected up to the number of training examples, {m}, got "
            f"{settings.batch_size}; `all` is the full batch"
        )


def _kept_apart(data: Examples, settings: Settings) -> list[Examples]:
    labels = data.Y if data.labels is None else data.labels
    X, Y, kept = keep_validation(data.X, labels, settings)
    parts = []
    for what, (x, y) in zip((TRAINING, VALIDATION), ((X, Y), kept or (X, Y)), strict=True):
        part_labels = None if data.labels is None else y
        _, y_checked = check_examples(x, y, settings)
        others = (data.name, x, y_checked, part_labels, data.shape, data.scale, data.classes)
        parts.append(Examples(what, *others, data.fingerprint))
    return parts


def read_examples(
    args: argparse.Namespace, what: str, data: Dataset, settings: Settings
) -> Examples:
    """Examples in memory, checked."""
    labels = None
    if settings.head != "linear":
        try:
            labels = data.labels(classes=settings.classes)
        except ValueError as error:
            if settings.head == "sigmoid" and len(data.classes) > 2:
                raise ValueError(f"{error}; more than two classes are --head softmax") from None
            raise
    names = () if all(map(str.isdecimal, data.classes)) else data.classes  # numbers are no names
    if what == TRAINING and settings.head == "softmax" and 0 < len(names) < settings.classes:
        raise ValueError(
            f"layers: expected {len(names)} units in the last layer, one for each class of "
            f"{data.path} ({', '.join(names)}), got {settings.classes}"
        )
    try:
        X = data.columns(settings.dtype)
    except MemoryError as error:
        raise MemoryError(
            f"{data.path} holds {data.m:,} examples of {data.n_x:,} numbers. {error}. Half of it "
            "is needed with --dtype float32; with --memory MB an HDF5 file of any size is read in "
            "batches within so many megabytes"
        ) from None
    X, Y = check_examples(X, data.targets() if labels is None else labels, settings)
    fingerprint = data.fingerprint() if what == TRAINING else ""
    return _examples(args, what, data, settings, X, Y, labels, fingerprint)


def kept_in_file(
    args: argparse.Namespace, what: str, data: Dataset, settings: Settings, fingerprint: str = ""
) -> Examples:
    """Examples that stay where they are, but for their labels and the first ones, for pictures.

    Args:
        fingerprint: of the file, for the training examples.
    """
    classes = settings.head != "linear"
    y = data.labels(classes=settings.classes) if classes else data.targets(settings.dtype)
    k = min(SHOWN, data.m)
    X = data.rows(np.arange(k)).columns(settings.dtype)
    Y = check_labels(y[:, :k], k, settings) if classes else y
    return _examples(args, what, data, settings, X, Y, y if classes else None, fingerprint)


def rows_of(data: Dataset, settings: Settings) -> tuple[Any, Any]:
    """The positions to train on and those kept for validation; None where none are kept."""
    if not settings.keeps_validation:
        return None, None
    classes = settings.head != "linear"
    y = data.labels(classes=settings.classes) if classes else data.targets()
    rows, _, kept = keep_validation(np.arange(data.m)[None], y, settings)
    assert kept is not None
    return rows[0], kept[0][0]


def _examples(
    args: argparse.Namespace,
    what: str,
    data: Dataset,
    settings: Settings,
    X: Any,
    Y: Any,
    labels: Any,
    fingerprint: str,
) -> Examples:
    """Examples of a data set, with what a model must remember of it."""
    names = data.classes
    fitting = len(names) >= settings.classes > 0
    return Examples(
        what,
        data.path if args.train or args.files else DIGITS,
        X,
        Y,
        labels,
        data.x_shape[1:],
        255.0 if data.x_dtype == np.uint8 else 1.0,
        names[: settings.classes] if fitting else (),  # of labels 0, 1, ...
        fingerprint,
    )
