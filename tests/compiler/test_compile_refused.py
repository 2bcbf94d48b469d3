"""Nothing is frozen in silence: what a program could not do again is refused, or is an input."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import RecordingError, Tensor, compile, no_grad
from tinygrad_dnn.ops import REGISTRY

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


def by_text(x: Any) -> Any:
    return x * len(f"{x}")


def by_str(x: Any) -> Any:
    return x * len(str(x.sum()))


def by_percent(x: Any) -> Any:
    return x * len("%s" % x)  # noqa: UP031


def by_html(x: Any) -> Any:
    return x * len(x._repr_html_())


def by_deepcopy(x: Any) -> Any:
    return copy.deepcopy(x * 2)


def by_pickle(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


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


def test_a_copy_is_no_read() -> None:
    f = compile(lambda x: copy.copy(x) + copy.copy(x * 2))
    f(X)
    np.testing.assert_array_equal(f(X * 5), X * 15)


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
def test_random_numbers_are_refused(draw: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        noise = draw(rng)
        return x * (1 if noise is None else noise)

    with pytest.raises(RecordingError, match="draws random numbers"):
        compile(f)(X)


def test_random_numbers_in_a_rule_of_the_users_or_after_a_sweep_are_refused() -> None:
    @tg.op("noisy({x})", vjp=lambda g: g * random.random())
    def noisy(x, /):  # type: ignore[no-untyped-def]
        return x * 1.0

    def in_rule(x: Any) -> Any:
        return tg.grad(lambda x: noisy(x).sum())(x)

    def after_sweep(x: Any) -> Any:
        return tg.grad(lambda x: (x * x).sum())(x) * random.random()

    def after_failure(x: Any) -> Any:
        w = Tensor(np.ones((2, 3)), requires_grad=True)
        cost = (w * w).sum()
        cost.backward()
        try:
            cost.backward()
        except tg.FreedGraphError:
            return x * random.random()
        return x

    REGISTRY.pop("noisy")
    for f in (in_rule, after_sweep, after_failure):
        with pytest.raises(RecordingError, match="random draws random numbers"):
            compile(f)(X)


def test_a_generator_in_an_object_or_as_an_argument_is_found() -> None:
    class Noise:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __call__(self, x: Any) -> Any:
            return x + self.rng.normal()

    with pytest.raises(RecordingError, match="draws random numbers from rng,"):
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


@pytest.mark.parametrize(
    ("change", "given", "hint"),
    [
        (lambda p: p.update(z=p["a"] * 2), {"a": X}, r"\{\*\*p, key: value\}"),
        (lambda p: p.update(a=p["a"] * 2), {"a": X}, r"\{\*\*p, key: value\}"),
        (lambda p: p.pop("a"), {"a": X, "b": X}, "puts something else into p"),
        (lambda p: p.append(p[0]), [X], r"\[\*p, value\]"),
        (lambda p: p["in"].reverse(), {"in": [X, X]}, "puts something else into p"),
    ],
    ids=["new", "other", "gone", "appended", "turned"],
)
def test_what_is_put_into_an_argument_is_refused(
    change: Callable[[Any], Any], given: Any, hint: str
) -> None:
    def f(p: Any) -> Any:
        change(p)
        return X

    with pytest.raises(RecordingError, match=hint):
        compile(f)(given)
    assert len(given) == (2 if isinstance(given, dict) and "b" in given else 1)


def test_the_gradient_of_an_argument_is_not_given() -> None:
    W = Tensor(X, requires_grad=True)
    (W * 3).sum().backward()
    f = compile(lambda w: w if w.grad is None else w - w.grad)
    with no_grad(), pytest.raises(RecordingError, match=r"the gradient of w .* is read"):
        f(W)


def test_structures_that_no_source_can_have_are_refused() -> None:
    class Mode(enum.Enum):
        A = 1

    class Other(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            return 10 * super().__getitem__(key)

    with pytest.raises(RecordingError, match="as a key; expected texts or numbers"):
        compile(lambda p: p[Mode.A])({Mode.A: X})
    with pytest.raises(RecordingError, match="Other, which has a way of its own"):
        compile(lambda p: p["a"])(Other(a=X))


def test_an_array_of_another_kind_does_not_pass_for_an_array() -> None:
    f = compile(lambda x: x * 2)
    f(X)
    with pytest.raises(RecordingError, match="MaskedArray"):
        f(np.ma.MaskedArray(X, X > 2))


def test_what_is_refused_leaves_the_mode_as_it_was() -> None:
    with pytest.raises(RecordingError):
        compile(by_item)(X)
    assert (Tensor(X) * 2).sum().item() == 42
    assert compile(lambda x: x * 2)(X)[0, 0] == 2


def test_only_numpys_arrays_are_inputs() -> None:
    da = pytest.importorskip("dask.array")
    with pytest.raises(RecordingError, match=r"x is a dask.*written for arrays"):
        compile(lambda x: x * 2)(Tensor(da.ones(3)))


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
