"""A printed module loaded: it knows what arguments it was written for, and runs in any thread."""

from __future__ import annotations

import linecache
import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from itertools import count
from sys import getrefcount
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import module_of
from tinygrad_dnn.autodiff.pytree import Layout, flatten, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.compiler.guards.reachable import plain
from tinygrad_dnn.compiler.tracing.record import Recording
from tinygrad_dnn.compiler.tracing.signature import is_array
from tinygrad_dnn.graph import Graph
from tinygrad_dnn.rewrite import Rewritten, explain

_number = count(1).__next__
Key = tuple[Any, ...]
NEEDED = object()
HERE = "an object of this process"


def travels(key: Key) -> bool:
    """Whether a key says the same in another process."""
    return all(part[0] != HERE for part in key)


def layout_of(x: Any) -> Any:
    """The memory order of an array, as far as a program depends on it."""
    if x.flags.c_contiguous:
        return "C"
    return "F" if x.flags.f_contiguous else x.strides


def key_of(given: Mapping[str, Any]) -> Key:
    """Return a program's key: structure, shapes, dtypes, orders, and the settings' values.

    Args:
        given: the arguments by name, as `arguments.Bound` has them.
    """
    parts: list[Any] = []
    for name, value in given.items():
        flat, layout = flatten(value)
        parts.append((name, repr(layout)))
        for x in flat:
            if not is_array(x):
                parts.append((type(x), repr(x)) if _plain(x) else (HERE, id(x)))
                continue
            about = (x.requires_grad, x.name) if isinstance(x, Tensor) else None
            a = value_of(x)
            a = np.asarray(a) if isinstance(a, np.generic) else a
            parts.append((a.shape, getattr(a, "dtype", None), _order(a), about))
    return tuple(parts)


def changed_number(key: Key, other: Key) -> str | None:
    """The argument in which two keys have different numbers, where that is all the difference."""
    if len(key) != len(other):
        return None
    argument = found = None
    for part, theirs in zip(key, other, strict=True):
        if isinstance(part[0], str) and part[0] != HERE:
            argument = part[0]
        if part != theirs:
            if part[0] not in (int, float) or theirs[0] not in (int, float):
                return None
            found = argument
    return found


def _order(a: Any) -> Any:
    if type(a) is np.ndarray:
        return layout_of(a)
    return (type(a), layout_of(a)) if module_of(a) is not None else type(a)


def _plain(x: Any) -> bool:
    return plain(x) or (isinstance(x, type) and x.__module__ in ("builtins", "numpy"))


class Program:
    """A module that was written for one key.

    Attributes:
        source: its text.
        objects: what the text refers to and can't contain; empty if it can be saved.
        steps: the rewrites that were done on the way.
        attached: names of captured Tensors whose gradients its results lose.
        threads: that run its blocks; None for as many as there are cores for this process.
        blocks: what runs block by block, in words.
    """

    def __init__(
        self,
        source: str,
        function: str,
        *,
        arguments: Sequence[tuple[str, bool]],
        layout: Layout,
        captured: Mapping[str, Any],
        objects: Mapping[str, Any] | None = None,
        steps: Sequence[Any] = (),
        guard: Callable[..., bool] | None = None,
        attached: Sequence[str] = (),
        threads: int | None = None,
        blocks: Sequence[str] = (),
    ) -> None:
        self.source, self.function = source, function
        self.arguments, self.layout = tuple(arguments), layout
        self.captured, self.objects = dict(captured), dict(objects or {})
        self.steps = list(steps)
        self.guard, self.attached = guard, tuple(attached)
        self.threads, self.blocks = threads, tuple(blocks)
        self._special = _special(layout)
        self._used = [i for i, (_, used) in enumerate(self.arguments) if used]
        self._whole = len(self._used) == len(self.arguments)
        self._local = threading.local()
        # A file of its own for tracebacks and profilers.
        self.filename = f"<compiled {function} {_number()}>"
        linecache.cache[self.filename] = (
            len(source), None, source.splitlines(keepends=True), self.filename,
        )  # fmt: skip
        weakref.finalize(self, linecache.cache.pop, self.filename, None).atexit = False
        self._names: dict[str, Any] = dict(self.objects)
        exec(compile(source, self.filename, "exec"), self._names)
        self._names["_THREADS"] = threads

    def run(self, args: Sequence[Any], reuse: bool = False) -> Any:
        """The results for arguments that fit."""
        local = self._local
        try:
            step = local.step
        except AttributeError:
            step = local.step = self._names["workspace"]()
            local.pool = Pool(self._names.get("results"))
        if not self._whole:
            args = [args[i] for i in self._used]
        held = {name: value_of(x) for name, x in self.captured.items()} if self.captured else {}
        if reuse and "results" in self._names:
            held["out"] = local.pool.free()
        found = step(*args, **held) if held else step(*args)
        return rebuild(self.layout, flatten(found)[0]) if self._special else found

    def explain(self) -> str:
        """The rewrites, a line each: the row, before → after; the row alone after pickling. Then
        what runs block by block.
        """
        if any(isinstance(s, str) for s in self.steps):
            return "\n".join([*self.steps, *self.blocks])
        told = explain(Rewritten(Graph([], ()), {}, self.steps))
        return "\n".join([*([told] if self.steps or not self.blocks else []), *self.blocks])

    def __getstate__(self) -> dict[str, Any]:
        if self.objects:
            raise TypeError(
                f"compile: {self.function} can't be pickled or saved: its source needs "
                f"{', '.join(self.objects)}, which has no text of its own"
            )
        return {
            "source": self.source,
            "function": self.function,
            "arguments": self.arguments,
            "layout": self.layout,
            "captured": {k: value_of(x) for k, x in self.captured.items()},
            "threads": self.threads,
            "blocks": self.blocks,
            "steps": [s if isinstance(s, str) else s.row.name for s in self.steps],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.pop("source"), state.pop("function"), **state)  # type: ignore[misc]


