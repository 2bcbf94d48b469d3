"""`tinygrad-dnn train` on several processes or machines: what is asked, who has which examples."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from tinygrad_dnn.cli.run_data import (
    TRAINING,
    VALIDATION,
    Examples,
    kept_in_file,
    read_examples,
    read_test,
    require_batch,
    require_classes,
    require_read_by_parts,
    rows_of,
    training_path,
)
from tinygrad_dnn.cluster.connect import check_address
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, check_labels
from tinygrad_dnn.train.shards import shard_bounds


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
    require_read_by_parts(
        args,
        whole="it runs in one process",
        read="workers read their examples",
        parts="of which each worker reads its own rows",
        leave="the cluster",
    )
    _require_dask()
    return True


def as_many_as_workers(args: argparse.Namespace, resumed: run_file.Checkpoint | None) -> bool:
    """Whether there are to be as many shards as workers; one, until those are counted."""
    had = None if resumed is None else resumed.settings.get("shards")
    if args.shards is not None or had is not None:
        return False
    args.shards = args.cluster or 1
    return True


def read_files(
    args: argparse.Namespace, files: list[Dataset], settings: Settings
) -> tuple[list[Examples], Any]:
    """The examples of a run, without what workers read, and the rows that they are to read.

    Raises:
        ValueError: as `run_data.read_files`; more shards than examples.
    """
    rows, kept = rows_of(files[0], settings)
    data = files[0] if rows is None else files[0].rows(rows)
    shard_bounds(data.m, settings.shards or 1)
    require_batch(data.m, settings)
    files[0].require_finite(settings.dtype)
    read = [kept_in_file(args, TRAINING, data, settings, files[0].fingerprint())]
    require_classes(read[0])
    if kept is not None:
        read.append(read_examples(args, VALIDATION, files[0].rows(kept), settings))
    return [*read, *read_test(args, files, settings)], rows


def shards_of(
    args: argparse.Namespace,
    settings: Settings,
    training: Examples,
    rows: Any,
    as_many: bool,
    opened: ExitStack,
) -> Any:
    """The training examples as `cluster.ClusterShards`; what could be refused without workers was.

    Args:
        rows: of their file; None for all.
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
    y = training.Y if training.labels is None else training.labels
    Y = check_labels(y, training.m, settings)
    shards = ClusterShards(client, _source(args, settings), Y, settings, rows=rows)
    return opened.enter_context(shards)


def _source(args: argparse.Namespace, settings: Settings) -> Any:
    from tinygrad_dnn.cluster import Source

    path = training_path(args)
    if path is None:
        return Source(None, labels="parity" if settings.head == "sigmoid" else "digit")
    path = os.path.abspath(path)
    return Source(path, args.x, args.y, args.classes, None if args.x else "train")
