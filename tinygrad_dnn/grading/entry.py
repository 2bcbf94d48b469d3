"""`grade`: a file in a process of its own, or functions that are there already in this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.grader import Grader
from tinygrad_dnn.grading.grades import Grades
from tinygrad_dnn.grading.in_memory import grade_in_memory
from tinygrad_dnn.grading.load import asked_names, chosen
from tinygrad_dnn.grading.source import locate, source
from tinygrad_dnn.isolation.process import Ended, Process
from tinygrad_dnn.isolation.replies import visible

LIMIT, MEMORY_LIMIT = 10.0, 2 << 30


def grade(
    what: str | Path | ModuleType | Mapping[str, Any] | Callable[..., Any],
    *,
    limit: float = LIMIT,
    memory: int = MEMORY_LIMIT,
    aliases: Mapping[str, Sequence[str]] | None = None,
    require: Sequence[str] | None = None,
    exercise: Exercise | str | Path | None = None,
) -> Grades:
    """Grade the functions of an exercise that a file defines; without one those of the document.

    Each is called on small and random inputs, exact zeros, saturated activations, one example and
    square layers among them, and compared with the engine. Caches are made by the file's own
    forward functions; a function that calls others of the file is judged with the document's in
    place of those that are wrong, so that one mistake is not counted twice. What is no Python is
    left out, cell by cell and definition by definition. Asserts do not stop a function; those that
    fail are noted.

    The file runs in a process of its own, whose answers are parsed and never run: endless loops,
    crashes, prints, plots, `input()`, changes of the folder or of the random state do not reach
    the caller or the other functions. A function that has others compute is called borrowed. What
    a process of the same user can do to that user's files is not prevented.

    Args:
        what: a path to a .py file or a notebook, or a module (its file is run anew). A function, a
            class, or a namespace such as `globals()` is judged in this process as it is there.
        limit: seconds that a call, and a statement of the file, may take.
        memory: bytes by which the process may grow (on Linux). Neither limit is kept in this
            process.
        aliases: other names that count, by those asked for: {"linear_backward": ["backward"]}.
            Capitals and underscores make no difference.
        require: the functions that are asked for and counted; without it those that the exercise
            requires.
        exercise: an `Exercise`, the path of a teacher's file, or the name of one that comes along.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no .py file and no notebook, or an alias or a required function is none
            of the exercise, which may be unusable itself.
    """
    if isinstance(what, (str, Path, ModuleType)):
        return grade_file(
            what, limit=limit, memory=memory, aliases=aliases, require=require, exercise=exercise
        )
    if not isinstance(what, Mapping) and not callable(what):
        raise TypeError(
            "grade: expected a file, a module, a function or a namespace, got "
            f"{type(what).__name__}"
        )
    return grade_in_memory(what, exercise=exercise, aliases=aliases, require=require)


def grade_file(
    what: str | Path | ModuleType,
    *,
    limit: float,
    memory: int,
    aliases: Mapping[str, Sequence[str]] | None = None,
    require: Sequence[str] | None = None,
    exercise: Exercise | str | Path | None = None,
) -> Grades:
    """The grades of a file, which runs in a process of its own; see `grade`."""
    asked = chosen(exercise)
    names, others = asked_names(asked, aliases, require)
    path = locate(what)
    try:
        text = source(path)
    except ValueError as error:
        return Grades(path, problem=visible(str(error)))
    except (RecursionError, MemoryError) as error:
        return Grades(path, problem=f"too deep or too large to be parsed ({type(error).__name__})")
    own = None if asked.stand_ins else asked.names
    with Process(path, text.text, limit, memory, others, own, asked.path) as process:
        try:
            loaded = process.load()
        except Ended as ended:
            return Grades(path, problem=f"can't be loaded: {ended.words}")
        found = Grader(path, text, process, loaded, asked).grades()
    return replace(found, grades=tuple(found[n] for n in names))
