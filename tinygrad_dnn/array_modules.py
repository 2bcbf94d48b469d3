"""Array modules: CuPy, and whatever else has NumPy's functions for arrays in a memory of its own.

Nothing that computes looks here: rules are NumPy calls, which find an array's own functions by
NumPy's protocols. Here is asked only where arrays come from and go to: data on their way to a GPU
and results on their way back, and the compiler, whose programs import the module by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

CPU, CUDA = "cpu", "cuda"
CUPY = "cupy"
NEEDED = ("asarray", "asnumpy", "empty")  # to the module's memory and back, and memory to work in


def module_of(x: Any) -> ModuleType | None:
    """The array module that x is an array of: NumPy, CuPy; None where there is none, as for Dask's
    arrays, which nobody can write into.
    """
    kind = type(x)
    if kind is np.ndarray:
        return np
    if not (hasattr(kind, "__array_ufunc__") and hasattr(kind, "__array_function__")):
        return None
    module = sys.modules.get(kind.__module__)
    return module if all(hasattr(module, name) for name in NEEDED) else None


def is_elsewhere(x: Any) -> bool:
    """Whether x is an array, and no NumPy array, that speaks NumPy's protocols: CuPy's, Dask's."""
    kind = type(x)
    if isinstance(x, (np.ndarray, np.generic)) or not hasattr(kind, "__array_function__"):
        return False
    return hasattr(kind, "__array_ufunc__") and not hasattr(kind, "__record__")


def to_host(x: Any) -> Any:
    """x as a NumPy array, in its memory order: one copy, if it lies elsewhere."""
    module = module_of(x)
    return x if module is np or module is None else module.asnumpy(x, order="A")


def as_numpy(x: Any, who: str) -> Any:
    """x as a NumPy array, for what is computed here alone.

    Raises:
        TypeError: it lies elsewhere, and nothing is copied from there in silence.
    """
    try:
        return np.asarray(x)
    except TypeError:
        if not is_elsewhere(x):
            raise
        raise TypeError(
            f"{who}: expected NumPy arrays, got {place_of(x)}; this is computed here: bring it by "
            "name, x.get() of CuPy's"
        ) from None


def copied(x: Any, order: Any = "C") -> Any:
    """A copy of an array where it lies; of a number or a list, a NumPy array."""
    if isinstance(x, np.ndarray) or is_elsewhere(x):
        return x.copy(order=order)
    return np.array(x, order=order)


def number(x: Any) -> Any:
    """A computed number or truth value as Python's: of a GPU's one copy, and a wait for it."""
    return x.item() if hasattr(x, "item") else x


def one_module(arrays: Iterable[Any], who: str) -> ModuleType:
    """The array module that all arrays are of.

    Raises:
        TypeError: they lie in different ones, or in none that a program can write to.
    """
    found: dict[ModuleType, Any] = {}
    for x in arrays:
        module = module_of(x)
        if module is None:
            raise TypeError(
                f"{who}: a program writes into memory of its own, which {place_of(x)} has not; "
                "it is for NumPy's arrays and for CuPy's. Call the function itself, uncompiled"
            )
        found.setdefault(module, x)
    if len(found) > 1:
        raise TypeError(f"{who}: {apart([*found.values()])}")
    return next(iter(found), np)


def place_of(x: Any) -> str:
    """An array's kind and where it lies: numpy.ndarray on cpu."""
    kind, device = type(x), getattr(x, "device", None)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if device is None else f"{name} on {device}"


def apart(arrays: Iterable[Any]) -> str | None:
    """What to say of arrays that lie in different places; None where they lie in one.

    A lazy array has no place: Dask's take NumPy's as they are.
    """
    placed = (x for x in arrays if getattr(x, "device", None) is not None)
    places = list(dict.fromkeys(place_of(x) for x in placed))
    if len(places) < 2:
        return None
    return (
        f"its arrays lie in different places: {', '.join(places)}. Bring them to one: "
        "cupy.asarray(x) copies to the GPU, x.get() back"
    )


def device_module(device: str | ModuleType) -> ModuleType:
    """The array module of a device: "cpu", "cuda", or a module itself, or the name of one, that has
    CuPy's `asarray`, `asnumpy` and NumPy's functions.

    Raises:
        ValueError: there is none of that name, or it lacks those functions; CuPy is not installed,
            or finds no GPU.
    """
    if device == CPU:
        return np
    if isinstance(device, ModuleType):
        module = device
    else:
        name = CUPY if device == CUDA else device
        try:
            module = import_module(name)
        except (ImportError, TypeError, ValueError) as error:  # no module, or no name of one
            if name == CUPY:
                raise ValueError(
                    "device cuda: CuPy is not installed, or does not load here: "
                    f"{error}. Install it with: pip install 'tinygrad-dnn[cuda]'"
                ) from None
            raise ValueError(
                f"device: expected cpu, cuda, or the name of an array module, got {device!r}"
            ) from None
    if missing := [n for n in NEEDED if not hasattr(module, n)]:
        raise ValueError(
            f"device: expected cpu, cuda, or the name of an array module; {module.__name__} is "
            f"none, it has no {', '.join(missing)}"
        )
    available: Callable[[], bool] = getattr(module, "is_available", lambda: True)
    if not available():
        raise ValueError(
            f"device cuda: {module.__name__} {getattr(module, '__version__', '')} finds no GPU "
            "here. A CUDA driver and an NVIDIA GPU are needed (`nvidia-smi` shows them); without "
            "one leave out the device, which is cpu"
        )
    return module
