"""What `compile` promises: the same results, from source that one can read, without waste."""

from __future__ import annotations

import copy
import cProfile
import functools
import gc
import pickle
import pstats
import subprocess
import sys
import threading
import tracemalloc
import warnings
import weakref
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor, compile, grad, hessian, no_grad, relu, sigmoid, value_and_grad
from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.compiler.compiled import LIMIT
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.optim import gradient_descent

LAYERS = (6, 5, 4, 3, 1)


def data(m: int = 40, seed: int = 0) -> tuple[dict[str, Any], Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, LAYERS[0])).T
    Y = (rng.random((1, m)) < 0.4) * 1.0
    return initialize_parameters(LAYERS), X, Y


def step(parameters: Any, X: Any, Y: Any) -> Any:
    """The document's training step."""

    def cost(p: Any) -> Any:
        return cost_of(X if isinstance(X, Tensor) else Tensor(X), Y, p)

    value, slopes = value_and_grad(cost)(parameters)
    return value, gradient_descent(parameters, slopes, 0.0075)


def same(got: Any, expected: Any) -> None:
    mine, theirs = flatten(got)[0], flatten(expected)[0]
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        b = b.numpy() if isinstance(b, Tensor) else np.asarray(b)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


# --- results --------------------------------------------------------------------------------------


def test_s71_without_rewriting_a_run_has_the_bits_of_eager() -> None:
    compiled = compile(step, rewrite=False)
    p, X, Y = data()
    q = p
    for _ in range(20):
        mine, theirs = compiled(q, X, Y), step(p, X, Y)
        same(mine, theirs)
        q, p = mine[1], theirs[1]
    assert compiled.steps == []


def test_rewritten_it_differs_by_rounding_alone() -> None:
    compiled = compile(step)
    p, X, Y = data()
    mine, theirs = compiled(p, X, Y), step(p, X, Y)
    assert abs(mine[0] - theirs[0]) <= 4 * np.spacing(theirs[0])
    for name in p:
        np.testing.assert_allclose(mine[1][name], theirs[1][name], rtol=1e-14, atol=1e-16)
    assert compiled.steps


def test_float32_stays_float32() -> None:
    p, X, Y = data()
    p = {k: v.astype(np.float32) for k, v in p.items()}
    for rewrite in (False, True):
        value, new = compile(step, rewrite=rewrite)(p, X.astype(np.float32), Y.astype(np.float32))
        assert value.dtype == new["W1"].dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "int64", "int8", "bool"])
def test_other_kinds_of_numbers_come_out_as_eager_has_them(dtype: str) -> None:
    def f(x: Any) -> Any:
        return x * 2 + 1, np.where(x > 0, x, 3), np.sum(x, axis=0), np.mean(x * 0.1)

    x = np.array([[1, 0, 3], [0, 1, 2]]).astype(dtype)
    expected = f(Tensor(x))
    for rewrite in (False, True):
        for mine, theirs in zip(compile(f, rewrite=rewrite)(x), expected, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-3 if dtype[-2:] == "16" else 0)


def test_constants_of_every_size_are_written_exactly() -> None:
    rng = np.random.default_rng(0)
    some, many = rng.normal(size=3), rng.normal(size=(40, 3))
    odd = np.array([np.nan, -0.0, np.inf])

    def f(x: Any) -> Any:
        made = [Tensor(c.copy()) for c in (some, many, odd)]
        return [x * c for c in made] + [x + Tensor(np.full((2, 3), -0.0)), -0.0 * x]

    x = np.ones(3)
    same(compile(f, rewrite=False)(x), f(Tensor(x)))


def test_second_derivatives_and_backward_are_recorded_too() -> None:
    x = np.array([0.3, -0.7, 1.2])
    f = hessian(lambda x: (x**3 * tg.exp(x)).sum())
    same(compile(f, rewrite=False)(x), f(x))

    def by_backward(W: Any) -> Any:
        t = Tensor(W, requires_grad=True)
        relu(t * 2).sum().backward()
        return t.grad

    same(compile(by_backward)(x), by_backward(x))


