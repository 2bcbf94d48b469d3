"""NumPy's signatures of ops that know fewer settings: `order=`, `dtype=`, `kind=`, `mode=`.

They are reached through NumPy (`np.sort(t, kind="stable")`) and by the op's own name, which hands
over what it does not know (`td.sort(t, kind="stable")`).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.ops import COMPOSED, REGISTRY, Op
from tinygrad_dnn.ops.compose import as_array, as_dtype
from tinygrad_dnn.ops.shape import in_order

__all__ = ["SIGNATURES", "clip", "einsum", "pad", "pinv", "where"]


def _refuse_out(who: str, out: Any) -> None:
    if out is not None:
        raise TypeError(f"np.{who}: cannot write a Tensor into out=")


def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """In another shape, read in an order."""
    if copy is False:
        raise ValueError("np.reshape: copy=False is not for Tensors; leave it out")
    return in_order(a, shape, order)


def einsum(
    *operands: Any, out: None = None, optimize: Any = False, dtype: Any = None, **order: Any
) -> Any:
    """Sums of products, with NumPy's other options."""
    _refuse_out("einsum", out)
    if dtype is not None:
        raise TypeError("np.einsum: dtype= has no rule here; give arrays of that dtype, t.astype")
    return ops.einsum(*operands, optimize=optimize)


def where(condition: Any, *branches: Any, **named: Any) -> Any:
    """x where the condition holds, else y."""
    if not branches and not named:
        return np.nonzero(condition)
    if len(branches) + len(named) != 2:
        raise TypeError("np.where: expected condition, x, y, or a condition alone, for positions")
    return ops.where(condition, *branches, **named)


def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: None = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    """Limited to an interval, by either pair of names."""
    _refuse_out("clip", out)
    return ops.clip(a, a_min, a_max, min=min, max=max)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Pseudo-inverse, with either name of the cutoff."""
    if rcond is not None and rtol is not None:
        raise ValueError("pinv: expected rcond or rtol, which mean the same, got both")
    if hermitian:  # of a symmetric matrix the lower triangle is read
        a = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)
    return REGISTRY["pinv"](a, rcond if rtol is None else rtol)


NONE = np.zeros(0)


def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None
) -> Any:
    """Positions in order; every kind is the stable one."""
    if order is not None:
        raise TypeError("np.argsort: order= is for structured arrays, which hold no gradients")
    if kind is not None or stable is not None:
        np.argsort(NONE, kind=kind, stable=stable)  # refuses what is no kind
    return ops.argsort(a, axis)


def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: None = None, *, stable: Any = None
) -> Any:
    """In order; kinds differ in time alone."""
    if order is not None:
        raise TypeError("np.sort: order= is for structured arrays, which hold no gradients")
    if kind is not None or stable is not None:
        np.sort(NONE, kind=kind, stable=stable)
    return ops.sort(a, axis)


def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: None = None
) -> Any:
    """Positions, the k-th smallest at place k."""
    if order is not None:
        raise TypeError("np.argpartition: order= is for structured arrays")
    return ops.argpartition(a, tuple(kth) if np.ndim(kth) else index(kth), axis)


def take(a: Any, indices: Any, axis: Any = None, out: None = None, mode: str = "raise") -> Any:
    """Elements at positions, which may lie outside if `mode` says what that means."""
    _refuse_out("take", out)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: expected mode 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode != "raise":
        n = np.size(a, axis)
        indices = np.remainder(indices, n) if mode == "wrap" else np.clip(indices, 0, n - 1)
    return ops.take(a, indices, axis)


def pad(array: Any, pad_width: Any, mode: Any = "constant", **settings: Any) -> Any:
    """Padded, by the op where the values are constant."""
    if mode == "constant" and not isinstance(pad_width, dict):
        return ops.joining.pad(array, pad_width, **settings)
    return COMPOSED["pad"](array, pad_width, mode, **settings)


def trace(
    a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: None = None
) -> Any:
    """Sum along a diagonal, in another dtype."""
    _refuse_out("trace", out)
    return ops.trace(as_dtype(as_array(a), dtype), offset, axis1, axis2)


def _joining(op: Op) -> Callable[..., Any]:
    def join(
        arrays: Any,
        axis: Any = 0,
        out: None = None,
        *,
        dtype: Any = None,
        casting: Any = "same_kind",
    ) -> Any:
        _refuse_out(op.name, out)
        if dtype is None:
            return op(arrays, axis)
        arrays = [as_array(x) for x in arrays]
        for x in arrays:
            if not np.can_cast(x.dtype, dtype, casting):
                raise TypeError(
                    f"{op.name}: {x.dtype} is not cast to {np.dtype(dtype)} by the rule "
                    f"casting={casting!r}; cast it first, t.astype(...)"
                )
        return op([as_dtype(x, dtype) for x in arrays], axis)

    return join


def _running(op: Op) -> Callable[..., Any]:
    def run(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        _refuse_out(op.name, out)
        return op(as_dtype(as_array(a), dtype), axis)

    return run


# By the name of the op.
SIGNATURES: dict[str, Callable[..., Any]] = {
    "argpartition": argpartition,
    "argsort": argsort,
    "concatenate": _joining(ops.concatenate),
    "cumprod": _running(ops.cumprod),
    "cumsum": _running(ops.cumsum),
    "reshape": reshape,
    "sort": sort,
    "stack": _joining(ops.stack),
    "take": take,
    "trace": trace,
}
