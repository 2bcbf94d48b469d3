"""The lines of a program, one for each value that has a name.

What has no name of its own and is read once, by the very next line, is written inside that line,
one op within another and no deeper: `np.add(np.matmul(W1, X, out=Z1), b1, out=Z1)` is one line,
Z1 = W1 X + b1. A composite op, as σ, is one line too: its primitives stand in a function of its own
at the head of the module, unless somebody else reads what they compute on the way. NumPy's calls
and their order stay those of the plan.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.codegen.buffers import Plan
from tinygrad_dnn.compiler.codegen.constants import Constants, quick
from tinygrad_dnn.compiler.codegen.gather import WITHIN, looked_at
from tinygrad_dnn.compiler.codegen.lower import Expansion, Lowered, Task, base, uniform
from tinygrad_dnn.compiler.codegen.numpy_source import (
    Unspeakable,
    call,
    expression,
    is_ufunc,
    plain_call,
)
from tinygrad_dnn.compiler.codegen.writers import by_hand, view
from tinygrad_dnn.compiler.python_text import WIDTH, quoted
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import reshape

DEEPEST = 1  # ops within ops
WIDEST = 3  # ops side by side within one


@dataclass(eq=False)
class Line:
    """A statement that computes a value.

    Attributes:
        node: the value.
        text: its lines.
        raises: the `np.errstate` settings that it runs under.
        depth: how many ops stand within ops.
        call: whether it is an expression whose value is the array that it wrote.
    """

    node: Node
    text: list[str]
    raises: Mapping[str, Any] | None = None
    depth: int = 0
    call: bool = False


def blocks(written: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Lines in order, in blocks under one `with`, or under none."""
    for raises, group in groupby(written, lambda line: line.raises):
        states = ", ".join(f"{k}={quoted(v)}" for k, v in (raises or {}).items())
        yield (f"with np.errstate({states}):" if raises else ""), list(group)


def readers(plan: Plan, lowered: Lowered, results: Sequence[Any]) -> Counter[Node]:
    """How many ops and results read each value's memory."""
    found = Counter(base(x, lowered) for node in plan.lines for x in node.parents)
    found.update(base(x, lowered) for x in results if isinstance(x, Node))
    return found


