"""How the settings of an op are written: `Σⱼ x`, `x[:, 1:3]`, `roll(x, 2)`.

An axis is the letter of the index that runs along it, i for the first, j for the second. A
reduction over j keeps that axis, with length 1; in brackets, Σ₍ⱼ₎, it is gone; without a letter it
is over everything. Where a formula stands beside its own shape, what the shape tells is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from tinygrad_dnn.formula.constants import Constant, is_in_a_row
from tinygrad_dnn.formula.template import Formula, formula_of
from tinygrad_dnn.graph import Node

LETTERS = "ijklprstuv"  # what runs along the first axis, the second, ...
SHOWN = 8  # elements of an array of positions that are shown in full
_FEW = 3  # those shown of a longer one

Shape = tuple[int, ...]
_NONE: Mapping[Node, str] = {}


def wording(node: Node, beside: bool) -> Formula:
    """The template of a node's op with its settings.

    A setting that the op's own template does not mention is added where it is not its default:
    `tr(x, offset=1)`.

    Args:
        beside: whether the formula stands beside the shape of its result.
    """
    op, meta = node.op, node.meta
    declared = op.formula
    if callable(declared):
        code = declared.__code__
        numbers = sum(getattr(x, "shape", ()) == () for x in node.inputs)
        known = {**meta, "z_shape": node.shape, "beside": beside, "numbers": numbers}
        known |= {f"{a}_shape": s for a, s in zip(op.arrays, node.input_shapes, strict=False)}
        names = code.co_varnames[: code.co_argcount]
        told = declared(**{name: known[name] for name in names})
        return told if isinstance(told, Formula) else formula_of(told)
    formula = formula_of(declared)
    if not meta:
        return formula
    shown = {*formula.mentioned, *(["keepdims"] if formula.has_axis else [])}
    more = [
        k
        for k, v in meta.items()
        if k not in shown and (k not in op.defaults or setting(v) != setting(op.defaults[k]))
    ]
    return formula_of(_with(declared, [f"{k}={{{k}}}" for k in more])) if more else formula


def _with(template: str, settings: Sequence[str]) -> str:
    """`f({x}, k={k})`; `({x} ⋆ {y}; k={k})` of what is no function."""
    listed = ", ".join(settings)
    if template.endswith(")"):
        return f"{template[:-1]}, {listed})"
    return f"({template}; {listed})"


def values(
    formula: Formula, node: Node, beside: bool, names: Mapping[Node, str] = _NONE
) -> dict[str, str]:
    """Return the texts for the places of a template that are no operands.

    Args:
        names: those of arrays of positions, among others.
    """
    meta = node.meta
    texts = {
        k: index(v, names) if k == "index" else setting(v, names)
        for k, v in meta.items()
        if k in formula.mentioned
    }
    if "z_shape" in formula.mentioned:
        texts["z_shape"] = setting(node.shape)
    if formula.has_axis:
        texts["axis"] = over(meta, next(iter(node.input_shapes), ()), node.shape, beside)
    return texts


# --- axes -----------------------------------------------------------------------------------------


def over(meta: Mapping[str, Any], x_shape: Shape, shape: Shape, beside: bool) -> str:
    """The letters of an axis: `j` where it stays, `(j)` where it is gone, nothing for all axes."""
    axis, n = meta["axis"], len(x_shape)
    if "keepdims" not in meta:  # nothing is reduced; None is the array flattened
        return "" if axis is None or n < 2 else letters(_several(axis, n))
    if n == 0:
        return ""
    gone = range(n) if axis is None else sorted(set(_several(axis, n)))
    kept = meta["keepdims"]
    if (len(gone) == n and not kept) or (beside and settled(x_shape, gone, shape)):
        return ""
    return letters(gone) if kept else f"({letters(gone)})" if gone else "()"


def settled(x_shape: Shape, gone: Sequence[int], shape: Shape) -> bool:
    """Whether the shape of a result tells which axes it was reduced over.

    It does where they were kept. Where they are gone others may leave the same shape, as each of
    the two axes of a square does; axes of length 1 make no difference.
    """
    n = len(x_shape)
    if len(shape) == n:
        return True
    ways = {
        tuple(i for i in some if x_shape[i] != 1)
        for some in combinations(range(n), len(gone))
        if tuple(x_shape[i] for i in range(n) if i not in some) == shape
    }
    return len(ways) == 1


def letters(axes: Sequence[int]) -> str:
    """`i k`: the letters of the first and the third axis."""
    return " ".join(LETTERS[a] if a < len(LETTERS) else str(a) for a in axes)


def _several(axis: Any, n: int) -> tuple[int, ...]:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(int(a) % n for a in axes)


# --- values ---------------------------------------------------------------------------------------


def setting(value: Any, names: Mapping[Node, str] = _NONE) -> str:
    """A setting as one would write it: `(2, 0, 1)`, `float32`, the first of many positions."""
    if isinstance(value, tuple):
        return f"({_listed(value, names)}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{_listed(value, names)}]"
    if isinstance(value, slice):
        start, stop = ("" if v is None else str(v) for v in (value.start, value.stop))
        return f"{start}:{stop}" + ("" if value.step is None else f":{value.step}")
    if isinstance(value, range) and (value.start, value.step) == (0, 1):
        return f"range({value.stop})"
    if value is Ellipsis:
        return "..."
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str):
        return value.replace("->", "→")
    return _positions(value, names) if getattr(value, "shape", ()) else str(value)


def index(value: Any, names: Mapping[Node, str] = _NONE) -> str:
    """Return the text between the brackets of x[...]: `:, 1:3`."""
    return _listed(value, names) if isinstance(value, tuple) else setting(value, names)


def _listed(values: Iterable[Any], names: Mapping[Node, str]) -> str:
    return ", ".join(setting(value, names) for value in values)


def _positions(array: Any, names: Mapping[Node, str]) -> str:
    """By their name, or as they are in a row, `range(209)`; else `[0, 2, 2]`, of many the first and
    how many there are, `[0, 2, 2, …](209,)`.
    """
    if (name := names.get(Constant(array))) is not None:
        return name
    shape = tuple(array.shape)
    if not hasattr(array, "tolist"):
        return f"[…]{shape}"  # lazy: not computed for the sake of a formula
    if is_in_a_row(array):
        return setting(range(int(array[0]), int(array[-1]) + 1))
    if array.size <= SHOWN:
        return setting(array.tolist())
    return f"[{', '.join(map(str, array.ravel()[:_FEW].tolist()))}, …]{shape}"
