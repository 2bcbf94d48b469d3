"""A student's module in the process that serves it: loaded, its functions found, programs run."""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import io
import linecache
import os
import random
import sys
import time
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_dnn import textbook
from tinygrad_dnn.isolation import standins
from tinygrad_dnn.isolation.asserts import FIRED, without_asserts
from tinygrad_dnn.isolation.borrowing import Borrowing, codes_in, spelling
from tinygrad_dnn.isolation.messages import Other, TooLarge, plain
from tinygrad_dnn.isolation.outcomes import (
    MOST_FIRED,
    arrays_of,
    ends_early,
    error_data,
    parameters_of,
    same,
)
from tinygrad_dnn.isolation.pipe import Pipe, Watch

FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


class Student:
    """A student's module: loaded statement by statement, so that one that fails stops no other."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.path: str = task["path"]
        self.source: str = task["source"]
        self.aliases: dict[str, list[str]] = task["aliases"]
        self.names: list[str] = task["names"]  # that are asked for; "Value.backward" is a method
        self.own: dict[str, str] = {}  # the name that is asked for -> the name in the file
        self.fired: list[int] = []  # lines of asserts, in the present call
        self.codes: set[CodeType] = set()  # of the functions that are written in the file
        path, source = self.path, self.source
        self.borrowing = Borrowing(path, self.codes, task["answers"])
        name = os.path.splitext(os.path.basename(path))[0]
        # A file numpy.py is not NumPy.
        self.module = ModuleType(f"student_{name}" if name in sys.modules else name)
        self.module.__file__ = path
        vars(self.module).update({FIRED: self.fired.append, "np": np})
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
                tree = ast.Module([without_asserts(statement)], [])
                code = compile(tree, self.path, "exec", flags, dont_inherit=True)
                flags |= code.co_flags & FUTURES
                self.codes.update(codes_in(code))
                with watch.during(limit):
                    exec(code, vars(self.module))
            except BaseException as error:
                notes.append(error_data(error, self.path) | {"statement": line})
            sys.path += [place for place in places if place not in sys.path]
        return notes

    def functions(self) -> dict[str, Any]:
        """The functions that are asked for and the file defines, by the names that are asked for:
        `line`, `own` name, `calls`: which others it calls, `foreign`: whether the code is not what
        is written there, and the names of its `parameters`, of which `required` come first.
        """
        space = vars(self.module)
        for name in self.names:
            if "." in name:
                if self._method(name) is not None:
                    self.own[name] = name
                continue
            mine = (own for own in self._names_of(name) if self._is_function(space.get(own)))
            own = next(mine, None)
            if own is not None:
                self.own[name] = own
        found = {}
        for name, own in self.own.items():
            f = self._method(own) if "." in own else space[own]
            code = getattr(f, "__code__", None)
            parameters, required = parameters_of(f)
            found[name] = {
                "line": code.co_firstlineno if code else 0,
                "own": own,
                "calls": sorted(self._called_by(f) - {name}),
                "foreign": code is not None and code not in self.codes,
                "parameters": parameters,
                "required": required,
            }
        return found

    def _method(self, name: str) -> Any:
        """A method that a class of the file defines, `Value.backward`; None where there is none."""
        holder, _, own = name.partition(".")
        found = vars(self.module).get(holder)
        if not isinstance(found, type) or found.__module__ != self.module.__name__:
            return None
        for base in found.__mro__[:-1]:  # not what every object has
            if own in vars(base):
                return inspect.unwrap(getattr(base, own))
        return None

    def _called_by(self, f: Any) -> set[str]:
        """The functions asked for that a function calls, through tables and helpers too."""
        space = vars(self.module)
        documents = {name: name for name in self.names} | {own: n for n, own in self.own.items()}
        mine = {id(space[own]): name for name, own in self.own.items() if own in space}
        found: set[str] = set()
        with contextlib.suppress(Exception):  # an object may answer anything
            f = inspect.unwrap(f)
        ahead, seen = [f], set()
        while ahead:
            code = getattr(ahead.pop(), "__code__", None)
            if code is None or code in seen:
                continue
            seen.add(code)
            for name in _names(code):
                if name in documents:
                    found.add(documents[name])
                    continue
                for x in (space.get(name), *_held(space.get(name))):
                    if id(x) in mine:
                        found.add(mine[id(x)])
                    elif isinstance(x, FunctionType) and x.__code__.co_filename == self.path:
                        ahead.append(x)
        return found

    def _names_of(self, name: str) -> Iterator[str]:
        """The name that is asked for, the teacher's others, and its like in another spelling."""
        yield name
        yield from self.aliases.get(name, ())
        yield from (
            n for n in vars(self.module) if n not in self.names and spelling(n) == spelling(name)
        )

    def _is_function(self, f: Any) -> bool:
        return callable(f) and self._mine(f)

    def _mine(self, f: Any) -> bool:
        code = getattr(f, "__code__", None)
        if code is not None:
            return bool(code.co_filename == self.path)
        return getattr(f, "__module__", None) in (self.module.__name__, None) and not isinstance(
            f, standins.Inert
        )

    def answer(self, job: dict[str, Any], pipe: Pipe, watch: Watch, limit: float) -> None:
        """Run a small program on each of the `cases`, as long as there is time, and tell each
        outcome; after one that shows that the others fail as well, the rest is left out.
        """
        until = time.monotonic() + limit
        for n, given in enumerate(job["cases"]):
            if n and time.monotonic() > until:
                break
            with watch.during(limit):
                reply = self.run(job, given)
            try:
                self._tell(pipe, n, reply)
            except MemoryError as error:
                reply = {"error": error_data(error, self.path), "early": False}
                self._tell(pipe, n, reply)
            if ends_early(reply, job["stop_early"]):
                break
        pipe.send("done", None)

    def _tell(self, pipe: Pipe, n: int, reply: dict[str, Any]) -> None:
        try:
            pipe.send("ran", [n, reply])
        except TooLarge as error:
            pipe.send("ran", [n, reply | {"value": Other(f"too large a result ({error})")}])

    def _exchange(self, old: dict[str, Any], new: dict[str, Any]) -> list[tuple[Any, Any, Any]]:
        """Put other functions into the file's tables of functions; what stood where."""
        by_id = {id(f): new[name] for name, f in old.items() if f is not None}
        found = []
        for table in [x for x in vars(self.module).values() if isinstance(x, (dict, list))]:
            if table is vars(self.module):
                continue
            for key, f in table.items() if isinstance(table, dict) else enumerate(table):
                if id(f) in by_id:
                    found.append((table, key, f))
        for table, key, f in found:
            table[key] = by_id[id(f)]
        return found

    def run(self, job: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Run a small program: lines that prepare, then the call in question.

        Args:
            job: `lines` of code, the `program`, lines that are judged, the `call`, the `function`
                in question, and `replace`: the names of functions to be taken from the document
                instead.
            values: by name.

        Returns:
            `value` as plain data, `changed`: which variables the call changed in place,
            `borrowed`: how others computed it, `fired`: the lines of asserts that failed; or
            `error`, with `early` where it was raised before the call.
        """
        globals_ = vars(self.module)
        replaced = {self.own.get(name, name): getattr(textbook, name) for name in job["replace"]}
        before = {name: globals_.get(name) for name in replaced}
        globals_.update(replaced)
        tables = self._exchange(before, replaced)
        self.fired.clear()
        np.random.seed(1)
        random.seed(1)
        _reopen()
        early = True
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names = {"np": np, "textbook": textbook} | values
                own = {name: self.own.get(name, name) for name in self.names}
                names |= {name: globals_[n] for name, n in own.items() if n in globals_}
                holders = {name.partition(".")[0] for name in self.names if "." in name}
                names |= {name: globals_[name] for name in holders if name in globals_}
                for line in job["lines"]:
                    exec(line, names)
                was = arrays_of(names, job["call"])
                kept = {at: np.array(x, copy=True) for at, x in was.items()}
                early = False
                with self.borrowing.during(job["function"]):
                    for line in job["program"]:
                        exec(line, names)
                    value = eval(job["call"], names)
            changed = [at for at, x in was.items() if not same(x, kept[at])]
            borrowed = sorted(self.borrowing.found)
            fired = sorted(set(self.fired))[:MOST_FIRED]
            return {"value": plain(value), "changed": changed, "borrowed": borrowed, "fired": fired}
        except BaseException as error:
            return {"error": error_data(error, self.path), "early": early}
        finally:
            globals_.update(before)
            for table, key, f in tables:
                table[key] = f


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(c.co_names for c in codes_in(code)))


def _held(x: Any) -> Iterator[Any]:
    """What a table of functions holds."""
    if isinstance(x, dict):
        yield from x.values()
    elif isinstance(x, (list, tuple)):
        yield from x


def _reopen() -> None:
    """Streams that lead nowhere, for code that has closed or replaced them."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or stream is None or stream.closed:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, mode), encoding="utf-8"))
