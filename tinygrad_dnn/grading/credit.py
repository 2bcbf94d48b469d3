"""Points: what a teacher gives for each function, and what a file earns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tinygrad_dnn.grading.function import Function
from tinygrad_dnn.grading.grades import MISSING, RIGHT, WRONG, Grade, Grades, number_of, points_of
from tinygrad_dnn.grading.load import FUNCTIONS
from tinygrad_dnn.grading.words import and_of

MOST = 1_000_000.0
_PAIR = re.compile(r"(\w+)\s*[=,:\s]\s*(\S+)")


def points_in(text: str) -> dict[str, float]:
    """Points by the names of functions.

    Args:
        text: `linear_backward=3,relu_backward=1`, or the name of a file with a line for each,
            `linear_backward = 3`; what follows a # is a remark.

    Raises:
        OSError: the file can't be read.
        ValueError: something else stands there, or a function twice.
    """
    if "=" in text:
        pairs, where = text.split(","), "--points"
    else:
        where = text
        try:
            lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ValueError(f"--points {text}: expected a text file in UTF-8") from None
        pairs = [line.partition("#")[0] for line in lines]
    found: dict[str, float] = {}
    for pair in filter(str.strip, pairs):
        matched = _PAIR.fullmatch(pair.strip())
        points = _number(matched[2]) if matched else None
        if matched is None or points is None:
            raise ValueError(
                f"{where}: expected name=points, such as linear_backward=3, got {pair.strip()!r}"
            )
        if matched[1] in found:
            raise ValueError(f"{where}: {matched[1]} is given points twice")
        found[matched[1]] = points
    if not found:
        raise ValueError(f"{where}: no points: expected a line such as linear_backward=3")
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= MOST else None


def with_points(
    found: Grades,
    names: Sequence[str],
    points: Mapping[str, float] | None = None,
    partial: bool = False,
    functions: Sequence[Function] = FUNCTIONS,
) -> Grades:
    """The grades with points; of a file that could not be graded every function earns none.

    Args:
        names: of the functions that are asked for.
        points: for each function; one that it does not name has none. Without it they are what
            they are, 1 for each where nothing was said.
        partial: where some of a function's results are right, it is given that share of its
            points, and a note says so.
        functions: what is known of them: their results.
    """
    grades = found.grades or tuple(Grade(name, MISSING) for name in names)
    return replace(found, grades=tuple(_with_points(g, points, partial, functions) for g in grades))


def _with_points(
    g: Grade, points: Mapping[str, float] | None, partial: bool, functions: Sequence[Function]
) -> Grade:
    earned, of = points_of(g)
    possible = of if points is None else points.get(g.name, 0.0)
    share = earned / of if of else float(g.status == RIGHT)
    if partial and not share and possible:
        right, results = _right_results(g, functions)
        if right:
            share = len(right) / len(results)
            what = f"{and_of(right)} {'is' if len(right) == 1 else 'are'} right"
            told = f"{number_of(share * possible)} of {number_of(possible)} points: {what}"
            g = replace(g, notes=(*g.notes, told))
    return replace(g, points=share * possible, possible=possible)


def _right_results(g: Grade, functions: Sequence[Function]) -> tuple[list[str], list[str]]:
    """Which results of a wrong function are right, of all that it has; none where it crashes, or
    does something besides.
    """
    returns = next((f.returns for f in functions if f.name == g.name), "")
    results = [r for r in returns.split(", ") if "cache" not in r]
    wrong = {d.name for d in g.diagnoses}
    if g.status != WRONG or g.lines or not wrong or not wrong <= {*results}:
        return [], results
    if any("in place" in words for words in g.words):
        return [], results
    return [r for r in results if r not in wrong], results
