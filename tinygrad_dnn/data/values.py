"""Where the numbers of a dataset lie: in an open HDF5 file, or in an array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.storage.hdf5_reader import open_h5_dataset
from tinygrad_dnn.storage.hdf5_values import H5Rows, h5_blocks, read_h5

Array = NDArray[Any]
BLOCK = 8 * 2**20  # bytes of an array that are looked at together
PIECE = 2**20  # bytes that some rows are taken from at a time


class Values(Protocol):
    """Numbers (m, ...), read in native byte order.

    Attributes:
        name: of the dataset, the array or the column.
        where: the same for an error, with the file.
        chunk_rows: how many rows lie together; reading fewer costs as much.
    """

    name: str
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """(start, rows) over the first axis, in order, a few megabytes at a time."""

    def read(self) -> Array:
        """All of them, in C order."""

    def read_rows(self, start: int, out: Array) -> None:
        """Fill `out` with the rows from `start` on; it is C-contiguous and of `dtype`."""


class H5Values:
    """A dataset of an open HDF5 file, read under guard.

    Raises:
        OSError, ValueError: as `tinygrad_dnn.storage.hdf5_reader.open_h5_dataset`.
    """

    def __init__(self, file: h5py.File, name: str) -> None:
        self._dataset = open_h5_dataset(file, name)
        self.name = name
        self.where = f"{file.filename}: dataset {name!r}"
        self.shape: tuple[int, ...] = self._dataset.shape
        self.dtype: np.dtype[Any] = self._dataset.dtype.newbyteorder("=")
        self.chunk_rows: int = self._dataset.chunks[0] if self._dataset.chunks else 1
        self._rows: H5Rows | None = None

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """As `Values.blocks`, one chunk unpacked once."""
        return h5_blocks(self._dataset)

    def read(self) -> Array:
        """As `Values.read`."""
        return read_h5(self._dataset)

    def read_rows(self, start: int, out: Array) -> None:
        """As `Values.read_rows`; each chunk is verified once."""
        if self._rows is None:
            self._rows = H5Rows(self._dataset)
        self._rows.read(start, out)


class ArrayValues:
    """An array in memory, or one that is mapped from a file."""

    def __init__(self, array: Array, name: str, where: str) -> None:
        self._array = array
        self.name, self.where = name, where
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")
        self.chunk_rows = 1

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """As `Values.blocks`."""
        rows = max(1, BLOCK * len(self._array) // max(1, self._array.nbytes))
        for start in range(0, len(self._array), rows):
            yield start, self._array[start : start + rows].astype(self.dtype, copy=False)

    def read(self) -> Array:
        """As `Values.read`; a copy."""
        return np.array(self._array, self.dtype, order="C")

    def read_rows(self, start: int, out: Array) -> None:
        """As `Values.read_rows`."""
        out[...] = self._array[start : start + len(out)]


class RowValues:
    """Some rows of other values, in their order; read when they are asked for.

    Args:
        rows: their positions, in increasing order.
    """

    def __init__(self, values: Values, rows: NDArray[np.int64]) -> None:
        self._values, self._rows = values, rows
        self.name, self.where = values.name, values.where
        self.shape: tuple[int, ...] = (len(rows), *values.shape[1:])
        self.dtype: np.dtype[Any] = values.dtype
        self.chunk_rows: int = values.chunk_rows

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """As `Values.blocks`."""
        m, k = self.shape[0], self._within(BLOCK)
        for start in range(0, m, k):
            out = self._empty(min(k, m - start))
            self.read_rows(start, out)
            yield start, out

    def read(self) -> Array:
        """As `Values.read`."""
        out = self._empty(self.shape[0])
        self.read_rows(0, out)
        return out

    def read_rows(self, start: int, out: Array) -> None:
        """As `Values.read_rows`; what lies between them is read, and left, by whole chunks."""
        rows, most = self._rows[start : start + len(out)], self._within(PIECE)
        done = 0
        while done < len(rows):
            first = int(rows[done])
            end = done + int(np.searchsorted(rows[done:], first - first % most + most))
            part, span = rows[done:end] - first, int(rows[end - 1]) + 1 - first
            if span == len(part):
                self._values.read_rows(first, out[done:end])
            else:
                piece = self._empty(span)
                self._values.read_rows(first, piece)
                np.take(piece, part, axis=0, out=out[done:end])
            done = end

    def _within(self, most: int) -> int:
        """How many rows, whole chunks, take so many bytes; one chunk at least."""
        row = self._empty(1).nbytes * self.chunk_rows
        return max(1, most // max(1, row)) * self.chunk_rows

    def _empty(self, k: int) -> Array:
        return np.empty((k, *self.shape[1:]), self.dtype)
