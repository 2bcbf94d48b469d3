"""Elements at positions that are an input: taken into their place, and added at theirs.

np.take with `out=` and mode="raise" writes into a copy of `out` first; so the positions are looked
at before, once for every axis, and the mode is "wrap", which allocates nothing.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_dnn import ops
from tinygrad_dnn.compiler.codegen.lower import Lowered, Task, contiguous
from tinygrad_dnn.graph import Node

WITHIN = (
    "within",
    "indices, n",
    (
        '"""Refuse indices that do not lie in an axis of length n."""',
        "if indices.size and not -n <= indices.min() <= indices.max() < n:",
        '    got = f"{indices.min()} to {indices.max()}"',
        '    raise IndexError(f"take: expected indices from {-n} to {n - 1}, got {got}")',
    ),
)


def looked_at(node: Node) -> tuple[Node, int] | None:
    """The positions that must lie in an axis, and its length; None where NumPy sees to it, or did
    when they were recorded.
    """
    at = node.inputs[1] if node.op is ops.take else None
    if not isinstance(at, Node):
        return None
    axis, shape = node.meta["axis"], node.input_shapes[0]
    return at, prod(shape) if axis is None else shape[axis]


def mode(task: Task, word: str) -> str:
    """The mode of np.take, where that has one."""
    return f', mode="{word}"' if task.lowered.dialect.modes else ""


def take(task: Task) -> list[str]:
    """The elements at positions that were looked at before."""
    node, (x, at), out = task.node, task.operands, task.out
    axis = node.meta["axis"]
    if axis is not None and _in_columns(node.inputs[0], task.lowered):
        # Whatever is not in C order np.take would copy whole.
        n = len(node.input_shapes[0])
        x, out, axis = _transposed(x), _transposed(out), n - 1 - axis % n
        at = _transposed(at) if len(node.input_shapes[1]) > 1 else at
    return [f"np.take({x}, {at}, axis={axis}, out={out}{mode(task, 'wrap')})"]


def scatter_add(task: Task) -> list[str]:
    """Zeros, and x added at positions."""
    node, (x, at), out = task.node, task.operands, task.out
    axis = node.meta["axis"]
    whole = f"{out}.reshape(-1)" if axis is None else out
    before = 0 if axis is None else axis % len(node.shape)
    index = f"({'slice(None), ' * before}{at})" if before else at
    return [f"{out}[...] = 0", f"np.add.at({whole}, {index}, {x})"]


def _in_columns(x: Any, lowered: Lowered) -> bool:
    """Whether memory runs down the columns of an operand, as that of a transpose does."""
    if not isinstance(x, Node):
        flags = getattr(x, "flags", None)
        return flags is not None and flags.f_contiguous and not flags.c_contiguous
    long = sum(n != 1 for n in x.shape)
    return long > 1 and contiguous(x.shape[::-1], lowered.strides[x][::-1], x.dtype)


def _transposed(x: str) -> str:
    return x.removesuffix(".T") if x.endswith(".T") else f"{x}.T"
