"""Runs killed with SIGKILL, mostly inside a write: the old or the new model, and the same end.

A run of a random format is killed at a random line of the code that writes files (or, one time in
five, after a random time), goes on with --resume, is killed again, and is let end. After every kill
the model file loads and is not older than the last save that had returned; in the end all files
are, bit for bit, those of a run that nobody killed. Needs fork.

    python tests/reliability/kill.py 50
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from attack import Figures, in_child, main
from commands import write_split

from tinygrad_dnn.cli import run_report
from tinygrad_dnn.cli.main import main as command
from tinygrad_dnn.storage import run_file

EVERY, ITERATIONS = 7, 40
DATA = "data.h5"
WRITERS = ("sealed_file.py", "whole_file.py")
WRITING = {"write", "_replace", "_open_temporary", "_sweep", "_remove_if_dead"}
# Compiled as a loop of fewer operations, whose model holds accumulators; as a program; op by op.
# In mini-batches the state of a rule, of the Generator, of a schedule and of early stopping too.
RULES = ("adam", "adamw", "nesterov", "rmsprop", "adagrad", "momentum")
SCHEDULES = (("plateau",), ("cosine",), ("step", "--schedule-steps", "9"))
BATCHES = [
    (
        *("train", DATA, "--layers", "48,5,1", "--optimizer", rule, "--batch-size", "7", *way),
        *("--dropout", "0.2", "--validation", "0.2", "--early-stopping", "3", "--l2", "0.1"),
        *("--schedule", *schedule),
    )
    for k, rule in enumerate(RULES)
    for way, schedule in [(((), ("--eager",))[k % 2], SCHEDULES[k % 3])]
]
FORMATS = [
    ("train", DATA, "--layers", layers, "--dtype", dtype, "--cost", cost, *way)
    for layers, dtype, cost, way in product(
        ("48,5,1", "48,1"), ("float64", "float32"), ("document", "stable"), ((), ("--eager",))
    )
] + BATCHES
FORMATS += [(*form, "--memory", "1") for form in BATCHES[:2]]  # read from the file


def words(form: tuple[str, ...], out: Path | str, *more: str) -> list[str]:
    every, whole = str(EVERY), str(ITERATIONS)
    fixed = ("--iterations", whole, "--checkpoint-every", every, "--no-pictures", "--out", str(out))
    return [*form, *fixed, *more]


def content(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in out.iterdir()}


@cache
def whole(form: tuple[str, ...]) -> dict[str, bytes]:
    """The files of a run of this format that nobody kills."""
    with tempfile.TemporaryDirectory() as folder:
        status, told = in_child(command, words(form, folder))
        assert status == 0, told
        return content(Path(folder))


@cache
def lines_of(form: tuple[str, ...]) -> int:
    """How many lines of the code that writes are run by such a run."""
    with tempfile.TemporaryDirectory() as folder:
        _, told = in_child(traced, words(form, folder), None)
    return int(told.split()[-1])


def traced(arguments: list[str], last: int | None) -> int:
    """Run the command in this process, which kills itself at the line of that number."""
    count = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        code = frame.f_code
        if code.co_name not in WRITING or not code.co_filename.endswith(WRITERS):
            return None
        if event == "line":
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def watched(write: Any, told: bool) -> Any:
        def writing(path: Any, what: Any) -> None:
            sys.settrace(trace)
            write(path, what)
            sys.settrace(None)
            if told:
                os.write(1, f"saved {what.iteration}\n".encode())

        return writing

    run_file.save = watched(run_file.save, told=True)
    run_report.write_text = watched(run_report.write_text, told=False)
    status = command(arguments)
    print(count)
    return status


def timed(arguments: list[str], seconds: float) -> int:
    """Run the command in this process, which is killed after a time."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if os.fork() == 0:  # who kills
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    return traced(arguments, None)


def killed(form: tuple[str, ...], out: Path, rng: Any, counted: Counter[str]) -> str:
    """Kill such a run twice and let it end; what is wrong then, or nothing."""
    for _ in range(2):
        more = ["--resume"] if (out / "model.h5").exists() else []
        arguments = words(form, out, *more)
        if rng.random() < 0.8:
            at = 1 + int(rng.random() ** 2 * lines_of(form))  # a run that goes on has fewer
            how = f"at line {at}"
            status, told = in_child(traced, arguments, at)
        else:
            seconds = float(rng.uniform(0, 0.5))
            how = f"after {seconds:.3f} s"
            status, told = in_child(timed, arguments, seconds)
        if status not in (0, -signal.SIGKILL):
            return f"{how}: status {status}: {told[-300:]}"
        counted["kills"] += status != 0
        counted["kills inside a write"] += status != 0 and "line" in how
        saved = [int(line.split()[1]) for line in told.splitlines() if line.startswith("saved")]
        try:
            iteration = run_file.load(out / "model.h5").iteration
        except FileNotFoundError:
            if saved:
                return f"{how}: saved {saved}, no model there"
            continue
        except OSError as error:
            return f"{how}: {error}"
        if saved and iteration < saved[-1]:
            return f"{how}: saved {saved[-1]}, found {iteration}"
    more = ["--resume"] if (out / "model.h5").exists() else []
    status, told = in_child(command, words(form, out, *more))
    if status != 0:
        return f"then: status {status}: {told[-300:]}"
    found = content(out)
    # Pages and tables have names of their own while they are written; those stay where it died.
    left = {name for name in found if name.startswith(".") and name.endswith(".tmp")}
    if {k: v for k, v in found.items() if k not in left} != whole(form):
        return f"other files than without a kill: {sorted(found)}"
    if any(name.startswith(".model") for name in left):
        return f"left behind: {left}"
    return ""


def attack(n: int) -> Figures:
    """Kill runs, n times or once more, in every format in turn."""
    counted, failures = Counter[str](), []
    rng = np.random.default_rng(n)
    with tempfile.TemporaryDirectory() as data, contextlib.chdir(data):
        write_split(Path(DATA), "train", 30, seed=1)
        for k in range(10 * n):
            if counted["kills"] >= n:
                break
            # Neighbours differ in everything, so that a few show most.
            form = FORMATS[5 * k % len(FORMATS)]
            if said := killed(form, Path(f"run{k}"), rng, counted):
                failures.append(f"{' '.join(form)}: {said}")
    return Figures(counted["kills"], dict(counted) | {"formats": len(FORMATS)}, failures)


if __name__ == "__main__":
    main(attack, 50)
