"""Grades on a page that needs no network: a student's file, or a class in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinygrad_dnn.grading import STATUSES, Grade, Grades
from tinygrad_dnn.storage.whole_file import write_text
from viz.page import asset, escaped, page, properties
from viz.palette import DARK, LIGHT

MARKS = {
    "right": "✓", "wrong": "✗", "crashed": "!", "timed out": "…", "out of memory": "▲",
    "borrowed": "≡", "not written": "○", "another signature": "≠", "cannot tell": "?",
    "missing": "–",
}  # fmt: skip


def page_of(found: Sequence[Grades], path: Path) -> Path:
    """Write the page: every finding of every file, and a table where there are several files.

    Returns:
        The path.

    Raises:
        OSError: it can't be written.
    """
    one = found[0] if len(found) == 1 else None
    title = one.path.name if one else f"{len(found)} files"
    filled = page(
        "reports/grades.html",
        title=escaped(title),
        palette=f":root {{ {properties(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {properties(DARK)} }} }}",
        style=asset("page.css") + asset("reports/grades.css"),
        summary=escaped(one.summary if one else _of_all(found)),
        table="" if one else _table(found),
        files="\n".join(_file(r, i, heading=one is None) for i, r in enumerate(found)),
    )
    return write_text(path, filled)


def _of_all(found: Sequence[Grades]) -> str:
    right = sum(r.right for r in found)
    return f"In {right} of {len(found)} everything that is there is right."


def _table(found: Sequence[Grades]) -> str:
    """A row per file, a column per function that anybody has."""
    names = list(dict.fromkeys(g.name for r in found for g in r))
    names = [n for n in names if any(not r.problem and r[n].present for r in found)]
    heads = "".join(f'<th class="function-name"><span>{escaped(n)}</span></th>' for n in names)
    rows = "\n".join(_row(r, i, names) for i, r in enumerate(found))
    legend = " &nbsp; ".join(f"{MARKS[s]} {s}" for s in STATUSES)
    return (
        f'<div class="wide"><table>\n<thead><tr><th class="file">file</th><th>right</th>{heads}'
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
        f'<p class="legend">{legend}</p>'
    )


def _row(result: Grades, i: int, names: Sequence[str]) -> str:
    file = f'<td class="file"><a href="#file-{i}">{escaped(str(result.path))}</a></td>'
    if result.problem:
        problem = (
            f'<td class="file problem" colspan="{len(names) + 1}">{escaped(result.problem)}</td>'
        )
        return f"<tr>{file}{problem}</tr>"
    cells = "".join(_cell(result[n], i) for n in names)
    return f"<tr>{file}<td>{result.count} of {len(result.grades)}</td>{cells}</tr>"


def _cell(grade: Grade, i: int) -> str:
    said = escaped(f"{grade.name}: {grade.status}")
    mark = f'<span title="{said}" aria-label="{said}">{MARKS[grade.status]}</span>'
    if grade.present and grade.status != "right":
        mark = f'<a href="#{_id(grade, i)}">{mark}</a>'
    return f'<td class="{_class(grade)}-mark">{mark}</td>'


def _file(result: Grades, i: int, heading: bool) -> str:
    parts = []
    if heading:
        parts.append(f'<h2 id="file-{i}">{escaped(str(result.path))}</h2>')
        parts.append(f'<p class="summary">{escaped(result.summary)}</p>')
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
    return f"<section>\n{chr(10).join(parts)}\n</section>"


def _function(grade: Grade, i: int) -> str:
    line = f"<small>{escaped(grade.place)}</small>" if grade.place else ""
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
