"""Arrays of another memory through engine, compiler, loops, optimisers, training and checkpoint.

The stand-in of device_array.py refuses whatever CuPy refuses and counts what it copies; so that
nothing is copied unless it is asked for is tested here without a GPU.
"""

import inspect
import sys

import cupy_interface
import device_array as xp
import h5py
import numpy as np
import pytest
from array_kinds import document_cost, package_ops
from commands import UNUSABLE, call

import viz
from tinygrad_dnn import (
    Tensor,
    check_gradients,
    check_vjp,
    compile,
    compile_loop,
    data,
    gradients,
    hvp,
    jacobian,
    metrics,
    no_grad,
    relu,
    tanh,
    value_and_grad,
)
from tinygrad_dnn.array_modules import device_module
from tinygrad_dnn.autodiff.pytree import flatten, rebuild
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.cli import rates
from tinygrad_dnn.network import COSTS, one_hot
from tinygrad_dnn.optim import OPTIMISERS
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import DivergedError, Settings, keep_validation, train, train_streamed


def there(tree):
    """A structure of arrays, on the device."""
    flat, layout = flatten(tree)
    return rebuild(layout, [xp.asarray(x) for x in flat])


def back(tree):
    """The arrays of a structure, from the device; nothing in it may be elsewhere."""
    flat = flatten(tree)[0]
    assert all(type(x) is xp.ndarray for x in flat)
    return [x.get() for x in flat]


@pytest.fixture
def problem():
    """Parameters of a 6-5-4-1 network, X (6, 10) and Y (1, 10)."""
    rng = np.random.default_rng(3)
    sizes = (6, 5, 4, 1)
    parameters = {}
    for l in (1, 2, 3):
        parameters[f"W{l}"] = rng.normal(size=(sizes[l], sizes[l - 1])) / np.sqrt(sizes[l - 1])
        parameters[f"b{l}"] = 0.1 * rng.normal(size=(sizes[l], 1))
    return parameters, rng.normal(size=(6, 10)), (rng.random((1, 10)) > 0.5) * 1.0


# --- the stand-in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: np.asarray(x),
        lambda x: float(x.sum()),
        lambda x: int(x.sum()),
        lambda x: bool(x.sum() > 0),
        lambda x: x + np.ones((2, 3)),
        lambda x: np.ones((2, 3)) * x,
        lambda x: np.where(x > 0, x, np.zeros(3)),
        lambda x: np.concatenate([x, np.ones((1, 3))]),
        lambda x: np.maximum.reduce(x),
        lambda x: np.take(x, x.astype(int), mode="clip"),
        lambda x: np.add(x, x, where=x > 0),
        lambda x: np.einsum("ij->ji", x, out=x),
        lambda x: np.add.at(x, (slice(None), np.array([0])), 1.0),
        lambda x: np.spacing(x),
        lambda x: np.insert(x, 1, 2.0),
        lambda x: hash(x),
    ],
    ids=inspect.getsource,
)
def test_the_stand_in_refuses_what_cupy_refuses(refused):
    x = xp.asarray(np.ones((2, 3)))
    with xp.counted() as copies, pytest.raises((TypeError, NotImplementedError)):
        refused(x)
    assert copies["to device"] == 0


def test_the_stand_in_has_what_the_real_cupy_has():
    pytest.importorskip("cupy", reason="cupy is not installed")
    told = cupy_interface.TABLE.read_text(encoding="utf-8").splitlines()
    found = [*cupy_interface.interface()]
    if told[0] != found[0]:
        pytest.skip(f"the table is of {told[0]}, here is {found[0]}")
    assert told == found


def test_copies_are_counted():
    with xp.counted() as copies:
        x = xp.asarray(np.arange(6.0).reshape(2, 3))
        x.get(), x.sum().item(), str(x), x[np.array([1, 0])], x[x > 1]
    assert copies == {"to device": 1, "to host": 3, "positions": 1, "sizes": 1}


# --- the engine -----------------------------------------------------------------------------------


