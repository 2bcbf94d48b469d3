"""Guards on all that a function reads besides its arguments: whether it is still the same.

Its values go into a compiled program; a program asks here before it runs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from operator import is_
from types import CodeType, FunctionType, MappingProxyType, MethodType
from typing import Any
from zlib import crc32

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.bytecode import Site, uses
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.compiler.guards.reachable import (
    BUFFERS,
    EMPTY,
    Reach,
    code_like,
    dunder,
    now,
    plain,
)

# Names by which arrays are written to that are locked: NumPy's `add.at` does not ask.
_UNLOCKED = {"at", "ctypes", "memmove", "memset"}


class Variable:
    """A variable outside a function, or an attribute, and what it held."""

    __slots__ = ("name", "now", "place", "value")

    def __init__(self, name: str, place: Any, now: Callable[[str, Any], Any] = now) -> None:
        self.name, self.place, self.now = name, place, now
        self.value = now(name, place)

    def changed(self) -> str | None:
        """Its name, unless it holds the very same object, or an equal number or text."""
        value = self.now(self.name, self.place)
        if value is self.value:
            return None
        if not _equal(value, self.value):
            return self.name
        self.value = value
        return None


class Contents:
    """The contents of a container as they were."""

    __slots__ = ("held", "name", "of")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of
        self.held = _contents(of)

    def changed(self) -> str | None:
        """Its name, unless the very same objects, or equal numbers and texts, lie there."""
        now = _contents(self.of)
        if not _same(now, self.held):
            return self.name
        self.held = now  # the same objects the next time
        return None


class Space:
    """A namespace's values under the names that code asks for, and all the names there were."""

    __slots__ = ("all", "held", "kind", "names", "of", "owner")

    def __init__(self, of: Mapping[str, Any], owner: Any, names: list[str]) -> None:
        self.of, self.owner, self.names = of, owner, names
        self.kind = type(owner)
        self.all: Any = [*of] if owner is not None else len(of)
        self.held = [of[k] for k in names]

    def changed(self) -> str | None:
        """The first name that holds something else, or is new."""
        of, get = self.of, self.of.get
        if self.owner is not None:
            if type(self.owner) is not self.kind or self.owner.__dict__ is not of:
                return type(self.owner).__name__
            if [*of] != self.all:
                return next(iter({*of} ^ {*self.all}), self.kind.__name__)
        elif len(of) != self.all:
            return [*of][-1]
        held = [get(k, EMPTY) for k in self.names]
        if _same(held, self.held):
            self.held = held
            return None
        pairs = zip(self.names, held, self.held, strict=True)
        return next(k for k, a, b in pairs if a is not b and not _equal(a, b))


class Function:
    """The code and the defaults of a function, and whether it has got attributes."""

    __slots__ = ("about", "keywords", "of")

    def __init__(self, of: FunctionType) -> None:
        self.of, self.keywords = of, _contents(of.__kwdefaults__ or {})
        self.about = of.__code__, of.__defaults__, len(of.__dict__)

    def changed(self) -> str | None:
        """Its name, unless they are the same."""
        f, (code, defaults, attributes) = self.of, self.about
        same = f.__code__ is code and f.__defaults__ is defaults
        same = same and len(f.__dict__) == attributes
        if same and (not self.keywords or _same(_contents(f.__kwdefaults__ or {}), self.keywords)):
            return None
        return f.__name__


class Held:
    """The state of a Tensor besides its numbers."""

    __slots__ = ("about", "grad", "name", "of")

    def __init__(self, name: str, of: Tensor, grad: bool) -> None:
        self.of, self.grad = of, grad
        self.name = f"{name}.grad" if grad else name
        self.about = _about(of)

    def changed(self) -> str | None:
        """Its name, unless it is as it was; its gradient counts where code asks for gradients."""
        about = _about(self.of)
        if not self.grad:
            return None if about[:3] == self.about[:3] else self.name
        return None if _same([*about], [*self.about]) else self.name


