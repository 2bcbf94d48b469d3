"""The same graph with another number of examples: recorded again, and proven to mean the same.

What a recorded graph knows of m is the shape of X and Y and, where the author wrote it so, m as a
number (`.sum() / m`) or in a setting (`reshape((1, m))`). Whether a number is m or only equals it
is decided by the cost: with every example taken twice it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.retrace import Forward
from tinygrad_dnn.autodiff.tensor import Tensor, record
from tinygrad_dnn.compiler.javascript.sized import Fixed
from tinygrad_dnn.graph import Graph, Leaf, Node, mode

SAME = 1e-9  # relative, of the cost with every example taken twice


class Examples:
    """A graph whose leaves X and Y hold an example in each of their m columns.

    Args:
        graph: of a cost that is one number.
        X, Y: its leaves (n, m) and (k, m).

    Attributes:
        m: the number of examples.

    Raises:
        Fixed: with every example taken twice the cost is another one, or is none.
    """

    def __init__(self, graph: Graph, X: Leaf, Y: Leaf) -> None:
        self.graph, self.leaves = graph, (X, Y)
        self.m: int = X.shape[1]
        self.numbers = True  # whether a number that equals m, or 1/m, is m
        self._refuse_others()
        here = self._cost(self.m)
        why = ""
        for self.numbers in (True, False):
            try:
                twice = self._cost(2 * self.m)
            except (ValueError, TypeError, IndexError) as error:
                why = f"recorded for {self.m} examples alone: {str(error).splitlines()[0]}"
                continue
            if abs(twice - here) <= SAME * abs(here):
                return
            why = "with every example taken twice the cost is another one: take its mean"
        raise Fixed(why)

    def _refuse_others(self) -> None:
        for leaf in self.graph.leaves:
            if leaf not in self.leaves and self.m > 1 and leaf.shape[-1:] == (self.m,):
                columns = len(leaf.shape) == 2 and leaf.shape[0] == 1 and not leaf.requires_grad
                if columns or len(leaf.shape) == 1:
                    raise Fixed(f"{leaf.name or 'a leaf'} has a number for each example as well")

    def _cost(self, m: int) -> float:
        there = dict(zip(self.graph, self.recorded(m).tensors, strict=True))
        return float(there[self.graph.outputs[0]].numpy())

    def recorded(self, m: int) -> Forward:
        """The graph with m examples: those that there are, again and again.

        The nodes are those of the graph, in the same order.
        """
        again: dict[Node, Tensor] = {}
        with mode(recording=True, watch=None, scope=()), np.errstate(all="ignore"):
            for node in self.graph:
                if isinstance(node, Leaf):
                    value = node.value
                    if node in self.leaves:
                        value = np.take(value, np.arange(m) % self.m, axis=1)
                    t = Tensor(value, node.requires_grad)
                else:
                    args = [again[x] if isinstance(x, Node) else self._other(x, m)
                            for x in node.inputs]  # fmt: skip
                    t = record(node.op, args, self._settings(node.meta, m))
                t.node.name, t.node.scope = node.name, node.scope
                again[node] = t
        tensors = [*again.values()]
        outputs = tuple(again[node].node for node in self.graph.outputs)
        return Forward(Graph([t.node for t in tensors], outputs), tensors)

    def _settings(self, meta: Mapping[str, Any], m: int) -> dict[str, Any]:
        if "shape" not in meta:
            return dict(meta)
        shape = meta["shape"]
        words = tuple(m if n == self.m else n for n in np.atleast_1d(shape).tolist())
        return {**meta, "shape": words if np.ndim(shape) else words[0]}

    def _other(self, x: Any, m: int) -> Any:
        """A number that stands in the graph, for another m."""
        if not self.numbers or np.ndim(x) or self.m == 1 or np.asarray(x).dtype.kind not in "if":
            return x
        n = np.asarray(x).item()
        for sign in (1, -1):
            if n == sign * self.m:
                return type(n)(sign * m)
            if n == sign / self.m:
                return sign / m
        return x
