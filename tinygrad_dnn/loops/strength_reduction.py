"""Strength reduction across steps: a parameter that meets only a constant X stays W0 + S Xᵀ.

Full-batch training multiplies W X and dZ Xᵀ in every step, though W changes by multiples of Xᵀ
alone. With S carried in place of W,

    W = a W0 + S Xᵀ,    W X = a (W0 X) + S (XᵀX),    W ← b W − α dZ Xᵀ  is  S ← b S − α dZ

where W0 X and XᵀX are computed once. A batch X[:, i] of other columns in every step is X Eᵀ: W X Eᵀ
picks columns of W0 X and of XᵀX, and dZ E Xᵀ adds those of dZ to columns of S.

Found by the shape of the graph: whatever carried matrices are used in products with constants, or
in sums of squares, and updated by linear rules (gradient descent, momentum, Nesterov's, weight
decay, averages of the path, clipping by the norm). Whatever needs a matrix or its gradient element
by element (Adam, RMSProp, clipping each element) leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_dnn.formula.text import formula
from tinygrad_dnn.graph import Leaf, Node, describe, trace
from tinygrad_dnn.loops.linear_forms import Constant, Form, Products
from tinygrad_dnn.loops.linearity import Walk
from tinygrad_dnn.loops.step_graph import StepGraph, operations, operations_once


@dataclass(frozen=True)
class Reduced:
    """The same iteration with fewer operations.

    Attributes:
        step: carries S, and numbers a where they change, in place of the matrices; what these were
            at the start are constants of it.
        starts: for each such constant the matrix that it was.
        values: how each matrix is had from the constants and what is carried.
        forms: each matrix as such a sum, and `products` what makes its products.
        begin: what S and a are at the start.
        constants: by matrix, the constants that it is a sum of multiples of.
        new: what became of each node of the step that was given.
    """

    step: StepGraph
    starts: Mapping[Leaf, Leaf]
    values: Mapping[Leaf, Node]
    forms: Mapping[Leaf, Form]
    products: Products
    begin: Mapping[Leaf, Any]
    constants: Mapping[Leaf, tuple[Constant, ...]]
    new: Mapping[Node, Any]


def reduced(step: StepGraph) -> Reduced | None:
    """The step reduced where the count of operations says it pays; None where it does nowhere."""
    before = operations(step)
    paying: list[Leaf] = []
    for group in _groups(step, _matrices(step)):
        alone = _rewritten(step, group)
        if alone is not None and operations(alone.step) < before:
            paying += group
    return _rewritten(step, paying) if paying else None


def summary(step: StepGraph, made: Reduced) -> str:
    """Return a description of what was done, with the counts."""
    parts = []
    for q, constants in made.constants.items():
        value = made.values[q]
        known = {n: n.name for n in trace([value]) if n.name}
        names = " and ".join(map(_called, constants))
        parts.append(
            f"{describe(q)} meets only constants, in products, and "
            f"{f'changes only by multiples of {names}' if names else 'changes by no others'}, "
            f"so it is carried as {formula(value, known)}"
        )
    before, after = operations(step), operations(made.step)
    once = operations_once(made.step) - operations_once(step)
    fewer = f", {before / after:.3g} times fewer" if after else ""  # nothing is left where W stays
    return (
        f"strength reduction: {'; '.join(parts)}. An iteration takes {after:,} operations instead "
        f"of {before:,}{fewer}; what is computed once before takes as many as "
        f"{once / (before - after):.2g} iterations save"
    )


def _called(c: Constant) -> str:
    known = {n: n.name for n in trace([c.node]) if n.name}
    name = formula(c.node, known)
    return (f"({name})ᵀ" if c.node.op and c.node not in known else f"{name}ᵀ") if c.turned else name


def _matrices(step: StepGraph) -> list[Leaf]:
    return [
        q
        for q, x in step.carry.items()
        if len(q.shape) == 2
        and q.dtype.kind == "f"
        and isinstance(x, Node)
        and (x.shape, x.dtype) == (q.shape, q.dtype)
    ]


# --- which matrices -------------------------------------------------------------------------------


def _groups(step: StepGraph, matrices: Iterable[Leaf]) -> list[list[Leaf]]:
    """The carried matrices that can be taken apart, those that stand in one sum together."""
    left = list(matrices)
    while left:
        walk = Walk(step, {q: Form({q: 1.0}) for q in left}, Products())
        groups = _joined(left, step, walk)
        refused = set(walk.needed) | {q for q in left if _next(step, walk, q) is None}
        for group in groups:
            sides = {walk.sides[q] for q in group if q in walk.sides}
            if len(sides) != 1:  # none: it never meets a constant
                refused.update(group)
        if not refused:
            return groups
        left = [q for q in left if q not in refused]
    return []


def _next(step: StepGraph, walk: Walk, q: Leaf) -> Form | None:
    """Return q's form in the next step, as a sum of the same kind."""
    form = walk.forms.get(step.carry[q])
    if form is None or (form.own and form.turned):
        return None
    return form


def _joined(matrices: Iterable[Leaf], step: StepGraph, walk: Walk) -> list[list[Leaf]]:
    """Matrices with whatever stands in a sum with them, or becomes part of them."""
    group = {q: [q] for q in matrices}
    pairs = list(walk.together)
    for q in group:
        form = _next(step, walk, q)
        if form is not None:
            pairs += [(q, r) for r in form.own]
            if form.tails:
                walk.note_side(q, form.flipped)
    for q, r in pairs:
        if group[q] is not group[r]:
            group[q] += group[r]
            for x in group[r]:
                group[x] = group[q]
    return list({id(g): g for g in group.values()}.values())


