"""Examples that stay in their file: the batches of a run, and predictions on all of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data import Dataset, Stream
from tinygrad_dnn.train.examples import Batch, Order, check_labels, weights_of
from tinygrad_dnn.train.settings import Settings

Array = NDArray[Any]
MEGABYTE = 2**20
TRAINING, MEASURING = 0.75, 0.25  # parts of the memory


class StreamedExamples(Order):
    """The training examples of a run, handed out as `Examples` does, read from their file.

    The labels and the positions of an epoch are in memory.

    Args:
        data: stays open until `close`.
        bring: brings an array to where is computed.

    Raises:
        ValueError: no memory is stated, or too little; labels that are wrong.
    """

    def __init__(
        self,
        data: Dataset,
        settings: Settings,
        weights: Array | None = None,
        bring: Callable[[Any], Any] = np.asarray,
    ) -> None:
        super().__init__(data.m, settings)
        self._x, self._y, self._bring = _unlabelled(data), labels_of(data, settings), bring
        found = weights_of(self._y, settings, weights)
        self.weights = None if found is None else bring(found)
        self._stream = self._new(np.random.default_rng(0))
        state = self._stream.state()
        self.layout = state["block"], state["window"]
        self._open: Generator[Any] | None = None

    def _new(self, rng: np.random.Generator) -> Stream:
        return _stream(self._x, self.size, rng, self.settings, TRAINING)

    def positions(self, rng: np.random.Generator | None) -> list[Any]:
        """As `Order.positions`: the order of a `Stream`, which begins an epoch."""
        assert rng is not None  # there are batches
        self._stream = self._new(rng)
        at = self._stream.positions()
        return [at[i : i + self.size] for i in range(0, self.m, self.size)]

    def batches(
        self, parameters: Mapping[str, Array], begun: Mapping[str, Any] | None, done: int
    ) -> Iterator[Batch]:
        """As `Examples.batches`."""
        self.close()
        self._open = self._batches(parameters, begun, done)
        return self._open

    def _batches(
        self, parameters: Mapping[str, Array], begun: Mapping[str, Any] | None, done: int
    ) -> Generator[Batch]:
        read: Any = None
        try:
            for turn in self.turns(parameters, begun, done):
                if read is None:
                    self._stream.restore({**self._stream.state(), "batch": done})
                    read = iter(self._stream)
                X, _ = next(read)
                Y = check_labels(self._y[:, turn.at], turn.m, self.settings)
                given: dict[str, Any] = {}
                if turn.masks is not None:
                    given["masks"] = {name: self._bring(D) for name, D in turn.masks.items()}
                if self.weights is not None:
                    given["weights"] = self.weights[:, turn.at]
                yield Batch(self._bring(X), self._bring(Y), given, turn)
                if turn.last:
                    read.close()
                    read, done = None, 0
        finally:
            if read is not None:
                read.close()

    def close(self) -> None:
        """Read no further."""
        if self._open is not None:
            self._open.close()


class StreamedPredictor:
    """Predictions on examples that stay in their file, as `Predictor` makes them.

    Args:
        data: stays open as long as it is asked.
    """

    def __init__(self, data: Dataset, settings: Settings) -> None:
        self._x, self._y, self.settings = _unlabelled(data), labels_of(data, settings), settings
        stored = data.n_x * data.x_dtype.itemsize
        row = stored + 2 * (data.n_x + 1) * np.dtype(settings.dtype).itemsize
        # A chunk that is unpacked, and two windows of one; half of the rest is for the parts.
        rest = int(_bytes(settings) * MEASURING) - min(data.x.chunk_rows, data.m) * 3 * (stored + 8)
        self._size = max(1, min(data.m, rest // 2 // row))
        self._new()  # refused at once if the memory is too little

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        """AL (n_L, m)."""
        parts = [self.settings.predict(X, parameters) for X in self._parts()]
        return np.concatenate(parts, axis=1)

    def cost(
        self, parameters: Mapping[str, Array], bring: Callable[[Any], Any] = np.asarray
    ) -> float:
        """The mean cost of the examples, Σ k · cost_k / m over parts of k; `held_out_cost`.

        Args:
            bring: brings an array to where the parameters are.
        """
        total, done = 0.0, 0
        for X in self._parts():
            k = X.shape[1]
            Y = check_labels(self._y[:, done : done + k], k, self.settings)
            total += k * self.settings.held_out_cost(bring(X), bring(Y), parameters)
            done += k
        return total / done

    def _parts(self) -> Iterator[Array]:
        """X of some examples after the others, in the order of the file."""
        for X, _ in self._new():
            yield X

    def _new(self) -> Stream:
        return _stream(self._x, self._size, None, self.settings, MEASURING)


def labels_of(data: Dataset, settings: Settings) -> Array:
    """The labels (1, m) of all examples; of a linear head the numbers."""
    if settings.head == "linear":
        return data.targets(settings.dtype)
    return data.labels(classes=settings.classes)


def _unlabelled(data: Dataset) -> Dataset:
    return Dataset(data.path, data.x)


def _stream(
    x: Dataset, size: int, rng: np.random.Generator | None, settings: Settings, share: float
) -> Stream:
    """The batches of examples, within a share of the memory.

    Raises:
        ValueError: it is too little.
    """
    memory = int(_bytes(settings) * share)
    try:
        return Stream(x, size, rng, memory=memory, dtype=settings.dtype)
    except ValueError as error:
        what = "for batches" if share == TRAINING else "to measure on all examples"
        raise ValueError(
            f"memory: {share:.0%} of the {settings.memory} MB are {what}; {error}"
        ) from None


def _bytes(settings: Settings) -> int:
    if settings.memory is None:
        raise ValueError("memory: expected how many megabytes to read within, got None")
    return settings.memory * MEGABYTE
