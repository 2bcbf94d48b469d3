"""The rows that hold on paper alone: for real numbers, as mathematics does, not for infinities."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from tinygrad_dnn.ops import (
    broadcast_to,
    exp,
    getitem,
    hypot,
    isfinite,
    isnan,
    log,
    logical_and,
    logical_not,
    logical_or,
    logsumexp,
    power,
    reciprocal,
    reshape,
    scatter,
    sigmoid,
    sqrt,
    square,
    sum,
    where,
)
from tinygrad_dnn.rewrite import conditions as when
from tinygrad_dnn.rewrite.rows import (
    COMMON_FACTOR,
    NO_QUOTIENT,
    NOT_FINITE,
    ONE_ZERO,
    mathematics,
    quotient,
    scaled,
)
from tinygrad_dnn.rewrite.stable import EXP_OF_LOG_SOFTMAX, FORMS, LOG_OF_EXP, OVERFLOWS
from tinygrad_dnn.rewrite.terms import Row

SINGLE = np.array([[0.7]])
SINGLE.flags.writeable = False
AT = np.array([0, 2, 1])

# What rules do where a number is infinite.
GUARDS = (
    mathematics(
        "no infinity on paper",
        lambda x, y: (where(x == -inf, 0, y), y),
        rounds=False,
        awkward="where x is −∞",
    ),
    mathematics(
        "no infinite divisor on paper",
        lambda x, y: (where(x == -inf, 1, y), y),
        rounds=False,
        awkward="where x is −∞",
    ),
)

# Of a softmax that is written as exp(x − logsumexp(x)).
SHARES = (
    Row(
        "shares add up to one",
        lambda x, axis, keepdims, shape: (
            sum(
                exp(x - reshape(logsumexp(x, axis, keepdims=keepdims), shape)), axis, keepdims=True
            ),
            1,
        ),
        rounds=True,
        awkward="where every x is −∞, or one is infinite or NaN",
        cases=(
            {"x": (3, 4), "axis": 1, "keepdims": False, "shape": (3, 1)},
            {"x": (4,), "axis": None, "keepdims": False, "shape": (1,)},
        ),
    ),
    Row(
        "shares in place add up to one",
        lambda x, axis: (sum(exp(x - logsumexp(x, axis, keepdims=True)), axis, keepdims=True), 1),
        rounds=True,
        awkward="where every x is −∞, or one is infinite or NaN",
        cases=({"x": (3, 4), "axis": 1}, {"x": (3, 4), "axis": (0, 1)}),
    ),
)

# The slope of a sigmoid that is written with exponentials.
SIGMOIDS = (
    FORMS[1],
    mathematics(
        "sigmoid, exponential behind the fraction",
        lambda x, y: ((y / (1 + exp(x))) * exp(x), y * sigmoid(x)),
        awkward=OVERFLOWS,
    ),
    mathematics(
        "sigmoid, exponential in a product",
        lambda x, y: ((y * exp(x)) / (1 + exp(x)), y * sigmoid(x)),
        awkward=OVERFLOWS,
    ),
    mathematics(
        "sigmoid in a longer fraction",
        lambda x, y, a: ((y * exp(x)) / (a * (1 + exp(x))), (y * sigmoid(x)) / a),
        awkward=OVERFLOWS,
    ),
    mathematics(
        "sigmoid of the other sign",
        lambda x: (sigmoid(x) * exp(-x), 1 - sigmoid(x)),
        awkward=OVERFLOWS,
    ),
)

# X w, where a weight is of shape (1, 1), stays a product of matrices.
# Where a sign stands is no question of size.
_SINGLE: dict[Any, Any] = {
    when.no_larger: {"where": None},
    when.x_is_single: {"where": when.x_is_a_single_result, "exponential": "x"},
    when.y_is_single: {"where": when.y_is_a_single_result, "exponential": "y"},
}
PLACE = ({"y": (2, 3), "x": (2, 3), "index": (slice(1, 3),), "shape": (4, 3)},)

ONLY_ON_PAPER = (
    Row(
        "times zero on paper", lambda x: (x * 0, 0), zeros=True, awkward=NOT_FINITE,
    ),
    quotient("zero divided", lambda x: (0 / x, 0), rounds=False, zeros=True),
    mathematics("minus itself", lambda x: (x - x, 0), rounds=False),
    quotient("over itself", lambda x: (x / x, 1), rounds=False),
    Row("twice", lambda x: (x + x, 2 * x)),
    scaled("twice in a sum", lambda x, y: ((y + x) + x, y + 2 * x)),
    scaled("twice subtracted", lambda x, y: ((y - x) - x, y - 2 * x)),
    scaled(
        "transpose into a left factor", lambda x, y: ((x.T @ y).T, y.T @ x), when.matrices,
        cases=({"x": (4, 2), "y": (4, 3)}, {"x": (50, 20), "y": (50, 30)}),
    ),
    scaled(
        "transpose into a right factor", lambda x, y: ((x @ y.T).T, y @ x.T), when.matrices,
        cases=({"x": (2, 4), "y": (3, 4)}, {"x": (20, 50), "y": (30, 50)}),
    ),
    Row(
        "one number in an array", lambda a, y, k=None: (a * y, k * y), when.one_constant_number,
        cases=({"a": SINGLE, "y": (3, 4)}, {"a": SINGLE, "y": (2, 1)}),
    ),
    Row("squared", lambda x: (x * x, square(x))),
    scaled("squared in a product", lambda x, y: (x * (x * y), square(x) * y), when.no_quotient),
    Row("cube", lambda x: (square(x) * x, power(x, 3)), rounds=True),
    Row("to the power two", lambda x: (power(x, 2), square(x))),
    mathematics(
        "square of a root", lambda x: (square(sqrt(x)), x), awkward="where x is below 0",
        positive="x",
    ),
    scaled("square of a fraction", lambda c, x: (square(c / x), square(c) / square(x))),
    quotient("square over itself", lambda x: (square(x) / x, x)),
    quotient("over its root", lambda x: (x / sqrt(x), sqrt(x)), positive="x"),
    quotient(
        "multiple over its root", lambda c, x: ((c * x) / sqrt(x), c * sqrt(x)), positive="x",
    ),
    quotient("itself over a square", lambda x: (x / square(x), 1 / x)),
    Row("reciprocal", lambda x: (reciprocal(x), 1 / x)),
    scaled("times a reciprocal", lambda x, y: (x * (1 / y), x / y), when.arrays),
    Row("constant first", lambda c, x: (x * c, c * x), when.a_constant_beside_numbers,
        as_written=True),
    scaled(
        "constant out of a product of numbers",
        lambda c, x, y: (x * (c * y), c * (x * y)), when.a_constant_beside_numbers,
    ),
    scaled("constants meet", lambda c, k, x: (c * (k * x), (c * k) * x), when.constant_numbers),
    scaled(
        "constant into a fraction", lambda c, k, x: (c * (k / x), (c * k) / x),
        when.constant_numbers,
    ),
    scaled(
        "number before a fraction", lambda c, k, x, y: (c * (x / (k * y)), (c / k) * (x / y)),
        when.constant_numbers,
    ),
    Row(
        "sum of squares in another shape",
        lambda x, first: (sum(square(reshape(x, first))), sum(square(x))),
        cases=({"x": (40, 30), "first": (1200,)},),
    ),
    quotient("common factor of a fraction", lambda x, y, a: ((x * a) / (y * a), x / y)),
    quotient("over a product with itself", lambda x, y: (x / (x * y), 1 / y), when.x_varies),
    quotient(
        "multiples of one number", lambda c, k, x: ((c * x) / (k * x), c / k), when.constant_numbers
    ),
    scaled("fraction shortened", lambda c, k, x: (c / (k * x), (c / k) / x), when.constant_numbers),
    scaled(
        "number into a sum over it",
        lambda c, k, x, y: (c * (x + (k / c) * y), c * x + k * y), when.arrays,
    ),
    scaled(
        "number into a difference over it",
        lambda c, k, x, y: (c * (x - (k / c) * y), c * x - k * y), when.arrays,
    ),
    scaled(
        "number into a first term over it",
        lambda c, k, x, y: (c * ((k / c) * y - x), k * y - c * x), when.arrays,
    ),
    Row(
        "number out of a part",
        lambda c, x, index: (getitem(c * x, index), c * getitem(x, index)), when.an_array,
        cases=({"x": (4, 3), "index": (slice(1, 3),)},),
    ),
    Row(
        "number with a repeated number",
        lambda c, k, shape: (c * broadcast_to(k, shape), broadcast_to(c * k, shape)),
        cases=({"c": 0.3, "k": 0.7, "shape": (3, 4)},),
    ),
    mathematics(
        "product with a repeated row",
        lambda y, x, shape: (y @ broadcast_to(x, shape), sum(y, 1, keepdims=True) @ x),
        when.a_repeated_row, cases=({"y": (3, 4), "x": (1, 2), "shape": (4, 2)},),
    ),
    mathematics(
        "product of a repeated column",
        lambda x, y, shape: (broadcast_to(x, shape) @ y, x @ sum(y, 0, keepdims=True)),
        when.a_repeated_column, cases=({"x": (3, 1), "y": (4, 2), "shape": (3, 4)},),
    ),
    mathematics(
        "product with a repeated column",
        lambda y, x, first, shape: (y @ broadcast_to(x, first), broadcast_to(y @ x, shape)),
        when.a_column_beside, cases=({"y": (3, 4), "x": (4, 1), "first": (4, 2)},),
    ),
    mathematics(
        "one number with a row",
        lambda c, y, first, shape: (broadcast_to(c, first) @ y, broadcast_to(c * y, shape)),
        when.one_before_a_row, rounds=False,
        cases=({"y": (1, 4), "c": 0.3, "first": (3, 1)},),
    ),
    scaled(
        "product with a repeated number",
        lambda y, c, shape: (y @ broadcast_to(c, shape), c * sum(y, 1, keepdims=True)),
        when.in_a_column, cases=({"y": (3, 4), "c": 0.3, "shape": (4, 1)},),
    ),
    scaled(
        "product of a repeated number",
        lambda c, y, shape: (broadcast_to(c, shape) @ y, c * sum(y, 0, keepdims=True)),
        when.in_a_row, cases=({"y": (4, 2), "c": 0.3, "shape": (1, 4)},),
    ),
    Row(
        "parts of one place",
        lambda x, y, index, shape: (
            scatter(x, index, shape) + scatter(y, index, shape), scatter(x + y, index, shape)
        ),
        when.one_place_for_both,
        cases=({"x": (2, 3), "y": (2, 3), "index": (slice(1, 3),), "shape": (4, 3)},),
    ),
    scaled(
        "number out of a place",
        lambda c, x, index, shape: (scatter(c * x, index, shape), c * scatter(x, index, shape)),
        when.an_array, cases=({"x": (2, 3), "index": (slice(1, 3),), "shape": (4, 3)},),
    ),
    Row(
        "sum along axes that a shape only adds ones to",
        lambda x, first, axis, keepdims, over=None, shape=None: (
            sum(reshape(x, first), axis, keepdims=keepdims),
            reshape(sum(x, over, keepdims=True), shape),
        ),
        when.longer_by_ones,
        cases=({"x": (3, 4), "first": (1, 3, 4), "axis": 1, "keepdims": False},
               {"x": (3, 4), "first": (3, 4, 1), "axis": (0, 2), "keepdims": True}),
    ),
    Row(
        "sum over axes of a shape of length one",
        lambda x, first, axis, over=None, shape=None: (
            sum(reshape(x, first), axis, keepdims=False),
            sum(reshape(x, shape), over, keepdims=False),
        ),
        when.ones_summed,
        cases=({"x": (3, 4), "first": (3, 2, 1, 2), "axis": (1, 2)},),
    ),
    scaled(
        "number out of a denominator in a shape",
        lambda c, k, x, shape: (reshape(k / (c * x), shape), (k / c) * reshape(1 / x, shape)),
        when.a_constant_above_a_number, awkward=NO_QUOTIENT,
        cases=({"x": (2, 3), "shape": (3, 2)},),
    ),
    Row("sign out of a shape", lambda x, shape: (reshape(-x, shape), -reshape(x, shape)),
        cases=({"x": (2, 3), "shape": (3, 2)},)),
    Row(
        "number out of a shape",
        lambda c, x, shape: (reshape(c * x, shape), c * reshape(x, shape)), when.an_array,
        cases=({"x": (2, 3), "shape": (3, 2)},),
    ),
    scaled("number times a reciprocal", lambda c, k: (c * (1 / k), c / k)),
    Row("fraction takes the sign", lambda c, x: (-(c / x), (-c) / x), when.constant_number),
    mathematics(
        "divisor out of a sum",
        lambda x, y, axis: (sum(x / y, axis, keepdims=True), sum(x, axis, keepdims=True) / y),
        when.y_is_alike_along_the_axis, awkward=NO_QUOTIENT,
        cases=({"x": (3, 4), "y": (3, 1), "axis": 1},),
    ),
    quotient(
        "common divisor of a difference", lambda x, y, a: (x / a - y / a, (x - y) / a), when.arrays
    ),
    scaled("divided twice", lambda x, y, a: ((x / y) / a, x / (y * a))),
    quotient(
        "divided by a quotient", lambda x, y, a: (x / (y / a), (x * a) / y),
    ),
    Row(
        "number with a number in place",
        lambda c, k, first, index, shape: (
            c * scatter(broadcast_to(k, first), index, shape),
            scatter(broadcast_to(c * k, first), index, shape),
        ),
        cases=({"c": 0.3, "k": 0.7, "first": (2, 3), "index": (slice(1, 3),), "shape": (4, 3)},),
    ),
    Row(
        "number at positions",
        lambda c, first, index, shape: (
            scatter(broadcast_to(c, first), index, shape), scatter(c, index, shape)
        ),
        when.at_positions, floats=False,
        cases=({"c": 0.7, "first": (3,), "index": (AT, AT), "shape": (4, 3)},),
    ),
    Row(
        "sum of a number at one position of each",
        lambda c, index, first, axis, shape=None: (
            sum(scatter(c, index, first), axis, keepdims=True), broadcast_to(c, shape)
        ),
        when.one_position_in_each,
        cases=({"c": 0.7, "index": (np.arange(3), AT), "first": (3, 4), "axis": 1},
               {"c": 0.7, "index": (AT, np.arange(3)), "first": (4, 3), "axis": (0,)}),
    ),
    Row(
        "negative number at positions",
        lambda c, x, index, shape, k=None: (
            x + scatter(c, index, shape), x - scatter(k, index, shape)
        ),
        when.positive_instead,
        zeros=True,
        cases=({"c": -0.7, "x": (3, 4), "index": (np.arange(3), AT), "shape": (3, 4)},),
    ),
    scaled(
        "common number of positions",
        lambda c, k, x, index, shape, a=None, b=None: (
            scatter(c / k, index, shape) - (c / k) * x, (a / k) * (x - scatter(b, index, shape))
        ),
        when.one_instead, awkward=NO_QUOTIENT,
        cases=({"c": -0.7, "x": (3, 4), "index": (np.arange(3), AT), "shape": (3, 4)},),
    ),
    Row(
        "negative number over", lambda c, x, y, k=None: (x + c / y, x - k / y),
        when.positive_instead, cases=({"c": -0.7, "x": (3, 4), "y": (3, 4)},),
    ),
    Row(
        "choice of a repeated number",
        lambda p, c, y, shape: (where(p, broadcast_to(c, shape), y), where(p, c, y)),
        cases=({"p": (3, 4), "c": 0.3, "y": (3, 4), "shape": (3, 4)},),
    ),
    Row(
        "number into a choice over it",
        lambda c, k, p, y: (c * where(p, k / c, y), where(p, k, c * y)),
        rounds=True, awkward=NO_QUOTIENT, cases=({"p": (3, 4), "y": (3, 4)},),
    ),
    Row(
        "number into a choice over it in a product",
        lambda c, k, p, x, y: (c * (where(p, k / c, y) * x), where(p, k, c * y) * x),
        rounds=True, awkward=NO_QUOTIENT, cases=({"p": (3, 4), "x": (3, 4), "y": (3, 4)},),
    ),
    Row(
        "number with a number in a choice",
        lambda c, k, p, y: (c * where(p, 0, k * y), where(p, 0, (c * k) * y)),
        when.constant_numbers, rounds=True, zeros=True, awkward=NOT_FINITE,
        cases=({"p": (3, 4), "y": (3, 4)},),
    ),
    Row(
        "number with a number at positions",
        lambda c, k, index, shape: (c * scatter(k, index, shape), scatter(c * k, index, shape)),
        cases=({"c": 0.3, "k": 0.7, "index": (AT, AT), "shape": (4, 3)},),
    ),
    scaled(
        "number into a place that is divided by it",
        lambda c, x, y, index, shape: (
            c * scatter(x / (c * y), index, shape), scatter(x / y, index, shape)
        ),
        when.y_is_an_array, awkward=NO_QUOTIENT, cases=PLACE,
    ),
    scaled(
        "number into a negative place that is divided by it",
        lambda c, x, y, index, shape: (
            c * scatter(-(x / (c * y)), index, shape), scatter(-(x / y), index, shape)
        ),
        when.y_is_an_array, awkward=NO_QUOTIENT, cases=PLACE,
    ),
    mathematics("number added and taken away", lambda c, x: ((c + x) - c, x)),
    Row("choice between equals", lambda p, x: (where(p, x, x), x), floats=False),
    Row(
        "choice between equal numbers",
        lambda p, c, shape: (where(p, c, c), broadcast_to(c, shape)),
        when.its_shape, cases=({"p": (3, 4), "c": 0.3},),
    ),
    *SIGMOIDS,
    LOG_OF_EXP,
    mathematics(
        "exponential of a log", lambda x: (exp(log(x)), x),
        awkward="where x is below 0", positive="x",
    ),
    EXP_OF_LOG_SOFTMAX,
    Row("sigmoid of a negative", lambda x: (sigmoid(-x), 1 - sigmoid(x)), rounds=True),
    Row("choice as a mask", lambda p, x: (where(p, x, 0), x * p), zeros=True, awkward=NOT_FINITE),
    Row(
        "no NaN on paper", lambda p, x: (logical_or(p, isnan(x)), p),
        floats=False, awkward="where x is NaN", cases=({"p": (3, 4), "x": (3, 4)},),
    ),
    *GUARDS,
    mathematics(
        "no zero divisor on paper", lambda x: (where(x == 0, 1, x), x),
        rounds=False, awkward="where x is 0",
    ),
    Row("no zero root on paper", lambda x: (where(x == 0, 0, sqrt(x)), sqrt(x)), zeros=True),
    Row(
        "no multiple of a zero root on paper",
        lambda c, x: (where(x == 0, 0, c * sqrt(x)), c * sqrt(x)),
        zeros=True, awkward=NOT_FINITE,
    ),
    mathematics(
        "no quotient by a zero root on paper",
        lambda c, x, y: (where(x == 0, 0, y / (c * sqrt(x))), y / (c * sqrt(x))),
        rounds=False, awkward="where x is 0",
    ),
    mathematics(
        "no fraction by a zero root on paper",
        lambda k, x: (where(x == 0, 0, k / sqrt(x)), k / sqrt(x)),
        rounds=False, awkward="where x is 0",
    ),
    mathematics(
        "no choice above a zero root on paper",
        lambda c, k, x: (where(x == 0, 0, k) / (c * sqrt(x)), k / (c * sqrt(x))),
        rounds=False, awkward="where x is 0",
    ),
    mathematics(
        "no choice beside what is 0 as well on paper",
        lambda c, x, axis, keepdims: (
            where(sum(square(x), axis, keepdims=keepdims) == 0, 0, c) * x, c * x
        ),
        rounds=False, awkward="where all squares round to 0",
        cases=({"x": (1,), "axis": None, "keepdims": False},),
    ),
    mathematics(
        "no choice beside a row of zeros on paper",
        lambda y, x, axis: (
            where(sum(square(x), axis, keepdims=True) == 0, 0, y) * x, y * x
        ),
        rounds=False, awkward="where all squares round to 0",
        cases=({"x": (3, 4), "y": (3, 1), "axis": 1}, {"x": (3, 1), "y": (3, 1), "axis": 1}),
    ),
    Row(
        "choice within its own choice",
        lambda p, x, y: (where(p, 0, where(p, 0, x) / y), where(p, 0, x / y)),
        cases=({"p": (3, 1), "x": (3, 1), "y": (3, 1)},),
    ),
    Row(
        "choice within a multiple of its own choice",
        lambda p, c, x, y: (where(p, 0, (c * where(p, 0, x)) / y), where(p, 0, (c * x) / y)),
        cases=({"p": (3, 1), "x": (3, 1), "y": (3, 1)},),
    ),
    mathematics(
        "no choice in a number beside what is 0 as well on paper",
        lambda c, k, x, axis, keepdims: (
            (k * where(sum(square(x), axis, keepdims=keepdims) == 0, 0, c)) * x, (k * c) * x
        ),
        rounds=False, awkward="where all squares round to 0",
        cases=({"x": (1,), "axis": None, "keepdims": False},),
    ),
    *SHARES,
    Row("difference of squares", lambda x: ((1 - x) * (1 + x), 1 - square(x)), rounds=True),
    mathematics(
        "square of a hypotenuse", lambda x, y: (square(hypot(x, y)), square(x) + square(y)),
    ),
    mathematics(
        "no zero base on paper", lambda x, y: (where(logical_and(x == 0, y >= 0), 1, x), x),
        rounds=False, awkward="where x is 0 and y is not below 0",
    ),
    mathematics(
        "no zero multiple as divisor on paper", lambda c, x: (where(x == 0, 1, c * x), c * x),
        rounds=False, awkward="where x is 0",
    ),
    mathematics(
        "no zero exponent on paper",
        lambda x, y: (
            where(logical_and(y == 0, logical_or(x == 0, logical_not(isfinite(x)))), 1, x), x
        ),
        rounds=False, awkward="where y is 0 and x is 0 or not finite",
    ),
    replace(ONE_ZERO[0], where=when.x_varies),
    *(replace(row, **_SINGLE.get(row.where, {})) for row in ONE_ZERO[1:]),
    COMMON_FACTOR,
    Row("sign out of a number", lambda c, x: (c * x, -((-c) * x)), when.below_zero),
    Row(
        "sign into a difference", lambda c, x, y: (-(c * (x - y)), c * (y - x)), when.x_varies,
        zeros=True,
    ),
    Row("number in front", lambda c, x: (x * c, c * x), when.an_array, as_written=True),
)  # fmt: skip
