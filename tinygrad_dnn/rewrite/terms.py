"""Patterns: one line of mathematics, written with the engine's own signs and functions.

    Row("log of a sigmoid", lambda z: (log(sigmoid(z)), -softplus(-z)))

The line is called once with variables that record what is done to them, which gives two terms:
what is looked for, and what takes its place. Called with Tensors it computes both sides, so a row
can be tested as it stands.

A variable of one letter stands for an array; `c` and `k` stand for a number: a constant, or a 0-d
node. A longer name stands for a setting (`axis`, `keepdims`). A number in a pattern stands for a
constant whose every element is that number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product, repeat
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.operators import Operators
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import REGISTRY, Op

NUMBERS = ("c", "k")
# Bit for bit the same with the inputs exchanged: max(0, −0) is not.
COMMUTATIVE = frozenset(REGISTRY[name] for name in ("add", "multiply", "equal", "not_equal"))


_KEEPS_FINITE = frozenset(
    REGISTRY[name]
    for name in ("negative", "absolute", "sign", "transpose", "reshape", "broadcast_to")
)


class Term(Operators):
    """An op applied to terms, variables and numbers."""

    __slots__ = ("inputs", "meta", "op")

    def __init__(self, op: Op | None, inputs: Sequence[Any], meta: Mapping[str, Any]) -> None:
        self.op, self.inputs, self.meta = op, inputs, meta

    @staticmethod
    def __record__(op: Op, inputs: Sequence[Any], meta: Mapping[str, Any]) -> Term:
        return Term(op, inputs, meta)

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.inputs))
        return f"{self.op.name}({inside})" if self.op else "term"


class Variable(Term):
    """Stands for an array, or for a number."""

    __slots__ = ("is_number", "letter")

    def __init__(self, letter: str) -> None:
        super().__init__(None, (), {})
        self.letter = letter
        self.is_number = letter in NUMBERS

    def __repr__(self) -> str:
        return self.letter


class Setting(str):
    """Stands for a value of an op's metadata."""


Binding = dict[str, Any]
Condition = Callable[["Match"], "bool | Mapping[str, Any]"]


class Match(dict[str, Any]):
    """The variables of a row, and what they are.

    Attributes:
        root: the node that the left side matched.
        saturation: what is known of what comes from exponentials, a `Saturation`.
    """

    def __init__(self, root: Node, finite: Collection[Node] = (), saturation: Any = None) -> None:
        super().__init__()
        self.root, self.saturation = root, saturation
        self._finite = finite

    def is_finite(self, letter: str) -> bool:
        """Whether every element is known to be a number: neither infinite nor NaN."""
        x = self[letter]
        while isinstance(x, Node) and x not in self._finite and x.op in _KEEPS_FINITE:
            x = x.inputs[0]
        if is_constant(x):
            return bool(np.all(np.isfinite(x)))
        return x.dtype.kind in "iub" or (isinstance(x, Node) and x in self._finite)


@dataclass(frozen=True, eq=False)
class Row:
    """A line of the table: where `left` stands, `right` may be written.

    Attributes:
        name: what the step is called.
        line: the mathematics, see above.
        where: what must hold besides; it may return more variables for the right side instead.
        rounds: the two sides may differ in rounding.
        zeros: the two sides may differ in the sign of a zero.
        awkward: where else they differ (an infinity, a division by 0); empty if nowhere.
        floats: only where everything that either side computes has one floating-point dtype.
        labels: the left side may compute with whole numbers besides, of 32 or 64 bits.
        cases: shapes and settings that tests call the line with; without, arrays that broadcast.
        positive, whole, exponential, hyperbolic: variables that tests sample between 0 and 1, as
            whole numbers, as what an exponential or a sigmoid gives, and as what tanh gives.
        as_written: inputs of commutative ops are looked for in this order only.
    """

    name: str
    line: Callable[..., tuple[Any, Any]]
    where: Condition | None = None
    rounds: bool = False
    zeros: bool = False
    awkward: str = ""
    floats: bool = True
    labels: bool = False
    cases: tuple[Mapping[str, Any], ...] = ()
    positive: str = ""
    whole: str = ""
    exponential: str = ""
    hyperbolic: str = ""
    as_written: bool = False

    @property
    def left(self) -> Any:
        """What is looked for."""
        return _sides(self)[0]

    @property
    def right(self) -> Any:
        """What takes its place."""
        return _sides(self)[1]

    @property
    def exact(self) -> bool:
        """Whether both sides are equal bit for bit, but for the sign of a zero where it says so."""
        return not self.rounds and not self.awkward


