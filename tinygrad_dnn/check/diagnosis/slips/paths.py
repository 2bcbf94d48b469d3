"""Slips on more than one use at once: a chain of derivatives forgotten, the contributions of two
operands exchanged, windows that overwrite each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.slips.backward import Change, Changes, rule
from tinygrad_dnn.graph import Node

MOST_NODES = 40  # of a graph in which any two values are joined
Edge = tuple[int, int]


class Path(NamedTuple):
    """Changes made together, and nodes whose cotangent is handed on to an earlier value as it is;
    `says` has the formulas of `of`, by number.
    """

    rank: int
    says: str
    of: tuple[Node, ...]
    changes: Changes
    handed: tuple[int, int] | None = None


def paths(nodes: Sequence[Node], edges: Sequence[Edge], leaf: Node) -> Iterator[Path]:
    """Every such slip in a recorded function, for the gradient of a leaf."""
    yield from _forgotten(nodes, leaf)
    for n, node in enumerate(nodes):
        inputs = [edge for edge in edges if edge[0] == n]
        if len(inputs) == 2 and node.op.elementwise:
            yield from _of_two(node, inputs)
    for x in nodes:
        picked = [(n, i) for n, i in edges if nodes[n].inputs[i] is x and _picks(nodes[n], i)]
        yield from _overwritten(x, nodes, picked)


def _forgotten(nodes: Sequence[Node], leaf: Node) -> Iterator[Path]:
    """What arrives at u handed on to v, from which u is computed in several steps."""
    above = _ancestors(nodes)
    for n, u in enumerate(nodes):
        for k, v in enumerate(nodes[:n]):
            far = v in above[u] and not any(x is v for x in u.inputs)
            if (v is leaf or (len(nodes) <= MOST_NODES and v.op is not None)) and (
                far and u.shape == v.shape and v.requires_grad
            ):
                says = "passes on to {1} what arrives at {0}: is the derivative of {0} forgotten?"
                yield Path(3 + (v is not leaf), says, (u, v), {}, (n, k))


def _ancestors(nodes: Sequence[Node]) -> dict[Node, set[Node]]:
    above: dict[Node, set[Node]] = {}
    for node in nodes:
        inputs = [x for x in node.inputs if isinstance(x, Node)] if node.op is not None else []
        above[node] = set(inputs).union(*(above[x] for x in inputs))
    return above


def _of_two(node: Node, edges: Sequence[Edge]) -> Iterator[Path]:
    """Of an elementwise op of two values that both require a gradient."""
    x, y = (node.inputs[i] for _, i in edges)
    if x is y or x.shape != y.shape:
        return
    crossed = {
        edge: _of_input(other) for edge, (_, other) in zip(edges, reversed(edges), strict=True)
    }
    says = "gives {0} what belongs to {1} in {2}, and the other way round"
    yield Path(5, says, (x, y, node), crossed)
    says = "passes on to {0} and {1} what arrives at {2}, without the derivatives of {2}"
    yield Path(3, says, (x, y, node), dict.fromkeys(edges, _passed))


def _of_input(j: int) -> Change:
    return lambda node, i, g, saved: rule(node, j, g, saved)


def _passed(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    if np.array_equal(np.abs(rule(node, i, g, saved)), np.abs(g)):
        raise ValueError("it passes on what arrives, or its negative")
    return g


def _picks(node: Node, i: int) -> bool:
    """Whether the op answers with elements of its input i, its only array."""
    return bool(node.op.selects) and len(node.inputs) == 1 and i == 0


def _overwritten(x: Node, nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[Path]:
    """Elements that are read several times, by one op or by several: only one time counts."""
    if not edges:
        return
    at = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    reads = [np.ravel(nodes[n].op.compute(at, **nodes[n].meta)) for n, _ in edges]
    everywhere = np.concatenate(reads)
    if len(np.unique(everywhere)) == len(everywhere):
        return
    starts = np.cumsum([0, *map(len, reads)])
    for which in ("last", "first"):
        order = np.arange(len(everywhere))
        order = order if which == "last" else order[::-1]
        owner = np.zeros(at.size, int)
        owner[everywhere[order]] = order  # the later one stays
        counts = owner[everywhere] == np.arange(len(everywhere))
        parts = np.split(counts, starts[1:-1])
        if all(part.all() or not part.any() for part in parts):
            continue  # whole reads are left out, which has words of its own
        changes: dict[Edge, Change] = {
            edge: _counted(read, part, at.shape)
            for edge, read, part in zip(edges, reads, parts, strict=True)
        }
        says = f"holds only the {which} contribution to {{0}} where an element of it is read "
        yield Path(2, f"{says}several times: is it overwritten, = for +=?", (x,), changes)


def _counted(reads: Any, counts: Any, shape: tuple[int, ...]) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        found = np.zeros(shape)
        found.reshape(-1)[reads[counts]] = np.ravel(np.broadcast_to(g, node.shape))[counts]
        return found

    return change
