"""Sweeps that are killed and stopped at random: gone on with, they end as undisturbed ones.

In each case a sweep is disturbed several times, at a random moment: SIGKILL for itself or for one
of its processes, or SIGINT. Then the same command is let end. Every run's model has the bytes, and
the tables have the text, but for how long runs took, of a sweep that nobody disturbed. Needs
Linux's /proc.

    python tests/reliability/sweeps.py 5
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from attack import Figures, main
from commands import ALONE, command, heed_interrupts, timeless, write_split

DISTURBED = 3  # times in a case
TEXT = """
train = "data.h5"
layers = [48, 5, 1]
iterations = [{a}, {b}]
checkpoint_every = 50
{more}
"""
MORE = (
    'learning_rate = [0.01, 1e9]\neager = true\nvalidation = 0.2',
    'optimizer = ["adam", "momentum"]\nbatch_size = 8\nfolds = 2',
    'seed = [1, 2]\ndropout = 0.2\nvalidation = 0.3\nearly_stopping = 1000',
)  # fmt: skip


def begin(out: str) -> subprocess.Popen[str]:
    words = ("sweep", "sweep.toml", "--jobs", 2, "--no-pictures", "--out", out)
    return subprocess.Popen(
        command(*words), env=os.environ | ALONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    """The processes that the threads of a process have started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            found += map(int, path.read_text("ascii").split())
    return found


def left(out: str) -> dict[str, Any]:
    """What has to be the same."""
    there = Path(out)
    files = [*there.glob("runs/*/model.h5"), *there.glob("runs/*/costs.csv"), *there.glob("*.csv")]
    files += [*there.glob("best/model.h5")]
    return {str(p.relative_to(there)): timeless(p.read_bytes()) for p in files}


def attack(n: int) -> Figures:
    """Disturb n sweeps."""
    rng = np.random.default_rng(n)
    counted, failures = Counter[str](), []
    for k in range(n):
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            write_split(Path("data.h5"), "train", 24, seed=k)
            a, b = rng.choice(np.arange(400, 1500), 2, replace=False)
            text = TEXT.format(a=a, b=b, more=MORE[k % len(MORE)])
            Path("sweep.toml").write_text(text, encoding="utf-8")
            begun = time.monotonic()
            begin("undisturbed").communicate(timeout=300)
            took = time.monotonic() - begun
            for _ in range(DISTURBED):
                process = begin("disturbed")
                time.sleep(float(rng.uniform(0.2, 0.8)) * took)
                how = ("killed", "a process killed", "SIGINT")[rng.integers(3)]
                of = children(process.pid)
                if process.poll() is not None or not (of or how == "killed"):
                    how = "over before"
                elif how == "killed":
                    process.kill()
                elif how == "SIGINT":
                    process.send_signal(signal.SIGINT)
                else:
                    with contextlib.suppress(OSError):
                        os.kill(int(rng.choice(of)), signal.SIGKILL)
                told, _ = process.communicate(timeout=300)
                counted[how] += 1
                if "Traceback" in told:
                    failures.append(f"case {k}: {how}: {told[-500:]}")
            told, _ = begin("disturbed").communicate(timeout=300)
            expected, got = left("undisturbed"), left("disturbed")
            if got != expected:
                other = sorted(x for x in expected.keys() | got if expected.get(x) != got.get(x))
                failures.append(f"case {k} of {n}: {other} differ: {told[-1500:]}")
            counted["runs"] += sum(x.endswith("model.h5") for x in expected)
    return Figures(n, dict(counted), failures)


if __name__ == "__main__":
    main(attack, 5)
