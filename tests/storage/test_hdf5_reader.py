"""HDF5 as a hazard: every trap is a real file, refused by name."""

import os
import pickle
import subprocess
import sys
import textwrap
import time
import zlib

import h5py
import numpy as np
import pytest

from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.storage.hdf5_reader import (
    contents,
    has_dataset,
    open_h5,
    open_h5_dataset,
)
from tinygrad_dnn.storage.hdf5_values import read_h5

SECRET = b"what is in another file, 32 bytes"[:32]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trap.h5"


@pytest.fixture
def secret(tmp_path):
    """Another file of the disk, in no format."""
    target = tmp_path / "secret.txt"
    target.write_bytes(SECRET)
    return target


def refuse(path, name="x", words="", error=ValueError):
    """`open_h5_dataset` or reading refuses, names file and dataset, and takes no time."""
    began = time.perf_counter()
    with open_h5(path) as file, pytest.raises(error, match=words) as caught:
        read_h5(open_h5_dataset(file, name))
    assert time.perf_counter() - began < 2
    assert str(caught.value).startswith(f"{path}: dataset '{name}': ")


# Files that are no HDF5, or not all of it.


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5: no such file"):
        open_dataset(tmp_path / "none.h5")
    with pytest.raises(OSError, match="expected an HDF5 file, got a folder or a device"):
        open_dataset(tmp_path)
    (tmp_path / "empty.h5").touch()
    with pytest.raises(OSError, match=r"empty\.h5: expected an HDF5 file, got an empty file"):
        open_dataset(tmp_path / "empty.h5")
    (tmp_path / "zip.h5").write_bytes(b"PK\x03\x04 and so on, longer than a signature")
    with pytest.raises(OSError, match=r"zip\.h5: .*something that starts with b'PK"):
        open_dataset(tmp_path / "zip.h5")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(OSError, match="got a folder or a device"):
        open_dataset(tmp_path / "pipe.h5")


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.999])
def test_truncated_files(path, keep):
    with h5py.File(path, "w") as file:
        file["train_set_x"] = np.zeros((50, 10, 10, 3), np.uint8)
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(int(size * keep))
    with pytest.raises(OSError, match=r"trap\.h5: cannot be read, damaged or cut short"):
        open_dataset(path)


def test_damaged_gzip_data(path):
    values = np.random.default_rng(0).integers(0, 256, 200_000).astype(np.uint8)
    for chunk in (1000, 200_000):
        with h5py.File(path, "w") as file:
            x = file.create_dataset("x", data=values, chunks=(chunk,), compression="gzip")
            place = x.id.get_chunk_info(0).byte_offset
        with path.open("r+b") as stream:
            stream.seek(place)
            stream.write(bytes(16))
        refuse(path, words="cannot be read, damaged", error=OSError)


def test_a_wrong_checksum_is_found(path):
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", data=np.arange(100), chunks=(100,), fletcher32=True)
        place = x.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xff")
    refuse(path, words="cannot be read, damaged", error=OSError)


# Values that lie in another file.


def test_external_links(path, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["g/x"] = np.arange(3)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "/g/x")
        file["out"] = h5py.ExternalLink("other.h5", "/g")
        file["soft"] = h5py.SoftLink("/out/x")
        assert file["soft"][2] == 2
    for name in ("x", "out/x", "soft"):
        refuse(path, name, words="is a link to another file, which is not followed")
    with open_h5(path) as file:
        assert has_dataset(file, "x")
        assert contents(file) == "out (a link), soft (a link), x (a link)"


