"""Examples in mini-batches, and some kept apart for validation; all in columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import as_numpy, is_elsewhere
from tinygrad_dnn.storage.validate import generator

Array = NDArray[Any]


def batches(
    X: Array, Y: Array, size: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """One epoch: X and Y in mini-batches of `size` columns, in an order that `rng` draws.

    Every example comes once; the last batch is shorter where `size` does not divide m. Batches are
    copies in the memory order of X and Y. The same state of `rng` gives the same epoch, and one
    epoch takes one permutation from it:

        for epoch in range(10):
            for x, y in batches(X, Y, 64, rng):
                ...

    Args:
        X: examples (n_x, m).
        Y: labels (1, m) or (n_L, m).
        rng: a NumPy Generator, `np.random.default_rng(seed)`.

    Raises:
        TypeError: `rng` is no Generator, `size` no integer.
        ValueError: a size that is not from 1 to m, or X and Y of other shapes than those.
    """
    X, Y = _columns("batches", X, Y)
    return _taken(X, Y, batch_positions(X.shape[1], size, rng))


def _taken(X: Array, Y: Array, positions: list[Array]) -> Iterator[tuple[Array, Array]]:
    for at in positions:
        yield columns_at(X, at), columns_at(Y, at)


def batch_positions(m: int, size: int, rng: np.random.Generator) -> list[Array]:
    """The positions of one epoch's batches: a permutation of 0 ... m − 1, cut every `size`.

    For what belongs to the examples besides X and Y, as weights, and for steps that are given
    positions instead of data.

    Raises:
        TypeError, ValueError: as `batches`.
    """
    generator(rng, "batches")
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
        raise TypeError(f"batches: expected a whole number as size, got {size!r}")
    if not 1 <= size <= m:
        raise ValueError(
            f"batches: expected a size from 1 to the number of examples, {m}, got {size}; "
            f"{m} is the full batch"
        )
    order = rng.permutation(m)
    return [order[i : i + size] for i in range(0, m, size)]


def split(
    X: Array, Y: Array, share: float, rng: np.random.Generator, *, stratify: bool = True
) -> tuple[Array, Array, Array, Array]:
    """Examples for training and for validation: (X_train, Y_train, X_validation, Y_validation).

    Which ones `rng` draws; both parts keep the order of the whole. Stratified, each class gives its
    share: the parts of m · share are rounded down, and what is missing then comes from the classes
    that lost most by it, so that the sizes are as without. A class of few examples may be missing
    from a part.

    Args:
        X: examples (n_x, m).
        Y: labels (1, m), or one-hot columns (n_L, m).
        share: of the examples that are kept for validation; round(share · m) of them.
        rng: a NumPy Generator.
        stratify: for labels of classes; False for numbers to be predicted.

    Raises:
        TypeError: `rng` is no Generator.
        ValueError: a part would be empty, or X and Y of other shapes than those.
    """
    X, Y = _columns("split", X, Y)
    which = _classes("split", Y) if stratify else None
    train, validation = split_positions(X.shape[1], share, rng, which)
    return _parted(X, Y, train, validation)


def fold(
    X: Array, Y: Array, k: int, n: int, rng: np.random.Generator, *, stratify: bool = True
) -> tuple[Array, Array, Array, Array]:
    """The kth of n folds kept for validation: (X_train, Y_train, X_validation, Y_validation).

    For cross-validation: the same state of `rng` gives the same n folds, which differ by one
    example at most and hold each example once. Stratified, so do the examples of each class. All
    parts keep the order of the whole.

        for k in range(1, 6):
            X_train, Y_train, X_val, Y_val = fold(X, Y, k, 5, np.random.default_rng(0))

    Args:
        X: examples (n_x, m).
        Y: labels (1, m), or one-hot columns (n_L, m).
        k: which one, 1 ... n.
        n: how many there are, 2 ... m.
        rng: a NumPy Generator.
        stratify: for labels of classes; False for numbers to be predicted.

    Raises:
        TypeError: `rng` is no Generator.
        ValueError: there is no such fold, or X and Y of other shapes than those.
    """
    X, Y = _columns("fold", X, Y)
    generator(rng, "fold")
    m = X.shape[1]
    if not (2 <= n <= m and 1 <= k <= n):
        raise ValueError(
            f"fold: expected 2 to {m} folds, as there are examples, and one of them, got {k} of {n}"
        )
    order = rng.permutation(m)
    if stratify:
        classes = _classes("fold", Y)
        order = order[np.argsort(classes[order], kind="stable")]
    kept = np.zeros(m, dtype=bool)
    kept[order[k - 1 :: n]] = True  # dealt out class after class
    return _parted(X, Y, np.flatnonzero(~kept), np.flatnonzero(kept))


def _classes(who: str, Y: Any) -> Array:
    """The number (m,) of the class of each column, which is looked at here."""
    found: Array = np.unique(as_numpy(Y, who), axis=1, return_inverse=True)[1].ravel()
    return found


def split_positions(
    m: int, share: float, rng: np.random.Generator, classes: Array | None = None
) -> tuple[Array, Array]:
    """The positions of `split`: those to train on and those that are kept, both in order.

    Args:
        classes: of the m examples, (m,) integers from 0; None for a split that is not stratified.

    Raises:
        TypeError, ValueError: as `split`.
    """
    generator(rng, "split")
    n = round(share * m) if 0 < share < 1 else 0
    if not 0 < n < m:
        raise ValueError(
            f"split: expected a share that leaves examples in both parts of {m}, got {share}"
        )
    groups = [np.arange(m)]
    if classes is not None:
        groups = [np.flatnonzero(classes == c) for c in range(int(classes.max()) + 1)]
    exact = np.array([len(group) * n / m for group in groups])
    take = np.floor(exact).astype(int)
    take[np.argsort(take - exact, kind="stable")[: n - take.sum()]] += 1
    kept = np.zeros(m, dtype=bool)
    for group, k in zip(groups, take, strict=True):
        kept[rng.permutation(group)[:k]] = True
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def _parted(X: Array, Y: Array, train: Array, kept: Array) -> tuple[Array, Array, Array, Array]:
    return columns_at(X, train), columns_at(Y, train), columns_at(X, kept), columns_at(Y, kept)


def columns_at(x: Any, positions: Any) -> Any:
    """Columns, in the memory order of x: of a transposed array each lies in one piece."""
    lies_transposed = hasattr(x, "flags") and x.T.flags.c_contiguous  # Dask's lie in chunks
    return x.T[positions].T if lies_transposed else np.take(x, positions, axis=1)


def _columns(who: str, X: Any, Y: Any) -> tuple[Array, Array]:
    X, Y = (x if is_elsewhere(x) else np.asarray(x) for x in (X, Y))
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"{who}: expected X (n_x, m) and Y (1, m) or (n_L, m), examples in columns, got "
            f"{X.shape} and {Y.shape}; labels in one row are Y.reshape(1, -1)"
        )
    return X, Y
