"""A wide product lies column by column where its examples do; nothing else changes its order."""

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn.compiler.codegen.lower import INNER

DRAW = np.random.default_rng(0)
BY_COLUMNS = 'np.empty((5, 9), order="F")'


def layer(W, X):
    return tg.tanh(W @ X).sum()


def given(n=5, k=INNER, m=9, order="F"):
    return DRAW.normal(size=(n, k)) / np.sqrt(k), np.asarray(DRAW.normal(size=(k, m)), order=order)


def source(*arrays, **settings):
    compiled = tg.compile(layer, **settings)
    compiled(*arrays)
    return compiled.source


def test_a_wide_product_of_examples_in_columns_lies_as_they_do():
    W, X = given()
    assert BY_COLUMNS in source(W, X)
    value, slopes = tg.compile(tg.value_and_grad(layer, argnums=(0, 1)))(W, X)
    expected = tg.value_and_grad(layer, argnums=(0, 1))(W, X)
    np.testing.assert_allclose(value, expected[0], rtol=1e-13)
    for slope, other in zip(slopes, expected[1], strict=True):
        np.testing.assert_allclose(slope, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "other", [{"k": INNER - 1}, {"n": 9}, {"order": "C"}], ids=["short", "tall", "rows"]
)
def test_other_products_lie_as_numpy_lays_them(other):
    assert 'order="F"' not in source(*given(**other))


def test_without_rewriting_it_lies_as_in_eager_mode_and_has_its_bits():
    W, X = given()
    assert 'order="F"' not in source(W, X, rewrite=False)
    assert tg.compile(layer, rewrite=False)(W, X) == layer(W, X)


def test_columns_of_a_larger_array_are_columns_too():
    W, X = given(k=INNER + 8)
    assert BY_COLUMNS in source(W[:, 3:-5], X[3:-5])


def test_orders_are_not_mixed_up_by_what_follows():
    W, X = given()
    b, V = DRAW.normal(size=(5, 1)), DRAW.normal(size=(2, 5))

    def network(W, X, b, V):
        A = tg.relu(W @ X + b)
        return (V @ A).T, A, A.reshape(-1)

    for got, want in zip(tg.compile(network)(W, X, b, V), network(W, X, b, V), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("turned", [(0,), (2,), (0, 1, 2)])
def test_an_einsum_of_reversed_axes_has_eagers_bits(turned):
    x, w = np.flip(DRAW.normal(size=(4, 5, 3)), turned), DRAW.normal(size=(4, 5, 3, 2))

    def product(x, w):
        return tg.einsum("abc,abcd->db", x, w)

    compiled = tg.compile(product, rewrite=False)
    for given in ((x, w), (x.copy(), w)):
        np.testing.assert_array_equal(compiled(*given), product(*map(tg.Tensor, given)).data)


def test_a_mean_of_float16_is_added_up_in_more_digits():
    x = np.full((3, 2000), 100.0, np.float16)
    for rewrite in (False, True):
        compiled = tg.compile(lambda x: tg.mean(x, axis=1), rewrite=rewrite)
        np.testing.assert_array_equal(compiled(x), np.mean(x, axis=1))