def test_external_links_to_a_pipe_do_not_block(path, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(path, "w") as file:
        file["train_set_x"] = h5py.ExternalLink("pipe.h5", "/x")
    with pytest.raises(ValueError, match="'train_set_x': 'train_set_x' is a link to another file"):
        open_dataset(path)


def test_virtual_datasets(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(3)
    plan = h5py.VirtualLayout(shape=(3,), dtype="i8")
    plan[:] = h5py.VirtualSource("other.h5", "x", shape=(3,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", plan)
    refuse(path, words="a virtual dataset, whose values lie in other files")


def test_external_storage(path, secret):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (32,), "u1", external=[(str(secret), 0, 32)])
    with h5py.File(path) as file:
        assert file["x"][:].tobytes() == SECRET
    refuse(path, words="its values lie outside the file")


# Sizes that are lies.


@pytest.mark.parametrize("chunks", [None, (1024,), (2**31,)])
def test_a_declared_terabyte(path, chunks):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2**40,), "u1", chunks=chunks)
    assert path.stat().st_size < 10_000
    refuse(path, words=r"declares .* and stores 0|of which 0 were ever written")


def test_a_terabyte_claimed_as_stored(path):
    """Header bytes are changed so that the declared and the stored size agree on a terabyte."""
    with h5py.File(path, "w", libver="earliest") as file:
        file["x"] = np.arange(8, dtype=np.uint8)
        place = file["x"].id.get_offset().to_bytes(8, "little")
    eight, terabyte = (8).to_bytes(8, "little"), (2**40).to_bytes(8, "little")
    shape = bytes([1, 1, 1, 0, 0, 0, 0, 0])  # version 1, one axis, with its maximum
    blob = path.read_bytes()
    for true, false in (
        (shape + eight + eight, shape + terabyte + terabyte),
        (place + eight, place + terabyte),
    ):
        assert blob.count(true) == 1
        blob = blob.replace(true, false)
    path.write_bytes(blob)
    # Newer HDF5 libraries see it themselves, older ones leave it to us.
    refuse(path, words="claims 1,099,511,627,776 stored bytes|damaged", error=(ValueError, OSError))


def test_chunks_that_share_their_bytes(path):
    """A hundred chunks are laid in the same place, and the file is cut to less than they claim."""
    with h5py.File(path, "w", libver="earliest") as file:
        values = np.random.default_rng(0).integers(0, 256, 100_000).astype(np.uint8)
        x = file.create_dataset("x", data=values, chunks=(1000,))
        places = []
        x.id.chunk_iter(lambda chunk: places.append(chunk.byte_offset.to_bytes(8, "little")))
    blob = path.read_bytes()
    for place in places:
        assert blob.count(place) == 1 or place == places[0]
        blob = blob.replace(place, places[0])
    end = 40  # the superblock's end of file
    assert blob[end : end + 8] == len(blob).to_bytes(8, "little")
    blob = blob[:end] + (90_000).to_bytes(8, "little") + blob[end + 8 : 90_000]
    path.write_bytes(blob)
    refuse(path, words="claims 100,000 stored bytes in a file of 90,000")


def test_a_huge_chunk_around_a_small_dataset(path):
    """The shape is harmless; the chunk that must be unpacked to read it is not."""
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (10,), "u1", maxshape=(None,), chunks=(2**30,), compression=9)
        x.id.write_direct_chunk((0,), zlib.compress(bytes(1000)))
    refuse(path, words="declares 1,073,741,824 bytes and stores")


def test_gzip_of_little_that_declares_much(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(2**27, np.uint8), chunks=(2**24,), compression=9)
    refuse(path, words="more than 100 times as much is taken for a trap")


def packed_zeros(megabytes):
    """A zlib stream of so many megabytes of zeros."""
    press = zlib.compressobj(9)
    return b"".join(press.compress(bytes(2**20)) for _ in range(megabytes)) + press.flush()


@pytest.mark.parametrize("checksum", [False, True])
def test_a_gzip_chunk_that_unfolds_to_more_than_a_chunk(path, checksum):
    """The declared size is modest and below the stored ratio; HDF5 would unfold all of it."""
    blob = packed_zeros(128)
    with h5py.File(path, "w") as file:
        x = file.create_dataset(
            "x", (2**20,), "u1", chunks=(2**20,), compression=9, fletcher32=checksum
        )
        x.id.write_direct_chunk((0,), blob + bytes(4 * checksum))
    refuse(path, words=r"the chunk at \(0,\) unfolds to more than the 1,048,576 bytes")


def test_a_gzip_chunk_larger_than_its_content(path):
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (1000,), "u1", chunks=(1000,), compression=9)
        x.id.write_direct_chunk((0,), packed_zeros(16))
    refuse(path, words=r"a chunk of 1,000 bytes takes .* in the file; its compressed bytes unfold")


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_refusing_a_gzip_trap_takes_no_memory(path):
    with h5py.File(path, "w") as file:
        x = file.create_dataset("train_set_x", (2**19,), "u1", chunks=(2**19,), compression=9)
        x.id.write_direct_chunk((0,), packed_zeros(400))
    script = f"""
        import resource
        from tinygrad_dnn.data import open_dataset

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        before = peak()
        with open_dataset({str(path)!r}) as data:
            try:
                data.columns()
            except ValueError as error:
                print(peak() - before, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    kilobytes, words = done.stdout.split(" ", 1)
    assert "taken for a trap" in words
    assert int(kilobytes) < 50_000


@pytest.mark.parametrize(
    ("how", "blob"),
    [
        ({"compression": "gzip"}, zlib.compress(b"pixels")),
        ({"compression": "gzip", "shuffle": True}, zlib.compress(b"pixels")),
        ({"compression": "gzip", "fletcher32": True}, zlib.compress(b"pixels") + bytes(4)),
        ({"compression": "lzf"}, b"\x05pixels"),
        ({"compression": "lzf"}, b"\x05pixels\xe0\xff\x00\x20\x00"),
        ({"fletcher32": True}, b"abc"),
    ],
)
def test_a_chunk_that_unfolds_to_less_than_a_chunk(path, how, blob):
    """The HDF5 library would take the memory behind it for pixels, or crash."""
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (2**20,), "u1", chunks=(2**20,), **how)
        x.id.write_direct_chunk((0,), blob)
    refuse(path, words=r"damaged: the chunk at \(0,\) has -?\d+ bytes of 1,048,576", error=OSError)


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_honest_chunks_of_every_kind(path, compression):
    """Flat, repetitive and noisy ones: what does not shrink is stored as it is."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 1000)).astype("u1")
    x = np.concatenate([noise, np.tile(noise[:1], (20, 1)), np.zeros((21, 1000), "u1")])
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(10, 400), compression=compression)
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_h5(open_h5_dataset(file, "x")), x)


