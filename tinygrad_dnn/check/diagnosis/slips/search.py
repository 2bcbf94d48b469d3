"""The search: which slip explains a wrong gradient?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.check.diagnosis.numbers import as_array, ratio
from tinygrad_dnn.check.diagnosis.slips.backward import Asked, Backward, Change, Changes, is_float
from tinygrad_dnn.check.diagnosis.slips.factors import (
    LEAST,
    Named,
    alike,
    factor_between,
    factors_of,
    is_near,
    of_the_whole,
    times,
)
from tinygrad_dnn.check.diagnosis.slips.jacobian import (
    OfJacobian,
    named_in_gradients,
    named_in_jacobian,
    orders,
)
from tinygrad_dnn.check.diagnosis.slips.paths import paths
from tinygrad_dnn.check.diagnosis.slips.uses import SEEDS, slips_at
from tinygrad_dnn.check.diagnosis.slips.written import named_in_formulas
from tinygrad_dnn.check.diagnosis.source import Source
from tinygrad_dnn.check.numeric.jacobian import measured_gradient
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node

LONG = 40  # characters of a formula
MOST_EDGES = 30  # of which two are left out at once
MOST_PAIRS = 1000  # of two slips at once
SIMPLE = 2  # the rank of a slip that is made together with another
MOST_ENTRIES = 4000  # of a Jacobian
MOST_ASKED = 6  # gradients of several that a slip must explain, the largest
NEAR = 0.3  # of its size by which a number is moved

Guess = Callable[[Backward, Asked], Any]
Elsewhere = Callable[[Sequence[Any]], Sequence[Any]]


class Wrong(NamedTuple):
    """A wrong gradient, and where it comes from."""

    source: Source
    yours: Any


class Placed(NamedTuple):
    """A slip at one use of a value: which input of which node."""

    at: tuple[int, int]
    rank: int
    says: str
    change: Change


def probable_slip(wrong: Sequence[Wrong], seed: int = 0) -> Named | None:
    """The slip that explains wrong gradients of one function, all for the same of its inputs.

    Those of one that can be asked are asked again, elsewhere too.
    """
    first = max(wrong, key=lambda w: np.size(w.yours)).source
    if sum(np.size(x) for x in first.inputs) > MOST_ENTRIES:
        return None
    with np.errstate(all="ignore"):
        asked = _asked(first, seed) if first.ask else _given(wrong)
        if not asked:
            return None
        passes = _recorded(first, asked)
        search = _Search(first, [*zip(passes, asked, strict=True)]) if passes else None
        found = [search.simplest() if search else _measured_elsewhere(first, asked)]
        if found[0] is None or found[0].rank > 1:
            others = _in_jacobian(first, passes) if first.ask else _in_jacobians(first, asked)
            found.append(others)
        best = min((f for f in found if f is not None), default=None)
        if best is None or best.rank > 2:
            found.append(named_in_formulas(first, asked))
    return min((f for f in found if f is not None), default=None)


def _given(wrong: Sequence[Wrong]) -> list[Asked]:
    """The largest of the gradients; none where something in them is no number."""
    found = []
    for source, yours in sorted(wrong, key=lambda w: -np.size(w.yours))[:MOST_ASKED]:
        array = as_array(yours)
        if array is None or np.iscomplexobj(array) or not np.all(np.isfinite(array)):
            return []
        found.append(Asked(source.inputs, source.g, np.asarray(array, float) / source.scale))
    return found


def _asked(source: Source, seed: int) -> list[Asked]:
    """The gradient for random cotangents, here and near."""
    rng = np.random.default_rng(seed)
    found: list[Asked] = []
    assert source.ask is not None
    try:
        for xs in (source.inputs, source.inputs, moved(source.inputs, rng)):
            z = np.asarray(source.forward(*xs))
            g = rng.uniform(0.5, 1.5, z.shape) * rng.choice([-1.0, 1.0], z.shape)
            yours = np.asarray(source.ask(g, xs), float)
            if not np.all(np.isfinite(yours)):
                return []
            found.append(Asked(xs, g, yours))
    except Exception:  # whatever a stranger's code does with another point
        return found
    return found


def _measured_elsewhere(source: Source, asked: Sequence[Asked]) -> Named | None:
    """The right gradient of another point, measured: of a forward that can't be recorded."""

    def measured(a: Asked, inputs: Sequence[Any]) -> Any:
        xs = [*map(np.asarray, inputs)]
        return np.asarray(measured_gradient(source.forward, xs, source.k, a.g), float)

    try:
        right = [measured(a, a.inputs) for a in asked]
    except Exception:  # as above
        return None
    for says, elsewhere in _other_points(source.inputs, source.called):
        differs = False
        for a, here in zip(asked, right, strict=True):
            try:
                there = measured(a, elsewhere(a.inputs))
            except Exception:  # as above
                break
            if np.count_nonzero(there) < LEAST or not alike(a.yours, there):
                break
            differs |= not alike(here, there)
        else:
            if differs:
                return Named(3, says)
    return None


