"""The metrics against counting by hand, and against scikit-learn's where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import metrics

CASES = [
    ([[0, 1, 1, 0, 1]], [[0, 1, 0, 1, 1]]),
    ([[0, 1, 2, 2, 1, 0, 4]], [[2, 1, 2, 0, 1, 0, 0]]),  # nobody is 3, nobody is called 4
    ([[0, 0, 0]], [[0, 0, 0]]),
    ([[1, 1]], [[0, 0]]),
]


@pytest.mark.parametrize(("Y", "P"), CASES)
def test_metrics_by_counting(Y: Any, P: Any) -> None:
    pairs = [*zip(Y[0], P[0], strict=True)]
    n = max(*Y[0], *P[0]) + 1
    found = metrics.confusion_matrix(np.array(Y), np.array(P))
    assert found.tolist() == [[pairs.count((i, j)) for j in range(n)] for i in range(n)]
    right = [pairs.count((c, c)) for c in range(n)]
    assert metrics.accuracy(np.array(Y), np.array(P)) == sum(right) / len(pairs)
    for c in range(n):
        called, there = P[0].count(c), Y[0].count(c)
        p = right[c] / called if called else 0.0
        r = right[c] / there if there else 0.0
        assert metrics.precision(found)[c] == p
        assert metrics.recall(found)[c] == r
        f = 2 * p * r / (p + r) if p + r else 0.0
        assert metrics.f1(found)[c] == pytest.approx(f, rel=1e-15)


def test_a_confusion_matrix_has_a_row_for_every_class() -> None:
    found = metrics.confusion_matrix(np.array([[0, 1]]), np.array([[0, 0]]), classes=4)
    assert found.shape == (4, 4)
    assert found.sum() == 2


@pytest.mark.parametrize("digits", [17, 1, 0])
def test_auc_is_the_share_of_pairs_in_order(digits: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        Y = rng.permutation([0, 1, *rng.integers(0, 2, 18)]).reshape(1, 20)
        scores = np.round(rng.normal(size=(1, 20)) + Y, digits)
        ones, zeros = scores[Y == 1], scores[Y == 0]
        won = [(a > b) + 0.5 * (a == b) for a in ones for b in zeros]
        assert metrics.roc_auc(Y, scores) == pytest.approx(sum(won) / len(won), rel=1e-14)


def test_they_are_scikit_learns() -> None:
    theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(1)
    Y, P = rng.integers(0, 6, (2, 1, 300))
    found = metrics.confusion_matrix(Y, P)
    np.testing.assert_array_equal(found, theirs.confusion_matrix(Y[0], P[0]))
    assert metrics.accuracy(Y, P) == theirs.accuracy_score(Y[0], P[0])
    for ours, name in (
        (metrics.precision, "precision"),
        (metrics.recall, "recall"),
        (metrics.f1, "f1"),
    ):
        expected = getattr(theirs, f"{name}_score")(Y[0], P[0], average=None)
        np.testing.assert_allclose(ours(found), expected, rtol=1e-14)
    scores = np.round(rng.normal(size=(1, 300)), 1)
    auc = theirs.roc_auc_score(Y[0] % 2, scores[0])
    assert metrics.roc_auc(Y % 2, scores) == pytest.approx(auc, rel=1e-14)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: metrics.accuracy(np.ones(3), np.ones((1, 3))), r"one shape \(1, m\), got \(3,\)"),
        (lambda: metrics.accuracy(np.ones((3, 1)), np.ones((3, 1))), r"Y\.reshape\(1, -1\)"),
        (lambda: metrics.accuracy(np.ones((1, 0)), np.ones((1, 0))), r"got \(1, 0\)"),
        (lambda: metrics.confusion_matrix(np.array([[3]]), np.array([[0]]), 3), "0 to 2, got 3"),
        (lambda: metrics.confusion_matrix(np.array([[-1]]), np.array([[0]])), "got -1"),
        (lambda: metrics.confusion_matrix(np.array([[0.5]]), np.array([[0]])), r"got 0\.5"),
        (
            lambda: metrics.roc_auc(np.ones((1, 3)), np.ones((1, 3))),
            r"both among them, got \[1.0\]",
        ),
        (lambda: metrics.roc_auc(np.array([[0, 1, 2]]), np.ones((1, 3))), "labels 0 and 1"),
        (lambda: metrics.roc_auc(np.array([[0, 1]]), np.array([[0, np.nan]])), "1 NaN among them"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
