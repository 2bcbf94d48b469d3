"""`tinygrad-dnn check homework.py`: hand-written functions graded, one file or a folder of them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import viz.reports.grades
from tinygrad_dnn.cli.output import check_place
from tinygrad_dnn.cli.status import DONE, NO, UNUSABLE
from tinygrad_dnn.cli.students import ids, pattern
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.grading import FUNCTIONS, Exercise, Grades, exercise_of, grade
from tinygrad_dnn.grading.credit import points_in, with_points
from tinygrad_dnn.grading.function import Function
from tinygrad_dnn.grading.grades import number_of
from tinygrad_dnn.grading.gradescope import autograder, results
from tinygrad_dnn.grading.source import SUFFIXES
from tinygrad_dnn.isolation.replies import visible
from tinygrad_dnn.isolation.standins import HELPERS, TESTS
from tinygrad_dnn.storage.whole_file import write, write_text

MIB = 1 << 20
MOST_AT_ONCE = 4
DEFAULTS = {"limit": 10.0, "memory": 2048, "visibility": "visible"}  # of options


def is_homework(what: str) -> bool:
    """Whether it is for grading: Python, a notebook, or a folder; else it is a model file."""
    return Path(what).suffix in SUFFIXES or Path(what).is_dir()


def run(args: argparse.Namespace) -> int:
    """Grade and report; the exit status."""
    if args.layers is not None:
        raise ValueError("--layers: for a network; grading chooses its own")
    if args.gradescope_setup:
        raise ValueError("--gradescope-setup: without files; it writes what grades them later")
    args.exercise = exercise_of(args.exercise) if args.exercise else None
    args.given = points_in(args.points) if args.points else None
    _check(args)
    begun = time.monotonic()
    try:
        files = [f for what in args.what for f in _files(what, args.exercise)]
    except ValueError as error:
        if args.gradescope:  # a submission with nothing in it has results too
            nothing = with_points(Grades(Path(args.what[0]), problem=str(error)), _names(args))
            _write_results(args, [nothing], begun)
        raise
    args.ids = ids(files, pattern(args.student_id)) if args.student_id else {}
    folder = len(files) > 1 or Path(args.what[0]).is_dir()
    if not folder:
        found = [_grade(files[0], args)]
        _write(args, found, begun)
        print(_json(found[0].to_dict()) if args.json else found[0])
        _tell_written(args)
        return _status(found)
    found = []
    try:
        for result in _graded(files, args):
            found.append(result)
            if not args.json:
                print(_line(result), flush=True)
    finally:  # what was found is kept, whatever comes in between
        if found:
            _write(args, found, begun)
            if args.json:
                print(_json([r.to_dict() for r in found]))
            _tell_written(args)
    return _status(found)


def _graded(files: Sequence[Path], args: argparse.Namespace) -> Iterator[Grades]:
    """The files' grades in their order; several are graded at once."""
    pool = ThreadPoolExecutor(args.jobs or min(os.cpu_count() or 1, MOST_AT_ONCE))
    try:
        yield from pool.map(lambda file: _one(file, args), files)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one(file: Path, args: argparse.Namespace) -> Grades:
    """A file's grades; what goes wrong with it is its own affair."""
    try:
        return _grade(file, args)
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    except Exception as error:
        problem = visible(f"can't be graded: {type(error).__name__}: {error}")
    return _finished(Grades(file, problem=problem), args)


def _grade(file: Path, args: argparse.Namespace) -> Grades:
    aliases: dict[str, list[str]] = {}
    for pair in args.alias:
        name, _, other = pair.partition("=")
        aliases.setdefault(name.strip(), []).append(other.strip())
    found = grade(
        file,
        limit=args.limit,
        memory=args.memory * MIB,
        aliases=aliases,
        require=args.require or None,
        exercise=args.exercise,
    )
    return _finished(found, args)


def _finished(found: Grades, args: argparse.Namespace) -> Grades:
    """The grades with their points and the student's id."""
    found = with_points(found, _names(args), args.given, args.partial, _functions(args))
    return replace(found, student=args.ids.get(found.path, ""))


def _names(args: argparse.Namespace) -> list[str]:
    """The functions that are asked for."""
    return args.require or [f.name for f in _functions(args) if f.required]


def _functions(args: argparse.Namespace) -> Sequence[Function]:
    return FUNCTIONS if args.exercise is None else args.exercise.functions


def _check(args: argparse.Namespace) -> None:
    """Refuse, before anything is graded, what could not be written or counted after it."""
    if unknown := set(args.given or ()) - set(_names(args)):
        raise ValueError(
            f"--points: {', '.join(sorted(unknown))}: expected functions that are asked for "
            f"({', '.join(_names(args))})"
        )
    for option in ("html", "csv", "gradescope", "gradescope_setup"):
        name = getattr(args, option)
        if name:
            check_place(name, f"--{option.replace('_', '-')}")
    if args.pages and Path(args.pages).exists() and not Path(args.pages).is_dir():
        raise ValueError(f"--pages {args.pages}: expected a folder, it is a file")


