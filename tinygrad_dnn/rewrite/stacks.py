"""Rows of stacks of matrices, for readers: (Qᵀ dS)ᵀ is dSᵀ Q of several heads as of one."""

from __future__ import annotations

from functools import partial

from tinygrad_dnn.ops import swapaxes, transpose
from tinygrad_dnn.rewrite import conditions as when
from tinygrad_dnn.rewrite.rows import scaled
from tinygrad_dnn.rewrite.terms import Row

_turned = partial(swapaxes, axis1=-1, axis2=-2)  # what is written xᵀ
_CASES = ({"x": (2, 4, 3), "y": (2, 4, 5)}, {"x": (4, 3), "y": (2, 4, 5)})

STACKS = (
    Row(
        "matrices transposed by an order of axes",
        lambda x, axes: (transpose(x, axes), _turned(x)), when.last_axes_in_order, floats=False,
        cases=({"x": (2, 4, 3), "axes": (0, 2, -2)},),
    ),
    Row(
        "matrices transposed by their axes",
        lambda x, axis1, axis2: (swapaxes(x, axis1, axis2), _turned(x)), when.last_axes_otherwise,
        floats=False, cases=({"x": (2, 4, 3), "axis1": 1, "axis2": 2},),
    ),
    Row(
        "matrices transposed back", lambda x: (_turned(_turned(x)), x), floats=False,
        cases=({"x": (2, 4, 3)},),
    ),
    Row("sign out of transposes", lambda x: (_turned(-x), -_turned(x)), cases=({"x": (2, 4, 3)},)),
    Row(
        "number out of transposes", lambda c, x: (_turned(c * x), c * _turned(x)), when.an_array,
        cases=({"c": 0.3, "x": (2, 4, 3)},),
    ),
    scaled(
        "transposes of transposes",
        lambda x, y: (_turned(_turned(x) @ _turned(y)), y @ x), when.stacks,
        cases=({"x": (2, 4, 3), "y": (2, 5, 4)},),
    ),
    scaled(
        "transposes into left factors",
        lambda x, y: (_turned(_turned(x) @ y), _turned(y) @ x), when.stacks, cases=_CASES,
    ),
    scaled(
        "transposes into right factors",
        lambda x, y: (_turned(x @ _turned(y)), y @ _turned(x)), when.stacks,
        cases=({"x": (2, 3, 4), "y": (2, 5, 4)}, {"x": (3, 4), "y": (2, 5, 4)}),
    ),
)  # fmt: skip
