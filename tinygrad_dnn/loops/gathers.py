"""Columns and rows of constants, picked anew in every step: X[:, batch] = X Eᵀ.

E (k, m) has a 1 in each row, at the position that is picked. A product with E picks, and one with
its transpose scatters; the matrix itself need not be made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_dnn.graph import Node
from tinygrad_dnn.loops.step_graph import is_transpose, made, scaled
from tinygrad_dnn.ops import Op, multiply, negative, scatter_add, take


class Picked(NamedTuple):
    """The columns (axis 1) or rows (axis 0) of a constant matrix at positions (k,)."""

    constant: Node
    positions: Node
    axis: int


@cache
def _eye(k: int, dtype: Any) -> Any:
    # Element (i, j) is that at k − 1 − i + j of one row, so that its memory is 2 k numbers.
    row = np.zeros(2 * k - 1 if k else 0, dtype)
    row[k - 1 : k] = 1
    step = row.itemsize
    return as_strided(row[k - 1 :], (k, k), (-step, step), writeable=False)


def _node(op: Op, x: Any, at: Any, shape: tuple[int, int], meta: Mapping[str, Any]) -> Node:
    return Node(op, (x, at), meta, shape, x.dtype)


def selection(at: Node, m: int, dtype: Any) -> Node:
    """E (k, m) for positions (k,): E y are rows of y."""
    (k,) = at.shape
    return _node(scatter_add, _eye(k, dtype), at, (k, m), {"shape": (k, m), "axis": 1})


def is_selection(x: Node) -> bool:
    """Whether a node is such an E."""
    return x.op is scatter_add and x.inputs[0] is _eye(x.shape[0], x.dtype)


def without_number(x: Node) -> tuple[Any, Node]:
    """x = a y: the number and the rest."""
    a: Any = 1
    while x.op is multiply or x.op is negative:
        *front, y = x.inputs
        if not isinstance(y, Node) or any(getattr(f, "shape", ()) for f in front):
            break
        a, x = scaled(front[0] if front else -1.0, a), y
    return a, x


def _taken_apart(x: Node) -> tuple[Any, Node | None, bool]:
    """x = a E, or a Eᵀ: the number, the positions (None: it is neither), and whether transposed."""
    a, x = without_number(x)
    inner = x.inputs[0] if is_transpose(x) else x
    if not isinstance(inner, Node) or not is_selection(inner):
        return 1, None, False
    return a, inner.inputs[1], inner is not x


def product(x: Node, y: Node) -> Node:
    """x y; where one of them is a E or a Eᵀ, by picking or scattering."""
    a, at, is_turned = _taken_apart(y)
    if at is not None:
        found = _picked_or_scattered(x, at, y.shape[1], is_turned, 1)
    else:
        a, at, is_turned = _taken_apart(x)
        if at is None:
            return made("matmul", x, y)
        found = _picked_or_scattered(y, at, x.shape[0], not is_turned, 0)
    result: Node = scaled(a, found)
    return result


def _picked_or_scattered(x: Node, at: Node, n: int, picks: bool, axis: int) -> Node:
    """x Eᵀ or x E along axis 1, E x or Eᵀ x along axis 0; n is the length of that axis then."""
    shape = (n, x.shape[1]) if axis == 0 else (x.shape[0], n)
    if picks:
        return _node(take, x, at, shape, {"axis": axis})
    return _node(scatter_add, x, at, shape, {"shape": shape, "axis": axis})


def taken(x: Node, at: Node, axis: int) -> Node:
    """Rows (axis 0) or columns of a matrix at positions (k,)."""
    (k,), (n, m) = at.shape, x.shape
    return _node(take, x, at, (k, m) if axis == 0 else (n, k), {"axis": axis})


def found_in(node: Node, constant: Collection[Node]) -> Picked | None:
    """A node as a gather, if it picks columns or rows of a constant at positions that are none."""
    if node.op is not take or len(node.shape) != 2:
        return None
    x, at = node.inputs
    known = isinstance(x, Node) and isinstance(at, Node) and x in constant
    if not known or len(x.shape) != 2 or node.meta["axis"] is None:
        return None
    return Picked(x, at, node.meta["axis"] % 2)


def moved_out(
    node: Node, picked: Mapping[Node, Picked], constant: Collection[Node]
) -> Picked | None:
    """An elementwise op of picked columns, f(X[:, batch]), as picked columns of f(X); else None.

    Beside them may stand numbers, and constants that are the same for every column.
    """
    op = node.op
    if not op.elementwise or not op.builtin:
        return None
    those = [picked[x] for x in node.inputs if isinstance(x, Node) and x in picked]
    if len({(p.positions, p.axis) for p in those}) != 1:
        return None
    (_, at, axis), *_ = those
    inputs = []
    for x in node.inputs:
        if isinstance(x, Node) and x in picked:
            inputs.append(picked[x].constant)
            continue
        known = not isinstance(x, Node) or x in constant
        shape = (1, 1, *getattr(x, "shape", ()))
        if not known or len(shape) > 4 or shape[axis - 2] != 1:
            return None
        inputs.append(x)
    shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x in inputs))
    whole = Node(op, tuple(inputs), node.meta, shape, node.dtype, scope=node.scope)
    return Picked(whole, at, axis)
