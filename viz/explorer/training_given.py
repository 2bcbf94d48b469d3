"""What `viz.playground` was given, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import Graph, Leaf, Node, describe
from tinygrad_dnn.optim import check_learning_rate
from viz.explorer.training import Training

OPTIMISERS = ("gradient descent", "momentum", "adam")


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
        raise ValueError(f"{who}: no optimizer {optimiser!r}; expected one of {OPTIMISERS}")
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
        pair = [known[k] for k in ("X", "Y", "x", "y") if k in known][:2]
    else:
        pair = [_leaf(x, there, who, "data") for x in data]
        if len(pair) != 2:
            raise ValueError(f"{who}: expected data=(X, Y), got {len(pair)} Tensors")
    wanted = prod(picture or (2,))
    axis = _axis(pair[0], pair[1], wanted) if len(pair) == 2 else None
    examples = drawn = None if axis is None else (pair[0], pair[1])
    if axis is None or pair[0].shape[-1 - axis] != wanted:
        drawn = None
    if picture is not None and drawn is None:
        shape = pair[0].shape if pair else "no X"
        raise ValueError(f"{who}: expected pictures {picture} in the columns of X, got {shape}")
    if prediction is not None and prediction.node not in set(graph):
        raise ValueError(f"{who}: the cost was not computed from prediction")
    out = prediction.node if prediction is not None else drawn and _answer(graph, named, *drawn)
    others = {name: _start(name, values, chosen, named) for name, values in (starts or {}).items()}
    return Training(
        graph,
        chosen,
        drawn,
        out,
        rate,
        optimiser,
        picture,
        others,
        examples,
        -1 if axis is None else axis,
    )


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


def _axis(X: Leaf, Y: Leaf, features: int) -> int | None:
    """Along which axis the examples lie: −1 of X (n, m) and Y (k, m), 0 of X (m, n) and Y (m, k) or
    (m,); of both the one where each has so many features. None where they are no examples.
    """
    if len(X.shape) != 2:
        return None
    found = []
    if len(Y.shape) == 2 and Y.shape[1] == X.shape[1] > 0:
        found.append(-1)
    if len(Y.shape) in (1, 2) and Y.shape[0] == X.shape[0] > 0:
        found.append(0)
    return next((k for k in found if X.shape[-1 - k] == features), found[0] if found else None)


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
