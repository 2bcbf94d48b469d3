"""A value that no op made, and what happened to its memory."""

from __future__ import annotations

from typing import Any

from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import NO_META, Node, tick


def nobody() -> None:
    """The weak reference of a leaf that no Tensor holds."""


_UNSEEN: tuple[Any, int | None] = (None, None)


class Memory:
    """What happened to the memory of a leaf, shared by all leaves that share that memory.

    Attributes:
        edited: the time of the last counted in-place write; 0, as below, for never.
        used: when an op last read it.
        freed: when a `backward` that frees what it passes last reached it.
        seen: when the array was handed out after it had been used.
        sight: that array and its fingerprint then.
    """

    __slots__ = ("edited", "freed", "seen", "sight", "used")

    def __init__(self) -> None:
        self.edited = self.used = self.freed = self.seen = 0
        self.sight = _UNSEEN

    def __reduce__(self) -> Any:
        # Leaves that share it go on to share one. Its times are no times of another process.
        return Memory, ()


class Leaf(Node):
    """A value that no op made: a parameter, or data.

    `replaced` is the time when it was last given another array; `variable` says that it is what a
    transform differentiates by: its array is the caller's, so a write makes a copy and is recorded.

    Example: `isinstance(Tensor(x, name="x").node, Leaf)`.
    """

    __slots__ = ("__weakref__", "memory", "replaced", "tensor", "value", "variable")

    def __init__(self, value: Any, requires_grad: bool, name: str | None) -> None:
        # Node's own __init__ written out, as in `tensor.record`.
        self.op = self.saved = self.grad = None
        self.inputs = self.wanted = ()
        self.meta = NO_META
        self.shape = value.shape
        self.dtype = value.dtype
        self.requires_grad = requires_grad
        self.scope = MODE.get().scope
        self.index = tick()
        self.name = name
        self.swept = 0
        self.value = value
        self.memory = Memory()
        self.replaced = 0
        self.variable = False
        self.tensor: Any = nobody  # a weak reference to the Tensor, once there is one

    @property
    def changed(self) -> int:
        """The time of the last counted change of its value."""
        return max(self.memory.edited, self.replaced)

    def __reduce__(self) -> Any:
        # A gradient with a recipe would pull in the graph that holds this leaf: its values alone.
        grad = self.grad.numpy() if hasattr(self.grad, "numpy") else self.grad
        return _leaf, (self.value, self.requires_grad, self.name, self.scope, grad, self.memory)


def _leaf(
    value: Any,
    requires_grad: bool,
    name: str | None,
    scope: tuple[str, ...],
    grad: Any,
    memory: Memory,
) -> Leaf:
    made = Leaf(value, requires_grad, name)
    made.scope, made.grad, made.memory = scope, grad, memory
    return made
