"""The table of hypotheses: what a wrong gradient would be if a mistake had been made.

A row is a name and a function of what is known. It yields guesses: arrays, computed from the truth
and its context, with words for each. Whether a guess is right is not decided here: it is compared
with the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.known import Known
from tinygrad_dnn.check.diagnosis.numbers import Array, close
from tinygrad_dnn.check.diagnosis.slopes import SLOPES, slips


class Guess(NamedTuple):
    """A gradient as a mistake would make it, what one sees then, what to ask.

    `name` of the mistake if not the row's; `key` where the words are other ones at another point;
    `rank` is added to the row's.
    """

    array: Array
    says: str
    hint: str = ""
    name: str = ""
    key: str = ""
    rank: int = 0


class Hypothesis(NamedTuple):
    """A row of the table; the lower its rank, the simpler the mistake."""

    name: str
    guesses: Callable[[Known], Iterator[Guess]]
    rank: int = 1


def _truth(known: Known) -> Iterator[Guess]:
    yield Guess(known.truth, "")


def _zero(known: Known) -> Iterator[Guess]:
    yield Guess(np.zeros(known.truth.shape), "is zero everywhere", "was it ever computed?")


def _transposed(known: Known) -> Iterator[Guess]:
    if known.truth.ndim >= 2:
        yield Guess(known.truth.T, "is transposed")


def _derivative(known: Known) -> Iterator[Guess]:
    """The activation's derivative forgotten, doubled or mistaken, on the way to this gradient."""
    dA, Z, right = known.get("dA"), known.get("Z"), known.get("dZ")
    if dA is None or Z is None or dA.shape != Z.shape:
        return
    for activation in [known.activation] if known.activation in SLOPES else SLOPES:
        dZ = dA * SLOPES[activation](Z)
        if right is not None and known.activation is None and not np.all(close(right, dZ)):
            continue
        for target in ("dW", "db", "dA_prev", "dZ"):
            for k in known.scales(known.through(target, dZ)):
                for slip in slips(activation, dA, Z):
                    wrong = known.through(target, slip.dZ)
                    if wrong is not None:
                        yield Guess(k * wrong, slip.says, slip.hint, slip.name)


def _wrong_matrix(known: Known) -> Iterator[Guess]:
    """A for A_prev in dW; W for Wᵀ in dA_prev, which only a square matrix allows."""
    dZ, factors = known.factors("dW")
    for k in factors:
        for name in ("A", "Z", "dA", "dZ"):
            X = known.get(name)
            if X is not None and X.ndim == 2 and X.shape[1] == dZ.shape[-1]:
                yield Guess(
                    k * dZ @ X.T,
                    f"has {name} where A_prev is right",
                    "dW = dZ·A_prevᵀ/m",
                    f"{name} instead of A_prev",
                )
    W = known.get("W")
    dZ, factors = known.factors("dA_prev")
    for k in factors:
        if W is not None and W.shape[1] == dZ.shape[0]:
            yield Guess(
                k * W @ dZ,
                "has W where Wᵀ is right",
                "dA_prev = Wᵀ·dZ, and only a square W lets W·dZ pass",
                "W not transposed",
            )


def _inner_transposed(known: Known) -> Iterator[Guess]:
    """A product with one factor turned, where square matrices hide it."""
    A_prev = known.get("A_prev")
    dZ, factors = known.factors("dW")
    if A_prev is None or A_prev.shape[0] != A_prev.shape[-1]:
        return
    for k in factors:
        yield Guess(
            k * dZ @ A_prev,
            "has A_prev where A_prevᵀ is right",
            "dW = dZ·A_prevᵀ/m",
            "A_prev not transposed",
        )


