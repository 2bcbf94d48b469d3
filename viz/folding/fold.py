"""Which nodes of a graph are drawn as one box, and what that box says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.graph import Call, Graph, Node
from viz.folding.plans import FEW, READABLE, Entry, Folding, Seen
from viz.folding.scopes import Scope
from viz.folding.summary import (
    Summary,
    call_of,
    formula_of,
    result_of,
    shapes_of,
    size,
    step_of,
    summary,
    title_of,
    words_of_leaves,
)

LIMIT = 150  # things in a picture; more fold by themselves
BUNDLE = 12  # leaves that one op reads and that nothing else tells apart, drawn as one box
TOLD = 12  # scopes in an error
SAID = 3  # things that the sentence about a folded graph names


class Group(NamedTuple):
    """Several nodes drawn as one box.

    Attributes:
        members: ops and leaves, in the order of the graph.
        home: the scope in whose box the folded box stands.
        path: the scope that was folded; None for several, or for ops of none. No two groups have
            the same: what a scope did when it was entered again has None.
        title: `layer 1`, `layer 1 … layer 3`, `3 × step`, `ops 120 … 360`.
        summary: `LINEAR → RELU × 3`.
        formula: of one scope with one result, `A1 = relu(W1 X + b1)`; else empty.
        parameters: elements of the members that require a gradient.
        bytes: of those.
        shapes: `(4, 3) → (4, 1)`, of the data that come in and of what goes out.
        each: of equal steps outside of scopes, `12 × h13 = h7 + V1 relu(W1 h7)`, their last one.
    """

    members: tuple[Node, ...]
    home: Scope
    path: Scope | None
    title: str
    summary: str
    formula: str
    parameters: int
    bytes: int
    shapes: str = ""
    each: str = ""


def fold(
    graph: Graph,
    homes: Mapping[Node, Scope],
    *,
    folded: str | Collection[str] | bool = (),
    depth: int | None = None,
    limit: int | None = LIMIT,
    names: Mapping[Node, str] | None = None,
    runs: bool = True,
) -> tuple[list[Group], str]:
    """Fold scopes; or, where nothing is asked for and a graph is large, what makes it readable.

    The call of a function that is composed of ops is one box unless `folded` is False, and so are
    a dozen leaves or more that the same op reads.

    Arrows between groups and the other nodes never lead in a circle.

    Args:
        homes: the scope in which each node stands (`homes_of`).
        folded: names of scopes, of any that is called so or in full (`outer/inner`); True for all,
            and where there are none for what repeats; False for none whatever the size.
        depth: how many levels of scopes stay open.
        limit: with neither of these, a graph of more things than this is folded; None: never.
        names: what formulas call the nodes.
        runs: scopes in a row that do the same, each fed by the one before, become one group.

    Returns:
        The groups, and a sentence about what was folded unasked, else "".

    Raises:
        ValueError: there is no such scope, or depth is negative, or limit is less than 1.
        TypeError: folded is no collection of names.
    """
    homes = {node: homes.get(node, ()) for node in graph}
    work = Folding(graph, homes, runs, folded is not False, names)
    wanted = _wanted(folded, work.scopes, depth, limit)
    if folded is True and not any(work.scopes):
        large = limit is not None and len(graph) > limit
        repeated = work.repetitions(limit or LIMIT, gather=True, least=FEW if large else BUNDLE)
        if limit is not None and large and repeated.drawn > READABLE:
            repeated = work.readable(limit)  # little repeats
        return _Words(work, names or {}).groups(repeated), ""
    depth = 0 if folded is True else depth
    words = _Words(work, names or {})
    if wanted or depth is not None:
        return words.groups(work.seen(work.folded(wanted, depth))), ""
    if folded is False:
        return [], ""
    asked = work.seen(work.folded((), None), gather=True, least=BUNDLE)  # calls, and fan-in
    if limit is None or asked.drawn <= limit:
        groups = words.groups(asked)
        bundled = any(steps is None for steps in words.steps)
        return groups, words.of_all(groups, asked) if bundled else ""
    seen = work.readable(limit)
    groups = words.groups(seen)
    return groups, words.of_all(groups, seen)


def steps_open(
    graph: Graph, homes: Mapping[Node, Scope], names: Mapping[Node, str]
) -> Iterator[list[Group]]:
    """For each box of equal steps that a large graph folds to by itself, the groups where the last
    of these steps is open.
    """
    if len(graph) > LIMIT:
        work = Folding(graph, {node: homes.get(node, ()) for node in graph}, runs=True)
        for plan in work.steps_open(work.readable(LIMIT).plan):
            yield _Words(work, names).groups(work.seen(plan, gather=True, least=BUNDLE))


def _wanted(folded: Any, scopes: Sequence[Scope], depth: Any, limit: Any) -> set[Scope]:
    """The scopes that are named."""
    for who, value, least in (("depth", depth, 0), ("limit", limit, 1)):
        if value is not None and (type(value) is not int or value < least):
            raise ValueError(f"fold: expected {who} as None or {least} or more, got {value!r}")
    if isinstance(folded, bool):
        return set()
    names = [folded] if isinstance(folded, str) else folded
    if not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"fold: expected names of scopes, True or False, got {folded!r}; write ['layer 1']"
        )
    called: dict[str, list[Scope]] = {}
    for path in scopes:
        for name in {path[-1], "/".join(path)}:
            called.setdefault(name, []).append(path)
    for name in names:
        if name not in called:
            there = ["/".join(path) for path in scopes]
            more = f" and {len(there) - TOLD:,} more" if len(there) > TOLD else ""
            known = f"there are {', '.join(there[:TOLD])}{more}" if there else "there are none"
            raise ValueError(f"fold: expected the name of a scope, got {name!r}; {known}")
    return {path for name in names for path in called[name]}


class _Words:
    """The titles and texts of groups."""

    def __init__(self, work: Folding, names: Mapping[Node, str]) -> None:
        self.work, self.names = work, names
        self.place = {node: i for i, node in enumerate(work.graph, 1)}
        self.outputs = frozenset(work.graph.outputs)
        self.steps: list[Summary | None] = []  # of each group; None of leaves alone

    def groups(self, seen: Seen) -> list[Group]:
        """A group for each folded box."""
        closed, homes = seen.plan.closed, self.work.homes
        folded = {node for entry in seen.entries for node in (*entry.ops, *entry.leaves)}
        # Of these something is still seen: their groups stand beside it, in the scope's own box.
        partly = {closed[homes[node]] for node in self.work.graph if node not in folded}
        made, taken = [], set[Scope | None]()
        for entry in seen.entries:
            group = self._group(entry, closed)
            path = group.path
            if path and path in partly:
                group = group._replace(home=path, path=None)
            elif path in taken:
                group = group._replace(path=None)
            taken.add(path)
            made.append(group)
        return made

    def _group(self, entry: Entry, closed: Mapping[Scope, Scope | None]) -> Group:
        members = tuple(sorted((*entry.ops, *entry.leaves), key=self.place.__getitem__))
        paths = [closed[self.work.homes[node]] for node in entry.ops or members]
        home = self.work.home(entry.ops or members, closed)
        path = paths[0] if len(set(paths)) == 1 else None
        formula = each = ""
        steps = summary(entry.ops) if entry.ops else None
        self.steps.append(steps)
        if steps:
            title, text = title_of(entry.ops, steps, paths, self.place), steps.text
            result = result_of(entry.ops, self.work.readers, self.outputs) if path else None
            if result is not None and path and isinstance(path[-1], Call):
                formula = call_of(path[-1], result, entry.ops, self.names)
            elif result is not None:
                formula = formula_of(result, entry.ops, self.names)
                if steps.times > 1 and "…" in formula:  # the summary says it better
                    formula = ""
            if steps.times > 1 and not formula and not any(paths):
                each = step_of(entry.ops, steps.times, self.names, self.place)
        else:
            title, text = words_of_leaves(members, path, self.names)
        shapes = shapes_of(entry.ops, self.work.readers, self.outputs)
        return Group(members, home, path, title, text, formula, *size(entry.leaves), shapes, each)

    def of_all(self, groups: Sequence[Group], seen: Seen) -> str:
        """Return what was folded, and how to see it all."""
        parts: list[str] = []
        stretches = leaves = 0
        for group, entry, steps in zip(groups, seen.entries, self.steps, strict=True):
            if steps is None:
                leaves += len(entry.leaves)
            elif any(seen.plan.closed[self.work.homes[node]] for node in entry.ops):
                parts.append(printable(group.title))
            elif steps.times > 1:
                alike = "similar" if steps.differ else "equal"
                parts.append(f"{steps.times:,} {alike} steps {steps.step}")
            else:
                stretches += 1
        if len(parts) > SAID:
            parts = [*parts[: SAID - 1], f"{len(parts) - SAID + 1:,} more"]
        if stretches:
            parts.append(f"{stretches:,} stretches of ops" if stretches > 1 else "a stretch of ops")
        parts += [f"{leaves:,} leaves"] if leaves else []
        *most, last = parts
        what = f"{', '.join(most)} and {last}" if most else last
        return (
            f"{len(self.work.graph):,} nodes drawn as {seen.drawn:,}, folded: {what}; "
            "fold=False draws them all"
        )
