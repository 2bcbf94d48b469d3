"""HDF5 data sets: the document's layout and others, their values to the bit, what is refused."""

import hashlib
from importlib.resources import files

import h5py
import numpy as np
import pytest

from tinygrad_dnn._data import make_digits
from tinygrad_dnn.data import default_dataset, open_dataset


@pytest.fixture
def images():
    return np.random.default_rng(3).integers(0, 256, (6, 2, 2, 3)).astype(np.uint8)


@pytest.fixture
def save(tmp_path):
    """A function that writes arrays under names and returns the path."""

    def write(file_name="data.h5", **arrays):
        path = tmp_path / file_name
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
        return path

    return write


@pytest.fixture
def layout(save, images):
    """A file in the document's layout, with any of its datasets replaced or, by None, left out."""

    def write(**changes):
        arrays = {
            "train_set_x": images,
            "train_set_y": np.array([0, 1, 1, 0, 1, 0]),
            "list_classes": np.array([b"non-cat", b"cat"]),
        } | changes
        return save(**{name: values for name, values in arrays.items() if values is not None})

    return write


# What a good file gives.


def test_the_documents_layout(layout, images):
    with open_dataset(layout()) as data:
        assert (data.m, data.n_x) == (6, 12)
        assert data.x_shape == (6, 2, 2, 3)
        assert data.x_dtype == np.uint8
        assert data.classes == ("non-cat", "cat")
        assert (data.x_name, data.y_name) == ("train_set_x", "train_set_y")
        X, Y = data.columns(), data.labels()
        np.testing.assert_array_equal(data.images(), images)
        assert data.images().dtype == np.uint8
        assert "'train_set_x' of" in repr(data)
        assert "(6, 2, 2, 3) uint8; non-cat, cat" in repr(data)
    assert Y.shape == (1, 6)
    assert Y.dtype == np.int64
    np.testing.assert_array_equal(Y, [[0, 1, 1, 0, 1, 0]])
    document = images.reshape(images.shape[0], -1).T / 255
    assert X.dtype == document.dtype == np.float64
    assert X.tobytes("A") == document.tobytes("A")
    assert X.strides == document.strides
    assert X.flags.f_contiguous


def test_columns_in_float32_are_the_nearest_float32(save):
    every_byte = np.arange(256, dtype=np.uint8).reshape(256, 1)
    with open_dataset(save(x=every_byte), x="x") as data:
        X = data.columns(np.float32)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, (np.arange(256.0) / 255).astype(np.float32).reshape(1, 256))


@pytest.mark.parametrize("dtype", ["<i4", ">i8", "<f4", ">f8", "<u2", "i1", "<f2"])
def test_only_uint8_is_scaled_and_byte_order_is_made_native(save, dtype):
    values = np.arange(12).reshape(4, 3).astype(dtype)
    with open_dataset(save(x=values), x="x") as data:
        np.testing.assert_array_equal(data.columns(), values.T.astype(np.float64))
        assert data.columns().dtype.isnative
        assert data.images().dtype == values.dtype.newbyteorder("=")
        assert data.x_dtype.isnative


def test_columns_refuse_another_dtype(layout):
    with open_dataset(layout()) as data, pytest.raises(TypeError, match="float64 or float32"):
        data.columns(np.int64)


def test_data_larger_than_a_block_are_read_whole(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (2500, 9000)).astype(np.uint8)
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file["plain"] = values
        file.create_dataset("packed", data=values, chunks=(700, 4000), compression="gzip")
    with open_dataset(path, x="plain") as plain, open_dataset(path, x="packed") as packed:
        np.testing.assert_array_equal(packed.images(), values)
        np.testing.assert_array_equal(plain.columns(np.float32), packed.columns(np.float32))
        assert plain.fingerprint() == packed.fingerprint()


def test_split_is_found_or_asked_for(save, images):
    y = np.zeros(6, int)
    test = save("test.h5", test_set_x=images, test_set_y=y)
    with open_dataset(test) as data:
        assert data.x_name == "test_set_x"
        assert data.classes == ("0", "1")
    both = save("both.h5", train_set_x=images, train_set_y=y, test_set_x=images[:2])
    with open_dataset(both, split="train") as data:
        assert data.m == 6
    with open_dataset(both, split="test") as data:
        assert data.m == 2
    with pytest.raises(ValueError, match="holds both 'train_set_x' and 'test_set_x'; say which"):
        open_dataset(both)
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'valid'"):
        open_dataset(both, split="valid")
    with pytest.raises(ValueError, match="expected x or split"):
        open_dataset(both, x="train_set_x", split="train")


