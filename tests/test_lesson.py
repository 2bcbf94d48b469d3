"""The lesson as a script and as a notebook: one text, both run, and the printed answers are true.

python tests/test_lesson.py   # writes the notebook, with its outputs, from the script

The notebook's cells are run here one after the other in one namespace, as a notebook does, without
a kernel.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPT, NOTEBOOK = FOLDER / "lesson_backprop.py", FOLDER / "lesson_backprop.ipynb"


def cells(script: str) -> list[tuple[str, str]]:
    """(kind, text) for each `# %%` cell; what stands before the first is the script's docstring."""
    found = []
    for part in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n")]
            found.append(("markdown", "\n".join(lines)))
        else:
            found.append(("code", body.strip()))
    return found


def run_cells(code: list[str]) -> list[str]:
    """What each code cell prints."""
    space: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for text in code:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(text, "cell", "exec"), space)
        printed.append(out.getvalue())
    return printed


def notebook(script: str) -> dict[str, Any]:
    """The script as a notebook (nbformat 4.5), with outputs."""
    parts = cells(script)
    outputs = iter(run_cells([text for kind, text in parts if kind == "code"]))
    made = []
    count = 0
    for i, (kind, text) in enumerate(parts):
        cell: dict[str, Any] = {
            "cell_type": kind, "id": f"cell-{i}", "metadata": {},
            "source": text.splitlines(keepends=True),
        }  # fmt: skip
        if kind == "code":
            count += 1
            out = next(outputs)
            stream = {"name": "stdout", "output_type": "stream"}
            stream["text"] = out.splitlines(keepends=True)  # type: ignore[assignment]
            cell |= {"execution_count": count, "outputs": [stream] if out else []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def written(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def test_the_notebook_is_the_script_and_runs() -> None:
    """Text and code are equal, and running the cells prints what the notebook shows."""
    fresh = notebook(SCRIPT.read_text(encoding="utf-8"))
    assert json.loads(NOTEBOOK.read_text(encoding="utf-8")) == fresh, (
        "run python tests/test_lesson.py"
    )


def test_every_mistake_of_the_lesson_is_recognised() -> None:
    code = [text for kind, text in cells(SCRIPT.read_text(encoding="utf-8")) if kind == "code"]
    printed = "".join(run_cells(code))
    assert printed.count("is right\n") >= 3
    for words in (
        "dW is exactly 4 = m times too large: was 1/m forgotten?",
        "dW has the opposite sign",
        "dW is exactly learning_rate = 0.0075 times what is right",
        "db has shape (3,) where (3, 1) is right: was keepdims=True forgotten?",
        "db is summed over axis 0 where axis 1 is right",
        "db is not summed over the axes that were broadcast",
        "dA_prev has W where Wᵀ is right",
        "dW has A where A_prev is right",
        "dW lacks the factor 1[Z > 0]",
        "dW has 1[Z ≥ 0] where 1[Z > 0] is right",
        "db has Z where 1[Z > 0] is right",
        "dW holds only the second of 2 contributions, that of the second layer",
        "dW has lambd/m · W added",
        "dW: 3 of 9 elements are wrong; all of row 0, the others are right; they are 0",
        "wrong\ndZ has 1[Z ≥ 0] where 1[Z > 0] is right",
    ):
        assert words in printed, words


if __name__ == "__main__":
    NOTEBOOK.write_text(written(notebook(SCRIPT.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"wrote {NOTEBOOK}")
