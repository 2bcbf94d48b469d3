"""The process in which a student's file runs: it loads the file and computes what it is asked.

It speaks to the parent over the two pipes that were its standard input and output; what the
student's code reads and prints goes nowhere. Messages are pickles of plain data, a length before
each. Nothing is judged here.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import contextlib
import io
import linecache
import os
import pickle
import random
import re
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from types import CodeType, FrameType, ModuleType
from typing import Any, BinaryIO

import numpy as np

from tinygrad_dnn import textbook
from tinygrad_dnn.grading import standins
from tinygrad_dnn.storage.platform import limit_memory

SHOWN = 4  # of the student's lines that led to an error
LONG = 300  # characters of an error's message
DEEP = 8  # levels of a result that are looked into
FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
NAMES = [n for n in textbook.__all__ if n not in ("np", "load_data")]


class Pipe:
    """Messages to and from the parent."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.reader, self.writer, self.lock = reader, writer, threading.Lock()

    def send(self, *message: Any) -> None:
        """A tuple of plain data."""
        data = pickle.dumps(message)
        with self.lock:
            self.writer.write(struct.pack("<Q", len(data)) + data)
            self.writer.flush()

    def receive(self) -> Any:
        """The next message; EOFError where the parent has gone."""
        head = self.reader.read(8)
        if len(head) < 8:
            raise EOFError
        return pickle.loads(self.reader.read(struct.unpack("<Q", head)[0]))


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
                self.pipe.send("stuck", _lines(_walk(frame), self.path))


class Student:
    """A student's module: loaded statement by statement, so that one that fails stops no other."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source
        name = os.path.splitext(os.path.basename(path))[0]
        # A file numpy.py is not NumPy.
        self.module = ModuleType(f"student_{name}" if name in sys.modules else name)
        self.module.__file__ = path
        sys.modules[self.module.__name__] = self.module
        # Where tracebacks find the lines, of a notebook too.
        linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)

    def load(self, pipe: Pipe, watch: Watch, limit: float, skip: list[int]) -> list[Any]:
        """Run every statement but those that begin in the lines `skip`; what went wrong."""
        notes: list[Any] = []
        flags, places = 0, list(sys.path)
        for statement in ast.parse(self.source, self.path).body:
            line = statement.lineno
            if line in skip:
                continue
            pipe.send("at", line)
            try:
                code = compile(
                    ast.Module([statement], []), self.path, "exec", flags, dont_inherit=True
                )
                flags |= code.co_flags & FUTURES
                with watch.during(limit):
                    exec(code, vars(self.module))
            except BaseException as error:
                notes.append(_error_data(error, self.path) | {"statement": line})
            sys.path += [place for place in places if place not in sys.path]
        return notes

    def functions(self) -> dict[str, Any]:
        """The document's functions that the file defines: line, and which others each calls."""
        found = {}
        for name in NAMES:
            f = vars(self.module).get(name)
            if callable(f) and self._mine(f):
                code = getattr(f, "__code__", None)
                called = sorted(_names(code) & set(NAMES) - {name}) if code else []
                found[name] = {"line": code.co_firstlineno if code else 0, "calls": called}
        return found

    def _mine(self, f: Any) -> bool:
        code = getattr(f, "__code__", None)
        if code is not None:
            return bool(code.co_filename == self.path)
        return getattr(f, "__module__", None) in (self.module.__name__, None) and not isinstance(
            f, standins.Inert
        )

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run a small program: lines that prepare, then the call in question.

        Args:
            job: `given` values by name, `lines` of code, the `call`, and `replace`: the names of
                functions to be taken from the document instead.

        Returns:
            `value` as plain data, and `changed`: which variables the call changed in place; or
            `error`, with `early` where it was raised before the call.
        """
        globals_ = vars(self.module)
        before = {name: globals_.get(name) for name in job["replace"]}
        globals_.update({name: getattr(textbook, name) for name in job["replace"]})
        np.random.seed(1)
        random.seed(1)
        _reopen()
        given = dict(job["given"])
        early = True
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names = {"np": np, "textbook": textbook} | given
                names |= {n: globals_[n] for n in NAMES if n in globals_}
                for line in job["lines"]:
                    exec(line, names)
                was = _arrays_of(names, job["call"])
                kept = {at: np.array(x, copy=True) for at, x in was.items()}
                early = False
                value = eval(job["call"], names)
            changed = [at for at, x in was.items() if not _same(x, kept[at])]
            return {"value": plain(value), "changed": changed}
        except BaseException as error:
            return {"error": _error_data(error, self.path), "early": early}
        finally:
            globals_.update(before)


def plain(x: Any, depth: int = 0) -> Any:
    """Arrays, numbers, text and their containers as they are, of all else its type's name."""
    if isinstance(x, np.ndarray):
        array = np.array(x, copy=True, subok=False)
        return ("object", "array of objects") if array.dtype.hasobject else array
    if isinstance(x, np.generic):
        return plain(np.asarray(x))
    if x is None or type(x) in (bool, int, float, complex, str):
        return x
    if depth < DEEP and isinstance(x, (tuple, list)):
        items = [plain(v, depth + 1) for v in x]
        return tuple(items) if isinstance(x, tuple) else items
    if depth < DEEP and isinstance(x, dict):
        return {str(k): plain(v, depth + 1) for k, v in x.items()}
    return ("object", type(x).__name__)


