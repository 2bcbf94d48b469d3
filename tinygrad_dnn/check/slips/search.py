"""The search: which slip explains a wrong gradient?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.check.diagnosis.numbers import ratio
from tinygrad_dnn.check.numeric.jacobian import measured_gradient
from tinygrad_dnn.check.slips.backward import Asked, Backward, Changes, is_float
from tinygrad_dnn.check.slips.factors import LEAST, Named, alike, factor_between, is_near, times
from tinygrad_dnn.check.slips.jacobian import named_in_jacobian
from tinygrad_dnn.check.slips.uses import SEEDS, slips_at
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node

LONG = 40  # characters of a formula
MOST_EDGES = 30  # of which two are left out at once
MOST_ENTRIES = 4000  # of a Jacobian
NEAR = 0.3  # of its size by which a number is moved

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
        if is_float(x)
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
    if all(alike(np.asarray(a.yours), t) for a, t in zip(asked, truths, strict=True)):
        return None  # by what was recorded it is right: that is wrong itself
    nodes = list(first.graph)
    edges = list(first.edges())
    found: list[Named] = []

    def tried(rank: int, says: str, guess: Guess) -> None:
        c = _explains(pairs, truths, guess)
        if c is not None:
            found.append(Named(rank + 2 * (c != 1), says + times(c)))

    with np.errstate(all="ignore"):
        whole = {ratio(np.asarray(a.yours, float), t) for a, t in zip(asked, truths, strict=True)}
        c = next(iter(whole))
        if c is not None and all(w is not None and is_near(w, c) for w in whole):
            return Named(1, f"is {c:.6g} times what is right{_of_a_size(c, first, k)}")
        for words, seed in SEEDS.items():
            tried(2, words, _seeded(seed, k))
        for words, factor in ELEMENTS.items():
            for of in (k, None):
                who = words.format(x=names[k] if of is not None else "the result")
                tried(3, f"lacks a factor: {who}", _times_an_array(factor, of, -1, k))
                tried(3, f"has a factor once too often: {who}", _times_an_array(factor, of, 1, k))
        for at in edges:
            x, z = nodes[at[0]].inputs[at[1]], nodes[at[0]]
            for slip in slips_at(z, at[1]):
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
            if n > 2 and is_near(abs(c), power):
                return f" ({wrote}, {n} being {words})"
    return ""


def _seeded(seed: Callable[[Any, Any], Any], k: int) -> Guess:
    return lambda p, a: p.gradient(seed(a.g, p.values[p.root]), k, {})


def _changed(changes: Changes, k: int) -> Guess:
    return lambda p, a: p.gradient(a.g, k, changes)


def _nothing(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    return np.zeros(np.shape(saved[i + 1]))


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
        c = factor_between(a.yours, here)
        if c is None or (factor is not None and c != factor):
            return None
        factor = c
        numbers += int(np.count_nonzero(here))
        differs |= not alike(here, truth)
    return factor if numbers >= LEAST and differs else None
