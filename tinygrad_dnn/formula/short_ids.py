"""Short ids in formulas: h4 in place of what would be too long to write out where it is read.

The id of a result is its line in `print(graph)`. Who reads a formula finds the id at the head of
another one, as in any intermediate language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Mapping

from tinygrad_dnn.formula.calls import calls_of
from tinygrad_dnn.formula.template import ATOM, UNICODE
from tinygrad_dnn.formula.text import Pen, Style, Written, own_formula
from tinygrad_dnn.graph import Graph, Node

LONGEST_STEP = 48  # characters of a formula without a name
LONGEST_FORMULA = 90  # and of a named one
LONGEST_TWICE = 20  # of what is written out in two places
LEAST = 6  # what is shorter than this gets no shorter by an id
WHOLE = 1 << 30  # characters: nothing is cut


def cited(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int = LONGEST_STEP,
    within: Collection[Node] = (),
    style: Style = own_formula,
    quiet: Container[Node] = (),
) -> set[Node]:
    """The unnamed results that readers call by an id.

    Written out they would make a formula longer than `longest` (a named one: than
    LONGEST_FORMULA), or they are long and read more than once.

    Args:
        within: steps that have no line of their own: they are written out where they are read, as
            far as that goes.
        quiet: steps of derivative rules, whose plumbing is not written.
    """
    pen = _Draft(graph, names, style, quiet)
    # What a rule reads of the forward pass doesn't count: that looks as it does without the rules.
    reads = Counter(x for node in graph for x in node.parents if node not in quiet or x in quiet)
    found: set[Node] = set()
    for node in graph:
        if node.op is None:
            continue
        pen.write(node)
        able = [x for x in pen.inlined(node) if x not in found]
        # What has a line of its own goes before what would get one for this alone.
        for x in sorted(able, key=lambda x: (x in within, -pen.size(x), x.index)):
            most = LONGEST_FORMULA if x in within or node in names else longest
            if pen.size(node) > most and pen.size(x) >= LEAST:
                *path, y = pen.function_in(x, found)
                found.add(y)
                pen.cite(y)
                for step in (*reversed(path), node):
                    pen.write(step)
        repeated = reads[node] > 1 and pen.size(node) > LONGEST_TWICE and not node.op.spreads
        if repeated and node not in names and node not in within:
            found.add(node)
            pen.cite(node)
    return found


class _Draft:
    """Formulas in plain text, written out so far."""

    def __init__(
        self, graph: Graph, names: Mapping[Node, str], style: Style, quiet: Container[Node]
    ) -> None:
        self.names = names
        self.pen = Pen(names, [UNICODE], style, False, quiet)
        self.calls = calls_of(graph)
        self.place = {node: k for k, node in enumerate(graph, 1)}
        self.done: dict[Node, Written] = {}

    def write(self, node: Node) -> None:
        if node in self.calls:
            self.done[node] = self.pen.called(self.calls[node], self.done, WHOLE)
        else:
            self.done[node] = self.pen.filled(node, self.done)

    def cite(self, node: Node) -> None:
        """From now on it is read by its id."""
        kind = "dh" if node in self.pen.quiet else "h"
        self.done[node] = self.pen.bound(self.pen.plain(f"{kind}{self.place[node]}"), ATOM)

    def size(self, node: Node) -> int:
        return len(self.done[node][0][0])

    def inlined(self, node: Node) -> list[Node]:
        """The unnamed results that a formula holds, as its own inputs."""
        read = self.calls[node].inputs if node in self.calls else self.pen.few(node)
        nodes = (x for x in read if isinstance(x, Node))
        return list(dict.fromkeys(x for x in nodes if x in self.done and x not in self.names))

    def function_in(self, x: Node, found: Container[Node]) -> list[Node]:
        """The way from x to the function call that makes up most of it, tanh(...) of Wh tanh(...):
        a state is cited where it is whole. Where there is none, x alone.
        """
        path = [x]
        while x.op.contracts or x.op.infix:
            inner = [y for y in self.inlined(x) if y not in found]
            largest = max(inner, key=self.size, default=x)
            if 2 * self.size(largest) < self.size(x) or largest is x:
                return path[:1]
            path.append(x := largest)
        return path