def test_other_layouts_by_name(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["a/b/pixels"] = np.arange(10.0).reshape(5, 2)
        file["a/kind"] = np.array([[2], [0], [1], [2], [1]], dtype=np.float32)
        file["a/names"] = np.array(["é".encode(), b"two", b"three"])
        file["flat"] = np.arange(5.0)
    with open_dataset(path, "a/b/pixels", "a/kind", "a/names") as data:
        assert (data.m, data.n_x, data.classes) == (5, 2, ("é", "two", "three"))
        np.testing.assert_array_equal(data.labels(binary=False), [[2, 0, 1, 2, 1]])
        with pytest.raises(ValueError, match=r"'a/kind': expected labels 0 or 1, got 2\.0 for ex"):
            data.labels()
    with open_dataset(path, "flat") as data:
        np.testing.assert_array_equal(data.columns(), [np.arange(5.0)])


@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6)])
def test_labels_of_any_one_dimensional_shape(layout, shape):
    with open_dataset(layout(train_set_y=np.ones(shape, np.uint8))) as data:
        np.testing.assert_array_equal(data.labels(np.float32), np.ones((1, 6)))
        assert data.labels(np.float32).dtype == np.float32


def test_unlabelled_examples_serve_until_labels_are_asked_for(layout):
    with open_dataset(layout(train_set_y=None)) as data:
        assert data.y_name is None
        assert data.columns().shape == (12, 6)
        assert len(data.fingerprint()) == 64
        with pytest.raises(ValueError, match=r"no labels for 'train_set_x'.*holds list_classes"):
            data.labels()


def test_opening_reads_no_values(layout):
    """Values written in place after opening are the ones that are read."""
    path = layout()
    with h5py.File(path) as file:
        offset = file["train_set_y"].id.get_offset()
    with open_dataset(path) as data:
        with path.open("r+b") as stream:
            stream.seek(offset)
            stream.write(b"\1")
        np.testing.assert_array_equal(data.labels(), [[1, 1, 1, 0, 1, 0]])


def test_closing(layout):
    path = layout()
    with open_dataset(path) as data:
        pass
    for read in (data.images, data.columns, data.labels, data.fingerprint):
        with pytest.raises(ValueError, match="the file of this dataset is closed"):
            read()
    path.unlink()


# Fingerprints.


def test_fingerprint_is_of_the_content_not_of_the_file(layout, save, images, tmp_path):
    with open_dataset(layout()) as data:
        original = data.fingerprint()
    path = tmp_path / "same.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("p", data=images, compression="gzip", shuffle=True, fletcher32=True)
        file["q"] = np.array([[0, 1, 1, 0, 1, 0]], dtype=">i2")
        file["r"] = np.array([b"non-cat", b"cat"], dtype="S20")
    with open_dataset(path, "p", "q", "r") as data:
        assert data.fingerprint() == original
    little = save("little.h5", x=np.arange(4.0))
    big = save("big.h5", x=np.arange(4, dtype=">f8"))
    with open_dataset(little, "x") as a, open_dataset(big, "x") as b:
        assert a.fingerprint() == b.fingerprint()


def test_fingerprint_sees_every_part(layout, images):
    other = images.copy()
    other[5, 1, 1, 2] ^= 1
    changes = [
        {},
        {"train_set_x": other},
        {"train_set_x": images.reshape(6, 12)},
        {"train_set_x": images.astype(np.int16)},
        {"train_set_y": np.array([0, 1, 1, 0, 1, 1])},
        {"list_classes": np.array([b"non-cat", b"dog"])},
        {"train_set_y": None},
    ]
    seen = set()
    for change in changes:
        with open_dataset(layout(**change)) as data:
            seen.add(data.fingerprint())
    assert len(seen) == len(changes)