def test_what_no_grad_computes_is_recorded() -> None:
    def f(x: Any) -> Any:
        with no_grad():
            y = Tensor(x) * 3
        return y + 1

    compiled = compile(f)
    compiled.prepare(np.zeros(2))
    same(compiled(np.ones(2)), np.full(2, 4.0))


Pair = namedtuple("Pair", "left right")


def test_structures_come_out_as_they_went_in() -> None:
    def f(p: Any, q: Any) -> Any:
        return {"pair": Pair(p["a"] + q[0], [p["b"], None, "text", 7]), "k": (q[0] * 2,)}

    a, b, c = np.ones(2), np.zeros(3), np.full(2, 5.0)
    out = compile(f)({"a": a, "b": b}, [c])
    assert isinstance(out["pair"], Pair)
    same(out["pair"].left, a + c)
    assert out["pair"].right[1:] == [None, "text", 7]
    same(out["k"][0], c * 2)


def test_a_result_that_is_an_argument_is_a_copy() -> None:
    x = np.arange(6.0).reshape(2, 3)
    whole, turned, part = compile(lambda x: (x, x.T, x[0]))(x)
    for got, expected in ((whole, x), (turned, x.T), (part, x[0])):
        same(got, expected)
        assert not np.shares_memory(got, x)


def test_what_is_copied_in_the_end_is_still_there() -> None:
    def f(x: Any) -> Any:
        a = x * 2
        wide = np.broadcast_to(a, (2, 3))
        return wide, ((a + 1) * 3 - x) * 5

    x = np.arange(3.0)
    wide, other = compile(f, rewrite=False)(x)
    same(wide, np.broadcast_to(x * 2, (2, 3)).copy())
    same(other, ((x * 2 + 1) * 3 - x) * 5)


