"""print(graph): a line a node, names that are nobody else's; graph.verify(): what is malformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Tensor, scope
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.graph import Graph, Leaf, Node, trace


def layer() -> Graph:
    X = Tensor(np.ones((2, 5)), name="X")
    W1 = Tensor(np.ones((3, 2)), requires_grad=True, name="W1")
    b1 = Tensor(np.ones((3, 1), "f"), requires_grad=True, name="b1")
    with scope("layer 1"):
        Z1 = W1 @ X + b1
    Z1.name = "Z1"
    return trace([(Z1 * Z1).sum().node])


def test_a_graph_is_printed_as_typed_lines() -> None:
    assert str(layer()) == (
        "X   (2, 5)  float64  data\n"
        "W1  (3, 2)  float64  parameter\n"
        "b1  (3, 1)  float32  parameter\n"
        "h4  (3, 5)  float64  W1 X       in layer 1\n"
        "Z1  (3, 5)  float64  h4 + b1    in layer 1\n"
        "h6  (3, 5)  float64  Z1 ⊙ Z1\n"
        "h7  ()      float64  Σ h6\n"
        "returns h7"
    )
    assert repr(layer()) == "<Graph of 7 nodes, 3 of them leaves>"


def test_no_two_lines_have_one_name() -> None:
    twins = [Tensor(np.ones(2), name="W1") for _ in range(2)]
    h3 = Tensor(np.ones(2), name="h4")
    text = str(trace([(twins[0] * twins[1] + h3).node]))
    names = [line.split()[0] for line in text.splitlines()[:-1]]
    assert names == ["W1", "W1_2", "h4", "h4_2", "h5"]
    assert "W1 ⊙ W1_2" in text
    assert "h4_2 + h4" in text


def test_a_name_that_was_given_is_kept_by_whom_it_was_given_to() -> None:
    a, b, c = (Tensor(np.ones(2), name=name) for name in ("W1", "W1", "W1_2"))
    names = [line.split()[0] for line in str(trace([(a * b * c).node])).splitlines()[:3]]
    assert names == ["W1", "W1_3", "W1_2"]


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    x = Tensor(np.ones(2), name="x\ny")
    assert str(trace([x.node])) == "x\\ny  (2,)  float64  data\nreturns x\\ny"


def test_a_deep_graph_is_printed_and_verified() -> None:
    x = Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        x = x * 1.0
    graph = trace([x.node]).verify()
    assert str(graph).count("\n") == 20_001


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_what_an_op_records_is_well_formed(name: str) -> None:
    op, rng = REGISTRY[name], np.random.default_rng(0)
    for case in cases_of(op):
        arrays = sampled(op, case, rng)
        tensors = [Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") for a in arrays]
        z = op(tensors, **case.meta) if op.many else op(*tensors, **case.meta)
        assert str(trace([z.node]).verify()).count("\n") == len(tensors) + 1


def test_a_freed_graph_and_both_passes_are_well_formed() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    y = (tg.tanh(x) * x).sum()
    dx = tg.gradients(y, x, create_graph=True)
    trace([dx.node, y.node]).verify()
    y.backward()
    trace([y.node]).verify()


def late(graph: Graph) -> None:
    graph.nodes.reverse()


def missing(graph: Graph) -> None:
    del graph.nodes[0]


def twice(graph: Graph) -> None:
    graph.nodes.append(graph.nodes[0])


def outside(graph: Graph) -> None:
    graph.outputs = (Leaf(np.ones(1), False, "other"),)


def other_shape(graph: Graph) -> None:
    graph.nodes[3].shape = (5, 3)


def other_dtype(graph: Graph) -> None:
    graph.nodes[5].dtype = np.dtype("float32")


def leaf_of_another_shape(graph: Graph) -> None:
    graph.nodes[1].shape = (2, 2)


def impossible(graph: Graph) -> None:
    product = graph.nodes[3]
    product.inputs = product.inputs[::-1]


def unsaved(graph: Graph) -> None:
    square = graph.nodes[5]
    assert square.saved is not None
    square.saved = (*square.saved[:-1], None)


def opless(graph: Graph) -> None:
    graph.nodes[6].op = None


def wanted_constant(graph: Graph) -> None:
    node: Node = graph.nodes[5]
    node.inputs = (node.inputs[0], np.ones((3, 5)))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (late, r"sum \(\) comes before its input 0, multiply \(3, 5\)"),
        (missing, r"matmul \(3, 5\) comes before its input 1, X \(2, 5\), or that is missing"),
        (twice, r"X \(2, 5\) stands twice"),
        (outside, r"the output other \(1,\) is not among the nodes"),
        (other_shape, r"matmul \(5, 3\) float64 = matmul.* gives \(3, 5\) float64"),
        (other_dtype, r"multiply \(3, 5\) float32 = multiply.* gives \(3, 5\) float64"),
        (leaf_of_another_shape, r"W1 \(2, 2\) float64 holds \(3, 2\) float64"),
        (impossible, r"matmul \(3, 5\) can't be computed from its inputs"),
        (unsaved, r"multiply \(3, 5\) has not saved y, which the rule for its input 0 reads"),
        (opless, r"tensor \(\) has no op and is no leaf"),
        (wanted_constant, r"multiply \(3, 5\) wants a gradient for its input 1, which is no node"),
    ],
)
def test_what_is_malformed_is_named(fault: Callable[[Graph], Any], words: str) -> None:
    graph = layer()
    graph.verify()
    fault(graph)
    with pytest.raises(ValueError, match=words):
        graph.verify()


@pytest.mark.parametrize("shape", [(3,), (2, 1), (2, 3)])
def test_a_matrix_that_is_not_square_has_no_inverse_in_a_graph(shape: tuple[int, ...]) -> None:
    z = np.linalg.inv(Tensor(2 * np.eye(2), name="x"))
    graph = trace([z.node]).verify()
    z.node.inputs = (Leaf(np.ones(shape), False, "x"),)
    graph.nodes[0] = z.node.inputs[0]
    with pytest.raises(ValueError, match=r"inv .* can't be computed from its inputs"):
        graph.verify()


def test_an_index_that_is_too_long_for_a_line_leaves_the_rest_of_it() -> None:
    k, i, j = (np.arange(162).reshape(18, 9) % n for n in (3, 8, 9))  # as im2col has it
    x = Tensor(np.ones((2, 3, 9, 9)), requires_grad=True, name="a_long_name_of_pictures")
    assert "a_long_name_of_pictures[…]" in str(trace([x[:, k, i, j].node]))
