"""The backward pass line by line: every gradient in the names of what it is computed from.

    dZ3 = A3 − Y,  dW3 = 1/m · dZ3 A2ᵀ

The engine's own gradient of a named result is cut off at what has a name (Z3, A2) and at the
gradients of the lines before (dZ3), and what is left is rewritten by the rows for paper. Where a
formula gets shorter by looking into the gradient it is computed from, that is done: so dA3 ⊙ A3 ⊙
(1 − A3) becomes A3 − Y.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from tinygrad_dnn.autodiff.retrace import Backward, Forward
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import array_names
from tinygrad_dnn.graph import NO_META, Leaf, Node, by_index, trace
from tinygrad_dnn.ops import REGISTRY
from tinygrad_dnn.rewrite import PAPER, rewrite
from tinygrad_dnn.rewrite.nodes import build, shape_of
from tinygrad_dnn.rewrite.paper import GUARDS, SHARES
from tinygrad_dnn.rewrite.table import POSITIVE, REPEATED
from viz.derivation.algebra import APART, fraction, mathematical
from viz.derivation.counts import shares_of
from viz.derivation.divisor import Divisor, rule_steps
from viz.derivation.mathematics import Text, typeset, typeset_all
from viz.derivation.shifts import shifts
from viz.subject import slope_name

MOST_STEPS = 60
DEEPEST = 3  # gradients looked into, one behind the other
PLAINER = (POSITIVE, *GUARDS, *SHARES, *REPEATED)  # done to formulas before they are shown at all
_MULTIPLY, _DIVIDE, _IDENTITY = (REGISTRY[n] for n in ("multiply", "divide", "identity"))


class Step(NamedTuple):
    """One step: the change that was made, and the whole right side after it."""

    done: str
    text: Text


class Simplified(NamedTuple):
    """A formula before and after, in how many steps, which gradients were put in before, and
    whether it was simplified before that.
    """

    start: Node
    result: Node
    steps: int
    put_in: tuple[str, ...]
    from_simple: bool = False


class Line:
    """One gradient.

    Attributes:
        node: what it is the gradient of.
        name: what it is called, `dZ3`.
        shape: of the gradient.
        raw: its formula as the rules of the ops give it.
        text: its formula simplified.
        uses, raw_uses: what the simplified and the raw formula are computed from, by name.
        rule: the forward equations that it comes from, `Z3 = W3 A2 + b3`.
        times_m: whether it stands for m times the derivative.
        result: the simplified formula as a graph whose leaves hold their values, or a constant.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        raw: Node,
        simplified: Simplified,
        rule: list[str],
        times_m: bool,
        named: Mapping[Node, str],
    ) -> None:
        self.node, self.name, self.rule = node, name, rule
        self.shape, self.times_m = node.shape, times_m
        self.raw, self.text = typeset(raw, named), typeset(simplified.result, named)
        shorter = len(self.raw.plain) < len(self.text.plain)
        if shorter and _length(raw) <= _length(simplified.result):  # 1/m · y, a product of a column
            simplified, self.text = Simplified(raw, raw, 0, ()), self.raw
        self._simplified, self._named = simplified, named
        self.result = simplified.result
        self.raw_uses, self.uses = _letters(raw), _letters(self.result)

    @cached_property
    def steps(self) -> list[Step]:
        """From the raw formula to the simplified one, each step a row of the table."""
        steps: list[Step] = []
        start, _, taken, put_in, from_simple = self._simplified
        if put_in:
            done = f"{'simplified, ' if from_simple else ''}{' and '.join(put_in)} put in"
            steps.append(Step(done, typeset(start, self._named)))
        for k in range(1, min(taken, MOST_STEPS) + 1):
            part = rewrite(trace([start]), PAPER, limit=k)
            text = typeset(part.graph.outputs[0], self._named)
            before = steps[-1].text if steps else self.raw
            if text.plain != before.plain:
                steps.append(Step(part.steps[-1].row.name, text))
        if steps and steps[-1].text.plain != self.text.plain and taken <= MOST_STEPS:
            steps.append(Step("by its name", self.text))
        return steps


