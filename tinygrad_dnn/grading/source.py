"""A student's file as Python source: a script, a notebook, or a module that is already imported.

What is no Python costs itself alone: a notebook is read cell by cell, and a cell or a script that
does not parse definition by definition. Lines stay where they are.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from types import ModuleType
from typing import Any, NamedTuple

SUFFIXES = (".py", ".ipynb")
LARGEST = 64 << 20  # bytes of a file; a notebook may hold pictures
MOST_REPAIRS = 500  # lines of IPython or Python 2 in one cell
MOST_MERGED = 30  # lines at the left margin that one statement may hold, in its docstring
PYTHON_2 = "Python 2's print, except and tabs are read as Python 3's"

_NEW_LINE = re.compile(r"\r\n|\r|\n")
_COMMANDS = "cd|ls|pwd|pip|pip3|conda|mkdir|rm|cp|mv|cat|wget|curl|git|unzip|tar|python|python3"
_IPYTHON = re.compile(
    r"^(\s*)(?:[%!?].*"  # %matplotlib inline, !ls, ?np.dot
    r"|[\w.]+\s*=\s*[!%].*"  # files = !ls
    r"|[\w.]+\?{1,2}\s*"  # np.dot?
    rf"|(?:{_COMMANDS})\b\s*(?![=(.,:\[]).*)$"  # cd ../input, pip install x
)
_PRINT = re.compile(r"^(.*?(?:^|[:;])\s*)print\s+(?![=(])(.*?)[;,]?\s*$")
_PRINT_ALONE = re.compile(r"^(\s*)print\s*$")
_EXCEPT = re.compile(r"^(\s*except\s+[\w.() ,]+?)\s*,\s*(\w+\s*:.*)$")
_CELL_OF_PYTHON = re.compile(r"%%(time|timeit|capture|prun|writefile|python3?|grade)\b")
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b|[)\]}#]")
_DEFINES = re.compile(r"(?:async\s+)?(?:def|class)\s+(\w+)")
_BEGINS = re.compile(r"(?:async\s+)?(?:def|class|import|from)\b|@")
_BLANK = re.compile(r"^\s*[\w\[\]\"'+ (){},.]+=\s*(#.*)?$")  # W1 =


class Place(NamedTuple):
    """Where something stands: the line, in a notebook that of the cell of code of that number."""

    line: int
    cell: int | None = None

    def __str__(self) -> str:
        within = "" if self.cell is None else f"code cell {self.cell}, "
        return f"{within}line {self.line}"


class LeftOut(NamedTuple):
    """Lines that are no Python: from, to, why, the function that they define, what is empty."""

    line: int
    end: int
    words: str
    at: int
    function: str = ""
    unwritten: bool = False


@dataclass(frozen=True)
class Source:
    """A file's Python.

    Attributes:
        text: what can be parsed; all other lines are empty.
        original: the lines as they were.
        cells: of a notebook the first line of each cell of code; else empty.
        left_out: what is no Python.
        remarks: what was read leniently.
        whole: whether it is a file, not just some functions.
    """

    text: str
    original: Sequence[str]
    cells: Sequence[int] = ()
    left_out: Sequence[LeftOut] = ()
    remarks: Sequence[str] = ()
    whole: bool = True

    def place(self, line: int) -> Place:
        """Where a line of `text` stands in the file."""
        if not self.cells:
            return Place(line)
        cell = max(bisect_right(self.cells, line), 1)
        return Place(line - self.cells[cell - 1] + 1, cell)

    @cached_property
    def definitions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """The functions that stand at the left margin, and the methods of classes there as
        `Value.backward`; of several of one name the last.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(self.text).body
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = {s.name: s for s in body if isinstance(s, kinds)}
        for holder in (s for s in body if isinstance(s, ast.ClassDef)):
            methods = [s for s in holder.body if isinstance(s, kinds)]
            found |= {f"{holder.name}.{s.name}": s for s in methods}
            for s in holder.body:  # __radd__ = __add__
                if isinstance(s, ast.Assign) and isinstance(s.value, ast.Name):
                    same = found.get(f"{holder.name}.{s.value.id}")
                    names = [t.id for t in s.targets if isinstance(t, ast.Name)]
                    found |= {f"{holder.name}.{n}": same for n in names if same is not None}
        return found

    def lines_of(self, name: str) -> tuple[int, Sequence[str]]:
        """The number of a function's first line, and its lines."""
        node = self.definitions.get(name)
        if node is None:
            return 0, ()
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        return first, self.original[first - 1 : node.end_lineno]


