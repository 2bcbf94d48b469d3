"""Graph -> mathematics as text: each node written in its inputs' names, brackets only where needed.

What stands on a line beside its own shape need not say what the shape tells (`db = Σ dZ`, a column,
is over the rows' elements); what stands within a formula says all that its value depends on.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.formula.calls import Called, call_formula, calls_of, with_constants
from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.plumbing import reading
from tinygrad_dnn.formula.settings import values, wording
from tinygrad_dnn.formula.template import ATOM, SUM, UNICODE, Formula, Script, formula_of
from tinygrad_dnn.graph import Graph, Node, trace

_SEVERAL = 6  # inputs of one op that are all written
_MORE = object()  # in place of those that are not


# Which template a node is written with, on a line beside its shape or within a formula.
Style = Callable[[Node, bool], Formula]


def own_formula(node: Node, beside: bool) -> Formula:
    """The template that its op declares."""
    return wording(node, beside)


def formulas(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int = 72,
    beside: bool = True,
    quiet: Container[Node] = (),
    only: Collection[Node] | None = None,
) -> dict[Node, str]:
    """Each op node's formula in its inputs' names: `W1 X + b1`.

    An unnamed input is written out in place as long as the text stays within `longest` characters,
    and is `…` where it would not. One pass over the nodes, so a deep graph costs no more than its
    size.

    Args:
        beside: whether each stands beside its own shape, which then need not be said.
        quiet: steps of derivative rules, whose plumbing is not written, see `plumbing`.
        only: the nodes that are asked for; the formulas that these are made of come along.
    """
    formulas = written(graph, names, longest, [UNICODE], beside=beside, quiet=quiet, only=only)
    return {node: texts[0] for node, texts in formulas.items()}


_OUTER = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")  # what stands in brackets

# What is written of a node in each script, and how tightly it binds there.
Written = tuple[tuple[str, ...], tuple[int, ...]]


def written(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int,
    scripts: Sequence[Script],
    style: Style = own_formula,
    beside: bool = True,
    known: dict[Node, Written] | None = None,
    whole: bool = False,
    quiet: Container[Node] = (),
    only: Collection[Node] | None = None,
) -> dict[Node, tuple[str, ...]]:
    """Each op node's formula in several scripts; the length in the first decides for all.

    Args:
        beside: whether each stands beside its own shape.
        known: `pieces` of this graph, in the same names, or of others, which the nodes of this one
            are computed from.
        whole: whether the result of a composed function is written as its call, `median(x)`, on
            its own line too, and not only where it is read; not where one of its steps has a name.
        quiet: steps of derivative rules, whose plumbing is not written.
        only: see `formulas`.
    """
    within = pieces(graph, names, longest, scripts, style, known, quiet, only)
    done = ChainMap(within, known or {})
    alone = Pen(names, scripts, style, True, quiet)
    calls = calls_of(graph)
    steps = (x for x in graph if whole and x.op and x not in calls and x in names)
    named_inside = {part for x in steps for part in x.scope}
    lines: dict[Node, Written] = {}  # where it differs from what stands within a formula
    for node in within:
        if beside and node in quiet and node.op.spreads:  # its shape tells how often it is repeated
            x = node.inputs[0]
            if isinstance(x, np.ndarray) and x.size == 1:
                x = x.reshape(())
            its = lines.get(x) if isinstance(x, Node) else None
            lines[node] = its or alone.reference(x, done)
            continue
        handed = passed_on(node, names)
        if beside and (node.meta or handed in lines):
            inputs = ChainMap({handed: lines[handed]}, done) if handed in lines else done
            lines[node] = alone.fitted(node, inputs, longest)
        if node in calls:  # its own line says what the last op does
            lines.setdefault(node, alone.fitted(node, done, longest))
            if whole and calls[node].call not in named_inside:
                del lines[node]
    return {node: lines.get(node, made)[0] for node, made in within.items()}


def pieces(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int,
    scripts: Sequence[Script],
    style: Style = own_formula,
    known: dict[Node, Written] | None = None,
    quiet: Container[Node] = (),
    only: Collection[Node] | None = None,
) -> dict[Node, Written]:
    """Each op node as it is written where it stands within a formula, see `written`."""
    pen = Pen(names, scripts, style, False, quiet)
    calls = calls_of(graph)
    own: dict[Node, Written] = {}
    known = known or {}
    done = ChainMap(own, known)
    wanted = None if only is None else _made_of(only, names)
    for node in graph:
        if wanted is not None and node not in wanted:
            continue
        if node in known:
            own[node] = known[node]
        elif node in calls:
            own[node] = pen.called(calls[node], done, longest)
        elif node.op is not None:
            own[node] = pen.fitted(node, done, longest)
    return own


def _made_of(ends: Collection[Node], names: Container[Node]) -> set[Node]:
    """The nodes that the formulas of these are made of: what has a name stands there by that."""
    found = {*ends}
    stack = [*found]
    while stack:
        new = {x for x in stack.pop().parents if x not in names} - found
        found |= new
        stack += new
    return found


class _Bare:
    """A node whose result is repeated from another shape, as it stands where that is no matter."""

    def __init__(self, node: Node, inner: Any) -> None:
        self.node, self.inner = node, inner
        self.shape = getattr(inner, "shape", ())


class Pen:
    """Writes a node in the names of its inputs, in every script."""

    def __init__(
        self,
        names: Mapping[Node, str],
        scripts: Sequence[Script],
        style: Style,
        beside: bool,
        quiet: Container[Node] = (),
    ) -> None:
        self.names, self.scripts, self.style, self.beside = names, scripts, style, beside
        self.quiet = quiet
        self.arrays: dict[int, Written] = {}  # constant ones by their id()
        self.dots = self.bound(self.plain("…"), ATOM)

    def plain(self, text: str) -> tuple[str, ...]:
        """The same text in every script."""
        return tuple(script.plain(text) for script in self.scripts)

    def bound(self, texts: tuple[str, ...], level: int) -> Written:
        """Texts that bind as tightly in every script."""
        return texts, (level,) * len(texts)

    def outermost(self, node: Node) -> Written:
        """The op alone, its inputs as dots."""
        return self.filled(node, {})

    def fitted(self, node: Node, done: Mapping[Node, Written], longest: int) -> Written:
        """As much of the inputs as fits: in full, their outermost op, or nothing; a setting that
        alone is too long is left out as well, `x[…]`.
        """
        texts, levels = self.filled(node, done)
        if len(texts[0]) > longest:
            inputs = [x for x in self.read(node) if isinstance(x, Node) and x.op]
            texts, _ = self.filled(node, {x: self.outermost(x) for x in inputs})
        if len(texts[0]) > longest:
            texts, _ = self.outermost(node)
        if len(texts[0]) > longest:
            texts, _ = self.filled(node, done, left_out=True)
        fits = len(texts[0]) <= longest
        return (texts if fits else self.plain("…")), levels

    def filled(self, node: Node, done: Mapping[Node, Written], left_out: bool = False) -> Written:
        """The node in the names of its inputs, unnamed ones as `done` has them.

        Args:
            left_out: whether … stands for each setting.
        """
        if node in self.quiet and (read := reading(node, self.quiet, self.names)):
            return self.put(read.template, *(self.reference(x, done) for x in read.inputs))
        return self.spelled(node, self.few(node), done, left_out)

    def spelled(
        self,
        node: Node,
        inputs: Sequence[Any],
        done: Mapping[Node, Written],
        left_out: bool = False,
    ) -> Written:
        """The node as its op is written, of these inputs."""
        op, formula = node.op, self.style(node, self.beside)
        refs = [self.reference(x, done) for x in inputs]
        setting = values(formula, node, self.beside, self.names)
        settings = {k: self.plain("…" if left_out else text) for k, text in setting.items()}
        texts = []
        for i, script in enumerate(self.scripts):
            if op.many:
                given = {"xs": (script.listed([text[i] for text, _ in refs]), ATOM)}
            else:
                given = {
                    a: (text[i], level[i]) for a, (text, level) in zip(op.arrays, refs, strict=True)
                }
            given |= {k: (text[i], ATOM) for k, text in settings.items()}
            texts.append(formula.fill(script, given))
        return tuple(texts), tuple(formula.level_in(script) for script in self.scripts)

    def put(self, template: str, *given: Written) -> Written:
        """A template with what stands in its places, in their order."""
        if template == "{x}":
            return given[0]
        if "[" in template and " " in _OUTER.sub("", given[0][0][0]):  # of log Σ exp(x) the whole
            given = tuple((texts, tuple(min(n, SUM) for n in levels)) for texts, levels in given)
        formula = formula_of(template)
        texts = tuple(
            formula.fill(
                script,
                {
                    place: (text[i], level[i])
                    for place, (text, level) in zip(formula.places, given, strict=True)
                },
            )
            for i, script in enumerate(self.scripts)
        )
        return texts, tuple(formula.level_in(script) for script in self.scripts)

    def called(self, called: Called, done: Mapping[Node, Written], longest: int) -> Written:
        """A call of a composed function: `median(x, axis=1)`."""
        formula = call_formula(called.call)
        inputs = [self.reference(x, done) for x in called.inputs]
        refs = with_constants(called.call, inputs, self.dots)

        def texts(refs: Sequence[Written]) -> tuple[str, ...]:
            return tuple(
                formula.fill(script, {"xs": (script.listed([t[i] for t, _ in refs]), ATOM)})
                for i, script in enumerate(self.scripts)
            )

        whole = texts(refs)
        return self.bound(whole if len(whole[0]) <= longest else texts([self.dots]), ATOM)

    def few(self, node: Node) -> Sequence[Any]:
        """The inputs as they are written; of very many the first ones and the last."""
        xs = self.read(node)
        return (
            xs if not node.op.many or len(xs) <= _SEVERAL else [*xs[: _SEVERAL - 2], _MORE, xs[-1]]
        )

    def read(self, node: Node) -> Sequence[Any]:
        """The inputs as they are written: relu(Z) > 0 holds exactly where Z > 0 does, and what is
        spread to the shape of what it meets would be so anyway.
        """
        if node.op.elementwise:
            inputs = [self.unspread(x) for x in node.inputs]
            if any(x is not y for x, y in zip(inputs, node.inputs, strict=True)):
                shapes = [getattr(x, "shape", ()) for x in inputs]
                return inputs if np.broadcast_shapes(*shapes) == node.shape else node.inputs
        x = node.inputs[0] if node.op.name == "greater" else None
        if not (isinstance(x, Node) and x.op and x.op.name == "relu"):
            return node.inputs
        z, bound = x.inputs[0], node.inputs[1]
        zero = isinstance(bound, (int, float)) and bound == 0
        return (z, bound) if zero and (z in self.names or x not in self.names) else node.inputs

    def unspread(self, x: Any) -> Any:
        """Of an unnamed input that only repeats another, that one; of a multiple of such, the
        multiple that is not repeated.
        """
        if self.is_spread(x):
            return x.inputs[0]
        if not isinstance(x, Node) or x.op is None or not x.op.multiple or x in self.names:
            return x
        repeated = [y for y in x.inputs if self.is_spread(y)]
        others = [y for y in x.inputs if not self.is_spread(y)]
        if len(repeated) != 1 or any(getattr(y, "shape", ()) for y in others):
            return x
        return _Bare(x, repeated[0].inputs[0])

    def is_spread(self, x: Any) -> bool:
        """Whether an unnamed input only repeats another."""
        named = x in self.names if isinstance(x, Node) else True
        return not named and x.op is not None and x.op.spreads

    def reference(self, x: Any, done: Mapping[Node, Written]) -> Written:
        """An input as it stands in a formula: by name, as a number, or written out."""
        if x is _MORE:
            return self.dots
        if isinstance(x, _Bare):
            inputs = [x.inner if self.is_spread(y) else y for y in x.node.inputs]
            return self.spelled(x.node, inputs, done)
        if not isinstance(x, Node):
            return self.constant(x)
        if x in self.names:
            return self.bound(tuple(script.name(self.names[x]) for script in self.scripts), ATOM)
        if x.op is None:
            return self.bound(self.plain(f"tensor{tuple(x.shape)}"), ATOM)
        return done.get(x, self.dots)

    def constant(self, x: Any) -> Written:
        """A number, or an array, which is looked at once."""
        found = self.arrays.get(id(x))
        if found is None:
            pieces = [constant(x, self.names, script) for script in self.scripts]
            found = tuple(text for text, _ in pieces), tuple(level for _, level in pieces)
            if getattr(x, "shape", ()):
                self.arrays[id(x)] = found
        return found


def passed_on(node: Node, names: Mapping[Node, str]) -> Node | None:
    """Return the node that a line gives but for its sign and a factor: x in −x, 1/m · x, x / 2."""
    xs = node.inputs
    numbers = {i for i, x in enumerate(xs) if node.op.multiple and _is_number(x, names)}
    found = next((xs[k] for k in node.op.multiple if numbers | {k} == {*range(len(xs))}), None)
    kept = isinstance(found, Node) and found.op and found.shape == node.shape
    return found if kept and found not in names else None


def _is_number(x: Any, names: Mapping[Node, str], inner: bool = True) -> bool:
    """Whether it is a number with a name, a constant, or a product or fraction of these."""
    if getattr(x, "shape", ()) != ():
        return False
    if not isinstance(x, Node) or x.op is None or x in names:
        return True
    short = inner and bool(x.op.multiple)
    return short and all(_is_number(y, names, inner=False) for y in x.inputs)


def formula(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """One node's formula: `formula(Z1.node)` is `W1 X + b1`. A leaf's is its name."""
    graph = trace([node])
    named = {n: n.name for n in graph if n.name} | dict(names or {})
    text = formulas(graph, named)
    return text.get(node) or named.get(node, "tensor")
