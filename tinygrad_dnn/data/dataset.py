"""Labelled examples in an HDF5 file, opened lazily and looked at closely."""

import hashlib
from contextlib import ExitStack
from importlib.resources import as_file, files
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn.storage.hdf5_reader import (
    contents,
    h5_blocks,
    has_dataset,
    open_h5,
    open_h5_dataset,
    read_h5,
    read_h5_text,
)

Split = Literal["train", "test"]
"""Which examples a file holds: those that are trained on, or those that are kept for the test."""
SPLITS: tuple[Split, ...] = ("train", "test")


class Dataset:
    """m labelled examples in an open HDF5 file. Made by `open_dataset`; a context manager.

    Opening reads shapes, types and class names; the values are read by the methods, each time anew.

    Attributes:
        path: the file.
        x_name, y_name: the datasets; ``y_name`` is None where the file has no labels.
        x_shape: (m, ...), as stored.
        x_dtype: as stored, in native byte order.
        m: number of examples.
        n_x: numbers in an example, the product of ``x_shape[1:]``.
        classes: the names of labels 0, 1, ...; ("0", "1") where the file has none.
        has_names: whether the file has them.
    """

    def __init__(
        self,
        file: h5py.File,
        x: str,
        y: str | None = None,
        classes: str | None = None,
    ) -> None:
        self._file = file
        self.path: str = file.filename
        self.x_name, self.y_name = x, y
        self._x = open_h5_dataset(file, x)
        self._y = None if y is None else open_h5_dataset(file, y)
        self.x_shape: tuple[int, ...] = self._x.shape
        self.x_dtype: np.dtype[Any] = self._x.dtype.newbyteorder("=")
        if not self.x_shape or 0 in self.x_shape:
            raise ValueError(f"{self._where(x)}: expected examples (m, ...), got {self.x_shape}")
        self.m = self.x_shape[0]
        self.n_x = self._x.size // self.m
        if self._y is not None and self._y.shape not in ((self.m,), (self.m, 1), (1, self.m)):
            raise ValueError(
                f"{self._where(y)}: expected one label for each of the {self.m} examples "
                f"of {x!r}, got shape {self._y.shape}"
            )
        self.classes: tuple[str, ...] = ("0", "1")
        self.has_names = classes is not None
        if classes is not None:
            self.classes = read_h5_text(open_h5_dataset(file, classes, text=True))
            if len(self.classes) < 2:
                raise ValueError(
                    f"{self._where(classes)}: expected the names of two classes or more, "
                    f"got {list(self.classes)}"
                )

    def columns(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """The examples as columns, X (n_x, m), in float64 or float32.

        uint8 is divided by 255, every other type is converted and left unscaled. In float64 these
        are bit for bit the document's ``x.reshape(m, -1).T / 255``, and in its memory order: the
        transpose of a C-ordered (m, n_x) array, the numbers of an example side by side.

        Raises:
            TypeError: another dtype.
            ValueError: the file holds nan or infinity, or numbers too large for ``dtype``.
            OSError: the file is damaged there.
        """
        dtype = np.dtype(dtype)
        if dtype not in (np.float64, np.float32):
            raise TypeError(f"columns: expected dtype float64 or float32, got {dtype}")
        rows = np.empty((self.m, self.n_x), dtype)
        for start, block in h5_blocks(self._x):
            part = rows[start : start + len(block)]
            flat = block.reshape(len(block), -1)
            if self.x_dtype == np.uint8:
                np.divide(flat, 255, out=part, dtype=dtype)
                continue
            with np.errstate(over="ignore"):  # what becomes infinite is reported below, by name
                part[...] = flat
            if not np.isfinite(part).all():
                row, column = np.argwhere(~np.isfinite(part))[0]
                raise ValueError(
                    f"{self._where(self.x_name)}: expected numbers finite in {dtype}, "
                    f"got {flat[row, column]} in example {start + row}, number {column} of it"
                )
        return rows.T

    def labels(
        self, dtype: DTypeLike = np.int64, *, binary: bool = True, classes: int | None = None
    ) -> NDArray[Any]:
        """The labels as a row, Y (1, m); int64 as in the document's files, or another dtype.

        Args:
            dtype: of the result. With float32 parameters ask for float32: NumPy makes float64 of
                int64 and float32.
            binary: refuse other labels than 0 and 1, which is what a network that ends in one
                sigmoid can learn. Without it labels go up to ``len(classes) - 1``.
            classes: how many there are, whatever names the file has.

        Raises:
            ValueError: no labels in the file, labels that are not integers, or outside their range.
            OSError: the file is damaged there.
        """
        y = self._labels(classes or (2 if binary else len(self.classes)))
        return y.astype(dtype).reshape(1, self.m)

    def numbers(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """What stands in place of labels as numbers to be predicted, Y (1, m).

        Raises:
            ValueError: no labels in the file, or some are not finite.
            OSError: the file is damaged there.
        """
        y = self._stored_labels()
        if not np.isfinite(y).all():
            raise ValueError(
                f"{self._where(self.y_name)}: expected finite numbers, got "
                f"{np.count_nonzero(~np.isfinite(y))} that are not, first for example "
                f"{np.argmin(np.isfinite(y))}"
            )
        return y.astype(dtype).reshape(1, self.m)

    def count_classes(self) -> int:
        """How many classes there are: as many as names, else up to the largest label.

        Raises:
            ValueError: no labels in the file, or labels that are not integers from 0 on.
            OSError: the file is damaged there.
        """
        if self.has_names:
            return len(self.classes)
        return int(self._labels(2**31).max()) + 1

    def images(self) -> NDArray[Any]:
        """The examples as stored, (m, ...), in C order and native byte order.

        Raises:
            OSError: the file is damaged there.
        """
        return read_h5(self._x)

    def fingerprint(self) -> str:
        """SHA-256 over shape, type and values of x, labels and class names: 64 hex digits.

        The same for the same data, however the file stores it (names, compression, byte order).

        Raises:
            OSError: the file is damaged there.
        """
        digest = hashlib.sha256()
        digest.update(repr((self.x_shape, self.x_dtype.str[1:], self.classes)).encode())
        for _, block in h5_blocks(self._x):
            digest.update(np.ascontiguousarray(block, self.x_dtype.newbyteorder("<")).tobytes())
        if self._y is not None:
            y = self._stored_labels()
            whole = np.array_equal(y, np.floor(y)) and np.abs(y).max(initial=0) < 2**53
            digest.update(y.astype("<i8" if whole else "<f8").tobytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; the arrays that were read stay."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(self.classes[:10])
        return f"<Dataset {self.x_name!r} of {self.path}: {self.x_shape} {self.x_dtype}; {names}>"

    def _where(self, name: str | None) -> str:
        return f"{self.path}: dataset {name!r}"

    def _stored_labels(self) -> NDArray[Any]:
        """The labels (m,), whatever they are."""
        if self._y is None:
            raise ValueError(
                f"{self.path}: no labels for {self.x_name!r}; "
                f"name their dataset, the file holds {contents(self._file)}"
            )
        return read_h5(self._y).ravel()

    def _labels(self, count: int) -> NDArray[np.int64]:
        """The labels (m,), each checked to be one of 0 ... count − 1."""
        y = self._stored_labels()
        # Written so that nan, which compares false with everything, is wrong as well.
        wrong = ~((y >= 0) & (y < count) & (y == np.floor(y)))
        if wrong.any():
            first = int(np.argmax(wrong))
            allowed = "0 or 1" if count == 2 else f"integers from 0 to {count - 1}"
            raise ValueError(
                f"{self._where(self.y_name)}: expected labels {allowed}, "
                f"got {y[first]} for example {first} ({np.count_nonzero(wrong)} such in all)"
            )
        return y.astype(np.int64)


def open_dataset(
    path: str | PathLike[str],
    x: str | None = None,
    y: str | None = None,
    classes: str | None = None,
    *,
    split: Split | None = None,
) -> Dataset:
    """Open a data file; only its headers and class names are read.

    Without names it is the document's layout: ``train_set_x`` and ``train_set_y``, or
    ``test_set_x`` and ``test_set_y``, whichever the file has; ``split`` says which where it has
    both. Class names come from ``list_classes`` where that exists. With names, ``x`` is any dataset
    (m, ...) of numbers and ``y`` one of m labels; without ``y`` the examples are unlabelled, which
    suffices to predict. A name may be a path into groups, "images/train".

    Args:
        path: the file.
        x: the dataset of examples.
        y: the dataset of labels.
        classes: the dataset of class names.
        split: "train" or "test"; not together with ``x``.

    Raises:
        OSError: no such file, not HDF5, truncated, damaged.
        ValueError: a dataset is missing, has another shape or type than expected, is empty, or is
            stored in a way that is not read; or the arguments contradict each other.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"open_dataset: expected split 'train' or 'test', got {split!r}")
    if split is not None and x is not None:
        raise ValueError(f"open_dataset: expected x or split, got x={x!r} and split={split!r}")
    with ExitStack() as unless_done:
        file = unless_done.enter_context(open_h5(path))
        if x is None:
            split = split or _only_split(file)
            x = f"{split}_set_x"
            if y is None and has_dataset(file, f"{split}_set_y"):
                y = f"{split}_set_y"
        if classes is None and has_dataset(file, "list_classes"):
            classes = "list_classes"
        dataset = Dataset(file, x, y, classes)
        unless_done.pop_all()
    return dataset


def default_dataset(
    split: Split = "train", labels: Literal["parity", "digit"] = "parity"
) -> Dataset:
    """The handwritten digits that come with the package: 8x8 pixels, even (1) against odd (0).

    ``split`` is "train" (1437 examples) or "test" (360). With ``labels="digit"`` the labels are the
    digits 0 to 9: ``data.labels(binary=False)``. The data are the "Optical Recognition of
    Handwritten Digits" of E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0,
    doi:10.24432/C50P49; the file beside this module's data says what was changed.

    Raises:
        ValueError: another split, or other labels.
    """
    if labels not in ("parity", "digit"):
        raise ValueError(f"default_dataset: expected labels 'parity' or 'digit', got {labels!r}")
    with as_file(files("tinygrad_dnn") / "_data" / "digits.h5") as path:
        if labels == "parity" or split not in SPLITS:
            return open_dataset(path, split=split)
        return open_dataset(path, f"{split}_set_x", f"{split}_set_digit", "list_digits")


def _only_split(file: h5py.File) -> Split:
    there = [split for split in SPLITS if has_dataset(file, f"{split}_set_x")]
    if not there:
        raise ValueError(
            f"{file.filename}: no dataset 'train_set_x' or 'test_set_x'; "
            f"name the datasets, the file holds {contents(file)}"
        )
    if len(there) > 1:
        raise ValueError(
            f"{file.filename}: holds both 'train_set_x' and 'test_set_x'; say which with split="
        )
    return there[0]
