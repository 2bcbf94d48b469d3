"""Reading HDF5 files that one did not write: look first, then read.

An HDF5 file can do more than hold arrays. It can point to other files (external links, virtual
datasets, external raw storage, which reads any file of the disk into an array), declare a terabyte
in a kilobyte, unfold a megabyte of gzip to a gigabyte, bend its groups into a circle, and keep
pickles or pointers where numbers should stand. The functions here look at the kind of link, the
storage, the type, and the declared against the stored size before a value is read, refuse by name,
and still read the ordinary files that people have; `hdf5_values` reads them.

Unreadable files raise OSError, wrong or dangerous content ValueError; either names file and
dataset. No attribute is read. One thing is out of reach: a damaged file can hang the HDF5 library
itself, so a file that must survive damage needs a checksum that is verified before it is opened.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import h5py

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage.regular_file import regular_file

__all__ = ["contents", "has_dataset", "open_h5", "open_h5_dataset"]

HARMLESS = 64 * 2**20  # bytes; up to here no ratio of declared to stored size matters
MAX_EXPANSION = 100  # declared / stored beyond that
MAX_SOFT_LINKS = 16  # on the way to one dataset

FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
COMPRESSORS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF)
TYPE_WORDS = {
    h5py.h5t.STRING: "strings",
    h5py.h5t.COMPOUND: "compound values (complex numbers are stored so)",
    h5py.h5t.OPAQUE: "opaque bytes",
    h5py.h5t.VLEN: "values of varying length (objects)",
    h5py.h5t.ENUM: "an enumeration (NumPy's bool is stored so: store 0 and 1 as uint8)",
    h5py.h5t.REFERENCE: "references (objects)",
    h5py.h5t.ARRAY: "small arrays inside a type",
    h5py.h5t.BITFIELD: "bit fields",
}


@contextmanager
def library(where: str) -> Iterator[None]:
    """Turn the many errors of the HDF5 library into one OSError that says where."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise OSError(f"{where}: cannot be read, damaged or cut short ({error})") from error


def open_h5(path: str | PathLike[str]) -> h5py.File:
    """Open an HDF5 file for reading; only its first bytes are read.

    Raises:
        OSError: no such file, not a regular file, not HDF5, or truncated.
    """
    path = regular_file(path, "an HDF5 file")
    with path.open("rb") as stream:
        start = stream.read(8)
    if not h5py.is_hdf5(path):
        raise OSError(f"{path}: expected an HDF5 file, got something that starts with {start!r}")
    with library(str(path)):
        # Every chunk is read whole and once: a cache would be one more copy of it.
        return h5py.File(path, "r", rdcc_nbytes=0)


def has_dataset(file: h5py.File, name: str) -> bool:
    """Whether the root of the file has a link of that name; what it leads to is not looked at."""
    with library(file.filename):
        return bool(file.id.links.exists(name.encode()))


def open_h5_dataset(file: h5py.File, name: str, *, text: bool = False) -> h5py.Dataset:
    """The dataset of that name (a path such as "group/x" too), looked at but not read.

    It is a dataset of numbers (integers or floats of any width and byte order) or, with ``text``,
    of strings of fixed length; contiguous or in chunks, plain or with gzip, lzf, shuffle,
    fletcher32; stored inside the file, all of it. Soft links are followed inside the file.

    Raises:
        ValueError: it is missing (the message lists what is there), of another type, stored
            elsewhere, incomplete, or so much larger than what is stored that it must be a trap.
        OSError: the file is damaged there.
    """
    where = f"{file.filename}: dataset {name!r}"
    dataset = _resolve(file, name, where)
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where}: expected a dataset, got a {type(dataset).__name__.lower()}")
    with library(where):
        file_type = dataset.id.get_type()
        type_class = file_type.get_class()
        space = dataset.id.get_space().get_simple_extent_type()
        varying = type_class == h5py.h5t.STRING and file_type.is_variable_str()
        file_size = file.id.get_filesize()
    wanted = (h5py.h5t.STRING,) if text else (h5py.h5t.INTEGER, h5py.h5t.FLOAT)
    if type_class not in wanted:
        got = TYPE_WORDS.get(type_class, "numbers" if text else "values of an unknown type")
        raise ValueError(f"{where}: expected {'strings' if text else 'numbers'}, got {got}")
    if varying:
        # One wrong bit where such strings are kept sends the HDF5 library into an endless loop.
        raise ValueError(
            f"{where}: strings of varying length are not read; "
            "store them at a fixed length, numpy.array(names, dtype='S')"
        )
    if space == h5py.h5s.NULL:
        raise ValueError(f"{where}: has neither shape nor values (a null dataspace)")
    _check_storage(where, dataset, file_type.get_size(), file_size)
    return dataset


