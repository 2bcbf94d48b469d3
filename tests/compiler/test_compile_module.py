"""A saved module by itself: it says what is wrong, and any thread may use it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_compile import data, same, step

import tinygrad_dnn as tg
from tinygrad_dnn import compile, relu, sigmoid, softplus
from tinygrad_dnn.autodiff import pytree
from tinygrad_dnn.compiler.build import module_of
from tinygrad_dnn.compiler.tracing.record import record


def loaded(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    return names


@pytest.fixture(scope="module")
def text() -> str:
    return compile(step).prepare(*data()).source


@pytest.fixture
def net(text: str) -> dict[str, Any]:
    return loaded(text)


# --- what it refuses ------------------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "other examples": (
        lambda p, X, Y: (p, X[:, :7], Y[:, :7]),
        r"step: X \(6, 7\) float64: this program was written for \(6, 40\) float64; compile it",
    ),
    "labels in one row": (lambda p, X, Y: (p, X, Y[0]), r"step: Y \(40,\) float64: .* \(1, 40\)"),
    "float32": (lambda p, X, Y: (p, X.astype("f4"), Y), r"step: X \(6, 40\) float32: .* float64"),
    "other byte order": (lambda p, X, Y: (p, X.astype(">f8"), Y), r"step: X \(6, 40\) >f8: "),
    "a list": (lambda p, X, Y: (p, X.tolist(), Y), r"step: X list: .* \(6, 40\) float64"),
    "nothing": (
        lambda p, X, Y: (None, X, Y),
        r"step: parameters\['W1'\] NoneType: .* \(5, 6\) float64",
    ),
    "a number": (
        lambda p, X, Y: ({**p, "b1": 0.0}, X, Y),
        r"step: parameters\['b1'\] float: .* \(5, 1\) float64",
    ),
    "a missing parameter": (
        lambda p, X, Y: ({k: v for k, v in p.items() if k != "b4"}, X, Y),
        r"step: parameters\['b4'\] is missing: ",
    ),
    "a layer more": (lambda p, X, Y: ({**p, "W5": p["W4"]}, X, Y), "step: more keys than"),
}


@pytest.mark.parametrize("what", WRONG)
def test_other_arguments_are_a_value_error_that_names_them(net: Any, what: str) -> None:
    wrong, told = WRONG[what]
    p, X, Y = data()
    before = {k: v.copy() for k, v in p.items()}
    with pytest.raises(ValueError, match=told):
        net["step"](*wrong(p, X, Y))
    same(p, before)
    same(net["step"](p, X, Y), compile(step)(p, X, Y))


def test_results_do_not_go_where_an_argument_lies(net: Any) -> None:
    p, X, Y = data()
    expected = compile(step)(p, X, Y)
    out = net["results"]()
    _, after = net["step"](p, X, Y, out=out)
    same(after, expected[1])
    assert after["W1"] is out[1]
    with pytest.raises(ValueError, match=r"step: out\[1\] \(5, 6\) shares memory .*; take turns"):
        net["step"](after, X, Y, out=out)
    same(after, expected[1])
    again = net["results"]()
    same(net["step"](after, X, Y, out=again), compile(step)(expected[1], X, Y))
    for wrong in (7, again[:-1], again[::-1], [x.astype("f4") for x in again]):
        with pytest.raises(ValueError, match="step: out: expected arrays as"):
            net["step"](p, X, Y, out=wrong)
    one = compile(lambda x: (x * 2, x * 3)).prepare(np.ones(3)).source
    a = np.empty(3)
    with pytest.raises(ValueError, match=r"out\[1\] \(3,\) shares memory"):
        loaded(one)["step"](np.ones(3), out=(a, a))


# --- odd signatures -------------------------------------------------------------------------------


def odd_names(np_: Any, *, out: Any, results: Any, **more: Any) -> Any:
    return np_ * out - results + more["lambda"] * more["np"] + more["_here"] / more["x"]


def nested(p: Any, q: Any, scale: Any = 2.0) -> Any:
    return {"a b": p["class"]["in"][0] * scale, 3: [q[1], q[0] + p["class"]["is"]]}


ODD: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "names of the module's own": (
        odd_names,
        (np.ones(2),),
        {
            k: np.full(2, i + 2.0)
            for i, k in enumerate(("out", "results", "lambda", "np", "_here", "x"))
        },
    ),
    "nested": (
        nested,
        ({"class": {"in": [np.ones(2)], "is": np.zeros(3)}}, (np.ones(3), np.ones(()))),
        {},
    ),
    "0-d": (lambda x, y: (x + y, x * x), (np.array(2.0), np.float64(3.0)), {}),
    "integers": (lambda n, x: (n + n, n * x, n > 1), (np.arange(4), np.ones(4)), {}),
    "empty": (lambda x: (x * 2, x.sum(axis=0), np.roll(x, 1, axis=0)), (np.ones((0, 3)),), {}),
    "nothing": (lambda: tg.Tensor([1.0, 2.0]) * 2, (), {}),
    "a value that is no array": (lambda x: (x, None, "t", 1.5), (np.ones(2),), {}),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_signature(what: str) -> None:
    f, args, kwargs = ODD[what]
    compiled = compile(f)
    expected = compiled(*args, **kwargs)
    function = loaded(compiled.source)[compiled.program.function]
    found = function(*args, *kwargs.values())
    same(arrays(found), arrays(expected))
    tensors = [tensors_of(x) for x in (*args, *kwargs.values())]
    eager = f(*tensors[: len(args)], **dict(zip(kwargs, tensors[len(args) :], strict=True)))
    same(arrays(found), arrays(eager))
    assert pytree.flatten(found)[1] == pytree.flatten(eager)[1]


def arrays(found: Any) -> list[Any]:
    return [x for x in pytree.flatten(found)[0] if hasattr(x, "dtype")]


def tensors_of(x: Any) -> Any:
    flat, layout = pytree.flatten(x)
    return pytree.rebuild(layout, [tg.Tensor(v) for v in flat])


def test_functions_of_one_module_do_not_disturb_each_other() -> None:
    def sigmoid_(x: Any) -> Any:
        return sigmoid(x) * 0.0075

    def softly(x: Any, sigmoid: Any) -> Any:
        return softplus(x) + tg.sigmoid(sigmoid) * 0.0075, relu(x)

    x, y = np.linspace(-2, 2, 5), np.linspace(0, 1, 3).reshape(3, 1)
    recordings = [record(sigmoid_, (x,), {}), record(softly, (x, y), {})]
    names = loaded(module_of(recordings))
    same(names["sigmoid_"](x), compile(sigmoid_)(x))
    same(names["softly"](x, y), compile(softly)(x, y))
    with pytest.raises(ValueError, match=r"softly: sigmoid_2 \(5,\) float64: .* \(3, 1\)"):
        names["softly"](x, x)


def test_eight_threads_use_one_module(net: Any) -> None:
    p, _, Y = data()
    inputs = [data(seed=i)[1] for i in range(8)]
    expected = [compile(step)(p, X, Y) for X in inputs]
    found: dict[int, Any] = {}
    ready = threading.Barrier(8)

    def work(i: int) -> None:
        ready.wait()
        for _ in range(50):
            found[i] = net["step"](p, inputs[i], Y)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(8):
        same(found[i], expected[i])


# --- how it reads ---------------------------------------------------------------------------------


def test_one_line_for_each_value_with_a_name(text: str) -> None:
    body = text[text.index("    def step(") : text.index("    return step\n")].strip().splitlines()
    assert len(body) <= 56
    assert max(map(len, text.splitlines())) <= 100
    for line in (
        "np.add(np.matmul(W1, X, out=Z1), b1, out=Z1)",
        "np.maximum(Z1, zero, out=A1)",
        "sigmoid(Z4, out=A4)",
        "np.multiply(dA3, np.greater(A3, zero, out=mask1), out=dZ3)",
        "np.subtract(W2, np.multiply(dW2, n0_0075, out=W2_new), out=W2_new)",
    ):
        assert f"        {line}" in body


def test_what_is_shared_is_not_hidden_in_a_function() -> None:
    alone = compile(lambda x: softplus(x) * 2).prepare(np.ones(3)).source
    assert "np.multiply(softplus(x, " in alone
    shared = compile(lambda x: softplus(x) + softplus(-x)).prepare(np.ones(3)).source
    assert "softplus" not in shared
    assert shared.count("np.log1p(") == 1


def test_a_constant_is_called_by_its_value() -> None:
    def f(x: Any) -> Any:
        return x * 0.25 + x * x * np.sqrt(2.0) + x * x * x * -3

    text = compile(f).prepare(np.ones(3)).source
    assert "n0_25 = np.array(0.25)" in text
    assert "minus_3 = np.array(-3.0)" in text
    assert "c1 = np.array(1.4142135623730951)" in text
    single = compile(lambda x: x * 0.1 / 3).prepare(np.ones(3, "f4")).source
    x = np.linspace(0, 1, 3).astype("f4")
    same(loaded(single)["step"](x), compile(lambda x: x * 0.1 / 3)(x))
    half = compile(lambda x: x * 1e-3 / 1e7 + np.inf * x)
    half(np.ones(2, "f2") * 5)  # 1e7 is no float16, which nobody needs to hear
    assert 'np.array(0.1, "float32")' in compile(lambda x: x * 0.1, rewrite=False).prepare(x).source


def test_ops_inside_a_line_are_computed_in_the_order_of_the_plan() -> None:
    """The cosine is written over what the sine reads: it must not come first."""

    def f(x: Any) -> Any:
        parts = [x * 2]  # in a list, so that none of them has a name
        parts += [np.sin(parts[0])]
        parts += [np.cos(parts[0])]
        return parts[2] - parts[1]

    compiled, x = compile(f, rewrite=False), np.linspace(0, 1, 5)
    same(compiled(x), np.cos(x * 2) - np.sin(x * 2))
    assert "np.subtract(np.cos(result, out=result), t1, out=result)" in compiled.source


MOVES: dict[str, Callable[[Any], Any]] = {
    "pad with NaN": lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=np.nan),
    "pad with infinity": lambda x: np.pad(x.T, 1, constant_values=-np.inf),
    "roll of a transpose": lambda x: np.roll(x.T, 2),
    "roll twice along one axis": lambda x: np.roll(x, (1, 1), axis=(0, 0)),
    "roll around": lambda x: np.roll(x, -7, axis=1),
    "repeat a transpose": lambda x: np.repeat(x.T, 3),
    "repeat unequally": lambda x: np.repeat(x.T, (0, 2, 1), axis=0),
    "repeat never": lambda x: np.repeat(x, 0, axis=1),
    "tile once": lambda x: np.tile(x.T, (1, 1)),
    "tile to more axes": lambda x: np.tile(x, (2, 1, 3)),
    "rows from the end": lambda x: x[np.array([-1, 0, -1])],
    "columns from the end": lambda x: x[:, np.array([-1, 0])],
    "columns by a mask": lambda x: x[:, np.array([True, False, True])],
    "rows in two axes": lambda x: x[np.array([[0, 1], [1, -2]])],
    "no rows": lambda x: x[np.array([], dtype=int)],
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("what", MOVES)
def test_what_only_moves_elements_moves_them(what: str, order: Any) -> None:
    f = MOVES[what]
    compiled = compile(lambda x: f(x) * 1.5)
    compiled.prepare(np.ones((2, 3), order=order))
    x = np.asarray(np.random.default_rng(0).normal(size=(2, 3)), order=order)
    same(compiled(x), f(x) * 1.5)
