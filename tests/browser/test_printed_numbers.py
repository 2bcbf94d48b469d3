"""Printed JavaScript against NumPy: every op of the registry that it prints, in the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import nets
import numpy as np
import pytest
import zoo
from printed_programs import computed

from tinygrad_dnn import REGISTRY, Op, Tensor
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.compiler.javascript import NotPrintable, Printed, javascript
from tinygrad_dnn.compiler.javascript.elementwise import EXPRESSIONS
from tinygrad_dnn.compiler.javascript.kernels import ROWS, WITHOUT
from tinygrad_dnn.graph import Graph, Node, trace

UNITS = 4  # in the last place: of each number of an elementwise op, of the largest number elsewhere
UNITS_OF = {"svd_parts": 16, "pinv": 16}  # whose slopes divide by differences of singular values


class Pass(NamedTuple):
    """A printed graph, and the engine's values."""

    who: str
    printed: Printed
    values: dict[Node, Any]
    each: frozenset[Node] = frozenset()  # those that are right in each of their numbers


def both_passes(z: Tensor, who: str = "", elementwise: bool = False) -> Pass:
    """A graph forward and backward."""
    forward = forward_again(trace([z.node]))
    tensors = [*forward.tensors]
    if z.requires_grad:
        tensors += backward_again(forward).gradients.values()
    values = {t.node: t.numpy() for t in tensors}
    graph = Graph(trace(values).nodes, tuple(values))
    printed = javascript(graph, forward=forward.graph.nodes, values=values)
    known = {n: x for n, x in values.items() if n in printed.places}
    each = frozenset(forward.graph.outputs) if elementwise else frozenset()
    return Pass(who, printed, known, each)


def applied(op: Op, arrays: Any, meta: Any) -> Tensor:
    leaves = [
        Tensor(x, x.dtype.kind == "f" and op.rule(i) is not None, f"in{i}")
        for i, x in enumerate(arrays)
    ]
    return op(leaves, **meta) if op.many else op(*leaves, **meta)


def compare(passes: list[Pass], page: Any) -> list[str]:
    """What differs from the engine."""
    answers = computed(page, [(p.printed, {}, [*p.values]) for p in passes])
    return [wrong for p, found in zip(passes, answers, strict=True) for wrong in _wrong(p, found)]


def _wrong(p: Pass, answers: list[Any]) -> Iterator[str]:
    finite = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in p.values.values()]
    largest = max([0.0, *map(float, finite)])
    single = any(x.dtype == np.float32 for x in p.values.values())
    units = UNITS_OF.get(p.who.partition("(")[0], UNITS)
    for (node, expected), found in zip(p.values.items(), answers, strict=True):
        expected = np.asarray(expected, float)
        size = np.abs(expected) if node in p.each else np.full_like(expected, largest)
        unit = np.spacing(size.astype(np.float32) if single else size)
        with np.errstate(invalid="ignore"):
            fits = (found == expected) | (np.abs(found - expected) <= units * unit)
        fits |= np.isnan(found) & np.isnan(expected)
        if p.values[node].dtype == np.float32:
            with np.errstate(over="ignore"):
                fits &= (found.astype(np.float32) == found) | np.isnan(found)
        if found.shape != expected.shape or not fits.all():
            yield f"{p.who}: {node!r}: expected {expected[~fits][:3]}, got {found[~fits][:3]}"


@pytest.fixture
def page(open_page: Any, tmp_path: Any) -> Any:
    blank = tmp_path / "blank.html"
    blank.write_text("<!doctype html><title>programs</title>")
    return open_page(blank)


# Of float32 NumPy's own values have lost digits: a page, which rounds once, is nearer the truth.
CANCELS = {"logaddexp", "logaddexp2", "sinc"}
STEPWISE = {"sinc_derivative"}


