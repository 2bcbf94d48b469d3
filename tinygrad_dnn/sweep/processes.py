"""Runs in processes of this machine: as many at once as asked for, each of them going from run to
run, since loading takes as long as a small run.

A process reads a line of JSON for each run and answers with one. It ends when its standard input
does, saving what it is at: so it outlives neither a sweep that is stopped nor one that is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import tinygrad_dnn
from tinygrad_dnn.storage.platform import exit_words
from tinygrad_dnn.sweep.jobs import Job, Outcome

ROOT = Path(tinygrad_dnn.__file__).parents[1]
POLL = 0.1  # seconds between two looks at whether to stop
DONE, INTERRUPTED = "done", "interrupted"  # what a process answers; else why the run failed


def run_in_processes(
    jobs: Sequence[Job],
    module: str,
    processes: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Carry out jobs; how each ended, in the order in which they end.

    A process that dies fails the run that it was at, and another takes its place.

    Args:
        module: whose `main` a process runs, given two words: which it is, and of how many.
        processes: how many are at work at once.
        stopped: whether to begin no more runs, and interrupt those that are at work.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    ended: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    count = 0 if stopped() else min(processes, len(jobs))
    program = program_of(module)
    slots = [_Slot([*program, str(k), str(count)], waiting, ended) for k in range(count)]
    try:
        for slot in slots:
            slot.start()
        at_work = count
        while at_work:
            if stopped():
                for slot in slots:
                    slot.stop()
            try:
                outcome = ended.get(timeout=POLL)
            except queue.Empty:
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is None:
                at_work -= 1
            else:
                yield outcome
    finally:
        for slot in slots:
            slot.stop()
        for slot in slots:
            slot.join()


def program_of(module: str) -> list[str]:
    """The command that runs the `main` of a module, by the Python that runs this."""
    # Without the working folder in the way of imports.
    return [sys.executable, "-P", "-c", f"from {module} import main; main()"]


class _Slot(threading.Thread):
    """A thread that has one process work at one run after the other."""

    def __init__(
        self,
        command: list[str],
        waiting: queue.SimpleQueue[Job],
        ended: queue.SimpleQueue[Outcome | BaseException | None],
    ) -> None:
        super().__init__(daemon=True)
        self._command, self._waiting, self._ended = command, waiting, ended
        self._lock = threading.Lock()
        self._stopped = False
        self._process: Process | None = None

    def stop(self) -> None:
        """Begin no more runs; the one at work saves and ends."""
        with self._lock:
            if not self._stopped and self._process is not None:
                self._process.end()
            self._stopped = True

    def run(self) -> None:
        """Work until no run is waiting."""
        try:
            while (job := self._next()) is not None:
                self._ended.put(self._carry_out(job))
        except BaseException as error:  # raised where the outcomes are read
            self._ended.put(error)
        finally:
            if self._process is not None:
                self._process.close()
        self._ended.put(None)

    def _next(self) -> Job | None:
        """The next run, with a process to carry it out."""
        with self._lock:
            if self._stopped:
                return None
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return None
            if self._process is None:
                self._process = Process(self._command)
            return job

    def _carry_out(self, job: Job) -> Outcome:
        assert self._process is not None
        outcome = self._process.carry_out(job)
        if not self._process.alive:
            with self._lock:
                self._process.close()
                self._process = None
        return outcome


def _places() -> str:
    """Where this tinygrad_dnn is found, installed or not."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


class Process:
    """A program that carries out runs."""

    def __init__(self, command: Sequence[str]) -> None:
        with contextlib.ExitStack() as unless_done:
            self._errors: IO[bytes] = unless_done.enter_context(TemporaryFile())
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | {"PYTHONPATH": _places()},
                start_new_session=True,  # Ctrl-C is for the sweep, which lets runs save
            )
            unless_done.pop_all()
        self.alive = True

    def carry_out(self, job: Job) -> Outcome:
        """Hand the job to the process, and wait until it is done."""
        begun = time.perf_counter()
        request = {"folder": str(job.folder), "config": job.config}
        assert self._process.stdin is not None
        # One that has ended is found by what it answers.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._answer()
        return Outcome(
            job,
            "" if answer in (DONE, INTERRUPTED) else answer,
            answer == INTERRUPTED,
            time.perf_counter() - begun,
        )

    def end(self) -> None:
        """Ask the process to save and end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended by itself
            self._process.stdin.close()

    def close(self) -> None:
        """Have it end, and wait for that."""
        self.end()
        assert self._process.stdout is not None
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _answer(self) -> str:
        """What the process says of its run, or how it ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # a library's own words
                found: Any = json.loads(line)
                if isinstance(found, dict) and (answer := found.get("answer")):
                    self.alive = answer != INTERRUPTED
                    return str(answer)
        self.alive = False
        code = self._process.wait()
        stdin = self._process.stdin
        if stdin is None or stdin.closed:  # it was asked to end, before it had begun
            return INTERRUPTED
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"its process ended: {exit_words(code)}{f': {last}' if last else ''}"