def test_a_warning_is_given_where_eager_gives_it() -> None:
    """The exponential inside a sigmoid is silent, the same one beside it is not."""
    f = compile(lambda x: (sigmoid(x), np.exp(-x)))
    x = np.array([-1000.0])
    with pytest.warns(RuntimeWarning, match="overflow"):
        same(f(x), (np.zeros(1), np.array([np.inf])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(compile(sigmoid.forward)(x), np.zeros(1))


def test_s72_results_stay_what_they_were() -> None:
    double = compile(lambda x: (x * 2, (x * 2).T))
    first = double(np.ones((2, 2)))
    double(np.full((2, 2), 9.0))
    same(first, (np.full((2, 2), 2.0), np.full((2, 2), 2.0)))
    first[0][...] = -1
    same(first[1], np.full((2, 2), 2.0))
    same(double(np.ones((2, 2)))[0], np.full((2, 2), 2.0))


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_value_returned_twice_is_two_arrays(rewrite: bool) -> None:
    def f(x: Any) -> Any:
        y, rolled = x * 2, np.roll(x, 1)
        return (y,) * 2 + (y.T, rolled, rolled, x, x)

    x = np.arange(6.0).reshape(2, 3)
    found = compile(f, rewrite=rewrite)(x)
    same(found, f(Tensor(x)))
    for i, a in enumerate(found):
        assert not any(np.shares_memory(a, b) for b in (x, *found[:i]))


def test_reused_outputs_lie_where_nobody_holds_them_any_more() -> None:
    compiled = compile(step, reuse_outputs=True)
    p, X, Y = data()
    plain = compile(step)
    q = p
    for _ in range(5):  # its own results go in again
        mine, theirs = compiled(q, X, Y), plain(p, X, Y)
        same(mine, theirs)
        q, p = mine[1], theirs[1]
    held = [compiled(q, X, Y)[1]["W1"] for _ in range(10)]
    assert len(set(map(id, held))) == 10  # what is held is nobody else's
    del held

    def place(W: Any) -> int:
        return W.__array_interface__["data"][0]

    first = place(compiled(q, X, Y)[1]["W1"])
    assert place(compiled(q, X, Y)[1]["W1"]) == first
    view = compiled(q, X, Y)[1]["W1"][::-1]
    assert place(view.base) == first
    assert place(compiled(q, X, Y)[1]["W1"]) != first


# --- programs -------------------------------------------------------------------------------------


def test_s73_new_shapes_dtypes_orders_and_settings_are_programs_of_their_own() -> None:
    f = compile(lambda x, k=1.0: x * k)
    x = np.ones((2, 3))
    f(x)
    text = f.source
    for args in ((x[:1],), (x.astype("f4"),), (np.asfortranarray(x),), (x, 2.0), (x, 2)):
        same(f(*args), args[0] * (args[1] if len(args) > 1 else 1.0))
    f(x)
    assert f.source == text
    assert ", 6 program" in repr(f)
    assert f(x, k=-0.0).tobytes() != f(x, k=0.0).tobytes()


def test_one_array_in_two_places_is_two_inputs() -> None:
    shared = np.ones(2)
    f = compile(lambda x, y, *more: x - y * 2 + more[0] * shared)
    f(shared, shared, shared)
    x, y, z = np.full(2, 5.0), np.full(2, 3.0), np.full(2, 10.0)
    text = f.source
    same(f(x, y, z), x - y * 2 + z)
    assert f.source is text


def test_defaults_and_keywords_come_to_the_same() -> None:
    def f(x: Any, k: float = 2.0, *, bias: Any = None, **more: Any) -> Any:
        return x * k + (0 if bias is None else bias) + sum(more.values())

    compiled, x = compile(f), np.ones(2)
    for _ in range(2):
        same(compiled(x), np.full(2, 2.0))
        assert compiled._latest is not None
        guard = compiled._latest[0].guard
        assert guard is not None
        assert guard(x)
        assert not guard(x, 3.0)
        same(compiled(x, 3.0), np.full(2, 3.0))
        assert not compiled._latest[0].guard(x)  # type: ignore[misc]
        same(compiled(x=x, bias=x, extra=x * 5), np.full(2, 8.0))
        same(compiled(x, bias=x * 2), np.full(2, 4.0))
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        compiled()


@pytest.mark.filterwarnings("ignore:compile. <lambda> was written again")
def test_no_more_programs_are_kept_than_it_says() -> None:
    f = compile(lambda x, k: x * k)
    for k in range(LIMIT + 5):
        assert f(np.ones(1), k)[0] == k
    assert f", {LIMIT} programs" in repr(f)


def test_equal_expressions_and_constants_are_computed_once() -> None:
    def f(x: Any) -> Any:
        return sigmoid(x) * np.sqrt(2.0) + sigmoid(x) * Tensor([4.0]).sum()

    text = compile(f).prepare(np.ones(3)).source
    assert text.count("np.exp(") == 1
    assert "np.add.reduce" not in text


def test_nothing_nobody_asked_for_is_computed() -> None:
    def f(x: Any, W: Any) -> Any:
        return value_and_grad(lambda W: relu(W @ x).sum())(W)[1]

    text = compile(f).prepare(np.ones((4, 2)), np.ones((3, 4))).source
    assert "reduce" not in text  # the value
    assert text.count("np.matmul") == 2  # no gradient of x


def test_lines_bear_the_users_names() -> None:
    def f(W: Any, X: Any) -> Any:
        Z = W @ X + 1
        A = relu(Z)
        return (A * A).sum()

    text = compile(f).prepare(np.ones((3, 4)), np.ones((4, 2))).source
    assert "np.matmul(W, X, out=Z)" in text
    assert "np.maximum(Z, zero, out=A)" in text
    assert "Z = A = t1 = np.empty((3, 2))" in text  # in place


def test_the_source_is_what_runs(tmp_path: Path) -> None:
    compiled = compile(step)
    p, X, Y = data()
    expected = compiled(p, X, Y)
    names: dict[str, Any] = {}
    exec(compiled.source, names)
    same(names["step"](p, X, Y), expected)
    assert compiled.program.filename in str(compiled.program._names["step"].__code__)


ALONE = """
import sys
for name in ("tinygrad_dnn", "viz", "h5py", "graphviz"):
    sys.modules[name] = None  # an import of it fails
sys.path.insert(0, sys.argv[1])
import numpy as np
import net
with np.load(sys.argv[1] + "/data.npz") as file:
    values = {k: file[k] for k in file}
X, Y = np.asfortranarray(values.pop("X")), values.pop("Y")
costs = []
for _ in range(300):
    cost, values = net.step(values, X, Y)
    costs.append(float(cost))
np.savez(sys.argv[1] + "/trained.npz", costs=costs, **values)
"""


def test_a_saved_module_trains_where_there_is_no_tinygrad_dnn(tmp_path: Path) -> None:
    p, X, Y = data()
    compiled = compile(step)
    compiled(p, X, Y)
    compiled.save(tmp_path / "net.py")
    np.savez(tmp_path / "data.npz", X=X, Y=Y, **p)
    command = [sys.executable, "-I", "-c", ALONE, str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    costs = []
    for _ in range(300):
        cost, p = compiled(p, X, Y)
        costs.append(float(cost))
    with np.load(tmp_path / "trained.npz") as file:
        assert file["costs"].tolist() == costs
        for name in p:
            assert file[name].tobytes() == p[name].tobytes()


# --- memory ---------------------------------------------------------------------------------------


def grown(work: Callable[[], Any]) -> int:
    """Bytes allocated at the worst moment of some calls, after the first."""
    work()
    tracemalloc.start()
    try:
        work()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_step_allocates_its_results_and_nothing_else(rewrite: bool) -> None:
    p, X, Y = data(m=20_000)
    results = 8 + sum(v.nbytes for v in p.values())
    # Array objects and views; and where truth values meet numbers, NumPy casts 8192 at a time.
    small = 4_000 + 8192 * 8
    assert small < Y.nbytes
    fresh = compile(step, rewrite=rewrite)
    assert grown(lambda: fresh(p, X, Y)) < 2 * results + small
    reused = compile(step, rewrite=rewrite, reuse_outputs=True)
    assert grown(lambda: reused(p, X, Y)) < small
    assert grown(lambda: step(p, X, Y)) > X.nbytes  # what eager takes


# --- threads and processes ------------------------------------------------------------------------


def test_eight_threads_use_one_compiled_step() -> None:
    compiled = compile(step)
    p, _, Y = data()
    inputs = [data(seed=i)[1] for i in range(8)]
    expected = [compile(step)(p, X, Y) for X in inputs]
    found: dict[int, Any] = {}
    ready = threading.Barrier(8)

    def work(i: int) -> None:
        ready.wait()
        for _ in range(50):
            found[i] = compiled(p, inputs[i], Y)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(8):
        same(found[i], expected[i])


def test_pickled_to_another_process_it_runs(tmp_path: Path) -> None:
    compiled = compile(step)
    p, X, Y = data()
    expected = compiled(p, X, Y)
    (tmp_path / "step.pickle").write_bytes(pickle.dumps((compiled, p, X, Y)))
    # The function itself can't be imported there: its programs must do.
    program = (
        "import pickle, sys\n"
        "compiled, p, X, Y = pickle.load(open('step.pickle', 'rb'))\n"
        "pickle.dump(compiled(p, X, Y), open('found.pickle', 'wb'))\n"
        "try:\n    compiled(p, X[:, :5], Y[:, :5])\n"
        "except TypeError as error:\n    assert 'without its function' in str(error)\n"
        "else:\n    sys.exit('no error')\n"
    )
    local = compile(lambda p, X, Y: step(p, X, Y))
    local(p, X, Y)
    (tmp_path / "step.pickle").write_bytes(pickle.dumps((local, p, X, Y)))
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    same(pickle.loads((tmp_path / "found.pickle").read_bytes()), expected)


def test_an_importable_function_is_recorded_anew_where_its_globals_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = compile(scaled)
    same(compiled(np.ones(2)), np.full(2, 2.0))
    pickled = pickle.dumps(compiled)
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    same(pickle.loads(pickled)(np.ones(2)), np.full(2, 5.0))


SCALE = 2.0


def scaled(x: Any) -> Any:
    return x * SCALE


def test_an_object_as_a_setting_holds_in_its_own_process_alone() -> None:
    compiled = compile(lambda x, how: how(x))
    same(compiled(np.ones(1), np.negative), -np.ones(1))
    assert ", 0 programs" in repr(pickle.loads(pickle.dumps(compiled)))


def test_a_profile_goes_on_after_recording() -> None:
    seen: list[str] = []
    profile = cProfile.Profile()
    profile.enable()
    compile(lambda x: x * 2)(np.ones(1))
    profile.disable()
    assert "_found" in str(pstats.Stats(profile).stats)  # type: ignore[attr-defined]

    def watch(frame: Any, event: str, _: Any) -> None:
        seen.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        compile(lambda x: x * 2)(np.ones(1))
        data()
    finally:
        sys.setprofile(None)
    assert "data" in seen


def test_a_compiled_function_inside_another_is_part_of_it() -> None:
    inner = compile(lambda x: x * 3)
    outer = compile(lambda x: grad(lambda x: (inner(x) ** 2).sum())(x))
    same(outer(np.ones(2)), np.full(2, 18.0))
    assert "np.empty" in outer.source


def test_s78_a_gradient_does_not_end_here_in_silence() -> None:
    f = compile(lambda x: x * 2)
    W = Tensor([1.0], requires_grad=True, name="W")
    with pytest.raises(TypeError, match=r"W \(1,\) requires a gradient.*no_grad"):
        f(W)
    with no_grad():
        same(f(W), np.array([2.0]))
    same(f(Tensor([4.0])), np.array([8.0]))


def test_as_a_decorator_it_keeps_name_and_words() -> None:
    @compile(rewrite=False)
    def double(x: Any) -> Any:
        """Twice x."""
        return x * 2

    assert double.__name__ == "double"
    assert double.__doc__ == "Twice x."
    with pytest.raises(ValueError, match="nothing is written yet"):
        double.source
    same(double(x=np.ones(1)), np.array([2.0]))


# --- what was rewritten ---------------------------------------------------------------------------


def test_rewrites_are_listed_with_before_and_after() -> None:
    compiled = compile(step)
    compiled(*data())
    told = compiled.explain()
    assert "log(σ(Z4))  →  −softplus(−Z4)" in told
    assert "→  A4 − Y" in told
    local = compile(lambda p, X, Y: step(p, X, Y))  # goes into a pickle as its programs
    local(*data())
    names = pickle.loads(pickle.dumps(local))
    names(*data())
    assert names.explain().splitlines() == [s.row.name for s in local.steps]
    literal = compile(step, rewrite=False)
    literal(*data())
    assert literal.explain() == ""


def test_what_it_was_recorded_with_is_let_go() -> None:
    x = np.ones(3)
    compiled = compile(lambda x: sigmoid(x) * 2)
    compiled(x)
    held = weakref.ref(x)
    del x
    gc.collect()
    assert held() is None


# --- every transform ------------------------------------------------------------------------------


def cubic(x: Any) -> Any:
    return (x**3 * tg.sin(x)).sum()


def wave(x: Any) -> Any:
    return x * tg.sin(x)


def pulled(x: Any, v: Any) -> Any:
    y, pull = tg.vjp(wave, x)
    return y, pull(v)


def squared(W: Any, x: Any) -> Any:
    return ((W * x) ** 2).sum()


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "hvp": lambda x, v: tg.hvp(cubic, [x], [v]),
    "jvp": lambda x, v: tg.jvp(wave, [x], [v]),
    "vjp": pulled,
    "jacobian": lambda x, v: tg.jacobian(wave)(x),
    "hessian": lambda x, v: tg.hessian(cubic)(x),
    "third derivative": lambda x, v: grad(lambda x: grad(lambda x: grad(cubic)(x).sum())(x).sum())(
        x
    ),
    "per example": lambda x, v: tg.per_example_gradients(squared, x, v),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_inside_gives_the_bits_of_eager(name: str) -> None:
    f = TRANSFORMS[name]
    compiled = compile(f, rewrite=False)
    x, v = np.array([0.3, -0.7, 1.2]), np.array([1.0, 2.0, 3.0])
    compiled.prepare(np.ones(3), np.ones(3))
    same(compiled(x, v), f(x, v))


# --- calls ----------------------------------------------------------------------------------------


def test_the_order_of_a_dict_counts() -> None:
    def first_twice(p: Any) -> Any:
        first, second = p.values()
        return first * 2 + second

    f = compile(first_twice)
    x = np.ones(3)
    same(f({"a": x, "b": x * 10}), x * 12)
    same(f({"b": x * 10, "a": x}), x * 21)


def test_positional_and_keyword_settings_are_told_apart() -> None:
    x = np.ones(3)
    f = compile(lambda *a, k=2.0: a[0] * sum(a[1:]) * k)
    same(f(x, 3.0), x * 6)
    same(f(x, 3.0, 2.0), x * 10)
    same(f(x, 3.0, k=1.0), x * 3)
    g = compile(lambda x, *r, **k: x * len(r) + x * 10 * len(k))
    same(g(x, y=x), x * 10)
    same(g(x, x), x * 1)
    h = compile(lambda x0, *x: x0 + sum(x))
    same(h(x, x, x), x * 3)
    with pytest.raises(TypeError):
        compile(lambda x, **k: x)(x, 1.0)


def test_what_a_wrapper_leaves_out_is_its_own_business() -> None:
    def own(g: Any) -> Any:
        @functools.wraps(g)
        def wrapper(*a: Any, **k: Any) -> Any:
            k.setdefault("scale", 5.0)
            return g(*a, **k)

        return wrapper

    def given(g: Any) -> Any:
        @functools.wraps(g)
        def wrapper(x: Any) -> Any:
            return g(x, 7.0)

        return wrapper

    @own
    def f(x: Any, *, scale: float = 1.0) -> Any:
        return x * scale

    @given
    def h(x: Any, scale: float) -> Any:
        return x * scale

    x = np.ones(3)
    compiled = compile(f)
    same(compiled(x), x * 5)
    same(compiled(x, scale=2.0), x * 2)
    same(compiled(x), x * 5)
    same(compile(h)(x), x * 7)


def test_zeros_among_the_settings_are_told_apart_by_their_sign() -> None:
    f = compile(lambda x, k: x + np.copysign(1.0, k))
    x = np.ones(3)
    for _ in range(2):
        same(f(x, 0.0), x + 1)
        same(f(x, -0.0), x - 1)
    assert f.program.guard(x, -0.0)
    assert not f.program.guard(x, 0.0)


def test_two_classes_of_one_name_are_two_settings() -> None:
    def made(k: float) -> Any:
        class C:
            rate = k

            def __repr__(self) -> str:
                return "C"

        return C

    one, two = made(1.0), made(2.0)
    f = compile(lambda x, c: x * c.rate)
    x = np.ones(3)
    for c, k in ((one, 1.0), (two, 2.0), (one(), 1.0), (two(), 2.0)):
        same(f(x, c), x * k)


def test_a_copy_is_the_compiled_function_itself() -> None:
    f = compile(lambda x: x)
    assert copy.copy(f) is f
    assert copy.deepcopy({"f": f})["f"] is f


def test_a_function_that_a_transformation_made_has_a_quick_test_too() -> None:
    f = compile(grad(lambda x, y: (x * y).sum(), argnums=(0, 1)))
    x = np.ones(3)
    f(x, x)
    assert f.program.guard(x, x)
    assert not f.program.guard(x)
    assert not f.program.guard(x, np.ones(4))


def test_truth_values_of_an_array_beside_a_tensor_are_compiled() -> None:
    mask = np.array([True, True, False])

    def f(x: Any) -> Any:
        return np.where((mask & (x > 0)) | (x > 5), x * x, 0.0).sum()

    for x in (np.array([1.0, -2.0, 3.0]), np.array([4.0, 5.0, 6.0])):
        value, slope = value_and_grad(f)(x)
        found = compile(value_and_grad(f), rewrite=False)(x)
        same(found[0], value)
        same(found[1], slope)
