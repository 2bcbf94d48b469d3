"""Training in shards on the workers of a cluster: who has which, what is sent, what gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from statistics import median
from typing import Any, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.cluster import work
from tinygrad_dnn.cluster.connect import check_workers, worker_names
from tinygrad_dnn.cluster.work import ShardSource, Source
from tinygrad_dnn.threads import LARGE, largest_product
from tinygrad_dnn.train import Settings
from tinygrad_dnn.train.examples import weights_of
from tinygrad_dnn.train.shards import Part, Shards, shard_bounds

Array = NDArray[Any]
LOOK = 2.0  # seconds after which workers are looked for anew
PATIENCE = 60.0  # seconds without any worker
TRIES = 3  # of a step whose tasks the scheduler forgot
FIRST = 2  # steps that write their programs, and are not counted


class ClusterError(ConnectionError):
    """The cluster can't go on: its scheduler is gone, no worker is left, or one can't read."""


class ClusterShards(Shards):
    """The training examples of a run as shards of a file, on workers.

        with connect() as client, ClusterShards(client, source, Y, settings) as shards:
            state = train_in_shards(shards, settings, 1000)

    A step is one task for each shard. The parameters are sent once a step, by way of the scheduler,
    which gives them again to whoever takes over. A worker that dies, comes, or is slow changes no
    bit of what is returned: the results are put in the order of the shards.

    Args:
        client: of `connect`.
        source: the file; each worker opens it under this path.
        Y: the labels of the training examples, as `train.check_examples` gives them.
        rows: the rows of the file that they are, in order; all by default.
        weights: of the examples (1, m).

    Attributes:
        settings: of the run.
        seconds: of each step: the whole, the computing of the worker with most of it, of all.
        waiting: called every second while a step is waited for; what it raises ends the step.

    Raises:
        ValueError: more shards than examples; a worker that does not see the file.
    """

    def __init__(
        self,
        client: Any,
        source: Source,
        Y: Array,
        settings: Settings,
        *,
        rows: Array | None = None,
        weights: Array | None = None,
    ) -> None:
        if settings.shards is None:
            raise ValueError("settings: expected how many shards there are, got None")
        self._client, self.m, self.settings = client, Y.shape[1], settings
        self._names = worker_names(client)
        self._workers, self._alone = sorted(self._names), False
        self._check_file(source)
        self.bounds = shard_bounds(self.m, settings.shards)
        self.weights = weights_of(Y, settings, weights)
        largest = largest_product(settings.layer_dims, settings.batch_size or self.m)
        self._threads = 1 if largest < LARGE else 2  # of one process at its best; a worker has one
        self._run = uuid4().hex
        self._count, self._looked = 0, time.monotonic()
        self.seconds: list[tuple[float, float, float]] = []
        self.waiting: Callable[[], None] = lambda: None
        self._sources = [
            self._put(f"shard{i}", self._of(i, source, settings, rows))
            for i in range(settings.shards)
        ]

    def _check_file(self, source: Source) -> None:
        """Raise ValueError unless every worker sees the file that is here."""
        own = source.seen()
        for at, seen in self._client.run(source.seen, on_error="return").items():
            who = f"worker {self._names.get(at, at)} ({at})"
            if isinstance(seen, BaseException):
                raise ValueError(
                    f"{who} does not see {source.path}: {seen}; put it where every worker finds "
                    "it under the same path, as on a shared folder"
                )
            if seen != own:
                raise ValueError(
                    f"{who}: {source.path} is another file there: expected (bytes, shape, type) "
                    f"{own}, got {seen}; give every worker the same one"
                )

    def _of(self, i: int, source: Source, settings: Settings, rows: Array | None) -> ShardSource:
        a, b = self.bounds[i]
        start, stop, kept = a, b, None
        if rows is not None:
            start, stop = int(rows[a]), int(rows[b - 1]) + 1
            kept = rows[a:b] - start
        weights = None if self.weights is None else self.weights[:, a:b]
        key = f"{self._run}-{i}"
        return ShardSource(key, source, start, stop, kept, weights, settings, self.m)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._sources.clear()
        if self._client.status == "running":
            self._client.run(work.forget, self._run, on_error="ignore")

    @property
    def steps(self) -> int:
        """How many steps were computed."""
        return len(self.seconds)

    # --- what a run asks for ----------------------------------------------------------------------

    def computed(
        self, what: str, parts: Sequence[Part], given: Mapping[str, Any], own: Sequence[Any]
    ) -> list[Any]:
        """As `train.shards.Shards.computed`."""
        begun = time.perf_counter()
        found = self._computed(what, parts, given, own)
        whole = time.perf_counter() - begun
        by_worker: dict[int, float] = {}
        for part, (_, seconds) in zip(parts, found, strict=True):
            w = part.shard % len(self._workers)
            by_worker[w] = by_worker.get(w, 0.0) + seconds
        self.seconds.append((whole, max(by_worker.values()), sum(by_worker.values())))
        return [result for result, _ in found]

    def predict(self, parameters: Mapping[str, Array]) -> Array:
        """AL (n_L, m) of all training examples."""
        parts = [Part(i, None, 0.0) for i in range(len(self.bounds))]
        found = self._computed("outputs", parts, dict(parameters), [None] * len(parts))
        return np.concatenate([AL for AL, _ in found], axis=1)

    def advice(self) -> str:
        """Whether the cluster pays, with what was measured, in a sentence."""
        counted = self.seconds[FIRST:] or self.seconds
        whole, longest, total = (median(column) * 1e3 for column in zip(*counted, strict=True))
        total /= self._threads
        told = (
            f"a step takes {whole:.3g} ms, {longest:.3g} of them computing; one process would take "
            f"about {total:.3g} ms"
        )
        if whole < total:
            return f"{told}: the cluster is {total / whole:.2g} times as fast"
        return f"{told}: the cluster does not pay here, leave out --cluster or --scheduler"

    # --- tasks ------------------------------------------------------------------------------------

    def _computed(
        self, what: str, parts: Sequence[Part], given: Mapping[str, Any], own: Sequence[Any]
    ) -> list[tuple[Any, float]]:
        """Results with their seconds; whatever was lost is asked for again."""
        from distributed.scheduler import KilledWorker

        for _ in range(TRIES):
            try:
                self._look()
                return self._gathered(self._submitted(what, parts, given, own))
            except ClusterError:
                raise
            except CancelledError:  # the scheduler has forgotten them
                self._require_scheduler()
            except KilledWorker as error:
                raise ClusterError(
                    f"{error.allowed_failures + 1} workers that were given one of the shards died; "
                    "is it too large for their memory? More --shards are smaller ones"
                ) from None
            except (ValueError, ImportError, AttributeError, OSError) as error:
                self._require_scheduler()
                raise ClusterError(str(error)) from error
        raise ClusterError(f"the scheduler forgot the tasks of a step {TRIES} times")

    def _submitted(
        self, what: str, parts: Sequence[Part], given: Mapping[str, Any], own: Sequence[Any]
    ) -> list[Any]:
        sent = self._put("given", given)
        most = -(-len(self.bounds) // len(self._workers)) + 1
        return [
            self._client.submit(
                work.computed, what, self._sources[part.shard], sent, x, most,
                key=self._key(f"part{part.shard}"),
                workers=[self._workers[part.shard % len(self._workers)]],
                allow_other_workers=True,
            )
            for part, x in zip(parts, own, strict=True)
        ]  # fmt: skip

    def _put(self, what: str, x: Any) -> Any:
        """A task that holds x: sent once, and given again by the scheduler if a worker dies."""
        import dask

        # Dask would warn of parameters above 10 MB; they are what is to be sent.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            return self._client.submit(work.as_it_is, x, key=self._key(what))

    def _key(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._run}-{self._count}"

    def _gathered(self, futures: list[Any]) -> list[Any]:
        from distributed import wait

        alone = None  # since when there is no worker
        while True:
            try:
                with self._client.as_current():
                    wait(futures, timeout=1)
                break
            except TimeoutError:
                self.waiting()
                self._require_scheduler()
                self._look()
                alone = (alone or time.monotonic()) if self._alone else None
                if alone is not None and time.monotonic() - alone > PATIENCE:
                    raise ClusterError(
                        f"no worker for {PATIENCE:g} s; start some, then go on"
                    ) from None
        found: list[Any] = self._client.gather(futures)
        return found

    def _require_scheduler(self) -> None:
        if self._client.status != "running":
            raise ClusterError("the scheduler is gone; start one, with workers, then go on")

    def _look(self) -> None:
        """Every so often see which workers there are; new ones take the places of dead ones."""
        if time.monotonic() - self._looked < LOOK:
            return
        try:
            names = worker_names(self._client)
        except OSError:
            self._require_scheduler()
            return
        self._looked = time.monotonic()
        new = sorted(names.keys() - self._names.keys())
        if new:
            check_workers(self._client, names, new)
        self._names = names
        self._alone = not names
        if names:
            there = [at if at in names else new.pop(0) if new else "" for at in self._workers]
            self._workers = [at for at in there if at] + new
