"""A recorded graph as straight-line JavaScript: memory, kernels, and one call for every op.

The text is an expression, `{ memory, run }`: `memory` holds a Float64Array for each value, by
name, and `run()` computes all from what lies in those of the inputs. Equal kernels are written
once; the sizes stand in them as numbers. A value of float32 lies in a Float32Array, which rounds
what is written into it, as NumPy's arrays do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.codegen.lower import Lowered, lower
from tinygrad_dnn.compiler.codegen.naming import Names
from tinygrad_dnn.compiler.javascript.helpers import HELPERS, helpers_of
from tinygrad_dnn.compiler.javascript.kernels import ROWS, WITHOUT
from tinygrad_dnn.compiler.javascript.loops import (
    PARAMETERS,
    SINGLE,
    Nest,
    Ref,
    indented,
    viewed,
    whole,
)
from tinygrad_dnn.graph import Graph, Leaf, Node

OWN = (
    "an op of your own; declare it with composite=True, if its forward is made of NumPy's functions"
)
# The words of the language, what every object has, and what programs call themselves.
WORDS = frozenset(HELPERS) | {
    "abstract", "arguments", "async", "await", "break", "case", "catch", "class", "const",
    "continue", "debugger", "default", "delete", "do", "else", "enum", "eval", "export", "extends",
    "false", "finally", "for", "function", "if", "implements", "import", "in", "instanceof",
    "interface", "let", "new", "null", "of", "package", "private", "protected", "public", "return",
    "static", "super", "switch", "this", "throw", "true", "try", "typeof", "undefined", "var",
    "void", "while", "with", "yield", "Array", "Float32Array", "Float64Array", "Infinity", "Math",
    "NaN", "Object", "build", "buildBroken", "m", "memory", "program", "run",
    "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__",
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
    "toString", "valueOf",
}  # fmt: skip
PLAIN = (np.ndarray, np.generic, int, float)
WEAK = (int, float)  # their dtype is that of what stands beside them
KINDS = "biu"  # of integers, which are numbers like all others up to 2**53


class NotPrintable(ValueError):
    """A graph that JavaScript can't compute; the message names the ops and the reasons."""


@dataclass
class Printed:
    """A graph in JavaScript.

    Attributes:
        source: the text.
        inputs: the leaves, by the name of their memory.
        constants: arrays that never change, by the name of their memory.
        places: where the value of a node of the graph lies; of what is constant there is none.
    """

    source: str
    inputs: dict[str, Leaf]
    constants: dict[str, Any]
    places: dict[Node, Ref]
    _lowered: Lowered
    _lines: dict[Node, list[int]]

    def lines(self, steps: Iterable[Iterable[Node]]) -> list[list[int]]:
        """For each step, which is told by the nodes that it makes, its lines of the source,
        counted from 1. A line is the first step's that needs it.
        """
        seen: set[Node] = set()
        found = []
        for step in steps:
            stack = [p for n in step if isinstance(p := self._lowered.place.get(n), Node)]
            own: list[int] = []
            while stack:
                node = stack.pop()
                if node not in seen:
                    seen.add(node)
                    own += self._lines.get(node, [])
                    stack += node.parents
            found.append(sorted(own))
        return found


def javascript(
    graph: Graph,
    names: Mapping[Node, str] | None = None,
    forward: Collection[Node] = (),
    values: Mapping[Node, Any] | None = None,
) -> Printed:
    """Print a graph: the values of all its outputs, from its leaves.

    Args:
        graph: recorded, of float64, float32, integers and truth values; a backward pass may be part
            of it.
        names: of its nodes, beside those that they have.
        forward: the nodes of the forward pass, behind which a comment says that it ends.
        values: what nodes were when they were recorded; from there what is determined but for its
            sign, as an eigenvector is, has its sign.

    Raises:
        NotPrintable: an op has no row, or numbers are of another dtype; all kinds are named.

    Example: `javascript(trace([z.node])).source`.
    """
    return _Printer(graph, names or {}, forward, values or {}).printed()


@dataclass
class _Line:
    text: str
    node: Node


