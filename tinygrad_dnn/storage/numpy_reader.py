"""Reading `.npy` and `.npz` files that one did not write: headers are looked at, then values read.

No pickle is opened: arrays of objects are refused by name. What a header declares is held against
what is stored, so that neither a long header nor a small archive that unfolds to gigabytes costs
more than an error.

Unreadable files raise OSError, wrong or dangerous content ValueError; either names the file.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from os import PathLike
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tinygrad_dnn.storage.hdf5_reader import HARMLESS, MAX_EXPANSION
from tinygrad_dnn.storage.regular_file import regular_file

Array = NDArray[Any]
KINDS = "biufSU"  # truth values, integers, floats, texts
MAX_HEADER = 10_000  # bytes, as NumPy's own limit
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those of np.savez and savez_compressed


def open_npy(path: str | PathLike[str]) -> Array:
    """The array of an `.npy` file, read-only; one of more than 64 MiB stays in the file.

    Such a one is mapped: the system reads what is used, and takes it from memory when it is full.

    Raises:
        OSError: no such file, not an `.npy` file, cut short.
        ValueError: objects (pickles), or another type that is not read; a header that is too long.
    """
    path = regular_file(path, "an .npy file")
    with path.open("rb") as stream:
        start = stream.read(2)
        stream.seek(0)
        if start in (b"PK", b"\x80\x04", b"\x80\x05"):
            kind = "a zip archive; call an .npz so" if start == b"PK" else "a pickle, never opened"
            raise ValueError(f"{path}: expected an .npy file, got {kind}")
        shape, fortran, dtype = _header(stream, str(path))
        offset = stream.tell()
        declared = math.prod(shape) * dtype.itemsize
        stored = path.stat().st_size - offset
        if stored < declared:
            raise OSError(
                f"{path}: cut short: its header declares {declared:,} bytes, {stored:,} are there"
            )
        order: Any = "F" if fortran else "C"
        if declared > HARMLESS:
            return np.memmap(path, dtype, "r", offset, shape, order).view(np.ndarray)
        values = np.frombuffer(stream.read(declared), dtype)
    return values.reshape(shape, order=order)


class NpzReader:
    """The arrays of an `.npz` file, each read when it is asked for; a context manager.

    Raises:
        OSError: no such file, not an archive, damaged.
        ValueError: more than one array of a name.

    Attributes:
        names: of its arrays, in the file's order.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = regular_file(path, "an .npz file")
        if not zipfile.is_zipfile(self.path):
            raise OSError(f"{self.path}: expected an .npz file (a zip archive), got something else")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise OSError(f"{self.path}: cannot be read, damaged ({error})") from error
        entries = [entry for entry in self._zip.infolist() if entry.filename.endswith(".npy")]
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        self.names = tuple(self._entries)
        if len(self.names) < len(entries):
            self.close()
            raise ValueError(f"{self.path}: holds two arrays of one name; store each once")

    def read(self, name: str) -> Array:
        """One array.

        Raises:
            OSError: the file is damaged there.
            ValueError: objects (pickles), another type that is not read, or a trap: it unfolds to
                more than 100 times what is stored.
        """
        where, entry = f"{self.path}: array {name!r}", self._entries[name]
        if entry.compress_type not in METHODS or entry.flag_bits & 1:
            raise ValueError(f"{where}: expected it stored or deflated, not encrypted or otherwise")
        unfolded = entry.file_size
        if unfolded > HARMLESS and unfolded > MAX_EXPANSION * entry.compress_size:
            raise ValueError(
                f"{where}: declares {unfolded:,} bytes and stores {entry.compress_size:,}; more "
                f"than {MAX_EXPANSION} times as much is taken for a trap (if the file is yours, "
                "write it with np.savez, uncompressed)"
            )
        try:
            with self._zip.open(entry) as stream:
                shape, fortran, dtype = _header(stream, where)
                declared = math.prod(shape) * dtype.itemsize
                if declared != unfolded - stream.tell():
                    raise OSError(f"{declared:,} bytes declared, {unfolded - stream.tell():,} kept")
                data = bytearray(stream.read())  # to its end, where the checksum is compared
                if len(data) != declared:
                    raise OSError(f"{declared:,} bytes declared, {len(data):,} there")
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(f"{where}: cannot be read, damaged or cut short ({error})") from error
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")

    def close(self) -> None:
        """Close the file; the arrays that were read stay."""
        self._zip.close()


def _header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and type of the array that follows, looked at."""
    try:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:  # (3, 0) is for names of fields, which no array of numbers has
            raise ValueError(f"format {version}")
        shape, fortran, dtype = read(stream, max_header_size=MAX_HEADER)
        if min(shape, default=0) < 0:
            raise ValueError(f"shape {shape}")
    except (zipfile.BadZipFile, zlib.error):
        raise
    except Exception as error:  # a parser that meets damage raises whatever it stumbles over
        words = str(error).split("\n")[0] or type(error).__name__
        raise ValueError(
            f"{where}: expected the header of an array of numbers, got something else ({words})"
        ) from error
    if dtype.hasobject:
        raise ValueError(
            f"{where}: holds objects, which are pickles and never opened; save it as numbers, or "
            "texts with dtype='U'"
        )
    if dtype.kind not in KINDS or dtype.subdtype:
        raise ValueError(f"{where}: expected numbers or texts, got {dtype}")
    return shape, fortran, dtype
