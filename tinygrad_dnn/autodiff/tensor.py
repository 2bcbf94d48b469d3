"""A value that remembers its recipe: Python's operators, NumPy's protocols, `backward`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from types import FunctionType
from typing import Any, cast
from weakref import ref

import numpy as np

from tinygrad_dnn.autodiff.absent import Absent
from tinygrad_dnn.autodiff.backward_args import kept_by, seed_of
from tinygrad_dnn.autodiff.coerce import (
    Array,
    as_constant,
    as_data,
    refuse_complex,
    require_float,
    settled,
)
from tinygrad_dnn.autodiff.errors import explained, refuse_others
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.leaf_data import checked_name, leaves_unrecorded
from tinygrad_dnn.autodiff.numpy_dispatch import NumpyProtocols
from tinygrad_dnn.autodiff.pickling import flattened, restored
from tinygrad_dnn.autodiff.reverse import keep_gradients, sweep
from tinygrad_dnn.autodiff.writing import Shown, Writing
from tinygrad_dnn.graph import NO_META, Leaf, Node, describe, mode, traced
from tinygrad_dnn.graph.leaving import in_transform, leaves_graph
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import tick
from tinygrad_dnn.ops import Op, identity
from tinygrad_dnn.ops.memory import locked

_FLOAT64 = np.dtype(np.float64)
_ndarray = np.ndarray
_PLAIN = frozenset({np.ndarray, float, int, bool})


_new = object.__new__
_set_flags: Any = np.ndarray.setflags  # (array, write): by position it takes half the time


def record(op: Op, args: Sequence[Any], meta: Mapping[str, Any]) -> Tensor:
    """Apply an op to Tensors and constants, and remember that it was done."""
    now = MODE.get()
    recording = now.recording
    index = tick()
    wants = 0  # bit i: argument i requires a gradient
    like = None  # the shape of the first Tensor, which most results have
    inputs: Sequence[Any]
    arrays: Sequence[Any]
    if len(args) == 2:  # the loop below, unrolled for two Tensors or one
        x, y = args
        if isinstance(x, Tensor):
            p = x.node
            x = x._array
            like = p.shape
            if p.requires_grad:
                wants = 1
            if p.op is None and recording:
                p.memory.used = index
        else:
            p = x = x if type(x) in _PLAIN else as_constant(x, op)
        if isinstance(y, Tensor):
            q = y.node
            y = y._array
            if like is None:
                like = q.shape
            if q.requires_grad:
                wants += 2
            if q.op is None and recording:
                q.memory.used = index
        else:
            q = y = y if type(y) in _PLAIN else as_constant(y, op)
        inputs, arrays = (p, q), (x, y)
    elif len(args) == 1 and isinstance(args[0], Tensor):
        p = args[0].node
        like = p.shape
        wants = 1 if p.requires_grad else 0
        if p.op is None and recording:
            p.memory.used = index
        inputs, arrays = (p,), (args[0]._array,)
    else:
        inputs, arrays = [], []
        for i, a in enumerate(args):
            if isinstance(a, Tensor):
                inputs.append(a.node)
                arrays.append(a._array)
                if like is None:
                    like = a.node.shape
                if a.node.requires_grad:
                    wants += 1 << i
                if a.node.op is None and recording:
                    a.node.memory.used = index
            else:
                a = a if type(a) in _PLAIN else as_constant(a, op)
                inputs.append(a)
                arrays.append(a)
    if op.places and recording and now.tracer is None:
        inputs, arrays = _unchanging(op, inputs, arrays)
    try:
        z = op.compute(*arrays, **meta) if meta else op.compute(*arrays)
    except (ValueError, TypeError, IndexError) as error:
        raise explained(op, inputs, meta, error, arrays) from error
    if type(z) is not _ndarray:
        z = settled(z, op.name, writeable=True)
    dtype = z.dtype
    if dtype is not _FLOAT64:
        refuse_complex(dtype, op.name)
        if dtype.kind != "f":
            wants = 0  # whole numbers and truth values have no slope
    if not now.plain:
        if now.watch is not None:
            now.watch.after_op(op, inputs, arrays, z)
        if not recording:
            if now.tracer is None:
                return _unrecorded(z, args)
            wants = 0
    t: Tensor = _new(Tensor)
    t._array = z
    t._memory = None
    if type(z) is _ndarray:
        _set_flags(z, False)  # results are read-only
        if op.view and z.base is not None:
            t._memory = (isinstance(args[0], Tensor) and args[0]._memory) or _memory_of(args)
    # Node's own __init__ written out: this is the engine's innermost line.
    t.node = node = _new(Node)
    node.op = op
    node.inputs = inputs
    node.meta = meta
    shape = z.shape
    node.shape = like if like == shape else shape  # fewer tuples for the cycle collector to visit
    node.dtype = dtype
    node.scope = now.scope
    node.index = index
    node.name = node.grad = None
    node.swept = 0
    node.wanted, save = op.plans[wants]
    if node.wanted:
        node.requires_grad = True
        node.saved = save(z, arrays)
    else:
        node.requires_grad = False
        node.saved = None
    if not now.plain:
        if now.watch is not None:
            now.watch.after_record(node)
        if now.tracer is not None:
            now.tracer.after_record(t, arrays)
    return t


def _unchanging(
    op: Op, inputs: Sequence[Any], arrays: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The arguments of an op with copies of plain positions and conditions: a gradient goes where
    the values came from, whatever is written into them later.
    """
    kept = {i: inputs[i].copy(order="K") for i in op.places if type(inputs[i]) is _ndarray}
    if not kept:
        return inputs, arrays
    return (
        tuple(kept.get(i, x) for i, x in enumerate(inputs)),
        tuple(kept.get(i, x) for i, x in enumerate(arrays)),
    )


