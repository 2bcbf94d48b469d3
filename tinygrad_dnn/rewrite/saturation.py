"""Values that saturate: what comes from exponentials rounds to 0 or 1, or overflows.

Of each node of a graph it is found out, from the ops that made it alone,

- whether its logarithm can be computed without it (log σ(z) = −softplus(−z)): that is right where
  the value itself has rounded to 0 or overflowed;
- whether it may round to 0 or 1, or overflow, although the exact value is none of these: who
  divides by it, or takes its logarithm or a power of it, may have a gradient of NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import ops
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import REGISTRY, Op
from tinygrad_dnn.ops.reduction import axes
from tinygrad_dnn.rewrite.terms import is_constant


class Facts(NamedTuple):
    """What is known of a value.

    Attributes:
        log: it is above 0, and its logarithm has a form without it.
        complement: so is 1 − x.
        above: so is 1 + x.
        positive: it is not below 0.
        zero, one, inf: it may round to 0, round to ±1, overflow, without being so exactly.
        negative: it is not above 0.
        top: along the axes that its exponent was reduced by, the largest element is 1.
    """

    log: bool = False
    complement: bool = False
    above: bool = False
    positive: bool = False
    zero: bool = False
    one: bool = False
    inf: bool = False
    top: bool = False
    negative: bool = False


Of = Callable[[Any], Facts]
Rule = Callable[[Of, Node], Facts]
NOTHING = Facts()

# Every element of the result is one of the first array's: what is done to elements may be done
# before as well as after.
MOVES: tuple[Op, ...] = (
    *(op for op in [*REGISTRY.values()] if op.builtin and op.view and not op.transparent),
    ops.take, ops.roll, ops.repeat, ops.tile,
)  # fmt: skip


class Saturation:
    """The facts of nodes, each found out once."""

    def __init__(self) -> None:
        self._known: dict[Node, Facts] = {}
        self._counts: set[Node] = set()  # of whole numbers alone: steps, labels

    def of(self, x: Any) -> Facts:
        """What is known of a node or a constant."""
        if not isinstance(x, Node):
            return Facts(positive=_every(x, operator.ge, 0), negative=_every(x, operator.le, 0))
        known = self._known
        stack = [] if x in known else [x]
        while stack:
            node = stack[-1]
            waiting = [n for n in node.parents if n not in known]
            stack += waiting
            if not waiting:
                known[node] = self._found(node)
                while stack and stack[-1] in known:
                    stack.pop()
        return known[x]

    def _found(self, node: Node) -> Facts:
        """Nothing saturates that is computed of counts, as 1 − 0.9ᵗ of the number t of a step."""
        whole = self._counts.issuperset(node.parents) if node.parents else node.dtype.kind in "iub"
        if whole:
            self._counts.add(node)
            return NOTHING
        return _RULES.get(node.op, _passed_on)(self.of, node)

    def have_logs(self, *xs: Any) -> bool:
        """Whether log x can be computed without x, but for constants, of which not all are."""
        logs = [self.of(x).log for x in xs]
        return any(logs) and all(log or above_zero(x) for x, log in zip(xs, logs, strict=True))

    def spoils(self, node: Node) -> bool:
        """Whether a node makes ∞ or NaN, in its result or its gradient, of what has saturated."""
        if node.op in (ops.log, ops.log2, ops.log10):
            x = self.of(node.inputs[0])
            return x.zero or x.inf
        if node.op is ops.log1p:
            x = self.of(node.inputs[0])
            return x.inf or (x.one and not x.positive)
        if node.op is ops.divide or node.op is ops.reciprocal:
            x = self.of(node.inputs[-1])
            return x.zero or x.inf
        if node.op is ops.sqrt:
            return self.of(node.inputs[0]).zero
        if node.op is ops.power:
            x, y = self.of(node.inputs[0]), node.inputs[1]
            if not _every(y, operator.ge, 1):
                return x.zero or (x.inf and not _every(y, operator.ge, 0))
        return False


def above_zero(x: Any) -> bool:
    """Whether it is a constant above 0."""
    return _every(x, operator.gt, 0)


def _some(x: Any, *numbers: float) -> bool:
    """Whether a constant has an element that is one of these numbers."""
    if isinstance(x, (int, float, np.generic)):
        return x in numbers
    return is_constant(x) and any(bool(np.any(x == n)) for n in numbers)


def _every(x: Any, compare: Callable[[Any, Any], Any], number: float) -> bool:
    if isinstance(x, (int, float, np.generic)):
        return bool(compare(x, number))
    return is_constant(x) and np.size(x) > 0 and bool(np.all(compare(x, number)))


def _has_sign(x: Any) -> bool:
    """Whether it is a constant in which there is 1 or −1."""
    return _some(x, 1, -1)


# --- what is known of a result, from what is known of its inputs ----------------------------------


def _passed_on(of: Of, node: Node) -> Facts:
    """Of other ops: what has happened to an input may have happened to the result."""
    if node.op is None or not node.op.differentiable:
        return NOTHING
    return _bounds([of(x) for x in node.inputs])


def _bounds(found: Sequence[Facts]) -> Facts:
    """What rounds or overflows in one of several may do so in what they make."""
    zero, one, inf = (any(of) for of in zip(*((f.zero, f.one, f.inf) for f in found), strict=True))
    return Facts(zero=zero, one=one, inf=inf)


def _exponential(of: Of, node: Node) -> Facts:
    top = _is_below_its_maximum(node.inputs[0])
    inf = not top and not of(node.inputs[0]).negative
    return Facts(log=True, positive=True, zero=True, inf=inf, top=top)


def _is_below_its_maximum(x: Any) -> bool:
    """Whether it is x − max(x), by which softmax is kept from overflowing."""
    if not isinstance(x, Node) or x.op is not ops.subtract:
        return False
    below, top = x.inputs
    while isinstance(top, Node) and top.op is not None and top.op is not ops.max:
        if not (top.op in MOVES or top.op.transparent or top.op is ops.where):
            return False
        top = _chosen(top)
    if not isinstance(top, Node) or top.op is not ops.max:
        return False
    return below is top.inputs[0] or below is _chosen(top)  # either may be an array


def _chosen(node: Node) -> Any:
    """The input, or that of a choice in it which is no number: where(…, −∞, x)."""
    x = node if node.op is ops.where else node.inputs[0]
    while isinstance(x, Node) and x.op is ops.where:
        x = next((y for y in x.inputs[1:] if isinstance(y, Node)), None)
    return x


def _unchanged(of: Of, node: Node) -> Facts:
    return of(node.inputs[0])


def _joined(of: Of, node: Node) -> Facts:
    return _one_of(of, node.inputs)


def _choice(of: Of, node: Node) -> Facts:
    return _one_of(of, node.inputs[1:])


def _one_of(of: Of, given: Sequence[Any]) -> Facts:
    """Each element is one of several arrays'."""
    found = [of(x) for x in given]
    fixed = [is_constant(x) for x in given]
    logs = [f.log or (c and f.positive) for f, c in zip(found, fixed, strict=True)]
    complements = [f.complement or c for f, c in zip(found, fixed, strict=True)]
    return Facts(
        all(logs) and any(f.log for f in found),
        all(complements) and any(f.complement for f in found),
        False,
        all(f.positive for f in found),
        any(f.zero for f in found),
        any(f.one for f in found),
        any(f.inf for f in found),
        any(f.top for f in found),
        all(f.negative for f in found),
    )


