"""Grades on a page that needs no network: a student's file, or a class in one table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tinygrad_dnn.grading import STATUSES, Grade, Grades
from tinygrad_dnn.grading.grades import number_of
from tinygrad_dnn.storage.whole_file import write_text
from viz.page import asset, escaped, page, properties
from viz.palette import DARK, LIGHT
from viz.reports.class_figures import figures

LONGEST = 80  # characters of the name of a page
MARKS = {
    "right": "✓", "wrong": "✗", "crashed": "!", "timed out": "…", "out of memory": "▲",
    "borrowed": "≡", "not written": "○", "another signature": "≠", "cannot tell": "?",
    "missing": "–",
}  # fmt: skip
_BREAKS = re.compile(r"([/\\_.-])")  # after which a file's name may go on below


def page_of(found: Sequence[Grades], path: Path) -> Path:
    """Write the page: every finding of every file, and a table where there are several files.

    Returns:
        The path.

    Raises:
        OSError: it can't be written.
    """
    one = found[0] if len(found) == 1 else None
    title = _who(one) if one else f"{len(found)} files"
    table = "" if one else figures(found) + _table(found, [f"#file-{i}" for i in range(len(found))])
    return _write(path, title, found, table, _files(found))


def pages_of(found: Sequence[Grades], folder: Path) -> Path:
    """Write a page for each student, which names no other, and `index.html` of the class.

    A page is called by the student's id, or by the file where no ids are known. Files of one
    student stand on one page.

    Returns:
        The path of the class's page.

    Raises:
        OSError: they can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of: dict[str, list[Grades]] = {}
    for r in found:
        of.setdefault(r.student or str(r.path), []).append(r)
    places: dict[int, str] = {}
    names: set[str] = {"index"}
    for mine in of.values():
        name = _free(_file_name(mine[0]), names)
        places |= {id(r): f"{name}.html#file-{i}" for i, r in enumerate(mine)}
        _write(folder / f"{name}.html", _who(mine[0]), mine, "", _files(mine))
    table = figures(found) + _table(found, [places[id(r)] for r in found])
    title = f"{len(of)} student{'s' * (len(of) != 1)}"
    return _write(folder / "index.html", title, found, table, "")


