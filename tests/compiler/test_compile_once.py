"""A program does in every call what the function does, or says that it can't."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import itertools
import queue
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import (
    RecordingError,
    Tensor,
    compile,
    compile_loop,
    no_grad,
    sigmoid,
    value_and_grad,
)
from tinygrad_dnn.autodiff.pytree import flatten, rebuild

X = np.arange(1.0, 4.0)


def written() -> Any:
    held = {"v": np.ones(3)}

    def f(x: Any) -> Any:
        held["v"] *= 0.9
        return x * held["v"]

    return f, r"an array .* is changed in place.*held\["


def written_by_out() -> Any:
    held = np.ones(3)

    def f(x: Any) -> Any:
        np.add(held, 1, out=held)
        return x * held

    return f, "an array .* is changed in place.*np.add"


def written_to_a_view() -> Any:
    held = np.ones(3)
    view = held[:2]

    def f(x: Any) -> Any:
        view[...] += 1
        return x * held

    return f, r"an array .* is changed in place.*view\[\.\.\.\]"


def counted() -> Any:
    count = [0]

    def f(x: Any) -> Any:
        count[0] += 1
        return x * count[0]

    return f, "f changes count while"


def counted_by_nonlocal() -> Any:
    n = 0

    def f(x: Any) -> Any:
        nonlocal n
        n += 1
        return x * n

    return f, "f changes n while"


def noted() -> Any:
    costs: list[Any] = []

    def f(x: Any) -> Any:
        costs.append(x.sum())
        return x * 2

    return f, "f changes costs while"


def moved() -> Any:
    class Momentum:
        v: Any = 0.0

        def __call__(self, x: Any) -> Any:
            self.v = 0.9 * self.v + x
            return self.v

    return Momentum(), "Momentum changes v while"


def advanced() -> Any:
    numbers = itertools.count()
    return lambda x: x * next(numbers), "numbers is a count, which would be advanced"


def advanced_generator() -> Any:
    numbers = (i for i in range(9))
    return lambda x: x * next(numbers), "numbers is a generator"


def kept_for_nobody() -> Any:
    net = types.SimpleNamespace(hidden=None)

    def f(x: Any) -> Any:
        net.hidden = x * 2
        return net

    return lambda x: f(x) and x, "changes hidden while"


def kept_in_a_global() -> Any:
    def f(x: Any) -> Any:
        global LAST
        LAST = x * 2  # type: ignore[name-defined]
        return x

    globals()["LAST"] = None
    return f, "f changes LAST while"


def swallowed() -> Any:
    def f(x: Any) -> Any:
        try:
            return x * float(x.sum())
        except TypeError:
            return x

    return f, r"float\(\) reads the value"


def in_a_thread() -> Any:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda k: x * k, [1.0, 2.0]))

    return f, "was computed in another thread"


def changed_in_a_tensor() -> Any:
    def f(x: Any) -> Any:
        buffer = np.zeros(3)
        t = Tensor(buffer)
        y = x + t
        buffer[0] = 1.0
        return y * t

    return f, "changed in place after an op has read it"


def drawn_by_a_bit_generator() -> Any:
    bits = np.random.PCG64(0)
    return lambda x: x * np.random.Generator(bits).random(), "draws random numbers"


def drawn_by_a_spawned_seed() -> Any:
    seeds = np.random.SeedSequence(0)
    return (
        lambda x: x * np.random.default_rng(seeds.spawn(1)[0]).random(),
        "draws random numbers",
    )


def read_on() -> Any:
    lines = io.StringIO("1\n2\n3\n4\n5\n6\n")
    return lambda x: x * float(lines.readline()), "changes lines"


def read_line_by_line() -> Any:
    lines = io.StringIO("1\n2\n3\n4\n5\n6\n")
    return lambda x: x * float(next(lines)), "changes lines"


def written_by_add_at() -> Any:
    counts = np.zeros(3)

    def f(x: Any) -> Any:
        np.add.at(counts, [0, 0, 1], 1.0)
        return x * counts

    if np.lib.NumpyVersion(np.__version__) >= "2.5.0":  # which refuses, where older ones write
        return f, "an array that the function closes over is changed in place while it is being"
    return f, r"writes into counts in place while it is being recorded \(np.add.at"


def written_by_c() -> Any:
    held, other = np.zeros(3), np.ones(3)

    def f(x: Any) -> Any:
        ctypes.memmove(held.ctypes.data, other.ctypes.data, held.nbytes)
        return x * held

    return f, "writes into held in place"


def taken_from_a_queue() -> Any:
    rates: queue.Queue[float] = queue.Queue()
    for rate in (1.0, 2.0, 3.0, 4.0):
        rates.put(rate)
    return lambda x: x * rates.get(), "changes queue"


def taken_from_a_simple_queue() -> Any:
    rates: queue.SimpleQueue[float] = queue.SimpleQueue()
    rates.put(1.0)
    return lambda x: x * rates.get(), "is a SimpleQueue, which would be advanced"


def returned_as_an_object() -> Any:
    return lambda x: types.SimpleNamespace(cost=x.sum()), "returns a SimpleNamespace"


def returned_as_a_generator() -> Any:
    return lambda x: (x * k for k in range(2)), "returns a generator"


def left_behind() -> Any:
    W = Tensor(np.ones(3), requires_grad=True, name="W")

    def f(x: Any) -> Any:
        (x * W).sum().backward()
        return W.grad

    return f, r"leaves a gradient in W.*gradients\(cost, \[W\]\)"


@pytest.mark.parametrize(
    "make",
    [written, written_by_out, written_to_a_view, counted, counted_by_nonlocal, noted, moved,
     advanced, advanced_generator, left_behind, kept_for_nobody, kept_in_a_global, swallowed,
     in_a_thread, changed_in_a_tensor, drawn_by_a_bit_generator, drawn_by_a_spawned_seed,
     written_by_add_at, written_by_c, read_on, read_line_by_line, taken_from_a_queue,
     taken_from_a_simple_queue, returned_as_an_object, returned_as_a_generator],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_s75_what_only_the_first_call_would_do_is_refused(make: Callable[[], Any]) -> None:
    f, words = make()
    with pytest.raises(RecordingError, match=words):
        compile(f)(X)


def test_a_refusal_leaves_arrays_writable_and_no_gradients() -> None:
    held, W = np.ones(3), Tensor(np.ones(3), requires_grad=True)
    view = held[1:]

    def f(x: Any) -> Any:
        (x * W).sum().backward()
        view[0] = 5.0

    with pytest.raises(RecordingError, match="in place"):
        compile(f)(X)
    assert W.grad is None
    assert held.flags.writeable
    assert view.flags.writeable
    locked = np.ones(3)
    locked.flags.writeable = False
    compile(lambda x: x * locked * view.shape[0])(X)
    assert not locked.flags.writeable


def test_a_cache_that_the_first_call_fills_is_no_change() -> None:
    cache: dict[str, Any] = {}

    def f(x: Any) -> Any:
        if "k" not in cache:
            cache["k"] = 3.0
        return x * cache["k"]

    compiled = compile(f)
    np.testing.assert_array_equal(compiled(X), X * 3)
    cache["k"] = 4.0
    np.testing.assert_array_equal(compiled(X), X * 4)


def test_what_a_function_does_to_its_own_arrays_it_does_in_every_call() -> None:
    def f(x: Any) -> Any:
        b, y = np.zeros(3), x * 0
        for i in range(3):
            b[i] = i + 1
            y = y + x * b
        return y

    compiled = compile(f)
    np.testing.assert_array_equal(compiled(X), f(Tensor(X)).data)
    np.testing.assert_array_equal(compiled(X * 2), f(Tensor(X * 2)).data)
    kept: list[Any] = []

    def g(x: Any) -> Any:
        mask = np.ones(3)
        kept[:] = []
        return x * mask

    np.testing.assert_array_equal(compile(g)(X), X)


def test_too_much_to_watch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_dnn.compiler.guards.reachable.MOST", 1000)
    crowd = [types.SimpleNamespace(k=1.0) for _ in range(1001)]
    with pytest.raises(RecordingError, match="more than 1,000 objects"):
        compile(lambda x: x * crowd[0].k)(X)


# --- results that come back as arguments ----------------------------------------------------------


def test_reused_results_may_be_arguments_however_late() -> None:
    f = compile(lambda x: (x * 2, x.sum()), reuse_outputs=True)
    first = f(X)[0]
    f(np.full(3, 2.0))
    np.testing.assert_array_equal(first, X * 2)
    doubled, total = f(first)  # lies where the result goes
    assert total == (X * 2).sum()
    np.testing.assert_array_equal(doubled, X * 4)
    view = f(X)[0][::-1]
    f(X)
    np.testing.assert_array_equal(f(view)[0], X[::-1] * 4)


def test_also_in_structures_and_as_captured_tensors() -> None:
    t = Tensor(X.copy(), name="t")
    f = compile(lambda p: ({"a": p["a"] + t}, (p["a"] * t).sum()), reuse_outputs=True)
    first, _ = f({"a": X})
    f({"a": X})
    t.data = first["a"]
    after, total = f(first)
    assert total == (4 * X**2).sum()
    np.testing.assert_array_equal(after["a"], 4 * X)


# --- loops ----------------------------------------------------------------------------------------


def test_a_loop_refuses_to_go_on_where_its_surroundings_have_changed() -> None:
    cfg = {"opt": {"rate": 0.5}}
    loop = compile_loop(lambda w: (w * cfg["opt"]["rate"], w.sum()), carry=X)
    loop.step()
    cfg["opt"]["rate"] = 0.1
    with pytest.raises(RuntimeError, match=r"opt is not what it was.*make another loop"):
        loop.step()
    cfg["opt"]["rate"] = 0.5
    loop.step()
    np.testing.assert_array_equal(loop.carry, X / 4)


def test_a_loop_reads_an_array_anew_or_refuses_to_go_on() -> None:
    held = np.ones(3)
    loop = compile_loop(lambda w: (w * held, w.sum()), carry=X)
    loop.step()
    held[:] = 2.0
    loop.step()
    np.testing.assert_array_equal(loop.carry, X * 2)
    loop = compile_loop(lambda w: (w * held.mean(), w.sum()), carry=X)
    loop.step()
    held[0] = 4.0
    with pytest.raises(RuntimeError, match="held is not what it was"):
        loop.step()


def test_a_loop_refuses_a_captured_tensor_that_requires_a_gradient() -> None:
    W = Tensor(np.ones(3), requires_grad=True, name="W")
    with pytest.raises(TypeError, match="W, which the function closes over"):
        compile_loop(lambda w: (w * W, w.sum()), carry=X)
    with no_grad():
        loop = compile_loop(lambda w: (w * W, w.sum()), carry=X)
    with pytest.raises(TypeError, match="W, which the function closes over"):
        loop.step()


def test_a_loop_carries_a_dict_in_whatever_order_it_comes_back() -> None:
    def step(p: Any) -> Any:
        return {"b": p["b"] * 1.0, "a": p["a"] * 2.0}, p["a"].sum()

    loop = compile_loop(step, carry={"a": np.ones(2), "b": np.full(2, 5.0)})
    loop.step()
    np.testing.assert_array_equal(loop.carry["a"], [2.0, 2.0])
    np.testing.assert_array_equal(loop.carry["b"], [5.0, 5.0])
    loop.resume({"b": np.zeros(2), "a": np.ones(2)}, 0)
    np.testing.assert_array_equal(loop.carry["a"], [1.0, 1.0])


def test_a_loop_copies_nothing_of_what_it_carries() -> None:
    loop = compile_loop(lambda p: ({"w": p["w"] * 0.5}, p["w"].sum()), carry={"w": np.ones(3)})
    places = set()
    for _ in range(9):
        loop.step()
        places.add(loop.carry["w"].__array_interface__["data"])
    assert len(places) <= 3


def test_structures_hold_no_array_beyond_their_use() -> None:
    x = np.ones(3)
    before = sys.getrefcount(x)
    gc.disable()
    try:
        flat, layout = flatten({"a": [x, (x,)]})
        rebuild(layout, flat)
        del flat
        assert sys.getrefcount(x) == before
    finally:
        gc.enable()


@contextlib.contextmanager
def looked_at() -> Iterator[None]:
    """As by a worker's profiler, or a debugger: another thread keeps the frames of what runs."""
    kept: deque[Any] = deque(maxlen=3000)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            kept.extend(sys._current_frames().values())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()
    assert len(kept) > 100


