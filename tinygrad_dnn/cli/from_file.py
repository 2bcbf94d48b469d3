"""`tinygrad-dnn train --memory MB`: examples that stay in their file, read batch by batch."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from tinygrad_dnn.cli.run_data import (
    TEST,
    TRAINING,
    VALIDATION,
    Examples,
    kept_in_file,
    require_batch,
    require_classes,
    require_read_by_parts,
    rows_of,
)
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.train import Settings, StreamedPredictor
from tinygrad_dnn.train.streamed import StreamedExamples


class InFile(NamedTuple):
    """The examples of a run where they lie; their file stays open as long as it takes."""

    training: Dataset
    validation: Dataset | None


def check_options(args: argparse.Namespace) -> None:
    """Raise ValueError where `--memory` is said of what isn't read from a file by parts."""
    require_read_by_parts(
        args,
        whole="it holds all examples",
        read="with --memory examples are read",
        parts="which is read by parts",
        leave="--memory",
    )


def read_files(
    args: argparse.Namespace, files: list[Dataset], settings: Settings
) -> tuple[list[Examples], InFile]:
    """The examples of a run: their labels, and the first ones, for pictures; all are checked once.

    Raises:
        ValueError: as `run_data.read_files`; too little memory.
    """
    for file in files:
        file.require_finite(settings.dtype)
    rows, kept = rows_of(files[0], settings)
    training = files[0] if rows is None else files[0].rows(rows)
    validation = None if kept is None else files[0].rows(kept)
    require_batch(training.m, settings)
    StreamedExamples(training, settings).close()  # refused at once if the memory is too little
    found = []
    sets = {TRAINING: training, VALIDATION: validation, TEST: dict(enumerate(files)).get(1)}
    for what, data in sets.items():
        if data is None:
            continue
        fingerprint = files[0].fingerprint() if what == TRAINING else ""
        examples = kept_in_file(args, what, data, settings, fingerprint)
        predictor = StreamedPredictor(data, settings)
        examples.answers, examples.cost = predictor, predictor.cost
        found.append(examples)
    require_classes(found[0])
    return found, InFile(training, validation)
