"""How one of the document's functions is put to the test: a row of the table of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_dnn import textbook
from tinygrad_dnn.grading.outcome import Output


@dataclass(frozen=True, eq=False)
class Case:
    """Named values that a program starts from, and what is needed to judge its result."""

    given: Mapping[str, Any]
    truth: Any


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
    """A function of the document.

    Attributes:
        name: of the function.
        call: the expression that is judged.
        returns: names for its results, as they are written in an example.
        cases: the inputs, the smallest first.
        settings: where further arguments come from; the student's own functions first.
        judge: takes a result apart; raises `Unusable` where it is none.
        may_change: beginnings of the names of values that it may change in place.
    """

    name: str
    call: str
    returns: str
    cases: Callable[[], Iterable[Case]]
    settings: tuple[Setting, ...]
    judge: Callable[[Case, Any], list[Output]]
    may_change: tuple[str, ...] = ()

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters in the document."""
        return list(inspect.signature(getattr(textbook, self.name)).parameters)
