"""`viz.playground`: a page on which a recorded cost is trained, step by step or as it plays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.javascript import javascript
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.graph import Graph, Leaf, Node, describe, trace
from tinygrad_dnn.ops import relu, sigmoid, tanh
from tinygrad_dnn.optim import check_learning_rate
from viz.explorer.arrays import Arrays, encoded
from viz.explorer.examples import Examples, arrays_as_leaves
from viz.explorer.live import Live, place
from viz.explorer.many import Many

POINTS = 256  # of a plane, predicted at once
OPTIMISERS = ("gradient descent", "momentum", "adam")
WATCHED = {relu: "dead", sigmoid: "saturated", tanh: "saturated"}

Fields = dict[str, Any]


class Training:
    """What of a graph is trained, and how a page begins.

    Args:
        graph: of the cost.
        parameters: the leaves to be trained.
        data: the inputs and the answers, leaves too; None where there are none.
        prediction: what is compared with the answers; None where there is none.
        rate, optimiser: what the page begins with.
        picture: height and width, where the columns of X are pictures.
        starts: other values of the parameters, by name.
        columns: the leaves that hold an example in each column; None where there are none.

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
        picture: tuple[int, int] | None = None,
        starts: Mapping[str, Sequence[Any]] | None = None,
        columns: tuple[Leaf, Leaf] | None = None,
    ) -> None:
        self.graph, self.fixed = graph, ""
        self.again: dict[Node, Node] = {node: node for node in graph}
        self.columns = columns
        self.parameters, self.given, self.prediction = parameters, data, prediction
        self.picture, self.starts = picture, starts or {}
        self.note = ""
        self.rate, self.optimiser = rate, optimiser
        self.predictor = "null"

    def moved(self, graph: Graph, again: Mapping[Node, Any]) -> None:
        """The graph was recorded again, and its nodes are these."""
        self.graph = graph
        self.again = {x: again[y] for x, y in self.again.items() if y in again}
        self.parameters = [again[p] for p in self.parameters]
        self.given = self.given and (again[self.given[0]], again[self.given[1]])
        self.columns = self.columns and (again[self.columns[0]], again[self.columns[1]])
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
        return {
            "parameters": [fields for _, fields in trained],
            "starts": {
                name: [encoded(values[k]) for k, _ in trained]
                for name, values in self.starts.items()
            },
            "cost": arrays.place(values[cost].numpy()),
            "costNode": ids[cost],
            "note": self.note,
            "rate": self.rate,
            "optimiser": self.optimiser,
            "units": [
                {"node": ids[n], "kind": WATCHED[n.op], "value": arrays.place(values[n].numpy())}
                for n in live.forward.graph
                if n.op in WATCHED and len(n.shape) == 2 and live.place(n) is not None
            ],
            "answers": self._answers(live, again, names),
        }

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
            examples = live.examples if isinstance(live, Many) else Examples(self.graph, X, Y)
            forward = examples.recorded(1 if self.picture else POINTS)
            there = dict(zip(self.graph, forward.graph, strict=True))
        out = there[self.prediction]
        printed = javascript(trace([out]))
        self.predictor = printed.source
        own: dict[Node, str] = {leaf: name for name, leaf in printed.inputs.items()}
        ends, graded = _ends(Y.value)
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
            "picture": self.picture,
            "fixed": self.fixed,
            "ends": ends,
            "graded": graded,
        }


def training_of(
    graph: Graph,
    named: Mapping[Node, str],
    parameters: Any,
    data: Any,
    prediction: Tensor | None,
    rate: float,
    optimiser: str,
    picture: tuple[int, int] | None = None,
    starts: Mapping[str, Any] | None = None,
) -> Training:
    """Check what `playground` was given.

    Raises:
        TypeError, ValueError: see there.
    """
    who = "playground"
    if len(graph.outputs) != 1 or prod(graph.outputs[0].shape) != 1:
        raise ValueError(
            f"{who}: expected a cost that is one number, got {describe(graph.outputs[0])}; "
            "take its sum or mean"
        )
    check_learning_rate(rate)
    if optimiser not in OPTIMISERS:
        raise ValueError(f"{who}: no optimiser {optimiser!r}; expected one of {OPTIMISERS}")
    there = [x for x in graph.leaves if isinstance(x, Leaf)]
    if parameters is None:
        chosen = [x for x in there if x.requires_grad]
    else:
        chosen = [_leaf(x, there, who, "a parameter") for x in flatten(parameters)[0]]
        if still := [describe(x) for x in chosen if not x.requires_grad]:
            raise ValueError(
                f"{who}: {', '.join(still)} requires no gradient, so it can't be trained; make it "
                "with Tensor(..., requires_grad=True)"
            )
    if not chosen:
        raise ValueError(
            f"{who}: the cost depends on no parameter; make them with "
            "Tensor(..., requires_grad=True)"
        )
    if data is None:
        known = {named.get(x): x for x in there if not x.requires_grad}
        pair = [known[k] for k in ("X", "Y") if k in known]
    else:
        pair = [_leaf(x, there, who, "data") for x in data]
        if len(pair) != 2:
            raise ValueError(f"{who}: expected data=(X, Y), got {len(pair)} Tensors")
    columns = drawn = (pair[0], pair[1]) if len(pair) == 2 and _columns(*pair) else None
    if picture is not None and (drawn is None or np.prod(picture) != drawn[0].shape[0]):
        shape = pair[0].shape if pair else "no X"
        raise ValueError(f"{who}: expected pictures {picture} in the columns of X, got {shape}")
    if drawn is not None and picture is None and drawn[0].shape[0] != 2:
        drawn = None
    if prediction is not None and prediction.node not in set(graph):
        raise ValueError(f"{who}: the cost was not computed from prediction")
    out = prediction.node if prediction is not None else drawn and _answer(graph, named, *drawn)
    others = {name: _start(name, values, chosen, named) for name, values in (starts or {}).items()}
    return Training(graph, chosen, drawn, out, rate, optimiser, picture, others, columns)


