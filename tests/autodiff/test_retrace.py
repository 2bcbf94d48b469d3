"""Both passes once more: the same numbers, nothing of the user's graph touched, nothing missing."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import named, two_layers

from tinygrad_dnn import StaleValueError, Tensor, custom_vjp, exp, no_grad, stop_gradient, where
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.graph import Leaf, trace


def test_the_same_nodes_in_the_same_order_with_the_same_values() -> None:
    cost = two_layers()
    graph = trace([cost.node])
    again = forward_again(graph)
    values = replay(graph.outputs)
    assert len(again.graph) == len(graph)
    for old, new, t in zip(graph, again.graph, again.tensors, strict=True):
        assert (old.op, old.name, old.scope, old.shape) == (new.op, new.name, new.scope, new.shape)
        assert old.requires_grad == new.requires_grad
        assert old is not new
        np.testing.assert_array_equal(t.data, values[old])
    assert again.graph.outputs == (again.graph[-1],)


def test_gradients_are_those_of_backward_bit_for_bit_and_the_graph_is_left_alone() -> None:
    cost = two_layers()
    graph = trace([cost.node])
    saved = [node.saved for node in graph]
    ours = backward_again(forward_again(graph))
    assert [node.saved for node in graph] == saved
    assert all(node.grad is None for node in graph)
    assert all(leaf.memory.used for leaf in graph.leaves if leaf.requires_grad)
    cost.backward(keep=True)
    forward = forward_again(graph)
    ours = backward_again(forward)
    for old, new in zip(graph, forward.graph, strict=True):
        assert (new in ours.gradients) == (old.grad is not None)
        if old.grad is not None:
            np.testing.assert_array_equal(ours.gradients[new].data, old.grad)


def test_a_freed_graph_is_computed_again_and_one_whose_leaf_was_changed_is_refused() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    cost = (w * w).sum()
    cost.backward()
    graph = trace([cost.node])
    forward = forward_again(graph)
    np.testing.assert_array_equal(
        backward_again(forward).gradients[forward.graph[0]].data, [2.0, 4.0]
    )
    with no_grad():
        w -= 1.0
    with pytest.raises(StaleValueError, match="w"):
        forward_again(graph)


def test_contributions_add_up_to_the_gradient_and_come_in_the_order_of_the_sweep() -> None:
    x = Tensor([0.5, -1.0], requires_grad=True, name="x")
    y = named(x * x + exp(x) + x, "y")
    forward = forward_again(trace([y.node]))
    back = backward_again(forward)
    (x_again,) = (n for n in forward.graph if isinstance(n, Leaf))
    parts = [t.data for (z, i), t in back.contributions.items() if z.inputs[i] is x_again]
    assert len(parts) == 4  # twice in x², once in eˣ, once in the sum
    np.testing.assert_allclose(sum(parts), back.gradients[x_again].data)
    assert back.order[0] is forward.graph.outputs[0]
    assert [n.index for n in back.order] == sorted((n.index for n in back.order), reverse=True)


def test_under_no_grad_with_ops_of_ones_own_and_with_nothing_to_differentiate() -> None:
    cube = custom_vjp(lambda x: x**3, lambda g, z, x: g * 3 * x**2)
    w = Tensor([2.0], requires_grad=True, name="w")
    y = cube(w) + stop_gradient(w) + where(np.array([False]), np.sqrt(w - 2.0), w)
    with no_grad():
        forward = forward_again(trace([y.node]))
        back = backward_again(forward)
    leaf = next(n for n in forward.graph if isinstance(n, Leaf) and n.requires_grad)
    np.testing.assert_array_equal(back.gradients[leaf].data, [13.0])
    with pytest.raises(ValueError, match="requires a gradient"):
        backward_again(forward_again(trace([(Tensor(1.0, name="a") + 1.0).node])))


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    y = Tensor(1.0, requires_grad=True)
    for _ in range(10_000):
        y = y + 1.0
    forward = forward_again(trace([y.node]))
    back = backward_again(forward)
    assert len(back.order) == 10_000
