"""What the tests of rewriting share: graphs of one or both passes, rewritten and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tinygrad_dnn as tg
from tinygrad_dnn import Op, Tensor, network
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.rewrite import PAPER, PROGRAM, Rewritten, Row, rewrite

TABLES = {"PROGRAM": PROGRAM, "PAPER": PAPER}


def graph_of(*results: Tensor) -> Graph:
    return trace([t.node for t in results])


def made(*results: Tensor, rows: Sequence[Row] = PROGRAM, **settings: Any) -> Rewritten:
    return rewrite(graph_of(*results), rows, **settings)


def ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph if n.op]


def names(done: Rewritten) -> list[str]:
    return [step.row.name for step in done.steps]


def value(node: Node) -> Any:
    return replay([node])[node]


def both_passes(cost: Tensor) -> tuple[Graph, list[Leaf], list[Any]]:
    """A graph of cost and gradients, the constants in it, and the values of its outputs."""
    forward = forward_again(graph_of(cost))
    slopes = backward_again(forward).gradients
    outputs = [forward.graph.outputs[0], *(g.node for g in slopes.values())]
    graph = trace(outputs)
    given = set(forward.graph)
    values = replay(outputs)
    return graph, [n for n in graph.leaves if n not in given], [values[n] for n in outputs]


def agrees(cost: Tensor, rows: Sequence[Row], rtol: float = 1e-10) -> Rewritten:
    graph, seeds, expected = both_passes(cost)
    done = rewrite(graph.verify(), rows, constants=seeds)
    done.graph.verify()
    found = replay(done.graph.outputs)
    for node, old, wanted in zip(done.graph.outputs, graph.outputs, expected, strict=True):
        assert (node.shape, node.dtype) == (old.shape, old.dtype)
        np.testing.assert_allclose(found[node], wanted, rtol=rtol, atol=rtol / 100)
    ends = {"identity"}  # names of outputs
    assert set(names(rewrite(done.graph, rows, constants=seeds))) <= ends, "not at an end"
    return done


def applied(declared: Op, arrays: Sequence[Any], **meta: Any) -> Tensor:
    tensors = [
        Tensor(a, a.dtype.kind == "f" and declared.rule(i) is not None, f"in{i}")
        for i, a in enumerate(arrays)
    ]
    return record(declared, tensors, declared.defaults | meta)


def logistic_regression() -> tuple[Tensor, Tensor]:
    """Z and the document's cost of A = σ(Z)."""
    rng = np.random.default_rng(3)
    Z = Tensor(rng.normal(size=(1, 6)), requires_grad=True, name="Z")
    A = tg.sigmoid(Z)
    A.name = "A"
    Y = Tensor(rng.integers(0, 2, (1, 6)).astype(float), name="Y")
    return Z, network.cross_entropy(A, Y)
