"""Classic mistakes planted in the rules of a recorded backward pass, each behind a switch.

A switch is one more input of the graph, a number that is 0: of the mistakes of its rule it says
which one is made. So a page makes them with the kernels that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.retrace import Backward, Forward
from tinygrad_dnn.autodiff.tensor import Tensor, record
from tinygrad_dnn.autodiff.transforms import gradients
from tinygrad_dnn.check import Source, compare
from tinygrad_dnn.graph import Leaf, Node, mode, trace
from tinygrad_dnn.ops import add, dot, log, matmul, maximum, mean, relu, sigmoid, sum, tanh, where

MOST = 24  # rules with a switch; a page stays small

# What a wrong rule gives the input x of z = f(x), or of z = W x, where g arrives and `right` is
# right.
Wrong = Callable[[Any, Any, Any, Any, Any], Any]


class Mistake(NamedTuple):
    """A mistake by name."""

    name: str
    wrong: Wrong


# A mask that has the other sign, of relu and of max(0, x).
OPPOSITE = Mistake("< for >: g · 1[x < 0]", lambda g, z, x, right, W: g * (x < 0))
FORGOTTEN = Mistake("derivative forgotten: g", lambda g, z, x, right, W: g)
SIGN = Mistake("sign forgotten", lambda g, z, x, right, W: -right)
OF_SLOPES: Mapping[Any, tuple[Mistake, ...]] = {
    relu: (
        Mistake("≥ for >: g · 1[x ≥ 0]", lambda g, z, x, right, W: g * (x >= 0)),
        OPPOSITE,
    ),
    tanh: (
        Mistake("input for output: g (1 − x²)", lambda g, z, x, right, W: g * (1 - x * x)),
        Mistake("the value for the slope: g z", lambda g, z, x, right, W: g * z),
    ),
    sigmoid: (
        Mistake("tanh's derivative: g (1 − z²)", lambda g, z, x, right, W: g * (1 - z * z)),
        Mistake("(1 − z) forgotten: g z", lambda g, z, x, right, W: g * z),
    ),
    log: (Mistake("multiplied, not divided: g x", lambda g, z, x, right, W: g * x),),
}
OF_SUMS: Mapping[Any, tuple[Mistake, ...]] = {
    mean: (Mistake("1/n forgotten", lambda g, z, x, right, W: _whole(g, z, x, right)),),
    sum: (Mistake("the mean for the sum", lambda g, z, x, right, W: right / _share(z, x)),),
}
NOT_SUMMED = Mistake(
    "sum over the examples forgotten: the first", lambda g, z, x, right, W: _first(g, x)
)
TURNED = Mistake("transpose forgotten: W g", lambda g, z, x, right, W: W @ g)

RESHAPED = Mistake(
    "transpose forgotten: X gᵀ, reshaped",
    lambda g, z, x, right, W: right.T.reshape(x.shape),
)


class Switch(NamedTuple):
    """A rule with a switch.

    Attributes:
        z: the node whose rule it is.
        i: the input that it is the rule of.
        leaf: the switch, 0-d.
        mistakes: what it says by 1, 2, ...
    """

    z: Node
    i: int
    leaf: Tensor
    mistakes: tuple[Mistake, ...]


def _share(z: Any, x: Any) -> int:
    sizes = [int(prod(a.shape)) for a in (x, z)]
    return sizes[0] // max(1, sizes[1])


def _whole(g: Any, z: Any, x: Any, right: Any) -> Any:
    """n times what is right; for all of x at once without the rounding of n · 1/n."""
    return right * _share(z, x) if z.shape else g


def _first(g: Any, x: Any) -> Any:
    """The first of what would be summed over repeated axes."""
    extra = len(g.shape) - len(x.shape)
    pairs = zip(g.shape[extra:], x.shape, strict=True)
    at = (0,) * extra + tuple(slice(0, 1) if n != k else slice(None) for n, k in pairs)
    return g[at]


def _mistakes(z: Node, i: int, x: Node) -> tuple[Mistake, ...]:
    """The classic ones in the rule of z = f(..., x, ...)."""
    if z.op in OF_SLOPES:
        return (*OF_SLOPES[z.op], FORGOTTEN)
    if z.op in OF_SUMS:
        return OF_SUMS[z.op]
    if z.op is maximum and x.shape == z.shape and _is_zero(z.inputs[1 - i]):
        return (OPPOSITE, FORGOTTEN)
    if z.op is matmul or (z.op is dot and all(len(shape) == 2 for shape in z.input_shapes)):
        W = z.inputs[0]
        square = i == 1 and len(W.shape) == 2 and W.shape[0] == W.shape[1]
        if i == 0:
            return (RESHAPED, SIGN) if len(x.shape) == 2 and min(x.shape) > 1 else (SIGN,)
        return (TURNED,) if square else ()
    if z.op is add and x.shape != z.shape:
        return (NOT_SUMMED,)
    return ()


def _is_zero(x: Any) -> bool:
    return isinstance(x, (int, float, np.ndarray, np.generic)) and not np.any(x)


def planted(
    forward: Forward, backward: Backward, prefix: str = "mistake"
) -> tuple[Backward, list[Switch]]:
    """The same backward pass with a switch in each rule that has classic mistakes.

    The switches are called by the prefix and a number. A rule that hands on what it got, as that
    of a sum of two does, has none.
    """
    values = {t.node: t for t in forward.tensors}
    switches: dict[Node, list[Switch]] = {}
    with mode(recording=True, watch=None, scope=()), np.errstate(all="ignore"):
        for z, i in _made(backward):
            x = z.inputs[i]
            mistakes = _mistakes(z, i, x)
            if mistakes and len(switches) < MOST:
                leaf = Tensor(0.0, name=f"{prefix}{len(switches) + 1}")
                switches[backward.contributions[z, i].node] = [Switch(z, i, leaf, mistakes)]
        again = _Again(values, backward, {n: s for n, (s,) in switches.items()})
        new = again.tensors()
    gradients = {x: new(g) for x, g in backward.gradients.items()}
    contributions = {key: new(c) for key, c in backward.contributions.items()}
    made = [s for (s,) in switches.values()]
    return Backward(gradients, contributions, backward.order, backward.seeds), made


def _made(backward: Backward) -> Iterator[tuple[Node, int]]:
    """The uses whose rule makes something of its own; that of a sum of two hands on what it got."""
    seen = {g.node for g in backward.gradients.values() if g.node.op is None}
    for (z, i), c in backward.contributions.items():
        if c.node not in seen and c.node is not backward.gradients[z].node:
            yield z, i
        seen.add(c.node)


class _Again:
    """The backward pass recorded once more, where a switch stands from its contribution on."""

    def __init__(
        self, values: Mapping[Node, Tensor], backward: Backward, switches: Mapping[Node, Switch]
    ) -> None:
        self.values, self.backward, self.switches = values, backward, switches
        self.new: dict[Node, Tensor] = dict(values)

    def tensors(self) -> Callable[[Tensor], Tensor]:
        """What became of each Tensor of the pass."""
        old = {t.node: t for t in (*self.backward.gradients.values(),
                                   *self.backward.contributions.values())}  # fmt: skip
        for node in trace(list(old)):
            if node in self.new:
                continue
            if isinstance(node, Leaf):
                self.new[node] = Tensor(node.value)
                self.new[node].node.name = node.name
            else:
                args = [self.new[x] if isinstance(x, Node) else x for x in node.inputs]
                self.new[node] = record(node.op, args, node.meta)
            if node in self.switches:
                self.new[node] = self._switched(self.switches[node], self.new[node])
        return lambda t: self.new[t.node]

    def _switched(self, switch: Switch, right: Tensor) -> Tensor:
        """where(s = 1, the first mistake, where(s = 2, the second, ... right))."""
        z, i, leaf, mistakes = switch
        g = self.new[self.backward.gradients[z].node]
        x = self.values[z.inputs[i]]
        chosen = right
        first = z.inputs[0]
        W = None if i != 1 else self.values[first] if isinstance(first, Node) else first
        for k, mistake in enumerate(mistakes, 1):
            wrong = mistake.wrong(g, self.values[z], x, right, W)
            chosen = where(leaf == k, wrong, chosen)
        return chosen


SAMPLE = np.array([[0.6, -1.2, 0.0, 0.9, -0.7], [0.0, 1.5, -0.4, 0.3, -2.0]])
COTANGENT = np.array([[0.7, -0.3, 1.1, 0.45, 0.9], [1.3, -0.8, 0.25, 0.6, -1.4]])
SQUARE = np.array([[0.5, -1.0], [2.0, 0.25]])


@cache
def said(op: Any, mistake: Mistake) -> str:
    """The checker's words of a mistake, made in the rule of an op on a small sample.

    Example: `said(relu, OF_SLOPES[relu][0])` says that it has the mask x ≥ 0.
    """
    x, W = (np.abs(SAMPLE) + 0.5 if op is log else SAMPLE), None
    function = op
    if mistake is RESHAPED:
        x, function = SQUARE, lambda W: W @ SAMPLE
    elif op in (matmul, dot):
        W, function = SQUARE, op
    elif op is maximum:
        function = partial(op, 0)
    elif op is add:
        x, function = np.array([[0.5], [-1.0]]), lambda x: op(SAMPLE, x)
    t = Tensor(x, requires_grad=True, name="x")
    inputs, names = ([x], ["x"]) if W is None else ([W, x], ["W", "x"])
    with mode(recording=True, watch=None):
        z = function(*inputs[:-1], t)
    g = COTANGENT if z.shape else np.array(0.7)
    right = gradients((z * g).sum(), [t])[0]
    wrong = np.broadcast_to(mistake.wrong(g, z.numpy(), x, right, W), x.shape)
    known = {"unsummed": g} if op is add else {}
    source = Source(function, inputs, len(inputs) - 1, g, names)
    found = compare(wrong, right, known, name="dx", source=source)
    words = [str(e) for e in (*found.explanations, *found.possible)]
    return words[0] if words else f"is wrong: {found.worst}"
