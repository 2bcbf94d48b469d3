"""One function tried on its cases: what came of it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis import Diagnosis, Trial, compare_trials
from tinygrad_dnn.check.diagnosis.numbers import EPS, as_array, close
from tinygrad_dnn.grading.function import Case, Setting
from tinygrad_dnn.grading.outcome import Output
from tinygrad_dnn.isolation.process import Ended


class Finding(NamedTuple):
    """A group of outputs that is wrong, and the first case on which that is seen."""

    case: Case
    diagnosis: Diagnosis
    group: str
    activation: str


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
    no_arguments: bool = False  # what makes them failed
    findings: list[Finding] = field(default_factory=list)
    order: int = 0  # of the findings
    accepted: list[str] = field(default_factory=list)
    cut: str = ""  # said where not all cases were tried

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, on any case."""
        return not (
            self.unusable or self.errors or self.changed or self.ended or self.findings
            or self.no_arguments or self.borrowed
        ) and bool(self.outputs)  # fmt: skip

    @property
    def showing_all(self) -> Case:
        """The smallest case on which everything that is wrong is seen, or the first of it."""
        groups = {f.group for f in self.findings}
        order = list(dict.fromkeys(c for c, _ in self.outputs))
        last = max(order.index(f.case) for f in self.findings)
        for case in (order[last], *order[last:]):
            if groups <= {o.group for c, o in self.outputs if c is case and not agrees(o)}:
                return case
        return self.findings[0].case

    @property
    def explained(self) -> bool:
        """Whether a mistake was recognised."""
        return any(f.diagnosis.explanations for f in self.findings)

    def diagnose(self) -> None:
        """Compare the outputs, group by group; those that follow from wrong ones are left out."""
        groups: dict[Any, list[tuple[Case, Output]]] = {}
        for case, output in self.outputs:
            key = (output.order, output.group, output.activation)
            groups.setdefault(key, []).append((case, output))
        for (order, group, activation), members in sorted(groups.items(), key=lambda g: g[0][0]):
            if self.findings and order > self.order:
                return
            if all(near(o.yours, o.truth, o.size) for _, o in members):
                continue
            if words := _accepted([o for _, o in members]):
                self.accepted.append(words)
                continue
            trials = [Trial(o.yours, o.truth, o.context, o.size, o.name) for _, o in members]
            diagnosis = compare_trials(trials)
            if not diagnosis.right:
                self.order = order
                case, _ = members[diagnosis.trial]
                self.findings.append(Finding(case, diagnosis, group, activation))


def agrees(o: Output) -> bool:
    """Whether an output is right to rounding."""
    return compare_trials([Trial(o.yours, o.truth, None, o.size)]).right


def _accepted(outputs: Sequence[Output]) -> str:
    """The words for another right answer that all of them give, or ""."""
    for words in outputs[0].accepted:
        if all(words in o.accepted and near(o.yours, o.accepted[words], o.size) for o in outputs):
            return "" if all(map(agrees, outputs)) else words
    return ""


def near(yours: Any, wanted: Any, size: Any) -> bool:
    """Whether two values are one to rounding."""
    y, w = as_array(yours), as_array(wanted)
    return y is not None and w is not None and y.shape == w.shape and bool(
        np.all(close(y, w, size, eps=EPS))
    )  # fmt: skip
