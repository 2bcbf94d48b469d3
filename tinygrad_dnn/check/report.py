"""The report of a check of gradients: for a terminal, a notebook, a program and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from tinygrad_dnn.check.faults import Blame
from tinygrad_dnn.graph import Graph, Node

RIGHT, WRONG, CANNOT_TELL = "right", "wrong", "cannot tell"


@dataclass(frozen=True)
class Row:
    """The gradient with respect to one input.

    Attributes:
        name, shape, dtype: of the input.
        verdict: "right", "wrong" or "cannot tell".
        element: where the two differ most; None of an empty array.
        yours, truth: the gradient there, as the engine gives it and as it was measured.
        error: how far apart they are there, as a part of the truth (of yours, where that is 0).
        apart: the largest difference as a part of the largest element: 1e-16 is rounding.
        method: how it was measured.
        uncertainty: how far the measured value there may be from the truth.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: str
    element: tuple[int, ...] | None
    yours: float | None
    truth: float | None
    error: float | None
    apart: float
    method: str
    uncertainty: float | None

    def to_dict(self) -> dict[str, Any]:
        """Its fields, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}


@dataclass(frozen=True, repr=False)
class GradientReport:
    """The verdict on a function's gradients, and what it rests on.

    Attributes:
        verdict: "right", "wrong" or "cannot tell".
        rows: one for each input.
        blame: each mistake found, that nearest to the output first.
        notes: what was left out (kinks, what is not finite), and what would help.
        order: of the derivatives; 2 means that first and second derivatives were checked.
        graph: the recorded computation in which blame names nodes: `viz.draw(report.graph,
            blame=report)` shows them in red.
        example: of `check_vjp`, a small call that shows the mistake, as Python to be pasted.

    Example: `check_gradients(np.sin, np.ones(2)).verdict == "right"`.
    """

    verdict: str
    rows: Sequence[Row]
    blame: Sequence[Blame]
    notes: Sequence[str]
    order: int
    graph: Graph = field(compare=False)
    example: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the verdict is "right"."""
        return self.verdict == RIGHT

    def __bool__(self) -> bool:
        return self.ok

    def reasons(self, graph: Graph | None = None) -> dict[Node, str]:
        """Return the faults, by node: of `graph`, or of another recording of the same computation.

        Raises:
            ValueError: the graph is of another computation.
        """
        by_node: dict[Node, list[str]] = {}
        for b in self.blame:
            if b.node is not None:
                by_node.setdefault(b.node, []).append(b.reason)
        there = {node: node for node in self.graph}
        if graph is not None and not set(by_node) <= set(graph):
            if [n.op for n in graph] != [n.op for n in self.graph]:
                raise ValueError(
                    "blame: the report is of another computation; draw its own: "
                    "viz.draw(report.graph, blame=report)"
                )
            there = dict(zip(self.graph, graph, strict=True))
        return {there[node]: "; ".join(reasons) for node, reasons in by_node.items()}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the graph, ready for JSON."""
        return {
            "verdict": self.verdict,
            "order": self.order,
            "inputs": [row.to_dict() for row in self.rows],
            "blame": [b.to_dict() for b in self.blame],
            "notes": list(self.notes),
            "example": self.example,
        }

    def __str__(self) -> str:
        shown = (self.example or "").splitlines()
        code = ["", *(f"      {line}".rstrip() for line in shown)] if shown else []
        said = (f"  {x}" for x in self._said())
        return "\n".join([self._title(), *_table(self.rows), *said, *code])

    def _title(self) -> str:
        kind = "gradients" if self.order == 1 else f"derivatives up to order {self.order}"
        return f"{kind}: {self.verdict}"

    def _said(self) -> list[str]:
        """Blame and notes; of an op that is wrong in many places the first."""
        places: dict[tuple[Any, ...], list[Blame]] = {}
        for b in self.blame:
            places.setdefault((b.kind, b.op, b.argument if b.op else b.where), []).append(b)
        said = []
        for first, *others in places.values():
            more = f" (and at {len(others)} other places)" if others else ""
            said.append(f"{first.reason}{more}")
        many = len(said) - LONGEST
        return [*said[:LONGEST], *([f"and {many} more"] if many > 0 else []), *self.notes]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        cell = ' style="text-align: left; padding: 0.2em 1em 0.2em 0"'
        head = "".join(f"<th{cell}>{escape(h)}</th>" for h in HEADS)
        body = "".join(
            "<tr>" + "".join(f"<td{cell}>{escape(c)}</td>" for c in _cells(row)) + "</tr>"
            for row in self.rows
        )
        items = "".join(f"<li>{escape(t)}</li>" for t in self._said())
        return (
            f'<div style="text-align: left"><p><b>{escape(self._title())}</b></p>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"{f'<ul>{items}</ul>' if items else ''}"
            f"{f'<pre>{escape(self.example)}</pre>' if self.example else ''}</div>"
        )


LONGEST = 12  # mistakes that are shown in full
HEADS = (
    "input", "shape", "", "worst element", "yours", "measured", "off by", "measured by", "known to",
)  # fmt: skip


def _cells(row: Row) -> tuple[str, ...]:
    numbers = ("—", "—", "—", "—")
    if row.element is not None and row.yours is not None and row.truth is not None:
        at = str(list(row.element)) if row.element else "—"
        beside = row.verdict == WRONG
        yours = number(row.yours, row.truth if beside else np.nan)
        truth = number(row.truth, row.yours if beside else np.nan)
        numbers = (at, yours, truth, share(row.error))
    known = "—"
    if row.uncertainty is not None and row.truth:
        known = share(row.uncertainty / abs(row.truth))
    return (row.name, str(row.shape), row.verdict, *numbers, row.method, known)


def _table(rows: Sequence[Row]) -> list[str]:
    cells = [HEADS, *map(_cells, rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(HEADS))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def number(x: float, beside: float = np.nan) -> str:
    """As many digits as tell it from what stands beside it, and no less than six: `0.123457`."""
    for digits in range(6, 17):
        text = f"{x:.{digits}g}"
        if x == beside or text != f"{beside:.{digits}g}":
            break
    return text


def share(x: float | None) -> str:
    """An error as a part of the truth, as one says it: `2e-16`, `0.01%`, `100%`, `3 times`."""
    if x is None:
        return "—"
    if x != x:
        return "NaN"
    if x < 1e-5:
        return f"{x:.0e}" if x else "0"
    if x < 10:
        return f"{100 * x:.3g}%"
    return f"{x:.3g} times"
