"""Which of the arrays that a graph reads are examples and answers; they become leaves of it.

They may be leaves already, arrays of NumPy's that stand in the expression, or labels that pick an
element of each example, as in A[y, arange(m)].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.retrace import forward_again
from tinygrad_dnn.autodiff.tensor import Tensor, record
from tinygrad_dnn.formula.constants import Constant, arrays_of
from tinygrad_dnn.graph import Graph, Leaf, Node, describe, trace
from tinygrad_dnn.ops import getitem, take_along_axis

CALLED = (
    ("X", "x", "X_train", "x_train", "inputs", "points"),
    ("Y", "y", "Y_train", "y_train", "labels", "targets"),
)
COUNTED = re.compile(r"c\d+")  # names of arrays that have none


class Found(NamedTuple):
    """A graph with the leaves X and Y, None where there are none; what became of each node."""

    graph: Graph
    named: dict[Node, str]
    again: dict[Node, Node]
    X: Leaf | None
    Y: Leaf | None

    def opened(self, variables: Mapping[str, Any], most: int) -> Found:
        """The same with the arrays that variables hold as leaves, see `variables_as_leaves`."""
        graph, named, now = variables_as_leaves(self.graph, self.named, variables, most)
        again = {x: now[y] for x, y in self.again.items() if y in now}
        leaves: list[Any] = [None if x is None else now[x] for x in (self.X, self.Y)]
        return Found(graph, named, again, leaves[0], leaves[1])


@dataclass(frozen=True, eq=False)
class _Array:
    """What may be the examples or the answers."""

    value: Any
    name: str | None
    leaf: Leaf | None = None  # where it is one


def data_found(
    graph: Graph,
    named: Mapping[Node, str],
    data: Sequence[Any] | None,
    features: int,
    variables: Mapping[str, Any] | None = None,
) -> Found:
    """Look for the examples, of so many features, and for their answers.

    Args:
        named: the names of nodes and of constant arrays.
        variables: what lends labels in an index their name.
        data: X and Y as they were given, arrays or Tensors; None where they are to be found: by the
            names X and Y, or other usual ones, or because nothing else has such a shape.

    Raises:
        TypeError, ValueError: what is given are no two arrays that the graph reads.
    """
    picks = _picks(graph)
    for y in picks.values():
        if name := _variable(y, variables or {}):
            named = {**named, Constant(y): name}
    there = _arrays(graph, named, picks)
    X, Y = _given(there, data) if data is not None else _likely(there, features, [*picks.values()])
    chosen = [one for one in (X, Y) if one is not None and one.leaf is None]
    if not chosen or X is None or Y is None:
        leaves = [None if one is None else one.leaf for one in (X, Y)]
        return Found(graph, {**named}, {node: node for node in graph}, leaves[0], leaves[1])
    taken = {*named.values()} - {one.name for one in chosen}
    called = {}
    for one, (capital, *_) in zip((X, Y), CALLED, strict=True):
        if one in chosen and one is not None:
            own = capital if one.name is None or COUNTED.fullmatch(one.name) else one.name
            called[id(one.value)] = Tensor(one.value, name=own if own not in taken else None)
    opened, named, again = _opened(graph, named, (X, Y), called, picks)

    def leaf(one: _Array) -> Any:
        return called[id(one.value)].node if one.leaf is None else again[one.leaf]

    return Found(opened, named, again, leaf(X), leaf(Y))


def variables_as_leaves(
    graph: Graph, named: Mapping[Node, str], variables: Mapping[str, Any], most: int
) -> tuple[Graph, dict[Node, str], dict[Node, Node]]:
    """The graph with the arrays that variables hold as leaves, as if each were a Tensor; its names,
    and what became of each node. What is made of one of them, 1 − Y, follows it.

    Whole numbers that are no factor and no term, as positions, stay; so does everything where the
    leaves would hold more than `most` bytes.
    """
    readers: dict[Constant, list[Node]] = {}
    for node in graph:
        for x in arrays_of([node]):
            if isinstance(x, np.ndarray):
                readers.setdefault(Constant(x), []).append(node)
    held_by: dict[Constant, _Array] = {}
    for x, nodes in readers.items():
        counts = all(z.op.elementwise or z.op.contracts for z in nodes)
        kind = x.value.dtype.kind
        if x not in named and x.value.ndim == 2:  # X.T, where X itself is not read
            x = Constant(x.value.T)
        if named.get(x) in variables and (kind == "f" or (kind in "iu" and counts)):
            held_by.setdefault(x, _Array(x.value, named[x]))
    found = [*held_by.values()]
    held = [x.value for x in graph.leaves if isinstance(x, Leaf)] + [x.value for x in found]
    if not found or sum(8 * np.size(x) for x in held) > most:
        return graph, {**named}, {node: node for node in graph}
    called = {id(one.value): Tensor(one.value, name=one.name) for one in found}
    return _opened(graph, named, found, called, {})


# --- what there is --------------------------------------------------------------------------------


def _picks(graph: Graph) -> dict[Node, Any]:
    """The nodes A[y, arange(m)] and A[arange(m), y], each with y."""
    found = {}
    for node in graph:
        index = node.meta.get("index") if node.op is getitem else None
        if not isinstance(index, tuple) or len(index) != 2 or len(node.input_shapes[0]) != 2:
            continue
        parts = [np.asarray(x) for x in index if isinstance(x, (np.ndarray, list, range))]
        if len(parts) < 2 or any(x.ndim != 1 or x.dtype.kind not in "iu" for x in parts):
            continue
        for axis, (y, each) in enumerate((parts, parts[::-1])):
            m = node.input_shapes[0][1 - axis]
            if len(y) == m and np.array_equal(each, np.arange(m)):
                found[node] = y.astype(np.int64)
                break
    return found


def _variable(y: Any, variables: Mapping[str, Any]) -> str | None:
    """The name of the first variable that holds these labels."""
    for name, x in variables.items():
        if type(x) is np.ndarray and x.shape == y.shape and np.array_equal(x, y):
            return name
    return None


def _arrays(graph: Graph, named: Mapping[Node, str], picks: Mapping[Node, Any]) -> list[_Array]:
    """The leaves without gradient, then other arrays, each once."""
    found = [
        _Array(leaf.value, named.get(leaf), leaf)
        for leaf in graph.leaves
        if isinstance(leaf, Leaf) and not leaf.requires_grad and isinstance(leaf.value, np.ndarray)
    ]
    others = [x for x in arrays_of(graph) if isinstance(x, np.ndarray) and x.dtype.kind in "biuf"]
    seen: set[Any] = set()
    for x in (*picks.values(), *others):
        ways = _ways(x)
        if seen.isdisjoint(ways):
            turned = named.get(Constant(x.T)) if x.ndim == 2 else None
            found.append(_Array(x, named.get(Constant(x)) or (turned and f"{turned}ᵀ")))
            seen |= ways
    return found


def _ways(x: Any) -> set[Any]:
    """Keys of the arrays that `_same` finds in x."""
    x = np.asarray(x, float)
    alike = [x.ravel()] if max(x.shape, default=1) == x.size else [x, x.T]
    if {*np.unique(x).tolist()} == {0.0, 1.0}:
        alike += [1 - one for one in alike]
    return {(one.shape, one.tobytes()) for one in alike}


def _same(x: Any, y: Any) -> Callable[[Any], Any] | None:
    """How y is made of x, if it is: x itself or its transpose; x or 1 − x, in another shape where
    there is only one axis.
    """
    if x.size != y.size:
        return None
    if x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
        return lambda t: _cast(t, y)
    if x.ndim == 2 and x.T.shape == y.shape and np.array_equal(x.T, y):
        return lambda t: _cast(t.T, y)
    line = max(x.shape, default=1) == x.size == max(y.shape, default=1)
    if line and np.array_equal(x.ravel(), y.ravel()):
        return lambda t: _cast(_shaped(t, y), y)
    binary = y.dtype.kind != "b" and {*np.unique(y).tolist()} == {0, 1}
    if binary and (line or x.shape == y.shape) and np.array_equal(1.0 - x.ravel(), y.ravel()):
        return lambda t: 1 - _cast(_shaped(t, y), y)
    return None


def _cast(t: Tensor, y: Any) -> Any:
    return t if t.dtype == y.dtype else t.astype(y.dtype)


def _shaped(t: Tensor, y: Any) -> Any:
    return t if t.shape == y.shape else t.reshape(y.shape)


# --- which they are -------------------------------------------------------------------------------


def _given(there: Sequence[_Array], data: Any) -> tuple[_Array, _Array]:
    """Those that were given."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        n = len(data) if isinstance(data, (tuple, list)) else type(data).__name__
        raise ValueError(f"playground: expected data=(X, Y), got {n}")
    X, Y = (_place(there, x) for x in data)
    return X, Y