def setup(args: argparse.Namespace) -> int:
    """Write the autograder that has Gradescope grade with the other options."""
    spec = args.exercise
    args.exercise = exercise_of(spec) if spec else None
    args.given = points_in(args.points) if args.points else None
    _check(args)
    options, files = [], []
    if args.points and "=" not in args.points:
        files.append(Path(args.points))
    if args.exercise is not None:
        own = Path(spec).suffix == ".py"
        files += [args.exercise.path] if own else []
        options += ["--exercise", args.exercise.path.name if own else spec]
    for option in ("require", "points", "limit", "memory", "visibility"):
        value = getattr(args, option)
        if value and value != DEFAULTS.get(option):
            text = ",".join(value) if option == "require" else str(value)
            text = Path(text).name if option == "points" and files else text
            options += [f"--{option}", text]
    for pair in args.alias:
        options += ["--alias", pair]
    options += ["--partial"] if args.partial else []
    write(Path(args.gradescope_setup), autograder(options, files))
    print(
        f"{args.gradescope_setup}: upload it at Gradescope, in the assignment's settings, as the "
        "autograder"
    )
    return DONE


def _write_results(args: argparse.Namespace, found: Sequence[Grades], begun: float) -> None:
    seconds = time.monotonic() - begun
    write_text(Path(args.gradescope), _json(results(found, seconds, args.visibility)) + "\n")


def _write(args: argparse.Namespace, found: Sequence[Grades], begun: float) -> None:
    if args.gradescope:
        _write_results(args, found, begun)
    if args.html:
        viz.reports.grades.page_of(found, Path(args.html))
    if args.pages:
        viz.reports.grades.pages_of(found, Path(args.pages))
    if args.csv:
        write_text(Path(args.csv), _table(found, _names(args)))


def _tell_written(args: argparse.Namespace) -> None:
    """Say what was written, where the output is not JSON."""
    pages = f"{Path(args.pages) / 'index.html'}" if args.pages else None
    files = [name for name in (args.html, pages, args.csv, args.gradescope) if name]
    if files and not args.json:
        print(printable(f"wrote {', '.join(map(str, files))}"))


def _json(data: Any) -> str:
    """JSON in printable ASCII: whole in any encoding, and a terminal only shows it."""
    return json.dumps(data, indent=2).replace("\x7f", "\\u007f")


def _files(what: str, exercise: Exercise | None) -> Iterator[Path]:
    """The file, or those of a folder; the course's own helper files and the teacher's are nobody's
    homework.
    """
    path = Path(what)
    if not path.is_dir():
        if not is_homework(what):
            raise ValueError(f"{what}: expected Python files (.py), notebooks (.ipynb) or a folder")
        yield path
        return
    there = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and not p.is_dir())
    mine = [
        p
        for p in there
        if not any(part.startswith((".", "__")) for part in p.relative_to(path).parts)
        and not HELPERS.fullmatch(p.stem)
        and not TESTS.fullmatch(p.stem)
        and (exercise is None or p.resolve() != exercise.path)
    ]
    if not mine:
        raise ValueError(f"{what}: no .py file and no notebook in this folder")
    yield from mine


def _line(result: Grades) -> str:
    """A file in one line: `ann.py: 9 right, 2 wrong (linear_backward, relu_backward)`."""
    names = ", ".join(g.name for g in result.present if g.status != "right")
    who = f"{result.student} ({result.path})" if result.student else str(result.path)
    return printable(f"{who}: {result.summary}{f' ({names})' if names else ''}")


def _table(found: Sequence[Grades], names: Sequence[str]) -> str:
    """A row per file: how many are right of how many, the status of each function, and why."""
    out = io.StringIO()
    table = csv.writer(out)
    heads = ["student", "file", "right", "present", "asked", "points", "possible", *names]
    table.writerow([*heads, "problem", "reasons"])
    for r in found:
        statuses = [r[n].status if not r.problem else "" for n in names]
        counts = [r.count, len(r.present), len(names), number_of(r.points), number_of(r.possible)]
        reasons = "; ".join(
            f"{g.name}: {_prose(g.words) or g.status}" for g in r.present if g.status != "right"
        )
        row = [r.student, str(r.path), *counts, *statuses, r.problem, reasons]
        table.writerow(_inert(row))
    return out.getvalue()


def _prose(lines: Sequence[str]) -> str:
    """Lines in one, each a sentence."""
    *others, last = lines or ("",)
    return "".join(f"{x} " if x.endswith((".", "?", "!")) else f"{x}. " for x in others) + last


def _inert(row: Sequence[object]) -> list[object]:
    """A spreadsheet takes a cell that begins with = for a formula, also after a tab or a blank."""
    return [_inert_cell(c) if isinstance(c, str) else c for c in row]


def _inert_cell(text: str) -> str:
    shown = printable(text)
    wide = unicodedata.normalize("NFKC", text)  # ＝ is taken for = as well
    bare = "".join(c for c in wide if c.isprintable()).lstrip(" '\"")
    return f"'{shown}" if bare.startswith(("=", "+", "-", "@")) else shown


def _status(found: Sequence[Grades]) -> int:
    usable = [r for r in found if not r.problem and r.present]
    if not usable:
        return UNUSABLE
    return DONE if all(r.right for r in found) else NO
