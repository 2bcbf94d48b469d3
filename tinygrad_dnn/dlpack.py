"""Arrays of other libraries as NumPy's, without a copy: PyTorch's, JAX's, any that speak DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

CPU = (1, 3, 11, 13)  # memory that the processor reads: plain, pinned by CUDA or ROCm, managed


def speaks_dlpack(value: Any) -> bool:
    """Whether it is another library's array that hands out its memory, and none of NumPy's kind."""
    kind = type(value)
    return (
        hasattr(kind, "__dlpack__")
        and hasattr(kind, "__dlpack_device__")
        and not hasattr(kind, "__array_ufunc__")  # those are taken as they are
    )


def as_numpy(value: Any, who: str) -> Any:
    """The same memory as a NumPy array; of what speaks no DLPack, `np.asarray`.

    Raises:
        TypeError: it requires a gradient, which would be lost, is on another device, or of a type
            that NumPy has not.
    """
    if not speaks_dlpack(value):
        return np.asarray(value)
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    if getattr(value, "requires_grad", False) is True:
        raise TypeError(
            f"{who}: got a {kind} that requires a gradient there, which would be lost; give its "
            ".detach()"
        )
    try:
        device = value.__dlpack_device__()[0]
        if device in CPU:
            return np.from_dlpack(value)
    except (RuntimeError, BufferError, TypeError, ValueError) as error:
        words = str(error).split("\n")[0]
        raise TypeError(
            f"{who}: got a {kind} of {getattr(value, 'dtype', 'another type')} that NumPy can't "
            f"share ({words}); make it a dense array of float32 or float64 there"
        ) from error
    raise TypeError(
        f"{who}: got a {kind} on {getattr(value, 'device', f'device {device}')}, expected one in "
        "the processor's memory; give its .cpu() (PyTorch), or "
        "jax.device_put(x, jax.devices('cpu')[0])"
    )
