"""The ops that are written by hand: into given memory where NumPy has no `out=`, and views.

All other ops are written as their own forward is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.compiler.codegen import data_movement, gather
from tinygrad_dnn.compiler.codegen.dialect import NUMPY
from tinygrad_dnn.compiler.codegen.lower import Task, in_c_order
from tinygrad_dnn.compiler.codegen.numpy_source import expression, function_text, literal, parsed
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.contraction import einsum_of
from tinygrad_dnn.ops.indexing import is_basic, last_at
from tinygrad_dnn.ops.reduction import axes
from tinygrad_dnn.ops.short_axes import pays, reduce_slices
from tinygrad_dnn.ops.windows import add_windows, slid_along

Shape = tuple[int, ...]


def is_condition(x: Any) -> bool:
    """Whether an operand is an array of truth values."""
    return hasattr(x, "dtype") and x.dtype.kind == "b"


def _einsum(task: Task) -> list[str]:
    subscripts, shapes = task.node.meta["subscripts"], task.node.input_shapes
    call = f"np.einsum({subscripts!r}, {', '.join(task.operands)}"
    if len(shapes) == 1 and _is_view(subscripts, shapes[0]):
        return [f"np.copyto({task.out}, {call}))"]  # out= would add it to 0, and 0 + −0 = 0
    # With out= NumPy walks along reversed axes the other way, and so adds in another order.
    if not task.lowered.dialect.einsum_out or any(_reversed(x, task) for x in task.node.inputs):
        return [f"np.copyto({task.out}, {call}))"]
    return [f"{call}, out={task.out})"]


def _reversed(x: Any, task: Task) -> bool:
    """Whether memory runs backwards along an axis of an operand."""
    return any(n < 0 for n in (task.lowered.strides[x] if isinstance(x, Node) else x.strides))


def _is_view(subscripts: str, shape: Shape) -> bool:
    """Whether einsum of one array of this shape only rearranges its elements."""
    x = np.broadcast_to(0.0, shape)
    return np.may_share_memory(np.einsum(subscripts, x), x)


def _reshape(task: Task) -> list[str]:
    # Of what can't be viewed in that shape.
    return [f"np.copyto({task.out}.reshape({task.node.input_shapes[0]}), {task.operands[0]})"]


def _where(task: Task) -> list[str] | None:
    if not is_condition(task.node.inputs[0]):
        return None
    (condition, x, y), out = task.operands, task.out
    chosen = f"np.copyto({out}, {x}, where={condition})"
    return [chosen] if y == out else [f"np.copyto({out}, {y})", chosen]


def _astype(task: Task) -> list[str]:
    return [f'np.copyto({task.out}, {task.operands[0]}, casting="unsafe")']


def _scatter(task: Task) -> list[str]:
    meta, (x,), out = task.node.meta, task.operands, task.out
    index = meta["index"]
    at = task.settings.get("index") or ast.unparse(ast.fix_missing_locations(literal(index)))
    if task.settings.get("index") or not is_basic(index):
        return [f"{out}[...] = 0", f"np.add.at({out}, {at}, {x})"]
    parts = index if isinstance(index, tuple) else (index,)
    bare = tuple(p for p in parts if p is not None)  # a new axis picks nothing
    shape = np.broadcast_to(0, meta["shape"])[bare].shape
    place = ast.Subscript(parsed(out), literal(bare), ast.Load())
    source = x if shape == task.node.input_shapes[0] else f"{x}.reshape({shape})"
    return [f"{out}[...] = 0", f"{ast.unparse(ast.fix_missing_locations(place))} = {source}"]


def _setitem(task: Task) -> list[str]:
    (x, y), out, at = task.operands, task.out, task.settings.get("index")
    positions = task.node.meta["index"]
    index = parsed(at) if at else literal(positions)
    if not (task.lowered.dialect.last_wins or is_basic(positions)) and task.node.input_shapes[1]:
        # All that are assigned at one position are the last one.
        last = last_at(task.node.shape, positions)
        y = f"np.broadcast_to({y}, {last.shape}).reshape(-1)[{task.array(last)}]"
    place = ast.Subscript(parsed(out), index, ast.Load())
    return [f"np.copyto({out}, {x})", f"{ast.unparse(ast.fix_missing_locations(place))} = {y}"]


def _by_slices(ufunc: Any) -> Callable[[Task], list[str] | None]:
    """A reduction as eager computes it where few elements lie side by side."""

    def reduction(task: Task) -> list[str] | None:
        (x,), (shape,) = task.node.inputs, task.node.input_shapes
        over = axes(task.node.meta["axis"], shape)
        if task.lowered.dialect != NUMPY or not in_c_order(x, task.lowered):
            return None
        if not pays(ufunc, shape, x.dtype, over):
            return None
        reduce = task.function("reduce_slices", *function_text(reduce_slices))
        return [f"{reduce}(np.{ufunc.__name__}, {task.operands[0]}, {over}, {task.out})"]

    return reduction


def _mean(task: Task) -> list[str] | None:
    if task.node.dtype != np.float16:
        return None
    # With out= NumPy keeps the sum there, which float16 may not hold; without, in float32.
    call = expression(task.node.op, task.operands, task.node.meta, {})
    return [f"np.copyto({task.out}, {ast.unparse(call)})"]


def _overlap_add(task: Task) -> list[str]:
    along = slid_along(task.node.meta["axis"], len(task.node.input_shapes[0]))
    add = task.function("add_windows", *function_text(add_windows))
    return [f"{task.out}[...] = 0", f"{add}({task.operands[0]}, {along}, {task.out})"]


# The lines that write an op's result into `out`, None where there are none. That memory is not an
# operand's, but for the last of `where`.
WRITERS: dict[Op, Callable[[Task], list[str] | None]] = {
    ops.astype: _astype,
    einsum_of: _einsum,
    ops.getitem: data_movement.getitem,
    ops.joining.pad: data_movement.pad,
    ops.max: _by_slices(np.maximum),
    ops.mean: _mean,
    ops.min: _by_slices(np.minimum),
    ops.overlap_add: _overlap_add,
    ops.repeat: data_movement.repeat,
    ops.reshape: _reshape,
    ops.roll: data_movement.roll,
    ops.scatter: _scatter,
    ops.scatter_add: gather.scatter_add,
    ops.setitem: _setitem,
    ops.sum: _by_slices(np.add),
    ops.take: gather.take,
    ops.tile: data_movement.tile,
    ops.where: _where,
}


def _transposed(x: str, z_shape: Shape, meta: Mapping[str, Any]) -> str:
    axes = meta["axes"]
    return f"{x}.T" if axes is None else f"{x}.transpose({', '.join(map(str, axes))})"


def _swapped(x: str, z_shape: Shape, meta: Mapping[str, Any]) -> str:
    return f"{x}.swapaxes({meta['axis1']}, {meta['axis2']})"


def _reshaped(x: str, z_shape: Shape, meta: Mapping[str, Any]) -> str:
    return f"{x}.reshape({', '.join(map(str, z_shape)) if z_shape else '()'})"


_VIEWS: dict[Op, Callable[[str, Shape, Mapping[str, Any]], str]] = {
    ops.expand_dims: _reshaped,
    ops.reshape: _reshaped,
    ops.squeeze: _reshaped,
    ops.swapaxes: _swapped,
    ops.transpose: _transposed,
}


def by_hand(task: Task) -> list[str] | None:
    """The lines for an op that is written by hand; None for the others."""
    writer = WRITERS.get(task.node.op)
    return None if writer is None else writer(task)


def view(op: Op, x: str, z_shape: Shape, meta: Mapping[str, Any]) -> str | None:
    """How a view is written with an array's own methods; None for the op's own words."""
    method = _VIEWS.get(op)
    if method is None:
        return None
    return method(x if x.isidentifier() or x.endswith((")", "]", "T")) else f"({x})", z_shape, meta)
