"""A scene as DOT: boxes for values, arrows to what is computed from them.

Every node is named by its position in the one plain graph; so the same graph gives the same DOT
text, and a page finds a node again by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import graphviz

from viz.drawing.labels import Labels, literal
from viz.drawing.layout import Layout
from viz.drawing.picture import Picture
from viz.drawing.scene import Scene
from viz.folding.scopes import Scope
from viz.palette import BOX, BOX_LINE, INK, LINE, LOOKS, MUTED, PAPER, PROBLEM, PROBLEM_FILL
from viz.subject import visible

# Graphviz knows the widths of Helvetica without the font; browsers put Arial or Liberation Sans,
# which have the same widths.
FONT = "Helvetica"


def _look(kind: str) -> dict[str, str]:
    shape, style, fill, line, outlines = LOOKS[kind]
    look = {"shape": shape, "style": style, "fillcolor": fill, "color": line}
    return look | {"peripheries": str(outlines)} if outlines > 1 else look


_GRAPH = {
    "bgcolor": PAPER, "fontname": FONT, "fontsize": "13", "fontcolor": MUTED,
    "nodesep": "0.2", "ranksep": "0.35", "pad": "0.25",
}  # fmt: skip
_NODE = {
    "fontname": FONT, "fontsize": "14", "fontcolor": INK, "margin": "0.2,0.1", "penwidth": "1.3",
    **_look("op"),
}  # fmt: skip
_EDGE = {"color": LINE, "penwidth": "1.2", "arrowsize": "0.75"}
_ORIGIN = {"color": PROBLEM, "fillcolor": PROBLEM_FILL, "penwidth": "3"}
_REACHED = {"color": PROBLEM, "penwidth": "2"}
_POINT = {"style": "invis", "fixedsize": "true", "width": "0", "height": "0"}
_SEVERAL = 4
_STRAIGHT = {"weight": "2"}
_LINES: dict[str, dict[str, str]] = {
    "forward": {},
    "backward": {"color": LOOKS["gradient"].line, "class": "backward"},
    "read": {"style": "dashed", "constraint": "false", "penwidth": "0.9", "class": "read"},
}


def picture_of(scene: Scene, labels: Labels, caption: str = "", tooltips: bool = True) -> Picture:
    """The picture of a scene, with a caption below it."""
    below = {"label": literal(caption), "labelloc": "b"} if caption else {}
    picture = Picture(graph_attr=_GRAPH | below, node_attr=_NODE, edge_attr=_EDGE)
    boxes: dict[Scope, graphviz.Digraph] = {(): picture} | {
        path: _box(scene.scopes[path], path) for path in scene.paths()
    }
    layout = Layout(scene)
    for name, thing in scene.things.items():
        label, tooltip = labels.of(thing.what)
        look = {"class": thing.kind} | (_look(thing.kind) if thing.kind != "op" else {})
        if wrong := labels.problem(thing.what):
            look |= _ORIGIN if wrong.origin else _REACHED
            look["class"] = f"{thing.kind} problem"
        if name in layout.chains:
            look["group"] = layout.chains[name]
        if tooltips:
            look["tooltip"] = literal(tooltip, unescaped=2)
        boxes[thing.home].node(name, label, id=name, **look)
    for row in layout.rows:
        level = " ".join(row)
        boxes[scene.things[row[0]].home].body.append(f"\t{{rank=same {level}}}\n")
    for k, (outer, firsts) in enumerate(layout.ordered()):
        _stand_in_order(boxes[outer], f"order{k}", firsts)
    for path in sorted(boxes, key=len, reverse=True):
        if path:
            boxes[path[:-1]].subgraph(boxes[path])
    for line in layout.lines():
        turned = {"dir": "back"} if line.backwards else {}
        straight = _STRAIGHT if layout.is_short(line) else {}
        picture.edge(line.tail, line.head, id=line.name, **turned, **straight, **_LINES[line.kind])
    for left, right in layout.unconnected():
        picture.edge(left, right, style="invis")
    return picture


def _stand_in_order(box: graphviz.Digraph, name: str, things: Sequence[str]) -> None:
    """Things between two rows of points that are not seen: Graphviz keeps the order of a row, and
    lets few lines cross; several lines weigh more.
    """
    for side in ("above", "below"):
        points = [f"{name}_{side}{i}" for i in range(len(things))]
        for point in points:
            box.node(point, "", **_POINT)
        box.body.append(f"\t{{rank=same {' '.join(points)}}}\n")
        for left, right in pairwise(points):
            box.edge(left, right, style="invis")
        for point, thing in _SEVERAL * [*zip(points, things, strict=True)]:
            ends = (point, thing) if side == "above" else (thing, point)
            box.edge(*ends, style="invis")


def _box(name: str, path: Scope) -> graphviz.Digraph:
    return graphviz.Digraph(
        f"cluster_{name}",
        graph_attr={
            "label": literal(visible(path[-1])), "id": name, "class": "scope", "labeljust": "l",
            "style": "rounded,filled", "fillcolor": BOX, "color": BOX_LINE, "margin": "14",
        },
    )  # fmt: skip
