"""What a worker does: read its shards of a file, hold them, compute of them what a step needs.

The functions run in the worker's process. What they hold stays there for the next step; a worker
that is given a shard for the first time, since another one died, reads it.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data import Dataset, Split, default_dataset, open_dataset
from tinygrad_dnn.train import Settings, check_examples
from tinygrad_dnn.train.examples import columns
from tinygrad_dnn.train.shards import Shard, ShardProgram

Array = NDArray[Any]


@dataclass(frozen=True)
class Source:
    """A data file as every worker finds it.

    Attributes:
        path: from the root; None for the digits that come along.
        x, y, classes, split: of `data.open_dataset`.
        labels: of the digits.
    """

    path: str | None
    x: str | None = None
    y: str | None = None
    classes: str | None = None
    split: Split | None = None
    labels: Literal["parity", "digit"] = "parity"

    def open(self) -> Dataset:
        """The data set; only headers are read."""
        if self.path is None:
            return default_dataset(self.split or "train", self.labels)
        return open_dataset(self.path, self.x, self.y, self.classes, split=self.split)

    def seen(self) -> tuple[int, tuple[int, ...], str]:
        """What tells files apart without reading them: size, shape, type."""
        with self.open() as data:
            size = 0 if self.path is None else os.stat(self.path).st_size
            return size, data.x_shape, str(data.x_dtype)


@dataclass(frozen=True, eq=False)
class ShardSource:
    """Which examples are a shard, and of what run.

    Attributes:
        key: its name among all shards of all runs.
        start, stop: rows of the file.
        kept: those of them that are trained on; None for all.
        weights: of the examples (1, k), or None.
        m: all training examples.
    """

    key: str
    source: Source
    start: int
    stop: int
    kept: Array | None
    weights: Array | None
    settings: Settings
    m: int

    def read(self) -> Shard:
        """The examples, checked."""
        s = self.settings
        with self.source.open() as data:
            part = data.part(self.start, self.stop)
        y = part.targets() if s.head == "linear" else part.labels(classes=s.classes)
        X = part.columns(s.dtype)
        if self.kept is not None:
            X, y = columns(X, self.kept), y[:, self.kept]
        return Shard(
            *check_examples(X, y, s), None if self.weights is None else self.weights.copy()
        )


_HELD: OrderedDict[str, Shard] = OrderedDict()  # by key; those used last at the end
_LOCK = Lock()


@lru_cache(maxsize=2)
def _program(settings: Settings, m: int) -> ShardProgram:
    return ShardProgram(settings, m)


def _held(of: ShardSource, most: int) -> Shard:
    """The shard, read where this process does not hold it; then at most so many are held."""
    with _LOCK:
        shard = _HELD.get(of.key)
        if shard is None:
            while len(_HELD) >= most:
                _HELD.popitem(last=False)
            try:
                shard = _HELD[of.key] = of.read()
            except (OSError, ValueError, TypeError, MemoryError) as error:
                raise ValueError(
                    f"{_who()} can't read examples {of.start} to {of.stop}: {error}"
                ) from None
        _HELD.move_to_end(of.key)
    return shard


def _who() -> str:
    from distributed import get_worker

    worker = get_worker()
    return f"worker {worker.name} ({worker.address})"


def _aligned(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Copies: what came over the network lies anywhere, and the bits of a product hang on that."""
    return {
        name: _aligned(x) if isinstance(x, Mapping) else np.array(x) for name, x in tree.items()
    }


def forget(run: str) -> None:
    """Let go of what is held for a run."""
    with _LOCK:
        for key in [key for key in _HELD if key.startswith(run)]:
            del _HELD[key]


def as_it_is(x: Any) -> Any:
    """The same: a task whose result is what it was given, kept by the scheduler until released."""
    return x


def computed(
    what: str, of: ShardSource, given: Mapping[str, Any], own: Any, most: int
) -> tuple[Any, float]:
    """A method of `ShardProgram`, by its name, and the seconds that it took without reading."""
    shard = _held(of, most)
    begun = time.perf_counter()
    found = getattr(_program(of.settings, of.m), what)(shard, _aligned(given), own)
    return found, time.perf_counter() - begun
