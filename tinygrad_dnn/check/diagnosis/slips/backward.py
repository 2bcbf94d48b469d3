"""The backward pass of a recorded function, ready to be run with a change at some of its uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.reverse import pulls_of
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.check.numeric.jacobian import summed_to
from tinygrad_dnn.graph import Node, mode, trace

MOST_NODES = 120  # of a forward whose backward pass is run again and again


class Asked(NamedTuple):
    """A wrong gradient as it was asked for: the inputs, the cotangent, what came for one input."""

    inputs: Sequence[Any]
    g: Any
    yours: Any


Change = Callable[[Node, int, Any, tuple[Any, ...]], Any]
Changes = Mapping[tuple[int, int], Change]


class Backward:
    """The backward pass of a function of arrays, recorded at a point, ready to be run with a slip.

    Raises:
        Exception: whatever comes of a forward that takes no Tensors.
    """

    def __init__(self, forward: Callable[..., Any], inputs: Sequence[Any]) -> None:
        self.leaves = [
            Tensor(np.array(x, float), requires_grad=True, name=f"x{k}") if is_float(x) else x
            for k, x in enumerate(inputs)
        ]
        with mode(recording=True, watch=None), np.errstate(all="ignore"):
            z = forward(*self.leaves)
        if not isinstance(z, Tensor) or not z.requires_grad:
            raise TypeError("the forward leaves the graph")
        self.root = z.node
        self.graph = trace([z.node])
        if len(self.graph) > MOST_NODES:
            raise ValueError("too long")
        with np.errstate(all="ignore"):
            self.values = evaluate(self.graph)

    def edges(self) -> Iterator[tuple[int, int]]:
        """The uses of values: which node of the graph, and which of its inputs."""
        for n, node in enumerate(self.graph):
            for i, x in enumerate(node.inputs if node.op is not None else ()):
                if isinstance(x, Node) and x.requires_grad:
                    yield n, i

    def jacobian(self, k: int) -> Any:
        """The Jacobian for input k, (size of the result, size of the input)."""
        shape = np.shape(self.values[self.root])
        rows = []
        for at in np.ndindex(shape):
            g = np.zeros(shape)
            g[at] = 1
            rows.append(np.ravel(self.gradient(g, k, {})))
        return np.array(rows)

    def gradient(
        self, g: Any, k: int, changes: Changes, handed: tuple[int, int] | None = None
    ) -> Any:
        """The gradient for input k, with changes at some uses.

        Args:
            handed: a node whose cotangent goes as it is to another, the nodes by number.
        """
        found: dict[Node, Any] = {self.root: np.asarray(g, float)}
        order = list(self.graph)
        for n in range(len(order) - 1, -1, -1):
            node = order[n]
            if node.op is None or node not in found:
                continue
            here = found[node]
            if handed is not None and n == handed[0]:
                to = order[handed[1]]
                found[to] = found[to] + here if to in found else here
                continue
            arrays = (self.values[x] if isinstance(x, Node) else x for x in node.inputs)
            saved = (self.values[node], *arrays)
            pulls = pulls_of(node.op, here, saved, node) if node.op.many else node.op.pulls
            for i, x in enumerate(node.inputs):
                if not isinstance(x, Node) or not x.requires_grad:
                    continue
                if (n, i) in changes:
                    part = changes[n, i](node, i, here, saved)
                else:
                    pull = pulls[i]
                    part = None if pull is None else pull(here, saved, node, i)
                if part is not None:
                    part = summed_to(x.shape, np.asarray(part, float))
                    found[x] = found[x] + part if x in found else part
        leaf = self.leaves[k].node
        return found.get(leaf, np.zeros(leaf.shape))


def is_float(x: Any) -> bool:
    """Whether it is a number of floats, or an array of them."""
    return np.asarray(x).dtype.kind == "f"


def rule(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    """What the use as input i rightly contributes, of z and inputs `saved`."""
    pulls = pulls_of(node.op, g, saved, node) if node.op.many else node.op.pulls
    return np.zeros(np.shape(saved[i + 1])) if pulls[i] is None else pulls[i](g, saved, node, i)