def test_s290_ops_compute_where_their_arrays_lie(problem):
    def run(parameters, X, Y):
        held = {k: Tensor(v, requires_grad=True, name=k) for k, v in parameters.items()}
        Z1 = held["W1"] @ X + held["b1"]
        A1 = relu(Z1)
        rest = {f"{k[0]}{int(k[1]) - 1}": t for k, t in held.items() if k[1] != "1"}
        document_cost(rest, A1, Y).backward(keep=[Z1, A1])
        return [t.grad for t in (*held.values(), Z1, A1)]

    moved = there(problem)
    with xp.counted() as copies:
        found = run(*moved)
    assert not copies
    for a, b in zip(back(found), run(*problem), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("name", ["gradients of gradients", "hvp", "jacobian", "no_grad"])
def test_transforms_copy_nothing(problem, name):
    def run(parameters, X, Y):
        if name == "hvp":
            return hvp(lambda x: tanh(x).sum(), [X], [X])
        if name == "jacobian":
            return [jacobian(lambda x: tanh(x).sum(axis=0))(X)]
        if name == "no_grad":
            with no_grad():
                return [tanh(Tensor(X)).data]
        held = {k: Tensor(v, requires_grad=True) for k, v in parameters.items()}
        dW1 = gradients(document_cost(held, X, Y), held["W1"], create_graph=True)
        return gradients((dW1 * dW1).sum(), list(held.values())[:-1])

    moved = there(problem)
    with xp.counted() as copies:
        found = run(*moved)
    assert copies["to host"] == 0
    for a, b in zip(back(found), run(*problem), strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=0)


def test_s291_arrays_of_two_places_are_refused_by_name():
    W = Tensor(xp.asarray(np.ones((2, 3))), name="W1")
    X = Tensor(np.ones((2, 3)), name="X")
    words = r"multiply: W1 \(2, 3\) ⊙ X \(2, 3\): .*different places: device_array.ndarray on 0, "
    with pytest.raises(TypeError, match=words + "numpy.ndarray on cpu.*asarray"):
        W * X
    with xp.on_device(1):
        other = xp.asarray(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"different places: device_array.ndarray on 0, device_a"):
        W + Tensor(other)


def test_an_error_of_dasks_says_nothing_of_places():
    da = pytest.importorskip("dask.array")
    t = Tensor(da.ones((2, 3), chunks=1), name="t")
    with pytest.raises(TypeError, match=r"^take: t \(2, 3\), ndarray \(2,\): [^;]+$"):
        np.take(t, np.array([0, 1]))


def test_a_dask_array_of_unknown_shape_is_refused():
    da = pytest.importorskip("dask.array")
    x = da.ones((4, 3), chunks=2)
    with pytest.raises(ValueError, match=r"Tensor: the shape \(nan, 3\).*compute_chunk_sizes"):
        Tensor(x[x[:, 0] > 0])
    with pytest.raises(ValueError, match=r"getitem: the shape \(nan, 3\)"):
        Tensor(x)[x[:, 0] > 0]


# --- programs -------------------------------------------------------------------------------------

# Elementwise ops are one ufunc after the other, which array_kinds.md has tried. A sparse matrix
# multiplies arrays in memory alone.
COMPILED = [n for n, op in package_ops().items() if not op.elementwise and n != "sparse_matmul"]


@pytest.mark.parametrize("name", [*COMPILED, "multiply", "where", "sigmoid", "clip"])
@pytest.mark.filterwarnings("ignore::tinygrad_dnn.compiler.errors.SaturationWarning")
def test_programs_run_where_eager_does(name):
    """Value and slopes of every op, compiled: the same numbers, and nothing is copied."""
    op = package_ops()[name]
    case = cases_of(op)[-1]
    arrays, meta = sampled(op, case), op.defaults | case.meta
    places = range(len(arrays))
    wanted = [i for i in places if op.rule(i) is not None]

    def value(*xs):
        return record(op, [x if isinstance(x, Tensor) else Tensor(x) for x in xs], meta)

    def slopes(*xs):
        return value_and_grad(lambda *ys: (value(*ys) * 1.5).sum(), argnums=tuple(wanted))(*xs)

    f = slopes if wanted else value
    moved = there(list(arrays))
    program = compile(f).prepare(*moved)
    with xp.counted() as copies:
        found = program(*moved)
    assert copies["to host"] == copies["to device"] == 0
    for a, b in zip(back(found), flatten(f(*arrays))[0], strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert np.allclose(a, b.data if isinstance(b, Tensor) else b, rtol=1e-13, atol=1e-13)


def test_s292_a_program_is_written_for_the_module_of_its_arrays(problem, tmp_path, monkeypatch):
    moved = there(problem)
    program = compile(value_and_grad(document_cost), reuse_outputs=True)
    want = back(program(*moved))
    with xp.counted() as copies:
        found = [back(program(*moved)) for _ in range(2)][1]
    assert copies == {"to host": 2 * len(want)}  # those of `back`
    assert all(map(np.array_equal, found, want))
    program.save(tmp_path / "document_step.py")
    assert "import device_array as np" in program.source
    monkeypatch.syspath_prepend(tmp_path)
    import document_step

    results = document_step.results()
    document_step.document_cost(*moved, out=results)
    assert all(map(np.array_equal, sorted(map(np.sum, back(results))), sorted(map(np.sum, want))))


def test_what_a_program_closes_over_is_read_anew():
    held = xp.asarray(np.arange(3.0))
    double = compile(lambda x: x * held)
    x = xp.asarray(np.ones(3))
    double(x)
    held[0] = 5.0
    assert np.array_equal(double(x).get(), [5, 1, 2])


def test_programs_refuse_what_can_not_be_written_into():
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"x is a dask.array.core.Array.*uncompiled"):
        compile(lambda x: x * 2)(da.ones(3))
    with pytest.raises(TypeError, match="different places"):
        compile(lambda x, y: x * y)(np.ones(3), xp.asarray(np.ones(3)))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_loop_of_fewer_operations_stays_on_the_device(in_place):
    rng = np.random.default_rng(0)
    X, Y, W = rng.normal(size=(400, 12)), rng.normal(size=(3, 12)), rng.normal(size=(3, 400))

    def step(W, X, Y):
        cost, dW = value_and_grad(lambda W: ((tanh(W @ X) - Y) ** 2).sum())(W)
        return W - 0.001 * dW, cost

    def run(move):
        constants = {"X": move(X), "Y": move(Y)}
        loop = compile_loop(step, carry=move(W), constants=constants, refresh=4, in_place=in_place)
        assert loop.summary
        loop.step()
        with xp.counted() as copies:
            costs = [loop.step() for _ in range(5)]
            snapshot = loop.snapshot()
        assert not copies
        assert snapshot.finite
        again = compile_loop(step, carry=move(W), constants=constants, refresh=4)
        again.resume(snapshot.carry, snapshot.iteration, snapshot.accumulators)
        return [*costs, snapshot.carry, again.step(), again.carry]

    for a, b in zip(back(run(xp.asarray)), run(np.asarray), strict=True):
        assert np.array_equal(a, b)


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMISERS)
def test_update_rules_copy_nothing(problem, name):
    rule = OPTIMISERS[name]()

    def run(parameters):
        state = rule.init(parameters)
        for _ in range(3):
            slopes = {k: p * 0.5 for k, p in parameters.items()}
            parameters, state = rule.update(parameters, slopes, state, 0.1)
        return parameters

    moved = there(problem[0])
    with xp.counted() as copies:
        found = run(moved)
    assert not copies
    for a, b in zip(back(found), run(problem[0]).values(), strict=True):
        assert np.allclose(a, b, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", COSTS)
def test_costs_copy_nothing(name):
    rng = np.random.default_rng(1)
    row = COSTS[name]
    n = 3 if row.head == "softmax" else 1
    labels = rng.integers(0, max(2, n), (1, 8))
    Y = labels * 1.0 if n == 1 else one_hot(labels, n)
    given = {"W1": rng.normal(size=(n, 4)), "b1": np.zeros((n, 1))}, rng.normal(size=(4, 8)), Y
    settings = Settings((4, n), cost=name, l2=0.1)
    moved, weights = there(given), rng.random((1, 8))

    def run(parameters, X, Y, weights):
        f = value_and_grad(lambda p: settings.cost_of(X, Y, p, weights=weights))
        return f(parameters)

    sent = xp.asarray(weights)
    with xp.counted() as copies:
        found = run(*moved, sent)
    assert not copies
    for a, b in zip(back(found), flatten(run(*given, weights))[0], strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-15)


SETTINGS = [
    {},
    {"compiled": False},
    {
        "optimizer": "adam", "batch_size": 16, "dropout": 0.2, "schedule": "cosine",
        "schedule_steps": 20, "warm_up": 3,
    },
    {"cost": "softmax", "class_weight": "balanced", "clip_norm": 1.0, "compiled": False},
    {
        "cost": "huber", "optimizer": "nesterov", "schedule": "plateau", "validation": 0.2,
        "early_stopping": 2, "batch_size": 8,
    },
]  # fmt: skip


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_s294_training_elsewhere_is_training_here(given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 40))
    labels = {"softmax": rng.integers(0, 3, (1, 40)), "huber": rng.normal(size=(2, 40))}
    Y = labels.get(given.get("cost"), (X.sum(axis=0, keepdims=True) > 0) * 1.0)
    last = {"softmax": 3, "huber": 2}.get(given.get("cost"), 1)
    settings = Settings((6, 5, last), **given)
    X, Y, kept = keep_validation(X, Y, settings)
    here = train(X, Y, settings, 20, validation=kept)
    half = train(X, Y, settings, 9, validation=kept, device="device_array")
    found = train(X, Y, settings, 20, validation=kept, start=half, device=xp)
    assert found.costs == here.costs
    assert found.stopped == here.stopped
    for name, p in here.chosen.items():
        assert np.array_equal(found.chosen[name], p)


