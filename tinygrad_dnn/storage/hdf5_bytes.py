"""Rows of a dataset read from the bytes of its file, where they lie as they do in memory.

The library looks each chunk up and holds Python's lock while it reads; the system's own call copies
the bytes once, while another thread computes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


class PlainRows:
    """Rows that lie side by side in pieces of a file.

    Args:
        file: its descriptor.
        starts: the first byte of each piece.
        rows: in a piece; the last may have more room than rows.
        row: bytes of a row.
    """

    def __init__(self, file: int, starts: Sequence[int], rows: int, row: int) -> None:
        self._file, self._rows, self._row, self._starts = file, rows, row, starts
        # The row before which the neighbours of each piece end.
        gaps = np.flatnonzero(np.diff(starts) != rows * row) + 1
        ends = np.append(gaps, len(starts))
        self._ends = np.repeat(ends, np.diff(ends, prepend=0)) * rows

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Fill `out`, C-contiguous, with the rows from `start` on; neighbours at once.

        Raises:
            OSError: the file is cut short there, or can't be read.
        """
        room = out.data.cast("B")
        stop = start + len(out)
        while start < stop:
            piece, within = divmod(start, self._rows)
            end = min(int(self._ends[piece]), stop)
            n = (end - start) * self._row
            self._fill(room[:n], self._starts[piece] + within * self._row)
            room, start = room[n:], end

    def _fill(self, part: memoryview, at: int) -> None:
        while len(part):
            n = os.preadv(self._file, [part], at)
            if not n:
                raise OSError(f"the file ends before byte {at + len(part):,}")
            part, at = part[n:], at + n


def plain_rows(dataset: h5py.Dataset, chunks: Sequence[int] | None) -> PlainRows | None:
    """The rows of a dataset of an open file, where they can be read so; else None.

    Args:
        chunks: the first byte of every chunk, in order, of a dataset whose chunks are whole.
    """
    file, native = dataset.file, dataset.dtype.newbyteorder("=")
    if (
        not hasattr(os, "preadv")  # Windows
        or not (dataset.ndim and dataset.size)
        or file.driver != "sec2"  # a file of the system's, in one piece
        or file.userblock_size  # bytes are counted from behind it
        or not dataset.id.get_type().equal(h5py.h5t.py_create(native))
    ):
        return None
    row = math.prod(dataset.shape[1:]) * native.itemsize
    if dataset.chunks is None:
        first = dataset.id.get_offset()
        starts, rows = [] if first is None else [first], dataset.shape[0]
    elif dataset.chunks[1:] == dataset.shape[1:]:
        starts, rows = [*(chunks or ())], dataset.chunks[0]
    else:
        return None
    descriptor = file.id.get_vfd_handle()
    length = os.fstat(descriptor).st_size
    if not starts or min(starts) < 0 or max(starts) >= length:
        return None  # the library says what is wrong
    return PlainRows(descriptor, starts, rows, row)
