"""Guards on all that a function reads besides its arguments: whether it is still the same.

Its values go into a compiled program; a program asks here before it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.bytecode import Site, uses
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.compiler.guards.reachable import Reach, code_like, dunder, plain
from tinygrad_dnn.compiler.guards.watched import (
    Array,
    Contents,
    Function,
    Held,
    Space,
    Table,
    Variable,
    attribute,
    checksum,
)

# Names by which arrays are written to that are locked: NumPy's `add.at` does not ask.
_UNLOCKED = {"at", "ctypes", "memmove", "memset"}


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
            *(Variable(name, x, attribute) for name, x in reach.slots),
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
        sums = [checksum(x) for x in locked] if self._unlocked else []
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
            if checksum(x) != was:
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


def _bases(x: Any) -> Iterator[Any]:
    """An array, and those that it is a view of."""
    while isinstance(x, np.ndarray):
        yield x
        x = x.base
