"""One recorded op: what was applied, to what, and what came of it. No mathematics.

A node knows the op that made it, what went in, and nothing of what is made of it; so whatever
nobody holds any more is freed by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, count
from math import prod
from operator import attrgetter
from typing import Any

NO_META: Mapping[str, Any] = {}

# Creation numbers order the nodes and tell which edit of a leaf came before which op.
tick = count(1).__next__
by_index = attrgetter("index")


class Shapes(list[tuple[int, ...]]):
    """The shapes of the inputs of one op."""

    def __init__(self, shapes: Iterable[tuple[int, ...]]) -> None:
        super().__init__(shapes)
        self._starts: dict[int | None, list[int]] = {}

    def starts(self, axis: int | None) -> list[int]:
        """Where each input begins when they are laid end to end along an axis, or flattened."""
        if axis not in self._starts:
            lengths = (prod(s) if axis is None else s[axis] for s in self)
            self._starts[axis] = list(accumulate(lengths, initial=0))
        return self._starts[axis]


class Node:
    """One recorded op: what was applied, to what, and the values its derivative rules will read.

    `inputs` holds a `Node` per recorded input and the plain value of every constant; `wanted` are
    the positions of those that required a gradient when it was recorded. `saved` holds
    (z, x, y, ...) with None for what no rule reads, or is None once the values were freed. `swept`
    is when a sweep that records nothing last passed it and kept its values, 0 if none did.

    Example: `z = Tensor(x, name="x") ** 2`; `z.node.op.name` is `"power"`, and
    `z.node.inputs[0].name` is `"x"`.
    """

    __slots__ = (
        "dtype",
        "grad",
        "index",
        "inputs",
        "meta",
        "name",
        "op",
        "requires_grad",
        "saved",
        "scope",
        "shape",
        "swept",
        "wanted",
    )

    # `tensor.record` writes these assignments out, once per recorded op: keep the two alike.
    def __init__(
        self,
        op: Any,
        inputs: Sequence[Any],
        meta: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: Any,
        requires_grad: bool = False,
        wanted: tuple[int, ...] = (),
        saved: tuple[Any, ...] | None = None,
        scope: tuple[str, ...] = (),
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.meta = meta
        self.shape = shape
        self.dtype = dtype
        self.requires_grad = requires_grad
        self.wanted = wanted
        self.saved = saved
        self.scope = scope
        self.index = tick()
        self.name: str | None = None
        self.grad: Any = None
        self.swept = 0

    @property
    def input_shapes(self) -> Shapes:
        """The shapes of the inputs, constants included."""
        return Shapes(getattr(x, "shape", ()) for x in self.inputs)

    @property
    def parents(self) -> tuple[Node, ...]:
        """The recorded inputs, without the constants."""
        return tuple([x for x in self.inputs if isinstance(x, Node)])

    def __repr__(self) -> str:
        return f"<{describe(self)}>"


def rebuilt(node: Node, inputs: Sequence[Any]) -> Node:
    """The same op on other inputs of the same shapes and dtypes, for a graph without gradients."""
    new = Node(node.op, tuple(inputs), node.meta, node.shape, node.dtype, scope=node.scope)
    new.name = node.name
    return new


def describe(node: Node) -> str:
    """A node in a few words for an error message: `W2 (7, 20)`, `matmul (7, 209)`."""
    what = node.name or (node.op.name if node.op else "tensor")
    return f"{what} {node.shape}"
