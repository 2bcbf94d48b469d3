"""What a function can reach besides its arguments: what it closes over, globals, their insides.

Attributes, and what modules and classes hold, count where code within reach has their name. The
code of installed packages, but for that of f, is taken as it is.
"""

from __future__ import annotations

import dis
import functools
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from io import IOBase
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.tracer import RecordingError
from tinygrad_dnn.tensor import Tensor

MOST = 100_000  # objects looked at
PLAIN = (int, float, complex, str, bytes, type(None), range, np.generic, np.dtype)
EMPTY = object()  # what an empty cell, or a name that is not there, holds
BUFFERS = (bytearray, array, memoryview)
CONTAINERS = (dict, list, set, deque, MappingProxyType, *BUFFERS)

_FIXED = frozenset({*sys.stdlib_module_names, "numpy", "tinygrad_dnn"})
_ALWAYS = frozenset({"__wrapped__", "maps", "data"})  # of wrappers, ChainMap and UserDict
_REFLECTION = frozenset(
    {"getattr", "attrgetter", "__getattribute__", "vars", "__dict__", "dir", "locals"}
)
_NAMED = frozenset(dis.hasname)
_GLOBALS = frozenset({"globals", "eval", "exec"})


class Reach:
    """The walk over everything within reach of a function.

    Attributes:
        variables: (name, cell or namespace) of every variable that code looks up.
        slots: (name, object) of attributes that lie in no namespace.
        spaces: (namespace, whether it is shared), of which each name counts that is `named`.
        containers: (name, dict, list or the like), which count as a whole.
        codes: of the user's functions.
        arrays, tensors, generators: NumPy's arrays, Tensors, random generators.
        names: what variable holds an array or Tensor, by id.
        words: names, and texts that may be names, in all code within reach.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.variables: list[tuple[str, CellType | dict[str, Any]]] = []
        self.slots: list[tuple[str, Any]] = []
        self.spaces: list[tuple[Mapping[str, Any], bool]] = []
        self.containers: list[tuple[str, Any]] = []
        self.codes: list[CodeType] = []
        self.arrays: list[Any] = []
        self.tensors: list[Tensor] = []
        self.generators: list[Any] = []
        self.names: dict[int, str] = {}
        self.words: set[str] = set(_ALWAYS)
        self.everything = False  # whether code may ask for attributes by names it makes up
        self._seen: dict[int, Any] = {}
        self._own = (getattr(f, "__module__", None) or "").partition(".")[0]
        self._libraries: dict[str, bool] = {}
        self._stack: list[tuple[Any, str]] = [(f, "")]
        # What nobody has named yet: whether it lies in a shared namespace, and how to go there.
        self._unnamed: dict[str, list[tuple[bool, Callable[[], None]]]] = {}
        while self._stack:
            self._look(*self._stack.pop())

    def named(self, word: str, shared: bool = False) -> bool:
        """Whether code within reach may ask for a name in an object, or in a shared namespace."""
        return word in self.words or (self.everything and not shared)

    def _look(self, x: Any, name: str) -> None:
        if id(x) in self._seen or isinstance(x, PLAIN):
            return
        self._seen[id(x)] = x
        if len(self._seen) > MOST:
            raise RecordingError(
                f"compile: the function reaches more than {MOST:,} objects besides its arguments; "
                "no program can watch them all. Give it what it needs as arguments"
            )
        if isinstance(x, (np.ndarray, Tensor)):
            self._array(x, name)
        elif isinstance(x, (np.random.Generator, np.random.RandomState)):
            self.generators.append(x)
        elif isinstance(x, FunctionType):
            self._function(x)
        elif isinstance(x, type):
            self._class(x)
        elif isinstance(x, ModuleType):
            self._module(x)
        elif isinstance(x, MethodType):
            self._stack += [(x.__func__, ""), (x.__self__, "")]
        elif isinstance(x, functools.partial):
            self._stack += [(x.func, ""), *((v, "") for v in x.args), (x.keywords, "")]
        elif isinstance(x, BuiltinFunctionType):
            self._stack.append((x.__self__, ""))
        elif not isinstance(x, CodeType):
            self._object(x, name)

    def _array(self, x: Any, name: str) -> None:
        if name:
            self.names.setdefault(id(x), name)
        if isinstance(x, Tensor):
            self.tensors.append(x)
        elif isinstance(x, np.ma.MaskedArray):
            self._stack += [(x.data, name), (x.mask, name)]
        else:
            self.arrays.append(x)

    def _function(self, f: FunctionType) -> None:
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self._variable(name, cell)
        self._stack += [(d, "") for d in f.__defaults__ or ()]
        self._stack += [(d, n) for n, d in (f.__kwdefaults__ or {}).items()]
        if f.__dict__:
            self._space(f.__dict__)
        if self._library(f.__module__):
            return
        words, texts = _words(f.__code__)
        self.codes.append(f.__code__)
        space = f.__globals__
        wanted = words & space.keys()
        if words & _GLOBALS:
            wanted |= texts | {k for k, v in space.items() if k[:1] != "_" and not _code(v)}
        for name in sorted(wanted):
            self._variable(name, space)
        self._hear(words | texts, bool(words & _REFLECTION))

    def _module(self, x: ModuleType) -> None:
        if not self._library(x.__name__):
            self._space(vars(x), shared=True)
        elif x.__name__.partition(".")[0] not in _FIXED:
            # Of an installed package's, numbers and what lies in modules of it.
            numbers = {k: v for k, v in vars(x).items() if isinstance(v, (ModuleType, *PLAIN))}
            for k, v in numbers.items():
                if k[:1] != "_":
                    self._await(k, True, functools.partial(self._enter, k, v))
            self.spaces.append((vars(x), True))

    def _class(self, kind: type) -> None:
        for c in kind.__mro__:
            if not self._library(c.__module__):
                self._space(vars(c), shared=True)

    def _object(self, x: Any, name: str) -> None:
        kind = type(x)
        self._refuse_iterator(x, name)
        if isinstance(x, CONTAINERS):
            self.containers.append((name, x))
            self._stack += _parts(x, name)
        elif isinstance(x, (tuple, frozenset)):
            self._stack += [(v, name) for v in x]
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            if kind.__module__.partition(".")[0] in ("tinygrad_dnn", "numpy"):
                self._stack += [(v, "") for k, v in own.items() if k == "__wrapped__"]
            else:
                self._space(own)
        if not self._library(kind.__module__):
            self._stack.append((kind, ""))
            for c in kind.__mro__:
                for k, v in vars(c).items():
                    if isinstance(v, MemberDescriptorType):
                        self._await(k, False, functools.partial(self._attribute, k, x))

    def _refuse_iterator(self, x: Any, name: str) -> None:
        """What `next` takes from it would be taken once."""
        kind = type(x)
        there = hasattr(kind, "__next__") and not isinstance(x, IOBase)
        if there and self._library(kind.__module__):
            raise RecordingError(
                f"compile: {name or 'what the function closes over'} is a {kind.__name__}, which "
                "would be advanced while recording and never again; take its values outside and "
                "pass them as arguments"
            )

    def _library(self, module: str | None) -> bool:
        """Whether a module is Python's, NumPy's, ours, or another installed package's than f's."""
        top = (module or "").partition(".")[0]
        if top not in self._libraries:
            file = getattr(sys.modules.get(top), "__file__", None) or ""
            installed = "site-packages" in file or "dist-packages" in file
            self._libraries[top] = top in _FIXED or (installed and top != self._own)
        return self._libraries[top]

    # --- names -------------------------------------------------------------------------------

    def _variable(self, name: str, place: CellType | dict[str, Any]) -> None:
        self.variables.append((name, place))
        self._stack.append((now(name, place), name))

    def _space(self, space: Mapping[str, Any], shared: bool = False) -> None:
        """A namespace: an object's own, or shared by many, as a module's and a class's are."""
        self.spaces.append((space, shared))
        for k, v in list(space.items()):
            if k.startswith("__") and _code(v):  # nobody names __call__
                self._enter(k, v)
            else:
                self._await(k, shared, functools.partial(self._enter, k, v))

    def _attribute(self, name: str, x: Any) -> None:
        self.slots.append((name, x))
        self._stack.append((getattr(x, name, EMPTY), name))

    def _enter(self, name: str, value: Any) -> None:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, (property, functools.cached_property)):
            value = value.fget if isinstance(value, property) else value.func
        self._stack.append((value, name))

    def _await(self, name: str, shared: bool, go: Callable[[], None]) -> None:
        """Go there if code names it, or when it does."""
        if self.named(name, shared):
            go()
        else:
            self._unnamed.setdefault(name, []).append((shared, go))

    def _hear(self, words: Set[str], made_up: bool) -> None:
        """Code names these, and perhaps names that it makes up."""
        new = words - self.words
        self.words |= words
        if made_up and not self.everything:
            self.everything = True
            new = {*self._unnamed}
        for word in new & self._unnamed.keys():
            for shared, go in self._unnamed.pop(word):
                self._await(word, shared, go)


