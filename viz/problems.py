"""What is wrong in a graph."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with a node, and whether it begins there."""

    reason: str
    origin: bool
