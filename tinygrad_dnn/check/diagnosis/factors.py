"""Constant factors that mistakes are made of, and the words for each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.known import Known
from tinygrad_dnn.check.diagnosis.numbers import same_number

RATES = ("learning_rate", "rate", "lr", "alpha")


class Factor(NamedTuple):
    """A factor: the mistake's name, what one sees, and what to ask."""

    name: str
    value: float
    says: str
    hint: str = ""
    rank: int = 1


def named_factors(known: Known) -> list[Factor]:
    """Every factor that has a name: 2, 1/2, those of the context, and each with the other sign."""
    plain = [
        Factor("", 1.0, "", rank=0),
        Factor("factor 2", 2.0, "is exactly 2 times too large", "is something counted twice?"),
        Factor("factor 1/2", 0.5, "is exactly half of what is right", "is a factor 2 missing?"),
        Factor("factor 1/ln 10", 1 / math.log(10), *_logarithm(10)),
        Factor("factor 1/ln 2", 1 / math.log(2), *_logarithm(2)),
        *_of_context(known),
    ]
    opposite = [
        f._replace(
            name=" and ".join(filter(None, (f.name, "opposite sign"))),
            value=-f.value,
            says=" and ".join(filter(None, (f.says, "has the opposite sign"))),
            rank=f.rank + 1,
        )
        for f in plain
    ]
    return plain + opposite


def unnamed(c: float) -> Factor:
    """A factor that nothing explains."""
    sign = " and opposite sign" if c < 0 else ""
    number = f"{c:.10g}"
    if abs(float(number)) == 1:
        number = f"{np.sign(c):.0f} {c - np.sign(c):+.2g}"  # 1 + 2e-11
    return Factor(f"constant factor{sign}", c, f"is {number} times what is right", rank=3)


def matching(c: float, factors: list[Factor]) -> list[Factor]:
    """The named factors of this value."""
    return [f for f in factors if same_number(c, f.value)]


def _logarithm(base: int) -> tuple[str, str]:
    return f"is exactly 1/ln {base} times what is right", f"is log{base} used for the natural log?"


def _of_context(known: Known) -> Iterator[Factor]:
    for q, value in known.scalars.items():
        if not math.isfinite(value) or value in (0.0, -1.0):
            continue
        v = f"{value:.6g}"
        if q in RATES:
            hint = "the learning rate belongs in the update, not in the gradient"
            yield Factor(f"factor {q}", value, f"is exactly {q} = {v} times what is right", hint)
            yield Factor(
                f"factor 1/{q}",
                1 / value,
                f"is exactly 1/{q} = {1 / value:.6g} times what is right",
            )
            continue
        large = f"is exactly {v} = {q} times too large"
        small = f"is exactly {q} = {v} times too small"
        if q == "m":
            yield Factor("factor m", value, large, f"was 1/m forgotten{_for_bias(known)}?")
            twice = "was 1/m applied twice, or an average taken where a sum belongs?"
            yield Factor("factor 1/m", 1 / value, small, twice)
            yield from _other_divisors(known, value)
        else:
            # n and n_prev are small numbers that many factors happen to be.
            rank = 2 if q in ("n", "n_prev") else 1
            yield Factor(f"factor {q}", value, large, rank=rank)
            yield Factor(f"factor 1/{q}", 1 / value, small, rank=rank)


def _for_bias(known: Known) -> str:
    return ", a sum taken where an average belongs" if known.name.startswith("db") else ""


def _other_divisors(known: Known, m: float) -> Iterator[Factor]:
    divisors: dict[str, float] = {
        q: known.scalars[q] for q in ("n", "n_prev") if q in known.scalars
    }
    divisors |= {"m − 1": m - 1, "2 m": 2 * m}
    for q, value in divisors.items():
        if value > 0:
            yield Factor(
                f"divided by {q}",
                m / value,
                f"is exactly {m / value:.6g} times what is right",
                f"was it divided by {q} = {value:g} where m = {m:g} belongs?",
                rank=2,
            )