@dataclass
class _Printer:
    """One graph being printed; the `Writer` of its rows."""

    graph: Graph
    given: Mapping[Node, str]
    forward: Collection[Node]
    values: Mapping[Node, Any]
    names: Names = field(default_factory=lambda: Names(set(), WORDS))
    now: Any = None
    memory: dict[str, tuple[int, ...]] = field(default_factory=dict)
    single: set[str] = field(default_factory=set)  # memory that holds float32
    inputs: dict[str, Leaf] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    kernels: dict[tuple[str, ...], str] = field(default_factory=dict)
    places: dict[Node, Ref] = field(default_factory=dict)
    lines: list[_Line] = field(default_factory=list)
    known: dict[Any, Ref] = field(default_factory=dict)

    def printed(self) -> Printed:
        """Print it."""
        self._refuse([n for n in self.graph if n.op is None], self.given)
        lowered = lower(self.graph, {})
        named: dict[Node, str] = {
            place: name
            for n, name in self.given.items()
            if isinstance(place := lowered.place.get(n), Node)
        }
        self._refuse(lowered.graph, named)
        wanted = {n: named.get(n) or n.name for n in lowered.graph}
        for node, name in wanted.items():
            if name:
                wanted[node] = self.names.fresh(name)
        self.values = {
            p: x for n, x in self.values.items() if isinstance(p := lowered.place.get(n), Node)
        }
        for node in lowered.graph:
            self.now = node
            self._place(node, wanted[node])
        behind = [p for n in self.forward if isinstance(p := lowered.place.get(n), Node)]
        turn = {*behind}
        source, lines = self._text(turn)
        own: dict[Node, list[int]] = {}
        for number, line in zip(lines, self.lines, strict=True):
            own.setdefault(line.node, []).append(number)
        places = {
            n: self.places[p] for n, p in lowered.place.items() if isinstance(p, Node)
            and p in self.places
        }  # fmt: skip
        return Printed(source, self.inputs, self.constants, places, lowered, own)

    def _refuse(self, nodes: Iterable[Node], named: Mapping[Node, str]) -> None:
        """Raise if one can't be printed, naming all that can't; of one kind the first is shown."""
        reasons: dict[Any, str] = {}
        for node in nodes:
            name = named.get(node) or node.name
            who = f"{name} {node.shape}" if name else f"a result {node.shape}"
            if node.scope:
                who += f" in {' / '.join(node.scope)}"
            values = [node.value] if isinstance(node, Leaf) else node.inputs
            others = [type(v) for v in values if not isinstance(v, (Node, *PLAIN))]
            if others:
                told = f"{who}, {others[0].__name__}: of another kind of array than NumPy's"
                reasons.setdefault(others[0], told)
            elif node.op is not None and node.op.name not in ROWS and not _looks(node.op):
                own = (f"{node.op.name}", OWN)
                function, why = WITHOUT.get(node.op.name, own)
                reasons.setdefault(node.op, f"{function}, which gives {who}: {why}")
            elif not _counts(node):
                told = f"{who} of {node.dtype}: its numbers are float64 or float32; .astype(float)"
                reasons.setdefault(node.dtype, told)
        if reasons:
            raise NotPrintable(f"javascript: a page can't compute {'; '.join(reasons.values())}")

    # --- memory ----------------------------------------------------------------------------------

    def _buffer(self, name: str, shape: tuple[int, ...], single: bool) -> Ref:
        self.memory[name] = shape
        if single:
            self.single.add(name)
        return whole(name, shape)

    def _place(self, node: Node, name: str | None) -> None:
        """Print a node; where it lies is known from then on."""
        if isinstance(node, Leaf):
            name = name or self.names.counted("x")
            self.inputs[name] = node
            self.places[node] = self._buffer(name, node.shape, node.dtype == np.float32)
            return
        x = node.inputs[0]
        if _looks(node.op) and node.op.is_view(node.meta) and isinstance(x, Node):
            view = viewed(self.places[x], lambda v: np.asarray(node.op.compute(v, **node.meta)))
            if view is not None:
                self.places[node] = view
                return
        row = ROWS.get(node.op.name)
        xs = [self._operand(v, node) for v in node.inputs]
        letter = "mask" if node.dtype.kind == "b" else "t"
        single = node.dtype == np.float32
        z = self._buffer(name or self.names.counted(letter), node.shape, single)
        self.places[node] = z
        if row is None:  # a view that is a copy here
            (source,) = map(self.in_order, xs)
            self.elementwise("copy", "x", z, [whole(source.name, z.shape)])
        else:
            row(self, node, xs, z)

    def _operand(self, x: Any, node: Node) -> Ref:
        if isinstance(x, Node):
            return self.places[x]
        if node.op.elementwise and not np.ndim(x):
            # Among float32 NumPy takes a number of Python's as float32, too.
            weak = type(x) in WEAK
            single = (_computed_in(node) if weak else np.asarray(x).dtype) == np.float32
            return Ref((_single if single else _number)(np.asarray(x).item()), number=True)
        return self.constant(x)

    def constant(self, value: Any) -> Ref:
        """An array that never changes."""
        single = np.asarray(value).dtype == np.float32
        kind = np.float32 if single else np.float64
        value = np.ascontiguousarray(value, kind).reshape(np.shape(value))
        key = (value.shape, value.dtype, value.tobytes())
        if key not in self.known:
            name = self.names.counted("c")
            self.constants[name] = value
            self.known[key] = self._buffer(name, value.shape, single)
        return self.known[key]

    def recorded(self, node: Node) -> Any:
        """The value that a node had when it was recorded; zeros where that is not known."""
        return self.values.get(node, np.zeros(node.shape))

    def in_order(self, x: Ref) -> Ref:
        """The same elements in C order: x itself, or a copy."""
        if x.strides == whole(x.name, x.shape).strides or x.number:
            return x
        z = self._buffer(self.names.counted("t"), x.shape, x.name in self.single)
        self.elementwise("copy", "x", z, [x])
        return z

    # --- kernels ---------------------------------------------------------------------------------

    def elementwise(self, name: str, expression: str, z: Ref, xs: Sequence[Ref]) -> None:
        """An expression of x, y, w for every element of z."""
        unnamed = [r._replace(name="") for r in (z, *xs)]
        self.call(name, [z, *xs], _loops_of(expression, *unnamed))

    def call(self, name: str, arrays: Sequence[Ref], body: Sequence[str]) -> None:
        """A call of a kernel with this body, in which the arrays are called z, x, y, w, ..."""
        parameters = ", ".join(PARAMETERS[: len(arrays)])
        key = (name, parameters, *body)
        if key not in self.kernels:
            self.kernels[key] = self.names.fresh(name)
        words = ", ".join(r.name for r in arrays)
        self.lines.append(_Line(f"{self.kernels[key]}({words});", self.now))

    # --- text ------------------------------------------------------------------------------------

    def _text(self, turn: set[Node]) -> tuple[str, list[int]]:
        """The whole text, and the number of each call's line."""
        kernels = [
            "\n".join([f"function {name}({parameters}) {{", *indented(body), "}"])
            for (_, parameters, *body), name in self.kernels.items()
        ]
        helpers = [HELPERS[name] for name in helpers_of("\n".join(kernels))]
        head = ["(() => {", '"use strict";', ""]
        head += "\n\n".join([*helpers, *kernels, ""]).splitlines()
        head += ["// One buffer for each value."]
        for name, shape in self.memory.items():
            size = prod(shape)
            note = f" // {shape}" if shape else ""
            kind = "Float32Array" if name in self.single else "Float64Array"
            head.append(f"const {name} = new {kind}({size});{note}")
        head += ["", "function run() {"]
        last = max((k for k, line in enumerate(self.lines) if line.node in turn), default=-1)
        numbers = []
        for k, line in enumerate(self.lines):
            numbers.append(len(head) + 1)
            head.append(f"  {line.text}")
            if k == last < len(self.lines) - 1:
                head.append("  // backward")
        head += ["}", "", f"return {{ memory: {{ {', '.join(self.memory)} }}, run }};", "})()"]
        return "\n".join(head), numbers


