"""Which values are welcome in a Tensor, and what becomes of a result."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import is_elsewhere
from tinygrad_dnn.dlpack import as_numpy
from tinygrad_dnn.graph import describe
from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.nested import tensors

Array = Any  # numpy.ndarray, or any array that speaks NumPy's protocols (CuPy, Dask)


def as_data(data: Any) -> Array:
    """Return a leaf's data: real numbers, as an array of the kind that came in, not copied.

    Arrays without NumPy's protocols, PyTorch's and JAX's, become NumPy arrays of the same memory.
    """
    kind = type(data)
    if kind is np.ndarray and data.dtype.kind in "fiub":
        return data
    if hasattr(kind, "__record__"):
        if data.requires_grad:
            raise TypeError(
                f"Tensor: {describe(data.node)} is a Tensor with a recipe, which would be lost; "
                "use it as it is, or .detach() it"
            )
        return data._array
    if kind is not np.ndarray and isinstance(data, (np.matrix, np.ma.MaskedArray)):
        raise TypeError(
            f"Tensor: {kind.__name__} is not supported; convert it with np.asarray (a mask would "
            "be ignored: fill it first)"
        )
    foreign = is_elsewhere(data)
    if foreign:
        refuse_unknown(data, "Tensor")
    try:
        value = data if foreign else as_numpy(data, "Tensor")
    except TypeError:
        if tensors([data]):
            raise TypeError(
                "Tensor: got a list of Tensors, whose gradients would be lost; td.array([t, u]) "
                "makes one Tensor of them, np.concatenate([t, u]) joins arrays"
            ) from None
        raise
    except ValueError:  # rows of different lengths
        raise ValueError(
            f"Tensor: expected rows of one length, got a ragged {kind.__name__}; pad it, or make "
            "a Tensor of each row"
        ) from None
    if value.dtype.kind not in "fiub":
        hint = (
            "split it into real and imaginary parts"
            if value.dtype.kind == "c"
            else "compare with `is None`; of parameters leave it out"
            if data is None
            else "convert it to numbers first"
        )
        raise TypeError(f"Tensor: expected real numbers, got {value.dtype}; {hint}")
    return value


def as_constant(a: Any, op: Op) -> Any:
    """Return an operand beside a Tensor: numbers and arrays as they are, lists as arrays."""
    if isinstance(a, (complex, np.complexfloating)):
        refuse_complex(np.dtype(complex), op.name)
    if isinstance(a, (np.generic, float, int)):
        return a
    try:
        return as_data(a)
    except TypeError as error:
        raise TypeError(f"{op.name}: {error}") from None


def refuse_complex(dtype: Any, who: str) -> None:
    """Raise TypeError for results that are not real numbers."""
    if dtype.kind not in "fiub":
        raise TypeError(
            f"{who}: {dtype} values have no gradient here; "
            "use real numbers (a complex number as its real and imaginary parts)"
        )


def require_float(dtype: Any, name: str | None) -> None:
    """Raise ValueError for what can't have a gradient: integers, truth values."""
    if dtype.kind != "f":
        raise ValueError(
            f"Tensor: {name or 'data'} of dtype {dtype} can't have a gradient; "
            "parameters are floats: convert with .astype(float), or write 3.0 for 3"
        )


def settled(z: Any, who: str, writeable: bool = False, dtype: Any = None) -> Any:
    """A result as an array: a NumPy scalar becomes a 0-d array, a NumPy result is read-only.

    Args:
        dtype: of the 0-d array, since a scalar has no byte order.
    """
    if type(z) is np.ndarray:
        if not writeable:
            z.setflags(write=False)
        return z
    if isinstance(z, (np.generic, float, int)):
        z = np.asarray(z, dtype)
    if not hasattr(z, "dtype") or not hasattr(z, "shape"):
        raise TypeError(f"{who}: expected an array as result, got {type(z).__name__}")
    if not isinstance(z, np.ndarray):
        refuse_unknown(z, who)
    elif not writeable:
        z.setflags(write=False)
    return z


def refuse_unknown(x: Any, who: str) -> None:
    """Raise ValueError for a lazy array that does not know its own shape."""
    if any(n != n for n in x.shape):  # Dask's NaN
        raise ValueError(
            f"{who}: the shape {x.shape} is not known before it is computed (a Dask array of "
            "unknown chunk sizes); call its .compute_chunk_sizes() first, or pick by "
            "where(mask, x, 0)"
        )
