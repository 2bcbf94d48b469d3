"""A graph as a listing: one line a node, with name, shape, dtype, formula and scope."""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_dnn.formula.text import formulas, printable
from tinygrad_dnn.graph import Graph, Node

SHOWN = 60  # characters of a formula


def listed(graph: Graph) -> str:
    """The graph in columns, inputs before what is made of them, as `print(graph)` shows it.

    What has no name is called by the letter x (leaves) or h (results) and its line's number. A
    formula stands in the names of other lines.

        X   (2, 200)  float64   data
        W1  (8, 2)    float64   parameter
        b1  (8, 1)    float64   parameter
        h4  (8, 200)  float64   W1 X
        Z1  (8, 200)  float64   h4 + b1       in layer 1
        returns Z1
    """
    names = names_of(graph)
    text = formulas(graph, names, SHOWN)
    rows = [
        (
            names[node],
            str(tuple(node.shape)),
            str(node.dtype),
            text[node] if node.op else "parameter" if node.requires_grad else "data",
            f"in {' / '.join(map(printable, node.scope))}" if node.scope else "",
        )
        for node in graph
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.append(f"returns {', '.join(names[node] for node in graph.outputs)}")
    return "\n".join(lines)


def names_of(graph: Graph) -> dict[Node, str]:
    """A name for every node, no two alike: its own where it has one."""
    names: dict[Node, str] = {}
    taken = {printable(node.name) for node in graph if node.name}
    there = set[str]()
    for k, node in enumerate(graph, 1):
        wanted = printable(node.name) if node.name else f"{'h' if node.op else 'x'}{k}"
        name = next(
            n for n in _spellings(wanted) if n not in there and (node.name or n not in taken)
        )
        there.add(name)
        names[node] = name
    return names


def _spellings(name: str) -> Iterator[str]:
    yield name
    k = 2
    while True:
        yield f"{name}_{k}"
        k += 1
