"""Conditions that must hold besides the form of an expression for a row to apply."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod
from typing import Any

import numpy as np
from numpy import signbit

from tinygrad_dnn.graph import Leaf
from tinygrad_dnn.ops import divide
from tinygrad_dnn.ops.indexing import is_basic
from tinygrad_dnn.ops.reduction import axes
from tinygrad_dnn.rewrite.nodes import shape_of, size_of
from tinygrad_dnn.rewrite.terms import Match, is_constant, is_number

# --- numbers and arrays ---------------------------------------------------------------------------


def an_array(m: Match) -> bool:
    """x is no number."""
    return not is_number(m["x"])


def arrays(m: Match) -> bool:
    """Neither x nor y is a number."""
    return not is_number(m["x"]) and not is_number(m["y"])


def y_is_an_array(m: Match) -> bool:
    """y is no number."""
    return not is_number(m["y"])


def a_and_y_are_arrays(m: Match) -> bool:
    """Neither the divisor a nor the factor y is a number."""
    return not is_number(m["a"]) and not is_number(m["y"])


def constant_number(m: Match) -> bool:
    """c is a constant, x no number."""
    return an_array(m) and is_constant(m["c"])


def constant_numbers(m: Match) -> bool:
    """c and k are constants, k not 0."""
    return is_constant(m["c"]) and is_constant(m["k"]) and bool(m["k"] != 0)


def a_constant_above_a_number(m: Match) -> bool:
    """k is a constant, c another number such as m, x an array."""
    return an_array(m) and is_constant(m["k"]) and not is_constant(m["c"])


def one_constant_number(m: Match) -> Mapping[str, Any] | bool:
    """a is a constant array of one element, k, and y has the shape and dtype of the result."""
    a, y = m["a"], m["y"]
    single = not is_number(a) and is_constant(a) and size_of(a) == 1
    alike = single and shape_of(y) == m.root.shape and y.dtype == m.root.dtype
    return {"k": a.item()} if alike else False


def below_zero(m: Match) -> bool:
    """c is a constant below 0."""
    return is_constant(m["c"]) and bool(m["c"] < 0)


def positive_instead(m: Match) -> Mapping[str, Any] | bool:
    """c is a constant below 0; k = −c."""
    return {"k": -m["c"]} if below_zero(m) else False


def one_instead(m: Match) -> Mapping[str, Any] | bool:
    """c is a constant below 0; a = −c, and b is 1."""
    return {"a": -m["c"], "b": m["c"] / m["c"]} if below_zero(m) else False


def above_zero(m: Match) -> bool:
    """c is a constant above 0 and finite: c 0 = 0, −0 stays −0, and ∞ is ∞."""
    return is_constant(m["c"]) and bool(0 < m["c"] < inf)


def above_zero_of_array(m: Match) -> bool:
    """c is such a constant, x no number."""
    return an_array(m) and above_zero(m)


def below_zero_of_array(m: Match) -> bool:
    """c is a constant below 0 and finite, x no number."""
    return an_array(m) and is_constant(m["c"]) and bool(-inf < m["c"] < 0)


def above_zero_of_arrays(m: Match) -> bool:
    """c is such a constant, x and y are no numbers."""
    return arrays(m) and above_zero(m)


def opposite_numbers(m: Match) -> bool:
    """c and k are constants, k = −c."""
    return arrays(m) and is_constant(m["c"]) and is_constant(m["k"]) and bool(m["k"] == -m["c"])


def opposite(m: Match) -> bool:
    """c is such a constant, k = −c."""
    return above_zero(m) and opposite_numbers(m)


def x_varies(m: Match) -> bool:
    """x is no constant: 1 − y stays what it is."""
    return not is_constant(m["x"])


def no_quotient(m: Match) -> bool:
    """x varies, and is no a / b, whose parts go into the products that it is in."""
    return x_varies(m) and getattr(m["x"], "op", None) is not divide


def x_is_finite(m: Match) -> bool:
    """No infinity and no NaN in x, for certain."""
    return m.is_finite("x")


def a_constant_beside_numbers(m: Match) -> bool:
    """c is a constant, x and y are other numbers, y if there is one."""
    others = [m[letter] for letter in "xy" if letter in m]
    return is_constant(m["c"]) and all(is_number(x) and not is_constant(x) for x in others)


# --- sizes ----------------------------------------------------------------------------------------


def no_larger(m: Match) -> bool:
    """Whether the result is no larger than x: what is done to x is done to the result."""
    return size_of(m.root) <= size_of(m["x"])


def quotient_as_large(m: Match) -> bool:
    """The quotient x / a is as large as the result."""
    return a_and_y_are_arrays(m) and size_of(m.root) == max(size_of(m["x"]), size_of(m["a"]))


def one_dtype(m: Match) -> bool:
    """x and y have their product's dtype; bytes that are divided by 255 once are to stay so."""
    return bool(m["x"].dtype == m.root.dtype == m["y"].dtype)


