"""A stand-in for CuPy without a GPU: arrays in a memory of their own, reached by NumPy's protocols.

It is an array module, as `cupy` is: `asarray` brings an array to the device, `asnumpy` back, and
what CuPy has of NumPy's functions it has (cupy_interface.txt, read off the real CuPy), with CuPy's
parameters, loops and results (0-d arrays stay arrays, results lie in C order). Inside it computes
with NumPy; outside nobody sees that. It is never kinder than CuPy, and stricter in one thing: CuPy
copies a number to the host in silence where one asks for float(x), int(x) or bool(x); here that
raises TypeError as NumPy's `__array__` does there, so that no copy is hidden. `COPIES` counts
those that are asked for.

    arrays between host and device    `to device`, `to host` (get, item, tolist, text)
    host positions in x[i], take      `positions`: CuPy sends them along by itself
    sizes that depend on values       `sizes`: nonzero, x[mask] wait for the device
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
from device_functions import function_of
from device_memory import COPIES, counted, ndarray, on_device, unwrapped, wrapped

__all__ = ["COPIES", "asarray", "asnumpy", "counted", "ndarray", "on_device"]


class _Inner:
    """A module in the module, as linalg."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if (found := function_of(f"{self._name}.{name}")) is None:
            raise AttributeError(f"module 'device_array.{self._name}' has no attribute {name!r}")
        return found


linalg = _Inner("linalg")
lib = SimpleNamespace(stride_tricks=_Inner("lib.stride_tricks"))
dtype, finfo, iinfo, ndindex = np.dtype, np.finfo, np.iinfo, np.ndindex  # CuPy hands on NumPy's own


def asarray(x: Any, dtype: Any = None, order: Any = None) -> Any:
    """An array on the device."""
    if isinstance(x, ndarray):
        return wrapped(np.asarray(x._x, dtype, order), x)
    COPIES["to device"] += 1
    return wrapped(np.array(x, dtype, order=order or "K"))


def array(x: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> Any:
    """A new array on the device."""
    return (
        asarray(x, dtype, order).copy(order) if isinstance(x, ndarray) else asarray(x, dtype, order)
    )


def asnumpy(x: Any, stream: Any = None, order: str = "C") -> Any:
    """A NumPy array."""
    return x.get(stream, order) if isinstance(x, ndarray) else np.asarray(x, order=order)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Memory on the device."""
    return wrapped(np.empty(shape, dtype, order))


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Zeros on the device."""
    return wrapped(np.zeros(shape, dtype, order))


def ones(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Ones on the device."""
    return wrapped(np.ones(shape, dtype, order))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """A number everywhere, on the device."""
    return wrapped(np.full(shape, unwrapped(fill_value), dtype, order))


def arange(*args: Any, dtype: Any = None) -> Any:
    """Whole numbers on the device."""
    return wrapped(np.arange(*args, dtype=dtype))


def is_available() -> bool:
    """There is no GPU, but a device."""
    return True


def __getattr__(name: str) -> Any:
    if (found := function_of(name)) is not None:
        return found
    here = getattr(np, name, None)
    if isinstance(here, (float, type(None))) or (
        isinstance(here, type) and issubclass(here, np.generic)
    ):
        return here  # nan, inf, pi, newaxis; float64 and the like
    raise AttributeError(f"module 'device_array' has no attribute {name!r}")
