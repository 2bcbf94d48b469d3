"""A mutant: one fault that can be planted in the live engine and taken out again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.rules import Rule


@dataclass(frozen=True)
class Mutant:
    """A fault: of which kind, where, what it does, how to plant it, and which ops may notice.

    A wrapper notes in `effects`, each time it is asked, whether it changed anything: one that never
    did is no fault (the sign of a gradient that is 0 everywhere).
    """

    kind: str
    where: str
    what: str
    plant: Callable[[], Any] = field(repr=False)
    ops: tuple[Op, ...] = field(repr=False)
    effects: list[bool] = field(repr=False)

    @property
    def key(self) -> str:
        """What the table of explained survivors calls it."""
        return f"{self.where}: {self.kind}: {self.what}"


def another(op: Op, rules: Sequence[Rule | None] | None = None, **traits: Any) -> Op:
    """An op as this one, with other rules or traits."""
    same = {t: vars(op)[t] for t in _TRAITS}
    vjp = op.rules if rules is None else tuple(rules)
    return Op(op.forward, op.formula, vjp, name=op.name, **same | traits)


@contextmanager
def redeclared(op: Op, rules: Sequence[Rule | None] | None = None, **traits: Any) -> Iterator[None]:
    """The live op, declared again with other rules or traits for the block."""
    before = dict(vars(op))
    vars(op).update(vars(another(op, rules, **traits)))
    try:
        yield
    finally:
        vars(op).clear()
        vars(op).update(before)


_TRAITS = [
    name
    for name, p in inspect.signature(Op.__init__).parameters.items()
    if p.kind is p.KEYWORD_ONLY and name != "name"
]


@contextmanager
def rewritten(function: FunctionType, code: CodeType, ops: Sequence[Op] = ()) -> Iterator[None]:
    """The live function running other code for the block; `ops` are those it is a rule of."""
    before = function.__code__
    function.__code__ = code
    again = [redeclared(op) for op in ops]
    entered = []
    try:
        for each in again:
            each.__enter__()
            entered.append(each)
        yield
    finally:
        function.__code__ = before
        for each in reversed(entered):
            each.__exit__(None, None, None)