def own_arrays(w: Any, x: Any) -> Any:
    """Sums of arrays and Tensors of its own, and of its callee's."""
    shift = np.array([1.0, 2.0, 3.0])
    return sigmoid(w @ x + shift + own_tensor()).sum()


# Each of these is held by its own frame, and that by itself, until the collector comes.
def own_tensor() -> Any:
    ones = np.ones(3)
    t = Tensor(ones)
    frame = sys._getframe()
    return t + Tensor(np.broadcast_to(ones[:1], 3)) if frame else None


def filled(n: int) -> Any:
    there = [np.zeros(n)]
    frame = sys._getframe()
    return there[0] if frame else None


def views(t: Any) -> Any:
    several = [t[0], {"whole": t.T}]
    frame = sys._getframe()
    return several[0].sum() if frame else None


def written(w: Any, x: Any) -> Any:
    """Writes where views, and an array's other names, were variables of calls that returned."""
    h, own = w * 2, Tensor(filled(3))
    seen = views(h) * own.sum()
    h[1], own[0] = x, x[0]
    return (h * seen).sum() + (own * h[2, 0]).sum()


def test_s305_whoever_holds_frames_changes_no_program() -> None:
    given = np.ones((3, 2)), np.ones(2)
    alone = compile(value_and_grad(own_arrays))
    alone(*given)
    with looked_at():
        for _ in range(2):
            watched = compile(value_and_grad(own_arrays))
            watched(*given)
            assert watched.source == alone.source