def locate(what: str | Path | ModuleType) -> Path:
    """The file that is meant.

    Raises:
        OSError: there is none.
        ValueError: it is neither Python nor a notebook.
    """
    if isinstance(what, ModuleType):
        file = getattr(what, "__file__", None) and inspect.getsourcefile(what)
        if file is None:
            raise ValueError(f"grade: module {what.__name__} has no source file")
        return Path(file)
    path = Path(what)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a Python file (.py) or a notebook (.ipynb)")
    path.stat()
    return path


def source(path: Path) -> Source:
    """The Python of a file; of a notebook that of its cells of code.

    Raises:
        OSError: it can't be read.
        ValueError: it is no notebook and no regular file, holds null bytes, or is larger than
            anybody's homework.
        RecursionError, MemoryError: it is nested too deeply.
    """
    about = path.stat()
    if not S_ISREG(about.st_mode):  # a device has no end, and a pipe may have no beginning
        raise ValueError("not a regular file")
    if (size := about.st_size) > LARGEST:
        raise ValueError(f"{size >> 20} MiB: expected at most {LARGEST >> 20} MiB")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    notebook = path.suffix == ".ipynb"
    parts = _cells(path, text) if notebook else [text]
    if any("\0" in part for part in parts):
        raise ValueError("it holds null bytes")
    lines: list[str] = []
    original: list[str] = []
    starts: list[int] = []
    left_out: list[LeftOut] = []
    remarks: dict[str, None] = {}
    for part in parts:
        starts.append(len(lines) + 1)
        own = _NEW_LINE.split(part)
        original += own
        clean, lost, said = _clean(own, notebook)
        lines += clean
        first = starts[-1] - 1
        left_out += [
            x._replace(line=x.line + first, end=x.end + first, at=x.at + first) for x in lost
        ]
        remarks |= dict.fromkeys(said)
    return Source(
        "\n".join(lines) + "\n", original, starts if notebook else (), left_out, (*remarks,)
    )


def _cells(path: Path, text: str) -> list[str]:
    """The cells of code of a notebook, of format 3 as well."""
    try:
        book = json.loads(text)
        sheets = book["worksheets"] if "cells" not in book else [book]
        cells = [c for sheet in sheets for c in sheet["cells"]]
        code = [c.get("source", c.get("input", "")) for c in cells if c["cell_type"] == "code"]
        return ["".join(c) if isinstance(c, list) else str(c) for c in code]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}: expected a notebook (JSON with cells)") from None


def _clean(lines: Sequence[str], notebook: bool) -> tuple[list[str], list[LeftOut], set[str]]:
    """The lines with what is no Python repaired or emptied, what was lost, and remarks."""
    mine = [*lines]
    first = next((i for i, line in enumerate(mine) if line.strip()), None)
    if notebook and first is not None and mine[first].startswith("%%"):
        if not _CELL_OF_PYTHON.match(mine[first]):
            return [""] * len(mine), [], set()
        mine[first] = ""
    remarks: set[str] = set()
    repaired, error = _repaired(mine, remarks)
    if error is None:
        return repaired, [], remarks
    lost: list[LeftOut] = []
    clean = [""] * len(mine)
    for start, end in _statements(mine, remarks):
        part, error = _repaired(mine[start:end], remarks)
        if error is None:
            clean[start:end] = part
        else:
            lost.append(_lost(mine, start, end, error))
    return clean, lost, remarks