# What a wrong file is told.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_set_x": None}, r"no dataset 'train_set_x' or 'test_set_x'.*train_set_y \(6,\) of"),
        ({"train_set_x": np.zeros((0, 2, 2, 3), np.uint8)}, r"'train_set_x': expected examples"),
        ({"train_set_x": np.zeros((6, 0))}, r"'train_set_x': expected examples \(m, \.\.\.\)"),
        ({"train_set_x": np.float64(1)}, r"'train_set_x': expected examples .* got \(\)"),
        ({"train_set_y": np.zeros(5, int)}, r"'train_set_y': .* the 6 examples .* shape \(5,\)"),
        ({"train_set_y": np.zeros((2, 3), int)}, r"'train_set_y': .* got shape \(2, 3\)"),
        ({"train_set_y": np.zeros(6, bool)}, r"'train_set_y': expected numbers, got an enumera"),
        ({"train_set_x": np.zeros((6, 3), bool)}, r"'train_set_x': .*NumPy's bool is stored so"),
        ({"train_set_x": np.zeros((6, 3), complex)}, r"'train_set_x': .*compound .*complex"),
        ({"train_set_x": np.array([b"a"] * 6)}, r"'train_set_x': expected numbers, got strings"),
        ({"train_set_x": ["a", "b"]}, r"'train_set_x': expected numbers, got strings"),
        ({"train_set_x": np.zeros(6, [("r", "f8"), ("g", "f8")])}, r"'train_set_x': .*compound"),
        ({"list_classes": np.array([1, 2])}, r"'list_classes': expected strings, got numbers"),
        ({"list_classes": np.array([b"cat"])}, r"names of two classes or more, got \['cat'\]"),
        ({"list_classes": np.array([[b"a", b"b"]])}, r"'list_classes': .*strings \(k,\)"),
        ({"list_classes": np.array([b"a", b"\xff"])}, r"'list_classes': .*UTF-8, got b'\\xff'"),
        ({"list_classes": np.array([b"a", b"b" * 2000])}, r"at most .* of 1,000 bytes"),
        ({"list_classes": ["non-cat", "cat"]}, r"varying length are not read; .*dtype='S'"),
    ],
)
def test_wrong_content_is_named_on_opening(layout, changes, words):
    with pytest.raises(ValueError, match=rf"data\.h5: .*{words}"):
        open_dataset(layout(**changes))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1, 2, 0, 1, 3], r"labels 0 or 1, got 2 for example 2 \(2 such in all\)"),
        ([0, 1, -1, 0, 1, 0], r"labels 0 or 1, got -1 for example 2 \(1 such in all\)"),
        ([0, 1, 0.5, 0, 1, 0], r"labels 0 or 1, got 0\.5 for example 2"),
        ([0, 1, np.nan, 0, 1, 0], r"labels 0 or 1, got nan for example 2"),
        ([0, 1, np.inf, 0, 1, 0], r"labels 0 or 1, got inf for example 2"),
    ],
)
def test_wrong_labels_are_named(layout, y, words):
    path = layout(train_set_y=np.array(y))
    with open_dataset(path) as data:
        for ask in (data.labels,):
            with pytest.raises(ValueError, match=rf"data\.h5: dataset 'train_set_y': .*{words}"):
                ask()


