"""Ops that only move elements, as assignments to parts of the array that they fill.

NumPy's own functions for them have no place to write to, or use it through a copy.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_dnn.compiler.codegen.gather import mode
from tinygrad_dnn.compiler.codegen.lower import Task, contiguous
from tinygrad_dnn.compiler.codegen.numpy_source import number

ROLLED = 2  # axes at once: each doubles the lines


def pad(task: Task) -> list[str] | None:
    """A constant everywhere, and x within."""
    node = task.node
    return _pad(node.input_shapes[0], task.operands[0], task.out, **node.meta)


def roll(task: Task) -> list[str] | None:
    """The parts on either side of the cut, exchanged."""
    node = task.node
    return _roll(node.input_shapes[0], task.operands[0], task.out, **node.meta)


def repeat(task: Task) -> list[str] | None:
    """x along a new axis, or taken at positions."""
    node = task.node
    return _repeat(task, node.input_shapes[0], task.operands[0], task.out, **node.meta)


def tile(task: Task) -> list[str]:
    """x along new axes."""
    node = task.node
    return _tile(node.input_shapes[0], task.operands[0], task.out, **node.meta)


def _part(slices: Sequence[tuple[int, int] | None]) -> str:
    """[1:3, :] from the first and last positions along each axis; None is all of it."""
    return f"[{', '.join(':' if s is None else f'{s[0]}:{s[1]}' for s in slices)}]"


def _shape(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def _pad(
    shape: tuple[int, ...], x: str, out: str, pad_width: Any, constant_values: Any
) -> list[str] | None:
    if not shape or isinstance(pad_width, dict) or not isinstance(constant_values, (int, float)):
        return None
    widths = np.broadcast_to(pad_width, (len(shape), 2)).tolist()
    inner = [(a, a + n) for (a, _), n in zip(widths, shape, strict=True)]
    return [f"{out}[...] = {ast.unparse(number(constant_values))}", f"{out}{_part(inner)} = {x}"]


def _roll(shape: tuple[int, ...], x: str, out: str, shift: Any, axis: Any) -> list[str] | None:
    if axis is None:
        if not shape:
            return None
        total = int(np.prod(shape))
        flat, rolled = f"{x}.reshape(-1)", f"{out}.reshape(-1)"
        moved = _roll((total,), flat, rolled, int(np.sum(shift)), 0)
        return moved if len(shape) > 1 else _roll(shape, x, out, int(np.sum(shift)), 0)
    shifts = dict.fromkeys(range(len(shape)), 0)
    for by, along in np.broadcast(shift, normalize_axis_tuple(axis, len(shape), None, True)):
        shifts[int(along)] += int(by)
    halves: list[list[Any]] = []
    for n, by in zip(shape, shifts.values(), strict=True):
        k = by % n if n else 0
        halves.append([((k, n), (0, n - k)), ((0, k), (n - k, n))] if k else [(None, None)])
    if sum(len(h) > 1 for h in halves) > ROLLED:
        return None
    return [
        f"{out}{_part([to for to, _ in chosen])} = {x}{_part([of for _, of in chosen])}"
        for chosen in product(*halves)
    ]


def _repeat(
    task: Task, shape: tuple[int, ...], x: str, out: str, repeats: Any, axis: Any
) -> list[str] | None:
    if not isinstance(repeats, int):
        if axis is None or not shape:
            return None
        axis = normalize_axis_index(axis, len(shape))
        source = np.repeat(np.arange(shape[axis]), repeats)
        places = task.array(source)
        return [f"np.take({x}, {places}, axis={axis}, out={out}{mode(task, 'clip')})"]
    at = len(shape) if axis is None or not shape else 1 + normalize_axis_index(axis, len(shape))
    wide = _shape([*shape[:at], repeats, *shape[at:]])
    return [f"{out}.reshape({wide})[...] = {x}.reshape({_shape([*shape[:at], 1, *shape[at:]])})"]


def _tile(shape: tuple[int, ...], x: str, out: str, reps: Any) -> list[str]:
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    width = max(len(reps), len(shape))
    reps, shape = (1,) * (width - len(reps)) + reps, (1,) * (width - len(shape)) + shape
    wide = [n for pair in zip(reps, shape, strict=True) for n in pair]
    once = [n for size in shape for n in (1, size)]
    return [f"{out}.reshape({_shape(wide)})[...] = {x}.reshape({_shape(once)})"]


def getitem(task: Task) -> list[str] | None:
    """x[i] and x[:, i] for positions i, where np.take reads and writes without a copy.

    The positions are constants and inside, so that nothing needs to be clipped.
    """
    node, (x,), out, lowered, array = task.node, task.operands, task.out, task.lowered, task.array
    shape, index = node.input_shapes[0], node.meta["index"]
    *before, i = index if isinstance(index, tuple) and index else (index,)
    if not isinstance(i, np.ndarray) or not all(
        isinstance(b, slice) and b == slice(None) for b in before
    ):
        return None
    if i.dtype.kind == "b" and i.ndim == 1:
        i = np.flatnonzero(i)
    if i.dtype.kind not in "iu" or len(before) > 1:
        return None
    (of,) = node.inputs
    laid = [(shape, lowered.strides[of], of.dtype), (node.shape, lowered.strides[node], node.dtype)]
    i = np.where(i < 0, i + shape[len(before)], i).astype(np.intp)
    if not before and all(contiguous(*z) for z in laid):
        return [f"np.take({x}, {array(i)}, axis=0, out={out}{mode(task, 'clip')})"]
    if before and len(shape) == 2 == len(node.shape):
        turned = [(s[::-1], strides[::-1], dtype) for s, strides, dtype in laid]
        if all(contiguous(*z) for z in turned):
            return [f"np.take({x}.T, {array(i)}, axis=0, out={out}.T{mode(task, 'clip')})"]
    return None
