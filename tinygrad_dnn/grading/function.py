"""How a function of an exercise is put to the test: a row of the table of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_dnn import textbook
from tinygrad_dnn.check.diagnosis import Diagnosis
from tinygrad_dnn.grading.outcome import Output


@dataclass(frozen=True, eq=False)
class Case:
    """Named values that a program starts from, and what is needed to judge its result; `kind` is
    that of the inputs ("zeros", "float32"), where one is told.
    """

    given: Mapping[str, Any]
    truth: Any
    kind: str = ""


@dataclass(frozen=True)
class Setting:
    """Where the arguments come from.

    Attributes:
        lines: of code that run before the call.
        makers: the student's functions in them.
    """

    lines: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function that is asked for.

    Attributes:
        name: of the function.
        call: the expression that is judged.
        returns: names for its results, as they are written in an example.
        cases: the inputs, the smallest first.
        settings: where further arguments come from; the student's own functions first.
        judge: takes a result apart; raises `Unusable` where it is none.
        may_change: beginnings of the names of values that it may change in place.
        takes: the names of its parameters; None where they are the document's.
        program: lines that are judged with the call, which come before it.
        points: for a function that is right.
        parts: points for single results, where some are wrong.
        required: whether it counts where nobody says what does.
        aliases: other names under which it is accepted.
        hint: what is said to who has not got it right.
        explain: a better explanation of wrong results than their numbers give, if there is one.
    """

    name: str
    call: str
    returns: str
    cases: Callable[[], Iterable[Case]]
    settings: tuple[Setting, ...]
    judge: Callable[[Case, Any], list[Output]]
    may_change: tuple[str, ...] = ()
    takes: tuple[str, ...] | None = None
    program: tuple[str, ...] = ()
    points: float = 1.0
    parts: Mapping[str, float] = field(default_factory=dict)
    required: bool = True
    aliases: tuple[str, ...] = ()
    hint: str = ""
    explain: Callable[[Sequence[tuple[Case, Output]], Diagnosis], Diagnosis] | None = None

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters."""
        if self.takes is not None:
            return [*self.takes]
        return list(inspect.signature(getattr(textbook, self.name)).parameters)
