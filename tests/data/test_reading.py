"""`read`: the same examples from every kind of source, and what is said of bad ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tinygrad_dnn.data import Dataset, default_dataset, read, splits_of

X = np.array([[1.5, -2.0, 0.1], [4.0, 5.0, 6.25], [7.0, 8.0, 1e-300], [0.3, 0.2, 11.0]])
Y = np.array([0, 2, 1, 0])
NAMES = ["setosa", "versicolor", "virginica"]


class Elsewhere:
    """An array of another library: it hands out its memory through DLPack and nothing else."""

    requires_grad = False

    def __init__(self, values: Any) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


def frame() -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas (the extra pandas) is not installed")
    columns: dict[str, Any] = {name: X[:, k] for k, name in enumerate("abc")}
    return pandas.DataFrame(columns | {"Species": Y})


def h5(path: Path) -> Dataset:
    with h5py.File(path / "d.h5", "w") as file:
        file["x"], file["y"] = X, Y
        file["names"] = np.array(["0", "1", "2"], "S")
    return read(path / "d.h5", "x", "y", "names")


def npz(path: Path) -> Dataset:
    np.savez(path / "d.npz", X=X, y=Y)
    return read(path / "d.npz")


def npy(path: Path) -> Dataset:
    np.save(path / "x.npy", X)
    np.save(path / "y.npy", Y)
    return read(path / "x.npy", y=str(path / "y.npy"))


def csv(path: Path) -> Dataset:
    frame().to_csv(path / "d.csv", index=False)
    return read(path / "d.csv", y="Species")


def csv_without_names(path: Path) -> Dataset:
    rows = (",".join(map(repr, [*x, y])) for x, y in zip(X.tolist(), Y.tolist(), strict=True))
    (path / "d.csv").write_text("\n".join(rows))
    return read(path / "d.csv", y="3")


def tsv(path: Path) -> Dataset:
    frame().rename(columns={"Species": "Label"}).to_csv(path / "d.tsv", sep="\t", index=False)
    return read(path / "d.tsv")


def parquet(path: Path) -> Dataset:
    pytest.importorskip("pyarrow", reason="pyarrow (the extra pandas) is not installed")
    frame().to_parquet(path / "d.parquet")
    return read(path / "d.parquet", y="Species")


def of_frame(path: Path) -> Dataset:
    return read(frame(), ["a", "b", "c"], "Species")


def of_dict(path: Path) -> Dataset:
    return read({"data": X.tolist(), "target": Elsewhere(Y)})


SOURCES = [h5, npz, npy, csv, csv_without_names, tsv, parquet, of_frame, of_dict]


@pytest.mark.parametrize("source", SOURCES, ids=lambda f: f.__name__)
def test_s198_every_source_gives_the_same_examples(source: Any, tmp_path: Path) -> None:
    with source(tmp_path) as data:
        assert (data.m, data.n_x, data.classes) == (4, 3, ("0", "1", "2"))
        np.testing.assert_array_equal(data.columns(), X.T)  # to the last bit
        assert data.columns(np.float32).dtype == np.float32
        assert data.columns().flags.f_contiguous
        np.testing.assert_array_equal(data.labels(binary=False), [Y])
        np.testing.assert_array_equal(data.targets(), [Y])
        with pytest.raises(ValueError, match="expected labels 0 or 1, got 2 for example 1"):
            data.labels()
        train, test = data.split(0.25, np.random.default_rng(0))
        assert (train.m, test.m, test.classes) == (3, 1, data.classes)
        whole = np.concatenate([train.columns(), test.columns()], axis=1)
        assert sorted(whole.T.tolist()) == sorted(X.tolist())
        mark = data.fingerprint()
    with h5(tmp_path) as stored:
        assert stored.fingerprint() == mark


def test_a_dict_shares_memory_with_what_it_was_given() -> None:
    data = read({"X": Elsewhere(X), "y": Y})
    _, block = next(data.x.blocks())
    assert np.shares_memory(block, X)


def test_what_requires_a_gradient_elsewhere_is_refused() -> None:
    wants = Elsewhere(X)
    wants.requires_grad = True
    with pytest.raises(TypeError, match=r"'X': got a .*requires a gradient there.*\.detach\(\)"):
        read({"X": wants})


# --- labels ---------------------------------------------------------------------------------------


def texts() -> Any:
    return np.array(NAMES)[Y]


def test_s197_texts_as_labels_need_a_list() -> None:
    table = frame().assign(Species=texts())
    words = r"column 'Species': its labels are texts.*classes=\['setosa', 'versicolor', 'virginica'"
    with pytest.raises(ValueError, match=words):
        read(table, y="Species")
    data = read(table, y="Species", classes=NAMES[::-1])
    np.testing.assert_array_equal(data.labels(binary=False), [2 - Y])
    assert data.classes == tuple(NAMES[::-1])
    with pytest.raises(ValueError, match=r"got 'versicolor' for example 2$"):
        read(table, y="Species", classes=["setosa", "virginica"])
    same = read({"x": X, "y": texts(), "classes": np.array(NAMES, "S")})
    np.testing.assert_array_equal(same.labels(binary=False), [Y])


def test_the_categories_of_a_column_are_its_classes() -> None:
    pandas = pytest.importorskip("pandas")
    table = frame().assign(Species=pandas.Categorical(texts(), categories=NAMES))
    data = read(table, y="Species")
    assert data.classes == tuple(NAMES)
    np.testing.assert_array_equal(data.labels(binary=False), [Y])
    table.loc[[1, 3], "Species"] = None
    with pytest.raises(ValueError, match=r"got none for example 1 \(2 of the 4 examples .*: 1, 3"):
        read(table, y="Species")


def test_integers_are_positions_in_the_list_unless_it_names_integers() -> None:
    np.testing.assert_array_equal(read({"x": X, "y": Y}, classes=NAMES).labels(binary=False), [Y])
    y = np.array([7, 3, 3, 7])
    np.testing.assert_array_equal(read({"x": X, "y": y}, classes=["3", "7"]).labels(), y[None] // 5)
    with pytest.raises(ValueError, match="one of the classes 3, 8, got '7' for example 0"):
        read({"x": X, "y": y}, classes=["3", "8"])
    with pytest.raises(ValueError, match="two classes or more, each once"):
        read({"x": X, "y": Y}, classes=["a", "a"])


def test_numbers_to_be_predicted_are_targets() -> None:
    y = np.array([0.5, 1e6, -2.0, 3.0])
    data = read(frame().assign(price=y), ["a"], "price")
    assert data.classes == ()
    np.testing.assert_array_equal(data.targets(), [y])
    with pytest.raises(ValueError, match=r"column 'price': .*numbers that are not.*\.targets"):
        data.labels()
    assert len(data.fingerprint()) == 64
    train, test = data.split(0.5, np.random.default_rng(0))
    assert {*train.targets()[0], *test.targets()[0]} == {*y}
    y[1] = np.nan
    with pytest.raises(ValueError, match="'price': expected labels, got nan for example 1; compl"):
        read(frame().assign(price=y), ["a"], "price")


def test_without_labels_examples_serve_to_predict() -> None:
    data = read(frame()[["a", "b"]])
    np.testing.assert_array_equal(data.columns(), X[:, :2].T)
    with pytest.raises(ValueError, match=r"no labels for 'table'; name .*--label.*has a, b$"):
        data.labels()


# --- tables ---------------------------------------------------------------------------------------


def test_what_is_missing_is_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b,label\n1,2,0\n,3,1\n4,NA,1\n5,inf,0\n")
    words = r"d\.csv: expected .* got nan in example 1, 'a' of it \(3 of the 4 .*: 1, 2, 3\)"
    with pytest.raises(ValueError, match=words):
        read(path).columns()
    path.write_text("a,b,label\n1,2,0\n4,5,\n")
    with pytest.raises(ValueError, match="'label': expected labels, got nan for example 1"):
        read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,town,y\n1,Paris,0\n2,3,1\n4,Rome,1\n", "'town': holds text, got 'Paris' in example 0"),
        (b"a,b\n1,2\n3,4,5\n", "rows of different length.*line 3"),
        (b"a,b\n", "got no row"),
        (b"\n", "expected rows of numbers, got none"),
        (b"a,b\n1,\xe9\n", "expected text in UTF-8, got byte 0xe9"),
        ("a,b\n1,2\n".encode("utf-16"), "expected text in UTF-8, got byte 0xff"),
        (b"a;b\n1;2\n", "expected columns separated by ',', got ';'; read it with pandas.read_csv"),
        (b",a,b\n0,1,2\n", "column 0 has no name; pandas writes its row numbers so"),
        (b"a,a,y\n1,2,0\n", "more than one column a; give each"),
        (b"label\n1\n", "expected columns of numbers beside the labels"),
        (b"a" * (2**24 + 1), "its first line has more than 16,777,216 bytes"),
        (b"a,b\0\n1,2\n", "got zero bytes"),
        (b'a,b\n1,"2\n', "rows of different length, or no table"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    pytest.importorskip("pandas")
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"d\.csv: .*{words}"):
        read(path)


def test_without_pandas_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ValueError, match=r"d\.csv: reading tables needs pandas; .*dnn\[pandas\]'"):
        read(tmp_path / "d.csv")


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    for asked in ({"x": ["a", "d"]}, {"y": "d"}):
        with pytest.raises(ValueError, match="no column 'd'; the table has a, b, c, Species"):
            read(frame(), **asked)
    pandas = pytest.importorskip("pandas")
    days = pandas.to_datetime(["2026-01-01"] * 4)
    with pytest.raises(ValueError, match=r"column 'day': holds datetime64.*make numbers of these"):
        read(frame().assign(day=days))


def test_a_header_of_numbers_as_pandas_writes_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(X).to_csv(tmp_path / "d.csv", index=False)
    assert read(tmp_path / "d.csv").m == 4
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")  # with the mark of UTF-8
    assert read(tmp_path / "d.csv").features == ("a", "b")


def test_pandas_own_types(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = frame().astype({"a": "Float64", "Species": "Int8"}).assign(b=[True, False, True, True])
    data = read(table, y="Species")
    np.testing.assert_array_equal(data.columns()[:2], [X[:, 0], [1, 0, 1, 1]])
    np.testing.assert_array_equal(data.labels(binary=False), [Y])
    table.loc[2, "a"] = pandas.NA
    with pytest.raises(ValueError, match="got nan in example 2, 'a'"):
        read(table, y="Species").columns()


def test_parquet_that_is_none_or_unfolds(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "d.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(ValueError, match=r"d\.parquet: expected a Parquet file, whole, got"):
        read(path)
    pandas.DataFrame({"a": np.zeros(10_000_000, np.int8)}).to_parquet(path, compression="gzip")
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"declares 10,000,000 rows of 1 columns .* for a trap"):
        read(path)


# --- arrays ---------------------------------------------------------------------------------------


def test_usual_names_of_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    assert splits_of(tmp_path / "d.npz") == ("train", "test")
    assert [read(tmp_path / "d.npz", split=s).m for s in splits_of(tmp_path / "d.npz")] == [4, 2]
    with pytest.raises(ValueError, match="a training and a test part; say which with split="):
        read(tmp_path / "d.npz")
    assert read({"images": X, "data": X[:2], "target": Y[:2]}).x_name == "data"
    assert read({"anything": X}).x_name == "anything"
    with pytest.raises(ValueError, match=r"no array called x, data, .* it holds one, two"):
        read({"one": X, "two": Y})
    with pytest.raises(ValueError, match="no array 'X'; it holds one"):
        read({"one": X}, "X")


def test_arrays_that_are_no_examples() -> None:
    for x, words in (
        ([[1, 2], [3]], "'X': expected rows of one length"),
        (np.array(["a"]), r"array 'X': expected numbers \(m, ...\), got <U1"),
        (np.zeros((0, 3)), r"array 'X': expected examples \(m, ...\), got \(0, 3\)"),
        (X * 1j, r"expected numbers \(m, ...\), got complex128"),
    ):
        with pytest.raises(ValueError, match=words):
            read({"X": x})
    with pytest.raises(ValueError, match=r"one label for each of the 4 examples .* got shape \(3,"):
        read({"X": X, "y": Y[:3]})


def test_bytes_are_pixels_but_in_tables() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    np.testing.assert_array_equal(read({"X": pixels}).columns(), pixels.reshape(4, 64).T / 255)
    ages = frame().assign(age=np.array([3, 0, 255, 9], np.uint8))
    np.testing.assert_array_equal(read(ages, ["age"]).columns(), [[3, 0, 255, 9]])


# --- pictures -------------------------------------------------------------------------------------


def save_pictures(folder: Path, name: str, values: Any) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow (the extra image) is not installed")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.fromarray(values).save(folder / name)


def test_a_folder_of_pictures_by_class(tmp_path: Path) -> None:
    with default_dataset("test") as digits:
        pixels, even = digits.images()[:6, ..., 0], digits.labels()[0, :6]
        for k in range(6):
            save_pictures(tmp_path, f"{'even' if even[k] else 'odd'}/{k}.png", pixels[k])
    (tmp_path / ".DS_Store").touch()
    data = read(tmp_path, classes=["odd", "even"])
    order = np.argsort(even, kind="stable")
    np.testing.assert_array_equal(data.images(), pixels[order])
    np.testing.assert_array_equal(data.columns(), pixels[order].reshape(6, 64).T / 255)
    np.testing.assert_array_equal(data.labels(), even[None, order])
    assert read(tmp_path).classes == ("even", "odd")
    save_pictures(tmp_path, "odd/colour.png", np.full((4, 5, 3), 9, np.uint8))
    with pytest.raises(ValueError, match=r"2 different sizes .*8 x 8.* size=\(64, 64\) \(--size"):
        read(tmp_path)
    assert read(tmp_path, size=(4, 5)).x_shape == (7, 4, 5, 3)


def test_a_folder_of_two_parts(tmp_path: Path) -> None:
    for part, n in (("train", 2), ("test", 1)):
        for name in ("a", "b"):
            for k in range(n):
                save_pictures(tmp_path / part, f"{name}/{k}.png", np.full((2, 2), k, np.uint8))
    assert splits_of(tmp_path) == ("train", "test")
    assert [read(tmp_path, split=s).m for s in splits_of(tmp_path)] == [4, 2]
    with pytest.raises(ValueError, match="say which with split="):
        read(tmp_path)


def test_folders_that_are_no_classes(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match="two classes or more, got none"):
        read(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="a: no pictures in it"):
        read(tmp_path)
    for name in ("a", "b"):
        save_pictures(tmp_path, f"{name}/1.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="'b' is none of the classes a, c; add it"):
        read(tmp_path, classes=["a", "c"])
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"notes\.txt: not a picture \(PNG"):
        read(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"got the file 'notes\.txt' beside them"):
        read(tmp_path)


# --- arguments ------------------------------------------------------------------------------------


def test_other_sources_and_arguments_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.pkl").touch()
    for source, error, words in (
        (tmp_path / "none.csv", FileNotFoundError, r"none\.csv: no such file"),
        (tmp_path / "d.pkl", ValueError, r"ends in \.h5, .* or a folder of pictures, got \.pkl"),
        (X, TypeError, r"got ndarray; arrays are read\({'X': X, 'y': y}\)"),
    ):
        with pytest.raises(error, match=words):
            read(source)
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    for options, words in (
        ({"size": (2, 2)}, r"size makes no sense for a \.npz; it takes classes, split, x, y"),
        ({"split": "valid"}, "expected split 'train' or 'test', got 'valid'"),
        ({"x": ["X", "y"]}, "expected one name"),
    ):
        with pytest.raises(ValueError, match=words):
            read(tmp_path / "d.npz", **options)
    with pytest.raises(ValueError, match="classes: expected a list of names for a frame, got 'a'"):
        read(frame(), classes="a")
    with pytest.raises(ValueError, match=r"size: expected \(height, width\)"):
        read(tmp_path, size=(0, 2))
