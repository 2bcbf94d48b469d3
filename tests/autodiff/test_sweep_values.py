"""The reverse sweep and the values it reads: masked, edited, freed, lifted into a graph, watched.

Plain functions without fixtures, as in test_sweep.py and for the same reason.
"""

from __future__ import annotations

import numpy as np
import pytest
from test_sweep import parameter, same

from tinygrad_dnn import (
    FreedGraphError,
    NonFiniteError,
    StaleValueError,
    Tensor,
    concatenate,
    debug,
    exp,
    expand_dims,
    gradients,
    leaky_relu,
    log,
    reshape,
    sin,
    sqrt,
    where,
)
from tinygrad_dnn.autodiff.tensor import handle
from tinygrad_dnn.graph import trace

# --- zeros that mean "not used" -------------------------------------------------------------------


def test_an_untaken_branch_reaches_nothing_however_steep() -> None:
    x = parameter([0.0, 4.0])
    steep = exp(sqrt(x) * 2.0)
    with np.errstate(all="ignore"):
        where(x.data > 0, steep, 0.0).sum().backward()
    same(x.grad, [0.0, np.exp(4.0) / 2])


def test_an_untaken_branch_behind_other_shapes() -> None:
    x = parameter([0.0, 4.0])
    steep = expand_dims(concatenate([sqrt(x), sqrt(x)]), 0) * np.ones((3, 1))
    with np.errstate(all="ignore"):
        where(np.array([False, True, False, False]), steep, 1.0).sum().backward()
    same(x.grad, [0.0, 0.75])
    y = parameter([0.0, 4.0])
    with np.errstate(all="ignore"):
        sqrt(y)[np.array([1, 1])].sum().backward()
    same(y.grad, [0.0, 0.5])


def test_what_is_left_out_of_a_branch_warns_of_nothing() -> None:
    x = parameter([0.0, 4.0])
    with np.errstate(all="ignore"):
        bad = leaky_relu(sqrt(x), slope=0.1) + x**-0.5 + log(x)
    where(x.data > 0, bad, 0.0).sum().backward()
    same(x.grad, [0.0, 0.25 - 0.5 * 4**-1.5 + 0.25])


def test_a_taken_branch_is_as_steep_as_it_is() -> None:
    x = parameter([0.0, 0.0, 1.0])
    with np.errstate(all="ignore"):
        z = where(np.array([True, False, True]), sqrt(x), 0.0)
        z.backward(np.ones(3))  # the op that selects is itself the root
    same(x.grad, [np.inf, 0.0, 0.5])


def test_a_cotangent_of_0_keeps_its_own_derivative() -> None:
    x = parameter(1.0)
    z = (x - 1.0) * where(np.array(True), x * x, 0.0)  # z″ = 4x − 2 + 2x
    first = gradients(z, x, create_graph=True)
    same(gradients(first, x), 4.0)


def test_zeros_of_other_kinds_hide_nothing() -> None:
    """A weight that happens to be 0 is no selection: 0 · ∞ stays visible."""
    x = parameter([0.0, 4.0])
    with np.errstate(all="ignore"):
        z = (sqrt(x) * np.array([0.0, 1.0])).sum()
        assert np.isnan(gradients(z, x)[0])
        z.backward()
        assert np.isnan(x.grad[0])
        y = parameter([0.0, 4.0])
        (sqrt(y).sum() + where(np.array([False, True]), y, 0.0).sum()).backward()
    assert y.grad[0] == np.inf
    same(y.grad[1], 1.25)


# --- what may not be read any more ----------------------------------------------------------------


def test_an_edit_after_recording_is_refused_by_name() -> None:
    w = parameter([1.0, 2.0], name="W")
    z = (w * w).sum()
    w.data -= 1.0
    with pytest.raises(StaleValueError, match=r"W \(2,\) was edited .* multiply \(2,\)"):
        z.backward()
    assert w.grad is None
    (w * w).sum().backward()
    same(w.grad, [0.0, 2.0])


def test_an_edit_seen_through_a_view_is_refused() -> None:
    for seen in (lambda t: t.T, lambda t: t[0], lambda t: reshape(t, (4,)), lambda t: t[:, ::2].T):
        w = parameter([[1.0, 2.0], [3.0, 4.0]])
        z = (seen(w) * 2.0 * seen(w)).sum()
        w[0, 0] = 9.0
        with pytest.raises(StaleValueError, match="edited in place"):
            z.backward()


def test_edits_that_no_rule_would_read_are_no_matter() -> None:
    w, v = parameter([1.0, 2.0]), parameter([3.0, 4.0])
    added, product = (w + v).sum(), (v * 2.0 * w).sum()
    copied = (w[np.array([0, 1])] * v).sum()
    w.data -= 1.0
    added.backward()
    same(w.grad, [1.0, 1.0])
    # v's gradient would be read from w; v * 2.0 itself was not edited.
    with pytest.raises(StaleValueError):
        product.backward()
    same(gradients(copied, w), v.data)
    a, b = v * v, w * w
    both = (a + b).sum()
    w.data -= 1.0
    same(gradients(both, a), [1.0, 1.0])
    same(gradients(both, v), 2 * v.data)
    with pytest.raises(StaleValueError):
        gradients(both, w)