def test_names_that_would_act_on_a_terminal_are_escaped(path):
    with h5py.File(path, "w") as file:
        file["\x1b[31mred\n"] = np.ones(3)
    refuse(path, words=r"the file holds \\x1b\[31mred\\n \(3,\) of float64")


def test_chunks_that_were_never_written(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (100,), "f8", chunks=(10,))[:35] = 1.0
        file.create_dataset("plain", (100,), "f8")
    refuse(path, words=r"declares 10 chunks \(800 bytes\), of which 4 were ever written")
    refuse(path, "plain", words="declares 800 bytes and stores 0")


def test_compression_on_compression_and_unknown_filters(path):
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_deflate(9)
        plan.set_deflate(9)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, plan)
        file.create_dataset("y", data=np.arange(100), chunks=(10,), scaleoffset=0)
    refuse(path, "x", words="expected one of gzip and lzf, .* got gzip and gzip")
    refuse(path, "y", words="no other filter, got number 6")


# Types that are no numbers.


def test_types_that_are_refused(path):
    with h5py.File(path, "w") as file:
        blob = np.void(pickle.dumps({"a": 1}))
        file["opaque"] = blob
        file["reference"] = file.create_dataset("r", (2,), h5py.ref_dtype)
        file.create_dataset("ragged", (2,), h5py.vlen_dtype("i4"))
        file["array"] = np.zeros(2, np.dtype((np.dtype([("a", "i4", (3,))]), ())))
        file["fixed"] = np.array([b"1.5"])
        file["varying"] = "1.5"
        h5py.h5d.create(
            file.id,
            b"triples",
            h5py.h5t.array_create(h5py.h5t.NATIVE_INT32, (3,)),
            h5py.h5s.create_simple((2,)),
        )
        h5py.h5d.create(file.id, b"bits", h5py.h5t.STD_B8LE, h5py.h5s.create_simple((2,)))
        h5py.h5d.create(file.id, b"times", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,)))
    refuse(path, "opaque", words="expected numbers, got opaque bytes")
    refuse(path, "r", words=r"expected numbers, got references \(objects\)")
    refuse(path, "ragged", words="expected numbers, got values of varying length")
    refuse(path, "array", words="expected numbers, got compound values")
    refuse(path, "fixed", words="expected numbers, got strings")
    refuse(path, "varying", words="expected numbers, got strings")
    refuse(path, "triples", words="expected numbers, got small arrays inside a type")
    refuse(path, "bits", words="expected numbers, got bit fields")
    refuse(path, "times", words="expected numbers, got values of an unknown type")
    with open_h5(path) as file:
        listing = contents(file)
        assert "times (2,) of values of an unknown type" in listing
        assert "opaque () of opaque bytes" in listing
        with pytest.raises(ValueError, match="'varying': strings of varying length are not read"):
            open_h5_dataset(file, "varying", text=True)


def test_what_is_no_dataset(path):
    with h5py.File(path, "w") as file:
        file.create_group("group")
        file["type"] = np.dtype("f8")
        file["null"] = h5py.Empty("f8")
    refuse(path, "group", words="expected a dataset, got a group")
    refuse(path, "type", words="expected a dataset, got a datatype")
    refuse(path, "null", words="has neither shape nor values")
    refuse(path, "group/x", words="not there; the file holds null None of float64")
    refuse(path, "null/x", words="not there")
    refuse(path, "/", words="expected a dataset, got a ")


# Links inside the file.


def test_soft_links_inside_the_file(path):
    with h5py.File(path, "w") as file:
        file["a/b/x"] = np.arange(3)
        file["absolute"] = h5py.SoftLink("/a/b/x")
        file["a/relative"] = h5py.SoftLink("b/./x")
        file["folder"] = h5py.SoftLink("a")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")
    with open_h5(path) as file:
        for name in ("absolute", "a/relative", "folder/relative", "folder/b/x", "/a//b/x"):
            np.testing.assert_array_equal(read_h5(open_h5_dataset(file, name)), [0, 1, 2])
    refuse(path, "dangling", words="not there; the file holds")
    refuse(path, "one", words="more than 16 soft links, or a circle of them")


def test_groups_in_a_circle(path):
    with h5py.File(path, "w") as file:
        file["a/x"] = np.arange(3)
        file["a/again"] = file["a"]
        file["a/root"] = file["/"]
    refuse(path, "y", words=r"not there; the file holds a/x \(3,\) of int64$")
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_h5(open_h5_dataset(file, "a/again/root/a/x")), [0, 1, 2])


def test_contents_are_cut_short(path):
    with h5py.File(path, "w") as file:
        for i in range(30):
            file[f"x{i:02}"] = i
    with open_h5(path) as file:
        assert contents(file).endswith("x19 () of int64, and more")
        assert contents(file, limit=2) == "x00 () of int64, x01 () of int64, and more"
    with h5py.File(path, "w") as file:
        file.create_group("g")
    with open_h5(path) as file:
        assert contents(file) == "no datasets"
