"""Conditions of the rows that keep exponentials and logarithms finite: what values can be."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, prod
from typing import Any

from tinygrad_dnn.ops.reduction import axes
from tinygrad_dnn.rewrite.conditions import an_array
from tinygrad_dnn.rewrite.nodes import shape_of
from tinygrad_dnn.rewrite.saturation import Facts, is_in_place, is_share
from tinygrad_dnn.rewrite.terms import Match


def _of(m: Match, x: Any) -> Facts:
    facts: Facts = m.saturation.of(x)
    return facts


def x_has_log(m: Match) -> bool:
    """The logarithm of x has a form without x."""
    return _of(m, m["x"]).log


def x_saturates(m: Match) -> bool:
    """So has that of x, or that of its terms may have."""
    x = _of(m, m["x"])
    return x.log or x.zero or x.inf


def x_has_complement(m: Match) -> bool:
    """So has that of 1 − x."""
    return _of(m, m["x"]).complement


def x_is_above(m: Match) -> bool:
    """So has that of 1 + x."""
    return _of(m, m["x"]).above


def x_is_within_one(m: Match) -> bool:
    """So have those of 1 − x and 1 + x."""
    x = _of(m, m["x"])
    return x.complement and x.above


def float_is_above(m: Match) -> bool:
    """So has that of 1 + x, which is of the floating-point numbers, as the result is."""
    return _floats(m) and x_is_above(m)


def float_has_log(m: Match) -> bool:
    """So has that of x, which is of the floating-point numbers, as the result is."""
    return _floats(m) and x_has_log(m)


def float_has_complement(m: Match) -> bool:
    """So has that of 1 − x, which is of the floating-point numbers, as the result is."""
    return _floats(m) and x_has_complement(m)


def _floats(m: Match) -> bool:
    return bool(m["x"].dtype.kind == m.root.dtype.kind == "f")


def x_overflows(m: Match) -> bool:
    """So has that of x, which may overflow."""
    x = _of(m, m["x"])
    return x.log and x.inf


def x_and_y_have_logs(m: Match) -> bool:
    """So have those of x and y, or one of them is a constant above 0."""
    return bool(m.saturation.have_logs(m["x"], m["y"]))


def terms_have_logs(m: Match) -> bool:
    """So has that of x + y, from those of x and y."""
    return _of(m, m.root.inputs[0]).log and x_and_y_have_logs(m)


def choices_have_logs(m: Match) -> bool:
    """So have those of x and y, or one of them is a constant not below 0."""
    return _of(m, m.root.inputs[0]).log


def choices_have_complements(m: Match) -> bool:
    """So have those of 1 − x and 1 − y, or one of them is a constant."""
    return _of(m, m.root.inputs[0].inputs[1]).complement


def quotient_overflows(m: Match) -> bool:
    """So have those of x and y, of which one may overflow, or y round to 0."""
    x, y = _of(m, m["x"]), _of(m, m["y"])
    return x.log and y.log and (x.inf or y.inf or y.zero)


def divisor_overflows(m: Match) -> bool:
    """So has that of y, which may overflow; x is an array."""
    y = _of(m, m["y"])
    return an_array(m) and y.log and y.inf


def log_of_length(m: Match) -> Mapping[str, Any] | bool:
    """So has that of x; k is that of the number of elements of which the mean is taken."""
    shape = shape_of(m["x"])
    n = prod(shape[i] for i in axes(m["axis"], shape))
    return {"k": log(n)} if x_has_log(m) and n else False


def sum_stands_in_place(m: Match) -> bool:
    """x may overflow, and its sum broadcasts along the axis that was summed over."""
    exponential, total = m.root.inputs
    return is_in_place(total) and _of(m, exponential).inf


def log_sum_stands_in_place(m: Match) -> bool:
    """The logarithm of the sum broadcasts along the axis that was summed over."""
    return is_in_place(m.root.inputs[0].inputs[1])


def share_of_a_sum(m: Match) -> bool:
    """x is what a softmax is of: its sum broadcasts along the axis that was summed over."""
    return is_share(m.root.inputs[0].inputs[1])


def weighted_terms(m: Match) -> bool:
    """So have those of x and y; all are of one shape."""
    known = _of(m, m["x"]).log and _of(m, m["y"]).log
    return known and all(shape_of(m[letter]) == m.root.shape for letter in "xyab")


def summed_elementwise(m: Match) -> Mapping[str, Any] | bool:
    """Σ x y over axes, written as an einsum; the logarithm of x or y has a form without it."""
    x, y = m["x"], m["y"]
    terms, arrow, result = m["subscripts"].replace(" ", "").partition("->")
    one, _, other = terms.partition(",")
    plain = one == other and len({*one}) == len(one) and "." not in one
    if not (plain and arrow and shape_of(x) == shape_of(y)):
        return False
    axis = tuple(i for i, letter in enumerate(one) if letter not in result)
    if result != "".join(letter for letter in one if letter in result) or not axis:
        return False
    known = _of(m, x).log or _of(m, y).log
    return {"axis": axis} if known else False