# No `cached_property`: before Python 3.12 it locks, and a fork would leave the lock to nobody.
@cache
def _sides(row: Row) -> tuple[Any, Any]:
    """The line as two terms; made when it is first looked for, most tables never are."""
    names = (p for p in inspect.signature(row.line).parameters if p != "op")
    left, right = row.line(**{n: Variable(n) if len(n) == 1 else Setting(n) for n in names})
    return left, right


def ways(term: Any) -> Iterator[Any]:
    """The term with the inputs of each commutative op in either order."""
    if not isinstance(term, Term) or term.op is None:
        yield term
        return
    for inputs in product(*(list(ways(x)) for x in term.inputs)):
        yield Term(term.op, inputs, term.meta)
        if term.op in COMMUTATIVE and not _alike(*inputs):
            yield Term(term.op, inputs[::-1], term.meta)


def _alike(x: Any, y: Any) -> bool:
    """Whether exchanging two inputs gives the same pattern: x + x."""
    return x is y


def is_constant(x: Any) -> bool:
    """Whether a value can't change: a number, or an array that nobody may write to."""
    if isinstance(x, (int, float, np.generic)):
        return True
    if x is None or isinstance(x, Node):
        return False
    while isinstance(x, np.ndarray) and not x.flags.writeable:
        x = x.base  # a locked view of an open array is not locked
    return x is None


def is_number(x: Any) -> bool:
    """Whether it is one number: a constant, or a 0-d node."""
    if isinstance(x, Node):
        return x.shape == ()
    return is_constant(x) and np.ndim(x) == 0


def same(x: Any, y: Any) -> bool:
    """Whether two inputs are one: the same node or array, or equal numbers of one type."""
    if x is y:
        return True
    scalars = (int, float, np.generic)
    return (
        isinstance(x, scalars) and type(x) is type(y) and bool(x == y) and str(x) == str(y)
    )  # 0.0 and −0.0 are two


def _every_element_is(x: Any, number: Any) -> bool:
    """Whether a constant is that number everywhere; −0 is not 0."""
    if isinstance(x, (int, float, np.generic)) and x != number:
        return False
    zero = number == 0 and np.asarray(x).dtype.kind == "f"
    return bool(np.all(x == number)) and not (zero and np.signbit(x).any())


def _same(x: Any, y: Any) -> bool:
    """Whether two settings are equal; an index may hold arrays."""
    if isinstance(x, tuple) or isinstance(y, tuple):  # a NumPy number equals one element by element
        return type(x) is type(y) and len(x) == len(y) and all(map(_same, x, y))
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return np.array_equal(x, y)
    return bool(x == y)


def matches(term: Any, x: Any, found: Match) -> bool:
    """Whether an input has the form of a term; what variables stand for is added to `found`."""
    if not isinstance(term, Term):
        return is_constant(x) and np.size(x) > 0 and _every_element_is(x, term)
    if isinstance(term, Variable):
        if term.letter in found:
            return same(found[term.letter], x)
        if term.is_number and not is_number(x):
            return False
        found[term.letter] = x
        return True
    if not isinstance(x, Node) or x.op is not term.op or len(x.inputs) != len(term.inputs):
        return False
    for key, wanted in term.meta.items():
        if isinstance(wanted, Setting):
            if wanted in found and not _same(found[wanted], x.meta[key]):
                return False
            found[wanted] = x.meta[key]
        elif not _same(x.meta[key], wanted):
            return False
    return all(map(matches, term.inputs, x.inputs, repeat(found)))
