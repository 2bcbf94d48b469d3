"""An array that `.data` hands out between forward and backward may be looked at, but not edited."""

import numpy as np
import pytest

from tinygrad_dnn import StaleValueError, Tensor, gradients, multiply


def param(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True, name="W")


def stale() -> pytest.RaisesExc:
    return pytest.raises(StaleValueError, match=r"W \(2,\) was edited through its \.data after mul")


def test_an_edit_of_one_element_is_found() -> None:
    W = param(1.0, 2.0)
    cost = (W * W).sum()
    W.data[1] = 7.0
    with stale():
        cost.backward()
    assert W.grad is None


def test_it_is_found_for_either_argument_and_in_gradients() -> None:
    W, V = param(1.0, 2.0), Tensor([3.0, 4.0], requires_grad=True)
    for product in (multiply(W, V), multiply(V, W)):
        kept = W.data.copy()
        W.data[0] = 7.0
        with stale():
            gradients(product.sum(), [V, W])
        W.data[:] = kept
        gradients(product.sum(), [V, W])  # as it was: nothing is wrong


def test_looking_is_free() -> None:
    W = param(1.0, 2.0)
    assert W.data.sum() == 3.0
    assert W.node.memory.seen == 0  # nothing has used it yet
    cost = (W * W).sum()
    assert W.data.tolist() == [1.0, 2.0]
    cost.backward()
    np.testing.assert_array_equal(W.grad, [2.0, 4.0])


def test_after_backward_nothing_waits_and_nothing_is_taken_down() -> None:
    W = param(1.0, 2.0)
    (W * W).sum().backward()
    W.data[0] = 5.0
    assert W.node.memory.seen == 0
    W.zero_grad()
    (W * W).sum().backward()
    np.testing.assert_array_equal(W.grad, [10.0, 4.0])


def test_an_edit_before_the_next_forward_is_no_fault_of_the_next() -> None:
    W = param(1.0, 2.0)
    (W * W).sum()  # never swept, so the value is taken down when it is handed out
    W.data[0] = 5.0
    (W * W).sum().backward()
    np.testing.assert_array_equal(W.grad, [10.0, 4.0])


def test_each_forward_is_guarded_by_what_was_handed_out_after_it() -> None:
    W = param(1.0, 2.0)
    (W * W).sum()
    W.data[0] = 5.0
    cost = (W * W).sum()
    W.data[0] = 6.0
    with stale():
        cost.backward()


def test_what_was_handed_out_once_is_remembered_until_it_is_used_again() -> None:
    W = param(1.0, 2.0)
    cost = (W * W).sum()
    W.data[0] = 5.0
    assert W.data[0] == 5.0  # looking again does not make the edit the truth
    with stale():
        cost.backward()


def test_no_alarm_where_no_rule_reads_the_value() -> None:
    W = param(1.0, 2.0)
    cost = (W + 1.0).sum()
    W.data[0] = 7.0
    cost.backward()
    np.testing.assert_array_equal(W.grad, [1.0, 1.0])
    V = Tensor([3.0, 4.0])
    W.zero_grad()
    cost = (W * V).sum()  # the rule for W reads V alone
    W.data[0] = 8.0
    cost.backward()
    np.testing.assert_array_equal(W.grad, [3.0, 4.0])


def test_another_array_leaves_the_old_graph_right() -> None:
    W = param(1.0, 2.0)
    cost = (W * W).sum()
    assert W.data.sum() == 3.0
    W.data = np.array([5.0, 6.0])
    cost.backward()
    np.testing.assert_array_equal(W.grad, [2.0, 4.0])


def test_a_counted_edit_is_asked_after_where_the_gradient_comes_from_only() -> None:
    W, V = param(1.0, 2.0), Tensor([3.0, 4.0], requires_grad=True, name="V")
    cost = (W * W).sum() + (V * V).sum()
    V.data -= 1.0
    np.testing.assert_array_equal(gradients(cost, W), [2.0, 4.0])
    with pytest.raises(StaleValueError, match=r"V \(2,\) was edited in place"):
        gradients(cost, V)
    with pytest.raises(StaleValueError, match=r"V \(2,\) was edited in place"):
        cost.backward()


def test_an_edit_is_not_forgotten_when_the_array_is_handed_out_again() -> None:
    W = param(1.0, 2.0)
    first = (W * W).sum()
    W.data[0] = 5.0
    second = (W * W).sum()
    assert W.data[0] == 5.0
    np.testing.assert_array_equal(gradients(second, W), [10.0, 4.0])
    with pytest.raises(StaleValueError, match=r"W \(2,\) was edited"):
        first.backward()