def _place(there: Sequence[_Array], x: Any) -> _Array:
    """The leaf of a Tensor, or an array that is equal to what was given."""
    if not isinstance(x, (Tensor, np.ndarray)):
        raise TypeError(f"playground: expected data as Tensors or arrays, got {type(x).__name__}")
    value = x.numpy() if isinstance(x, Tensor) else x
    for one in there:
        own = isinstance(x, Tensor) and one.leaf is x.node
        if own or (one.leaf is None and _same(one.value, value)):
            return one
    called = describe(x.node) if isinstance(x, Tensor) else f"an array {x.shape}"
    raise ValueError(f"playground: the cost was not computed from {called}")


def _likely(
    there: Sequence[_Array], features: int, labels: Sequence[Any]
) -> tuple[_Array | None, _Array | None]:
    """Those of the usual names, else the only ones of their shape; labels are answers."""
    X, Y = (
        next((one for name in names for one in there if one.name == name), None) for names in CALLED
    )
    if Y is None and labels:
        Y = next(one for one in there if one.leaf is None and one.value is labels[0])
    rest = [one for one in there if one not in (X, Y) and one.value.size > 1]
    if X is None:
        fit = [
            one
            for one in rest
            if one.value.ndim == 2 and features in one.value.shape
            and one.value.size // features > features
        ]  # fmt: skip
        X = _only(fit, whole=False)
    if X is not None and Y is None and X.value.ndim == 2:
        sizes = [n for n in X.value.shape if n != features] or [features]
        fit = [
            one
            for one in rest
            if one is not X and one.value.ndim in (1, 2) and sizes[0] in one.value.shape
        ]
        Y = _only(fit, whole=True)
    return X, Y


