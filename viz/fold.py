"""Which nodes of a graph are drawn as one box."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygrad_dnn.graph import Graph, Node
from viz.places import Scope


class Group(NamedTuple):
    """Several nodes drawn as one box."""

    members: tuple[Node, ...]
    home: Scope
    path: Scope | None
    title: str
    summary: str
    formula: str
    parameters: int
    bytes: int


LIMIT = 150


def fold(graph: Graph, homes: Any, **_: Any) -> tuple[list[Group], str]:
    """Nothing is folded yet."""
    return [], ""
