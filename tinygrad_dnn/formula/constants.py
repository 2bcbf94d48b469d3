"""Constants in formulas: a number, an array in its numbers, or the name of an array.

A small array is written out, [[1, 1], [0, 1]], or by NumPy's word for it: ones(2, 1), I₂. Another
one has a name: that of a variable, where names were given, or c1, c2, ... as a graph reads them.
Equal arrays have one name, and one that is another's transpose is c1ᵀ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_dnn.formula.template import ATOM, MINUS, UNICODE, Piece, Script, formula_of
from tinygrad_dnn.graph import Graph, Leaf, Node

SHORT = 12  # characters of an array that is written out
FEW = 3  # positions that are shown as they are, though in a row
SAMPLED = 64  # elements, about, that tell most unequal arrays apart
_MOST = 999  # above this a denominator is no longer read at once
_NONE: Mapping[Node, str] = {}


class Constant(Leaf):
    """A constant array as a key among the names of nodes: equal arrays are one key."""

    __slots__ = ("_key",)

    def __init__(self, value: Any) -> None:
        super().__init__(value, False, None)
        self._key: tuple[Any, ...] = (id(value),)
        if isinstance(value, np.ndarray):
            some = value.flat[:: value.size // SAMPLED + 1]
            self._key = value.shape, value.dtype, some.tobytes()

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant) or self._key != other._key:
            return False
        one, two = self.value, other.value
        if one is two or not isinstance(one, np.ndarray):  # of another device: only like itself
            return one is two
        return _memory(one) == _memory(two) or one.tobytes() == two.tobytes()  # NaN is like NaN


def constant(x: Any, names: Mapping[Node, str] = _NONE, script: Script = UNICODE) -> Piece:
    """A constant as a reader would write it, and how tightly that binds.

    A number as a number or the fraction that it is, an array in its numbers or by its name; by its
    shape where it has none among `names`.
    """
    shape = _shape(x)
    if not shape:
        text = "constant" if shape is None else _figure(x)
        return script.plain(text), MINUS if text.startswith("-") or "/" in text else ATOM
    if (found := _name(Constant(x), names)) is not None:
        name, turned = script.name(found[0]), formula_of("{x}ᵀ")
        given = {"x": (name, ATOM)}
        return (turned.fill(script, given), turned.level) if found[1] else (name, ATOM)
    return _written(x, script) or script.plain(f"constant{tuple(shape)}"), ATOM


def arrays_of(nodes: Iterable[Node]) -> Iterator[Any]:
    """The constant arrays that nodes read, each object once, in their order."""
    seen: dict[int, Any] = {}
    for node in nodes:
        for x in node.inputs:
            if not isinstance(x, Node) and _shape(x) and id(x) not in seen:
                seen[id(x)] = x
                yield x


def positions_of(nodes: Iterable[Node]) -> Iterator[Any]:
    """The arrays of positions in the settings of nodes, `x[rows, y]`, in their order."""
    for node in nodes:
        stack: list[Any] = [*node.meta.values()][::-1] if node.op else []
        while stack:
            x = stack.pop()
            if isinstance(x, (tuple, list)):
                stack += x[::-1]
            elif isinstance(x, np.ndarray) and x.ndim:
                yield x


def is_in_a_row(x: Any) -> bool:
    """Whether positions are so many numbers, one after the other."""
    if not (isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "iu" and x.size > FEW):
        return False
    return bool((x == np.arange(x[0], x[0] + x.size)).all())


def array_names(
    graph: Graph, named: Mapping[Node, str], variables: Mapping[str, Any] | None = None
) -> dict[Node, str]:
    """The names of the constant arrays that a graph reads, apart from those that are written out.

    Args:
        named: the names that there are, of nodes and of arrays; the latter stay.
        variables: what lends arrays its names, by identity or as a transpose of the same memory;
            positions, which are copied as they are recorded, by their values. Where different
            variables hold equal arrays, none does.
    """
    names: dict[Node, str] = {x: n for x, n in named.items() if isinstance(x, Constant)}
    arrays = [Constant(x) for x in arrays_of(graph)]
    taken = {*named.values()}
    at = [Constant(x) for x in positions_of(graph) if not is_in_a_row(x)]
    at += [x for x in arrays if getattr(x.value, "dtype", np.dtype(float)).kind in "biu"]
    lent = _lent(arrays, variables or {}) | _lent(at, variables or {}, copied=True)
    for x, name in lent.items():
        k, free = 1, name
        while free in taken and x not in names:
            k, free = k + 1, f"{name}_{k + 1}"
        names.setdefault(x, free)
        taken.add(free)
    count = 0
    for x in arrays:
        if is_written(x.value, names) or _name(x, names):
            continue
        count += 1
        while f"c{count}" in taken:
            count += 1
        names[x] = f"c{count}"
    return names


def named_arrays(names: Mapping[Node, str]) -> dict[str, Any]:
    """The constant arrays among what has a name, by name."""
    return {name: x.value for x, name in names.items() if isinstance(x, Constant)}


def boxes_of(nodes: Iterable[Node], names: Mapping[Node, str]) -> dict[int, Any]:
    """The constant arrays that have a box in a picture: for each, by its id(), the array whose box
    it is, the first that is equal, or turned. What is written out has none.
    """
    found: dict[int, Any] = {}
    first: dict[Constant, Any] = {}
    for x in arrays_of(nodes):
        key = Constant(x)
        if key not in first and (turned := _turned(key)) is not None and turned in first:
            key = turned
        if key in first or not is_written(x, names):
            found[id(x)] = first.setdefault(key, x)
    return found


def is_written(x: Any, names: Mapping[Node, str] = _NONE) -> bool:
    """Whether formulas write an array out, as they do a number, since it has no name."""
    return _name(Constant(x), names) is None and _written(x, UNICODE) is not None


def figures(x: Any, longest: int, script: Script = UNICODE) -> str | None:
    """A vector or matrix in its numbers; None where these take more than `longest` characters."""
    if not (isinstance(x, np.ndarray) and 0 < x.ndim < 3 and 0 < x.size <= longest):
        return None
    rows, matrix = [[_figure(v) for v in row] for row in np.atleast_2d(x)], x.ndim == 2
    if len(UNICODE.numbers(rows, matrix)) > longest:
        return None
    return script.numbers([[script.plain(v) for v in row] for row in rows], matrix)


def _shape(x: Any) -> Any:
    """The shape; () of any number, None of what has none."""
    return () if isinstance(x, (bool, int, float)) else getattr(x, "shape", None)


def _name(x: Constant, names: Mapping[Node, str]) -> tuple[str, bool] | None:
    """The name that an array has, or its transpose; and whether it is that of the transpose."""
    if x in names:
        return names[x], False
    turned = _turned(x)
    return (names[turned], True) if turned is not None and turned in names else None


def _turned(x: Constant) -> Constant | None:
    """The transpose of a matrix."""
    matrix = isinstance(x.value, np.ndarray) and x.value.ndim == 2
    return Constant(x.value.T) if matrix else None


def _lent(
    arrays: Iterable[Constant], variables: Mapping[str, Any], copied: bool = False
) -> dict[Constant, str]:
    """The names of variables that hold the very arrays, or whose transposes these are.

    Args:
        copied: whether the arrays are copies.
    """
    held: dict[Constant, tuple[str, Any]] = {}
    unclear = set[Constant]()
    for name, value in variables.items():
        if type(value) is np.ndarray and value.ndim and not str(name).startswith("_"):
            key = Constant(value)
            if held.setdefault(key, (str(name), value))[1] is not value:
                unclear.add(key)
    found: dict[Constant, str] = {}
    for x in arrays:
        for key in filter(None, (x, _turned(x))):
            name, value = held.get(key, ("", None))
            lent = name and key not in unclear and key not in found
            if lent and (copied or value is key.value or _memory(value) == _memory(key.value)):
                found[key] = name
                break
    return found


def _memory(x: Any) -> tuple[Any, ...]:
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


def _written(x: Any, script: Script) -> str | None:
    """An array in a word or in its numbers; None where it is long, or not to be looked at."""
    if not isinstance(x, np.ndarray):
        return None
    if x.size == 0:
        return script.plain(f"zeros{_of(x.shape)}")
    uniform = _uniform(x)
    if x.size > 1 and uniform in (0, 1):
        return script.plain(f"{'ones' if uniform else 'zeros'}{_of(x.shape)}")
    if _is_identity(x):
        return script.lowered(script.plain("I"), script.plain(str(len(x))))
    if (found := figures(x, SHORT, script)) is not None:
        return found
    if uniform is None:
        return None
    return script.plain(f"full({tuple(x.shape)}, {_figure(x.flat[0])})")


def _of(shape: Iterable[int]) -> str:
    """The lengths of the axes in brackets: (2, 1), (2)."""
    return f"({', '.join(map(str, shape))})"


def _uniform(x: Any) -> Any:
    """The number that an array holds everywhere; None where there are several, or truth values."""
    first = x.flat[0]
    alike = x.dtype.kind != "b" and x.flat[-1] == first and bool((x == first).all())
    return first if alike else None


def _is_identity(x: Any) -> bool:
    if x.ndim != 2 or x.shape[0] != x.shape[1] or len(x) < 2 or x.dtype.kind == "b":
        return False
    return x[0, 0] == 1 and bool((x.diagonal() == 1).all()) and np.count_nonzero(x) == len(x)


def _figure(value: Any) -> str:
    """`0.25`; `1/3`, where six digits would not do and that is exactly the number."""
    if isinstance(value, (bool, int)) or str(getattr(value, "dtype", "")) == "bool":
        return str(value)
    value = value[()] if isinstance(value, np.ndarray) else value
    text, kind = f"{value:.6g}", type(value)
    known = isinstance(value, (float, np.floating))  # no integer, and not on another device
    if not known or not isfinite(value) or kind(float(text)) == value:
        return text
    from fractions import Fraction  # with decimal a tenth of an import of NumPy; most do without

    near = Fraction(float(value)).limit_denominator(_MOST)
    exact = near and kind(near.numerator) / kind(near.denominator) == value
    return str(near) if exact else text
