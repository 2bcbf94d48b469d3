"""Any callable is compiled and differentiated as it is (line S130 of the page)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td

X = np.array([1.0, 2.0, 3.0])


class Model:
    """Its attributes have the names of a compiled function's own."""

    def __init__(self) -> None:
        self.f, self.rewrite, self.reuse_outputs = (lambda x: x * 100.0), None, None
        self._programs, self._latest, self._lock = {"a": 1}, "b", None
        self.iteration = 0

    def __call__(self, x: Any) -> Any:
        return (x * x).sum()

    def method(self, x: Any) -> Any:
        return self(x)


def square(x: Any) -> Any:
    return (x * x).sum()


def decorated() -> Any:
    inner = td.compile(lambda x: (x * x).sum() * 5.0)

    @functools.wraps(inner)
    def outer(x: Any) -> Any:
        return inner(x) / 5.0

    return outer


def attributed() -> Any:
    def f(x: Any) -> Any:
        return (x * x).sum()

    f.f, f.source, f._programs = 3, "text", None  # type: ignore[attr-defined]
    return f


CALLABLES: dict[str, Callable[[], Any]] = {
    "object": Model,
    "method": lambda: Model().method,
    "attributes": attributed,
    "compiled": lambda: td.compile(square),
    "compiled twice": lambda: td.compile(td.compile(square)),
    "decorated": decorated,
    "partial": lambda: functools.partial(Model()),
    "custom_vjp of an object": lambda: td.custom_vjp(Model(), lambda g, z, x: 2 * g * x),
}


@pytest.mark.parametrize("name", CALLABLES)
def test_s130_any_callable_is_taken_as_it_is(name: str) -> None:
    f = CALLABLES[name]()
    assert td.compile(f)(X) == 14.0
    np.testing.assert_array_equal(td.compile(td.grad(f))(X), 2 * X)
    value, slope = td.compile(td.value_and_grad(f))(X)
    assert value == 14.0
    np.testing.assert_array_equal(slope, 2 * X)
    if "custom" not in name:
        np.testing.assert_array_equal(td.compile(td.hessian(f))(X), 2 * np.eye(3))
    np.testing.assert_array_equal(td.compile(td.compile(td.grad(f)))(X), 2 * X)


def test_a_compiled_function_stays_what_it_was_when_it_is_wrapped() -> None:
    f = td.compile(square)
    assert f(X) == 14.0
    slope = td.compile(td.grad(f))
    np.testing.assert_array_equal(slope(X), 2 * X)
    assert f(2 * X) == 56.0
    np.testing.assert_array_equal(slope(2 * X), 4 * X)
    assert slope.source != f.source
