"""What a compiled function reads besides its arguments is never frozen, however deep it lies."""

from __future__ import annotations

import argparse
import ctypes
import functools
import sys
import types
import weakref
from array import array
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from tinygrad_dnn import (
    Tensor,
    compile,
    custom_vjp,
    grad,
    gradients,
    no_grad,
    stop_gradient,
)

X = np.arange(1.0, 4.0)


class Config:
    """Numbers of a class, of an object, and of what it holds."""

    rate = 2.0
    deep: ClassVar[dict[str, Any]] = {"a": {"b": [1.0, 2.0]}}

    def __init__(self) -> None:
        self.opt = {"lr": 3.0, "list": [[1.0]]}
        self.inner: Any = types.SimpleNamespace(k=4.0, d={"l2": 5.0})
        self.items = [types.SimpleNamespace(k=6.0)]

    @property
    def doubled(self) -> float:
        return self._half * 2

    _half = 7.0

    def method(self, x: Any) -> Any:
        return x * self.opt["lr"] + self._helper(x)

    def _helper(self, x: Any) -> Any:
        return x * self.inner.d["l2"]

    @staticmethod
    def fixed(x: Any) -> Any:
        return x * STATIC["k"]

    @classmethod
    def of_class(cls, x: Any) -> Any:
        return x * cls.rate


class Slotted:
    __slots__ = ("k",)

    def __init__(self) -> None:
        self.k = 1.0


@dataclass
class Data:
    k: float = 1.0
    more: dict[str, float] = field(default_factory=lambda: {"z": 1.0})


class Pair(NamedTuple):
    a: list[float]


STATIC = {"k": 2.0}
GLOBAL = {"opt": {"lr": 1.0}}
module = types.ModuleType("settings_of_a_test")


