"""NumPy's functions beyond single cases: lists of Tensors, sizes, sparse matrices, writes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor
from tinygrad_dnn.ops.factorization import BLOCK, triangular
from tinygrad_dnn.ops.logic import LARGE
from tinygrad_dnn.ops.running import STEPS, recurrence
from tinygrad_dnn.ops.sparse import sparse_product

rng = np.random.default_rng(0)
V, A = np.array([3.0, 1.0, 2.0]), np.arange(6.0).reshape(2, 3)


# --- lists of Tensors -----------------------------------------------------------------------------


def test_s111_nested_lists_of_tensors_are_one_tensor() -> None:
    a, b = Tensor(1.0, True), Tensor(2.0, True)
    z = td.array([[a, b], [3, a]])
    np.testing.assert_array_equal(z.data, [[1, 2], [3, 1]])
    np.testing.assert_array_equal(
        td.gradients((z * np.array([[1.0, 10], [100, 1000]])).sum(), [a, b]), [1001, 10]
    )
    np.testing.assert_array_equal(td.stack([[a, b], [b, a]], axis=1).data, [[1, 2], [2, 1]])
    assert td.mean([a, b]).item() == 1.5
    assert td.array([[1, 2]]).dtype == int
    assert td.array([a, b], dtype=np.float32).dtype == np.float32
    assert td.array(a, ndmin=2).shape == (1, 1)
    with pytest.raises(ValueError, match="stack"):
        td.array([[a, b], [a]])
    with pytest.raises(TypeError, match=r"td\.array\(\[\[v, v\], \[v, v\]\]\)"):
        np.array([a, b])


BRACKETS = """
r_[X, 1, 2:5] | c_[X, X] | r_['0,2', X, X] | r_['1,2,0', X, X] | r_['-1', X, 0:2] | c_[X, 0:3]
r_['0,3,1', X, 0:3] | r_['0,2,0', X, 0:3] | r_['0,3,-1', X, 0:3] | r_['0,3,0', X, 0:3] | r_[0, X]
c_[X, [1, 2, 3]] | r_[X, 0:1:4j] | r_['0,3,2', X, 0:3] | c_[X.reshape(3, 1), X]
"""


@pytest.mark.parametrize("brackets", re.split(r"\n| \| ", BRACKETS.strip()))
def test_what_stands_in_brackets_is_joined_as_numpys(brackets: str) -> None:
    wanted = eval(f"np.{brackets}", {"np": np, "X": V})
    t = Tensor(V, True)
    z = eval(f"td.{brackets}", {"td": td, "X": t})
    np.testing.assert_array_equal(z.data, wanted)
    assert z.dtype == wanted.dtype
    assert td.gradients(z.sum(), t).sum() == 3 * brackets.count("X")


def test_brackets_of_numbers_are_numpys_own_and_matrices_are_refused() -> None:
    assert type(td.r_[1:3, 5]) is np.ndarray
    with pytest.raises(ValueError, match=r"r_: expected a directive of up to three integers"):
        td.r_["r", Tensor(V, True)]


# --- einsum ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", ((60, 70), (70, 50))),
        ("bij,bjk->bik", ((20, 40, 50), (20, 50, 30))),
        ("ij,jk,kl->il", ((50, 60), (60, 70), (70, 50))),
        ("i,ij,j->", ((100,), (100, 200), (200,))),
        ("ijk,ljk->il", ((30, 20, 10), (40, 20, 10))),
        ("ij,ij->i", ((300, 300), (300, 300))),
        ("...ij,...jk", ((20, 30, 40), (20, 40, 5))),
        ("ijl,jk->ik", ((60, 70, 3), (70, 50))),
        ("kij,jlk->lki", ((30, 20, 10), (10, 40, 30))),
        ("ii,ij->j", ((200, 200), (200, 3))),
        ("ij,jk->ik", ((200, 1), (200, 200))),
        ("ij,jk->ik", ((200, 200), (1, 200))),
        ("ij,jk->ik", ((200, 0), (0, 200))),
        ("ij,jk->ik", ((200, 1), (1, 200))),
        ("bij,bjk->bik", ((1, 40, 50), (1, 50, 30))),
        ("mchwij,ncij->mnhw", ((9, 1, 8, 8, 3, 3), (16, 1, 3, 3))),
    ],
)
def test_s119_a_long_einsum_is_numpys_and_its_program_has_eagers_bits(
    subscripts: str, shapes: Any
) -> None:
    arrays = [rng.normal(size=s) for s in shapes]
    wanted = np.einsum(subscripts, *arrays, optimize=True)
    weights = np.cos(np.arange(wanted.size)).reshape(wanted.shape)

    def total(*xs: Any) -> Any:
        return (np.einsum(subscripts, *xs) * weights).sum()

    z = np.einsum(subscripts, *map(Tensor, arrays))
    np.testing.assert_allclose(z.data, wanted, rtol=1e-10, atol=1e-10)
    slopes = td.grad(total, argnums=tuple(range(len(arrays))))
    found = slopes(*arrays)
    for k, (x, g) in enumerate(zip(arrays, found, strict=True)):
        along = rng.normal(size=x.shape)
        # It is linear in each factor.
        moved = [along if i == k else y for i, y in enumerate(arrays)]
        expected = (np.einsum(subscripts, *moved, optimize=True) * weights).sum()
        assert (g * along).sum() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    for mine, its in zip(td.compile(slopes, rewrite=False)(*arrays), found, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_pictures_of_one_colour_are_filtered_by_a_matrix_product_too() -> None:
    windows, W = Tensor(rng.normal(size=(9, 1, 8, 8, 3, 3))), Tensor(rng.normal(size=(16, 1, 3, 3)))
    z = np.einsum("mchwij,ncij->mnhw", windows, W)
    assert "contract" in [n.op.name for n in td.graph.trace([z.node]) if n.op is not None]


def test_an_einsum_in_sublists_and_in_an_order_that_is_given() -> None:
    X, Y = Tensor(A, True), Tensor(A.T, True)
    product = A @ A.T
    np.testing.assert_array_equal(np.einsum(X, [0, 1], Y, [1, 2]).data, product)
    np.testing.assert_array_equal(np.einsum(X, [30, 1], Y, [1, 2]).data, product.T)
    np.testing.assert_array_equal(np.einsum(X, [..., 1], Y, [1, 2], [2, ...]).data, product.T)
    three = ("ij,jk,kl->il", X, Y, X)
    for order in (True, "optimal", ["einsum_path", (1, 2), (0, 1)]):
        z = np.einsum(*three, optimize=order)
        np.testing.assert_allclose(z.data, product @ A, rtol=1e-14)
        used = [n.op.name for n in td.graph.trace([z.node]) if n.op is not None]
        assert used == ["einsum", "einsum"]
    with pytest.raises(TypeError, match="expected subscripts like 'ij,jk->ik', or arrays each"):
        td.einsum(X)


# --- sizes at which another way is taken ----------------------------------------------------------


@pytest.mark.parametrize("shape", [(STEPS,), (STEPS + 1,), (1000,), (5000,), (200, 3), (100, 40)])
def test_a_long_recurrence_is_the_recurrence(shape: tuple[int, ...]) -> None:
    x, y = rng.uniform(-1.2, 1.2, shape), rng.normal(size=shape)
    x[shape[0] // 2] = 0
    wanted, last = np.zeros(shape), np.zeros(shape[1:])
    for k in range(shape[0]):
        last = wanted[k] = y[k] + x[k] * last
    np.testing.assert_allclose(recurrence(x, y), wanted, rtol=0, atol=1e-14 * abs(wanted).max())


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_s263_a_recurrence_whose_products_would_lose_digits_is_computed_step_by_step(
    factor: float,
) -> None:
    x = np.full(4 * STEPS, factor)
    x[1::2] = 1 / factor
    x[: STEPS // 2] = factor if factor < 1 else 1 / factor
    y = np.zeros(x.size)
    y[STEPS // 2] = 1.0
    np.testing.assert_allclose(recurrence(x, y)[-2:], _last(x, y), rtol=1e-12)
    assert np.isfinite(recurrence(x, y)).all()


def _last(x: Any, y: Any) -> Any:
    z, found = 0.0, []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        z = b + a * z
        found.append(z)
    return np.array(found[-2:])


def test_s118_cumprod_has_the_right_slopes_at_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    slopes = td.jacobian(lambda x: np.cumprod(x))(x)
    for i in range(5):
        for k in range(5):
            others = np.delete(x[: i + 1], k).prod() if k <= i else 0.0
            assert slopes[i, k] == others


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("is_lower", [True, False])
def test_a_triangular_system_in_blocks(n: int, is_lower: bool) -> None:
    x = rng.normal(size=(2, n, n)) + 2 * np.sqrt(n) * np.eye(n)
    y = rng.normal(size=(n, 3))
    triangle = np.tril(x) if is_lower else np.triu(x)
    np.testing.assert_allclose(
        triangle @ triangular(x, y, lower=is_lower), y + 0 * x[..., :3], atol=1e-12
    )
    x, y = x[0], y[:, 0]

    def f(x: Any, y: Any) -> Any:
        return (td.solve_triangular(x, y, lower=is_lower) ** 2).sum()

    gx, gy = td.grad(f, argnums=(0, 1))(x, y)
    along = rng.normal(size=(n, n)), rng.normal(size=n)
    h = 1e-5
    ends = [f(x + s * h * along[0], y + s * h * along[1]) for s in (1, -1)]
    found = (gx * along[0]).sum() + (gy * along[1]).sum()
    assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-7)
    assert not (np.triu(gx, 1) if is_lower else np.tril(gx, -1)).any()


def test_a_triangle_may_have_a_diagonal_of_ones() -> None:
    x = np.array([[7.0, 2.0], [3.0, 9.0]])
    y = np.array([1.0, 2.0])
    z = td.solve_triangular(Tensor(x, True), y, unit_diagonal=True)
    np.testing.assert_allclose(np.array([[1, 2], [0, 1]]) @ z.data, y)
    with pytest.raises(ValueError, match="expected trans 0 or 1, got 3"):
        td.solve_triangular(x, y, trans=3)
    with pytest.raises(ValueError, match="expected a square matrix"):
        td.solve_triangular(Tensor(x, True), np.ones(3))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_positions_in_order_are_the_stable_ones_at_every_size(ties: bool, axis: Any) -> None:
    x = rng.permutation(4 * LARGE).reshape(4, LARGE).astype(float)
    x = x // 7 if ties else x
    x[2, 3] = np.nan
    np.testing.assert_array_equal(td.argsort(x, axis), np.argsort(x, axis=axis, kind="stable"))
    x = np.nan_to_num(x)
    np.testing.assert_array_equal(td.argsort(x, axis), np.argsort(x, axis=axis, kind="stable"))


def test_s117_equal_elements_have_the_gradients_of_their_places() -> None:
    g = td.grad(lambda x: (np.sort(x) * np.array([1.0, 10, 100])).sum())(np.array([2.0, 1, 2]))
    np.testing.assert_array_equal(g, [10, 1, 100])


# --- special functions ----------------------------------------------------------------------------


def test_sinc_is_exact_at_0_and_beside_it() -> None:
    first = td.grad(np.sinc)
    assert first(0.0) == 0
    assert td.grad(first)(0.0) == pytest.approx(-(np.pi**2) / 3, rel=1e-15)
    assert first(1e-9) == pytest.approx(-(np.pi**2) * 1e-9 / 3, rel=1e-15)
    fourth = td.grad(td.grad(td.grad(first)))
    assert fourth(0.0) == pytest.approx(np.pi**4 / 5, rel=1e-14)


def test_the_bessel_functions_slope_from_small_to_large() -> None:
    slope = td.grad(np.i0)
    # I₁, Abramowitz and Stegun, table 9.8
    assert slope(1.0) == pytest.approx(0.565159103992485, rel=1e-14)
    assert slope(1e-12) == pytest.approx(5e-13, rel=1e-14)
    assert slope(700.0) / np.i0(700.0) == pytest.approx(1 - 1 / 1400, rel=1e-6)
    assert slope(-1.0) == -slope(1.0)


# --- sparse matrices ------------------------------------------------------------------------------


class Sparse:
    """What a matrix of scipy.sparse has that counts here."""

    def __init__(self, dense: Any) -> None:
        self.dense, self.shape = dense, dense.shape

    def tocsr(self) -> Sparse:
        return self

    def copy(self) -> Sparse:
        return Sparse(self.dense.copy())

    @property
    def T(self) -> Sparse:
        return Sparse(self.dense.T)

    def __matmul__(self, x: Any) -> Any:
        return self.dense @ x


FEW = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -3.0]])


def sparse_matrices() -> list[Any]:
    found = [Sparse(FEW)]
    try:
        from scipy.sparse import coo_matrix, csr_array
    except ImportError:
        return found
    return [*found, csr_array(FEW), coo_matrix(FEW)]


@pytest.mark.parametrize("S", sparse_matrices(), ids=lambda S: type(S).__name__)
def test_s112_a_sparse_matrix_is_a_constant_factor(S: Any) -> None:
    for shape in ((3,), (3, 4)):
        x = rng.normal(size=shape)
        t = Tensor(x, True)
        z = td.matmul(S, t)
        np.testing.assert_allclose(z.data, FEW @ x)
        np.testing.assert_allclose(td.gradients((z * z).sum(), t), 2 * FEW.T @ FEW @ x, rtol=1e-14)
    for shape in ((2,), (4, 2)):
        x = rng.normal(size=shape)
        t = Tensor(x, True)
        np.testing.assert_allclose((t @ S).data, x @ FEW)
        np.testing.assert_allclose(td.matmul(t, S).data, x @ FEW)
        np.testing.assert_allclose(td.gradients((t @ S).sum(), t), np.ones_like(x @ FEW) @ FEW.T)
    compiled = td.compile(td.grad(lambda x: (td.matmul(S, x) ** 2).sum()))
    np.testing.assert_allclose(compiled(V), 2 * FEW.T @ FEW @ V)
    with pytest.raises(ValueError, match="equal inner sizes"):
        td.matmul(S, Tensor(np.ones(2), True))
    with pytest.raises(ValueError, match="one axis or two"):
        td.matmul(S, Tensor(np.ones((3, 3, 3)), True))


def test_a_sparse_matrix_that_is_edited_later_changes_no_gradient() -> None:
    S = Sparse(FEW.copy())
    t = Tensor(V, True)
    z = sparse_product(S, t)
    S.dense[:] = 0
    np.testing.assert_array_equal(td.gradients(z.sum(), t), FEW.sum(axis=0))


# --- functions that write -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "arguments"),
    [
        (np.put_along_axis, (np.array([[0, 1], [2, 0]]), 7.0, 1)),
        (np.put_along_axis, (np.array([0, -1]), 7.0, None)),
        (np.put_along_axis, (np.array([[0, 1, 1]]), -3.0, 0)),
        (np.fill_diagonal, (5.0,)),
        (np.fill_diagonal, (np.array([1.0, 2.0]),)),
        (np.put, ([1, 2, -1], [4.0, 5.0])),
        (np.put, ([1, 2, 99], [4.0, 5.0], "wrap")),
        (np.put, ([1, -2, 99], [4.0, 5.0], "clip")),
        (np.copyto, (3.0,)),
    ],
)
def test_s113_a_function_that_writes_does_what_an_index_does(write: Any, arguments: Any) -> None:
    wanted = A.copy()
    write(wanted, *arguments)
    t = Tensor(A + 0.5, True)
    z = t * 1.0
    write(z, *arguments)
    written = wanted != A
    np.testing.assert_array_equal(z.data[written], wanted[written])
    g = td.gradients(z.sum(), t) if not written.all() else np.zeros_like(A)
    np.testing.assert_array_equal(g == 0, z.data != t.data)


def test_what_is_written_has_its_gradient_and_an_array_is_no_place_for_it() -> None:
    def f(v: Any) -> Any:
        t = Tensor(A) * 1.0
        np.put_along_axis(t, np.array([[1], [2]]), np.reshape(v, (2, 1)), axis=1)
        return (t * t).sum()

    np.testing.assert_array_equal(td.grad(f)(V[:2]), 2 * V[:2])
    np.testing.assert_array_equal(td.compile(td.grad(f))(V[:2]), 2 * V[:2])
    v = Tensor(V, True)
    for write in (
        lambda: np.put_along_axis(A, np.array([[0]]), v[:1], 1),
        lambda: np.copyto(A, v),
    ):
        with pytest.raises(TypeError, match="can't be written into an array; make a Tensor"):
            write()
    with pytest.raises(TypeError, match=r"expected indices as plain numbers"):
        np.put_along_axis(v * 1.0, v, 1.0, 0)


# --- values only ----------------------------------------------------------------------------------


def test_s114_counts_between_given_edges_are_plain() -> None:
    t = Tensor(np.array([0.1, 0.2, 0.7]), True)
    counts, edges = np.histogram(t, bins=np.linspace(0, 1, 3))
    np.testing.assert_array_equal(counts, [2, 1])
    assert type(edges) is np.ndarray
    counts, *_ = np.histogram2d(t, t, bins=[np.linspace(0, 1, 3)] * 2)
    np.testing.assert_array_equal(counts, [[2, 0], [0, 1]])
    with pytest.raises(TypeError, match=r"np\.histogram: expected edges as bins"):
        np.histogram(t)
    with pytest.raises(TypeError, match="weights and edges that require a gradient"):
        np.histogram(t, bins=np.linspace(0, 1, 3), weights=t)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.take_along_axis(A, t, axis=1),
        lambda t: np.quantile(A, t),
        lambda t: np.percentile(A, t),
        lambda t: np.cov(A, fweights=t),
        lambda t: np.compress(t, V),
        lambda t: np.delete(V, t),
        lambda t: np.insert(V, t, 1.0),
        lambda t: np.choose(t, [V, V]),
    ],
)
def test_a_tensor_with_a_gradient_is_no_position_and_no_quantile(call: Any) -> None:
    t = Tensor(np.array([[0.5, 0.5, 0.5]])[:, :3].squeeze(), True, "t")
    with pytest.raises((TypeError, IndexError), match=r"expected|integer"):
        call(t)


def test_the_last_two_axes_are_those_of_linear_algebra() -> None:
    B = rng.normal(size=(2, 3, 4))
    for f in (np.linalg.trace, np.linalg.diagonal):
        np.testing.assert_allclose(f(Tensor(B)).data, f(B))
        np.testing.assert_allclose(f(Tensor(B), offset=1).data, f(B, offset=1))
    with pytest.raises(ValueError, match=r"np\.linalg\.outer: expected two vectors"):
        np.linalg.outer(Tensor(A), V)


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (lambda x: np.linalg.norm(x), (3,)),
        (lambda x: np.linalg.norm(x), (2, 3)),
        (lambda x: np.linalg.norm(x, axis=1).sum(), (2, 3)),
        (lambda x: np.linalg.norm(x, 2, axis=0).sum(), (2, 3)),
        (lambda x: np.linalg.norm(x, "fro"), (2, 3)),
        (lambda x: np.linalg.vector_norm(x), (2, 3)),
        (lambda x: np.linalg.matrix_norm(x), (2, 3)),
        (lambda x: np.linalg.norm(x, 3), (3,)),
    ],
)
def test_s115_a_norm_has_slope_0_at_0(norm: Any, shape: Any) -> None:
    np.testing.assert_array_equal(td.grad(norm)(np.zeros(shape)), np.zeros(shape))
    np.testing.assert_array_equal(td.compile(td.grad(norm))(np.zeros(shape)), np.zeros(shape))


def test_s116_equal_eigenvalues_have_finite_slopes_and_one_triangle_has_them() -> None:
    twice = np.diag([2.0, 2.0, 5.0])
    for f in (
        lambda x: (np.linalg.eigvalsh(x) * np.array([1.0, 1.0, 3.0])).sum(),
        lambda x: (np.linalg.eigh(x)[0] * np.array([1.0, 1.0, 3.0])).sum(),
        lambda x: np.linalg.svdvals(x)[0] * 3 + np.linalg.svdvals(x)[1:].sum(),
    ):
        np.testing.assert_allclose(td.grad(f)(twice), np.diag([1.0, 1.0, 3.0]), atol=1e-15)
    assert np.isfinite(td.grad(lambda x: (np.linalg.eigh(x)[1] ** 3).sum())(twice)).all()
    S = np.array([[4.0, 1.0], [1.0, 3.0]])
    for f in (np.linalg.cholesky, lambda x: np.linalg.eigh(x)[1], np.linalg.eigvalsh):
        g = td.grad(lambda x, f=f: (f(x) ** 3).sum())(S)
        assert g[0, 1] == 0 != g[1, 0]


# --- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "windows"),
    [((2, 3, 9, 8), {"window_shape": (3, 2), "axis": (2, 3)}), ((40,), {"window_shape": 35})],
)
def test_windows_of_pictures_have_the_gradient_that_each_number_is_read_in(
    shape: Any, windows: Any
) -> None:
    x = rng.normal(size=shape)
    view = np.lib.stride_tricks.sliding_window_view
    g = rng.normal(size=view(x, **windows).shape)
    expected = np.zeros(x.size)
    np.add.at(expected, view(np.arange(x.size).reshape(shape), **windows), g)
    found = td.grad(lambda x: (view(x, **windows) * g).sum())(x)
    np.testing.assert_allclose(found, expected.reshape(shape), rtol=1e-13, atol=1e-13)
