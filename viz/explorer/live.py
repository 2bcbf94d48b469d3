"""What a page needs to compute a graph by itself: the printed program and where its values lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.retrace import Backward, Forward
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.javascript import NotPrintable, Printed, javascript
from tinygrad_dnn.compiler.javascript.loops import Ref
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.rewrite import rewrite
from viz.explorer.arrays import Arrays, encoded

LARGEST = 5_000_000  # bytes of leaves; a page holds 4/3 of that
MANY = 5_000  # nodes of the forward pass

Fields = dict[str, Any]


class Live:
    """Both passes as a program, with the places of all values that a page shows.

    Args:
        forward: both passes, recorded; the second is None where nothing requires a gradient.
        names: what the nodes of both are called.
        rewriting: rewrite both as `compile` does, so that what saturates stays finite; every value
            of the page keeps its place.
        shown: the Tensors of the page in whose place its own stand; by default these themselves.

    Attributes:
        source: the program's text.
        rows: the names of the rewrites that were done.

    Raises:
        NotPrintable: see `compiler.javascript`; or it is too large.
    """

    def __init__(
        self,
        forward: Forward,
        backward: Backward | None,
        names: Mapping[Node, str],
        rewriting: bool = False,
        shown: Sequence[Tensor] | None = None,
    ) -> None:
        self._hold(forward, backward, shown)
        nodes = tuple(dict.fromkeys(t.node for t in self.tensors))
        graph = Graph(trace(nodes).nodes, nodes)
        self._new: dict[Node, Any] = {}
        self.rows: list[str] = []
        if rewriting:
            there = {leaf for leaf in graph.leaves if leaf in self.backward.seeds}
            graph, self._new, steps = rewrite(graph, constants=there)
            self.rows = [*dict.fromkeys(step.row.name for step in steps)]
        # A formula, as the gradient of what has no name is called, is no name of memory.
        short = {self.image(n): name for n, name in names.items() if name.isidentifier()}
        ahead = [*map(self.image, forward.graph)]
        values = {self.image(t.node): t.numpy() for t in self.tensors}
        self.printed: Printed = javascript(graph, short, ahead, values)
        self.source = self.printed.source

    def _hold(
        self, forward: Forward, backward: Backward | None, shown: Sequence[Tensor] | None
    ) -> None:
        """Both passes, with all that is computed in them."""
        if len(forward.graph) > MANY:
            raise NotPrintable(f"{len(forward.graph)} nodes, of which a page computes {MANY}")
        inputs = [leaf.value for leaf in forward.graph.leaves]
        size = sum(8 * x.size for x in inputs if isinstance(x, np.ndarray))
        if size > LARGEST:
            raise NotPrintable(
                f"its inputs hold {size / 1e6:.1f} MB, of which a page takes {LARGEST / 1e6:.0f}; "
                "record it with fewer examples"
            )
        self.forward, self.backward = forward, backward or Backward({}, {}, [])
        self.tensors: list[Tensor] = [
            *forward.tensors,
            *self.backward.gradients.values(),
            *self.backward.contributions.values(),
        ]
        self.shown = self.tensors if shown is None else shown

    def image(self, node: Node) -> Any:
        """What stands for a node in the program: a node, or a number that never changes."""
        return self._new.get(node, node)

    def place(self, node: Node) -> Any:
        """Where the value of a node lies, for the page; None where it never changes."""
        ref = self.ref(node)
        return None if ref is None else place(ref)

    def ref(self, node: Node) -> Ref | None:
        """Where the value of a node lies."""
        new = self.image(node)
        return self.printed.places.get(new) if isinstance(new, Node) else None

    def inputs(self) -> dict[Node, str]:
        """The leaves, with the names of their memory."""
        return {leaf: name for name, leaf in self.printed.inputs.items()}

    def constants(self) -> Fields:
        """Arrays that never change, by the name of their memory."""
        return {name: encoded(x) for name, x in self.printed.constants.items()}

    def counts(self, arrays: Arrays, ids: Mapping[Node, str]) -> Fields | None:
        """How many examples there are, where a page may have others: see `Many`."""
        return None

    def data(self, arrays: Arrays, ids: Mapping[Node, str], whole: list[Fields]) -> Fields:
        """Inputs, constants, and for each array of the page where its values lie.

        Args:
            arrays: those of the page; `whole` is how they stand there.
            ids: of the nodes of the forward pass.
        """
        places: dict[int, Any] = {}
        for t, seen in zip(self.tensors, self.shown, strict=True):
            k = arrays.place(seen.numpy())
            where = self.place(t.node)
            if k is not None and where is not None:
                places.setdefault(k, where)
        inputs: Fields = {}
        for leaf, name in self.inputs().items():
            assert isinstance(leaf, Leaf)
            k = arrays.place(leaf.value)
            there = k is not None and whole[k]["data"] is not None
            inputs[name] = {
                "node": ids.get(leaf, ""),
                **({"array": k} if there else {"data": encoded(leaf.value)}),
            }
        return {
            "why": "",
            "rows": self.rows,
            "inputs": inputs,
            "constants": self.constants(),
            "many": self.counts(arrays, ids),
            "places": places,
            "outputs": [ids[node] for node in self.forward.graph.outputs],
            "lines": self.lines(),
        }

    def lines(self) -> list[list[int]]:
        """For each step of the page its lines of the program."""
        forward = [[node] for node in self.forward.graph if node.op is not None]
        there = self.backward.gradients
        seeds = [[there[x].node] for x in self.forward.graph.outputs if x in there]
        last = {z.inputs[i]: z for z, i in self.backward.contributions}
        back: dict[Node, list[Node]] = {}
        for (z, i), part in self.backward.contributions.items():
            x = z.inputs[i]
            back.setdefault(z, []).append(part.node)
            if last[x] is z:  # then its gradient is complete
                back[z].append(there[x].node)
        rules = [back[z] for z in self.backward.order if z in back]
        steps = [*forward, *seeds, *rules]
        return self.printed.lines([[*map(self.image, step)] for step in steps])


def place(ref: Ref) -> Any:
    """Where an array lies: the name of its memory alone if it is the beginning of that, in C
    order.
    """
    strides = np.empty(ref.shape, np.int8).strides
    plain = ref.offset == 0 and all(
        n == 1 or s == t for n, s, t in zip(ref.shape, ref.strides, strides, strict=True)
    )
    return ref.name if plain else [ref.name, ref.offset, list(ref.strides)]
