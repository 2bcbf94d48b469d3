"""A graph together with its backward pass: dZ1 is a node like Z1, computed from dA1."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from tinygrad_dnn.autodiff.retrace import Backward, Forward, backward_again, forward_again
from tinygrad_dnn.formula.listing import distinct_names
from tinygrad_dnn.formula.short_ids import LONGEST_STEP, LONGEST_TWICE, cited
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Graph, Node, trace
from viz.folding.scopes import Scope, common, homes_of
from viz.subject import slope_name

LONGEST_INNER = 32  # of an unnamed value in the name of its gradient, as d(W1 X)


class Both(NamedTuple):
    """Forward and backward nodes in one graph, the forward ones first and as they were.

    Attributes:
        named: their names; the gradient of Z1 is dZ1.
        ids: n0, n1, ... forward; d5 is the gradient of n5; other steps back are b0, b1, ...
        slopes: the nodes of the backward pass.
        gradients: for every node that one flows to, its gradient.
        beside: for a gradient that is drawn beside a value, that value.
        seeds: the nodes that the way back starts from, 1 everywhere.
        homes: the scope of each node; a gradient stands where its value stands.
        again: the forward nodes that the nodes which were given became.
    """

    graph: Graph
    named: dict[Node, str]
    ids: dict[Node, str]
    slopes: frozenset[Node]
    gradients: dict[Node, Node]
    beside: dict[Node, Node]
    homes: dict[Node, Scope]
    again: dict[Node, Node]
    seeds: frozenset[Node] = frozenset()


def forward_only(graph: Graph, named: Mapping[Node, str], homes: Mapping[Node, Scope]) -> Both:
    """The graph as it is, without a way back."""
    ids = {node: f"n{i}" for i, node in enumerate(graph)}
    itself = {node: node for node in graph}
    return Both(graph, dict(named), ids, frozenset(), {}, {}, dict(homes), itself)


def with_backward(
    graph: Graph, named: Mapping[Node, str], hosts: Mapping[Node, Node] | None = None
) -> Both:
    """Record the graph and its backward pass anew; the graph that was given is left alone.

    Where `hosts` says that a step is drawn inside another one's box, its gradient is a step on the
    way as well.

    Raises:
        StaleValueError: a leaf was changed since the ops that read it were recorded.
        ValueError: nothing in the graph requires a gradient.
    """
    forward = forward_again(graph)
    again = dict(zip(graph, forward.graph, strict=True))
    names = {again.get(x, x): name for x, name in named.items()}
    hidden = {again[x] for x in hosts or {}}
    together = both(forward, backward_again(forward), names, hidden)
    return together._replace(again=again)


def both(
    forward: Forward,
    backward: Backward,
    named: Mapping[Node, str],
    hidden: Collection[Node] = (),
    longest: int = LONGEST_STEP,
) -> Both:
    """The graph of a forward and a backward pass that were recorded.

    Args:
        hidden: the steps that are drawn inside another one's box.
        longest: characters of an unnamed formula, see `cited`.
    """
    beside: dict[Node, Node] = {}
    # Where a rule hands on what it got (dL = dcost), one node is the gradient of several; it bears
    # the name of a named one, that nearest to the cost.
    for x, g in backward.gradients.items():
        if x not in hidden and (
            g.node not in beside or (x in named and beside[g.node] not in named)
        ):
            beside[g.node] = x
    steps = [*backward.gradients.values(), *backward.contributions.values()]
    there = set(forward.graph)
    slopes = [n for n in trace([t.node for t in steps]) if n not in there]
    whole = Graph([*forward.graph, *slopes], forward.graph.outputs)
    ids = {node: f"n{i}" for i, node in enumerate(forward.graph)}
    inner = set(slopes) - beside.keys()
    names = _names(whole, named, beside, inner, longest, frozenset(slopes))
    return Both(
        whole,
        names,
        ids
        | {g: f"d{ids[x][1:]}" for g, x in beside.items()}
        | {node: f"b{i}" for i, node in enumerate(x for x in slopes if x in inner)},
        frozenset(slopes),
        {x: g.node for x, g in backward.gradients.items()},
        beside,
        _homes(whole, homes_of(forward.graph), beside),
        {},
        backward.seeds,
    )


def _names(
    whole: Graph,
    named: Mapping[Node, str],
    beside: Mapping[Node, Node],
    inner: Collection[Node],
    longest: int,
    quiet: Collection[Node],
) -> dict[Node, str]:
    """The names, short ids of what is too long to write out, and d in front for gradients."""
    taken = set(named.values())
    slopes = {g: slope_name(named[x], taken) for g, x in beside.items() if x in named}
    called = cited(whole, {**named, **slopes}, longest, inner, quiet=quiet)
    values = {beside.get(node, node) for node in called}
    seeds = [x for g, x in beside.items() if g.op is None and x not in named]
    if seeds:  # d(x + y) = 1, but dh9 = 1 of what is longer
        texts = _texts(whole, distinct_names(whole, named, values), seeds)
        values |= {x for x in seeds if len(texts.get(x, "")) > LONGEST_TWICE}
    names = distinct_names(whole, named, values)
    seeds = [x for x in seeds if x not in names]
    texts = _texts(whole, names, seeds)
    taken = set(names.values())
    return names | {
        g: slope_name(names[x], taken) if x in names else f"d({texts.get(x, 'tensor')})"
        for g, x in beside.items()
        if x in names or g.op is None  # a seed stands in formulas by its name alone
    }


def _texts(whole: Graph, names: Mapping[Node, str], seeds: Collection[Node]) -> dict[Node, str]:
    return formulas(whole, names, LONGEST_STEP, beside=False, only=seeds) if seeds else {}


def _homes(
    whole: Graph, homes: dict[Node, Scope], beside: Mapping[Node, Node]
) -> dict[Node, Scope]:
    """A gradient stands where its value stands, a step on the way where it leads to."""
    uses: dict[Node, Scope] = {}
    for node in reversed(whole):
        if node not in homes:
            homes[node] = homes[beside[node]] if node in beside else uses.get(node, ())
        for x in node.parents:
            uses[x] = common(uses.get(x, homes[node]), homes[node])
    return homes