def _negative(of: Of, node: Node) -> Facts:
    f = of(node.inputs[0])
    return f._replace(
        log=False, complement=f.above, above=f.complement,
        positive=f.negative, negative=f.positive, top=False,
    )  # fmt: skip


def _product(of: Of, node: Node) -> Facts:
    x, y = node.inputs
    f, g = of(x), of(y)
    one = (f.one and _has_sign(y)) or (g.one and _has_sign(x))
    (positive, negative), log = _signs(f, g), _logs(f, x, g, y)
    if _are_one(x, y):
        return _squared(f)
    # −x x, as it is written in exp(−x * x).
    negative = negative or _are_opposite(x, y)
    zero, inf, top = f.zero or g.zero, f.inf or g.inf, f.top or g.top
    return Facts(log, False, False, positive, zero, one, inf, top, negative)


def _signs(f: Facts, g: Facts) -> tuple[bool, bool]:
    """Whether a product or quotient is not below 0, and whether it is not above."""
    positive = (f.positive and g.positive) or (f.negative and g.negative)
    return positive, (f.positive and g.negative) or (f.negative and g.positive)


def _are_opposite(x: Any, y: Any) -> bool:
    """Whether one is the other's negative."""
    return any(
        isinstance(a, Node) and a.op is ops.negative and _are_one(a.inputs[0], b)
        for a, b in ((x, y), (y, x))
    )