class Writer:
    """Writes the lines of a plan.

    Attributes:
        names: of inputs and values, as the lines call them.
        unnamed: the values whose name is only that of their memory.
        readers: how many ops and results read each value's memory.
        in_block: names are of blocks: an operand stands there as it is before it is repeated.
    """

    def __init__(
        self,
        lowered: Lowered,
        plan: Plan,
        constants: Constants,
        names: Mapping[Node, str],
        unnamed: set[Node],
        readers: Counter[Node],
        in_block: bool = False,
    ) -> None:
        self.lowered, self.plan, self.constants = lowered, plan, constants
        self.names, self.unnamed, self.readers = names, unnamed, readers
        self.in_block = in_block
        self.looked_at: set[tuple[Node, int]] = set()  # indices, and the length of their axis

    # --- operands ----------------------------------------------------------------------------

    def operand(self, x: Any, within: Mapping[Node, str] | None = None) -> str:
        """A value as it is written in a line: its name, a view of another, a constant.

        Args:
            within: the texts of those that are computed in the line itself.
        """
        if self.in_block:
            x = self._spread(x)
        if not isinstance(x, Node):
            return self.constants.text(x)
        chain = []
        while x not in self.names:
            chain.append(x)
            x = x.inputs[0]
        text = (within or {}).get(x, self.names[x])
        for node in reversed(chain):
            text = self._view(node, text)
        return text

    def _view(self, node: Node, x: str) -> str:
        if node.op is reshape and node.shape == node.input_shapes[0]:
            return x
        known = view(node.op, x, node.shape, node.meta)
        return known if known is not None else ast.unparse(self._expression(node, [x]))

    def _expression(self, node: Node, operands: Sequence[str]) -> ast.expr:
        return expression(node.op, operands, node.meta, self.constants.settings(node))

    def _elementwise(self, x: Any, node: Node, within: Mapping[Node, str]) -> str:
        """An operand of an elementwise op, which repeats it to the result's shape by itself."""
        return self.operand(quick(self._spread(x), node), within)

    def _spread(self, x: Any) -> Any:
        """What an operand repeats along axes."""
        while isinstance(x, Node) and x not in self.names and x.op.spreads:
            x = x.inputs[0]
        if isinstance(x, np.ndarray) and x.ndim and uniform(x):
            return x.reshape(-1)[0].reshape(())
        return x

    # --- lines -------------------------------------------------------------------------------

    def lines(self, nodes: Sequence[Node]) -> list[Line]:
        """The statements that compute these values, in order."""
        units: list[list[Node]] = []
        at = 0
        while at < len(nodes):
            units.append(self._composite(nodes, at) or [nodes[at]])
            at += len(units[-1])
        return self._lines(units)

    def _lines(self, units: Sequence[Sequence[Node]]) -> list[Line]:
        """A line for each primitive or composite, some of them inside their readers."""
        readers = self.readers.copy()
        for parts in units:
            if len(parts) > 1:  # a composite reads its inputs once
                readers.subtract(base(x, self.lowered) for n in parts for x in n.parents)
                readers.update(x for x in map(self._root, self._inputs(parts)) if x is not None)
        written: list[Line] = []
        waiting: list[Line] = []  # what the next line may take in
        for parts in units:
            line, taken = self._with(waiting, parts)
            once = line.call and line.node in self.unnamed and readers[line.node] == 1
            if taken:
                written += waiting[: len(waiting) - taken]
                waiting = []
            waiting.append(line)
            if not once:
                written += waiting
                waiting = []
        return [*written, *waiting]

    def _with(self, waiting: Sequence[Line], parts: Sequence[Node]) -> tuple[Line, int]:
        """A line, and how many of the last ones before it are written inside it."""
        alone = self._line(parts, {})
        if not alone.call:
            return alone, 0
        inputs = self._inputs(parts)
        read = [x for x in (self._root(x) for x in inputs) if x is not None]
        for n in range(min(len(waiting), len(read), WIDEST), 0, -1):
            last = waiting[-n:]
            nodes = [w.node for w in last]
            if [x for x in read if x in nodes] != nodes:
                continue  # they would be computed in another order
            depth = 1 + max(w.depth for w in last)
            if depth > DEEPEST or any(w.raises != alone.raises for w in last):
                continue
            line = self._line(parts, {w.node: w.text[0] for w in last})
            line.depth = depth
            if len(line.text[0]) <= WIDTH - 8 - 4 * bool(line.raises):
                return line, n
        return alone, 0

    def _inputs(self, parts: Sequence[Node]) -> Sequence[Any]:
        return self.lowered.expanded[parts[0]].inputs if len(parts) > 1 else parts[0].inputs

    def _root(self, x: Any) -> Node | None:
        while isinstance(x, Node) and x not in self.names:
            x = x.inputs[0]
        return x if isinstance(x, Node) else None

    def _line(self, parts: Sequence[Node], within: Mapping[Node, str]) -> Line:
        if len(parts) > 1:
            return self._called(parts, within)
        node = parts[0]
        raises = self.lowered.raises.get(node)
        if self.plan.memory[node].kind == "fresh":
            return Line(node, [f"{self.names[node]} = {self._fresh(node)}"], raises)
        text, is_call = self._statement(node, within)
        return Line(node, text, raises, 0, is_call)

    def _statement(self, node: Node, within: Mapping[Node, str]) -> tuple[list[str], bool]:
        """The statements that compute a value, and whether it is one call."""
        out = self.names[node]
        elementwise = is_ufunc(node.op)
        operands = [
            self._elementwise(x, node, within) if elementwise else self.operand(x, within)
            for x in node.inputs
        ]
        if (function := plain_call(node.op)) is not None:
            return [f"np.{function}({', '.join(operands)}, out={out})"], True
        named = self.constants.settings(node)
        head = self.constants
        spelled = by_hand(Task(node, operands, out, self.lowered, named, head.array, head.function))
        if spelled is not None:
            return [*self._looked_at(node, operands), *spelled], False
        own = self._expression(node, operands)
        if elementwise:
            self._quicken(own, node)
        text = call(own, out, self.lowered.dialect.folds)
        assert text is not None, f"{node.op.name}: planned with a place to write to"
        return [text], True

    def _looked_at(self, node: Node, operands: Sequence[str]) -> list[str]:
        """A look at positions, where there was none yet."""
        needed = looked_at(node) if self.lowered.dialect.modes else None
        if needed is None or needed in self.looked_at:
            return []
        self.looked_at.add(needed)
        return [f"{self.constants.function(*WITHIN)}({operands[1]}, {needed[1]})"]

    def _quicken(self, written: ast.expr, node: Node) -> None:
        """Numbers of the op's own, as the 0 in np.maximum(x, 0), as arrays too."""
        if not isinstance(written, ast.Call):
            return
        for i, x in enumerate(written.args):
            if isinstance(x, ast.Constant):
                number = quick(x.value, node)
                if isinstance(number, np.ndarray):
                    written.args[i] = ast.Name(self.constants.array(number), ast.Load())

    def _fresh(self, node: Node) -> str:
        """An op that allocates its own result: an expression, or a call of its own forward."""
        operands = [self.operand(x) for x in node.inputs]
        try:
            text = ast.unparse(self._expression(node, operands))
        except Unspeakable:
            named, usual = self.constants.settings(node), node.op.defaults
            words = [
                f"{k}={named.get(k) or self.constants.setting(v)}"
                for k, v in node.meta.items()
                if k in named or k not in usual or repr(usual[k]) != repr(v)
            ]
            text = f"{self.constants.helper(node.op)}({', '.join([*operands, *words])})"
        if not node.op.builtin:
            return f"np.array({text})"  # it may be an input's own memory
        return text if node.shape else f"np.asarray({text})"

    # --- composites --------------------------------------------------------------------------

    def _composite(self, nodes: Sequence[Node], at: int) -> list[Node]:
        """The primitives from here on that are one composite op; none where they are not."""
        made = self.lowered.expanded.get(nodes[at])
        if made is None or made.nodes[-1] not in self.names:
            return []
        parts = [n for n in made.nodes if n in self.plan.memory]
        if len(parts) < 2 or [*nodes[at : at + len(parts)]] != parts:
            return []
        inside = Counter(base(x, self.lowered) for n in parts for x in n.parents)
        hidden = all(n in self.unnamed and inside[n] == self.readers[n] for n in parts[:-1])
        fresh = any(self.plan.memory[n].kind == "fresh" for n in parts)
        return parts if hidden and not fresh and self._known(made, parts) is not None else []

    def _known(self, made: Expansion, parts: Sequence[Node]) -> dict[Node, str] | None:
        """Return the names of a composite's parts in its function; None if they read more than it.

        Its inputs have the names of the op's own arguments; what it computes on the way lies in the
        result's memory or in another's, which is lent to it.
        """
        if made.op.many:
            return None
        known = {
            x: name
            for x, name in zip(made.inputs, made.op.arrays, strict=True)
            if isinstance(x, Node)
        }
        for x in (x for n in parts for x in n.parents):
            while x not in known and x in self.lowered.views:
                x = x.inputs[0]
            if x not in known and x not in parts:
                return None
        places = {self.plan.memory[parts[-1]]: "out"}
        for n in parts:
            place = self.plan.memory[n]
            number = len(places)
            known[n] = places.setdefault(place, f"scratch{number}" if number > 1 else "scratch")
        return known if not {*places.values()} & {*made.op.arrays} else None

    def _called(self, parts: Sequence[Node], within: Mapping[Node, str]) -> Line:
        """A composite as a call of its function, which is written at the head of the module."""
        made = self.lowered.expanded[parts[0]]
        known = self._known(made, parts)
        assert known is not None
        inside = Writer(
            self.lowered,
            self.plan,
            self.constants,
            known,
            {*parts[:-1]},
            self.readers,
            self.in_block,
        )
        written = inside._lines([[n] for n in parts])
        summary = (made.op.__doc__ or "").strip().split("\n")[0]
        text = [f'"""{summary}"""'] if summary and not {'"', "\\"} & {*summary} else []
        for head, block in blocks(written):
            text += [head] if head else []
            for line in block:
                back = "return " if line is written[-1] and line.call else ""
                text += [f"{'    ' * bool(head)}{back}{t}" for t in line.text]
        text += [] if written[-1].call else ["return out"]
        inputs = {known[x]: self.operand(x, within) for x in made.inputs if isinstance(x, Node)}
        lent = {known[n]: self.names[n] for n in parts if known[n] != "out"}
        parameters = ", ".join([*inputs, *lent, "out"])
        name = self.constants.function(made.op.name, parameters, text)
        operands = ", ".join([*inputs.values(), *lent.values()])
        out = self.names[parts[-1]]
        return Line(parts[-1], [f"{name}({operands}, out={out})"], None, 0, True)