def _set(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def deep_dict() -> Any:
    cfg = {"opt": {"lr": 1.0}}
    return lambda x: x * cfg["opt"]["lr"], lambda: cfg["opt"].update(lr=2.0)


def deep_list() -> Any:
    cfg = {"l": [[1.0]]}
    return lambda x: x * cfg["l"][0][0], lambda: cfg["l"][0].__setitem__(0, 2.0)


def global_dict() -> Any:
    GLOBAL["opt"]["lr"] = 1.0
    return lambda x: x * GLOBAL["opt"]["lr"], lambda: GLOBAL["opt"].update(lr=2.0)


def attribute_path() -> Any:
    n = types.SimpleNamespace(o=types.SimpleNamespace(d={"a": {"k": 1.0}}))
    return lambda x: x * n.o.d["a"]["k"], lambda: n.o.d["a"].update(k=2.0)


def missing_attribute() -> Any:
    n = types.SimpleNamespace(y=0)
    return lambda x: x * getattr(n, "z", 1.0), lambda: _set(n, "z", 2.0)


def made_up_attribute() -> Any:
    n = types.SimpleNamespace(w0=1.0, w1=1.0)
    return (
        lambda x: sum(x * getattr(n, f"w{i}") for i in range(2)),
        lambda: _set(n, "w1", 2.0),
    )


def asked_by_vars() -> Any:
    n = types.SimpleNamespace(y=0)
    return lambda x: x * (2.0 if "q" in vars(n) else 1.0), lambda: _set(n, "q", 1)


def asked_by_hasattr() -> Any:
    n = types.SimpleNamespace(y=0)
    return lambda x: x * (2.0 if hasattr(n, "q") else 1.0), lambda: _set(n, "q", 1)


def asked_by_globals() -> Any:
    globals().pop("NOT_YET", None)
    return (
        lambda x: x * globals().get("NOT_YET", 1.0),
        lambda: globals().__setitem__("NOT_YET", 2.0),
    )


def method_of_method() -> Any:
    c = Config()
    return c.method, lambda: c.inner.d.update(l2=9.0)


def item_of_object() -> Any:
    c = Config()
    return lambda x: x * c.items[0].k, lambda: _set(c.items[0], "k", 9.0)


def class_attribute() -> Any:
    Config.rate = 2.0
    return lambda x: x * Config.rate, lambda: _set(Config, "rate", 3.0)


def class_attribute_by_object() -> Any:
    Config.rate = 2.0
    c = Config()
    return lambda x: x * c.rate, lambda: _set(c, "rate", 3.0)


def class_attribute_deep() -> Any:
    Config.deep["a"]["b"][1] = 2.0
    c = Config()
    return lambda x: x * c.deep["a"]["b"][1], lambda: Config.deep["a"]["b"].__setitem__(1, 5.0)


def by_property() -> Any:
    c = Config()
    return lambda x: x * c.doubled, lambda: _set(c, "_half", 1.0)


def by_static_method() -> Any:
    STATIC["k"] = 2.0
    return lambda x: x * Config.fixed(x), lambda: STATIC.update(k=4.0)


def by_class_method() -> Any:
    Config.rate = 2.0
    return lambda x: Config.of_class(x), lambda: _set(Config, "rate", 8.0)


def by_slot() -> Any:
    s = Slotted()
    return lambda x: x * s.k, lambda: _set(s, "k", 2.0)


def by_dataclass() -> Any:
    d = Data()
    return lambda x: x * d.k * d.more["z"], lambda: d.more.update(z=4.0)


def by_module() -> Any:
    _set(module, "lr", 1.0)
    return lambda x: x * getattr(module, "lr"), lambda: _set(module, "lr", 2.0)  # noqa: B009


def in_a_named_tuple() -> Any:
    p = Pair([1.0])
    return lambda x: x * p.a[0], lambda: p.a.__setitem__(0, 2.0)


def in_a_default() -> Any:
    def f(x: Any, cfg: Any = {"a": [1.0]}) -> Any:  # noqa: B006
        return x * cfg["a"][0]

    return f, lambda: f.__defaults__[0]["a"].__setitem__(0, 2.0)  # type: ignore[index]


def in_a_partial() -> Any:
    cfg = {"a": {"b": 1.0}}
    f = functools.partial(lambda c, x: x * c["a"]["b"], cfg)
    return f, lambda: cfg["a"].update(b=2.0)


def in_an_attribute_of_a_function() -> Any:
    def f(x: Any) -> Any:
        return x * f.k  # type: ignore[attr-defined]

    f.k = 1.0  # type: ignore[attr-defined]
    return f, lambda: _set(f, "k", 2.0)


def in_a_function_in_a_list() -> Any:
    cfg = {"k": 1.0}
    fs = [lambda x: x * cfg["k"]]
    return lambda x: fs[0](x), lambda: cfg.update(k=2.0)


def in_a_compiled_function() -> Any:
    cfg = {"k": {"a": 1.0}}
    inner = compile(lambda x: x * cfg["k"]["a"])
    return lambda x: inner(x) + x, lambda: cfg["k"].update(a=2.0)


def in_a_cached_function() -> Any:
    cfg = {"k": 1.0}

    @functools.wraps(deep_dict)
    def wrapped(x: Any) -> Any:
        return x * cfg["k"]

    return lambda x: wrapped(x), lambda: cfg.update(k=2.0)


def imported_inside() -> Any:
    made = types.ModuleType("settings_of_a_compiled_test")
    made.lr = 1.0  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made

    def f(x: Any) -> Any:
        import settings_of_a_compiled_test as settings  # type: ignore[import-not-found]

        return x * settings.lr

    return f, lambda: _set(made, "lr", 2.0)


def imported_from() -> Any:
    made = types.ModuleType("more_settings_of_a_compiled_test")
    made.lr = 1.0  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made

    def f(x: Any) -> Any:
        from more_settings_of_a_compiled_test import lr  # type: ignore[import-not-found]

        return x * lr

    return f, lambda: _set(made, "lr", 2.0)


def made_up_in_a_module() -> Any:
    _set(module, "w1", 1.0)
    return lambda x: x * getattr(module, f"w{len(x.shape)}"), lambda: _set(module, "w1", 2.0)


def made_up_in_a_class() -> Any:
    Config.rate = 2.0
    name = "".join(["ra", "te"])
    return lambda x: x * getattr(Config, name), lambda: _set(Config, "rate", 5.0)


def behind_a_cache() -> Any:
    @functools.lru_cache
    def settings() -> Any:
        return types.SimpleNamespace(lr=1.0)

    return lambda x: x * settings().lr, lambda: _set(settings(), "lr", 2.0)


def other_defaults() -> Any:
    def helper(x: Any, k: float = 1.0) -> Any:
        return x * k

    return lambda x: helper(x), lambda: _set(helper, "__defaults__", (2.0,))


def other_keyword_defaults() -> Any:
    def helper(x: Any, *, k: float = 1.0) -> Any:
        return x * k

    return lambda x: helper(x), lambda: helper.__kwdefaults__.update(k=2.0)


def other_code() -> Any:
    def helper(x: Any) -> Any:
        return x * 1.0

    return lambda x: helper(x), lambda: _set(helper, "__code__", (lambda x: x * 2.0).__code__)


def other_dunder() -> Any:
    class Layer:
        def __call__(self, x: Any) -> Any:
            return x * 1.0

    layer = Layer()
    return lambda x: layer(x), lambda: _set(Layer, "__call__", lambda self, x: x * 2.0)


def other_class() -> Any:
    class One:
        k = 1.0

    class Two:
        k = 2.0

    it = One()
    return lambda x: x * it.k, lambda: _set(it, "__class__", Two)


def other_namespace() -> Any:
    n = Data()
    return lambda x: x * n.k, lambda: _set(n, "__dict__", {"k": 2.0, "more": n.more})


def deleted_and_another() -> Any:
    c = Config()
    Config.rate = 2.0
    _set(c, "unused", 1.0)

    def change() -> None:
        del c.unused  # type: ignore[attr-defined]
        c.rate = 3.0

    return lambda x: x * c.rate, change


def by_a_rule_of_custom_vjp() -> Any:
    k = types.SimpleNamespace(v=1.0)
    box = custom_vjp(lambda x: x * 1.0, lambda g, z, x: g * k.v, name="box")
    return lambda x: grad(lambda x: box(x).sum())(x), lambda: _set(k, "v", 2.0)


def by_a_context_variable() -> Any:
    rate: ContextVar[float] = ContextVar("rate", default=1.0)
    return lambda x: x * rate.get(), lambda: rate.set(2.0)


def by_a_weak_reference() -> Any:
    d = Data()
    r = weakref.ref(d)
    return lambda x: x * r().k, lambda d=d: _set(d, "k", 2.0)  # type: ignore[union-attr]


def by_a_view_of_a_dict() -> Any:
    d = {"k": 1.0}
    values = d.values()
    return lambda x: x * sum(values), lambda: d.update(k=2.0)


def by_the_keys_of_a_dict() -> Any:
    k = Slotted()
    d = {k: 0}
    return lambda x: x * sum(q.k for q in d), lambda: _set(k, "k", 2.0)


def by_a_bound_method_of_python() -> Any:
    n = types.SimpleNamespace(k=1.0)
    ask = n.__getattribute__
    return lambda x: x * ask("k"), lambda: _set(n, "k", 2.0)


def by_a_global_that_was_not_there() -> Any:
    globals().pop("LATER", None)

    def f(x: Any) -> Any:
        try:
            return x * LATER  # type: ignore[name-defined]
        except NameError:
            return x

    return f, lambda: globals().__setitem__("LATER", 2.0)


def by_a_global_that_hides_one_of_pythons() -> Any:
    globals().pop("divmod", None)
    return lambda x: x * divmod(7, 2)[0], lambda: globals().__setitem__(
        "divmod", lambda a, b: (9.0, 0)
    )


def by_an_attribute_that_a_function_gets() -> Any:
    def helper(x: Any) -> Any:
        return x * getattr(helper, "k", 1.0)

    return lambda x: helper(x), lambda: _set(helper, "k", 2.0)


def by_an_attribute_of_a_number() -> Any:
    class Rate(float):
        k = 1.0

    r = Rate(1.0)
    return lambda x: x * r.k, lambda: _set(r, "k", 2.0)


def by_a_metaclass() -> Any:
    class Meta(type):
        rate = 1.0

    class Net(metaclass=Meta):
        pass

    return lambda x: x * Net.rate, lambda: _set(Meta, "rate", 2.0)


def by_a_helper_that_compares_an_input() -> Any:
    held = np.ones(3)

    def big(w: Any) -> Any:
        return w[0] > 2

    return lambda x: x * held if big(held) else x + held, lambda: held.__setitem__(0, 7.0)


def by_another_name_for_an_input() -> Any:
    held = np.array(2.0)

    def f(x: Any) -> Any:
        w = held
        return x * held + float(w)

    return f, lambda: held.__setitem__((), 3.0)


def by_a_product_of_an_input_with_itself() -> Any:
    held = np.ones(3)
    return lambda x: x * held / float(held @ held), lambda: held.__setitem__(0, 5.0)


def by_an_input_in_a_dict() -> Any:
    p = {"W": np.ones(3)}
    return lambda x: x * p["W"] + int(p["W"][0]), lambda: p["W"].__setitem__(0, 5.0)


def by_the_shape_of_an_array() -> Any:
    held = np.ones(6)
    return lambda x: x * held.shape[0], lambda: held.resize((3, 2), refcheck=False)


def by_a_record() -> Any:
    r = np.zeros(1, dtype=[("k", float)])[0]
    r["k"] = 1.0
    return lambda x: x * float(r["k"]), lambda: r.__setitem__("k", 2.0)


def by_a_frame() -> Any:
    frame = pytest.importorskip("pandas").DataFrame({"a": [1.0, 2.0], "text": ["u", "v"]})
    return lambda x: x * frame["a"].iloc[0], lambda: frame.__setitem__("a", [7.0, 8.0])


def by_an_element_of_a_frame() -> Any:
    frame = pytest.importorskip("pandas").DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    return lambda x: x * frame.loc[1, "b"], lambda: frame.loc.__setitem__((1, "b"), 9)


def by_the_name_of_a_column() -> Any:
    frame = pytest.importorskip("pandas").DataFrame({"a": [1.0], "b": [3.0]})
    return lambda x: x * frame["a"].sum(), lambda: _set(frame, "columns", ["b", "a"])


def by_a_series() -> Any:
    series = pytest.importorskip("pandas").Series([1.0, 2.0])
    return lambda x: x * series.sum(), lambda: series.__setitem__(0, 9.0)


def by_a_number_of_c() -> Any:
    number = ctypes.c_double(2.0)
    return lambda x: x * number.value, lambda: _set(number, "value", 3.0)


def _kinds() -> Iterator[tuple[str, Callable[[], Any]]]:
    containers: dict[str, tuple[Any, Any]] = {
        "OrderedDict": (OrderedDict(k=1.0), lambda c: c.update(k=2.0)),
        "defaultdict": (defaultdict(float, k=1.0), lambda c: c.update(k=2.0)),
        "UserDict": (UserDict(k=1.0), lambda c: c.update(k=2.0)),
        "ChainMap": (ChainMap({}, {"k": 1.0}), lambda c: c.maps[1].update(k=2.0)),
        "Namespace": (argparse.Namespace(k=1.0), lambda c: _set(c, "k", 2.0)),
        "deque": (deque([1.0]), lambda c: c.__setitem__(0, 2.0)),
        "array": (array("d", [1.0]), lambda c: c.__setitem__(0, 2.0)),
        "bytearray": (bytearray([1]), lambda c: c.__setitem__(0, 2)),
        "set": ({1.0}, lambda c: c.add(2.0)),
        "objects": (np.array([1.0, None]), lambda c: c.__setitem__(0, 2.0)),
    }
    for name, (c, change) in containers.items():

        def make(c: Any = c, change: Any = change) -> Any:
            def number() -> Any:
                if isinstance(c, argparse.Namespace):
                    return c.k
                return max(c) if isinstance(c, set) else c["k" if hasattr(c, "keys") else 0]

            return lambda x: x * number(), lambda: change(c)

        yield name, make


CHANGES: dict[str, Callable[[], Any]] = {
    **{
        f.__name__: f
        for f in list(globals().values())
        if isinstance(f, types.FunctionType) and f.__module__ == __name__ and f.__name__[0] != "_"
    },
    **dict(_kinds()),
}


@pytest.mark.parametrize("make", CHANGES.values(), ids=CHANGES)
def test_s77_what_changes_is_seen_however_deep_it_lies(make: Callable[[], Any]) -> None:
    f, change = make()
    compiled = compile(f)
    before = np.array(f(Tensor(X)).data)
    np.testing.assert_array_equal(compiled(X), before)
    text = compiled.source
    np.testing.assert_array_equal(compiled(X), before)
    assert compiled.source is text, "recorded again, although nothing changed"
    change()
    after = np.array(f(Tensor(X)).data)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(compiled(X), after)


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


def test_a_variable_that_holds_something_else_is_recorded_again(
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


# --- settings -------------------------------------------------------------------------------------


def test_the_insides_of_settings_count() -> None:
    c = compile(lambda x, cfg: x * cfg.k * cfg.more["z"])
    cfg = Data()
    np.testing.assert_array_equal(c(X, cfg), X)
    text = c.source
    c(X, cfg)
    assert c.source is text
    cfg.k = 2.0
    np.testing.assert_array_equal(c(X, cfg), X * 2)
    cfg.more["z"] = 3.0
    np.testing.assert_array_equal(c(X, cfg), X * 6)
    other = Data()
    np.testing.assert_array_equal(c(X, other), X)


def test_a_method_may_be_compiled_where_it_is_defined() -> None:
    class Net:
        def __init__(self) -> None:
            self.W = np.ones(3)

        @compile
        def forward(self, x: Any) -> Any:
            return x * self.W

    net = Net()
    np.testing.assert_array_equal(net.forward(X), X)
    net.W = X
    np.testing.assert_array_equal(net.forward(X), X * X)
    np.testing.assert_array_equal(Net().forward(X), X)


def test_switching_to_and_fro_is_not_recorded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    net = types.SimpleNamespace(training=True)
    c = compile(lambda x: x * 2 if net.training else x)
    for training in (True, False):
        net.training = training
        c(X)
    monkeypatch.setattr("tinygrad_dnn.compiler.compiled.record", None)
    for training in (True, False, True):
        net.training = training
        np.testing.assert_array_equal(c(X), X * 2 if training else X)


# --- arrays that are inputs, and that NumPy reads as well -----------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, held: x * held / held.max(),
        lambda x, held: x * held if held.max() > 2 else x + held,
        lambda x, held: x * held if np.max(held) > 2 else x + held,
        lambda x, held: x * held + Tensor(held * 2),
        lambda x, held: x * held + Tensor((held + 1).reshape(1, -1)),
        lambda x, held: x * held + float(held.reshape(-1).sum()),
    ],
)
def test_numbers_that_numpy_reads_of_an_input_are_watched(
    f: Callable[[Any, Any], Any],
) -> None:
    held = np.ones(3)
    compiled = compile(lambda x: f(x, held))
    np.testing.assert_array_equal(compiled(X), f(Tensor(X), held).data)
    held[0] = 7.0
    np.testing.assert_array_equal(compiled(X), f(Tensor(X), held).data)


