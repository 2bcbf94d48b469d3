"""The engine never asks what an array is: every op on every kind, and the network on Dask.

On Dask nothing may be computed before the end: a scheduler that refuses to run is in force, and
NumPy's and Dask's fall-back warnings are errors.
"""

import numpy as np
import pytest
from array_kinds import (
    KINDS,
    NO_DASK,
    REASONS,
    ROUNDING,
    TABLE,
    WRITE,
    column,
    committed,
    document_cost,
    kind_of,
    outcome,
    page,
    refuse,
    same_versions,
)

from tinygrad_dnn import (
    Case,
    Op,
    Tensor,
    gradients,
    hvp,
    jacobian,
    jvp,
    relu,
    tanh,
    value_and_grad,
    vjp,
)


@pytest.mark.parametrize("name", KINDS)
def test_the_table_is_what_runs(name):
    kind = kind_of(name)
    told = committed(name)
    if told is None:
        pytest.skip(f"array_kinds.md has no column {name} yet; write it with `{WRITE}`")
    if name not in ("numpy", "Tensor") and not same_versions():
        pytest.skip(f"array_kinds.md was written with other versions; write it anew with `{WRITE}`")
    cells, notes = column(kind)
    assert cells == told[0], f"array_kinds.md is not what runs; write it anew with `{WRITE}`"
    assert notes == told[1], f"array_kinds.md is not what runs; write it anew with `{WRITE}`"


def test_numpy_and_tensor_run_everything():
    for name in ("numpy", "Tensor"):
        _, notes = committed(name)
        assert notes == []


def test_every_failure_has_a_reason_and_every_reason_a_failure():
    told = [committed(name) for name in KINDS]
    notes = [line for x in told if x for line in x[1] if line.startswith("- ")]
    failing = {tuple(n.removeprefix("- ").split(":")[0].split(", ")) for n in notes}
    assert failing == set(REASONS)


def test_the_page_is_made_of_its_columns():
    """What `committed` reads is all there is: nothing in the file is beyond the comparison."""
    if not same_versions():
        pytest.skip("array_kinds.md says with which versions it was written, and has others")
    told = {name: x for name in KINDS if (x := committed(name))}
    assert page(told) == TABLE.read_text(encoding="utf-8")


# --- the checker is checked -----------------------------------------------------------------------


def computed_early(x, /):
    return np.multiply(np.asarray(x), 2)


def fallen_back(x, /):
    return np.sort(x)  # Dask has none: it warns and computes


def torn_out(x, /):
    return np.multiply(x.compute() if hasattr(x, "compute") else x, 2)


def almost(x, /):
    return np.multiply(x, 2 if isinstance(x, np.ndarray) else 2 + 1e-12)


def sound(x, /):
    return np.tanh(x)


def planted(forward, rule=None):
    return Op(forward, "f({x})", rule, cases=(Case((2, 3)), Case((4,))))


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (computed_early, "ComputedEarly"),
        (fallen_back, "FutureWarning"),
        (torn_out, "ComputedEarly"),
        (almost, "other values"),
    ],
)
def test_a_forward_that_only_seems_to_run_is_found(forward, why):
    ran, failed = outcome(planted(forward), kind_of("dask"))
    assert ran == {"forward": [0, 2]}
    assert all(line.endswith(why) for line in failed)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (lambda g, x: g * float(np.max(x)), "ComputedEarly"),
        (lambda g, x: g * np.sort(x), "FutureWarning"),
        (lambda g: np.ones(g.shape), "it became ndarray"),
    ],
)
def test_a_rule_that_only_seems_to_run_is_found(rule, why):
    ran, failed = outcome(planted(sound, rule), kind_of("dask"))
    assert ran == {"forward": [2, 2], "∂x": [0, 2]}
    assert all(line.endswith(why) for line in failed)


def test_an_op_that_writes_to_its_input_is_found():
    def edits(x, /):
        x *= 2
        return x + 0

    assert outcome(planted(edits), kind_of("numpy"))[0] == {"forward": [0, 2]}


# --- the document's network on Dask ---------------------------------------------------------------

LAYERS = (6, 5, 4, 3, 1)
M = 10
STEPS = 20


@pytest.fixture
def problem():
    """Parameters, X (6, 10) and Y (1, 10)."""
    rng = np.random.default_rng(3)
    parameters = {}
    for layer in range(1, len(LAYERS)):
        n, n_prev = LAYERS[layer], LAYERS[layer - 1]
        parameters[f"W{layer}"] = rng.normal(size=(n, n_prev)) / np.sqrt(n_prev)
        parameters[f"b{layer}"] = 0.1 * rng.normal(size=(n, 1))
    return parameters, rng.normal(size=(LAYERS[0], M)), (rng.random((1, M)) > 0.5) * 1.0


@pytest.fixture
def dask():
    return pytest.importorskip("dask", reason=NO_DASK)


