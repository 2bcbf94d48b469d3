"""The grader's ends of the pipes to a student's process: nothing waits longer than it may."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time

from tinygrad_dnn.isolation.messages import HEAD, lengths
from tinygrad_dnn.storage.platform import PIPES_WAIT

CHUNK = 1 << 16


class Late(Exception):
    """The other side has not read, or written, in time."""


class Closed(Exception):
    """The other side has closed the pipe."""


class Stream:
    """Frames to and from the other side.

    Args:
        reader, writer: descriptors, which are this object's from then on.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer = reader, writer
        self.unread = bytearray()
        self.chunks: queue.Queue[bytes] | None = None
        self.closed = threading.Event()
        if PIPES_WAIT:
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
        else:
            self.chunks = queue.Queue(maxsize=4)  # who writes without end waits
            threading.Thread(target=self._pass_on, args=(self.chunks,), daemon=True).start()

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of it.

        Raises:
            Late, Closed: the other side does not read.
        """
        rest = memoryview(data)
        while rest:
            if PIPES_WAIT:
                self._wait(self.writer, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self.writer, rest) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Closed from None

    def frame(self, deadline: float) -> tuple[bytes, bytes]:
        """The next frame: text, and bytes of arrays.

        Raises:
            Late, Closed: there is none.
            Malformed: what comes is none.
        """
        text, raw = lengths(self._take(HEAD.size, deadline), limited=True)
        return self._take(text, deadline), self._take(raw, deadline)

    def close(self) -> None:
        """Close both pipes."""
        self.closed.set()
        os.close(self.writer)
        if self.chunks is None:
            os.close(self.reader)

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self.unread) < size:
            chunk = self._read(deadline)
            if not chunk:
                raise Closed
            self.unread += chunk
        found = bytes(self.unread[:size])
        del self.unread[:size]
        return found

    def _read(self, deadline: float) -> bytes:
        """What has come, nothing where the pipe is closed."""
        if self.chunks is not None:
            try:
                return self.chunks.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Late from None
        while True:
            self._wait(self.reader, select.POLLIN, deadline)
            with contextlib.suppress(BlockingIOError):
                return os.read(self.reader, CHUNK)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise Late

    def _pass_on(self, chunks: queue.Queue[bytes]) -> None:
        """Read in a thread of its own, where reading can't be given a limit, until the end."""
        chunk = b"none yet"
        while chunk and not self.closed.is_set():
            chunk = os.read(self.reader, CHUNK)
            while not self.closed.is_set():
                with contextlib.suppress(queue.Full):
                    chunks.put(chunk, timeout=1.0)
                    break
        os.close(self.reader)
