"""A folder of pictures as a data set: a folder of each class in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygrad_dnn.data.class_labels import check_classes
from tinygrad_dnn.data.dataset import SPLITS, Dataset, Split
from tinygrad_dnn.data.values import ArrayValues
from tinygrad_dnn.storage.picture_reader import Mode, look_at_picture, read_picture

SHOWN = 4


def read_pictures(
    folder: Path,
    classes: Sequence[str] | None,
    split: Split | None,
    size: tuple[int, int] | None,
) -> Dataset:
    """uint8 examples (m, height, width, 3), or (m, height, width) where every picture is grey.

    The classes are the names of the folders, in the order of the alphabet, or a list of them in
    another order; the pictures of each come in the order of their names. What begins with a dot is
    left out. A folder with the folders train and test holds two parts.

    Args:
        size: (height, width) that all are resized to; needed where they are of different sizes.

    Raises:
        OSError: no such folder.
        ValueError: fewer than two classes, one that is not in the list, a class without pictures,
            a file that is no picture, pictures of different sizes; Pillow is not installed.
    """
    parts = splits_of_folder(folder)
    if split is None and len(parts) > 1:
        raise ValueError(f"{folder}: holds a training and a test part; say which with split=")
    if parts:
        if (split or parts[0]) not in parts:
            raise ValueError(f"{folder}: expected a folder {split!r} in it, got {parts[0]!r} alone")
        folder = folder / (split or parts[0])
    names = _class_names(folder, classes)
    files = [(k, path) for k, name in enumerate(names) for path in _pictures(folder / name)]
    seen = [look_at_picture(path) for _, path in files]
    mode: Mode = "L" if all(mode == "L" for _, mode in seen) else "RGB"
    sizes = {found: path for (found, _), (_, path) in zip(seen, files, strict=True)}
    if size is None:
        if len(sizes) > 1:
            listed = ", ".join(f"{p} {h} x {w}" for (h, w), p in [*sizes.items()][:SHOWN])
            raise ValueError(
                f"{folder}: its pictures have {len(sizes)} different sizes ({listed}, height x "
                "width); say to which they are resized, size=(64, 64) (--size 64x64)"
            )
        size = seen[0][0]
    x = np.empty((len(files), *size, *([3] if mode == "RGB" else [])), np.uint8)
    for k, (_, path) in enumerate(files):
        x[k] = read_picture(path, size, mode)
    y = np.array([k for k, _ in files], np.int64)
    where = str(folder)
    return Dataset(
        where, ArrayValues(x, "pictures", where), ArrayValues(y, "folders", where), names
    )


def splits_of_folder(folder: Path) -> tuple[Split, ...]:
    """Which parts a folder holds: those of its folders train and test, if it has no others."""
    inside = {path.name for path in _visible(folder)}
    return tuple(s for s in SPLITS if s in inside) if inside and inside <= {*SPLITS} else ()


def loose_pictures(folder: str | Path) -> list[str]:
    """The files of a folder that has no folders, by name; none of anything else.

    Example: `loose_pictures("photographs")`.
    """
    folder = Path(folder)
    found = _visible(folder) if folder.is_dir() else []
    return [] if any(path.is_dir() for path in found) else [str(path) for path in found]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _class_names(folder: Path, classes: Sequence[str] | None) -> tuple[str, ...]:
    found = _visible(folder)
    if files := [path.name for path in found if not path.is_dir()]:
        raise ValueError(
            f"{folder}: expected a folder of pictures for each class, got the file {files[0]!r} "
            f"beside them{f' and {len(files) - 1} more' if len(files) > 1 else ''}; move it away"
        )
    names = [path.name for path in found]
    if classes is None:
        if len(names) < 2:
            raise ValueError(
                f"{folder}: expected a folder of pictures for each of two classes or more, got "
                f"{', '.join(names) or 'none'}"
            )
        return tuple(names)
    listed = check_classes(classes)
    if not names:
        raise ValueError(f"{folder}: expected a folder of pictures for each class, it is empty")
    if odd := [name for name in names if name not in listed]:
        raise ValueError(
            f"{folder}: {odd[0]!r} is none of the classes {', '.join(listed)}; add it to them, or "
            "move the folder away"
        )
    return listed


def _pictures(folder: Path) -> list[Path]:
    """The files of a class; none where a listed class has no folder, as in a test set."""
    if not folder.exists():
        return []
    found = _visible(folder)
    if not found:
        raise ValueError(f"{folder}: no pictures in it; add some, or remove the folder")
    for path in found:
        if not path.is_file():
            raise ValueError(f"{path}: expected a picture, got a folder or a device")
    return found
