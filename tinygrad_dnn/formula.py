"""Graph -> mathematics as text: each node written in its inputs' names, brackets only where needed.

An op declares one template, e.g. `{x} ⊙ {y}` or `exp({x})`. How tightly it binds follows from the
operator between its places, so no op states a precedence of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

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
FACTOR = (_SUM, (_MINUS, _SUM))  # 1/m · Σ x: level and needs of a number in front
_CONDITION = 3  # this loosely or looser binds what is true or false
_PLACE = re.compile(r"\{(\w+)\}")


class Formula:
    """A template, split once into its places and what stands between them.

    How tightly it binds, and what its places need to stand without brackets, may be said instead
    of found.
    """

    def __init__(
        self, template: str, level: int | None = None, needs: Sequence[int] | None = None
    ) -> None:
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
        if level is not None:
            self.level = level
        if needs is not None:
            self.needs = list(needs)

    def brackets(self, place: str, level: int) -> tuple[str, str] | None:
        """What must stand around an operand of that level: nothing, ( ), or 1[ ].

        A condition in arithmetic is its indicator, 1[x > 0]: 1 where it holds, else 0.
        """
        if level >= self.needs[self.places.index(place)]:
            return None
        return ("1[", "]") if level <= _CONDITION < self.level else ("(", ")")

    def fill(self, values: Mapping[str, tuple[str, int]]) -> str:
        """The template with a (text, level) in each place, in brackets if it binds too loosely."""

        def place(m: re.Match[str]) -> str:
            text, level = values[m[1]]
            left, right = self.brackets(m[1], level) or ("", "")
            return f"{left}{text}{right}"

        return _PLACE.sub(place, self.template)


class Script(Protocol):
    """A way to write: as plain text, as MathML."""

    def name(self, name: str) -> str:
        """What a node is called."""

    def plain(self, text: str) -> str:
        """A constant, a setting, or an ellipsis."""

    def fill(self, formula: Formula, values: Mapping[str, tuple[str, int]]) -> str:
        """An op's template with its operands, each with its level, in place."""

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands, one after another."""


class Unicode:
    """Plain text, as errors and pictures show it."""

    def name(self, name: str) -> str:
        """The name as it is."""
        return name

    def plain(self, text: str) -> str:
        """The text as it is."""
        return text

    def fill(self, formula: Formula, values: Mapping[str, tuple[str, int]]) -> str:
        """`W1 X + b1`."""
        return formula.fill(values)

    def listed(self, texts: Sequence[str]) -> str:
        """`x, y, z`."""
        return ", ".join(texts)


UNICODE = Unicode()


def printable(text: str) -> str:
    """Text every character of which shows: a line break as \\n."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def constant(value: Any) -> str:
    """A constant as a reader would write it: a number as a number, an array by its shape."""
    if isinstance(value, (bool, int, float)):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    shape = getattr(value, "shape", None)
    if shape == ():
        return str(value) if str(value.dtype) == "bool" else f"{value:.6g}"
    return "constant" if shape is None else f"constant{tuple(shape)}"


# Which template a node is written with.
Style = Callable[[Node], Formula]


def own_formula(node: Node) -> Formula:
    """The template that its op declares."""
    declared: Formula = node.op.formula
    return declared


def formulas(graph: Graph, names: Mapping[Node, str], longest: int = 72) -> dict[Node, str]:
    """Each op node's formula in its inputs' names: `W1 X + b1`.

    An unnamed input is written out in place as long as the text stays within `longest` characters,
    and is `…` where it would not. One pass over the nodes, so a deep graph costs no more than its
    size.
    """
    return {node: texts[0] for node, texts in written(graph, names, longest, [UNICODE]).items()}


# What is written of a node: a text in each script, and how tightly it binds.
Written = tuple[tuple[str, ...], int]


def written(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int,
    scripts: Sequence[Script],
    style: Style = own_formula,
) -> dict[Node, tuple[str, ...]]:
    """Each op node's formula in several scripts; the length in the first decides for all."""
    pen = _Pen(names, scripts, style)
    done: dict[Node, Written] = {}
    for node in graph:
        if node.op is None:
            continue
        # As much of the inputs as fits: in full, their outermost op, or nothing.
        texts = pen.filled(node, done)
        if len(texts[0]) > longest:
            texts = pen.filled(node, {x: pen.outermost(x) for x in node.parents if x.op})
        if len(texts[0]) > longest:
            texts = pen.outermost(node)[0]
        fits = len(texts[0]) <= longest
        done[node] = (texts if fits else pen.plain("…"), style(node).level)
    return {node: texts for node, (texts, _) in done.items()}


class _Pen:
    """Writes a node in the names of its inputs, in every script."""

    def __init__(self, names: Mapping[Node, str], scripts: Sequence[Script], style: Style) -> None:
        self.names, self.scripts, self.style = names, scripts, style
        self.dots: Written = (self.plain("…"), _ATOM)

    def plain(self, text: str) -> tuple[str, ...]:
        return tuple(script.plain(text) for script in self.scripts)

    def outermost(self, node: Node) -> Written:
        return self.filled(node, {}), self.style(node).level

    def filled(self, node: Node, done: Mapping[Node, Written]) -> tuple[str, ...]:
        op, formula = node.op, self.style(node)
        refs = [self.reference(x, done) for x in self.read(node)]
        settings = {k: (self.plain(_setting(v)), _ATOM) for k, v in node.meta.items()}
        texts = []
        for i, script in enumerate(self.scripts):
            if op.many:
                values = {"xs": (script.listed([text[i] for text, _ in refs]), _ATOM)}
            else:
                values = {
                    a: (text[i], level) for a, (text, level) in zip(op.arrays, refs, strict=True)
                }
            values |= {k: (text[i], level) for k, (text, level) in settings.items()}
            texts.append(script.fill(formula, values))
        return tuple(texts)

    def read(self, node: Node) -> Sequence[Any]:
        """The inputs as they are written: relu(Z) > 0 holds exactly where Z > 0 does."""
        x = node.inputs[0] if node.op.name == "greater" else None
        if not (isinstance(x, Node) and x.op and x.op.name == "relu"):
            return node.inputs
        z, bound = x.inputs[0], node.inputs[1]
        zero = isinstance(bound, (int, float)) and bound == 0
        return (z, bound) if zero and (z in self.names or x not in self.names) else node.inputs

    def reference(self, x: Any, done: Mapping[Node, Written]) -> Written:
        if not isinstance(x, Node):
            text = constant(x)
            return self.plain(text), _MINUS if text.startswith("-") else _ATOM
        if x in self.names:
            return tuple(script.name(self.names[x]) for script in self.scripts), _ATOM
        if x.op is None:
            return self.plain(f"tensor{tuple(x.shape)}"), _ATOM
        return done.get(x, self.dots)


def _setting(value: Any) -> str:
    """Metadata in a formula: `1:3, …` for an index, the value itself for an axis."""
    if isinstance(value, tuple):
        return ", ".join(_setting(v) for v in value)
    if isinstance(value, slice):
        start, stop = ("" if v is None else str(v) for v in (value.start, value.stop))
        return f"{start}:{stop}" + ("" if value.step is None else f":{value.step}")
    if value is Ellipsis:
        return "..."
    if isinstance(value, type):
        return value.__name__
    return "i" if hasattr(value, "shape") and value.shape else str(value)


def formula(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """One node's formula: `formula(Z1.node)` is `W1 X + b1`. A leaf's is its name."""
    graph = trace([node])
    named = {n: n.name for n in graph if n.name} | dict(names or {})
    text = formulas(graph, named)
    return text.get(node) or named.get(node, "tensor")
