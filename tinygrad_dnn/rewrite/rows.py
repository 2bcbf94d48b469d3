"""The rows that both tables choose from, in groups.

Of two rows that apply the earlier one is taken. A row is a line of mathematics, a condition where
its form alone is not enough, and where its sides differ.
"""

from __future__ import annotations

from functools import partial

from tinygrad_dnn.ops import (
    broadcast_to,
    getitem,
    identity,
    negative,
    power,
    reshape,
    scatter,
    sigmoid,
    sum,
    swapaxes,
    transpose,
    where,
)
from tinygrad_dnn.rewrite import conditions as when
from tinygrad_dnn.rewrite.terms import Row

# What tests call the lines with.
LEFT = ({"x": (3, 4), "y": (4, 2)}, {"x": (3, 2), "y": (2, 1)}, {"x": (1, 6), "y": (6, 1)})
RIGHT = ({"y": (2, 4), "x": (4, 3)}, {"y": (1, 3), "x": (3, 3)}, {"x": (6, 1), "y": (1, 6)})
SMALL_LEFT, SMALL_RIGHT = ({"x": (3, 1), "y": (1, 4)},), ({"x": (4, 2), "y": (2, 1)},)
AXES = tuple(
    {"x": (3, 4), "axis": axis, "keepdims": keep}
    for axis in (None, 0, (1,))
    for keep in (True, False)
)
TWO_AXES = tuple(
    {"x": shape, "axis1": one, "axis2": other, "keepdims1": keep, "keepdims2": keep}
    for shape, one, other in (
        ((2, 3, 4), 0, 0), ((2, 3, 4), (0, 2), None), ((2, 2), 1, 0), ((2, 2), 0, 0),
    )
    for keep in (True, False)
)  # fmt: skip

OPPOSITE = ({"x": (3, 4), "y": (3, 4), "c": 0.3, "k": -0.3},)

NO_QUOTIENT = "where the divisor is 0, infinite or NaN"
NOT_FINITE = "where a value is infinite or NaN"
TOO_LARGE = "where a number on the way overflows or underflows"

mathematics = partial(Row, rounds=True, awkward=NOT_FINITE)
quotient = partial(Row, rounds=True, awkward=NO_QUOTIENT)
scaled = partial(Row, rounds=True, awkward=TOO_LARGE)

# Of real numbers, which have one zero. For readers: 1 / (x + 0) is not 1 / x where x is −0.
ONE_ZERO = (
    Row("negative of a difference", lambda x, y: (-(x - y), y - x), zeros=True),
    Row("plus zero", lambda x: (x + 0, x), zeros=True),
    Row("zero minus", lambda x: (0 - x, -x), zeros=True),
    Row("negatives add up", lambda x, y: ((-x) - y, -(x + y)), when.no_larger, zeros=True),
    Row(
        "sign out of a left factor",
        lambda x, y: ((-x) @ y, -(x @ y)), when.no_larger, zeros=True, cases=LEFT,
    ),
    Row(
        "sign out of a right factor",
        lambda x, y: (y @ (-x), -(y @ x)), when.no_larger, zeros=True, cases=RIGHT,
    ),
    Row(
        "sign out of a sum",
        lambda x, axis, keepdims: (
            sum(-x, axis, keepdims=keepdims), -sum(x, axis, keepdims=keepdims)
        ),
        zeros=True, cases=AXES,
    ),
    Row(
        "product with a single element",
        lambda x, y: (x @ y, x * y), when.y_is_single, zeros=True,
        cases=({"x": (3, 1), "y": (1, 1)},),
    ),
    Row(
        "product of a single element",
        lambda x, y: (x @ y, x * y), when.x_is_single, zeros=True,
        cases=({"x": (1, 1), "y": (1, 3)},),
    ),
    Row(
        "sum of one element",
        lambda x, axis, keepdims, shape=None: (sum(x, axis, keepdims=keepdims), reshape(x, shape)),
        when.nothing_summed, zeros=True,
        cases=({"x": (3, 1), "axis": 1, "keepdims": True},
               {"x": (1, 1), "axis": None, "keepdims": False}),
    ),
)  # fmt: skip

