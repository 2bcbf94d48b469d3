"""Matrices that depend linearly on carried ones: Σ a Q + Σ M C, with numbers a, constants C.

A parameter W that only changes by multiples of a constant Xᵀ stays a W0 + S Xᵀ for ever. Such a sum
is kept apart here, term by term, so that its product with X is a (W0 X) + S (XᵀX).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinygrad_dnn.graph import Leaf, Node
from tinygrad_dnn.loops.gathers import product
from tinygrad_dnn.loops.step_graph import made, scaled, turned


class Constant(NamedTuple):
    """A constant matrix C, or its transpose."""

    node: Node
    turned: bool = False

    @property
    def T(self) -> Constant:
        """Its transpose."""
        return Constant(self.node, not self.turned)


@dataclass(frozen=True)
class Form:
    """The matrix Σ a Q (transposed if `turned`) + Σ M C (transposed if `flipped`).

    Attributes:
        own: the number a of each carried matrix Q; a Python number or a 0-d node.
        tails: the matrix M before each constant C.
    """

    own: Mapping[Leaf, Any]
    turned: bool = False
    tails: Mapping[Constant, Node] = field(default_factory=dict)
    flipped: bool = False

    @property
    def T(self) -> Form:
        """Its transpose."""
        return Form(self.own, not self.turned, self.tails, not self.flipped)

    def opens(self, flipped: bool) -> bool:
        """Whether its constants stand on the outer side: right of M, or left where flipped."""
        return not self.tails or self.flipped == flipped


def added(x: Any, y: Any) -> Any:
    """x + y, of which None is nothing."""
    if x is None or y is None:
        return y if x is None else x
    return made("add", x, y) if isinstance(x, Node) or isinstance(y, Node) else x + y


def subtracted(x: Any, y: Any) -> Any:
    """x − y, of which None is nothing."""
    if y is None:
        return x
    if x is None:
        return scaled(-1.0, y)
    return made("subtract", x, y) if isinstance(x, Node) or isinstance(y, Node) else x - y


def combined(x: Form, y: Form, join: Any) -> Form | None:
    """x + y or x − y; None where the transposes do not fit, or nothing carried is left over."""
    if x.own and y.own and x.turned != y.turned:
        return None
    if x.tails and y.tails and x.flipped != y.flipped:
        return None
    own = {q: join(x.own.get(q), y.own.get(q)) for q in [*x.own, *y.own]}
    return Form(
        {q: a for q, a in own.items() if isinstance(a, Node) or a != 0},
        x.turned if x.own else y.turned,
        {c: join(x.tails.get(c), y.tails.get(c)) for c in [*x.tails, *y.tails]},
        x.flipped if x.tails else y.flipped,
    )


def multiplied(x: Form, change: Any) -> Form:
    """The form with `change` applied to every number and matrix in it: a factor, a sign."""
    return Form(
        {q: change(a) for q, a in x.own.items()},
        x.turned,
        {c: change(m) for c, m in x.tails.items()},
        x.flipped,
    )


def _written(c: Constant) -> str:
    return f"{c.node.name}{'t' if c.turned else ''}"  # Xt_X is XᵀX


def _summed(x: Node, y: Node) -> Node:
    return made("sum", made("multiply", x, y), meta={"axis": None, "keepdims": False})


class Products:
    """Products of constants, each made once: XᵀX, and W0 X of a carried matrix's start."""

    def __init__(self) -> None:
        self.starts: dict[Leaf, Leaf] = {}
        self.moved_out: dict[Node, Node] = {}  # for a node of the step, what it picks columns of
        self._made: dict[Any, Node] = {}
        self._turned: dict[Constant, Node] = {}

    def start(self, q: Leaf) -> Leaf:
        """The leaf that stands for what Q was when the loop began, or was last refreshed."""
        if q not in self.starts:
            leaf = Leaf(q.value, False, f"{q.name}_start" if q.name else None)
            leaf.scope = q.scope
            self.starts[q] = leaf
        return self.starts[q]

    def matrix(self, c: Constant) -> Node:
        """A constant as a node."""
        if not c.turned:
            return c.node
        if c not in self._turned:
            self._turned[c] = turned(c.node)
        return self._turned[c]

    def of(self, x: Constant, y: Constant) -> Node:
        """x y."""
        if (x, y) not in self._made:
            product = self._made[x, y] = made("matmul", self.matrix(x), self.matrix(y))
            if x.node.name and y.node.name:
                product.name = f"{_written(x)}_{_written(y)}"
        return self._made[x, y]

    def apply(self, form: Form, flipped: bool, c: Constant, chosen: Node | None = None) -> Node:
        """V C, V being the form or, where flipped, its transpose; its constants are outermost.

        Σ a (Q0 C) + Σ M (C' C)

        Args:
            chosen: a selection E of columns: V C Eᵀ, where Q0 C and C' C are picked from.
        """

        def columns(x: Node) -> Node:
            return x if chosen is None else product(x, turned(chosen))

        total: Any = None
        for q, a in form.own.items():
            start = Constant(self.start(q), form.turned != flipped)
            total = added(total, scaled(a, columns(self.of(start, c))))
        for k, m in form.tails.items():
            total = added(total, product(m, columns(self.of(k, c))))
        result: Node = total
        return result

    def inner(self, x: Form, y: Form) -> Node | None:
        """Σ x ⊙ y over all elements; None where the transposes do not fit.

        ⟨a P0 + M C, b Q0 + N K⟩ = ab ⟨P0, Q0⟩ + a ⟨P0 Kᵀ, N⟩ + b ⟨M, Q0 Cᵀ⟩ + ⟨M (C Kᵀ), N⟩
        """
        if x.tails and y.tails and x.flipped != y.flipped:
            return None
        flipped = x.flipped if x.tails else y.flipped
        total: Any = None
        for q, a in x.own.items():
            for r, b in y.own.items():
                pair = (self.start(q), x.turned), (self.start(r), y.turned)
                left, right = (self.matrix(Constant(*one)) for one in pair)
                total = added(total, scaled(scaled(a, b), _summed(left, right)))
        for one, other in ((x, y), (y, x)):
            for q, a in one.own.items():
                start = Constant(self.start(q), one.turned != flipped)
                for k, n in other.tails.items():
                    total = added(total, scaled(a, _summed(self.of(start, k.T), n)))
        for c, m in x.tails.items():
            for k, n in y.tails.items():
                total = added(total, _summed(product(m, self.of(c, k.T)), n))
        result: Node = total
        return result

    def written_out(self, form: Form) -> Node:
        """The matrix itself, Σ a Q0 + Σ M C."""
        total: Any = None
        for q, a in form.own.items():
            start = self.start(q)
            total = added(total, scaled(a, turned(start) if form.turned else start))
        for k, m in form.tails.items():
            part = product(m, self.matrix(k))
            total = added(total, turned(part) if form.flipped else part)
        result: Node = total
        return result
