"""Training in shards: parts of the examples, whose gradients are summed in the order of the parts.

With shares s_i = m_i / m, or Σ w of the part / Σ w of all, the cost of m examples is Σ s_i cost_i,
and its gradient Σ s_i ∇cost_i. Who computes a part, and when it is done, changes no bit of the sum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.compiler import compile
from tinygrad_dnn.threads import blas_threads
from tinygrad_dnn.train.divergence import broken, watched
from tinygrad_dnn.train.examples import Order, columns, weights_of
from tinygrad_dnn.train.iterations import Advance, Iteration, rate_of
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.state import State
from tinygrad_dnn.train.step import cost_and_gradients_of, step_of, update_of

Array = NDArray[Any]
Bounds = tuple[tuple[int, int], ...]


def shard_bounds(m: int, shards: int) -> Bounds:
    """The first position of each shard and the one after its last: sizes that differ by 1 at most.

    They hang on nothing else, as the chunks of a file: the same data gives the same bits.

    Raises:
        ValueError: more shards than examples.
    """
    if shards > m:
        raise ValueError(
            f"shards: expected up to the number of training examples, {m}, got {shards}; "
            "give fewer --shards, or fewer workers"
        )
    return tuple(pairwise(k * m // shards for k in range(shards + 1)))


class Shard(NamedTuple):
    """Examples of a shard, and their weights (1, k) or None."""

    X: Array
    Y: Array
    weights: Array | None = None


class Part(NamedTuple):
    """What an iteration takes of a shard.

    Attributes:
        shard: its number.
        at: positions in the shard; None for all.
        share: of the cost.
    """

    shard: int
    at: Array | None
    share: float


class ShardProgram:
    """What is computed of shards: one program for all of a process.

    A method is given the shard, what is the same for all of them, arrays by name, and what is its
    own.

    Args:
        m: all training examples, by which L2 is divided.
    """

    def __init__(self, settings: Settings, m: int) -> None:
        def program(f: Callable[..., Any]) -> Callable[..., Any]:
            return compile(f) if settings.compiled else f

        self._settings = settings
        self._gradients = program(cost_and_gradients_of(settings, m))
        self._step = program(step_of(settings, m))

    def gradients(
        self, shard: Shard, parameters: Mapping[str, Array], at: Array | None
    ) -> tuple[float, dict[str, Array]]:
        """The cost of the examples at these positions and its gradients."""
        X, Y, given = _chosen(shard, at)
        with np.errstate(all="ignore"), blas_threads(0):  # one thread: everywhere the same bits
            cost, found = self._gradients(dict(parameters), X, Y, given)
        return float(cost), found

    def local_steps(
        self, shard: Shard, begun: Mapping[str, Any], rates: Sequence[float | None]
    ) -> tuple[float, dict[str, Any]]:
        """A step with each rate from {"parameters", "optimizer"}: the cost before, what is left."""
        X, Y, given = _chosen(shard, None)
        before = None
        parameters, optimizer = begun["parameters"], begun["optimizer"]
        with np.errstate(all="ignore"), blas_threads(0):
            for rate in rates:
                cost, parameters, optimizer = self._step(
                    dict(parameters), dict(optimizer), X, Y, _with(given, rate)
                )
                before = float(cost) if before is None else before
        assert before is not None
        return before, {"parameters": dict(parameters), "optimizer": dict(optimizer)}

    def outputs(self, shard: Shard, parameters: Mapping[str, Array], _: None) -> Array:
        """AL (n_L, k) of all examples."""
        return np.ascontiguousarray(self._settings.predict(shard.X, parameters))

    def watched(
        self,
        shard: Shard,
        begun: Mapping[str, Any],
        own: tuple[Array | None, Sequence[float | None]],
    ) -> str:
        """Where steps with these rates stop being finite, as `divergence.watched` says it."""
        at, rates = own
        X, Y, given = _chosen(shard, at)
        state = State(begun["parameters"], optimizer=begun["optimizer"])
        return watched(self._settings, state, X, Y, *(_with(given, rate) for rate in rates))


def _with(given: dict[str, Any], rate: float | None) -> dict[str, Any]:
    return given if rate is None else given | {"learning_rate": np.asarray(rate)}


def _chosen(shard: Shard, at: Array | None) -> tuple[Array, Array, dict[str, Any]]:
    which: Any = slice(None) if at is None else at
    given = {} if shard.weights is None else {"weights": shard.weights[:, which]}
    return columns(shard.X, which), columns(shard.Y, which), given


class Shards(ABC):
    """The training examples of a run in shards, wherever they are.

    Attributes:
        m: how many examples there are.
        bounds: of `shard_bounds`.
        weights: of the examples (1, m), or None.
    """

    m: int
    bounds: Bounds
    weights: Array | None

    @abstractmethod
    def computed(
        self, what: str, parts: Sequence[Part], given: Mapping[str, Any], own: Sequence[Any]
    ) -> list[Any]:
        """A method of `ShardProgram` of the parts, in their order.

        Args:
            what: its name.
            given: to all.
            own: to each.
        """


class ShardsHere(Shards):
    """Shards in this process, one after the other."""

    def __init__(self, X: Array, Y: Array, settings: Settings, weights: Array | None) -> None:
        assert settings.shards is not None
        self.m = X.shape[1]
        self.bounds = shard_bounds(self.m, settings.shards)
        self.weights = weights_of(Y, settings, weights)
        self._program = ShardProgram(settings, self.m)
        self._shards = [
            Shard(X[:, a:b], Y[:, a:b], None if self.weights is None else self.weights[:, a:b])
            for a, b in self.bounds
        ]

    def computed(
        self, what: str, parts: Sequence[Part], given: Mapping[str, Any], own: Sequence[Any]
    ) -> list[Any]:
        """As `Shards.computed`."""
        compute = getattr(self._program, what)
        return [
            compute(self._shards[part.shard], given, x) for part, x in zip(parts, own, strict=True)
        ]


# --- iterations -----------------------------------------------------------------------------------


def advance_in_shards(
    shards: Shards, order: Order, settings: Settings, state: State, iterations: int
) -> Advance:
    """An iteration from `state` on, or as many as there are local ones."""
    turns = order.turns(state.parameters, state.random_state, state.iteration % order.steps)
    update: Callable[..., Any] = update_of(settings)
    if settings.compiled:
        update = compile(update)
    rate, local = rate_of(settings, np), settings.local_steps

    def advance(state: State) -> Iteration:
        turn, t = next(turns), state.iteration
        parts = parts_of(shards, turn.at)
        begun = {"parameters": dict(state.parameters), "optimizer": dict(state.optimizer)}
        steps = 1 if local is None else min(local - t % local, iterations - t)
        at = [replace(state, iteration=t + k) for k in range(steps)]
        rates = [None if rate is None else rate(s) for s in at]
        if local is None:
            found = shards.computed("gradients", parts, begun["parameters"], [p.at for p in parts])
            grads = weighted_sum(parts, [g for _, g in found])
            parameters, optimizer = update(*begun.values(), grads, _with({}, rates[0]))
        else:
            found = shards.computed("local_steps", parts, begun, [rates] * len(parts))
            left = weighted_sum(parts, [x for _, x in found])
            parameters, optimizer = left["parameters"], left["optimizer"]
        after = replace(
            state,
            parameters=parameters,
            optimizer=optimizer,
            iteration=t + steps,
            accumulators={},
            random_state=turn.random_state,
        )
        cost = sum(part.share * cost for part, (cost, _) in zip(parts, found, strict=True))
        again = partial(_watched, shards, parts, begun, rates)
        return Iteration(cost, after, turn, broken(parameters), again)

    return advance


def _watched(
    shards: Shards, parts: Sequence[Part], begun: Mapping[str, Any], rates: Sequence[float | None]
) -> str:
    """Where the first shard in which that is seen stops being finite."""
    try:
        found = shards.computed("watched", parts, begun, [(part.at, rates) for part in parts])
    except ConnectionError:
        return ""  # that it diverged is the news
    told = ((part.shard, words) for part, words in zip(parts, found, strict=True) if words)
    return next((f"In shard {shard + 1}: {words}" for shard, words in told), "")


def parts_of(shards: Shards, at: Any) -> list[Part]:
    """What the examples at these positions are of each shard; those without weight are left out."""
    weights = None if shards.weights is None else shards.weights[0].astype(np.float64)
    whole = isinstance(at, slice)
    total = _weight(weights, at, shards.m)
    parts = []
    for i, (a, b) in enumerate(shards.bounds):
        mine: Any = slice(a, b) if whole else at[(a <= at) & (at < b)]
        share = _weight(weights, mine, shards.m) / total
        if share:
            parts.append(Part(i, None if whole else mine - a, share))
    return parts


def _weight(weights: Array | None, at: Any, m: int) -> float:
    """Σ w of the examples, or how many they are."""
    if weights is not None:
        return float(weights[at].sum())
    return float(len(range(*at.indices(m))) if isinstance(at, slice) else len(at))


def weighted_sum(parts: Sequence[Part], trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Σ share · x of arrays by name, in the order of the parts, one level deep; counts stay."""
    found: dict[str, Any] = {}
    for name, first in trees[0].items():
        if isinstance(first, Mapping):
            found[name] = weighted_sum(parts, [tree[name] for tree in trees])
        elif np.asarray(first).dtype.kind != "f":
            found[name] = first
        else:
            total = parts[0].share * first
            for part, tree in zip(parts[1:], trees[1:], strict=True):
                total = total + part.share * tree[name]
            found[name] = total
    return found
