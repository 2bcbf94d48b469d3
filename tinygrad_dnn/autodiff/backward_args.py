"""The arguments of a backward pass, checked: where it starts from, and what it shall keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.coerce import as_data
from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.graph import Node, describe, trace, traced
from tinygrad_dnn.graph.mode import MODE


def seed_of(y: Conversions, gradient: Any, create_graph: bool) -> Any:
    """The cotangent of y to start from: 1 for a cost, else the gradient that was given.

    Raises:
        ValueError: y depends on nothing that requires a gradient, or a shape does not fit.
    """
    node = y.node
    if not node.requires_grad:
        raise ValueError(
            f"backward: {describe(node)} depends on nothing that requires a gradient; "
            "make its parameters with Tensor(..., requires_grad=True), outside no_grad()"
        )
    if gradient is None:
        if y.size != 1:
            raise ValueError(
                f"backward: {describe(node)} has {y.size} elements; reduce it to a "
                "cost (sum, mean) or give gradient= of its shape"
            )
        gradient = one_of(y)
    elif isinstance(gradient, Conversions):
        gradient = gradient if create_graph or traced() else gradient.numpy()
    else:
        gradient = as_data(gradient)
    if gradient.shape != node.shape:
        raise ValueError(
            f"backward: expected a gradient of shape {node.shape}, got {gradient.shape}"
        )
    return gradient if gradient.dtype == node.dtype else gradient.astype(node.dtype)


def one_of(y: Conversions) -> Any:
    """The cotangent of a cost: 1, in its shape and dtype."""
    one = np.ones_like(y._array)
    tracer = MODE.get().tracer
    if tracer is not None:
        tracer.made[id(one)] = one
    return one


def kept_by(keep: bool | Iterable[Any], root: Node) -> Callable[[Node], bool] | None:
    """Which nodes keep their gradient: all, or the given Tensors and names; None for none.

    Raises:
        TypeError: neither a Tensor nor a name.
        ValueError: a name that nothing bears.
    """
    if isinstance(keep, bool):
        return (lambda node: True) if keep else None
    if isinstance(keep, (str, Conversions)):
        keep = [keep]
    asked = list(keep)
    nodes = {t.node for t in asked if isinstance(t, Conversions)}
    names = {t for t in asked if isinstance(t, str)}
    if len(nodes) + len(names) < len(asked):
        raise TypeError("backward: keep= takes True, Tensors or names")
    if unknown := names - (there := {n.name for n in trace([root]) if n.name}):
        raise ValueError(
            f"backward: keep= names {sorted(unknown)}, which nothing here bears; "
            f"there are {sorted(there)}"
        )
    return lambda node: node in nodes or node.name in names