class Pool:
    """Sets of arrays for results to lie in: one that nobody holds any more, else a new one.

    Args:
        make: makes a set.
    """

    def __init__(self, make: Any) -> None:
        self._make = make
        self._sets: deque[tuple[Any, ...]] = deque(maxlen=SETS)

    def free(self) -> tuple[Any, ...]:
        """A set that may be written to; one that is always held leaves the pool by and by."""
        for arrays in self._sets:
            if _holders(arrays) <= ALONE:
                return arrays
        self._sets.append(self._make())
        return self._sets[-1]


def _holders(arrays: tuple[Any, ...]) -> int:
    """How often the array is held that is held most often; a view holds its base."""
    return max(map(getrefcount, arrays), default=0)


SETS = 4  # a loop needs two: the results that are arguments, and those that are made of them
ALONE = _holders((object(),))


def _special(layout: Layout) -> bool:
    """Whether a result holds a structure that a module can't write: a named tuple, a subclass."""
    stack = [layout]
    while stack:
        part = stack.pop()
        if part is None:
            continue
        if type(part) not in (dict, list, tuple):
            return True
        stack += part.values() if isinstance(part, dict) else part
    return False


def guard_for(
    recording: Recording,
    given: Mapping[str, Any],
    kinds: Mapping[str, Any] | None,
    defaults: Mapping[str, Any],
) -> Callable[..., bool] | None:
    """A quick test, written out for one key: do these positional arguments fit a program?

    It says no where it does not know; the key then decides.

    Args:
        kinds: how each of those given may be given, as `arguments.Bound` has it.
        defaults: of the function's settings, which a call may leave out.
    """
    if kinds is None:
        return None
    tests: list[str] = []
    names: dict[str, Any] = {}
    parameters = []
    for i, (argument, value) in enumerate(zip(recording.arguments, given.values(), strict=True)):
        p = f"p{i}"
        word = f"default{i}"
        usual = argument.name in defaults and defaults[argument.name] is value
        left_out = usual and not any(leaf is not None for leaf in argument.leaves)
        names[word] = value if left_out else NEEDED
        keyword = kinds.get(argument.name) is Parameter.KEYWORD_ONLY
        if keyword and "*" not in parameters:
            parameters.append("*")
        parameters.append(f"{p}={word}")
        flat, layout = flatten(value)
        tests += _structure(layout, p, names)
        for x, path in zip(flat, argument.paths, strict=True):
            at = p + path[len(argument.name) :]
            tests += _value(x, at, names)
    body = " and ".join(tests) or "True"
    # Without a default of its own an argument that is left out fits nothing.
    text = f"def fits({', '.join(parameters)}):\n    return {body}\n"
    exec(compile(text, __file__, "exec"), names)
    fits: Callable[..., bool] = names["fits"]
    return fits


def _structure(layout: Layout, at: str, names: dict[str, Any]) -> list[str]:
    if layout is None:
        return []
    kind = f"k{len(names)}"
    names[kind] = type(layout)
    keys = f"k{len(names)}"
    names[keys] = [*layout] if isinstance(layout, dict) else len(layout)
    # A dict's order is the order of what the function finds in it.
    there = f"[*{at}] == {keys}" if isinstance(layout, dict) else f"len({at}) == {keys}"
    tests = [f"type({at}) is {kind}", there]
    parts = layout.items() if isinstance(layout, dict) else enumerate(layout)
    for key, part in parts:
        tests += _structure(part, f"{at}[{key!r}]", names)
    return tests


def _value(x: Any, at: str, names: dict[str, Any]) -> list[str]:
    if (module := module_of(x)) is not None:
        word = f"d{len(names)}"
        names[word] = x.dtype
        kind = f"ndarray_{module.__name__}"
        names[kind] = type(x)
        # An array's own dtype is one object per kind of number.
        return [
            f"type(x := {at}) is {kind}", f"x.shape == {x.shape}", f"x.dtype is {word}",
            f"x.strides == {x.strides}",
        ]  # fmt: skip
    if is_array(x) or (isinstance(x, float) and x != x):
        return ["False"]
    if isinstance(x, float) and x == 0:  # 0.0 == −0.0
        names["copysign"] = math.copysign
        sign = math.copysign(1.0, x)
        return [f"type({at}) is float", f"{at} == 0.0", f"copysign(1.0, {at}) == {sign}"]
    word = f"v{len(names)}"
    names[word] = x
    if _plain(x):
        return [f"type({at}) is type({word})", f"{at} == {word}"]
    return [f"{at} is {word}"]
