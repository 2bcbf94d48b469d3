"""The process from which those of students are forked: Python and NumPy are loaded in it once.

It runs no student's code and knows no right answer. An order is a letter and a number:

    F 0      fork; the ends of two pipes come along; the answer is the process's number
    W pid    how that process has ended, or RUNNING where it goes on
    K pid    end it and what it has started; how it has ended

All that it has forked ends with it, and it ends with the grader.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import time

from tinygrad_dnn.isolation import worker
from tinygrad_dnn.storage.platform import kill_group

ORDER, ANSWER = struct.Struct("<cq"), struct.Struct("<q")
RUNNING = 1 << 20  # no exit status
PATIENCE = 1.0  # seconds in which a process whose pipes are closed ends, or goes on
GONE = -9  # what is said of a process that somebody else has waited for


class Server:
    """Obeys the orders that come over a socket."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.running: set[int] = set()

    def serve(self) -> None:
        """Obey until the grader has gone."""
        while True:
            order, descriptors, _, _ = socket.recv_fds(self.control, ORDER.size, 2)
            if len(order) < ORDER.size:
                break
            letter, pid = ORDER.unpack(order)
            if letter == b"F":
                answer = self._fork(*descriptors)
            elif pid not in self.running:
                answer = GONE
            else:
                answer = self._wait(pid) if letter == b"W" else self._kill(pid)
            self.control.sendall(ANSWER.pack(answer))
        for pid in list(self.running):
            self._kill(pid)

    def _fork(self, reader: int, writer: int) -> int:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                self.control.close()
                worker.serve(reader, writer)
                code = 0
            finally:
                os._exit(code)
        with contextlib.suppress(OSError):  # both set it, so that it is set for both
            os.setpgid(pid, pid)
        os.close(reader)
        os.close(writer)
        self.running.add(pid)
        return pid

    def _wait(self, pid: int) -> int:
        """How it has ended, if it does soon."""
        until = time.monotonic() + PATIENCE
        while True:
            done, status = self._reap(pid, os.WNOHANG)
            if done:
                return status
            if time.monotonic() > until:
                return RUNNING
            time.sleep(0.002)

    def _kill(self, pid: int) -> int:
        kill_group(pid)
        with contextlib.suppress(OSError):  # it may have left its group
            os.kill(pid, signal.SIGKILL)
        return self._reap(pid, 0)[1]

    def _reap(self, pid: int, how: int) -> tuple[int, int]:
        try:
            done, status = os.waitpid(pid, how)
        except ChildProcessError:
            done, status = pid, -GONE
        if done:
            self.running.discard(pid)
        return done, os.waitstatus_to_exitcode(status)


def main() -> None:
    """Serve over the socket that is standard input."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    gc.freeze()  # what is never collected is shared by all processes
    Server(control).serve()
