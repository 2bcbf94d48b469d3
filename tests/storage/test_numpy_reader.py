"""`.npy` and `.npz` as a hazard: what a header says is held against what is there."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.storage import numpy_reader
from tinygrad_dnn.storage.numpy_reader import NpzReader, open_npy


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header.encode("latin1") + body


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "u1", "?", "<i2", "<U3", "S2"])
def test_what_numpy_saved_is_read(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.array(np.arange(12).reshape(3, 4) % 7, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", a=values, b=values[0])
    np.savez_compressed(tmp_path / "y.npz", a=values)
    read = open_npy(tmp_path / "x.npy")
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)
    for name in ("x.npz", "y.npz"):
        file = NpzReader(tmp_path / name)
        assert file.names[0] == "a"
        np.testing.assert_array_equal(file.read("a"), values)
        file.close()


def test_a_large_npy_stays_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(2**18, dtype=np.float64).reshape(-1, 4)
    np.save(tmp_path / "x.npy", values)
    monkeypatch.setattr(numpy_reader, "HARMLESS", 2**20)
    tracemalloc.start()
    try:
        read = open_npy(tmp_path / "x.npy")
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()
    assert type(read) is np.ndarray
    assert not read.flags.writeable
    np.testing.assert_array_equal(read[-3:], values[-3:])


def test_s199_pickles_are_never_opened(tmp_path: Path) -> None:
    left = tmp_path / "executed"
    bomb = np.array([Bomb(left)], dtype=object)
    np.save(tmp_path / "x.npy", bomb, allow_pickle=True)
    np.savez(tmp_path / "x.npz", allow_pickle=True, a=bomb)
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Bomb(left)))
    with pytest.raises(ValueError, match=r"x\.npy: holds objects, which are pickles and never op"):
        open_npy(tmp_path / "x.npy")
    with pytest.raises(ValueError, match=r"x\.npz: array 'a': holds objects"):
        NpzReader(tmp_path / "x.npz").read("a")
    with pytest.raises(ValueError, match=r"p\.npy: expected an \.npy file, got a pickle, never"):
        open_npy(tmp_path / "p.npy")
    assert not left.exists()


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }\n"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (npy(HUGE % "1000000, 1000000"), OSError, "cut short: its header declares 8,000,000,000,0"),
        (npy(HUGE % "-1, -1", bytes(8)), ValueError, r"something else \(shape"),
        (npy(HUGE % ("1," * 9000)), ValueError, "something else .Header info length"),
        (npy("(" * 9000), ValueError, "expected the header of an array of numbers, got something"),
        (npy("[1, 2]"), ValueError, "something else .Header is not a dictionary"),
        (npy("", version=b"\x09\x00"), ValueError, "got something else"),
        (npy((HUGE % "1,").replace("<f8", "<c16"), bytes(16)), ValueError, "numbers or texts, got"),
        (npy((HUGE % "1,").replace("<f8", "<M8[s]"), bytes(8)), ValueError, "got datetime64"),
        (b"\x93NUM", ValueError, "got something else"),
        (b"PK\x03\x04", ValueError, "got a zip archive; call an .npz so"),
        (b"", OSError, "got an empty file"),
    ],
)
def test_a_header_that_lies_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], words: str
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(error, match=rf"x\.npy: .*{words}"):
        open_npy(path)


def packed(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("a.npy", content)
    return path


def test_an_archive_that_unfolds_is_refused_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_reader, "HARMLESS", 2**22)
    content = io.BytesIO()
    np.save(content, np.zeros(2**20))
    path = packed(tmp_path / "x.npz", content.getvalue())
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"array 'a': declares 8,388,.* taken for a trap"):
            NpzReader(path).read("a")
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    good = npy(HUGE % "2,", bytes(16))
    for content, words in (
        (npy(HUGE % "3,", bytes(16)), "24 bytes declared, 16"),
        (npy(HUGE % "1,", bytes(16)), "8 bytes declared, 16"),
    ):
        with pytest.raises(OSError, match=rf"array 'a': .*damaged or cut short \({words}"):
            NpzReader(packed(tmp_path / "x.npz", content)).read("a")
    path = packed(tmp_path / "x.npz", good, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(bytes(16))] = 1  # the checksum no longer matches
    path.write_bytes(data)
    with pytest.raises(OSError, match="array 'a': cannot be read, damaged"):
        NpzReader(path).read("a")
    with pytest.raises(ValueError, match="not encrypted or otherwise"):
        NpzReader(packed(path, good, zipfile.ZIP_BZIP2)).read("a")
    path.write_bytes(data[:-30])
    with pytest.raises(
        OSError, match=r"x\.npz: expected an \.npz file \(a zip archive\), got some"
    ):
        NpzReader(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", good)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", good)
    with pytest.raises(ValueError, match="two arrays of one name"):
        NpzReader(path)
