"""`DenseClassifier` and `DenseRegressor`: what they promise, and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from tinygrad_dnn.network import COSTS, one_hot
from tinygrad_dnn.sklearn.fitting import DenseEstimator

Array = NDArray[Any]


class DenseClassifier(ClassifierMixin, DenseEstimator):
    """A dense network that tells classes apart: a sigmoid for two, a softmax for more.

        net = DenseClassifier((64,), random_state=0).fit(X, y)
        net.predict(X_test)

    Labels may be numbers or texts. Its settings are those of scikit-learn's MLPClassifier, so that
    a grid of one serves the other. For several labels at once: `MultiOutputClassifier`.

    Args:
        hidden_layer_sizes: n_1, ..., n_{L-1}.
        activation: of the hidden layers, a row of `network.ACTIVATIONS`.
        solver: a row of `optim.OPTIMISERS`, with its own defaults.
        alpha: λ of the penalty λ/2m ΣW².
        batch_size: examples of a batch; "auto" is the smaller of 200 and all.
        learning_rate_init: the learning rate.
        max_iter: epochs at most.
        shuffle: whether each epoch has an order of its own.
        random_state: a seed, a RandomState or None, as everywhere in scikit-learn.
        tol: by how much the cost must fall (or the validation score rise) to count as better.
        verbose: a bar with the cost of each epoch, in terminals and notebooks.
        warm_start: whether `fit` goes on from the parameters of the last one.
        early_stopping: whether the score on examples kept apart says when to stop, and which
            parameters are kept; else the cost of an epoch says when.
        validation_fraction: the share kept apart.
        n_iter_no_change: epochs that may pass without a gain.
        init: a row of `network.INITIALISERS`.
        dropout: the share of hidden units that a training step leaves out.

    Attributes:
        classes_: the labels, sorted.
        parameters_: {"W1": (n_1, n_x), "b1": (n_1, 1), ...}, the document's.
        coefs_, intercepts_: the same as MLPClassifier has them.
        n_iter_: epochs of the last fit.
        loss_, loss_curve_: the mean cost of the last epoch, and of each.
        validation_scores_, best_validation_score_: with early stopping, else None.
        n_features_in_, feature_names_in_: of X.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DenseClassifier:
        """Train on X (m, n_x) with labels y (m,); weights (m,) of 0 or above.

        Raises:
            ValueError: settings, shapes or labels that can't be used; NaN; one class only.
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> DenseClassifier:
        """One epoch more over these examples.

        Args:
            classes: all there will be; needed the first time.

        Raises:
            ValueError: as `fit`; a first call without classes, or other ones than in the first.
        """
        self._classes_given(classes)
        self._fit(X, y, sample_weight, partial=True)
        return self

    def _classes_given(self, classes: Any) -> None:
        there = getattr(self, "classes_", None)
        if classes is None:
            if there is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return
        classes = np.unique(classes)
        if there is None:
            _refuse_one_class(self, classes)
            self.classes_ = classes
        elif not np.array_equal(there, classes):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{there!r}"
            )

    def _targets(self, X: Any, y: Any, going_on: bool, reset: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), reset=reset)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        found = np.unique(y)
        if not going_on:
            _refuse_one_class(self, found)
            self.classes_ = found
        unknown = np.setdiff1d(found, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{type(self).__name__}: expected labels among classes_ {self.classes_}, got "
                f"{unknown}"
            )
        labels = np.searchsorted(self.classes_, y).reshape(1, -1)
        n = len(self.classes_)
        Y = labels.astype(X.dtype) if n == 2 else one_hot(labels, n, X.dtype)
        return X, np.ascontiguousarray(Y.T)

    def _head_and_cost(self) -> tuple[str, str]:
        return ("sigmoid", "stable") if len(self.classes_) == 2 else ("softmax", "softmax")

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (m, classes), in the order of `classes_`."""
        AL = self._answers(X)
        return np.hstack([1 - AL, AL]) if AL.shape[1] == 1 else AL

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the probabilities."""
        with np.errstate(divide="ignore"):  # of a probability that rounds to 0
            return np.asarray(np.log(self.predict_proba(X)))

    def predict(self, X: Any) -> Array:
        """The most probable label of each row, (m,)."""
        check_is_fitted(self)
        found: Array = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found


class DenseRegressor(RegressorMixin, DenseEstimator):
    """A dense network that predicts numbers, one or several for each example.

        net = DenseRegressor((64, 64), random_state=0).fit(X, y)

    Its settings and attributes are those of `DenseClassifier`, without the classes.

    Args:
        loss: "squared", "absolute" or "huber", see `network.COSTS`.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        loss: str = "squared",
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        init: str = "glorot",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            init=init,
            dropout=dropout,
        )
        self.loss = loss

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DenseRegressor:
        """Train on X (m, n_x) with targets y (m,) or (m, n_L); weights (m,) of 0 or above.

        Raises:
            ValueError: settings or shapes that can't be used; NaN.
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> DenseRegressor:
        """One epoch more over these examples.

        Raises:
            ValueError: as `fit`; another number of targets than before.
        """
        self._fit(X, y, sample_weight, partial=True)
        return self

    def _targets(self, X: Any, y: Any, going_on: bool, reset: bool) -> tuple[Array, Array]:
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True,
            reset=reset,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        Y = np.ascontiguousarray(y.reshape(len(X), -1), dtype=X.dtype)
        if not going_on:
            self._one_column = y.ndim == 1
        elif Y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"DenseRegressor: expected {self.n_outputs_} targets of each example, as before, "
                f"got {Y.shape[1]}"
            )
        return X, Y

    def _head_and_cost(self) -> tuple[str, str]:
        known = [name for name, cost in COSTS.items() if cost.head == "linear"]
        if self.loss not in known:
            raise ValueError(f"loss: expected one of {', '.join(known)}, got {self.loss!r}")
        return "linear", self.loss

    def predict(self, X: Any) -> Array:
        """The numbers predicted for each row, (m,) or (m, n_L) as y was."""
        AL = self._answers(X)
        return AL[:, 0] if self._one_column else AL


def _refuse_one_class(who: Any, classes: Array) -> None:
    if len(classes) < 2:
        raise ValueError(
            f"{type(who).__name__}: expected labels of two classes or more, got one class only, "
            f"{classes.tolist()}"
        )
