"""A graph's forward and backward pass once more, with everything kept: for whoever looks at them.

The graph that was given is left alone; what its own backward freed is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.evaluate import refuse_changed
from tinygrad_dnn.autodiff.tensor import Tensor, pull, record
from tinygrad_dnn.graph import Graph, Leaf, Node, Observer, describe, mode, trace


class Forward(NamedTuple):
    """`graph` holds the same nodes in the same order, recorded anew; `tensors` is theirs."""

    graph: Graph
    tensors: list[Tensor]


class Backward(NamedTuple):
    """A recorded backward pass: Tensors with a recipe.

    Attributes:
        gradients: for every node that one flows to, its gradient.
        contributions: for (z, i), what the rule of z gives its input i; the gradient of a node is
            the sum over its uses.
        order: the nodes in the order in which their rules ran.
        seeds: the leaves it starts from, 1 everywhere, one for each output.
    """

    gradients: dict[Node, Tensor]
    contributions: dict[tuple[Node, int], Tensor]
    order: list[Node]
    seeds: frozenset[Node] = frozenset()


def unchanged(node: Node, inputs: Sequence[Any]) -> Tensor:
    """A node recorded anew.

    Raises:
        StaleValueError: a leaf was changed after the op that read it was recorded.
    """
    if isinstance(node, Leaf):
        return Tensor(node.value, node.requires_grad)
    refuse_changed(node)
    return record(node.op, inputs, node.meta)


def recorded_again(
    nodes: Iterable[Node],
    made: Callable[[Node, Sequence[Any]], Tensor],
    known: Iterable[tuple[Node, Tensor]] = (),
) -> dict[Node, Tensor]:
    """The Tensors of nodes recorded anew in their order, with their names and scopes.

    Args:
        made: records a node anew; given its inputs, with Tensors where nodes stood.
        known: Tensors of nodes that stood before them.
    """
    again = dict(known)
    for node in nodes:
        again[node] = t = made(node, [again[x] if isinstance(x, Node) else x for x in node.inputs])
        t.node.name, t.node.scope = node.name, node.scope
    return again


def forward_again(
    graph: Graph, made: Callable[[Node, Sequence[Any]], Tensor] = unchanged
) -> Forward:
    """Record the graph anew from its leaves, names and scopes included.

    Args:
        made: as for `recorded_again`.

    Raises:
        StaleValueError: by default where a leaf was changed after the ops that read it were
            recorded.
    """
    with mode(recording=True, watch=None, scope=()), np.errstate(all="ignore"):
        again = recorded_again(graph, made)
    tensors = list(again.values())
    outputs = tuple(again[node].node for node in graph.outputs)
    return Forward(Graph([t.node for t in tensors], outputs), tensors)


def backward_again(forward: Forward) -> Backward:
    """Record the backward pass from the outputs: the gradient of their sum.

    Raises:
        ValueError: the outputs depend on nothing that requires a gradient.
    """
    graph, tensors = forward
    there = {t.node: t for t in tensors}
    roots = [node for node in graph.outputs if node.requires_grad]
    if not roots:
        raise ValueError(
            f"backward: {describe(graph.outputs[0])} depends on nothing that requires a gradient; "
            "make its parameters with Tensor(..., requires_grad=True), outside no_grad()"
        )
    seen = _Contributions()
    with mode(watch=seen, scope=()), np.errstate(all="ignore"):
        seeds = [Tensor(np.ones_like(there[node].numpy())) for node in roots]
        found = pull(roots, seeds, keep=lambda node: True, create_graph=True)
    starts = frozenset(seed.node for seed in seeds)
    return Backward(found, seen.contributions, seen.order, starts)


def values_and_gradients(result: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    """By name, the value and the gradient of all that has a name: values["A1"], gradients["Z1"].

    Of a network's cost these are every W, b, Z, A, and dW, db, dZ, dA. The passes are run again;
    nothing is left in `.grad`.

    Raises:
        StaleValueError: a leaf was changed since the result was computed.
        ValueError: the result depends on nothing that requires a gradient.
    """
    forward = forward_again(trace([result.node]))
    backward = backward_again(forward)
    values = {t.name: t.numpy() for t in forward.tensors if t.name}
    slopes = {x.name: g.numpy() for x, g in backward.gradients.items() if x.name}
    return values, slopes


class _Contributions(Observer):
    """Writes down what each rule gives, and in which order they run."""

    for_reading = True

    def __init__(self) -> None:
        self.contributions: dict[tuple[Node, int], Tensor] = {}
        self.order: list[Node] = []

    def before_rule(self, node: Node) -> None:
        """Remember the order."""
        self.order.append(node)

    def after_rule(self, node: Node, i: int, _: Any, gx: Any) -> None:
        """Keep it, as a Tensor."""
        self.contributions[node, i] = gx if isinstance(gx, Tensor) else Tensor(gx)
