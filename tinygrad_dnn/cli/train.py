"""`tinygrad-dnn train`: the main job."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from tinygrad_dnn.array_modules import CPU, device_module
from tinygrad_dnn.cli import from_file, on_cluster, run_report
from tinygrad_dnn.cli.config import config_text, read_config
from tinygrad_dnn.cli.descent import Run, descend, from_checkpoint
from tinygrad_dnn.cli.folders import output_folder
from tinygrad_dnn.cli.kinds import ALL
from tinygrad_dnn.cli.output import Log, command_line, complain, program_words
from tinygrad_dnn.cli.rates import find_learning_rate
from tinygrad_dnn.cli.run_data import Examples, open_files, read_files
from tinygrad_dnn.cli.run_settings import (
    NAMES,
    OPTIONS,
    Plan,
    description,
    head_of,
    plan_of,
)
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.status import INTERRUPTED, UNUSABLE
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.storage import run_file, sealed_file
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train import Settings, begin

MODEL, CONFIG = "model.h5", "config.toml"


def run(args: argparse.Namespace) -> int:
    """Train, save, report; the exit status."""
    log = Log()
    if args.config:
        read_config(args)
    for name, value in OPTIONS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    device_module(args.device)  # refused before anything is read or written
    on_workers = on_cluster.asked(args)
    if args.memory is not None:
        from_file.check_options(args)
    with ExitStack() as cluster, ExitStack() as opened:
        # A run that is gone on with says its head; of a new one bad files leave no folder.
        files = [] if args.resume else _opened(args, head_of(args, None), opened)
        with output_folder(args.out, "train") as out:
            resumed = _resumed(out / MODEL) if args.resume else None
            head = head_of(args, resumed)
            files = files or _opened(args, head, opened)
            as_many = on_workers and on_cluster.as_many_as_workers(args, resumed)
            plan = plan_of(args, files[0], resumed, head)
            start = _start(plan.settings, files[0], resumed)
            elsewhere: Any = None
            if on_workers:
                examples, rows = on_cluster.read_files(args, files, plan.settings)
                elsewhere = on_cluster.shards_of(
                    args, plan.settings, examples[0], rows, as_many, cluster
                )
                plan = replace(plan, settings=elsewhere.settings)
                examples[0].answers = elsewhere.predict
            elif plan.settings.memory is not None:
                from_file.check_options(args)  # of a run that is gone on with, too
                examples, elsewhere = from_file.read_files(args, files, plan.settings)
            else:
                examples = read_files(args, files, plan.settings)
                opened.close()
            largest = max(largest_product(plan.settings.layer_dims, e.m) for e in examples)
            with blas_threads(largest):
                if args.find_learning_rate:
                    status = find_learning_rate(args, plan, examples, out, log)
                else:
                    status = _train(args, plan, examples, elsewhere, start, out, log)
    log.close()
    return status


def _opened(args: argparse.Namespace, head: str, opened: ExitStack) -> list[Dataset]:
    return [opened.enter_context(file) for file in open_files(args, head)]


def _train(
    args: argparse.Namespace,
    plan: Plan,
    examples: list[Examples],
    elsewhere: Any,
    start: Run,
    out: Path,
    log: Log,
) -> int:
    model, begun = out / MODEL, start.state.iteration
    settings = plan.settings
    log.say(description(settings, examples[0].m, examples[0].name))
    if args.resume:
        log.say(f"going on from {model} after iteration {begun}")
        if start.state.stopped:
            log.say("early stopping has ended it; begin a new run to train on")
        elif begun >= plan.iterations:
            log.say(f"its {begun} iterations are complete; ask for more with --iterations")
    elif model.exists():
        log.say(f"the model that was there is kept as {_set_aside(model)}")
    write_text(out / CONFIG, _config(args, plan, begun))
    (out / run_report.RESULT).unlink(missing_ok=True)  # of an earlier run
    with Stop() as stop:
        end, status = descend(args, plan, examples, elsewhere, start, model, log, stop)
        written = [model, out / CONFIG]
        written += run_report.write_tables(out, settings, examples[0].m, end)
        if stop.asked is not None or status in (INTERRUPTED, UNUSABLE):
            # Said in the block: outside of it another signal ends the process.
            complain(
                f"interrupted after iteration {end.state.iteration}; {model} is saved. "
                f"Go on with:\n  {_again(args, plan)}"
            )
            return UNUSABLE if status == UNUSABLE else stop.status
    use = _use(args, model, examples[-1])
    run_report.report(args, out, plan, examples, end, log, written, run_report.Words(_typed(), use))
    return status


def _config(args: argparse.Namespace, plan: Plan, begun: int) -> str:
    """The run as a config file: what its data and settings are, files by their whole paths."""
    settings = plan.settings
    named = dict(zip(("train", "test"), args.files, strict=False))
    values: dict[str, Any] = {
        name: os.path.abspath(path)
        for name in ("train", "test")
        if (path := getattr(args, name) or named.get(name))
    }
    kept = ("x", "y", "classes", "test_share", "checkpoint_every")
    values |= {name: getattr(args, name) for name in kept}
    values["size"] = None if args.size is None else "x".join(map(str, args.size))
    values |= {name: getattr(settings, name) for name in NAMES}
    values |= {
        "layers": settings.layer_dims,
        "head": settings.head,
        "iterations": max(plan.iterations, begun),
        "batch_size": settings.batch_size or ALL,
        "eager": None if settings.compiled else True,
        "no_pictures": args.no_pictures,
        "device": None if args.device == CPU else args.device,
        "no_test": args.no_test,
    }
    return config_text(values, digits="train" not in values)


def _resumed(model: Path) -> run_file.Checkpoint:
    """The model to go on from; refused at once where the first save would be."""
    resumed = run_file.load(model)
    sealed_file.require_replaceable(model)
    return resumed


def _start(settings: Settings, data: Dataset, resumed: run_file.Checkpoint | None) -> Run:
    if resumed is None:
        return Run(begin(settings))
    resumed.require_data(data.fingerprint())
    return from_checkpoint(resumed)


def _set_aside(model: Path) -> Path:
    """Rename the model of an earlier run, to a name that no other one has.

    Raises:
        ValueError: a folder stands in its place.
    """
    if model.is_dir():
        raise ValueError(f"{model}: is a folder; move it away, or choose another --out")
    for k in count(1):
        kept = model.with_suffix(f".{k}{model.suffix}")
        try:
            kept.open("xb").close()  # nobody else gets a name that is taken: no model is replaced
        except FileExistsError:
            continue
        try:
            return model.replace(kept)
        except BaseException:
            kept.unlink()
            raise
    raise AssertionError  # there is always another number


def _again(args: argparse.Namespace, plan: Plan) -> str:
    """The command that goes on where this one stopped."""
    words = [*program_words(), "train", *args.files]
    for name in ("train", "test", "x", "y", "classes"):
        if getattr(args, name):
            words += [f"--{name}", getattr(args, name)]
    if args.size:
        words += ["--size", "x".join(map(str, args.size))]
    if args.test_share is not None:
        words += ["--test-share", str(args.test_share)]
    words += ["--no-test"] if args.no_test else []
    words += ["--iterations", str(plan.iterations), "--out", args.out]
    words += ["--checkpoint-every", str(args.checkpoint_every)]
    words += [] if args.device == CPU else ["--device", args.device]
    words += ["--no-pictures"] if args.no_pictures else []
    if args.scheduler:
        words += ["--scheduler", args.scheduler, *(["--insecure"] if args.insecure else [])]
    elif args.cluster is not None:
        words += ["--cluster", *([str(args.cluster)] if args.cluster else [])]
    return command_line([*words, "--resume"], sys.stderr)


def _typed() -> str:
    """The command that this is."""
    return command_line([*program_words(), *sys.argv[1:]])


def _use(args: argparse.Namespace, model: Path, tested: Examples) -> str:
    """A command that predicts with the model."""
    words = [*program_words(), "predict", str(model)]
    if args.train or args.files:
        words += [tested.name]
        for name in ("x", "y", "classes"):
            words += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    return command_line(words)