def number_out(m: Match) -> bool:
    """Of x, y and their matrix product the last is the smallest; c is a constant above 0."""
    smallest = size_of(m.root) <= min(size_of(m["x"]), size_of(m["y"]))
    return smallest and above_zero_of_arrays(m) and one_dtype(m)


def number_to_x(m: Match) -> bool:
    """Of x, y and their matrix product x is the smallest."""
    smallest = size_of(m["x"]) < size_of(m.root) and size_of(m["x"]) <= size_of(m["y"])
    return smallest and arrays(m) and one_dtype(m)


def number_to_y(m: Match) -> bool:
    """Of x, y and their matrix product y is the smallest."""
    smallest = size_of(m["y"]) < min(size_of(m.root), size_of(m["x"]))
    return smallest and arrays(m) and one_dtype(m)


def above_zero_to_x(m: Match) -> bool:
    """x is the smallest, and c a constant above 0."""
    return above_zero(m) and number_to_x(m)


def above_zero_to_y(m: Match) -> bool:
    """y is the smallest, and c a constant above 0."""
    return above_zero(m) and number_to_y(m)


def as_large(m: Match) -> bool:
    """x, y and their product are of one size."""
    return arrays(m) and size_of(m.root) == size_of(m["x"]) == size_of(m["y"])


def x_is_smaller(m: Match) -> bool:
    """x is smaller than its product with y."""
    return arrays(m) and size_of(m["x"]) < size_of(m.root)


def y_is_smaller(m: Match) -> bool:
    """y is smaller than x."""
    return arrays(m) and size_of(m["y"]) < size_of(m["x"])


# --- shapes and axes ------------------------------------------------------------------------------


def x_is_single(m: Match) -> bool:
    """x is of shape (1, 1), y a matrix."""
    return bool(shape_of(m["x"]) == (1, 1)) and len(shape_of(m["y"])) == 2


def y_is_single(m: Match) -> bool:
    """y is of shape (1, 1), x a matrix."""
    return bool(shape_of(m["y"]) == (1, 1)) and len(shape_of(m["x"])) == 2


def x_is_a_single_result(m: Match) -> bool:
    """x is such an element and no leaf."""
    return x_is_single(m) and not isinstance(m["x"], Leaf)


def y_is_a_single_result(m: Match) -> bool:
    """y is such an element and no leaf."""
    return y_is_single(m) and not isinstance(m["y"], Leaf)


def matrices(m: Match) -> bool:
    """x and y have two axes."""
    return len(shape_of(m["x"])) == 2 and len(shape_of(m["y"])) == 2


def stacks(m: Match) -> bool:
    """x or y are several matrices, neither a vector."""
    n = [len(shape_of(m[letter])) for letter in "xy"]
    return min(n) >= 2 < max(n)


def same_shape(m: Match) -> bool:
    """The shape does not change."""
    return bool(shape_of(m["x"]) == m.root.shape)


def a_repeated_row(m: Match) -> bool:
    """x is one row, y a matrix."""
    row = shape_of(m["x"])
    return len(row) == len(shape_of(m["y"])) == 2 and row[0] == 1 < m["shape"][0]


def a_repeated_column(m: Match) -> bool:
    """x is one column, y a matrix."""
    column = shape_of(m["x"])
    return len(column) == len(shape_of(m["y"])) == 2 and column[1] == 1 < m["shape"][1]


def a_column_beside(m: Match) -> Mapping[str, Any] | bool:
    """x is one column, y a matrix; the shape that comes out."""
    column = shape_of(m["x"])
    alone = len(column) == len(shape_of(m["y"])) == 2 and column[1] == 1 < m["first"][1]
    return its_shape(m) if alone else False


def one_before_a_row(m: Match) -> Mapping[str, Any] | bool:
    """A number stands in one column, y is one row; the shape that comes out."""
    first, row = m["first"], shape_of(m["y"])
    alone = len(first) == len(row) == 2 and first[1] == row[0] == 1 < first[0]
    return its_shape(m) if alone else False


def in_a_column(m: Match) -> bool:
    """A number stands in one column, y is a matrix."""
    return len(m["shape"]) == len(shape_of(m["y"])) == 2 and m["shape"][1] == 1


def in_a_row(m: Match) -> bool:
    """A number stands in one row, y is a matrix."""
    return len(m["shape"]) == len(shape_of(m["y"])) == 2 and m["shape"][0] == 1


def at_positions(m: Match) -> bool:
    """An index of arrays, at which a number is added as it is."""
    return not is_basic(m["index"])


def one_position_in_each(m: Match) -> Mapping[str, Any] | bool:
    """The index of a matrix is positions beside all rows or all columns in their order, and the
    sum is along the other axis; the shape that comes out.
    """
    index, first = m["index"], m["first"]
    if len(first) != 2 or not isinstance(index, tuple) or len(index) != 2:
        return False
    summed = axes(m["axis"], first)
    other = [i for i in (0, 1) if i not in summed]
    if len(other) != 1 or not all(isinstance(i, np.ndarray) and i.ndim == 1 for i in index):
        return False
    each = index[other[0]]
    return its_shape(m) if np.array_equal(each, np.arange(first[other[0]])) else False


