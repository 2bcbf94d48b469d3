"""A recorded graph as a graphviz picture: boxes for values, arrows to what is computed from them.

Every node of the one plain graph becomes one node of the picture, named by its position there; so
the same graph gives the same DOT text, and a page finds a node again by its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import graphviz

from tinygrad_dnn.replay import replay
from viz.labels import Labels, literal, visible
from viz.palette import BOX, BOX_LINE, INK, LINE, LOOKS, MUTED, PAPER
from viz.places import Scope, homes_of, hosts_of
from viz.scene import Scene
from viz.subject import graph_of, names_of

# Graphviz knows the widths of Helvetica without the font; browsers put Arial or Liberation Sans,
# which have the same widths.
FONT = "Helvetica"


def _look(kind: str) -> dict[str, str]:
    shape, style, fill, line, outlines = LOOKS[kind]
    look = {"shape": shape, "style": style, "fillcolor": fill, "color": line}
    return look | {"peripheries": str(outlines)} if outlines > 1 else look


_GRAPH = {
    "bgcolor": PAPER, "fontname": FONT, "fontsize": "13", "fontcolor": MUTED,
    "nodesep": "0.3", "ranksep": "0.35", "pad": "0.25",
}  # fmt: skip
_NODE = {
    "fontname": FONT, "fontsize": "14", "fontcolor": INK, "margin": "0.2,0.1", "penwidth": "1.3",
    **_look("op"),
}  # fmt: skip
_EDGE = {"color": LINE, "penwidth": "1.2", "arrowsize": "0.75"}
_STRAIGHT = {"weight": "2"}


def draw(
    what: Any,
    names: Mapping[str, Any] | None = None,
    *,
    values: bool = False,
    scopes: bool = True,
    merge: bool = False,
) -> graphviz.Digraph:
    """Draw what a result was computed from: `viz.save(viz.draw(cost), "graph.svg")`.

    Parameters are square boxes, inputs ellipses, constant arrays notes, ops rounded boxes, and
    the outputs (the cost) have a double outline. Constant numbers stand in the formulas. Each box
    says name and formula, shape and dtype.

    Args:
        what: a Tensor, several of them, or a `tinygrad_dnn.Graph`.
        names: names for what has none of its own, as `names=locals()`; what is no Tensor and what
            begins with an underscore is passed over.
        values: show the numbers as well, and gradients where `backward` left some: all of a small
            array; of a larger one its least, greatest and mean element and its Euclidean norm.
        scopes: put a box around the nodes of each `with scope("layer 1"):`. A parameter made
            outside every scope stands in the one that uses it.
        merge: draw an unnamed step that is used once inside the named result it leads to. By
            default every op is a node.

    Returns:
        An ordinary `graphviz.Digraph`, to be restyled at will: `picture.graph_attr["rankdir"] =
        "LR"` lets it run from left to right. Nodes have the ids n0, n1, ... and the classes param,
        input, const, op, output; the edge n0-n4-1 goes from n0 to the second input of n4; scopes
        are clusters of class scope.

    Raises:
        TypeError: `what` or `names` is something else.
        ValueError: there is nothing to draw.
        StaleValueError: values=True, and a leaf was changed since the ops were recorded.
    """
    graph = graph_of(what)
    named = names_of(graph, names)
    homes = homes_of(graph)
    hosts = hosts_of(graph, named, homes) if merge else {}
    scene = Scene(graph, hosts, homes if scopes else {})
    numbers = replay(graph.outputs) if values else {}
    gradients = {node: node.grad for node in numbers if node.grad is not None}
    return picture_of(scene, Labels(graph, named, numbers, gradients))


def picture_of(scene: Scene, labels: Labels) -> graphviz.Digraph:
    """The picture of a scene."""
    picture = graphviz.Digraph(graph_attr=_GRAPH, node_attr=_NODE, edge_attr=_EDGE)
    boxes = {(): picture} | {path: _box(k, path) for k, path in enumerate(scene.paths())}
    beside = scene.beside()
    chains = scene.chains(beside)
    for name, thing in scene.things.items():
        _add(boxes[thing.home], name, thing.kind, *labels.of(thing.what), chains.get(name))
    for head, sides in beside.items():
        level = " ".join([*sides, head])
        boxes[scene.things[head].home].body.append(f"\t{{rank=same {level}}}\n")
    for path in sorted(boxes, key=len, reverse=True):
        if path:
            boxes[path[:-1]].subgraph(boxes[path])
    for tail, head, name in scene.arrows:
        if tail in beside.get(head, ())[1:]:  # at the right hand: graphviz draws left to right
            picture.edge(head, tail, id=name, dir="back")
        else:
            straight = head in chains and chains[head] == chains.get(tail)
            picture.edge(tail, head, id=name, **(_STRAIGHT if straight else {}))
    return picture


def _box(k: int, path: Scope) -> graphviz.Digraph:
    return graphviz.Digraph(
        f"cluster_{k}",
        graph_attr={
            "label": literal(visible(path[-1])), "id": f"s{k}", "class": "scope",
            "labeljust": "l", "style": "rounded,filled", "fillcolor": BOX, "color": BOX_LINE,
            "margin": "14",
        },
    )  # fmt: skip


def _add(
    box: graphviz.Digraph, name: str, kind: str, label: str, tooltip: str, chain: str | None
) -> None:
    attributes = {"id": name, "class": kind, "tooltip": literal(tooltip, unescaped=2)}
    if kind != "op":
        attributes |= _look(kind)
    if chain:
        attributes["group"] = chain
    box.node(name, label, **attributes)
