"""A recorded graph as mathematics: real numbers of one kind, m for what a cost is divided by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.formula.plumbing import axes_index
from tinygrad_dnn.graph import NO_META, Graph, Leaf, Node
from tinygrad_dnn.ops import (
    Op,
    add,
    astype,
    broadcast_to,
    divide,
    identity,
    multiply,
    negative,
    reshape,
    sum,
    where,
)
from tinygrad_dnn.ops.choice import rounding
from tinygrad_dnn.rewrite.nodes import Unfit, build
from viz.derivation.counts import Share, as_share
from viz.derivation.divisor import Divisor, in_terms_of

_LINEAR = (negative, multiply, divide, reshape, broadcast_to, sum)  # 0 of what is 0
_NONE: Mapping[Node, Share] = {}
# No op of the project: of two that are equal each keeps its name.
APART = Op(lambda x, /: x, "{x}", (lambda g: g,), elementwise=True, name="apart")


def mathematical(
    graph: Graph,
    divisor: Divisor | None,
    ones: Collection[Node] = (),
    apart: Collection[Node] = (),
    shares: Mapping[Node, Share] = _NONE,
    steps: Collection[Node] = (),
    nothing: Collection[Node] = (),
) -> dict[Node, Any]:
    """Copies of all nodes, without names and values; numbers without a name as constants.

    Data of other dtypes than the result (labels that are whole numbers, float64 beside float32)
    are taken as numbers of its own, unless an op needs them as they are. Terms that are 0 but for
    rounding are left out.

    Args:
        ones: leaves known to be 1 everywhere, such as the one a backward pass starts from.
        apart: nodes that no row of algebra is to see through, nor share: each is `APART` of what it
            is; a number, which may be a constant, its `identity`.
        shares: steps that multiply by 1/n, and n.
        steps: those in which a number may be the divisor.
        nothing: nodes that are 0 on paper.
    """
    dtype = graph.outputs[0].dtype
    if any(leaf.dtype != dtype for leaf in graph.leaves):
        try:
            return _copies(graph, divisor, ones, apart, shares, steps, nothing, dtype)
        except Unfit:
            pass
    return _copies(graph, divisor, ones, apart, shares, steps, nothing, None)


def _copies(
    graph: Graph,
    divisor: Divisor | None,
    ones: Collection[Node],
    apart: Collection[Node],
    shares: Mapping[Node, Share],
    steps: Collection[Node],
    nothing: Collection[Node],
    dtype: Any,
) -> dict[Node, Any]:
    new: dict[Node, Any] = {}
    zeros = set(nothing)
    for node in graph:
        if isinstance(node, Leaf):
            new[node] = _leaf(node, node in ones, dtype)
            continue
        if _is_zero(node, zeros):
            zeros.add(node)
        elif (left := _without(zeros, node)) is not None:
            new[node] = new[left]
            continue
        inputs = [new[x] if isinstance(x, Node) else x for x in node.inputs]
        if dtype is not None and node.op is astype and node.dtype.kind == "f":
            new[node] = inputs[0]
            continue
        if node in shares:
            inputs = [_share(x, shares[node]) for x in inputs]
        elif divisor is not None and node in steps:
            inputs = [_symbol(node.op, k, x, divisor) for k, x in enumerate(inputs)]
        as_it_was = dtype is None or not node.op.builtin
        op, meta = node.op, node.meta
        if axes_index(node):  # one op for all that only adds axes of length 1 or drops them
            op, meta = reshape, {"shape": node.shape}
        new[node] = build(op, inputs, meta, node.scope, like=node if as_it_was else None)
        if node in apart:
            new[node] = _kept_apart(new[node], node)
    return new


def _kept_apart(x: Any, like: Node) -> Node:
    if isinstance(x, Node) and x.shape:
        return build(APART, (x,), NO_META, like.scope, like=x)
    return build(identity, (x,), NO_META, like.scope)


def _is_zero(node: Node, zeros: Collection[Node]) -> bool:
    """Whether a node is 0, but for rounding, since what it is made of is."""
    if node.op is rounding or node in zeros:
        return True
    if node.op is where:
        return all(x in zeros or _is_number(x, 0) for x in node.inputs[1:])
    through = node.inputs[:1] if node.op is divide else node.parents
    return node.op in _LINEAR and any(x in zeros for x in through if isinstance(x, Node))


def _is_number(x: Any, number: float) -> bool:
    return not isinstance(x, Node) and getattr(x, "shape", ()) == () and bool(x == number)


def _without(zeros: Collection[Node], node: Node) -> Node | None:
    """The only term of a sum, where the other one is 0."""
    if node.op is not add:
        return None
    left = [x for x in node.parents if x not in zeros]
    only = len(left) == 1 < len(node.parents)
    return left[0] if only and left[0].shape == node.shape else None


def _leaf(leaf: Leaf, is_one: bool, dtype: Any) -> Any:
    if is_one:
        one = leaf.dtype.type(1)
        return build(broadcast_to, (one,), {"shape": leaf.shape}, ()) if leaf.shape else one
    bare = leaf.shape == () and not leaf.requires_grad and not leaf.name
    if bare and isinstance(leaf.value, np.ndarray):
        return leaf.value[()]
    if dtype is None or leaf.dtype == dtype:
        return leaf
    return Leaf(leaf.value.astype(dtype), leaf.requires_grad, leaf.name)


def _share(x: Any, share: Share) -> Any:
    """An input as 1/n or 2/n where it is that number."""
    if not as_share(x, share):
        return x
    return fraction(share.above, share.leaf)


def _symbol(op: Op, k: int, x: Any, divisor: Divisor) -> Any:
    """An input as m, 2 m, 1/m, 0.5/m or the like where it is that number."""
    form = in_terms_of(op, k, x, divisor)
    if form is None:
        return x
    above, power = form
    if power == 1:
        whole = divisor.leaf
        return whole if above == 1 else build(multiply, (above, whole), NO_META, ())
    part = fraction(abs(above), divisor.leaf)
    return part if above > 0 else build(negative, (part,), NO_META, ())


def fraction(above: float, leaf: Leaf) -> Node:
    """A number over m, alike whoever writes it, so that terms that have it in common show it."""
    return build(divide, (leaf.dtype.type(above), leaf), NO_META, ())
