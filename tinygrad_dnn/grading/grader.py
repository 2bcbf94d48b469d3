"""Grading: every function of a student's file, alone, against the engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from tinygrad_dnn.grading.attempt import Attempt
from tinygrad_dnn.grading.example import Program, beside, example
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.grades import (
    BORROWED,
    CANNOT_TELL,
    CRASHED,
    MEMORY,
    MISSING,
    RIGHT,
    SIGNATURE,
    SLOW,
    UNWRITTEN,
    WRONG,
    Grade,
    Grades,
)
from tinygrad_dnn.grading.signature import by_name, order_of
from tinygrad_dnn.grading.source import Source, is_stub
from tinygrad_dnn.grading.submission import Submission
from tinygrad_dnn.grading.words import and_of, error_words, raised, sentences
from tinygrad_dnn.isolation.process import Ended, Loaded
from tinygrad_dnn.isolation.replies import visible

CARRIERS = ("linear_backward", "linear_activation_backward")  # of the 1/m
GAPS = re.compile("NoneType|ellipsis|NotImplemented|None")  # words of what was not filled in
OF_A_CACHE = re.compile(r"cache|'(?:tuple|list|dict)' object|object is not subscriptable|unpack")
BORROWS = {
    "textbook": "it calls the document's own {name} (tinygrad_dnn.textbook) and does not compute",
    "engine": "it has the engine of tinygrad_dnn compute, and does not compute by itself",
    "exec": "it runs a {name} that exec has made of a text, which does not stand in the file",
    "process": "it starts another process, and does not compute by itself",
    "answers": "it has the teacher's own file compute, and does not compute by itself",
    "foreign": "its code does not stand in the file: exec has made it, or it is somebody else's",
}


class Runs(Protocol):
    """Runs small programs with a student's functions: a process, or this one."""

    def run(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The outcomes of its cases, as they come."""


class Grader:
    """An exercise's functions of one source, judged one after the other."""

    def __init__(
        self, path: Path, text: Source, process: Runs, loaded: Loaded, asked: Exercise
    ) -> None:
        self.path, self.process, self.exercise = path, process, asked
        self.submission = Submission(text, loaded, asked)
        self.whose = "the document's" if asked.stand_ins else "the exercise's"
        self.earned: dict[str, float] = {}  # of functions that are right in parts
        self.found: dict[str, Grade] = {}
        # The names of arguments where they are given by name; None where it can't be called.
        self.orders: dict[str, Sequence[str] | None] = {}
        self.alone: set[str] = set()  # functions that return no cache

    def grades(self) -> Grades:
        """The grades of all functions."""
        for function in self.exercise.functions:
            self.found[function.name] = self.submission.with_lines(function, self._grade(function))
            if function.name == "L_model_backward" and self.exercise.stand_ins:
                self._settle_convention(function)
        self.found = {
            n: self._with_points(self.submission.by_name[n], g) for n, g in self.found.items()
        }
        left_out = self.submission.left_out()
        nobody = not any(g.present for g in self.found.values())
        return Grades(
            self.path,
            tuple(self.found.values()),
            tuple(self.submission.notes()),
            left_out[0] if nobody and self.submission.source.left_out else "",
            left_out,
        )

    def _grade(self, function: Function) -> Grade:
        about = self.submission.loaded.functions.get(function.name)
        if about is None:
            return self.submission.absent(function)
        if about["foreign"]:
            return self._borrowed(function, {"foreign"})
        node = self.submission.definition(function.name)
        if node is not None and is_stub(node):
            return Grade(function.name, UNWRITTEN, ("nothing is written in it",))
        order = (
            order_of(function, about["parameters"], about["required"])
            if not function.program else []
        )  # fmt: skip
        self.orders[function.name] = order
        if order is None:
            takes = f"{about['own']}({', '.join(about['parameters'])})"
            asked = f"{function.name}({', '.join(function.parameters)})"
            words = f"it is {takes} where {asked} is asked: it was not judged"
            return Grade(function.name, SIGNATURE, (words,))
        function = self._called_by_name(function)
        faulty = self._faulty(function.name) if self.exercise.stand_ins else ()
        cases = list(function.cases())
        attempts: list[Attempt] = []
        # Caches of makers that are right come first; those of others may be of no use.
        for setting in sorted(function.settings, key=lambda s: not self._sound(s)):
            ways = (faulty, self.submission.helpers(function.name) if faulty else ())
            for replaced in dict.fromkeys(ways):
                attempt = self._attempt(function, setting, replaced, cases)
                if attempt.alone:
                    self.alone.add(function.name)
                if attempt.right:
                    return self._right(function, attempt, attempts, faulty)
                attempts.append(attempt)
                if attempt.ended:
                    break
        return self._not_right(function, self._telling(attempts))

    def _sound(self, setting: Setting) -> bool:
        """Whether the functions that make the arguments are there and right."""
        return all(n in self.found and self.found[n].status == RIGHT for n in setting.makers)

    def _faulty(self, name: str) -> tuple[str, ...]:
        return tuple(
            h
            for h in self.submission.helpers(name)
            if h in self.found and self.found[h].status not in (RIGHT, MISSING, SIGNATURE)
        )

    def _attempt(
        self, function: Function, setting: Setting, replaced: tuple[str, ...], cases: list[Case]
    ) -> Attempt:
        tried = Attempt(setting, replaced, explain=function.explain)
        if any(self._is_slow(n) or self._makes_none(n) for n in setting.makers):
            tried.no_arguments = True
            return tried
        job = {
            "function": function.name, "cases": [dict(c.given) for c in cases],
            "lines": [*setting.lines], "program": [*function.program], "call": function.call,
            "replace": [*replaced], "stop_early": bool(setting.makers),
        }  # fmt: skip
        done = 0
        try:
            for done, reply in enumerate(self.process.run(job), 1):
                tried.hear(function, cases[done - 1], reply)
        except Ended as ended:
            tried.ended = (cases[min(done, len(cases) - 1)], ended)
            return tried
        if tried.no_arguments:
            return tried
        if done < len(cases) and not any(e["kind"] == "memory" for _, e in tried.errors):
            tried.cut = f"slow: judged on {done} of {len(cases)} inputs"
        return tried

    def _called_by_name(self, function: Function) -> Function:
        """The function with the calls of those whose arguments stand in another order."""

        def written(code: str) -> str:
            for name, order in self.orders.items():
                code = by_name(code, name, order or ())
            return code

        settings = tuple(replace(s, lines=tuple(map(written, s.lines))) for s in function.settings)
        return replace(function, call=written(function.call), settings=settings)

    def _makes_none(self, name: str) -> bool:
        """Whether it can't be asked for a cache: it returns none, or takes other arguments."""
        return name in self.alone or self.orders.get(name, ()) is None

    def _is_slow(self, name: str) -> bool:
        """Whether it, or what it calls, is known not to come back."""
        return any(
            self.found[n].status == SLOW
            for n in (name, *self.submission.helpers(name))
            if n in self.found
        )

    def _telling(self, attempts: Sequence[Attempt]) -> Attempt:
        """The attempt that says most: the explained one with the least that is wrong, else one that
        ran at all.
        """
        usable = [a for a in attempts if not a.no_arguments] or list(attempts)
        if explained := [a for a in usable if a.explained]:
            return min(explained, key=lambda a: len(a.findings))
        whole = [a for a in usable if a.ended is None]
        well = [a for a in whole if not a.errors and not a.unusable]
        return (well or whole or usable)[0]

    def _right(
        self, function: Function, attempt: Attempt, before: list[Attempt], faulty: tuple[str, ...]
    ) -> Grade:
        others = dict.fromkeys(attempt.accepted)
        notes = [f"{words}: right all the same" for words in others]
        notes += self._remarks(function, attempt)
        if attempt.replaced and attempt.replaced == faulty:
            notes.append(f"right by itself: with the document's {and_of(faulty)} in place of yours")
        makers = function.settings[0].makers
        other_cache = attempt.setting is not function.settings[0]
        if other_cache and makers and makers[0] not in self.alone:
            maker = makers[0]
            grade = self.found.get(maker)
            if grade is not None and grade.status == RIGHT and not self._faulty(maker):
                self._blame_cache(maker, function, before[0])
            elif grade is not None and grade.status == SIGNATURE:
                notes.append(f"judged with {self.whose} cache: {maker} has another signature")
            elif grade is not None and grade.present:
                why = (maker, *self._faulty(maker))[-1]
                notes.append(f"judged with {self.whose} cache, since {why} is not right")
        return Grade(function.name, RIGHT, notes=tuple(notes))

    def _remarks(self, function: Function, a: Attempt) -> list[str]:
        """What is said of any attempt: asserts that failed, inputs that were left out."""
        said = [a.cut] if a.cut else []
        return [*said, *self.submission.failed_asserts(function.name, a.fired)]

    def _blame_cache(self, maker: str, reader: Function, failed: Attempt) -> None:
        """A forward function whose result is right and whose cache is of no use."""
        words = (
            f"its result is right, but not its cache: {reader.name} is right with "
            f"{self.whose} cache and {'wrong' if failed.findings else 'fails'} with this one"
        )
        shown = self._example(reader, failed, failed.findings[0].case) if failed.findings else None
        self.found[maker] = replace(self.found[maker], status=WRONG, words=(words,), example=shown)

    def _borrowed(self, function: Function, ways: Iterable[str]) -> Grade:
        words = tuple(BORROWS[way].format(name=function.name) for way in sorted(ways))
        return Grade(function.name, BORROWED, words)

    def _unwritten(self, function: Function, a: Attempt) -> Grade | None:
        """Where what is to be filled in still stands there, and what comes of it is nothing."""
        gaps = self.submission.gaps(function.name)
        said = [f"{e['type']}: {e['message']}" for _, e in a.errors] + [w for _, w in a.unusable]
        said += [f.diagnosis.problem or "another value" for f in a.findings]
        if not gaps or not said or not all(map(GAPS.search, said)):
            return None
        line, text = gaps[0]
        words = f"{self.submission.source.place(line)} is to be filled in: {text}"
        return Grade(function.name, UNWRITTEN, (visible(words),))

    def _unclear(self, function: Function, a: Attempt) -> Grade | None:
        """Where a function crashes on caches that may be unlike its own."""
        makers = function.settings[0].makers
        others = self._faulty(function.name)
        if makers and not self._sound(function.settings[0]):
            others = tuple(dict.fromkeys((*others, *makers)))
        first = a.errors[0][1] if a.errors else None
        if first is None or a.outputs or not others:
            return None
        text = " ".join((first["message"], *(t for *_, t in first["lines"][-1:])))
        if not OF_A_CACHE.search(text):
            return None
        if all(n in self.submission.own for n in makers):
            own = self._attempt(function, function.settings[0], (), list(function.cases()))
            if own.errors and own.errors[0][1]["lines"] == first["lines"]:
                return None  # it crashes there with its own caches and functions as well
        how = and_of([f"{n} ({self.found[n].status})" for n in others if n in self.found])
        words = (
            f"it was tried with {self.whose} caches in place of those of {how}, and may expect "
            f"caches of another layout: {error_words(first)}"
        )
        return Grade(
            function.name, CANNOT_TELL, (words,), lines=self.submission.steps(first["lines"])
        )

    def _waits(self, function: Function, a: Attempt) -> Grade | None:
        """Where nobody stands in for what it needs and is not right."""
        if self.exercise.stand_ins:
            return None
        if a.no_arguments:
            how = and_of([self._told(n) for n in a.setting.makers])
            words = f"its arguments come from {how}: it could not be called"
            return Grade(function.name, CANNOT_TELL, (words,))
        first = function.settings[0]
        if a.setting is not first and not self._sound(first) and not a.explained:
            how = and_of([self._told(n) for n in first.makers])
            words = (
                f"it was tried with {self.whose} cache in place of that of {how}, and may expect "
                "another layout"
            )
            return Grade(function.name, CANNOT_TELL, (words,))
        others = [n for n in self.submission.helpers(function.name)
                  if n in self.found and self.found[n].status not in (RIGHT, MISSING)]  # fmt: skip
        if not others:
            return None
        words = f"it calls {and_of([self._told(n) for n in others])}: repair that first"
        return Grade(function.name, CANNOT_TELL, (words,))

    def _told(self, name: str) -> str:
        return f"{name} ({self.found[name].status if name in self.found else MISSING})"

    def _with_points(self, function: Function, g: Grade) -> Grade:
        """The grade with its points, the teacher's hint, and without what is still hidden."""
        if g.status == RIGHT:
            return replace(g, points=function.points, possible=function.points)
        g = replace(g, points=self.earned.get(g.name, 0.0), possible=function.points)
        until = self.exercise.hidden_until
        if until is not None and date.today() < until and g.present:
            note = f"details from {until.isoformat()} on"
            g = replace(g, words=(), notes=(note,), diagnoses=(), example=None, lines=(), lit=())
        if function.hint and g.status in (WRONG, CRASHED):
            g = replace(g, notes=(*g.notes, f"hint: {function.hint}"))
        return g

    def _not_right(self, function: Function, a: Attempt) -> Grade:
        if a.borrowed:
            return self._borrowed(function, a.borrowed)
        other = (
            self._unwritten(function, a) or self._unclear(function, a) or self._waits(function, a)
        )
        if other is not None:
            return other
        notes = self._remarks(function, a)
        if a.replaced:
            notes.append(f"judged with the document's {and_of(a.replaced)} in place of yours")
        if a.ended:
            case, ended = a.ended
            status = SLOW if ended.kind == "time" else CRASHED
            return Grade(
                function.name, status, (ended.words,), tuple(notes), (),
                self._example(function, a, case), self.submission.steps(ended.lines),
            )  # fmt: skip
        if a.errors and not a.explained:
            case, error = a.errors[0]
            status = MEMORY if error["kind"] == "memory" else CRASHED
            return Grade(
                function.name, status, (error_words(error),), tuple(notes), (),
                self._example(function, a, case), self.submission.steps(error["lines"]),
            )  # fmt: skip
        words: list[str] = []
        shown: Case | None = None
        if a.findings:
            words += sentences(a.findings)
            shown = a.showing_all
        if a.unusable:
            words.append(a.unusable[0][1])
            shown = shown or a.unusable[0][0]
        if a.errors:
            words.append(f"With other shapes it crashes: {error_words(a.errors[0][1])}")
        if a.changed:
            names = dict.fromkeys(name for _, name in a.changed)
            words.append(
                f"It changes {and_of(names)} in place, which the caller still needs: work on "
                "a copy (np.array(x, copy=True))"
            )
            shown = shown or a.changed[0][0]
        assert shown is not None
        if function.parts and not (a.errors or a.unusable or a.changed):
            right = (p for n, p in function.parts.items() if n not in a.wrong_groups)
            self.earned[function.name] = float(sum(right))
        lines = self.submission.steps(a.errors[0][1]["lines"]) if a.errors else ()
        return Grade(
            function.name, WRONG, tuple(words), tuple(notes),
            tuple(f.diagnosis for f in a.findings),
            self._example(function, a, shown), lines,
        )  # fmt: skip

    def _example(self, function: Function, a: Attempt, case: Case) -> str | None:
        groups = {f.group for f in a.findings}
        shown = [o for c, o in a.outputs if c is case and o.group in groups and not o.right]
        remarks = [f"{o.name} is {beside(o.yours, o.truth)}" for o in shown]
        remarks += [a.ended[1].words] if a.ended else []
        remarks += [raised(error) for c, error in a.errors if c is case]
        here = [text for c, text in a.unusable if c is case]
        remarks += here[:1]
        returns = "result" if here else function.returns  # what can't be taken apart
        lines = (*a.setting.lines, *function.program)
        program = Program(case.given, lines, function.call, returns, a.replaced)
        names = self.submission.own.items()
        own = {n.partition(".")[0]: o.partition(".")[0] for n, o in names}
        return example(self.path, program, own, remarks)

    def _settle_convention(self, function: Function) -> None:
        """The 1/m in dAL instead of in dW and db: another convention, right where it is kept."""
        parts = [n for n in CARRIERS if n in self.submission.own]
        wrong = [n for n in (*parts, function.name) if self.found[n].status == WRONG]
        if not parts or function.name not in wrong:
            return
        for name in wrong:
            names = {e.name for d in self.found[name].diagnoses for e in d.explanations[:1]}
            if names - {"factor m", "factor 1/m"}:
                return
        function = self._called_by_name(function)
        tried = self._attempt(function, function.settings[0], (), list(function.cases()))
        if tried.errors or tried.unusable or tried.ended or not tried.outputs:
            return
        for case, o in tried.outputs:
            truth = o.truth / case.truth.m if o.name.startswith("dA") else o.truth
            if not o.near(truth, o.size):
                return
        note = (
            "the 1/m stands in dAL and not at dW and db, as it does in the document: another "
            "convention, with the same dW and db in the end"
        )
        for name in wrong:
            self.found[name] = replace(
                self.found[name], status=RIGHT, words=(), notes=(note,), diagnoses=(),
                example=None, lines=(), lit=(),
            )  # fmt: skip
