"""The structure that a compiled function returns is its own, however long the lines become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.compiler.python_text import wrapped

NAMES = [f"a_rather_long_name_{i}" for i in range(8)]
COMMAS = [f"{name}, ({i}" for i, name in enumerate(NAMES)]

STRUCTURES: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda xs: xs,
    "tuple": tuple,
    "dict": lambda xs: dict(zip(NAMES, xs, strict=True)),
    "keys with commas and brackets": lambda xs: dict(zip(COMMAS, xs, strict=True)),
    "list of one dict": lambda xs: [dict(zip(NAMES, xs, strict=True))],
    "tuple of one list": lambda xs: (xs,),
    "list last": lambda xs: (xs[0], xs),
    "dict last": lambda xs: (xs[0], dict(zip(NAMES, xs, strict=True))),
    "dict of a list": lambda xs: {"a": xs, "b": xs[0]},
    "short": lambda xs: xs[:1],
    "list of tuples": lambda xs: [(x,) for x in xs] + [[x] for x in xs],
    "quotes as keys": lambda xs: dict(zip(["'", '"', "\\", "\"',"], xs, strict=False)),
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_a_long_result_has_the_structure_that_the_function_gave_it(kind: str) -> None:
    def f(x: Any) -> Any:
        xs = [x * (i + 1.0) for i in range(len(NAMES))]
        for t, name in zip(xs, NAMES, strict=True):
            t.name = name
        return STRUCTURES[kind](xs)

    x = np.arange(3.0)
    found, layout = flatten(tg.compile(f)(x))
    expected, wanted = flatten(f(Tensor(x)))
    assert repr(layout) == repr(wanted)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs.data)


def test_a_long_assignment_to_a_part_of_an_array_unpacks_nothing() -> None:
    part = f"        {'x' * 60}[0:2, 1:3, ::-1] = {'y' * 40}"
    assert wrapped(part) == part
    names = ", ".join(NAMES)
    found: dict[str, Any] = {name: i for i, name in enumerate(NAMES)}
    exec(wrapped(f"{names} = {', '.join(reversed(NAMES))}"), found)
    assert [found[name] for name in NAMES] == [*range(len(NAMES))][::-1]


def test_a_part_of_a_value_with_a_long_name_is_filled() -> None:
    def f(x: Any) -> Any:
        z = np.pad(x, ((0, 1), (2, 0), (0, 0)))
        z.name = (
            "the_name_of_a_value_that_is_as_long_as_a_line_has_columns_at_least_when_it_is_written"
        )
        return {"z": z, "y": z * 2}

    x = np.arange(12.0).reshape(1, 3, 4)
    np.testing.assert_array_equal(tg.compile(f)(x)["z"], np.pad(x, ((0, 1), (2, 0), (0, 0))))
