"""`viz.draw`: a recorded graph as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.formula.listing import distinct_names, with_ids
from tinygrad_dnn.graph import Graph, Leaf, Node
from viz.drawing.backward import Both, forward_only, with_backward
from viz.drawing.dot import picture_of
from viz.drawing.labels import Labels
from viz.drawing.picture import Picture
from viz.drawing.problems import at_hosts
from viz.drawing.problems import problems as problems_of
from viz.drawing.scene import Scene
from viz.folding.fold import LIMIT, Group
from viz.folding.fold import fold as fold_scopes
from viz.folding.scopes import homes_of, hosts_of
from viz.folding.views import group_ids
from viz.subject import graph_of, names_of, namesakes

if TYPE_CHECKING:  # the checkers are loaded by whoever has a report
    from tinygrad_dnn.check import GradientReport


FULL = "full"  # a backward pass with every op of its rules


def draw(
    what: Any,
    names: Mapping[str, Any] | None = None,
    *,
    values: bool = False,
    backward: bool | str = False,
    merge: bool = False,
    scopes: bool = True,
    fold: bool | str | Collection[str] | None = None,
    depth: int | None = None,
    problems: bool = True,
    blame: Mapping[Any, str] | GradientReport | None = None,
) -> Picture:
    """Draw what a result was computed from: `viz.save(viz.draw(cost), "graph.svg")`.

    Parameters are square boxes, inputs ellipses, constant arrays notes, ops rounded boxes,
    gradients octagons, and the outputs (the cost) have a double outline. Constant numbers stand in
    the formulas. Each box says name and formula, shape and dtype.

    Args:
        what: a Tensor, several of them, or a `tinygrad_dnn.Graph`.
        names: names for what has none of its own, as `names=locals()`: `params["W1"]` is W1 there
            and `hs[3]` is hs3. What is no Tensor and what begins with an underscore is passed over.
        values: show the numbers as well, and gradients where `backward` left some: all of a small
            array; of a larger one its least, greatest and mean element and its Euclidean norm.
        backward: draw the backward pass too: dZ1 beside Z1, computed from dA1, as it is recorded
            from the output (from the sum of its elements, if it has several). A dashed arrow is a
            value that a derivative rule reads. A gradient is one box with its formula; "full"
            draws every op of a rule, as Xᵀ and a mask, as a box. The graph itself is left alone.
        merge: draw an unnamed step inside the named result that it leads to. By default every op
            is a node.
        scopes: put a box around the nodes of each `with scope("layer 1"):`. A parameter made
            outside every scope stands in the one that uses it.
        fold: the scopes to draw as one node each, with formula, shapes, parameters and bytes: a
            name, several, or True for all of them. Equal ones in a row become one, `LINEAR → RELU
            × 3`. Where there are no scopes True folds what repeats, `12 × h13 = h7 + V relu(W h7)`.
            By default a picture of more than 150 boxes (with `backward` those of both passes) folds
            by itself, and says what it folded, and a dozen leaves that one op reads are one box;
            False draws every node, however many.
        depth: how many levels of scopes stay open; 0 folds the outermost.
        problems: mark in red, with the reason, what holds NaN or infinities and parameters whose
            gradient is 0 or missing. Values are computed again for it where that is possible.
        blame: other reasons to mark a node: a mapping of Tensor or name to text, or the report of
            `check_gradients`.

    Returns:
        A `graphviz.Digraph`, shown by notebooks, to be restyled at will:
        `picture.graph_attr["rankdir"] = "LR"` runs from left to right. Nodes have the ids n0, n1,
        ... (d5 is the gradient of n5) and the classes param, input, const, op, output, gradient,
        folded, problem; the edge n0-n4-1 goes from n0 to the second input of n4; scopes are
        clusters of class scope, with the ids s0, s1, ..., which they keep when they are folded.

    Raises:
        TypeError: `what`, `names` or `blame` is something else.
        ValueError: there is nothing to draw, no such scope to fold, nothing of that name to blame,
            backward is something else, or it is asked for and nothing requires a gradient.
        StaleValueError: values or backward are asked for, and a leaf was changed since the ops were
            recorded.

    Example: `viz.draw((w * w).sum(), backward=True)`.
    """
    if backward not in (False, True, FULL):
        raise ValueError(f"draw: expected backward as True, False or 'full', got {backward!r}")
    graph = graph_of(what)
    named = names_of(graph, names)
    if not backward:
        named = with_ids(graph, named)
    homes = homes_of(graph)
    hosts = hosts_of(graph, named, homes) if merge else {}
    wanted = () if fold is None else fold
    drawn = with_backward(graph, named, hosts) if backward else forward_only(graph, named, homes)
    hosts = _hosts(drawn, merge, backward == FULL)
    # Of both passes as many boxes fold as of one.
    limit = LIMIT * len(graph) // (len(drawn.graph) - len(hosts)) if backward else LIMIT
    known = {x: name for x in graph if (name := drawn.named.get(drawn.again.get(x, x)))}
    folded, caption = fold_scopes(
        graph, homes, folded=wanted, depth=depth, limit=max(1, limit), names={**named, **known}
    )
    caption = " ".join(filter(None, (caption, namesakes(named))))
    numbers = _values(drawn.graph, must=values) if values or problems else {}
    gradients = (
        {x: numbers[g] for x, g in drawn.gradients.items() if g in numbers}
        if backward
        else {node: node.grad for node in graph if node.grad is not None}
    )
    judged = (numbers, gradients) if problems else ({}, {})
    reasons = getattr(blame, "reasons", None)  # a report's
    blamed: Any = blame if reasons is None else reasons(graph)
    if isinstance(blamed, Mapping):
        blamed = {drawn.again.get(_node(who), who): why for who, why in blamed.items()}
    wrong = at_hosts(problems_of(drawn.graph, *judged, drawn.named, blamed, bool(backward)), hosts)
    groups = [part for group in folded for part in _with_slopes(group, drawn)]
    groups = _with_inner(groups, drawn, hosts)
    homes = drawn.homes
    if not scopes:
        homes, groups = {}, [group._replace(home=()) for group in groups]
    boxes = group_ids(groups, drawn.homes)
    scene = Scene(
        drawn.graph,
        hosts,
        homes,
        boxes,
        drawn.ids,
        drawn.slopes,
        drawn.beside,
        drawn.named,
    )
    shown = (numbers, {} if backward else gradients) if values else ({}, {})
    called = distinct_names(drawn.graph, drawn.named, _from_boxes(drawn.graph, scene, boxes))
    labels = Labels(drawn.graph, called, *shown, wrong, drawn.seeds, slopes=drawn.slopes)
    return picture_of(scene, labels, caption)


def _from_boxes(graph: Graph, scene: Scene, boxes: Mapping[str, Group]) -> set[Node]:
    """The results of boxes of ops, "ops 12 … 40", that are read elsewhere: cited by their ids."""
    ops = {name for name, group in boxes.items() if group.path is None}
    seen = scene.shown
    return {
        x for y in graph for x in y.parents if x.op and seen[x] in ops and seen[y] != seen[x]
    } - {*scene.slopes}


def _hosts(drawn: Both, merge: bool, full: bool) -> dict[Node, Node]:
    """In whose box a step is drawn: with `merge` in that of a named result, on the way back in
    that of a gradient.
    """
    hosts = hosts_of(drawn.graph, drawn.named, drawn.homes, drawn.slopes) if merge else {}
    if full or not drawn.slopes:
        return hosts
    boxes = {**drawn.named, **{g: "" for g in drawn.beside if g not in hosts}}
    for x in _repeated(drawn):
        boxes.pop(x, None)
    inner = hosts_of(drawn.graph, boxes, drawn.homes, drawn.slopes)
    # What several gradients read has a box of its own, in which what leads to it is drawn.
    reads = _reads(drawn)
    boxes |= {x: "" for x, n in reads.items() if n > 1 and x not in inner}
    inner = hosts_of(drawn.graph, boxes, drawn.homes, drawn.slopes)
    return {x: h for x, h in inner.items() if x in drawn.slopes} | hosts


def _reads(drawn: Both) -> Counter[Node]:
    """How many nodes read a step of the way back."""
    return Counter(x for node in drawn.graph for x in set(node.parents) if x in drawn.slopes)


def _repeated(drawn: Both) -> Iterator[Node]:
    """Of an unnamed gradient that repeats another one along an axis, and so looks like it, the one
    that needs no box: itself, where what reads it repeats it by itself, or else the other one.
    """
    reads = _reads(drawn)
    wide: dict[Node, bool] = {}
    for node in drawn.graph:
        for k, x in enumerate(node.inputs):
            if isinstance(x, Node) and x in drawn.slopes:
                beside = [y for i, y in enumerate(node.inputs) if i != k]
                by_itself = node.op.elementwise and any(np.shape(y) == x.shape for y in beside)
                wide[x] = wide.get(x, True) and by_itself
    for g in drawn.beside:
        if g.op is None or not g.op.spreads or g in drawn.named:
            continue
        if reads[g] == 1 and wide[g]:
            yield g
        else:
            yield from (x for x in g.parents if reads[x] == 1 and x not in drawn.named)


def _node(who: Any) -> Any:
    return who.node if isinstance(who, Tensor) else who


def _values(graph: Graph, must: bool) -> dict[Node, Any]:
    """The value of every node; only those of leaves where an edit made the others unknown.

    Raises:
        StaleValueError: the values must be had, and a leaf was changed.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is marked
            return replay(graph)
    except StaleValueError:
        if must:
            raise
        return {node: node.value for node in graph if isinstance(node, Leaf)}


