"""One function tried on its cases: what came of it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis import Diagnosis, Trial, compare_trials
from tinygrad_dnn.check.diagnosis.numbers import BOUND, LOOSE
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.outcome import Output, Unusable
from tinygrad_dnn.isolation.process import Ended
from tinygrad_dnn.isolation.replies import visible

CANCELS = LOOSE / BOUND  # times its result that terms may be as large


class Finding(NamedTuple):
    """A group of outputs that is wrong, and the first case on which that is seen."""

    case: Case
    diagnosis: Diagnosis
    group: str
    activation: str


class Group(NamedTuple):
    """Outputs that are compared together."""

    order: int
    name: str
    activation: str
    members: list[tuple[Case, Output]]


@dataclass
class Attempt:
    """A function tried on its cases in one setting."""

    setting: Setting
    replaced: tuple[str, ...]
    outputs: list[tuple[Case, Output]] = field(default_factory=list)
    unusable: list[tuple[Case, str]] = field(default_factory=list)
    errors: list[tuple[Case, dict[str, Any]]] = field(default_factory=list)
    changed: list[tuple[Case, str]] = field(default_factory=list)
    borrowed: set[str] = field(default_factory=set)  # how others computed in its place
    ended: tuple[Case, Ended] | None = None
    fired: dict[int, None] = field(default_factory=dict)  # lines of asserts that failed
    alone: bool = False  # it returned no cache
    no_arguments: bool = False  # what makes them failed
    cut: str = ""  # said where not all cases were tried
    explain: Callable[[Sequence[tuple[Case, Output]], Diagnosis], Diagnosis] | None = None

    def hear(self, function: Function, case: Case, reply: Mapping[str, Any]) -> None:
        """Note the outcome of one case."""
        if "error" in reply:
            if reply["early"] and self.setting.makers:
                self.no_arguments = True
            else:
                self.errors.append((case, reply["error"]))
            return
        self.borrowed |= set(reply["borrowed"])
        self.fired |= dict.fromkeys(reply["fired"])
        self.alone |= "cache" in function.returns and isinstance(reply["value"], np.ndarray)
        for name in reply["changed"]:
            if not name.startswith(function.may_change or ("\0",)):
                self.changed.append((case, name))
        try:
            self.outputs += [(case, o) for o in function.judge(case, reply["value"])]
        except Unusable as error:
            self.unusable.append((case, str(error)))
        except Exception as error:  # whatever a stranger's value can do to a judge
            words = f"returns what can't be compared ({type(error).__name__}: {error})"
            self.unusable.append((case, visible(words)))

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, on any case."""
        return not (
            self.unusable or self.errors or self.changed or self.ended or self.no_arguments
            or self.borrowed or self._compared[0]
        ) and bool(self.outputs)  # fmt: skip

    @property
    def wrong_groups(self) -> set[str]:
        """The results that are wrong."""
        return {group.name for group in self._compared[0]}

    @property
    def accepted(self) -> list[str]:
        """The words for other right answers."""
        return self._compared[1]

    @cached_property
    def _compared(self) -> tuple[list[Group], list[str]]:
        """The groups of outputs that are wrong, and the words for other right answers."""
        groups: dict[tuple[int, str, str], list[tuple[Case, Output]]] = {}
        for case, output in self.outputs:
            key = (output.order, output.group, output.activation)
            groups.setdefault(key, []).append((case, output))
        wrong, accepted = [], []
        for key, members in sorted(groups.items(), key=lambda g: g[0][0]):
            if all(o.right for _, o in members):
                continue
            if words := _accepted([o for _, o in members]):
                accepted.append(words)
            else:
                wrong.append(Group(*key, members))
        return wrong, accepted

    @cached_property
    def findings(self) -> list[Finding]:
        """What is wrong with the outputs, group by group; what follows from it is left out."""
        found: list[Finding] = []
        wrong = [] if self.ended or self.no_arguments else self._compared[0]
        for group in wrong:
            if group.order > wrong[0].order:
                break
            members = _telling(group.members)
            trials = [
                Trial(o.yours, o.truth, o.context, o.size, o.name, o.source) for _, o in members
            ]
            diagnosis = compare_trials(trials)
            if self.explain is not None:
                diagnosis = self.explain(members, diagnosis)
            case, _ = members[diagnosis.trial]
            found.append(Finding(case, diagnosis, group.name, group.activation))
        return found

    @property
    def showing_all(self) -> Case:
        """The smallest case on which everything that is wrong is seen, or the first of it."""
        groups = {f.group for f in self.findings}
        order = list(dict.fromkeys(c for c, _ in self.outputs))
        last = max(order.index(f.case) for f in self.findings)
        for case in (order[last], *order[last:]):
            if groups <= {o.group for c, o in self.outputs if c is case and not o.right}:
                return case
        return self.findings[0].case

    @property
    def explained(self) -> bool:
        """Whether a mistake was recognised."""
        return any(f.diagnosis.explanations for f in self.findings)


def _telling(members: list[tuple[Case, Output]]) -> list[tuple[Case, Output]]:
    """Those of which something can be told: where terms cancel, what a mistake would give is lost
    in their rounding.
    """
    some = [
        (c, o)
        for c, o in members
        if o.size is None
        or float(np.max(o.size, initial=0)) <= CANCELS * float(np.max(np.abs(o.truth), initial=0))
    ]
    return some if any(not o.right for _, o in some) else members


def _accepted(outputs: Sequence[Output]) -> str:
    """The words for another right answer that all of them give, or ""."""
    others = [o.accepted() for o in outputs]
    for words in others[0]:
        pairs = zip(outputs, others, strict=True)
        if all(words in other and o.near(other[words], o.size) for o, other in pairs):
            return words
    return ""
