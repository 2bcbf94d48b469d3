"""Training by epochs: a compiled step over mini-batches, examples in columns.

The step is one compiled function for all estimators: what differs in shape or setting is a program
of its own, kept for the next fit, as a grid search needs it; rate and α are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.compiler import compile
from tinygrad_dnn.data.batches import batch_positions
from tinygrad_dnn.network import cost_of, dropout_masks, l2_penalty
from tinygrad_dnn.optim import OPTIMISERS

Array = NDArray[Any]


@dataclass(frozen=True)
class Fitted:
    """What is trained: never changed, only replaced, so that an interrupt finds it whole."""

    parameters: dict[str, Array]
    state: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How it is trained.

    Attributes:
        cost, activation: rows of `network.COSTS` and `ACTIVATIONS`.
        solver: a row of `optim.OPTIMISERS`.
        rate: α of the update.
        l2: λ of the penalty; 0 for none.
        dropout: the share of hidden units that is left out.
        size: examples of a batch.
        shuffle: whether each epoch has an order of its own.
    """

    cost: str
    activation: str
    solver: str
    rate: float
    l2: float
    dropout: float
    size: int
    shuffle: bool = True


@dataclass(frozen=True)
class Examples:
    """X (m, n_x), Y (m, n_L) and weights (m,), in rows, so that a batch is read in one piece."""

    X: Array
    Y: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.X)

    def rows(self, which: Any) -> Examples:
        """Some of them."""
        weights = None if self.weights is None else self.weights[which]
        return Examples(self.X[which], self.Y[which], weights)

    def at(self, positions: Any) -> tuple[Array, Array, Array | None]:
        """These examples in columns: X (n_x, m), Y (n_L, m), weights (1, m)."""
        weights = None if self.weights is None else self.weights[positions].reshape(1, -1)
        return self.X[positions].T, self.Y[positions].T, weights


def batch_cost(
    X: Any,
    Y: Any,
    parameters: Mapping[str, Any],
    cost: str,
    activation: str,
    l2: Any = None,
    weights: Any = None,
    masks: Mapping[str, Any] | None = None,
) -> Tensor:
    """`network.cost_of`, with λ/2m ΣW² where l2 is given; m is Σ weights where there are any, so
    that an example of weight 2 counts as two.
    """
    value = cost_of(X, Y, parameters, cost, activation=activation, weights=weights, masks=masks)
    if l2 is None:
        return value
    value.name = "error"
    m = counted(X, weights)
    of_1 = not isinstance(l2, float)  # in a program λ is an argument
    penalty = l2 * l2_penalty(parameters, 1.0, m) if of_1 else l2_penalty(parameters, l2, m)
    total: Tensor = value + penalty
    total.name = "cost"
    return total


def counted(X: Any, weights: Any) -> Any:
    """The number of examples, counted by their weights."""
    return X.shape[1] if weights is None else weights.sum()


def step(
    parameters: Any,
    state: Any,
    X: Any,
    Y: Any,
    rate: Any,
    l2: Any,
    weights: Any,
    masks: Any,
    cost: str,
    activation: str,
    solver: str,
) -> Any:
    """The cost on a batch, and the parameters and the optimiser's state after a step."""

    def of(p: Mapping[str, Any]) -> Tensor:
        for name, t in p.items():
            t.name = name
        return batch_cost(X, Y, p, cost, activation, l2, weights, masks)

    value, gradients = value_and_grad(of)(parameters)
    return value, *OPTIMISERS[solver]().update(parameters, gradients, state, rate)


training_step = compile(step, reuse_outputs=True)
# The last batch of an epoch is shorter: with a function of its own neither looks for its program.
last_step = compile(step, reuse_outputs=True)


def begin(parameters: dict[str, Array], solver: str) -> Fitted:
    """The parameters with a new state of the optimiser."""
    return Fitted(parameters, OPTIMISERS[solver]().init(parameters))


def step_arguments(
    now: Fitted, batch: tuple[Any, ...], recipe: Recipe, rng: np.random.Generator
) -> tuple[Any, ...]:
    """What `training_step` is given for a batch."""
    X, Y, weights = batch
    dtype = X.dtype
    keep = 1 - recipe.dropout
    masks = dropout_masks(now.parameters, X.shape[1], keep, rng) if recipe.dropout else None
    l2 = np.asarray(recipe.l2, dtype) if recipe.l2 else None
    return (
        now.parameters, now.state, X, Y, np.asarray(recipe.rate, dtype), l2, weights, masks,
        recipe.cost, recipe.activation, recipe.solver,
    )  # fmt: skip


def epochs(
    now: Fitted, examples: Examples, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[float, Fitted]]:
    """After each epoch, the mean of its costs and what is trained until then; without end.

    The mean is over examples, each batch's cost before its step. What an iteration gives stays what
    it is while it is held.
    """
    m = len(examples)
    while True:
        with np.errstate(all="ignore"):
            total = count = 0.0
            for positions in _positions(m, recipe, rng):
                batch = examples.at(positions)
                run = training_step if batch[0].shape[1] == recipe.size else last_step
                cost, *after = run(*step_arguments(now, batch, recipe, rng))
                now = Fitted(*after)
                weight = float(counted(batch[0], batch[2]))
                total, count = total + weight * float(cost), count + weight
        yield total / count, now


def _positions(m: int, recipe: Recipe, rng: np.random.Generator) -> list[Any]:
    if recipe.shuffle:
        return batch_positions(m, recipe.size, rng)
    return [slice(i, i + recipe.size) for i in range(0, m, recipe.size)]
