"""A step with its carried matrices taken apart: every op written for forms where it is linear.

One walk over the nodes. What is not linear in a carried matrix needs that matrix itself, which is
noted (`needed`); products with constants become products of constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.graph import Leaf, Node, trace
from tinygrad_dnn.loops.gathers import (
    Picked,
    found_in,
    is_selection,
    moved_out,
    selection,
    taken,
    without_number,
)
from tinygrad_dnn.loops.gathers import product as product_of
from tinygrad_dnn.loops.linear_forms import (
    Constant,
    Form,
    Products,
    added,
    combined,
    multiplied,
    subtracted,
)
from tinygrad_dnn.loops.step_graph import (
    StepGraph,
    constant_nodes,
    is_transpose,
    made,
    remade,
    scaled,
    turned,
)
from tinygrad_dnn.ops import Op


class Pair(NamedTuple):
    """The elementwise product of two forms; of use once it is summed."""

    x: Form
    y: Form


Found = Form | Node | Pair | None


class Walk:
    """The step's nodes anew.

    Attributes:
        new: for every node of the step what computes it now.
        forms: the matrices that are sums of carried ones and multiples of constants.
        needed: carried matrices that something needs as they are.
        together: pairs of carried matrices that stand in one sum.
        sides: whether Q (False) or its transpose (True) stands left of the constants.
    """

    def __init__(self, step: StepGraph, carried: Mapping[Leaf, Form], products: Products) -> None:
        self.products = products
        self.new: dict[Node, Any] = {}
        self.forms = dict[Node, Form](carried.items())
        self.needed: set[Leaf] = set()
        self.together: list[tuple[Leaf, Leaf]] = []
        self.sides: dict[Leaf, bool] = {}
        self._pairs: dict[Node, Pair] = {}
        self._picked: dict[Node, Picked] = {}
        self._numbers: dict[Node, Any] = {}  # arrays all of whose elements are one number
        graph = trace(step.outputs)
        self._constant = constant_nodes(graph, step.constants)
        for node in graph:
            if node.op is None:
                self.new[node] = node
            else:
                self._visit(node)
        for x in [*step.results, *(x for q, x in step.carry.items() if q not in carried)]:
            self._need(x)

    # --- one op ------------------------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        inputs = [self.new[x] if isinstance(x, Node) else x for x in node.inputs]
        self.new[node] = remade(node, inputs)
        number = self._uniform(node)
        if number is not None:
            self._numbers[node] = number
        if number is not None or node in self._constant:
            return
        picked = self._picks(node)
        if picked is not None and self._fits(picked, node):
            self.forms[node] = picked
            return
        rule = _RULES.get(node.op)
        found = rule(self, node, *node.inputs) if rule else None
        if isinstance(found, Node):
            self.new[node] = found
        elif isinstance(found, Pair):
            self._pairs[node] = found
            self.together += product(found.x.own, found.y.own)
        elif found is not None and self._fits(found, node):
            self.forms[node] = found
            self._note(found)
            if found.own or any(self._own(x) for x in node.inputs):
                self.new[node] = self.products.written_out(found)
        else:
            for x in node.inputs:
                self._need(x)

    def _picks(self, node: Node) -> Form | None:
        """X[:, batch], or an elementwise function of it, as X Eᵀ."""
        found = found_in(node, self._constant) or moved_out(node, self._picked, self._constant)
        if found is None:
            return None
        # Both walks over a step must speak of the same constants.
        whole = self.products.moved_out.setdefault(node, found.constant)
        self._picked[node] = found = found._replace(constant=whole)
        self._constant.add(whole)
        at = self.new[found.positions]
        self.new[node] = taken(whole, at, found.axis)
        self.new[node].name, self.new[node].scope = node.name, node.scope
        constant = self._as_constant(whole, found.axis == 1)
        E = selection(at, whole.shape[found.axis], node.dtype)
        return constant and Form({}, False, {constant: E}, found.axis == 1)

    def _fits(self, form: Form, node: Node) -> bool:
        """Whether the sum is nothing but linear, in the dtype of all that is in it."""
        parts = [*form.own, *form.tails.values(), *(c.node for c in form.tails)]
        return bool(parts) and all(x.dtype == node.dtype for x in parts)

    def _note(self, form: Form) -> None:
        self.together += pairwise(form.own)
        for q in form.own:
            if form.tails:
                self.note_side(q, form.turned != form.flipped)

    def note_side(self, q: Leaf, side: bool) -> None:
        """On which side of the constants a matrix was seen; it is needed if seen on both."""
        if self.sides.setdefault(q, side) != side:
            self.needed.add(q)

    def _own(self, x: Any) -> list[Leaf]:
        """The carried matrices that a value can't be had without."""
        if not isinstance(x, Node):
            return []
        forms = [self.forms[x]] if x in self.forms else self._pairs.get(x, ())
        return [q for form in forms for q in form.own]

    def _need(self, x: Any) -> None:
        """Something reads a value as it is: all carried matrices in it are needed."""
        self.needed.update(self._own(x))

    # --- numbers -----------------------------------------------------------------------------

    def _number(self, x: Any) -> Any:
        """A number that multiplies: a Python number, one element, or an array of one number."""
        if not isinstance(x, Node):
            if isinstance(x, (int, float)):
                return x
            return np.reshape(x, ()) if np.size(x) == 1 else None
        if x in self._numbers:
            return self._numbers[x]
        if prod(x.shape) != 1 or self._own(x):
            return None
        new = self.new[x]
        return new if x.shape == () else made("reshape", new, meta={"shape": ()})

    def _uniform(self, node: Node) -> Any:
        """The number that all elements of an array are, if that is plain to see."""
        if prod(node.shape) == 1:
            return None
        shows = node.op.builtin and node.op.is_view(node.meta)
        if not shows and not node.op.elementwise:
            return None
        numbers = [self._number(x) for x in node.inputs]
        if not numbers or any(a is None for a in numbers):
            return None
        if shows:
            return numbers[0]
        if node.meta or not any(isinstance(a, Node) for a in numbers):
            return None
        return made(node.op, *numbers)

    # --- ops that keep a form ----------------------------------------------------------------

    def _as_form(self, x: Any, like: Node) -> Form | None:
        """The form of an input that is not broadcast."""
        form = self.forms.get(x) if isinstance(x, Node) else None
        return form if form is not None and x.shape == like.shape else None

    def _same(self, node: Node, x: Any) -> Form | None:
        return self._as_form(x, node)

    def _negative(self, node: Node, x: Any) -> Found:
        return self._changed(node, x, lambda part: scaled(-1.0, part))

    def _changed(self, node: Node, x: Any, change: Callable[[Any], Any]) -> Found:
        """A factor or a sign, into each term of a form or into the first of a pair."""
        form, pair = self._as_form(x, node), self._pairs.get(x)
        if form is not None:
            return multiplied(form, change)
        if pair is not None and x.shape == node.shape:
            return Pair(multiplied(pair.x, change), pair.y)
        return None

    def _transpose(self, node: Node, x: Any) -> Form | None:
        form = self.forms.get(x)
        return form.T if form is not None and is_transpose(node) else None

    def _swapaxes(self, node: Node, x: Any) -> Form | None:
        form = self.forms.get(x)
        turns = (node.meta["axis1"] - node.meta["axis2"]) % 2
        return form and (form.T if turns else form)

    def _power(self, node: Node, x: Any, y: Any) -> Found:
        form = self._as_form(x, node)
        if form is None or not isinstance(y, (int, float)) or y not in (1, 2):
            return None
        return form if y == 1 else Pair(form, form)

    def _square(self, node: Node, x: Any) -> Found:
        form = self._as_form(x, node)
        return form and Pair(form, form)

    def _add(self, node: Node, x: Any, y: Any) -> Form | None:
        return self._joined(node, x, y, added)

    def _subtract(self, node: Node, x: Any, y: Any) -> Form | None:
        return self._joined(node, x, y, subtracted)

    def _joined(self, node: Node, x: Any, y: Any, join: Callable[..., Any]) -> Form | None:
        a, b = self._as_form(x, node), self._as_form(y, node)
        a = Form({}) if a is None and _is_zero(x) else a  # the 0 that Python's sum begins with
        b = Form({}) if b is None and _is_zero(y) else b
        return combined(a, b, join) if a is not None and b is not None else None

    def _multiply(self, node: Node, x: Any, y: Any) -> Found:
        for one, other in ((x, y), (y, x)):
            a = self._number(other)
            if a is not None and isinstance(one, Node):
                found = self._changed(node, one, partial(scaled, a))
                if found is not None:
                    return found
        f, g = self._as_form(x, node), self._as_form(y, node)
        return Pair(f, g) if f is not None and g is not None else None

    def _divide(self, node: Node, x: Any, y: Any) -> Found:
        a = self._number(y)
        if a is None or not isinstance(x, Node) or (not isinstance(a, Node) and a == 0):
            return None
        return self._changed(node, x, lambda part: _quotient(part, a))

    def _sum(self, node: Node, x: Any) -> Node | None:
        """⟨x, y⟩ of a pair: a penalty, a norm."""
        pair = self._pairs.get(x)
        if pair is None or prod(node.shape) != 1 or node.dtype != x.dtype:
            return None
        total = self.products.inner(*pair)
        if total is None or total.dtype != node.dtype:
            return None
        if node.op is ops.mean:
            total = made("divide", total, float(prod(x.shape)))
        return made("reshape", total, meta={"shape": node.shape}) if node.shape else total

    # --- products ----------------------------------------------------------------------------

    def _matmul(self, node: Node, x: Any, y: Any) -> Form | Node | None:
        if not all(isinstance(z, Node) and len(z.shape) == 2 for z in (x, y)):
            return None
        right = self._product(x, y)
        if right is not None:
            return right
        left = self._product(y, x, mirrored=True)  # x y = (yᵀ xᵀ)ᵀ
        if isinstance(left, Form):
            return left.T
        return None if left is None else turned(left)

    def _product(self, x: Node, y: Node, mirrored: bool = False) -> Form | Node | None:
        """x y, x being a form whose constants stand on its right, or y a constant.

        Mirrored, what is meant are xᵀ and yᵀ.
        """
        f, g = self._seen(x, mirrored), self._seen(y, mirrored)
        constant = self._as_constant(y, mirrored)
        if f is None:
            # D C: the constant's first product, as in dZ Xᵀ.
            if constant is None or x in self._constant or self._own(x):
                return None
            return Form({}, False, {constant: self._plain(x, mirrored)}, False)
        if constant is not None and f.opens(False):
            return self._applied(f, constant)
        if g is not None and not g.own and g.flipped and f.opens(False):
            # V (M C)ᵀ = (V Cᵀ) Mᵀ
            total: Any = None
            for c, m in g.tails.items():
                a, E = without_number(m)
                picks = is_selection(E)
                whole = self._applied(f, c.T, E if picks else None)
                total = added(total, scaled(a, whole) if picks else product_of(whole, turned(m)))
            node: Node = total
            return node
        if not f.own and f.flipped and not self._own(y):
            # (M C)ᵀ y = Cᵀ (yᵀ M)ᵀ: one more factor, the constants stay outermost.
            other = turned(self._plain(y, mirrored))
            tails = {c: product_of(other, m) for c, m in f.tails.items()}
            return Form({}, False, tails, True)
        return None

    def _applied(self, form: Form, c: Constant, chosen: Node | None = None) -> Node:
        for q in form.own:
            self.note_side(q, form.turned)
        return self.products.apply(form, False, c, chosen)

    def _seen(self, x: Node, mirrored: bool) -> Form | None:
        form = self.forms.get(x)
        return form.T if form is not None and mirrored else form

    def _plain(self, x: Node, mirrored: bool) -> Node:
        new: Node = self.new[x]
        return turned(new) if mirrored else new

    def _as_constant(self, x: Node, mirrored: bool) -> Constant | None:
        if x not in self._constant:
            return None
        is_turned = mirrored
        while is_transpose(x):
            x, is_turned = x.inputs[0], not is_turned
        return Constant(x, is_turned)


def _is_zero(x: Any) -> bool:
    return isinstance(x, (int, float)) and x == 0


def _quotient(part: Any, a: Any) -> Any:
    if isinstance(part, Node) or isinstance(a, Node):
        return made("divide", part, a)
    return part / a


_RULES: dict[Op, Callable[..., Found]] = {
    ops.identity: Walk._same,
    ops.stop_gradient: Walk._same,
    ops.reshape: Walk._same,
    ops.broadcast_to: Walk._same,
    ops.negative: Walk._negative,
    ops.transpose: Walk._transpose,
    ops.swapaxes: Walk._swapaxes,
    ops.astype: Walk._same,  # to its own dtype, else it does not fit
    ops.power: Walk._power,
    ops.square: Walk._square,
    ops.sum: Walk._sum,
    ops.mean: Walk._sum,
    ops.add: Walk._add,
    ops.subtract: Walk._subtract,
    ops.multiply: Walk._multiply,
    ops.divide: Walk._divide,
    ops.matmul: Walk._matmul,
    ops.dot: Walk._matmul,
}