@pytest.fixture
def lazy(dask):
    """Dask arrays of uneven chunks, in a world where nothing can be computed."""
    array = pytest.importorskip("dask.array", reason=NO_DASK)
    with dask.config.set(scheduler=refuse):
        yield lambda x: array.from_array(x, chunks=4)


def computed(dask, values):
    """All values in one go, and proof that this was the only computation."""
    calls = []

    def scheduler(*args, **kwargs):
        calls.append(args)
        return dask.get(*args, **kwargs)

    found = dask.compute(*values, scheduler=scheduler)
    assert len(calls) == 1
    return found


def assert_equal_to_rounding(found, expected):
    for got, want in zip(found, expected, strict=True):
        assert got.shape == want.shape
        assert np.max(np.abs(got - want)) <= ROUNDING * max(1.0, np.max(np.abs(want)))


@pytest.mark.parametrize("where", ["everything", "X and Y"])
def test_the_network_and_its_gradients_on_dask(problem, dask, lazy, where):
    parameters, X, Y = problem
    cost, grads = value_and_grad(document_cost)(parameters, X, Y)
    held = {k: lazy(v) for k, v in parameters.items()} if where == "everything" else parameters
    lazy_cost, lazy_grads = value_and_grad(document_cost)(held, lazy(X), lazy(Y))
    values = [lazy_cost, *lazy_grads.values()]
    assert all(dask.is_dask_collection(v) for v in values)
    assert list(lazy_grads) == list(parameters)
    assert_equal_to_rounding(computed(dask, values), [cost, *grads.values()])


def test_backward_on_dask_with_every_dZ_and_dA(problem, dask, lazy):
    def run(put):
        parameters, X, Y = problem
        held = {k: Tensor(put(v), requires_grad=True) for k, v in parameters.items()}
        Z1 = held["W1"] @ put(X) + held["b1"]
        A1 = relu(Z1)
        rest = {f"{k[0]}{int(k[1]) - 1}": t for k, t in held.items() if k[1] != "1"}
        cost = document_cost(rest, A1, put(Y))
        cost.backward(keep=[Z1, A1])
        return [t.grad for t in (*held.values(), Z1, A1)]

    assert_equal_to_rounding(computed(dask, run(lazy)), run(np.asarray))


def test_gradients_of_gradients_on_dask(problem, dask, lazy):
    def run(put):
        parameters, X, Y = problem
        held = {k: Tensor(put(v), requires_grad=True) for k, v in parameters.items()}
        cost = document_cost(held, put(X), put(Y))
        dW1 = gradients(cost, held["W1"], create_graph=True)
        return gradients((dW1 * dW1).sum(), list(held.values())[:-1])  # it is constant in b4

    assert_equal_to_rounding(computed(dask, run(lazy)), run(np.asarray))


@pytest.mark.parametrize("name", ["vjp", "jvp", "hvp", "jacobian"])
def test_the_other_transforms_on_dask(problem, dask, lazy, name):
    def run(put):
        x, v = put(problem[1]), put(np.cos(problem[1]))
        if name == "vjp":
            return vjp(tanh, x)[1](v)
        if name == "jvp":
            return jvp(tanh, [x], [v])
        if name == "hvp":
            return hvp(lambda x: tanh(x).sum(), [x], [v])
        return [jacobian(lambda x: tanh(x).sum(axis=0))(x)]

    assert_equal_to_rounding(computed(dask, run(lazy)), run(np.asarray))


def test_a_step_of_gradient_descent_stays_on_dask(problem, dask, lazy):
    """Three steps as one Dask graph: parameters are replaced, nothing is computed in between."""

    def run(put):
        parameters, X, Y = problem
        held = {k: put(v) for k, v in parameters.items()}
        for _ in range(3):
            grads = value_and_grad(document_cost)(held, put(X), put(Y))[1]
            held = {k: held[k] - 0.5 * grads[k] for k in held}
        return list(held.values())

    assert_equal_to_rounding(computed(dask, run(lazy)), run(np.asarray))


def test_a_loop_that_persists_once_a_step_does_not_grow(problem, dask):
    """One computation in each step, and Dask's graph is as large at the end as at the start."""
    array = pytest.importorskip("dask.array", reason=NO_DASK)
    _, X, Y = problem
    calls = []

    def scheduler(*args, **kwargs):
        calls.append(args)
        return dask.get(*args, **kwargs)

    def run(X, Y, settle):
        W, sizes = np.zeros((1, len(X))), set()
        for _ in range(STEPS):
            cost, dW = value_and_grad(lambda W: ((tanh(W @ X) - Y) ** 2).sum())(W)
            sizes.add(len(getattr(cost, "dask", ())))
            W = settle(W - 0.02 * dW)
        return W, sizes

    with dask.config.set(scheduler=scheduler):
        lazy = [array.from_array(x, chunks=(-1, 5)) for x in (X, Y)]
        W, sizes = run(*lazy, lambda W: dask.persist(W)[0])
    assert len(calls) == STEPS
    assert len(sizes) == 1
    assert_equal_to_rounding(computed(dask, [W]), [run(X, Y, np.asarray)[0]])
