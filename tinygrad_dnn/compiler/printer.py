"""A planned graph as the text of a Python module that needs NumPy alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.constants import UNPACK, Constants, quick, setting_text, uniform
from tinygrad_dnn.compiler.lower import Lowered
from tinygrad_dnn.compiler.naming import Called, parts_of
from tinygrad_dnn.compiler.picks import PICKS, WITHIN, looked_at, picks
from tinygrad_dnn.compiler.plan import Memory, Plan
from tinygrad_dnn.compiler.record import Recording
from tinygrad_dnn.compiler.spell import (
    Unspeakable,
    call,
    expression,
    is_ufunc,
    lines,
    plain_ufunc,
    view,
)
from tinygrad_dnn.compiler.typeset import dtype_text, empty, filled, quoted, shaped, wrapped
from tinygrad_dnn.graph import Leaf, Node
from tinygrad_dnn.rewrite.nodes import ours


@dataclass
class Source:
    """A printed function.

    Attributes:
        lines: its definitions.
        told: what it takes.
        called: the names in it.
        constants: what it refers to.
        captured: the keyword arguments for what the recorded function closed over.
    """

    lines: list[str]
    told: str
    called: Called
    constants: Constants
    captured: dict[Leaf, str]

    @property
    def text(self) -> str:
        """A module of this function alone."""
        return module([self])


def printed(
    recording: Recording,
    lowered: Lowered,
    plan: Plan,
    results: Sequence[Any],
    constants: Constants | None = None,
) -> Source:
    """The function's text.

    Args:
        results: for each result its node, or a constant.
        constants: those of a module that it shall share with other functions.
    """
    return _Printer(recording, lowered, plan, results, constants).source()


def module(sources: Sequence[Source], head: str = "") -> str:
    """The text of a module with these functions, which were printed with the same constants."""
    constants = sources[0].constants
    told = [*([head, ""] if head else []), *(line for s in sources for line in filled(s.told))]
    text = ['"""Written by tinygrad_dnn.compile.', "", *told, '"""', ""]
    if constants.packed:
        text += ["import base64", "import io", "import zlib", "", "import numpy as np"]
        text += UNPACK.splitlines()
    else:
        text += ["import numpy as np"]
    for helper in constants.functions:
        text += ["", "", *helper.splitlines()]
    if constants.arrays:
        text += [""] * (2 if constants.functions else 1)
        text += [f"{name} = {value}" for name, value in constants.arrays.items()]
    for source in sources:
        text += source.lines
    return "\n".join([*text, ""])


class _Printer:
    def __init__(
        self,
        recording: Recording,
        lowered: Lowered,
        plan: Plan,
        results: Sequence[Any],
        constants: Constants | None,
    ) -> None:
        self.recording, self.lowered, self.plan, self.results = recording, lowered, plan, results
        beside = None if constants is None else constants.names.outer
        self.called = Called(recording, plan, results, beside)
        self.constants = constants or Constants(self.called.names)
        self.constants.names = self.called.names
        self.looked_at: set[tuple[Node, int]] = set()  # indices, and the length of their axis

    # --- operands ----------------------------------------------------------------------------

    def operand(self, x: Any) -> str:
        """A value as it is written in a line: its name, a view of another, a constant."""
        if not isinstance(x, Node):
            return self.constants.text(x)
        chain = []
        while x in self.lowered.views:
            chain.append(x)
            x = x.inputs[0]
        text = self.called.values[x]
        for node in reversed(chain):
            text = self._view(node, text)
        return text

    def _view(self, node: Node, x: str) -> str:
        known = view(node.op, x, node.shape, node.meta)
        return known if known is not None else ast.unparse(self._expression(node, [x]))

    def _expression(self, node: Node, operands: Sequence[str]) -> ast.expr:
        named = self.constants.settings(node)
        return expression(node.op, operands, list(node.input_shapes), node.meta, named)

    def _elementwise(self, x: Any, node: Node) -> str:
        """An operand of an elementwise op, which repeats it to the result's shape by itself."""
        while isinstance(x, Node) and x in self.lowered.views and x.op.name == "broadcast_to":
            x = x.inputs[0]
        if isinstance(x, np.ndarray) and x.ndim and uniform(x):
            x = x.reshape(-1)[0].reshape(())
        return self.operand(quick(x, node))

    # --- lines -------------------------------------------------------------------------------

    def line(self, node: Node) -> list[str]:
        """The statements that compute a value."""
        out = self.called.values[node]
        if self.plan.memory[node].kind == "fresh":
            return [f"{out} = {self._fresh(node)}"]
        elementwise = is_ufunc(node.op)
        operands = [
            self._elementwise(x, node) if elementwise else self.operand(x) for x in node.inputs
        ]
        if (ufunc := plain_ufunc(node.op)) is not None:
            return [f"np.{ufunc}({', '.join(operands)}, out={out})"]
        named = self.constants.settings(node)
        if node.op.name in PICKS:
            looks = self._looked_at(node, operands[1])
            return [*looks, *picks(node, operands, out, self.lowered)]
        spelled = lines(node.op, operands, list(node.input_shapes), node.meta, named, out)
        if spelled is not None:
            return spelled
        written = self._expression(node, operands)
        if elementwise:
            self._quicken(written, node)
        text = call(written, out)
        assert text is not None, f"{node.op.name}: planned with a place to write to"
        return [text]

    def _looked_at(self, node: Node, at: str) -> list[str]:
        """A look at positions, where there was none yet."""
        needed = looked_at(node)
        if needed is None or needed in self.looked_at:
            return []
        self.looked_at.add(needed)
        return [f"{self.constants.function(*WITHIN)}({at}, {needed[1]})"]

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
        if not ours(node.op):
            return f"np.array({text})"  # it may be an input's own memory
        return text if node.shape else f"np.asarray({text})"

    def _lines(self) -> Iterator[str]:
        part, parts = "", parts_of(self.plan, set(self.called.values.values()))
        for raises, group in groupby(self.plan.lines, self.lowered.raises.get):
            indent = ""
            if raises:
                states = ", ".join(f"{k}={quoted(v)}" for k, v in raises.items())
                yield f"with np.errstate({states}):"
                indent = "    "
            for node in group:
                if parts[node] not in ("", part) and not raises:
                    part = parts[node]
                    yield f"# {part}"
                for text in self.line(node):
                    yield indent + text
        for node in self.plan.copies:
            yield f"np.copyto({self.called.copies[node]}, {self.operand(node)})"

    # --- the function ------------------------------------------------------------------------

    def _body(self) -> Iterator[str]:
        arguments = zip(self.recording.arguments, self.called.parameters, strict=True)
        for argument, parameter in arguments:
            pairs = [
                (self.called.values[leaf], f"{parameter}{path[len(argument.name) :]}")
                for leaf, path in zip(argument.leaves, argument.paths, strict=True)
                if leaf is not None and self.called.values[leaf] != parameter
            ]
            if pairs:
                names, places = zip(*pairs, strict=True)
                yield f"{', '.join(names)} = {', '.join(places)}"
        yield from self._bind_results()
        yield from self._lines()
        yield f"return {self._returned()}"

    def _bind_results(self) -> Iterator[str]:
        """The arrays to be returned, under the names of all the values that lie in them."""
        if not self.plan.results:
            return
        names = [self._result(m) for m in self.plan.results]
        comma = "," * (len(names) == 1)
        yield f"{', '.join(names)}{comma} = {self.called.make}() if out is None else out"
        others = [
            (other, name)
            for m, name in zip(self.plan.results, names, strict=True)
            for other in dict.fromkeys(self.called.values.get(v, name) for v in m.values)
            if other != name and m.last not in self.plan.copies
        ]
        if others:
            yield f"{', '.join(a for a, _ in others)} = {', '.join(b for _, b in others)}"

    def _result(self, memory: Memory) -> str:
        return self.called.copies.get(memory.last) or self.called.values[memory.last]

    def _returned(self) -> str:
        """The result in the function's own structure."""
        at = iter(self.results)

        def walk(part: Any) -> str:
            if part is None:
                return self._returned_one(next(at))
            if isinstance(part, dict):
                return "{" + ", ".join(f"{quoted(k)}: {walk(v)}" for k, v in part.items()) + "}"
            inside = [walk(v) for v in part]
            if isinstance(part, list):
                return f"[{', '.join(inside)}]"
            return f"({', '.join(inside)}{',' * (len(inside) == 1)})"

        layout = self.recording.layout
        whole = walk(layout)
        return whole[1:-1] if isinstance(layout, tuple) and len(layout) > 1 else whole

    def _returned_one(self, x: Any) -> str:
        if isinstance(x, Node):
            return self.called.copies.get(x) or self.operand(x)
        if isinstance(x, np.ndarray):
            return f"{self.constants.array(x)}.copy()"
        try:
            return setting_text(x)
        except Unspeakable:
            return self.constants.object("constant", x)

    # --- the module --------------------------------------------------------------------------

    def source(self) -> Source:
        """The definitions, top to bottom, and what stands above them."""
        body, memory = list(self._body()), list(self._workspace())
        held = {leaf: self.called.values[leaf] for leaf in self.recording.captured}
        function, results, workspace = self.called.function, self.called.make, self.called.room
        text = []
        if self.plan.results:
            made = [self._empty(m.last) for m in self.plan.results]
            comma = "," * (len(made) == 1)
            told = '    """The arrays that a call returns, new ones."""'
            text += ["", "", f"def {results}():", told]
            text += [wrapped(f"    return {', '.join(made)}{comma}")]
        parameters = [p for p in self.called.parameters if p is not None]
        parameters += ["*", *held.values()] if held else []
        parameters += ["out=None"] if self.plan.results else []
        told = f'    """A {function} with buffers of its own: one for each thread."""'
        text += ["", "", f"def {workspace}():", told]
        text += [f"    {line}" for line in memory]
        text += ["", wrapped(f"    def {function}({', '.join(parameters)}):")]
        text += [wrapped(f"        {line}") if line else "" for line in body]
        text += ["", f"    return {function}", "", "", f"{function} = {workspace}()"]
        return Source(text, self._doc(), self.called, self.constants, held)

    def _doc(self) -> str:
        inputs = [*dict.fromkeys(self.recording.inputs), *self.recording.captured]
        shapes = ", ".join(f"{self.called.values[x]} {x.shape}" for x in inputs)
        kinds = ", ".join(sorted({x.dtype.name for x in inputs}))
        parameters = ", ".join(p for p in self.called.parameters if p is not None)
        told = f"{self.called.function}({parameters}): {shapes}; {kinds}."
        pairs = zip(self.recording.arguments, self.called.parameters, strict=True)
        fixed = [argument.name for argument, parameter in pairs if parameter is None]
        return f"{told} Built in: {', '.join(fixed)}." if fixed else told

    def _empty(self, node: Node) -> str:
        return empty(node.shape, node.dtype, self.lowered.strides[node])

    def _workspace(self) -> Iterator[str]:
        """Every buffer, under the names of the values that lie in it."""
        by_buffer: dict[int, list[Memory]] = {}
        for memory in dict.fromkeys(self.plan.memory.values()):
            if memory.kind == "workspace":
                by_buffer.setdefault(memory.buffer, []).append(memory)
        for number, memories in sorted(by_buffer.items()):
            kinds = {(m.last.shape, self.lowered.strides[m.last]) for m in memories}
            if len(kinds) == 1:
                values = [v for m in memories for v in m.values]
                yield self._bound(values, self._empty(memories[0].last))
                continue
            dtype, size = self.plan.buffers[number]
            whole = self.called.names.fresh("memory")
            yield f"{whole} = np.empty({size}{dtype_text(dtype)})"
            for m in memories:
                n = prod(m.last.shape)
                part = whole if n == size else f"{whole}[:{n}]"
                text = shaped(part, m.last.shape, self.lowered.strides[m.last])
                yield self._bound(m.values, text)

    def _bound(self, values: Sequence[Node], text: str) -> str:
        return f"{' = '.join(dict.fromkeys(self.called.values[v] for v in values))} = {text}"
