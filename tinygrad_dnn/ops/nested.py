"""Nested lists of Tensors, which NumPy's own functions can't look into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__: list[str] = []


def tensors(arguments: Sequence[Any]) -> int:
    """How many Tensors there are among the arguments, and in lists of lists of them."""
    stack, found = list(arguments), 0
    while stack:
        x = stack.pop()
        if hasattr(type(x), "__record__"):
            found += 1
        elif isinstance(x, (list, tuple)):
            stack += x
    return found


def are_tensors(arguments: Sequence[Any]) -> tuple[bool, ...]:
    """For each array among the arguments, and in lists of lists of them, whether it is a Tensor."""
    stack, found = list(reversed(arguments)), list[bool]()
    while stack:
        x = stack.pop()
        if hasattr(type(x), "__record__"):
            found.append(True)
        elif isinstance(x, (list, tuple)):
            stack += reversed(x)
        elif getattr(x, "shape", ()):
            found.append(False)
    return tuple(found)


def joined(x: Any, stack: Callable[[Sequence[Any]], Any]) -> Any:
    """A list of Tensors, or of lists of them, as one; what holds none as it is."""
    if isinstance(x, (list, tuple)) and tensors(x):
        return stack([joined(y, stack) for y in x])
    return x
