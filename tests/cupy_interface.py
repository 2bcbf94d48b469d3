"""What the real CuPy has of NumPy's interface, as text: cupy_interface.txt, one name a line.

`python tests/cupy_interface.py` writes it where CuPy is installed; no GPU is needed. A line is a
function and its parameters, `take(a, indices, axis, out)`; a ufunc and its loops, `exp: e->e ...`,
with `at` where it adds at positions; or an attribute of arrays, `ndarray.T`. What has no line,
CuPy lacks: so the stand-in of device_array.py is not kinder than the real thing.
"""

import inspect
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).with_name("cupy_interface.txt")
NUMBERS = set("?bBhHiIlLqQefd")  # kinds of real numbers: loops of others are left out
FOLDS = ("add", "multiply")  # CuPy's ufunc.reduce and .accumulate know these two


def interface() -> Iterator[str]:
    """The lines of the table, of the CuPy that is installed."""
    import cupy

    yield f"CuPy {cupy.__version__}"
    yield from sorted(f"ndarray.{n}" for n in dir(np.ndarray) if hasattr(cupy.ndarray, n))
    for head in ("", "linalg.", "lib.stride_tricks."):
        ours, theirs = (reduce(getattr, head.split(".")[:-1], top) for top in (np, cupy))
        for name in sorted(dir(ours)):
            if not name.startswith("_") and callable(f := getattr(theirs, name, None)):
                yield from _line(head + name, f, cupy.ufunc)


def _line(name: str, f: Any, ufunc: type) -> Iterator[str]:
    if isinstance(f, ufunc):
        loops = [t for t in f.types if set(t) <= NUMBERS | set("->")]
        yield f"{name}: {' '.join([*loops, *(['at'] if f._scatter_op else [])])}"
    elif type(f).__name__ == "_GUFunc":
        yield f"{name}(x1, x2, axes, axis, keepdims, casting, dtype, signature, order, out)"
    elif inspect.isfunction(f):
        parameters = inspect.signature(f).parameters.values()
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        yield f"{name}({', '.join(stars.get(p.kind, '') + p.name for p in parameters)})"


def read() -> tuple[dict[str, list[str]], dict[str, list[str]], set[str]]:
    """Parameters of functions by name, loops of ufuncs by name, and attributes of arrays."""
    functions, ufuncs, attributes = {}, {}, set()
    for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("ndarray."):
            attributes.add(line.removeprefix("ndarray."))
        elif ": " in line:
            name, _, loops = line.partition(": ")
            ufuncs[name] = loops.split()
        else:
            name, _, parameters = line.removesuffix(")").partition("(")
            functions[name] = parameters.split(", ") if parameters else []
    return functions, ufuncs, attributes


def version() -> str:
    """The version that the table was read off."""
    return TABLE.read_text(encoding="utf-8").split()[1]


if __name__ == "__main__":
    TABLE.write_text("".join(f"{line}\n" for line in interface()), encoding="utf-8")
