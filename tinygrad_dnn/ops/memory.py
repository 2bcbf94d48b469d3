"""Where the values of an array lie: what may look at them on the way, or write to them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__: list[str] = []


def in_memory(x: Any) -> bool:
    """Whether x's values lie in this process's memory, so that a short cut may read some, or write
    to them in NumPy's order.

    Of a lazy array it would compute them, of a GPU's wait for them and copy them.
    """
    return isinstance(x, (int, float, complex)) or hasattr(type(x), "__array_interface__")


def locked(x: Any) -> Any:
    """An array as others may look at it but not write to it; what is none, as it is."""
    if type(x) is not np.ndarray or not x.flags.writeable:
        return x
    x = x.view()
    x.setflags(write=False)
    return x
