"""Quantities known beside the two gradients: those of the layer, by the document's names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import LOOSE, Array, as_array, close, precision
from tinygrad_dnn.check.diagnosis.slopes import SLOPES

_NUMBERED = re.compile(r"^(d?)([A-Za-z]+)(\d+)$")


class Known:
    """The truth and its context, read leniently: what can't be used is left out.

    Attributes:
        truth: the right gradient.
        name: of the gradient, "dW2" or "".
        scalars: numbers by name; `m`, `n`, `n_prev` are taken from the arrays where not given.
        arrays: by name. For a numbered gradient ("dW2") the layer's own `A_prev, W, Z, ...` are
            those with its number.
        parts: the contributions that the truth is the sum of, by what they are.
        unsummed: the gradient before it was summed over broadcast axes, or None.
        alternatives: what it would be after some other mistake, by what one would see then.
    """

    def __init__(self, truth: Array, context: Mapping[str, Any] | None, name: str) -> None:
        self.truth = truth
        self.name = name
        self.scalars: dict[str, float] = {}
        self.arrays: dict[str, Array] = {}
        self.parts: dict[str, Array] = {}
        self.unsummed: Array | None = None
        self.alternatives: dict[str, Array] = {}
        self.activation: str | None = None
        for key, value in _flat(context or {}):
            self._take(key, value)
        self._alias()
        self._derive()
        self._sizes()

    def precision(self) -> float:
        """The machine precision that can be asked for: that of the narrowest floats given."""
        return max(map(precision, (self.truth, *self.arrays.values())))

    def get(self, name: str) -> Array | None:
        """An array by name, or None."""
        return self.arrays.get(name)

    def factors(self, target: str) -> tuple[Array, Sequence[float]]:
        """dZ and the k with which it gives the truth, if that is a `target`; else no k.

        dW = k dZ·A_prevᵀ, db = k Σ dZ, dA_prev = k Wᵀ·dZ, dZ = k dZ; k is 1, 1/m or m, whichever
        convention the truth follows; a truth of zeros leaves it open.
        """
        dZ = self.get("dZ")
        if dZ is None:
            return np.zeros(0), ()
        return dZ, self.scales(self.through(target, dZ))

    def through(self, target: str, dZ: Array | None) -> Array | None:
        """Return `target` as this dZ would make it, up to a factor; None where it can't be said."""
        A_prev, W = self.get("A_prev"), self.get("W")
        if dZ is None:
            return None
        try:
            if target == "dW":
                return None if A_prev is None else np.asarray(dZ @ A_prev.T)
            if target == "dA_prev":
                return None if W is None else np.asarray(W.T @ dZ)
            if target == "db":
                return np.asarray(np.sum(dZ, axis=1, keepdims=True))
        except ValueError:  # an axis or a size that does not fit; AxisError is one too
            return None
        return dZ

    def scales(self, right: Array | None) -> Sequence[float]:
        """The k among 1, 1/m, m with truth = k · right."""
        if right is None or right.shape != self.truth.shape:
            return ()
        m = self.scalars.get("m", 1.0)
        tried = dict.fromkeys((1.0, 1 / m if m else 1.0, m))
        return [k for k in tried if bool(np.all(close(self.truth, k * right, bound=LOOSE)))]

    def _take(self, key: str, value: Any) -> None:
        if key == "activation":
            self.activation = value if isinstance(value, str) else None
        elif key == "alternatives":
            named = value if isinstance(value, Mapping) else {}
            alternatives = {str(k): as_array(v) for k, v in named.items()}
            self.alternatives = {k: v for k, v in alternatives.items() if v is not None}
        elif key == "parts":
            named = value if isinstance(value, Mapping) else _numbered(value)
            arrays = {str(k): as_array(v) for k, v in named.items()}
            self.parts = {
                k: v for k, v in arrays.items() if v is not None and v.shape == self.truth.shape
            }
        elif (array := as_array(value)) is not None:
            if key == "unsummed":
                self.unsummed = array
            elif array.ndim == 0 and not np.iscomplexobj(array):
                self.scalars[key] = float(array)
            else:
                self.arrays[key] = array

    def _alias(self) -> None:
        """For "dW2": dZ is dZ2, W is W2, A_prev is A1; A0 is X."""
        if "A0" not in self.arrays and "X" in self.arrays:
            self.arrays["A0"] = self.arrays["X"]
        found = _NUMBERED.match(self.name)
        if not found:
            return
        layer = int(found[3])
        for name in ("dZ", "dA", "W", "b", "Z", "A"):
            self._call(name, f"{name}{layer}")
        self._call("A_prev", f"A{layer - 1}")

    def _derive(self) -> None:
        """dZ = dA · g'(Z), where all of that is known."""
        dA, Z = self.get("dA"), self.get("Z")
        if "dZ" in self.arrays or self.activation not in SLOPES or dA is None or Z is None:
            return
        if dA.shape == Z.shape:
            self.arrays["dZ"] = dA * SLOPES[self.activation](Z)

    def _call(self, name: str, numbered: str) -> None:
        if name not in self.arrays and numbered in self.arrays:
            self.arrays[name] = self.arrays[numbered]

    def _sizes(self) -> None:
        for name in ("dZ", "Z", "dA", "A_prev", "X", "Y"):
            x = self.get(name)
            if x is not None and x.ndim == 2:
                self.scalars.setdefault("m", float(x.shape[1]))
        W = self.get("W")
        if W is not None and W.ndim == 2:
            self.scalars.setdefault("n", float(W.shape[0]))
            self.scalars.setdefault("n_prev", float(W.shape[1]))


def _flat(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in context.items():
        if isinstance(value, Mapping) and key not in ("parts", "alternatives"):
            yield from ((str(k), v) for k, v in value.items())
        else:
            yield str(key), value


def _numbered(parts: Any) -> dict[str, Any]:
    if not isinstance(parts, Sequence):
        return {}
    return {f"contribution {i + 1}": part for i, part in enumerate(parts)}
