"""Mistakes in a backward pass, made on purpose: which of them gives exactly the numbers of a
gradient that is wrong?

Where the forward can be recorded, its backward pass is run again with one slip: the contribution
through one use of a value left out, a slope forgotten, taken twice, taken of another function, a
factor turned. Else, and besides, slips of the Jacobian as a whole: its diagonal alone, an order of
elements, positions overwritten. A slip is named only where it gives every number to rounding, for
several cotangents, at several points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.reverse import pulls_of
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.check.diagnosis.numbers import ratio
from tinygrad_dnn.check.numeric.jacobian import measured_gradient, summed_to
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node, mode, trace
from tinygrad_dnn.ops import REGISTRY

LONG = 40  # characters of a formula
MOST_EDGES = 30  # of which two are left out at once
MOST_NODES = 120  # of a forward whose backward pass is run again and again
MOST_ENTRIES = 4000  # of a Jacobian
NEAR = 0.3  # of its size by which a number is moved
LEAST = 3  # numbers that a slip must explain
SAME = 1e-10  # of the largest number: what two ways to one value differ by at most


class Asked(NamedTuple):
    """A wrong gradient as it was asked for: the inputs, the cotangent, what came for one input."""

    inputs: Sequence[Any]
    g: Any
    yours: Any


class Named(NamedTuple):
    """A slip that explains the numbers; the lower its rank, the simpler."""

    rank: int
    says: str


Change = Callable[[Node, int, Any, tuple[Any, ...]], Any]
Changes = Mapping[tuple[int, int], Change]


class Backward:
    """The backward pass of a function of arrays, recorded at a point, ready to be run with a slip.

    Raises:
        Exception: whatever comes of a forward that takes no Tensors.
    """

    def __init__(self, forward: Callable[..., Any], inputs: Sequence[Any]) -> None:
        self.leaves = [
            Tensor(np.array(x, float), requires_grad=True, name=f"x{k}") if _is_float(x) else x
            for k, x in enumerate(inputs)
        ]
        with mode(recording=True, watch=None), np.errstate(all="ignore"):
            z = forward(*self.leaves)
        if not isinstance(z, Tensor) or not z.requires_grad:
            raise TypeError("the forward leaves the graph")
        self.root = z.node
        self.graph = trace([z.node])
        if len(self.graph) > MOST_NODES:
            raise ValueError("too long")
        with np.errstate(all="ignore"):
            self.values = evaluate(self.graph)

    def edges(self) -> Iterator[tuple[int, int]]:
        """The uses of values: which node of the graph, and which of its inputs."""
        for n, node in enumerate(self.graph):
            for i, x in enumerate(node.inputs if node.op is not None else ()):
                if isinstance(x, Node) and x.requires_grad:
                    yield n, i

    def gradient(self, g: Any, k: int, changes: Changes) -> Any:
        """The gradient for input k, with changes at some uses."""
        found: dict[Node, Any] = {self.root: np.asarray(g, float)}
        order = list(self.graph)
        for n in range(len(order) - 1, -1, -1):
            node = order[n]
            if node.op is None or node not in found:
                continue
            here = found[node]
            arrays = (self.values[x] if isinstance(x, Node) else x for x in node.inputs)
            saved = (self.values[node], *arrays)
            pulls = pulls_of(node.op, here, saved, node) if node.op.many else node.op.pulls
            for i, x in enumerate(node.inputs):
                if not isinstance(x, Node) or not x.requires_grad:
                    continue
                if (n, i) in changes:
                    part = changes[n, i](node, i, here, saved)
                else:
                    pull = pulls[i]
                    part = None if pull is None else pull(here, saved, node, i)
                if part is not None:
                    part = summed_to(x.shape, np.asarray(part, float))
                    found[x] = found[x] + part if x in found else part
        leaf = self.leaves[k].node
        return found.get(leaf, np.zeros(leaf.shape))


def _is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def _rule(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    pulls = pulls_of(node.op, g, saved, node) if node.op.many else node.op.pulls
    return np.zeros(np.shape(saved[i + 1])) if pulls[i] is None else pulls[i](g, saved, node, i)


class Slip(NamedTuple):
    """A change of what one use contributes; `says` has the formulas of the result and the input."""

    rank: int
    says: str
    change: Change


def _slips(node: Node, i: int) -> Iterator[Slip]:
    """The slips that can be made at one use."""

    def times(c: float) -> Change:
        return lambda n, i, g, s: c * _rule(n, i, g, s)

    yield Slip(2, LACKING, times(0))
    yield Slip(3, "has the wrong sign at {x} in {z}", times(-1))
    yield Slip(4, "counts {x} in {z} twice", times(2))
    yield Slip(4, "has half of what comes through {x} in {z}", times(0.5))
    yield Slip(4, "takes 1 for what arrives at {z}", _of_ones)
    yield Slip(3, "averages where {x} was repeated in {z}, and the sum is right", _averaged)
    yield Slip(3, "lacks the 1/n of {z}, or has n times what is right there", _scaled(1))
    yield Slip(3, "has the 1/n of {z} twice", _scaled(-1))
    yield Slip(4, "gives all of {x} what arrives at {z}, without its derivative", _spread)
    yield Slip(4, "lacks a division by {z}", lambda n, i, g, s: _rule(n, i, g, s) * s[0])
    yield Slip(4, "is divided by {z} once too often", lambda n, i, g, s: _rule(n, i, g, s) / s[0])
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
    right = f"where the derivative of {node.op.name} is right"
    yield Slip(2, f"lacks the derivative of {node.op.name} at {{z}}", lambda n, i, g, s: g)
    twice = f"has the derivative of {node.op.name} at {{z}} twice"
    yield Slip(2, twice, lambda n, i, g, s: _rule(n, i, _rule(n, i, g, s), s))
    confused = f"has the derivative of {node.op.name} taken at {{z}} where {{x}} is right: are "
    yield Slip(2, f"{confused}input and output confused?", _at_the_result)
    divided = f"is divided by the derivative of {node.op.name} at {{z}}, not multiplied"
    yield Slip(3, divided, lambda n, i, g, s: g * g / _rule(n, i, g, s))
    yield Slip(3, f"has {{z}} itself {right}", lambda n, i, g, s: g * s[0])
    yield Slip(3, f"has {{x}} itself {right}", lambda n, i, g, s: g * s[i + 1])
    for words, slope in SLOPES.items():
        yield Slip(3, f"has {words} {right}, with x = {{x}}", _with(slope, None))
        yield Slip(4, f"has {words} {right}, with x = {{z}}", _with(slope, 0))
    for words, mask in MASKS.items():
        yield Slip(2, f"has the mask {words} at {{z}} {right}", _masked(mask))
    for other, op in REGISTRY.items():
        unary = op.elementwise and len(op.arrays) == 1 and not op.required
        if other != node.op.name and unary and op.rules:
            says = f"has the derivative of {other} {right}"
            yield Slip(3, f"{says}, at {{x}}", _with(_slope_of(op), None))
            yield Slip(4, f"{says}, at {{z}}", _with(_slope_of(op), 0))


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


def _of_ones(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    return _rule(node, i, np.ones_like(g), saved)


def _masked(mask: Callable[[Any, Any], Any]) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        kept = mask(saved[i + 1], g)
        if np.all(kept) or not np.any(kept):
            raise ValueError("no mask")
        return g * kept

    return change


def _with(slope: Callable[[Any], Any], of: int | None) -> Change:
    """The slope of another function at the input, or at what `of` says."""
    return lambda n, i, g, s: g * slope(np.asarray(s[i + 1 if of is None else of], float))


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
        return _rule(node, i, g, tuple(moved))

    return change


def _at_the_result(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    moved = [*saved[1:]]
    moved[i] = saved[0]
    return _rule(node, i, g, (node.op.forward(*moved, **node.meta), *moved))


def _averaged(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    part = np.asarray(_rule(node, i, g, saved), float)
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
        return _rule(node, i, g, saved) * n**power

    return change


def _turned(k: int) -> Change:
    def change(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
        others = [*saved]
        if np.ndim(others[k]) < 2:
            raise ValueError("no matrix")
        others[k] = np.swapaxes(others[k], -1, -2)
        return _rule(node, i, g, tuple(others))

    return change


# --- the Jacobian as a whole ----------------------------------------------------------------------


def of_jacobian(
    J: Any, z_shape: tuple[int, ...], x_shape: tuple[int, ...]
) -> Iterator[tuple[Named, Any]]:
    """Mistaken Jacobians, (z.size, x.size) as J is, with words for each."""
    if z_shape == x_shape:
        diagonal = np.diag(np.diag(J))
        says = "keeps only the diagonal of the Jacobian: every element of the result depends on "
        yield Named(1, f"{says}other elements as well"), diagonal
        yield Named(1, "lacks the diagonal of the Jacobian"), J - diagonal
        yield Named(2, "has the wrong sign off the Jacobian's diagonal"), 2 * diagonal - J
    if J.shape[0] == J.shape[1]:
        yield Named(2, "has the Jacobian where its transpose is right (J·g for Jᵀ·g)"), J.T
    for words, order in _orders(x_shape):
        yield Named(2, f"has the right numbers {words}"), J[:, order]
    for words, order in _orders(z_shape):
        yield Named(3, f"takes g {words}"), J[order]
    for which, keep in (("last", -1), ("first", 0)):
        yield Named(2, f"holds only the {which} contribution where an element is read several "
                    "times: is it overwritten, = for +=?"), _one_each(J, keep)  # fmt: skip
    for axis, n in enumerate(z_shape):
        for words, part in _parts(n):
            mask = np.zeros(z_shape)
            mask[(slice(None),) * axis + (part,)] = 1
            yield (
                Named(2, f"holds only what comes from {words} along axis {axis} of the result"),
                (J * mask.reshape(-1, 1)),
            )
    for axis, n in enumerate(x_shape):
        for words, part in _parts(n):
            mask = np.zeros(x_shape)
            mask[(slice(None),) * axis + (part,)] = 1
            yield (
                Named(2, f"is right for {words} along axis {axis} and 0 elsewhere"),
                J * mask.reshape(-1),
            )


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    at = np.arange(int(np.prod(shape))).reshape(shape)
    if at.ndim >= 2 and len(set(shape)) > 1:  # else it is an exchange of axes
        yield "in C's order where Fortran's is right", at.ravel(order="F")
        yield "in Fortran's order where C's is right", np.argsort(at.ravel(order="F"))
    for axis, n in enumerate(shape):
        if n > 1:
            yield f"reversed along axis {axis}", np.flip(at, axis).ravel()
            yield f"one place too far along axis {axis}", np.roll(at, 1, axis).ravel()
            yield f"one place too early along axis {axis}", np.roll(at, -1, axis).ravel()
        for other in range(axis):
            if shape[other] == n:
                yield (
                    f"with axes {other} and {axis} exchanged",
                    np.swapaxes(at, other, axis).ravel(),
                )


def _parts(n: int) -> Iterator[tuple[str, Any]]:
    if n > 1:
        yield "the last element", slice(-1, None)
        yield "the first element", slice(0, 1)
    if n > 2:
        yield "all but the last element", slice(None, -1)
        yield "all but the first element", slice(1, None)


def _one_each(J: Any, keep: int) -> Any:
    found = np.zeros_like(J)
    for column in range(J.shape[1]):
        rows = np.flatnonzero(J[:, column])
        if len(rows):
            found[rows[keep], column] = J[rows[keep], column]
    return found


def missing_term(lacking: Any, z: Any, x: Any) -> Named | None:
    """What is lacking of the Jacobian of z with respect to x, where it is a term of a simple kind:
    c g, or u · Σ g v over an axis with u and v made of x and z.
    """
    if z.shape != x.shape or not np.any(lacking):
        return None
    size = float(np.max(np.abs(lacking)))
    c = float(np.mean(np.diag(lacking)))
    if _alike(lacking, c * np.eye(len(lacking)), size):
        return Named(3, f"lacks the term {c:.6g} · g")
    factors = {"": np.ones(x.shape), "x": x, "z": z, "exp(x)": np.exp(x), "exp(z)": np.exp(z)}
    for axes in _subsets(z.ndim):
        total = _summing(z.shape, axes)
        over = "all axes" if len(axes) == z.ndim else f"axis {', '.join(map(str, axes))}"
        c = float(lacking[0, 0])
        if c and _alike(lacking, c * total, size):
            n = int(np.prod([z.shape[a] for a in axes]))
            times = f"{'−' if c < 0 else ''}1/{n}" if _near(abs(c) * n, 1) else f"{c:.6g}"
            says = f"lacks the term {times} · Σ g over {over}, the same for all"
            return Named(4, f"{says}: is a mean or a sum taken for a constant?")
        if np.any((lacking != 0) & (total == 0)):
            continue
        for (v, of_z), (u, of_x) in product(factors.items(), repeat=2):
            if (u or v) and _of_factors(lacking, total, of_z.ravel(), of_x.ravel()):
                inner = f"g ⊙ {v}" if v else "g"
                term = f"{u} ⊙ Σ ({inner})" if u else f"Σ ({inner})"
                says = f"lacks a number times {term} over {over} (z is the result): is what all "
                return Named(4, f"{says}elements share taken for a constant?")
    return None


def _subsets(n: int) -> Iterator[tuple[int, ...]]:
    yield from ((a,) for a in range(n))
    if n > 1:
        yield tuple(range(n))


def _summing(shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """g -> Σ g over these axes, spread again, as a matrix."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    total = np.sum(units, axis=tuple(a + 1 for a in axes), keepdims=True)
    return np.broadcast_to(total, units.shape).reshape(len(units), -1)