@lru_cache(maxsize=4096)
def _loops_of(expression: str, z: Ref, *xs: Ref) -> tuple[str, ...]:
    """The lines of an expression for every element of z; a deep network has the same ones often."""
    inputs = [x.broadcast(z.shape) for x in xs]
    nest = Nest(z.shape, [r.strides for r in (z, *inputs)])
    elements = {
        p: r.at(p, *terms)
        for p, r, terms in zip(PARAMETERS, (z, *inputs), nest.terms, strict=False)
    }
    text = "".join(
        elements.get(c, c) if _alone(expression, k) else c for k, c in enumerate(expression)
    )
    return (*nest.around(f"{elements['z']} = {text};"),)


def _looks(op: Any) -> bool:
    """Whether an op only looks at its input in another way."""
    return bool(op.view and op.builtin)


def _counts(node: Node) -> bool:
    """Whether a page has numbers of a node's dtype."""
    whole = node.dtype.kind in (KINDS if node.op is None else "b")
    return whole or node.dtype in (np.float64, np.float32, np.int64)


def _computed_in(node: Node) -> Any:
    """The dtype of what an op reads, as NumPy brings that together."""
    return np.result_type(*(
        x if type(x) in WEAK else x.dtype if isinstance(x, Node) else np.asarray(x).dtype
        for x in node.inputs
    ))  # fmt: skip


def _alone(text: str, k: int) -> bool:
    """Whether the letter at k is a name of its own."""
    beside = text[max(k - 1, 0) : k] + text[k + 1 : k + 2]
    return not any(c.isalnum() or c in "._" for c in beside)


def _number(x: float) -> str:
    """A number in JavaScript: the shortest text that is exactly this one."""
    if x != x:
        return "NaN"
    if x in (float("inf"), float("-inf")):
        return "Infinity" if x > 0 else "-Infinity"
    return repr(int(x) if isinstance(x, bool) else x)


def _single(x: float) -> str:
    """A number rounded to float32: the shortest text that is exactly this one."""
    with np.errstate(over="ignore"):
        rounded = np.float32(x)
    text = str(rounded)  # of few digits, which float64 takes for another number
    exact = not np.isfinite(rounded) or float(text) == rounded.item()
    return _number(rounded.item()) if exact else f"{SINGLE}{text})"
