"""Labelled examples: HDF5 files opened lazily and handed out as columns, in batches, in parts.

The document's layout is ``train_set_x`` (m, px, px, 3) uint8, ``train_set_y`` (m,) integers and
``list_classes``, the names of the classes; likewise ``test_set_x`` and ``test_set_y``. Any other
(m, ...) dataset of numbers is opened by its name. The package brings one such file along: the UCI
handwritten digits of 8x8 pixels, even (1) against odd (0).

    with open_dataset("train_catvnoncat.h5") as cats:
        X, Y = cats.columns(), cats.labels()  # (12288, 209) and (1, 209)

Training goes through them in mini-batches, `batches`, and keeps some apart, `split`.

What is wrong with a file is said by file and dataset: OSError where it cannot be read, ValueError
where it holds something else. Nothing outside the file is followed; see
`tinygrad_dnn.storage.hdf5_reader`.
"""

from tinygrad_dnn.data.batches import batch_positions, batches, split
from tinygrad_dnn.data.dataset import SPLITS, Dataset, Split, default_dataset, open_dataset

__all__ = [
    "SPLITS",
    "Dataset",
    "Split",
    "batch_positions",
    "batches",
    "default_dataset",
    "open_dataset",
    "split",
]