MINUS_MINUS = Row("minus minus", lambda x: (negative(-x), x))
SIGNS = (
    Row("minus zero", lambda x: (x - 0, x)),
    Row("times one", lambda x: (x * 1, x)),
    Row("over one", lambda x: (x / 1, x)),
    Row("to the power one", lambda x: (power(x, 1), x)),
    Row("times minus one", lambda x: (x * -1, -x)),
    MINUS_MINUS,
    Row("plus a negative", lambda x, y: (x + -y, x - y)),
    Row("minus a negative", lambda x, y: (x - -y, x + y)),
    Row("sign out of a product", lambda x, y: ((-x) * y, -(x * y)), when.no_larger),
    Row("sign out of a numerator", lambda x, y: ((-x) / y, -(x / y)), when.no_larger),
    Row("sign out of a denominator", lambda x, y: (y / (-x), -(y / x)), when.no_larger),
    Row("sign out of a transpose", lambda x: ((-x).T, -(x.T))),
    Row("number takes the sign", lambda c, x: (-(c * x), (-c) * x), when.constant_number),
)  # fmt: skip

SHAPES = (
    Row("identity", lambda x: (identity(x), x), floats=False),
    Row(
        "axes as they are", lambda x, axes: (transpose(x, axes), x), when.same_axes,
        floats=False, cases=({"x": (2, 3), "axes": (0, -1)}, {"x": (3,), "axes": None}),
    ),
    Row(
        "axes in reverse order", lambda x, axes: (transpose(x, axes), x.T), when.reversed_axes,
        floats=False, cases=({"x": (2, 3, 4), "axes": (2, 1, -3)},),
    ),
    Row(
        "axes of a matrix exchanged",
        lambda x, axis1, axis2: (swapaxes(x, axis1, axis2), x.T), when.both_axes, floats=False,
        cases=({"x": (2, 3), "axis1": -1, "axis2": -2},),
    ),
    Row(
        "transposed back",
        lambda x, axes1, axes2: (transpose(transpose(x, axes1), axes2), x), when.undone,
        floats=False,
        cases=({"x": (2, 3), "axes1": None, "axes2": None},
               {"x": (2, 3, 4), "axes1": (1, 2, 0), "axes2": (2, 0, -2)}),
    ),
    Row(
        "part taken from its place",
        lambda x, index, shape: (getitem(scatter(x, index, shape), index), x),
        when.the_same_place, floats=False,
        cases=({"x": (2, 3), "index": (slice(1, 3),), "shape": (4, 3)},
               {"x": (3,), "index": (Ellipsis, 1), "shape": (3, 2)}),
    ),
    scaled(
        "transpose of transposes",
        lambda x, y: ((x.T @ y.T).T, y @ x), when.matrices,
        cases=({"x": (4, 2), "y": (3, 4)}, {"x": (50, 20), "y": (30, 50)}),
    ),
    Row(
        "shape of a shape",
        lambda x, first, shape: (reshape(reshape(x, first), shape), reshape(x, shape)),
        when.its_shape, floats=False, cases=({"x": (2, 6), "first": (12,), "shape": (3, 4)},),
    ),
    Row(
        "number in another shape", lambda c, y, shape: (reshape(c, shape) * y, c * y), floats=False,
        cases=({"y": (3, 4), "shape": (1, 1)}, {"y": (3, 4), "shape": (1,)}),
    ),
    Row(
        "repeated number in another shape",
        lambda c, first, shape: (
            reshape(broadcast_to(c, first), shape), broadcast_to(c, shape)
        ),
        when.its_shape, floats=False, cases=({"first": (12,), "shape": (3, -1)},),
    ),
    Row(
        "its own shape",
        lambda x, shape: (reshape(x, shape), x), when.same_shape, floats=False,
        cases=({"x": (2, 6), "shape": (2, -1)},),
    ),
    Row(
        "repeated to its own shape",
        lambda x, shape: (broadcast_to(x, shape), x), when.same_shape, floats=False,
        cases=({"x": (2, 6), "shape": (2, 6)},),
    ),
    Row(
        "repeated twice",
        lambda x, first, shape: (
            broadcast_to(broadcast_to(x, first), shape), broadcast_to(x, shape)
        ),
        floats=False, cases=({"x": (1,), "first": (3, 1), "shape": (3, 4)},),
    ),
)  # fmt: skip