def _arrays_of(names: dict[str, Any], call: str) -> dict[str, Any]:
    """Every array in the variables, once, under the name that the call gives it if it does."""
    data = {k: v for k, v in names.items() if isinstance(v, (np.ndarray, list, tuple, dict))}
    called = {k: data[k] for k in re.findall(r"\w+", call) if k in data}
    seen: dict[int, tuple[str, Any]] = {}
    for at, x in _arrays(called | data):
        seen.setdefault(id(x), (at, x))
    return dict(seen.values())


def _arrays(x: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every array within a value, with the expression that finds it."""
    if isinstance(x, np.ndarray):
        yield at, x
    elif depth < DEEP and isinstance(x, dict):
        for k, v in x.items():
            if k != "__builtins__":
                yield from _arrays(v, f"{at}[{k!r}]" if at else str(k), depth + 1)
    elif depth < DEEP and isinstance(x, (list, tuple)):
        for i, v in enumerate(x):
            yield from _arrays(v, f"{at}[{i}]", depth + 1)


def _same(x: Any, y: Any) -> bool:
    try:
        return bool(np.array_equal(x, y, equal_nan=True))
    except TypeError:
        return bool(np.array_equal(x, y))


def _names(code: CodeType) -> set[str]:
    inner = (_names(c) for c in code.co_consts if isinstance(c, CodeType))
    return set(code.co_names).union(*inner)


def _error_data(error: BaseException, path: str) -> dict[str, Any]:
    kind = "error"
    if isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, SystemExit):
        kind = "exit"
    frames = list(traceback.walk_tb(error.__traceback__))
    try:
        message = str(error)[:LONG]
    except Exception:
        message = ""
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": message,
        "lines": _lines(frames, path),
    }


def _walk(frame: FrameType | None) -> list[tuple[FrameType, int]]:
    return list(traceback.walk_stack(frame))[::-1] if frame else []


def _lines(frames: list[tuple[FrameType, int]], path: str) -> list[tuple[int, str, str]]:
    """The student's lines of a stack: number, function, text; the innermost last."""
    return [
        (line, f.f_code.co_name, linecache.getline(path, line).strip())
        for f, line in frames
        if f.f_code.co_filename == path
    ][-SHOWN:]


def _reopen() -> None:
    """Streams that lead nowhere, for code that has closed or replaced them."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or stream is None or stream.closed:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, mode), encoding="utf-8"))


def main() -> None:
    """Serve the parent until it has gone."""
    pipe = Pipe(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    for number, way in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        os.dup2(os.open(os.devnull, way), number)
    sys.argv = [""]
    task = pipe.receive()
    standins.install()
    builtins.get_ipython = standins.Inert()  # type: ignore[attr-defined]
    builtins.display = standins.Inert()  # type: ignore[attr-defined]
    student = Student(task["path"], task["source"])
    sys.path.insert(0, os.path.dirname(task["path"]))
    watch = Watch(pipe, task["path"])
    watch.start()
    limit_memory(task["memory"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = student.load(pipe, watch, task["limit"], task["skip"])
    functions = student.functions()
    for name in NAMES:  # those that are missing come from the document
        if not callable(getattr(student.module, name, None)):
            setattr(student.module, name, getattr(textbook, name))
    pipe.send("loaded", {"functions": functions, "notes": notes})
    while True:
        try:
            job = pipe.receive()
        except EOFError:
            return
        with watch.during(task["limit"]):
            reply = student.run(job)
        try:
            pipe.send("ran", reply)
        except MemoryError as error:
            pipe.send("ran", {"error": _error_data(error, task["path"]), "early": False})
