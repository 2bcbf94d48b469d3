"""Where the nodes of a graph stand: in which scope's box, in which result's box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import takewhile

from tinygrad_dnn.graph import Call, Graph, Leaf, Node

Scope = tuple[str, ...]


def hosts_of(
    graph: Graph,
    named: Mapping[Node, str],
    homes: Mapping[Node, Scope],
    slopes: Collection[Node] = (),
) -> dict[Node, Node]:
    """For every unnamed op whose uses all lead to one named result in its scope, that result.

    What only a step of the backward pass (`slopes`) reads of the forward pass does not count.
    """
    hosts: dict[Node, Node] = {}
    ends: dict[Node, set[Node]] = {}  # the named results that the uses of a node lead to
    shown = {*named, *graph.outputs}
    for node in reversed(graph):
        if node.op is not None and node not in shown and len(ends.get(node, ())) == 1:
            (host,) = ends[node]
            if homes[host] == homes[node] and host in shown:
                hosts[node] = host
        for x in node.parents:
            if x in slopes or node not in slopes:
                ends.setdefault(x, set()).add(hosts.get(node, node))
    return hosts


def homes_of(graph: Graph) -> dict[Node, Scope]:
    """The scope in whose box a node stands: its own; for a parameter outside, that of its uses.

    The call of a function that recorded one op has no box: the op says it all.
    """
    calls: Counter[str] = Counter()
    for node in graph:
        if node.op is not None:
            calls.update(name for name in node.scope if isinstance(name, Call))
    own = {
        node: tuple(x for x in node.scope if not isinstance(x, Call) or calls[x] > 1)
        if node.scope
        else ()
        for node in graph
    }
    used: dict[Node, Scope] = {}
    for node in graph:
        for x in node.parents:
            used[x] = common(used.get(x, own[node]), own[node])
    return {
        node: tuple(x for x in used.get(node, ()) if not isinstance(x, Call))
        if isinstance(node, Leaf) and node.requires_grad and not node.scope
        else own[node]
        for node in graph
    }


def common(one: Scope, other: Scope) -> Scope:
    """The innermost scope that both are in."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return tuple(name for name, _ in pairs)


def scope_ids(homes: Mapping[Node, Scope]) -> dict[Scope, str]:
    """An id for every scope with something in it, an outer one before those inside it."""
    paths = dict.fromkeys(
        home[:k] for home in dict.fromkeys(homes.values()) for k in range(1, len(home) + 1)
    )
    return {path: f"s{i}" for i, path in enumerate(paths)}
