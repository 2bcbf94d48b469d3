"""The process in which a student's file runs: it loads the file and computes what it is asked.

It answers the grader over a pipe of its own, which programs that the student's code starts do not
inherit; what the student's code reads and prints goes nowhere. Nothing is judged here, and no
right answer is known here.
"""

from __future__ import annotations

import builtins
import os
import sys
import warnings

from tinygrad_dnn import textbook
from tinygrad_dnn.isolation import standins
from tinygrad_dnn.isolation.borrowing import NAMES
from tinygrad_dnn.isolation.outcomes import MOST_NOTES
from tinygrad_dnn.isolation.pipe import Pipe, Watch
from tinygrad_dnn.isolation.student import Student
from tinygrad_dnn.storage.platform import limit_memory, private_descriptor


def main() -> None:
    """Serve the grader: requests come by standard input, answers go to standard output."""
    serve(os.dup(0), os.dup(1))


def serve(reader: int, writer: int) -> None:
    """Load a file and answer requests until the grader has gone."""
    pipe = Pipe(private_descriptor(reader), private_descriptor(writer))
    for number, way in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        os.dup2(os.open(os.devnull, way), number)
    sys.argv = [""]
    task = pipe.receive()
    os.chdir(task["folder"])
    standins.install()
    standins.provide_old_names()
    builtins.get_ipython = standins.Inert()  # type: ignore[attr-defined]
    builtins.display = standins.Inert()  # type: ignore[attr-defined]
    student = Student(task)
    sys.path.insert(0, os.path.dirname(task["path"]))
    watch = Watch(pipe, task["path"])
    watch.start()
    limit_memory(task["memory"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = student.load(pipe, watch, task["limit"], task["skip"])
    functions = student.functions()
    for name in NAMES if task["document"] else ():  # those that are missing come from there
        if not callable(getattr(student.module, name, None)):
            setattr(student.module, name, getattr(textbook, name))
    pipe.send("loaded", {"functions": functions, "notes": notes[:MOST_NOTES]})
    while True:
        try:
            job = pipe.receive()
        except EOFError:
            return
        student.answer(job, pipe, watch, task["limit"])
