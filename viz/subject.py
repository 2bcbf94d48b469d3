"""The subject of a picture, as a graph, and what its nodes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import array_names, arrays_of
from tinygrad_dnn.formula.listing import distinct_names
from tinygrad_dnn.graph import Graph, Leaf, Node, trace

LONGEST_NAME = 40  # characters of a name in a picture
MOST_INSIDE = 1000  # elements of a container that are looked at, and of all of them:
MOST_LOOKED_AT = 50_000
DEEPEST_INSIDE = 6  # keys of a way into containers
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

    In dictionaries, lists and tuples among the variables `params["W1"]` is W1, `hs[3]` is hs3.

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
    arrays = {id(x) for x in arrays_of(graph)}
    inside = _inside(names or {}, lambda x: _node(x) in there or id(x) in arrays)
    variables = {**(names or {}), **inside}
    for name, x in [*variables.items()]:
        node = _node(x)
        if node in there and not str(name).startswith("_"):
            named.setdefault(node, str(name))
        elif isinstance(node, Leaf):  # labels as positions, log_probs[rows, Y]
            variables[name] = node.value
    own = {node: node.name for node in graph if node.name}
    named |= own
    return distinct_names(graph, named | array_names(graph, named, variables), set(graph.leaves))


def _node(x: Any) -> Any:
    """The node of a Tensor, a node, or None."""
    # by type: a proxy of what is gone raises when it is asked for its class
    node = x.node if issubclass(type(x), Tensor) else x
    return node if issubclass(type(node), Node) else None


def _inside(names: Mapping[str, Any], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """What is wanted in dictionaries, lists and tuples among variables, by names: the last key
    (W1), with the whole way to it where another has that key too (encoder_W1).
    """
    found: list[tuple[tuple[str, ...], Any]] = []
    stack: list[tuple[tuple[str, ...], Any]] = []
    stack += [((str(name),), x) for name, x in reversed([*names.items()]) if str(name)[:1] != "_"]
    for _ in range(MOST_LOOKED_AT):
        if not stack:
            break
        way, x = stack.pop()
        if len(way) > 1 and wanted(x):
            found.append((way, x))
        kind, inner = type(x), []
        if kind is dict:
            inner = list(islice(x.items(), MOST_INSIDE))
        elif kind in (list, tuple):
            inner = list(enumerate(islice(x, MOST_INSIDE)))
        if len(way) < DEEPEST_INSIDE:
            stack += [((*way, str(k)), y) for k, y in reversed(inner) if _is_key(k)]
    short = [_called(way, _first_named(way)) for way, _ in found]
    lent = {id(x) for _, x in found}
    times = Counter(
        [*short, *(str(n) for n, x in names.items() if wanted(x) and id(x) not in lent)]
    )
    return {
        name if times[name] == 1 else _called(way, 0): x
        for name, (way, x) in zip(short, found, strict=True)
    }


def _is_key(k: Any) -> bool:
    """Whether a name can be made of it."""
    return k >= 0 if isinstance(k, int) else isinstance(k, str) and k[:1] not in ("", "_")


def _first_named(way: Sequence[str]) -> int:
    """Where the last key begins that is a word."""
    return max(k for k, key in enumerate(way) if k == 0 or not key.isdigit())


def _called(way: Sequence[str], start: int) -> str:
    """Keys as a name: words with _ between them, and positions behind: `layers0_W`, `hs3`."""
    name = way[start]
    for last, key in pairwise(way[start:]):
        name += key if key.isdigit() and not last[-1:].isdigit() else f"_{key}"
    return name


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


def slope_name(name: str, taken: Container[str]) -> str:
    """What the gradient of what is called x is called: dx, or δx where there is a dx already."""
    return f"δ{name}" if f"d{name}" in taken else f"d{name}"


def visible(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line, of bearable length, every character of which shows: a line break as \\n.

    What is too long is cut in the middle, since long names differ at their ends.
    """
    end = longest // 3
    cut = text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"
    return printable(cut)
