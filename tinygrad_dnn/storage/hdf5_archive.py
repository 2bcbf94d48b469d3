"""A description and groups of named arrays as the bytes of one HDF5 file, and back.

    /description     JSON text, UTF-8, one string of fixed length
    /<group>/<name>  float32, float64 or int64, little-endian, contiguous

The description is a dict of what JSON can say. It also carries, under ``fortran_order``, the paths
of the arrays that lie in Fortran order, because HDF5 itself knows only C order.
"""

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.escapes import printable

Groups = dict[str, dict[str, NDArray[Any]]]

MAX_TEXT_BYTES = 2**20
_DESCRIPTION = "description"
_FORTRAN = "fortran_order"
_FILE_TYPES = {
    "float32": h5py.h5t.IEEE_F32LE,
    "float64": h5py.h5t.IEEE_F64LE,
    "int64": h5py.h5t.STD_I64LE,
}


def pack(
    description: Mapping[str, Any], groups: Mapping[str, Mapping[str, NDArray[Any]]], userblock: int
) -> bytes:
    """The file's bytes, with ``userblock`` zero bytes in front; same content, same bytes.

    Raises ValueError where the text would be longer than MAX_TEXT_BYTES.
    """
    paths = {f"{group}/{name}": array for group in groups for name, array in groups[group].items()}
    fortran = [path for path, array in paths.items() if not array.flags.c_contiguous]
    described = {**description, _FORTRAN: fortran}
    text = json.dumps(described, ensure_ascii=False, allow_nan=False, sort_keys=True).encode()
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(
            f"{_DESCRIPTION}: at most {MAX_TEXT_BYTES} bytes of text can be saved, got {len(text)}"
        )
    buffer = io.BytesIO()
    # The earliest layout stores no time of day in its groups.
    with h5py.File(buffer, "w", libver="earliest", userblock_size=userblock) as file:
        string = np.array(text, dtype=h5py.string_dtype("utf-8", len(text)))
        file.create_dataset(_DESCRIPTION, data=string, track_times=False)
        for group in groups:
            file.create_group(group)
        for path, array in paths.items():
            little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
            file.create_dataset(path, data=little_endian, track_times=False)
    return buffer.getvalue()


def unpack(image: bytes) -> tuple[dict[str, Any], Groups]:
    """The description and the arrays, fresh, native and in their memory order.

    Raises OSError, RuntimeError, LookupError, TypeError, ValueError or OverflowError where `pack`
    did not write the file; links, other types, other storage, and shapes larger than what is
    stored are refused before they are followed or read.
    """
    with h5py.File(io.BytesIO(image), "r") as file:
        found = _names(file)
        if _DESCRIPTION not in found:
            raise ValueError(f"{_DESCRIPTION}: missing")
        description = _read_description(_dataset(file, _DESCRIPTION))
        groups: Groups = {}
        unread = len(image)
        for group in found:
            if group == _DESCRIPTION:
                continue
            if not isinstance(file[group], h5py.Group):
                raise TypeError(f"{group}: expected a group")
            groups[group] = {}
            for name in _names(file[group]):
                path = f"{group}/{name}"
                dataset = _dataset(file, path)
                dtype = _require_dtype(dataset, path)
                # Two names may lead to the same bytes, so only their sum bounds the memory.
                unread -= _require_stored(dataset, path)
                if unread < 0:
                    raise ValueError(f"{printable(path)}: more bytes than the file has")
                array = np.empty(dataset.shape, dtype)
                dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
                groups[group][name] = array
    _restore_order(groups, description.pop(_FORTRAN, None))
    return description, groups


def _names(group: h5py.Group) -> list[str]:
    """Return the names in a group, all of which lies in this very file."""
    names = list(group)
    for name in names:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{printable(name)}: expected data, got a link")
    return names


def _dataset(file: h5py.File, path: str) -> h5py.Dataset:
    dataset = file[path]
    if not isinstance(dataset, h5py.Dataset):
        raise TypeError(f"{printable(path)}: expected a dataset")
    if dataset.shape is None:
        raise ValueError(f"{printable(path)}: expected values, got a null dataspace")
    return dataset


def _require_dtype(dataset: h5py.Dataset, path: str) -> str:
    stored = dataset.id.get_type()
    for dtype, kind in _FILE_TYPES.items():
        if stored.equal(kind):
            return dtype
    raise TypeError(
        f"{printable(path)}: expected little-endian {', '.join(_FILE_TYPES)}, got another type"
    )


def _require_stored(dataset: h5py.Dataset, path: str) -> int:
    """The bytes of a dataset whose every value is stored, plain, inside the file."""
    plan = dataset.id.get_create_plist()
    if plan.get_layout() != h5py.h5d.CONTIGUOUS or plan.get_external_count():
        raise ValueError(f"{printable(path)}: expected plain contiguous storage inside the file")
    declared = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    stored = int(dataset.id.get_storage_size())
    if stored != declared:
        raise ValueError(
            f"{printable(path)}: its shape declares {declared} bytes, {stored} are stored"
        )
    return stored


def _read_description(dataset: h5py.Dataset) -> dict[str, Any]:
    stored = dataset.id.get_type()
    if not isinstance(stored, h5py.h5t.TypeStringID) or stored.is_variable_str():
        raise TypeError(f"{_DESCRIPTION}: expected a string of fixed length")
    if dataset.shape != () or stored.get_size() > MAX_TEXT_BYTES:
        raise ValueError(f"{_DESCRIPTION}: expected one string of at most {MAX_TEXT_BYTES} bytes")
    _require_stored(dataset, _DESCRIPTION)
    text = bytes(dataset[()]).decode("utf-8")
    try:
        described = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except ValueError as error:
        raise ValueError(f"{_DESCRIPTION}: not the JSON text expected: {error}") from error
    if not isinstance(described, dict):
        raise TypeError(f"{_DESCRIPTION}: expected an object, got {type(described).__name__}")
    return described


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"{name!r} stands there twice")
        names.add(name)
    return dict(pairs)


def _restore_order(groups: Groups, fortran: object) -> None:
    if not isinstance(fortran, list):
        raise TypeError(f"{_FORTRAN}: expected a list of paths, got {type(fortran).__name__}")
    for path in fortran:
        group, _, name = str(path).partition("/")
        if name not in groups.get(group, {}):
            raise ValueError(f"{_FORTRAN}: {path!r} is none of the arrays")
        groups[group][name] = np.asfortranarray(groups[group][name])
