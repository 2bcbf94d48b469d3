"""Nothing is frozen in silence: what a program could not do again is refused, or is an input."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import RecordingError, Tensor, compile, no_grad

X = np.arange(1.0, 7.0).reshape(2, 3)


def by_truth(x: Any) -> Any:
    return x if x.sum() > 1 else -x


def by_item(x: Any) -> Any:
    return x * x.sum().item()


def by_float(x: Any) -> Any:
    return x * float(x.sum())


def by_data(x: Any) -> Any:
    return x * x.data.max()


def by_numpy(x: Any) -> Any:
    return x * x.numpy().max()


def by_asarray(x: Any) -> Any:
    return x * np.asarray(x).max()


def by_list(x: Any) -> Any:
    return x * x.tolist()[0][0]


def by_format(x: Any) -> Any:
    return x * len(f"{x.sum():.3f}")


def by_mask(x: Any) -> Any:
    return x[x > 2]


def by_two_indices(x: Any) -> Any:
    return x[tg.argmax(x, axis=0), tg.argmax(x, axis=0)]


def by_index_beside_a_slice(x: Any) -> Any:
    return x[tg.argmax(x, axis=0), 1:]


def by_count(x: Any) -> Any:
    return x * len(range(tg.argmax(x)))


def by_membership(x: Any) -> Any:
    return x * (1.0 in x)


def by_all(x: Any) -> Any:
    return x * np.all(x > 0)


def by_in_between(x: Any) -> Any:
    with no_grad():
        y = x * 2
    return x * y.sum().item()


READS = [f for name, f in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("f", READS, ids=lambda f: f.__name__)
def test_s74_a_value_read_while_recording_is_refused_with_its_line(f: Callable[..., Any]) -> None:
    with pytest.raises(RecordingError) as told:
        compile(f)(X)
    line = next(i for i, t in enumerate(_lines(f)) if t.strip().startswith(("return", "y =")))
    words = str(told.value)
    read = [t.strip() for t in _lines(f)]
    assert __file__ in words
    assert any(t in words for t in read[line:]), words
    assert "return it and read it outside" in words


def _lines(f: Callable[..., Any]) -> list[str]:
    return inspect.getsource(f).splitlines()[1:]


def test_shapes_and_dtypes_may_be_read() -> None:
    def f(x: Any) -> Any:
        n = x.shape[0] if x.ndim > 1 else 1
        zeros = np.zeros_like(x, shape=(1,)) + np.ones_like(x)[0, 0]
        return x / n + len(x) + x.size + zeros if x.dtype == np.float64 else None

    np.testing.assert_array_equal(compile(f)(X), f(X))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: np.random.rand(),
        lambda rng: np.random.default_rng().random(),
        lambda rng: rng.normal(),
        lambda rng: random.random(),
        lambda rng: random.Random(0).gauss(0, 1),
        lambda rng: np.random.shuffle([1, 2, 3]),
    ],
    ids=["global", "unseeded", "closed over", "Python's", "Python's own", "shuffle"],
)
def test_s75_random_numbers_are_refused(draw: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        noise = draw(rng)
        return x * (1 if noise is None else noise)

    with pytest.raises(RecordingError, match="draws random numbers"):
        compile(f)(X)


def test_a_generator_in_an_object_or_as_an_argument_is_found() -> None:
    class Noise:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __call__(self, x: Any) -> Any:
            return x + self.rng.normal()

    with pytest.raises(RecordingError, match="draws random numbers"):
        compile(Noise())(X)
    with pytest.raises(RecordingError, match="rng is a random generator"):
        compile(lambda x, rng: x + rng.normal())(X, np.random.default_rng(0))


def test_an_argument_changed_in_place_is_refused() -> None:
    def update(W: Any, g: Any) -> Any:
        W -= 0.1 * g
        return W

    with pytest.raises(RecordingError, match=r"W \(2, 3\) is changed in place.*W -= 0.1 \* g"):
        compile(update)(X.copy(), X)

    def write(W: Any) -> Any:
        W[0] = 1.0
        return W

    with pytest.raises(RecordingError, match="changed in place"):
        compile(write)(X.copy())

    def replace(W: Any) -> Any:
        t = Tensor(W, requires_grad=True)
        t.data = np.zeros((2, 3))
        return t

    with pytest.raises(RecordingError, match="changed in place"):
        compile(replace)(X.copy())


def test_what_is_refused_leaves_the_mode_as_it_was() -> None:
    with pytest.raises(RecordingError):
        compile(by_item)(X)
    assert (Tensor(X) * 2).sum().item() == 42
    assert compile(lambda x: x * 2)(X)[0, 0] == 2


def test_only_numpys_arrays_are_inputs() -> None:
    da = pytest.importorskip("dask.array")
    with pytest.raises(RecordingError, match=r"x is a dask.*written for numpy.ndarray"):
        compile(lambda x: x * 2)(Tensor(da.ones(3)))


# --- what a function closes over ------------------------------------------------------------------


def test_s76_a_captured_array_is_read_anew_in_every_call() -> None:
    held = np.ones(3)
    t = Tensor(np.ones(3), name="t")
    f = compile(lambda x: x * held + t)
    x = np.full(3, 2.0)
    np.testing.assert_array_equal(f(x), np.full(3, 3.0))
    held[:] = 10
    np.testing.assert_array_equal(f(x), np.full(3, 21.0))
    t.data = np.full(3, 5.0)
    np.testing.assert_array_equal(f(x), np.full(3, 25.0))
    assert "(x, *, held, t, out=None)" in f.source


SCALE = 2.0


def scaled(x: Any) -> Any:
    return x * SCALE


def test_s77_a_variable_that_holds_something_else_is_recorded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rate, table = 1.0, {"k": 3.0}
    held = np.ones(3)

    def f(x: Any) -> Any:
        return scaled(x) * rate * table["k"] + held

    compiled, x = compile(f), np.ones(3)
    np.testing.assert_array_equal(compiled(x), f(Tensor(x)).numpy())
    rate = 5.0
    np.testing.assert_array_equal(compiled(x), f(Tensor(x)).numpy())
    table["k"] = -1.0
    np.testing.assert_array_equal(compiled(x), f(Tensor(x)).numpy())
    held = np.full(3, 9.0)
    np.testing.assert_array_equal(compiled(x), f(Tensor(x)).numpy())
    monkeypatch.setitem(globals(), "SCALE", 7.0)
    np.testing.assert_array_equal(compiled(x), f(Tensor(x)).numpy())
    text = compiled.source
    rate = float("5")  # equal
    compiled(x)
    assert compiled.source is text


def test_an_attribute_that_the_code_names_is_watched() -> None:
    class Net:
        def __init__(self) -> None:
            self.W, self.rate, self.calls = np.ones((2, 3)), 0.5, 0

        def __call__(self, x: Any) -> Any:
            return self.W @ x * self.rate

    net = Net()
    compiled, x = compile(net), np.ones((3, 1))
    np.testing.assert_array_equal(compiled(x), np.full((2, 1), 1.5))
    net.W[:] = 2.0
    np.testing.assert_array_equal(compiled(x), np.full((2, 1), 3.0))
    net.rate = 1.0
    np.testing.assert_array_equal(compiled(x), np.full((2, 1), 6.0))
    net.W = np.ones((2, 3))
    np.testing.assert_array_equal(compiled(x), np.full((2, 1), 3.0))
    text = compiled.source
    net.calls += 1  # nobody names it
    compiled(x)
    assert compiled.source is text


def test_an_array_that_numpy_reads_is_watched() -> None:
    held = np.ones(3)

    def f(x: Any) -> Any:
        return x * held.mean()

    compiled, x = compile(f), np.ones(3)
    np.testing.assert_array_equal(compiled(x), np.ones(3))
    held[0] = 7.0
    np.testing.assert_array_equal(compiled(x), np.full(3, 3.0))
    text = compiled.source
    compiled(x)
    assert compiled.source is text


def test_of_an_array_whose_shape_alone_is_asked_nothing_is_watched() -> None:
    held = np.ones((2, 3))

    def f(x: Any) -> Any:
        return (lambda y: y * held.shape[1])(x) * held.size

    compiled = compile(f)
    np.testing.assert_array_equal(compiled(np.ones(3)), np.full(3, 18.0))
    text = compiled.source
    held[0] = 7.0
    compiled(np.ones(3))
    assert compiled.source is text


def test_an_array_that_only_the_function_makes_is_a_constant() -> None:
    f = compile(lambda x: x + Tensor(np.arange(3.0)) * 2)
    np.testing.assert_array_equal(f(np.zeros(3)), [0.0, 2.0, 4.0])
    assert "[0.0, 2.0, 4.0]" in f.source
    assert "*, " not in f.source


def test_a_saved_module_takes_what_was_captured_as_an_argument(tmp_path: Any) -> None:
    held = np.ones(3)
    f = compile(lambda x: x * held)
    f(np.ones(3))
    names: dict[str, Any] = {}
    exec(f.save(tmp_path / "net.py").read_text(encoding="utf-8"), names)
    run = names[f.program.function]
    np.testing.assert_array_equal(run(np.ones(3), held=np.full(3, 4.0)), np.full(3, 4.0))
    with pytest.raises(TypeError, match="held"):
        run(np.ones(3))


# --- ops of users ---------------------------------------------------------------------------------


def test_an_op_of_a_users_is_written_out_with_its_own_text(tmp_path: Any) -> None:
    @tg.op("bump({x})", vjp=lambda g, x, z: g * z * -2 * x, elementwise=True, name="bump_written")
    def bump_written(x: Any, /) -> Any:
        """exp(−x²)"""
        y = x**2
        return np.exp(-y)

    f = compile(lambda x: tg.value_and_grad(lambda x: bump_written(x).sum())(x))
    np.testing.assert_array_equal(f(X)[0], np.exp(-(X**2)).sum())
    assert "    y = x ** 2\n    return np.exp(-y)\n" in f.source
    f.save(tmp_path / "net.py")
    del tg.REGISTRY["bump_written"]


def test_what_an_op_of_a_users_returns_is_never_the_argument_itself() -> None:
    @tg.op("same({x})", vjp=lambda g: g, name="same_again")
    def same_again(x: Any, /) -> Any:
        return x

    x = np.ones(3)
    found = compile(lambda x: same_again(x))(x)
    np.testing.assert_array_equal(found, x)
    assert not np.shares_memory(found, x)
    del tg.REGISTRY["same_again"]


def test_what_has_no_text_runs_here_and_is_not_saved(tmp_path: Any) -> None:
    factor = 3.0
    black_box = tg.custom_vjp(lambda x: x * factor, lambda g, z, x: g * factor, name="black box")
    f = compile(lambda x: tg.grad(lambda x: black_box(x).sum())(x) + black_box(x))
    np.testing.assert_array_equal(f(X), X * 3 + 3)
    with pytest.raises(TypeError, match="no text of its own"):
        f.save(tmp_path / "net.py")
    assert not (tmp_path / "net.py").exists()
