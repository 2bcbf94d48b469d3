"""`tinygrad-dnn train` on several processes or machines: what is asked, who has which examples."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

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
from tinygrad_dnn.data import Dataset, is_hdf5
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, check_labels, keep_validation
from tinygrad_dnn.train.shards import shard_bounds

SHOWN = 500  # examples that are looked at here, for the pictures
BLOCK = 2**26  # bytes that are read at a time for some rows of them


def require_address(args: argparse.Namespace) -> None:
    """Raise ValueError where `--insecure` is said of no address."""
    if args.insecure and not args.scheduler:
        raise ValueError("--insecure: there is no address; give --scheduler, or leave it out")


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
    if find_spec("distributed") is None:
        raise ValueError("the cluster: Dask is missing; pip install 'tinygrad-dnn[cluster]'")
    return True


def _path(args: argparse.Namespace) -> str | None:
    """The training file; None for the digits that come along."""
    path: str | None = args.train or (args.files[0] if args.files else None)
    return path


def connected(
    args: argparse.Namespace, m: int, resumed: run_file.Checkpoint | None, opened: ExitStack
) -> Any:
    """The client of the cluster; without `--shards` there are as many as it has workers.

    Args:
        m: how many examples there are, some of which may be kept apart.
    """
    from tinygrad_dnn.cluster.connect import connect, worker_names

    if args.shards is not None:
        shard_bounds(m, args.shards)  # refused before processes are started
    insecure = bool(args.insecure)
    client = opened.enter_context(
        connect(args.scheduler, workers=args.cluster or None, insecure=insecure)
    )
    if args.shards is None and (resumed is None or resumed.settings.get("shards") is None):
        args.shards = len(worker_names(client))
    return client


@contextmanager
def sharded(
    args: argparse.Namespace, files: list[Dataset], settings: Settings, client: Any
) -> Iterator[tuple[list[Examples], Any]]:
    """The examples of a run, and the training examples as `cluster.ClusterShards`.

    Here are the labels, the first examples, for the pictures, and those of validation and test.
    """
    from tinygrad_dnn.cluster import ClusterShards

    data, rows, kept = files[0], np.arange(files[0].m), None
    classes = settings.head != "linear"
    y = data.labels(classes=settings.classes) if classes else data.targets()
    if settings.keeps_validation:
        at, y, kept = keep_validation(rows[None], y, settings)
        rows = at[0]
    m = len(rows)
    require_batch(m, settings)
    Y = check_labels(y, m, settings)
    with ClusterShards(
        client, _source(args, settings), Y, settings, rows=None if kept is None else rows
    ) as shards:
        X = _columns(data, rows[:SHOWN], settings)
        labels = y if classes else None
        training = examples_of(args, TRAINING, data, settings, X, Y, labels, shards.predict)
        require_classes(training)
        read = [training]
        if kept is not None:
            x, y_kept = _columns(data, kept[0][0], settings), kept[1]
            Y_kept = check_labels(y_kept, len(kept[0][0]), settings)
            held = y_kept if classes else None
            read.append(examples_of(args, VALIDATION, data, settings, x, Y_kept, held))
        yield [*read, *read_test(args, files, settings)], shards


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