def _unrecorded(z: Any, args: Sequence[Any]) -> Tensor:
    """A result inside no_grad(): a leaf. A view stays read-only and counts its base's edits."""
    t = Tensor(z)
    if isinstance(z, np.ndarray) and z.base is not None:
        _set_flags(z, False)
        t._memory = _memory_of(args)
        for x in args:
            if isinstance(x, Tensor):
                _share_edits(x.node, t.node)
    return t


def _memory_of(args: Sequence[Any]) -> Shown | None:
    """What a Tensor has in common with the one among the arguments whose memory it shows."""
    for x in args:
        if isinstance(x, Tensor):
            memory = x._memory
            if memory is None:
                memory = x._memory = Shown()
            return memory
    return None


class Tensor(Writing, NumpyProtocols, Absent):
    """An array that records what is computed from it, so that gradients can flow back to it.

    Args:
        data: a number, nested lists, or an array. An array is not copied, nor is its kind changed
            (NumPy, CuPy, Dask). Floats are needed where a gradient is; integers can be data.
        requires_grad: whether `backward` leaves a gradient here.
        name: what errors, formulas and pictures call it, e.g. "W1".

    Raises:
        TypeError: data that is not numeric, is complex, or carries a mask.
        ValueError: a gradient is asked for integers.

    Example: `w = Tensor([1.0, 2.0], requires_grad=True, name="w")`; after `(w *
    w).sum().backward()` `w.grad` is `[2.0, 4.0]`.
    """

    __slots__ = ("__weakref__", "_array", "_memory", "node")

    _array: Array
    _memory: Shown | None  # None where no other Tensor was made on this one's memory
    node: Any  # a Node, or the Leaf that this Tensor is
    __record__ = staticmethod(record)

    def __init__(
        self, data: Any, requires_grad: bool = False, name: str | None = None, **others: None
    ) -> None:
        if others:
            refuse_others("Tensor", others)
        value = as_data(data)
        if name is not None:
            checked_name(name)
        if requires_grad and value.dtype is not _FLOAT64:
            require_float(value.dtype, name)
        self._array = value
        self._memory = None
        self.node = leaf = Leaf(value, bool(requires_grad), name)
        leaf.tensor = ref(self)
        if isinstance(data, Tensor):
            self._memory = _memory_of([data])
            _share_edits(data.node, leaf)

    # --- what it is --------------------------------------------------------------------------

    @property
    def op(self) -> Op | None:
        """The op that made it; None for a leaf."""
        return cast("Op | None", self.node.op)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The op's arguments: Tensors, and constants as they were given."""
        return tuple(handle(x) if isinstance(x, Node) else x for x in self.node.inputs)

    # --- out of the graph --------------------------------------------------------------------

    def detach(self) -> Tensor:
        """A leaf with the same data (not copied), through which no gradient flows."""
        alone = Tensor(self._array, name=self.name)
        alone._memory = _memory_of([self])
        _share_edits(self.node, alone.node)
        return alone

    # --- backward ----------------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        *,
        keep: bool | Iterable[Tensor | str] = False,
        create_graph: bool = False,
        free: bool | None = None,
        **others: None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf that requires one.

        Args:
            gradient: the cotangent to start from, of this tensor's shape; 1 for a one-element
                tensor. For a cost there is nothing to give.
            keep: intermediate results whose gradient to keep as well, as Tensors or names
                (`keep=[Z1, "A1"]`); True keeps every gradient, and the values too.
            create_graph: record the backward pass, so that gradients are Tensors with a recipe.
            free: whether to let go of the values that the rules read; by default they are, unless
                keep=True or create_graph=True. A freed graph can still be drawn.

        Raises:
            ValueError: nothing here requires a gradient, or a shape does not fit.
            FreedGraphError: an earlier backward freed the values.
            StaleValueError: a value was edited in place since it was recorded.
        """
        if others:
            refuse_others("backward", others)
        seed = seed_of(self, gradient, create_graph)
        kept = kept_by(keep, self.node)
        if free is None:
            free = not create_graph and keep is not True
        found = pull([self.node], [seed], keep=kept, free=free, create_graph=create_graph)
        keep_gradients(found, free)

    # --- as a Python object ------------------------------------------------------------------

    __hash__ = object.__hash__

    def __copy__(self) -> Tensor:
        if self.requires_grad and in_transform(self.node):
            return variable(self)  # a copy of its own would have no gradient
        if isinstance(self.node, Leaf):
            # While a function is recorded nothing is changed in place: the same array will do.
            data = self if traced() else self._array.copy()
            return Tensor(data, self.requires_grad, self.name)
        return _handle(self.node, self._array)

    def __deepcopy__(self, memo: Any) -> Tensor:
        if self.requires_grad and in_transform(self.node):
            leaves_graph(self.node, "pickling or deepcopy")
            return variable(self)
        made, parts = self.__reduce__()
        copied: Tensor = made(*deepcopy(parts, memo))
        return copied

    def __reduce__(self) -> Any:
        leaves_graph(self.node, "pickling or deepcopy")
        if self.requires_grad and in_transform(self.node):
            raise TypeError(
                f"pickle: {describe(self.node)} is part of a function that is being differentiated,"
                " and what is read back would have no gradient; pickle its .data, or use copy.copy"
            )
        if isinstance(self.node, Leaf):
            return handle, (self.node,)
        return _restored, (flattened(self.node), self._array)


for _base in Tensor.__mro__[1:]:
    for _name, _method in vars(_base).items():
        if isinstance(_method, FunctionType):  # Python's own messages say Tensor.sum()
            _method.__qualname__ = f"Tensor.{_name}"


class _Handle(Tensor):
    """A Tensor whose value nobody kept: computed again when asked for."""

    __slots__ = ("_value",)

    @property
    def _array(self) -> Array:
        if not hasattr(self, "_value"):
            self._value = settled(replay([self.node])[self.node], "replay")
        return self._value

    @_array.setter
    def _array(self, value: Array) -> None:
        self._value = value


# --- from values to Tensors ----------------------------------------------------------------------


def _handle(node: Node, value: Any) -> Tensor:
    t: Tensor = _new(Tensor)
    t._array = value
    t._memory = None
    t.node = node
    return t


def variable(x: Any) -> Tensor:
    """What a transform differentiates by: x as a Tensor that requires a gradient, and whose array
    nobody can write to, for it is the caller's. Written to, the Tensor moves on to a copy.
    """
    if isinstance(x, Tensor) and x.requires_grad:
        t = record(identity, (x,), NO_META)
        t._memory = None  # it is nobody's view: x stays as it is whatever is written into t
        return t
    t = Tensor(x, requires_grad=True)
    t._memory = None
    t.node.variable = True
    t._array = t.node.value = locked(t._array)
    return t


def value_of(x: Any) -> Any:
    """The array of a Tensor; what is none, as it is. Nothing is noted or refused."""
    return x._array if isinstance(x, Tensor) else x


def handle(node: Node, value: Any = None) -> Tensor:
    """A Tensor for a node of a graph: for a leaf the one there is, if it lives.

    Args:
        value: the node's, where it is at hand.
    """
    if value is not None:
        return _handle(node, value)
    if isinstance(node, Leaf):
        there: Tensor | None = node.tensor()
        if there is None:
            there = _handle(node, node.value)
            node.tensor = ref(there)
        return there
    if node.saved is not None and node.saved[0] is not None:
        return _handle(node, node.saved[0])
    t: Tensor = _new(_Handle)
    t._memory = None
    t.node = node
    return t


def pull(
    roots: Sequence[Node],
    seeds: Sequence[Any],
    *,
    wanted: Iterable[Node] | None = None,
    keep: Callable[[Node], bool] | None = None,
    free: bool = False,
    create_graph: bool = False,
) -> dict[Node, Any]:
    """The reverse sweep, on plain arrays, or on Tensors that record it."""
    asked = None if wanted is None else frozenset(wanted)
    if not create_graph and not traced():
        found = sweep(roots, seeds, wanted=asked, keep=keep, free=free)
        now = tick()
        for node in found:
            node.swept = now
        return {
            n: settled(_in_order(g, n), "backward", writeable=True, dtype=n.dtype)
            for n, g in found.items()
        }
    tracer = MODE.get().tracer
    every = keep if tracer is None else lambda node: True  # all of them get their names
    unwatched = nullcontext() if tracer is None else tracer.unwatched(roots)
    # In a rule everything is still to be differentiated.
    with mode(recording=True, since=0), unwatched:
        if tracer is not None:
            roots = tracer.before_sweep(roots, asked or (), keep, free)
        seeds = [s if isinstance(s, Tensor) else Tensor(s) for s in seeds]
        found = sweep(roots, seeds, wanted=asked, keep=every, free=free, lift=_handle)
    for node, g in found.items():
        g = found[node] = _in_order(g, node)
        if not isinstance(g, Tensor):
            found[node] = g = Tensor(g)
        if node.name and g.node.op is not None and g.node.name is None:
            g.node.name = "d" + node.name
    if tracer is None:
        return found
    tracer.after_sweep(found)
    return {
        node: g
        for node, g in found.items()
        if (node.op is None if asked is None else node in asked) or (keep and keep(node))
    }


def _in_order(g: Any, node: Node) -> Any:
    """A gradient in its tensor's byte order, which the sum of two uses has not."""
    return g if g.dtype is node.dtype or g.dtype == node.dtype else g.astype(node.dtype)


def _share_edits(one: Any, other: Node) -> None:
    """Two leaves on one array: a write through either is counted for both."""
    if isinstance(one, Leaf) and isinstance(other, Leaf):
        other.memory = one.memory
    leaves_unrecorded(one)
    tracer = MODE.get().tracer
    if tracer is not None:
        tracer.after_alias(one, other)


def _restored(records: Any, data: Any) -> Tensor:
    return _handle(restored(records), settled(data, "pickle"))