def _of_factors(matrix: Any, total: Any, v: Any, u: Any) -> bool:
    """Whether each block that `total` marks is a number of its own times v uᵀ."""
    for block in np.unique(total > 0, axis=0):
        part, term = matrix[np.ix_(block, block)], np.outer(v[block], u[block])
        if len(part) < LEAST or not np.all(np.isfinite(term)):
            return False
        if ratio(part, term) is None and not _alike(part, term * _best(part, term)):
            return False
    return True


def _best(part: Any, term: Any) -> float:
    """The number by which a term comes closest to a part."""
    return float(np.sum(part * term) / np.sum(term * term))


def _near(x: float, y: float) -> bool:
    return abs(x - y) < 1e-9 * abs(y)


def _alike(x: Any, y: Any, size: float | None = None) -> bool:
    scale = float(np.max(np.abs(y), initial=0)) if size is None else size
    return x.shape == y.shape and bool(np.all(np.abs(x - y) <= SAME * scale))


# --- all together ---------------------------------------------------------------------------------


Guess = Callable[[Backward, Asked], Any]


def probable_slip(
    forward: Callable[..., Any],
    ask: Callable[[Any, Sequence[Any]], Any],
    inputs: Sequence[Any],
    k: int,
    names: Sequence[str],
    rng: np.random.Generator,
) -> str | None:
    """Words for the slip that explains a wrong gradient for input k.

    Args:
        forward: (*inputs) -> one array.
        ask: gives the gradient for a cotangent at some inputs.
        inputs: where it is wrong.
        names: of the inputs.
    """
    if sum(np.size(x) for x in inputs) > MOST_ENTRIES:
        return None
    asked: list[Asked] = []
    try:
        for xs in (inputs, inputs, moved(inputs, rng)):
            z = np.asarray(forward(*xs))
            g = rng.uniform(0.5, 1.5, z.shape) * rng.choice([-1.0, 1.0], z.shape)
            yours = np.asarray(ask(g, xs), float)
            if not np.all(np.isfinite(yours)):
                return None
            asked.append(Asked(xs, g, yours))
    except Exception:  # whatever a stranger's code does with another point
        if not asked:
            return None
    found = [named_slip(forward, asked, k, names)]
    if found[0] is None or found[0].rank > 1:
        found.append(_asked_in_jacobian(forward, ask, inputs, k))
    best = min((f for f in found if f is not None), default=None)
    return None if best is None else best.says


