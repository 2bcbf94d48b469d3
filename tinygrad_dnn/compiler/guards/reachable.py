"""The reach of a function besides its array arguments: what it closes over, globals, settings,
and their insides.

Attributes, and what modules and classes hold, count where code within reach has their name. The
code of Python, NumPy and installed packages, but for that of f's own, is taken as it is.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import gc
import importlib.util
import io
import operator
import os
import queue
import random
import sys
import weakref
from array import array
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.bytecode import Words, words
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.ops.declare import Op

MOST = 100_000  # objects looked at
_KINDS = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), range})
EMPTY = object()  # what an empty cell, or a name that is not there, holds
_C_DATA: Any = ctypes.c_int.__mro__[-2]  # of which every number and array of C is one
BUFFERS = (bytearray, array, memoryview, np.void, _C_DATA)
CONTAINERS = (dict, list, set, deque, MappingProxyType, *BUFFERS)
_RANDOM = (
    np.random.Generator, np.random.RandomState, np.random.BitGenerator, np.random.SeedSequence,
)  # fmt: skip
# What takes the next value of these takes it once.
_ITERATORS = frozenset({"builtins", "itertools", "_csv"})
# Attributes of wrappers and of the standard library's containers that nobody names.
_ALWAYS = frozenset(
    {"__wrapped__", "maps", "_sections", "_defaults", "_parser", "enter_result", "func",
     "_member_map_", "queue"}
)  # fmt: skip
_WEAK = (weakref.WeakValueDictionary, weakref.WeakKeyDictionary, weakref.WeakSet)
_VIEWS: Any = (type({}.keys()), type({}.values()), type({}.items()))
_REFLECTION = frozenset({"getattr", "__getattribute__", "vars", "__dict__", "dir", "locals"})
_REFLECTING = (getattr, vars, dir, locals)
_GLOBALS = frozenset({"globals", "eval", "exec"})
_IMPORTS = frozenset({"modules", "import_module", "__import__"})
_OURS = frozenset({"numpy", "tinygrad_dnn"})
_PYTHON = str(Path(os.__file__).parent) + os.sep


def plain(x: Any) -> bool:
    """Whether x is a number or text, which never changes and has no inside."""
    return type(x) in _KINDS or (isinstance(x, (np.generic, np.dtype)) and type(x) is not np.void)


class Reach:
    """The walk over everything within reach of a function.

    Attributes:
        variables: (name, cell or namespace) of every variable that code looks up.
        slots: (name, object) of attributes that lie in no namespace.
        spaces: (namespace, its owner or None, whether it is a module's), of which each name counts
            that is `named`.
        containers: (name, dict, list or the like), which count as a whole.
        tables: (name, pandas frame, series or index), which count by their values.
        functions: of the user.
        arrays, tensors, generators: NumPy's arrays, Tensors, random generators.
        names: what variable holds an array, Tensor or generator, by id.
        held: the names of variables (True) and attributes (False) that hold an array, by id.
        loose: ids of arrays that are held otherwise, too.
    """

    def __init__(self, f: Callable[..., Any], settings: Iterable[Any] = ()) -> None:
        self.variables: list[tuple[str, Any]] = []
        self.slots: list[tuple[str, Any]] = []
        self.spaces: list[tuple[Mapping[str, Any], Any, bool]] = []
        self.containers: list[tuple[str, Any]] = []
        self.tables: list[tuple[str, Any]] = []
        self.functions: list[FunctionType] = []
        self.arrays: list[Any] = []
        self.tensors: list[Tensor] = []
        self.generators: list[Any] = []
        self.names: dict[int, str] = {}
        self.held: dict[int, set[tuple[str, bool]]] = {}
        self.loose: set[int] = set()
        self.words: set[str] = set(_ALWAYS)
        self.stored: set[str] = set()
        self.everything = False  # whether code may ask for attributes by names it makes up
        self._seen: dict[int, Any] = {}
        self._own = _top(f)
        self._libraries: dict[str, bool] = {}
        # An object, a name for it, and whether a variable or attribute of that name holds it.
        self._stack: list[tuple[Any, str, bool | None]] = [(x, "", None) for x in (f, *settings)]
        # What nobody has named yet: whether it lies in a module, and how to go there.
        self._unnamed: dict[str, list[tuple[bool, Callable[[], None]]]] = {}
        while self._stack:
            self._look(*self._stack.pop())

    def named(self, word: str, shared: bool = False) -> bool:
        """Whether code within reach may ask for a name in an object, or in a module."""
        return word in self.words or (self.everything and not shared)

    def _look(self, x: Any, name: str, variable: bool | None) -> None:
        if plain(x):
            return
        if isinstance(x, np.ndarray):
            if variable is None:
                self.loose.add(id(x))
            else:
                self.held.setdefault(id(x), set()).add((name, variable))
        if id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if len(self._seen) > MOST:
            raise RecordingError(
                f"compile: the function reaches more than {MOST:,} objects besides its arguments; "
                "no program can watch them all. Give it what it needs as arguments"
            )
        if isinstance(x, (np.ndarray, Tensor)):
            self._array(x, name)
        elif isinstance(x, _RANDOM):
            self.generators.append(x)
            self.names.setdefault(id(x), name)
        elif isinstance(x, FunctionType):
            self._function(x)
        elif isinstance(x, type):
            self._class(x)
        elif isinstance(x, ModuleType):
            self._module(x)
        elif not isinstance(x, (CodeType, random.Random)):
            self._object(x, name)

    def _push(self, *xs: Any) -> None:
        self._stack += [(x, "", None) for x in xs]

    def _array(self, x: Any, name: str) -> None:
        if name:
            self.names.setdefault(id(x), name)
        if isinstance(x, Tensor):
            self.tensors.append(x)
            self._push(x.node.grad)
        elif isinstance(x, np.ma.MaskedArray):
            self._push(x.data, x.mask)
        elif x.dtype.hasobject:
            self.containers.append((name, x))
            self._push(*x.ravel().tolist())
        else:
            self.arrays.append(x)

    # --- code --------------------------------------------------------------------------------

    def _function(self, f: FunctionType) -> None:
        library = self._library(f.__module__)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self._variable(name, cell, None if library else True)
        self._push(*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
        if library:
            self._push(*f.__dict__.values())
            return
        self.functions.append(f)
        if f.__dict__:
            self._space(f.__dict__)
        said, space = words(f.__code__), f.__globals__
        wanted = said.variables
        if said.names & _GLOBALS:
            wanted |= said.texts | {
                k for k, v in space.items() if k[:1] != "_" and not code_like(v)
            }
        for name in sorted(wanted):
            # A name that is not there may come, and hide one of Python's.
            self._variable(name, space, None if said.names & _GLOBALS else True)
        for module in self._imported(said, space):
            self._variable(module, sys.modules, None)
        self.stored |= said.stored
        self._hear(said.names | said.texts, bool(said.names & _REFLECTION))

    def _imported(self, said: Words, space: Mapping[str, Any]) -> Iterator[str]:
        for level, name in said.modules:
            try:
                yield importlib.util.resolve_name("." * level + name, space.get("__package__"))
            except ImportError:
                continue
        if said.names & _IMPORTS:
            yield from said.texts & sys.modules.keys()

    def _module(self, x: ModuleType) -> None:
        if not self._library(x.__name__):
            self._space(vars(x), shared=True)
        elif x.__name__.partition(".")[0] not in {*_OURS, *sys.stdlib_module_names}:
            # Of an installed package's, numbers and what lies in modules of it.
            for k, v in list(vars(x).items()):
                if k[:1] != "_" and (plain(v) or isinstance(v, ModuleType)):
                    self._await(k, True, functools.partial(self._enter, k, v))
            self.spaces.append((vars(x), None, True))

    def _class(self, kind: type) -> None:
        for c in kind.__mro__:
            if not self._library(c.__module__):
                self._space(vars(c))
                self._push(type(c))

    def _library(self, module: Any) -> bool:
        """Whether a module is Python's, NumPy's, ours, or another installed package's than f's."""
        top = module.partition(".")[0] if isinstance(module, str) else ""
        if top not in self._libraries:
            file = getattr(sys.modules.get(top), "__file__", None) or ""
            installed = "site-packages" in file or "dist-packages" in file
            python = (not file and top in sys.stdlib_module_names) or file.startswith(_PYTHON)
            ours = top in _OURS
            self._libraries[top] = ours or ((installed or python) and top != self._own)
        return self._libraries[top]

    # --- objects -----------------------------------------------------------------------------

    def _object(self, x: Any, name: str) -> None:
        kind = type(x)
        takes = hasattr(kind, "__next__") and kind.__module__ in _ITERATORS
        if takes or isinstance(x, queue.SimpleQueue):
            raise RecordingError(
                f"compile: {name or 'what the function is given or closes over'} is a "
                f"{kind.__name__}, which would be advanced while recording and never again; take "
                "its values outside and pass them as arguments"
            )
        top = kind.__module__.partition(".")[0]
        if top == "pandas" and hasattr(kind, "to_numpy"):
            self.tables.append((name, x))
            return
        if isinstance(x, CONTAINERS):
            self.containers.append((name, x))
            self._stack += _parts(x, name)
        elif isinstance(x, (tuple, frozenset)):
            self._stack += [(v, name, None) for v in x]
        self._push(*_inside(x))
        by_name = isinstance(x, MethodWrapperType) and x.__name__ == "__getattribute__"
        if by_name or any(x is reflecting for reflecting in _REFLECTING):
            self._hear(frozenset(), True)
        elif isinstance(x, operator.attrgetter):
            self._hear({w for text in x.__reduce__()[1] for w in text.split(".")}, False)
        elif isinstance(x, ContextVar):
            self.slots.append((x.name, x))
            self._push(x.get(None))
        elif isinstance(x, io.IOBase):
            self.slots.append((name, x))
        self._hear(frozenset(getattr(kind, "__dataclass_fields__", ())), False)
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            if top == "tinygrad_dnn":
                self._push(own.get("__wrapped__"))
            elif self._library(top) and top not in sys.stdlib_module_names:
                self._push(own)  # of an installed package, which may call what it holds anything
            else:
                self._space(own, x)
        if not self._library(kind.__module__):
            self._push(kind)
            for c in kind.__mro__:
                for k, v in vars(c).items():
                    if isinstance(v, MemberDescriptorType):
                        self._await(k, False, functools.partial(self._attribute, k, x))

    # --- names -------------------------------------------------------------------------------

    def _variable(self, name: str, place: Any, variable: bool | None) -> None:
        self.variables.append((name, place))
        self._stack.append((now(name, place), name, variable))

    def _space(self, space: Mapping[str, Any], owner: Any = None, shared: bool = False) -> None:
        """A namespace: an object's or class's, or a module's."""
        self.spaces.append((space, owner, shared))
        for k, v in list(space.items()):
            if dunder(k, v):  # nobody names __call__
                self._enter(k, v)
            else:
                self._await(k, shared and code_like(v), functools.partial(self._enter, k, v))

    def _attribute(self, name: str, x: Any) -> None:
        self.slots.append((name, x))
        self._stack.append((getattr(x, name, EMPTY), name, False))

    def _enter(self, name: str, value: Any) -> None:
        if isinstance(value, (property, functools.cached_property)):
            value = value.fget if isinstance(value, property) else value.func
        self._stack.append((value, name, False))

    def _await(self, name: str, shared: bool, go: Callable[[], None]) -> None:
        """Go there if code names it, or when it does."""
        if self.named(name, shared):
            go()
        else:
            self._unnamed.setdefault(name, []).append((shared, go))

    def _hear(self, heard: frozenset[str] | set[str], made_up: bool) -> None:
        """Code names these, and perhaps names that it makes up."""
        new = set(heard - self.words)
        self.words |= heard
        if made_up and not self.everything:
            self.everything = True
            new = {*self._unnamed}
        for word in new & self._unnamed.keys():
            for shared, go in self._unnamed.pop(word):
                self._await(word, shared, go)


def now(name: str, place: Any) -> Any:
    """Return the value that a variable holds."""
    if isinstance(place, CellType):
        try:
            return place.cell_contents
        except ValueError:
            return EMPTY
    return place.get(name, EMPTY)


def dunder(name: str, value: Any) -> bool:
    """Whether it is a method that syntax calls."""
    return name.startswith("__") and code_like(value)


def _top(f: Any) -> str:
    while isinstance(f, functools.partial):
        f = f.func
    return (getattr(f, "__module__", None) or "").partition(".")[0]


def code_like(x: Any) -> bool:
    """Whether it is a function, class, module, or a method as a class holds it."""
    return isinstance(x, (FunctionType, type, ModuleType, property, staticmethod, classmethod))


def _inside(x: Any) -> Iterator[Any]:
    """Yield what objects of Python's and of ours hold out of sight."""
    if isinstance(x, MethodType):
        yield from (x.__func__, x.__self__)
    elif isinstance(x, functools.partial):
        yield from (x.func, *x.args, x.keywords)
    elif isinstance(x, (BuiltinFunctionType, MethodWrapperType)):
        if x.__self__ is not builtins:
            yield x.__self__
    elif isinstance(x, (staticmethod, classmethod)):
        yield x.__func__
    elif isinstance(x, weakref.ref):
        yield x()
    elif isinstance(x, (UserDict, UserList, *_WEAK)):
        yield x.data  # type: ignore[union-attr]
    elif isinstance(x, np.flatiter):
        yield x.base
    elif isinstance(x, _VIEWS):
        yield from gc.get_referents(x)
    elif isinstance(x, ChainMap):
        yield from x.maps
    elif type(x).__name__ in ("_lru_cache_wrapper", "_lru_list_elem"):
        yield from gc.get_referents(x)
    elif isinstance(x, Op):
        yield from (x.forward, *x.rules, x.shared, x.joint)


def _parts(x: Any, name: str) -> Iterator[tuple[Any, str, None]]:
    """Yield what lies in a container, with a name for it."""
    if isinstance(x, (dict, MappingProxyType)):
        yield from ((k, name, None) for k in x if not plain(k))
        yield from ((v, k if isinstance(k, str) else name, None) for k, v in x.items())
    elif not isinstance(x, BUFFERS):
        yield from ((v, name, None) for v in x)