def test_labels_outside_three_classes(layout):
    names = np.array([b"a", b"b", b"c"])
    path = layout(train_set_y=np.array([0, 1, 2, 3, 0, 0]), list_classes=names)
    with (
        open_dataset(path) as data,
        pytest.raises(
            ValueError, match="expected labels integers from 0 to 2, got 3 for example 3"
        ),
    ):
        data.labels(binary=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(save, bad):
    values = np.zeros((3, 2, 2))
    values[2, 0, 1] = bad
    path = save(x=values)
    words = rf"dataset 'x': expected numbers finite in float64, got {bad} in example 2, number 1"
    with open_dataset(path, "x") as data, pytest.raises(ValueError, match=words):
        data.columns()


def test_values_too_large_for_float32_are_named(save):
    with open_dataset(save(x=np.array([[1.0], [1e300]])), "x") as data:
        np.testing.assert_array_equal(data.columns(), [[1, 1e300]])
        with pytest.raises(ValueError, match=r"finite in float32, got 1e\+300 in example 1"):
            data.columns(np.float32)


def test_a_missing_name_lists_the_file(layout):
    words = (
        r"data\.h5: dataset 'images': not there; the file holds list_classes \(2,\) of strings, "
        r"train_set_x \(6, 2, 2, 3\) of uint8, train_set_y \(6,\) of int64"
    )
    with pytest.raises(ValueError, match=words):
        open_dataset(layout(), x="images")


# The data set that comes along.


@pytest.mark.parametrize(("split", "m", "even"), [("train", 1437, 696), ("test", 360, 195)])
def test_default_dataset(split, m, even):
    with default_dataset(split) as data:
        assert data.x_shape == (m, 8, 8, 1)
        assert data.x_dtype == np.uint8
        assert data.classes == ("odd", "even")
        assert data.labels().sum() == even
        X, pixels = data.columns(), data.images()
    assert X.shape == (64, m)
    assert (X.min(), X.max()) == (0, 1)
    counts = np.rint(pixels * 16.0 / 255).astype(int)
    np.testing.assert_array_equal((counts * 255 + 8) // 16, pixels)
    assert set(np.unique(counts)) == set(range(17))


def test_default_dataset_never_changes():
    with default_dataset("train") as train, default_dataset("test") as test:
        marks = train.fingerprint(), test.fingerprint()
    assert marks == (
        "73731434a075b816abef1810320780b46344339766022f8bf944d2747ca975dd",
        "2cb9bea297f04e9b6d8bdf10abf983a94dd447b5018f0a8b6cfc5d2bfdb06c7d",
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_digits_carry_both_labels(split):
    with default_dataset(split) as parity, default_dataset(split, labels="digit") as digits:
        Y = digits.labels(binary=False)
        assert digits.classes == tuple("0123456789")
        np.testing.assert_array_equal(parity.images(), digits.images())
        np.testing.assert_array_equal(parity.labels(), Y % 2 == 0)
        assert np.bincount(Y[0]).min() > 20
        with pytest.raises(ValueError, match="expected labels 0 or 1"):
            digits.labels()
    with pytest.raises(ValueError, match="expected labels 'parity' or 'digit', got 'both'"):
        default_dataset(split, labels="both")
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'all'"):
        default_dataset("all", labels="digit")


def test_default_dataset_refuses_another_split():
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'all'"):
        default_dataset("all")


def test_the_digits_travel_small_and_with_their_attribution():
    folder = files("tinygrad_dnn") / "_data"
    assert len((folder / "digits.h5").read_bytes()) < 75_000
    text = (folder / "DIGITS.txt").read_text(encoding="utf-8")
    with h5py.File(folder / "digits.h5") as file:
        assert {name: file.attrs[name].decode() for name in file.attrs} == make_digits.ATTRIBUTION
    for words in ("Alpaydin", "Kaynak", "CC BY 4.0", "10.24432/C50P49"):
        assert words in text
        assert words in "".join(make_digits.ATTRIBUTION.values())


def test_the_maker_of_the_digits_repeats_itself_to_the_byte(tmp_path):
    rng = np.random.default_rng(1)
    counts, digits = rng.integers(0, 17, (400, 64)), rng.integers(0, 10, 400)
    table = tmp_path / "table.csv"
    np.savetxt(table, np.column_stack([counts, digits]), fmt="%d", delimiter=",")
    marks = []
    for name in ("one.h5", "two.h5"):
        make_digits.main([str(table), str(tmp_path / name)])
        marks.append(hashlib.sha256((tmp_path / name).read_bytes()).digest())
    assert marks[0] == marks[1]
    with (
        open_dataset(tmp_path / "one.h5", split="train") as train,
        open_dataset(tmp_path / "one.h5", split="test") as test,
    ):
        x = np.concatenate([train.images(), test.images()]).reshape(400, 64)
        y = np.concatenate([train.labels(), test.labels()], axis=1)[0]
    assert test.m == make_digits.TEST_EXAMPLES
    made = sorted(zip(x.tolist(), y.tolist(), strict=True))
    pixels = np.floor(counts * 255 / 16 + 0.5).astype(int)
    assert made == sorted(zip(pixels.tolist(), (digits % 2 == 0).astype(int).tolist(), strict=True))


@pytest.mark.parametrize("line", ["1,2,3", ",".join(["17"] * 65), ",".join(["0.5"] * 65)])
def test_the_maker_of_the_digits_refuses_another_table(tmp_path, line):
    table = tmp_path / "table.csv"
    table.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"table\.csv: expected"):
        make_digits.read_table(table)


@pytest.mark.cats
def test_the_cat_files_to_the_bit(cats):
    path = cats / "train_catvnoncat.h5"
    with h5py.File(path) as file:
        x, y = file["train_set_x"][:], file["train_set_y"][:]
    with open_dataset(path) as data:
        assert data.classes == ("non-cat", "cat")
        assert data.columns().tobytes("A") == (x.reshape(209, -1).T / 255).tobytes("A")
        np.testing.assert_array_equal(data.labels(), y.reshape(1, 209))