class Lines:
    """All lines of a backward pass, in its order.

    Args:
        forward, backward: both passes, recorded.
        named: the nodes' names.
        divisor: the number of examples, where there is one.
        scaled: whether gradients of results are m times the derivative, as in the document.
        counted: whether the number of elements of an inner mean is a letter, n, or a number.
    """

    def __init__(
        self,
        forward: Forward,
        backward: Backward,
        named: Mapping[Node, str],
        divisor: Divisor | None,
        scaled: bool,
        counted: bool = True,
    ) -> None:
        graph = forward.graph
        self.divisor = divisor
        self.scaled = scaled and divisor is not None and divisor.of_examples
        self.divided = frozenset(trace(divisor.steps)) if divisor is not None else frozenset()
        self.values = {t.node: t.numpy() for t in forward.tensors}
        self.slopes = {x: g.numpy() for x, g in backward.gradients.items()}
        self.named = {x: printable(n) for x, n in named.items() if x in self.values}
        self.owners = self._owners(forward)
        outputs = set(graph.outputs)
        targets = [x for x in self.slopes if x in self.named and x not in outputs]
        self.targets = sorted(
            targets,
            key=lambda x: (-min(z.index for z in self.owners[x]), x.op is not None, x.index),
        )
        self._lay_out(forward, backward, named, counted)

    def _owners(self, forward: Forward) -> dict[Node, frozenset[Node]]:
        """For each node the nearest named results, or outputs, that are computed from it."""
        stops = {*self.named, *forward.graph.outputs}
        found: dict[Node, frozenset[Node]] = {}
        for z in reversed(forward.graph):
            mine = frozenset([z]) if z in stops else found.get(z, frozenset())
            for x in z.parents:
                if z.requires_grad:
                    found[x] = found.get(x, frozenset()) | mine
        return found

    def _lay_out(
        self, forward: Forward, backward: Backward, named: Mapping[Node, str], counted: bool
    ) -> None:
        """Both passes as one graph with m in its place, and the leaves that lines are cut at."""
        whole = trace([*forward.graph.outputs, *(g.node for g in backward.gradients.values())])
        # No row sees through what lines are cut at: x / y, where x was repeated, is not cited as x.
        apart = {backward.gradients[x].node for x in self.targets}
        # Rules turn constant arrays and make new ones.
        self.constants = array_names(whole, named)
        taken = {*self.named.values(), *self.constants.values()}
        if self.divisor is not None:
            taken.add(self.divisor.name)
        shares, self.counts = shares_of(backward, self.divisor, taken) if counted else ({}, {})
        places = self.divisor.steps if self.divisor is not None else frozenset[Node]()
        steps = places | rule_steps(backward, places)
        nothing = {
            backward.gradients[x].node for x in shifts(forward.graph) & backward.gradients.keys()
        }
        copies = mathematical(whole, self.divisor, backward.seeds, apart, shares, steps, nothing)
        fresh = set(whole.leaves).difference(forward.graph)
        done = rewrite(
            trace(x for x in copies.values() if isinstance(x, Node)), PLAINER, constants=fresh
        )
        now = {x: done.new.get(copy, copy) for x, copy in copies.items()}
        self.now: dict[Node, Any] = now
        self.gradients = {x: _node(now[g.node], x) for x, g in backward.gradients.items()}
        self.given: dict[Node, Node] = {}  # what has a name, as leaves with their values
        for x, name in self.named.items():
            if isinstance(z := now.get(x), Node):
                self.given.setdefault(z, Leaf(self.values[x].astype(z.dtype), False, name))
        self.unknown: dict[Node, Leaf] = {}  # gradients of the lines before
        called = set(self.named.values())
        for x in self.targets:
            times = self.divisor.value if self.divisor and self._is_scaled(x) else 1
            slope = (self.slopes[x] * times).astype(self.gradients[x].dtype)
            self.unknown[x] = Leaf(slope, False, slope_name(self.named[x], called))
        self.forward = self._forward(forward, copies)
        leaves = [*self.given.values(), *self.unknown.values()]
        self.letters: dict[Node, str] = {leaf: str(leaf.name) for leaf in leaves}
        self.letters |= self.constants | self.counts
        if self.divisor is not None:
            self.letters[self.divisor.leaf] = self.divisor.name

    def _forward(self, forward: Forward, copies: Mapping[Node, Any]) -> dict[Node, Text]:
        """Return the right side of each named result and each output."""
        letters = {copies[x]: name for x, name in self.named.items()} | self.constants
        if self.divisor is not None:
            letters[self.divisor.leaf] = self.divisor.name
        outputs = set(forward.graph.outputs)
        shown = [x for x in forward.graph if x.op is not None and (x in self.named or x in outputs)]
        texts = typeset_all((z for x in shown if isinstance(z := copies[x], Node)), letters)
        return {
            x: texts[z] if isinstance(z := copies[x], Node) and z.op else typeset(z, letters)
            for x in shown
        }

    def _is_scaled(self, x: Node) -> bool:
        """Whether it is m times the gradient: of a result, but for a number behind the division."""
        if not (self.scaled and x.op is not None and self.divisor is not None):
            return False
        return x.shape != () or (x in self.divided and x not in self.divisor.steps)

    def all(self, most: int | None = None) -> list[Line]:
        """The lines; with `most`, only those whose rule is made of at most so many nodes."""
        lines: dict[Node, Line] = {}  # by the leaf that stands for the gradient
        for x in self.targets:
            raw = self._formula(x, self.owners[x], most)
            if raw is not None:
                lines[self.unknown[x]] = self._line(x, raw, lines)
        return list(lines.values())

    def _line(self, x: Node, raw: Node, before: Mapping[Node, Line]) -> Line:
        """The line of one gradient: the shortest of what comes of looking into others or not."""
        found = [*self._looked_into(raw, before)]
        best = self._shortest(x, found)
        first = self._shortest(x, found[:1]) if len(found) > 1 else found[0]
        if first.result is not found[0].result:  # by its names; then it may get shorter still
            again = [one for one in self._looked_into(first.result, before) if one.put_in]
            other = self._shortest(x, again)._replace(from_simple=True)
            best = min(best, other, key=lambda one: _length(one.result))
        rule = [self._equation(z) for z in sorted(self.owners[x], key=by_index)]
        called = str(self.unknown[x].name)
        return Line(x, called, raw, best, rule, self._is_scaled(x), self.letters)

    def _shortest(self, x: Node, found: Collection[Simplified]) -> Simplified:
        best = min(found, key=lambda one: _length(one.result))
        return best._replace(result=self._in_names(best.result, self.owners[x]))

    def _looked_into(self, start: Node, before: Mapping[Node, Line]) -> Iterator[Simplified]:
        """A formula simplified, and what it becomes with the gradients that it reads put in."""
        put_in: tuple[str, ...] = ()
        for _ in range(DEEPEST + 1):
            done = rewrite(trace([start]), PAPER)
            yield Simplified(start, done.graph.outputs[0], len(done.steps), put_in)
            seen = {n: before[n].result for n in trace([start]) if n in before}
            if not seen:
                break
            put_in += tuple(self.letters[leaf] for leaf in seen)
            start = _cut(start, seen)

    def _in_names(self, formula: Node, owners: Collection[Node]) -> Node:
        """The formula in which owners stand by their names: 1 − A for 1 − σ(Z)."""
        forms: dict[Node, Node] = {}  # what an owner is computed as, and the leaf of that name
        for z in sorted(owners, key=by_index):
            now = self.now[z]
            if now in self.given:
                others = {y: leaf for y, leaf in self.given.items() if y is not now}
                forms[_cut(now, others)] = self.given[now]
        if not forms:
            return formula
        done = rewrite(trace([formula, *forms]), PAPER)
        made = {done.new[form]: leaf for form, leaf in forms.items()}
        for z in trace([done.new[formula]]):  # a ⊙ e / s, where P is e / s
            if z.op is _DIVIDE and getattr(x := z.inputs[0], "op", None) is _MULTIPLY:
                for a, e in (x.inputs, x.inputs[::-1]):
                    share = next((f for f in made if _is_quotient(f, e, z.inputs[1])), None)
                    if share is not None and shape_of(a):
                        made[z] = build(_MULTIPLY, (a, made[share]), NO_META, ())
        stops = {z: x for z, x in made.items() if getattr(z, "op", None)}
        plain = done.new[formula]
        if stops.keys().isdisjoint(trace([plain])):
            return formula
        named = _node(_cut(plain, stops), formula)
        return rewrite(trace([named]), PAPER).graph.outputs[0]

    def _formula(self, x: Node, owners: Collection[Node], most: int | None) -> Node | None:
        """The gradient of x, cut off at the gradients of the owners, in their measure and its;
        None if it is made of more nodes than `most`.
        """
        # Of results whose gradients are one and the same the last one lends it its name.
        known = sorted((z for z in owners if z in self.unknown), key=by_index)
        # Where all of it comes from gradients in that measure, the measure goes through; not where
        # one was the number 1, which left nothing in the formula to be cut off at.
        alike = len(known) == len(owners) and all(map(self._is_scaled, known))
        root = self._cut_at(x, known, alike, most)
        if alike and root is not None:
            left = set(trace([root]))
            seen = {self.gradients[z] for z in known if self.unknown[z] in left}
            if not all(self.gradients[z] in seen for z in known):  # equal ones have one name
                alike = False
                root = self._cut_at(x, known, alike, most)
        if root is None:
            return None
        if self._is_scaled(x):
            return root if alike else self._times(root)
        return self._times(root, inverse=True) if alike and self.scaled else root

    def _cut_at(self, x: Node, known: Collection[Node], alike: bool, most: int | None) -> Any:
        """The gradient of x in terms of those of `known`, in the document's measure if alike."""
        cut: dict[Node, Node] = {}
        for z in known:
            leaf = self.unknown[z]
            as_it_is = alike or not self._is_scaled(z)
            cut[self.gradients[z]] = leaf if as_it_is else self._times(leaf, inverse=True)
        return _cut(self.gradients[x], ChainMap(cut, self.given), most)

    def _times(self, x: Node, inverse: bool = False) -> Node:
        assert self.divisor is not None
        factor: Node = self.divisor.leaf
        if inverse:
            factor = fraction(1, self.divisor.leaf)
        return build(_MULTIPLY, (factor, x), NO_META, ())

    def _equation(self, z: Node) -> str:
        text = self.forward[z].plain
        return f"{self.named[z]} = {text}" if z in self.named else text


