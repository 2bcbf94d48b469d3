"""A failing case as lines that can be pasted into Python."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import textbook
from tinygrad_dnn.check.literal import literal, number, numbers
from tinygrad_dnn.grading.outcome import kind

WIDE = 70  # characters of two results in one line
MANY = 40  # numbers of a result; larger ones are not printed
LONGEST = 400  # numbers; a case of more is described, not printed


class Program(NamedTuple):
    """A program that was run: given values, code, a call, names for its results, and which
    functions were the document's in place of the file's.
    """

    given: Mapping[str, Any]
    lines: Sequence[str]
    call: str
    returns: str
    replaced: Sequence[str] = ()


def example(
    path: Path, program: Program, functions: Mapping[str, str], remarks: Iterable[str]
) -> str | None:
    """The program with its imports, and what comes of it; None where it is too long to be read.

    Args:
        path: of the file. What belongs to a notebook is pasted below its cells.
        functions: which the file defines: the document's names and its own.
    """
    code = [*program.lines, program.call]
    used = set(re.findall(r"\w+", " ".join(code)))
    given = {k: v for k, v in program.given.items() if k in used}
    if sum(_count(v) for v in given.values()) > LONGEST:
        return None
    own = [f for f in functions if f in used]
    imports = ["import numpy as np"]
    module = path.stem
    replaced = {functions.get(name, name): name for name in program.replaced}
    if path.suffix == ".ipynb":
        imports += [f"{mine} = textbook.{name}" for mine, name in replaced.items()]
        imports += [f"{name} = {functions[name]}" for name in own if functions[name] != name]
    elif own and module.isidentifier() and not keyword.iskeyword(module):
        imports += [f"import {module}"] if replaced else []
        named = (name if (mine := functions[name]) == name else f"{mine} as {name}" for name in own)
        imports.append(f"from {module} import {', '.join(named)}")
        imports += [f"{module}.{mine} = textbook.{name}" for mine, name in replaced.items()]
    borrowed = sorted(used & set(textbook.__all__) - {"np", *own})
    if borrowed:
        imports.append(f"from tinygrad_dnn.textbook import {', '.join(borrowed)}")
    if "textbook" in used or program.replaced:
        imports.insert(1, "from tinygrad_dnn import textbook")
    values = [f"{name} = {literal(v)}" for name, v in given.items()]
    shown = [*imports, "", *values, *program.lines, f"{program.returns} = {program.call}"]
    comments = (line for remark in remarks for line in remark.splitlines())
    return "\n".join([*shown, *(f"# {line}" for line in comments)])


def beside(yours: Any, truth: Any) -> str:
    """Yours and the truth in one line, or in two where it would be long."""
    mine, right = _shortly(yours), _shortly(truth)
    gap = ",\n    " if len(mine) + len(right) > WIDE else ", "
    return f"{mine}{gap}right is {right}"


def _shortly(x: Any) -> str:
    """A result, to ten digits."""
    if isinstance(x, np.ndarray):
        if x.size > MANY:
            return f"an array {x.shape}"
        return numbers(x.tolist(), digits=10)
    return number(x, 10) if isinstance(x, (int, float)) else kind(x)


def _count(x: Any) -> int:
    if isinstance(x, Mapping):
        return sum(map(_count, x.values()))
    return int(np.size(x))
