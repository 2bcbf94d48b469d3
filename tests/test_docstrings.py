"""Docstrings of public names: each has an example that runs, and names arguments that there are.

An example is the code in backquotes after "Example:"; "`this` is `that`" compares the two.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
import viz
from tinygrad_dnn.ops import COMPOSED, REGISTRY
from tinygrad_dnn.ops.compose import Composed
from tinygrad_dnn.ops.declare import Op

PUBLIC = {name: getattr(td, name) for name in [*td.__all__, "compile"]} | {
    f"viz.{name}": getattr(viz, name) for name in viz.__all__
}
TABLES = {"REGISTRY", "COMPOSED"}
# An op has a formula and cases, which the tests of the registry run.
SHOWN = {
    name: thing
    for name, thing in PUBLIC.items()
    if not isinstance(thing, (Op, Composed)) and name not in TABLES
    if not (isinstance(thing, type) and issubclass(thing, Exception))
}
PAIR = re.compile(r"`([^`]+)`( is (?=`))?")


def example(thing: Any) -> list[tuple[str, bool]]:
    """The codes of a docstring's example, each with whether the next one is its value."""
    doc = inspect.getdoc(thing) or ""
    text = " ".join(doc.partition("Example: ")[2].partition("\n\n")[0].split())
    return [(code, bool(equals)) for code, equals in PAIR.findall(text)]


def names() -> dict[str, Any]:
    """What an example may be about."""
    given: dict[str, Any] = {"__name__": "example", "np": np, "viz": viz, "compile": td.compile}
    exec("from tinygrad_dnn import *", given)
    x, W = np.array([0.5, 1.5, -2.0]), np.array([[2.0, 0.3, 0.0], [0.1, 1.5, 0.2], [0.4, 0.0, 1.2]])
    w = td.Tensor(x, requires_grad=True, name="w")
    given |= {"tinygrad_dnn": td, "x": x, "y": 2 * x, "t": np.ones(3), "dx": x, "dy": x, "w": w}
    layer = {"layers": [W, W], "layer": lambda W, A: np.tanh(W @ A), "A": x}
    return given | {"W": W, "X": W, "f": lambda x, y: x * y, **layer}


@pytest.mark.parametrize("name", SHOWN)
def test_s324_the_example_of_a_public_name_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, given = example(SHOWN[name]), names()
    assert found, f"{name} has no example"
    before, left = [{*table} for table in (REGISTRY, COMPOSED)], None
    try:
        for code, has_value in found:
            try:
                value = eval(compile(code, name, "eval"), given)
            except SyntaxError:
                exec(compile(code, name, "exec"), given)
                continue
            if left is not None:
                assert same(left, value), f"{found}: {left!r}"
            elif isinstance(value, (bool, np.bool_)) and not has_value:
                assert value, code  # it says so
            left = value if has_value else None
    finally:
        for table, kept in zip((REGISTRY, COMPOSED), before, strict=True):
            for added in {*table} - kept:
                del table[added]


def same(a: Any, b: Any) -> bool:
    """Whether two values are one, arrays to rounding."""
    if isinstance(b, (str, tuple)):
        return bool(a == b)
    return np.shape(a) == np.shape(b) and np.allclose(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("name", [n for n, thing in PUBLIC.items() if inspect.isroutine(thing)])
def test_a_docstring_names_arguments_that_there_are(name: str) -> None:
    thing = PUBLIC[name]
    doc = inspect.getdoc(thing) or ""
    told = re.search(r"^Args:\n((?:    .*\n|\n)+)", doc + "\n", re.MULTILINE)
    parameters = inspect.signature(thing).parameters
    if told is None or any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return  # a dict of settings, as of `op`
    heads = re.findall(r"^    ([\w, *]+):", told[1], re.MULTILINE)
    documented = {part.strip(" *") for head in heads for part in head.split(",")}
    assert documented <= {*parameters}


def test_composed_functions_and_ops_are_left_to_their_own_tests() -> None:
    assert {n for n in PUBLIC if n not in SHOWN} >= {"exp", "median"}
    assert "median" in COMPOSED