# --- the step anew --------------------------------------------------------------------------------


def _rewritten(step: StepGraph, group: list[Leaf]) -> Reduced | None:
    """The step with these matrices taken apart; None if one of them is needed after all."""
    products = Products()
    first = Walk(step, {q: Form({q: 1.0}) for q in group}, products)
    after = {q: step.carry[q] for q in group}
    nexts = {q: first.forms[after[q]] for q in group}
    sides = _sides(_joined(group, step, first), first)
    if first.needed or any(f.tails and f.flipped != sides[q] for q, f in nexts.items()):
        return None
    tails, numbers = _tails(nexts), _numbers(nexts)
    begin: dict[Leaf, Any] = {}
    factors: dict[tuple[Leaf, Constant], Leaf] = {}
    for q, constants in tails.items():
        for i, c in enumerate(constants):
            shape = (q.shape[sides[q]], c.node.shape[c.turned])
            name = _named(q, "S", i if len(constants) > 1 else None)
            zeros = np.zeros_like(q.value, order="C", shape=shape)
            factors[q, c] = _leaf(zeros, name, begin)
    changing: dict[tuple[Leaf, Leaf], Leaf] = {}
    for (q, p), a in numbers.items():
        if a is None:
            value = np.full_like(q.value, float(p is q), shape=())
            changing[q, p] = _leaf(value, _named(q, f"a_{p.name or ''}", None), begin)
    forms = {}
    for q in group:
        own = {p: changing.get((q, p), a) for (r, p), a in numbers.items() if r is q}
        own = {p: a for p, a in own.items() if isinstance(a, Node) or a != 0}
        forms[q] = Form(own, False, {c: factors[q, c] for c in tails[q]}, sides[q])
    walk = Walk(step, forms, products)
    if walk.needed or any(walk.forms.get(x) is None for x in after.values()):
        return None
    carry: dict[Leaf, Any] = {
        q: walk.new.get(x, x) if isinstance(x, Node) else x
        for q, x in step.carry.items()
        if q not in forms
    }
    for (q, c), leaf in factors.items():
        tail = walk.forms[after[q]].tails.get(c)
        carry[leaf] = tail if tail is not None else np.zeros(leaf.shape, leaf.dtype)
    for (q, p), leaf in changing.items():
        a = walk.forms[after[q]].own.get(p, 0.0)
        carry[leaf] = a if isinstance(a, Node) else np.array(a, leaf.dtype)
    values = {q: products.written_out(form) for q, form in forms.items()}
    starts = {leaf: q for q, leaf in products.starts.items()}
    results = [walk.new[x] if isinstance(x, Node) else x for x in step.results]
    anew = replace(step, carry=carry, constants={*step.constants, *starts}, results=results)
    of = {q: tuple(tails[q]) for q in group}
    return Reduced(anew, starts, values, forms, products, begin, of, walk.new)


def _leaf(value: Any, name: str | None, begin: dict[Leaf, Any]) -> Leaf:
    leaf = Leaf(value, False, name)
    begin[leaf] = value
    return leaf


def _named(q: Leaf, what: str, i: int | None) -> str | None:
    """`S_W1`; with several constants `S_W1_0`, ..."""
    return q.name and f"{what}_{q.name}" + ("" if i is None else f"_{i}")


def _sides(groups: Iterable[list[Leaf]], walk: Walk) -> dict[Leaf, bool]:
    """Which side of the constants each matrix stands on: the same for all of a group."""
    return {
        q: next(walk.sides[r] for r in group if r in walk.sides) for group in groups for q in group
    }


def _tails(nexts: Mapping[Leaf, Form]) -> dict[Leaf, list[Constant]]:
    """The constants that each matrix comes to be a sum of multiples of."""
    found = {q: dict.fromkeys(form.tails) for q, form in nexts.items()}
    growing = True
    while growing:
        growing = False
        for q, form in nexts.items():
            for r in form.own:
                new = [c for c in found[r] if c not in found[q]]
                found[q].update(dict.fromkeys(new))
                growing = growing or bool(new)
    return {q: list(constants) for q, constants in found.items()}


def _numbers(nexts: Mapping[Leaf, Form]) -> dict[tuple[Leaf, Leaf], float | None]:
    """How much of each start p is in each q: for (q, p) a number that stays, None if it changes.

    Its next value is Σ a_r (r, p) over the r that q becomes a sum of. All are supposed to stay
    until one is seen to change.
    """
    stays: dict[tuple[Leaf, Leaf], float | None] = {(q, q): 1.0 for q in nexts}
    growing = True
    while growing:
        growing = False
        for q, form in nexts.items():
            sources = {p for r in form.own for (s, p) in stays if s is r} | {
                p for (s, p) in stays if s is q
            }
            for p in sources:
                then = stays.get((q, p), float(p is q))
                now = _sum(form, p, stays)
                new = then if now is not None and now == then else None
                if (q, p) not in stays or new != then:
                    stays[q, p] = new
                    growing = True
    return stays


def _sum(form: Form, p: Leaf, stays: Mapping[tuple[Leaf, Leaf], float | None]) -> float | None:
    total = 0.0
    for r, a in form.own.items():
        part = stays.get((r, p), 0.0)
        if part is None or (isinstance(a, Node) and part != 0):
            return None
        total += 0.0 if part == 0 else float(a) * part
    return total
