"""A process for a student's file: forked from a warm one where the system can, else a fresh one."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tinygrad_dnn.isolation.server import ANSWER, ORDER, RUNNING
from tinygrad_dnn.storage.platform import FORKS, kill_group, kill_session

ROOT = Path(__file__).parents[2]
STARTING = 60.0  # seconds that Python and NumPy may need, on a busy machine
PATIENCE = 1.0  # seconds in which a process whose pipe is closed ends, or goes on


class Started(Protocol):
    """A process that runs a student's file."""

    def code(self) -> int | None:
        """How it has ended; None where it goes on."""

    def end(self) -> None:
        """End it, and what it has started."""


def start(reader: int, writer: int) -> Started:
    """A process that is asked over the one pipe and answers over the other; both are closed here.

    Raises:
        OSError: no process can be started.
    """
    try:
        if FORKS:
            for _ in range(2):  # a server that was killed while it was idle is replaced
                with contextlib.suppress(OSError):
                    return _Forked(reader, writer)
        return _Fresh(reader, writer)
    finally:
        os.close(reader)
        os.close(writer)


def _python(module: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", f"from {module} import main; main()"]


def _environment() -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "OPENBLAS_NUM_THREADS": "1",  # one thread: the same sums every time, and forks are safe
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class _Fresh:
    """A Python of its own."""

    def __init__(self, reader: int, writer: int) -> None:
        self.process = subprocess.Popen(
            _python("tinygrad_dnn.isolation.worker"),
            stdin=reader,
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # so that what it starts can be ended with it
        )

    def code(self) -> int | None:
        """How it has ended; None where it goes on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(PATIENCE)
        return None

    def end(self) -> None:
        """End it, and what it has started."""
        kill_session(self.process)
        self.process.wait()


class _Forked:
    """A fork of a server, which serves nobody else meanwhile: who kills it harms no other file."""

    def __init__(self, reader: int, writer: int) -> None:
        self.server = _take()
        try:
            self.pid = self.server.order(b"F", 0, [reader, writer])
        except OSError:
            self.server.close()
            raise

    def code(self) -> int | None:
        """How it has ended; None where it goes on."""
        try:
            code = self.server.order(b"W", self.pid)
        except OSError:  # it is gone, and what it has forked as well
            return None
        return None if code == RUNNING else code

    def end(self) -> None:
        """End it, and what it has started."""
        try:
            self.server.order(b"K", self.pid)
        except OSError:  # the server was killed, perhaps by this very process
            kill_group(self.pid)
            self.server.close()
        else:
            _idle.append(self.server)


class _Server:
    """The grader's side of the server."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        self.control.settimeout(STARTING)
        self.owner = os.getpid()
        try:
            self.process = subprocess.Popen(
                _python("tinygrad_dnn.isolation.server"),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=os.path.sep,
                env=_environment(),
                start_new_session=True,
            )
        finally:
            theirs.close()

    def order(self, letter: bytes, pid: int, descriptors: list[int] | None = None) -> int:
        """The answer to an order.

        Raises:
            OSError: the server is gone, or does not answer.
        """
        socket.send_fds(self.control, [ORDER.pack(letter, pid)], descriptors or [])
        answer = self.control.recv(ANSWER.size, socket.MSG_WAITALL)
        if len(answer) < ANSWER.size:
            raise ConnectionError("the server of processes is gone")
        return int(ANSWER.unpack(answer)[0])

    def close(self) -> None:
        """End it, and all that it has forked."""
        self.control.close()
        if self.owner == os.getpid():
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                kill_session(self.process)
                self.process.wait()


_idle: list[_Server] = []


def _take() -> _Server:
    """An idle server, or a new one; a fork of the grader has none of its parent's."""
    with contextlib.suppress(IndexError):  # another thread may take the last one
        while True:
            server = _idle.pop()
            if server.owner == os.getpid():
                return server
            server.control.close()
    return _Server()


def _close_all() -> None:
    while _idle:
        _idle.pop().close()


atexit.register(_close_all)
