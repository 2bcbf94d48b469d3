"""Arrays under names as data sets: a dict, an `.npz` file; and one alone, in an `.npy` file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data.class_labels import numbered
from tinygrad_dnn.data.dataset import SPLITS, Dataset, Split
from tinygrad_dnn.data.values import ArrayValues
from tinygrad_dnn.dlpack import as_numpy
from tinygrad_dnn.storage.numpy_reader import NpzReader, open_npy

Array = NDArray[Any]
# Names in small letters, of examples and labels; what is found first is taken.
PARTS = (("{}_set_x", "{}_set_y"), ("x_{}", "y_{}"), ("{}_images", "{}_labels"))
WHOLES = (("x", "y"), ("data", "target"), ("data", "labels"), ("images", "labels"))
CLASSES = ("list_classes", "classes", "class_names", "target_names")
SHOWN = 20


def from_dict(
    arrays: Mapping[Any, Any],
    x: str | None,
    y: str | None,
    classes: str | Sequence[str] | None,
    split: Split | None,
) -> Dataset:
    """Examples (m, ...) and labels under names, `x` and `y`, or usual ones: X and y, x_train, ...

    Arrays of PyTorch and JAX are taken as they are, without a copy.

    Raises:
        ValueError, TypeError: no such names, or arrays that are not numbers.
    """
    named = {str(name): name for name in arrays}

    def take(name: str) -> Any:
        try:
            return as_numpy(arrays[named[name]], f"the dict: {name!r}")
        except ValueError:  # rows of different lengths
            raise ValueError(f"the dict: {name!r}: expected rows of one length") from None

    return _from_named("the dict", [*named], take, x, y, classes, split)


def read_npz(
    path: Path,
    x: str | None,
    y: str | None,
    classes: str | Sequence[str] | None,
    split: Split | None,
) -> Dataset:
    """As `from_dict`; only the arrays that are needed are read.

    Raises:
        OSError, ValueError: as `tinygrad_dnn.storage.numpy_reader.NpzReader` and `from_dict`.
    """
    file = NpzReader(path)
    try:
        return _from_named(str(path), file.names, file.read, x, y, classes, split)
    finally:
        file.close()


def read_npy(path: Path, y: str | None, classes: Sequence[str] | None) -> Dataset:
    """Examples (m, ...) of one file, and labels of another, `y`.

    Raises:
        OSError, ValueError: as `tinygrad_dnn.storage.numpy_reader.open_npy`.
    """
    x = ArrayValues(_numbers(open_npy(path), str(path)), path.name, str(path))
    no_labels = "an .npy holds one array; name the file of the labels with y= (--label)"
    if y is None:
        return Dataset(str(path), x, None, tuple(classes or ()), no_labels=no_labels)
    labels, names = numbered(open_npy(y), classes, str(y))
    return Dataset(str(path), x, ArrayValues(labels, Path(y).name, str(y)), names)


def splits_of_names(names: Sequence[str]) -> tuple[Split, ...]:
    """Which parts arrays of these names hold."""
    small = {name.lower() for name in names}
    return tuple(s for s in SPLITS if any(part.format(s) in small for part, _ in PARTS))


def _from_named(
    path: str,
    names: Sequence[str],
    take: Callable[[str], Any],
    x: str | None,
    y: str | None,
    classes: str | Sequence[str] | None,
    split: Split | None,
) -> Dataset:
    for name in (x, y, classes):
        if isinstance(name, str) and name not in names:
            raise ValueError(f"{path}: no array {name!r}; it holds {_listed(names)}")
    if x is None:
        x, usual = _usual(path, names, split)
        y = usual if y is None else y
    if classes is None:
        classes = next((name for name in names if name.lower() in CLASSES), None)
    if isinstance(classes, str):
        classes = _class_names(take(classes), f"{path}: array {classes!r}")
    where = f"{path}: array {x!r}"
    examples = ArrayValues(_numbers(take(x), where), x, where)
    if y is None:
        told = f"name their array with y= (--label), it holds {_listed(names)}"
        return Dataset(path, examples, None, tuple(classes or ()), no_labels=told)
    where = f"{path}: array {y!r}"
    labels, named = numbered(take(y), classes, where)
    return Dataset(path, examples, ArrayValues(labels, y, where), named)


def _usual(path: str, names: Sequence[str], split: Split | None) -> tuple[str, str | None]:
    """The names of examples and labels that people use."""
    small = {name.lower(): name for name in names}
    parts = splits_of_names(names)
    if split is None and len(parts) > 1:
        raise ValueError(f"{path}: holds a training and a test part; say which with split=")
    part = split or next(iter(parts), None)
    pairs = WHOLES if part is None else [(a.format(part), b.format(part)) for a, b in PARTS]
    there = [(small[a], small.get(b)) for a, b in pairs if a in small]
    if there:
        return next((pair for pair in there if pair[1] is not None), there[0])
    if len(names) == 1 and part is None:
        return names[0], None
    wanted = ", ".join(a for a, _ in pairs)
    raise ValueError(
        f"{path}: no array called {wanted}; name the arrays with x= and y=, it holds "
        f"{_listed(names)}"
    )


def _class_names(values: Any, where: str) -> list[str]:
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "SUO":
        raise ValueError(f"{where}: expected texts (k,), got {values.shape} of {values.dtype}")
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def _numbers(values: Array, where: str) -> Array:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{where}: expected numbers (m, ...), got {values.dtype}")
    return values


def _listed(names: Sequence[str]) -> str:
    left = len(names) - SHOWN
    return (", ".join(names[:SHOWN]) or "nothing") + (f" and {left} more" if left > 0 else "")
