"""The activations' derivatives, and what becomes of dZ = dA · g'(Z) by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import Array


def sigma(Z: Array) -> Array:
    """1 / (1 + e^−Z)."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-Z))


SLOPES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda Z: sigma(Z) * (1 - sigma(Z)),
    "relu": lambda Z: (Z > 0) * 1.0,
    "tanh": lambda Z: 1 - np.tanh(Z) ** 2,
}
WRITTEN = {"sigmoid": "σ'(Z)", "relu": "1[Z > 0]", "tanh": "1 − tanh²(Z)"}
VALUES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigma,
    "relu": lambda Z: np.maximum(0, Z),
    "tanh": np.tanh,
}


class Slip(NamedTuple):
    """A mistaken dZ: the mistake's name, the dZ, what one sees, and what to ask."""

    name: str
    dZ: Array
    says: str
    hint: str = ""


def slips(activation: str, dA: Array, Z: Array) -> Iterator[Slip]:
    """Every mistaken dZ that is known for this activation."""
    g, written = SLOPES[activation](Z), WRITTEN[activation]
    yield Slip(
        "missing derivative",
        dA,
        f"lacks the factor {written}",
        "dZ is dA times the derivative of the activation",
    )
    yield Slip("doubled derivative", dA * g * g, f"has the factor {written} twice")
    yield Slip("sum for product", dA + g, f"has dA + {written} where their product is right")
    yield Slip("missing dA", g, "lacks the factor dA", f"dZ is dA times {written}")
    if activation == "sigmoid":
        yield from _of_sigmoid(dA, Z)
    if activation == "relu":
        yield from _of_relu(dA, Z)
    for other in SLOPES.keys() - {activation}:
        says = f"has {WRITTEN[other]}, the derivative of {other}, where {written} is right"
        yield Slip(f"derivative of {other}", dA * SLOPES[other](Z), says)


def _of_sigmoid(dA: Array, Z: Array) -> Iterator[Slip]:
    A, name = sigma(Z), "sigmoid's derivative"
    yield Slip(
        "Z instead of A",
        dA * Z * (1 - Z),
        "has Z (1 − Z) where A (1 − A) is right",
        "does the cache hold Z, not A?",
    )
    yield Slip(
        "sigmoid twice",
        dA * SLOPES["sigmoid"](A),
        "has σ'(A) where σ'(Z) is right",
        "was sigmoid applied twice?",
    )
    yield Slip(name, dA * A, "lacks the factor (1 − A)", "σ'(Z) is A (1 − A)")
    yield Slip(name, dA * (1 - A), "lacks the factor A", "σ'(Z) is A (1 − A)")
    yield Slip(name, dA * A * (1 + A), "has A (1 + A) where A (1 − A) is right")
    yield Slip(name, dA * (1 - A * A), "has 1 − A² where A (1 − A) is right", "that is tanh's")
    yield Slip(name, dA / (A * (1 - A)), "is divided by A (1 − A), not multiplied")
    yield Slip(name, dA * A * A, "has A² where A (1 − A) is right")
    yield Slip(name, dA * (A - A * A * A), "has A (1 − A²) where A (1 − A) is right")
    yield Slip("Z instead of A", dA * (1 - Z * Z), "has 1 − Z² where A (1 − A) is right")
    yield Slip("Z instead of A", dA * Z * (1 - A), "has Z (1 − A) where A (1 − A) is right")
    yield Slip("Z instead of A", dA * A * (1 - Z), "has A (1 − Z) where A (1 − A) is right")


def _of_relu(dA: Array, Z: Array) -> Iterator[Slip]:
    right = "where 1[Z > 0] is right"
    yield Slip(
        "≥ for > at zero",
        dA * (Z >= 0),
        f"has 1[Z ≥ 0] {right}",
        "they differ only where Z is exactly 0, and there dZ is 0",
    )
    yield Slip("½ at zero", dA * ((Z > 0) + 0.5 * (Z == 0)), f"has ½ at Z = 0, {right}")
    yield Slip("mask inverted", dA * (Z < 0), f"has 1[Z < 0] {right}", "is the mask inverted?")
    yield Slip("mask inverted", dA * (Z <= 0), f"has 1[Z ≤ 0] {right}", "is the mask inverted?")
    yield Slip("mask of dA", dA * (dA > 0), f"has 1[dA > 0] {right}", "the mask is that of Z")
    yield Slip("mask of dA", dA * (dA >= 0) * (Z > 0), "loses the negative dA as well")
    yield Slip("Z instead of 1[Z > 0]", dA * Z, f"has Z {right}")
    yield Slip("A instead of 1[Z > 0]", dA * np.maximum(0, Z), f"has A {right}")
    yield Slip("sign of Z", dA * np.sign(Z), f"has the sign of Z {right}")
    yield Slip("Z ≠ 0 for Z > 0", dA * (Z != 0), f"has 1[Z ≠ 0] {right}")
    yield Slip("Z instead of dA", np.maximum(0, Z), "has Z where dA is right")
    yield Slip(
        "leaky",
        dA * np.where(Z > 0, 1, 0.01),
        f"lets 0.01 dA through {right}",
        "that is leaky relu's",
    )