def _resolve(file: h5py.File, name: str, where: str) -> Any:
    """Follow a path link by link, so that none leads out of the file."""
    root = here = file["/"]
    pending = name.split("/")[::-1]
    hops = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        with library(where):
            key = part.encode()
            inside = isinstance(here, h5py.Group) and here.id.links.exists(key)
            kind = here.id.links.get_info(key).type if inside else None
        if kind is None:
            raise ValueError(f"{where}: not there; the file holds {contents(file)}")
        with library(where):
            if kind == h5py.h5l.TYPE_HARD:
                here = here[part]
            elif kind == h5py.h5l.TYPE_SOFT:
                target = here.id.links.get_val(key).decode()
                here = root if target.startswith("/") else here
                pending += target.split("/")[::-1]
        if kind == h5py.h5l.TYPE_SOFT:
            hops += 1
        elif kind != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{where}: {part!r} is a link to another file, which is not followed")
        if hops > MAX_SOFT_LINKS:
            raise ValueError(f"{where}: more than {MAX_SOFT_LINKS} soft links, or a circle of them")
    return here


def _check_storage(where: str, dataset: h5py.Dataset, item_bytes: int, file_size: int) -> None:
    """All values lie in this file, and there are not many more of them than it can hold."""
    with library(where):
        plan = dataset.id.get_create_plist()
        layout = plan.get_layout()
        outside = plan.get_external_count()
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        shape = dataset.shape
    if layout == h5py.h5d.VIRTUAL:
        raise ValueError(f"{where}: a virtual dataset, whose values lie in other files; not read")
    if outside:
        raise ValueError(f"{where}: its values lie outside the file (external storage); not read")
    compressors = [number for number in filters if number in COMPRESSORS]
    if len(compressors) > 1 or any(number not in FILTERS for number in filters):
        raise ValueError(
            f"{where}: expected one of gzip and lzf, shuffle and fletcher32, no other filter, "
            f"got {' and '.join(FILTERS.get(number, f'number {number}') for number in filters)}"
        )
    declared = math.prod(shape) * item_bytes
    if layout == h5py.h5d.CHUNKED:
        sizes = _chunk_sizes(where, dataset)
        stored = sum(sizes)
        chunk_bytes = math.prod(dataset.chunks) * item_bytes
        pairs = zip(shape, dataset.chunks, strict=True)
        expected = math.prod(-(-length // chunk) for length, chunk in pairs)
        if len(sizes) < expected:
            raise ValueError(
                f"{where}: declares {expected:,} chunks ({declared:,} bytes), of which "
                f"{len(sizes):,} were ever written"
            )
        declared = max(declared, len(sizes) * chunk_bytes)
        if sizes and max(sizes) > largest_chunk(chunk_bytes):
            raise ValueError(
                f"{where}: a chunk of {chunk_bytes:,} bytes takes {max(sizes):,} in the file; "
                "its compressed bytes unfold to something else"
            )
    else:
        with library(where):
            stored = dataset.id.get_storage_size()
        if stored < declared:
            raise ValueError(f"{where}: declares {declared:,} bytes and stores {stored:,}")
    if stored > file_size:
        raise ValueError(
            f"{where}: claims {stored:,} stored bytes in a file of {file_size:,}; cut short?"
        )
    if declared > HARMLESS and declared > MAX_EXPANSION * stored:
        raise ValueError(
            f"{where}: declares {declared:,} bytes and stores {stored:,}; "
            f"more than {MAX_EXPANSION} times as much is taken for a trap "
            "(if the file is yours, store the dataset without compression)"
        )


def _chunk_sizes(where: str, dataset: h5py.Dataset) -> list[int]:
    """The stored bytes of every chunk."""
    found: list[int] = []
    with library(where):
        dataset.id.chunk_iter(lambda chunk: found.append(chunk.size))
    return found


def largest_chunk(whole: int) -> int:
    """The bytes that a chunk may take in the file.

    Deflate adds 5 bytes to 16 kB that it cannot shrink, fletcher32 adds 4, lzf none.
    """
    return whole + whole // 1000 + 64


def contents(file: h5py.File, limit: int = 20) -> str:
    """Return the file's contents in words for an error: up to ``limit`` datasets, shape and type.

    Groups are entered once each, links to elsewhere only named.
    """
    found: list[str] = []
    with library(file.filename):
        pending: list[tuple[str, Any]] = [("", file["/"])]
        seen = {h5py.h5o.get_info(file.id).addr}
        while pending and len(found) <= limit:
            prefix, group = pending.pop()
            for key in group.id:
                if len(found) > limit:
                    break
                name = prefix + printable(key.decode(errors="replace"))
                if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    found.append(f"{name} (a link)")
                    continue
                item = group[key]
                address = h5py.h5o.get_info(item.id).addr
                if isinstance(item, h5py.Dataset):
                    found.append(f"{name} {item.shape} of {_type_word(item)}")
                elif isinstance(item, h5py.Group) and address not in seen:
                    seen.add(address)
                    pending.append((f"{name}/", item))
    if not found:
        return "no datasets"
    return ", ".join(found[:limit]) + (", and more" if len(found) > limit else "")


def _type_word(dataset: h5py.Dataset) -> str:
    type_class = dataset.id.get_type().get_class()
    if type_class in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        return str(dataset.dtype)
    return TYPE_WORDS.get(type_class, "values of an unknown type")
