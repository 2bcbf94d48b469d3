"""Ways to fold a graph: what is in which box, and how much there is to be seen then."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

from tinygrad_dnn.formula.constants import boxes_of
from tinygrad_dnn.graph import Call, Graph, Leaf, Node
from viz.folding.boxes import Box, Row, join_repetitions, join_runs, join_stretches, row_of
from viz.folding.repeats import FEWEST, NONE, PROGRAM, Exact, codes, repeats, step_length
from viz.folding.scopes import Scope, common, scope_ids
from viz.folding.summary import result_of
from viz.folding.units import alone, in_units, opened

READABLE = 40  # things in a picture that folds by itself, about
WHOLE = 60  # and in one in which what repeats is folded
LEVELS = 8  # of scopes that are tried
FEW = 4  # outputs that are always seen; leaves that need no box


class Plan(NamedTuple):
    """A row of boxes.

    Attributes:
        closed: for every scope, the outermost folded one that it is in, if any.
        unasked: whether leaves may be folded, too, that are in no folded scope.
    """

    row: Row
    closed: Mapping[Scope, Scope | None]
    unasked: bool = False


class Entry(NamedTuple):
    """The ops and leaves that one folded box holds."""

    ops: Sequence[Node]
    leaves: Sequence[Node]


class Seen(NamedTuple):
    """A plan as it is seen: its folded boxes, and how many things are drawn in all."""

    plan: Plan
    entries: list[Entry]
    drawn: int


class Folding:
    """A graph that is to be folded.

    Args:
        homes: the scope in which each node stands.
        runs: whether equal scopes in a row are joined.
        calls: whether the calls of composed functions are folded.
        names: of the constant arrays, as `Scene` has them.
    """

    def __init__(
        self,
        graph: Graph,
        homes: Mapping[Node, Scope],
        runs: bool,
        calls: bool = True,
        names: Mapping[Node, str] | None = None,
    ) -> None:
        self.graph, self.homes, self.runs = graph, homes, runs
        self.ops = [node for node in graph if node.op is not None]
        self.readers: dict[Node, list[Node]] = {}
        self.readers_of_arrays: dict[int, list[Node]] = {}  # by the id() of those that are drawn
        drawn = {x: id(y) for x, y in boxes_of(graph, names or {}).items()}
        for node in self.ops:
            for x in node.inputs:
                if isinstance(x, Node):
                    self.readers.setdefault(x, []).append(node)
                elif id(x) in drawn:
                    self.readers_of_arrays.setdefault(drawn[id(x)], []).append(node)
        self.scopes = list(scope_ids(homes))
        self.calls = {p for p in self.scopes if isinstance(p[-1], Call)} if calls else set()
        self.outputs = frozenset(graph.outputs if len(set(graph.outputs)) <= FEW else ())

    def folded(
        self,
        wanted: Collection[Scope],
        depth: int | None,
        opened: Collection[Scope] = (),
        unasked: bool = False,
    ) -> Plan:
        """Fold the scopes wanted, and those deeper than `depth`, except those opened.

        An output is folded only with a scope of which it is the one result, for there the formula
        names it; hence never with several scopes.
        """
        closed: dict[Scope, Scope | None] = {(): None}
        for path in self.scopes:
            deep = depth is not None and len(path) > depth
            asked = path in wanted or path in self.calls or deep
            closed[path] = closed[path[:-1]] or (path if asked and path not in opened else None)
        inside = {n: outer for n in self.ops if (outer := closed[self.homes[n]])}
        row = row_of(self.ops, inside)
        hidden = [
            node
            for box in row
            if box.folded and not self.outputs.isdisjoint(box.ops)
            if result_of(box.ops, self.readers, self.outputs) is None
            for node in box.ops
            if node in self.outputs
        ]
        if hidden:
            inside = {node: path for node, path in inside.items() if node not in hidden}
            row = row_of(self.ops, inside)
        row = join_runs(row, inside, self.outputs) if self.runs else row
        return Plan(row, closed, unasked)

    # --- leaves, and what is seen -----------------------------------------------------------------

    def seen(self, plan: Plan, gather: bool = False, least: int = FEW) -> Seen:
        """Put leaves into boxes, and count what is drawn.

        Args:
            gather: whether other leaves of a kind are folded, too, if the same boxes read them.
            least: how many there must be of these.
        """
        row = plan.row
        where = {node: k for k, box in enumerate(row) for node in box.ops}
        inside, apart = self._leaves(plan, where)
        alike: dict[Any, list[Node]] = {}
        for leaf in apart if gather else ():
            if leaf not in self.outputs:
                users = frozenset(where[user] for user in self.readers.get(leaf, ()))
                alike.setdefault((leaf.requires_grad, users), []).append(leaf)
        no_ops = [leaves for key, leaves in inside.items() if not isinstance(key, int)]
        gathered = [leaves for leaves in alike.values() if len(leaves) >= least]
        arrays = [{where[user] for user in users} for users in self.readers_of_arrays.values()]
        drawn = len(row) + len(no_ops) + len(apart)
        drawn -= sum(len(leaves) - 1 for leaves in gathered)
        drawn += sum(len(boxes) > 1 or not row[min(boxes)].folded for boxes in arrays)
        entries = [Entry((), leaves) for leaves in (*no_ops, *gathered)]
        entries += [Entry(b.ops, inside.get(k, ())) for k, b in enumerate(row) if b.folded]
        return Seen(plan, entries, drawn)

    def _leaves(
        self, plan: Plan, where: Mapping[Node, int]
    ) -> tuple[dict[int | Scope, list[Node]], list[Leaf]]:
        """Leaves by the box they are in (its number, or a scope without ops), and the others.

        Those of a folded scope are in its first box unless an earlier one reads them; parameters
        are in the only box that reads them, and so are inputs that would stand around in numbers,
        unless they were made in an open scope elsewhere.
        """
        row, closed, unasked = plan
        first: dict[Scope, int] = {}
        for k, box in enumerate(row):
            for node in box.ops if box.folded else ():
                if path := closed[self.homes[node]]:
                    first.setdefault(path, k)
        inside: dict[int | Scope, list[Node]] = {}
        inputs: dict[int, list[Leaf]] = {}
        apart = []
        for leaf in self.graph.leaves:
            users = {where[user] for user in self.readers.get(leaf, ())}
            path = closed[self.homes[leaf]]
            only = min(users) if len(users) == 1 and self._is_near(leaf) else None
            if only is not None and closed[self.homes[row[only].ops[0]]] in self.calls:
                only = None  # a function's arguments stand before it
            if leaf in self.outputs:
                apart.append(leaf)
            elif path in first and first[path] <= min(users, default=first[path]):
                inside.setdefault(first[path], []).append(leaf)
            elif path and path not in first and not unasked:
                inside.setdefault(path, []).append(leaf)
            elif only is None or not row[only].folded:
                apart.append(leaf)
            elif leaf.requires_grad:
                inside.setdefault(only, []).append(leaf)
            elif unasked:
                inputs.setdefault(only, []).append(leaf)
            else:
                apart.append(leaf)
        for k, leaves in inputs.items():
            if len(leaves) < FEW:
                apart += leaves
            else:
                inside.setdefault(k, []).extend(leaves)
        return inside, apart

    def home(self, nodes: Sequence[Node], closed: Mapping[Scope, Scope | None]) -> Scope:
        """The innermost open scope that all of them are in."""
        scopes = dict.fromkeys(self.homes[node] for node in nodes)
        return reduce(common, (path[:-1] if (path := closed[s]) else s for s in scopes))

    def _is_near(self, leaf: Leaf) -> bool:
        """Whether a reader is in the scope in which the leaf stands."""
        home = self.homes[leaf]
        return any(self.homes[user][: len(home)] == home for user in self.readers[leaf])

    # --- by itself --------------------------------------------------------------------------------

    def readable(self, limit: int) -> Seen:
        """Fold to what one can read, never above `limit` things.

        Leaves alone; else scopes, with as many levels of them open as can be; else what repeats;
        else stretches.
        """
        target = min(limit, READABLE)
        levels = min(max(map(len, self.scopes), default=0), LEVELS)
        for depth in reversed(range(levels + 1)):
            plan = self.folded((), depth, unasked=True)
            if not self._uninformative(plan, limit) and (found := self._fitting(plan, target)):
                return found
        repeated = self.repetitions(limit)
        if repeated.drawn <= min(limit, WHOLE):  # steps say more than stretches
            return repeated
        plan = repeated.plan
        asked = [not self.outputs.isdisjoint(box.ops) for box in plan.row]
        long = len(self.ops) // target
        steps = [k for k, b in enumerate(plan.row) if len(b.ops) >= max(long, 2) and repeats(b.ops)]
        room = max(target // 4 - sum(asked), 0)
        longest = set(sorted(steps, key=lambda k: -len(plan.row[k].ops))[:room])
        kept = [a or k in longest for k, a in enumerate(asked)]
        pieces = target // 2
        while pieces > 1:
            less = plan._replace(row=join_stretches(plan.row, pieces, kept))
            if found := self._fitting(less, target):
                return found
            pieces //= 2
        less = plan._replace(row=join_stretches(plan.row, 1, asked))
        found = self.seen(less, gather=True)
        if found.drawn <= limit or not self.ops:
            return found
        return self.seen(plan._replace(row=[Box(self.ops, True)]), gather=True)

    def repetitions(self, limit: int, gather: bool = False, least: int = FEW) -> Seen:
        """Fold what repeats, found by its shape, and scopes unless they say nothing.

        Of the ways that there are it is the one with the fewest things drawn, units that stand
        alone counted twice, of those that are READABLE, else of those that can be seen as a WHOLE;
        else the first, unless another has less than half of its things.

        Args:
            gather, least: see `seen`; without `gather` leaves are folded as far as must be.
        """
        open_ones: set[Scope] = set()
        for _ in range(LEVELS):
            plan = self.folded((), 0, open_ones, unasked=True)
            more = self._uninformative(plan, limit)
            if not more:
                break
            open_ones |= more
        found: list[tuple[int, Seen]] = []
        for exact in (PROGRAM, NONE):
            for rows in self._ways(plan.row, exact):
                for row, units in rows:
                    way = plan._replace(row=row)
                    seen = self.seen(way, gather, least)
                    if not gather and seen.drawn > min(limit, WHOLE):
                        seen = self.seen(way, True)
                    found.append((seen.drawn + units, seen))
                    if found[-1][0] <= min(limit, READABLE):
                        break
            if any(drawn <= min(limit, READABLE) for drawn, _ in found):
                break
        for most in (READABLE, WHOLE):
            fitting = [way for way in found if way[1].drawn <= min(limit, most)]
            if fitting:
                return min(reversed(fitting), key=lambda way: way[0])[1]
        first, shortest = found[0][1], min((seen for _, seen in found), key=lambda one: one.drawn)
        return shortest if 2 * shortest.drawn < first.drawn else first

    def _ways(self, row: Row, exact: Exact) -> tuple[Iterator[tuple[Row, int]], ...]:
        """Rows in which what repeats is joined: ops; or units side by side, then more and more rows
        of these. With each the number of units that are joined with nothing.
        """
        written = codes([node for box in row for node in box.ops], exact)
        join = partial(join_repetitions, written=written, least=2 if exact else FEWEST)
        return iter([(join(row, self.outputs), 0)]), self._of_units(row, exact, join)

    def _of_units(self, row: Row, exact: Exact, join: Any) -> Iterator[tuple[Row, int]]:
        units = in_units(row, self.readers, self.outputs, exact)
        joined = join(units, self.outputs, longest=1)
        whole = {id(box) for box in units}
        layers = {node for box in joined if id(box) not in whole for node in box.ops}
        joined = join(joined, layers | self.outputs)  # what is between these
        for _ in range(LEVELS):
            yield opened(joined, units), 0
            yield joined, alone(joined, units)
            before = len(joined)
            joined = join(joined, self.outputs)
            if len(joined) == before:
                break

    def steps_open(self, plan: Plan) -> Iterator[Plan]:
        """For each box of equal steps outside of scopes the plan with its last step open.

        The steps before it, a beginning of a stretch, are a stretch too.
        """
        for k, box in enumerate(plan.row):
            length = step_length(box.ops)
            if length < len(box.ops) and not any(plan.closed[self.homes[n]] for n in box.ops):
                before, last = box.ops[:-length], box.ops[-length:]
                parts = [Box(before, len(before) > 1), *(Box([node], False) for node in last)]
                yield plan._replace(row=[*plan.row[:k], *parts, *plan.row[k + 1 :]])

    def _fitting(self, plan: Plan, target: int) -> Seen | None:
        for gather in (False, True):
            seen = self.seen(plan, gather)
            if seen.drawn <= target:
                return seen
        return None

    def _uninformative(self, plan: Plan, limit: int) -> set[Scope]:
        """The scope that holds most of a large graph, unless it is one thing repeated."""
        found = set()
        for box in plan.row:
            if box.folded and len(box.ops) > max(limit, len(self.ops) // 2):
                (path, *others) = {plan.closed[self.homes[node]] for node in box.ops}
                if path and not others and not repeats(box.ops):
                    found.add(path)
        return found
