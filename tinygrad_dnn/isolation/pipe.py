"""What the process of a student's file tells the grader: answers, and where it is stuck."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tinygrad_dnn.isolation.messages import HEAD, decode, encode, lengths
from tinygrad_dnn.isolation.outcomes import lines_now


class Pipe:
    """Messages to and from the grader, in this process alone.

    A copy of the process that a student's `os.fork` leaves behind has nothing to say: it ends
    where it would ask for work.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer = os.fdopen(reader, "rb"), os.fdopen(writer, "wb")
        self.lock = threading.Lock()
        self.owner = os.getpid()
        self.id = ""  # of the request that is being answered
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._shut)

    def _shut(self) -> None:
        for stream in (self.reader, self.writer):
            with contextlib.suppress(OSError):
                os.close(stream.fileno())

    def send(self, kind: str, what: Any) -> None:
        """Plain data, as an answer of that kind to the present request.

        Raises:
            TooLarge: there is too much of it.
        """
        data = encode({"id": self.id, "kind": kind, "what": what}, limited=True)
        self._alone()
        with self.lock:
            self.writer.write(data)
            self.writer.flush()

    def receive(self) -> Any:
        """What the next request says; EOFError where the grader has gone."""
        self._alone()
        head = self.reader.read(HEAD.size)
        if len(head) < HEAD.size:
            raise EOFError
        request = decode(*(self.reader.read(n) for n in lengths(head, limited=False)))
        self.id = request["id"]
        return request["what"]

    def _alone(self) -> None:
        if os.getpid() != self.owner:
            os._exit(0)


class Watch(threading.Thread):
    """Reports where the main thread is when it has run for too long."""

    def __init__(self, pipe: Pipe, path: str) -> None:
        super().__init__(daemon=True)
        self.pipe, self.path = pipe, path
        self.deadline: float | None = None
        self.main = threading.get_ident()

    @contextlib.contextmanager
    def during(self, seconds: float) -> Iterator[None]:
        """Report if the block takes longer."""
        self.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self.deadline = None

    def run(self) -> None:
        """Look at the clock until the process ends."""
        while True:
            time.sleep(0.05)
            deadline = self.deadline
            if deadline is not None and time.monotonic() > deadline:
                self.deadline = None
                frame = sys._current_frames().get(self.main)
                self.pipe.send("stuck", lines_now(frame, self.path))
