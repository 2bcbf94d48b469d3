"""One HTML page on which backpropagation is stepped through by hand.

The page is `explorer.html` with everything in its place: the pictures (one for each way to fold
the layers), the story as JSON, one script and one style sheet. It needs no network.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_dnn.autodiff.retrace import Backward, Forward, backward_again, forward_again
from tinygrad_dnn.compiler.javascript import NotPrintable
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.formula.short_ids import LONGEST_FORMULA
from tinygrad_dnn.graph import Graph, Node
from tinygrad_dnn.storage.whole_file import write_text
from viz.drawing.backward import LONGEST_INNER, both
from viz.drawing.dot import picture_of
from viz.drawing.labels import Labels, owned, title_of
from viz.drawing.problems import at_hosts, problems
from viz.drawing.render import svg_of
from viz.drawing.scene import Scene
from viz.explorer.broken import Broken
from viz.explorer.data_found import variables_as_leaves
from viz.explorer.lesson import Caption, checked, lesson
from viz.explorer.live import LARGEST, Fields, Live
from viz.explorer.many import Many
from viz.explorer.page_file import PageFile
from viz.explorer.timeline import Story
from viz.explorer.training import Training, html_path
from viz.folding.scopes import homes_of, hosts_of
from viz.folding.views import View, open_scopes, views
from viz.page import asset, json_in_html, page, properties, script
from viz.palette import DARK, LIGHT
from viz.progress import progress
from viz.subject import graph_of, names_of, namesakes, visible

SCRIPTS = (
    tuple(  # each reads what stands before it
        f"explorer/explorer{part}.js"
        for part in (
            "-elements",
            "-formulas",
            "-story",
            "-numbers",
            "-picture",
            "-around",
            "-panel",
            "-search",
            "-pointer",
            "",
            "-map",
            "-print",
        )
    )
    + tuple(f"explorer/live{part}.js" for part in ("-memory", "-run", "", "-edit", "-program"))
    + ("explorer/lesson.js",)
)
TRAINING = tuple(
    f"explorer/training{part}.js"
    for part in ("", "-plane", "-pad", "-compare", "-break", "-slopes", "-sheet")
)
PAD = "explorer/training-pad.js"  # to draw on, where examples are pictures
LINK = ("explorer/explorer-link.js",)  # the last: the address has the say where a page opens
LONGEST_TITLE = 120
FARTHEST = 3_500  # rows that the arrows of other pictures than the first cross, see `_affordable`
NUMBERS = 100_000  # how many numbers a page holds; of what is beyond, statistics


def explore(
    what: Any,
    path: str | os.PathLike[str] = "backprop.html",
    names: Mapping[str, Any] | None = None,
    *,
    merge: bool = False,
    title: str | None = None,
    budget: int = NUMBERS,
    live: bool = True,
    steps: Sequence[Caption] | None = None,
) -> PageFile:
    """Write a page to step through both passes: `viz.explore(cost, "backprop.html")`.

    Forward node by node, then backward node by node; for each its formula, its derivative rule in
    the same names, its numbers. The passes are computed anew, so a graph that was freed will do,
    and the one that was given is left as it is. Where several outputs, or one of many elements,
    are given, the backward pass is that of their sum; where nothing requires a gradient there is
    none.

    Args:
        what: a Tensor, several of them, or a `tinygrad_dnn.Graph`.
        path: where to; one .html file that needs nothing beside it and no network.
        names: names for what has none of its own, as `names=locals()`. An array of NumPy's that one
            of these variables holds is an input of the page as a Tensor is, whose numbers can be
            dragged; 1 − Y follows Y.
        merge: draw an unnamed step that is used once inside the named result it leads to.
        title: of the page, up to 120 characters of it; by default the name of the result.
        budget: how many numbers the page may hold. The largest arrays beyond it are shown by
            their least, greatest and mean element, norm and histogram.
        live: let the page compute the graph by itself, so that a reader changes any number and
            sees what follows. What can't be computed there (see `compiler.javascript`) stays as it
            was recorded, and the page says why. Branches that Python took while recording, and
            arrays that it wrote into settings, stay as they were.
        steps: captions that lead through the page, each a text, or a pair of what it is about (a
            Tensor, or a name, as "Z1" or "dZ1") and a text: `steps=[(Z1, "First ..."), ("dZ1",
            "Then ...")]`.

    Returns:
        The path. As the last value of a notebook's cell it is the page itself.

    Raises:
        TypeError: `what`, `names` or a step is something else.
        ValueError: there is nothing to draw, another ending than .html, or a step is about what
            is not there.
        StaleValueError: a leaf was changed since the ops that read it were recorded; compute the
            expression again.
        OSError: neither Graphviz nor graphviz-pure is there, or the file can't be written.

    Example: `viz.explore((w * w).sum(), "square.html")`.
    """
    path = html_path(path, "explore")
    graph = graph_of(what, "explore")
    named = names_of(graph, names, "explore")
    captions = checked(steps, "explore")
    moved = None
    if live:
        graph, named, moved = variables_as_leaves(graph, named, names or {}, LARGEST)
    return write_page(
        path, graph, named, merge, title, budget, live, captions=captions, moved=moved
    )


def write_page(
    path: Path,
    graph: Graph,
    named: Mapping[Node, str],
    merge: bool,
    title: str | None,
    budget: int,
    live: bool,
    training: Training | None = None,
    captions: Sequence[tuple[Any, str]] = (),
    moved: Mapping[Node, Node] | None = None,
) -> PageFile:
    """Write the page of a graph; with `training` one that trains it, which must be computed there.

    Args:
        moved: what became of each node that captions may be about, where the graph is another one.

    Raises:
        NotPrintable: a page that trains can't compute the graph.
    """
    with progress("explore", len(graph)) as say:
        page = _written(graph, named, merge, title, budget, live, training, captions, moved, say)
        return PageFile(write_text(path, page))


def _written(
    graph: Graph,
    named: Mapping[Node, str],
    merge: bool,
    title: str | None,
    budget: int,
    live: bool,
    training: Training | None,
    captions: Sequence[tuple[Any, str]],
    moved: Mapping[Node, Node] | None,
    say: Callable[[str], None],
) -> str:
    """The page of a graph; `say` is told what is being done."""
    say("both passes")
    forward = forward_again(graph)
    again = dict(zip(graph, forward.graph, strict=True))
    named = {again.get(node, node): name for node, name in named.items()}
    wanting = any(node.requires_grad for node in forward.graph.outputs)
    backward = backward_again(forward) if wanting else None
    graph, homes = forward.graph, homes_of(forward.graph)
    together = both(forward, backward or Backward({}, {}, []), named, longest=LONGEST_INNER)
    named = {x: name for x, name in together.named.items() if x not in together.slopes}
    hosts = hosts_of(graph, named, homes) if merge else {}
    values = {t.node: t.numpy() for t in forward.tensors}
    slopes = {} if backward is None else {x: g.numpy() for x, g in backward.gradients.items()}
    wrong = at_hosts(problems(graph, values, slopes, named), hosts)
    labels = Labels(graph, named, values, slopes, wrong, brief=True)
    scene = Scene(graph, hosts, homes, names=named)
    say("the formulas")
    teller = Story(forward, backward, together, scene, wrong)
    story = teller.data(budget)
    ways = views(graph, homes, named)
    if training is not None:  # everything open, or everything folded: the page stays small
        ways = sorted(ways, key=len)[:: max(1, len(ways) - 1)]
    seen = _affordable((view, Scene(graph, hosts, homes, view, names=named)) for view in ways)
    ways, scenes = [view for view, _ in seen], {" ".join(view): shown for view, shown in seen}
    pictures: dict[str, str] = {}
    for k, (folded, shown) in enumerate(scenes.items(), 1):
        say(f"picture {k} of {len(scenes)}")
        pictures[folded] = _svg(shown, labels)
    drawn = dict.fromkeys(path for shown in scenes.values() for path in shown.paths())
    groups = open_scopes(graph, homes, drawn)
    for view in ways:
        groups |= view
    ids = scene.ids
    source, broken, story["live"] = "null", "null", {"why": None}
    if live:
        try:
            computed = _live(forward, backward, teller.names, training)
            story["live"] = computed.data(teller.arrays, ids, story["arrays"])
            source = computed.source
            if training is not None:
                story["training"] = training.data(computed, teller.arrays, again, ids)
                assert backward is not None
                mistaken = Broken(forward, backward, teller.names, computed)
                story["broken"] = mistaken.data(teller.arrays, ids, story["arrays"])
                broken = mistaken.source
        except NotPrintable as reason:
            if training is not None:
                raise
            story["live"] = {"why": str(reason).removeprefix("javascript: ")}
    who = "explore" if training is None else "playground"
    if moved is not None:
        again = {x: again[y] for x, y in moved.items() if y in again}
    story["lesson"] = lesson(captions, again, story, ids, who)
    story["title"] = _title(title, graph.outputs, named)
    story["groups"] = {
        name: {
            "title": title_of(group),
            "summary": visible(group.title if group.each else group.summary, LONGEST_FORMULA),
            "shapes": group.shapes,
            "formula": visible(group.formula, LONGEST_FORMULA),
            "owned": owned(group),
            "members": [ids[node] for node in group.members],
        }
        for name, group in groups.items()
    }
    signs = " ".join(filter(None, (teller.legend, namesakes(named))))
    return _page(story, pictures, signs, source, broken, training)


def _live(
    forward: Forward,
    backward: Backward | None,
    names: Mapping[Node, str],
    training: Training | None,
) -> Live:
    """The page's program; where one trains on points of a plane, for any number of them."""
    if training is None:
        return Live(forward, backward, names)
    if backward is not None and training.given is not None and training.picture is None:
        try:
            return Many(forward, backward, names, training.recordable())
        except Fixed as reason:
            training.fixed = str(reason)
    return Live(forward, backward, names, True)


