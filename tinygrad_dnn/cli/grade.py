"""`tinygrad-dnn check homework.py`: hand-written functions graded, one file or a folder of them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import viz.reports.grades
from tinygrad_dnn.cli.status import DONE, NO, UNUSABLE
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.grading import FUNCTIONS, Exercise, Grades, exercise_of, grade
from tinygrad_dnn.grading.source import SUFFIXES
from tinygrad_dnn.isolation.replies import visible
from tinygrad_dnn.isolation.standins import HELPERS, TESTS
from tinygrad_dnn.storage.whole_file import write_text

MIB = 1 << 20
MOST_AT_ONCE = 4


def is_homework(what: str) -> bool:
    """Whether it is for grading: Python, a notebook, or a folder; else it is a model file."""
    return Path(what).suffix in SUFFIXES or Path(what).is_dir()


def run(args: argparse.Namespace) -> int:
    """Grade and report; the exit status."""
    if args.layers is not None:
        raise ValueError("--layers: for a network; grading chooses its own")
    args.exercise = exercise_of(args.exercise) if args.exercise else None
    files = [f for what in args.what for f in _files(what, args.exercise)]
    folder = len(files) > 1 or Path(args.what[0]).is_dir()
    if not folder:
        found = [_grade(files[0], args)]
        _write(args, found)
        print(_json(found[0].to_dict()) if args.json else found[0])
        return _status(found)
    found = []
    try:
        for result in _graded(files, args):
            found.append(result)
            if not args.json:
                print(_line(result), flush=True)
    finally:  # what was found is kept, whatever comes in between
        if found:
            _write(args, found)
            if args.json:
                print(_json([r.to_dict() for r in found]))
    return _status(found)


def _graded(files: Sequence[Path], args: argparse.Namespace) -> Iterator[Grades]:
    """The files' grades in their order; several are graded at once."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_AT_ONCE))
    try:
        yield from pool.map(lambda file: _one(file, args), files)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one(file: Path, args: argparse.Namespace) -> Grades:
    """A file's grades; what goes wrong with it is its own affair."""
    try:
        return _grade(file, args)
    except OSError as error:
        return Grades(file, problem=f"can't be read: {error.strerror}")
    except Exception as error:
        return Grades(file, problem=visible(f"can't be graded: {type(error).__name__}: {error}"))


def _grade(file: Path, args: argparse.Namespace) -> Grades:
    aliases: dict[str, list[str]] = {}
    for pair in args.alias:
        name, _, other = pair.partition("=")
        aliases.setdefault(name.strip(), []).append(other.strip())
    return grade(
        file,
        limit=args.limit,
        memory=args.memory * MIB,
        aliases=aliases,
        require=args.require or None,
        exercise=args.exercise,
    )


def _write(args: argparse.Namespace, found: Sequence[Grades]) -> None:
    if args.html:
        viz.reports.grades.page_of(found, Path(args.html))
    if args.csv:
        write_text(Path(args.csv), _table(found, args.require, args.exercise))


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
    return printable(f"{result.path}: {result.summary}{f' ({names})' if names else ''}")


def _table(found: Sequence[Grades], require: Sequence[str], exercise: Exercise | None) -> str:
    """A row per file: how many are right of how many, the status of each function, and why."""
    out = io.StringIO()
    table = csv.writer(out)
    functions = FUNCTIONS if exercise is None else exercise.functions
    names = require or [f.name for f in functions if f.required]
    table.writerow(["file", "right", "present", "asked", *names, "problem", "reasons"])
    for r in found:
        statuses = [r[n].status if not r.problem else "" for n in names]
        counts = [r.count, len(r.present), len(names)]
        reasons = "; ".join(
            f"{g.name}: {' '.join(g.words) or g.status}" for g in r.present if g.status != "right"
        )
        table.writerow(_inert([str(r.path), *counts, *statuses, r.problem, reasons]))
    return out.getvalue()


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
