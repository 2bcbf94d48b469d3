"""What `viz.playground` was given, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import Leaf, Node, describe
from tinygrad_dnn.optim import check_learning_rate
from viz.explorer.data_found import Found
from viz.explorer.prediction import answer_of, stands_alone
from viz.explorer.training import Picture, Training

OPTIMISERS = ("gradient descent", "momentum", "adam")


def training_of(
    found: Found,
    parameters: Any,
    prediction: Tensor | None,
    rate: float,
    optimiser: str,
    picture: Picture | None = None,
    classes: Sequence[str] | None = None,
    starts: Mapping[str, Any] | None = None,
) -> Training:
    """Check what `playground` was given.

    Raises:
        TypeError, ValueError: see there.
    """
    who = "playground"
    graph, named, again, X, Y = found
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
        chosen = [_leaf(x, again, there, who) for x in flatten(parameters)[0]]
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
    if picture is not None and (len(picture) not in (2, 3) or picture[2:] not in ((), (1,), (3,))):
        raise ValueError(
            f"{who}: expected picture=(height, width), or with 3 for colours behind, got {picture}"
        )
    wanted = prod(picture or (2,))
    pair = None if X is None or Y is None else (X, Y)
    axes = _axes(*pair, wanted) if pair else []
    axis = axes[0] if axes else None
    examples = None if axis is None else pair
    drawn = examples if axis is not None and pair and pair[0].shape[-1 - axis] == wanted else None
    if picture is not None and drawn is None:
        shape = pair[0].shape if pair else "no X"
        raise ValueError(f"{who}: expected pictures {picture} in the columns of X, got {shape}")
    if prediction is None:
        out = drawn and answer_of(graph, named, *drawn)
    else:
        out = again.get(prediction.node)
        if out is None:
            raise ValueError(f"{who}: the cost was not computed from prediction")
    if out is not None and pair and len(axes) > 1:  # examples are what an answer hangs on alone
        axis = next((k for k in axes if stands_alone(graph, out, pair[0], k)), axis)
    others = {name: _start(name, values, chosen, named) for name, values in (starts or {}).items()}
    return Training(
        graph,
        chosen,
        drawn,
        out,
        rate,
        optimiser,
        picture,
        _names(classes, out, axis),
        others,
        examples,
        -1 if axis is None else axis,
        again,
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


def _names(classes: Sequence[str] | None, out: Node | None, axis: int | None) -> Sequence[str]:
    """The names of the classes, if there is one for each that is predicted."""
    if classes is None or out is None or axis is None:
        return ()
    n = max(2, prod(out.shape) // out.shape[axis])
    if isinstance(classes, str) or len(classes) != n:
        raise ValueError(f"playground: expected classes as {n} names, got {classes!r}")
    return [*map(str, classes)]


def _leaf(x: Any, again: Mapping[Node, Node], there: Sequence[Leaf], who: str) -> Leaf:
    if not isinstance(x, Tensor):
        raise TypeError(f"{who}: expected a parameter as a Tensor, got {type(x).__name__}")
    leaf = again.get(x.node)
    if not isinstance(leaf, Leaf) or leaf not in there:
        raise ValueError(f"{who}: the cost was not computed from {describe(x.node)}")
    return leaf


def _axes(X: Leaf, Y: Leaf, features: int) -> list[int]:
    """Along which axes the examples may lie: −1 of X (n, m) and Y (k, m), 0 of X (m, n) and
    Y (m, k), either of Y (m,); of both those where each has so many features, where there are any.
    """
    if len(X.shape) != 2 or len(Y.shape) not in (1, 2):
        return []
    found = [axis for axis in (-1, 0) if Y.shape[axis] == X.shape[axis] > 0]
    return [k for k in found if X.shape[-1 - k] == features] or found
