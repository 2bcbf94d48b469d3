"""The ways in which the page can fold a graph: which groups are closed in each of its pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations, islice

from tinygrad_dnn.graph import Graph, Node
from viz.folding.fold import LIMIT, Group, fold, steps_open
from viz.folding.scopes import Scope, scope_ids
from viz.folding.summary import size, summary

MOST = 24  # pictures in a page
OPENED = 300  # boxes of a picture in which one group was opened
SUBSETS = 4  # so many scopes can be closed in every combination
LEVELS = 3  # of nested scopes, closed before single ones are

View = dict[str, Group]


def views(graph: Graph, homes: Mapping[Node, Scope], named: Mapping[Node, str]) -> list[View]:
    """Groups by id for every picture, the first one first; at most MOST of at most LIMIT boxes.

    First as the graph folds by itself: everything open, unless it is large. Then, of what folded by
    itself outside of scopes, each part opened alone, with OPENED boxes at most, and of equal steps
    the last one. Then all scopes
    closed, level by level of nested ones, and each closed or open alone.
    Then those inside others, and the levels below.
    """
    found: dict[frozenset[str], View] = {}
    scopes, position = scope_ids(homes), {node: i for i, node in enumerate(homes)}
    folded = fold(graph, homes, names=named)[0]
    for most, groups in (
        (len(graph), folded),
        *((OPENED, others) for others in _opened(folded)),
        *((OPENED, others) for others in steps_open(graph, homes, named)),
        *((LIMIT, groups) for groups in _candidates(graph, homes, named)),
    ):
        boxes = len(graph) - sum(len(group.members) - 1 for group in groups)
        if boxes <= most:
            view = _by_id(groups, scopes, position)
            found.setdefault(frozenset(view), view)
        if len(found) == MOST:
            break
    return list(found.values())


def _opened(groups: Collection[Group]) -> Iterator[Collection[Group]]:
    """All groups but one, for each that is no scope."""
    for group in groups:
        if group.path is None:
            yield [other for other in groups if other is not group]


def _candidates(
    graph: Graph, homes: Mapping[Node, Scope], named: Mapping[Node, str]
) -> Iterator[Collection[Group]]:
    yield []
    deepest = max((len(home) for home in homes.values()), default=0)
    if not deepest:
        yield fold(graph, homes, folded=True, names=named)[0]  # what repeats
    below = (
        fold(graph, homes, depth=depth, limit=None, runs=False, names=named)[0]
        for depth in range(deepest)
    )
    levels = list(islice(below, LEVELS))
    yield from levels
    for groups in levels[:1]:
        if len(groups) <= SUBSETS:
            for k in range(1, len(groups)):
                yield from combinations(groups, k)
        for group in groups:
            yield [group]
            yield [other for other in groups if other is not group]
    for groups in levels[1:]:
        yield from ([group] for group in groups)
    for groups in below:
        yield groups
        yield from ([group] for group in groups)


def group_ids(groups: Collection[Group], homes: Mapping[Node, Scope]) -> View:
    """Groups by id: a scope keeps its own, others are called after their first node."""
    return _by_id(groups, scope_ids(homes), {node: i for i, node in enumerate(homes)})


def _by_id(
    groups: Collection[Group], scopes: Mapping[Scope, str], position: Mapping[Node, int]
) -> View:
    ids: View = {}
    for group in groups:
        own = scopes.get(group.path) if group.path is not None else None
        other = f"f{min(position[node] for node in group.members)}x{len(group.members)}"
        ids[other if own is None or own in ids else own] = group
    return ids


def open_scopes(graph: Graph, homes: Mapping[Node, Scope], drawn: Iterable[Scope]) -> View:
    """A group for each scope that is drawn, by its id, whether a view can close it or not."""
    inside: dict[Scope, list[Node]] = {path: [] for path in drawn}
    for node in graph:
        home = homes.get(node, ())
        for k in range(1, len(home) + 1):
            if home[:k] in inside:
                inside[home[:k]].append(node)
    ids = scope_ids(homes)
    return {
        ids[path]: Group(tuple(nodes), path[:-1], path, path[-1], _does(nodes), "", *size(nodes))
        for path, nodes in inside.items()
    }


def _does(nodes: Collection[Node]) -> str:
    ops = [node for node in nodes if node.op is not None]
    return summary(ops).text if ops else ""
