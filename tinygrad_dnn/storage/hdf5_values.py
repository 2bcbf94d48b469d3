"""The values of datasets that `hdf5_reader` has opened: every chunk is verified, then read."""

import math
import zlib
from collections.abc import Iterator
from itertools import product
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.storage.hdf5_bytes import plain_rows
from tinygrad_dnn.storage.hdf5_reader import COMPRESSORS, largest_chunk, library

__all__ = ["H5Rows", "h5_blocks", "read_h5", "read_h5_text"]

MAX_NAMES = 10_000  # entries of a text dataset
MAX_NAME_BYTES = 1_000  # of one entry
BLOCK = 8 * 2**20  # bytes that are read at a time


def _where(dataset: h5py.Dataset) -> str:
    _require_open(dataset)
    return f"{dataset.file.filename}: dataset {dataset.name.lstrip('/')!r}"


def _require_open(dataset: h5py.Dataset) -> None:
    if not dataset:
        raise ValueError("the file of this dataset is closed; read before closing it")


def _check_chunks(where: str, dataset: h5py.Dataset, start: int, stop: int) -> None:
    """Every chunk with rows from start to stop unfolds to exactly the bytes of a chunk.

    The HDF5 library does not look: of one that unfolds to less it takes what lies behind it in
    memory for values, or crashes; one that unfolds to more it unfolds to the end.
    """
    if dataset.chunks is None:
        return
    first, *others = zip(dataset.shape, dataset.chunks, strict=True)
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    whole = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    packs = any(number in COMPRESSORS for number in filters)
    rows = range(start - start % first[1], min(stop, first[0]), first[1])
    for offset in product(rows, *(range(0, n, chunk) for n, chunk in others)):
        with library(where):
            info = dataset.id.get_chunk_info_by_coord(offset)
            if info.size > largest_chunk(whole):  # another one than the index lists
                raise OSError(f"{info.size:,} bytes for a chunk of {whole:,}")
            packed = dataset.id.read_direct_chunk(offset)[1] if packs else b""
        length = len(packed) if packs else info.size
        for k, number in reversed([*enumerate(filters)]):  # as they are undone
            if info.filter_mask >> k & 1:
                continue
            if number == h5py.h5z.FILTER_FLETCHER32:
                length -= 4
            elif number in COMPRESSORS:
                length = _unfolded(where, number, packed[: max(length, 0)], whole + 4)
        if length > whole:
            raise ValueError(
                f"{where}: the chunk at {offset} unfolds to more than the {whole:,} bytes of a "
                "chunk; taken for a trap"
            )
        if length < whole:
            raise OSError(
                f"{where}: cannot be read, damaged: the chunk at {offset} has {length:,} bytes "
                f"of {whole:,}"
            )


def _unfolded(where: str, compressor: int, packed: bytes, limit: int) -> int:
    """How many bytes a compressed chunk unfolds to; of more than the limit, at least one more."""
    if compressor == h5py.h5z.FILTER_DEFLATE:
        try:
            return len(zlib.decompressobj().decompress(packed, limit + 1))
        except zlib.error as error:
            raise OSError(f"{where}: cannot be read, damaged gzip data ({error})") from error
    # LZF: a byte below 32 says how many follow as they are, another one how many are repeated.
    length = at = 0
    while at < len(packed) and length <= limit:
        code = packed[at]
        if code < 32:
            length, at = length + code + 1, at + code + 2
        else:
            long = code >> 5 == 7
            more = packed[at + 1] if long and at + 1 < len(packed) else 0
            length, at = length + (code >> 5) + more + 2, at + 2 + long
    return length