@pytest.mark.parametrize("by", [lambda h: h[0], lambda h: h[h > 2].size], ids=["item", "mask"])
def test_so_are_its_elements(by: Callable[[Any], Any]) -> None:
    held = np.ones(3)

    def f(x: Any) -> Any:
        return x * held if held[0] > 2 else x + held

    compiled = compile(f)
    compiled(X)
    held[0] = 7.0
    np.testing.assert_array_equal(compiled(X), f(Tensor(X)).data)


def test_no_sum_is_made_of_an_array_that_is_an_input_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = np.ones((3, 3))
    compiled = compile(lambda x: held @ x + held.shape[0])
    compiled(X)
    monkeypatch.setattr("tinygrad_dnn.compiler.guards.watched.checksum", None)
    held[0] = 2.0
    np.testing.assert_array_equal(compiled(X), held @ X + 3)


# --- Tensors --------------------------------------------------------------------------------------


def test_a_captured_tensor_that_requires_a_gradient_is_refused() -> None:
    W = Tensor(np.ones(3), requires_grad=True, name="W")
    f = compile(lambda x: x * W)
    with no_grad():
        np.testing.assert_array_equal(f(X), X)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"W, which the function closes over, .*no_grad\(\)"):
            f(X)
    with no_grad():
        np.testing.assert_array_equal(f(X), X)
    with pytest.raises(TypeError, match="W, which"):
        compile(lambda x: x * W)(X)


def test_a_gradient_with_respect_to_a_captured_tensor_is_a_result_like_others() -> None:
    W = Tensor(np.ones(3), requires_grad=True, name="W")
    np.testing.assert_array_equal(compile(lambda x: gradients((x * W).sum(), [W])[0])(X), X)
    np.testing.assert_array_equal(compile(lambda x: x * W.detach())(X), X)
    np.testing.assert_array_equal(compile(lambda x: x * stop_gradient(W))(X), X)
    W.grad = None
    f = compile(lambda x: x if W.grad is None else x * W.grad)
    np.testing.assert_array_equal(f(X), X)
    (W * 2).sum().backward()
    np.testing.assert_array_equal(f(X), X * 2)
    (W * 2).sum().backward()
    np.testing.assert_array_equal(f(X), X * 4)


def test_whether_a_captured_tensor_requires_a_gradient_is_watched() -> None:
    W = Tensor(np.ones(3), name="W")
    f = compile(lambda x: x * 2 if W.requires_grad else x)
    np.testing.assert_array_equal(f(X), X)
    W.requires_grad = True
    np.testing.assert_array_equal(f(X), X * 2)
