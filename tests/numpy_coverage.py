"""What happens to every public NumPy name that a Tensor is given to, and the table of it.

`python tests/numpy_coverage.py` writes numpy_coverage.md; tests/ops/test_numpy_coverage.py demands
that it is what the dispatch does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.lib.stride_tricks as stride_tricks

from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.numpy_dispatch import FUNCTIONS, UFUNCS, VALUES
from tinygrad_dnn.ops import REGISTRY, Op
from tinygrad_dnn.ops.compose import Composed

TABLE = Path(__file__).with_name("numpy_coverage.md")
WRITE = "python tests/numpy_coverage.py"
MODULES = {
    "np": np,
    "np.linalg": np.linalg,
    "np.fft": np.fft,
    "np.lib.stride_tricks": stride_tricks,
}

OP, COMPOSED, FROM_VALUES, MAKES, REFUSED = (
    "op",
    "composed",
    "values only",
    "makes arrays",
    "refused",
)
MEANING = {
    OP: "recorded, with a derivative rule of its own",
    COMPOSED: "recorded as several ops, drawn as one box that opens",
    FROM_VALUES: "answers with plain values: integers, truth values, text, or of shapes alone",
    MAKES: "makes arrays of numbers, types or text; it asks no array that speaks NumPy's protocols",
    REFUSED: "raises an error that names what works instead",
}


class Row(NamedTuple):
    """What happens to one name."""

    where: str
    name: str
    kind: str


def kind_of(function: Any) -> str:
    """Which of the five it is, asked of the tables that dispatch."""
    table = UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS
    ours = table.get(function)
    if ours is None:
        return REFUSED if _dispatches(function) else MAKES
    if function in VALUES:
        return FROM_VALUES
    if isinstance(ours, Op) or (
        getattr(function, "__name__", "") in REGISTRY and not isinstance(ours, Composed)
    ):
        return OP
    return COMPOSED


def _dispatches(function: Any) -> bool:
    return isinstance(function, np.ufunc) or "ArrayFunction" in type(function).__name__


def rows() -> Iterator[Row]:
    """Every public function of NumPy, and every method of an array."""
    for where, module in MODULES.items():
        for name in sorted(set(getattr(module, "__all__", None) or dir(module))):
            function = getattr(module, name)
            if name.startswith("_"):
                continue
            if callable(function) and not isinstance(function, (type, ModuleType)):
                yield Row(where, name, kind_of(function))
    for name in sorted(n for n in dir(np.ndarray) if not n.startswith("_")):
        yield Row("ndarray", name, "method" if hasattr(Tensor, name) else REFUSED)


def table() -> str:
    """The page."""
    lines = ["# What happens to every public NumPy name", ""]
    lines += [f"Written by `{WRITE}` with NumPy {np.__version__}.", ""]
    lines += [f"- *{kind}*: {meaning}." for kind, meaning in MEANING.items()]
    found = list(rows())
    for where in dict.fromkeys(row.where for row in found):
        lines += ["", f"## {where}", ""]
        of = [row for row in found if row.where == where]
        for kind in dict.fromkeys([*MEANING, "method"]):
            names = [row.name for row in of if row.kind == kind]
            if names:
                lines += [f"**{kind}** ({len(names)}): {', '.join(f'`{n}`' for n in names)}", ""]
        lines.pop()
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