def h5_blocks(dataset: h5py.Dataset) -> Iterator[tuple[int, NDArray[Any]]]:
    """(start, rows) over the first axis, in order, a few megabytes at a time, native byte order.

    ``dataset`` comes from `open_h5_dataset` and has at least one axis. Blocks end where
    chunks end, so that no chunk is unpacked twice.

    Raises:
        OSError: the file is damaged or cut short there.
        ValueError: a compressed chunk unfolds to more than a chunk.
    """
    where = _where(dataset)
    if _whole_chunks(where, dataset) is None:
        _check_chunks(where, dataset, 0, dataset.shape[0])
    native = dataset.dtype.newbyteorder("=")
    step = dataset.chunks[0] if dataset.chunks else 1
    row_bytes = max(1, math.prod(dataset.shape[1:]) * native.itemsize)
    rows = max(1, BLOCK // (row_bytes * step)) * step
    for start in range(0, dataset.shape[0], rows):
        with library(where):
            block = dataset[start : start + rows]
        yield start, block.astype(native, copy=False)


def _whole_chunks(where: str, dataset: h5py.Dataset) -> list[int] | None:
    """The first byte of every chunk, where the index lists all of them, in order, each with exactly
    the bytes of a chunk; else, or where chunks are packed, None.

    One look at the index: the library looks a single chunk up by going through all of it.
    """
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters():
        return None
    pairs = list(zip(dataset.shape, dataset.chunks, strict=True))
    size = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    expected = product(*(range(0, n, chunk) for n, chunk in pairs))
    found: list[int] = []

    def differs(info: Any) -> bool | None:
        """Whether this is another chunk than the next; None goes on."""
        found.append(info.byte_offset)
        return None if info.size == size and info.chunk_offset == next(expected, ()) else True

    with library(where):
        whole = dataset.id.chunk_iter(differs) is None and next(expected, None) is None
    return found if whole else None


class H5Rows:
    """Rows of a dataset read into arrays, again and again; each chunk is verified the first time.

    Rows that lie in the file as in memory are read from there (`hdf5_bytes`). For others it is made
    of the library's own calls: h5py's indexing takes as long as a read of 200 kB.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset, self._where = dataset, _where(dataset)
        self._space = dataset.id.get_space()
        self._type = h5py.h5t.py_create(dataset.dtype.newbyteorder("="))
        self._chunk: int = dataset.chunks[0] if dataset.chunks else 0  # rows
        self._verified = bytearray(-(-dataset.shape[0] // self._chunk) if self._chunk else 0)
        whole = _whole_chunks(self._where, dataset)
        if whole is not None:
            self._verified[:] = b"\1" * len(self._verified)
        self._plain = plain_rows(dataset, whole)

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Fill ``out``, C-contiguous and in native byte order, with the rows from ``start`` on.

        Raises:
            OSError, ValueError: as `h5_blocks`.
        """
        _require_open(self._dataset)
        stop = start + len(out)
        if self._plain is not None:
            with library(self._where):
                self._plain.read(start, out)
            return
        if self._chunk:
            part = slice(start // self._chunk, -(-stop // self._chunk))
            verified = self._verified[part]
            if not all(verified):
                _check_chunks(self._where, self._dataset, start, stop)
                self._verified[part] = b"\1" * len(verified)
        with library(self._where):
            self._space.select_hyperslab((start,) + (0,) * (out.ndim - 1), out.shape)
            memory = h5py.h5s.create_simple(out.shape)
            self._dataset.id.read(memory, self._space, out, self._type)


def read_h5(dataset: h5py.Dataset) -> NDArray[Any]:
    """All values of a dataset, in C order and native byte order; shape () too.

    Raises:
        OSError, ValueError: as `h5_blocks`.
    """
    where = _where(dataset)
    values = np.empty(dataset.shape, dataset.dtype.newbyteorder("="))
    if values.ndim == 0:
        with library(where):
            values[...] = dataset[()]
        return values
    for start, block in h5_blocks(dataset):
        values[start : start + len(block)] = block
    return values


def read_h5_text(dataset: h5py.Dataset) -> tuple[str, ...]:
    """The strings of a one-dimensional dataset opened with ``text=True``, decoded as UTF-8.

    Raises:
        OSError: the file is damaged or cut short there.
        ValueError: another shape, too many strings, too long ones, or not UTF-8.
    """
    where = _where(dataset)
    if dataset.ndim != 1 or dataset.size > MAX_NAMES or dataset.dtype.itemsize > MAX_NAME_BYTES:
        raise ValueError(
            f"{where}: expected at most {MAX_NAMES:,} strings (k,) of {MAX_NAME_BYTES:,} bytes, "
            f"got {dataset.shape} of {dataset.dtype.itemsize:,}"
        )
    texts = []
    for raw in read_h5(dataset):
        try:
            texts.append(raw.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: expected strings in UTF-8, got {raw[:40]!r}") from error
    return tuple(texts)
