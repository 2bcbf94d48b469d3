"""A recorded expression as an ONNX model; needs onnx (the extra `onnx`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.export.onnx_ops import NO_ROW, ROWS, WITHOUT, Missing
from tinygrad_dnn.graph import Graph, Leaf, Node, describe, trace
from tinygrad_dnn.storage.whole_file import write

try:
    import onnx
    from onnx import helper, numpy_helper
except ModuleNotFoundError as error:
    raise ImportError(
        "export to ONNX: onnx is missing; pip install 'tinygrad-dnn[onnx]'"
    ) from error

OPSET = 18  # the oldest in which every row of the table can be written


class NotExportable(ValueError):
    """An op of the expression is not written; the message says which and why."""


def onnx_model(
    outputs: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    *,
    free: Mapping[str, int] | None = None,
    free_name: str = "m",
) -> onnx.ModelProto:
    """The expression that `outputs` were computed by, as a function of `inputs`.

    `onnx_model({"AL": AL}, {"X": X}, free={"X": 1})` takes any number of examples in columns. Other
    leaves, the parameters, are stored in the model with their values of now. A number that Python
    computed from a shape, as 1/m, is a constant of the graph: export what is predicted, not a cost.

    Args:
        outputs: by the name they shall have, Tensors.
        inputs: by the name they shall have, leaves of the expression.
        free: by input, the axis whose size the model leaves open.
        free_name: the name of that size.

    Returns:
        A model that passes onnx's full check; opset 18.

    Raises:
        NotExportable: an op without a counterpart, or one that fixes the size of a free axis.
        ValueError: an input that is no leaf of the expression, or an axis that it does not have.
    """
    graph = trace(t.node for t in outputs.values())
    leaves = {t.node: name for name, t in inputs.items()}
    for node, name in leaves.items():
        if not isinstance(node, Leaf):
            raise ValueError(f"onnx: input {name}: expected a leaf, got {describe(node)}")
    if both := sorted(inputs.keys() & outputs.keys()):
        raise ValueError(f"onnx: {both[0]!r} names an input and a result; rename one")
    free = dict(free or {})
    for name, axis in free.items():
        if name not in inputs or not 0 <= axis < len(inputs[name].shape):
            raise ValueError(f"onnx: free: {name!r} is no input with an axis {axis}")
    return _Writer(graph, leaves, free, free_name).model(outputs)


def save_onnx(path: str | os.PathLike[str], model: onnx.ModelProto) -> Path:
    """Write the model in one step; the path.

    Raises:
        OSError: the file can't be written.
    """
    return write(Path(path), model.SerializeToString())


class _Writer:
    """The nodes of a model as they are written, in the order of the record."""

    def __init__(
        self, graph: Graph, leaves: Mapping[Node, str], free: Mapping[str, int], free_name: str
    ) -> None:
        self.graph, self.leaves, self.free, self.free_name = graph, leaves, free, free_name
        self.nodes: list[Any] = []
        self.stored: list[Any] = []
        self.names: dict[Node, str] = dict(leaves)
        self.dtypes: dict[str, Any] = {n: node.dtype for node, n in leaves.items()}
        self.taken = {*leaves.values()}
        self.at: Node | None = None
        self.values = evaluate(graph)
        self.more: dict[Node, Any] = {}  # the values with twice as many examples
        self.varying = self._varying()

    def model(self, outputs: Mapping[str, Tensor]) -> onnx.ModelProto:
        """The finished model."""
        self.taken |= outputs.keys()
        for node in self.graph:
            self.node(node)
        for name, t in outputs.items():
            self.nodes.append(helper.make_node("Identity", [self.names[t.node]], [name]))
        ins = [self._info(name, node) for node, name in self.leaves.items()]
        outs = [self._info(name, t.node) for name, t in outputs.items()]
        body = helper.make_graph(self.nodes, "tinygrad_dnn", ins, outs, self.stored)
        made: onnx.ModelProto = helper.make_model(
            body,
            producer_name="tinygrad_dnn",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=8,
        )
        onnx.checker.check_model(made, full_check=True)
        return made

    # --- what rows call --------------------------------------------------------------------------

    def __call__(self, kind: str, *xs: str, **attributes: Any) -> str:
        name = self._new(kind.lower())
        self.nodes.append(helper.make_node(kind, list(xs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """An array that the file holds; its name."""
        array = np.asarray(value)
        name = self._new("c")
        ordered = np.ascontiguousarray(array).reshape(array.shape)
        self.stored.append(numpy_helper.from_array(ordered, name))
        self.dtypes[name] = array.dtype
        return name

    def cast(self, x: str, dtype: Any) -> str:
        """The same numbers in another dtype."""
        dtype = np.dtype(dtype)
        if self.dtypes.get(x) == dtype:
            return x
        made = self("Cast", x, to=_kind(dtype))
        self.dtypes[made] = dtype
        return made

    def fixed(self, node: Node, what: str) -> None:
        """Refuse where this node's sizes depend on the free axis."""
        if node in self.varying or any(x in self.varying for x in node.parents):
            raise Missing(f"{what} would fix the size that shall stay free")

    def varies(self, x: Any, axis: int) -> bool:
        """Whether an input's length along an axis stays free."""
        return x in self.varying and self.more[x].shape[axis] != x.shape[axis]

    # --- nodes -----------------------------------------------------------------------------------

    def node(self, node: Node) -> None:
        """Write a node, by its row, or as what it is composed of."""
        if node in self.names:
            return
        if isinstance(node, Leaf):
            self.names[node] = self.constant(node.value)
            return
        self.at = node
        row = ROWS.get(node.op.name)
        try:
            if row is not None:
                self._named(node, row(self, node, [self._input(x, node) for x in node.inputs]))
            elif node.op.composite:
                self._expanded(node)
            else:
                raise Missing(WITHOUT.get(node.op.name, NO_ROW))
        except Missing as reason:
            raise NotExportable(f"onnx: {describe(node)}: {reason}") from None

    def _named(self, node: Node, name: str) -> None:
        self.names[node] = name
        self.dtypes[name] = node.dtype

    def _input(self, x: Any, reader: Node) -> str:
        if isinstance(x, Node):
            return self.names[x]
        if isinstance(x, (bool, int, float)) and reader.dtype != bool:
            return self.constant(np.asarray(x, dtype=reader.dtype))  # NEP 50: it takes that dtype
        return self.constant(x)

    def _expanded(self, node: Node) -> None:
        """A composite: its forward, recorded on stand-ins for what it was given."""
        given = [self.values[x] if isinstance(x, Node) else x for x in node.inputs]
        stand_ins = [
            Tensor(v) if isinstance(x, Node) else x for v, x in zip(given, node.inputs, strict=True)
        ]
        result = node.op.forward(*stand_ins, **node.meta)
        outer = {
            t.node: x for t, x in zip(stand_ins, node.inputs, strict=True) if isinstance(x, Node)
        }
        inner = trace([result.node])
        if any(x in self.varying for x in node.parents):
            self._same_with_more(node, inner)
        for stand_in, x in outer.items():
            self.names[stand_in] = self.names[x]
            if x in self.varying:
                self.varying.add(stand_in)
        self.values |= evaluate(inner)
        for part in inner:
            if part not in outer and any(x in self.varying for x in part.parents):
                self.varying.add(part)
            self.node(part)
        self.names[node] = self.names[result.node]

    def _same_with_more(self, node: Node, inner: Graph) -> None:
        """Refuse a composite that computes a number from a size: it would be a constant here."""
        given = [Tensor(self.more[x]) if isinstance(x, Node) else x for x in node.inputs]
        again = trace([node.op.forward(*given, **node.meta).node])
        kept = [(x.op, x.meta, _numbers(x)) for x in inner if not isinstance(x, Leaf)]
        more = [(x.op, x.meta, _numbers(x)) for x in again if not isinstance(x, Leaf)]
        if repr(kept) != repr(more):
            raise Missing("it computes a number from the size that shall stay free")
        self.more |= dict(zip(inner, evaluate(again).values(), strict=True))

    # --- sizes that stay free --------------------------------------------------------------------

    def _varying(self) -> set[Node]:
        """The nodes whose shape depends on a free axis: found by computing with more examples."""
        if not self.free:
            return set()
        known = {
            node: np.repeat(node.value, 2, self.free[name])  # type: ignore[attr-defined]
            for node, name in self.leaves.items()
            if name in self.free
        }
        varying = set(known)
        with np.errstate(all="ignore"):
            values: dict[Node, Any] = dict(known)
            for node in self.graph:
                if node in known or isinstance(node, Leaf):
                    values.setdefault(node, getattr(node, "value", None))
                    continue
                arrays = [values[x] if isinstance(x, Node) else x for x in node.inputs]
                try:
                    values[node] = np.asarray(node.op.compute(*arrays, **node.meta))
                except (ValueError, IndexError, TypeError) as error:
                    raise NotExportable(
                        f"onnx: {describe(node)}: it needs the size that shall stay free: {error}"
                    ) from None
                if values[node].shape != node.shape:
                    varying.add(node)
        self.more = values
        return varying

    def _info(self, name: str, node: Node) -> Any:
        shape: list[Any] = list(node.shape)
        if node in self.varying:
            shape = [
                n if n == other else (self.free_name if other == 2 * n else None)
                for n, other in zip(node.shape, self.more[node].shape, strict=True)
            ]
        return helper.make_tensor_value_info(name, _kind(node.dtype), shape)

    def _new(self, stem: str) -> str:
        name = self.at.name if self.at is not None and self.at.name else stem
        k = 0
        unique = f"{name}.{stem}" if name != stem else f"{stem}.0"
        while unique in self.taken:
            k += 1
            unique = f"{name}.{stem}.{k}"
        self.taken.add(unique)
        return unique


def _numbers(node: Node) -> list[Any]:
    return [x for x in node.inputs if not isinstance(x, Node)]


def _kind(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
