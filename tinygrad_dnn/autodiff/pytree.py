"""Dicts, lists, tuples and dataclasses of arrays as one flat list, or one vector, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

Layout = Any

PASSING = (type(None), bool, int, str)  # parts of a tree that are no arrays


class Record(NamedTuple):
    """The layout of a dataclass: those of its fields, and what else the object has."""

    kind: type
    parts: dict[str, Layout]
    others: dict[str, Any]

    def made(self, values: Iterator[Any]) -> Any:
        """An object with these fields; `__init__` and `__post_init__` are not called again."""
        whole: Any = object.__new__(self.kind)
        for name, value in (*self.others.items(), *zip(self.parts, values, strict=True)):
            object.__setattr__(whole, name, value)  # frozen ones too
        return whole


class Kept(NamedTuple):
    """The layout of what is no array: itself."""

    value: Any


def flatten(tree: Any, records: bool = False) -> tuple[list[Any], Layout]:
    """The arrays of nested dicts, lists and tuples in order, and the layout to rebuild them.

    Args:
        records: look into dataclasses, too.
    """
    leaves: list[Any] = []
    return leaves, _taken(tree, leaves, records, ())


def arrays_of(tree: Any) -> tuple[list[Any], Layout]:
    """`flatten` into dataclasses too; None, whole numbers and texts are in the layout alone."""
    leaves: list[Any] = []
    return leaves, _taken(tree, leaves, True, PASSING)


def rebuild(layout: Layout, leaves: Sequence[Any]) -> Any:
    """The structure of a layout with these arrays in it."""
    return _put(layout, iter(leaves))


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """The tree, dataclasses included, of what f makes of each leaf."""
    leaves, layout = flatten(tree, records=True)
    return rebuild(layout, [f(x) for x in leaves])


def ravel_tree(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a tree of arrays in one vector, and the function that goes back.

    The tree: nested dicts, lists, tuples and dataclasses. None, whole numbers, truth values and
    texts of Python are not in the vector; going back they are what they were.

    `vector, unravel = ravel_tree(parameters)`; `unravel(vector)` has the parameters' shapes and
    dtypes. A minimiser that knows only vectors is given

        def f(w):
            cost, gradients = value_and_grad(loss)(unravel(w))
            return cost, ravel_tree(gradients)[0]

    Arrays or Tensors: both directions are recorded, so they can be differentiated.

    Raises:
        ValueError: the vector that is to go back has another length.

    Example: `vector, unravel = ravel_tree({"W": W, "b": x})`; `unravel(vector)["b"]` is `x`.
    """
    leaves, layout = arrays_of(tree)
    arrays = [x if hasattr(x, "shape") else np.asarray(x) for x in leaves]
    shapes, dtypes = [x.shape for x in arrays], [x.dtype for x in arrays]
    ends = np.cumsum([prod(shape) for shape in shapes], dtype=int).tolist()
    total = ends[-1] if ends else 0

    def unravel(vector: Any) -> Any:
        if vector.shape != (total,):
            raise ValueError(f"unravel: expected a vector ({total},), got {vector.shape}")
        parts = [
            vector[end - prod(shape) : end].reshape(shape).astype(dtype)
            for shape, dtype, end in zip(shapes, dtypes, ends, strict=True)
        ]
        return rebuild(layout, parts)

    # At least one part, so that an empty tree is an empty vector.
    parts = [x.reshape(-1) for x in arrays] or [np.empty(0)]
    return np.concatenate(parts), unravel


def paths(tree: Any, records: bool = False, passing: tuple[type, ...] = ()) -> list[str]:
    """How each array is reached from the whole, in the order of `flatten`: `['layer 1'][0]`.

    Args:
        passing: types of what is left out, PASSING in the order of `arrays_of`.
    """
    found: list[str] = []
    stack = [("", tree)]
    while stack:
        at, part = stack.pop()
        if isinstance(part, dict):
            inner = [(f"{at}[{key!r}]", x) for key, x in part.items()]
        elif isinstance(part, (list, tuple)):
            inner = [(f"{at}[{i}]", x) for i, x in enumerate(part)]
        elif records and _is_record(part):
            inner = [(f"{at}.{name}", x) for name, x in _parts(part).items()]
        else:
            found += [] if type(part) in passing else [at]
            continue
        stack += reversed(inner)
    return found


def _is_record(part: Any) -> bool:
    return is_dataclass(part) and not isinstance(part, type)


def _parts(part: Any) -> dict[str, Any]:
    return {f.name: getattr(part, f.name) for f in fields(part)}


# Functions of their own: one within another that calls itself would hold the arrays in a circle,
# until Python's collector comes.


def _taken(part: Any, leaves: list[Any], records: bool, passing: tuple[type, ...]) -> Layout:
    if isinstance(part, dict):
        return {key: _taken(value, leaves, records, passing) for key, value in part.items()}
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return type(part)(*(_taken(x, leaves, records, passing) for x in part))
    if isinstance(part, (list, tuple)):
        return type(part)(_taken(x, leaves, records, passing) for x in part)
    if records and _is_record(part):
        inside = _parts(part)
        others = {k: v for k, v in getattr(part, "__dict__", {}).items() if k not in inside}
        taken = {name: _taken(value, leaves, records, passing) for name, value in inside.items()}
        return Record(type(part), taken, others)
    if type(part) in passing:
        return Kept(part)
    leaves.append(part)
    return None


def _put(part: Layout, leaves: Iterator[Any]) -> Any:
    if part is None:
        return next(leaves)
    if isinstance(part, Kept):
        return part.value
    if isinstance(part, dict):
        return {key: _put(value, leaves) for key, value in part.items()}
    if isinstance(part, Record):
        return part.made(_put(x, leaves) for x in part.parts.values())
    if hasattr(part, "_fields"):
        return type(part)(*(_put(x, leaves) for x in part))
    return type(part)(_put(x, leaves) for x in part)
