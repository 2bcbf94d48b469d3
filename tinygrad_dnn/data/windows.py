"""The order in which a `Stream` reads: rows in blocks, blocks in windows, both shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
BLOCK = 2**20  # bytes that are worth a read of their own, wherever they lie
RUN = 2**22  # bytes that are read at once, where more lie side by side
BLOCKS = 4  # at least in a window, if chunks allow: what it mixes


class Layout:
    """How m rows are cut into blocks, windows and batches in a stated memory.

    Attributes:
        m: rows in all.
        size: rows of a batch.
        block: rows of a block, whole chunks; the last block may be shorter.
        window: blocks of a window.
        batches: of an epoch.

    Args:
        memory: in bytes, for two windows, a chunk that is being unpacked, and the batches.
        chunk: rows that lie together in the file.
        stored: bytes of a row in the file.
        given: bytes of a row in a batch.

    Raises:
        ValueError: a size that is not from 1 to m, or too little memory.
    """

    def __init__(self, m: int, size: int, memory: int, chunk: int, stored: int, given: int) -> None:
        if not 1 <= size <= m:
            raise ValueError(
                f"stream: expected a size from 1 to the number of examples, {m}, got {size}"
            )
        self.m, self.size = m, size
        self.batches = -(-m // size)
        # A batch as it is taken out of the window, as it is given, and the one that is still held.
        others = size * (stored + 2 * given) + chunk * stored
        both = 2 * stored + 8  # a row of either window, and its place in the order
        rows = (memory - others) // both
        if rows < min(chunk, m):
            least = others + min(chunk, m) * both
            raise ValueError(
                f"stream: expected memory for two chunks of {chunk} examples and the batches, "
                f"{least:,} bytes or more, got {memory:,}; give more, or smaller batches"
            )
        wanted = max(1, min(BLOCK, rows * stored // BLOCKS) // (chunk * stored))
        self.block = min(wanted * chunk, m)
        self.window = max(1, rows // self.block)
        self.block_bytes = self.block * stored


class Order:
    """The order of one epoch, from the integers that were drawn for it; of none, the file's.

    The examples of a window are shuffled by a stream of its own, so that any window's order is
    known without the others'.
    """

    def __init__(self, layout: Layout, seed: list[int], *, drawn: bool) -> None:
        self._layout, self._seed = layout, seed
        count = -(-layout.m // layout.block)
        self._blocks = np.arange(count)
        if seed and drawn:
            self._blocks = np.random.default_rng([*seed, 0]).permutation(count)
        lengths = np.full(count, layout.block)
        lengths[self._blocks == count - 1] = layout.m - (count - 1) * layout.block
        ends = np.concatenate([[0], np.cumsum(lengths)])
        self.windows = -(-count // layout.window)
        for w in range(self.windows):  # which are in a window was drawn; they are read as they lie
            self._blocks[w * layout.window : (w + 1) * layout.window].sort()
        # The row, in the order of the epoch, with which each window begins; and the end.
        self._first = np.append(ends[:-1][:: layout.window], layout.m)

    def first_row(self, w: int) -> int:
        """How many rows come before a window."""
        return int(self._first[w])

    def window_of(self, row: int) -> int:
        """The window that has a row of the epoch."""
        return int(np.searchsorted(self._first, row, side="right")) - 1

    def blocks(self, w: int) -> Iterator[tuple[int, int, int]]:
        """(start, stop) in the file of the blocks of a window, and where in it each begins.

        Neighbours are one, up to `RUN` bytes.
        """
        block, most, at = self._layout.block, max(1, RUN // self._layout.block_bytes), 0
        chosen = self._blocks[w * self._layout.window : (w + 1) * self._layout.window].tolist()
        begun = 0
        for k, (one, after) in enumerate(pairwise([*chosen, None]), start=1):
            if after != one + 1 or k - begun == most:
                start = chosen[begun] * block
                stop = min((one + 1) * block, self._layout.m)
                yield start, stop, at
                at, begun = at + stop - start, k

    def shuffled(self, w: int) -> Positions:
        """The rows of a window, as positions in it, in the order in which they are given."""
        n = self.first_row(w + 1) - self.first_row(w)
        if not self._seed:
            return np.arange(n)
        return np.random.default_rng([*self._seed, w + 1]).permutation(n)

    def positions(self, w: int) -> Positions:
        """The rows of a window, as positions in the file, in the order in which they are given."""
        rows = [np.arange(start, stop) for start, stop, _ in self.blocks(w)]
        return np.concatenate(rows)[self.shuffled(w)]

    def position(self, row: int) -> int:
        """The position in the file of a row of the epoch."""
        w = self.window_of(row)
        return int(self.positions(w)[row - self.first_row(w)])
