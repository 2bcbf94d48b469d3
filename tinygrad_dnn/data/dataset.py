"""Labelled examples, opened lazily and looked at closely; those of HDF5 files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.resources import as_file, files
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn.data.batches import split_positions
from tinygrad_dnn.data.examples import float_dtype, not_finite, scale, such, whole_labels
from tinygrad_dnn.data.values import ArrayValues, H5Values, RowValues, Values
from tinygrad_dnn.storage.hdf5_reader import contents, has_dataset, open_h5, open_h5_dataset
from tinygrad_dnn.storage.hdf5_values import read_h5_text

Split = Literal["train", "test"]
"""Which examples a file holds: those that are trained on, or those that are kept for the test."""
SPLITS: tuple[Split, ...] = ("train", "test")


class Dataset:
    """m labelled examples, in a file or in memory. Made by `read`; a context manager.

    Opening reads shapes, types and class names; the values are read by the methods, each time anew.

    Attributes:
        path: the file; of what was given in Python, its kind.
        x, y: the values where they lie, `tinygrad_dnn.data.values.Values`.
        x_name, y_name: the datasets, arrays or column; ``y_name`` is None where there are no
            labels.
        x_shape: (m, ...), as stored.
        x_dtype: as stored, in native byte order.
        m: number of examples.
        n_x: numbers in an example, the product of ``x_shape[1:]``.
        classes: the names of labels 0, 1, ...; ("0", "1") where an HDF5 file has none. Empty where
            the labels are numbers to be predicted.
        features: the names of the numbers of an example; empty where they have none.
    """

    def __init__(
        self,
        path: str,
        x: Values,
        y: Values | None = None,
        classes: Sequence[str] = ("0", "1"),
        *,
        features: Sequence[str] = (),
        no_labels: str = "",
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.x, self.y = x, y
        self.x_name, self.y_name = x.name, None if y is None else y.name
        self.x_shape, self.x_dtype = x.shape, x.dtype
        self.classes, self.features = tuple(classes), tuple(features)
        self._no_labels, self._close = no_labels, close
        if not self.x_shape or 0 in self.x_shape:
            raise ValueError(f"{x.where}: expected examples (m, ...), got {self.x_shape}")
        self.m = self.x_shape[0]
        self.n_x = int(np.prod(self.x_shape[1:], dtype=object))
        if y is not None and y.shape not in ((self.m,), (self.m, 1), (1, self.m)):
            raise ValueError(
                f"{y.where}: expected one label for each of the {self.m} examples "
                f"of {x.name!r}, got shape {y.shape}"
            )

    def columns(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """The examples as columns, X (n_x, m), in float64 or float32.

        uint8 is divided by 255, every other type is converted and left unscaled. In float64 these
        are bit for bit the document's ``x.reshape(m, -1).T / 255``, and in its memory order: the
        transpose of a C-ordered (m, n_x) array, the numbers of an example side by side.

        Raises:
            TypeError: another dtype.
            ValueError: there is nan or infinity among them, or numbers too large for ``dtype``; how
                many examples have such, and which.
            OSError: the file is damaged there.
        """
        dtype = float_dtype(dtype, "columns")
        rows = np.empty((self.m, self.n_x), dtype)
        self._converted(lambda start, k: rows[start : start + k])
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
            ValueError: no labels, labels that are not integers, or outside their range.
            OSError: the file is damaged there.
        """
        y = self._labels(classes or (2 if binary else len(self.classes)))
        return y.astype(dtype).reshape(1, self.m)

    def targets(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """The labels as numbers to be predicted, Y (1, m), in float64 or float32.

        Raises:
            TypeError: another dtype.
            ValueError: no labels, or nan or infinity among them.
            OSError: the file is damaged there.
        """
        y = self.labelled().read().ravel().astype(float_dtype(dtype, "targets"))
        if not np.isfinite(y).all():
            wrong = np.flatnonzero(~np.isfinite(y)).tolist()
            raise ValueError(
                f"{self.labelled().where}: expected finite numbers, got {y[wrong[0]]} for example "
                f"{wrong[0]}{such(wrong, self.m)}"
            )
        return y.reshape(1, self.m)

    def count_classes(self) -> int:
        """How many classes there are: as many as names, else up to the largest label.

        Raises:
            ValueError: no labels, or labels that are not integers from 0 on.
            OSError: the file is damaged there.
        """
        if self.has_names:
            return len(self.classes)
        return int(self._labels(2**31).max()) + 1

    @property
    def has_names(self) -> bool:
        """Whether the classes have other names than their labels."""
        return self.classes != tuple(map(str, range(len(self.classes))))

    def split(
        self, share: float, rng: np.random.Generator, *, stratify: bool | None = None
    ) -> tuple[Dataset, Dataset]:
        """Two data sets in memory: those to train on, and a share that is kept for the test.

        Which examples `rng` draws; both keep the order of the whole, its classes and its names.

        Args:
            stratify: each class gives its share; by default where the labels are classes.

        Raises:
            TypeError: `rng` is no Generator.
            ValueError: a part would be empty; labels that are wrong, or wanting and asked for.
            OSError: the file is damaged.
        """
        if stratify is None:
            stratify = self.y is not None and bool(self.classes)
        groups = self._labels(self.count_classes()) if stratify else None
        train, test = split_positions(self.m, share, rng, groups)
        return self._at(train), self._at(test)

    def part(self, start: int, stop: int) -> Dataset:
        """The examples from start to before stop, in memory; of an HDF5 file no others are read.

        Raises:
            ValueError: there are no such examples.
            OSError: the file is damaged there.
        """
        if not 0 <= start < stop <= self.m:
            raise ValueError(
                f"{self.path}: expected a part of its {self.m} examples, got {start} to {stop}"
            )
        rows = np.empty((stop - start, *self.x_shape[1:]), self.x_dtype)
        self.x.read_rows(start, rows)
        which = f", from example {start} on"
        x = ArrayValues(rows, self.x.name, self.x.where + which)
        y = None
        if self.y is not None:
            y = ArrayValues(self.y.read().ravel()[start:stop], self.y.name, self.y.where + which)
        return self._of(x, y)

    def rows(self, positions: NDArray[Any]) -> Dataset:
        """Some of the examples, in order, which stay where they are until they are asked for.

        Args:
            positions: of theirs, increasing.

        Raises:
            ValueError: no positions, or such as are not among the examples or do not increase.
            OSError: the file is damaged where the labels are.
        """
        at = np.asarray(positions)
        whole = at.dtype.kind in "iu" and at.ndim == 1 and len(at) > 0
        if not (whole and at[0] >= 0 and at[-1] < self.m and (np.diff(at) > 0).all()):
            raise ValueError(
                f"{self.path}: expected increasing positions from 0 to {self.m - 1}, got {at}"
            )
        y = None
        if self.y is not None:
            y = ArrayValues(self.y.read().ravel()[at], self.y.name, self.y.where)
        return self._of(RowValues(self.x, at.astype(np.int64)), y)

    def require_finite(self, dtype: DTypeLike = np.float64) -> None:
        """Go through the examples as `columns` does, and keep none.

        Raises:
            TypeError, ValueError, OSError: as `columns`.
        """
        dtype = float_dtype(dtype, "columns")
        if self.x_dtype.kind != "f":
            return
        self._converted(lambda _, k: np.empty((k, self.n_x), dtype))

    def images(self) -> NDArray[Any]:
        """The examples as stored, (m, ...), in C order and native byte order.

        Raises:
            OSError: the file is damaged there.
        """
        return self.x.read()

    def fingerprint(self) -> str:
        """SHA-256 over shape, type and values of x, labels and class names: 64 hex digits.

        The same for the same data, however the file stores it (names, compression, byte order).

        Raises:
            OSError: the file is damaged there.
        """
        digest = hashlib.sha256()
        digest.update(repr((self.x_shape, self.x_dtype.str[1:], self.classes)).encode())
        for _, block in self.x.blocks():
            digest.update(np.ascontiguousarray(block, self.x_dtype.newbyteorder("<")).tobytes())
        if self.y is not None:
            y = self.y.read().ravel()
            whole = np.array_equal(y, np.floor(y)) and np.abs(y).max(initial=0) < 2**53
            digest.update(y.astype("<i8" if whole else "<f8").tobytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; the arrays that were read stay."""
        self._close()

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

    def _at(self, positions: NDArray[Any]) -> Dataset:
        """Some of the examples, in memory."""
        x = ArrayValues(self.x.read()[positions], self.x.name, self.x.where)
        y = None
        if self.y is not None:
            y = ArrayValues(self.y.read().ravel()[positions], self.y.name, self.y.where)
        return self._of(x, y)

    def _of(self, x: Values, y: Values | None) -> Dataset:
        """Other examples of the same kind."""
        return Dataset(
            self.path,
            x,
            y,
            self.classes,
            features=self.features,
            no_labels=self._no_labels,
        )

    def labelled(self) -> Values:
        """The labels where they lie.

        Raises:
            ValueError: there are none.
        """
        if self.y is None:
            raise ValueError(f"{self.path}: no labels for {self.x_name!r}; {self._no_labels}")
        return self.y

    def _labels(self, count: int) -> NDArray[np.int64]:
        """The labels (m,), each checked to be one of 0 ... count − 1."""
        y = self.labelled()
        if not self.classes:
            raise ValueError(
                f"{y.where}: expected labels of classes, got numbers that are not integers from 0 "
                "on; as numbers to be predicted they are .targets(), or trained on by --head linear"
            )
        return whole_labels(y.read().ravel(), count, y.where)

    def _converted(self, place: Callable[[int, int], NDArray[Any]]) -> None:
        """Convert the examples, block by block, into what `place` gives for k rows from `start`.

        Raises:
            ValueError: some are not finite in its dtype.
        """
        wrong: list[int] = []
        first = None
        for start, block in self.x.blocks():
            part = place(start, len(block))
            scale(block.reshape(len(block), -1), part)
            if found := not_finite(part):
                first = part[found[0]] if first is None else first
                wrong += [start + i for i in found]
        if first is not None:
            raise ValueError(self._not_finite(wrong, first))

    def _not_finite(self, wrong: list[int], row: NDArray[Any]) -> str:
        """Say which examples are not finite in the dtype of the first such row."""
        at = int(np.argmin(np.isfinite(row)))
        stored = np.empty((1, *self.x_shape[1:]), self.x_dtype)
        self.x.read_rows(wrong[0], stored)
        what = repr(self.features[at]) if self.features else f"number {at}"
        return (
            f"{self.x.where}: expected numbers finite in {row.dtype}, got {stored.flat[at]} in "
            f"example {wrong[0]}, {what} of it{such(wrong, self.m)}"
        )


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
        names = ("0", "1") if classes is None else _class_names(file, classes)
        dataset = Dataset(
            file.filename,
            H5Values(file, x),
            None if y is None else H5Values(file, y),
            names,
            no_labels=f"name their dataset, the file holds {contents(file)}" if y is None else "",
            close=file.close,
        )
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


def _class_names(file: h5py.File, name: str) -> tuple[str, ...]:
    names = read_h5_text(open_h5_dataset(file, name, text=True))
    if len(names) < 2:
        raise ValueError(
            f"{file.filename}: dataset {name!r}: expected the names of two classes or more, got "
            f"{list(names)}"
        )
    return names


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
