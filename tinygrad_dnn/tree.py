"""Dicts, lists and tuples of arrays as one flat list, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Layout = Any


def flatten(tree: Any) -> tuple[list[Any], Layout]:
    """The arrays of nested dicts, lists and tuples in order, and the layout to rebuild them."""
    leaves: list[Any] = []

    def walk(part: Any) -> Layout:
        if isinstance(part, dict):
            return {key: walk(value) for key, value in part.items()}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*map(walk, part))
        if isinstance(part, (list, tuple)):
            return type(part)(map(walk, part))
        leaves.append(part)
        return None

    return leaves, walk(tree)


def rebuild(layout: Layout, leaves: Sequence[Any]) -> Any:
    """The structure of a layout with these arrays in it."""
    at = iter(leaves)

    def walk(part: Layout) -> Any:
        if part is None:
            return next(at)
        if isinstance(part, dict):
            return {key: walk(value) for key, value in part.items()}
        if hasattr(part, "_fields"):
            return type(part)(*map(walk, part))
        return type(part)(map(walk, part))

    return walk(layout)