def _is_quotient(z: Any, x: Any, y: Any) -> bool:
    return getattr(z, "op", None) is _DIVIDE and z.inputs[0] is x and z.inputs[1] is y


def _node(x: Any, like: Node) -> Node:
    """Return x as a node; of a constant, one that gives it."""
    return x if isinstance(x, Node) else build(_IDENTITY, (x,), NO_META, (), like=like)


def _letters(x: Node) -> frozenset[str]:
    """The names in a formula."""
    return frozenset(n.name for n in trace([x]) if n.name)


def _length(x: Node) -> int:
    """How much there is to read: the ops of a formula, those of single numbers apart."""
    return sum(n.op is not None and n.shape != () for n in trace([x]))


def _cut(root: Any, stops: Mapping[Node, Node], most: int | None = None) -> Any:
    """A copy of what leads to a node, with others in place of those it is cut off at; None if
    those are more than `most`.
    """
    if root in stops or not isinstance(root, Node):
        return stops.get(root, root)
    seen, stack = {root}, [root]
    while stack:
        for x in stack.pop().parents:
            if x not in seen and x not in stops:
                seen.add(x)
                stack.append(x)
        if most is not None and len(seen) > most:
            return None
    new: dict[Node, Node] = {}
    for node in sorted(seen, key=by_index):
        inputs = [stops.get(x) or new[x] if isinstance(x, Node) else x for x in node.inputs]
        if node.op in (_IDENTITY, APART) and isinstance(inputs[0], Node):
            new[node] = inputs[0]
        else:
            leaf = node.op is None
            new[node] = node if leaf else build(node.op, inputs, node.meta, (), like=node)
    return new[root]