def printable(kind: Any) -> tuple[list[Pass], set[str]]:
    """All ops at all their cases, forward and backward; and the names of those not printed."""
    passes, refused = [], set()
    for op in REGISTRY.values():
        each = op.elementwise and (kind is float or op.name not in CANCELS)
        for case in cases_of(op) if op.builtin else ():
            arrays = [x.astype(kind) if x.dtype == float else x for x in sampled(op, case)]
            if kind is not float and op.name in UNPRINTED | STEPWISE:
                continue
            z = applied(op, arrays, case.meta)
            try:
                passes.append(both_passes(z, f"{op.name}({case})", each))
            except NotPrintable:
                refused.add(op.name)
    return passes, refused


# What no page computes: of many right orders NumPy's own.
UNPRINTED = {*WITHOUT}


def test_s230_every_op_gives_numpys_numbers_forward_and_backward(page: Any) -> None:
    passes, refused = printable(float)
    assert compare(passes, page) == []
    printed = {p.who.partition("(")[0] for p in passes}
    assert refused - {"astype"} == UNPRINTED  # to float32
    expanded = {op.name for op in REGISTRY.values() if op.composite or op.view}
    assert printed - expanded <= {*ROWS}
    assert {*ROWS} - {"astype"} <= printed


def test_s328_of_float32_too(page: Any) -> None:
    passes, refused = printable(np.float32)
    assert compare(passes, page) == []
    assert refused == set()
    single = [p for p in passes if all(x.dtype != float for x in p.values.values())]
    assert len(single) > 0.9 * len(passes)


def factorised(n: int) -> Tensor:
    """A little of every factorisation, of matrices of n rows."""
    rng = np.random.default_rng(n)
    A = Tensor(rng.normal(size=(2, n, n)), requires_grad=True, name="A")
    y = Tensor(rng.normal(size=(n, 3)), requires_grad=True, name="y")
    definite = A @ np.swapaxes(A, -1, -2) + np.eye(n)
    Q, R = np.linalg.qr(A[0, :, : n - 2])
    return (
        np.linalg.solve(A, y).sum() + (np.linalg.inv(A.mT) ** 2).sum()
        + (Q * np.arange(n - 2)).sum() + (R**3).sum()
        + np.linalg.slogdet(A)[1].sum() + np.linalg.cholesky(definite).sum()
    )  # fmt: skip


def test_s331_matrices_are_factorised_and_singular_ones_give_no_error(page: Any) -> None:
    passed = both_passes(factorised(15), "factorised")
    (found,) = computed(page, [(passed.printed, {}, [*passed.values])])
    for (node, expected), ours in zip(passed.values.items(), found, strict=True):
        least = 1e-11 * np.abs(expected).max()  # as exact as the systems are well conditioned
        np.testing.assert_allclose(ours, expected, atol=float(least), err_msg=repr(node))
    A = Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True, name="A")
    singular = both_passes(np.linalg.det(A), "singular")
    assert compare([singular], page) == []  # the slopes are the minors
    regular = both_passes(np.linalg.inv(A + np.eye(2)).sum(), "inverse")
    (found,) = computed(page, [(regular.printed, {"A": -np.eye(2)}, [*regular.values])])
    assert not np.isfinite(found[-1]).any()  # where NumPy raises LinAlgError


def searched(A: Any) -> Tensor:
    """Eigenvalues, singular values and the vectors of both."""
    x = Tensor(A, requires_grad=True, name="A")
    w, V = np.linalg.eigh(x @ x.T if A.shape[0] < A.shape[1] else x.T @ x)
    U, s, Vh = np.linalg.svd(x, full_matrices=False)
    weights = np.arange(1.0, len(s) + 1)
    signs = V[:, -1] @ A.ravel()[: min(A.shape)] + U[:, 0] @ A[:, 1] + Vh[1] @ A[2]
    return signs + (w[-3:] * weights[:3]).sum() + (s * weights).sum()