def now(name: str, place: Any) -> Any:
    """What a variable holds."""
    if isinstance(place, CellType):
        try:
            return place.cell_contents
        except ValueError:
            return EMPTY
    return place.get(name, EMPTY)


def _code(x: Any) -> bool:
    return isinstance(x, (FunctionType, type, ModuleType, property, staticmethod, classmethod))


def _parts(x: Any, name: str) -> Iterator[tuple[Any, str]]:
    """What lies in a container, with a name for it."""
    if isinstance(x, (dict, MappingProxyType)):
        yield from ((v, k if isinstance(k, str) else name) for k, v in x.items())
    elif not isinstance(x, BUFFERS):
        yield from ((v, name) for v in x)


@functools.lru_cache(maxsize=4096)
def _words(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names that code, and code nested in it, looks up; and the texts that it has."""
    names: set[str] = set()
    texts: set[str] = set()
    stack: list[Any] = [code]
    while stack:
        x = stack.pop()
        if isinstance(x, CodeType):
            names.update(
                i.argval
                for i in dis.get_instructions(x)
                if i.opcode in _NAMED and not i.opname.startswith(("STORE", "DELETE"))
            )
            stack += x.co_consts
        elif isinstance(x, (tuple, frozenset)):
            stack += x
        elif isinstance(x, str) and x.isidentifier():
            texts.add(x)
    return frozenset(names), frozenset(texts)