def _told(story: Fields) -> Fields:
    """The story as it stands in the page, without what that says twice: each formula stands once,
    and is told by its number.
    """
    texts: dict[str, int] = {}

    def number(fields: Fields, *names: str) -> Fields:
        return fields | {k: texts.setdefault(fields[k], len(texts)) for k in names}

    nodes = {
        name: number(node, "formula", "gradientFormula")
        | {part: [number(one, "formula") for one in node[part]]
           for part in ("contributions", "rules")}
        for name, node in story["nodes"].items()
    }  # fmt: skip
    return {**story, "nodes": nodes, "texts": [*texts]}


def _title(title: str | None, outputs: Iterable[Node], named: Mapping[Node, str]) -> str:
    """Return the title asked for, else the names of the results; what is blank is none."""
    known = [visible(named[node]) for node in outputs if named.get(node, "").strip()]
    text = title if title and title.strip() else ", ".join(known) or "backpropagation"
    return visible(text.strip(), LONGEST_TITLE)


def _affordable(seen: Iterable[tuple[View, Scene]]) -> list[tuple[View, Scene]]:
    """The first way to fold and those of the others for which there is time: a layout takes about
    as long as the square of the rows that its arrows cross.
    """
    first, *others = seen
    found, left = [first], FARTHEST**2
    for view, scene in others:
        cost = scene.reach() ** 2
        if cost <= left:
            found.append((view, scene))
            left -= cost
    return found


