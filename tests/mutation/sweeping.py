"""Faults in the source of the reverse sweep."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

from mutation.planted import Mutant, rewritten
from mutation.syntax import Change, changes
from tinygrad_dnn.autodiff import reverse


def sweep_mutants() -> Iterator[Mutant]:
    """Every single change in the functions of `tinygrad_dnn.autodiff.reverse`."""
    for function in vars(reverse).values():
        if isinstance(function, FunctionType) and function.__module__ == reverse.__name__:
            for change in changes(function):
                plant = partial(_plant, function, change)
                where = f"reverse.{function.__name__}"
                yield Mutant(f"sweep: {change.kind}", where, change.reads, plant, (), [True])


def _plant(function: FunctionType, change: Change) -> Any:
    return rewritten(function, change.compiled())