def one_place_for_both(m: Match) -> bool:
    """x and y have one shape, and the index takes no element twice: slices and integers alone."""
    return is_basic(m["index"]) and shape_of(m["x"]) == shape_of(m["y"])


def the_same_place(m: Match) -> bool:
    """All of x, in its shape, is taken from where it was put; no two elements are added up there.

    Slices and integers alone do that.
    """
    return is_basic(m["index"]) and shape_of(m["x"]) == m.root.shape


def its_shape(m: Match) -> Mapping[str, Any]:
    """The shape that comes out."""
    return {"shape": m.root.shape}


def y_is_alike_along_the_axis(m: Match) -> bool:
    """y is an array of length 1 along the axes that are summed over."""
    y, x = shape_of(m["y"]), m.root.inputs[0].shape
    return len(y) == len(x) and all(y[i] == 1 for i in axes(m["axis"], x))


def merged_axes(m: Match) -> Mapping[str, Any] | bool:
    """The axes of two sums, one after the other, counted in what goes into the first."""
    if m["keepdims1"] != m["keepdims2"]:
        return False
    n = len(shape_of(m["x"]))
    first = axes(m["axis1"], shape_of(m["x"]))
    left = [i for i in range(n) if m["keepdims1"] or i not in first]
    second = (left[i] for i in axes(m["axis2"], m.root.inputs[0].shape))
    over = tuple(sorted({*first, *second}))
    return {"axis": None if len(over) == n else over, "keepdims": m["keepdims1"]}


def nothing_summed(m: Match) -> Mapping[str, Any] | bool:
    """All axes that are summed over have length 1."""
    shape = shape_of(m["x"])
    lone = all(shape[i] == 1 for i in axes(m["axis"], shape))
    return its_shape(m) if lone else False


def longer_by_ones(m: Match) -> Mapping[str, Any] | bool:
    """What is summed has the axes of x, and others of length 1: the axes of x summed over, and the
    shape of the result.
    """
    given, shape = shape_of(m["x"]), m.root.inputs[0].shape
    places = [i for i, n in enumerate(shape) if n != 1]
    kept = [i for i, n in enumerate(given) if n != 1]
    if [shape[i] for i in places] != [given[i] for i in kept] or len(shape) <= len(given):
        return False
    summed = axes(m["axis"], shape)
    over = tuple(i for i, place in zip(kept, places, strict=True) if place in summed)
    return {"over": over, "shape": m.root.shape} if over else False


def ones_summed(m: Match) -> Mapping[str, Any] | bool:
    """Some axes of length 1 are summed over, which the sum does not keep: without these."""
    shape = m.root.inputs[0].shape
    summed = axes(m["axis"], shape)
    left = [i for i in range(len(shape)) if not (i in summed and shape[i] == 1)]
    over = tuple(k for k, i in enumerate(left) if i in summed)
    if len(left) == len(shape) or not over:
        return False
    return {"over": over, "shape": tuple(shape[i] for i in left)}


def all_of_a_number(m: Match) -> Mapping[str, Any] | bool:
    """The constant c, which is not −0, stands so often in what is summed to a number."""
    times = prod(m.root.inputs[0].shape)
    number = m.root.shape == () and is_constant(m["c"]) and not (m["c"] == 0 and signbit(m["c"]))
    return {"k": times} if number else False


def all_of_any_number(m: Match) -> Mapping[str, Any] | bool:
    """The number c stands so often in what is summed to a number."""
    return {"k": prod(m.root.inputs[0].shape)} if m.root.shape == () else False


def undone(m: Match) -> bool:
    """The second order of axes takes back the first."""
    n = len(shape_of(m["x"]))
    first, second = _order(m["axes1"], n), _order(m["axes2"], n)
    return [first[i] for i in second] == list(range(n))


def reversed_axes(m: Match) -> bool:
    """All axes in reverse order, written out."""
    n = len(shape_of(m["x"]))
    return m["axes"] is not None and _order(m["axes"], n) == _order(None, n)


def same_axes(m: Match) -> bool:
    """All axes stay where they are."""
    n = len(shape_of(m["x"]))
    return _order(m["axes"], n) == list(range(n))


def both_axes(m: Match) -> bool:
    """The two axes of a matrix are exchanged."""
    return len(shape_of(m["x"])) == 2 and (m["axis1"] - m["axis2"]) % 2 == 1


def last_axes_in_order(m: Match) -> bool:
    """The last two of several axes are exchanged, written as an order of axes."""
    n = len(shape_of(m["x"]))
    return n > 2 and _order(m["axes"], n) == [*range(n - 2), n - 1, n - 2]


def last_axes_otherwise(m: Match) -> bool:
    """The last two of several axes are exchanged, but not as −1, −2."""
    n, pair = len(shape_of(m["x"])), (m["axis1"], m["axis2"])
    return n > 2 and {i % n for i in pair} == {n - 1, n - 2} and pair != (-1, -2)


def _order(order: Any, n: int) -> list[int]:
    return list(range(n))[::-1] if order is None else [i % n for i in order]
