"""The parent's side of the process in which a student's file runs: started, asked, ended."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_dnn.storage.platform import exit_words, kill_session

ROOT = Path(__file__).parents[2]
START = "from tinygrad_dnn.grading.worker import main; main()"
GRACE = 2.0  # seconds after its limit in which a process may still say where it is
STARTING = 60.0  # seconds that Python and NumPy may need, on a busy machine
MOST_SKIPPED = 20  # statements of a file that may hang or kill, before the file is given up


class Ended(Exception):
    """The process is gone, or had to be ended.

    Attributes:
        kind: "time" or "died".
        words: what happened.
        lines: the student's lines it was in, as (number, function, text), the innermost last.
    """

    def __init__(self, kind: str, words: str, lines: Sequence[Any] = ()) -> None:
        super().__init__(words)
        self.kind, self.words, self.lines = kind, words, list(lines)


@dataclass
class Loaded:
    """The functions that a file defines, and what went wrong while it was loaded, by line."""

    functions: dict[str, Any] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)


class Process:
    """A student's file in a process of its own; a context manager.

    Args:
        path: the file, for tracebacks and for imports beside it.
        source: its text.
        limit: seconds for each statement of the file and for each call.
        memory: bytes by which the process may grow.
    """

    def __init__(self, path: Path, source: str, limit: float, memory: int) -> None:
        self.task = {
            "path": str(path.resolve()),
            "source": source,
            "limit": limit,
            "memory": memory,
            "skip": [],
        }
        self.limit = limit
        self.stopped: list[dict[str, Any]] = []  # statements that hung or killed the process
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self.folder.cleanup()

    def load(self) -> Loaded:
        """Start the process and load the file, without statements that hang or kill it.

        Raises:
            Ended: it can't be loaded at all.
        """
        while True:
            self._start()
            line: int | None = None
            try:
                while True:
                    kind, what = self._next(self.limit)
                    if kind == "at":
                        line = what
                    else:
                        return Loaded(what["functions"], [*self.stopped, *what["notes"]])
            except Ended as ended:
                self._end()
                if line is None or len(self.stopped) >= MOST_SKIPPED:
                    raise
                self.stopped.append(
                    {"statement": line, "kind": ended.kind, "type": "", "message": ended.words,
                     "lines": ended.lines}
                )  # fmt: skip
                self.task["skip"].append(line)  # type: ignore[attr-defined]

    def ready(self) -> None:
        """Start it anew if it has ended."""
        if self.process is None:
            self.load()

    def run(
        self, given: Mapping[str, Any], lines: Sequence[str], call: str, replace: Sequence[str]
    ) -> dict[str, Any]:
        """Have a small program run; see `worker.Student.run`.

        Raises:
            Ended: it took too long, or ended the process. The next call starts another.
        """
        self.ready()
        job = {"given": dict(given), "lines": [*lines], "call": call, "replace": [*replace]}
        try:
            self._send(job)
            _, reply = self._next(self.limit)
        except Ended:
            self._end()
            raise
        return dict(reply)

    def _start(self) -> None:
        self._end()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "OPENBLAS_NUM_THREADS": "1",  # one thread: the same sums every time
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder.name,
            env=environment,
            start_new_session=True,  # so that what it starts can be ended with it
        )
        self.messages: queue.Queue[Any] = queue.Queue()
        threading.Thread(
            target=_read, args=(self.process.stdout, self.messages), daemon=True
        ).start()
        self.fresh = True
        self._send(self.task)

    def _send(self, message: Any) -> None:
        data = pickle.dumps(message)
        try:
            assert self.process is not None
            assert self.process.stdin is not None
            self.process.stdin.write(struct.pack("<Q", len(data)) + data)
            self.process.stdin.flush()
        except OSError:
            raise self._death() from None

    def _next(self, limit: float) -> Any:
        try:
            message = self.messages.get(timeout=limit + (STARTING if self.fresh else GRACE))
            self.fresh = False
        except queue.Empty:
            raise Ended("time", f"still running after {limit:g} seconds") from None
        if message is None:
            raise self._death()
        if message[0] == "stuck":
            raise Ended("time", f"still running after {limit:g} seconds", message[1])
        return message

    def _death(self) -> Ended:
        assert self.process is not None
        code = self.process.wait(timeout=GRACE * 5)
        return Ended("died", f"it ended the Python process ({exit_words(code)})")

    def _end(self) -> None:
        if self.process is None:
            return
        kill_session(self.process)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not sent never will be
                    stream.close()
        self.process = None


def _read(stream: Any, messages: queue.Queue[Any]) -> None:
    """Put every message into the queue, and None at the end."""
    try:
        while len(head := stream.read(8)) == 8:
            messages.put(pickle.loads(stream.read(struct.unpack("<Q", head)[0])))
    except Exception:  # a message that is none: as if it had ended
        pass
    messages.put(None)