def test_s293_data_travel_once_and_results_by_name(problem, tmp_path):
    parameters, X, Y = problem
    settings = Settings((6, 5, 4, 1), compiled=False)
    seen = []
    with xp.counted() as copies:
        train(X, Y, settings, 30, device=xp, after=lambda state, cost: seen.append(state))
    assert copies == {"to device": 2 + len(parameters), "to host": 2 * 30}  # cost, and finiteness
    with xp.counted() as copies:
        assert all(type(p) is np.ndarray for p in seen[4].parameters.values())
        dict(seen[4].parameters)
    assert copies == {"to host": len(parameters)}  # of the state that was looked at, once

    saved = run_file.Checkpoint(
        parameters=there(parameters), layer_dims=(6, 5, 4, 1), iteration=0, costs=(),
        settings={}, data_fingerprint="0" * 64, class_names=(), x_shape=(6,), x_scale=1.0,
    )  # fmt: skip
    with xp.counted() as copies:
        run_file.save(tmp_path / "model.h5", saved)
    assert not copies  # one for each array, when the checkpoint was made
    for name, p in run_file.load(tmp_path / "model.h5").parameters.items():
        assert np.array_equal(p, parameters[name])


def test_a_run_that_diverges_says_the_same(problem):
    _, X, Y = problem
    settings = Settings((6, 5, 4, 1), learning_rate=1e6, compiled=False)
    said = []
    for device in ("cpu", xp):
        with pytest.raises(DivergedError) as error:
            train(X, Y, settings, 200, device=device)
        said.append((str(error.value), error.value.state.iteration))
        assert all(np.isfinite(p).all() for p in error.value.state.parameters.values())
    assert said[0] == said[1]
    assert "element" in said[0][0]


