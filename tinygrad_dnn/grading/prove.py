"""An exercise proved: the reference passes, mistakes made on purpose are found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis.slips.uses import slips_at
from tinygrad_dnn.grading.asked import Asked
from tinygrad_dnn.grading.attempt import Attempt
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.function import Function, Setting
from tinygrad_dnn.grading.inputs import KINDS
from tinygrad_dnn.grading.outcome import Unusable
from tinygrad_dnn.grading.truth import Derived, called
from tinygrad_dnn.graph import Node

MOST_SLIPS = 16  # made in a derived gradient, spread evenly over the likely ones
LIKELY = 2  # up to this rank
Value = Callable[[Mapping[str, Any]], Any]


@dataclass
class Proof:
    """What came of the mistakes that were made in one function.

    Attributes:
        name: of the function.
        cases: how many it is judged on.
        right: whether the reference passes; `problem` says what does not.
        planted: mistakes that change a result.
        refused: of those, the ones that raise an error or give something else than arrays.
        named: those whose report says what the mistake is.
        missed: those that were not found.
        unnamed: those that were found and not named.
        unseen: the teacher's mistakes that no case shows.
    """

    name: str
    cases: int
    right: bool = True
    problem: str = ""
    planted: int = 0
    refused: int = 0
    named: int = 0
    missed: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with the exercise here."""
        return self.right and not self.missed and not self.unseen

    def __str__(self) -> str:
        mark = "✓" if self.holds else "✗"
        said = [
            f"{mark} {self.name}: {self.cases} cases, {self.planted} mistakes made, "
            f"{self.planted - len(self.missed)} found, {self.named + self.refused} of them named "
            f"or refused by NumPy"
        ]
        said += [f"    {self.problem}"] if self.problem else []
        said += [f"    not found: {words}" for words in self.missed]
        said += [f"    no case shows your mistake: {words}" for words in self.unseen]
        said += [f"    found, but not named: {words}" for words in self.unnamed]
        return "\n".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return vars(self) | {"holds": self.holds}


def prove(exercise: Exercise) -> Iterator[Proof]:
    """A proof for each function that the exercise declares."""
    for asked in exercise.asked.values():
        yield _proof(asked, asked.function())


def _proof(asked: Asked, function: Function) -> Proof:
    proof = Proof(function.name, len(asked.cases()))
    right = _tried(function, asked.truth.value)
    if not right.right:
        proof.right = False
        proof.problem = "the reference does not pass: " + "; ".join(
            [line for f in right.findings for line in f.diagnosis.lines()]
            + [words for _, words in right.unusable]
        )
        return proof
    listed = {m.says for m in asked.truth.listed}
    for says, value in _mistakes(asked):
        a = _tried(function, value)
        if a.right:
            # A mistake that changes nothing anywhere is none: (n, 1) is summed over its columns.
            if says in listed:
                proof.unseen.append(says)
            elif _shows(asked, function, value):
                proof.planted += 1
                proof.missed.append(says)
            continue
        proof.planted += 1
        if not a.outputs or a.errors or a.unusable:
            proof.refused += 1
        elif a.explained:
            proof.named += 1
        else:
            proof.unnamed.append(says)
    return proof


def _shows(asked: Asked, function: Function, value: Value) -> bool:
    """Whether other inputs of every kind would show the mistake."""
    if not asked.inputs:
        return False
    other = replace(asked, own_cases=None, kinds=KINDS, seed=asked.seed + 1, made=[])
    return not _tried(replace(function, cases=other.cases), value).right


def _tried(function: Function, value: Value) -> Attempt:
    """The judgement on what a function would return, without calling anybody's code."""
    a = Attempt(Setting(), (), explain=function.explain)
    for case in function.cases():
        try:
            with np.errstate(all="ignore"):
                result = value(case.given)
            a.outputs += [(case, o) for o in function.judge(case, result)]
        except Unusable as error:
            a.unusable.append((case, str(error)))
        except Exception as error:  # NumPy refuses many a mistake
            a.errors.append((case, {"kind": "error", "type": type(error).__name__,
                                    "message": str(error), "lines": []}))  # fmt: skip
    return a


def _mistakes(asked: Asked) -> Iterator[tuple[str, Value]]:
    for mistake in asked.truth.mistakes:
        yield mistake.says, lambda given, f=mistake.function: called(f, given)  # type: ignore[misc]
    if isinstance(asked.truth, Derived):
        yield from _slips(asked, asked.truth)


def _slips(asked: Asked, truth: Derived) -> Iterator[tuple[str, Value]]:
    """Slips in the derived backward pass, at every use of a value."""
    try:
        back, _ = truth.recorded(max(asked.cases(), key=lambda c: _size(c.given)).given)
    except Exception:  # longer than is looked into
        return
    found = []
    for n, i in back.edges():
        node = back.graph[n]
        x = node.inputs[i]
        at = f"{x.name or 'a value' if isinstance(x, Node) else 'a value'} in {node.op.name}"
        found += [
            (f"{slip.says.format(x=at, z='it')}", (n, i), k)
            for k, slip in enumerate(slips_at(node, i))
            if slip.rank <= LIKELY
        ]
    for says, (n, i), k in found[:: max(1, len(found) // MOST_SLIPS)]:

        def value(given: Mapping[str, Any], n: int = n, i: int = i, k: int = k) -> Any:
            here, g = truth.recorded(given)
            change = [*slips_at(here.graph[n], i)][k].change
            made = {
                r: truth.factor(r, given)
                * here.gradient(g, truth.inputs.index(x), {(n, i): change})
                for r, x in truth.wrt.items()
            }
            values = [made[r] if r in made else here.values[here.root] for r in truth.names]
            return values[0] if len(values) == 1 else tuple(values)

        yield says, value


def _size(given: Mapping[str, Any]) -> int:
    return sum(int(np.size(x)) for x in given.values() if isinstance(x, np.ndarray))