def _are_one(x: Any, y: Any) -> bool:
    """Whether both are one value, computed once or twice."""
    if not isinstance(x, Node) or not isinstance(y, Node):
        return False
    return x is y or (x.op is y.op is ops.tanh and x.inputs[0] is y.inputs[0])


def _squared(f: Facts) -> Facts:
    return f._replace(
        complement=f.complement and f.above, above=False, positive=True, top=False, negative=False
    )


def _logs(f: Facts, x: Any, g: Facts, y: Any) -> bool:
    return (f.log and g.log) or (f.log and above_zero(y)) or (g.log and above_zero(x))


def _quotient(of: Of, node: Node) -> Facts:
    x, y = node.inputs
    f, g = of(x), of(y)
    (positive, negative), log = _signs(f, g), _logs(f, x, g, y)
    complement, zero, inf = is_share(node), f.zero or g.inf, f.inf or g.zero
    return Facts(log, complement, False, positive, zero, complement, inf, negative=negative)


def is_share(node: Node) -> bool:
    """Whether a quotient is eˣ / Σ eˣ, of two terms or more along the axes that are summed over."""
    x, total = node.inputs
    if not (isinstance(x, Node) and isinstance(total, Node)):
        return False
    return x.op is ops.exp and total.op is ops.sum and total.inputs[0] is x and is_in_place(total)


def is_in_place(total: Node) -> bool:
    """Whether a sum broadcasts against what was summed, along the axes that it was summed over."""
    shape = total.inputs[0].shape
    over = axes(total.meta["axis"], shape)
    kept = tuple(1 if i in over else n for i, n in enumerate(shape))
    return bool(over) and (1,) * (len(shape) - len(total.shape)) + tuple(total.shape) == kept


def _reciprocal(of: Of, node: Node) -> Facts:
    f = of(node.inputs[0])
    return Facts(f.log, positive=f.positive, zero=f.inf, inf=f.zero)


def _sum_of_two(of: Of, node: Node) -> Facts:
    x, y = node.inputs
    f, g = of(x), of(y)
    positive, inf = f.positive and g.positive, f.inf or g.inf
    if not (is_constant(x) or is_constant(y)):
        zero = _cancel(f, x, g, y) if not positive else f.zero and g.zero
        return Facts(
            f.log and g.log, positive=positive, zero=zero, one=f.one or g.one, inf=inf,
            negative=f.negative and g.negative,
        )  # fmt: skip
    if (f.above and _every(y, operator.eq, 1)) or (g.above and _every(x, operator.eq, 1)):
        return Facts(log=True, positive=True, zero=f.one or g.one, inf=inf)
    # A constant above 0 keeps what is positive off 0, so that overflow alone needs logarithms.
    kept = positive and (above_zero(x) or above_zero(y))
    zero, log = not kept and _cancel(f, x, g, y), inf and _logs(f, x, g, y)
    negative = f.negative and g.negative
    return Facts(
        log, positive=positive, zero=zero, one=_meet(f, x, g, y), inf=inf, negative=negative
    )


def _difference(of: Of, node: Node) -> Facts:
    x, y = node.inputs
    f, g = of(x), of(y)
    if _every(x, operator.eq, 1) and (g.complement or g.log):
        return Facts(g.complement, g.log, False, g.complement, g.one, g.zero, g.inf)
    return Facts(
        positive=f.positive and g.negative, zero=_cancel(f, x, g, y), one=_meet(f, x, g, y),
        inf=f.inf or g.inf, negative=f.negative and g.positive,
    )  # fmt: skip


def _cancel(f: Facts, x: Any, g: Facts, y: Any) -> bool:
    """Whether x ± y may round to 0: both do so, or to ±1."""
    zeros = (f.zero or _some(x, 0)) and (g.zero or _some(y, 0))
    ones = (f.one or _has_sign(x)) and (g.one or _has_sign(y))
    return (zeros and (f.zero or g.zero)) or (ones and (f.one or g.one))


def _meet(f: Facts, x: Any, g: Facts, y: Any) -> bool:
    """Whether x ± y may round to ±1: one of them does so, and the other to 0."""
    first = (f.one or _may_be(x, y, 1, -1)) and (g.zero or _may_be(y, x, 0))
    second = (g.one or _may_be(y, x, 1, -1)) and (f.zero or _may_be(x, y, 0))
    return (first and (f.one or g.zero)) or (second and (g.one or f.zero))


