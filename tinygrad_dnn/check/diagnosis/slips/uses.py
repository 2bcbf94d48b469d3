"""The table of slips at one use of a value, and of the cotangent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.check.diagnosis.slips.backward import Change, rule
from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops import REGISTRY


class Slip(NamedTuple):
    """A change of what one use contributes; `says` has the formulas of the result and the input."""

    rank: int
    says: str
    change: Change


def slips_at(node: Node, i: int) -> Iterator[Slip]:
    """The slips that can be made at one use."""

    def scaled(c: float) -> Change:
        return lambda n, i, g, s: c * rule(n, i, g, s)

    yield Slip(2, LACKING, scaled(0))
    yield Slip(3, "has the wrong sign at {x} in {z}", scaled(-1))
    yield Slip(4, "counts {x} in {z} twice", scaled(2))
    yield Slip(4, "has half of what comes through {x} in {z}", scaled(0.5))
    yield Slip(4, "takes 1 for what arrives at {z}", _of_ones)
    x = node.inputs[i]
    if prod(x.shape) > prod(node.shape):
        yield Slip(3, "lacks the 1/n of {z}, or has n times what is right there", _scaled(1))
        yield Slip(3, "has the 1/n of {z} twice", _scaled(-1))
    else:
        yield Slip(3, "averages where {x} was repeated in {z}, and the sum is right", _averaged)
    yield Slip(4, "gives all of {x} what arrives at {z}, without its derivative", _spread)
    yield Slip(4, "lacks a division by {z}", lambda n, i, g, s: rule(n, i, g, s) * s[0])
    yield Slip(4, "is divided by {z} once too often", lambda n, i, g, s: rule(n, i, g, s) / s[0])
    if node.op.contracts:
        for k in range(1, len(node.inputs) + 1):
            yield Slip(1, TURNED, _turned(k))
    if not node.op.elementwise:
        return
    if sum(isinstance(x, Node) and x.requires_grad for x in node.inputs) == 1:
        yield from _slips_of_slopes(node)
    else:
        words = "passes on to {x} what arrives at {z}, without its factor"
        yield Slip(4, words, lambda n, i, g, s: g * np.ones(np.shape(s[0])))
        words = "has {x} itself where the other factor of {z} belongs"
        yield Slip(3, words, lambda n, i, g, s: g * s[i + 1])
        yield Slip(3, "has {z} itself where a factor of it belongs", lambda n, i, g, s: g * s[0])
    for k in range(1, 13):
        yield Slip(
            4, f"has 1e-{k:02d} added to {{x}} in {{z}}, which the function has not", _guarded(k)
        )


LACKING = (
    "lacks what comes through {x} in {z}: is {x} taken for a constant there, or that use forgotten?"
)
TURNED = "has a factor of the product {z} transposed that should not be, or not transposed"


def _slips_of_slopes(node: Node) -> Iterator[Slip]:
    """Slips in the derivative of a function of one variable."""
    slope = f"the derivative of {node.op.name}" if len(node.inputs) == 1 else "the slope of {z}"
    right = f"where {slope} is right"
    yield Slip(1, f"lacks the derivative of {node.op.name} at {{z}}", _without_derivative)
    twice = f"has the derivative of {node.op.name} at {{z}} twice"
    yield Slip(3, twice, _twice)
    confused = f"has the derivative of {node.op.name} taken at {{z}} where {{x}} is right: are "
    yield Slip(2, f"{confused}input and output confused?", _at_the_result)
    divided = f"is divided by the derivative of {node.op.name} at {{z}}, not multiplied"
    yield Slip(3, divided, lambda n, i, g, s: g * g / rule(n, i, g, s))
    yield Slip(3, f"has {{z}} itself {right}", lambda n, i, g, s: g * s[0])
    yield Slip(3, f"has {{x}} itself {right}", lambda n, i, g, s: g * s[i + 1])
    for words, other_slope in SLOPES.items():
        yield Slip(3, f"has {words} {right}, with x = {{x}}", _with(other_slope, None))
        yield Slip(4, f"has {words} {right}, with x = {{z}}", _with(other_slope, 0))
    rank = 2 if node.op.kinks else 5  # a mask is written where the function has a kink
    for words, mask in MASKS.items():
        yield Slip(rank, f"has the mask {words} at {{z}} {right}", _masked(mask))
    for other, op in REGISTRY.items():
        unary = op.elementwise and len(op.arrays) == 1 and not op.required
        if op is not node.op and unary and op.rules:
            says = f"has the derivative of {other} {right}"
            yield Slip(4, f"{says}, at {{x}}", _with(_slope_of(op), None))
            yield Slip(5, f"{says}, at {{z}}", _with(_slope_of(op), 0))


# Slopes as they are written by hand, of a function or of its value.
SLOPES: Mapping[str, Callable[[Any], Any]] = {
    "x (1 − x), sigmoid's from its value,": lambda x: x * (1 - x),
    "1 − x², tanh's from its value,": lambda x: 1 - x * x,
    "1 + x²": lambda x: 1 + x * x,
    "2 x": lambda x: 2 * x,
    "x²": lambda x: x * x,
    "x² / 2": lambda x: x * x / 2,
    "x³": lambda x: x**3,
    "1/x²": lambda x: 1 / (x * x),
    "leaky relu's slope (0.01)": lambda x: np.where(x > 0, 1, 0.01),
    "leaky relu's slope (0.1)": lambda x: np.where(x > 0, 1, 0.1),
    "leaky relu's slope (0.2)": lambda x: np.where(x > 0, 1, 0.2),
}
MASKS: Mapping[str, Callable[[Any, Any], Any]] = {
    "x > 0": lambda x, g: x > 0,
    "x ≥ 0": lambda x, g: x >= 0,
    "x < 0": lambda x, g: x < 0,
    "x ≤ 0": lambda x, g: x <= 0,
    "x ≠ 0": lambda x, g: x != 0,
    "x > 1": lambda x, g: x > 1,
    "x > 0.5": lambda x, g: x > 0.5,
    "|x| < 1": lambda x, g: np.abs(x) < 1,
    "g > 0": lambda x, g: g > 0,
    "x > 0 and g > 0": lambda x, g: (x > 0) & (g > 0),
}
SEEDS: Mapping[str, Callable[[Any, Any], Any]] = {
    "takes 1 for g, which it ignores": lambda g, z: np.ones_like(g),
    "squares g": lambda g, z: g * g,
    "takes |g| for g": lambda g, z: np.abs(g),
    "has the mean of g in place of g": lambda g, z: np.full_like(g, np.mean(g)),
    "has the sum of g in place of g": lambda g, z: np.full_like(g, np.sum(g)),
    "has the result in place of g": lambda g, z: z,
    "is multiplied by the result": lambda g, z: g * z,
}


def _without_derivative(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    if np.array_equal(rule(node, i, g, saved), -g):
        raise ValueError("a sign")
    return g


def _twice(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    once = rule(node, i, g, saved)
    if np.array_equal(once, -g):
        raise ValueError("a sign")
    return rule(node, i, once, saved)


def _of_ones(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    return rule(node, i, np.ones_like(g), saved)


def _masked(mask: Callable[[Any, Any], Any]) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        kept = mask(saved[i + 1], g)
        if np.all(kept) or not np.any(kept):
            raise ValueError("no mask")
        return g * kept

    return change


def _with(slope: Callable[[Any], Any], of: int | None) -> Change:
    """The slope of another function at the input, or at what `of` says."""

    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        there = slope(np.asarray(saved[i + 1 if of is None else of], float))
        if np.size(there) > 1 and np.ptp(there) == 0:
            raise ValueError("a plain factor")
        if np.allclose(g * there, np.negative(rule(node, i, g, saved)), rtol=1e-10, atol=0):
            raise ValueError("a sign")
        return g * there

    return change


def _slope_of(op: Any) -> Callable[[Any], Any]:
    def slope(x: Any) -> Any:
        t = Tensor(np.array(x, float), requires_grad=True)
        z = op(t)
        return op.pulls[0](np.ones(z.shape), (z.numpy(), t.numpy()), z.node, 0)

    return slope


def _guarded(k: int) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        moved = [*saved]
        moved[i + 1] = np.asarray(saved[i + 1], float) + 10.0**-k
        here, there = (np.asarray(rule(node, i, g, tuple(s))) for s in (saved, moved))
        if np.any((here == there) & (here != 0)):
            raise ValueError("a step: other shifts would give the same")
        return there

    return change


def _at_the_result(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    moved = [*saved[1:]]
    moved[i] = saved[0]
    return rule(node, i, g, (node.op.forward(*moved, **node.meta), *moved))


def _averaged(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    part = np.asarray(rule(node, i, g, saved), float)
    return part * (np.size(saved[i + 1]) / max(part.size, 1))


def _spread(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    axis = node.meta.get("axis")
    if "axis" not in node.meta:
        raise ValueError("no reduction")
    kept = g if node.meta.get("keepdims") or axis is None else np.expand_dims(g, axis)
    return np.broadcast_to(kept, np.shape(saved[i + 1]))


def _scaled(power: int) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        n = np.size(saved[i + 1]) / max(np.size(saved[0]), 1)
        return rule(node, i, g, saved) * n**power

    return change


def _turned(k: int) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        others = [*saved]
        if np.ndim(others[k]) < 2:
            raise ValueError("no matrix")
        others[k] = np.swapaxes(others[k], -1, -2)
        return rule(node, i, g, tuple(others))

    return change
