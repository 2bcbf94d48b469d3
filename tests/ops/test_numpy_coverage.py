"""The table of NumPy's names is what the dispatch does, and what it promises."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from numpy_coverage import REFUSED, TABLE, WRITE, rows, table

from tinygrad_dnn import Tensor


def test_the_table_is_what_runs() -> None:
    committed = TABLE.read_text(encoding="utf-8")
    version = committed.split("with NumPy ")[1].split(".\n")[0]
    if version.split(".")[:2] != np.__version__.split(".")[:2] and not os.environ.get("CI"):
        pytest.skip(f"the table is of NumPy {version}, here is {np.__version__}")
    assert committed.splitlines()[4:] == table().splitlines()[4:], f"run `{WRITE}`"


@pytest.mark.parametrize(
    "row", [r for r in rows() if r.kind == REFUSED and r.where.startswith("np")], ids=str
)
def test_what_is_refused_says_what_works(row) -> None:
    module = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}.get(
        row.where, np.lib.stride_tricks
    )
    x = Tensor(np.ones((3, 3)), requires_grad=True)
    function = getattr(module, row.name)
    answers = []
    for n in range(1, 5):  # as many arguments as it takes
        try:
            function(*[x] * n)
        except TypeError as error:
            answers.append(str(error))
    name = function.__name__  # bitwise_not is np.invert
    assert any(re.search(rf"{name}\b.*(instead|use|write|call)", a) for a in answers), answers
