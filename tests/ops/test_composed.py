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
from tinygrad_dnn.formula.calls import calls_of
from tinygrad_dnn.graph import trace
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
    "ndmax",
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
        pairs = zip(arrays, along, strict=True)
        return float(f([x + t * d if x.dtype.kind == "f" else x for x, d in pairs]))

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def directions(arrays: Sequence[Any]) -> list[Any]:
    rng = np.random.default_rng(7)
    return [rng.uniform(0.5, 1, x.shape) if x.dtype.kind == "f" else 0 * x for x in arrays]


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # NumPy 2.5
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


def as_lists(t: Any) -> Any:
    """A Tensor as nested lists of 0-d ones."""
    return t if t.ndim == 0 else [as_lists(t[i]) for i in range(t.shape[0])]


@every_case
def test_lists_of_tensors_are_arrays(f: Composed, case: Case) -> None:
    """Line S111 of the page."""
    arrays = sampled(f, case)
    if f.many or any(x.dtype.kind != "f" or not x.size for x in arrays):
        return
    leaves = [Tensor(x, requires_grad=True) for x in arrays]
    lists = [as_lists(x) for x in leaves]
    wanted, found = total(f, leaves, case.meta), total(f, lists, case.meta)
    np.testing.assert_allclose(found.data, wanted.data, rtol=1e-12)
    if wanted.requires_grad:
        slopes = td.gradients(wanted, leaves), td.gradients(found, leaves)
        for one, other in zip(*slopes, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


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


def test_a_call_is_written_with_its_arguments_in_their_order() -> None:
    for f, case in CASES:
        if len(case.shapes) > 1:
            leaves = [Tensor(x, name=f"x{i}") for i, x in enumerate(sampled(f, case))]
            graph = trace([applied(f, f, leaves, case.meta)[0].node])
            for called in calls_of(graph).values():
                names = [x.name for x in called.inputs if x.name]
                assert names == sorted(names), (f, case)


def test_an_einsum_of_several_products_has_its_factors_in_their_order() -> None:
    A, B, C, D = (
        Tensor(np.ones(s), name=n)
        for n, s in zip("ABCD", [(20, 30), (30, 25), (25, 20), (20, 20)], strict=True)
    )
    Z = np.einsum("ij,jk,kl,lm->im", A, B, C, D, optimize=True)
    assert repr(Z.sum()).endswith("Σ einsum(A, B, C, D, subscripts='ij,jk,kl,lm->im')')")


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
    with pytest.raises(TypeError, match=r"np.linalg.norm.*did you mean 'keepdims'\?; expected"):
        td.norm(Tensor(np.ones(2)), kepdims=True)
    with pytest.raises(
        TypeError, match=r"np.sum.*'out'; instead: results are new arrays: `t \+ u`"
    ):
        np.sum(Tensor(np.ones(2)), out=np.zeros(()))


@pytest.mark.parametrize(
    ("f", "shapes", "settings"),
    [
        (np.sort, [(3, 4)], {"axis": 2}),
        (np.partition, [(5,)], {"kth": 2.5}),
        (np.take_along_axis, [(2, 3)], {"indices": np.array([[3], [0]]), "axis": 1}),
        (np.take_along_axis, [(2, 3)], {"indices": np.array([0, 1]), "axis": 1}),
        (np.sum, [(4,)], {"where": np.ones((3, 4), bool)}),
        (np.max, [(1, 4)], {"where": np.ones((3, 4), bool), "initial": 0.0}),
        (np.cumprod, [(2, 3)], {"axis": (0, 1)}),
        (np.trapezoid, [(5,)], {"axis": 1}),
        (np.diagonal, [(3, 4)], {"offset": 2.5}),
        (np.diff, [(5,)], {"n": -1}),
        (np.round, [(5,)], {"decimals": 0.5}),
        (np.linspace, [(), ()], {"num": 2.5}),
        (np.resize, [(2, 3)], {"new_shape": -1}),
        (np.vander, [(3,)], {"N": -1}),
        (np.polyder, [(3,)], {"m": -1}),
        (np.tensordot, [(2, 3), (3, 2)], {"axes": 2.5}),
        (np.linalg.inv, [(2, 3)], {}),
        (np.linalg.solve, [(3, 3), (2,)], {}),
        (np.linalg.cholesky, [(2, 3)], {}),
        (np.linalg.matrix_power, [(3, 3)], {"n": 1.5}),
        (np.linalg.matrix_power, [(2, 3)], {"n": 0}),
        (np.linalg.lstsq, [(4, 2), (4, 2, 2)], {}),
        (np.linalg.norm, [(3, 4)], {"ord": "nuc", "axis": 1}),
        (np.linalg.norm, [(3, 4)], {"axis": (0, 0)}),
    ],
    ids=lambda x: getattr(x, "__name__", str(x)),
)
def test_wrong_arguments_raise_what_numpy_raises(
    f: Any, shapes: Sequence[Any], settings: dict[str, Any]
) -> None:
    arrays = [np.ones(shape) for shape in shapes]
    with pytest.raises(Exception) as theirs:
        f(*arrays, **settings)
    base = ValueError if theirs.type is np.exceptions.AxisError else theirs.type
    with pytest.raises(base):
        f(*[Tensor(x, requires_grad=True) for x in arrays], **settings)


OF_MATRICES: dict[str, Any] = {
    "inv": lambda x: np.linalg.inv(a=x),
    "solve": lambda x: np.linalg.solve(x, b=x),
    "det": lambda x: np.linalg.det(a=x),
    "pinv": lambda x: np.linalg.pinv(a=x, hermitian=False),
    "trace": lambda x: np.linalg.trace(x, offset=1),
    "trace, dtype": lambda x: np.linalg.trace(x, dtype=np.float32),
    "diagonal": lambda x: np.linalg.diagonal(x, offset=-1),
    "vecdot": lambda x: np.linalg.vecdot(x, x, axis=1),
    "cross": lambda x: np.linalg.cross(x, x[0], axis=-1),
    "matmul": lambda x: np.linalg.matmul(x, x),
    "matrix_rank": lambda x: np.linalg.matrix_rank(A=x),
    "outer": lambda x: np.linalg.outer(x[0, 0], x[0, 1]),
}


@pytest.mark.parametrize("f", OF_MATRICES.values(), ids=OF_MATRICES)
def test_functions_of_matrices_have_them_in_the_last_axes(f: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 3))
    mine, its = f(Tensor(x, requires_grad=True)), f(x)
    assert mine.dtype == its.dtype
    np.testing.assert_allclose(getattr(mine, "data", mine), its, rtol=1e-6)


