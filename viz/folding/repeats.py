"""Steps of a computation that are equal: the same ops, wired in the same way.

Ops in a row are written as codes in which a value is told by how many ops ago it was last made or
read. So the steps of a loop have equal codes wherever they stand, and what differs from step to
step (shapes, which parameter, which element of the data) is not in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.graph import Leaf, Node

NEVER = 1 << 60  # ops ago: not read before
# Numbers that are of a step, the others being data: all; those that stand in the program, not the
# elements of arrays, as `for z in measured` gives them; none, only that there is one.
Exact = int
EXACT = PROGRAM, ALL, NONE = 1, 2, 0
PERIODS = 12  # that are tried at a time
FEWEST, LEAST = 4, 0.01  # parts that are worth a box, and their share of all
WHERE = ("index", "shape")  # settings that say where a step reads, not what it does


class Code(NamedTuple):
    """An op as a part of a step.

    Attributes:
        what: the op, its settings, and the numbers among its inputs.
        kinds: of its other inputs: p(arameter), d(ata), o(p).
        back: how many ops ago those were last touched, and as what: 0 as the result, k as the
            k-th of those inputs.
    """

    what: tuple[Any, ...]
    kinds: str
    back: tuple[tuple[int, int], ...]


class Repetition(NamedTuple):
    """From `begin` on, `times` equal steps of `length` parts each."""

    begin: int
    length: int
    times: int


def codes(ops: Sequence[Node], exact: Exact = PROGRAM) -> list[Code]:
    """The codes of ops in a row.

    Args:
        exact: which numbers are of the step, the others being data.
    """
    touched: dict[int, tuple[int, int]] = {}
    written = []
    for i, node in enumerate(ops):
        numbers: list[str | None] = []
        kinds, back = "", []
        for x in node.inputs:
            if (number := number_of(x, exact)) is not None:
                numbers.append(number)
            else:
                numbers.append(None)
                kinds += _kind(x)
                at, role = touched.get(id(x), (i - NEVER, 0))
                back.append((i - at, role))
                touched[id(x)] = i, len(back)
        touched[id(node)] = i, 0
        written.append(Code((node.op, settings_of(node), tuple(numbers)), kinds, tuple(back)))
    return written


def number_of(x: Any, exact: Exact) -> str | None:
    """How a number of the step is written; None of what is data."""
    if isinstance(x, np.generic):
        return repr(x.item()) if exact == ALL else None
    if not (isinstance(x, (bool, int, float, complex)) or _is_single(x)):
        return None
    return repr(np.asarray(x).item()) if exact != NONE else "a number"


def _is_single(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.shape == ()


def _kind(x: Any) -> str:
    if isinstance(x, Node) and x.op is not None:
        return "o"
    return "p" if isinstance(x, Leaf) and x.requires_grad else "d"


def settings_of(node: Node) -> tuple[Any, ...]:
    """The settings of an op as far as they are of a step."""
    return tuple((k, _setting(v, k in WHERE)) for k, v in node.meta.items())


def _setting(value: Any, where: bool) -> Any:
    if isinstance(value, tuple):
        return tuple(_setting(v, where) for v in value)
    if getattr(value, "shape", ()):
        return f"array of {len(value.shape)} axes"
    return re.sub(r"-?\d+", "i", repr(value)) if where else repr(value)


def same_step(one: Sequence[Code], other: Sequence[Code]) -> bool:
    """Whether a step does what the one before it did, as functions of what they are given."""
    return len(one) == len(other) and all(
        a.what == b.what
        and _alike(a.kinds, b.kinds)
        # What was last touched before the step is given to it, however long before.
        and all(i == j or min(i, j)[0] > k for i, j in zip(a.back, b.back, strict=True))
        for k, (a, b) in enumerate(zip(one, other, strict=True))
    )


def _alike(one: str, other: str) -> bool:
    """Parameters stand in the same places; only the first x may be one, or data."""
    return one == other or all(
        a == b or a + b in ("od", "do", "po") for a, b in zip(one, other, strict=True)
    )


def step_length(ops: Sequence[Node]) -> int:
    """How many ops make one step, where all in a row are equal steps; else all of them."""
    return steps_of(ops)[0]


def steps_of(ops: Sequence[Node]) -> tuple[int, Exact]:
    """How many ops make one step, and which numbers are then of the step."""
    for exact in EXACT:
        length = _length(codes(ops, exact), 2 if exact else FEWEST)
        if length < len(ops):
            return length, exact
    return len(ops), PROGRAM


def _length(row: Sequence[Code], least: int) -> int:
    """The ops of one of at least so many equal steps, else of all."""
    whats = [code.what for code in row]
    p = _period(whats)
    for length in range(p, len(row) // least + 1, p):
        if len(row) % length == 0:
            steps = [row[i : i + length] for i in range(0, len(row), length)]
            if all(same_step(one, other) for one, other in pairwise(steps)):
                return length
    return len(row)


def repeats(ops: Sequence[Node]) -> bool:
    """Whether ops in a row are several equal steps."""
    return step_length(ops) < len(ops)


def _period(row: Sequence[Any]) -> int:
    """The least p with row[i] == row[i − p] for every i ≥ p (Knuth, Morris and Pratt, 1977)."""
    border = [0] * len(row)  # of each beginning: its longest proper part that begins and ends it
    for i in range(1, len(row)):
        k = border[i - 1]
        while k and row[i] != row[k]:
            k = border[k - 1]
        border[i] = k + (row[i] == row[k])
    return len(row) - border[-1]


# --- repetition somewhere in a row ----------------------------------------------------------------


def repetitions(
    parts: Sequence[Sequence[Code]],
    closed: Sequence[bool],
    least: int,
    longest: int,
    rounds: int = 8,
) -> list[Repetition]:
    """Where parts (of one or more ops) repeat, in order; none that is `closed` is in one.

    Args:
        least: steps of a repetition.
        longest: parts of a step.
    """
    row = _Parts(parts, closed)
    found = []
    for _ in range(rounds):
        runs = _best_runs(row, longest)
        if not runs:
            break
        free = 0  # the ends of two runs may overlap by less than a step
        for begin, end, length in runs:
            begin = max(free, _first_step(row, begin, length))
            times = (end - begin) // length
            worth = times >= least and length * times >= fewest(len(row))
            if worth:
                free = begin + length * times
                found.append(Repetition(begin, length, times))
            row.close(begin, free if worth else end)
    return sorted(found)


class _Parts:
    """Parts in a row, to be compared with those some places before them."""

    def __init__(self, parts: Sequence[Sequence[Code]], closed: Sequence[bool]) -> None:
        self.parts = parts
        self.starts = [0, *accumulate(map(len, parts))]
        numbers: dict[Any, int] = {}
        self.numbers = [
            numbers.setdefault(tuple((code.what, code.kinds) for code in part), i)
            for i, part in enumerate(parts)
        ]
        self.back = [tuple(b for code in part for b in code.back) for part in parts]
        for i, shut in enumerate(closed):
            if shut:
                self.close(i, i + 1)

    def __len__(self) -> int:
        return len(self.parts)

    def close(self, begin: int, end: int) -> None:
        """From now on these are equal to nothing."""
        self.numbers[begin:end] = range(-1 - begin, -1 - end, -1)

    def repeats(self, i: int, p: int) -> bool:
        """Whether a part is like that p before it, as a part of steps of p: what was last touched
        before the step is given to it, however long before.
        """
        if self.numbers[i] != self.numbers[i - p]:
            return False
        ours, theirs = self.back[i], self.back[i - p]
        if ours == theirs:
            return True
        length = self.starts[i + 1] - self.starts[i + 1 - p]
        return all(b == c or min(b, c)[0] >= length for b, c in zip(ours, theirs, strict=True))


def _best_runs(row: _Parts, longest: int) -> list[tuple[int, int, int]]:
    """(begin, end, period) of what repeats, with the period that spares most parts."""
    last: dict[int, int] = {}
    distances: Counter[int] = Counter()
    for i, number in enumerate(row.numbers):
        if number in last:
            distances[i - last[number]] += 1
        last[number] = i
    best: list[tuple[int, int, int]] = []
    for p in sorted(p for p, _ in distances.most_common(PERIODS) if p <= longest):
        runs = list(_runs(row, p))
        if _spared(runs) > _spared(best):
            best = runs
    return best


def _spared(runs: Sequence[tuple[int, int, int]]) -> int:
    return sum(end - begin - p for begin, end, p in runs)


def _runs(row: _Parts, p: int) -> Iterator[tuple[int, int, int]]:
    """The longest [begin, end) in which each equals that p before, of two periods at least; one
    may come before it.
    """
    least = max(2 * p, fewest(len(row)) - p)
    numbers = np.array(row.numbers)
    same = numbers[p:] == numbers[:-p]
    ends = np.flatnonzero(np.diff(same, prepend=False, append=False)).tolist()
    for first, end in zip(ends[::2], ends[1::2], strict=True):
        if end + p - first < least:  # as nearly all are
            continue
        begin = first
        for i in range(first + p, end + p + 1):
            if i == end + p or not row.repeats(i, p):
                if i - begin >= least:
                    yield begin, i, p
                begin = i - p + 1


def fewest(parts: int) -> float:
    """How many of so many parts are worth a box."""
    return max(FEWEST, LEAST * parts)


def _first_step(row: _Parts, begin: int, p: int) -> int:
    """Where equal steps begin that repeat exactly from `begin` on.

    The first step gets its arguments from elsewhere than the others, so parts of it differ.
    """
    earliest = 0  # op with which it may begin: what differs must be an argument, hence from before
    for j in range(begin - 1, max(begin - p, 0) - 1, -1):
        ours, theirs = row.parts[j], row.parts[j + p]
        if row.numbers[j] < 0 or [c.what for c in ours] != [c.what for c in theirs]:
            break
        if not all(_alike(a.kinds, b.kinds) for a, b in zip(ours, theirs, strict=True)):
            break
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True), start=row.starts[j]):
            for b, c in zip(one.back, other.back, strict=True):
                if b != c:
                    earliest = max(earliest, i - min(b, c)[0] + 1)
        if row.starts[j] < earliest:
            break
        begin = j
    return begin
