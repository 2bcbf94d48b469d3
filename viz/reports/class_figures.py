"""A class in figures, as parts of a page: mistakes, functions, points."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_dnn.grading import Grades
from tinygrad_dnn.grading.class_figures import Bar, Mistake, Total, histogram, mistakes, totals
from tinygrad_dnn.grading.grades import number_of
from viz.page import escaped

SHOWN = 15  # mistakes


def figures(found: Sequence[Grades]) -> str:
    """The commonest mistakes, a bar for each function, a histogram of points."""
    return (
        f'<div class="figures">\n{_mistakes(mistakes(found), len(found))}\n'
        f"{_functions(totals(found))}\n{_points(histogram(found))}\n</div>"
    )


def _mistakes(found: Sequence[Mistake], files: int) -> str:
    if not found:
        return ""
    items = "\n".join(
        f'<li><span class="bar">{_bar("wrong", m.files, files)}</span>'
        f'<span class="count">{m.files}</span> <span><b>{escaped(m.function)}</b> '
        f"{escaped(m.says)}</span></li>"
        for m in found[:SHOWN]
    )
    rest = len(found) - SHOWN
    more = f'<p class="notes">and {rest} more, of which none is commoner</p>' if rest > 0 else ""
    head = '<section class="mistakes"><h2>Commonest mistakes</h2>'
    return f"{head}\n<ol>\n{items}\n</ol>{more}</section>"


def _functions(found: Sequence[Total]) -> str:
    if not found:
        return ""
    items = "\n".join(
        f'<li><span class="name">{escaped(t.function)}</span><span class="bar">'
        f"{_bar('right', t.right, t.asked)}{_bar('wrong', t.present - t.right, t.asked)}</span>"
        f'<span class="count">{t.right} right, {t.present - t.right} not, '
        f"{t.asked - t.present} missing</span></li>"
        for t in found
    )
    return f'<section class="functions"><h2>Functions</h2>\n<ul>\n{items}\n</ul></section>'


def _bar(kind: str, n: int, of: int) -> str:
    """A part of a bar; of its length it is n of so many."""
    return f'<i class="{kind}" style="width: {100 * n / of:.2f}%"></i>' if n else ""


def _points(bars: Sequence[Bar]) -> str:
    if not bars:
        return ""
    most = max(bar.files for bar in bars) or 1
    columns = "\n".join(
        f'<li><span class="count">{bar.files or ""}</span>'
        f'<i style="height: {100 * bar.files / most:.1f}px"></i>'
        f"<span>{_range(bar)}</span></li>"
        for bar in bars
    )
    return (
        '<section class="points"><h2>Points</h2>\n'
        f'<ul aria-label="how many files have so many points">\n{columns}\n</ul></section>'
    )


def _range(bar: Bar) -> str:
    """The points of a bar: `3`, or from 3 to below 4, `3–<4`."""
    low = number_of(bar.low)
    return low if bar.low == bar.high else f"{low}–&lt;{number_of(bar.high)}"
