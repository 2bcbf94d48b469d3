"""An exercise by name, or from a teacher's file, which is run in this process: it is trusted."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from tinygrad_dnn.grading.exercise import SHIPPED, Exercise
from tinygrad_dnn.grading.exercises.document import exercise as DOCUMENT
from tinygrad_dnn.grading.function import Function
from tinygrad_dnn.grading.spec_errors import SpecError, line_of, said

FUNCTIONS: tuple[Function, ...] = DOCUMENT.rows


def shipped() -> dict[str, Path]:
    """The exercises that come along, by name."""
    return {p.stem: p for p in sorted(SHIPPED.glob("*.py")) if not p.stem.startswith("_")}


def exercise_of(what: str | Path | Exercise) -> Exercise:
    """An exercise: itself, by the name of one that comes along, or from a file.

    Raises:
        OSError: the file can't be read.
        SpecError: it is no Python, it fails, or holds no exercise, or one without functions.
    """
    if isinstance(what, Exercise):
        return checked(what, "the exercise")
    known = shipped()
    if str(what) in known:
        return _shipped(str(what))
    path = Path(what)
    if path.suffix != ".py":
        raise SpecError(f"{what}: expected a Python file (spec.py), or one of {', '.join(known)}")
    return from_file(path)


@cache
def _shipped(name: str) -> Exercise:
    return from_file(shipped()[name])


def from_file(path: Path) -> Exercise:
    """The one exercise that a Python file defines.

    Raises:
        OSError, SpecError: as `exercise_of`.
    """
    file = str(path.resolve())
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: expected UTF-8 text ({error.reason})") from None
    name = f"exercise_{path.stem}"
    module = ModuleType(name)
    module.__file__ = file
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    try:
        code = compile(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SpecError(f"{file}, line {error.lineno or 1}: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise SpecError(f"{file}: {error}") from None
    before = sys.modules.get(name)
    sys.modules[name] = module  # where dataclasses and pickles look for it
    try:
        exec(code, vars(module))
    except SpecError:
        raise
    except Exception as error:
        where = line_of(error, file) or file
        raise SpecError(f"{where}: {said(error)}") from None
    except SystemExit:
        raise SpecError(f"{file}: it calls exit") from None
    finally:
        if before is not None:
            sys.modules[name] = before
    found = {id(x): x for x in vars(module).values() if isinstance(x, Exercise)}
    if len(found) != 1:
        raise SpecError(
            f'{file}: expected one exercise = Exercise("..."), found {len(found) or "none"}'
        )
    (exercise,) = found.values()
    exercise.path = Path(file)
    return checked(exercise, file)


def checked(exercise: Exercise, where: str) -> Exercise:
    """The exercise, whose cases have been made.

    Raises:
        SpecError: it has no functions, or a reference or a forward fails.
    """
    if not exercise.names:
        raise SpecError(
            f"{where}: it asks for no function: decorate one with @exercise.function(...)"
        )
    for asked in exercise.asked.values():
        asked.cases()
    return exercise


def chosen(exercise: Exercise | str | Path | None) -> Exercise:
    """The exercise that is meant, the document's where none is.

    Raises:
        OSError, SpecError: it can't be used.
    """
    return DOCUMENT if exercise is None else exercise_of(exercise)


def asked_names(
    asked: Exercise,
    aliases: Mapping[str, Sequence[str]] | None,
    require: Sequence[str] | None,
) -> tuple[list[str], dict[str, list[str]]]:
    """The functions that count, and the other names that each may bear.

    Raises:
        ValueError: one is none of the exercise.
    """
    names = asked.names
    if unknown := {*(aliases or ()), *(require or ())} - set(names):
        what = "the document" if asked is DOCUMENT else asked.title
        raise ValueError(
            f"grade: {', '.join(sorted(unknown))}: expected functions of {what} "
            f"({', '.join(names)})"
        )
    others = {f.name: [*f.aliases, *(aliases or {}).get(f.name, ())] for f in asked.functions}
    wanted = require or [f.name for f in asked.functions if f.required]
    return [n for n in names if n in wanted], {n: o for n, o in others.items() if o}
