"""What stays alive: a rule keeps what it reads and nothing else, and the sweep lets go of it.

Memory is counted by tracemalloc, which sees every array that NumPy allocates, in units of one
activation of half a MB, beside which nodes and parameters are small change.
"""

import gc
import tracemalloc
from weakref import ref

import numpy as np
import pytest

from tinygrad_dnn import Tensor, exp, log, no_grad, relu, sigmoid, sin, tanh

N, M = 4, 16384  # an activation (N, M) of float64 is half a MB
ARRAY = 8 * N * M
LAYERS = 20


@pytest.fixture
def traced():
    """Counts allocations; nothing is left to the cycle collector."""
    tanh(Tensor(np.ones(1), requires_grad=True)).sum().backward()  # what is imported on first use
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def arrays_alive():
    """Allocated since the start of the trace, in activations."""
    return tracemalloc.get_traced_memory()[0] / ARRAY


def arrays_at_peak():
    """The most that was allocated at a time since `reset_peak`, in activations."""
    return tracemalloc.get_traced_memory()[1] / ARRAY


def small_change(count):
    """`count` activations and at most a fifth of one for nodes, parameters and bookkeeping."""
    return pytest.approx(count, abs=0.2)


# --- what a chain of ops keeps --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (lambda t: t + 1.0, 0),  # ∂/∂x = 1 reads nothing
        (lambda t: t * 1.5, 0),  # the constant alone
        (lambda t: -t, 0),
        (lambda t: t.sum(axis=0, keepdims=True) * np.ones((N, 1)), 0),  # (N, 1) is small
        (lambda t: exp(t * 0.1), 1),  # z
        (tanh, 1),  # z
        (relu, 1),  # z
        (sin, 1),  # x, which is the z of the step before
        (lambda t: t * t, 1),  # x, once, though it stands on both sides
    ],
)
def test_a_chain_keeps_what_its_rules_read(traced, step, kept):
    steps = 10
    x = Tensor(np.full((N, M), 0.5), requires_grad=True)
    t = x
    for _ in range(steps):
        t = step(t)
    # x, the result in hand, and what the rules read (the first or last of these may be one of them)
    assert arrays_alive() <= 2 + kept * steps + 0.2
    assert arrays_alive() >= kept * steps


@pytest.mark.parametrize("step", [lambda t: t + 1.0, lambda t: 1.0 - t, tanh, lambda t: t + t])
def test_an_op_adds_few_objects_for_the_cycle_collector_to_visit(traced, step):
    t = Tensor(np.ones(N), requires_grad=True)
    before = len(gc.get_objects())
    for _ in range(100):
        t = step(t)
    # The node, the tuple of its inputs, and one of what its rules read, if they read anything.
    assert len(gc.get_objects()) - before < 310
    assert t.node.shape is t.node.parents[0].shape
    gc.collect()  # tuples of arrays alone leave its sight
    assert len(gc.get_objects()) - before < 210


def test_what_needs_no_gradient_keeps_nothing(traced):
    x = Tensor(np.full((N, M), 0.5))
    t = x
    for _ in range(10):
        t = exp(t * 0.1)
    assert arrays_alive() == small_change(2)


def test_no_grad_keeps_nothing(traced):
    x = Tensor(np.full((N, M), 0.5), requires_grad=True)
    with no_grad():
        t = x
        for _ in range(10):
            t = exp(t * 0.1)
    assert arrays_alive() == small_change(2)


# --- the network ----------------------------------------------------------------------------------


def parameters(n_x=N):
    rng = np.random.default_rng(0)
    sizes = [n_x, *[N] * (LAYERS - 1), 1]
    return [
        (
            Tensor(rng.normal(size=(n, k)) / np.sqrt(k), requires_grad=True),
            Tensor(np.zeros((n, 1)), requires_grad=True),
        )
        for n, k in zip(sizes[1:], sizes, strict=False)
    ]


def cost_of(layers, X, Y):
    A = X
    for W, b in layers[:-1]:
        A = relu(W @ A + b)
    W, b = layers[-1]
    AL = sigmoid(W @ A + b)
    return -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / M


def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(N, M)), (rng.random((1, M)) > 0.5) * 1.0


def test_the_peak_of_forward_and_backward_on_twenty_layers(traced):
    """Each of the 19 relu layers keeps its A and nothing else, the last one some rows (1, M), four
    to an activation; a product or a gradient or two are in flight beside them.
    """
    X, Y = data()
    layers = parameters()
    before = arrays_alive()
    tracemalloc.reset_peak()
    cost = cost_of(layers, X, Y)
    assert LAYERS - 1 <= arrays_alive() - before <= LAYERS
    assert arrays_at_peak() - before <= LAYERS + 1
    tracemalloc.reset_peak()
    cost.backward()
    assert arrays_at_peak() - before <= LAYERS + 2


def test_backward_leaves_the_gradients_and_nothing_else(traced):
    X, Y = data()
    layers = parameters()
    before = arrays_alive()
    cost = cost_of(layers, X, Y)
    cost.backward()
    gradients = sum(t.grad.nbytes for pair in layers for t in pair)
    constant = Y.nbytes  # 1 − Y, which the expression names
    assert arrays_alive() - before == small_change((gradients + constant) / ARRAY)
    assert str(cost)  # the structure is still there to be looked at


def test_keeping_everything_is_possible_and_costs_what_it_keeps(traced):
    X, Y = data()
    layers = parameters()
    before = arrays_alive()
    cost = cost_of(layers, X, Y)
    cost.backward(keep=True)
    # A, and the gradients of A, Z and W A, which are three arrays of their own, in 19 layers
    assert arrays_alive() - before >= 3 * (LAYERS - 1)


@pytest.mark.parametrize("asked", [False, True])
def test_the_gradient_of_X_is_computed_only_where_it_is_asked_for(traced, asked):
    X = np.random.default_rng(1).normal(size=(64 * N, M // 8))  # 8 activations
    Y = np.ones((1, M // 8))
    layers = parameters(n_x=64 * N)
    cost = cost_of(layers, Tensor(X, requires_grad=asked), Y)
    before = arrays_alive()
    tracemalloc.reset_peak()
    cost.backward()
    # dW1 has the size of W1, 64 N² numbers, which is little; dX would be 8 activations.
    assert (arrays_at_peak() - before < 4) == (not asked)


# --- from step to step ----------------------------------------------------------------------------


def test_memory_does_not_grow_from_step_to_step(traced):
    X, Y = data()
    layers = parameters()
    levels = []
    costs = []
    for _ in range(4):
        cost = cost_of(layers, X, Y)
        cost.backward()
        for pair in layers:
            for t in pair:
                t.data -= 0.01 * t.grad
                t.zero_grad()
        costs.append(cost.item())
        del cost
        levels.append(arrays_alive())
    assert levels[-1] - levels[0] == pytest.approx(0, abs=0.02)
    assert costs[-1] < costs[0]


def test_a_graph_nobody_holds_is_gone_at_once(traced):
    X, Y = data()
    layers = parameters()
    before = arrays_alive()
    cost = cost_of(layers, X, Y)
    watched = ref(cost)
    assert arrays_alive() - before > LAYERS - 2
    del cost
    assert watched() is None
    assert arrays_alive() - before == small_change(0)


def test_a_result_in_hand_holds_its_inputs_but_not_its_uses(traced):
    x = Tensor(np.ones((N, M)), requires_grad=True)
    half = exp(x)
    before = arrays_alive()
    rest = exp(exp(half))
    assert arrays_alive() - before == small_change(2)
    del rest
    assert arrays_alive() - before == small_change(0)
