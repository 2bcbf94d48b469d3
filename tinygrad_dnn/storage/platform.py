"""Locks, signals, process groups: what not every operating system has, asked for in one place."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command line that only helps does without
    import subprocess
    from pathlib import Path


def _module(name: str) -> Any:
    """A module of the standard library, or None where the system has none of that name."""
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _resource, _msvcrt = (_module(name) for name in ("fcntl", "resource", "msvcrt"))

LOCKS = _fcntl is not None
"""Whether a file can be locked for as long as its descriptor is open."""
OPEN_FILES_MOVE = sys.platform != "win32"
"""Whether a file can be renamed while it is open."""

STOP_SIGNALS = tuple(
    signal.Signals(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if hasattr(signal, name)
)
"""What asks a process to end and lets it finish something: Ctrl-C, Ctrl-\\, kill, no terminal."""
FORKS = sys.platform == "linux" and hasattr(os, "fork")
"""Whether a process may be forked from one that has loaded NumPy: elsewhere its matrix library,
or the system's own, may not survive that."""
PIPES_WAIT = hasattr(select, "poll")
"""Whether a pipe can be waited for with a limit of time."""

BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would change line ends
NO_WAITING: int = getattr(os, "O_NONBLOCK", 0)  # a pipe or device is refused, not waited for
NO_LINKS: int = getattr(os, "O_NOFOLLOW", 0)


def lock(descriptor: int, *, wait: bool = True) -> None:
    """Lock an open file against others that do; without locks nothing.

    Raises:
        OSError: it is locked and `wait` is False, or its file system knows no locks.
    """
    if LOCKS:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))


def lock_folder(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed, at the latest when this process ends.

    Returns None where neither the system nor the file system knows such locks.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    if _fcntl is None:
        return None if _msvcrt is None else _lock_file(folder / ".lock")
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder may be writable and not readable
        return None
    try:
        lock(descriptor, wait=False)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def _lock_file(path: Path) -> int:
    """The same with a file in the folder, for Windows, which opens no folders."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | BINARY)
    try:
        _msvcrt.locking(descriptor, _msvcrt.LK_NBLCK, 1)
    except OSError as error:
        os.close(descriptor)
        raise BlockingIOError(error.errno, f"{path} is locked") from None
    return descriptor


def synchronise_folder(folder: Path) -> None:
    """Make a new name in the folder survive a power cut, where the system can promise that.

    Raises:
        OSError: the folder can't be opened or written out.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_descriptor(descriptor: int) -> int:
    """Move an open file to a number that nobody guesses, and that no started program inherits."""
    if _fcntl is not None:
        lowest = 64 + int.from_bytes(os.urandom(4), "little") % 136
        with contextlib.suppress(OSError):
            moved: int = _fcntl.fcntl(descriptor, _fcntl.F_DUPFD_CLOEXEC, lowest)
            os.close(descriptor)
            return moved
    os.set_inheritable(descriptor, False)
    return descriptor


def limit_memory(size: int) -> None:
    """Let this process grow by so many bytes, where the system can say so; no core files."""
    if _resource is None:
        return
    used = 0
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        used = int(file.read().split()[0]) * _resource.getpagesize()
    with contextlib.suppress(OSError, ValueError):
        _resource.setrlimit(_resource.RLIMIT_AS, (used + size, used + size))
        _resource.setrlimit(_resource.RLIMIT_CORE, (0, 0))


def cores() -> list[int]:
    """The cores that this process may use, by number; where the system can't say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def keep_to_cores(mine: list[int]) -> None:
    """Let this process use no other cores, where the system has such a limit."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, mine)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and what it has started where that can be found."""
    if hasattr(os, "killpg"):
        kill_group(process.pid)
    with contextlib.suppress(OSError):
        process.kill()


def kill_group(pid: int) -> None:
    """End the processes of a group, if there are any; where the system has groups."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def exit_words(code: int) -> str:
    """How a process ended: `SIGKILL`, `exit status 3`."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
