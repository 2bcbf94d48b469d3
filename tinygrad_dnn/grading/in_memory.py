"""Functions that are there already, in a notebook or a test, judged in this process.

They are called as those of a file are, on copies, and what they do to the state of random numbers
is undone. What a process of its own keeps away is not kept away here: an endless loop does not end,
and what a function prints is printed.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import os
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_dnn import textbook
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.grader import Grader
from tinygrad_dnn.grading.grades import Grades
from tinygrad_dnn.grading.load import asked_names, chosen
from tinygrad_dnn.grading.source import Place, Source
from tinygrad_dnn.grading.truth import copied
from tinygrad_dnn.isolation.borrowing import codes_in, engine_ticks, spelling
from tinygrad_dnn.isolation.messages import plain
from tinygrad_dnn.isolation.outcomes import arrays_of, ends_early, error_data, parameters_of, same
from tinygrad_dnn.isolation.process import Loaded

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOLUTIONS = os.path.join(PACKAGE, "grading", "exercises")


def grade_in_memory(
    what: Mapping[str, Any] | Callable[..., Any],
    *,
    exercise: Exercise | str | Path | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    require: Sequence[str] | None = None,
) -> Grades:
    """The grades of a namespace's functions, or of one function.

    Raises:
        ValueError: the function bears no name that is asked for.
        SpecError: the exercise can't be used.
    """
    asked = chosen(exercise)
    names, others = asked_names(asked, aliases, require)
    if isinstance(what, Mapping):
        space, title = what, "the namespace"
    else:
        own = getattr(what, "__name__", type(what).__name__)
        name = next((n for n in asked.names if _fits(own, n, others.get(n, ()))), None)
        if name is None:
            raise ValueError(
                f"grade: {own}: expected a function of {asked.title} ({', '.join(asked.names)})"
            )
        space, title = {**getattr(what, "__globals__", {}), own: what}, f"{own}()"
        names = [n for n in asked.names if n == name or n.startswith(f"{name}.")]
    found = {n: own for n in asked.names if (own := _own(space, n, others.get(n, ()))) is not None}
    here = Here(space, found, asked)
    grades = Grader(Path(title), here.source, here, here.loaded(), asked).grades()
    return replace(grades, grades=tuple(grades[n] for n in names))


def check_function(
    function: Callable[..., Any], *, exercise: Exercise | str | Path | None = None
) -> None:
    """Nothing where a function, or a class, is right; for pytest, and for Otter's `@test_case`.

    Raises:
        AssertionError: it is not: what is wrong, and the smallest example.
        ValueError: it is none of the exercise, whose functions are the document's where nothing
            is said.

    Example: `check_function(linear_backward)`, `check_function(softmax, exercise="softmax")`.
    """
    found = grade_in_memory(function, exercise=exercise)
    if not all(g.status == "right" for g in found):
        raise AssertionError(str(found))


def points(function: Callable[..., Any], *, exercise: Exercise | str | Path | None = None) -> float:
    """The points of a function, with what is wrong printed: the last line of a cell that nbgrader
    takes its points from.

    Raises:
        ValueError: it is none of the exercise.
    """
    found = grade_in_memory(function, exercise=exercise)
    if not all(g.status == "right" for g in found):
        print(found)
    return sum(g.points or 0.0 for g in found)


def _file(f: Any) -> str:
    """The file in which a function, or a method of a class, is written; "" where it says none."""
    code = _code(f)
    return os.path.abspath(code.co_filename) if code else ""


def _code(f: Any) -> CodeType | None:
    """The code of a function, or of the first method of a class."""
    parts = [f, *(vars(f).values() if isinstance(f, type) else ())]
    codes = (getattr(x, "__code__", None) for x in parts)
    return next((c for c in codes if isinstance(c, CodeType)), None)


def _text(f: Any) -> tuple[str, Sequence[str], int]:
    """The file of a function or a class, its lines, and the number of the first.

    Raises:
        OSError, TypeError, SyntaxError: they are not known.
    """
    code = _code(f)
    if code is None:
        raise OSError("no code")
    if not isinstance(f, type):
        lines, first = inspect.getsourcelines(f)
        return code.co_filename, lines, first
    text = linecache.getlines(code.co_filename)  # `inspect` asks a class for its module's file
    for node in ast.walk(ast.parse("".join(text))):
        if isinstance(node, ast.ClassDef) and node.lineno <= code.co_firstlineno <= (
            node.end_lineno or 0
        ):
            return code.co_filename, text[node.lineno - 1 : node.end_lineno], node.lineno
    raise OSError("no text")


def _fits(own: str, name: str, others: Sequence[str]) -> bool:
    return own == name or own in others or spelling(own) == spelling(name)


def _own(space: Mapping[str, Any], name: str, others: Sequence[str]) -> str | None:
    """Under which name the function is there; None where it is not."""
    holder, _, method = name.partition(".")
    if method:
        kind = space.get(holder)
        there = isinstance(kind, type) and any(method in vars(k) for k in kind.__mro__[:-1])
        return name if there else None
    found = (n for n in (name, *others) if callable(space.get(n)))
    like = (n for n in space if callable(space[n]) and _fits(n, name, ()))
    return next(found, None) or next(like, None)


@dataclass(frozen=True)
class _Lines(Source):
    """The functions' lines one below the other; a place is a line of its function."""

    starts: Sequence[int] = ()

    def place(self, line: int) -> Place:
        """The line within the function."""
        return Place(line - max((s for s in self.starts if s <= line), default=1) + 1)


