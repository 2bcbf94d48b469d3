"""Runs stopped by SIGINT, SIGTERM or SIGHUP at random moments, once or twice: nothing is lost.

The run ends with 128 + the signal, or by it when all is saved and told. Its model holds the
iteration that it tells (the last, where it tells none), and going on with --resume leaves, bit for
bit, the files of a run that nobody stopped. Needs fork.

    python tests/reliability/stop_signals.py 50
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from attack import Figures, in_child, main
from commands import write_split

from tinygrad_dnn.cli.main import main as command
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.storage.platform import STOP_SIGNALS

ITERATIONS = 2000
WORDS = ["train", "data.h5", "--layers", "48,4,1", "--no-pictures", "--checkpoint-every", "300"]


def words(out: str, *more: str) -> list[str]:
    return [*WORDS, "--iterations", str(ITERATIONS), "--out", out, *more]


def content(out: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(out).iterdir()}


def stopped(out: str, number: int, delays: list[float]) -> int:
    """Run in this process, which another one sends the signal after each of the delays."""
    signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
    me, (ready, begun) = os.getpid(), os.pipe()
    if os.fork() == 0:  # who sends
        os.close(begun)
        os.read(ready, 1)
        for delay in delays:
            time.sleep(delay)
            with contextlib.suppress(ProcessLookupError):
                os.kill(me, number)
        os._exit(0)
    genuine = run_file.save

    def save(path: Any, saved: Any) -> None:
        genuine(path, saved)
        with contextlib.suppress(OSError):
            os.write(begun, b"x")  # with the first save the run has begun

    run_file.save = save
    return command(words(out))


def attack(n: int) -> Figures:
    """Stop n runs."""
    rng = np.random.default_rng(n)
    counted, failures = Counter[str](), []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_split(Path("data.h5"), "train", 30, seed=1)
        start = time.perf_counter()
        assert in_child(command, words("whole"))[0] == 0
        whole, took = content("whole"), time.perf_counter() - start
        for k in range(n):
            number = STOP_SIGNALS[k % len(STOP_SIGNALS)]
            delays = [float(rng.uniform(0, took / 2)), float(rng.uniform(0, 0.01))][: 1 + k % 2]
            out, what = f"run{k}", f"{number.name} after {delays}"
            status, told = in_child(stopped, out, number, delays)
            counted[number.name] += 1
            counted["twice"] += len(delays) > 1
            # A signal that comes when all is done or told ends the process in its own way.
            if status not in (0, 128 + number, -number):
                failures.append(f"{what}: status {status}: {told[-300:]}")
                continue
            if status:
                after = re.search(r"interrupted after iteration (\d+);", told)
                counted["stopped in time"] += after is not None
                expected = int(after[1]) if after else ITERATIONS
                if (found := run_file.load(f"{out}/model.h5").iteration) != expected:
                    failures.append(f"{what}: told {expected}, found {found}: {told[-300:]}")
            status, told = in_child(command, words(out, "--resume"))
            if status or content(out) != whole:
                failures.append(f"{what}: going on: status {status}: {told[-300:]}")
    return Figures(n, dict(counted), failures)


if __name__ == "__main__":
    main(attack, 30)
