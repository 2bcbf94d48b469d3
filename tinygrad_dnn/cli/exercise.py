"""`tinygrad-dnn exercise`: a teacher's exercise begun, proved, listed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tinygrad_dnn.cli.choices import chosen
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.grading import SpecError, exercise_of
from tinygrad_dnn.grading.load import shipped
from tinygrad_dnn.grading.prove import prove
from tinygrad_dnn.grading.starter import TEMPLATE, starter
from tinygrad_dnn.isolation.replies import visible
from tinygrad_dnn.storage.whole_file import write_text


def run(args: argparse.Namespace) -> int:
    """Begin, prove or list; the exit status."""
    if args.does == "list":
        return _list()
    return _new(args) if args.does == "new" else _test(args)


def _list() -> int:
    for name in shipped():
        exercise = exercise_of(name)
        print(f"{name}: {exercise.title} ({', '.join(exercise.names)})")
    return DONE


def _new(args: argparse.Namespace) -> int:
    """Write the exercise, unless it is there, and the students' file, unless that is there."""
    spec = Path(args.spec)
    if spec.suffix != ".py":
        raise ValueError(f"{spec}: expected a name ending in .py")
    text = TEMPLATE
    if args.like:
        try:
            args.like = chosen(args.like, shipped())
        except ValueError as error:
            raise ValueError(f"--like: {error}") from None
        if not exercise_of(args.like).asked:
            raise ValueError(f"--like {args.like}: its functions are not written as a spec.py is")
        text = shipped()[args.like].read_text(encoding="utf-8")
    if spec.exists() and args.like:
        raise ValueError(f"{spec} is there already; --like writes a new one")
    if not spec.exists():
        write_text(spec, text)
        print(f"{spec}: the exercise; edit it, then: tinygrad-dnn exercise test {spec}")
    students = Path(args.starter) if args.starter else spec.with_name("starter.py")
    if students.exists():
        raise ValueError(f"{students} is there already; --starter says another name")
    write_text(students, starter(exercise_of(spec)))
    print(f"{students}: what students begin with")
    return DONE


def _test(args: argparse.Namespace) -> int:
    """Print a proof for each function."""
    exercise = exercise_of(args.spec)
    if not exercise.asked:
        raise SpecError(f"{args.spec}: its functions are proved by the tests of this package")
    found = []
    for proof in prove(exercise):
        found.append(proof)
        if not args.json:
            print(visible(str(proof), None), flush=True)
    holds = all(p.holds for p in found)
    if args.json:
        print(json.dumps({"holds": holds, "functions": [p.to_dict() for p in found]}, indent=2))
    else:
        made = sum(p.planted for p in found)
        missed = sum(len(p.missed) for p in found)
        named = sum(p.named + p.refused for p in found)
        print(f"\n{exercise.title}: {made} mistakes made, {made - missed} found, {named} named or "
              "refused by NumPy")  # fmt: skip
    return DONE if holds else NO