def test_edits_are_looked_for_beside_data_and_constants() -> None:
    w, data = parameter([1.0, 2.0]), Tensor([3.0, 4.0])
    z = (w * np.array([5.0, 6.0]) * exp(data)).sum() + (w * w).sum()
    same(gradients(z, [w])[0], [5.0, 6.0] * np.exp(data.data) + 2 * w.data)
    data[0] = 0.0  # exp(data) reads data no more; w * ... reads exp(data)
    same(gradients(z, w), [5.0, 6.0] * np.exp([3.0, 4.0]) + 2 * w.data)
    w[0] = 0.0
    with pytest.raises(StaleValueError):
        z.backward()


def test_an_unread_view_of_edited_memory_is_no_matter() -> None:
    w, v = parameter([[1.0, 2.0]]), parameter([[3.0], [4.0]])
    z = (w.T + v).sum()
    w.data -= 1.0
    z.backward()
    same(w.grad, [[1.0, 1.0]])


def test_a_second_backward_says_that_values_were_freed() -> None:
    x = parameter([1.0, 2.0], name="X")
    y = x * x
    z = y.sum()
    z.backward()
    with pytest.raises(FreedGraphError, match=r"values of sum \(\) were freed"):
        z.backward()
    same(x.grad, 2 * x.data)
    kept = (x * x).sum()
    for _ in range(2):
        kept.backward(free=False)
    same(x.grad, 6 * x.data)


def test_values_are_let_go_unless_they_are_kept() -> None:
    x = parameter([1.0, 2.0])
    y = sin(x)
    z = (y * y).sum()
    gradients(z, x)
    assert y.node.saved is not None
    z.backward()
    assert y.node.saved is z.node.saved is None


# --- the sweep as a graph, and watched ------------------------------------------------------------


def test_the_gradient_of_a_graph_is_a_graph() -> None:
    x = parameter([0.5, 1.0], name="x")
    s = sin(x)
    y = (s * x + concatenate([x, x * x])[:2]).sum()
    first = gradients(y, x, create_graph=True)
    same(first.data, np.cos(x.data) * x.data + np.sin(x.data) + 1)
    # What the rules read are the recorded values themselves, with their own history.
    assert {x.node, s.node} <= set(trace([first.node]))
    second = gradients(first.sum(), x, create_graph=True)
    same(second.data, 2 * np.cos(x.data) - np.sin(x.data) * x.data)
    third = gradients(second.sum(), x)
    same(third, -3 * np.sin(x.data) - np.cos(x.data) * x.data)


def test_a_recorded_gradient_is_no_copy() -> None:
    """What the rules say is drawn and derived; a copy would be a box that no rule speaks of."""
    x, y, seed = parameter([1.0, 2.0]), parameter([3.0, 4.0]), parameter([5.0, 6.0])
    assert gradients(x + y, x, gradient=seed, create_graph=True).node is seed.node
    assert gradients(x * y, x, gradient=seed, create_graph=True).node.op.name == "multiply"


def test_what_backward_leaves_is_a_graph_on_request() -> None:
    x = parameter([0.5, 1.0])
    z = (exp(x) * np.array([2.0, 3.0])).sum()
    z.backward(create_graph=True)
    first = x.grad
    same(first.data, np.exp(x.data) * [2.0, 3.0])
    same(gradients(first.sum(), x), np.exp(x.data) * [2.0, 3.0])
    y = parameter([0.5, 1.0])
    seed = parameter([3.0, 4.0])
    (y + 1.0).backward(seed, create_graph=True)
    assert isinstance(y.grad, Tensor)
    same(gradients(y.grad.sum(), seed), np.ones(2))


def test_a_gradient_that_follows_the_cotangent() -> None:
    x, v = parameter([1.0, 2.0]), parameter([3.0, 4.0])
    pulled = gradients(x * x, x, gradient=v, create_graph=True)
    same(gradients(pulled.sum(), v), 2 * x.data)
    same(gradients(pulled.sum(), x), 2 * v.data)


def test_the_watch_sees_edits_and_the_first_bad_gradient() -> None:
    memory = np.array([1.0, 2.0])
    w = Tensor(memory, requires_grad=True, name="W")
    with debug():
        z = (w * w).sum()
        memory[0] = 5.0  # behind the engine's back
        with pytest.raises(StaleValueError, match="alias"):
            z.backward()
        v = parameter([0.0, 1.0], name="V")
        cost = (sqrt(v) * 2.0).sum()
        with (
            np.errstate(all="ignore"),
            pytest.raises(NonFiniteError, match=r"backward through sqrt.*V"),
        ):
            cost.backward()


def test_a_handle_stands_for_the_same_node() -> None:
    x = parameter(2.0)
    z = x * x
    same(gradients(handle(z.node), x), 4.0)


def test_a_kept_graph_is_still_pending() -> None:
    """After backward(keep=True) an edit still matters: the graph is swept again."""
    W = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="W")
    y = (W * W).sum()
    y.backward(keep=True)
    W.data[0] = 7.0
    with pytest.raises(StaleValueError):
        y.backward()


def test_what_one_selection_leaves_out_is_known_after_another() -> None:
    x = Tensor(np.array([0.0, 4.0]), requires_grad=True)
    root, other = np.sqrt(x), x * 2.0
    (other[1:].sum() + root[1:].sum()).backward()
    np.testing.assert_array_equal(x.grad, [0.0, 2.25])
