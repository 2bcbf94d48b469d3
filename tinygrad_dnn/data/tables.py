"""Tables as data sets: a pandas frame, a CSV or Parquet file; a row is an example."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data.class_labels import numbered
from tinygrad_dnn.data.dataset import Dataset
from tinygrad_dnn.data.examples import such
from tinygrad_dnn.data.values import ArrayValues
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage.hdf5_reader import HARMLESS, MAX_EXPANSION
from tinygrad_dnn.storage.regular_file import regular_file

LABELS = ("label", "class", "target", "y")  # the columns that are labels where none is named
MAX_LINE = 2**24  # bytes of the line of names
SHOWN_COLUMNS = 20
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def from_frame(
    frame: Any,
    x: str | Sequence[str] | None,
    y: str | None,
    classes: Sequence[str] | None,
    path: str = "the frame",
) -> Dataset:
    """The examples (m, columns) in float64, or float32 where every column is; never scaled.

    Without `x` they are all columns but the labels'; without `y` the labels are the column called
    label, class, target or y, whatever its capitals, if there is just one. The categories of a
    categorical column are the classes, in their order.

    Raises:
        ValueError: a column is missing or there twice, holds texts or dates, or its labels are
            texts without a list of classes; no rows, no columns.
    """
    names = [str(name) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1} if _repeat(names) else ()):
        raise ValueError(f"{path}: more than one column {_listed(twice)}; give each its own name")
    if not len(frame):
        raise ValueError(f"{path}: expected rows of numbers, got no row")
    column = dict(zip(names, (frame.iloc[:, k] for k in range(len(names))), strict=True))
    wanted = [x] if isinstance(x, str) else list(x or ())
    for name in [*wanted, *([] if y is None else [y])]:
        if name not in column:
            raise ValueError(f"{path}: no column {name!r}; the table has {_listed(names)}")
    if y is None:
        found = [name for name in names if name.lower() in LABELS and name not in wanted]
        y = found[0] if len(found) == 1 else None
    features = wanted or [name for name in names if name != y]
    if y in features or not features:
        raise ValueError(
            f"{path}: expected columns of numbers beside the labels, got {_listed(features)} with "
            f"labels {y!r}"
        )
    single = all(str(column[name].dtype).lower() in ("float32", "float16") for name in features)
    rows = np.empty((len(frame), len(features)), np.float32 if single else np.float64)
    for k, name in enumerate(features):
        rows[:, k] = _numbers(column[name], f"{path}: column {name!r}")
    labels, named = None, tuple(classes or ())
    if y is not None:
        where = f"{path}: column {y!r}"
        stored, classes = _labels(column[y], classes, where)
        numbers, named = numbered(stored, classes, where)
        labels = ArrayValues(numbers, y, where)
    return Dataset(
        path,
        ArrayValues(rows, "table", path),
        labels,
        named,
        features=features,
        no_labels=f"name their column with y= (--label); the table has {_listed(names)}",
    )


def read_csv(
    path: Path, x: str | Sequence[str] | None, y: str | None, classes: Sequence[str] | None
) -> Dataset:
    """As `from_frame`: comma-separated values, or tabs in a .tsv, in UTF-8.

    The first line names the columns; where all of it is numbers it is an example, and the columns
    are called "0", "1", ... What is empty, or NA, is missing.

    Raises:
        OSError: no such file, or an empty one.
        ValueError: another encoding, rows of different length, a first line too long or with a
            column without a name; and as `from_frame`.
    """
    pandas = _pandas(path)
    regular_file(path, "a table")
    separator = SEPARATORS[path.suffix.lower()]
    try:
        header = _first_line(path, separator)
        frame = pandas.read_csv(
            path,
            sep=separator,
            header=0 if header else None,
            encoding="utf-8-sig",
            **_exact(pandas.__version__),
            skipinitialspace=True,
            low_memory=False,  # one type for a whole column
            index_col=False,
            on_bad_lines="error",
        )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text in UTF-8, got byte {error.object[error.start]:#04x} in another "
            "encoding; save it as UTF-8, or read it with pandas.read_csv(..., encoding=...) and "
            "give the frame"
        ) from None
    except pandas.errors.EmptyDataError:
        raise ValueError(f"{path}: expected rows of numbers, got none") from None
    except (pandas.errors.ParserError, csv.Error) as error:
        words = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise ValueError(f"{path}: rows of different length, or no table: {words}") from None
    return from_frame(frame, x, y, classes, str(path))


def read_parquet(
    path: Path, x: str | Sequence[str] | None, y: str | None, classes: Sequence[str] | None
) -> Dataset:
    """As `from_frame`, of a Parquet file.

    Raises:
        OSError: no such file, or an empty one.
        ValueError: no Parquet file, damaged, or one that unfolds to more than 100 times its size;
            and as `from_frame`.
    """
    _pandas(path)
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise _needs(path, "pyarrow") from None
    size = regular_file(path, "a Parquet file").stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            about = file.metadata
            unfolded = 8 * about.num_rows * about.num_columns
            if unfolded > HARMLESS and unfolded > MAX_EXPANSION * size:
                raise ValueError(
                    f"{path}: declares {about.num_rows:,} rows of {about.num_columns:,} columns "
                    f"in {size:,} bytes; more than {MAX_EXPANSION} times as much is taken for a "
                    "trap (if the file is yours, read it with pandas and give the frame)"
                )
            frame = file.read().to_pandas()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a Parquet file, whole, got: {error}") from None
    return from_frame(frame, x, y, classes, str(path))


def _exact(version: str) -> dict[str, str]:
    """The option by which pandas reads doubles to the last bit; from 3.1 on it always does."""
    major, minor = version.split(".")[:2]
    return {} if (int(major), int(minor)) >= (3, 1) else {"float_precision": "round_trip"}


def _first_line(path: Path, separator: str) -> list[str]:
    """The names of the columns; empty where the first line is an example."""
    with path.open("rb") as stream:
        line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise ValueError(
            f"{path}: its first line has more than {MAX_LINE:,} bytes, expected the names of the "
            "columns; is this a table?"
        )
    text = line.decode("utf-8-sig")
    if "\0" in text:
        raise ValueError(f"{path}: expected text, got zero bytes; is this a table in UTF-8?")
    cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    if len(cells) == 1 and any(other in text for other in ";\t,"):
        other = next(other for other in ";\t," if other in text)
        raise ValueError(
            f"{path}: expected columns separated by {separator!r}, got {other!r}; read it with "
            f"pandas.read_csv(..., sep={other!r}) and give the frame"
        )
    if all(map(_is_number, cells)) and cells != [str(k) for k in range(max(3, len(cells)))]:
        return []
    for k, name in enumerate(cells):
        if not name.strip():
            raise ValueError(
                f"{path}: column {k} has no name; pandas writes its row numbers so (leave them "
                "out with index=False), else give it one"
            )
    if _repeat(cells):  # pandas would rename them
        twice = sorted({name for name in cells if cells.count(name) > 1})
        raise ValueError(f"{path}: more than one column {_listed(twice)}; give each its own name")
    return cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _repeat(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _numbers(column: Any, where: str) -> NDArray[Any]:
    """A column as floats, NaN where it is missing."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "biuf":
        values: NDArray[Any] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values
    if kind in "mM":
        raise ValueError(
            f"{where}: holds {column.dtype}, expected numbers; make numbers of these times, or "
            "name the columns to use with x="
        )
    values = column.to_numpy(dtype=object, na_value=None)
    odd = [i for i, value in enumerate(values) if not (value is None or _is_float(value))]
    got = repr(printable(str(values[odd[0]]))[:40]) if odd else "values of mixed types"
    at = f" in example {odd[0]}{such(odd, len(values))}" if odd else ""
    raise ValueError(
        f"{where}: holds text, got {got}{at}; expected numbers: if these are the labels, say y= "
        "(--label), else make numbers of it, or name the columns to use with x= (--x)"
    )


