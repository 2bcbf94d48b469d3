"""Training in shards: parts of the examples, whose gradients are summed in the order of the parts.

With shares s_i = m_i / m, or Σ w of the part / Σ w of all, the cost of m examples is Σ s_i cost_i,
and its gradient Σ s_i ∇cost_i. Who computes a part, and when it is done, changes no bit of the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.compiler import compile
from tinygrad_dnn.threads import blas_threads
from tinygrad_dnn.train.examples import columns, weights_of
from tinygrad_dnn.train.settings import Settings
from tinygrad_dnn.train.step import cost_and_gradients_of, step_of

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

    Args:
        m: all training examples, by which L2 is divided.
    """

    def __init__(self, settings: Settings, m: int) -> None:
        def program(f: Callable[..., Any]) -> Callable[..., Any]:
            return compile(f) if settings.compiled else f

        self._gradients = program(cost_and_gradients_of(settings, m))
        self._step = program(step_of(settings, m))

    def gradients(
        self, parameters: Mapping[str, Array], shard: Shard, at: Array | None
    ) -> tuple[float, dict[str, Array]]:
        """The cost of these examples and its gradients."""
        X, Y, given = _chosen(shard, at)
        with np.errstate(all="ignore"), blas_threads(0):  # one thread: everywhere the same bits
            cost, found = self._gradients(dict(parameters), X, Y, given)
        return float(cost), found

    def local_steps(
        self,
        parameters: Mapping[str, Array],
        optimizer: Mapping[str, Any],
        shard: Shard,
        rates: Sequence[float | None],
    ) -> tuple[float, dict[str, Array], dict[str, Any]]:
        """A step with each rate: the cost before them, and what they leave."""
        X, Y, given = _chosen(shard, None)
        before = None
        with np.errstate(all="ignore"), blas_threads(0):
            for rate in rates:
                more = given if rate is None else given | {"learning_rate": np.asarray(rate)}
                cost, parameters, optimizer = self._step(
                    dict(parameters), dict(optimizer), X, Y, more
                )
                before = float(cost) if before is None else before
        assert before is not None
        return before, dict(parameters), dict(optimizer)


def _chosen(shard: Shard, at: Array | None) -> tuple[Array, Array, dict[str, Any]]:
    which: Any = slice(None) if at is None else at
    given = {} if shard.weights is None else {"weights": shard.weights[:, which]}
    return columns(shard.X, which), columns(shard.Y, which), given


class Shards(Protocol):
    """The training examples of a run in shards, wherever they are.

    Attributes:
        m: how many examples there are.
        bounds: of `shard_bounds`.
        weights: of the examples (1, m), or None.
    """

    m: int
    bounds: Bounds
    weights: Array | None

    def gradients(
        self, parameters: Mapping[str, Array], parts: Sequence[Part]
    ) -> list[tuple[float, dict[str, Array]]]:
        """`ShardProgram.gradients` of the parts, in their order."""

    def local_steps(
        self,
        parameters: Mapping[str, Array],
        optimizer: Mapping[str, Any],
        parts: Sequence[Part],
        rates: Sequence[float | None],
    ) -> list[tuple[float, dict[str, Array], dict[str, Any]]]:
        """`ShardProgram.local_steps` of the parts, in their order."""


class ShardsHere:
    """Shards in this process, one after the other. `Shards` says what it has."""

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

    def gradients(
        self, parameters: Mapping[str, Array], parts: Sequence[Part]
    ) -> list[tuple[float, dict[str, Array]]]:
        """As `Shards.gradients`."""
        return [self._program.gradients(parameters, self._shards[i], at) for i, at, _ in parts]

    def local_steps(
        self,
        parameters: Mapping[str, Array],
        optimizer: Mapping[str, Any],
        parts: Sequence[Part],
        rates: Sequence[float | None],
    ) -> list[tuple[float, dict[str, Array], dict[str, Any]]]:
        """As `Shards.local_steps`."""
        return [
            self._program.local_steps(parameters, optimizer, self._shards[part.shard], rates)
            for part in parts
        ]


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
