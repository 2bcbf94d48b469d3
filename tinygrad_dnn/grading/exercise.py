"""An exercise as a teacher writes it: functions, their inputs, and what is right.

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("Softmax regression")

@exercise.function("A = softmax(Z)", inputs={"Z": array("n", "m")})
def softmax(Z):
    \"\"\"The shares of exp(Z) in the sum of its column.\"\"\"
    e = np.exp(Z - np.max(Z, axis=0))
    return e / np.sum(e, axis=0)

exercise.gradient("dZ = softmax_backward(dA, Z)", of=softmax)
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from tinygrad_dnn.grading.asked import Asked, Call, Cases, call_of, own_call
from tinygrad_dnn.grading.function import Function, Setting
from tinygrad_dnn.grading.inputs import EXAMPLES, KINDS, Input
from tinygrad_dnn.grading.judge import NOT_JUDGED
from tinygrad_dnn.grading.mutants import Mutant
from tinygrad_dnn.grading.spec_errors import SpecError, calling_line
from tinygrad_dnn.grading.truth import DOCUMENT, PLAIN, Derived, Reference, Truth

F = TypeVar("F", bound=Callable[..., Any])
SHIPPED = Path(__file__).parent / "exercises"


class Exercise:
    """Functions that are asked for, each with its inputs and its truth.

    Args:
        title: of the exercise.
        convention: of gradients: "plain", true derivatives; or "document", where dA, dZ and all
            that has an axis of examples `m` carry no 1/m, which enters at dW and db.
        kinds: of cases beside small and random ones, of `KINDS`: zeros, one (example), square,
            large, small (numbers), long (arrays), float32.
        hidden_until: a day, "2026-12-01", before which only statuses and points are told.

    Raises:
        SpecError: a kind, a convention or a day that is none.
    """

    def __init__(
        self,
        title: str,
        *,
        convention: str = PLAIN,
        kinds: Sequence[str] = KINDS,
        hidden_until: str | None = None,
    ) -> None:
        place = calling_line()
        if convention not in (PLAIN, DOCUMENT):
            raise SpecError(
                f"{place}: convention: expected {PLAIN!r} or {DOCUMENT!r}, got {convention!r}"
            )
        self.title, self.convention = title, convention
        self.kinds = _kinds(place, kinds)
        try:
            self.hidden_until = date.fromisoformat(hidden_until) if hidden_until else None
        except (TypeError, ValueError):
            raise SpecError(
                f"{place}: hidden_until: expected a day such as 2026-12-01, got {hidden_until!r}"
            ) from None
        self.asked: dict[str, Asked] = {}
        self.rows: tuple[Function, ...] = ()  # made by hand, as the document's are
        self.stand_ins = False  # whether the document's functions stand in for what is not right
        self.path: Path | None = None  # of the teacher's file

    @property
    def functions(self) -> tuple[Function, ...]:
        """The table of functions, in the order in which they are asked for."""
        return (*self.rows, *(a.function() for a in self.asked.values()))

    @property
    def names(self) -> list[str]:
        """The names of the functions."""
        return [*(f.name for f in self.rows), *self.asked]

    def function(
        self,
        call: str | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        cases: Cases | None = None,
        kinds: Sequence[str] | None = None,
        before: str | Sequence[str] = (),
        **about: Any,
    ) -> Callable[[F], F]:
        """Ask for a function; what is decorated is the reference, which returns what is right.

        Args:
            call: how it is called and what it returns, "A, cache = softmax(Z)"; without it the
                reference's own name and parameters. Results called cache are not judged.
            inputs: by name, `array("n", "m")`; a value that is none of those is given as it is.
            cases: gives more cases, or all where there are no inputs: dicts of arguments.
            kinds: of cases, as for the exercise.
            before: lines that make further arguments, of the student's own functions:
                "A, cache = relu(Z)"; of several the first that runs is taken.
            about: points (1), parts ({"dW": 1}: for single results), required (True), aliases,
                hint, may_change (names of arguments that it may change in place).

        Raises:
            SpecError: what does not fit together, with file and line.
        """
        place = calling_line()

        def declare(reference: F) -> F:
            asked = call_of(place, call or own_call(reference))
            missing = [
                p.name for p in inspect.signature(reference).parameters.values()
                if p.default is p.empty and p.name not in (inputs or {})
            ]  # fmt: skip
            if missing and cases is None:
                raise SpecError(
                    f"{place}: {asked.name}: nothing says how {', '.join(missing)} is made: add it "
                    f"to inputs={{...}}, or give cases"
                )
            truth = Reference(reference, asked.results)
            self._ask(place, asked, truth, inputs, cases, kinds, before,
                      inspect.getdoc(reference) or "", about)  # fmt: skip
            return reference

        return declare

    def gradient(
        self,
        call: str,
        *,
        of: Callable[..., Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        cases: Cases | None = None,
        kinds: Sequence[str] | None = None,
        before: str | Sequence[str] = (),
        cotangent: str | None = None,
        convention: str | None = None,
        written: Callable[..., Any] | None = None,
        doc: str = "",
        **about: Any,
    ) -> Any:
        """Ask for a gradient, which the engine derives: only the forward is to be written.

        Args:
            call: "dA_prev, dW, db = linear_backward(dZ, cache)": dW is the gradient with respect
                to the forward's parameter W.
            of: the forward, of NumPy's functions of its parameters; without it what is decorated.
                What it returns after a first result is left aside.
            inputs: of the forward; without it those of `of`, where that is asked for too.
            cotangent: the argument that holds the gradient with respect to the forward's result:
                without it the one that begins with d and is no input. A forward that returns a
                number needs none.
            convention: as for the exercise.
            written: a gradient written by hand, as a solution and to make mistakes in.
            doc: for the starter's docstring.
            cases, kinds, before, about: as for `function`.

        Raises:
            SpecError: what does not fit together, with file and line.
        """
        place = calling_line()
        asked = call_of(place, call)

        def declare(forward: F) -> F:
            names = list(inspect.signature(forward).parameters)
            own = next((a for a in self.asked.values() if isinstance(a.truth, Reference)
                        and a.truth.function is forward), None)  # fmt: skip
            known = dict(inputs if inputs is not None else own.inputs if own else {})
            missing = [n for n in names if n not in known]
            if missing and cases is None:
                raise SpecError(
                    f"{place}: {asked.name}: nothing says how {', '.join(missing)} is made: add it "
                    f"to inputs={{...}}, or give cases"
                )
            wrt = {r: r[1:] for r in asked.results if NOT_JUDGED not in r}
            unknown = [r for r, x in wrt.items() if not r.startswith("d") or x not in names]
            if unknown:
                raise SpecError(
                    f"{place}: {asked.name}: {unknown[0]} is no gradient of the forward: expected "
                    f"{', '.join(f'd{n}' for n in names)}"
                )
            g = cotangent or next(
                (p for p in asked.parameters if p[0] == "d" and p not in names), None
            )
            truth = Derived(forward, asked.results, wrt, g, convention or self.convention,
                            lambda name: _has_examples(known.get(name)))  # fmt: skip
            truth.reference = written
            self._ask(place, asked, truth, known, cases, kinds, before,
                      doc or inspect.getdoc(written or (lambda: None)) or "", about)  # fmt: skip
            return forward

        return declare if of is None else declare(of)

    def program(
        self,
        name: str,
        code: str,
        returns: str,
        *,
        inputs: Mapping[str, Any],
        kinds: Sequence[str] = (),
        **about: Any,
    ) -> Callable[[F], F]:
        """Ask for a class, or a method of one: a small program is run, and the engine knows what
        it should find. What is decorated is the same computation on plain numbers.

        Args:
            name: "Value.__mul__", or "Value".
            code: the program, "a, b = Value(a), Value(b); c = a * b; c.backward()".
            returns: what is looked at, "c.data, a.grad, b.grad": x.grad, of an input x, is the
                derivative with respect to x, everything else the result.
            inputs, kinds, about: as for `function`.

        Raises:
            SpecError: what does not fit together, with file and line.
        """
        place = calling_line()

        def declare(forward: F) -> F:
            results = tuple(r.strip() for r in returns.split(","))
            wrt = {r: r.removesuffix(".grad") for r in results if r.endswith(".grad")}
            names = list(inspect.signature(forward).parameters)
            if unknown := [x for x in (*wrt.values(), *names) if x not in inputs]:
                raise SpecError(f"{place}: {name}: {unknown[0]} is none of the inputs")
            lines = tuple(part.strip() for part in code.replace("\n", ";").split(";"))
            asked = Call(name, (), results)
            truth = Derived(forward, results, wrt)
            self._ask(place, asked, truth, inputs, None, kinds, (),
                      inspect.getdoc(forward) or "", about)  # fmt: skip
            self.asked[name].program = tuple(filter(None, lines))
            return forward

        return declare

    def mistake(self, name: str, says: str) -> Callable[[F], F]:
        """List a mistake that students make: what is decorated makes it, in the place of the
        reference; `says` follows the result's name: "is divided by the sum of everything".

        Raises:
            SpecError: the function is none that is asked for.
        """
        place = calling_line()
        if name not in self.asked:
            raise SpecError(f"{place}: mistake: {name} is not asked for ({', '.join(self.names)})")

        def declare(wrong: F) -> F:
            self.asked[name].truth.listed.append(Mutant(says, wrong))
            return wrong

        return declare

    def _ask(
        self,
        place: str,
        call: Call,
        truth: Truth,
        inputs: Mapping[str, Any] | None,
        cases: Cases | None,
        kinds: Sequence[str] | None,
        before: str | Sequence[str],
        doc: str,
        about: dict[str, Any],
    ) -> None:
        if call.name in self.asked:
            first = self.asked[call.name].place
            raise SpecError(f"{place}: {call.name} is asked for twice; the first time in {first}")
        if unknown := about.keys() - ABOUT.keys():
            raise SpecError(
                f"{place}: {call.name}: unknown {', '.join(sorted(unknown))} (known: "
                f"{', '.join(ABOUT)})"
            )
        for key, value in about.items():
            if not isinstance(value, ABOUT[key]) or (key == "points" and not value >= 0):
                raise SpecError(f"{place}: {call.name}: {key}: got {value!r}")
        lines = [before] if isinstance(before, str) else [*before]
        assigned = {line: _assigned(place, line) for line in lines}
        settings = [Setting(tuple(p.strip() for p in line.split(";")), self._makers(line))
                    for line in lines] or [Setting()]  # fmt: skip
        made = {*(inputs or {}), *_cotangents(truth)} if cases is None else {*call.parameters}
        for line in lines:
            lacking = [p for p in call.parameters if p not in made | assigned[line]]
            if lacking:
                raise SpecError(f"{place}: {call.name}: {line!r} does not make {lacking[0]}")
        if not lines and (lacking := [p for p in call.parameters if p not in made]):
            raise SpecError(
                f"{place}: {call.name}: nothing makes its argument {lacking[0]}: add it to inputs, "
                f'or say what does: before="A, {lacking[0]} = forward(...)"'
            )
        about = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
        if "aliases" in about and isinstance(about["aliases"], str):
            about["aliases"] = (about["aliases"],)
        self.asked[call.name] = Asked(
            call, truth, dict(inputs or {}), place, doc, cases,
            self.kinds if kinds is None else _kinds(place, kinds), tuple(settings), (), about,
        )  # fmt: skip

    def _makers(self, line: str) -> tuple[str, ...]:
        """The students' functions that a line calls."""
        called = [x.func.id for x in ast.walk(ast.parse(line))
                  if isinstance(x, ast.Call) and isinstance(x.func, ast.Name)]  # fmt: skip
        return tuple(n for n in called if n in self.asked)


ABOUT: dict[str, Any] = {
    "points": (int, float), "parts": Mapping, "required": bool, "aliases": (str, list, tuple),
    "hint": str, "may_change": (list, tuple),
}  # fmt: skip


def _cotangents(truth: Truth) -> list[str]:
    return [truth.cotangent] if isinstance(truth, Derived) and truth.cotangent else []


def _assigned(place: str, line: str) -> set[str]:
    try:
        tree = ast.parse(line)
    except SyntaxError as error:
        raise SpecError(f"{place}: before: {line!r}: {error.msg}") from None
    return {x.id for x in ast.walk(tree) if isinstance(x, ast.Name)
            and isinstance(x.ctx, ast.Store)}  # fmt: skip


def _has_examples(x: Any) -> bool:
    return isinstance(x, Input) and EXAMPLES in x.axes


def _kinds(place: str, kinds: Sequence[str]) -> tuple[str, ...]:
    if unknown := [k for k in kinds if k not in KINDS]:
        raise SpecError(f"{place}: kinds: expected some of {', '.join(KINDS)}, got {unknown[0]!r}")
    return tuple(kinds)
