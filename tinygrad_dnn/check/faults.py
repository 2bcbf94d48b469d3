"""Faults of a gradient, and at which op: the words of a checker's blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tinygrad_dnn.graph import Node

WRONG_RULE = "wrong rule"
MISSING_RULE = "missing rule"
NOT_LINEAR = "not linear in g"
WRONG_SHAPE = "wrong shape"
RAISED = "rule raised an error"
RULE_VARIES = "rule not deterministic"
FORWARD_VARIES = "forward not deterministic"
MUTATED = "input mutated"
NOT_SUMMED = "not summed over broadcast axes"
MISSING_ACCUMULATION = "missing accumulation"
NOT_RECORDED = "dependency never recorded"
SWEEP_RAISED = "backward raised an error"


@dataclass(frozen=True)
class Blame:
    """One mistake and the op that makes it.

    Attributes:
        kind: "wrong rule", "missing accumulation", "dependency never recorded", ...
        op: the name of the op, None where it is not one op.
        node: the recorded node.
        where: what the report calls the node: its name, or its formula.
        argument: the name of the op's argument, None where it concerns no single one.
        reason: what is wrong, as a sentence.
        element: the worst element of that argument's gradient.
        yours, truth: its value as given, and as measured.
        uncertainty: how far the measured value may be from the truth.
    """

    kind: str
    op: str | None
    node: Node | None
    where: str
    argument: str | None
    reason: str
    element: tuple[int, ...] | None = None
    yours: float | None = None
    truth: float | None = None
    uncertainty: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return its fields, without the node."""
        return {
            "kind": self.kind,
            "op": self.op,
            "where": self.where,
            "argument": self.argument,
            "reason": self.reason,
            "element": None if self.element is None else list(self.element),
            "yours": self.yours,
            "truth": self.truth,
            "uncertainty": self.uncertainty,
        }

    def __str__(self) -> str:
        return self.reason


class Worst(NamedTuple):
    """An element of a gradient: where, what it is, and what it was measured to be."""

    element: tuple[int, ...]
    yours: float
    truth: float
    uncertainty: float


# What is wrong with a rule: the kind, in words, and the worst element where there are numbers.
Trouble = tuple[str, str, Worst | None]


class Broken(Exception):
    """A rule that could not be asked: what is wrong with it, before any number."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason
