"""Where the nodes of a graph stand: in which scope's box, in which result's box."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from tinygrad_dnn.graph import Graph, Leaf, Node

Scope = tuple[str, ...]


def hosts_of(
    graph: Graph, named: Mapping[Node, str], homes: Mapping[Node, Scope]
) -> dict[Node, Node]:
    """For every unnamed op that is used once, in its own scope, the named result it leads to."""
    users: dict[Node, list[Node]] = {}
    for node in graph:
        for x in node.parents:
            users.setdefault(x, []).append(node)
    shown = {*named, *graph.outputs}
    hosts: dict[Node, Node] = {}
    for node in reversed(graph):
        uses = users.get(node, [])
        if node.op is None or node in shown or len(uses) != 1 or homes[uses[0]] != homes[node]:
            continue
        host = hosts.get(uses[0], uses[0])
        if host in shown:
            hosts[node] = host
    return hosts


def homes_of(graph: Graph) -> dict[Node, Scope]:
    """The scope in whose box a node stands: its own; for a parameter outside, that of its uses."""
    used: dict[Node, Scope] = {}
    for node in graph:
        for x in node.parents:
            used[x] = common(used.get(x, node.scope), node.scope)
    return {
        node: used.get(node, ())
        if isinstance(node, Leaf) and node.requires_grad and not node.scope
        else node.scope
        for node in graph
    }


def common(one: Scope, other: Scope) -> Scope:
    """The innermost scope that both are in."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return tuple(name for name, _ in pairs)