def opened(
    graph: Graph, named: dict[Node, str], training: Training
) -> tuple[Graph, dict[Node, str]]:
    """The graph with its arrays that have a number for each example as leaves.

    The training is told of what became of its nodes.
    """
    if training.columns is None:
        return graph, named
    found, again = arrays_as_leaves(graph, training.columns[0].shape[1])
    training.moved(found, again)
    return found, {again[node]: name for node, name in named.items() if node in again}


def within(
    graph: Graph, named: dict[Node, str], training: Training, size: int
) -> tuple[Graph, dict[Node, str]]:
    """A graph whose leaves hold at most so many bytes: with fewer examples, where it is too large.

    The training is told of what became of its nodes. A graph for which there is no such is returned
    as it is.
    """
    held = sum(8 * x.value.size for x in graph.leaves if isinstance(x.value, np.ndarray))
    if held <= size or training.columns is None:
        return graph, named
    X, Y = training.columns
    m = X.shape[1]
    data = 8 * (X.value.size + Y.value.size)
    fewer = max(0, (size - held + data) * m // data)
    try:
        found = Examples(graph, X, Y).recorded(fewer).graph if fewer else None
    except Fixed:
        found = None
    if found is None:
        return graph, named
    again = dict(zip(graph, found, strict=True))
    training.moved(found, again)
    training.note = f"{fewer} of {m} examples: with all of them it would be too large for a page."
    return found, {again[node]: name for node, name in named.items() if node in again}


def _start(name: str, values: Any, parameters: Sequence[Leaf], named: Mapping[Node, str]) -> Any:
    """Other values of the parameters, in their order."""
    who = f"playground: starts[{name!r}]"
    called = [named.get(p) or describe(p) for p in parameters]
    if isinstance(values, Mapping):
        if missing := [c for c in called if c not in values]:
            raise ValueError(f"{who}: expected {', '.join(called)}; it lacks {', '.join(missing)}")
        values = [values[c] for c in called]
    found = [np.asarray(x, float) for x in values]
    if len(found) != len(parameters):
        raise ValueError(f"{who}: expected {len(parameters)} arrays, got {len(found)}")
    for c, x, p in zip(called, found, parameters, strict=True):
        if x.shape != p.shape:
            raise ValueError(f"{who}: expected {c} of shape {p.shape}, got {x.shape}")
    return found


def _leaf(x: Any, there: Sequence[Leaf], who: str, what: str) -> Leaf:
    if not isinstance(x, Tensor):
        raise TypeError(f"{who}: expected {what} as a Tensor, got {type(x).__name__}")
    if x.node not in there:
        raise ValueError(f"{who}: the cost was not computed from {describe(x.node)}")
    leaf: Leaf = x.node
    return leaf


def _columns(X: Leaf, Y: Leaf) -> bool:
    """Whether the columns of X (n, m) are examples, and those of Y (k, m) say of which class."""
    return len(X.shape) == 2 and len(Y.shape) == 2 and Y.shape[1] == X.shape[1] > 0


def _ends(Y: Any) -> tuple[list[float], bool]:
    """The two answers of a row that says of which class, 0 and 1 or −1 and 1; or its least and its
    greatest one and True, where it holds numbers of other kinds.
    """
    found = np.unique(Y[np.isfinite(Y)]).astype(float).tolist() or [0.0]
    if {*found} <= {0.0, 1.0}:
        return [0.0, 1.0], False
    if {*found} <= {-1.0, 1.0}:
        return [-1.0, 1.0], False
    least, most = found[0], found[-1]
    return [least, most if most > least else least + 1], Y.shape[0] == 1 and len(found) != 2


def _answer(graph: Graph, named: Mapping[Node, str], X: Leaf, Y: Leaf) -> Node | None:
    """The last value with a name that follows from X but not from Y, and has Y's shape."""
    of_x: set[Node] = {X}
    of_y: set[Node] = {Y}
    found = None
    for node in graph:
        if any(x in of_x for x in node.parents):
            of_x.add(node)
        if any(x in of_y for x in node.parents):
            of_y.add(node)
        if node in of_x and node not in of_y and node in named and node.shape == Y.shape:
            found = node if node.op is not None else found
    return found


def html_path(path: str | os.PathLike[str], who: str) -> Path:
    """The path of a page.

    Raises:
        ValueError: another ending than .html.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{who}: {path.name}: expected a name ending in .html")
    return path
