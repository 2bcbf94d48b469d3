"""The subject of a picture, as a graph, and what its nodes are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import array_names
from tinygrad_dnn.formula.listing import distinct_names
from tinygrad_dnn.graph import Graph, Node, trace

LONGEST_NAME = 40  # characters of a name in a picture
SAID = 3  # names that several tensors have which a sentence lists


def graph_of(what: Any, who: str = "draw") -> Graph:
    """The graph of a Tensor, of several, of nodes, or the graph that it is.

    Raises:
        TypeError: it is something else, or there is something else among them.
        ValueError: there are none.
    """
    if isinstance(what, Graph):
        return what
    many = isinstance(what, Iterable) and not isinstance(what, (Tensor, str, np.ndarray))
    outputs = [x.node if isinstance(x, Tensor) else x for x in (what if many else [what])]
    for x in outputs:
        if not isinstance(x, Node):
            raise TypeError(
                f"{who}: expected a Tensor, several Tensors or a Graph, got {type(x).__name__}; "
                f"{who} the result of an expression of Tensors, e.g. viz.{who}(cost)"
            )
    if not outputs:
        raise ValueError(f"{who}: nothing to draw; give at least one Tensor")
    return trace(outputs)


def names_of(
    graph: Graph, names: Mapping[str, Any] | None = None, who: str = "draw"
) -> dict[Node, str]:
    """The nodes' own names, then those of the variables; the first variable of several wins.

    No two are alike, see `distinct_names`; leaves without a name have one by their position, and
    constant arrays that of a variable, or one by the order in which they are read.

    Raises:
        TypeError: names is no mapping.
    """
    if not isinstance(names, (Mapping, type(None))):
        raise TypeError(
            f"{who}: expected names as a mapping of name to Tensor, got {type(names).__name__}; "
            "write names=locals()"
        )
    named: dict[Node, str] = {}
    there = set(graph)
    for name, x in (names or {}).items():
        # by type: a proxy of what is gone raises when it is asked for its class
        node = x.node if issubclass(type(x), Tensor) else x
        if issubclass(type(node), Node) and node in there and not str(name).startswith("_"):
            named.setdefault(node, str(name))
    own = {node: node.name for node in graph if node.name}
    named |= own
    arrays = array_names(graph, named, names)
    return distinct_names(graph, named | arrays, set(graph.leaves))


def namesakes(named: Mapping[Node, str]) -> str:
    """A sentence about tensors of one name, which stand under different names; or nothing."""
    called: dict[str, list[str]] = {}
    for node, name in named.items():
        if node.name:
            called.setdefault(node.name, []).append(visible(name))
    several = {name: here for name, here in called.items() if len(here) > 1}
    told = [
        f"{len(here)} tensors are named {visible(name)}: in order of creation "
        f"{', '.join(here if len(here) < 5 else [*here[:2], '...', here[-1]])}."
        for name, here in islice(several.items(), SAID)
    ]
    return " ".join([*told, *(["And so on."] if len(several) > SAID else [])])


def visible(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line, of bearable length, every character of which shows: a line break as \\n.

    What is too long is cut in the middle, since long names differ at their ends.
    """
    end = longest // 3
    cut = text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"
    return printable(cut)
