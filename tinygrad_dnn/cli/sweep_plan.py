"""The runs of a sweep with their data and settings: what is wrong with one is known beforehand."""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_dnn.cli.config import config_text, fill
from tinygrad_dnn.cli.output import words_of
from tinygrad_dnn.cli.run_data import open_files
from tinygrad_dnn.cli.run_settings import head_of, plan_of
from tinygrad_dnn.cli.sweep_file import FIXED, Asked
from tinygrad_dnn.cli.train import MODEL
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.sweep import Job, Result, Run, identity_of, result_of
from tinygrad_dnn.threads import largest_product, thread_count

RUNS = "runs"  # the folder of folders
# What says which examples there are.
DATA = ("train", "test_share", "x", "y", "classes", "size")
DIVERGED = "diverged"


@dataclass(frozen=True)
class Planned:
    """A run that is to be, or was, carried out.

    Attributes:
        run: what is asked for.
        folder: where it is, or will be.
        config: the text of its config file.
        data: the fingerprint of its training examples.
        head: of its network; empty where it is refused.
        threads: of its matrix products.
        refused: why it can't be carried out; empty where it can.
    """

    run: Run
    folder: Path
    config: str
    data: str = ""
    head: str = ""
    threads: int = 1
    refused: str = ""

    @property
    def result(self) -> Result | None:
        """What it reached; None where it is not complete."""
        return result_of(self.folder)

    @property
    def status(self) -> str:
        """Where it stands, in a word or two."""
        if self.refused:
            return "refused"
        if (result := self.result) is not None:
            return DIVERGED if result.stopped else "complete"
        return "begun" if (self.folder / MODEL).exists() else "to do"

    @property
    def job(self) -> Job:
        """The run for a process."""
        return Job(self.run.name, self.folder, self.config)


def planned(asked: Asked, path: Path, out: Path) -> list[Planned]:
    """The runs of the sweep file at `path`, in folders below `out`.

    Raises:
        ValueError: every one of them is refused.
    """
    runs = asked.sweep.runs()
    there = out / RUNS
    known = {p.name.rpartition("-")[2]: p for p in there.iterdir()} if there.is_dir() else {}
    found: dict[Path, Planned] = {}  # what is the same by its defaults is one run
    with ExitStack() as opened:
        data = _Data(opened)
        for run in runs:
            settings = {**run.settings, **FIXED}
            config = text_of(settings)
            try:
                examples, fingerprint, args, head = data.of(settings, path)
                plan = plan_of(args, examples, None, head)
            except (ValueError, TypeError, OSError) as error:
                folder = there / run.folder(identity_of(settings))
                found[folder] = Planned(run, folder, config, refused=words_of(error))
                continue
            s = plan.settings
            whole: dict[str, Any] = {
                "layers": s.layer_dims,
                "iterations": plan.iterations,
                "data": fingerprint,
            }
            # Without what is not set: a setting that a later version has changes no identity.
            whole |= {k: x for k, x in s.described().items() if x is not None}
            identity = identity_of(whole)
            # A folder keeps its name when the file gets another axis.
            folder = known.get(identity, there / run.folder(identity))
            threads = thread_count(largest_product(s.layer_dims, s.batch_size or examples.m))
            found.setdefault(folder, Planned(run, folder, config, fingerprint, head, threads))
    planned_runs = [*found.values()]
    if all(p.refused for p in planned_runs):
        first = planned_runs[0]
        raise ValueError(
            f"{path}: none of the {len(found)} runs can be carried out; the first: "
            f"{first.run.name}: {first.refused.removeprefix(f'{path}: ')}"
        )
    return planned_runs


def text_of(settings: Mapping[str, Any]) -> str:
    """The settings as a config file of `train`."""
    return config_text(settings, digits="train" not in settings)


class _Data:
    """The training examples that runs ask for, each opened once."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._nothing = _arguments()
        self._found: dict[str, tuple[Dataset, str]] = {}

    def of(
        self, settings: Mapping[str, Any], path: Path
    ) -> tuple[Dataset, str, argparse.Namespace, str]:
        """The data, their fingerprint, the arguments of `train`, the head."""
        args = copy.copy(self._nothing)
        fill(args, path, settings)
        head = head_of(args, None)
        asked = {k: settings.get(k) for k in DATA} | {"binary": head == "sigmoid"}
        key = json.dumps(asked, sort_keys=True)
        if key not in self._found:
            files = [self._opened.enter_context(file) for file in open_files(args, head)]
            self._found[key] = files[0], files[0].fingerprint()
        return *self._found[key], args, head


def _arguments() -> argparse.Namespace:
    """Those of `train` where nothing is said."""
    from tinygrad_dnn.cli.train_arguments import train_arguments

    parser = argparse.ArgumentParser()
    train_arguments(parser)
    return parser.parse_args([])


def score_of(asked: Asked, runs: Sequence[Planned], path: Path) -> str:
    """What the runs are compared by.

    Raises:
        ValueError: some of them have no such number.
    """
    numbers = {p.head == "linear" for p in runs if not p.refused}
    if asked.score == "cost":
        return "cost"
    if len(numbers) > 1:
        raise ValueError(
            f"{path}: some runs predict numbers, others classes, which no score compares; sweep "
            "them apart"
        )
    fitting = "error" if numbers == {True} else "accuracy"
    if asked.score not in (None, fitting):
        raise ValueError(
            f'{path}: score: these runs have "{fitting}" and "cost", no "{asked.score}"'
        )
    return fitting
