"""What a leaf holds and is: data, gradient, whether it requires one, name."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from tinygrad_dnn.autodiff.coerce import Array, as_data, require_float
from tinygrad_dnn.autodiff.conversions import Conversions
from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.reverse import SHARED, note_edit
from tinygrad_dnn.graph import Leaf, describe, traced
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import tick

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LeafData(Conversions):
    """The data and the gradient of a Tensor, as far as it is a leaf."""

    __slots__ = ()

    _array: Array
    node: Any

    @property
    def data(self) -> NDArray[Any]:
        """The array. A leaf's may be replaced, or edited with `t.data -= ...`, which is counted."""
        array: NDArray[Any] = self._handed_out(".data")
        return array

    @data.setter
    def data(self, value: Any) -> None:
        leaf = self._own_leaf("assign to .data of")
        refuse_traced(leaf)
        if value is self._array:  # t.data -= ... edits in place, then assigns the same array
            note_edit(leaf)
            return
        new = as_data(value)
        if new.shape != self.shape or new.dtype != self.dtype:
            raise ValueError(
                f"data: {describe(leaf)} holds {self.dtype}, got {new.dtype} {new.shape}; "
                "make a new Tensor for another shape or dtype"
            )
        self._refuse_variable()
        self._array = leaf.value = new
        leaf.replaced = tick()

    def _own_leaf(self, what: str) -> Leaf:
        if isinstance(self.node, Leaf):
            return self.node
        raise TypeError(
            f"cannot {what} {describe(self.node)}: it is the result of {self.node.op.name}, and "
            "results are read-only; build a new expression (where, setitem) or edit a detached copy"
        )

    def _refuse_variable(self) -> None:
        """What a transform differentiates by has the value that the gradient is asked at."""
        node = self.node
        if node.op is not None or node.variable:
            raise TypeError(
                f"cannot change {describe(node)} unrecorded in a function that is being "
                "differentiated: the gradient would be another function's; write A = A + 1 or "
                "A[...] = ... outside no_grad()"
            )

    @property
    def grad(self) -> NDArray[Any]:
        """The gradient that `backward` left: an array (a Tensor if create_graph=True), or None.

        Its type is that of an array, which it nearly always is where it is read.
        """
        node = self.node
        if node.grad is None and node.op is None and traced():
            MODE.get().tracer.refuse_grad(node)
        if node.grad is None and node.op is not None and node.requires_grad and node.saved is None:
            warnings.warn(
                f"grad: {describe(node)} is not a leaf but the result of {node.op.name}, so "
                "backward() kept no gradient for it; ask with backward(keep=[...]). (A parameter "
                "is updated by W.data -= ..., or W -= ... inside no_grad(); W = W - ... is a new "
                "tensor.)",
                stacklevel=2,
            )
        gradient: NDArray[Any] = node.grad
        return gradient

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and not isinstance(value, Conversions):
            value = as_data(value)
        if value is not None and value.shape != self.shape:
            raise ValueError(
                f"grad: {describe(self.node)} can't have a gradient of shape {value.shape}"
            )
        with SHARED:
            self.node.grad = value

    def zero_grad(self, **others: None) -> None:
        """Forget the gradient; `backward` adds to what is there."""
        if others:
            refuse_others("zero_grad", others)
        with SHARED:
            self.node.grad = None

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to it; what was recorded before a change is not affected."""
        return bool(self.node.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        leaf = self._own_leaf("change requires_grad of")
        if bool(value) == leaf.requires_grad:
            return
        self._refuse_variable()
        if value:
            require_float(leaf.dtype, leaf.name)
        # Graphs that hold the old node saved their values for the old answer.
        self.node = fresh = Leaf(self._array, bool(value), leaf.name)
        fresh.scope, fresh.grad, fresh.memory = leaf.scope, leaf.grad, leaf.memory
        fresh.tensor = ref(self)

    @property
    def name(self) -> str | None:
        """The name used in errors, formulas and pictures."""
        return cast("str | None", self.node.name)

    @name.setter
    def name(self, value: str | None) -> None:
        self.node.name = checked_name(value)


def checked_name(name: str | None) -> str | None:
    """Return a name, or raise TypeError for what is no text."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"Tensor: expected a string as name, got {name!r}")
    return name


def leaves_unrecorded(node: Any) -> None:
    """Tell who watches that a value goes where no op leads."""
    watch = MODE.get().watch
    if watch is not None:
        watch.before_leaving(node)


def refuse_traced(node: Any) -> None:
    """Raise RecordingError for a write to what a whole function that is being recorded reads."""
    tracer = MODE.get().tracer
    if tracer is not None:
        tracer.refuse_write(node)