SUMS = (
    scaled(
        "sums merge",
        lambda x, axis1, keepdims1, axis2, keepdims2, axis=None, keepdims=None: (
            sum(sum(x, axis1, keepdims=keepdims1), axis2, keepdims=keepdims2),
            sum(x, axis, keepdims=keepdims),
        ),
        when.merged_axes, cases=TWO_AXES,
    ),
    Row(
        "sum of one number",
        lambda c, shape, axis, keepdims, k=None: (
            sum(broadcast_to(c, shape), axis, keepdims=keepdims), k * c
        ),
        when.all_of_a_number, rounds=True,
        cases=({"shape": (3, 7), "axis": None, "keepdims": False},),
    ),
)  # fmt: skip

# (x / y) ⊙ y and its kin: what the division took is given back.
CANCELLED = (
    quotient("divided and multiplied", lambda x, y: ((x / y) * y, x)),
    quotient("multiplied and divided", lambda x, y: ((x * y) / y, x)),
    quotient(
        "divisor of a first term",
        lambda x, y, a: ((x / a - y) * a, x - y * a),
    ),
    quotient(
        "divisor of a second term",
        lambda x, y, a: ((x - y / a) * a, x * a - y),
    ),
    quotient(
        "divisor of a term",
        lambda x, y, a: ((x / a + y) * a, x + y * a),
    ),
    scaled(
        "factor into the numerator",
        lambda x, y, a: ((x / a) * y, (x * y) / a), when.quotient_as_large,
    ),
    mathematics(
        "products with complements",
        lambda x, a: (x * (1 - a) - (1 - x) * a, (x - x * a) - (a - x * a)),
        awkward=f"{NOT_FINITE}, or x the least whole number", labels=True,
    ),
    mathematics(
        "slopes of both labels",
        lambda x, a: ((1 - a) * sigmoid(x) - a * sigmoid(-x), sigmoid(x) - a),
        awkward=f"{NOT_FINITE}, or a the least whole number", labels=True,
    ),
    mathematics(
        "slopes of both labels turned",
        lambda x, a: (a * sigmoid(-x) - (1 - a) * sigmoid(x), a - sigmoid(x)),
        awkward=f"{NOT_FINITE}, or a the least whole number", labels=True,
    ),
    mathematics("common part of a difference", lambda x, y, a: ((x - a) - (y - a), x - y)),
)  # fmt: skip

COMMON_FACTOR = scaled(
    "common factor", lambda x, y, a: (x * a - y * a, (x - y) * a), when.arrays,
)  # fmt: skip

# A sum is never −0, nor is 0 − 0.
FROM_ZERO = (
    Row(
        "sum of negatives",
        lambda x, axis, keepdims: (
            sum(-x, axis, keepdims=keepdims), 0 - sum(x, axis, keepdims=keepdims)
        ),
        cases=AXES,
    ),
    Row(
        "sum of negative differences",
        lambda x, y, axis, keepdims: (
            sum((-x) - y, axis, keepdims=keepdims), 0 - sum(x + y, axis, keepdims=keepdims)
        ),
        cases=AXES,
    ),
    Row(
        "from zero and back",
        lambda c, x, axis, keepdims: (
            0 - c * (0 - sum(x, axis, keepdims=keepdims)), c * sum(x, axis, keepdims=keepdims)
        ),
        when.above_zero, cases=AXES,
    ),
    scaled(
        "sum of negative multiples",
        lambda c, x, axis, keepdims: (
            sum(c * x, axis, keepdims=keepdims), 0 - (-c) * sum(x, axis, keepdims=keepdims)
        ),
        when.below_zero_of_array, cases=AXES,
    ),
)  # fmt: skip