def _unsummed(known: Known) -> Iterator[Guess]:
    """A broadcast gradient: not summed, summed over other axes, or averaged over some."""
    for whole, k, right in _before_summing(known):
        full = k * whole
        yield Guess(full, "is not summed over the axes that were broadcast", "", "not summed")
        for count in range(1, whole.ndim + 1):
            for axes in combinations(range(whole.ndim), count):
                said = "all axes" if count == whole.ndim > 1 else _axes(axes)
                if axes != right:
                    yield from _in_both_shapes(
                        np.sum(full, axis=axes, keepdims=True),
                        known,
                        f"is summed over {said} where {_axes(right)} is right",
                        "summed over the wrong axis",
                        axes,
                    )
                if k == 1 or axes != right:
                    if axes == right:
                        says, name = "where it should be summed", "averaged instead of summed"
                    else:
                        says = f"over {said} where {_axes(right)} is right"
                        name = "averaged over the wrong axis"
                    yield from _in_both_shapes(
                        np.mean(whole, axis=axes, keepdims=True),
                        known,
                        f"is averaged {says}",
                        name,
                        axes,
                        rank=0 if axes == right else 1,
                    )


def _in_both_shapes(
    total: Array, known: Known, says: str, name: str, axes: tuple[int, ...], rank: int = 0
) -> Iterator[Guess]:
    """As it is, without the summed axes, and as NumPy would stretch it into the right shape."""
    key = f"{name.split()[0]} {axes}"  # m = 1 makes a sum of what is an average elsewhere
    yield Guess(total, says, "", name, key, rank)
    yield Guess(np.squeeze(total, axis=axes), says, "", name, key, rank)
    for seen in (total, np.squeeze(total, axis=axes)):
        try:
            stretched = np.broadcast_to(seen, known.truth.shape)
        except ValueError:
            continue
        if stretched.shape != seen.shape:
            yield Guess(stretched, says, "", name, key, rank)
    if total.size == known.truth.size:
        yield Guess(total.reshape(known.truth.shape), says, "", name, key, rank)


def _before_summing(known: Known) -> Iterator[tuple[Array, float, tuple[int, ...]]]:
    """The gradient before it is summed, the factor in front, and the axes to be summed over."""
    dZ, factors = known.factors("db")
    for k in factors:
        yield dZ, k, (1,)
    whole = known.unsummed
    if whole is not None and whole.ndim:
        axes = _summed_axes(known.truth.shape, whole.shape)
        total = np.sum(whole, axis=axes)
        if total.size == known.truth.size:
            for k in known.scales(total.reshape(known.truth.shape)):
                yield whole, k, axes


def _summed_axes(to: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...]:
    """The axes over which an array is summed back to a shape that was broadcast to its own."""
    padded = (1,) * (len(whole) - len(to)) + to
    if len(padded) != len(whole):
        raise ValueError(f"{to} has more axes than {whole}")
    ahead = len(whole) - len(to)
    return tuple(a for a, n in enumerate(padded) if a < ahead or (n == 1 and whole[a] != 1))


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {', '.join(map(str, axes))}" if axes else "none"


def _examples(known: Known) -> Iterator[Guess]:
    """A loop over the examples that ends early, begins late, or overwrites what it should add."""
    dZ, A_prev = known.get("dZ"), known.get("A_prev")
    if dZ is None or dZ.ndim != 2 or not dZ.shape[1]:
        return
    loops = (
        (slice(None, -1), "leaves out the last example", "does a loop end too early?"),
        (slice(1, None), "leaves out the first example", "does a loop begin at 1?"),
        (slice(-1, None), "holds only the last example", "is it overwritten in a loop, = for +=?"),
        (slice(None, 1), "holds only the first example", "does a loop end too early?"),
    )
    for target in ("dW", "db"):
        _, factors = known.factors(target)
        for k in factors:
            for part, says, hint in loops:
                some = dZ[:, part]
                if target == "db":
                    yield Guess(k * np.sum(some, axis=1, keepdims=True), says, hint)
                elif A_prev is not None:
                    yield Guess(k * some @ A_prev[:, part].T, says, hint)


def _parts(known: Known) -> Iterator[Guess]:
    """Only the first of two uses counted, one left out, one counted twice."""
    if len(known.parts) < 2:
        return
    for i, (label, part) in enumerate(known.parts.items()):
        which = ("first", "second", "third")[i] if i < 3 else f"{i + 1}th"
        only = f"only the {which} of {len(known.parts)} contributions"
        yield Guess(
            part,
            f"holds {only}, that of {label}",
            "the others are to be added (+=)",
            "not accumulated",
        )
        if len(known.parts) > 2:
            yield Guess(
                known.truth - part, f"lacks the contribution of {label}", "", "contribution missing"
            )
        yield Guess(
            known.truth + part, f"has the contribution of {label} twice", "", "contribution doubled"
        )
        yield Guess(
            known.truth - 2 * part,
            f"has the contribution of {label} with the wrong sign",
            "",
            "contribution's sign",
        )


