"""Grading: every function of a student's file, alone, against the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_dnn.grading.attempt import Attempt, Finding, agrees, near
from tinygrad_dnn.grading.backward import BACKWARD
from tinygrad_dnn.grading.example import Program, beside, example
from tinygrad_dnn.grading.forward import FORWARD, PREDICT
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.grades import (
    BORROWED,
    CRASHED,
    MEMORY,
    MISSING,
    RIGHT,
    SLOW,
    WRONG,
    Grade,
    Grades,
)
from tinygrad_dnn.grading.models import INITIAL, MODELS
from tinygrad_dnn.grading.outcome import Unusable
from tinygrad_dnn.grading.source import locate, source
from tinygrad_dnn.isolation.process import Ended, Loaded, Process
from tinygrad_dnn.isolation.replies import visible

FUNCTIONS: tuple[Function, ...] = (*INITIAL, *FORWARD, *BACKWARD, PREDICT, *MODELS)
CARRIERS = ("linear_backward", "linear_activation_backward")  # of the 1/m
LIMIT, MEMORY_LIMIT = 10.0, 2 << 30
BORROWS = {
    "textbook": "it calls the document's own {name} (tinygrad_dnn.textbook) and does not compute",
    "engine": "it has the engine of tinygrad_dnn compute, and does not compute by itself",
    "exec": "it runs a {name} that exec has made of a text, which does not stand in the file",
    "foreign": "its code does not stand in the file: exec has made it, or it is somebody else's",
}


def grade(
    what: str | Path | ModuleType, *, limit: float = LIMIT, memory: int = MEMORY_LIMIT
) -> Grades:
    """Grade the functions of the document that a file defines.

    Each is called on small and random inputs, exact zeros, saturated activations, one example and
    square layers among them, and compared with the engine. Caches are made by the file's own
    forward functions; a function that calls others of the file is judged with the document's in
    place of those that are wrong, so that one mistake is not counted twice.

    The file runs in a process of its own, whose answers are parsed and never run: endless loops,
    crashes, prints, plots, `input()`, changes of the folder or of the random state do not reach
    the caller or the other functions. A function that has others compute is called borrowed. What
    a process of the same user can do to that user's files is not prevented.

    Args:
        what: a path to a .py file or a notebook, or a module (its file is run anew).
        limit: seconds that a call, and a statement of the file, may take.
        memory: bytes by which the process may grow (on Linux).

    Raises:
        OSError: the file can't be read.
        ValueError: it is no .py file and no notebook.
    """
    path = locate(what)
    try:
        text = source(path)
    except SyntaxError as error:
        shown = f": {error.text.strip()}" if error.text else ""
        return Grades(path, problem=visible(f"line {error.lineno}: {error.msg}{shown}"))
    except ValueError as error:
        return Grades(path, problem=visible(str(error)))
    except (RecursionError, MemoryError) as error:
        return Grades(path, problem=f"too deep or too large to be parsed ({type(error).__name__})")
    with Process(path, text, limit, memory) as process:
        try:
            loaded = process.load()
        except Ended as ended:
            return Grades(path, problem=f"can't be loaded: {ended.words}")
        return _Grader(path, process, loaded).grades()


class _Grader:
    def __init__(self, path: Path, process: Process, loaded: Loaded) -> None:
        self.path, self.process, self.loaded = path, process, loaded
        self.found: dict[str, Grade] = {}

    def grades(self) -> Grades:
        for function in FUNCTIONS:
            self.found[function.name] = self._grade(function)
            if function.name == "L_model_backward":
                self._settle_convention(function)
        return Grades(
            self.path,
            tuple(self.found.values()),
            tuple(_note(n) for n in sorted(self.loaded.notes, key=lambda n: n["statement"])),
        )

    def _grade(self, function: Function) -> Grade:
        about = self.loaded.functions.get(function.name)
        if about is None:
            return Grade(function.name, MISSING)
        if about["foreign"]:
            return self._borrowed(function, {"foreign"})
        faulty = self._faulty(function.name)
        cases = list(function.cases())
        attempts: list[Attempt] = []
        there = self.loaded.functions
        # Who is missing makes no caches: the document's come first then.
        for setting in sorted(function.settings, key=lambda s: not set(s.makers) <= set(there)):
            for replaced in dict.fromkeys((faulty, self._helpers(function.name) if faulty else ())):
                attempt = self._attempt(function, setting, replaced, cases)
                if attempt.right:
                    return self._right(function, attempt, attempts, faulty)
                attempts.append(attempt)
                if attempt.ended:
                    break
        return self._not_right(function, self._telling(attempts))

    def _helpers(self, name: str) -> tuple[str, ...]:
        """The functions of the document that it calls, directly or through others."""
        found: dict[str, None] = {}
        ahead = [name]
        while ahead:
            for called in self.loaded.functions.get(ahead.pop(), {}).get("calls", ()):
                if called not in found and called != name:
                    found[called] = None
                    ahead.append(called)
        return tuple(found)

    def _faulty(self, name: str) -> tuple[str, ...]:
        return tuple(
            h
            for h in self._helpers(name)
            if h in self.found and self.found[h].status not in (RIGHT, MISSING)
        )

    def _attempt(
        self, function: Function, setting: Setting, replaced: tuple[str, ...], cases: list[Case]
    ) -> Attempt:
        tried = Attempt(setting, replaced)
        if any(self._is_slow(maker) for maker in setting.makers):
            tried.no_arguments = True
            return tried
        job = {
            "function": function.name, "cases": [dict(c.given) for c in cases],
            "lines": [*setting.lines], "call": function.call, "replace": [*replaced],
            "stop_early": bool(setting.makers),
        }  # fmt: skip
        done = 0
        try:
            for done, reply in enumerate(self.process.run(job), 1):
                self._heard(tried, function, cases[done - 1], reply)
        except Ended as ended:
            tried.ended = (cases[min(done, len(cases) - 1)], ended)
            return tried
        if tried.no_arguments:
            return tried
        if done < len(cases) and not any(e["kind"] == "memory" for _, e in tried.errors):
            tried.cut = f"slow: judged on {done} of {len(cases)} inputs"
        return tried

    def _heard(
        self, tried: Attempt, function: Function, case: Case, reply: Mapping[str, Any]
    ) -> None:
        """Note the outcome of one case."""
        if "error" in reply:
            if reply["early"] and tried.setting.makers:
                tried.no_arguments = True
            else:
                tried.errors.append((case, reply["error"]))
            return
        tried.borrowed |= set(reply["borrowed"])
        for name in reply["changed"]:
            if not name.startswith(function.may_change or ("\0",)):
                tried.changed.append((case, name))
        try:
            tried.outputs += [(case, o) for o in function.judge(case, reply["value"])]
        except Unusable as error:
            tried.unusable.append((case, str(error)))
        except Exception as error:  # whatever a stranger's value can do to a judge
            words = f"returns what can't be compared ({type(error).__name__}: {error})"
            tried.unusable.append((case, visible(words)))

    def _is_slow(self, name: str) -> bool:
        """Whether it, or what it calls, is known not to come back."""
        return any(
            self.found[n].status == SLOW for n in (name, *self._helpers(name)) if n in self.found
        )

    def _telling(self, attempts: Sequence[Attempt]) -> Attempt:
        """The attempt that says most: one with an explanation, else one that ran at all."""
        usable = [a for a in attempts if not a.no_arguments] or list(attempts)
        for wanted in (
            lambda a: a.explained,
            lambda a: a.ended is None and not a.errors and not a.unusable,
            lambda a: a.ended is None,
        ):
            for a in usable:
                if wanted(a):
                    return a
        return usable[0]

    def _right(
        self, function: Function, attempt: Attempt, before: list[Attempt], faulty: tuple[str, ...]
    ) -> Grade:
        notes = [f"{words}: right all the same" for words in attempt.accepted]
        notes += [attempt.cut] if attempt.cut else []
        if attempt.replaced and attempt.replaced == faulty:
            notes.append(f"right by itself: with the document's {_and(faulty)} in place of yours")
        makers = function.settings[0].makers
        other_cache = before and attempt.setting is not function.settings[0]
        if other_cache and makers:
            maker = makers[0]
            grade = self.found.get(maker)
            if grade is not None and grade.status == RIGHT and not self._faulty(maker):
                self._blame_cache(maker, function, before[0])
            elif grade is not None and grade.present:
                why = (maker, *self._faulty(maker))[-1]
                notes.append(f"judged with the document's cache, since {why} is not right")
        line = self.loaded.functions[function.name]["line"]
        return Grade(function.name, RIGHT, notes=tuple(notes), line=line or None)

    def _blame_cache(self, maker: str, reader: Function, failed: Attempt) -> None:
        """A forward function whose result is right and whose cache is of no use."""
        words = (
            f"its result is right, but not its cache: {reader.name} is right with the cache "
            f"of the document and {'wrong' if failed.findings else 'fails'} with this one"
        )
        shown = self._example(reader, failed, failed.findings[0].case) if failed.findings else None
        self.found[maker] = replace(self.found[maker], status=WRONG, words=(words,), example=shown)

    def _borrowed(self, function: Function, ways: Iterable[str]) -> Grade:
        line = self.loaded.functions[function.name]["line"] or None
        words = tuple(BORROWS[way].format(name=function.name) for way in sorted(ways))
        return Grade(function.name, BORROWED, words, line=line)

    def _not_right(self, function: Function, a: Attempt) -> Grade:
        if a.borrowed:
            return self._borrowed(function, a.borrowed)
        line = self.loaded.functions[function.name]["line"] or None
        notes = [a.cut] if a.cut else []
        if a.replaced:
            notes.append(f"judged with the document's {_and(a.replaced)} in place of yours")
        if a.ended:
            case, ended = a.ended
            status = SLOW if ended.kind == "time" else CRASHED
            return Grade(
                function.name, status, (ended.words,), tuple(notes), (),
                self._example(function, a, case), tuple(map(tuple, ended.lines)), line,
            )  # fmt: skip
        if a.errors and not a.explained:
            case, error = a.errors[0]
            status = MEMORY if error["kind"] == "memory" else CRASHED
            return Grade(
                function.name, status, (_error(error),), tuple(notes), (),
                self._example(function, a, case), _steps(error), line,
            )  # fmt: skip
        words: list[str] = []
        shown: Case | None = None
        if a.findings:
            words += _sentences(a.findings)
            shown = a.showing_all
        if a.unusable:
            words.append(a.unusable[0][1])
            shown = shown or a.unusable[0][0]
        if a.errors:
            words.append(f"With other shapes it crashes: {_error(a.errors[0][1])}")
        if a.changed:
            names = dict.fromkeys(name for _, name in a.changed)
            words.append(
                f"It changes {_and(tuple(names))} in place, which the caller still needs: work on "
                "a copy (np.array(x, copy=True))"
            )
            shown = shown or a.changed[0][0]
        assert shown is not None
        lines = _steps(a.errors[0][1]) if a.errors else ()
        return Grade(
            function.name, WRONG, tuple(words), tuple(notes),
            tuple(f.diagnosis for f in a.findings),
            self._example(function, a, shown), lines, line,
        )  # fmt: skip

    def _example(self, function: Function, a: Attempt, case: Case) -> str | None:
        groups = {f.group for f in a.findings}
        shown = [o for c, o in a.outputs if c is case and o.group in groups and not agrees(o)]
        remarks = [f"{o.name} is {beside(o.yours, o.truth)}" for o in shown]
        remarks += [a.ended[1].words] if a.ended else []
        remarks += [_error(error) for c, error in a.errors if c is case]
        here = [text for c, text in a.unusable if c is case]
        remarks += here[:1]
        returns = "result" if here else function.returns  # what can't be taken apart
        program = Program(case.given, a.setting.lines, function.call, returns, a.replaced)
        return example(self.path, program, self.loaded.functions, remarks)

    def _settle_convention(self, function: Function) -> None:
        """The 1/m in dAL instead of in dW and db: another convention, right where it is kept."""
        parts = [n for n in CARRIERS if n in self.loaded.functions]
        wrong = [n for n in (*parts, function.name) if self.found[n].status == WRONG]
        if not parts or function.name not in wrong:
            return
        for name in wrong:
            names = {e.name for d in self.found[name].diagnoses for e in d.explanations[:1]}
            if names - {"factor m", "factor 1/m"}:
                return
        tried = self._attempt(function, function.settings[0], (), list(function.cases()))
        if tried.errors or tried.unusable or tried.ended or not tried.outputs:
            return
        for case, o in tried.outputs:
            truth = o.truth / case.truth.m if o.name.startswith("dA") else o.truth
            if not near(o.yours, truth, o.size):
                return
        note = (
            "the 1/m stands in dAL and not at dW and db, as it does in the document: another "
            "convention, with the same dW and db in the end"
        )
        for name in wrong:
            line = self.found[name].line
            self.found[name] = Grade(name, RIGHT, notes=(note,), line=line)


def _sentences(findings: Sequence[Finding]) -> list[str]:
    """The findings in words; the same of several results, or of both activations, only once."""
    said: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for f in findings:
        name, lines = f.diagnosis.name, f.diagnosis.lines()
        without = tuple(line.removeprefix(name) for line in lines)
        said.setdefault(without, {}).setdefault(name, []).append(f.activation)
    found = []
    for without, names in said.items():
        first, *others = names
        whens = {when for activations in names.values() for when in activations}
        when = f"With {whens.pop()}: " if len(whens) == 1 and "" not in whens else ""
        likewise = f" (likewise {_and(others)})" if others else ""
        found.append(f"{when}{first}{without[0]}{likewise}")
        found += without[1:]
    return found


def _error(error: Mapping[str, Any]) -> str:
    if error["kind"] == "exit":
        return f"it calls exit ({error['message']})"
    text = f"{error['type']}: {error['message']}" if error["message"] else error["type"]
    return str(text)


def _steps(error: Mapping[str, Any]) -> tuple[tuple[int, str, str], ...]:
    return tuple(dict.fromkeys(tuple(step) for step in error["lines"]))


def _note(note: Mapping[str, Any]) -> str:
    said = _error(note) if note["type"] else note["message"]
    if note["type"] == "EOFError":
        said = "asks for input, which nobody gives here"
    return f"line {note['statement']} was left out: {said}"


def _and(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else str(last)