@pytest.mark.parametrize("shape", [(20, 12), (9, 30), (16, 16)])
def test_s352_eigenvectors_and_singular_vectors_have_the_signs_of_the_recorded_ones(
    page: Any, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)
    passed = both_passes(searched(rng.normal(size=shape)), "searched")
    other = rng.normal(size=shape)
    (found,) = computed(page, [(passed.printed, {}, [*passed.values])])
    for (node, expected), ours in zip(passed.values.items(), found, strict=True):
        least = 1e-11 * np.abs(expected).max(initial=1e-3)
        np.testing.assert_allclose(ours, expected, atol=float(least), err_msg=repr(node))
    # Of other numbers what hangs on no sign is right.
    names = ("svd_parts", "eigh_parts")
    parts = [n for n in passed.values if n.op and n.op.name in names]
    known = {n.op.name: x for n, x in both_passes(searched(other)).values.items() if n.op}
    found = computed(page, [(passed.printed, {"A": other}, parts)])[0]
    for node, ours in zip(parts, found, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(known[node.op.name]), atol=1e-9)


def test_equal_ones_have_vectors_that_are_orthogonal(page: Any) -> None:
    """Of a matrix of low rank, of zeros and of one with equal eigenvalues."""
    rng = np.random.default_rng(3)
    low = rng.normal(size=(7, 2)) @ rng.normal(size=(2, 5))
    for A in (low, low.T, np.zeros((4, 3)), np.diag([2.0, 2.0, -1.0])):
        x = Tensor(A, name="A")
        made = [np.linalg.svd(x, full_matrices=False)[0], np.linalg.eigh(x @ x.T)[0]]
        whole = trace([*(t.node for t in made), np.linalg.pinv(x).node])
        there = {n.op.name: n for n in whole if n.op}
        wanted = tuple(there[name] for name in ("svd_parts", "eigh_parts", "pinv"))
        graph = Graph(trace(wanted).nodes, wanted)
        parts, pairs, inverse = computed(page, [(javascript(graph), {}, graph.outputs)])[0]
        m = len(A)
        U, s, V = parts[:, :m], parts[:, m], parts[:, m + 1 :]
        for rows in (U, V, pairs[1:]):
            np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-14)
        np.testing.assert_allclose((U.T * s) @ V, A, atol=1e-13)
        np.testing.assert_allclose((pairs[1:] * pairs[0]) @ pairs[1:].T, A @ A.T, atol=1e-13)
        np.testing.assert_allclose(A @ inverse @ A, A, atol=1e-13)
        nan = computed(page, [(javascript(graph), {"A": A + np.nan}, graph.outputs)])[0]
        assert all(np.isnan(x).all() for x in nan)


AWKWARD = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e300, -1e-320, np.inf, -np.inf, np.nan])


def at_awkward_numbers(name: str) -> Pass:
    op = REGISTRY[name]
    grid = np.meshgrid(*[AWKWARD] * len(op.arrays), indexing="ij")
    arrays = [x.ravel() for x in grid[: len(op.arrays)]]
    with np.errstate(all="ignore"):
        z = op(*[Tensor(x, name=f"in{i}") for i, x in enumerate(arrays)])
    return both_passes(z, name, True)


def test_at_infinities_zeros_and_nan_as_well(page: Any) -> None:
    """Beside exact numbers sums of two large terms: where one is ∞ the other does not matter."""
    assert compare([*map(at_awkward_numbers, sorted(EXPRESSIONS))], page) == []


@pytest.mark.parametrize(
    "fault", [(" * ", " + "), ("total(", "-total("), ("Math.exp", "Math.expm1")]
)
def test_a_planted_fault_is_found(page: Any, fault: tuple[str, str]) -> None:
    right = both_passes(nets.two_layers(), "network")
    assert compare([right], page) == []
    kernels, calls = right.printed.source.split("function run()")
    old, new = fault
    place = kernels.rindex(old)
    wrong = f"{kernels[:place]}{new}{kernels[place + len(old) :]}function run(){calls}"
    assert compare([right._replace(printed=replace(right.printed, source=wrong))], page)


@pytest.mark.parametrize(
    "make", [zoo.attention, zoo.recurrent, zoo.residual, zoo.autoencoder, zoo.scalar_mlp]
)
def test_whole_models(page: Any, make: Callable[[], Tensor]) -> None:
    assert compare([both_passes(make(), make.__name__)], page) == []
