"""`tinygrad-dnn train`: the main job."""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tinygrad_dnn import checkpoint
from tinygrad_dnn.cli.pictures import draw_pictures
from tinygrad_dnn.cli.status import DONE, INTERRUPTED, NO
from tinygrad_dnn.data import SPLITS, Dataset, Split, default_dataset, open_dataset
from tinygrad_dnn.hdf5 import has_dataset, open_h5
from tinygrad_dnn.train import (
    RECORD_EVERY,
    DivergedError,
    Settings,
    State,
    accuracy,
    begin,
    check_examples,
    train,
)

MODEL = "model.h5"
HIDDEN = (20, 7, 5, 1)  # the document's layers after the input
DOCUMENT_RATE, DIGITS_RATE = 0.0075, 0.1
RUN_DEFAULTS = {"seed": 1, "init": "sqrt", "dtype": "float64", "cost": "document"}


@dataclass
class Examples:
    """One data file read: columns X (n_x, m), labels Y (1, m), and what a model must remember."""

    name: str
    X: Any
    Y: Any
    shape: tuple[int, ...]
    scale: float
    classes: tuple[str, ...]
    fingerprint: str


def run(args: argparse.Namespace) -> int:
    """Train, save, report; the exit status."""
    sources = _sources(args)
    out = _folder(args.out)
    model = out / MODEL
    resumed = checkpoint.load(model) if args.resume else None
    with ExitStack() as opened:
        files = [opened.enter_context(dataset) for dataset in sources]
        settings = _settings(args, files[0], resumed)
        examples = [_read(f, settings) for f in files]
    for e in examples:
        check_examples(e.X, e.Y, settings)
    start = begin(settings)
    if resumed is not None:
        resumed.require_layers(settings.layer_dims)
        resumed.require_data(examples[0].fingerprint)
        start = State(resumed.parameters, resumed.iteration, resumed.costs)
        print(f"going on from {model} after iteration {start.iteration}")
        if start.iteration >= args.iterations:
            print(f"its {start.iteration} iterations are complete; ask for more with --iterations")
    elif model.exists():
        model.replace(kept := model.with_suffix(".before.h5"))
        print(f"the model that was there is kept as {kept}")
    state, status = _descend(args, settings, examples[0], start, model)
    _report(args, out, settings, examples, state)
    return status


def _sources(args: argparse.Namespace) -> list[Dataset]:
    """The training data and, if there is any, the test data."""
    if len(args.files) > 2:
        raise ValueError(f"expected a training and a test file, got {len(args.files)} files")
    named: dict[Split, str] = dict(zip(SPLITS, args.files, strict=False))
    for split in SPLITS:
        if getattr(args, split):
            if split in named:
                raise ValueError(f"the {split} file is given twice; say it once")
            named[split] = getattr(args, split)
    if not named:
        return [default_dataset("train"), default_dataset("test")]
    if "train" not in named:
        raise ValueError("there is a test file but no training file; give --train FILE")
    if not args.x and _holds_both(named["train"]):
        named.setdefault("test", named["train"])
    sources = [
        open_dataset(
            path,
            args.x,
            args.y,
            args.classes,
            split=split if not args.x and _holds_both(path) else None,
        )
        for split, path in named.items()
    ]
    if sources[0].x_shape[1:] != sources[-1].x_shape[1:]:
        raise ValueError(
            f"{named['test']}: its examples have shape {sources[-1].x_shape[1:]}, those of "
            f"{named['train']} {sources[0].x_shape[1:]}"
        )
    return sources


def _holds_both(path: str) -> bool:
    with open_h5(path) as file:
        return all(has_dataset(file, f"{split}_set_x") for split in SPLITS)


def _folder(name: str) -> Path:
    out = Path(name)
    out.mkdir(parents=True, exist_ok=True)
    probe = out / ".writable"
    probe.touch()  # better to hear of it now than after an hour of training
    probe.unlink()
    return out


