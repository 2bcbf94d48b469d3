"""Batches of examples that need not fit in memory, read ahead by one thread."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn.data.dataset import Dataset
from tinygrad_dnn.data.examples import (
    expected_labels,
    float_dtype,
    not_finite,
    take_scaled,
    wrong_labels,
)
from tinygrad_dnn.data.values import ArrayValues, Values
from tinygrad_dnn.data.windows import Layout, Order
from tinygrad_dnn.storage import random_state
from tinygrad_dnn.storage.validate import generator, integer, mapping

Array = NDArray[Any]
State = dict[str, Any]
LAYOUT = ("m", "size", "block", "window")  # of a state: what must be the same to go on


class Stream:
    """The mini-batches of a data set, epoch by epoch, in a stated amount of memory.

    An iteration goes through what is left of an epoch, and through a whole one where none is under
    way. A batch is X (n_x, k) and Y (1, k) as `Dataset.columns` and `Dataset.labels` have them, of
    `size` examples, the last of an epoch the rest; Y is None where there are no labels.

        with read("large.h5") as data:
            stream = Stream(data, 64, np.random.default_rng(0), memory=2**28)
            for epoch in range(10):
                for x, y in stream:
                    ...
                saved = stream.state()  # at any batch; later: stream.restore(saved)

    What is read lies in blocks of whole chunks. Some blocks are a window, whose examples are
    shuffled in memory, while a thread reads the next window. The blocks come in an order that is
    drawn (`order="drawn"`), or as they lie in the file, which suffices where the file is shuffled
    already. What fits into one window is shuffled as a whole.

    Args:
        data: from `read` or `open_dataset`; it stays open as long as batches are asked for.
        size: examples in a batch.
        rng: a NumPy Generator, from which an epoch takes four integers; None for the file's order,
            unshuffled.
        memory: in bytes, of two windows and the batches in hand; Python takes some 100 kB more.
        dtype: of X, float64 or float32.
        order: of the blocks, "drawn" or "file".
        targets: Y are numbers to be predicted, in `dtype`; else classes.
        label_dtype: of classes.

    Attributes:
        epoch: how many are complete.
        batch: how many of the present one were handed out.

    Raises:
        TypeError: `rng` is no Generator, `size` or `memory` no integer.
        ValueError: a size that is not from 1 to m, or memory for less than two chunks and the
            batches; the message says how much it takes.
    """

    def __init__(
        self,
        data: Dataset,
        size: int,
        rng: np.random.Generator | None,
        *,
        memory: int = 2**28,
        dtype: DTypeLike = np.float64,
        order: Literal["drawn", "file"] = "drawn",
        targets: bool = False,
        label_dtype: DTypeLike = np.int64,
    ) -> None:
        if order not in ("drawn", "file"):
            raise ValueError(f"stream: expected order 'drawn' or 'file', got {order!r}")
        if data.y is not None and not data.classes and not targets:
            raise ValueError(
                f"{data.y.where}: expected labels of classes, got numbers; as numbers to be "
                "predicted: targets=True"
            )
        self._rng = None if rng is None else generator(rng, "stream")
        self._data, self._dtype = data, float_dtype(dtype, "stream")
        self._order: Literal["drawn", "file"] = order
        self._targets, self._label_dtype = targets, np.dtype(label_dtype)
        memory = integer(memory, "stream: memory")
        self._x, self._y = data.x, data.y
        if data.y is not None and (_small(data.y, memory) or data.y.shape[0] != data.m):
            values = data.y.read().ravel()  # once, instead of a read for each block
            self._y = ArrayValues(values, data.y.name, data.y.where)
            memory -= values.nbytes
        stored = data.n_x * self._x.dtype.itemsize + (self._y.dtype.itemsize if self._y else 0)
        given = (data.n_x + 1) * self._dtype.itemsize
        self._layout = Layout(
            integer(data.m, "m", 1),
            integer(size, "stream: size"),
            memory,
            self._x.chunk_rows,
            stored,
            given,
        )
        self._seed: list[int] | None = None  # of the epoch under way
        self._running = False
        self.epoch = self.batch = 0

    def __len__(self) -> int:
        """The batches of an epoch."""
        return self._layout.batches

    def __iter__(self) -> Iterator[tuple[Array, Array | None]]:
        if self._running:
            raise ValueError("stream: it is being read already; one loop at a time")
        self._running = True
        stop, pool = Event(), ThreadPoolExecutor(1, "reading ahead")
        try:
            order = self._begun()
            row, m = self.batch * self._layout.size, self._layout.m
            first = order.window_of(row)
            windows = self._read_ahead(pool, order, first, stop)
            window = next(windows)
            drawn = window.drawn[row - order.first_row(first) :]
            while row < m:
                k, done = min(self._layout.size, m - row), 0
                X = np.empty((k, self._data.n_x), self._dtype)
                Y = None if window.labels is None else np.empty((1, k), window.labels.dtype)
                while done < k:
                    if not len(drawn):
                        window = next(windows)
                        drawn = window.drawn
                    taken, drawn = drawn[: k - done], drawn[k - done :]
                    part = slice(done, done + len(taken))
                    take_scaled(window.x, taken, X[part])
                    if Y is not None and window.labels is not None:
                        Y[0, part] = window.labels[taken]
                    self._check(window, taken, X[part], order, row + done)
                    done += len(taken)
                self._count()
                row += k
                yield X.T, Y
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            self._running = False

    def positions(self) -> NDArray[np.int64]:
        """The positions of the examples (m,) in the order of the epoch under way, or the next.

        `X[:, stream.positions()]`, cut every `size`, are its batches.
        """
        order = self._begun()
        return np.concatenate([order.positions(w) for w in range(order.windows)])

    def state(self) -> State:
        """Where the stream stands, with its Generator, as plain data that JSON can write."""
        rng = self._rng
        return {
            **{name: getattr(self._layout, name) for name in LAYOUT},
            "order": self._order,
            "epoch": self.epoch,
            "batch": self.batch,
            "seed": self._seed,
            "random_state": rng and random_state.as_json(dict(rng.bit_generator.state)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was taken: the same batches, bit for bit, and the Generator too.

        Raises:
            ValueError: the stream is of another size, memory or data; or is being read.
            TypeError, ValueError: no state of a stream.
        """
        if self._running:
            raise ValueError("stream: it is being read; restore it before the loop")
        found, own = mapping(state, "stream: state"), self.state()
        if found.keys() != own.keys():
            raise ValueError(f"stream: state: expected the entries {', '.join(own)}")
        for name in (*LAYOUT, "order"):
            if found[name] != own[name]:
                raise ValueError(
                    f"stream: the state is of a stream with {name} {found[name]}, not {own[name]}; "
                    "go on with the same data, size, memory and order"
                )
        epoch = integer(found["epoch"], "stream: epoch")
        batch = integer(found["batch"], "stream: batch", 0, len(self) - 1)
        seed, drawn = found["seed"], found["random_state"]
        if (drawn is None) is not (self._rng is None) or (batch > 0) > isinstance(seed, list):
            raise ValueError("stream: the state is of a stream that is shuffled otherwise")
        if seed is not None:
            seed = [integer(word, "stream: seed") for word in seed]
        if self._rng is not None:
            checked = random_state.checked(drawn, "stream: random_state")
            kind = type(self._rng.bit_generator).__name__
            if checked["bit_generator"] != kind:
                raise ValueError(
                    f"stream: the state is of a {checked['bit_generator']}, the Generator a {kind}"
                )
            self._rng.bit_generator.state = checked
        self.epoch, self.batch, self._seed = epoch, batch, seed

    def _begun(self) -> Order:
        """The order of the epoch under way; the next begins here."""
        if self._seed is None:
            rng = self._rng
            self._seed = [] if rng is None else rng.integers(0, 2**63, 4).tolist()
        return Order(self._layout, self._seed, drawn=self._order == "drawn")

    def _count(self) -> None:
        """A batch is handed out; the last one ends its epoch."""
        self.batch += 1
        if self.batch == len(self):
            self.epoch, self.batch, self._seed = self.epoch + 1, 0, None

    def _read_ahead(
        self, pool: ThreadPoolExecutor, order: Order, first: int, stop: Event
    ) -> Iterator[_Window]:
        """The windows from the first on; the next one under way.

        There are two buffers: when a window is asked for, the one before it is read over.
        """
        rows = min(self._layout.window * self._layout.block, self._layout.m)
        xs = [np.empty((rows, *self._data.x_shape[1:]), self._x.dtype) for _ in range(2)]
        ys = [None if self._y is None else np.empty(rows, self._y.dtype) for _ in range(2)]

        def fill(w: int) -> None:
            for start, end, at in order.blocks(w):
                if stop.is_set():
                    return
                part = slice(at, at + end - start)
                self._x.read_rows(start, xs[w % 2][part])
                if self._y is not None and (y := ys[w % 2]) is not None:
                    self._y.read_rows(start, y[part].reshape(-1, *self._y.shape[1:]))

        ahead = pool.submit(fill, first)
        for w in range(first, order.windows):
            ahead.result()  # an error has the thread's traceback
            if w + 1 < order.windows:
                ahead = pool.submit(fill, w + 1)
            x, y, drawn = xs[w % 2].reshape(rows, -1), ys[w % 2], order.shuffled(w)
            stored = None if y is None else y[: len(drawn)]
            yield _Window(x, drawn, stored, *self._converted(stored))

    def _converted(self, stored: Array | None) -> tuple[Array | None, Array | None]:
        """The labels of a window as they are handed out, and which of them are wrong, if any."""
        if stored is None:
            return None, None
        if self._targets:
            with np.errstate(over="ignore"):
                numbers = stored.astype(self._dtype)
            finite = np.isfinite(numbers)
            return numbers, None if finite.all() else ~finite
        wrong = wrong_labels(stored, len(self._data.classes))
        known = stored if wrong is None else np.where(wrong, 0, stored)
        return known.astype(self._label_dtype), wrong

    def _check(self, window: _Window, taken: Array, rows: Array, order: Order, row: int) -> None:
        """Refuse examples that hold what no number is; the error names the first by its place."""
        if self._x.dtype.kind == "f" and (found := not_finite(rows)):
            raise ValueError(
                f"{self._x.where}: expected numbers finite in {self._dtype}, got nan, infinity or "
                f"a larger one in example {order.position(row + found[0])}"
            )
        if window.wrong is None or window.stored is None or self._y is None:
            return
        for at in np.flatnonzero(window.wrong[taken])[:1].tolist():
            where, count = self._y.where, len(self._data.classes)
            finite = f"{where}: expected finite numbers"
            raise ValueError(
                f"{finite if self._targets else expected_labels(count, where)}, "
                f"got {window.stored[taken[at]]} for example {order.position(row + at)}"
            )


class _Window(NamedTuple):
    """Examples in memory: x (rows, n_x), the order in which they are given, and their labels."""

    x: Array
    drawn: Array
    stored: Array | None
    labels: Array | None
    wrong: Array | None


def _small(y: Values, memory: int) -> bool:
    """Whether all labels take little of the memory."""
    return math.prod(y.shape) * y.dtype.itemsize <= memory // 16
