"""The same graph with another number of examples: recorded again, and proven to mean the same.

What a recorded graph knows of m is the shape of X and Y and, where the author wrote it so, m as a
number (`.sum() / m`) or in a setting (`reshape((1, m))`). Whether a number is m or only equals it
is decided by the cost: with every example taken twice it is the same. So it is decided, too,
whether another leaf has a number for each example, as weights of examples do, and whether these are
shares of a whole, as 1/m is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product, repeat
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.retrace import Forward, forward_again
from tinygrad_dnn.autodiff.tensor import Tensor, record
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.formula.constants import Constant
from tinygrad_dnn.graph import Graph, Leaf, Node, trace

SAME = 1e-9  # relative, of the cost with every example taken twice
# Which multiples of m numbers may be, what is likely first: 1/(2m) stands before sums of squares.
MULTIPLES = ((1,), (2,), (1, 2), ())
FEW = 3  # leaves beside X and Y of which each is tried in both ways


class Examples:
    """A graph whose leaves X and Y hold m examples.

    Args:
        graph: of a cost that is one number.
        X, Y: its leaves (n, m) and (k, m).
        axis: −1 where examples are columns; 0 where they are rows, X (m, n) and Y (m, k) or (m,).

    Attributes:
        m: the number of examples.
        beside: other leaves with a number for each example; True where these are shares of a whole,
            which become smaller as there are more.

    Raises:
        Fixed: with every example taken twice the cost is another one, or is none.
    """

    def __init__(self, graph: Graph, X: Leaf, Y: Leaf, axis: int = -1) -> None:
        self.graph, self.leaves = graph, (X, Y)
        self.axis = axis
        self.m: int = X.shape[self.axis]
        self.beside: dict[Node, bool] = {}
        self.multiples: Sequence[int] = ()  # a number that equals one of m, or 1 by it, is that
        here = self._cost(self.m)
        if not np.isfinite(here):
            raise Fixed(f"the cost is {here}")
        reasons = []
        for beside, multiples in self._ways():
            self.beside, self.multiples = beside, multiples
            try:
                twice = self._cost(2 * self.m)
            except (ValueError, TypeError, IndexError) as error:
                told = str(error).splitlines()[0]
                reasons.append(f"recorded for {self.m} examples alone: {told}")
                continue
            if abs(twice - here) <= SAME * abs(here):
                return
            reasons.append("with every example taken twice the cost is another one: take its mean")
        raise Fixed(max(reasons))  # one that could be recorded says more

    def _ways(self) -> Iterator[tuple[dict[Node, bool], Sequence[int]]]:
        """What may hang on m beside X and Y: `beside` and `multiples`, what is likely first."""
        fitting: list[Node] = [
            leaf
            for leaf in self.graph.leaves
            if leaf not in self.leaves and not leaf.requires_grad
            if self.m > 1 and leaf.shape and leaf.shape[self.axis] == self.m
        ]
        single = [leaf for leaf in fitting if np.prod(leaf.shape) == self.m]
        sets = [fitting, *([single] if single != fitting else []), *([[]] if single else [])]
        for leaves in sets:
            for shares in product((False, True), repeat=min(len(leaves), FEW)):
                more = repeat(shares[-1], len(leaves) - len(shares)) if shares else ()
                for multiples in MULTIPLES:
                    yield dict(zip(leaves, (*shares, *more), strict=True)), multiples

    def _cost(self, m: int) -> float:
        there = dict(zip(self.graph, self.recorded(m, exact=True).tensors, strict=True))
        return float(there[self.graph.outputs[0]].numpy().item())

    def recorded(self, m: int, exact: bool = False) -> Forward:
        """The graph with m examples: those that there are, again and again.

        The nodes are those of the graph, in the same order. `exact`: from leaves of float64 in
        place of float32, so that what is the same is so in more digits.
        """

        def made(node: Node, inputs: Sequence[Any]) -> Tensor:
            if not isinstance(node, Leaf):
                others = [x if isinstance(x, Tensor) else self._other(x, m) for x in inputs]
                return record(node.op, others, self._settings(node.meta, m))
            value = node.value
            if node in self.leaves or node in self.beside:
                value = np.take(value, np.arange(m) % self.m, self.axis)
            if self.beside.get(node):
                value = value * (self.m / m)
            if exact and value.dtype == np.float32:
                value = value.astype(float)
            return Tensor(value, node.requires_grad)

        return forward_again(self.graph, made)

    def _settings(self, meta: Mapping[str, Any], m: int) -> dict[str, Any]:
        if "shape" not in meta:
            return dict(meta)
        shape = meta["shape"]
        words = tuple(m if n == self.m else n for n in np.atleast_1d(shape).tolist())
        return {**meta, "shape": words if np.ndim(shape) else words[0]}

    def _other(self, x: Any, m: int) -> Any:
        """A number that stands in the graph, for another m."""
        if not self.multiples or np.ndim(x) or self.m == 1 or np.asarray(x).dtype.kind not in "if":
            return x
        # In float32 1/m is another number.
        kind: Any = x.dtype.type if isinstance(x, (np.ndarray, np.generic)) else type(x)
        for factor in (sign * k for k in self.multiples for sign in (1, -1)):
            if x == factor * self.m:
                return kind(factor * m)
            if x == kind(1 / (factor * self.m)) != 0:
                return kind(1 / (factor * m))
        return x


def arrays_as_leaves(graph: Graph, m: int, axis: int) -> tuple[Graph, dict[Node, Node]]:
    """The graph with its arrays that have a number for each of m examples as leaves, which may get
    others; and what became of each node and, as a `Constant`, of each such array. `axis`: see
    `Examples`.
    """

    def of_examples(x: Any) -> bool:
        return isinstance(x, np.ndarray) and x.ndim > 0 and x.shape[axis] == m > 1

    if not any(of_examples(x) for node in graph if node.op is not None for x in node.inputs):
        return graph, {node: node for node in graph}

    leaves: dict[Constant, Tensor] = {}

    def leaf(x: Any) -> Tensor:
        return leaves.setdefault(Constant(x), Tensor(x))

    def made(node: Node, inputs: Sequence[Any]) -> Tensor:
        if isinstance(node, Leaf):
            return Tensor(node.value, node.requires_grad)
        return record(node.op, [leaf(x) if of_examples(x) else x for x in inputs], node.meta)

    tensors = forward_again(graph, made).tensors
    moved = {node: t.node for node, t in zip(graph, tensors, strict=True)}
    moved |= {array: t.node for array, t in leaves.items()}
    return trace([moved[x] for x in graph.outputs]), moved
