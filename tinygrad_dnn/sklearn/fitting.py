"""What the estimators share: settings, training until nothing is gained, and their graph."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from tqdm.auto import tqdm

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import no_grad
from tinygrad_dnn.network import ACTIVATIONS, check_layers, forward, initialize_parameters
from tinygrad_dnn.optim import OPTIMISERS, check_learning_rate, early_stopping
from tinygrad_dnn.sklearn.epochs import (
    Examples,
    Fitted,
    Recipe,
    batch_cost,
    begin,
    epochs,
    step_arguments,
    training_step,
)
from tinygrad_dnn.threads import blas_threads, largest_product

Array = NDArray[Any]
AUTO = 200  # examples of a batch


class DenseEstimator(BaseEstimator):
    """What `DenseClassifier` and `DenseRegressor` have in common."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.init = init
        self.dropout = dropout

    # --- what a classifier and a regressor do in their own way ----------------------------------

    @abstractmethod
    def _targets(self, X: Any, y: Any, going_on: bool, reset: bool) -> tuple[Array, Array]:
        """X (m, n_x) and Y (m, n_L) as training takes them, from what the caller gave."""

    @abstractmethod
    def _head_and_cost(self) -> tuple[str, str]:
        """Rows of `network.HEADS` and `COSTS`."""

    # --- training -------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, partial: bool = False) -> None:
        self._check_settings(partial)
        there = hasattr(self, "parameters_")
        going_on = there and (partial or self.warm_start)
        known = going_on or (partial and hasattr(self, "classes_"))
        X, Y = self._targets(X, y, known, reset=not going_on)
        examples = _weighted(X, Y, sample_weight)
        m = len(examples)
        if self.batch_size != "auto" and self.batch_size > m:
            warnings.warn(
                f"batch_size: {self.batch_size} is above the number of examples; it is {m} then",
                stacklevel=3,
            )
        if going_on:
            self._check_layers_kept(Y)
        else:
            self._begin(X, Y)
        if not (going_on and partial):
            self._state = begin(self.parameters_, self.solver).state
        now = Fitted(_in_dtype(self.parameters_, X.dtype), _in_dtype(self._state, X.dtype))
        layers = [X.shape[1], *(len(b) for b in self.intercepts_)]
        with blas_threads(largest_product(layers, self._recipe(m).size)):
            if partial:
                self._keep(*self._one_epoch(now, examples))
            else:
                self._until_it_stops(now, examples)
        broken = [name for name, p in self.parameters_.items() if not np.isfinite(p).all()]
        if broken:
            raise ValueError(
                f"{type(self).__name__}: {broken[0]} became NaN or infinite in training; try a "
                f"learning_rate_init below {self.learning_rate_init}, or scale X and y"
            )

    def _begin(self, X: Array, Y: Array) -> None:
        """New parameters, and the random streams of this fit."""
        random = check_random_state(self.random_state)
        seeds = random.randint(np.iinfo(np.int32).max, size=2).tolist()
        head, _ = self._head_and_cost()
        self.n_outputs_ = Y.shape[1]
        layers = check_layers((X.shape[1], *self._hidden(), Y.shape[1]), head)
        self.parameters_ = initialize_parameters(layers, self.init, seeds[0], X.dtype, head)
        self._rng = np.random.default_rng(seeds[1])
        self.n_layers_, self.out_activation_ = len(layers), head
        self.loss_curve_: list[float] = []

    def _one_epoch(self, now: Fitted, examples: Examples) -> tuple[float, Fitted]:
        return next(epochs(now, examples, self._recipe(len(examples)), self._rng))

    def _keep(self, cost: float, now: Fitted) -> None:
        """What an epoch ended with."""
        self.loss_ = cost
        self.loss_curve_.append(cost)
        self.parameters_, self._state = now.parameters, now.state
        self.n_iter_ = getattr(self, "n_iter_", 0) + 1

    def _until_it_stops(self, now: Fitted, examples: Examples) -> None:
        """Epochs until nothing is gained any more, or `max_iter` are over, or Ctrl-C."""
        self.loss_curve_, self.n_iter_ = [], 0
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        examples, held = self._split(examples) if self.early_stopping else (examples, None)
        stopping = early_stopping(self.n_iter_no_change, self.tol)
        best = stopping.init(now.parameters if held else {})
        stop = False
        running = epochs(now, examples, self._recipe(len(examples)), self._rng)
        bar = tqdm(total=self.max_iter, unit="epoch", disable=not self.verbose)
        try:
            with bar:
                while not stop and self.n_iter_ < self.max_iter:
                    self._keep(*next(running))
                    bar.set_postfix(cost=f"{self.loss_:.4g}", refresh=False)
                    bar.update()
                    if not math.isfinite(self.loss_):
                        return
                    falls = self.loss_
                    if held is not None:
                        falls = -self._held_score(held)
                    kept = self.parameters_ if held else {}
                    stop, best = stopping.update(kept, falls, best)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        else:
            if not stop and self.n_iter_no_change < self.max_iter:
                warnings.warn(
                    f"{type(self).__name__}: {self.max_iter} epochs (max_iter) are over and "
                    "training hasn't converged yet",
                    ConvergenceWarning,
                    stacklevel=4,
                )
        if held is not None:
            self.parameters_, self.best_validation_score_ = best["parameters"], -best["cost"]

    def _held_score(self, held: Examples) -> float:
        score = self.score(held.X, self._told(held.Y), held.weights)
        self.validation_scores_ = [*(self.validation_scores_ or []), float(score)]
        return self.validation_scores_[-1]

    def _split(self, examples: Examples) -> tuple[Examples, Examples]:
        """What is trained on, and what is kept apart; of classes their shares."""
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction: expected a share between 0 and 1, got "
                f"{self.validation_fraction}"
            )
        at, held = train_test_split(
            np.arange(len(examples)),
            test_size=self.validation_fraction,
            random_state=int(self._rng.integers(2**31)),
            stratify=self._told(examples.Y) if is_classifier(self) else None,
        )
        return examples.rows(at), examples.rows(held)

    def _told(self, Y: Array) -> Array:
        """Targets as `score` takes them, from Y (m, n_L)."""
        if not is_classifier(self):
            return Y[:, 0] if self._one_column else Y
        which = Y.argmax(axis=1) if Y.shape[1] > 1 else Y[:, 0].astype(int)
        told: Array = self.classes_[which]
        return told

    # --- answers --------------------------------------------------------------------------------

    def _answers(self, X: Any) -> Array:
        """What the head makes of X (m, n_x): (m, n_L)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        with no_grad(), np.errstate(over="ignore"):
            head, _ = self._head_and_cost()
            _, AL = forward(X.T, self.parameters_, activation=self.activation, head=head)
        return np.ascontiguousarray(AL.data.T)

    @property
    def coefs_(self) -> list[Array]:
        """Wlᵀ of each layer, (n_{l-1}, n_l)."""
        return [p.T for name, p in self.parameters_.items() if name[0] == "W"]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, (n_l,)."""
        return [p[:, 0] for name, p in self.parameters_.items() if name[0] == "b"]

    # --- the graph ------------------------------------------------------------------------------

    def cost_graph(self, X: Any, y: Any, sample_weight: Any = None) -> Tensor:
        """The cost on these examples as a recorded expression of the fitted parameters.

        `viz.draw(cost)` draws it, `viz.derive(cost)` writes out its gradients, `cost.backward()`
        computes them; its leaves are X, Y and the parameters, by their names, with the examples in
        columns. It is what `fit` makes small, without dropout.
        """
        check_is_fitted(self)
        examples = _weighted(*self._targets(X, y, True, reset=False), sample_weight)
        X, Y, weights = examples.at(slice(None))
        named = {n: Tensor(p, requires_grad=True, name=n) for n, p in self.parameters_.items()}
        _, cost = self._head_and_cost()
        return batch_cost(
            Tensor(X, name="X"), Tensor(Y, name="Y"), named, cost, self.activation,
            float(self.alpha) or None, None if weights is None else Tensor(weights, name="weights"),
        )  # fmt: skip

    def step_source(self, X: Any, y: Any, sample_weight: Any = None) -> str:
        """The NumPy source of the training step that `fit` runs on a batch of these examples."""
        check_is_fitted(self)
        examples = _weighted(*self._targets(X, y, True, reset=False), sample_weight)
        now = Fitted(self.parameters_, self._state)
        rng = np.random.default_rng(0)  # of masks, whose numbers are in no program
        recipe = self._recipe(len(examples))
        arguments = step_arguments(now, examples.at(slice(None)), recipe, rng)
        return training_step.prepare(*arguments).source

    # --- settings -------------------------------------------------------------------------------

    def _hidden(self) -> tuple[int, ...]:
        given = self.hidden_layer_sizes
        return tuple(given) if isinstance(given, Iterable) else (given,)

    def _recipe(self, m: int) -> Recipe:
        size = AUTO if self.batch_size == "auto" else self.batch_size
        _, cost = self._head_and_cost()
        return Recipe(
            cost, self.activation, self.solver, check_learning_rate(self.learning_rate_init),
            float(self.alpha), float(self.dropout), int(min(size, m)), bool(self.shuffle),
        )  # fmt: skip

    def _check_settings(self, partial: bool) -> None:
        """What `network` and `optim` do not check themselves."""
        for name, known in (("activation", ACTIVATIONS), ("solver", OPTIMISERS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        for name, least in (("max_iter", 1), ("batch_size", 1), ("n_iter_no_change", 1)):
            x = getattr(self, name)
            whole = isinstance(x, Integral) and not isinstance(x, bool) and int(x) >= least
            if not whole and not (name == "batch_size" and x == "auto"):
                raise ValueError(f"{name}: expected a whole number from {least} on, got {x!r}")
        for name, most in (("alpha", math.inf), ("tol", math.inf), ("dropout", 1.0)):
            x = getattr(self, name)
            if not isinstance(x, Real) or not 0 <= float(x) < most:
                raise ValueError(
                    f"{name}: expected a number of 0 or above"
                    f"{', below 1' if most == 1 else ''}, got {x!r}"
                )
        if partial and self.early_stopping:
            raise ValueError("partial_fit: expected early_stopping=False, for it is one epoch")

    def _check_layers_kept(self, Y: Array) -> None:
        """What goes on must fit what was."""
        sizes = tuple(len(b) for b in self.intercepts_)
        if sizes != (*self._hidden(), Y.shape[1]):
            raise ValueError(
                f"{type(self).__name__}: expected layers {sizes}, as they were trained before, got "
                f"{(*self._hidden(), Y.shape[1])}; clone() it to begin anew"
            )


def _weighted(X: Array, Y: Array, sample_weight: Any) -> Examples:
    """The examples that count: one of weight 0 is as good as absent."""
    if sample_weight is None:
        return Examples(X, Y, None)
    weights = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
    there = weights > 0
    examples = Examples(X, Y, weights)
    return examples if there.all() else examples.rows(there)


def _in_dtype(tree: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """Floats in the dtype of the data; the same arrays where they are."""
    found: dict[str, Any] = {}
    for name, x in tree.items():
        if isinstance(x, dict):
            found[name] = _in_dtype(x, dtype)
        else:
            found[name] = x.astype(dtype, copy=False) if x.dtype.kind == "f" else x
    return found
