"""NumPy's refusals said again with the names and shapes of who was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import apart
from tinygrad_dnn.glossary import ARGUMENTS, advice
from tinygrad_dnn.graph import Node, describe
from tinygrad_dnn.ops import Op

_SHORT = Repr()  # a setting of 100,000 numbers is cut short
_SHORT.maxtuple = _SHORT.maxlist = _SHORT.maxdict = 32
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


def refuse_others(who: str, others: Mapping[str, Any]) -> None:
    """Raise TypeError for keyword arguments that are not ours; None, the default of `out` and the
    like, says nothing.
    """
    for name, value in others.items():
        if value is not None or name not in ("dtype", "out"):
            raise TypeError(f"{who}: no argument {name!r} here{advice(ARGUMENTS, name)}")


def operand(x: Any) -> str:
    """An operand in an error message: `W2 (7, 20)`."""
    if isinstance(x, Node):
        return describe(x)
    shape = np.shape(x)
    return f"{type(x).__name__} {shape}" if shape else repr(x)


def explained(
    op: Op,
    inputs: Sequence[Any],
    meta: Mapping[str, Any],
    error: Exception,
    arrays: Sequence[Any] = (),
) -> Exception:
    """The error to raise in place of NumPy's: the op, its operands, and what does not fit.

    Args:
        arrays: the operands' values; where they lie in different places, that is said.
    """
    axis = np.exceptions.AxisError  # a ValueError and an IndexError
    kinds = (np.linalg.LinAlgError, axis, IndexError, ValueError, TypeError)
    kind = next(k for k in kinds if isinstance(error, k))
    shapes = [tuple(x.shape) if isinstance(x, Node) else np.shape(x) for x in inputs]
    operands = (f" {op.infix} " if op.infix else ", ").join(map(operand, inputs))
    reason = _mismatch(op, shapes) or _settings(meta) + str(error)
    places = apart(arrays)
    if places:
        reason = f"{reason.rstrip('.')}; {places}"
    return kind(f"{op.name}: {operands}: {reason}")


def _settings(meta: Mapping[str, Any]) -> str:
    return "".join(f"{k}={_SHORT.repr(v)}: " for k, v in meta.items() if v is not None)


def _mismatch(op: Op, shapes: Sequence[tuple[int, ...]]) -> str | None:
    if op.contracts and len(shapes) == 2:
        x, y = shapes
        if not x or not y:
            return "a 0-d value has no matrix product; multiply with * instead"
        inner = y[-2] if len(y) > 1 else y[0]
        if x[-1] != inner:
            return f"inner sizes {x[-1]} and {inner} differ"
        shapes = [x[:-2], y[:-2]]  # the stacks of matrices must broadcast
    elif not op.elementwise:
        return None
    width = max(map(len, shapes), default=0)
    padded = [(1,) * (width - len(s)) + s for s in shapes]
    for axis, sizes in enumerate(zip(*padded, strict=True)):
        first, *others = dict.fromkeys(n for n in sizes if n != 1) or (1,)
        if others:
            return f"sizes {first} and {others[0]} in axis {axis} do not broadcast"
    return None
