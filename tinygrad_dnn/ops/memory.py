"""Where the values of an array lie: what may look at them on the way, and what may not."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def in_memory(x: Any) -> bool:
    """Whether x's values lie in this process's memory, so that a short cut may read some, or write
    to them in NumPy's order.

    Of a lazy array it would compute them, of a GPU's wait for them and copy them.
    """
    return hasattr(type(x), "__array_interface__")
