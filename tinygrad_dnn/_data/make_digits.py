"""Write digits.h5, the data set that comes with the package, from the UCI digits as a table.

    python make_digits.py digits.csv.gz digits.h5

The table is ``optdigits.tes`` of the UCI data set "Optical Recognition of Handwritten Digits", or
the copy of it that scikit-learn carries as ``sklearn/datasets/data/digits.csv.gz``: per line 64
counts from 0 to 16, row by row of 8x8 pixels, then the digit. The same table gives the same file,
byte for byte with the same HDF5 library: no time stamps, a fixed order, a fixed seed.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

SEED = 0
TEST_EXAMPLES = 360  # of 1797: a fifth

ATTRIBUTION = {
    "title": "Optical Recognition of Handwritten Digits, test set, with even against odd",
    "authors": "E. Alpaydin and C. Kaynak (1998)",
    "source": "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49",
    "license": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    "changes": "counts 0 to 16 rescaled to 0 to 255; labels 1 (even) and 0 (odd) added; "
    f"shuffled (PCG64, seed {SEED}) and split into training and test examples",
}


def read_table(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts (m, 8, 8) from 0 to 16 and digits (m,) from 0 to 9.

    Raises:
        OSError: the file is missing or unreadable.
        ValueError: it is no table of 65 whole numbers a line in those ranges.
    """
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    if table.shape[1] != 65 or (table != np.rint(table)).any():
        raise ValueError(f"{path}: expected lines of 65 whole numbers, got a table {table.shape}")
    counts, digits = table[:, :64].astype(np.int64), table[:, 64].astype(np.int64)
    if counts.min() < 0 or counts.max() > 16 or digits.min() < 0 or digits.max() > 9:
        raise ValueError(f"{path}: expected counts from 0 to 16 and digits from 0 to 9")
    return counts.reshape(-1, 8, 8), digits


def to_layout(
    counts: NDArray[np.int64], digits: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (m, 8, 8, 1) uint8 and digits (m,), in a shuffled order.

    A count c becomes 255 c / 16 rounded to the nearest integer, halves up, so that 16 becomes 255
    and no two counts fall together.
    """
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(len(digits))
    pixels = (counts[order] * 255 + 8) // 16
    return pixels.astype(np.uint8)[..., np.newaxis], digits[order]


def write(path: Path, x: NDArray[np.uint8], digits: NDArray[np.int64], test: int) -> None:
    """The document's layout in one file: the last ``test`` examples are the test set.

    Label 1 is an even digit; which digit it is stands beside it.
    """
    cut = len(digits) - test
    y = (digits % 2 == 0).astype(np.int64)
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for name, text in ATTRIBUTION.items():
            file.attrs[name] = np.bytes_(text)
        file.create_dataset("list_classes", data=np.array([b"odd", b"even"]), track_times=False)
        names = np.array([str(d).encode() for d in range(10)])
        file.create_dataset("list_digits", data=names, track_times=False)
        for split, part in (("train", slice(cut)), ("test", slice(cut, None))):
            for name, values in (("x", x[part]), ("y", y[part]), ("digit", digits[part])):
                file.create_dataset(
                    f"{split}_set_{name}",
                    data=values,
                    chunks=values.shape,
                    compression="gzip",
                    compression_opts=9,
                    track_times=False,
                )


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write digits.h5 from the UCI digits as a table.")
    parser.add_argument("table", type=Path, help="optdigits.tes or digits.csv.gz")
    parser.add_argument("output", type=Path, help="the HDF5 file to write")
    options = parser.parse_args(arguments)
    x, digits = to_layout(*read_table(options.table))
    write(options.output, x, digits, TEST_EXAMPLES)


if __name__ == "__main__":
    main()
