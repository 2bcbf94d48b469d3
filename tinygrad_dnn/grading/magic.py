"""`%%grade linear_backward` in a notebook: the cell is run, and its function judged at once."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from tinygrad_dnn.grading.grades import Grades
from tinygrad_dnn.grading.in_memory import grade_in_memory


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise, where a program would end.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"%grade: {message}; {self.format_usage().strip()}")


def load_ipython_extension(shell: Any) -> None:
    """Let IPython know `%grade` and `%%grade`: `%load_ext tinygrad_dnn.grading`."""

    def magic(line: str, cell: str | None = None) -> Grades | None:
        """%grade [--exercise SPEC] NAME ...: judge functions of the notebook; %%grade runs the cell
        before. Without names all functions of the exercise that are there.
        """
        parser = _Arguments(prog="%grade", add_help=False, allow_abbrev=False)
        parser.add_argument("names", nargs="*", metavar="NAME")
        parser.add_argument("--exercise", metavar="SPEC")
        args = parser.parse_args(shlex.split(line))
        if cell is not None:
            outcome = shell.run_cell(cell)
            if getattr(outcome, "success", True) is False:
                return None  # the error stands below the cell already
        print(
            grade_in_memory(
                shell.user_ns, exercise=args.exercise, require=args.names or None
            )
        )  # fmt: skip
        return None

    shell.register_magic_function(magic, "line_cell", "grade")
