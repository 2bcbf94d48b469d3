"""What a function reads besides its arguments, and whether it is still the same.

Its values go into a compiled program; a program asks here before it runs.
"""

from __future__ import annotations

import dis
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from types import CodeType, MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from tinygrad_dnn.compiler.reach import BUFFERS, EMPTY, PLAIN, Reach, now
from tinygrad_dnn.compiler.tracer import RecordingError
from tinygrad_dnn.tensor import Tensor

ABOUT = frozenset({"shape", "dtype", "ndim", "size"})  # what does not depend on the numbers
LOADS = frozenset({"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_ATTR"})


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
    """What lay in a container."""

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
    """What a namespace held under the names that code asks for, and how many there were."""

    __slots__ = ("held", "names", "of", "size")

    def __init__(self, of: Mapping[str, Any], names: list[str]) -> None:
        self.of, self.names = of, names
        self.size, self.held = len(of), [of[k] for k in names]

    def changed(self) -> str | None:
        """The first name that holds something else, or is new."""
        get = self.of.get
        held = [get(k, EMPTY) for k in self.names]
        if len(self.of) == self.size and _same(held, self.held):
            self.held = held
            return None
        pairs = zip(self.names, held, self.held, strict=True)
        return next((k for k, a, b in pairs if a is not b and not _equal(a, b)), [*self.of][-1])


class Held:
    """What a Tensor is besides its numbers."""

    __slots__ = ("about", "grad", "name", "of")

    def __init__(self, name: str, of: Tensor, grad: bool) -> None:
        self.of, self.grad = of, grad
        self.name = f"{name}.grad" if grad else name
        self.about = _about(of)

    def changed(self) -> str | None:
        """Its name, unless it is as it was; its gradient counts where code asks for gradients."""
        (kept, strides, grad), then = _about(self.of), self.about
        same = kept is then[0] and strides == then[1] and (grad is then[2] or not self.grad)
        return None if same else self.name


class Array:
    """The numbers of an array that NumPy may have read."""

    __slots__ = ("name", "of", "sum")

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of, self.sum = name, of, _checksum(of)

    def changed(self) -> str | None:
        """Its name, unless the numbers are the same."""
        return None if _checksum(self.of) == self.sum else self.name


class Surroundings:
    """The variables outside a function, as far as they can be seen from it, as they are now.

    Attributes:
        names: the variable's name for each array and Tensor among them, by id.
        generators: random generators within reach.
        arrays: NumPy's arrays within reach.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        reach = Reach(f)
        self.names, self.generators, self.arrays = reach.names, reach.generators, reach.arrays
        self._codes = reach.codes
        self._direct = {id(now(name, place)) for name, place in reach.variables}
        self._tensors = reach.tensors
        self._watched: list[Any] = [
            *(Variable(name, place) for name, place in reach.variables),
            *(Variable(name, x, _attribute) for name, x in reach.slots),
            *(Contents(name, x) for name, x in reach.containers),
            *(
                Space(space, [k for k in space if reach.named(k, shared)])
                for space, shared in reach.spaces
            ),
            *(
                Held(x.name or self.names.get(id(x), ""), x, reach.named("grad"))
                for x in reach.tensors
            ),
        ]

    def watch(self, inputs: Iterable[Any], read: Callable[[Any], bool]) -> None:
        """Remember the numbers of arrays that NumPy may have read.

        Args:
            inputs: arrays that are inputs of the program, which matter only if
            read: says that NumPy read them too.
        """
        known = {id(x) for x in inputs}
        for x in self.arrays:
            name = self.names.get(id(x), "")
            if id(x) in known:
                watch = read(x) or any(_numbers_of(code, name) for code in self._codes)
            else:
                only = all(_asks_shapes_only(code, name) for code in self._codes)
                watch = not (only and id(x) in self._direct)
            if watch:
                self._watched.append(Array(name, x))

    @property
    def nothing(self) -> bool:
        """Whether there is nothing that could change."""
        return not self._watched

    def changed(self) -> str | None:
        """What is not as it was, by name; None if all is."""
        for x in self._watched:
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
        locked = [x for x in self.arrays if x.flags.writeable]
        before = [(x, x.node.grad) for x in self._tensors]
        for x in locked:
            x.flags.writeable = False
        try:
            yield
        finally:
            # A view may be written to again once the array that it is a view of may be.
            for x in sorted(locked, key=_depth):
                x.flags.writeable = True
            new = [x for x, grad in before if x.node.grad is not grad]
            for x, grad in before:
                x.node.grad = grad
        if new:
            name = new[0].name or self.names.get(id(new[0]), "a Tensor")
            raise RecordingError(
                f"compile: backward() leaves a gradient in {name}, which the function closes over, "
                f"while it is being recorded, which later calls would not do; return grad(...) or "
                f"gradients(cost, [{name}]) instead"
            )


def _attribute(name: str, x: Any) -> Any:
    return getattr(x, name, EMPTY)


def _about(x: Tensor) -> tuple[Any, Any, Any]:
    return x.node.requires_grad, getattr(x._array, "strides", None), x.node.grad


def _contents(x: Any) -> list[Any]:
    if isinstance(x, (dict, MappingProxyType)):
        return [*x.keys(), *x.values()]
    return [bytes(x)] if isinstance(x, BUFFERS) else [*x]


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, PLAIN) and repr(a) == repr(b)


def _same(now: list[Any], then: list[Any]) -> bool:
    if len(now) != len(then):
        return False
    return all(map(is_, now, then)) or all(
        a is b or _equal(a, b) for a, b in zip(now, then, strict=True)
    )


def _depth(x: Any) -> int:
    depth = 0
    while x.base is not None and isinstance(x.base, np.ndarray):
        x, depth = x.base, depth + 1
    return depth


def _loads(code: CodeType, name: str) -> Iterator[tuple[Any, Any]]:
    """The two instructions after each one that looks a variable up, in code and code within it."""
    stack: list[Any] = [code]
    while stack:
        x = stack.pop()
        stack += [c for c in x.co_consts if isinstance(c, CodeType)]
        instructions: deque[Any] = deque([None, None], 3)
        for i in [*dis.get_instructions(x), None, None]:
            instructions.append(i)
            first, second, third = instructions
            if first is not None and first.argval == name and first.opname in LOADS:
                yield second, third


def _asks_shapes_only(code: CodeType, name: str) -> bool:
    """Whether code uses a variable in no other way than X.shape and the like."""
    return all(
        second is not None and second.opname == "LOAD_ATTR" and second.argval in ABOUT
        for second, _ in _loads(code, name)
    )


def _numbers_of(code: CodeType, name: str) -> bool:
    """Whether code takes elements of a variable or compares it, held[0] > 1: NumPy does."""
    return any(
        third is not None
        and (third.opname in ("BINARY_SUBSCR", "COMPARE_OP") or third.argrepr == "[]")
        for _, third in _loads(code, name)
    )


def _checksum(x: Any) -> Any:
    if x.dtype.hasobject:
        return repr(x.tolist())
    whole = x if x.flags.c_contiguous else x.T if x.flags.f_contiguous else x.copy()
    return crc32(whole.reshape(-1).view(np.uint8))