def _other_layer(known: Known) -> Iterator[Guess]:
    """dW2 by the formula of another layer: dZ_k · A_jᵀ for any k, j but the right ones."""
    found = re.fullmatch(r"d(W|b|A|Z)(\d+)", known.name)
    if not found:
        return
    l = int(found[2])
    A_prev, W_right = known.get("A_prev"), known.get("W")
    for j, dZ in _layered(known, "dZ").items():
        right, factors = known.factors("dW")
        for i, A in _layered(known, "A").items():
            wrong = not (_same(dZ, right) and _same(A, A_prev))
            if wrong and A.ndim == dZ.ndim == 2 and A.shape[1] == dZ.shape[1]:
                for k in factors:
                    yield _off(k * dZ @ A.T, f"is the product of dZ{j} and A{i}ᵀ", j - l, i - l)
        right, factors = known.factors("db")
        if not _same(dZ, right) and dZ.ndim == 2:
            for k in factors:
                yield _off(k * dZ.sum(1, keepdims=True), f"is summed from dZ{j}", j - l)
        right, factors = known.factors("dA_prev")
        for i, W in _layered(known, "W").items():
            wrong = not (_same(dZ, right) and _same(W, W_right))
            if wrong and W.ndim == dZ.ndim == 2 and W.shape[0] == dZ.shape[0]:
                for k in factors:
                    yield _off(k * W.T @ dZ, f"is the product of W{i}ᵀ and dZ{j}", j - l, i - l)


def _off(array: Array, says: str, *distance: int) -> Guess:
    key = f"{says[:12]} {distance}"  # from layer to layer the numbers differ, not their distance
    return Guess(array, says, "is it a layer off by one?", key=key)


def _layered(known: Known, kind: str) -> dict[int, Array]:
    """Arrays by layer: {1: dZ1, 2: dZ2}."""
    return {
        int(n[len(kind) :]): x
        for n, x in known.arrays.items()
        if n.startswith(kind) and n[len(kind) :].isdecimal()
    }


def _same(x: Array, y: Array | None) -> bool:
    return y is not None and np.array_equal(x, y)


def _another(known: Known) -> Iterator[Guess]:
    """Exactly another quantity that is at hand."""
    mine = re.fullmatch(r"(\D+)\d+", known.name)
    seen: list[Array] = []  # "dZ" is "dZ2" once more
    for name, array in known.arrays.items():
        if name == known.name or not array.size or any(array is x for x in seen):
            continue
        seen.append(array)
        theirs = re.fullmatch(r"(\D+)\d+", name)
        key, hint, title = "", "was it returned in place of another?", ""
        if mine and theirs:
            distance = int(name[len(theirs[1]) :]) - int(known.name[len(mine[1]) :])
            key = f"{theirs[1]} {distance}"
            if mine[1] == theirs[1]:
                hint, title = "is it a layer off by one?", "layer off by one"
        yield Guess(array, f"is exactly {name}", hint, title, key)


def _alternatives(known: Known) -> Iterator[Guess]:
    """Guesses of the caller's own; `has 2 where 1 is right: why?` is split at the colon."""
    for words, array in known.alternatives.items():
        says, _, hint = words.partition(": ")
        yield Guess(array, says, hint, says)


HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis("constant factor", _truth, rank=0),
    Hypothesis("zero", _zero),
    Hypothesis("transposed", _transposed),
    Hypothesis("alternative", _alternatives),
    Hypothesis("activation's derivative", _derivative),
    Hypothesis("wrong matrix", _wrong_matrix),
    Hypothesis("factor turned", _inner_transposed),
    Hypothesis("not summed", _unsummed),
    Hypothesis("not accumulated", _parts),
    Hypothesis("not every example", _examples),
    Hypothesis("another quantity", _another, rank=2),
    Hypothesis("layer off by one", _other_layer, rank=3),
)
