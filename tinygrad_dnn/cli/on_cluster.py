"""`tinygrad-dnn train` on several processes or machines: what is asked, who has which examples."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.cli.run_data import (
    TRAINING,
    VALIDATION,
    Examples,
    examples_of,
    read_test,
    require_batch,
    require_classes,
)
from tinygrad_dnn.cluster.connect import check_address
from tinygrad_dnn.data import Dataset, is_hdf5
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, check_labels, keep_validation
from tinygrad_dnn.train.shards import shard_bounds

SHOWN = 500  # examples that are looked at here, for the pictures
BLOCK = 2**26  # bytes that are read at a time for some rows of them


def require_address(args: argparse.Namespace) -> None:
    """Raise ValueError where `--scheduler` can't be used, or `--insecure` is said of none."""
    if args.insecure and not args.scheduler:
        raise ValueError("--insecure: there is no address; give --scheduler, or leave it out")
    if args.scheduler is not None:
        check_address(args.scheduler, bool(args.insecure))
        _require_dask()


def _require_dask() -> None:
    if find_spec("distributed") is None:
        raise ValueError("the cluster: Dask is missing; pip install 'tinygrad-dnn[cluster]'")


def asked(args: argparse.Namespace) -> bool:
    """Whether the run is on a cluster.

    Raises:
        ValueError: options that contradict each other, or data that workers can't read by parts.
    """
    require_address(args)
    if args.scheduler is None and args.cluster is None:
        return False
    if args.scheduler is not None and args.cluster is not None:
        raise ValueError(
            "--cluster starts processes here, --scheduler uses those of an address; leave out one"
        )
    if args.find_learning_rate:
        raise ValueError("--find-learning-rate: it runs in one process; leave out the cluster")
    if args.test_share is not None:
        raise ValueError(
            "--test-share: workers read their examples from the file as it is; store the test "
            "examples in a file of their own, --test FILE"
        )
    path = _path(args)
    if path is not None and not is_hdf5(path):
        raise ValueError(
            f"{path}: expected an HDF5 file, of which each worker reads its own rows; leave out "
            "the cluster, or store the examples as HDF5"
        )
    _require_dask()
    return True


def _path(args: argparse.Namespace) -> str | None:
    """The training file; None for the digits that come along."""
    path: str | None = args.train or (args.files[0] if args.files else None)
    return path


def as_many_as_workers(args: argparse.Namespace, resumed: run_file.Checkpoint | None) -> bool:
    """Whether there are to be as many shards as workers; one, until those are counted."""
    had = None if resumed is None else resumed.settings.get("shards")
    if args.shards is not None or had is not None:
        return False
    args.shards = args.cluster or 1
    return True


class Training(NamedTuple):
    """The training examples as workers find them.

    Attributes:
        source: their file.
        Y: their labels, as training takes them.
        rows: which rows of the file they are; None for all.
    """

    source: Any
    Y: NDArray[Any]
    rows: NDArray[Any] | None


def read_files(
    args: argparse.Namespace, files: list[Dataset], settings: Settings
) -> tuple[list[Examples], Training]:
    """The examples of a run, without what workers read.

    Here are the labels, the first examples, for the pictures, and those of validation and test.

    Raises:
        ValueError: as `run_data.read_files`; more shards than examples.
    """
    data, rows, kept = files[0], np.arange(files[0].m), None
    classes = settings.head != "linear"
    y = data.labels(classes=settings.classes) if classes else data.targets()
    if settings.keeps_validation:
        at, y, kept = keep_validation(rows[None], y, settings)
        rows = at[0]
    m = len(rows)
    require_batch(m, settings)
    shard_bounds(m, settings.shards or 1)
    Y = check_labels(y, m, settings)
    X = _columns(data, rows[:SHOWN], settings)
    training = examples_of(args, TRAINING, data, settings, X, Y, y if classes else None)
    require_classes(training)
    read = [training]
    if kept is not None:
        x, y_kept = _columns(data, kept[0][0], settings), kept[1]
        Y_kept = check_labels(y_kept, len(kept[0][0]), settings)
        held = y_kept if classes else None
        read.append(examples_of(args, VALIDATION, data, settings, x, Y_kept, held))
    found = Training(_source(args, settings), Y, None if kept is None else rows)
    return [*read, *read_test(args, files, settings)], found


def shards_of(
    args: argparse.Namespace,
    settings: Settings,
    training: Training,
    as_many: bool,
    opened: ExitStack,
) -> Any:
    """The training examples as `cluster.ClusterShards`; what could be refused without workers was.

    Args:
        as_many: there are as many shards as workers.
        opened: what ends with the run: processes, and the examples that they hold.
    """
    from tinygrad_dnn.cluster import ClusterShards, connect
    from tinygrad_dnn.cluster.connect import worker_names

    insecure = bool(args.insecure)
    client = opened.enter_context(
        connect(args.scheduler, workers=args.cluster or None, insecure=insecure)
    )
    if as_many:
        settings = replace(settings, shards=len(worker_names(client)))
    shards = ClusterShards(client, training.source, training.Y, settings, rows=training.rows)
    return opened.enter_context(shards)


def _source(args: argparse.Namespace, settings: Settings) -> Any:
    from tinygrad_dnn.cluster import Source

    path = _path(args)
    if path is None:
        return Source(None, labels="parity" if settings.head == "sigmoid" else "digit")
    path = os.path.abspath(path)
    return Source(path, args.x, args.y, args.classes, None if args.x else "train")


def _columns(data: Dataset, rows: NDArray[Any], settings: Settings) -> NDArray[Any]:
    """Some examples as columns, read in blocks."""
    found = np.empty((len(rows), data.n_x), settings.dtype)
    step = max(1, BLOCK // (data.n_x * 8))
    for start in range(0, data.m, step):
        stop = min(start + step, data.m)
        here = (start <= rows) & (rows < stop)
        if here.any():
            part = data.part(start, stop).columns(settings.dtype)
            found[here] = part.T[rows[here] - start]
    return found.T
