"""What a function reads besides its arguments: the variables it closes over, and globals.

Their values go into a compiled program; a program asks here whether they are still the same.
"""

from __future__ import annotations

import dis
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from zlib import crc32

import numpy as np

from tinygrad_dnn.tensor import Tensor

OURS = str(Path(__file__).parents[1]) + os.sep
MOST = 10_000  # objects looked at
ABOUT = frozenset({"shape", "dtype", "ndim", "size"})  # what does not depend on the numbers
LOADS = frozenset({"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLASSDEREF"})
_PLAIN = (int, float, complex, str, bytes, type(None))
_EMPTY = object()  # what an empty cell, or a global that is gone, holds


class Variable:
    """A variable outside a function, and what it held when the function was recorded."""

    __slots__ = ("at", "inside", "name", "place", "value")

    def __init__(self, name: str, place: CellType | dict[str, Any]) -> None:
        self.name, self.place = name, place
        self.value = self.now()
        self.inside = _inside(self.value)

    def now(self) -> Any:
        """What it holds."""
        if isinstance(self.place, dict):
            return self.place.get(self.name, _EMPTY)
        try:
            return self.place.cell_contents
        except ValueError:
            return _EMPTY

    def unchanged(self) -> bool:
        """Whether it holds the very same object, or an equal number or text."""
        now = self.now()
        if now is self.value:
            return self.inside is None or _same(_inside(now), self.inside)
        return _equal(now, self.value)


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, _PLAIN) and repr(a) == repr(b)


def _inside(value: Any) -> list[Any] | None:
    """What a dict or list holds at the moment, by reference; None for everything else."""
    if type(value) is dict:
        return [*value.keys(), *value.values()]
    return [*value] if type(value) in (list, set) else None


def _same(now: list[Any] | None, then: list[Any]) -> bool:
    return (
        now is not None
        and len(now) == len(then)
        and all(a is b or _equal(a, b) for a, b in zip(now, then, strict=True))
    )


class Surroundings:
    """The variables outside a function, as far as they can be seen from it.

    Attributes:
        variables: of the function and of those it calls by name, and the attributes that their
            code names, of objects within reach; our own and NumPy's left out.
        names: the variable's name for each array and Tensor among them, by id.
        generators: random generators within reach, attributes of objects included.
        arrays: NumPy's arrays within reach, which f may read without our knowing.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.variables: list[Variable] = []
        self.names: dict[int, str] = {}
        self.generators: list[Any] = []
        self.arrays: list[Any] = []
        self._shapes_only: set[int] = set()
        self._watched: list[tuple[Any, int]] = []
        self._walk(f)

    def watch(self, inputs: Iterable[Any]) -> None:
        """Remember the numbers of the arrays that are no inputs of the program, unless only their
        shapes are asked for: NumPy may have read them.
        """
        known = {id(x) for x in inputs} | self._shapes_only
        self._watched = [(x, _checksum(x)) for x in self.arrays if id(x) not in known]

    def unchanged(self) -> bool:
        """Whether all variables hold what they held."""
        return all(v.unchanged() for v in self.variables) and all(
            _checksum(x) == then for x, then in self._watched
        )

    def _walk(self, f: Any) -> None:
        seen: set[int] = set()
        words: set[str] = set()  # names of globals and attributes in all the code
        attributes: list[dict[str, Any]] = []
        stack: list[tuple[Any, str]] = [(f, "")]
        while stack and len(seen) < MOST:
            x, name = stack.pop()
            if id(x) in seen or isinstance(x, (type, ModuleType, *_PLAIN)):
                continue
            seen.add(id(x))
            if isinstance(x, (np.ndarray, Tensor)):
                self.names.setdefault(id(x), name)
                if type(x) is np.ndarray:
                    self.arrays.append(x)
            elif isinstance(x, (np.random.Generator, np.random.RandomState)):
                self.generators.append(x)
            elif isinstance(x, FunctionType):
                for v in _variables(x):
                    self.variables.append(v)
                    if type(v.value) is np.ndarray and _asks_shapes_only(x.__code__, v.name):
                        self._shapes_only.add(id(v.value))
                    stack.append((v.value, v.name))
                stack += [(d, "") for d in x.__defaults__ or ()]
                stack += [(d, n) for n, d in (x.__kwdefaults__ or {}).items()]
                words |= _globals_of(x.__code__)
            else:
                stack += _parts(x, name)
                attributes.append(_own(x))
        self.variables += [Variable(k, own) for own in attributes for k in own if k in words]


def _variables(f: FunctionType) -> Iterator[Variable]:
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        yield Variable(name, cell)
    if not f.__code__.co_filename.startswith(OURS):
        for name in _globals_of(f.__code__):
            value = f.__globals__.get(name, _EMPTY)
            if value is not _EMPTY and not isinstance(value, (type, ModuleType)):
                yield Variable(name, f.__globals__)


def _asks_shapes_only(code: CodeType, name: str) -> bool:
    """Whether code uses a variable in no other way than X.shape and the like."""
    stack = [code]
    while stack:
        code = stack.pop()
        stack += [c for c in code.co_consts if isinstance(c, CodeType)]
        instructions = [*dis.get_instructions(code), None]
        for this, following in pairwise(instructions):
            loads = this is not None and this.argval == name and this.opname in LOADS
            asks = following is not None and following.opname == "LOAD_ATTR"
            if loads and not (asks and following is not None and following.argval in ABOUT):
                return False
    return True


def _checksum(x: Any) -> int:
    whole = x if x.flags.c_contiguous else x.T if x.flags.f_contiguous else x.copy()
    return crc32(whole.reshape(-1).view(np.uint8))


def _globals_of(code: CodeType) -> set[str]:
    """The names that code, and code nested in it, may look up outside."""
    names: set[str] = set()
    stack = [code]
    while stack:
        code = stack.pop()
        names.update(code.co_names)
        stack += [c for c in code.co_consts if isinstance(c, CodeType)]
    return names


def _own(x: Any) -> dict[str, Any]:
    """The attributes of an object of the user's."""
    ours = type(x).__module__.startswith(("tinygrad_dnn", "numpy"))
    own = getattr(x, "__dict__", None)
    return own if isinstance(own, dict) and not ours else {}


def _parts(x: Any, name: str) -> list[tuple[Any, str]]:
    """What lies inside an object, with a name for it."""
    if isinstance(x, dict):
        return [(v, k if isinstance(k, str) else name) for k, v in x.items()]
    if isinstance(x, (list, tuple, set, frozenset)):
        return [(v, name) for v in x]
    if isinstance(x, MethodType):
        return [(x.__func__, ""), (x.__self__, "")]
    if isinstance(x, functools.partial):
        return [(x.func, ""), *((v, "") for v in x.args), *((v, k) for k, v in x.keywords.items())]
    if isinstance(x, BuiltinFunctionType):
        return [(x.__self__, "")]
    if type(x).__module__.startswith(("tinygrad_dnn", "numpy")):
        return []
    call = vars(type(x)).get("__call__")
    return [
        *((v, k) for k, v in _own(x).items()),
        *([(call, "")] if isinstance(call, FunctionType) else []),
    ]