def _only(fit: Sequence[_Array], whole: bool) -> _Array | None:
    """The only one; of several the only one of whole numbers, as labels are, or of others."""
    if len(fit) > 1:
        fit = [one for one in fit if np.array_equal(one.value, np.rint(one.value)) == whole]
    return fit[0] if len(fit) == 1 else None


# --- made leaves ----------------------------------------------------------------------------------


def _opened(
    graph: Graph,
    named: Mapping[Node, str],
    arrays: Sequence[_Array],
    called: Mapping[int, Tensor],
    picks: Mapping[Node, Any],
) -> tuple[Graph, dict[Node, str], dict[Node, Node]]:
    """The graph with arrays as leaves, its names, and what became of each node.

    Args:
        called: the leaves, by the id() of their arrays; another one is a leaf already.
    """

    def leaf_of(x: Any) -> Any:
        """The leaf that stands for an array; else the array."""
        for one in arrays:
            t = called.get(id(one.value))
            how = None if t is None else _same(one.value, x)
            if how is not None:
                return how(t)
        return x

    def made(node: Node, inputs: Sequence[Any]) -> Tensor:
        if isinstance(node, Leaf):
            return Tensor(node.value, node.requires_grad)
        others = [leaf_of(x) if isinstance(x, np.ndarray) and x.ndim else x for x in inputs]
        y = leaf_of(picks[node]) if node in picks else None
        if not isinstance(y, Tensor):
            return record(node.op, others, node.meta)
        axis = 0 if np.array_equal(np.asarray(node.meta["index"][0]), picks[node]) else 1
        before = (slice(None),) * axis  # A[y, arange(m)], A[arange(m), y]
        picked: Tensor = take_along_axis(others[0], y[(*before, None)], axis)[(*before, 0)]
        return picked

    tensors = forward_again(graph, made).tensors
    again = {node: t.node for node, t in zip(graph, tensors, strict=True)}
    opened = trace([again[x] for x in graph.outputs])
    new = {again.get(node, node): name for node, name in named.items()}
    for one in arrays:
        if id(one.value) in called:
            leaf = called[id(one.value)].node
            if leaf.name:
                new[leaf] = leaf.name
            new = {node: name for node, name in new.items() if not _is(node, one.value)}
    return opened, new, again


def _is(node: Node, value: Any) -> bool:
    """Whether a name is that of an array which is a leaf now."""
    return isinstance(node, Constant) and node == Constant(value)
