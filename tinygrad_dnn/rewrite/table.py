"""Two choices of rows from one stock.

PROGRAM is for machines: fewer ops on smaller arrays, finite where it can be. PAPER is for readers:
numbers in front, one fraction, no double signs; it holds for real numbers, as mathematics does, not
for infinities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from tinygrad_dnn.ops import REGISTRY, Op, broadcast_to, relu
from tinygrad_dnn.ops.choice import rounding
from tinygrad_dnn.rewrite import conditions as when
from tinygrad_dnn.rewrite.paper import ONLY_ON_PAPER
from tinygrad_dnn.rewrite.rows import (
    CANCELLED,
    FROM_ZERO,
    IN,
    NUMBERS,
    OUT,
    SHAPES,
    SIGNS,
    SUMS,
    ZERO,
)
from tinygrad_dnn.rewrite.stable import FORMS, STABLE
from tinygrad_dnn.rewrite.stacks import STACKS
from tinygrad_dnn.rewrite.terms import COMMUTATIVE, Row

ROUNDING = Row("rounding", lambda x: (rounding(x), x), floats=False)

# For a graph in which the relu can still be seen.
POSITIVE = Row("positive part", lambda x: (relu(x) > 0, x > 0), floats=False)


def _implied(ops: Iterable[Op]) -> tuple[Row, ...]:
    """Rows of elementwise ops: they repeat an input by themselves, or it is repeated after them."""
    rows = []
    for op in ops:
        named = partial(Row, floats=False, positive="x y")
        if len(op.arrays) == 1:
            row = named(
                f"{op.name} before it is repeated",
                lambda x, shape, op=op: (op(broadcast_to(x, shape)), broadcast_to(op(x), shape)),
                cases=({"x": (4,), "shape": (3, 4)},),
            )
            rows.append(row)
            continue
        cases = ({"x": (4,), "shape": (3, 4), "y": (3, 4)},)
        left = named(
            f"{op.name} repeats by itself",
            lambda x, shape, y, op=op: (op(broadcast_to(x, shape), y), op(x, y)), cases=cases,
        )  # fmt: skip
        rows.append(left)
        if op not in COMMUTATIVE:
            right = named(
                f"{op.name} repeats its second by itself",
                lambda x, shape, y, op=op: (op(y, broadcast_to(x, shape)), op(y, x)), cases=cases,
            )  # fmt: skip
            rows.append(right)
    return tuple(rows)


_APART = ("identity", "rounding", "stop_gradient")  # what they do is not arithmetic
REPEATED = _implied(
    op
    for name, op in list(REGISTRY.items())
    if op.elementwise and not op.settings and len(op.arrays) <= 2 and name not in _APART
)


# On paper a number is any number, and what stands where is no question of size.
_ANY_NUMBER = {
    when.above_zero_of_array: when.an_array,
    when.above_zero_of_arrays: when.arrays,
    when.opposite: when.opposite_numbers,
    when.all_of_a_number: when.all_of_any_number,
}


def _anywhere(rows: Iterable[Row], where: Any = None) -> tuple[Row, ...]:
    """The rows whatever the sizes of the arrays, and the sign of a number."""
    sizes = (when.no_larger, when.number_out, when.as_large, when.quotient_as_large)
    known = dict.fromkeys(sizes, where) | _ANY_NUMBER
    return tuple(replace(row, where=known.get(row.where, row.where)) for row in rows)


PROGRAM: tuple[Row, ...] = (
    *SIGNS, ZERO, ROUNDING, *SHAPES, *SUMS, *STABLE[1:], *CANCELLED, *FROM_ZERO, *NUMBERS, *OUT,
    *IN, *REPEATED,
)  # fmt: skip
PAPER: tuple[Row, ...] = (
    POSITIVE, *ONLY_ON_PAPER,
    *_anywhere(row for row in SIGNS if row.where is not when.constant_number),
    *SHAPES, *STACKS, *_anywhere(SUMS), FORMS[0],
    *_anywhere(CANCELLED, when.a_and_y_are_arrays),
    *_anywhere(NUMBERS), *_anywhere(OUT, when.arrays), *REPEATED,
)  # fmt: skip
