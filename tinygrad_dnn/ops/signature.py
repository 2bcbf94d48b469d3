"""The arguments of an op: arrays before the `/`, metadata after it, and a call sorted into them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.glossary import ARGUMENTS, advice

_FIXED = frozenset((bool, int, float, str, type(None)))  # settings that nobody can change


class Signature:
    """The name of an op, and the arguments that its forward takes.

    Attributes:
        name: of the op.
        arrays: the names of its arrays.
        many: whether it takes any number of arrays, under one name.
        settings: the names of its metadata.
        defaults: what settings are where a call does not say.
        required: the settings that have no default.
    """

    def __init__(self, forward: Callable[..., Any], name: str | None) -> None:
        self.name = self.__name__ = name or forward.__name__
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__signature__ = inspect.signature(forward)
        params = self.__signature__.parameters.values()
        self.many = any(p.kind is p.VAR_POSITIONAL for p in params)
        self.arrays = tuple(
            p.name for p in params if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)
        )
        meta = [p for p in params if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.settings = tuple(p.name for p in meta)
        # After `*arrays` Python takes settings by name alone; a call gives the arrays as one.
        self.positional = tuple(
            p.name for p in meta if p.kind is p.POSITIONAL_OR_KEYWORD or self.many
        )
        given = {p.name: p.default for p in meta if p.default is not p.empty}
        self.defaults = {k: self._frozen(k, v) for k, v in given.items()}
        self.required = frozenset(self.settings) - self.defaults.keys()
        # The number of arguments of a call that needs no sorting out: arrays and nothing else.
        self.simple = -1 if self.many or self.required else len(self.arrays)
        self.most = len(self.arrays) + len(self.positional)

    def bind(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Split a NumPy-style call into arrays and complete metadata.

        Raises:
            TypeError: unknown or missing arguments, or a NumPy option that is not differentiated.
        """
        if self.many:
            if not args and self.arrays[0] in kwargs:
                kwargs = dict(kwargs)
                args = (kwargs.pop(self.arrays[0]),)
            arrays, extra = tuple(args[0]) if args else (), tuple(args[1:])
        else:
            arrays, extra = tuple(args[: len(self.arrays)]), tuple(args[len(self.arrays) :])
            for name in self.arrays[len(arrays) :]:  # the rest by name
                if name in kwargs:
                    kwargs = dict(kwargs)
                    arrays += (kwargs.pop(name),)
        if len(arrays) < len(self.arrays):
            raise TypeError(
                f"{self.name}: expected {len(self.arrays)} array(s) "
                f"({', '.join(self.arrays)}), got {len(arrays)}"
            )
        if len(extra) > len(self.positional):
            raise TypeError(f"{self.name}: too many arguments; expected {self.__signature__}")
        meta = self.defaults | dict(zip(self.positional, extra, strict=False))
        for name, value in kwargs.items():
            if name in self.settings:
                meta[name] = value
            elif value is not None:  # NumPy's wrappers pass out=None and the like
                raise TypeError(
                    f"{self.name}: no argument {name!r} here"
                    f"{advice(ARGUMENTS, name, self.settings)}; expected {self.__signature__}"
                )
        if missing := self.required - meta.keys():
            raise TypeError(f"{self.name}: missing {', '.join(sorted(missing))}")
        return arrays, {k: v if type(v) in _FIXED else self._frozen(k, v) for k, v in meta.items()}

    def _frozen(self, name: str, value: Any) -> Any:
        """Metadata as it stays recorded: nobody's list, nobody's array, and no Tensor."""
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, np.ndarray):
            return value.copy()
        if hasattr(type(value), "__record__"):
            if value.shape == () and value.dtype.kind in "iu":
                return int(value.item())
            raise TypeError(
                f"{self.name}: {name} is not differentiable and can't be a Tensor; "
                "pass its .data or a Python number"
            )
        return value
