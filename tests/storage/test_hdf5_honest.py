"""HDF5 files that people have: the guarded reader reads all of them, to the bit."""

import os

import h5py
import numpy as np
import pytest

from tinygrad_dnn.storage.hdf5_reader import open_h5, open_h5_dataset
from tinygrad_dnn.storage.hdf5_values import H5Rows, read_h5, read_h5_text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "honest.h5"


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"chunks": True},
        {"compression": "gzip"},
        {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
        {"compression": "lzf", "shuffle": True},
        {"chunks": (7, 11), "maxshape": (None, 100), "compression": "gzip"},
        {"chunks": (100, 100), "maxshape": (None, None)},
    ],
)
@pytest.mark.parametrize("kind", ["noise", "zeros", "steps"])
def test_honest_storage_is_read(path, libver, storage, kind):
    values = {
        "noise": np.random.default_rng(0).normal(size=(40, 50)),
        "zeros": np.zeros((40, 50), np.int16),
        "steps": np.arange(2000, dtype=">u4").reshape(40, 50),
    }[kind]
    with h5py.File(path, "w", libver=libver, userblock_size=512) as file:
        file.create_dataset("x", data=values, **storage)
    with open_h5(path) as file:
        read = read_h5(open_h5_dataset(file, "x"))
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype.newbyteorder("=")
    assert read.flags.c_contiguous


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_chunks_that_are_not_packed_are_verified_in_one_look_at_their_index(path, libver):
    values = np.arange(900.0).reshape(30, 30)
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("whole", data=values, chunks=(4, 7), maxshape=(None, 30))
    with open_h5(path) as file:
        whole = open_h5_dataset(file, "whole")
        looked = []
        rows, out = H5Rows(Counted(whole, looked)), np.empty((3, 30))
        for start in (9, 0, 27):
            rows.read(start, out)
            np.testing.assert_array_equal(out, values[start : start + 3])
        assert looked == ["chunk_iter"]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("dtype", ["f4", "u1", "i8", ">f8"])
@pytest.mark.parametrize(
    ("storage", "plain"),
    [
        ({}, True),
        ({"chunks": (7, 5)}, True),
        ({"chunks": (1, 5)}, True),
        ({"chunks": (90, 5), "maxshape": (None, 5)}, True),
        ({"chunks": (7, 3)}, False),
        ({"chunks": (7, 5), "compression": "gzip"}, False),
        ({"chunks": (7, 5), "fletcher32": True}, False),
    ],
    ids=str,
)
def test_rows_are_read_from_where_they_lie(path, libver, dtype, storage, plain):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 99, (40, 5)).astype(dtype)
    with h5py.File(path, "w", libver=libver) as file:
        x = file.create_dataset("x", values.shape, dtype, **storage)
        for k in rng.permutation(40):  # so that chunks lie in no order, with others between them
            x[k] = values[k]
            file[f"other{k}"] = np.ones(3)
    with open_h5(path) as file:
        rows = H5Rows(open_h5_dataset(file, "x"))
        assert (rows._plain is not None) is (plain and dtype != ">f8" and hasattr(os, "preadv"))
        for start, stop in ((0, 40), (3, 4), (6, 8), (13, 29), (35, 40), (39, 40)):
            out = np.empty((stop - start, 5), x_dtype := np.dtype(dtype).newbyteorder("="))
            rows.read(start, out)
            np.testing.assert_array_equal(out, values[start:stop].astype(x_dtype))


def test_a_file_that_is_cut_short_while_it_is_read_says_so(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.ones((500, 50)), chunks=(10, 50))
    with open_h5(path) as file:
        rows, out = H5Rows(open_h5_dataset(file, "x")), np.empty((500, 50))
        rows.read(0, out)
        os.truncate(path, 100_000)
        with pytest.raises(OSError, match=r"'x': cannot be read, damaged or cut short \(the file"):
            rows.read(0, out)


class Counted:
    """A dataset that notes how its index of chunks is looked at."""

    def __init__(self, dataset, looked):
        self._dataset, self._looked = dataset, looked

    @property
    def id(self):
        return self

    def chunk_iter(self, function):
        self._looked.append("chunk_iter")
        return self._dataset.id.chunk_iter(function)

    def __getattr__(self, name):
        if name.startswith("get_chunk_info"):
            self._looked.append(name)
        found = getattr(self._dataset, name, None)
        return getattr(self._dataset.id, name) if found is None else found


def test_noise_and_flat_pictures_in_large_gzip_chunks(path):
    noise = np.random.default_rng(0).integers(0, 256, 2**20).astype(np.uint8)
    with h5py.File(path, "w") as file:
        for name, values in (("noise", noise), ("flat", np.zeros(2**25, np.uint8))):
            file.create_dataset(name, data=values, chunks=values.shape, compression=9)
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_h5(open_h5_dataset(file, "noise")), noise)
        assert not read_h5(open_h5_dataset(file, "flat")).any()


def test_a_chunk_stored_without_its_gzip_filter(path):
    values = np.random.default_rng(0).integers(0, 256, 2**17).astype(np.uint8)
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", values.shape, "u1", chunks=values.shape, compression=9)
        x.id.write_direct_chunk((0,), values.tobytes(), filter_mask=1)
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_h5(open_h5_dataset(file, "x")), values)


def test_scalars_empty_arrays_and_text(path):
    with h5py.File(path, "w") as file:
        file["scalar"] = 2.5
        file["empty"] = np.zeros((0, 3))
        file["names"] = np.array(["α".encode(), b"beta"])
    with open_h5(path) as file:
        assert read_h5(open_h5_dataset(file, "scalar")) == 2.5
        assert read_h5(open_h5_dataset(file, "empty")).shape == (0, 3)
        assert read_h5_text(open_h5_dataset(file, "names", text=True)) == ("α", "beta")
        with pytest.raises(ValueError, match="'names': expected numbers, got strings"):
            open_h5_dataset(file, "names")