def _with_slopes(group: Group, drawn: Both) -> list[Group]:
    """The group among the nodes that are drawn, and the steps back that stand in its scopes; the
    gradients of leaves that are one box are another one.
    """
    members = [drawn.again[node] for node in group.members]
    group = group._replace(members=tuple(members))
    if all(isinstance(node, Leaf) for node in members) and group.path is None:
        back = [g for x in members if (g := drawn.gradients.get(x)) in drawn.beside]
        ends = [drawn.named.get(g, "…") for g in (*back[:1], *back[-1:])]
        said = group._replace(
            members=tuple(back), title=f"{len(back):,} gradients", summary=" … ".join(ends)
        )
        return [group, *([said._replace(parameters=0, bytes=0)] if len(back) > 1 else [])]
    inside = {drawn.homes[node] for node in members} - {group.home}
    of = {g for x in members if (g := drawn.gradients.get(x)) in drawn.beside}
    back = [
        node
        for node in drawn.graph
        if node in drawn.slopes and (drawn.homes[node] in inside or node in of)
    ]
    return [group._replace(members=(*members, *back))]


def _with_inner(groups: Sequence[Group], drawn: Both, hosts: Mapping[Node, Node]) -> list[Group]:
    """The groups, and in them the steps back that one group alone reads."""
    where = {node: k for k, group in enumerate(groups) for node in group.members}
    read_by: dict[Node, set[int | None]] = {}
    more: dict[int, list[Node]] = {}
    for node in reversed(drawn.graph):
        if node in drawn.slopes and node not in drawn.beside and node not in where:
            readers = read_by.get(node, set())
            place = where.get(
                hosts.get(node, node), next(iter(readers)) if len(readers) == 1 else None
            )
            if place is not None:
                where[node] = place
                more.setdefault(place, []).append(node)
        for x in node.parents:
            read_by.setdefault(x, set()).add(where.get(hosts.get(node, node)))
    return [
        group._replace(members=(*group.members, *reversed(more.get(k, []))))
        for k, group in enumerate(groups)
    ]