def _asked_in_jacobian(
    forward: Callable[..., Any],
    ask: Callable[[Any, Sequence[Any]], Any],
    inputs: Sequence[Any],
    k: int,
) -> Named | None:
    z, x = np.asarray(forward(*inputs), float), np.asarray(inputs[k], float)
    if not 0 < z.size * x.size <= MOST_ENTRIES:
        return None
    truth, yours = np.zeros((z.size, x.size)), np.zeros((z.size, x.size))
    arrays = [np.asarray(a) for a in inputs]
    try:
        for n, at in enumerate(np.ndindex(z.shape)):
            g = np.zeros(z.shape)
            g[at] = 1
            truth[n] = np.ravel(measured_gradient(forward, arrays, k, g))
            yours[n] = np.ravel(np.broadcast_to(ask(g, inputs), x.shape))
    except Exception:  # as above
        return None
    return named_in_jacobian(truth, yours, z, x)


def moved(inputs: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    """The inputs with every float moved by a part of its size: zeros stay, and so do signs."""
    return [
        np.asarray(x * (1 + NEAR * rng.uniform(-1, 1, np.shape(x)))).astype(np.asarray(x).dtype)
        if _is_float(x)
        else x
        for x in inputs
    ]


def is_doubtful(words: str) -> bool:
    """Whether an explanation was fitted to numbers that a slip explains better, if it does."""
    return "added" in words or "regularisation" in words


def named_slip(
    forward: Callable[..., Any], asked: Sequence[Asked], k: int, names: Sequence[str]
) -> Named | None:
    """The simplest slip in the backward pass that explains what came for input k, every time."""
    try:
        passes = [Backward(forward, a.inputs) for a in asked]
    except Exception:  # a forward for arrays alone may fail in any way
        return None
    shapes = {tuple(n.op.name if n.op else "" for n in p.graph) for p in passes}
    if len(shapes) != 1:
        return None
    first = passes[0]
    texts = formulas(
        first.graph,
        {leaf.node: name for leaf, name in zip(first.leaves, names, strict=True)
         if isinstance(leaf, Tensor)}, LONG,
    )  # fmt: skip
    texts |= {t.node: n for t, n in zip(first.leaves, names, strict=True) if isinstance(t, Tensor)}
    pairs = [*zip(passes, asked, strict=True)]
    truths = [p.gradient(a.g, k, {}) for p, a in pairs]
    if all(_alike(np.asarray(a.yours), t) for a, t in zip(asked, truths, strict=True)):
        return None  # by what was recorded it is right: that is wrong itself
    nodes = list(first.graph)
    edges = list(first.edges())
    found: list[Named] = []

    def tried(rank: int, says: str, guess: Guess) -> None:
        c = _explains(pairs, truths, guess)
        if c is not None:
            found.append(Named(rank + 2 * (c != 1), says + _times(c)))

    with np.errstate(all="ignore"):
        whole = {ratio(np.asarray(a.yours, float), t) for a, t in zip(asked, truths, strict=True)}
        c = next(iter(whole))
        if c is not None and all(w is not None and _near(w, c) for w in whole):
            return Named(1, f"is {c:.6g} times what is right{_of_a_size(c, first, k)}")
        for words, seed in SEEDS.items():
            tried(2, words, _seeded(seed, k))
        for words, factor in ELEMENTS.items():
            for of in (k, None):
                who = words.format(x=names[k] if of is not None else "the result")
                tried(2, f"lacks a factor: {who}", _times_an_array(factor, of, -1, k))
                tried(2, f"has a factor once too often: {who}", _times_an_array(factor, of, 1, k))
        for at in edges:
            x, z = nodes[at[0]].inputs[at[1]], nodes[at[0]]
            for slip in _slips(z, at[1]):
                says = slip.says.format(x=texts.get(x, "it"), z=texts.get(z, "the result"))
                tried(slip.rank, says, _changed({at: slip.change}, k))
        if not found and len(edges) <= MOST_EDGES:
            for one, other in combinations(edges, 2):
                both = (nodes[n].inputs[i] for n, i in (one, other))
                names_of_both = " and ".join(dict.fromkeys(texts.get(x, "it") for x in both))
                says = f"lacks what comes through {names_of_both}: are they taken for constants?"
                tried(3, says, _changed({one: _nothing, other: _nothing}, k))
    return min(found, default=None)


# What a gradient of the shape of the input, or of the result, may be multiplied by.
ELEMENTS: Mapping[str, Callable[[Any], Any]] = {
    "{x}": lambda x: x,
    "1 − {x}": lambda x: 1 - x,
    "1 + {x}": lambda x: 1 + x,
    "{x}²": lambda x: x * x,
    "1 − {x}²": lambda x: 1 - x * x,
    "exp({x})": np.exp,
    "log({x})": np.log,
}


def _times_an_array(of: Callable[[Any], Any], which: int | None, power: int, k: int) -> Guess:
    """The right gradient times a function of an input, or of the result, to a power."""

    def guess(p: Backward, a: Asked) -> Any:
        array = p.values[p.root] if which is None else np.asarray(a.inputs[which], float)
        right = p.gradient(a.g, k, {})
        found = right * of(array) ** power
        if found.shape != right.shape:
            raise ValueError("of another shape")
        return found

    return guess


def _of_a_size(c: float, p: Backward, k: int) -> str:
    """Where a factor comes from, if it is a size."""
    x = np.shape(p.values[p.leaves[k].node])
    sizes = {f"the length of axis {a} of the input": n for a, n in enumerate(x)}
    sizes |= {"the number of elements": int(np.prod(x))}
    for words, n in sizes.items():
        for power, wrote in ((n, f"{n}"), (1 / n, f"1/{n}")):
            if n > 2 and _near(abs(c), power):
                return f" ({wrote}, {n} being {words})"
    return ""


def _seeded(seed: Callable[[Any, Any], Any], k: int) -> Guess:
    return lambda p, a: p.gradient(seed(a.g, p.values[p.root]), k, {})


def _changed(changes: Changes, k: int) -> Guess:
    return lambda p, a: p.gradient(a.g, k, changes)


def _nothing(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    return np.zeros(np.shape(saved[i + 1]))


FACTORS = (1.0, -1.0, 2.0, 0.5, -2.0, -0.5)


def _times(c: float) -> str:
    if c == 1:
        return ""
    return ", and has the opposite sign" if c == -1 else f", and is {c:.6g} times that"


def _explains(
    pairs: Sequence[tuple[Backward, Asked]],
    truths: Sequence[Any],
    guess: Guess,
) -> float | None:
    """The factor with which a slip explains all that was asked; None where it does not."""
    factor: float | None = None
    numbers, differs = 0, False
    for (p, a), truth in zip(pairs, truths, strict=True):
        try:
            here = guess(p, a)
        except (ValueError, IndexError, TypeError, AttributeError):  # it does not fit there
            return None
        if not np.all(np.isfinite(here)) or here.shape != np.shape(a.yours):
            return None
        c = _factor(a.yours, here)
        if c is None or (factor is not None and c != factor):
            return None
        factor = c
        numbers += int(np.count_nonzero(here))
        differs |= not _alike(here, truth)
    return factor if numbers >= LEAST and differs else None


def _factor(yours: Any, guess: Any) -> float | None:
    """The named factor between two arrays of one shape, to rounding."""
    size = float(np.max(np.abs(guess), initial=0))
    if size == 0:
        return None
    near = np.asarray(yours, float)
    exact = ratio(near, guess)
    for c in FACTORS:
        if (exact is not None and _near(exact, c)) or _alike(near, c * guess, abs(c) * size):
            return c
    return None


def named_in_jacobian(truth: Any, yours: Any, z: Any, x: Any) -> Named | None:
    """The simplest slip of the Jacobian, of z with respect to x, that gives all of yours."""
    size = float(np.max(np.abs(truth), initial=0))
    if not size or not np.all(np.isfinite(yours)) or np.count_nonzero(yours) < LEAST:
        return None
    found = []
    for name, guess in of_jacobian(truth, z.shape, x.shape):
        if np.any(guess) and not _alike(guess, truth):
            c = _factor(yours, guess)
            if c is not None:
                found.append(Named(name.rank + 2 * (c != 1), name.says + _times(c)))
    if not found:
        term = _but_for(truth, yours, x.shape) or missing_term(truth - yours, z, x)
        found += [term] if term is not None else []
    return min(found, default=None)


def _but_for(truth: Any, yours: Any, x: tuple[int, ...]) -> Named | None:
    """One element of the gradient that is wrong, always by one factor."""
    wrong = np.flatnonzero(np.any(np.abs(yours - truth) > SAME * np.max(np.abs(truth)), axis=0))
    if len(wrong) != 1 or yours.shape[1] < LEAST:
        return None
    at = [int(n) for n in np.unravel_index(wrong[0], x)]
    c = ratio(yours[:, wrong[0]], truth[:, wrong[0]])
    how = "" if c is None else f", which is {c:.6g} times what is right"
    return Named(4, f"is right but for element {at}{how}")
