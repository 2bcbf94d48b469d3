"""A student's file as Python source: a script, a notebook, or a module that is already imported."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from types import ModuleType

SUFFIXES = (".py", ".ipynb")
LARGEST = 64 << 20  # bytes of a file; a notebook may hold pictures
_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)


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


def source(path: Path) -> str:
    """The text that is to be run; of a notebook its code cells, without lines of % and !.

    Raises:
        OSError: it can't be read.
        SyntaxError: it is no Python.
        ValueError: it is no notebook, holds null bytes, or is larger than anybody's homework.
        RecursionError, MemoryError: it is nested too deeply.
    """
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{size >> 20} MiB: expected at most {LARGEST >> 20} MiB")
    raw = path.read_bytes()
    if path.suffix == ".ipynb":
        text = _cells(path, raw)
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    try:
        ast.parse(text)
    except SyntaxError:
        # A notebook's commands, as in the document's own listing, are no Python.
        text = _MAGIC.sub(r"\1pass", text)
        ast.parse(text)
    return text


def _cells(path: Path, raw: bytes) -> str:
    try:
        cells = json.loads(raw)["cells"]
        code = [c["source"] for c in cells if c["cell_type"] == "code"]
        texts = ["".join(c) if isinstance(c, list) else str(c) for c in code]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: expected a notebook (JSON with cells)") from None
    return "\n\n".join(texts) + "\n"