NUMBERS = (
    scaled(
        "numbers meet", lambda c, k, x: (c * (k * x), (c * k) * x), when.an_array,
    ),
    scaled(
        "division by a number", lambda c, x: (x / c, (1 / c) * x), when.an_array,
    ),
    scaled(
        "common number of a sum", lambda c, x, y: (c * x + c * y, c * (x + y)),
        when.above_zero_of_arrays,
    ),
    scaled(
        "common number of a difference", lambda c, x, y: (c * x - c * y, c * (x - y)),
        when.above_zero_of_arrays,
    ),
    scaled(
        "opposite numbers of a sum", lambda c, k, x, y: (c * x + k * y, c * (x - y)),
        when.opposite, cases=OPPOSITE,
    ),
    scaled(
        "opposite numbers of a difference", lambda c, k, x, y: (c * x - k * y, c * (x + y)),
        when.opposite, cases=OPPOSITE,
    ),
    scaled(
        "number out of a sum",
        lambda c, x, axis, keepdims: (
            sum(c * x, axis, keepdims=keepdims), c * sum(x, axis, keepdims=keepdims)
        ),
        when.above_zero_of_array, cases=AXES,
    ),
    Row("number out of a transpose", lambda c, x: ((c * x).T, c * x.T), when.an_array),
    Row(
        "number out of a choice",
        lambda c, p, x: (where(p, c * x, 0), c * where(p, x, 0)), when.above_zero,
    ),
)  # fmt: skip

OUT = (
    scaled(
        "number out of a left factor",
        lambda c, x, y: ((c * x) @ y, c * (x @ y)), when.number_out, cases=LEFT[2:],
    ),
    scaled(
        "number out of a right factor",
        lambda c, x, y: (x @ (c * y), c * (x @ y)), when.number_out, cases=LEFT[2:],
    ),
    scaled(
        "number out of a product", lambda c, x, y: ((c * x) * y, c * (x * y)), when.as_large,
    ),
    scaled(
        "number out of a numerator", lambda c, x, y: ((c * x) / y, c * (x / y)), when.as_large,
    ),
    scaled(
        "number out of a denominator", lambda c, x, y: (x / (c * y), (1 / c) * (x / y)),
        when.as_large,
    ),
)  # fmt: skip

IN = (
    scaled(
        "number to the left factor",
        lambda c, x, y: (c * (x @ y), (c * x) @ y), when.above_zero_to_x, cases=SMALL_LEFT,
    ),
    scaled(
        "number from right to left",
        lambda c, x, y: (x @ (c * y), (c * x) @ y), when.number_to_x, cases=SMALL_LEFT,
    ),
    scaled(
        "number to the right factor",
        lambda c, x, y: (c * (x @ y), x @ (c * y)), when.above_zero_to_y, cases=SMALL_RIGHT,
    ),
    scaled(
        "number from left to right",
        lambda c, x, y: ((c * x) @ y, x @ (c * y)), when.number_to_y, cases=SMALL_RIGHT,
    ),
    scaled(
        "number to the smaller factor", lambda c, x, y: (c * (x * y), (c * x) * y),
        when.x_is_smaller, cases=({"x": (3, 1), "y": (3, 4)},),
    ),
    Row(
        "number before it is repeated",
        lambda c, x, shape: (c * broadcast_to(x, shape), broadcast_to(c * x, shape)),
        cases=({"x": (1, 4), "shape": (3, 4)},),
    ),
)  # fmt: skip

ZERO = Row("times zero", lambda x: (x * 0, 0), when.x_is_finite, floats=False, whole="x")
