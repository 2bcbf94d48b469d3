"""A student's work as text: what was left out, the lines of each function, what calls what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.function import Function
from tinygrad_dnn.grading.grades import CRASHED, MISSING, RIGHT, UNWRITTEN, Grade, Step
from tinygrad_dnn.grading.lines import lit_lines
from tinygrad_dnn.grading.operators import methods_called
from tinygrad_dnn.grading.source import Source, placeholders
from tinygrad_dnn.grading.words import and_of, why
from tinygrad_dnn.isolation.process import Loaded
from tinygrad_dnn.isolation.replies import visible
from tinygrad_dnn.isolation.standins import old_names

LONGEST = 120  # lines of a function that are shown


class Submission:
    """The text of a file or of cells, and what it defined when it was run.

    Args:
        source: its text.
        loaded: what was found when it ran.
        asked: the exercise that it answers.
    """

    def __init__(self, source: Source, loaded: Loaded, asked: Exercise) -> None:
        self.source, self.loaded = source, loaded
        self.by_name = {f.name: f for f in asked.functions}
        self.own = {name: about["own"] for name, about in loaded.functions.items()}

    # --- what was left out -----------------------------------------------------------------------

    def left_out(self) -> tuple[str, ...]:
        """Where something was left out, and why, in the order of the file."""
        found = [(x.at, x.words) for x in self.source.left_out]
        found += [(n["statement"], why(n)) for n in self.loaded.notes]
        return tuple(
            visible(f"{self.source.place(line)}: {words}") for line, words in sorted(found)
        )

    def notes(self) -> list[str]:
        """One line on what was left out, by kind; and what was read leniently."""
        kinds: dict[str, list[str]] = {}
        broken = [("no Python", x.at, visible(x.words)) for x in self.source.left_out]
        failed = [(n["type"] or n["kind"], n["statement"], why(n)) for n in self.loaded.notes]
        for kind, line, words in sorted(broken + failed, key=lambda x: x[1]):
            kinds.setdefault(kind, []).append(f"{self.source.place(line)}: {words}")
        said = []
        if kinds:
            parts = [
                first if not others else f"{first}, and {len(others)} more of the kind"
                for first, *others in kinds.values()
            ]
            said.append(visible(f"left out: {'; '.join(parts)}", None))
        if not self.source.whole:
            return said
        old = [n for n in old_names() if re.search(rf"\bnp\.{n}\b", self.source.text)]
        if old:
            names = and_of([f"np.{n}" for n in old])
            said.append(f"{names}: today's NumPy has no such name; it was given for grading")
        if "np." in self.source.text and not re.search(r"\bnp\b(?!\.)", self.source.text):
            said.append("np is never imported; it was given for grading")
        return [*said, *self.source.remarks]

    # --- a function ------------------------------------------------------------------------------

    def absent(self, function: Function) -> Grade:
        """A function that is missing, or whose lines are no Python."""
        lost = [x for x in self.source.left_out if x.function == function.name]
        if not lost:
            return Grade(function.name, MISSING)
        x = lost[-1]
        words = visible(f"{self.source.place(x.at)}: {x.words}")
        return Grade(function.name, UNWRITTEN if x.unwritten else CRASHED, (words,))

    def with_lines(self, function: Function, g: Grade) -> Grade:
        """The grade with the lines of the function, and those in it that are meant."""
        about = self.loaded.functions.get(function.name)
        own = about["own"] if about else function.name
        first, code = self.source.lines_of(own)
        if about is None:
            lost = [x for x in self.source.left_out if x.function == function.name]
            if not lost:
                return g
            first, code = lost[-1].line, self.source.original[lost[-1].line - 1 : lost[-1].end]
        defined = first or (about["line"] if about else 0)
        line, cell = self.source.place(defined) if defined else (None, None)
        if own != function.name:
            g = replace(g, notes=(*g.notes, f"under the name {own}"))
        lit: tuple[int, ...] = ()
        if g.status != RIGHT and code:
            within = {n - first for n in self._meant(function, g, own)}
            lit = tuple(sorted(n for n in within if 0 <= n < len(code)))
        while code and not code[-1].strip():
            code = code[:-1]
        shown = tuple(visible(text) for text in code[:LONGEST])
        return replace(g, line=line, cell=cell, code=shown, lit=lit)

    def _meant(self, function: Function, g: Grade, own: str) -> set[int]:
        """Lines of the text that a grade speaks of."""
        node = self.source.definitions.get(own)
        if node is None:
            return {x.at for x in self.source.left_out if x.function == function.name}
        if g.status == UNWRITTEN:
            return {line for line, _ in placeholders(node)}
        wrong = [d.name for d in g.diagnoses]
        meant = lit_lines(node, function.returns, wrong)
        cells = self.source.cells
        for step in g.lines:
            meant.add(step.line + (cells[step.cell - 1] - 1 if step.cell else 0))
        return meant

    def steps(self, lines: Iterable[Sequence[Any]]) -> tuple[Step, ...]:
        """Lines of the text, as they stand in the file, each once."""
        found = {}
        for line, function, text in lines:
            at = self.source.place(line)
            found[line, function] = Step(at.line, function, text, at.cell)
        return tuple(found.values())

    def definition(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Where the function that is asked for by this name is written."""
        return self.source.definitions.get(self.own.get(name, name))

    def gaps(self, name: str) -> list[tuple[int, str]]:
        """What is still to be filled in, with its line."""
        node = self.definition(name)
        return placeholders(node) if node is not None else []

    def failed_asserts(self, name: str, fired: Iterable[int]) -> Iterator[str]:
        """Its own asserts among the lines of those that failed."""
        first, code = self.source.lines_of(self.own[name])
        for line in (n for n in fired if first <= n < first + len(code)):
            text = visible(self.source.original[line - 1].strip())
            yield f"its own assert fails in {self.source.place(line)}: {text}"

    # --- what calls what --------------------------------------------------------------------------

    def helpers(self, name: str) -> tuple[str, ...]:
        """The functions asked for that it calls, directly or through others."""
        found = dict.fromkeys(sorted(self.methods(name) - {name}))
        ahead = [name]
        while ahead:
            for called in self.loaded.functions.get(ahead.pop(), {}).get("calls", ()):
                if called not in found and called != name:
                    found[called] = None
                    ahead.append(called)
        return tuple(found)

    def methods(self, name: str) -> set[str]:
        """The methods asked for that a program, or a method of that name, calls."""
        function = self.by_name[name]
        if not function.program:
            return set()
        holder, _, method = name.partition(".")
        own = self.source.definitions.get(self.own.get(name, name))
        nodes = [ast.parse(line) for line in function.program]
        called = methods_called(holder, [*nodes, *([own] if own is not None else [])])
        called |= {f"{holder}.{own.name}"} if own is not None and method else set()
        return called & self.by_name.keys()
