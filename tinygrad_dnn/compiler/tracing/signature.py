"""Arguments of a function that is compiled: what is an input, what a setting, and what f sees."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import is_elsewhere, module_of
from tinygrad_dnn.autodiff.pytree import Layout
from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.compiler.guards.reachable import plain
from tinygrad_dnn.compiler.python_text import quoted
from tinygrad_dnn.graph import Leaf


@dataclass
class Argument:
    """One argument of the recorded function.

    Attributes:
        leaves: in the order of `tree.flatten`, an input of the graph for every array, and None for
            what is a setting (a number, a text).
        paths: how each is reached: `parameters["W1"]`.
    """

    name: str
    layout: Layout
    leaves: list[Leaf | None]
    paths: list[str]


def is_array(x: Any) -> bool:
    """Whether an argument is an input; everything else is a setting, built into the program."""
    return isinstance(x, (np.ndarray, np.generic, Tensor)) or is_elsewhere(x)


class Bound:
    """Arguments sorted out as the function's signature says.

    Attributes:
        given: by name, defaults included, in the order of the signature.
        kinds: how each may be given; None where positions do not tell.
        exact: whether the signature is the function's own, so that it fills in its defaults.

    Raises:
        TypeError: they do not fit the signature.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.given: dict[str, Any] = {}
        self.kinds: dict[str, Any] | None = {}
        self.exact = False
        self._call: inspect.BoundArguments | None = None
        try:
            self._call, self.exact = _call_of(f, args, kwargs)
        except ValueError:  # some of those written in C do not tell
            if kwargs:
                raise TypeError("compile: this function takes positional arguments only") from None
            self.given = {f"x{i}": x for i, x in enumerate(args)}
            return
        signature = self._call.signature
        for name, parameter in signature.parameters.items():
            if name not in self._call.arguments:
                continue
            value = self._call.arguments[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                for i, x in enumerate(value):
                    while f"{name}{i}" in signature.parameters or f"{name}{i}" in self.given:
                        name += "_"
                    self.given[f"{name}{i}"] = x
            elif parameter.kind is parameter.VAR_KEYWORD:
                self.given |= value
            else:
                self.given[name] = value
                self.kinds[name] = parameter.kind
        if kwargs and not (self.exact and self.given.keys() == self.kinds.keys()):
            self.kinds = None

    def call(self, f: Callable[..., Any], values: Iterable[Any]) -> Any:
        """f with these values in place of those that were given."""
        if self._call is None:
            return f(*values)
        at = iter(values)
        for name, parameter in self._call.signature.parameters.items():
            if name not in self._call.arguments:
                continue
            there = self._call.arguments[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                self._call.arguments[name] = tuple(next(at) for _ in there)
            elif parameter.kind is parameter.VAR_KEYWORD:
                self._call.arguments[name] = {k: next(at) for k in there}
            else:
                self._call.arguments[name] = next(at)
        return f(*self._call.args, **self._call.kwargs)


def _call_of(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[inspect.BoundArguments, bool]:
    """A call as the signature sorts it out, and whether it is the function's own.

    A wrapper says whose signature it has; what that leaves out is left to the wrapper, and so is
    everything where the wrapper takes something else.
    """
    if isinstance(f, np.ufunc):  # its signature has options that exclude each other
        raise ValueError
    try:
        signature = inspect.signature(f)
    except TypeError:
        raise ValueError from None
    own = inspect.signature(f, follow_wrapped=False)
    if signature == own:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        return call, True
    try:
        return signature.bind(*args, **kwargs), False
    except TypeError:
        return own.bind(*args, **kwargs), False


def paths(layout: Layout, at: str) -> Iterator[str]:
    """How each array of a structure is reached from the whole."""
    if layout is None:
        yield at
    elif isinstance(layout, dict):
        for key, part in layout.items():
            yield from paths(part, f"{at}[{quoted(key)}]")
    else:
        for i, part in enumerate(layout):
            yield from paths(part, f"{at}[{i}]")


def refuse_structure(name: str, part: Any) -> None:
    """Dicts that answer otherwise than a dict, and keys that no source can have."""
    stack = [part]
    while stack:
        x = stack.pop()
        if isinstance(x, dict):
            kind = type(x)
            if kind.__getitem__ is not dict.__getitem__ or hasattr(kind, "__missing__"):
                raise RecordingError(
                    f"compile: {name} is a {kind.__name__}, which has a way of its own to look up "
                    "its items; give a dict of them"
                )
            for key in x:
                if not plain(key):
                    raise RecordingError(
                        f"compile: {name} has {key!r} as a key; expected texts or numbers"
                    )
            stack += x.values()
        elif isinstance(x, (list, tuple)):
            stack += x


def stand_in(name: str, x: Any) -> Any:
    """The Tensor that f sees for an array; a setting as it is.

    Raises:
        RecordingError: it is a random generator, or an array that no program can work on.
    """
    if isinstance(x, (np.random.Generator, np.random.RandomState)):
        raise RecordingError(
            f"compile: {name} is a random generator, whose numbers would be the same ones in "
            "every call; draw them outside and pass them as an argument"
        )
    if not is_array(x):
        return x
    if isinstance(x, np.generic):
        return Tensor(np.asarray(x))
    if module_of(value_of(x)) is not None:
        return Tensor(x._array, x.requires_grad, x.name) if isinstance(x, Tensor) else Tensor(x)
    kind = type(value_of(x))
    raise RecordingError(
        f"compile: {name} is a {kind.__module__}.{kind.__name__}; programs are written for arrays "
        "that one can write into, numpy.ndarray and cupy.ndarray; call the function uncompiled"
    )


def short(path: str) -> str:
    """`parameters["W1"]` is called W1, `layers[0]` layers_0."""
    words = path.replace("]", "").replace('"', "").split("[")
    if words[-1].isidentifier():
        return words[-1]
    return "_".join("".join(c if c.isalnum() else "_" for c in w) for w in words)
