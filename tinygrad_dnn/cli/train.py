"""`tinygrad-dnn train`: the main job."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from tinygrad_dnn.cli.descent import SETS, Examples, Run, Shares, descend
from tinygrad_dnn.cli.models import open_data
from tinygrad_dnn.cli.output import Log, command_line, complain
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.status import INTERRUPTED
from tinygrad_dnn.data import SPLITS, Dataset, Split, default_dataset, is_hdf5, splits_of
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage import platform, run_file, sealed_file
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.threads import blas_threads, largest_product
from tinygrad_dnn.train import Settings, State, accuracy, begin, check_examples

MODEL, COSTS, ACCURACIES = "model.h5", "costs.csv", "accuracies.csv"
HIDDEN = (20, 7, 5, 1)  # the document's layers after the input
TEST_SEED = 0  # of the examples that --test-share keeps
DOCUMENT_RATE, DIGITS_RATE = 0.0075, 0.1
RUN_DEFAULTS = {"seed": 1, "init": "sqrt", "dtype": "float64", "compiled": True}
BEFORE = {"compiled": False}  # settings that older models lack, and what they were
# In float32 an output above 1 − 6e-8 is 1, and the document's cost NaN: a good fit gets there.
DEFAULT_COST = {"float64": "document", "float32": "stable"}


def run(args: argparse.Namespace) -> int:
    """Train, save, report; the exit status."""
    log = Log()
    with ExitStack() as opened:
        files = [opened.enter_context(f) for f in _open(args)]
        out = _folder(args.out)
        with _alone(out):
            model = out / MODEL
            resumed = _resumed(model) if args.resume else None
            settings = _settings(args, files[0], resumed)
            start = _start(settings, files[0], resumed)
            examples = [_read(args, f, settings) for f in files]
            opened.close()
            largest = max(largest_product(settings.layer_dims, e.X.shape[1]) for e in examples)
            with blas_threads(largest):
                status = _train(args, settings, examples, Run(start, _known(resumed)), out, log)
    log.close()
    return status


def _train(
    args: argparse.Namespace,
    settings: Settings,
    examples: list[Examples],
    start: Run,
    out: Path,
    log: Log,
) -> int:
    model, begun = out / MODEL, start.state.iteration
    log.say(_description(settings, examples[0]))
    if args.resume:
        log.say(f"going on from {model} after iteration {begun}")
        if begun >= args.iterations:
            log.say(f"its {begun} iterations are complete; ask for more with --iterations")
    elif model.exists():
        log.say(f"the model that was there is kept as {_set_aside(model)}")
    with Stop() as stop:
        end, status = descend(args, settings, examples, start, model, log, stop)
        _write_costs(out / COSTS, end.state)
        _write_accuracies(out / ACCURACIES, end.shares)
    if stop.asked is not None or status == INTERRUPTED:
        complain(
            f"interrupted after iteration {end.state.iteration}; {model} is saved. Go on with:\n"
            f"  {_again(args)}"
        )
        return stop.status
    _report(args, out, settings, examples, end, log)
    return status


def _resumed(model: Path) -> run_file.Checkpoint:
    """The model to go on from; refused at once where the first save would be."""
    resumed = run_file.load(model)
    sealed_file.require_replaceable(model)
    return resumed


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Within the block no other run trains in the folder, where the system knows locks."""
    try:
        lock = platform.lock_folder(out)
    except BlockingIOError:
        raise ValueError(
            f"--out {out}: another `tinygrad-dnn train` is at work in this folder; wait until it "
            "ends, or choose another folder"
        ) from None
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _known(resumed: run_file.Checkpoint | None) -> Shares:
    return {} if resumed is None else dict(resumed.accuracies)


def _open(args: argparse.Namespace) -> list[Dataset]:
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
    if not args.x and "test" in splits_of(named["train"]):
        named.setdefault("test", named["train"])
    files = _read_files(args, named)
    if files[0].x_shape[1:] != files[-1].x_shape[1:]:
        raise ValueError(
            f"{files[-1].path}: its examples have shape {files[-1].x_shape[1:]}, those of "
            f"{named['train']} {files[0].x_shape[1:]}"
        )
    return files


def _read_files(args: argparse.Namespace, named: dict[Split, str]) -> list[Dataset]:
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
        return [*whole.split(args.test_share, np.random.default_rng(TEST_SEED))]