class Here:
    """Runs small programs in this process, with functions that are there.

    Args:
        space: the functions by name.
        own: which of them is meant by the names that are asked for.
        exercise: that asks for them.
    """

    def __init__(
        self, space: Mapping[str, Any], own: Mapping[str, str], exercise: Exercise
    ) -> None:
        self.space, self.own, self.exercise = space, own, exercise
        self.functions = {n: self._function(o) for n, o in own.items()}
        self.globals = {
            id(f.__globals__): f.__globals__
            for f in self.functions.values() if hasattr(f, "__globals__")
        }  # fmt: skip
        self.at: dict[tuple[str, int], tuple[int, str]] = {}  # file and line -> line of the source
        self.source = self._source()

    def _function(self, own: str) -> Any:
        holder, _, method = own.partition(".")
        found = getattr(self.space[holder], method) if method else self.space[holder]
        with contextlib.suppress(Exception):  # an object may answer anything
            found = inspect.unwrap(found)
        return found

    def _source(self) -> Source:
        """The text of all functions; of those whose text is not known nothing."""
        lines: list[str] = []
        starts: list[int] = []
        for holder in dict.fromkeys(o.partition(".")[0] for o in self.own.values()):
            try:
                file, text, first = _text(inspect.unwrap(self.space[holder]))
                own = textwrap.dedent("".join(text)).splitlines()
                ast.parse("\n".join(own))
            except (OSError, TypeError, SyntaxError, ValueError):
                continue
            starts.append(len(lines) + 1)
            for n, line in enumerate(own):
                self.at[file, max(first, 1) + n] = (len(lines) + n + 1, line.strip())
            lines += own
        return _Lines("\n".join(lines) + "\n", lines, whole=False, starts=starts)

    def loaded(self) -> Loaded:
        """What a process would say of the functions."""
        found = {}
        for name, f in self.functions.items():
            parameters, required = parameters_of(f)
            found[name] = {
                "line": self.source.lines_of(self.own[name])[0],
                "own": self.own[name],
                "calls": sorted(self._called_by(f) - {name}),
                "foreign": _file(f).startswith(PACKAGE + os.sep),
                "parameters": parameters,
                "required": required,
            }
        return Loaded(found)

    def _called_by(self, f: Any) -> set[str]:
        """The functions asked for that a function calls, through helpers too."""
        by_own = {own: name for name, own in self.own.items()}
        found: set[str] = set()
        ahead, seen = [f], set()
        while ahead:
            f = ahead.pop()
            code = getattr(f, "__code__", None)
            if not isinstance(code, CodeType) or code in seen:
                continue
            seen.add(code)
            for name in {*code.co_names}.union(*(c.co_names for c in codes_in(code))):
                if name in by_own:
                    found.add(by_own[name])
                else:
                    ahead.append(f.__globals__.get(name))
        return found

    def run(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The outcomes of the cases, as those of a process are."""
        for given in job["cases"]:
            outcome = self._run(job, copied(given))
            yield outcome
            if ends_early(outcome, job["stop_early"]):
                return

    def _run(self, job: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        names: dict[str, Any] = {"np": np, "textbook": textbook, **values}
        if self.exercise.stand_ins:
            names |= {n: getattr(textbook, n) for n in self.exercise.names}
        names |= {o.partition(".")[0]: self.space[o.partition(".")[0]] for o in self.own.values()}
        names |= {n: self.space[o] for n, o in self.own.items() if "." not in n}
        standing = {self.own.get(n, n): getattr(textbook, n) for n in job["replace"]}
        names |= {n: getattr(textbook, n) for n in job["replace"]}
        before = [(g, n, g[n]) for g in self.globals.values() for n in standing if n in g]
        state = np.random.get_state()
        early = True
        try:
            for g, n, _ in before:
                g[n] = standing[n]
            np.random.seed(1)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for line in job["lines"]:
                    exec(line, names)
                was = arrays_of(names, job["call"])
                kept = {at: np.array(x, copy=True) for at, x in was.items()}
                early, ticks = False, engine_ticks() or 0
                for line in job["program"]:
                    exec(line, names)
                value = eval(job["call"], names)
            borrowed = ["engine"] if (engine_ticks() or 0) > ticks + 1 else []
            changed = [at for at, x in was.items() if not same(x, kept[at])]
            return {"value": plain(value), "changed": changed, "borrowed": borrowed, "fired": []}
        except Exception as error:  # whatever a student's function does
            return {"error": self._error(error), "early": early}
        finally:
            np.random.set_state(state)
            for g, n, f in before:
                g[n] = f

    def _error(self, error: Exception) -> dict[str, Any]:
        """The error, with the lines of the functions that it came through."""
        about = error_data(error, "")
        lines = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if (place := self.at.get((code.co_filename, trace.tb_lineno))) is not None:
                lines.append((place[0], code.co_name, place[1]))
            trace = trace.tb_next
        return about | {"lines": lines}