class Array:
    """The shape, strides and dtype of an array; and its numbers, where NumPy may have read them."""

    __slots__ = ("about", "name", "of", "sum")

    def __init__(self, name: str, of: Any, numbers: bool) -> None:
        self.name, self.of = name, of
        self.about = of.shape, of.strides, of.dtype
        self.sum = _checksum(of) if numbers else None

    def changed(self) -> str | None:
        """Its name, unless it is the same."""
        x = self.of
        same = (x.shape, x.strides, x.dtype) == self.about
        return None if same and (self.sum is None or _checksum(x) == self.sum) else self.name


class Table:
    """The values of a pandas frame, series or index, and what its columns are called."""

    __slots__ = ("held", "name", "of")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of
        self.held = _table(of)

    def changed(self) -> str | None:
        """Its name, unless they are the same."""
        return None if _table(self.of) == self.held else self.name


class Guards:
    """The variables outside a function, as far as they can be seen from it, as they are now.

    Args:
        settings: arguments that are no arrays; their insides count as well.

    Attributes:
        names: the variable's name for each array and Tensor among them, by id.
        generators: random generators within reach.
        arrays: NumPy's arrays within reach.
        values: of the Tensors within reach.
    """

    def __init__(self, f: Callable[..., Any], settings: Iterable[Any] = ()) -> None:
        self.settings = [x for x in settings if not plain(x)]  # their ids are in keys
        reach = self._reach = Reach(f, self.settings)
        self.names, self.generators, self.arrays = reach.names, reach.generators, reach.arrays
        self._tensors = reach.tensors
        self._unlocked = not _UNLOCKED.isdisjoint(reach.words)
        self.values = [t._array for t in reach.tensors]
        self._watched: list[Any] = [
            *(Variable(name, place) for name, place in reach.variables),
            *(Variable(name, x, _attribute) for name, x in reach.slots),
            *(Contents(name, x) for name, x in reach.containers),
            *(Table(name, x) for name, x in reach.tables),
            *self._spaces(reach.words),
            *map(Function, reach.functions),
            *(
                Held(x.name or self.names.get(id(x), ""), x, "grad" in reach.words)
                for x in reach.tensors
            ),
        ]
        # While f is recorded, what it writes and nobody reads counts as well.
        self._written: list[Any] = [
            *self._spaces(reach.stored),
            *(Variable(k, f.__globals__) for f in reach.functions
              for k in reach.stored & f.__globals__.keys()),
        ]  # fmt: skip

    def _spaces(self, words: set[str]) -> Iterator[Space]:
        everything = self._reach.everything and words is self._reach.words
        for space, owner, shared in self._reach.spaces:
            names = [
                k
                for k, v in space.items()
                if k in words or dunder(k, v) or (everything and not (shared and code_like(v)))
            ]
            yield Space(space, owner, names)

    def watch(self, inputs: Iterable[Any], sites: Mapping[int, set[Site]]) -> None:
        """The numbers of arrays count as well, but for those that are inputs of the program and
        that code uses in no other way.

        Args:
            sites: the operations and calls that were recorded with an array, by id.
        """
        known = {id(x) for x in inputs}
        codes = [f.__code__ for f in self._reach.functions]
        for x in self.arrays:
            there = sites.get(id(x), set()) if id(x) in known else set()
            safe = id(x) not in self._reach.loose and all(
                site in there
                for name, variable in self._reach.held.get(id(x), ())
                for site in self._uses(codes, name, variable)
            )
            self._watched.append(Array(self.names.get(id(x), ""), x, not safe))
        del self._reach

    def _uses(self, codes: Iterable[CodeType], name: str, variable: bool) -> Iterator[Site | None]:
        if not variable and self._reach.everything:
            yield None
        for code in codes:
            yield from uses(code, name)

    def only_read(self) -> None:
        """From now on what f writes, and nobody reads, no longer counts."""
        self._written = []

    @property
    def nothing(self) -> bool:
        """Whether there is nothing that could change."""
        return not (self._watched or self.settings)

    def changed(self) -> str | None:
        """Return the name of something that is not as it was; None if all is."""
        for x in (*self._watched, *self._written) if self._written else self._watched:
            name = x.changed()
            if name is not None:
                return name or "what the function closes over"
        return None

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Let no array within reach be written to (NumPy says so where it is tried), and leave no
        gradients in Tensors.

        Raises:
            RecordingError: there are new ones, which later calls would not leave.
        """
        there = {id(y): y for x in self.arrays for y in _bases(x)}
        locked = [x for x in there.values() if x.flags.writeable]
        sums = [_checksum(x) for x in locked] if self._unlocked else []
        before = [(x, x.node.grad) for x in self._tensors]
        for x in locked:
            x.flags.writeable = False
        try:
            yield
        finally:
            # A view may be written to again once the array that it is a view of may be.
            for x in sorted(locked, key=lambda x: len([*_bases(x)])):
                x.flags.writeable = True
            new = [x for x, grad in before if x.node.grad is not grad]
            for x, grad in before:
                x.node.grad = grad
        for x, was in zip(locked, sums, strict=False):
            if _checksum(x) != was:
                name = self.names.get(id(x), "an array")
                raise RecordingError(
                    f"compile: the function writes into {name} in place while it is being recorded "
                    "(np.add.at, ctypes), which later calls would not do; make a new array, as "
                    "scatter_add does"
                )
        if new:
            name = new[0].name or self.names.get(id(new[0]), "a Tensor")
            raise RecordingError(
                f"compile: backward() leaves a gradient in {name}, which the function closes over, "
                f"while it is being recorded, which later calls would not do; return grad(...) or "
                f"gradients(cost, [{name}]) instead"
            )


def _attribute(name: str, x: Any) -> Any:
    if isinstance(x, io.IOBase):
        return _place(x)
    return x.get(EMPTY) if isinstance(x, ContextVar) else getattr(x, name, EMPTY)


def _place(file: io.IOBase) -> Any:
    """How far a file has been read, where it says so; what is only written to counts as it is."""
    try:
        return file.tell() if file.readable() else EMPTY
    except (OSError, ValueError):  # a pipe, or closed
        return EMPTY


def _about(x: Tensor) -> tuple[Any, ...]:
    node = x.node
    return node.requires_grad, getattr(x._array, "strides", None), node.name, node.grad


def _contents(x: Any) -> list[Any]:
    if isinstance(x, (dict, MappingProxyType)):
        return [*x.keys(), *x.values()]
    if isinstance(x, np.ndarray):
        return [*x.flat]
    return [np.frombuffer(x, np.uint8).tobytes()] if isinstance(x, BUFFERS) else [*x]


def _table(x: Any) -> Any:
    hashed = sys.modules["pandas"].util.hash_pandas_object(x)
    return [*map(repr, getattr(x, "columns", ()))], _checksum(hashed.to_numpy())


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return _same([*a], [*b])
    if isinstance(a, MethodType):
        return a.__self__ is b.__self__ and a.__func__ is b.__func__
    return plain(a) and repr(a) == repr(b)


def _same(now: list[Any], then: list[Any]) -> bool:
    if len(now) != len(then):
        return False
    return all(map(is_, now, then)) or all(
        a is b or _equal(a, b) for a, b in zip(now, then, strict=True)
    )


def _bases(x: Any) -> Iterator[Any]:
    """An array, and those that it is a view of."""
    while isinstance(x, np.ndarray):
        yield x
        x = x.base


def _checksum(x: Any) -> int:
    whole = x if x.flags.c_contiguous else x.T if x.flags.f_contiguous else x.copy()
    return crc32(whole.reshape(-1).view(np.uint8))