def _svg(scene: Scene, labels: Labels) -> str:
    """A picture as it stands in a page: the element alone, without its prologue."""
    drawn = svg_of(picture_of(scene, labels, tooltips=False))
    drawn = re.sub(r"<!--.*?-->\n?", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    for attribute in ("font-family", "xml:space", "text-anchor"):
        # What every text says stands once, where all of them have it from.
        values = re.findall(rf'<text[^>]* ({attribute}="[^"]*")', drawn)
        if len({*values}) == 1 and len(values) == drawn.count("<text "):
            drawn = drawn.replace(f" {values[0]}", "").replace("<svg", f"<svg {values[0]}", 1)
    return drawn


def _page(
    story: Fields,
    pictures: Mapping[str, str],
    legend: str,
    program: str,
    broken: str,
    training: Training | None,
) -> str:
    scripts = SCRIPTS + LINK
    if training is not None:
        scripts = SCRIPTS + tuple(s for s in TRAINING if training.picture or s != PAD) + LINK
    views = [
        f'<template class="view" id="view-{k}" data-folded="{folded}">{svg}</template>'
        for k, (folded, svg) in enumerate(pictures.items())
    ]
    return page(
        "explorer/explorer.html",
        title=html.escape(str(story["title"])),
        style=asset("explorer/explorer.css") + asset("explorer/live.css"),
        palette=f":root {{ {properties(LIGHT)} }}\n"
        f"@media screen {{ [data-theme=dark] {{ {properties(DARK)} }} }}",  # paper is white
        legend=f"<h2>Signs</h2><p>{html.escape(legend)}</p>" if legend else "",
        views="\n".join(views),
        trace=json_in_html(_told(story)),
        program=program,
        broken=broken,
        m="" if (many := story["live"].get("many")) is None else str(many["m"]),
        predictor="null" if training is None else training.predictor,
        script="\n".join(map(script, scripts)),
    )
