"""`viz.playground`: a page on which a recorded cost is trained, step by step or as it plays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import reduce
from math import prod
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.javascript import javascript
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.formula.listing import distinct_names
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.ops import relu, sigmoid, tanh
from viz.explorer.arrays import Arrays, encoded
from viz.explorer.examples import Examples, arrays_as_leaves
from viz.explorer.live import Live, place
from viz.explorer.many import Many
from viz.explorer.prediction import stands_alone

POINTS = 256  # of a plane, predicted at once
DEAD, SATURATED = "dead", "saturated"
WATCHED = {relu: DEAD, sigmoid: SATURATED, tanh: SATURATED}

Fields = dict[str, Any]
Picture = tuple[int, int] | tuple[int, int, int]


def _hidden(layers: Sequence[Node], graph: Graph) -> set[Node]:
    """Those of the layers that parameters stand behind: of the last one answers near 0 or 1 are
    wanted.
    """
    own = {layer: 1 << k for k, layer in enumerate(layers)}
    of: dict[Node, int] = {}  # the layers that a node is one of or follows from, as bits
    found = 0
    for node in graph:
        before = reduce(or_, (of[x] for x in node.parents), 0)
        if before and prod(node.shape) > 1:  # it joins them with what does not follow from them
            joined = (before & ~of[x] for x in node.parents if x.requires_grad)
            found = reduce(or_, joined, found)
        of[node] = before | own.get(node, 0)
    return {layer for layer, bit in own.items() if bit & found}


class Training:
    """What of a graph is trained, and how a page begins.

    Args:
        graph: of the cost.
        parameters: the leaves to be trained.
        data: the inputs and the answers, leaves too; None where there are none.
        prediction: what is compared with the answers; None where there is none.
        rate, optimiser: what the page begins with.
        picture: height and width, and 3 of colours, where the examples of X are pictures.
        classes: what these are called; by default 0, 1, ...
        starts: other values of the parameters, by name.
        examples: the leaves that hold the examples; None where there are none.
        axis: along which they do, see `Examples`.
        again: for each node of the graph that was given the one in this graph.

    Attributes:
        predictor: the program of the prediction alone, once `data` was asked for.
        fixed: why the number of examples can't be another one.
        again: for each node of the graph that was given the one that is trained.
        note: what the page says of its examples.
    """

    def __init__(
        self,
        graph: Graph,
        parameters: Sequence[Leaf],
        data: tuple[Leaf, Leaf] | None,
        prediction: Node | None,
        rate: float,
        optimiser: str,
        picture: Picture | None = None,
        classes: Sequence[str] = (),
        starts: Mapping[str, Sequence[Any]] | None = None,
        examples: tuple[Leaf, Leaf] | None = None,
        axis: int = -1,
        again: Mapping[Node, Node] | None = None,
    ) -> None:
        self.graph, self.fixed = graph, ""
        self.again: dict[Node, Node] = {**(again or {node: node for node in graph})}
        self.examples, self.axis = examples, axis
        self.parameters, self.given, self.prediction = parameters, data, prediction
        self.picture, self.classes, self.starts = picture, classes, starts or {}
        self.note = ""
        self.rate, self.optimiser = rate, optimiser
        self.predictor = "null"

    def moved(self, graph: Graph, again: Mapping[Node, Any]) -> None:
        """The graph was recorded again, and its nodes are these."""
        self.graph = graph
        self.again = {x: again[y] for x, y in self.again.items() if y in again}
        self.parameters = [again[p] for p in self.parameters]
        self.given = self.given and (again[self.given[0]], again[self.given[1]])
        self.examples = self.examples and (again[self.examples[0]], again[self.examples[1]])
        self.prediction = self.prediction and again[self.prediction]

    def data(
        self, live: Live, arrays: Arrays, again: Mapping[Node, Node], ids: Mapping[Node, str]
    ) -> Fields:
        """The parameters with their gradients, the cost, and the plane's points.

        Args:
            arrays: those of the page, by whose position it knows where they lie.
            again: for each node of the graph that was given the one that the page computes.
        """
        names = live.inputs()
        slopes = live.backward.gradients
        values = {t.node: t for t in live.forward.tensors}
        trained = [
            (
                k,
                {
                    "name": names[again[p]],
                    "gradient": arrays.place(slopes[again[p]].numpy()),
                    "shape": list(p.shape),
                },
            )
            for k, p in enumerate(self.parameters)
            if again[p] in slopes and live.place(slopes[again[p]].node) is not None
        ]
        (cost,) = live.forward.graph.outputs
        layers = [
            n for n in live.forward.graph
            if n.op in WATCHED and len(n.shape) == 2 and live.place(n) is not None
        ]  # fmt: skip
        hidden = _hidden(layers, live.forward.graph)
        watched = [n for n in layers if WATCHED[n.op] == DEAD or n in hidden]
        return {
            "parameters": [fields for _, fields in trained],
            "starts": {
                name: [encoded(values[k]) for k, _ in trained]
                for name, values in self.starts.items()
            },
            "cost": arrays.place(values[cost].numpy()),
            "costNode": ids[cost],
            "note": self.note,
            "rows": self.axis == 0,
            "rate": self.rate,
            "optimiser": self.optimiser,
            "units": [
                {"node": ids[n], "kind": WATCHED[n.op], "value": arrays.place(values[n].numpy())}
                for n in watched
            ],
            "answers": self._answers(live, again, names),
        }

    def recordable(self) -> Examples:
        """The graph for other numbers of examples.

        Raises:
            Fixed: see `Examples`.
        """
        assert self.examples is not None
        return Examples(self.graph, *self.examples, self.axis)

    def _answers(
        self, live: Live, again: Mapping[Node, Node], names: Mapping[Node, str]
    ) -> Fields | None:
        """A program that says what is predicted for other inputs: a picture, many points, or where
        that can't be recorded as many as there are examples.
        """
        if self.given is None or self.prediction is None:
            return None
        X, Y = self.given
        there = again
        with suppress(Fixed):
            found = live.examples if isinstance(live, Many) else self.recordable()
            forward = found.recorded(1 if self.picture else POINTS)
            there = dict(zip(self.graph, forward.graph, strict=True))
        out = there[self.prediction]
        printed = javascript(trace([out]))
        self.predictor = printed.source
        own: dict[Node, str] = {leaf: name for name, leaf in printed.inputs.items()}
        batch = out.shape[self.axis]
        classes = prod(out.shape) // batch
        labels = classes > 1 and Y.value.size == Y.value.shape[self.axis]
        squashed, turned = self._meant(live, again[self.prediction], labels)
        ends, graded = _ends(Y.value, classes)
        if classes > 1 and not labels:
            graded = not _are_choices(Y.value, self.axis)
        return {
            "X": names[again[X]],
            "Y": names[again[Y]],
            "points": own[there[X]],
            "shared": {
                names[again[x]]: own[there[x]]
                for x in self.graph.leaves
                if x is not X and there[x] in own
            },
            "constants": {name: encoded(x) for name, x in printed.constants.items()},
            "out": place(printed.places[out]),
            "shape": list(out.shape),
            "classes": classes,
            "names": [*self.classes] or [*map(str, range(max(2, classes)))],
            "batch": batch,
            "picture": self.picture,
            "fixed": self.fixed,
            "alone": stands_alone(self.graph, self.prediction, X, self.axis),
            "labels": labels,
            "squashed": squashed and not graded,
            "turned": turned,
            "ends": ends,
            "graded": graded,
        }

    def _meant(self, live: Live, prediction: Node, labels: bool) -> tuple[bool, bool]:
        """Whether the prediction is a logit, and whether the answers stand for their opposites, as
        the −y of exp(−y z) does: both as a step changes it.

        A logit becomes larger than 1 where that is the answer, or less than 0 where 0 is; or of
        several classes it is no share of 1.
        """
        assert self.given is not None
        there = {t.node: t for t in live.forward.tensors}
        z, g = there[prediction].numpy(), live.backward.gradients.get(prediction)
        y, classes = self.given[1].value, z.size // z.shape[self.axis]
        if classes > 1 and (z.min() < 0 or z.max() > 1):
            return True, False
        if labels:
            y = np.moveaxis(np.eye(classes)[y.ravel()], -1, -1 - (self.axis % z.ndim))
        kinds = {*np.unique(y).tolist()}
        if g is None or not (kinds <= {0, 1} or kinds <= {-1, 1}):
            return False, False
        slope, y = g.numpy(), np.reshape(y, z.shape)
        upwards = slope * np.where(y == 1, -1, 1)
        turned = classes == 1 and bool((upwards <= 0).all() and (upwards < 0).any())
        outside = (y == 1) & (z >= 1) & (slope < 0) | (y == 0) & (z <= 0) & (slope > 0)
        return bool(outside.any()) and -1 not in kinds, turned


def opened(
    graph: Graph, named: dict[Node, str], training: Training
) -> tuple[Graph, dict[Node, str]]:
    """The graph with its arrays that have a number for each example as leaves.

    The training is told of what became of its nodes.
    """
    if training.examples is None:
        return graph, named
    m = training.examples[0].shape[training.axis]
    found, again = arrays_as_leaves(graph, m, training.axis)
    training.moved(found, again)
    named = _renamed(named, again)
    unnamed = {x for x in found.leaves if x not in named}  # had stood in its numbers
    return found, distinct_names(found, named, unnamed)


def _renamed(named: Mapping[Node, str], again: Mapping[Node, Node]) -> dict[Node, str]:
    """The names of the new nodes, and of the arrays that stand among them."""
    return {again.get(node, node): name for node, name in named.items()}


def within(
    graph: Graph, named: dict[Node, str], training: Training, size: int
) -> tuple[Graph, dict[Node, str]]:
    """A graph whose leaves hold at most so many bytes: with fewer examples, where it is too large.

    The training is told of what became of its nodes. A graph for which there is no such is returned
    as it is.
    """
    held = sum(8 * x.value.size for x in graph.leaves if isinstance(x.value, np.ndarray))
    if held <= size or training.examples is None:
        return graph, named
    X, Y = training.examples
    m = X.shape[training.axis]
    data = 8 * (X.value.size + Y.value.size)
    fewer = max(0, (size - held + data) * m // data)
    try:
        found = training.recordable().recorded(fewer).graph if fewer else None
    except Fixed:
        found = None
    if found is None:
        return graph, named
    again = dict(zip(graph, found, strict=True))
    training.moved(found, again)
    training.note = f"{fewer} of {m} examples: with all of them it would be too large for a page."
    return found, _renamed(named, again)


def _ends(Y: Any, classes: int) -> tuple[list[float], bool]:
    """The two answers of a row that says of which class, 0 and 1 or −1 and 1; or its least and its
    greatest one and True, where it holds numbers of other kinds.
    """
    found = np.unique(Y[np.isfinite(Y)]).astype(float).tolist() or [0.0]
    if {*found} <= {0.0, 1.0}:
        return [0.0, 1.0], False
    if {*found} <= {-1.0, 1.0}:
        return [-1.0, 1.0], False
    least, most = found[0], found[-1]
    return [least, most if most > least else least + 1], classes == 1 and len(found) != 2


def _are_choices(Y: Any, axis: int) -> bool:
    """Whether answers of several numbers each say one class: of two numbers one stands there once,
    the smaller one elsewhere; or they are shares of 1.
    """
    each = np.sort(np.moveaxis(Y, axis, 0), axis=1)
    least, most = each.min(), each.max()
    if (each[:, :-1] == least).all() and (each[:, -1] == most).all() and most > least:
        return True
    return bool((least >= 0) and (np.abs(each.sum(axis=1) - 1) < 1e-6).all())


def html_path(path: str | os.PathLike[str], who: str) -> Path:
    """The path of a page.

    Raises:
        ValueError: another ending than .html.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{who}: {path.name}: expected a name ending in .html")
    return path
