"""Every function composed of ops: NumPy's values, the right slopes, one box, one program."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
import viz
from tinygrad_dnn import COMPOSED, Case, Tensor
from tinygrad_dnn.check.op_check import sampled
from tinygrad_dnn.ops.compose import Composed
from viz.folding.fold import fold
from viz.folding.scopes import homes_of

CASES = [(f, case) for f in COMPOSED.values() for case in f.cases]
IDS = [f"{f.name}-{case!r}" for f, case in CASES]
every_case = pytest.mark.parametrize(("f", "case"), CASES, ids=IDS)
# NumPy's arguments that say where or as what a result is stored, or how it is computed.
OF_STORAGE = {
    "out",
    "dtype",
    "casting",
    "order",
    "subok",
    "kind",
    "stable",
    "like",
    "device",
    "writeable",
}


CONSTANT = {"around", "fix", "round"}  # piecewise: no gradient passes


def applied(f: Any, given: Composed, arrays: Sequence[Any], meta: dict[str, Any]) -> list[Any]:
    """The floating results of a function, as a list. Masks and positions are given as values."""
    arrays = [x.numpy() if isinstance(x, Tensor) and x.dtype.kind != "f" else x for x in arrays]
    result = f(list(arrays), **meta) if given.many else f(*arrays, **meta)
    results = result if isinstance(result, (tuple, list)) else [result]
    return [z for z in results if np.result_type(z.dtype).kind == "f"]


def total(f: Composed, arrays: Sequence[Any], meta: dict[str, Any]) -> Any:
    """A number that hangs on every element of every result, each with a weight of its own."""
    parts = []
    for k, z in enumerate(applied(f, f, arrays, meta)):
        weights = np.cos(np.arange(z.size) + k).reshape(z.shape)
        parts.append((z * weights).sum())
    return sum(parts[1:], parts[0])


def derivative(f: Any, arrays: Sequence[Any], along: Sequence[Any], h: float = 1e-4) -> float:
    """The slope of f along a direction, by the five points of fourth order."""

    def at(t: float) -> float:
        return float(f([x + t * d for x, d in zip(arrays, along, strict=True)]))

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def directions(arrays: Sequence[Any]) -> list[Any]:
    rng = np.random.default_rng(7)
    return [rng.uniform(0.5, 1, x.shape) if x.dtype.kind == "f" else 0 * x for x in arrays]


@every_case
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_dtype_are_numpys(f: Composed, case: Case, dtype: Any) -> None:
    arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in sampled(f, case)]
    theirs = applied(f.plain, f, arrays, case.meta)
    ours = applied(f, f, [Tensor(x) for x in arrays], case.meta)
    assert len(ours) == len(theirs) > 0
    for mine, its in zip(ours, theirs, strict=True):
        assert (mine.shape, mine.dtype) == (its.shape, its.dtype)
        scale = np.abs(its).max(initial=0.0) + np.finfo(dtype).tiny
        np.testing.assert_allclose(mine.data, its, rtol=0, atol=32 * np.finfo(dtype).eps * scale)


@every_case
def test_slopes_are_the_measured_ones(f: Composed, case: Case) -> None:
    arrays = sampled(f, case)
    along = directions(arrays)
    wanted = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]

    def slope(arrays: Sequence[Any]) -> Any:
        """The derivative of the total along the directions, recorded."""
        xs = [Tensor(x, requires_grad=True) if i in wanted else x for i, x in enumerate(arrays)]
        leaves = [xs[i] for i in wanted]
        found = td.gradients(total(f, xs, case.meta), leaves, create_graph=True)
        slopes = [(g * along[i]).sum() for i, g in zip(wanted, found, strict=True)]
        return leaves, sum(slopes[1:], slopes[0])

    if case.meta.get("dtype") == "float32":
        return  # too coarse to measure
    if not total(f, [Tensor(x, x.dtype.kind == "f") for x in arrays], case.meta).requires_grad:
        assert f.name in CONSTANT  # between its jumps
        return
    leaves, first = slope(arrays)
    measured = derivative(
        lambda xs: total(f, [Tensor(x) for x in xs], case.meta).item(), arrays, along
    )
    assert first.item() == pytest.approx(measured, rel=1e-7, abs=1e-7)
    second = 0.0
    if first.requires_grad:  # of what is linear the slope is a constant
        found = td.gradients(first, leaves)
        second = sum(float((g * along[i]).sum()) for i, g in zip(wanted, found, strict=True))
    measured = derivative(lambda xs: slope(xs)[1].item(), arrays, along)
    assert second == pytest.approx(measured, rel=1e-6, abs=1e-6)


@every_case
def test_compiled_without_rewriting_gives_the_bits_of_eager(f: Composed, case: Case) -> None:
    arrays = sampled(f, case)
    wanted = tuple(i for i, x in enumerate(arrays) if x.dtype.kind == "f")
    if f.name in CONSTANT:
        return

    def of_floats(*floats: Any) -> Any:
        given = iter(floats)
        return total(
            f, [next(given) if i in wanted else x for i, x in enumerate(arrays)], case.meta
        )

    both = td.value_and_grad(of_floats, argnums=tuple(range(len(wanted))))
    floats = [arrays[i] for i in wanted]
    value, slopes = both(*floats)
    compiled_value, compiled_slopes = td.compile(both, rewrite=False)(*floats)
    np.testing.assert_array_equal(compiled_value, value)
    for mine, its in zip(compiled_slopes, slopes, strict=True):
        np.testing.assert_array_equal(mine, its)


@every_case
def test_a_call_is_one_box_that_opens(f: Composed, case: Case) -> None:
    xs = [Tensor(x, x.dtype.kind == "f", name=f"in{i}") for i, x in enumerate(sampled(f, case))]
    results = [z for z in applied(f, f, xs, case.meta) if z.op is not None]
    graph = td.graph.trace([z.node for z in results])
    ops = [node for node in graph if node.op is not None]
    groups, caption = fold(graph, homes_of(graph))
    assert caption == ""
    if len(ops) > 1 and len(results) == 1:
        assert [group.title for group in groups] == [f.name]
        assert groups[0].formula.startswith(f"{f.name}(")
    assert fold(graph, homes_of(graph), folded=False)[0] == []
    if results:
        viz.draw(results)


@pytest.mark.parametrize("f", COMPOSED.values(), ids=COMPOSED)
def test_arguments_are_numpys(f: Composed) -> None:
    """Names and order as in NumPy; what is missing is refused by name."""
    if f.plain is f.forward or isinstance(f.plain, np.ufunc):
        return
    ours = list(inspect.signature(f).parameters.values())
    try:
        theirs = list(inspect.signature(f.plain).parameters.values())
    except ValueError:  # NumPy does not say
        return
    named = {p.name for p in ours}
    missing = {p.name for p in theirs} - named
    assert missing <= OF_STORAGE, f"{f.name} lacks {missing}"
    given = [p.name for p in theirs if p.name in named]
    assert [p.name for p in ours] == given, f"{f.name}{f.__signature__}: another order than NumPy's"


def test_a_function_of_plain_arrays_is_numpys_own() -> None:
    assert type(td.vstack([np.ones(2), np.ones(2)])) is np.ndarray
    assert td.vstack([[1, 2], [3, 4]]).dtype == int


def test_an_unknown_argument_names_the_function() -> None:
    with pytest.raises(TypeError, match=r"np.vstack: got an unexpected keyword argument 'colour'"):
        td.vstack([Tensor(np.ones(2))], colour=1)


def test_composed_functions_are_copied_and_pickled_as_they_are() -> None:
    assert copy.deepcopy(td.vstack) is td.vstack
    assert pickle.loads(pickle.dumps(td.vstack)) is td.vstack


def test_two_calls_are_two_boxes() -> None:
    a = Tensor(np.ones(3), requires_grad=True, name="a")
    z = np.vstack([np.vstack([a, a]) * 2, a])
    graph = td.graph.trace([z.node])
    groups, _ = fold(graph, homes_of(graph), names={a.node: "a"})
    assert [group.formula for group in groups] == ["vstack(a, a)", "vstack(…, a)"]
