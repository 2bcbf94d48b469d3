"""Every mutant against the checks, a few at a time: who was killed by what, and who survived."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import array_kinds
import contract
import kinks
import large
import pytest
import test_registry
import test_sight
import test_sweep
import test_sweep_values

from mutation.planted import Mutant
from mutation.rules import source_mutants
from mutation.sweeping import sweep_mutants
from mutation.wrappers import wrappers
from tinygrad_dnn.check import check_op
from tinygrad_dnn.ops import REGISTRY, Op

SECONDS = 10.0  # a loop that a fault made endless is found out, too

Check = Callable[..., Any]

# Each is called with an op.
CHECKS: tuple[Check, ...] = (
    large.check_large,
    array_kinds.check_elsewhere,
    check_op,
    kinks.check_ends,
    contract.check_more,
    contract.check_cast,
    contract.check_numbers,
    contract.check_untaken,
    contract.check_selection,
    contract.check_shares,
    contract.check_narrow,
    kinks.check_points,
    kinks.check_bytes,
    kinks.check_one_share,
    *(test for test in test_registry.EVERY_TEST if "measured" not in test.__name__),
)

# Each is called with nothing.
SWEEP_CHECKS: tuple[Check, ...] = tuple(
    test
    for module in (test_sight, test_sweep, test_sweep_values)
    for name, test in vars(module).items()
    if name.startswith("test_")
)


class OutOfTimeError(Exception):
    """A check ran for longer than it ever should."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block after so many seconds of computing."""

    def stop(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def failure(check: Check, *op: Op) -> str | None:
    """What a check says against things as they are; None if nothing. Warnings count as failures."""
    try:
        with warnings.catch_warnings(), time_limit(SECONDS):
            warnings.simplefilter("error")
            check(*op)
    except (Exception, pytest.fail.Exception) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


Call = tuple[Any, ...]  # a check, and the op it is called with if it takes one


def told(call: Call) -> str:
    """A call as one writes it."""
    check, *ops = call
    return f"{check.__name__}({', '.join(op.name for op in ops)})"


@cache
def unplanted(call: Call) -> str | None:
    """What a check says with no fault planted: one that fails anyway can't tell a fault."""
    return failure(*call)


def calls_against(mutant: Mutant, checks: Sequence[Check] = CHECKS) -> list[Call]:
    """Each check with each op that the fault concerns, or those of the sweep."""
    if mutant.ops:
        return [(check, op) for check in checks for op in mutant.ops]
    return [(check,) for check in SWEEP_CHECKS]


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: killed by a check, or survived; and whether it did anything."""

    mutant: str
    kind: str
    killer: str | None
    effect: bool


def judged(mutant: Mutant, checks: Sequence[Check] = CHECKS) -> Verdict:
    """A fault planted, the checks run until one fails, and the fault taken out again."""
    for call in calls_against(mutant, checks):
        with mutant.plant():
            said = failure(*call)
        if said is not None and unplanted(call) is None:
            return Verdict(mutant.key, mutant.kind, f"{told(call)}: {said}", True)
    return Verdict(mutant.key, mutant.kind, None, any(mutant.effects))


@cache
def every_mutant() -> tuple[Mutant, ...]:
    """The mutants of every op in the registry and of the sweep, always in the same order."""
    ops = list(REGISTRY.values())
    return (*(m for op in ops for m in wrappers(op)), *source_mutants(ops), *sweep_mutants())


def verdicts(numbers: Sequence[int], workers: int) -> tuple[list[Verdict], list[str]]:
    """The verdict on each of these mutants, and what fails with no fault planted."""
    every = every_mutant()  # once, before the workers are forked
    calls = list(dict.fromkeys(call for i in numbers for call in calls_against(every[i])))
    with get_context("fork").Pool(workers) as pool:
        sound = pool.map(unplanted, calls, chunksize=8)
        found = pool.map(_judge, numbers, chunksize=4)
    return found, [f"{told(c)}: {said}" for c, said in zip(calls, sound, strict=True) if said]


def _judge(number: int) -> Verdict:
    # A fault may make the compiler warn, of `"is" with a literal` and the like.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return judged(every_mutant()[number])