def _may_be(x: Any, beside: Any, *numbers: float) -> bool:
    """Whether one of these numbers is in a constant, or may be in data of the shape that stands
    beside it, as labels do.
    """
    data = isinstance(x, np.ndarray) if not isinstance(x, Node) else x.op is None
    if data and not is_constant(x):
        return bool(x.shape == getattr(beside, "shape", None))
    return _some(x, *numbers)


def _power(of: Of, node: Node) -> Facts:
    x, y = node.inputs
    f = of(x)
    if _every(y, operator.eq, 2):
        return _squared(f)
    down = not _every(y, operator.ge, 0)
    zero, inf = f.zero or (f.inf and down), f.inf or (f.zero and down)
    return Facts(f.log, positive=f.positive, zero=zero, one=f.one, inf=inf)


def _root(of: Of, node: Node) -> Facts:
    return of(node.inputs[0])._replace(complement=False, above=False, top=False)


def _square(of: Of, node: Node) -> Facts:
    return _squared(of(node.inputs[0]))


def _total(of: Of, node: Node) -> Facts:
    f = of(node.inputs[0])
    zero, negative = f.zero and not f.top, f.negative and node.op is not ops.prod
    return Facts(f.log, positive=f.positive, zero=zero, one=f.one, inf=f.inf, negative=negative)


def _contraction(of: Of, node: Node) -> Facts:
    """Products of matrices pick elements, or weigh them."""
    found = [of(x) for x in node.inputs]
    zero, inf = any(f.zero for f in found), any(f.inf for f in found)
    return Facts(positive=all(f.positive for f in found), zero=zero, inf=inf)


def _limited(of: Of, node: Node) -> Facts:
    """max(x, y), clip(x, a, b): a constant above 0 keeps it off 0."""
    facts = _one_of(of, node.inputs)._replace(
        log=False, complement=False, above=False, negative=False
    )
    return facts._replace(zero=facts.zero and not any(map(above_zero, node.inputs)))


def _magnitude(of: Of, node: Node) -> Facts:
    """|x|, √(x² + y²), max(x, 0): not below 0."""
    return _bounds([of(x) for x in node.inputs])._replace(positive=True)


def _logarithm(of: Of, node: Node) -> Facts:
    """0 where its argument is 1."""
    f = of(node.inputs[0])
    return Facts(zero=f.one, inf=f.zero or f.inf)


def _growing(of: Of, node: Node) -> Facts:
    """eˣ − 1 and the like: they overflow, and are 0 or 1 where x is 0."""
    f = of(node.inputs[0])
    return Facts(zero=f.zero, one=True, inf=True)


def _exponential_of_base(of: Of, node: Node) -> Facts:
    """xʸ for a number x above 0 is an exponential of y."""
    base, y = node.inputs
    if above_zero(base) and isinstance(y, Node):
        return Facts(positive=True, zero=True, inf=True)
    return _power(of, node)


def _always(facts: Facts) -> Rule:
    return lambda of, node: facts


SHARE = Facts(log=True, complement=True, positive=True, zero=True, one=True)
_RULES: dict[Any, Rule] = {
    ops.exp: _exponential,
    **dict.fromkeys((ops.sigmoid, ops.softmax), _always(SHARE)),
    ops.tanh: _always(Facts(complement=True, above=True, one=True)),
    ops.cosh: _always(Facts(log=True, positive=True, one=True, inf=True)),
    **dict.fromkeys((*MOVES, ops.identity, ops.stop_gradient, ops.astype), _unchanged),
    ops.where: _choice,
    **dict.fromkeys((ops.concatenate, ops.stack), _joined),
    ops.negative: _negative,
    ops.multiply: _product,
    ops.divide: _quotient,
    ops.reciprocal: _reciprocal,
    ops.add: _sum_of_two,
    ops.subtract: _difference,
    ops.power: _exponential_of_base,
    **dict.fromkeys((ops.absolute, ops.hypot, ops.relu), _magnitude),
    **dict.fromkeys((ops.log, ops.log2, ops.log10), _logarithm),
    ops.softplus: _always(Facts(positive=True)),
    **dict.fromkeys((ops.log_sigmoid, ops.log_softmax), _always(Facts(zero=True, negative=True))),
    **dict.fromkeys((ops.expm1, ops.sinh), _growing),
    ops.sqrt: _root,
    ops.square: _square,
    **dict.fromkeys((ops.sum, ops.mean, ops.prod), _total),
    **dict.fromkeys((ops.matmul, ops.dot, REGISTRY["einsum"]), _contraction),
    **dict.fromkeys((ops.maximum, ops.minimum, REGISTRY["clip"]), _limited),
}
