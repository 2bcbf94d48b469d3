"""The front door: whatever holds examples becomes a `Dataset`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from tinygrad_dnn.data.arrays import from_dict, read_npy, read_npz, splits_of_names
from tinygrad_dnn.data.dataset import SPLITS, Dataset, Split, open_dataset
from tinygrad_dnn.data.pictures import read_pictures, splits_of_folder
from tinygrad_dnn.data.tables import from_frame, read_csv, read_parquet
from tinygrad_dnn.storage.hdf5_reader import has_dataset, open_h5
from tinygrad_dnn.storage.numpy_reader import NpzReader

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
TABLE_ENDINGS = (".csv", ".tsv", ".parquet")
ENDINGS = (*HDF5_ENDINGS, ".npz", ".npy", *TABLE_ENDINGS)
HDF5_START = b"\x89HDF\r\n\x1a\n"


def read(
    source: Any,
    x: str | Sequence[str] | None = None,
    y: str | None = None,
    classes: str | Sequence[str] | None = None,
    *,
    split: Split | None = None,
    size: tuple[int, int] | None = None,
) -> Dataset:
    """Examples and labels of a file, a folder of pictures, a pandas frame or a dict of arrays.

        read("digits.csv", y="label")
        read("flowers.parquet", y="species", classes=["setosa", "versicolor", "virginica"])
        read("mnist.npz", split="train")
        read("pictures", size=(64, 64))  # pictures/cat/*.jpg, pictures/dog/*.jpg
        read({"X": torch_images, "y": torch_labels})

    The ending says what a file is; one that begins as HDF5 does is that, whatever its name.
    Examples lie in the first axis of what is read; `columns()` gives X (n_x, m), `labels()` Y
    (1, m). One file is cut into training and test with `Dataset.split`.

    Args:
        source: `.h5` and the like, as `open_dataset`; `.npz`, `.npy`; `.csv`, `.tsv`, `.parquet`
            (the extra pandas); a folder with a folder of pictures for each class (the extra image);
            a pandas DataFrame; a dict of arrays, those of PyTorch and JAX too.
        x: the dataset or array of examples; of a table the columns, all others by default.
        y: the dataset, array or column of labels; for an `.npy` the file that holds them. Without
            a name the usual ones: train_set_y, y, labels, target; columns label, class, target, y.
        classes: the names of labels 0, 1, ...: a list, or the dataset or array that holds them.
            Labels that are texts need it.
        split: "train" or "test", of what holds both.
        size: (height, width) that pictures are resized to.

    Raises:
        OSError: no such file, or one that can't be read.
        ValueError: another ending; wrong or dangerous content, by file, column and example; an
            argument that makes no sense there.
        TypeError: a source of another kind.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"read: expected split 'train' or 'test', got {split!r}")
    kind = _kind(source)
    _refuse_others(kind, x=x, y=y, classes=classes, split=split, size=size)
    names = None if isinstance(classes, str) else classes
    if kind == "dict":
        return from_dict(source, _one(x), y, classes, split)
    if kind == "frame":
        return from_frame(source, x, y, names)
    path = Path(source)
    if kind == "folder":
        return read_pictures(path, names, split, _checked_size(size))
    if kind == "hdf5":
        return open_dataset(path, _one(x), y, _name(classes), split=split)
    if kind == ".npz":
        return read_npz(path, _one(x), y, classes, split)
    if kind == ".npy":
        return read_npy(path, y, names)
    table = read_parquet if kind == ".parquet" else read_csv
    return table(path, x, y, names)


def splits_of(path: str | PathLike[str]) -> tuple[Split, ...]:
    """Which parts a file or a folder holds, "train" and "test"; none where it doesn't say.

    Raises:
        OSError, ValueError: as `read`.
    """
    kind = _kind(path)
    if kind == "folder":
        return splits_of_folder(Path(path))
    if kind == ".npz":
        file = NpzReader(path)
        file.close()
        return splits_of_names(file.names)
    if kind == "hdf5":
        with open_h5(path) as h5:
            return tuple(s for s in SPLITS if has_dataset(h5, f"{s}_set_x"))
    return ()


def is_data(path: str | PathLike[str]) -> bool:
    """Whether `read` takes it for data: a folder, one of its endings, or HDF5 of any name."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() in ENDINGS or is_hdf5(path)


def is_hdf5(path: str | PathLike[str]) -> bool:
    """Whether a file is read as HDF5: by its ending, or because it begins so."""
    path = Path(path)
    if path.suffix.lower() in HDF5_ENDINGS or not path.is_file():
        return path.suffix.lower() in HDF5_ENDINGS
    with path.open("rb") as stream:
        return stream.read(len(HDF5_START)) == HDF5_START


# What each kind of source can be told; its reader knows no more.
_TAKES = {
    "hdf5": {"x", "y", "classes", "split"},
    ".npz": {"x", "y", "classes", "split"},
    "dict": {"x", "y", "classes", "split"},
    ".npy": {"y", "classes"},
    "folder": {"classes", "split", "size"},
    "frame": {"x", "y", "classes"},
    **{ending: {"x", "y", "classes"} for ending in TABLE_ENDINGS},
}


def _kind(source: Any) -> str:
    if isinstance(source, Mapping):
        return "dict"
    pandas = sys.modules.get("pandas")  # who has a frame has imported it
    if pandas is not None and isinstance(source, pandas.DataFrame):
        return "frame"
    if not isinstance(source, str | PathLike):
        raise TypeError(
            "read: expected a path, a pandas DataFrame or a dict of arrays, got "
            f"{type(source).__name__}; arrays are read({{'X': X, 'y': y}})"
        )
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    ending = path.suffix.lower()
    if is_hdf5(path):
        return "hdf5"
    if path.is_dir() and ending not in ENDINGS:
        return "folder"
    if ending not in ENDINGS:
        raise ValueError(
            f"{path}: expected data, a file that ends in {', '.join(ENDINGS)} or a folder of "
            f"pictures, got {ending or 'no ending'}"
        )
    return ending


def _refuse_others(kind: str, **given: Any) -> None:
    what = {"hdf5": "an HDF5 file", "folder": "a folder of pictures", "frame": "a frame"}
    for name, value in given.items():
        if value is not None and name not in _TAKES[kind]:
            raise ValueError(
                f"read: {name} makes no sense for {what.get(kind, f'a {kind}')}; it takes "
                f"{', '.join(sorted(_TAKES[kind]))}"
            )
    names = given["classes"]
    if isinstance(names, str) and kind not in ("hdf5", ".npz", "dict"):
        raise ValueError(
            f"read: classes: expected a list of names for {what.get(kind, f'a {kind}')}, got "
            f"{names!r}"
        )


def _one(x: str | Sequence[str] | None) -> str | None:
    if x is None or isinstance(x, str):
        return x
    raise ValueError(f"read: x: expected one name, got {list(x)}; columns are those of a table")


def _name(classes: str | Sequence[str] | None) -> str | None:
    if classes is None or isinstance(classes, str):
        return classes
    raise ValueError(
        "read: classes: expected the name of a dataset in the HDF5 file, got a list; store the "
        "names in it, numpy.array(names, dtype='S')"
    )


def _checked_size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not pair or not all(type(n) is int and 1 <= n <= 10_000 for n in size):
        raise ValueError(f"read: size: expected (height, width) in pixels, got {size!r}")
    return size[0], size[1]