def test_the_outer_product_of_linalg_is_of_vectors() -> None:
    with pytest.raises(ValueError, match=r"np\.linalg\.outer: expected two vectors"):
        np.linalg.outer(Tensor(np.ones((2, 2))), np.ones(2))


def test_multi_dot_of_stacks_is_refused_as_by_numpy() -> None:
    x = np.ones((2, 2))
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.multi_dot([x, Tensor(np.ones((1, 2, 2))), x])


def test_a_singular_matrix_raises_numpys_own_error() -> None:
    with pytest.raises(np.linalg.LinAlgError, match=r"inv: tensor \(2, 2\): Singular matrix"):
        np.linalg.inv(Tensor(np.ones((2, 2)), requires_grad=True))


@pytest.mark.parametrize("f", [np.imag, lambda x: np.linalg.matrix_power(x, 0)])
def test_what_does_not_follow_the_values_is_no_nan_where_they_are(f: Any) -> None:
    x = Tensor(np.full((2, 2), np.nan), requires_grad=True)
    z = f(x)
    np.testing.assert_array_equal(z.data, f(np.zeros((2, 2))))
    np.testing.assert_array_equal(td.gradients(z.sum(), x), 0)


@pytest.mark.parametrize("f", [np.sort, lambda x: np.partition(x, 0, axis=0)])
def test_nothing_is_sorted(f: Any) -> None:
    x = Tensor(np.ones((3, 0)), requires_grad=True)
    assert f(x).shape == td.gradients(f(x).sum(), x).shape == (3, 0)


def test_a_row_of_numpys_triangles() -> None:
    x = Tensor(np.arange(1.0, 4), requires_grad=True)
    for f in (np.tril, np.triu):
        np.testing.assert_array_equal(f(x).data, f(x.data))


def test_composed_functions_are_copied_and_pickled_as_they_are() -> None:
    assert copy.deepcopy(td.vstack) is td.vstack
    assert pickle.loads(pickle.dumps(td.vstack)) is td.vstack


def test_two_calls_are_two_boxes() -> None:
    a = Tensor(np.ones(3), requires_grad=True, name="a")
    z = np.vstack([np.vstack([a, a]) * 2, a])
    graph = td.graph.trace([z.node])
    groups, _ = fold(graph, homes_of(graph), names={a.node: "a"})
    assert [group.formula for group in groups] == ["vstack(a, a)", "vstack(…, a)"]
