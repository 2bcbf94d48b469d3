"""Steps of derivative rules that move no element: NumPy needs them, mathematics does not.

A vector is a column in a product of matrices: Xᵀ dz for `reshape(Xᵀ expand_dims(dz → (100, 1)) →
(4,))`, and u vᵀ; elsewhere new axes of length 1 are written as an index, dy[:, None].
"""

from __future__ import annotations

from collections.abc import Container
from math import prod
from typing import Any, NamedTuple

from tinygrad_dnn.graph import Node


class Reading(NamedTuple):
    """A step as mathematics has it: a template and the nodes in its places."""

    template: str
    inputs: tuple[Any, ...]


def reading(node: Node, quiet: Container[Node], named: Container[Node]) -> Reading | None:
    """How a quiet step is written other than its op declares; None as that does."""
    op, x = node.op, node.inputs[0]
    if op.spreads and not isinstance(x, Node) and not getattr(x, "shape", ()) and x == 1:
        return Reading(f"ones({', '.join(map(str, node.shape))})", ())
    if op.contracts:
        u, v = (_vector(y, quiet, named) for y in node.inputs)
        return Reading("{x} {y}ᵀ", (u[0], v[0])) if u and v and not u[1] and v[1] else None
    inner = x if _is_step(x, quiet, named) and x.op.contracts else None
    if inner is not None and (op.keeps_order or "keepdims" in node.meta):
        # A reduction over one element is that element: so the sweep drops a row's leading axis.
        product = _product(inner, quiet, named)
        if product is not None and prod(node.shape) == prod(inner.shape) and len(node.shape) == 1:
            return product
    if _is_still(node):
        return Reading("{x}", (x,))
    if _is_transpose(node) and x.op is not None and x not in named and _is_transpose(x):
        return Reading("{x}", (x.inputs[0],))  # (Wᵀ)ᵀ
    if not op.keeps_order and not _drops_new_axes(node):
        return None
    if x.shape == node.shape or prod(node.shape) == 1:
        return Reading("{x}", (x,))
    index = axes_index(node) or _index(x.shape, node.shape)
    return Reading(f"{{x}}[{index}]", (x,)) if index else None


def _product(node: Node, quiet: Container[Node], named: Container[Node]) -> Reading | None:
    """A product with a vector, whose other axis is dropped: X v, or of a row vᵀ Y, which is Yᵀ v;
    with a single number, c · v.
    """
    x, y = node.inputs
    u, v = (_vector(z, quiet, named) for z in node.inputs)
    if v and prod(x.shape) == 1:
        return Reading("{c} · {x}", (_number(x, quiet, named), v[0]))
    if u and prod(y.shape) == 1:
        return Reading("{c} · {x}", (_number(y, quiet, named), u[0]))
    if v and not v[1]:
        return Reading("{x} {y}", (x, v[0]))
    if u and u[1]:
        if _is_step(y, quiet, named) and _is_transpose(y):
            return Reading("{x} {y}", (y.inputs[0], u[0]))
        return Reading("{x}ᵀ {y}", (y, u[0]))
    return None


def _number(x: Any, quiet: Container[Node], named: Container[Node]) -> Any:
    """A single number without the axes that it was given."""
    while _is_step(x, quiet, named) and (x.op.keeps_order or _is_transpose(x)):
        x = x.inputs[0]
    return x if isinstance(x, Node) else x.reshape(())


def _vector(x: Any, quiet: Container[Node], named: Container[Node]) -> tuple[Any, bool] | None:
    """The vector that a step makes a matrix of, and whether that is a row."""
    turned = False
    if _is_step(x, quiet, named) and _is_transpose(x):
        turned, x = True, x.inputs[0]
    if not _is_step(x, quiet, named) or not x.op.keeps_order or len(x.shape) != 2:
        return None
    index = axes_index(x)
    if index not in (":, None", "None, :"):
        return None
    return x.inputs[0], (index == "None, :") != turned


def _is_step(x: Any, quiet: Container[Node], named: Container[Node]) -> bool:
    return isinstance(x, Node) and x.op is not None and x in quiet and x not in named


def _is_transpose(x: Node) -> bool:
    """Whether a step turns a matrix: the one that moves elements of two axes by a view."""
    turns = bool(x.op.view) and not (x.op.keeps_order or x.op.spreads or x.op.elementwise)
    return turns and len(x.shape) == 2 and x.shape == x.inputs[0].shape[::-1] and _moves_axes(x)


def _moves_axes(x: Node) -> bool:
    return not x.meta.keys() - {"axes", "axis1", "axis2"}


def _is_still(node: Node) -> bool:
    """Whether it puts the axes in the order in which they are."""
    axes = node.meta.get("axes")
    return bool(node.op.view) and axes == tuple(range(len(node.shape)))


def _drops_new_axes(node: Node) -> bool:
    """Whether it puts x back where an index had but added axes of length 1, x[:, None]."""
    if not {"index", "shape"} <= node.meta.keys():
        return False
    index = node.meta["index"]
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or (isinstance(p, slice) and p == slice(None)) for p in parts
    )


def axes_index(node: Node) -> str:
    """The index that gives a step's new axes, `:, None`, or drops some, `:, 0`; "" of others."""
    if node.op is None or not node.op.keeps_order:
        return ""
    return _index(node.inputs[0].shape, node.shape)


def _index(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    given, wanted = tuple(given), tuple(wanted)
    if len(given) < len(wanted):
        return _aligned(wanted, given, "None")
    return _aligned(given, wanted, "0") if len(given) > len(wanted) else ""


def _aligned(longer: tuple[int, ...], shorter: tuple[int, ...], word: str) -> str:
    """The axes of the longer shape, `word` for those of length 1 that the shorter one lacks."""
    parts: list[str] = []
    k = 0
    for i, n in enumerate(longer):
        spare = len(longer) - i > len(shorter) - k
        if k < len(shorter) and shorter[k] == n and not (n == 1 and spare):
            parts.append(":")
            k += 1
        elif n == 1:
            parts.append(word)
        else:
            return ""
    return ", ".join(parts) if k == len(shorter) else ""
