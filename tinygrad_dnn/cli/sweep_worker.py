"""A process of a sweep: `train` for each line of standard input, an answer for each on output.

It ends when its input does, as on a signal: what it trains then is saved.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import IO, Any

from tinygrad_dnn.cli.main import main as command
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.cli.train import CONFIG, MODEL
from tinygrad_dnn.storage.platform import cores, keep_to_cores, lock_folder
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.sweep.processes import DONE as COMPLETE
from tinygrad_dnn.sweep.processes import INTERRUPTED
from tinygrad_dnn.sweep.results import note_seconds, seconds_of

LOG = "log.txt"
PATIENCE = 10.0  # seconds
Requests = queue.SimpleQueue[dict[str, Any]]


def main() -> None:
    """Serve as one of so many processes, each with its share of the cores; both are arguments."""
    number, of = map(int, sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # also where a sweep was told to ignore it
    mine = cores()
    if of <= len(mine):
        keep_to_cores(mine[number * len(mine) // of : (number + 1) * len(mine) // of])
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        requests: Requests = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
        while True:
            request = requests.get()
            answer = carry_out(Path(request["folder"]), request["config"])
            print(json.dumps({"answer": answer}), file=answers, flush=True)
            if answer == INTERRUPTED:
                return


def _listen(given: IO[bytes], requests: Requests) -> None:
    for line in given:
        requests.put(json.loads(line))
    signal.raise_signal(signal.SIGTERM)


def carry_out(folder: Path, config: str) -> str:
    """Train in a folder, going on where there is a model; the answer.

    What `train` says is kept as log.txt, how long it took as seconds.txt.
    """
    told, begun = StringIO(), time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _await_turn(folder)
        words = ["train", "--config", str(folder / CONFIG), "--out", str(folder)]
        before = 0.0
        if (folder / MODEL).exists():
            words, before = [*words, "--resume"], seconds_of(folder)
        write_text(folder / CONFIG, config)
        note_seconds(folder, before, at_work=True)
        with (folder / LOG).open("a", encoding="utf-8", errors="backslashreplace") as log:
            sys.argv = ["tinygrad-dnn", *words]  # a report shows it
            print(time.strftime("%Y-%m-%d %H:%M:%S"), *words, file=log)
            try:
                with redirect_stdout(log), redirect_stderr(told):
                    status = command(words)
            except Exception:  # whatever it is, it is this run's alone
                told.write(traceback.format_exc())
                status = -1
            log.write(told.getvalue())
        note_seconds(folder, before + time.perf_counter() - begun)
    except OSError as error:
        return _short(str(error.strerror or error), folder)
    if status == DONE:
        return COMPLETE
    if status >= 128:
        return INTERRUPTED
    return _short(_why(status, told.getvalue()), folder)


def _short(why: str, folder: Path) -> str:
    """A reason without the folder, which the run is known by."""
    return why.replace(f"{folder}{os.sep}", "").replace(f"{folder}: ", "")


def _await_turn(folder: Path) -> None:
    """Wait for what trains in the folder: a sweep that was killed leaves runs that are saving."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            lock = lock_folder(folder)
        except BlockingIOError:
            time.sleep(0.1)
            continue
        if lock is not None:
            os.close(lock)
        return


def _why(status: int, told: str) -> str:
    """What was said of a run that failed, in a line."""
    lines = told.strip().splitlines() or [f"exit status {status}"]
    if status == NO:
        lines = [line for line in lines if line.startswith("stopped: ")] or lines
        return lines[-1].removeprefix("stopped: ")
    return lines[-1].removeprefix("tinygrad-dnn train: ")
