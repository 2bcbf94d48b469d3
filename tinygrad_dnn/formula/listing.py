"""A graph as a listing: one line a node, with name, shape, dtype, formula and scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import array_names, figures, named_arrays
from tinygrad_dnn.formula.short_ids import LONGEST_STEP, cited
from tinygrad_dnn.formula.text import Style, formulas, own_formula
from tinygrad_dnn.graph import Graph, Node

SHOWN = 60  # characters of a formula


def listed(graph: Graph) -> str:
    """The graph in columns, inputs before what is made of them, as `print(graph)` shows it.

    What has no name is called by the letter x (leaves) or h (results) and its line's number. A
    formula stands in the names of other lines, and of the constant arrays that stand below them.

        X   (2, 200)  float64   data
        W1  (8, 2)    float64   parameter
        b1  (8, 1)    float64   parameter
        h4  (8, 200)  float64   W1 X
        Z1  (8, 200)  float64   h4 + b1       in layer 1
        returns Z1
    """
    names = distinct_names(graph, {n: printable(n.name) for n in graph if n.name}, set(graph))
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
    rows += [
        (name, str(tuple(x.shape)), str(x.dtype), figures(x, SHOWN) or "constant", "")
        for name, x in named_arrays(names).items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.append(f"returns {', '.join(names[node] for node in graph.outputs)}")
    return "\n".join(lines)


def with_ids(
    graph: Graph,
    named: Mapping[Node, str],
    longest: int = LONGEST_STEP,
    style: Style = own_formula,
    also: Iterable[Node] = (),
) -> dict[Node, str]:
    """The names, and h4 for what formulas longer than `longest` would hold, see `cited`."""
    others = {*cited(graph, named, longest, style=style), *also}
    return distinct_names(graph, named, others)


def distinct_names(
    graph: Graph, named: Mapping[Node, str], others: Set[Node] = frozenset()
) -> dict[Node, str]:
    """Names no two of which are alike: the second W1 is W1_2; of constant arrays too.

    Args:
        named: the names that nodes and arrays have.
        others: those which are called x4 (leaves) or h4 (results) after their position if they have
            none.
    """
    names: dict[Node, str] = {}
    taken = set(named.values())
    there = set[str]()
    times = Counter[str]()
    for k, node in enumerate(graph, 1):
        if node not in named and node not in others:
            continue
        name = wanted = named.get(node) or f"{'h' if node.op else 'x'}{k}"
        while name in there or (name in taken and name != named.get(node)):
            times[wanted] += 1
            name = f"{wanted}_{times[wanted] + 1}"
        there.add(name)
        names[node] = name
    return names | array_names(graph, {**named, **names})
