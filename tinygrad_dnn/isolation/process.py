"""The grader's side of the process in which a student's file runs: started, asked, ended.

What the process answers is data: parsed, checked against the request, cut where it is long.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_dnn.isolation.borrowing import NAMES
from tinygrad_dnn.isolation.messages import Malformed, decode, encode
from tinygrad_dnn.isolation.outcomes import ends_early
from tinygrad_dnn.isolation.replies import Told, loaded, reply
from tinygrad_dnn.isolation.start import STARTING, Started, start
from tinygrad_dnn.isolation.stream import Closed, Late, Stream
from tinygrad_dnn.storage.platform import exit_words

GRACE = 2.0  # seconds after its limit in which a process may still say where it is
MOST_SKIPPED = 20  # statements of a file that may hang or kill, before the file is given up
MOST_STALE = 1000  # answers to earlier requests, of copies that a file made of its process
FOREIGN = "what came from its process is no answer: something else wrote to the grader's pipe"


class Ended(Exception):
    """The process is gone, or had to be ended.

    Attributes:
        kind: "time", "died", or "sabotage" where its answer is none.
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
        aliases: other names of the functions, by those that are asked for.
        names: of the functions that are asked for; without it those of the document, which stand
            in for what is missing.
        answers: the teacher's file, from which nothing may be called.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        limit: float,
        memory: int,
        aliases: Mapping[str, Sequence[str]] | None = None,
        names: Sequence[str] | None = None,
        answers: Path | None = None,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.task: dict[str, Any] = {
            "path": str(path.resolve()),
            "source": source,
            "limit": limit,
            "memory": memory,
            "skip": [],
            "aliases": {name: [*others] for name, others in (aliases or {}).items()},
            "folder": self.folder.name,
            "names": [*(NAMES if names is None else names)],
            "document": names is None,
            "answers": str(answers.resolve()) if answers else "",
        }
        self.lines = re.split(r"\r\n|\r|\n", source)
        self.limit = limit
        self.stopped: list[dict[str, Any]] = []  # statements that hung or killed the process
        self.started: Started | None = None

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
            line: int | None = None
            try:
                self._start()
                for _ in range(self._most_statements()):
                    kind, what = self._next(self.limit)
                    if kind == "loaded":
                        functions, notes = loaded(what, self.lines, self.task["names"])
                        return Loaded(functions, [*self.stopped, *notes])
                    if kind != "at" or type(what) is not int:
                        break
                    line = what
                raise Ended("sabotage", FOREIGN)
            except (Ended, Malformed) as error:
                ended = error if isinstance(error, Ended) else Ended("sabotage", FOREIGN)
                self._end()
                if line is None or len(self.stopped) >= MOST_SKIPPED:
                    raise ended from None
                self.stopped.append(
                    {"statement": line, "kind": ended.kind, "type": "", "message": ended.words,
                     "lines": ended.lines}
                )  # fmt: skip
                self.task["skip"].append(line)

    def _most_statements(self) -> int:
        source: str = self.task["source"]
        return len(self.lines) + source.count(";") + 1

    def ready(self) -> None:
        """Start it anew if it has ended."""
        if self.started is None:
            self.load()

    def run(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Have a small program run on several cases; see `worker.Student.answer`.

        Args:
            job: `function`, `cases`, `lines`, `program`, `call`, `replace`, `stop_early`.

        Returns:
            The outcomes as they come, fewer than there are cases where time was short.

        Raises:
            Ended: it took too long, or ended the process. The next call starts another.
        """
        self.ready()
        try:
            begun, most, finished = time.monotonic(), len(job["cases"]), False
            self._send(dict(job))
            for expected in range(most + 1):
                kind, what = self._next(self.limit)
                if kind == "done":
                    late = time.monotonic() > begun + self.limit
                    if not expected or not (finished or late or expected == most):
                        raise Malformed("fewer answers than questions")
                    return
                if kind != "ran" or expected == most:
                    raise Malformed("the answer to another question")
                outcome = reply(what, expected, self.lines)
                finished = ends_early(outcome, job["stop_early"])
                yield outcome
        except Malformed:
            self._end()
            raise Ended("sabotage", FOREIGN) from None
        except Ended:
            self._end()
            raise

    def _start(self) -> None:
        self._end()
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self.stream = Stream(ours_in, ours_out)
        try:
            self.started = start(theirs_in, theirs_out)
        except OSError as error:
            self.stream.close()
            raise Ended("died", f"no process could be started for it: {error.strerror}") from None
        self.fresh = True
        self.past: set[str] = set()
        self.id = ""
        self._send(self.task)

    def _send(self, message: Any) -> None:
        self.past.add(self.id)
        self.id = secrets.token_hex(8)
        data = encode({"id": self.id, "what": message}, limited=False)
        try:
            self.stream.write(data, time.monotonic() + (STARTING if self.fresh else GRACE))
        except Late:
            raise self._late() from None
        except Closed:
            raise self._death() from None

    def _next(self, limit: float) -> tuple[str, Any]:
        """Kind and content of the answer to the present request."""
        deadline = time.monotonic() + limit + (STARTING if self.fresh else GRACE)
        for _ in range(MOST_STALE):
            try:
                told = Told(decode(*self.stream.frame(deadline)))
            except Late:
                raise self._late() from None
            except Closed:
                raise self._death() from None
            if told.id in self.past:
                continue
            if told.id != self.id:
                raise Malformed("the answer to no request")
            self.fresh = False
            if told.kind == "stuck":
                raise self._late(told.places(self.lines))
            return told.kind, told.what
        raise Malformed("answers without end")

    def _late(self, lines: Sequence[Any] = ()) -> Ended:
        return Ended("time", f"still running after {self.limit:g} seconds", lines)

    def _death(self) -> Ended:
        assert self.started is not None
        code = self.started.code()
        if code is None:
            return Ended("died", "it closed the pipe by which its process is asked")
        return Ended("died", f"it ended the Python process ({exit_words(code)})")

    def _end(self) -> None:
        if self.started is None:
            return
        started, self.started = self.started, None
        self.stream.close()
        started.end()
