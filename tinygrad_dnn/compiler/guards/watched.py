"""One thing that a program was written for, as it was then, and whether it is still so."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from operator import is_
from types import FunctionType, MappingProxyType, MethodType
from typing import Any
from zlib import crc32

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.guards.reachable import BUFFERS, EMPTY, now, plain


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
        self.sum = checksum(of) if numbers else None

    def changed(self) -> str | None:
        """Its name, unless it is the same."""
        x = self.of
        same = (x.shape, x.strides, x.dtype) == self.about
        return None if same and (self.sum is None or checksum(x) == self.sum) else self.name


class Table:
    """The values of a pandas frame, series or index, and what its columns are called."""

    __slots__ = ("held", "name", "of")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of
        self.held = _table(of)

    def changed(self) -> str | None:
        """Its name, unless they are the same."""
        return None if _table(self.of) == self.held else self.name


def attribute(name: str, x: Any) -> Any:
    """The value of an attribute, of a context variable, or how far a file has been read."""
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
    return [*map(repr, getattr(x, "columns", ()))], checksum(hashed.to_numpy())


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


def checksum(x: Any) -> int:
    """The checksum of an array's numbers, in the order of its memory."""
    whole = x if x.flags.c_contiguous else x.T if x.flags.f_contiguous else x.copy()
    return crc32(whole.reshape(-1).view(np.uint8))
