"""A class in figures: the commonest mistakes, how each function fared, who has how many points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tinygrad_dnn.grading.grades import CANNOT_TELL, CRASHED, RIGHT, WRONG, Grade, Grades

BARS = 10  # of a histogram at most
NOT_NAMED = "wrong in a way that has no name"


class Mistake(NamedTuple):
    """A mistake in a function, and how many files make it."""

    function: str
    says: str
    files: int


class Total(NamedTuple):
    """How many files have a function, and of how many it is right."""

    function: str
    right: int
    present: int
    asked: int


class Bar(NamedTuple):
    """How many files have points from `low` to below `high`; exactly `low` where these are one."""

    low: float
    high: float
    files: int


def mistakes(found: Iterable[Grades]) -> list[Mistake]:
    """Every mistake, the commonest first; what can't be told of a function is none of its own."""
    counts: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], str] = {}
    for r in found:
        kinds: dict[tuple[str, str], str] = {}
        for g in (g for g in r.present if g.status not in (RIGHT, CANNOT_TELL)):
            kinds |= {(g.name, name): says for name, says in _kinds(g)}
        counts.update(kinds.keys())
        shown = kinds | shown
    return [
        Mistake(function, shown[function, name], n)
        for (function, name), n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    ]


def _kinds(g: Grade) -> Iterator[tuple[str, str]]:
    """What is wrong with a function: a name to count by, and words."""
    if g.status == CRASHED and g.words:
        kind = g.words[0].partition(":")[0]
        yield kind, f"crashes: {kind}"
        return
    if g.status != WRONG:
        yield g.status, g.status
        return
    named: dict[str, tuple[list[str], str]] = {}
    for d in g.diagnoses:
        if d.explanation is not None:
            results, _ = named.setdefault(d.explanation.name, ([], d.explanation.says))
            results.append(d.name)
    for name, (results, says) in named.items():
        likewise = f" (likewise {', '.join(results[1:])})" if results[1:] else ""
        yield name, f"{results[0]} {says}{likewise}"
    if not named:
        words = g.words[0] if g.words and not g.diagnoses else NOT_NAMED
        yield words, words


def totals(found: Sequence[Grades]) -> list[Total]:
    """For each function that anybody has, how it fared."""
    usable = [r for r in found if not r.problem]
    names = dict.fromkeys(g.name for r in usable for g in r.grades)
    of = {name: [g for r in usable for g in r.grades if g.name == name] for name in names}
    return [
        Total(name, sum(g.status == RIGHT for g in gs), sum(g.present for g in gs), len(found))
        for name, gs in of.items()
        if any(g.present for g in gs)
    ]


def histogram(found: Sequence[Grades]) -> list[Bar]:
    """How many files have how many points; empty where there are none to be had.

    All points are a bar of their own, and so is every number where only whole ones were earned.
    """
    most = max((r.possible for r in found), default=0.0)
    if most <= 0:
        return []
    bars = min(BARS, max(1, round(most)))
    width = most / bars
    each = width == 1 and all(r.points == int(r.points) for r in found)
    counts = Counter(min(int(r.points / width + 1e-9), bars) for r in found)  # 0.7 + 0.3 is 1
    lows = [k * width for k in range(bars)]
    parts = [Bar(low, low if each else low + width, counts[k]) for k, low in enumerate(lows)]
    return [*parts, Bar(most, most, counts[bars])]
