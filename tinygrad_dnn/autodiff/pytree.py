"""Dicts, lists and tuples of arrays as one flat list, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Layout = Any


def flatten(tree: Any) -> tuple[list[Any], Layout]:
    """The arrays of nested dicts, lists and tuples in order, and the layout to rebuild them."""
    leaves: list[Any] = []
    return leaves, _taken(tree, leaves)


def rebuild(layout: Layout, leaves: Sequence[Any]) -> Any:
    """The structure of a layout with these arrays in it."""
    return _put(layout, iter(leaves))


def paths(tree: Any) -> list[str]:
    """How each array is reached from the whole, in the order of `flatten`: `['layer 1'][0]`."""
    found: list[str] = []
    stack = [("", tree)]
    while stack:
        at, part = stack.pop()
        if isinstance(part, dict):
            inner = [(f"{at}[{key!r}]", x) for key, x in part.items()]
        elif isinstance(part, (list, tuple)):
            inner = [(f"{at}[{i}]", x) for i, x in enumerate(part)]
        else:
            found.append(at)
            continue
        stack += reversed(inner)
    return found


# Functions of their own: one within another that calls itself would hold the arrays in a circle,
# until Python's collector comes.


def _taken(part: Any, leaves: list[Any]) -> Layout:
    if isinstance(part, dict):
        return {key: _taken(value, leaves) for key, value in part.items()}
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return type(part)(*(_taken(x, leaves) for x in part))
    if isinstance(part, (list, tuple)):
        return type(part)(_taken(x, leaves) for x in part)
    leaves.append(part)
    return None


def _put(part: Layout, leaves: Iterator[Any]) -> Any:
    if part is None:
        return next(leaves)
    if isinstance(part, dict):
        return {key: _put(value, leaves) for key, value in part.items()}
    if hasattr(part, "_fields"):
        return type(part)(*(_put(x, leaves) for x in part))
    return type(part)(_put(x, leaves) for x in part)
