"""The examples of a run: checked, some kept apart, in the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import as_numpy
from tinygrad_dnn.data import batch_positions, fold, split
from tinygrad_dnn.data.batches import columns_at
from tinygrad_dnn.network import dropout_masks, one_hot
from tinygrad_dnn.storage import random_state
from tinygrad_dnn.train.settings import Settings, parse_fold

Array = NDArray[Any]
SPLITTING, DRAWING = 1, 2  # the streams of a seed, beside that of the initial weights
FOLDS_SEED = 0  # whatever the seed of the run: what is compared is measured on the same folds


def check_examples(X: Array, Y: Array, settings: Settings) -> tuple[Array, Array]:
    """X and Y as training needs them, in the settings' dtype; X keeps its memory order.

    Labels of a softmax become one-hot columns (n_L, m).

    Raises:
        TypeError: texts or complex numbers.
        ValueError: shapes that do not fit each other or the layers, no examples, labels outside
            the head's classes, or values that are not finite in that dtype.
    """
    X, Y = _real("X", X), as_numpy(Y, "Y")
    n_x = settings.layer_dims[0]
    if X.ndim != 2 or X.shape[0] != n_x:
        raise ValueError(
            f"X: expected ({n_x}, m), the first layer's size by examples, got {X.shape}"
        )
    if X.shape[1] == 0:
        raise ValueError("X: expected at least one example, got none")
    with np.errstate(over="ignore"):  # what becomes infinite is reported below
        x = X.astype(settings.dtype, copy=False)
    y = check_labels(Y, X.shape[1], settings)
    if not np.isfinite(x).all():
        count = np.count_nonzero(~np.isfinite(x).all(axis=0))
        first = int(np.argmin(np.isfinite(x).all(axis=0)))
        raise ValueError(
            f"X: expected numbers finite in {settings.dtype}, got NaN or inf among them, in "
            f"{count} of {x.shape[1]} examples, first in example {first}"
        )
    return x, y


def check_labels(Y: Array, m: int, settings: Settings) -> Array:
    """The labels of m examples as training needs them; of a softmax one-hot columns (n_L, m).

    Raises:
        TypeError, ValueError: as `check_examples`.
    """
    Y, n_L = _real("Y", Y), settings.layer_dims[-1]
    if settings.head == "linear":
        return _numbers(Y, (n_L, m), settings)
    if settings.head == "softmax" and Y.shape == (n_L, m):
        y = _columns_of_one(Y)
    else:
        check_label_row(m, Y)
        _check_range(Y, settings.classes)
        y = one_hot(Y, n_L, settings.dtype) if settings.head == "softmax" else Y
    return y.astype(settings.dtype)


def _real(name: str, x: Any) -> Array:
    """An array of real numbers, or of objects that may be such."""
    array: Array = as_numpy(x, name)
    if array.dtype.kind in "SUVcmM":
        kinds = {"c": "complex numbers", "U": "texts", "S": "bytes"}
        what, advice = kinds.get(array.dtype.kind, f"{array.dtype} values"), ""
        if name == "Y" and array.dtype.kind in "SU":
            advice = "; as labels 0, 1, ... they are np.unique(Y, return_inverse=True)[1]"
        raise TypeError(f"{name}: expected real numbers, got {what}{advice}")
    return array


def check_label_row(m: int, Y: Array) -> None:
    """Raise ValueError unless Y is (1, m): (m,) would broadcast to (m, m)."""
    if np.shape(Y) != (1, m):
        raise ValueError(
            f"Y: expected (1, {m}), a label for each column of X, got {np.shape(Y)}; "
            "labels in one row: Y.reshape(1, -1)"
        )


def _check_range(Y: Array, classes: int) -> None:
    wrong = ~np.isin(Y, np.arange(classes))
    if wrong.any():
        allowed = "labels 0 and 1" if classes == 2 else f"labels from 0 to {classes - 1}"
        raise ValueError(
            f"Y: expected {allowed}, got {Y[wrong].flat[0]} ({np.count_nonzero(wrong)} such in all)"
        )


def _numbers(Y: Array, shape: tuple[int, int], settings: Settings) -> Array:
    if Y.shape != shape:
        raise ValueError(
            f"Y: expected {shape}, numbers for each column of X, got {Y.shape}; one number each "
            "is Y.reshape(1, -1)"
        )
    with np.errstate(over="ignore"):
        y = Y.astype(settings.dtype)
    if not np.isfinite(y).all():
        raise ValueError(
            f"Y: expected numbers finite in {settings.dtype}, got NaN or inf among them"
        )
    return y


def _columns_of_one(Y: Array) -> Array:
    if not ((Y >= 0).all() and np.allclose(Y.sum(axis=0), 1)):
        raise ValueError("Y: expected one-hot columns or probabilities, which sum to 1")
    return Y


def keep_validation(
    X: Array, Y: Array, settings: Settings
) -> tuple[Array, Array, tuple[Array, Array] | None]:
    """X and Y to train on, and those that the settings keep for validation, or None.

    A share is drawn from the seed, a fold from a seed of its own. Each class gives its share of
    labels.

    Raises:
        ValueError: a part would be empty.
    """
    stratify = settings.head != "linear"
    if settings.fold is not None:
        k, n = parse_fold(settings.fold)
        rng = np.random.default_rng(FOLDS_SEED)
        x, y, x_kept, y_kept = fold(X, Y, k, n, rng, stratify=stratify)
    elif settings.validation is not None:
        m = X.shape[1]
        if not 0 < round(settings.validation * m) < m:
            raise ValueError(
                f"validation: expected a share that leaves some of the {m} examples to train on "
                f"and some to measure on, got {settings.validation}"
            )
        rng = np.random.default_rng((settings.seed, SPLITTING))
        x, y, x_kept, y_kept = split(X, Y, settings.validation, rng, stratify=stratify)
    else:
        return X, Y, None
    return x, y, (x_kept, y_kept)


class Turn(NamedTuple):
    """Which examples an iteration takes.

    Attributes:
        at: their positions, or a slice of all.
        m: how many they are.
        masks: of dropout, or None.
        random_state: for the state after the iteration, see `State.random_state`.
        last: whether the epoch ends with it.
    """

    at: Any
    m: int
    masks: Mapping[str, Array] | None
    random_state: Mapping[str, Any] | None
    last: bool


class Batch(NamedTuple):
    """The examples of an iteration.

    Attributes:
        X, Y: in columns.
        given: what else the step is given by name: "masks", "weights".
        turn: which they are.
    """

    X: Array
    Y: Array
    given: dict[str, Any]
    turn: Turn


class Order:
    """The order in which the iterations of a run take its m examples.

    Attributes:
        size: examples of a batch.
        steps: iterations of an epoch.
        draws: whether anything is drawn.
        layout: see `State.layout`.
    """

    layout: tuple[int, int] | None = None

    def __init__(self, m: int, settings: Settings) -> None:
        self.m, self.settings = m, settings
        self.size = self.m if settings.batch_size is None else settings.batch_size
        if self.size > self.m:
            raise ValueError(
                f"batch_size: expected up to the number of training examples, {self.m}, got "
                f"{self.size}; {self.m} is the full batch"
            )
        self.steps = -(-self.m // self.size)
        self.draws = settings.batch_size is not None or settings.dropout > 0

    def begin(self) -> Mapping[str, Any] | None:
        """The random state that a run begins with."""
        if not self.draws:
            return None
        rng = np.random.default_rng((self.settings.seed, DRAWING))
        return rng.bit_generator.state

    def positions(self, rng: np.random.Generator | None) -> list[Any]:
        """Those of the batches of an epoch, drawn; or a slice of all."""
        if rng is None or self.settings.batch_size is None:
            return [slice(None)]
        return [*batch_positions(self.m, self.size, rng)]

    def turns(
        self, parameters: Mapping[str, Array], begun: Mapping[str, Any] | None, done: int
    ) -> Iterator[Turn]:
        """The iterations from an epoch on, without its first `done` ones; without end.

        Args:
            begun: the random state in which the epoch begins.
        """
        rng = random_state.generator(dict(begun)) if begun is not None else None
        keep = 1 - self.settings.dropout
        while True:
            if rng is not None:
                begun = rng.bit_generator.state
            for k, at in enumerate(positions := self.positions(rng)):
                m, masks = self.m if isinstance(at, slice) else len(at), None
                if rng is not None and keep < 1:
                    masks = dropout_masks(parameters, m, keep, rng)
                if k < done:  # drawn all the same, so that what follows is what it was
                    continue
                last = k == len(positions) - 1
                after = rng.bit_generator.state if last and rng is not None else begun
                yield Turn(at, m, masks, after, last)
            done = 0


class Examples(Order):
    """The training examples of a run: hands out the batches of its iterations.

    Args:
        bring: brings an array to where is computed. Examples and weights go there once; positions
            and dropout masks, which are drawn here, with every batch.
    """

    def __init__(
        self,
        X: Array,
        Y: Array,
        settings: Settings,
        weights: Array | None,
        bring: Callable[[Any], Any] = np.asarray,
    ) -> None:
        super().__init__(X.shape[1], settings)
        found = weights_of(Y, settings, weights)
        self.weights = None if found is None else bring(found)
        self.X, self.Y, self._bring = bring(X), bring(Y), bring

    def batches(
        self, parameters: Mapping[str, Array], begun: Mapping[str, Any] | None, done: int
    ) -> Iterator[Batch]:
        """The batches of `turns`."""
        for turn in self.turns(parameters, begun, done):
            given: dict[str, Any] = {}
            if turn.masks is not None:
                given["masks"] = {name: self._bring(D) for name, D in turn.masks.items()}
            if self.weights is not None:
                given["weights"] = self.weights[:, turn.at]
            yield Batch(columns(self.X, turn.at), columns(self.Y, turn.at), given, turn)


def weights_of(Y: Array, settings: Settings, weights: Array | None) -> Array | None:
    """The weights (1, m) of examples of labels Y: given ones times those of their classes.

    Raises:
        ValueError: another shape, or weights that are not finite, below 0 or all 0.
    """
    if weights is not None:
        weights = _real("weights", weights)
        if weights.shape != (1, Y.shape[1]):
            raise ValueError(
                f"weights: expected (1, {Y.shape[1]}), one for each example, got {weights.shape}; "
                "in one row: weights.reshape(1, -1)"
            )
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                "weights: expected finite numbers of 0 or above, some above 0, got "
                f"{weights.min()} to {weights.max()}"
            )
    of_class = settings.weights_of(Y)
    if of_class is not None:
        weights = of_class if weights is None else of_class * weights
    return None if weights is None else np.asarray(weights, dtype=settings.dtype)


def columns(x: Any, at: Any) -> Any:
    """The columns of a batch; of the full one all, as they lie."""
    return x if isinstance(at, slice) else columns_at(x, at)
