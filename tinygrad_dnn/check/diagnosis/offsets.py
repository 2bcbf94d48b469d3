"""Terms added to the truth: a constant, a multiple of W, the rounding of a narrower float."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.factors import RATES
from tinygrad_dnn.check.diagnosis.known import Known
from tinygrad_dnn.check.diagnosis.numbers import EPS, LOOSE, Array, close, largest

REGULARISERS = ("lambd", "lambda", "lambda_", "lam", "l2", "weight_decay", "decay")
NARROW = (np.float32, np.float16)
SLACK = 1e-8  # relative: a small addend loses digits beside a large gradient
MANY = 8  # numbers whose errors have the size of a rounding, where none is a narrow float


class Offset(NamedTuple):
    """A mistake of this kind that explains the numbers; `parameters` of it were fitted to them."""

    name: str
    says: str
    hint: str
    rank: int
    parameters: int
    visible: bool = True  # at every point; a rounding is not where the numbers are round


def offsets(yours: Array, known: Known) -> Iterator[Offset]:
    """Every offset that explains the difference to rounding. `yours` has the truth's shape."""
    yield from _narrow(yours, known.truth)
    with np.errstate(all="ignore"):
        difference = yours - known.truth
    if not np.all(np.isfinite(difference)):
        return
    if _adds(yours, known.truth, np.ones(difference.shape), difference):
        c = float(np.median(difference.real))
        hint = "is something added that the cost does not contain?"
        yield Offset("constant added", f"has the constant {c:.6g} added", hint, 2, 1)
    for name, Q in known.arrays.items():
        if Q.shape == known.truth.shape and not np.array_equal(Q, known.truth):
            k = _adds(yours, known.truth, Q, difference)
            if k is not None:
                yield from _multiple(k, name, known)


def _adds(yours: Array, truth: Array, Q: Array, difference: Array) -> float | None:
    """The k with yours = truth + k Q to rounding."""
    if not np.all(np.isfinite(Q)) or not np.any(Q):
        return None
    at = np.unravel_index(np.argmax(np.abs(Q)), Q.shape)
    k = float((difference[at] / Q[at]).real)
    size = max(largest(yours), largest(truth), abs(k) * largest(Q))
    fits = k != 0 and bool(np.all(close(yours, truth + k * Q, size, bound=LOOSE)))
    # Below this nothing but rounding has been added.
    return k if fits and largest(difference) > LOOSE * EPS * size else None


def _multiple(k: float, name: str, known: Known) -> Iterator[Offset]:
    """k times a quantity: regularisation where it is a parameter and k made of λ."""
    parameter = name.rstrip("0123456789") in ("W", "b", "x", "w", "theta")
    hint = "is that regularisation in the gradient but not in the cost?" if parameter else ""
    title = "regularisation" if parameter else f"{name} added"
    m = known.scalars.get("m")
    for q in (*REGULARISERS, *RATES):
        if q not in known.scalars:
            continue
        value = known.scalars[q]
        named = {q: value, f"2 {q}": 2 * value, f"{q}/2": value / 2}
        if m:
            named |= {f"{q}/m": value / m, f"2 {q}/m": 2 * value / m, f"{q}/(2 m)": value / m / 2}
        for words, number in named.items():
            if abs(k - number) <= SLACK * abs(number):
                yield Offset(title, f"has {words} · {name} added", hint, 1, 0)
    rank = 2 if parameter else 3
    yield Offset(title, f"has {k:.6g} · {name} added", hint, rank, 1)
    if m:  # λ/m with an unknown λ
        yield Offset(title, f"has {k * m:.6g}/m · {name} added", hint, rank + 1, 1)


def _narrow(yours: Array, truth: Array) -> Iterator[Offset]:
    """Right to the digits of a narrower float, wherever the narrowing happened."""
    with np.errstate(all="ignore"):
        difference = np.abs(yours - truth)
        relative = difference[truth != 0] / np.abs(truth[truth != 0])
    if not relative.size or np.iscomplexobj(yours):
        return
    for kind in NARROW:
        eps = float(np.finfo(kind).eps)
        if not np.all(close(yours, truth, eps=eps)):
            continue
        with np.errstate(all="ignore"):
            exact = bool(np.all(yours.astype(kind) == yours))
        # Spread over the elements, and about as large as that rounding: a few wrong small elements
        # beside large right ones are no rounding.
        middle = float(np.median(relative))
        spread = middle <= 8 * eps and np.mean(relative > 0) > 0.5
        if exact or (spread and (relative.size < MANY or middle > eps / 256)):
            what = kind.__name__
            says = f"is right to the {-round(np.log10(eps))} digits of {what}"
            hint = f"was a part of it computed in {what}?"
            yield Offset(
                f"{what} rounding",
                says,
                hint,
                0 if exact else 4,
                0 if exact else MANY,
                visible=False,
            )
            return