# --- the choice -----------------------------------------------------------------------------------


def test_devices_that_are_none_are_refused(monkeypatch):
    assert device_module("cpu") is np
    assert device_module("device_array") is device_module(xp) is xp
    for name in ("cuda0", "", ".numpy"):
        with pytest.raises(ValueError, match=f"or the name of an array module, got '{name}'"):
            device_module(name)
    with pytest.raises(ValueError, match="an array module; math is none, it has no asarray, asn"):
        device_module("math")
    monkeypatch.setattr(xp, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"finds no GPU here.*nvidia-smi"):
        device_module(xp)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ValueError, match=r"CuPy is not installed.*pip install 'tinygrad-dnn\[cuda"):
        device_module("cuda")
    with pytest.raises(ValueError, match="CuPy is not installed"):
        train(np.ones((2, 3)), np.ones((1, 3)), Settings((2, 1)), 1, device="cuda")


def test_the_command_line_trains_on_a_device(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", "--device", "device_array", "--no-pictures", "--out", str(out)]
    with xp.counted() as copies:
        assert call(*words, "--iterations", "4") == 0
        assert call(*words, "--iterations", "8", "--resume") == 0
    assert copies["to device"] > 0
    found = run_file.load(out / "model.h5")
    assert 'device = "device_array"' in (out / "config.toml").read_text(encoding="utf-8")
    assert call("train", "--no-pictures", "--out", tmp_path / "cpu", "--iterations", 8) == 0
    for name, p in run_file.load(tmp_path / "cpu" / "model.h5").parameters.items():
        assert np.array_equal(found.parameters[name], p)
    capsys.readouterr()
    assert call("train", "--device", "cuda0", "--out", tmp_path / "none") == UNUSABLE
    assert "expected cpu, cuda" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_batches_that_are_read_from_a_file_are_brought_one_by_one(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        x = np.random.default_rng(0).normal(size=(60, 6))
        file["train_set_x"], file["train_set_y"] = x, (x[:, 0] > 0).astype(int)
    settings = Settings((6, 4, 1), 0.1, optimizer="adam", batch_size=25, memory=1)
    with data.read(tmp_path / "d.h5") as opened:
        parts = opened.rows(np.arange(50)), opened.rows(np.arange(50, 60))

        def run(device, steps=8):
            return train_streamed(parts[0], settings, steps, validation=parts[1], device=device)

        with xp.counted() as of_four:
            run(xp, 4)
        with xp.counted() as copies:
            found = run(xp)
        expected = run("cpu")
    # Four batches more, and two looks at the validation examples: X and Y each time.
    assert copies["to device"] - of_four["to device"] == 2 * 4 + 2 * 2
    assert found.costs == expected.costs
    assert found.validation == expected.validation
    assert np.array_equal(found.parameters["W1"], expected.parameters["W1"])


def test_the_rate_finder_runs_on_a_device(tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "TRIED", 5)
    words = ["train", "--find-learning-rate", "--no-pictures", "--out", str(tmp_path)]
    assert call(*words, "--device", "device_array") == 0
    curve = (tmp_path / "rates.csv").read_text(encoding="utf-8")
    assert call(*words) == 0
    assert (tmp_path / "rates.csv").read_text(encoding="utf-8") == curve


def test_labels_of_the_device_become_columns():
    columns = one_hot(xp.asarray(np.array([[0, 2, 1]])), 3)
    assert np.array_equal(columns.get(), np.eye(3)[:, [0, 2, 1]])


def test_batches_and_parts_of_the_device_stay_there(problem):
    _, X, Y = problem
    parts = {
        "batches": lambda X, Y: [a for xy in data.batches(X, Y, 4, rng()) for a in xy],
        "split": lambda X, Y: data.split(X, Y, 0.3, rng(), stratify=False),
        "fold": lambda X, Y: data.fold(X, Y, 1, 3, rng(), stratify=False),
    }
    for part in parts.values():
        expected = part(X, Y)
        with xp.counted() as copies:
            found = part(*there((X, Y)))
        assert copies == {"to device": 2, "positions": len(found)}
        for a, b in zip(back(list(found)), expected, strict=True):
            assert np.array_equal(a, b)
    lazy = pytest.importorskip("dask.array").from_array(X, chunks=(6, 5))
    x, _ = next(data.batches(lazy, Y, 4, rng()))
    assert type(x) is type(lazy)
    assert np.array_equal(x.compute(), parts["batches"](X, Y)[0])


def test_pictures_and_derivations_copy_nothing(problem, tmp_path):
    parameters, X, Y = there(problem)
    held = {k: Tensor(v, requires_grad=True, name=k) for k, v in parameters.items()}
    cost = document_cost(held, X, Y)
    cost.backward()
    with xp.counted() as copies:
        viz.save(viz.draw(cost, values=True, backward=True), tmp_path / "g.dot")
        viz.explore(cost, tmp_path / "page.html")
        assert "dW3" in str(viz.derive(cost))
    assert not copies
    with pytest.raises(ValueError, match=r"playground: .*W1 \(5, 6\).*of another kind of array"):
        viz.playground(cost, path=tmp_path / "live.html")


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call_it", "who"),
    [
        (lambda X, Y: metrics.accuracy(Y, Y), "accuracy"),
        (lambda X, Y: metrics.confusion_matrix(Y, Y), "confusion_matrix"),
        (lambda X, Y: metrics.roc_auc(Y, Y), "roc_auc"),
        (lambda X, Y: check_vjp(lambda x: x * 2, lambda g, x: g * 2, X), "check_vjp"),
        (lambda X, Y: check_gradients(lambda x: (x * x).sum(), X), "check_gradients"),
        (lambda X, Y: data.split(X, Y, 0.3, rng()), "split"),
        (lambda X, Y: data.fold(X, Y, 1, 3, rng()), "fold"),
        (lambda X, Y: train(X, Y, Settings((6, 1)), 1, device=xp), "X"),
        (lambda X, Y: train(X.get(), Y, Settings((6, 1)), 1), "Y"),
    ],
)
def test_what_is_computed_here_asks_for_it_by_name(problem, call_it, who):
    _, X, Y = there(problem)
    words = rf"{who}: expected NumPy arrays, got device_array.ndarray on 0; .* bring it by name"
    with pytest.raises(TypeError, match=words):
        call_it(X, Y)