def _folder(name: str) -> Path:
    out = Path(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # better to hear of it now than after an hour of training
            pass
    except OSError as error:
        raise OSError(
            f"--out {out}: not a folder to write to: {error.strerror}; choose another"
        ) from None
    return out


def _settings(
    args: argparse.Namespace, data: Dataset, resumed: run_file.Checkpoint | None
) -> Settings:
    """The run's settings: what was asked for, what a resumed run had, else the defaults."""
    digits = not (args.train or args.files)
    chosen: dict[str, Any] = RUN_DEFAULTS | {
        "cost": DEFAULT_COST.get(args.dtype, "document"),
        "learning_rate": DIGITS_RATE if digits else DOCUMENT_RATE,
    }
    layers: tuple[int, ...] = args.layers or (data.n_x, *HIDDEN)
    if resumed is not None:
        had = BEFORE | resumed.settings
        if missing := chosen.keys() - had.keys():
            raise ValueError(
                f"--resume: {resumed.source} has no setting {', '.join(sorted(missing))}; "
                "only what `tinygrad-dnn train` saved can be gone on with"
            )
        chosen = {name: had[name] for name in chosen}
        resumed.require_layers(args.layers or resumed.layer_dims)
        layers = resumed.layer_dims
    for name in chosen:
        asked = getattr(args, name)
        if asked is not None:
            if resumed is not None and asked != chosen[name]:
                begun = f"with {name.replace('_', '-')} {chosen[name]}, not {asked}"
                if name == "compiled":
                    begun = "compiled, not eager"
                raise ValueError(
                    f"--resume: the run was begun {begun}; leave it out, or begin a new run in "
                    "another folder"
                )
            chosen[name] = asked
    if layers[0] != data.n_x:
        raise ValueError(
            f"layers: the first size must be the {data.n_x} numbers per example of {data.path}, "
            f"got {layers[0]}"
        )
    return Settings(layers, **chosen)


def _start(settings: Settings, data: Dataset, resumed: run_file.Checkpoint | None) -> State:
    if resumed is None:
        return begin(settings)
    resumed.require_data(data.fingerprint())
    return State(resumed.parameters, resumed.iteration, resumed.costs, resumed.loop_state)


def _read(args: argparse.Namespace, data: Dataset, settings: Settings) -> Examples:
    X, Y = check_examples(data.columns(settings.dtype), data.labels(), settings)
    return Examples(
        data.path if args.train or args.files else "the digits that come along",
        X,
        Y,
        data.x_shape[1:],
        255.0 if data.x_dtype == np.uint8 else 1.0,
        data.classes[:2],  # the names of labels 0 and 1
        data.fingerprint(),
    )


def _description(settings: Settings, data: Examples) -> str:
    s = settings
    return (
        f"{'-'.join(map(str, s.layer_dims))} on {data.Y.shape[1]} examples of {data.name}: "
        f"learning rate {s.learning_rate:g}, seed {s.seed}, init {s.init}, {s.dtype}, {s.cost} cost"
        f"{'' if s.compiled else ', eager'}"
    )


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


def _program() -> list[str]:
    """How the user called us."""
    called = Path(sys.argv[0])
    if (called.parent.name, called.name) == ("tinygrad_dnn", "__main__.py"):
        return [Path(sys.executable).name, "-m", "tinygrad_dnn"]
    return ["tinygrad-dnn"]


def _again(args: argparse.Namespace) -> str:
    """The command that goes on where this one stopped."""
    words = [*_program(), "train", *args.files]
    for name in ("train", "test", "x", "y", "classes"):
        if getattr(args, name):
            words += [f"--{name}", getattr(args, name)]
    if args.size:
        words += ["--size", "x".join(map(str, args.size))]
    if args.test_share is not None:
        words += ["--test-share", str(args.test_share)]
    words += ["--iterations", str(args.iterations), "--out", args.out]
    words += ["--checkpoint-every", str(args.checkpoint_every)]
    words += ["--no-pictures"] if args.no_pictures else []
    return command_line([*words, "--resume"], sys.stderr)


def _typed() -> str:
    """The command that this is."""
    return command_line([*_program(), *sys.argv[1:]])


def _use(args: argparse.Namespace, model: Path, tested: Examples) -> str:
    """A command that predicts with the model."""
    words = [*_program(), "predict", str(model)]
    if args.train or args.files:
        words += [tested.name]
        for name in ("x", "y", "classes"):
            words += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    return command_line(words)


def _write_accuracies(path: Path, shares: Shares) -> None:
    whats = [what for what in SETS if what in shares]
    by_iteration: dict[int, dict[str, float]] = {}
    for what in whats:
        for iteration, share in shares[what].tolist():
            by_iteration.setdefault(int(iteration), {})[what] = share
    rows = "".join(
        f"{iteration},{','.join(repr(row[what]) if what in row else '' for what in whats)}\n"
        for iteration, row in sorted(by_iteration.items())
    )
    write_text(path, f"{','.join(['iteration', *whats])}\n{rows}")


def _write_costs(path: Path, state: State) -> None:
    rows = "".join(f"{iteration},{cost!r}\n" for iteration, cost in state.costs)
    write_text(path, f"iteration,cost\n{rows}")


def _report(
    args: argparse.Namespace,
    out: Path,
    settings: Settings,
    examples: list[Examples],
    end: Run,
    log: Log,
) -> None:
    reached = {}
    for e, what in zip(examples, SETS, strict=False):
        reached[what] = float(f"{accuracy(e.X, e.Y, end.state.parameters):.12g}")
        log.say(f"Accuracy on the {e.Y.shape[1]} {what} examples: {reached[what]}")
    written = [out / MODEL, out / COSTS, out / ACCURACIES]
    if not args.no_pictures:
        log.say(f"drawing the pictures into {out}")
        # They bring libraries that no other part needs.
        from tinygrad_dnn.cli.pictures import Story, draw_pictures

        story = Story(
            _description(settings, examples[0]),
            reached,
            _typed(),
            _use(args, out / MODEL, examples[-1]),
        )
        written += draw_pictures(out, settings, examples, end, story)
    log.say("wrote " + ", ".join(printable(str(path)) for path in written))
    log.say(f"use it: {_use(args, out / MODEL, examples[-1])}")
