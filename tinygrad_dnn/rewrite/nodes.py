"""Nodes built anew: each expression once, constants computed, shape and dtype inferred."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import REGISTRY, Op
from tinygrad_dnn.rewrite.terms import COMMUTATIVE, is_constant

# Python numbers stay Python numbers, which take on the dtype of the array they meet.
_PYTHON: dict[Op, Any] = {
    REGISTRY["add"]: operator.add, REGISTRY["subtract"]: operator.sub,
    REGISTRY["multiply"]: operator.mul, REGISTRY["divide"]: operator.truediv,
    REGISTRY["negative"]: operator.neg,
}  # fmt: skip
_BROADCAST = REGISTRY["broadcast_to"]


class Unfit(Exception):
    """NumPy refuses such inputs, so the expression does not exist."""


def shape_of(x: Any) -> tuple[int, ...]:
    """Lengths of the axes; a number has none."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def size_of(x: Any) -> int:
    """Number of elements."""
    return prod(shape_of(x))


def key_of(op: Op, inputs: Sequence[Any], meta: Mapping[str, Any]) -> Any:
    """Equal for equal expressions. Arrays go by identity, since their owner may write to them."""
    return op, tuple(map(_key, inputs)), tuple((k, _meta(meta[k])) for k in sorted(meta))


def swapped(op: Op, key: Any) -> Any:
    """The key with both inputs exchanged, where that is the same bit for bit; else None."""
    return (op, key[1][::-1], key[2]) if op in COMMUTATIVE else None


def _key(x: Any) -> Any:
    # 1, 1.0 and float32(1) meet arrays differently; 0.0 and −0.0 are two numbers.
    return (type(x), str(x)) if isinstance(x, (int, float, np.generic)) else id(x)


def _meta(v: Any) -> Any:
    if isinstance(v, np.ndarray):
        return v.shape, v.dtype.str, v.tobytes()
    if isinstance(v, (tuple, list)):
        return tuple(map(_meta, v))
    if isinstance(v, slice):
        return slice, _meta(v.start), _meta(v.stop), _meta(v.step)
    return type(v), str(v)


def build(
    op: Op, inputs: Sequence[Any], meta: Mapping[str, Any], scope: tuple[str, ...], like: Any = None
) -> Node:
    """A node without a value. Shape and dtype are those of `like`, or what NumPy would give.

    Raises:
        Unfit: NumPy refuses such inputs.
    """
    shape, dtype = (like.shape, like.dtype) if like is not None else _inferred(op, inputs, meta)
    wants = 0
    if dtype.kind == "f":
        for i, x in enumerate(inputs):
            if isinstance(x, Node) and x.requires_grad:
                wants |= 1 << i
    wanted = op.plans[wants][0]
    return Node(op, tuple(inputs), meta, shape, dtype, bool(wanted), wanted, None, scope)


def _inferred(op: Op, inputs: Sequence[Any], meta: Mapping[str, Any]) -> tuple[Any, Any]:
    try:
        return op.result(inputs, meta)
    except (ArithmeticError, TypeError, ValueError, IndexError) as error:
        raise Unfit from error


def _computed(op: Op, inputs: Sequence[Any], meta: Mapping[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(op.compute(*inputs, **meta))


def folded(op: Op, inputs: Sequence[Any], meta: Mapping[str, Any], like: Any = None) -> Any:
    """The value of an op on constants, read-only; None where it is not to be computed ahead.

    An array is not made larger, which is what `broadcast_to` is for. Its byte order is that of
    `like`, since a scalar that NumPy computes has none.
    """
    if not (op.builtin and all(map(is_constant, inputs))) or op is _BROADCAST:
        return None
    python = _PYTHON.get(op)
    try:
        if not any(hasattr(x, "dtype") for x in inputs):
            if python is not None:
                return python(*inputs)
            return _computed(op, inputs, meta).item()
        z = _computed(op, inputs, meta)
        if like is not None and z.dtype != like.dtype == z.dtype.newbyteorder():
            z = z.astype(like.dtype)
    except (ArithmeticError, TypeError, ValueError, IndexError):
        return None
    if z.size > max(map(size_of, inputs)):
        return None
    return constant_value(z.copy() if z.base is not None else z)


def constant_value(value: Any) -> Any:
    """An array as a constant: NumPy's scalar where it is one number, else read-only."""
    if value.shape == () and value.dtype.isnative:  # a scalar has no byte order
        return value[()]
    value.setflags(write=False)
    return value
