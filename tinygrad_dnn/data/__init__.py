"""Labelled examples: files, frames and arrays, handed out as columns, in batches, in parts.

`read` takes what people have, HDF5, .npz, .npy, CSV, Parquet, folders of pictures, frames, dicts:

    with read("digits.csv", y="label") as digits:
        X, Y = digits.columns(), digits.labels(binary=False)  # (64, 1797) and (1, 1797)

In HDF5 files the document's layout is ``train_set_x`` (m, px, px, 3) uint8, ``train_set_y`` (m,)
integers and ``list_classes``, the names of the classes; likewise ``test_set_x`` and ``test_set_y``.
Any other (m, ...) dataset of numbers is opened by its name. The package brings one such file along:
the UCI handwritten digits of 8x8 pixels, even (1) against odd (0).

    with open_dataset("train_catvnoncat.h5") as cats:
        X, Y = cats.columns(), cats.labels()  # (12288, 209) and (1, 209)

Training goes through them in mini-batches, `batches`, and keeps some apart, `split` or `fold`. What
is larger than memory comes in batches from its file, `Stream`.

What is wrong with a file is said by file and dataset, column or example: OSError where it cannot be
read, ValueError where it holds something else. Nothing outside the file is followed, nothing is
unpickled; see `tinygrad_dnn.storage`.
"""

from tinygrad_dnn.data.batches import batch_positions, batches, fold, split
from tinygrad_dnn.data.dataset import SPLITS, Dataset, Split, default_dataset, open_dataset
from tinygrad_dnn.data.reading import is_data, is_hdf5, read, splits_of
from tinygrad_dnn.data.streaming import Stream

__all__ = [
    "SPLITS",
    "Dataset",
    "Split",
    "Stream",
    "batch_positions",
    "batches",
    "default_dataset",
    "fold",
    "is_data",
    "is_hdf5",
    "open_dataset",
    "read",
    "split",
    "splits_of",
]