def _file_name(r: Grades) -> str:
    """A name for the page that every system takes and no browser reads as an address."""
    kept = (c if c.isalnum() or c in "-_." else "-" for c in r.student or r.path.stem)
    return "".join(kept).strip(".-")[:LONGEST] or "student"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where another page has it, whatever the capitals."""
    found, n = name, 1
    while found.casefold() in taken:
        n += 1
        found = f"{name}-{n}"
    taken.add(found.casefold())
    return found


def _who(r: Grades) -> str:
    return r.student or r.path.name


def _write(path: Path, title: str, found: Sequence[Grades], table: str, files: str) -> Path:
    filled = page(
        "reports/grades.html",
        title=escaped(title),
        palette=f":root {{ {properties(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {properties(DARK)} }} }}",
        style=asset("page.css") + asset("reports/grades.css"),
        summary=escaped(_summary(found[0]) if len(found) == 1 else _of_all(found)),
        table=table,
        files=files,
    )
    return write_text(path, filled)


def _files(found: Sequence[Grades]) -> str:
    return "\n".join(_file(r, i, heading=len(found) > 1) for i, r in enumerate(found))


def _has_points(r: Grades) -> bool:
    """Whether points say more than how many functions are right."""
    return any(g.possible not in (None, 1.0) or (g.points or 0) % 1 for g in r.grades)


def _points(r: Grades) -> str:
    return f"{number_of(r.points)} of {number_of(r.possible)}"


def _summary(r: Grades) -> str:
    return f"{_points(r)} points: {r.summary}" if _has_points(r) else r.summary


def _of_all(found: Sequence[Grades]) -> str:
    right = sum(r.right for r in found)
    return f"In {right} of {len(found)} everything that is there is right."


def _table(found: Sequence[Grades], places: Sequence[str]) -> str:
    """A row per file, a column per function that anybody has.

    Args:
        places: where each file's findings stand.
    """
    names = list(dict.fromkeys(g.name for r in found for g in r))
    names = [n for n in names if any(not r.problem and r[n].present for r in found)]
    heads = "".join(f'<th class="function-name"><span>{escaped(n)}</span></th>' for n in names)
    counted = any(map(_has_points, found))
    rows = "\n".join(_row(r, place, names, counted) for r, place in zip(found, places, strict=True))
    legend = " &nbsp; ".join(f"{MARKS[s]} {s}" for s in STATUSES)
    return (
        f'<div class="wide"><table>\n<thead><tr><th class="file">file</th><th>right</th>{heads}'
        f"{'<th>points</th>' * counted}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
        f'<p class="legend">{legend}</p>'
    )


def _row(result: Grades, place: str, names: Sequence[str], counted: bool) -> str:
    who = f"{result.student}: {result.path}" if result.student else str(result.path)
    link = _BREAKS.sub(r"\1<wbr>", escaped(who))
    file = f'<td class="file"><a href="{place}">{link}</a></td>'
    if result.problem:
        wide = len(names) + 1 + counted
        problem = f'<td class="file problem" colspan="{wide}">{escaped(result.problem)}</td>'
        return f"<tr>{file}{problem}</tr>"
    cells = "".join(_cell(result[n], place) for n in names)
    points = f"<td>{_points(result)}</td>" if counted else ""
    return f"<tr>{file}<td>{result.count} of {len(result.grades)}</td>{cells}{points}</tr>"


def _cell(grade: Grade, place: str) -> str:
    said = escaped(f"{grade.name}: {grade.status}")
    mark = f'<span title="{said}" aria-label="{said}">{MARKS[grade.status]}</span>'
    if grade.present and grade.status != "right":
        mark = f'<a href="{place}-{grade.name}">{mark}</a>'
    return f'<td class="{_class(grade)}-mark">{mark}</td>'


def _file(result: Grades, i: int, heading: bool) -> str:
    parts = []
    if heading:
        parts.append(f"<h2>{escaped(str(result.path))}</h2>")
        parts.append(f'<p class="summary">{escaped(_summary(result))}</p>')
    parts += [f'<p class="notes">{escaped(note)}</p>' for note in result.notes]
    detailed = [g for g in result.present if g.status != "right" or g.notes]
    parts += [_function(g, i) for g in detailed]
    rest = [g for g in result if g not in detailed]
    for status, words in (("right", "right"), ("missing", "missing")):
        names = [g.name for g in rest if g.status == status]
        if names:
            mark = MARKS[status]
            items = "".join(f'<li class="{status}">{mark} {escaped(n)}</li>' for n in names)
            parts.append(f'<ul class="rights" aria-label="{words}">{items}</ul>')
    return f'<section id="file-{i}">\n{chr(10).join(parts)}\n</section>'


def _function(grade: Grade, i: int) -> str:
    line = f"<small>{escaped(grade.place)}</small>" if grade.place else ""
    if grade.possible not in (None, 0.0, 1.0):
        points = f"{number_of(grade.points or 0.0)} of {number_of(grade.possible or 0.0)} points"
        line += f"<small>{points}</small>"
    words = "".join(f"<li>{escaped(w)}</li>" for w in grade.words)
    notes = "".join(f'<p class="notes">{escaped(n)}</p>' for n in grade.notes)
    trace = "\n".join(map(str, grade.lines))
    return (
        f'<article class="function {_class(grade)}" id="{_id(grade, i)}">\n'
        f'<h3><span class="status {_class(grade)}-mark">{MARKS[grade.status]} {grade.status}</span>'
        f"{escaped(grade.name)}{line}</h3>\n"
        + (f'<ul class="words">{words}</ul>\n' if words else "")
        + notes
        + (f'<pre class="trace">{_code(trace)}</pre>\n' if trace else "")
        + _own_lines(grade)
        + (f"<pre>{_code(grade.example)}</pre>\n" if grade.example else "")
        + "</article>"
    )


def _own_lines(grade: Grade) -> str:
    """The function as it stands in the file, where it is not right, what is meant lit."""
    if grade.status == "right" or not grade.code:
        return ""
    first = grade.line or 1
    rows = []
    for n, text in enumerate(grade.code):
        line = f'<span class="number">{first + n}</span> {_code(text)}'
        rows.append(f"<mark>{line}</mark>" if n in grade.lit else line)
    return f'<pre class="code" aria-label="your lines">{chr(10).join(rows)}</pre>\n'


def _class(grade: Grade) -> str:
    return grade.status.replace(" ", "-")


def _id(grade: Grade, i: int) -> str:
    return f"file-{i}-{grade.name}"


def _code(text: str) -> str:
    return escaped(text, keep="\n")