def test_calls_that_have_returned_keep_no_view_alive() -> None:
    gc.disable()
    try:
        given = np.ones((3, 2)), np.ones(2)
        value, found = value_and_grad(written)(*given)
        again, compiled = compile(value_and_grad(written))(*given)
        assert (again, value) == (2.0, 2.0)
        np.testing.assert_allclose(compiled, found)
    finally:
        gc.enable()


def test_a_traceback_keeps_no_view_alive() -> None:
    """Variables of a call that has ended with an error, in what was caught; but not what else
    holds them.
    """

    def fails(t: Any, *more: Any) -> None:
        view = t[0]
        for x in more:
            x.append(view)
        raise ValueError(view.shape)

    t, more = Tensor(np.zeros((2, 2))) + 1.0, []  # type: tuple[Any, list[Any]]
    with pytest.raises(ValueError, match="2,") as first:
        fails(t)
    t[0] = 5.0
    with pytest.raises(ValueError, match="2,") as second:
        fails(t, more)
    with pytest.raises(TypeError, match="another Tensor shows its memory"):
        t[0] = 6.0
    more.clear()
    t[0] = 6.0
    np.testing.assert_allclose(t.data, [[6.0, 6.0], [1.0, 1.0]])
    assert None not in (first.tb, second.tb)


def test_an_own_array_is_a_constant_whoever_holds_it() -> None:
    program = compile(lambda x: x * own_tensor_alone())
    np.testing.assert_allclose(program(np.ones(3)), np.full(3, 2.0))
    assert "captured" not in program.source


def own_tensor_alone() -> Any:
    twos = np.full(3, 2.0)
    t, frame = Tensor(twos), sys._getframe()
    return t if frame else None


def test_a_view_of_an_own_array_is_what_it_was() -> None:
    """A broadcast view is read-only, and what it shows is not."""

    def f(x: Any) -> Any:
        own = np.zeros(3)
        y = x + np.broadcast_to(own, (2, 3))
        own[0] = 5.0
        return y

    np.testing.assert_allclose(compile(f)(np.ones((2, 3))), np.ones((2, 3)))


def test_an_array_that_the_function_makes_is_written_into_the_program() -> None:
    def f(x: Any) -> Any:
        return x * np.arange(6.0).reshape(2, 3) * np.linspace(0, 1, 3)[None]

    compiled = compile(f)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(compiled(x), f(x))
    assert "captured" not in compiled.source
