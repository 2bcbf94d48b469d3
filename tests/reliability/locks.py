"""Runs that begin in one folder at the same time: one at a time trains, and no model is lost.

Several processes begin at once, with seeds of their own. Each either trains to its end or is
refused in words; in the end there is a model file for each that trained, whole, and of its seed.
In every second case they only race, without a lock, for the names of earlier models: what each was
given it keeps. Needs fork.

    python tests/reliability/locks.py 50
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from attack import Figures, in_child, main
from commands import write_split

from tinygrad_dnn.cli.main import main as command
from tinygrad_dnn.cli.train import _set_aside
from tinygrad_dnn.storage import run_file

TOGETHER = 4
WORDS = ["train", "data.h5", "--layers", "48,1", "--no-pictures", "--iterations", "3", "--eager"]


def together(work: str, folder: str, at: float) -> int:
    """Fork, wait for the moment, and work: the sum of what the processes end with."""
    children = []
    for k in range(TOGETHER):
        if (pid := os.fork()) == 0:
            status = 99
            try:
                time.sleep(max(0.0, at - time.monotonic()))
                if work == "train":
                    status = command([*WORDS, "--out", folder, "--seed", str(k)])
                else:
                    status = take_names(Path(folder), k)
            finally:
                os._exit(status)
        children.append(pid)
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    print("ended", *ended)
    return 0


def take_names(folder: Path, k: int) -> int:
    """Set models aside; how many of them."""
    taken = 0
    for i in range(30):
        model = folder / "model.h5"
        mine = folder / f"mine{k}.h5"
        mine.write_text(f"{k} {i}", encoding="utf-8")
        mine.replace(model)
        with contextlib.suppress(FileNotFoundError):  # another one has set it aside
            _set_aside(model)
            taken += 1
    return taken


def attack(n: int) -> Figures:
    """Begin n times."""
    rng = np.random.default_rng(n)
    counted, failures = Counter[str](), []
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        write_split(Path("data.h5"), "train", 12, seed=1)
        for k in range(n):
            work, folder = ("train", "names")[k % 2], f"run{k}"
            Path(folder).mkdir()
            moment = time.monotonic() + float(rng.uniform(0.02, 0.05))
            status, told = in_child(together, work, folder, moment)
            ended = [int(x) for x in told.rpartition("ended")[2].split()]
            kept = sorted(Path(folder).glob("model*.h5"))
            if work == "names":
                texts = {p.read_text(encoding="utf-8") for p in kept if p.name != "model.h5"}
                counted["names taken"] += len(texts)
                if status or sum(ended) != len(texts) or "" in texts:
                    failures.append(f"case {k}: {ended} set aside, there are {sorted(texts)}")
                continue
            trained = [seed for seed, status in enumerate(ended) if status == 0]
            counted["trained"] += len(trained)
            counted["refused"] += ended.count(2)
            if {*ended} - {0, 2} or told.count("is at work in this folder") != ended.count(2):
                failures.append(f"case {k}: ended {ended}: {told[-300:]}")
            seeds = sorted(run_file.load(p).settings["seed"] for p in kept)  # type: ignore[type-var]
            if seeds != trained or not trained:
                failures.append(f"case {k}: seeds {trained} trained, there are {seeds}")
    return Figures(n, dict(counted), failures)


if __name__ == "__main__":
    main(attack, 20)
