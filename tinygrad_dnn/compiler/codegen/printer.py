"""A planned graph as the text of a Python function: `lines` under the names of `naming`, with the
arrays they work in around them, and a function in front that checks what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import Layout
from tinygrad_dnn.compiler.codegen.blocks import block_of
from tinygrad_dnn.compiler.codegen.buffers import Memory, Plan
from tinygrad_dnn.compiler.codegen.constants import Constants, setting_text
from tinygrad_dnn.compiler.codegen.lower import Lowered
from tinygrad_dnn.compiler.codegen.module import Source
from tinygrad_dnn.compiler.codegen.naming import Called, parts_of
from tinygrad_dnn.compiler.codegen.numpy_source import Unspeakable
from tinygrad_dnn.compiler.codegen.regions import Region
from tinygrad_dnn.compiler.codegen.statements import Line, Writer, blocks, readers
from tinygrad_dnn.compiler.python_text import (
    assigned,
    dtype_text,
    dtype_word,
    empty,
    quoted,
    shaped,
    wrapped,
)
from tinygrad_dnn.compiler.tracing.record import Recording
from tinygrad_dnn.graph import Leaf, Node


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
        self.constants = constants or Constants(self.called.names, lowered.dialect.strided)
        self.constants.names = self.called.names
        self.constants.written |= numbers(recording)
        self.writer = Writer(
            lowered,
            plan,
            self.constants,
            self.called.values,
            self.called.unnamed,
            readers(plan, lowered, results),
        )
        self.parts = parts_of(plan, set(self.called.values.values()))
        self.regions = {
            part: block_of(part, plan, lowered, self.called, self.writer, self._comments())
            for part in plan.order
            if isinstance(part, Region)
        }

    def _lines(self) -> Iterator[str]:
        comments = self._comments()
        stretch: list[Node] = []
        for part in self.plan.order:
            if isinstance(part, Region):
                yield from comments(self.writer.lines(stretch))
                yield from self.regions[part].lines
                stretch = []
            else:
                stretch.append(part)
        yield from comments(self.writer.lines(stretch))
        for node in self.plan.copies:
            yield f"np.copyto({self.called.copies[node]}, {self.writer.operand(node)})"

    def _comments(self) -> Callable[[Sequence[Line]], Iterator[str]]:
        """A function that gives lines as text, and says where a part of the program begins."""
        part = ""

        def text_of(lines: Sequence[Line]) -> Iterator[str]:
            nonlocal part
            for head, block in blocks(lines):
                if head:
                    yield head
                for line in block:
                    if self.parts[line.node] not in ("", part) and not head:
                        part = self.parts[line.node]
                        yield f"# {part}"
                    yield from (f"{'    ' * bool(head)}{text}" for text in line.text)

        return text_of

    # --- the function ------------------------------------------------------------------------

    def _body(self) -> Iterator[str]:
        arguments = zip(self.recording.arguments, self.called.parameters, strict=True)
        for argument, parameter in arguments:
            pairs = [
                (self.called.values[leaf], f"{parameter}{path[len(argument.name) :]}")
                for leaf, path in zip(argument.leaves, argument.paths, strict=True)
                if leaf is not None and self.called.values[leaf] != parameter
            ]
            yield from assigned(pairs)
        yield from self._bind_results()
        yield from self._lines()
        yield f"return {self._returned()}"

    def _bind_results(self) -> Iterator[str]:
        """The arrays to be returned, under the names of all the values that lie in them."""
        if not self.plan.results:
            return
        names = [self._result(m) for m in self.plan.results]
        comma = "," * (len(names) == 1)
        yield f"{', '.join(names)}{comma} = out or {self.called.make}()"
        others = [
            (other, name)
            for m, name in zip(self.plan.results, names, strict=True)
            for other in dict.fromkeys(self.called.values.get(v, name) for v in m.values)
            if other != name and not self._is_copy(m)
        ]
        yield from assigned(others)

    def _result(self, memory: Memory) -> str:
        names = self.called.copies if self._is_copy(memory) else self.called.values
        return names[memory.last]

    def _is_copy(self, memory: Memory) -> bool:
        return self.plan.copies.get(memory.last) is memory

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
            return self.called.copies.get(x) or self.writer.operand(x)
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
        function, results, workspace = self.called.function, self.called.make, self.called.workspace
        text = []
        if self.plan.results:
            made = [self._empty(m.last) for m in self.plan.results]
            comma = "," * (len(made) == 1)
            docstring = '    """The arrays that a call returns, new ones."""'
            text += ["", "", f"def {results}():", docstring]
            text += [wrapped(f"    return {', '.join(made)}{comma}")]
        parameters = self._parameters()
        docstring = f'    """A {function} with buffers of its own, which checks nothing."""'
        text += ["", "", f"def {workspace}():", docstring]
        text += [f"    {line}" for line in memory]
        for block in self.regions.values():
            text += ["", *(wrapped(f"    {line}") if line else "" for line in block.definition)]
        text += ["", wrapped(f"    def {function}({parameters}):")]
        text += [wrapped(f"        {line}") if line else "" for line in body]
        text += ["", f"    return {function}", "", "", *self._checked(parameters)]
        told = [block.told for block in self.regions.values()]
        module = self.lowered.dialect.module
        return Source(text, self._doc(), self.called, self.constants, held, told, module)

    def _parameters(self) -> str:
        given = [p for p in self.called.parameters if p is not None]
        held = [self.called.values[leaf] for leaf in self.recording.captured]
        out = ["out=None"] if self.plan.results else []
        return ", ".join([*given, *(["*", *held] if held else []), *out])

    def _checked(self, parameters: str) -> Iterator[str]:
        """The function in front: it checks, and has buffers for each thread."""
        called = self.called
        yield f"{called.here} = _Apart({called.workspace})"
        given = dict(self._given())
        if given:
            yield f"{called.takes} = {{"
            for leaf, path in given.items():
                keys = ", ".join(map(quoted, path))
                key = f"({keys}{',' * (len(path) == 1)})"
                yield f'    {key}: ({leaf.shape}, "{leaf.dtype}"),'
            yield "}"
            yield (
                f"{called.fits} = [(shape, np.dtype(kind)) for shape, kind in "
                f"{called.takes}.values()]"
            )
        if self.plan.results:
            yield f"{called.makes} = _layout({called.make}())"
        yield from ("", "", wrapped(f"def {called.function}({parameters}):"))
        yield from (f"    {line}" if line else "" for line in self._docstring())
        arrays, fit = called.names.fresh("arrays"), called.names.fresh("fit")
        places = [f"{p[0]}{''.join(f'[{quoted(k)}]' for k in p[1:])}" for p in given.values()]
        names = list(dict.fromkeys(p[0] for p in given.values()))
        if given:
            sizes = "".join(f" and len({at}) == {n}" for at, n in self._sizes())
            given_by_name = ", ".join(f"{quoted(n)}: {n}" for n in names)
            yield "    try:"
            yield wrapped(f"        {arrays} = {', '.join(places)}{',' * (len(places) == 1)}")
            yield f"        {fit} = [(x.shape, x.dtype) for x in {arrays}] == {called.fits}{sizes}"
            yield "    except (AttributeError, IndexError, KeyError, TypeError):"
            yield f"        {fit} = False"
            yield f"    if not {fit}:"
            yield f'        raise _unfit("{called.function}", {called.takes}, {{{given_by_name}}})'
        if self.plan.results:
            there = arrays if given else "()"
            yield "    if out is not None:"
            yield f'        _check_out("{called.function}", out, {called.makes}, {there})'
        held = [f"{called.values[x]}={called.values[x]}" for x in self.recording.captured]
        words = [p for p in called.parameters if p is not None] + held
        words += ["out=out"] if self.plan.results else []
        yield f"    return {called.here}.run({', '.join(words)})"

    def _docstring(self) -> Iterator[str]:
        if self.plan.results:
            yield '"""New arrays in every call, or those of `out`, a set of results not in use.'
            yield from ("", "Any thread may call it.")
        else:
            yield '"""New arrays in every call. Any thread may call it.'
        yield from ("", "Raises:")
        yield "    ValueError: other shapes, dtypes or keys than it was written for."
        yield '"""'

    def _given(self) -> Iterator[tuple[Leaf, tuple[Any, ...]]]:
        """Every input with the way to it: the parameter, and keys."""
        arguments = zip(self.recording.arguments, self.called.parameters, strict=True)
        for argument, parameter in arguments:
            for leaf, keys in zip(argument.leaves, _ways(argument.layout), strict=True):
                if leaf is not None:
                    yield leaf, (parameter, *keys)
        for leaf in self.recording.captured:
            yield leaf, (self.called.values[leaf],)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        """The dicts, lists and tuples among the arguments, and how many parts each has."""
        for argument, parameter in zip(
            self.recording.arguments, self.called.parameters, strict=True
        ):
            if parameter is not None:
                yield from _containers(argument.layout, parameter)

    def _doc(self) -> str:
        inputs = [*dict.fromkeys(self.recording.inputs), *self.recording.captured]
        shapes = ", ".join(f"{self.called.values[x]} {x.shape}" for x in inputs)
        kinds = ", ".join(sorted({dtype_word(x.dtype) for x in inputs}))
        parameters = ", ".join(p for p in self.called.parameters if p is not None)
        signature = f"{self.called.function}({parameters}): {shapes}; {kinds}."
        pairs = zip(self.recording.arguments, self.called.parameters, strict=True)
        fixed = [argument.name for argument, parameter in pairs if parameter is None]
        return f"{signature} Built in: {', '.join(fixed)}." if fixed else signature

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


def _ways(layout: Layout) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each array of a structure."""
    if layout is None:
        yield ()
        return
    for key, part in layout.items() if isinstance(layout, dict) else enumerate(layout):
        yield from ((key, *rest) for rest in _ways(part))


def _containers(layout: Layout, at: str) -> Iterator[tuple[str, int]]:
    if layout is not None:
        yield at, len(layout)
        for key, part in layout.items() if isinstance(layout, dict) else enumerate(layout):
            yield from _containers(part, f"{at}[{quoted(key)}]")


def numbers(recording: Recording) -> set[float]:
    """The numbers that the recorded function wrote, and 1; without those of extreme size."""
    there = {x for node in recording.graph for x in node.inputs if type(x) in (int, float)}
    return {1, *(x for x in there if abs(x) < 1e100)}