def _statements(lines: Sequence[str], remarks: set[str]) -> Iterator[tuple[int, int]]:
    """From and to of each statement at the left margin; of one that is none, as far as it may go.

    A docstring may hold lines at the margin: as few of them are taken as make it parse.
    """
    starts = [
        i for i, line in enumerate(lines)
        if line.strip() and not line[0].isspace() and not _CONTINUES.match(line)
    ]  # fmt: skip
    ends = [*starts[1:], len(lines)]
    k = 0
    while k < len(starts):
        merged = range(k, min(k + MOST_MERGED, len(starts)))
        found = (
            n for n in merged if _repaired(lines[starts[k] : ends[n]], remarks)[1] is None
        )  # fmt: skip
        last = next(found, None)
        if last is None:
            last = k
            if _BEGINS.match(lines[starts[k]]):
                others = (n for n in range(k + 1, len(starts)) if _BEGINS.match(lines[starts[n]]))
                last = next(others, len(starts)) - 1
        yield starts[k], ends[last]
        k = last + 1


def _repaired(lines: Sequence[str], remarks: set[str]) -> tuple[list[str], SyntaxError | None]:
    """The lines with IPython's and Python 2's own replaced, and the error that remains."""
    mine = [*lines]
    said: set[str] = set()
    for _ in range(MOST_REPAIRS):
        error = _error(mine)
        if error is None:
            remarks |= said
            return mine, None
        at = (error.lineno or 1) - 1
        if isinstance(error, TabError) and any("\t" in line for line in mine):
            mine = [line.expandtabs(8) for line in mine]
            said.add(PYTHON_2)
            continue
        # The line before is meant where a command's words follow a name, as in cd ../input.
        for k in (at, at - 1):
            line = mine[k] if 0 <= k < len(mine) else ""
            new, python_2 = _line_of_python(line)
            if new != line:
                mine[k] = new
                said |= {PYTHON_2} if python_2 else set()
                break
        else:
            return mine, error
    return mine, error


def _line_of_python(line: str) -> tuple[str, bool]:
    """The line as Python 3, and whether it was Python 2."""
    if _IPYTHON.match(line):
        return _IPYTHON.sub(r"\1pass", line), False
    if found := _PRINT.match(line):
        before, what = found.groups()
        return f"{before}print({'' if what.startswith('>>') else what})", True
    if _PRINT_ALONE.match(line):
        return _PRINT_ALONE.sub(r"\1print()", line), True
    if _EXCEPT.match(line):
        return _EXCEPT.sub(r"\1 as \2", line), True
    return line, False


def _error(lines: Sequence[str]) -> SyntaxError | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse("\n".join(lines) + "\n")
        except SyntaxError as error:
            return error
    return None


def _lost(lines: Sequence[str], start: int, end: int, error: SyntaxError) -> LeftOut:
    at = min(start + (error.lineno or 1), len(lines))
    text = lines[at - 1].strip()
    words = f"{error.msg}{f': {text}' if text else ''}"
    defines = next((m for line in lines[start:end] if (m := _DEFINES.match(line))), None)
    empty = bool(_BLANK.match(lines[at - 1])) or error.msg.startswith("expected an indented block")
    return LeftOut(start + 1, end, words, at, defines[1] if defines else "", empty)


def placeholders(node: Any) -> list[tuple[int, str]]:
    """What a function's author was to fill in: `Z = None`, `...`, NotImplementedError."""
    found = []
    for x in ast.walk(node):
        if isinstance(x, ast.Assign) and _is_gap(x.value):
            found.append((x.lineno, ast.unparse(x)))
        elif isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant):
            if x.value.value is ...:
                found.append((x.lineno, "..."))
        elif isinstance(x, ast.Raise) and "NotImplemented" in ast.unparse(x):
            found.append((x.lineno, ast.unparse(x)))
    return sorted(found)


def _is_gap(value: ast.expr) -> bool:
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(v, ast.Constant) and (v.value is None or v.value is ...) for v in values)


def is_stub(node: Any) -> bool:
    """Whether a function consists of nothing but a docstring and what was to be filled in."""
    gaps = {line for line, _ in placeholders(node)}
    for s in node.body:
        constant = isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
        nothing = isinstance(s, ast.Return) and (s.value is None or _is_gap(s.value))
        if not (constant or nothing or isinstance(s, ast.Pass) or s.lineno in gaps):
            return False
    return True
