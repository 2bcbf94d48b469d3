"""Graph -> mathematics as text: each node written in its inputs' names, brackets only where needed.

An op declares one template, e.g. `{x} ⊙ {y}` or `exp({x})`. How tightly it binds follows from the
operator between its places, so no op states a precedence of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tinygrad_dnn.graph import Graph, Node, trace

# How tightly an operator binds; its right operand must bind tighter where (a - b) - c differs
# from a - (b - c).
_INFIX = {
    "or": (1, 1), "and": (2, 2),
    "=": (3, 4), "≠": (3, 4), "<": (3, 4), "≤": (3, 4), ">": (3, 4), "≥": (3, 4),
    "+": (4, 5), "−": (4, 5), "⊙": (6, 6), "⊗": (6, 7), "/": (6, 7), "": (7, 7), "·": (7, 7),
}  # fmt: skip
# −x ⊙ y is (−x) ⊙ y either way, but Σ x ⊙ y is read as Σ (x ⊙ y).
_MINUS, _SUM, _POSTFIX, _ATOM = 6, 5, 8, 9
_PLACE = re.compile(r"\{(\w+)\}")


class Formula:
    """A template, split once into its places and what stands between them."""

    def __init__(self, template: str) -> None:
        self.template = template
        pieces = _PLACE.split(template)
        self.places = pieces[1::2]
        between = [p.strip() for p in pieces[2:-1:2]]
        open_left, open_right = not pieces[0].strip(), not pieces[-1].strip()
        if len(between) == 1 and open_left and open_right and between[0] in _INFIX:
            self.level, right = _INFIX[between[0]]
            self.needs = [self.level, right]
        elif len(self.places) == 1 and open_right and pieces[0].strip() and pieces[0][-1] != "(":
            self.level = _SUM if pieces[0].strip() in "ΣΠ" else _MINUS
            self.needs = [self.level + 1]
        elif open_left and self.places:
            self.level, self.needs = _POSTFIX, [_ATOM, *(0 for _ in between)]  # xᵀ, x^(y), x[i]
        else:
            self.level, self.needs = _ATOM, [0 for _ in self.places]  # exp(x)

    def fill(self, values: Mapping[str, tuple[str, int]]) -> str:
        """The template with a (text, level) in each place, in brackets if it binds too loosely."""

        def place(m: re.Match[str]) -> str:
            text, level = values[m[1]]
            return f"({text})" if level < self.needs[self.places.index(m[1])] else text

        return _PLACE.sub(place, self.template)


def constant(value: Any) -> str:
    """A constant as a reader would write it: a number as a number, an array by its shape."""
    if isinstance(value, (bool, int, float)):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    shape = getattr(value, "shape", None)
    if shape == ():
        return str(value) if str(value.dtype) == "bool" else f"{value:.6g}"
    return "constant" if shape is None else f"constant{tuple(shape)}"


def formulas(graph: Graph, names: Mapping[Node, str], longest: int = 72) -> dict[Node, str]:
    """Each op node's formula in its inputs' names: `W1 X + b1`.

    An unnamed input is written out in place as long as the text stays within `longest` characters,
    and is `…` where it would not. One pass over the nodes, so a deep graph costs no more than its
    size.
    """
    written: dict[Node, tuple[str, int]] = {}
    for node in graph:
        if node.op is None:
            continue
        # As much of the inputs as fits: in full, their outermost op, or nothing.
        text = _filled(node, [_reference(x, names, written) for x in node.inputs])
        if len(text) > longest:
            brief = {x: _outermost(x, names) for x in node.parents if x.op is not None}
            text = _filled(node, [_reference(x, names, brief) for x in node.inputs])
        if len(text) > longest:
            text = _outermost(node, names)[0]
        written[node] = (text if len(text) <= longest else "…", node.op.formula.level)
    return {node: text for node, (text, _) in written.items()}


def _outermost(node: Node, names: Mapping[Node, str]) -> tuple[str, int]:
    text = _filled(node, [_reference(x, names, {}) for x in node.inputs])
    return text, node.op.formula.level


def _reference(
    x: Any, names: Mapping[Node, str], written: Mapping[Node, tuple[str, int]]
) -> tuple[str, int]:
    if not isinstance(x, Node):
        text = constant(x)
        return text, _MINUS if text.startswith("-") else _ATOM
    if x in names:
        return names[x], _ATOM
    if x.op is None:
        return f"tensor{tuple(x.shape)}", _ATOM
    return written.get(x, ("…", _ATOM))


def _filled(node: Node, refs: list[tuple[str, int]]) -> str:
    op = node.op
    if op.many:
        values = {"xs": (", ".join(text for text, _ in refs), _ATOM)}
    else:
        values = dict(zip(op.arrays, refs, strict=True))
    values |= {k: (_setting(v), _ATOM) for k, v in node.meta.items()}
    text: str = op.formula.fill(values)
    return text


def _setting(value: Any) -> str:
    """Metadata in a formula: `1:3, …` for an index, the value itself for an axis."""
    if isinstance(value, tuple):
        return ", ".join(_setting(v) for v in value)
    if isinstance(value, slice):
        start, stop = ("" if v is None else str(v) for v in (value.start, value.stop))
        return f"{start}:{stop}" + ("" if value.step is None else f":{value.step}")
    if value is Ellipsis:
        return "..."
    return "i" if hasattr(value, "shape") and value.shape else str(value)


def formula(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """One node's formula: `formula(Z1.node)` is `W1 X + b1`. A leaf's is its name."""
    graph = trace([node])
    named = {n: n.name for n in graph if n.name} | dict(names or {})
    text = formulas(graph, named)
    return text.get(node) or named.get(node, "tensor")
