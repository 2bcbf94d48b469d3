"""Mini-batches and the split for validation: every example once, by the generator, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.data import batch_positions, batches, fold, split


@pytest.fixture
def X() -> Any:
    return np.arange(20.0).reshape(2, 10)


@pytest.fixture
def Y() -> Any:
    return np.arange(10).reshape(1, 10)


@pytest.mark.parametrize(
    ("size", "sizes"), [(4, [4, 4, 2]), (10, [10]), (1, [1] * 10), (9, [9, 1])]
)
def test_s153_an_epoch_has_every_example_once_the_short_batch_too(
    X: Any, Y: Any, size: int, sizes: list[int]
) -> None:
    epoch = [*batches(X, Y, size, np.random.default_rng(0))]
    assert [x.shape for x, _ in epoch] == [(2, n) for n in sizes]
    assert [y.shape for _, y in epoch] == [(1, n) for n in sizes]
    for x, y in epoch:
        np.testing.assert_array_equal(x, X[:, y[0]])  # each with its label
    assert sorted(np.concatenate([y for _, y in epoch], axis=1)[0]) == [*range(10)]


def test_the_generator_says_the_order(X: Any, Y: Any) -> None:
    def order(rng: np.random.Generator) -> list[int]:
        return [int(i) for _, y in batches(X, Y, 3, rng) for i in y[0]]

    rng = np.random.default_rng(5)
    first, second = order(rng), order(rng)
    assert first != second
    rng = np.random.default_rng(5)
    assert (order(rng), order(rng)) == (first, second)
    rng = np.random.default_rng(5)
    kept = rng.bit_generator.state
    order(rng)
    rng.bit_generator.state = kept
    assert order(rng) == first
    at = batch_positions(10, 3, np.random.default_rng(5))
    assert np.concatenate(at).tolist() == first


def test_batches_are_copies_in_the_memory_order_of_the_whole(X: Any, Y: Any) -> None:
    rng = np.random.default_rng(0)
    kept = X.copy()
    for given, flag in ((X, "C_CONTIGUOUS"), (np.asfortranarray(X), "F_CONTIGUOUS")):
        for x, y in batches(given, Y, 4, rng):
            assert x.flags[flag]
            np.testing.assert_array_equal(x, kept[:, y[0]])
            x[...] = -1
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize(
    ("size", "error", "told"),
    [
        (0, ValueError, "expected a size from 1 to the number of examples, 10, got 0"),
        (11, ValueError, "from 1 to the number of examples, 10, got 11; 10 is the full batch"),
        (-1, ValueError, "got -1"),
        (2.0, TypeError, "expected a whole number as size, got 2.0"),
        (True, TypeError, "expected a whole number as size, got True"),
    ],
)
def test_unusable_sizes_are_refused_at_once(
    X: Any, Y: Any, size: Any, error: Any, told: str
) -> None:
    with pytest.raises(error, match=f"batches: .*{told}"):
        batches(X, Y, size, np.random.default_rng(0))  # before the first batch is asked for


def test_other_arguments_are_refused(X: Any, Y: Any) -> None:
    rng = np.random.default_rng(0)
    for wrong in (Y[0], Y.T, Y[:, :9]):
        with pytest.raises(ValueError, match=r"examples in columns, got \(2, 10\) and .*reshape"):
            batches(X, wrong, 2, rng)
        with pytest.raises(ValueError, match=r"split: expected X \(n_x, m\)"):
            split(X, wrong, 0.5, rng)
    with pytest.raises(TypeError, match="made once, not for each call"):
        batches(X, Y, 2, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"split: expected a NumPy Generator, .* got int"):
        split(X, Y, 0.5, 0)  # type: ignore[arg-type]


# --- validation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("onehot", [False, True])
def test_a_stratified_split_keeps_the_shares(onehot: bool) -> None:
    labels = np.array([[0] * 60 + [1] * 30 + [2] * 10])
    Y = np.eye(3)[labels[0]].T if onehot else labels
    X = np.arange(100.0).reshape(1, 100)
    X_train, Y_train, X_val, Y_val = split(X, Y, 0.2, np.random.default_rng(0))
    assert sorted([*X_train[0], *X_val[0]]) == [*range(100)]
    np.testing.assert_array_equal(np.concatenate([X_train, X_val], axis=1).shape, (1, 100))
    for x, y, counts in ((X_train, Y_train, [48, 24, 8]), (X_val, Y_val, [12, 6, 2])):
        of = labels[:, x[0].astype(int)]
        assert np.bincount(of[0]).tolist() == counts
        np.testing.assert_array_equal(y, np.eye(3)[of[0]].T if onehot else of)
        assert (np.diff(x[0]) > 0).all()


def test_what_rounding_left_comes_from_the_class_that_lost_most() -> None:
    Y = np.array([[0] * 7 + [1] * 3])
    _, _, _, kept = split(np.ones((1, 10)), Y, 0.2, np.random.default_rng(0))
    assert sorted(kept[0]) == [0, 1]  # 1.4 and 0.6


@pytest.mark.parametrize("share", [0.1, 0.15, 0.33, 0.5, 0.9])
@pytest.mark.parametrize("stratify", [True, False])
def test_the_parts_have_the_sizes_that_were_asked_for(share: float, stratify: bool) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        m = int(rng.integers(12, 60))
        Y = rng.integers(0, 5, (1, m))
        X = np.arange(m).reshape(1, m)
        X_train, _, X_val, Y_val = split(X, Y, share, rng, stratify=stratify)
        assert X_val.shape[1] == round(share * m)
        assert sorted([*X_train[0], *X_val[0]]) == [*range(m)]
        if stratify:
            for c in np.unique(Y):
                exact = share * np.count_nonzero(np.equal(Y, c))
                assert abs((Y_val == c).sum() - exact) < 1.5


def test_numbers_to_be_predicted_are_split_without_classes(X: Any) -> None:
    Y = np.linspace(0, 1, 10).reshape(1, 10)
    parts = split(X, Y, 0.3, np.random.default_rng(0), stratify=False)
    assert [p.shape for p in parts] == [(2, 7), (1, 7), (2, 3), (1, 3)]


@pytest.mark.parametrize("share", [0, 1, 0.01, 0.99, -0.5, 3, float("nan")])
def test_a_share_that_empties_a_part_is_refused(X: Any, Y: Any, share: float) -> None:
    with pytest.raises(ValueError, match="split: expected a share that leaves examples in both"):
        split(X, Y, share, np.random.default_rng(0))


# --- folds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7, 41])
@pytest.mark.parametrize("onehot", [False, True])
def test_folds_hold_each_example_once_and_of_each_class_its_share(n: int, onehot: bool) -> None:
    labels = np.array([[0] * 23 + [1] * 11 + [2] * 7])
    Y = np.eye(3)[labels[0]].T if onehot else labels
    X = np.arange(41.0).reshape(1, 41)
    kept = []
    for k in range(1, n + 1):
        x, y, x_kept, y_kept = fold(X, Y, k, n, np.random.default_rng(5))
        assert sorted([*x[0], *x_kept[0]]) == [*range(41)]
        assert (np.diff(x[0]) > 0).all()
        np.testing.assert_array_equal(y_kept, Y[:, x_kept[0].astype(int)])
        np.testing.assert_array_equal(y, Y[:, x[0].astype(int)])
        counts = np.bincount(labels[0, x_kept[0].astype(int)], minlength=3)
        assert (abs(counts - np.array([23, 11, 7]) / n) < 1).all()
        assert len(x_kept[0]) in (41 // n, -(-41 // n))
        kept += [*x_kept[0]]
    assert sorted(kept) == [*range(41)]
    assert kept != sorted(kept)  # drawn, not cut


def test_folds_of_numbers_have_no_classes() -> None:
    Y = np.linspace(0, 1, 10).reshape(1, 10)
    X = np.arange(10).reshape(1, 10)
    parts = [fold(X, Y, k, 3, np.random.default_rng(0), stratify=False) for k in (1, 2, 3)]
    assert [p[2].shape[1] for p in parts] == [4, 3, 3]
    assert sorted(x for p in parts for x in p[2][0]) == [*range(10)]


@pytest.mark.parametrize(("k", "n"), [(0, 2), (3, 2), (1, 1), (1, 11), (-1, 5)])
def test_a_fold_that_there_is_not_is_refused(X: Any, Y: Any, k: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"fold: expected 2 to 10 folds.* got {k} of {n}"):
        fold(X, Y, k, n, np.random.default_rng(0))