def _in_jacobian(source: Source, passes: Sequence[Backward]) -> Named | None:
    """A slip of the whole Jacobian, which is asked for row by row."""
    assert source.ask is not None
    z, x = (np.asarray(a, float) for a in (source.forward(*source.inputs), source.inputs[source.k]))
    if not 0 < z.size * x.size <= MOST_ENTRIES:
        return None
    truth, yours = np.zeros((z.size, x.size)), np.zeros((z.size, x.size))
    arrays = [np.asarray(a) for a in source.inputs]
    try:
        if passes:
            truth = passes[0].jacobian(source.k)
        for n, at in enumerate(np.ndindex(z.shape)):
            g = np.zeros(z.shape)
            g[at] = 1
            if not passes:
                truth[n] = np.ravel(measured_gradient(source.forward, arrays, source.k, g))
            yours[n] = np.ravel(np.broadcast_to(source.ask(g, source.inputs), x.shape))
    except Exception:  # as above
        return None
    return named_in_jacobian(truth, yours, z, x)


def _in_jacobians(source: Source, asked: Sequence[Asked]) -> Named | None:
    """The same where nobody can be asked: a slip must give each of the gradients at hand."""
    given = []
    try:
        for a in asked:
            p = Backward(source.forward, a.inputs)
            z, x = np.asarray(p.values[p.root]), np.asarray(a.inputs[source.k])
            if not 0 < z.size * x.size <= MOST_ENTRIES or x.shape != np.shape(a.yours):
                return None
            given.append(OfJacobian(p.jacobian(source.k), z.shape, x.shape, a.g, a.yours))
    except Exception:  # as above
        return None
    return named_in_gradients(given)