def _settings(
    args: argparse.Namespace, data: Dataset, resumed: checkpoint.Checkpoint | None
) -> Settings:
    """The run's settings: what was asked for, what a resumed run had, else the defaults."""
    digits = not (args.train or args.files)
    chosen: dict[str, Any] = RUN_DEFAULTS | {
        "learning_rate": DIGITS_RATE if digits else DOCUMENT_RATE
    }
    layers: tuple[int, ...] = (data.n_x, *HIDDEN)
    if resumed is not None:
        chosen = {name: resumed.settings[name] for name in chosen}
        layers = resumed.layer_dims
    for name in chosen:
        asked = getattr(args, name)
        if asked is not None:
            if resumed is not None and asked != chosen[name]:
                raise ValueError(
                    f"--resume: the run was begun with {name.replace('_', '-')} {chosen[name]}, "
                    f"not {asked}; leave it out, or begin a new run in another folder"
                )
            chosen[name] = asked
    layers = args.layers or layers
    if layers[0] != data.n_x:
        raise ValueError(
            f"layers: the first size must be the data's {data.n_x} numbers per example, "
            f"got {layers[0]}"
        )
    return Settings(layers, **chosen)


def _read(data: Dataset, settings: Settings) -> Examples:
    labels = data.labels()
    X = data.columns(settings.dtype)
    scale = 255.0 if data.x_dtype.kind == "u" and data.x_dtype.itemsize == 1 else 1.0
    name = Path(data.path).name
    return Examples(name, X, labels, data.x_shape[1:], scale, data.classes, data.fingerprint())


def _descend(
    args: argparse.Namespace, settings: Settings, data: Examples, start: State, model: Path
) -> tuple[State, int]:
    """Train, show the cost as the document does, save every so often; the last state and status."""
    latest, saved = start, -1

    def save(state: State) -> None:
        nonlocal saved
        if state.iteration != saved:
            checkpoint.save(model, _checkpoint(settings, data, state))
            saved = state.iteration

    with tqdm(
        total=args.iterations,
        initial=start.iteration,
        unit="it",
        disable=None,  # silent where there is no terminal
        leave=False,
    ) as bar:

        def after(state: State, cost: float) -> None:
            nonlocal latest
            latest = state
            done = state.iteration - 1
            if done % RECORD_EVERY == 0:
                bar.write(f"Cost after iteration {done}: {cost:f}", file=sys.stdout)
                sys.stdout.flush()
            bar.update()
            if state.iteration % args.checkpoint_every == 0:
                save(state)

        try:
            train(data.X, data.Y, settings, args.iterations, start=start, after=after)
        except KeyboardInterrupt:
            save(latest)
            bar.close()
            print(
                f"interrupted after iteration {latest.iteration}; {model} is saved. Go on with:\n"
                f"  {_again(args)}",
                file=sys.stderr,
            )
            return latest, INTERRUPTED
        except DivergedError as diverged:
            save(diverged.state)
            bar.close()
            print(
                f"stopped: {diverged}\n{model} holds the last good parameters, after iteration "
                f"{diverged.state.iteration}.",
                file=sys.stderr,
            )
            return diverged.state, NO
    save(latest)
    return latest, DONE


def _checkpoint(settings: Settings, data: Examples, state: State) -> checkpoint.Checkpoint:
    return checkpoint.Checkpoint(
        parameters=dict(state.parameters),
        layer_dims=settings.layer_dims,
        iteration=state.iteration,
        costs=state.costs,
        # Full-batch descent draws nothing; what it would draw next is kept all the same.
        random_state=dict(np.random.default_rng(settings.seed).bit_generator.state),
        settings=settings.described(),
        data_fingerprint=data.fingerprint,
        class_names=data.classes,
        x_shape=data.shape,
        x_scale=data.scale,
    )


def _again(args: argparse.Namespace) -> str:
    """The command that goes on where this one stopped."""
    words = ["tinygrad-dnn", "train", *args.files]
    for name in ("train", "test", "x", "y", "classes"):
        if getattr(args, name):
            words += [f"--{name}", getattr(args, name)]
    words += ["--iterations", str(args.iterations), "--out", args.out, "--resume"]
    return shlex.join(words)


def _report(
    args: argparse.Namespace,
    out: Path,
    settings: Settings,
    examples: list[Examples],
    state: State,
) -> None:
    for e in examples:
        share = accuracy(e.X, e.Y, state.parameters)
        what = "training" if e is examples[0] else "test"
        print(f"Accuracy on the {what} examples ({e.name}, {e.Y.shape[1]}): {share:.12g}")
    with (out / "costs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", "cost"])
        writer.writerows((i, repr(cost)) for i, cost in state.costs)
    written = [out / MODEL, out / "costs.csv"]
    if not args.no_pictures:
        written += draw_pictures(out, settings, examples[0], state)
    print("wrote " + ", ".join(map(str, written)))
