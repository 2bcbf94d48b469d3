"""The result of grading: a grade per function, in data and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_dnn.check.diagnosis import Diagnosis
from tinygrad_dnn.grading.source import Place
from tinygrad_dnn.isolation.replies import visible

RIGHT, WRONG, MISSING, CRASHED = "right", "wrong", "missing", "crashed"
SLOW, MEMORY, BORROWED = "timed out", "out of memory", "borrowed"
UNWRITTEN, SIGNATURE, CANNOT_TELL = "not written", "another signature", "cannot tell"
STATUSES = (
    RIGHT, WRONG, CRASHED, SLOW, MEMORY, BORROWED, UNWRITTEN, SIGNATURE, CANNOT_TELL, MISSING,
)  # fmt: skip
MARKS = dict.fromkeys(STATUSES, "✗") | {
    RIGHT: "✓", MISSING: "–", UNWRITTEN: "–", SIGNATURE: "?", CANNOT_TELL: "?",
}  # fmt: skip


class Step(NamedTuple):
    """A line of the student's that an error came through, in a notebook that of a cell of code."""

    line: int
    function: str
    text: str
    cell: int | None = None

    def __str__(self) -> str:
        return f"{Place(self.line, self.cell)}, in {self.function}: {self.text}"


@dataclass(frozen=True)
class Grade:
    """One of the document's functions.

    Attributes:
        name: of the function.
        status: "right", "wrong", "crashed", "timed out", "out of memory", "borrowed" where others
            computed in its place, "not written" where it was to be filled in, "another signature"
            where it can't be called as the document's is, "cannot tell" where that hangs on others
            that are not right, or "missing".
        words: what is to be said, in sentences; empty where it is right or missing.
        notes: what else was noticed.
        diagnoses: of each result that is wrong.
        example: the smallest failing example that was found, as Python to be pasted, or None.
        lines: the student's lines that an error came through.
        line: where the function is defined, or None; in a notebook a line of the cell of code of
            the number `cell`.
        code: its own lines.
        lit: which of them are meant, counted from 0, where that can be told.
        points: that it is given, of those that are `possible`.
    """

    name: str
    status: str
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    example: str | None = None
    lines: tuple[Step, ...] = ()
    line: int | None = None
    cell: int | None = None
    code: tuple[str, ...] = ()
    lit: tuple[int, ...] = ()
    points: float | None = None
    possible: float | None = None

    @property
    def present(self) -> bool:
        """Whether the file defines it."""
        return self.status != MISSING

    @property
    def place(self) -> str:
        """`line 12`, `code cell 3, line 2`, or "" where that is not known."""
        return str(Place(self.line, self.cell)) if self.line else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "words": list(self.words),
            "notes": list(self.notes),
            "diagnoses": [d.to_dict() for d in self.diagnoses],
            "example": self.example,
            "lines": [step._asdict() for step in self.lines],
            "line": self.line,
            "cell": self.cell,
            "code": list(self.code),
            "lit": list(self.lit),
            "points": self.points,
            "possible": self.possible,
        }


@dataclass(frozen=True)
class Grades:
    """A student's file. `print` shows it; indexing by a function's name gives its `Grade`.

    Attributes:
        path: the file.
        grades: one per function of the document, or of those that are required.
        notes: what went wrong while the file was loaded, and what was read leniently.
        left_out: the statements that failed, where and why.
        problem: why nothing of it could be graded, or "".
        student: whose it is, or "".
    """

    path: Path
    grades: tuple[Grade, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    left_out: tuple[str, ...] = ()
    student: str = ""
    _by_name: dict[str, Grade] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({g.name: g for g in self.grades})

    def __getitem__(self, name: str) -> Grade:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Grade]:
        return iter(self.grades)

    @property
    def present(self) -> tuple[Grade, ...]:
        """The functions that the file defines."""
        return tuple(g for g in self.grades if g.present)

    @property
    def count(self) -> int:
        """How many functions are right."""
        return sum(g.status == RIGHT for g in self.grades)

    @property
    def points(self) -> float:
        """The points of all functions, 1 for each that is right where nothing else is said."""
        return sum(points_of(g)[0] for g in self.grades)

    @property
    def possible(self) -> float:
        """The points that there are."""
        return sum(points_of(g)[1] for g in self.grades)

    @property
    def right(self) -> bool:
        """Whether there is something, and all that is there is right."""
        return bool(self.present) and all(g.status == RIGHT for g in self.present)

    @property
    def summary(self) -> str:
        """`7 right, 2 wrong, 5 missing`."""
        if self.problem:
            return self.problem
        if not self.present:
            return "defines none of the functions that are asked for"
        counts = {s: sum(g.status == s for g in self.grades) for s in STATUSES}
        return ", ".join(f"{n} {s}" for s, n in counts.items() if n)

    def __str__(self) -> str:
        """A stranger's words in it can neither move the cursor nor pass for lines of their own."""
        said = [_indented(f"{self.path}: {self.summary}")]
        said += [f"  {_indented(n)}" for n in self.notes]
        for g in self.present:
            if g.status == RIGHT:
                said.append(f"{MARKS[RIGHT]} {g.name}")
            else:
                where = f" ({g.place})" if g.place else ""
                said.append(f"\n{MARKS[g.status]} {g.name}{where}: {g.status}")
            said += [f"    {_indented(w)}" for w in (*g.words, *g.notes)]
            said += [f"    {step}" for step in g.lines]
            if g.example:
                said += ["", *(f"        {line}".rstrip() for line in g.example.splitlines()), ""]
        missing = [g.name for g in self.grades if not g.present]
        if missing and self.present:
            said.append(f"{MARKS[MISSING]} missing: {', '.join(missing)}")
        return visible("\n".join(said), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "file": str(self.path),
            "student": self.student,
            "points": self.points,
            "possible": self.possible,
            "right": self.right,
            "summary": self.summary,
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "problem": self.problem,
            "functions": [g.to_dict() for g in self.grades],
        }


def points_of(g: Grade) -> tuple[float, float]:
    """The points of a function and those that are possible; without any said, 1 if it is right."""
    possible = 1.0 if g.possible is None else g.possible
    earned = possible if g.status == RIGHT else 0.0
    return (earned if g.points is None else g.points), possible


def number_of(points: float) -> str:
    """Points as they are written: `2`, `1.33`."""
    return f"{round(points, 2):g}"


def _indented(words: str) -> str:
    return words.replace("\n", "\n      ")
