"""A function that an exercise asks for: how it is called, what is right, and its cases."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import largest
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.inputs import arguments
from tinygrad_dnn.grading.judge import Answer, judge
from tinygrad_dnn.grading.spec_errors import SpecError, line_of, said
from tinygrad_dnn.grading.truth import Derived, Truth, arrays_of

Cases = Callable[[], Iterable[Mapping[str, Any]]]


class Call(NamedTuple):
    """`A, cache = softmax(Z)` taken apart."""

    name: str
    parameters: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def code(self) -> str:
        """The expression alone."""
        return f"{self.name}({', '.join(self.parameters)})"


def call_of(place: str, text: str) -> Call:
    """A call taken apart.

    Raises:
        SpecError: it is none.
    """
    problem = SpecError(f'{place}: expected a call such as "A, cache = relu(Z)", got {text!r}')
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        raise problem from None
    value = statement.value if isinstance(statement, (ast.Assign, ast.Expr)) else None
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.keywords:
        raise problem
    parameters = tuple(a.id for a in value.args if isinstance(a, ast.Name))
    if len(parameters) != len(value.args):
        raise problem
    results: tuple[str, ...] = ("result",)
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        results = tuple(p.id for p in parts if isinstance(p, ast.Name))
        if len(results) != len(parts):
            raise problem
    return Call(value.func.id, parameters, results)


def own_call(reference: Callable[..., Any]) -> str:
    """A function's call by the names of its own parameters."""
    names = inspect.signature(reference).parameters
    return f"{reference.__name__}({', '.join(names)})"


@dataclass(eq=False)
class Asked:
    """A function that an exercise asks for.

    Attributes:
        call: its name, parameters and results.
        truth: what is right.
        inputs: by name.
        place: in the teacher's file.
        doc: what its docstring says.
        about: the fields of `Function` that the teacher has set.
        program: lines before the call, of a class.
    """

    call: Call
    truth: Truth
    inputs: Mapping[str, Any]
    place: str
    doc: str
    own_cases: Cases | None
    kinds: Sequence[str]
    settings: tuple[Setting, ...] = (Setting(),)
    program: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    made: list[Case] = field(default_factory=list)
    seed: int = 7

    @property
    def file(self) -> str:
        """The teacher's file."""
        return self.place.rpartition(", line ")[0]

    def cases(self) -> list[Case]:
        """The cases, made once.

        Raises:
            SpecError: the reference, or the forward, fails on one of them, or none is left.
        """
        if not self.made:
            made = [*self._made()]
            if not made:
                raise SpecError(f"{self.place}: {self.call.name}: no case on which it is finite")
            names = made[0].truth.flat
            usual = {
                n: [largest(c.truth.flat[n]) for c in made if n in c.truth.flat] for n in names
            }
            for c in made:
                c.truth.usual = {n: float(np.median(found)) for n, found in usual.items()}
            self.made = made
        return self.made

    def _made(self) -> Iterator[Case]:
        names = self.call.results
        for kind, lengths, given in self._given():
            answer = Answer(self.truth, names, given, lengths)
            try:
                with np.errstate(all="ignore"):
                    right = answer.flat
            except Exception as error:
                where = line_of(error, self.file) or self.place
                shown = ", ".join(f"{n} {_shown(x)}" for n, x in given.items())
                words = said(error)
                raise SpecError(
                    f"{where}: {self.call.name}: fails on a case ({shown}): {words}"
                ) from None
            if all(np.all(np.isfinite(x)) for x in right.values()):
                yield Case(given, answer, kind)

    def _given(self) -> Iterator[tuple[str, Mapping[str, int], dict[str, Any]]]:
        if self.own_cases is not None:
            try:
                found = [*self.own_cases()]
            except Exception as error:
                where = line_of(error, self.file) or self.place
                words = f"its cases fail: {said(error)}"
                raise SpecError(f"{where}: {self.call.name}: {words}") from None
            needed = self.needed()
            for n, given in enumerate(found):
                if not isinstance(given, Mapping) or not needed <= given.keys():
                    got = ", ".join(given) if isinstance(given, Mapping) else type(given).__name__
                    raise SpecError(
                        f"{self.place}: {self.call.name}: case {n} does not fit: expected a dict "
                        f"with {', '.join(sorted(needed))}, got {got}"
                    )
                yield "whole", {}, self._with_cotangent(dict(given), n)
        if self.inputs or self.own_cases is None:
            for n, (kind, sizes, given) in enumerate(arguments(self.inputs, self.kinds, self.seed)):
                yield kind, sizes.lengths, self._with_cotangent(given, n)

    def needed(self) -> set[str]:
        """The names that a case must hold."""
        if isinstance(self.truth, Derived):
            return {*self.truth.inputs}
        given = inspect.signature(self.truth.function).parameters.values()
        return {p.name for p in given if p.default is p.empty}

    def _with_cotangent(self, given: dict[str, Any], n: int) -> dict[str, Any]:
        """With a gradient of the forward's shape, where nobody has said how it is made."""
        name = self.truth.cotangent if isinstance(self.truth, Derived) else None
        if name is None or name in given or not isinstance(self.truth, Derived):
            return given
        try:
            with np.errstate(all="ignore"):
                z = self.truth.forward(*(given[x] for x in self.truth.inputs))
        except Exception:  # told where the truth is computed
            return given | {name: np.zeros(())}
        z = np.asarray(z[0] if isinstance(z, tuple) else z)
        rng = np.random.default_rng([11, n])
        g = rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], z.shape) if n < 12 else rng.normal(size=z.shape)
        single = any(x.dtype == np.float32 for x in arrays_of(given))
        return given | {name: g.astype(np.float32) if single else g}

    def function(self) -> Function:
        """The row of the table."""
        names = self.call.results
        return Function(
            self.call.name,
            ", ".join(names) if self.program else self.call.code,
            "results" if self.program else ", ".join(names),
            self.cases,
            self.settings,
            lambda case, value: judge(case, value, names),
            takes=self.call.parameters,
            program=self.program,
            explain=self.truth.explained,
            **self.about,
        )


def _shown(x: Any) -> str:
    return str(x.shape) if isinstance(x, np.ndarray) else f"{x!r:.40}"