def moved(inputs: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    """The inputs with every float moved by a part of its size: zeros stay, and so do signs."""
    return [
        np.asarray(x * (1 + NEAR * rng.uniform(-1, 1, np.shape(x)))).astype(np.asarray(x).dtype)
        if is_float(x)
        else x
        for x in inputs
    ]


def _recorded(source: Source, asked: Sequence[Asked]) -> list[Backward]:
    """The backward passes to the gradients; none where they can't be recorded, or differ."""
    try:
        passes = [Backward(source.forward, a.inputs) for a in asked]
    except Exception:  # a forward for arrays alone may fail in any way
        return []
    same = len({tuple(n.op.name if n.op else "" for n in p.graph) for p in passes}) == 1
    return passes if same else []


class _Search:
    """Slips tried one after the other on gradients of one recorded function."""

    def __init__(self, source: Source, pairs: Sequence[tuple[Backward, Asked]]) -> None:
        self.pairs, self.k, self.names = pairs, source.k, source.called
        self.forward = source.forward
        first = pairs[0][0]
        own = zip(first.leaves, self.names, strict=True)
        leaves = {t.node: name for t, name in own if isinstance(t, Tensor)}
        self.texts = formulas(first.graph, leaves, LONG) | leaves
        self.truths = [p.gradient(a.g, self.k, {}) for p, a in pairs]
        self.nodes, self.edges = list(first.graph), list(first.edges())
        of_input = ("the input", np.shape(pairs[0][1].inputs[self.k]))
        self.factors = factors_of([of_input, ("the result", np.shape(first.values[first.root]))])
        self.found: list[Named] = []

    def simplest(self) -> Named | None:
        """The slip of the lowest rank."""
        yours = [np.asarray(a.yours, float) for _, a in self.pairs]
        if all(alike(y, t) for y, t in zip(yours, self.truths, strict=True)):
            return None  # by what was recorded it is right: that is wrong itself
        whole = {ratio(y, t) for y, t in zip(yours, self.truths, strict=True)}
        c = next(iter(whole))
        if c is not None and all(w is not None and is_near(w, c) for w in whole):
            return Named(1, of_the_whole(c, self.factors))
        self._of_the_whole()
        self._at_one_use()
        self._on_paths()
        self._of_other_inputs()
        if not self.found:
            self._at_two_uses()
        return min(self.found, default=None)

    def _tried(self, rank: int, says: str, guess: Guess) -> None:
        c = self._explains(guess)
        if c is not None:
            self.found.append(Named(rank + 2 * (c != 1), says + times(c, self.factors)))

    def _of_the_whole(self) -> None:
        for words, seed in SEEDS.items():
            self._tried(2, words, _seeded(seed, self.k))
        for words, factor in ELEMENTS.items():
            for of in (self.k, None):
                who = words.format(x=self.names[self.k] if of is not None else "the result")
                lacking, doubled = (_times_an_array(factor, of, p, self.k) for p in (-1, 1))
                self._tried(3, f"lacks a factor: {who}", lacking)
                self._tried(3, f"has a factor once too often: {who}", doubled)

    def _slips(self) -> Iterator[Placed]:
        """Every slip at one use."""
        for at in self.edges:
            x, z = self.nodes[at[0]].inputs[at[1]], self.nodes[at[0]]
            for slip in slips_at(z, at[1]):
                says = slip.says.format(
                    x=self.texts.get(x, "it"), z=self.texts.get(z, "the result")
                )
                yield Placed(at, slip.rank, says.removesuffix(", with x = x"), slip.change)

    def _at_one_use(self) -> None:
        for slip in self._slips():
            self._tried(slip.rank, slip.says, _changed({slip.at: slip.change}, self.k))

    def _on_paths(self) -> None:
        for path in paths(self.nodes, self.edges, self.pairs[0][0].leaves[self.k].node):
            says = path.says.format(*(self.texts.get(x, "it") for x in path.of))
            self._tried(path.rank, says, _changed(path.changes, self.k, path.handed))

    def _of_other_inputs(self) -> None:
        for says, elsewhere in _other_points(self.pairs[0][1].inputs, self.names):
            self._tried(3, says, self._at(elsewhere))

    def _at(self, elsewhere: Elsewhere) -> Guess:
        def guess(p: Backward, a: Asked) -> Any:
            return Backward(self.forward, elsewhere(a.inputs)).gradient(a.g, self.k, {})

        return guess

    def _at_two_uses(self) -> None:
        if len(self.edges) <= MOST_EDGES:
            for at, other in combinations(self.edges, 2):
                uses = (self.nodes[n].inputs[i] for n, i in (at, other))
                names = " and ".join(dict.fromkeys(self.texts.get(x, "it") for x in uses))
                says = f"lacks what comes through {names}: are they taken for constants?"
                self._tried(3, says, _changed({at: _nothing, other: _nothing}, self.k))
        if self.found:
            return
        simple = [slip for slip in self._slips() if slip.rank <= SIMPLE]
        for one, two in islice(combinations(simple, 2), MOST_PAIRS):
            if one.at != two.at:
                says = f"{one.says.partition(':')[0]}, and {two.says.partition(':')[0]}"
                changes = {one.at: one.change, two.at: two.change}
                self._tried(one.rank + two.rank + 2, says, _changed(changes, self.k))

    def _explains(self, guess: Guess) -> float | None:
        """The factor with which a slip explains all that was asked; None where it does not."""
        factor: float | None = None
        numbers, differs = 0, False
        for (p, a), truth in zip(self.pairs, self.truths, strict=True):
            try:
                here = guess(p, a)
            except (ValueError, IndexError, TypeError, AttributeError):  # it does not fit there
                return None
            if not np.all(np.isfinite(here)) or here.shape != np.shape(a.yours):
                return None
            if not np.any(here):  # from 0 nothing can be told
                if np.any(a.yours):
                    return None
                continue
            c = factor_between(a.yours, here, self.factors if factor is None else (factor,))
            if c is None:
                return None
            factor = c
            numbers += int(np.count_nonzero(here))
            differs |= not alike(here, truth)
        return factor if numbers >= LEAST and differs else None


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


def _other_points(inputs: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, Elsewhere]]:
    """Where else a right gradient may have been taken: an input in another order, or for another,
    in words.
    """
    shapes = [np.shape(x) if is_float(x) else None for x in inputs]
    for n, shape in enumerate(shapes):
        for words, _ in orders(shape or ()):
            yield f"takes {names[n]} {words}", _in_order(n, words)
        for other, theirs in enumerate(shapes):
            if other != n and theirs is not None and theirs == shape:
                yield f"takes {names[other]} where {names[n]} is right", _another(n, other)


def _another(n: int, other: int) -> Elsewhere:
    return lambda inputs: [inputs[other] if k == n else x for k, x in enumerate(inputs)]


def _in_order(n: int, words: str) -> Elsewhere:
    """An input in another order of its elements."""

    def elsewhere(inputs: Sequence[Any]) -> Sequence[Any]:
        x = np.asarray(inputs[n])
        order = dict(orders(x.shape)).get(words)
        if order is None:
            raise ValueError("there is no such order")
        turned = x.ravel()[order].reshape(x.shape)
        return [turned if k == n else y for k, y in enumerate(inputs)]

    return elsewhere


def _seeded(seed: Callable[[Any, Any], Any], k: int) -> Guess:
    return lambda p, a: p.gradient(seed(a.g, p.values[p.root]), k, {})


def _changed(changes: Changes, k: int, handed: tuple[int, int] | None = None) -> Guess:
    return lambda p, a: p.gradient(a.g, k, changes, handed)


def _nothing(node: Node, i: int, g: Any, saved: tuple[Any, ...]) -> Any:
    return np.zeros(np.shape(saved[i + 1]))