def _is_float(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) or _is_number(str(value))


def _labels(
    column: Any, classes: Sequence[str] | None, where: str
) -> tuple[NDArray[Any], Sequence[str] | None]:
    """A column of labels as numbers or texts, and the classes, which a categorical one has."""
    if hasattr(column, "cat"):
        if classes is None:
            classes = [str(name) for name in column.cat.categories]
        column = column.astype(object)
    if getattr(column.dtype, "kind", "O") in "biuf":
        plain: NDArray[Any] = column.to_numpy()
        if plain.dtype.kind not in "biuf":  # with pandas' own mark for what is missing
            plain = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return plain, classes
    if getattr(column.dtype, "kind", "O") in "mM":
        raise ValueError(f"{where}: expected labels, got {column.dtype}")
    return column.to_numpy(dtype=object, na_value=None), classes


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(printable, names[:SHOWN_COLUMNS]))
    left = len(names) - SHOWN_COLUMNS
    return f"{shown} and {left} more" if left > 0 else shown


def _pandas(path: Path) -> Any:
    try:
        import pandas
    except ImportError:
        raise _needs(path, "pandas") from None
    return pandas


def _needs(path: Path, library: str) -> ValueError:
    return ValueError(
        f"{path}: reading tables needs {library}; install it with pip install "
        "'tinygrad-dnn[pandas]'"
    )
